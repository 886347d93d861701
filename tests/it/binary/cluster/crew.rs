//! Members on one etcd that share some monitors, and how they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};

use super::super::etcd::Etcd;
use super::super::world::{Place, Server, World, binary, now, try_ask, wait_for};
use super::told::Told;
use super::watched::Watched;

pub(super) const IDS: [&str; 3] = ["m1", "m2", "m3"];
/// Lease time in these tests, set in the cluster's settings.
const LEASE: Duration = Duration::from_secs(3);
/// A death is noticed when the lease is over, and answered within this.
const ASSIGNED: Duration = Duration::from_secs(1);
/// What a busy machine may add: etcd ends leases late there, and processes get their turn late.
const BUSY: Duration = Duration::from_secs(4);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Shared by all crews but one that needs all of it.
static MACHINE: RwLock<()> = RwLock::new(());

type Shared = RwLockReadGuard<'static, ()>;

/// For a scenario that would take from others what they need.
pub(super) fn alone() -> impl Drop {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Where a member runs, and what it is given.
pub(super) struct Station {
    pub(super) place: Place,
    /// The endpoints of etcd, as it can reach them.
    pub(super) etcd: Vec<String>,
    pub(super) flags: Vec<String>,
}

/// All that is there before members come.
pub(super) struct Scene {
    pub(super) dir: tempfile::TempDir,
    pub(super) etcd: Vec<Etcd>,
    pub(super) target: Watched,
    pub(super) stations: BTreeMap<&'static str, Station>,
    machine: Option<Shared>,
}

impl Scene {
    /// Three members to come, on this host, and an etcd of so many nodes.
    pub(super) fn here(nodes: usize) -> Self {
        Self::of(&IDS, |dir| Etcd::start_all(dir, nodes))
    }

    /// These members to come, and an etcd that is started in a directory.
    pub(super) fn of(ids: &[&'static str], etcd: impl FnOnce(&Path) -> Vec<Etcd>) -> Self {
        let machine = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        Self {
            machine: Some(machine),
            ..Self::alone(ids, etcd)
        }
    }

    /// The same, for who has the machine to itself.
    pub(super) fn alone(ids: &[&'static str], etcd: impl FnOnce(&Path) -> Vec<Etcd>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let etcd = etcd(dir.path());
        let station = |id: &&'static str| {
            let station = Station {
                place: Place::default(),
                etcd: etcd.iter().map(|node| node.endpoint.clone()).collect(),
                flags: Vec::new(),
            };
            (*id, station)
        };
        Self {
            stations: ids.iter().map(station).collect(),
            target: Watched::start(),
            machine: None,
            dir,
            etcd,
        }
    }
}

pub(super) struct Crew {
    // Dropped first: members do not have to see their store go.
    pub(super) members: BTreeMap<&'static str, Server>,
    pub(super) worlds: BTreeMap<&'static str, World>,
    pub(super) etcd: Vec<Etcd>,
    pub(super) target: Watched,
    pub(super) names: Vec<String>,
    pub(super) dir: tempfile::TempDir,
    stations: BTreeMap<&'static str, Station>,
    interval: Duration,
    /// Since when every monitor has run.
    since: Instant,
    _machine: Option<Shared>,
}

impl Crew {
    /// Three members on this host, and so many monitors at this interval; all run, and are shared.
    pub(super) fn start(nodes: usize, monitors: usize, interval: Duration) -> Self {
        Self::gather(Scene::here(nodes), monitors, interval)
    }

    /// The same in another scene.
    pub(super) fn gather(scene: Scene, monitors: usize, interval: Duration) -> Self {
        let settings = json!({"HeartbeatInterval": "1s", "HeartbeatTimeout": format!("{}s", LEASE.as_secs())});
        scene.etcd[0].put("/9volt/config", settings.to_string().as_bytes());
        let ids: Vec<&'static str> = scene.stations.keys().copied().collect();
        let mut crew = Self {
            members: BTreeMap::new(),
            worlds: ids.iter().map(|id| (*id, World::empty())).collect(),
            etcd: scene.etcd,
            target: scene.target,
            names: (0..monitors).map(|n| format!("web-{n}")).collect(),
            dir: scene.dir,
            stations: scene.stations,
            interval,
            since: now(),
            _machine: scene.machine,
        };
        // The others come when the work is there, and are given their share of it: how even that is does not depend on who was how quick.
        crew.join(ids[0]);
        crew.define("alerter", &json!({"console": {"type": "log"}}));
        let monitors: Map<String, Value> = crew
            .names
            .iter()
            .map(|name| (name.clone(), crew.target.monitor(name, interval)))
            .collect();
        crew.define("monitor", &monitors.into());
        crew.join_all(&ids[1..]);
        crew.level();
        crew.run_again(2);
        crew.since = now();
        crew
    }

    /// `9volt store COMMAND`, through any member.
    pub(super) fn store(&self, command: &str) {
        let url = format!("http://{}", self.members.values().next().unwrap().address);
        let output = binary()
            .args(["store", command, "--yes", "--server", &url])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {said}");
    }

    /// Monitors that only members with a tag run; their names, as soon as all have run.
    pub(super) fn define_tagged(&self, tag: &str, monitors: usize) -> Vec<String> {
        let names: Vec<String> = (0..monitors).map(|n| format!("{tag}-{n}")).collect();
        let spec = |name: &String| {
            let mut spec = self.target.monitor(name, self.interval);
            spec["member-tag"] = tag.into();
            (name.clone(), spec)
        };
        self.define("monitor", &names.iter().map(spec).collect::<Map<_, _>>().into());
        self.target.wait_runs(&names, 2);
        names
    }

    /// Writes definitions of a kind, through any member.
    pub(super) fn define(&self, kind: &str, definitions: &Value) {
        let any = self.members.values().next().unwrap();
        let (status, said) = any.ask("POST", &format!("/api/v1/{kind}"), Some(definitions));
        assert_eq!(status, 200, "{said}");
    }

    /// Starts a member, in its own data directory.
    pub(super) fn join(&mut self, id: &'static str) {
        self.join_all(&[id]);
    }

    /// Starts some at once.
    pub(super) fn join_all(&mut self, ids: &[&'static str]) {
        let start = |id: &'static str| {
            let (station, world) = (&self.stations[id], &self.worlds[id]);
            move || {
                let endpoints = station.etcd.join(",");
                let mut flags = vec!["-e", &endpoints, "--member-id", id];
                flags.extend(station.flags.iter().map(String::as_str));
                world.start_at(&station.place, &flags)
            }
        };
        let started: Vec<(&'static str, Server)> = std::thread::scope(|scope| {
            let starting: Vec<_> = ids.iter().map(|id| (*id, scope.spawn(start(id)))).collect();
            let done = starting.into_iter().map(|(id, server)| (id, server.join().unwrap()));
            done.collect()
        });
        self.members.extend(started);
    }

    pub(super) fn kill(&mut self, id: &str) {
        self.members.remove(id).unwrap().kill();
    }

    pub(super) fn signal(&self, id: &str, signal: Signal) {
        self.members[id].signal(signal);
    }

    /// What any member answers that can; none of those that are not to be asked.
    pub(super) fn get_but(&self, not: &str, path: &str) -> Value {
        let asked = self.members.iter().filter(|(id, _)| **id != not);
        wait_for(path, || {
            asked.clone().find_map(|(_, member)| {
                let (status, body) = try_ask(member.address, "GET", path, None).ok()?;
                (status == 200).then(|| serde_json::from_str(&body).unwrap())
            })
        })
    }

    pub(super) fn get(&self, path: &str) -> Value {
        self.get_but("", path)
    }

    /// Who judges it, as the plan says.
    pub(super) fn judge_but(&self, not: &str, monitor: &str) -> &'static str {
        let judges = self.get_but(not, &format!("/api/v1/monitor/{monitor}/judges"));
        let judge = judges["items"][0]["member"].as_str();
        self.known(judge.unwrap_or_default()).unwrap_or("nobody")
    }

    pub(super) fn judge(&self, monitor: &str) -> &'static str {
        self.judge_but("", monitor)
    }

    /// A monitor that this member judges.
    pub(super) fn one_of(&self, id: &str) -> String {
        let its = |name: &&String| self.judge(name) == id;
        self.names.iter().find(its).unwrap().clone()
    }

    pub(super) fn director(&self) -> &'static str {
        wait_for("a director", || {
            let cluster = self.get("/api/v1/cluster");
            self.known(cluster["Director"]["MemberID"].as_str()?)
        })
    }

    fn known(&self, id: &str) -> Option<&'static str> {
        self.stations.keys().copied().find(|known| *known == id)
    }

    /// Waits until all members have a session.
    pub(super) fn all_here(&self) {
        wait_for("all to have a session", || {
            let members = self.get("/api/v1/member");
            let all = members["items"].as_array().unwrap().iter();
            (all.filter(|member| member["here"] == true).count() == self.members.len()).then_some(())
        });
    }

    /// Waits until those who are here, and nobody else, share all slots evenly, and every member counts every monitor once.
    pub(super) fn level(&self) {
        let tagged = |id: &&str| self.stations[id].flags.iter().any(|flag| flag == "--tags");
        let here: BTreeSet<&str> = self.members.keys().copied().filter(|id| !tagged(id)).collect();
        wait_for(&format!("{here:?} to share everything"), || {
            self.members
                .values()
                .all(|member| is_level(member, &here, self.names.len()))
                .then_some(())
        });
    }

    /// Waits until every monitor has run some times more.
    pub(super) fn run_again(&self, times: usize) {
        self.target.wait_runs(&self.names, times);
    }

    /// Waits until what was found is told and recorded, runs twice more, and looks at everything that was told.
    pub(super) fn told(&self) -> Told {
        self.run_again(2);
        self.recorded();
        Told::of(self.worlds.values())
    }

    /// The end of most scenarios: two that fail are mended, each end is told, nothing was told twice, and no run was missing for longer than it may.
    pub(super) fn both_recover(&self, both: [&str; 2]) -> Told {
        both.iter().for_each(|name| self.target.mend(name));
        both.iter()
            .for_each(|name| self.wait_told(name, &["critical", "recovered"]));
        let told = self.told();
        told.nothing_twice();
        self.no_gap_after_a_death();
        told
    }

    /// Waits until nothing is on its way to an alerter.
    pub(super) fn recorded(&self) {
        wait_for("nothing to be on its way", || {
            let on_its_way = self.get("/api/v1/notification?state=pending,sending");
            on_its_way["items"].as_array().unwrap().is_empty().then_some(())
        });
    }

    /// Waits until this was told, as often as it is wanted, by anybody.
    pub(super) fn wait_told(&self, monitor: &str, wanted: &[&str]) {
        self.wait_told_with(&[], monitor, wanted);
    }

    /// The same, where also others may have told.
    pub(super) fn wait_told_with(&self, others: &[&World], monitor: &str, wanted: &[&str]) {
        let told = || Told::of(self.worlds.values().chain(others.iter().copied()));
        wait_for(&format!("{wanted:?} of {monitor}"), || {
            (told().of_monitor(monitor).len() >= wanted.len()).then_some(())
        });
        assert_eq!(told().of_monitor(monitor), wanted);
    }

    /// Time that all members have worked.
    pub(super) fn cpu(&self) -> Duration {
        // By the system's convention a hundred ticks are a second.
        let ticks = |member: &Server| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", member.pid())).unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            let fields: Vec<&str> = fields.split(' ').collect();
            [fields[11], fields[12]]
                .map(|ticks| ticks.parse::<u64>().unwrap())
                .iter()
                .sum::<u64>()
        };
        Duration::from_millis(10 * self.members.values().map(ticks).sum::<u64>())
    }

    /// No monitor was ever without a run for longer than a death may take.
    pub(super) fn no_gap_after_a_death(&self) {
        self.no_gap(2 * self.interval + LEASE + ASSIGNED + BUSY);
    }

    /// No run was missed.
    pub(super) fn no_run_missed(&self) {
        // One that is missed makes a gap of two intervals; nearly one of these may be somebody's lateness.
        self.no_gap(self.interval * 19 / 10);
    }

    /// Who judges each.
    pub(super) fn judges(&self) -> Vec<&'static str> {
        self.names.iter().map(|name| self.judge(name)).collect()
    }

    fn no_gap(&self, bound: Duration) {
        let (gap, name) = self.target.longest_gap(&self.names, self.since);
        assert!(gap <= bound, "{name} had no run for {gap:?}, {bound:?} is the most");
    }
}

