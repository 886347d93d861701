//! Three members on a real etcd: a death, a planned stop, what both write, and a large `cfg -e`. Measured only when named: it takes minutes.

mod edits;
mod failing;
mod joining;
mod starts;
mod steady;
mod unheld;

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use ninevolt::store::Commit;
use serde_json::Value;
use tokio::time::Instant;

use crate::etcd::{Etcd, until};
use crate::server::Server;
use crate::support::{Selection, Table, cpu};
use crate::sync;
use crate::target::Target;

/// Monitors of the mix that members share, each every ten seconds.
const SHARED: usize = 10_000;
/// Monitors of `cfg`.
const MANY: usize = 100_000;
/// Over which steady writes are counted.
const STEADY: Duration = Duration::from_secs(30);

/// Measures one thing.
type Part = fn(&mut Table);

pub(crate) fn run(selection: &Selection, table: &mut Table) {
    let parts: [(&str, Part); 8] = [
        ("cluster-cfg", cfg),
        ("cluster-members", members),
        ("cluster-joining", joining::run),
        ("cluster-steady", steady::run),
        ("cluster-edits", edits::run),
        ("cluster-failing", failing::run),
        ("cluster-starts", starts::run),
        ("cluster-unheld", unheld::run),
    ];
    for (name, part) in parts {
        if selection.names(name) || selection.names("cluster") {
            eprintln!("measuring {name} …");
            part(table);
        }
    }
}

/// Three members over one etcd, once each has its share of the monitors that are there.
struct Crew {
    members: [Server; 3],
    etcd: Etcd,
    _dirs: Vec<tempfile::TempDir>,
}

impl Crew {
    fn start(definitions: Vec<Commit>) -> Self {
        let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().expect("a directory")).collect();
        let etcd = Etcd::start(dirs[3].path());
        etcd.fill(definitions);
        let members = [0, 1, 2].map(|n| member(&etcd, dirs[n].path(), &format!("m{n}"), &[]));
        until("share", || {
            let plan = members[0].get("/api/v1/plan");
            ["m0", "m1", "m2"].iter().all(|id| held(&plan, id) > 1_000)
        });
        Self {
            members,
            etcd,
            _dirs: dirs,
        }
    }

    /// Waits until every monitor has passed.
    fn ran(&self) {
        until("pass of each", || {
            let overview = self.members[0].get("/api/v1/overview");
            overview.pointer("/monitors/ok") == overview.pointer("/monitors/total") && !overview.is_null()
        });
    }
}

/// A member of the cluster in this etcd.
fn member(etcd: &Etcd, dir: &Path, id: &str, more: &[&str]) -> Server {
    let mut args = vec!["-e", etcd.endpoint.as_str(), "--member-id", id];
    args.extend(more);
    let args: Vec<&OsStr> = args.into_iter().map(AsRef::as_ref).collect();
    Server::start(&dir.join("data"), &args)
}

/// The bare loop of the same moment: how much of a core is to be had. 1.0 on an idle machine.
fn core() -> f64 {
    let (begun, used) = (Instant::now(), cpu());
    let mut n = 0u64;
    while begun.elapsed() < Duration::from_millis(500) {
        n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
    }
    (cpu() - used).as_secs_f64() / begun.elapsed().as_secs_f64()
}

/// The value below which so many of a hundred are.
fn percentile(times: &mut [f64], of_hundred: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * of_hundred / 100).min(times.len() - 1)]
}

fn cfg(table: &mut Table) {
    let target = Target::start();
    let dir = tempfile::tempdir().expect("a directory");
    let configs = tempfile::tempdir().expect("a directory");
    let etcd = Etcd::start(dir.path());
    sync::write(configs.path(), &target, MANY);
    let took = || sync::sync(configs.path(), &["-e", &etcd.endpoint]).0;
    let (first, second) = (took(), took());
    table.row(
        "cfg -e of 100,000 monitors into etcd",
        "< 20 s",
        format!("{first:.1} s"),
        Some(first < 20.0),
    );
    table.row(
        "the same again, nothing changed",
        "< 5 s",
        format!("{second:.1} s"),
        Some(second < 5.0),
    );
}

/// How many monitors each holds, by the plan of the member that is asked.
fn held(plan: &Value, id: &str) -> u64 {
    let groups = plan.pointer("/groups/items").and_then(Value::as_array);
    let members = groups
        .into_iter()
        .flatten()
        .filter_map(|group| group.get("members")?.as_array());
    let its = members
        .flatten()
        .filter(|holds| holds.get("id").is_some_and(|i| i == id));
    its.filter_map(|holds| holds.get("slots")?.as_u64()).sum()
}

fn members(table: &mut Table) {
    let target = Target::start();
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a directory")).collect();
    let configs = tempfile::tempdir().expect("a directory");
    let etcd = Etcd::start(dirs[0].path());
    sync::write(configs.path(), &target, SHARED);
    sync::sync(configs.path(), &["-e", &etcd.endpoint]);
    let [mut first, mut second, third] = [0, 1, 2].map(|n| member(&etcd, dirs[n].path(), &format!("m{n}"), &[]));
    let share = |asked: &Server, ids: &[&str]| {
        until("share", || {
            let plan = asked.get("/api/v1/plan");
            ids.iter().all(|id| held(&plan, id) > 1_000)
        })
    };
    share(&third, &["m0", "m1", "m2"]);
    // First runs come at 2,000 a second, and everything is steady a round later.
    std::thread::sleep(Duration::from_secs(25));
    let before = etcd.revision();
    std::thread::sleep(STEADY);
    let writes = (etcd.revision() - before) as f64 / STEADY.as_secs_f64();
    table.row(
        "etcd writes with 10,000 healthy monitors on three members",
        "≤ 2 a second",
        format!("{writes:.2} a second"),
        Some(writes <= 2.0),
    );

    let before = etcd.revision();
    first.kill();
    let took = until("take-over", || held(&third.get("/api/v1/plan"), "m0") == 0);
    table.row(
        "kill -9 of one of three with 10,000 monitors: last orphan assigned",
        "≤ lease (6 s) + 1 s",
        format!("{:.2} s", took.as_secs_f64()),
        Some(took <= Duration::from_secs(7)),
    );
    table.note(
        "revisions of etcd for that (events and lease included)",
        (etcd.revision() - before).to_string(),
    );

    let before = etcd.revision();
    let begun = Instant::now();
    second.ask_to_stop();
    let took = until("hand-over", || held(&third.get("/api/v1/plan"), "m1") == 0);
    second.wait();
    table.row(
        "planned stop with 5,000 monitors: last one taken over",
        "< 2 s",
        format!(
            "{:.2} s, the process ended after {:.2} s",
            took.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        ),
        Some(took < Duration::from_secs(2)),
    );
    table.note(
        "revisions of etcd for that (events and lease included)",
        (etcd.revision() - before).to_string(),
    );
}
