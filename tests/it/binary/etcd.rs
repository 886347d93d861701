//! The binary and a real etcd.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::prelude::*;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::world::{Target, World, binary, server, wait_for, web};

const LARGE: &str = "other/large";

/// One etcd, gone when dropped, or with the thread of the test.
pub(super) struct Etcd {
    pub(super) endpoint: String,
    data: PathBuf,
    args: Vec<String>,
    child: Child,
}

impl Etcd {
    pub(super) fn start(dir: &Path) -> Self {
        Self::start_all(dir, 1).remove(0)
    }

    /// Nodes of one cluster.
    pub(super) fn start_all(dir: &Path, nodes: usize) -> Vec<Self> {
        Self::start_at("127.0.0.1", dir, nodes, &[])
    }

    /// The same on an address of this host, with more flags.
    pub(super) fn start_at(host: &str, dir: &Path, nodes: usize, more: &[&str]) -> Vec<Self> {
        let url = |_| format!("http://{host}:{}", free_port(host));
        let [clients, peers]: [Vec<String>; 2] = [(0..nodes).map(url).collect(), (0..nodes).map(url).collect()];
        let all: Vec<String> = peers
            .iter()
            .enumerate()
            .map(|(n, peer)| format!("n{n}={peer}"))
            .collect();
        let node = |n: usize| {
            let data = dir.join(format!("etcd-{n}"));
            let args: Vec<String> = [
                ("name", format!("n{n}")),
                ("data-dir", data.display().to_string()),
                ("listen-client-urls", clients[n].clone()),
                ("advertise-client-urls", clients[n].clone()),
                ("listen-peer-urls", peers[n].clone()),
                ("initial-advertise-peer-urls", peers[n].clone()),
                ("initial-cluster", all.join(",")),
                ("logger", "zap".to_owned()),
                ("log-level", "fatal".to_owned()),
            ]
            .into_iter()
            .map(|(name, value)| format!("--{name}={value}"))
            .chain(more.iter().map(|&flag| flag.to_owned()))
            .collect();
            Self {
                endpoint: clients[n].clone(),
                data,
                child: spawn(&args),
                args,
            }
        };
        (0..nodes).map(node).collect()
    }

    /// What it answers over its JSON gateway; nothing while it does not run, or cannot.
    pub(super) fn ask(&self, path: &str, body: &Value) -> Option<Value> {
        let at = self.endpoint.trim_start_matches("http://").parse().unwrap();
        let (status, answer) = super::world::try_ask(at, "POST", path, Some(body)).ok()?;
        (status == 200).then(|| serde_json::from_str(&answer).unwrap())
    }

