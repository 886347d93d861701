//! Real etcd for tests: one node or three, on free ports, gone when dropped (or when the test's thread is).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::store::EtcdOptions;

/// Time for etcd to answer after its start.
const START: Duration = Duration::from_secs(20);
/// Starts on ports that turned out not to be free.
const ATTEMPTS: usize = 5;
/// Ports that the system does not give to whoever asks for any, so that a node that is stopped finds its own again.
const PORTS: std::ops::Range<u16> = 15_000..30_000;

/// One node.
pub(crate) struct Node {
    pub(crate) url: String,
    args: Vec<String>,
    child: Option<Child>,
    dir: PathBuf,
}

/// One node or several of one cluster.
pub(crate) struct Servers {
    pub(crate) nodes: Vec<Node>,
    _dir: TempDir,
}

/// Files of certificates: that of their authority, and one with its key for servers and clients.
pub(crate) struct Tls {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Tls {
    /// An authority, and a certificate that it gave: for the server's address, and for clients by its name.
    pub(crate) fn issue(dir: &Path, name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap();
        let write = |file: &str, text: String| {
            let path = dir.join(format!("{name}-{file}.pem"));
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            ca: write("ca", ca.pem()),
            cert: write("cert", cert.pem()),
            key: write("key", key.serialize_pem()),
        }
    }
}

impl Servers {
    /// One node.
    pub(crate) async fn one() -> Self {
        Self::start(1, &[], None).await
    }

    pub(crate) async fn start(count: usize, more: &[&str], tls: Option<&Tls>) -> Self {
        for attempt in 1.. {
            if let Some(servers) = Self::try_start(count, more, tls).await {
                return servers;
            }
            assert!(attempt < ATTEMPTS, "etcd does not start; its output is above");
        }
        unreachable!("the loop ends by itself")
    }

    async fn try_start(count: usize, more: &[&str], tls: Option<&Tls>) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let ports: Vec<(u16, u16)> = (0..count).map(|_| (free_port(), free_port())).collect();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let peer = |n: usize| format!("http://127.0.0.1:{}", ports[n].1);
        let all: Vec<String> = (0..count).map(|n| format!("n{n}={}", peer(n))).collect();
        let node = |n: usize| {
            let url = format!("{scheme}://127.0.0.1:{}", ports[n].0);
            let data = dir.path().join(format!("n{n}"));
            let mut args: Vec<String> = [
                ("name", format!("n{n}")),
                ("data-dir", data.display().to_string()),
                ("listen-client-urls", url.clone()),
                ("advertise-client-urls", url.clone()),
                ("listen-peer-urls", peer(n)),
                ("initial-advertise-peer-urls", peer(n)),
                ("initial-cluster", all.join(",")),
                // Leases of the suite live for seconds: a tenth of the usual, so that one that is elected is so at once.
                ("heartbeat-interval", "50".to_owned()),
                ("election-timeout", "500".to_owned()),
                ("logger", "zap".to_owned()),
                ("log-level", "error".to_owned()),
                // Its hashing of passwords is made to be slow.
                ("bcrypt-cost", "4".to_owned()),
            ]
            .into_iter()
            .map(|(name, value)| format!("--{name}={value}"))
            .collect();
            if let Some(tls) = tls {
                args.push(format!("--cert-file={}", tls.cert.display()));
                args.push(format!("--key-file={}", tls.key.display()));
                args.push(format!("--trusted-ca-file={}", tls.ca.display()));
                args.push("--client-cert-auth".to_owned());
            }
            args.extend(more.iter().map(|arg| (*arg).to_owned()));
            let mut node = Node {
                url,
                args,
                child: None,
                dir: dir.path().to_owned(),
            };
            node.start();
            node
        };
        let nodes = (0..count).map(node).collect();
        let mut servers = Self { nodes, _dir: dir };
        // Who has TLS is asked by the test itself.
        if tls.is_none() && !servers.ready().await {
            return None;
        }
        Some(servers)
    }

    /// Waits until every node that runs answers.
    pub(crate) async fn ready(&mut self) -> bool {
        let until = Instant::now() + START;
        for node in &mut self.nodes {
            while node.child.is_some() && !node.answers().await {
                if node.ended() || Instant::now() > until {
                    return false;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        true
    }

    pub(crate) fn options(&self, prefix: &str) -> EtcdOptions {
        EtcdOptions {
            endpoints: self.nodes.iter().map(|node| node.url.clone()).collect(),
            prefix: prefix.to_owned(),
            ..EtcdOptions::default()
        }
    }

    /// A client that is not ours, for what an operator does from outside.
    pub(crate) async fn client(&self) -> Client {
        Client::connect([&self.nodes[0].url], None).await.unwrap()
    }

    /// Forgets the history up to now.
    pub(crate) async fn compact(&self) {
        let mut client = self.client().await;
        // A revision after all that the test has made, so that none of it is left.
        let put = client.put("outside", "x", None).await.unwrap();
        client.compact(put.header().unwrap().revision(), None).await.unwrap();
    }

    /// Raises the alarm that etcd raises by itself when its quota is reached, or takes it back.
    pub(crate) async fn set_full(&self, full: bool) {
        let mut client = self.client().await;
        let member = client.status().await.unwrap().header().unwrap().member_id();
        let mut options = AlarmOptions::new();
        options.with_member(member);
        let action = if full {
            AlarmAction::Activate
        } else {
            AlarmAction::Deactivate
        };
        client.alarm(action, AlarmType::Nospace, Some(options)).await.unwrap();
    }

    /// The node that leads.
    pub(crate) async fn leader(&self) -> usize {
        for (n, node) in self.nodes.iter().enumerate() {
            let mut client = Client::connect([&node.url], None).await.unwrap();
            let status = client.status().await.unwrap();
            if status.leader() == status.header().unwrap().member_id() {
                return n;
            }
        }
        panic!("nobody leads")
    }
}

impl Node {
    pub(crate) fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        // Also when the test is killed: nobody would drop anything then.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "etcd"])
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("setpriv (Debian: util-linux) starts etcd");
        self.child = Some(child);
    }

    fn ended(&mut self) -> bool {
        let ended = self
            .child
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_some());
        if ended {
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            println!("{log}");
            assert!(
                !log.contains("failed to execute"),
                "there is no etcd: apt-get install etcd-server"
            );
        }
        ended
    }

    async fn answers(&self) -> bool {
        let ask = async { Client::connect([&self.url], None).await.ok()?.get("x", None).await.ok() };
        tokio::time::timeout(Duration::from_secs(1), ask)
            .await
            .is_ok_and(|got| got.is_some())
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(PORTS);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
