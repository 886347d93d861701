//! Three members on one etcd that share some monitors, and how they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};

use super::super::etcd::Etcd;
use super::super::world::{Server, World, now, try_ask, wait_for};
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

pub(super) struct Crew {
    // Dropped first: members do not have to see their store go.
    pub(super) members: BTreeMap<&'static str, Server>,
    pub(super) worlds: BTreeMap<&'static str, World>,
    pub(super) etcd: Vec<Etcd>,
    pub(super) target: Watched,
    pub(super) names: Vec<String>,
    interval: Duration,
    /// Since when every monitor has run.
    since: Instant,
}

impl Crew {
    /// Three members, and as many monitors each at this interval; all run, and are shared.
    pub(super) fn start(nodes: usize, monitors: usize, interval: Duration) -> Self {
        let worlds: BTreeMap<&'static str, World> = IDS.iter().map(|id| (*id, World::empty())).collect();
        let etcd = Etcd::start_all(worlds["m1"].dir.path(), nodes);
        let settings = json!({"HeartbeatInterval": "1s", "HeartbeatTimeout": format!("{}s", LEASE.as_secs())});
        etcd[0].put("/9volt/config", settings.to_string().as_bytes());
        let mut crew = Self {
            members: BTreeMap::new(),
            worlds,
            etcd,
            target: Watched::start(),
            names: (0..monitors).map(|n| format!("web-{n}")).collect(),
            interval,
            since: now(),
        };
        for id in IDS {
            crew.join(id);
        }
        let alerters = json!({"console": {"type": "log"}});
        let monitors: Map<String, Value> = crew
            .names
            .iter()
            .map(|name| (name.clone(), crew.target.monitor(name, interval)))
            .collect();
        let any = &crew.members["m1"];
        for (path, body) in [("/api/v1/alerter", alerters), ("/api/v1/monitor", monitors.into())] {
            let (status, said) = any.ask("POST", path, Some(&body));
            assert_eq!(status, 200, "{said}");
        }
        crew.level();
        crew.run_again(2);
        crew.since = now();
        crew
    }

    /// Starts a member, in its own data directory.
    pub(super) fn join(&mut self, id: &'static str) {
        let endpoints: Vec<&str> = self.etcd.iter().map(|etcd| etcd.endpoint.as_str()).collect();
        let server = self.worlds[id].start_with(&["-e", &endpoints.join(","), "--member-id", id]);
        self.members.insert(id, server);
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
        IDS.into_iter().find(|id| Some(*id) == judge).unwrap_or("nobody")
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
            let director = cluster["Director"]["MemberID"].as_str()?.to_owned();
            IDS.into_iter().find(|id| *id == director)
        })
    }

    /// Waits until those who are here, and nobody else, share all slots evenly, and every member counts every monitor once.
    pub(super) fn level(&self) {
        let here: BTreeSet<&str> = self.members.keys().copied().collect();
        wait_for(&format!("{here:?} to share everything"), || {
            self.members
                .values()
                .all(|member| is_level(member, &here, self.names.len()))
                .then_some(())
        });
    }

    /// Waits until every monitor has run some times more.
    pub(super) fn run_again(&self, times: usize) {
        let before = self.target.counts();
        wait_for(&format!("{times} more runs of each monitor"), || {
            let after = self.target.counts();
            let ran = |name: &String| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
            self.names.iter().all(|name| ran(name) >= times).then_some(())
        });
    }

    /// Waits until what was found is told and recorded, runs twice more, and looks at everything that was told.
    pub(super) fn told(&self) -> Told {
        self.run_again(2);
        self.recorded();
        Told::of(self.worlds.values())
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
        wait_for(&format!("{wanted:?} of {monitor}"), || {
            (Told::of(self.worlds.values()).of_monitor(monitor).len() >= wanted.len()).then_some(())
        });
        assert_eq!(Told::of(self.worlds.values()).of_monitor(monitor), wanted);
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
