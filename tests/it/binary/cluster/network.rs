//! Hosts of their own: network namespaces with a packet filter between them. What is cut hears nothing more, and nobody says so.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, unshare};

use super::super::etcd::Etcd;
use super::super::world::{Place, wait_for};
use super::crew::Scene;
use super::watched::Watched;

/// Where etcd is, and where what is checked is: both on the host between all others, on which the test is.
const ETCD: &str = "10.77.0.1";
const TARGET: &str = "10.77.0.2";

/// Runs a scenario on a thread with a network of its own, of which nothing is left behind it.
pub(super) fn in_a_network_of_its_own(scenario: impl FnOnce() + Send + 'static) {
    let alone = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: these tests run as root");
        scenario();
    });
    if let Err(panic) = alone.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A host of its own for each member; the test's host leads from each to each.
pub(super) struct Network {
    hosts: BTreeMap<&'static str, Host>,
}

struct Host {
    address: String,
    /// Holds the namespace.
    holder: Child,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Network {
    /// Only on a thread of [`in_a_network_of_its_own`].
    pub(super) fn of(ids: &[&'static str]) -> Self {
        run("ip link set lo up");
        run(&format!("ip address add {ETCD}/32 dev lo"));
        run(&format!("ip address add {TARGET}/32 dev lo"));
        // That of this thread's network.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let hosts = ids.iter().zip(1..).map(|(id, n)| (*id, Host::start(n))).collect();
        Self { hosts }
    }

    /// Members on these hosts, with one etcd between them.
    pub(super) fn scene(&self) -> Scene {
        let ids: Vec<&'static str> = self.hosts.keys().copied().collect();
        let mut scene = Scene::of(&ids, |dir| Etcd::start_at(ETCD, dir, 1, &[]));
        scene.target = Watched::start_at(TARGET);
        for (id, host) in &self.hosts {
            scene.stations.get_mut(id).unwrap().place = Place {
                via: host.enter(),
                host: host.address.clone(),
            };
        }
        scene
    }

    /// From now on neither hears the other.
    pub(super) fn cut(&self, one: &str, other: &str) {
        cut_both_ways(&self.hosts[one].address, &self.hosts[other].address);
    }

    pub(super) fn cut_from_etcd(&self, id: &str) {
        cut_both_ways(&self.hosts[id].address, ETCD);
    }

    /// What it says arrives there.
    pub(super) fn cut_answers_of_etcd(&self, id: &str) {
        cut(ETCD, &self.hosts[id].address);
    }

    pub(super) fn cut_from_members(&self, id: &str) {
        for other in self.hosts.keys().filter(|other| **other != id) {
            self.cut(id, other);
        }
    }

    pub(super) fn address(&self, id: &str) -> IpAddr {
        self.hosts[id].address.parse().unwrap()
    }

    /// Everybody hears everybody again.
    pub(super) fn heal(&self) {
        run("iptables -w -F");
    }
}

impl Host {
    fn start(n: u8) -> Self {
        let holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()
            .expect("setpriv and unshare (Debian: util-linux) start");
        let (ours, host) = (
            std::fs::read_link("/proc/thread-self/ns/net").unwrap(),
            Self {
                address: format!("10.77.{n}.2"),
                holder,
            },
        );
        let pid = host.holder.id();
        wait_for("a namespace of the host's own", || {
            let its = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
            (its != ours && std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()? == "sleep\n").then_some(())
        });
        run(&format!("ip link add host{n} type veth peer name eth0 netns {pid}"));
        run(&format!("ip address add 10.77.{n}.1/24 dev host{n}"));
        run(&format!("ip link set host{n} up"));
        for inside in [
            "ip link set lo up".to_owned(),
            format!("ip address add {}/24 dev eth0", host.address),
            "ip link set eth0 up".to_owned(),
            format!("ip route add default via 10.77.{n}.1"),
        ] {
            run(&format!("{} {inside}", host.enter().join(" ")));
        }
        host
    }

    fn enter(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.holder.id())]
    }
}

fn cut_both_ways(one: &str, other: &str) {
    cut(one, other);
    cut(other, one);
}

fn cut(from: &str, to: &str) {
    for chain in ["INPUT", "FORWARD", "OUTPUT"] {
        run(&format!("iptables -w -A {chain} -s {from} -d {to} -j DROP"));
    }
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("`{command}` (Debian: iproute2, iptables): {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{command}`: {said}");
}
