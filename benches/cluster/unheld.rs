//! What a member needs in memory for each monitor that another one holds.

use std::time::Duration;

use super::member;
use crate::definitions::{What, name, stored};
use crate::etcd::Etcd;
use crate::support::Table;
use crate::target::Target;

const MONITORS: usize = 100_000;
/// After this everything has its steady shape.
const SETTLED: Duration = Duration::from_secs(20);

pub(super) fn run(table: &mut Table) {
    let target = Target::start();
    let definition = |n| {
        let what = What::of_the_mix(n);
        stored(&name(what, n), &what.spec(&target, n, "1d"))
    };
    let definitions: Vec<_> = (0..MONITORS).map(definition).collect();
    for (what, more) in [("", &[][..]), (", with a copy of the store", &["--local-copy"][..])] {
        let resident = |definitions| {
            let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
            let etcd = Etcd::start(dirs[0].path());
            etcd.fill(definitions);
            let _holder = member(&etcd, dirs[1].path(), "m0", &[]);
            // With a tag it may hold none of these.
            let args = [more, &["--tags", "other"]].concat();
            let other = member(&etcd, dirs[2].path(), "m1", &args);
            std::thread::sleep(SETTLED);
            other.resident()
        };
        let (empty, full) = (resident(Vec::new()), resident(definitions.clone()));
        let each = full.saturating_sub(empty) as f64 / MONITORS as f64;
        table.row(
            &format!("resident memory per monitor that a member does not hold, 100,000 of them{what}"),
            "≤ 256 B",
            format!("{each:.0} B (without any {:.1} MB)", empty as f64 / 1e6),
            Some(each <= 256.0),
        );
    }
}
