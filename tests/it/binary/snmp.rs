//! The alerter `snmp` and the receiver of net-snmp; the MIB and its compiler.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Lines, Server, Target, World, binary, wait_for, web_with};

/// Of the cluster `9volt`, as docs/snmp.md says.
const ENGINE: &str = "0x80007ed90439766f6c74";
const AUTH: &str = "hunter2-auth";
const PRIVACY: &str = "hunter2-privacy";

/// A receiver, gone when dropped, or with the thread of the test.
struct Receiver {
    port: u16,
    lines: Arc<Lines>,
    child: Child,
}

impl Receiver {
    fn start(dir: &Path) -> Self {
        let port = free_port();
        let config = dir.join("snmptrapd.conf");
        // Who sends traps is known with his engine; who sends informs is known here.
        let text = format!(
            "snmpTrapdAddr udp:127.0.0.1:{port}\n\
             authCommunity log hunter2\n\
             createUser -e {ENGINE} trapper SHA-256 \"{AUTH}\" AES \"{PRIVACY}\"\n\
             createUser informer SHA-512 \"{AUTH}\" AES \"{PRIVACY}\"\n\
             authUser log trapper priv\n\
             authUser log informer priv\n\
             format2 %P|%v\\n\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = net_snmp(dir, "setpriv")
            .args(["--pdeathsig", "KILL", "snmptrapd", "-f", "-C", "-Le", "-OQ", "-c"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv (Debian: util-linux) starts snmptrapd (snmptrapd)");
        let lines: Arc<Lines> = Arc::default();
        lines.read(child.stderr.take().unwrap());
        lines.wait(0, "snmptrapd to listen", |line| line.contains("NET-SNMP version"));
        Self { port, lines, child }
    }

    /// Who sent each message, and what is bound to it.
    fn received(&self) -> Vec<Vec<String>> {
        let all = self.lines.all();
        let messages = all.iter().filter_map(|line| line.split_once('|'));
        messages
            .map(|(from, bound)| {
                let bound = bound.split('\t').map(str::to_owned);
                [from.to_owned()].into_iter().chain(bound).collect()
            })
            .collect()
    }

    fn wait(&self, messages: usize) -> Vec<Vec<String>> {
        wait_for(&format!("{messages} messages at snmptrapd"), || {
            Some(self.received()).filter(|received| received.len() >= messages)
        })
    }

    fn options(&self, more: &Value) -> Value {
        let mut options = json!({"host": "127.0.0.1", "port": self.port});
        for (key, value) in more.as_object().unwrap() {
            options[key] = value.clone();
        }
        options
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(15_000..30_000);
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program of net-snmp that knows our MIB, and nothing of this machine.
fn net_snmp(dir: &Path, program: &str) -> Command {
    let mibs = [repository("docs/mibs"), repository("tests/fixtures/mibs")];
    // It says when it makes its own folders.
    let persistent = dir.join("persistent");
    std::fs::create_dir_all(persistent.join("cert_indexes")).unwrap();
    let mut command = Command::new(program);
    command
        .env("MIBDIRS", std::env::join_paths(mibs).unwrap())
        .env("MIBS", "NINEVOLT-MIB")
        .env("SNMPCONFPATH", dir)
        .env("SNMP_PERSISTENT_DIR", persistent)
        .stdin(Stdio::null());
    command
}

fn user(name: &str, more: Value) -> Value {
    let mut options = json!({"version": 3, "user": name, "auth-password": AUTH, "privacy-password": PRIVACY});
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    options
}

fn alerters(world: &World, receiver: &Receiver, all: &[(&str, Value)]) {
    let of = |options| json!({"type": "snmp", "options": receiver.options(options)});
    let alerters = all.iter().map(|(name, options)| ((*name).to_owned(), of(options)));
    let alerters: serde_json::Map<String, Value> = alerters.collect();
    world.write("alerters.yaml", &json!({"alerter": alerters}).to_string());
}

/// `9volt alerter test NAME`: its exit code and what it says.
fn test(server: &Server, alerter: &str) -> (i32, String) {
    let url = format!("http://{}", server.address);
    wait_for("the server to know its alerters", || {
        let args = ["alerter", "test", alerter, "--server", &url];
        let Output { status, stdout, .. } = binary().args(args).output().unwrap();
        let said = String::from_utf8(stdout).unwrap();
        said.contains("delivered in").then(|| (status.code().unwrap(), said))
    })
}

#[test]
fn a_failure_and_its_end_arrive_by_every_version_as_trap_and_as_inform_also_after_a_restart() {
    let mut target = Target::start("good");
    let world = World::empty();
    let receiver = Receiver::start(world.dir.path());
    let all = [
        ("v2c-trap", json!({"community": "hunter2"})),
        ("v2c-inform", json!({"community": "hunter2", "inform": true})),
        ("v3-trap", user("trapper", json!({}))),
        (
            "v3-inform",
            user("informer", json!({"auth-protocol": "sha-512", "inform": true})),
        ),
    ];
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    alerters(&world, &receiver, &all);
    let told = json!({"critical-alerter": names, "description": "The harbour, für alle", "tags": ["prod", "eu"]});
    world.define("web.yaml", &[("web", web_with(&target, told))]);
    let server = world.start();
    server.wait_status("web", "ok");

    target.die();
    let failures = receiver.wait(4);
    target.live();
    let all = receiver.wait(8);
    let ends = &all[4..];
    // What is not yet recorded as told would be told again.
    server.wait_runs("web", 1);
    server.terminate();
    // The engine of our traps goes on where it was: snmptrapd would refuse a time that begins again.
    let server = world.start();
    target.die();
    let again = &receiver.wait(12)[8..];
    drop(server);

    for (messages, event, state) in [
        (&failures[..4], "ninevoltCritical", "critical"),
        (ends, "ninevoltResolved", "ok"),
        (again, "ninevoltCritical", "critical"),
    ] {
        for name in &names {
            let message = messages
                .iter()
                .find(|m| m.contains(&format!("NINEVOLT-MIB::ninevoltAlerter.0 = {name}")))
                .unwrap_or_else(|| panic!("{name} told no {event}: {messages:#?}"));
            let has = |part: &str| assert!(message.iter().any(|p| p == part), "{part}: {message:#?}");
            let inform = if name.ends_with("inform") { "INFORM" } else { "TRAP2" };
            let from = &message[0];
            assert!(from.starts_with(inform), "{from}");
            let sender = if name.starts_with("v2c") {
                "v2c, community hunter2"
            } else {
                "v3, user "
            };
            assert!(from.contains(sender), "{from}");
            has(&format!("SNMPv2-SMI::snmpModules.1.1.4.1.0 = NINEVOLT-MIB::{event}"));
            has("NINEVOLT-MIB::ninevoltCluster.0 = 9volt");
            has("NINEVOLT-MIB::ninevoltMonitor.0 = web");
            has(&format!("NINEVOLT-MIB::ninevoltStatus.0 = {state}"));
            has("NINEVOLT-MIB::ninevoltDescription.0 = The harbour, für alle");
            has("NINEVOLT-MIB::ninevoltTags.0 = prod, eu");
            has("NINEVOLT-MIB::ninevoltWithoutStore.0 = false");
            // Two that every notification begins with, and all that the MIB has a name for.
            let ours = message.iter().filter(|part| part.starts_with("NINEVOLT-MIB::")).count();
            assert_eq!((ours, message.len()), (22, 1 + 2 + 22), "{message:#?}");
        }
    }
}

#[test]
fn profile_peerpair_arrives_as_peerpairs_own_traps() {
    let mut target = Target::start("good");
    let world = World::empty();
    let receiver = Receiver::start(world.dir.path());
    alerters(
        &world,
        &receiver,
        &[("old", json!({"community": "hunter2", "profile": "peerpair"}))],
    );
    let told = json!({"critical-alerter": ["old"], "description": "from a to b"});
    world.define("web.yaml", &[("web", web_with(&target, told))]);
    let server = world.start();
    server.wait_status("web", "ok");
    target.die();
    receiver.wait(1);
    target.live();
    let received = receiver.wait(2);

    let arc = "SNMPv2-SMI::enterprises.50255.1";
    for (message, trap, values) in [(&received[0], 1, 7), (&received[1], 2, 6)] {
        assert_eq!(message[2], format!("SNMPv2-SMI::snmpModules.1.1.4.1.0 = {arc}.{trap}"));
        let value = |k: usize| {
            let begins = format!("{arc}.{trap}.{k} = ");
            message[3 + k]
                .strip_prefix(&begins)
                .unwrap_or_else(|| panic!("{k}: {message:#?}"))
        };
        assert_eq!(message.len(), 3 + values);
        assert_eq!(
            [1, 2, 3, 4, 5].map(value),
            ["\"127.0.0.1\"", "\"0\"", "\"web\"", "\"0\"", "\"from a to b\""]
        );
    }
    assert!(
        received[0][9].contains("Check has entered into critical state"),
        "{:?}",
        received[0]
    );
}

#[test]
fn a_test_says_what_is_known_of_it_and_never_a_secret() {
    let world = World::empty();
    let receiver = Receiver::start(world.dir.path());
    let wrong = json!({"auth-password": "hunter2-wrong"});
    let mut wrong_inform = wrong.clone();
    wrong_inform["auth-protocol"] = json!("sha-512");
    wrong_inform["inform"] = json!(true);
    alerters(
        &world,
        &receiver,
        &[
            ("trap", user("trapper", json!({}))),
            ("wrong-trap", user("trapper", wrong)),
            ("wrong-inform", user("informer", wrong_inform)),
            (
                "wrong-community",
                json!({"community": "hunter2-wrong", "inform": true, "timeout": "300ms"}),
            ),
        ],
    );
    let server = world.start();
    let (code, said) = test(&server, "trap");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(ENGINE) && said.contains("nobody acknowledges a trap"),
        "{said}"
    );
    let received = receiver.wait(1).remove(0);
    let event = "SNMPv2-SMI::snmpModules.1.1.4.1.0 = NINEVOLT-MIB::ninevoltTest";
    assert!(received.iter().any(|part| part == event), "{received:#?}");

    let (code, said) = test(&server, "wrong-trap");
    assert_eq!(code, 0, "whether it was taken nobody knows but the receiver: {said}");
    receiver.lines.wait(0, "snmptrapd to refuse the trap", |line| {
        line.contains("Authentication failed for trapper")
    });
    for (alerter, reason) in [
        ("wrong-inform", "`auth-password`"),
        ("wrong-community", "did not acknowledge"),
    ] {
        let (code, said) = test(&server, alerter);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(reason) && !said.contains("hunter2"), "{said}");
    }
    assert_eq!(receiver.received().len(), 1);

    let shown = server.get("/api/v1/alerter").to_string();
    assert!(shown.contains("wrong-inform") && !shown.contains("hunter2"), "{shown}");
    let log = world.log.all().join("\n");
    assert!(!log.contains("hunter2") && !log.contains("ERROR"), "{log}");
}

/// What the compiler makes of names, one a line.
fn translated(mibs: &Path, names: &[String]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mibs = [mibs.to_owned(), repository("tests/fixtures/mibs")];
    let Output { status, stdout, stderr } = net_snmp(dir.path(), "snmptranslate")
        .env("MIBDIRS", std::env::join_paths(mibs).unwrap())
        // All that it can complain about.
        .args(["-PW", "-On"])
        .args(names)
        .output()
        .expect("snmptranslate (Debian: snmp) starts");
    assert!(
        status.success() && stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&stderr)
    );
    let text = String::from_utf8(stdout).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_mib_compiles_also_below_another_arc() {
    let text = std::fs::read_to_string(repository("docs/mibs/NINEVOLT-MIB.txt")).unwrap();
    let names = ["Critical", "Test", "Cluster.0", "WithoutStore.0"];
    let names = names.map(|name| format!("NINEVOLT-MIB::ninevolt{name}"));
    let below = |arc: &str| ["0.1", "0.4", "1.1.0", "1.22.0"].map(|rest| format!(".1.3.6.1.4.1.{arc}.{rest}"));
    assert_eq!(translated(&repository("docs/mibs"), &names), below("32473.9"));

    // As its head says: one line.
    let dir = tempfile::tempdir().unwrap();
    let line = "::= { enterprises example(32473) 9 }";
    assert_eq!(text.matches(line).count(), 1);
    let own = text.replace(line, "::= { enterprises 12345 7 }");
    std::fs::write(dir.path().join("NINEVOLT-MIB.txt"), own).unwrap();
    assert_eq!(translated(dir.path(), &names), below("12345.7"));
}
