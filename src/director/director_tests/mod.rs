//! Simulated members over a store in memory: sessions, elections and directors are the real ones, the clock is paused.

mod cluster;
mod faults;
mod groups;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::catalog::MonitorEntry;
use crate::cluster::tenures::Tenures;
use crate::cluster::{Cluster, Footing, Tables};
use crate::config::definition::Strictness;
use crate::config::kinds::Kinds;
use crate::feed::Feed;
use crate::model::{MemberId, MonitorName};
use crate::store::records::{FORMAT, IntentRecord, MemberRecord, SLOTS, Table};
use crate::store::{Commit, Faults, Key, Op, Outcome, Revision, encode, in_memory, keys};
use crate::tasks::Tasks;
use crate::watchdog::Watchdog;

const TTL: Duration = Duration::from_secs(6);
/// Longer than anybody waits for a member that has come or gone.
const CALM: Duration = Duration::from_secs(12);

fn id(name: &str) -> MemberId {
    MemberId::parse(name).unwrap()
}

fn record(name: &str, tags: &[&str]) -> MemberRecord {
    MemberRecord {
        tags: tags.iter().map(ToString::to_string).collect(),
        ..MemberRecord::new(id(name), name, "1")
    }
}

/// The store, the definitions that everybody sees, and who is here.
struct World {
    store: Store,
    faults: Faults,
    catalog: Catalog,
    nodes: BTreeMap<String, Node>,
    began: Instant,
}

/// A member that runs: session, election, director. Dropping it is `kill -9`.
struct Node {
    events: Events,
    rights: watch::Receiver<Rights>,
    abstain: Abstain,
    _tasks: Tasks,
}

impl World {
    fn new() -> Self {
        let (store, faults) = in_memory();
        let catalog = Catalog::default();
        catalog.set_loaded();
        Self {
            store,
            faults,
            catalog,
            nodes: BTreeMap::new(),
            began: Instant::now(),
        }
    }

    async fn of(names: &str) -> Self {
        let mut world = Self::new();
        for name in names.split_whitespace() {
            world.start(name, &[]).await;
        }
        sleep(CALM).await;
        world
    }

    async fn start(&mut self, name: &str, tags: &[&str]) {
        self.start_with(name, tags, plan::plan).await;
    }

    async fn start_with(&mut self, name: &str, tags: &[&str], planner: Planner) {
        let events = Events::new(id(name), Feed::default()).0;
        let (rights, rights_now) = watch::channel(Rights::default());
        let abstain = Abstain::default();
        let cluster = Cluster {
            store: self.store.clone(),
            home: self.store.clone(),
            record: record(name, tags),
            ttl: TTL,
            tenures: Tenures::default(),
            tables: Tables::default(),
            rights,
            events: events.clone(),
            abstain: abstain.clone(),
            read_before: AtomicBool::default(),
            watchdog: Watchdog::new(TTL),
            alone: false,
        };
        let session = cluster.join().await.unwrap();
        let director = Director {
            store: self.store.clone(),
            catalog: self.catalog.clone(),
            rights: rights_now.clone(),
            events: events.clone(),
            abstain: abstain.clone(),
            alone: false,
            planner,
        };
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        let stop = tasks.stop().clone();
        tasks.spawn(async move { drop(cluster.run(watch::channel(Footing::Shared(session)).1, stop).await) });
        tasks.spawn(director.run(CancellationToken::new()));
        let node = Node {
            events,
            rights: rights_now,
            abstain,
            _tasks: tasks,
        };
        self.nodes.insert(name.to_owned(), node);
    }

    fn kill(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    async fn session(&self, name: &str) -> Arc<Session> {
        self.nodes[name].rights.borrow().session.clone().unwrap()
    }

    fn monitor(&self, name: &str, tag: &str) {
        let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "member-tag": tag});
        let read = Kinds::built_in().read_monitor(name, &spec, Strictness::Lenient);
        let name = MonitorName::parse(name).unwrap();
        let entry = MonitorEntry::new(name, Revision(1), WallMs(0), read);
        self.catalog.put_monitor(Arc::new(entry));
    }

    async fn write(&self, op: Op) -> Revision {
        let (guards, ops) = (Vec::new(), vec![op]);
        match self.store.commit(Commit { guards, ops }).await {
            Outcome::Done(rev) => rev,
            other => panic!("{other:?}"),
        }
    }

    async fn garbage(&self, key: Key) {
        self.write(Op::Put(key, Bytes::from("{"), None)).await;
    }

    async fn intent(&self, name: &str, change: impl FnOnce(&mut IntentRecord)) {
        let mut intent = IntentRecord {
            v: FORMAT,
            cordon: false,
            drain: false,
            weight: None,
            by: String::new(),
            at: WallMs(0),
        };
        change(&mut intent);
        self.write(Op::Put(keys::intent(&id(name)), encode(&intent).unwrap(), None))
            .await;
    }

    async fn table(&self, group: &str) -> Option<Table> {
        let table = self.store.read::<Table>(&keys::table(group)).await.unwrap();
        table.map(|at| at.value)
    }

    /// Who judges in a group: `a b`, `-` for nobody; nothing where there is no table.
    async fn judges(&self, group: &str) -> String {
        self.slots(group).await.into_keys().collect::<Vec<_>>().join(" ")
    }

    async fn slots(&self, group: &str) -> BTreeMap<String, usize> {
        let mut slots = BTreeMap::new();
        for run in self.table(group).await.map(|table| table.runs).unwrap_or_default() {
            let judge = run.judge.map_or_else(|| "-".to_owned(), |judge| judge.to_string());
            *slots.entry(judge).or_default() += usize::from(run.last - run.first) + 1;
        }
        slots
    }

    /// Every seat holds what its table says, and there is no other.
    async fn check_seats(&self) {
        let (_, entries) = self.store.list(&keys::plans()).await.unwrap();
        let mut seats: BTreeMap<String, Bytes> = BTreeMap::new();
        let mut wanted: BTreeMap<String, Bytes> = BTreeMap::new();
        for entry in entries {
            match keys::group(&entry.key) {
                Some(group) => {
                    let table = crate::store::decode::<Table>(&entry).unwrap().value;
                    let stamps = table.stamps.iter();
                    wanted.extend(
                        stamps.map(|(m, stamp)| (keys::seat(&group, m).to_string(), Bytes::from(stamp.clone()))),
                    );
                }
                None => drop(seats.insert(entry.key.to_string(), entry.value)),
            }
        }
        assert_eq!(seats, wanted);
    }

    async fn director(&self) -> Option<String> {
        let entry = self.store.get(&keys::director()).await.unwrap()?;
        Some(String::from_utf8(entry.value.to_vec()).unwrap())
    }

    /// Events of anybody that hold this text.
    fn said(&self, what: &str) -> usize {
        self.said_by(what).len()
    }

    /// What they say.
    fn said_by(&self, what: &str) -> Vec<String> {
        let all = self.nodes.values().flat_map(|node| node.events.newest_first());
        all.map(|event| event.message.clone())
            .filter(|text| text.contains(what))
            .collect()
    }

    /// Waits until a group's judges are these; how long that took.
    async fn until(&self, group: &str, judges: &str) -> Duration {
        let began = Instant::now();
        while self.judges(group).await != judges {
            assert!(
                began.elapsed() < Duration::from_secs(1800),
                "never {judges}: {:?}",
                self.slots(group).await
            );
            sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }
}
