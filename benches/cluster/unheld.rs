//! What a member needs in memory for each monitor that another one holds.

use std::time::Duration;

use super::{held, member};
use crate::definitions::{What, name, stored};
use crate::etcd::{Etcd, until};
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
    let resident = |definitions| {
        let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
        let etcd = Etcd::start(dirs[0].path());
        etcd.fill(definitions);
        let holder = member(&etcd, dirs[1].path(), "m0", &[]);
        // It comes to a cluster that has its plan.
        until("share", || held(&holder.get("/api/v1/plan"), "m0") > 4_000);
        // With a tag it may hold none of these.
        let other = member(&etcd, dirs[2].path(), "m1", &["--tags", "other"]);
        std::thread::sleep(SETTLED);
        other.resident()
    };
    // A monitor at least, so that there is a plan.
    let (few, full) = (resident(definitions[..1].to_vec()), resident(definitions));
    let each = full.saturating_sub(few) as f64 / MONITORS as f64;
    table.row(
        "resident memory per monitor that a member does not hold, 100,000 of them, its copy of the store included",
        "≤ 256 B",
        format!("{each:.0} B (with one {:.1} MB)", few as f64 / 1e6),
        Some(each <= 256.0),
    );
}
