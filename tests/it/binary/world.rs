//! A directory, a target that can fail, and the binary in between; everything that the processes print is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Nothing that is waited for takes this long, on a machine that does other things too.
pub(super) const AMPLE: Duration = Duration::from_secs(60);
/// Between two looks at something that cannot call us.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The binary under test, with nothing of our own environment that it would listen to.
pub(super) fn binary() -> Command {
    binary_via(&[])
}

/// The same, started by a command that gives it another network or another clock.
fn binary_via(via: &[String]) -> Command {
    let all = via.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_9volt")]);
    let all: Vec<&str> = all.collect();
    let mut command = Command::new(all[0]);
    command.args(&all[1..]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NINEV") || name == "RUST_LOG" || name == "STATE_DIRECTORY" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Looks until there is something, or fails with what was waited for.
pub(super) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = now() + AMPLE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < until, "waited {AMPLE:?} for {what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "these tests run processes, whose clock nobody pauses"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Lines that processes have printed.
#[derive(Default)]
pub(super) struct Lines {
    seen: Mutex<Vec<(Instant, String)>>,
    more: Condvar,
}

impl Lines {
    pub(super) fn read(self: &Arc<Self>, from: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.seen.lock().unwrap().push((now(), line));
                lines.more.notify_all();
            }
        });
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.timed().into_iter().map(|(_, line)| line).collect()
    }

    /// With when each came.
    fn timed(&self) -> Vec<(Instant, String)> {
        self.seen.lock().unwrap().clone()
    }

    /// The first line from the n-th on that fits.
    pub(super) fn wait(&self, from: usize, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let mut seen = self.seen.lock().unwrap();
        let until = now() + AMPLE;
        loop {
            if let Some((_, line)) = seen.iter().skip(from).find(|(_, line)| fits(line)) {
                return line.clone();
            }
            let left = until.saturating_duration_since(now());
            assert!(!left.is_zero(), "waited {AMPLE:?} for {what}; seen:\n{seen:#?}");
            seen = self.more.wait_timeout(seen, left).unwrap().0;
        }
    }
}

/// A web server that answers one word, whichever it is told to.
pub(super) struct Target {
    pub(super) at: SocketAddr,
    word: Arc<Mutex<&'static str>>,
    listening: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Target {
    pub(super) fn start(word: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut target = Self {
            at: listener.local_addr().unwrap(),
            word: Arc::new(Mutex::new(word)),
            listening: None,
        };
        target.serve(listener);
        target
    }

    fn serve(&mut self, listener: TcpListener) {
        let (stop, word) = (Arc::new(AtomicBool::new(false)), self.word.clone());
        let asked = stop.clone();
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if asked.load(SeqCst) {
                    return;
                }
                let word = *word.lock().unwrap();
                std::thread::spawn(move || answer(stream, word));
            }
        });
        self.listening = Some((stop, serving));
    }

    pub(super) fn say(&self, word: &'static str) {
        *self.word.lock().unwrap() = word;
    }

    /// Closes the port.
    pub(super) fn die(&mut self) {
        let (stop, serving) = self.listening.take().unwrap();
        stop.store(true, SeqCst);
        // Wakes it up.
        drop(TcpStream::connect(self.at));
        serving.join().unwrap();
    }

    /// Opens the same port again.
    pub(super) fn live(&mut self) {
        let at = self.at;
        let listener = wait_for("the target's port", || TcpListener::bind(at).ok());
        self.serve(listener);
    }
}

fn answer(mut stream: TcpStream, word: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 2 {
        line.clear();
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{word}",
        word.len()
    )
}

