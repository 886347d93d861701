//! Three members on a real etcd: a death, a planned stop, what both write, and a large `cfg -e`. Measured only when named: it takes minutes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ninevolt::store::{EtcdOptions, Store};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::server::Server;
use crate::support::{Selection, Table};
use crate::sync;
use crate::target::Target;

/// Monitors of the mix that members share, each every ten seconds.
const SHARED: usize = 10_000;
/// Monitors of `cfg`.
const MANY: usize = 100_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// What is not there after this does not come.
const AMPLE: Duration = Duration::from_secs(120);
/// Over which steady writes are counted.
const STEADY: Duration = Duration::from_secs(30);

pub(crate) fn run(selection: &Selection, table: &mut Table) {
    if selection.names("cluster-cfg") || selection.names("cluster") {
        cfg(table);
    }
    if selection.names("cluster-members") || selection.names("cluster") {
        members(table);
    }
}

/// One etcd, and what is asked of it from outside.
struct Etcd {
    child: Child,
    endpoint: String,
    store: Store,
    runtime: Runtime,
}

impl Etcd {
    fn start(dir: &Path) -> Self {
        let port = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("its address").port()
        };
        let [endpoint, peer] = [port(), port()].map(|port| format!("http://127.0.0.1:{port}"));
        let child = Command::new("etcd")
            .arg("--data-dir")
            .arg(dir.join("etcd"))
            .args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--log-level", "fatal"])
            .stdin(Stdio::null())
            .spawn()
            .expect("etcd starts (Debian: etcd-server)");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let options = EtcdOptions {
            endpoints: vec![endpoint.clone()],
            prefix: "9volt".to_owned(),
            ..EtcdOptions::default()
        };
        let store = runtime
            .block_on(async { ninevolt::store::open_etcd(&options) })
            .expect("a store");
        let etcd = Self {
            child,
            endpoint,
            store,
            runtime,
        };
        until("etcd", || etcd.revision() > 0);
        etcd
    }

    fn revision(&self) -> u64 {
        let status = self.runtime.block_on(self.store.status());
        status.map_or(0, |status| status.at.0)
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut there: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < AMPLE, "no {what} after {AMPLE:?}");
        std::thread::sleep(LOOK);
    }
    begun.elapsed()
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
    let start = |n: usize| {
        let id = format!("m{n}");
        let args = ["-e", etcd.endpoint.as_str(), "--member-id", &id].map(AsRef::as_ref);
        Server::start(&dirs[n].path().join("data"), &args)
    };
    let [mut first, mut second, third] = [0, 1, 2].map(start);
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
