//! A real etcd, and definitions written into it without a server.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ninevolt::store::{Commit, EtcdOptions, Store};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// What is not there after this does not come.
const AMPLE: Duration = Duration::from_secs(120);

/// One etcd, and what is asked of it from outside.
pub(crate) struct Etcd {
    child: Child,
    pub(crate) endpoint: String,
    pub(crate) store: Store,
    pub(crate) runtime: Runtime,
}

impl Etcd {
    pub(crate) fn start(dir: &Path) -> Self {
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

    pub(crate) fn revision(&self) -> u64 {
        let status = self.runtime.block_on(self.store.status());
        status.map_or(0, |status| status.at.0)
    }

    /// Writes all of these.
    pub(crate) fn fill(&self, commits: Vec<Commit>) {
        self.runtime.block_on(fill(&self.store, commits));
    }

    /// `kill -9`: nobody answers there any more.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes definitions into a store.
pub(crate) async fn fill(store: &Store, commits: Vec<Commit>) {
    store.identity().await.expect("an identity");
    let outcomes = store.bulk(commits, |_| {}).await;
    let failed = outcomes.iter().find(|outcome| outcome.revision().is_none());
    assert!(failed.is_none(), "{failed:?}");
}

/// Waits for it; how long that took.
pub(crate) fn until(what: &str, mut there: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < AMPLE, "no {what} after {AMPLE:?}");
        std::thread::sleep(LOOK);
    }
    begun.elapsed()
}