/// A running server.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// `kill -9`.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// How it ended by itself.
    pub(super) fn ended(mut self) -> ExitStatus {
        wait_for("the server to end", || self.child.try_wait().unwrap())
    }

    /// Stops the threads of this name, and no others.
    pub(super) fn hang(self, name: &str) -> Hung {
        let of = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            let its = std::fs::read_to_string(path.join("comm")).unwrap();
            let id = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            (its.trim_end() == name).then(|| Pid::from_raw(id))
        };
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let threads: Vec<Pid> = tasks.filter_map(of).collect();
        assert!(!threads.is_empty(), "no thread is called {name}");
        for thread in &threads {
            ptrace::seize(*thread, ptrace::Options::empty()).unwrap();
            ptrace::interrupt(*thread).unwrap();
        }
        Hung { server: self, threads }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What a service manager does; how it ended.
    pub(super) fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        wait_for("the end of the server", || self.child.try_wait().unwrap())
    }

    /// Status and body of a request.
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, text) = ask(self.address, method, path, body);
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(super) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(super) fn state(&self, monitor: &str) -> Value {
        self.get(&format!("/api/v1/state/{monitor}"))
    }

    /// Waits until a monitor has this status.
    pub(super) fn wait_status(&self, monitor: &str, status: &str) {
        wait_for(&format!("{monitor} to be {status}"), || {
            let (code, state) = self.ask("GET", &format!("/api/v1/state/{monitor}"), None);
            (code == 200 && state["status"] == status).then_some(())
        });
    }

    /// Waits until a monitor has run some times more: whatever was to come of a change has come.
    pub(super) fn wait_runs(&self, monitor: &str, more: u64) {
        let ran = || self.state(monitor)["ledger"]["ran"].as_u64().unwrap();
        let before = ran();
        wait_for(&format!("{more} more runs of {monitor}"), || {
            (ran() >= before + more).then_some(())
        });
        wait_for("nothing to be on its way to an alerter", || {
            let on_its_way = ["pending", "sending"].map(|s| self.get(&format!("/api/v1/notification?state={s}")));
            on_its_way
                .iter()
                .all(|n| n["items"].as_array().unwrap().is_empty())
                .then_some(())
        });
    }
}

/// A server some of whose threads are stopped, for as long as the thread of the test lives.
pub(super) struct Hung {
    server: Server,
    threads: Vec<Pid>,
}

impl Hung {
    /// How it ended by itself.
    pub(super) fn ended(mut self) -> ExitStatus {
        wait_for("the server to end", || {
            // Before its stopped threads are taken leave of it has not ended.
            for thread in &self.threads {
                let _ = waitpid(*thread, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
            }
            self.server.child.try_wait().unwrap()
        })
    }
}

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what the servers logged:\n{}", self.log.all().join("\n"));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already after `kill` and `terminate`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(at: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
    try_ask(at, method, path, body).unwrap()
}

/// The same of somebody who may not be there, or be killed while he answers.
pub(super) fn try_ask(
    at: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> std::io::Result<(u16, String)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(AMPLE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Ok((status, body.to_owned()));
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    Ok((status, whole))
}

/// A data directory, a directory of definitions, and all alerts that were printed, over all processes.
pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    alerts: Arc<Lines>,
    pub(super) log: Arc<Lines>,
}

impl World {
    /// With one monitor `web` of the target, told to the alerter `console`.
    pub(super) fn of(target: &Target) -> Self {
        let world = Self::empty();
        world.define("web.yaml", &[("web", web(target))]);
        world.write(
            "alerters.yaml",
            "alerter:\n  console: {type: log}\n  second: {type: log}\n",
        );
        world
    }

