//! What a hundred thousand monitors write while nothing happens, and while runs fail here and there.

use std::time::Duration;

use super::{Crew, core};
use crate::definitions::{What, name, stored};
use crate::support::Table;
use crate::target::Target;

const MONITORS: usize = 100_000;
/// So many runs of a thousand fail.
const FAILING: u32 = 1;
const MEASURED: Duration = Duration::from_secs(60);

/// Every monitor runs each ten seconds, and one failed run is not yet a status.
pub(super) fn run(table: &mut Table) {
    let mut target = Target::start();
    let definition = |n| {
        let mut spec = What::TcpExpect.spec(&target, n, "10s");
        spec["warning-threshold"] = 2.into();
        stored(&name(What::TcpExpect, n), &spec)
    };
    let crew = Crew::start((0..MONITORS).map(definition).collect());
    crew.ran();
    let writes = || {
        let before = crew.etcd.revision();
        std::thread::sleep(MEASURED);
        (crew.etcd.revision() - before) as f64 / MEASURED.as_secs_f64()
    };
    std::thread::sleep(Duration::from_secs(20));
    let healthy = writes();
    table.row(
        "etcd writes with 100,000 healthy monitors every 10 s on three members",
        "≤ 2 a second",
        format!("{healthy:.2} a second"),
        Some(healthy <= 2.0),
    );
    target.fail(FAILING);
    std::thread::sleep(Duration::from_secs(10));
    let flaky = writes();
    table.row(
        "the same while one run of a thousand fails",
        "≤ 10 a second",
        format!("{flaky:.2} a second"),
        Some(flaky <= 10.0),
    );
    table.note("of a core, a bare loop had meanwhile", format!("{:.2}", core()));
}
