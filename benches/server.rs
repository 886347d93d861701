//! The real binary: the original's mix, many idle monitors, the time until the first check.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::definitions::{What, name, stored};
use crate::etcd;
use crate::support::{Selection, Table, cpu_of, resident, status_bytes};
use crate::target::Target;

/// Monitors of the mix, each every ten seconds: 1,000 checks a second.
const MIX: usize = 10_000;
/// Idle ones, each once a day.
const IDLE: usize = 100_000;
/// First runs come at 2,000 a second; after that and another round everything has its steady shape.
const WARM_UP: Duration = Duration::from_secs(25);
const MEASURED: Duration = Duration::from_secs(40);

pub(crate) fn run(selection: &Selection, table: &mut Table) {
    let target = Target::start();
    let empty = || {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Server::start(dir.path(), &[]);
        std::thread::sleep(Duration::from_secs(3));
        server.resident()
    };
    if selection.has("mix") {
        mix(&target, table);
    }
    if selection.names("mix-for-long") {
        mix_for_long(&target, table);
    }
    if selection.has("idle") {
        let empty = empty();
        let dir = tempfile::tempdir().expect("a directory");
        fill(dir.path(), (0..IDLE).map(|n| (What::of_the_mix(n), n)), &target, "1d");
        let server = Server::start(dir.path(), &[]);
        std::thread::sleep(Duration::from_secs(10));
        let loaded = server.resident();
        // All first runs are over after this.
        std::thread::sleep(Duration::from_secs(60));
        let ran = server.resident();
        let each = |resident: u64| resident.saturating_sub(empty) as f64 / IDLE as f64;
        table.note("an empty server", format!("{:.1} MB resident", empty as f64 / 1e6));
        let measured = format!("{:.0} B (before any run: {:.0} B)", each(ran), each(loaded));
        table.row(
            "resident memory per idle monitor, 100,000 loaded",
            "≤ 2 KB",
            measured,
            Some(each(ran.max(loaded)) <= 2048.0),
        );
    }
    if selection.has("start") {
        start(table);
    }
}

fn mix(target: &Target, table: &mut Table) {
    let dir = tempfile::tempdir().expect("a directory");
    fill(dir.path(), (0..MIX).map(|n| (What::of_the_mix(n), n)), target, "10s");
    let server = Server::start(dir.path(), &[]);
    std::thread::sleep(WARM_UP);
    let (used, begun) = (server.cpu(), Instant::now());
    std::thread::sleep(MEASURED);
    let share = (server.cpu() - used).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    let resident = server.resident() as f64 / 1e6;
    let overview = server.get("/api/v1/overview");
    table.row(
        "10,000 monitors of the mix every 10 s: processor",
        "≤ 7 % of one core",
        format!("{share:.1} %"),
        Some(share <= 7.0),
    );
    table.row(
        "10,000 monitors of the mix every 10 s: memory",
        "≤ 60 MB",
        format!("{resident:.1} MB"),
        Some(resident <= 60.0),
    );
    let number = |pointer: &str| overview.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let (p50, p99) = (number("/lateness_ms/p50"), number("/lateness_ms/p99"));
    let (ran, skipped, failed) = (
        number("/ledger/ran"),
        number("/ledger/skipped"),
        number("/monitors/total") - number("/monitors/ok"),
    );
    table.row(
        "lateness at these 1,000 checks a second",
        "p50 < 1 ms, p99 < 10 ms, 0 skipped",
        format!("p50 {p50:.2} ms, p99 {p99:.2} ms, {skipped} of {ran} skipped; {failed} monitors not ok"),
        Some(p50 < 1.0 && p99 < 10.0 && skipped == 0.0),
    );
}