    pub(super) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("configs")).unwrap();
        Self {
            dir,
            alerts: Arc::default(),
            log: Arc::default(),
        }
    }

    pub(super) fn configs(&self) -> PathBuf {
        self.dir.path().join("configs")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes a file of definitions as editors do: beside it, then in its place.
    pub(super) fn write(&self, name: &str, text: &str) {
        let beside = self.dir.path().join("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.configs().join(name)).unwrap();
    }

    /// Writes a file with these monitors. JSON is YAML.
    pub(super) fn define(&self, file: &str, monitors: &[(&str, Value)]) {
        let monitors: serde_json::Map<String, Value> = monitors
            .iter()
            .map(|(name, spec)| ((*name).to_owned(), spec.clone()))
            .collect();
        self.write(file, &json!({"monitor": monitors}).to_string());
    }

    pub(super) fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// Starts the binary and waits until it serves.
    pub(super) fn start_with(&self, more: &[&str]) -> Server {
        self.start_at(&Place::default(), more)
    }

    pub(super) fn start_at(&self, place: &Place, more: &[&str]) -> Server {
        let from = self.log.all().len();
        let mut child = server_at(place, &self.data(), Some(&self.configs()))
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.alerts.read(child.stdout.take().unwrap());
        self.log.read(child.stderr.take().unwrap());
        let line = self.log.wait(from, "the server to say where it listens", |line| {
            line.contains("page and API on")
        });
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap();
        Server {
            child,
            address: address.parse().unwrap(),
        }
    }

    /// Every alert so far, in order: `monitor status`, and how it was closed where it was.
    pub(super) fn told(&self) -> Vec<String> {
        let short = |alert: &Value| {
            let text = |key: &str| alert[key].as_str().unwrap_or_default().to_owned();
            let closed = alert["closed"].as_str().map(|c| format!(" {c}")).unwrap_or_default();
            let other = if text("alerter") == "console" {
                String::new()
            } else {
                format!(" to {}", text("alerter"))
            };
            format!("{} {}{closed}{other}", text("monitor"), text("status"))
        };
        self.alerts().iter().map(short).collect()
    }

    pub(super) fn alerts(&self) -> Vec<Value> {
        self.timed_alerts().into_iter().map(|(_, alert)| alert).collect()
    }

    /// With when each came: what a message says of time is by a clock that may be wrong.
    pub(super) fn timed_alerts(&self) -> Vec<(Instant, Value)> {
        let parsed = |(at, line): (Instant, String)| (at, serde_json::from_str(&line).unwrap());
        self.alerts.timed().into_iter().map(parsed).collect()
    }

    /// Waits until as many alerts are told, and compares; what comes later is for the next look.
    pub(super) fn wait_told(&self, wanted: &[&str]) {
        wait_for(&format!("{wanted:?}, told so far {:?}", self.told()), || {
            (self.told().len() >= wanted.len()).then_some(())
        });
        assert_eq!(self.told(), wanted);
    }
}

/// Where a server runs.
#[derive(Clone)]
pub(super) struct Place {
    /// What it is started by: nothing, or a command that gives it another network or another clock.
    pub(super) via: Vec<String>,
    pub(super) host: String,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            via: Vec::new(),
            host: "127.0.0.1".to_owned(),
        }
    }
}

/// `9volt server` on a port of its own choice.
pub(super) fn server(data: &Path, configs: Option<&Path>) -> Command {
    server_at(&Place::default(), data, configs)
}

fn server_at(place: &Place, data: &Path, configs: Option<&Path>) -> Command {
    let mut command = binary_via(&place.via);
    let listen = format!("{}:0", place.host);
    command.args(["server", "--listen", &listen, "--data-dir"]).arg(data);
    if let Some(configs) = configs {
        command.arg("--configs").arg(configs);
    }
    command
}

/// A monitor of the target that wants the word `good`: two failed runs are critical.
pub(super) fn web(target: &Target) -> Value {
    json!({
        "type": "http", "host": "127.0.0.1", "port": target.at.port(), "expect": "good",
        "interval": "400ms", "timeout": "390ms", "critical-threshold": 2, "critical-alerter": ["console"],
    })
}

/// `web` with some keys changed; `null` takes one away.
pub(super) fn web_with(target: &Target, keys: Value) -> Value {
    let mut spec = web(target);
    for (key, value) in keys.as_object().unwrap() {
        if value.is_null() {
            spec.as_object_mut().unwrap().remove(key);
        } else {
            spec[key] = value.clone();
        }
    }
    spec
}