fn is_level(member: &Server, here: &BTreeSet<&str>, total: usize) -> bool {
    let get = |path: &str| {
        let (status, body) = try_ask(member.address, "GET", path, None).ok()?;
        (status == 200).then(|| serde_json::from_str::<Value>(&body).unwrap())
    };
    let (Some(plan), Some(overview)) = (get("/api/v1/plan"), get("/api/v1/overview")) else {
        return false;
    };
    let counts = &overview["monitors"];
    let places = ["ok", "warning", "critical", "pending", "disabled", "invalid"];
    let sum: u64 = places.iter().map(|place| counts[place].as_u64().unwrap()).sum();
    assert_eq!(Some(sum), counts["total"].as_u64(), "counts do not add up: {overview}");
    let groups = plan["groups"]["items"].as_array().unwrap();
    let Some(group) = groups.iter().find(|group| group["group"] == "untagged") else {
        return false;
    };
    let holds: BTreeMap<&str, u64> = group["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|holds| (holds["id"].as_str().unwrap(), holds["monitors"].as_u64().unwrap()))
        .collect();
    let fair = total.div_ceil(here.len()) as u64;
    // A quarter more than its share is what is left as it is.
    let even = holds.values().all(|monitors| *monitors <= fair + fair.div_ceil(4));
    let all = holds.values().sum::<u64>() == total as u64 && group["orphans"] == 0;
    let settled = overview.get("unreachable").is_none() && counts["pending"] == 0;
    all && settled && even && holds.keys().copied().eq(here.iter().copied())
}
