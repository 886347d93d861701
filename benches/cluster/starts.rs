//! From the start of a process with a hundred thousand definitions to its first check.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use ninevolt::store::Commit;
use serde_json::json;
use tokio::time::Instant;

use super::{core, held, member};
use crate::definitions::stored;
use crate::etcd::{Etcd, until};
use crate::server::Server;
use crate::support::{Table, median};

const MONITORS: usize = 100_000;
/// Each time is the middle one of so many.
const TIMES: usize = 3;
/// The copy of the store is whole after this.
const COPIED: Duration = Duration::from_secs(20);

pub(super) fn run(table: &mut Table) {
    let checked = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = checked.local_addr().expect("its address").port();
    let definition = |n: usize| {
        // As long as those of the mix; who is asked first says when the first check was.
        let spec = json!({"type": "tcp", "host": "127.0.0.1", "port": port, "interval": "60s", "description": format!("number {n}"),
            "tags": ["bench", "loopback"], "warning-threshold": 1, "critical-threshold": 3, "timeout": "1s"});
        stored(&format!("tcp-open-{n:06}"), &spec)
    };
    let definitions: Vec<Commit> = (0..MONITORS).map(definition).collect();
    let empty = (0..TIMES).map(|_| {
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let etcd = Etcd::start(dirs[0].path());
        etcd.fill(definitions.clone());
        first_check(&checked, || member(&etcd, dirs[1].path(), "m0", &[])).0
    });
    let empty = median(empty.collect());
    row(
        table,
        "first start with 100,000 definitions, empty disk: first check",
        6.0,
        empty,
    );

    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let mut etcd = Etcd::start(dirs[0].path());
    etcd.fill(definitions);
    let again = |dir: &Path, etcd: &Etcd| {
        let times = (0..TIMES).map(|_| {
            let (took, mut server) = first_check(&checked, || member(etcd, dir, "m0", &[]));
            server.kill();
            took
        });
        median(times.collect())
    };
    let server = member(&etcd, dirs[1].path(), "m0", &[]);
    until("share", || held(&server.get("/api/v1/plan"), "m0") > 4_000);
    std::thread::sleep(COPIED);
    drop(server);
    let mirror = again(dirs[1].path(), &etcd);
    row(table, "the same again with its copy of the store", 3.0, mirror);
    etcd.kill();
    // Only the first start does not know yet that etcd is away.
    let (alone, mut server) = first_check(&checked, || member(&etcd, dirs[1].path(), "m0", &[]));
    server.kill();
    row(table, "the same from its copy, with no etcd", 3.0, alone);
    let still = again(dirs[1].path(), &etcd);
    table.note(
        "and once more, from a copy that was gone on from",
        format!("{still:.2} s"),
    );
    table.note("of a core, a bare loop had meanwhile", format!("{:.2}", core()));
}

fn row(table: &mut Table, what: &str, bar: f64, measured: f64) {
    table.row(
        what,
        &format!("< {bar} s"),
        format!("{measured:.2} s"),
        Some(measured < bar),
    );
}

/// Seconds from the start of a process to its first check.
fn first_check(checked: &TcpListener, start: impl FnOnce() -> Server) -> (f64, Server) {
    checked.set_nonblocking(true).expect("settable");
    while checked.accept().is_ok() {}
    checked.set_nonblocking(false).expect("settable");
    let begun = Instant::now();
    let server = start();
    drop(checked.accept());
    (begun.elapsed().as_secs_f64(), server)
}