    /// Puts a value, as soon as it can, past everything that 9volt would have to say about it.
    pub(super) fn put(&self, key: &str, value: &[u8]) {
        let body = json!({"key": BASE64_STANDARD.encode(key), "value": BASE64_STANDARD.encode(value)});
        wait_for("etcd to take a value", || self.ask("/v3/kv/put", &body));
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// The newest revision, as soon as it says one.
    pub(super) fn revision(&self) -> u64 {
        let status = wait_for("etcd to say its revision", || {
            self.ask("/v3/maintenance/status", &json!({}))
        });
        status["header"]["revision"].as_str().unwrap().parse().unwrap()
    }

    /// Forgets what was before the newest revision.
    pub(super) fn compact(&self) {
        let body = json!({"revision": self.revision().to_string(), "physical": true});
        wait_for("etcd to compact", || self.ask("/v3/kv/compaction", &body));
    }

    /// Takes all room that there is, below a key that is nobody's.
    pub(super) fn fill(&self) {
        let (key, value) = (BASE64_STANDARD.encode(LARGE), BASE64_STANDARD.encode([b'x'; 200_000]));
        wait_for("etcd to be full", || {
            let put = self.ask("/v3/kv/put", &json!({"key": key, "value": value}));
            put.is_none().then_some(())
        });
        assert!(self.control(&["alarm", "list"]).contains("NOSPACE"));
    }

    /// What an operator does about it.
    pub(super) fn make_room(&self) {
        self.control(&["del", LARGE]);
        self.compact();
        self.control(&["defrag"]);
        self.control(&["alarm", "disarm"]);
    }

    /// All that it has, in a file.
    pub(super) fn save(&self, file: &Path) {
        self.control(&["snapshot", "save", file.to_str().unwrap()]);
    }

    /// Stops it, takes all away that it has, and starts it as one that was never there.
    pub(super) fn wipe(&mut self) {
        self.stop();
        std::fs::remove_dir_all(&self.data).unwrap();
        self.again();
    }

    /// Stops it and starts it with what a file has.
    pub(super) fn restore(&mut self, file: &Path) {
        self.stop();
        std::fs::remove_dir_all(&self.data).unwrap();
        let ours = [
            "--name=",
            "--data-dir=",
            "--initial-advertise-peer-urls=",
            "--initial-cluster=",
        ];
        let flags = self
            .args
            .iter()
            .filter(|arg| ours.iter().any(|flag| arg.starts_with(flag)));
        let args: Vec<&str> = ["snapshot", "restore", file.to_str().unwrap()]
            .into_iter()
            .chain(flags.map(String::as_str))
            .collect();
        self.control(&args);
        self.again();
    }

    /// `etcdctl`; what it said.
    pub(super) fn control(&self, args: &[&str]) -> String {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint])
            .args(args)
            .output()
            .expect("etcdctl (Debian: etcd-client) starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "etcdctl {args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(super) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn again(&mut self) {
        self.child = spawn(&self.args);
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Gone already after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(args: &[String]) -> Child {
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "etcd"])
        .args(args)
        .stdin(Stdio::null())
        .spawn()
        .expect("setpriv (Debian: util-linux) starts etcd (etcd-server)")
}

/// Below those that the system gives to whoever asks for any: a node that is stopped finds its own again.
fn free_port(host: &str) -> u16 {
    loop {
        let port = fastrand::u16(15_000..30_000);
        if std::net::TcpListener::bind((host, port)).is_ok() {
            return port;
        }
    }
}

/// `9volt cfg DIR` with etcd in the way that the arguments or the environment say; how it ended, and what it said.
fn cfg(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> (i32, String) {
    let output = binary()
        .arg("cfg")
        .arg(dir)
        .args(args)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn cfg_fills_etcd_with_no_server_running_and_one_that_starts_finds_all() {
    let target = Target::start("good");
    let world = World::of(&target);
    let etcd = Etcd::start(world.dir.path());
    let e = etcd.endpoint.as_str();
    // It may still be starting.
    wait_for("etcd", || {
        (cfg(&world.configs(), &["-e", e, "--dryrun"], &[]).0 == 0).then_some(())
    });
    let (code, said) = cfg(&world.configs(), &[], &[("NINEV_ETCD_MEMBERS", e)]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("pushed 1 monitor"), "{said}");
    let (code, said) = cfg(&world.configs(), &["-e", e], &[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("pushed 0 monitor") && said.contains("skipped replacing 1 monitor"),
        "{said}"
    );
    // Under another prefix there is nothing yet.
    let (_, said) = cfg(&world.configs(), &["-e", e, "-p", "9vol", "--dryrun"], &[]);
    assert!(said.contains("have pushed 1 monitor"), "{said}");

    let empty = World::empty();
    let member = empty.start_with(&["-e", e]);
    member.wait_status("web", "ok");
    assert_eq!(member.get("/api/v1/overview")["store"]["backend"], "etcd");
    target.say("bad");
    empty.wait_told(&["web critical"]);
    assert!(member.terminate().success());
    // The incident is in etcd, and whoever starts on it knows it.
    target.say("good");
    let other = World::empty();
    let member = other.start_with(&["-e", e]);
    member.wait_status("web", "ok");
    other.wait_told(&["web ok recovered"]);
}

#[test]
fn a_member_waits_for_an_etcd_that_is_not_there_yet_unless_it_is_told_not_to() {
    let world = World::empty();
    let mut etcd = Etcd::start(world.dir.path());
    etcd.stop();
    let required = server(&world.data(), None)
        .args(["-e", &etcd.endpoint, "--require-store"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&required.stderr).into_owned();
    assert_eq!(required.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains(&etcd.endpoint), "{said}");

    let endpoint = etcd.endpoint.clone();
    std::thread::scope(|scope| {
        let member = scope.spawn(|| world.start_with(&["-e", &endpoint]));
        let line = world
            .log
            .wait(0, "it to say what it waits for", |line| line.contains("cannot join"));
        assert!(line.contains(&endpoint), "{line}");
        etcd.again();
        let member = member.join().unwrap();
        assert_eq!(member.ask("GET", "/status/check", None).0, 200);
        let said = world.log.all();
        assert_eq!(
            said.iter().filter(|line| line.contains("cannot join")).count(),
            1,
            "{said:?}"
        );
    });
}

#[test]
fn two_processes_never_share_a_data_directory_nor_its_identity() {
    let world = World::empty();
    let etcd = Etcd::start(world.dir.path());
    let _first = world.start_with(&["-e", &etcd.endpoint]);
    let second = server(&world.data(), None)
        .args(["-e", &etcd.endpoint])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another"), "{said}");
}

#[test]
fn etcd_is_stopped_and_started_under_a_member_and_nothing_is_told_twice() {
    let target = Target::start("good");
    let world = World::empty();
    let mut etcd = Etcd::start(world.dir.path());
    world.define("web.yaml", &[("web", web(&target))]);
    world.write("alerters.yaml", "alerter:\n  console: {type: log}\n");
    let member = world.start_with(&["-e", &etcd.endpoint]);
    member.wait_status("web", "ok");
    // Checks go on without it, and what they find is told when it is back.
    etcd.stop();
    target.say("bad");
    let ran = || member.get("/api/v1/overview")["ledger"]["ran"].as_u64().unwrap();
    let before = ran();
    wait_for("runs without etcd", || (ran() >= before + 3).then_some(()));
    etcd.again();
    world.wait_told(&["web critical"]);
    target.say("good");
    world.wait_told(&["web critical", "web ok recovered"]);
}

#[test]
fn commands_that_ask_a_server_say_so_when_they_are_given_etcd() {
    for command in [
        &["silence", "list"][..],
        &["alerter", "list"],
        &["member", "list"],
        &["check", "web"],
    ] {
        let output = binary().args(command).args(["-e", "127.0.0.1:1"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.lines().count() == 1, "{said}");
        assert!(said.contains("--server"), "{said}");
    }
    // Where the variable is set for the server beside them they work as ever.
    let output = binary()
        .args(["silence", "list", "--server", "http://127.0.0.1:1"])
        .env("NINEV_ETCD_MEMBERS", "127.0.0.1:1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no answer from http://127.0.0.1:1"), "{said}");
}