/// Memory once every monitor remembers as many runs as it ever will.
fn mix_for_long(target: &Target, table: &mut Table) {
    let dir = tempfile::tempdir().expect("a directory");
    fill(dir.path(), (0..MIX).map(|n| (What::of_the_mix(n), n)), target, "10s");
    let server = Server::start(dir.path(), &[]);
    std::thread::sleep(Duration::from_secs(10 * ninevolt::results::SAMPLES as u64 + 30));
    let (resident, anonymous) = (server.resident() as f64 / 1e6, server.anonymous() as f64 / 1e6);
    table.row(
        "10,000 monitors of the mix, after eleven minutes: memory",
        "≤ 60 MB",
        format!("{resident:.1} MB, of these {anonymous:.1} MB not the program's file"),
        Some(resident <= 60.0),
    );
}

/// From the start of the process to the first connection of a check.
fn start(table: &mut Table) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let configs = tempfile::tempdir().expect("a directory");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/demo");
    for file in std::fs::read_dir(examples).expect("examples").flatten() {
        std::fs::copy(file.path(), configs.path().join(file.file_name())).expect("copied");
    }
    let port = listener.local_addr().expect("its address").port();
    let own =
        format!("monitor:\n  bench-first:\n    type: tcp\n    host: 127.0.0.1\n    port: {port}\n    interval: 10s\n");
    std::fs::write(configs.path().join("bench.yaml"), own).expect("written");
    let mut times = Vec::new();
    for _ in 0..5 {
        let dir = tempfile::tempdir().expect("a directory");
        let begun = Instant::now();
        let _server = Server::start(dir.path(), &["--configs".as_ref(), configs.path().as_os_str()]);
        drop(listener.accept());
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let time = crate::support::median(times);
    table.row(
        "start to first check on the examples",
        "< 300 ms",
        format!("{time:.0} ms"),
        Some(time < 300.0),
    );
}

/// Definitions, written into the store of a data directory that no server has open.
fn fill(dir: &Path, monitors: impl Iterator<Item = (What, usize)>, target: &Target, interval: &str) {
    let put = |(what, n): (What, usize)| stored(&name(what, n), &what.spec(target, n, interval));
    let commits: Vec<_> = monitors.map(put).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let store = ninevolt::store::open_embedded(dir).await.expect("a store");
        etcd::fill(&store, commits).await;
    });
}

/// A running `9volt server`. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub(crate) fn start(data: &Path, more: &[&std::ffi::OsStr]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_9volt"))
            .args(["server", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(more)
            .env_remove("NINEV_ETCD_MEMBERS")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = std::io::BufReader::new(child.stderr.take().expect("its output"))
            .lines()
            .map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, rest) = line.split_once("page and API on http://")?;
            Some(rest.split('/').next()?.to_owned())
        });
        // Read on, or it would write into a full pipe.
        std::thread::spawn(move || {
            for line in lines
                .filter(|line| line.contains("ERROR") || line.contains("panicked"))
                .take(20)
            {
                eprintln!("  server: {line}");
            }
        });
        Self {
            child,
            address: address.expect("the server says where it listens"),
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.wait();
    }

    /// What a service manager does.
    pub(crate) fn ask_to_stop(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("asked");
    }

    pub(crate) fn wait(&mut self) {
        self.child.wait().expect("its end");
    }

    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(self.child.id())
    }

    pub(crate) fn resident(&self) -> u64 {
        resident(self.child.id())
    }

    fn anonymous(&self) -> u64 {
        status_bytes(self.child.id(), "RssAnon:")
    }

    /// Where its API is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks the API.
    pub(crate) fn get(&self, path: &str) -> Value {
        serde_json::from_slice(&self.call("GET", path, "")).unwrap_or_default()
    }

    /// Stores a definition.
    pub(crate) fn put(&self, path: &str, definition: &Value) {
        let answer = self.call("PUT", path, &definition.to_string());
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        assert_eq!(answer["status"], "ok", "{answer}");
    }

    /// The page of its metrics.
    pub(crate) fn metrics(&self) -> String {
        String::from_utf8(self.call("GET", "/metrics", "")).expect("text")
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).expect("the API");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            eprintln!("  the API does not answer: {error}");
            return Vec::new();
        }
        memchr::memmem::find(&answer, b"\r\n\r\n").map_or_else(Vec::new, |at| answer.split_off(at + 4))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
