//! A store, one member at a time on it, and the hands of an operator.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::hub::Hub;
use super::member::{Begin, Member, Place};
use super::stage::{Answer, FarEnd, Stage, Target, stage};
use crate::catalog::LiveState;
use crate::model::time_simulated::{Simulated, begin};
use crate::model::{AlerterName, MonitorName, Status, WallMs};
use crate::silences::MatcherSpec;
use crate::store::records::{Definition, FORMAT, Past, SilenceRecord};
use crate::store::{
    Commit, Entry, Faults, Guard, Key, Memory, Op, Outcome, Revision, Store, decode, encode, in_memory, keys,
};

/// Waits, in paused time, until something holds.
macro_rules! until {
    ($what:expr) => {{
        let began = tokio::time::Instant::now();
        while !$what {
            assert!(
                began.elapsed() < std::time::Duration::from_secs(3600),
                "never: {}; heard: {:?}",
                stringify!($what),
                $crate::app::sim::world::all_heard(),
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }};
}
pub(super) use until;

/// When the simulation begins, by the wall clock.
const BEGIN: WallMs = WallMs(1_800_000_000_000);
/// How long an operator waits for the store.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct World {
    pub(super) store: Store,
    pub(super) faults: Faults,
    /// The process that runs, if one does.
    pub(super) member: Option<Member>,
    /// The disk that the member's copy of the store is on, if it has one.
    pub(super) disk: Option<Arc<Memory>>,
    /// Tags that the next process has.
    pub(super) tags: Vec<String>,
    boots: u32,
    alive: Option<WallMs>,
    _wall: Simulated,
}

pub(super) fn monitor(name: &str) -> MonitorName {
    MonitorName::parse(name).unwrap()
}

pub(super) fn alerter(name: &str) -> AlerterName {
    AlerterName::parse(name).unwrap()
}

/// What is stored of a definition.
pub(super) fn definition(spec: &Value) -> Bytes {
    encode(&Definition {
        v: FORMAT,
        origin: "api".to_owned(),
        by: String::new(),
        at: WallMs::now(),
        spec: RawValue::from_string(spec.to_string()).unwrap(),
    })
    .unwrap()
}

/// A probe every second that is critical at the first failure and tells `ops`, but for what is given.
pub(super) fn probe(given: Value) -> Value {
    let mut spec = json!({"type": "probe", "target": "t", "interval": "1s", "critical-alerter": ["ops"]});
    for (key, value) in given.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

impl World {
    /// A new store; nothing runs.
    pub(super) fn new() -> Self {
        if std::env::var_os("NINEVOLT_SIM_LOG").is_some() {
            // Once is enough; the second says that there is one.
            let _ = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::DEBUG)
                .try_init();
        }
        stage(|stage| *stage = Stage::default());
        let (store, faults) = in_memory();
        Self {
            store,
            faults,
            member: None,
            disk: None,
            tags: Vec::new(),
            boots: 0,
            alive: None,
            _wall: begin(BEGIN),
        }
    }

    /// With a chat that is called `ops`, the monitor `web` of the target `t`, and a member that has begun to run it.
    pub(super) async fn with_web(given: Value) -> Self {
        let mut world = Self::new();
        world.put_alerter("ops", "chat").await;
        world.put_monitor("web", probe(given)).await;
        world.start().await;
        world.runs("web", 1).await;
        world
    }

    pub(super) async fn try_start(&mut self) -> anyhow::Result<()> {
        assert!(self.member.is_none());
        self.boots += 1;
        stage(|stage| stage.begun.push(WallMs::now()));
        let begin = Begin {
            id: super::member::id(),
            place: Place::of(&self.store, self.disk.as_ref(), &Hub::default()),
            tags: self.tags.clone(),
            boot: self.boots,
            alive: self.alive,
        };
        self.member = Some(Member::start(begin).await?);
        Ok(())
    }

    pub(super) async fn start(&mut self) {
        self.try_start().await.unwrap();
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        if self.member.take().is_some() {
            self.alive = Some(WallMs::now());
        }
    }

    /// As if nothing had noted that a process lived.
    pub(super) fn forget_alive(&mut self) {
        self.alive = None;
    }

    /// `kill -9`, and a new process at once.
    pub(super) async fn restart(&mut self) {
        self.kill();
        self.start().await;
    }

    /// The store loses all that it holds.
    pub(super) fn wipe(&self) {
        self.faults.wipe();
    }

    /// A planned stop.
    pub(super) async fn stop(&mut self) -> bool {
        let Some(member) = self.member.take() else { return true };
        let clean = member.stop(false).await;
        self.alive = Some(WallMs::now());
        clean
    }

    pub(super) fn member(&self) -> &Member {
        self.member.as_ref().unwrap()
    }

    /// Writes what an operator wants, unless the store takes it from nobody for too long.
    pub(super) async fn write(&self, ops: Vec<Op>) -> bool {
        let mut guards = Vec::new();
        for op in &ops {
            // So that a copy that comes late is refused.
            let Ok(there) = self.store.get(op.key()).await else {
                return false;
            };
            guards.push(Guard::Rev(
                op.key().clone(),
                there.map_or(Revision(0), |entry| entry.rev),
            ));
        }
        let deadline = Instant::now() + PATIENCE;
        let outcome = self.store.settle(&[], Commit { guards, ops }, deadline).await;
        matches!(outcome, Outcome::Done(_))
    }

    pub(super) async fn put_monitor(&self, name: &str, spec: Value) -> bool {
        let put = Op::Put(keys::monitor(&monitor(name)), definition(&spec), None);
        self.write(vec![put]).await
    }

    pub(super) async fn remove_monitor(&self, name: &str) -> bool {
        self.write(vec![Op::Delete(keys::monitor(&monitor(name)))]).await
    }

    /// An alerter of that kind whose far end has the same name.
    pub(super) async fn put_alerter(&self, name: &str, kind: &str) -> bool {
        let spec = json!({"type": kind, "options": {"far": name}});
        let put = Op::Put(keys::alerter(&alerter(name)), definition(&spec), None);
        self.write(vec![put]).await
    }

    /// As `cfg` and the API do: the last definition stays, to resolve what was told.
    pub(super) async fn remove_alerter(&self, name: &str) -> bool {
        let (key, retired) = (keys::alerter(&alerter(name)), keys::retired_alerter(&alerter(name)));
        let Ok(Some(there)) = self.store.get(&key).await else {
            return false;
        };
        let ops = vec![Op::Delete(key), Op::Put(retired, there.value, None)];
        self.write(ops).await
    }

    /// Silences the monitors of that name.
    pub(super) async fn silence(&self, id: &str, name: &str, until: WallMs) -> bool {
        let matcher = MatcherSpec {
            field: "name".to_owned(),
            op: "glob".to_owned(),
            value: name.to_owned(),
        };
        let record = SilenceRecord {
            v: FORMAT,
            matchers: vec![matcher],
            from: WallMs(0),
            until,
            author: String::new(),
            comment: String::new(),
            at: WallMs::now(),
        };
        let put = Op::Put(keys::silence(id), encode(&record).unwrap(), None);
        self.write(vec![put]).await
    }

    /// Waits until a monitor has run so many times more.
    pub(super) async fn runs(&self, name: &str, more: u64) {
        let runs = || stage(|stage| stage.runs.get(name).map_or(0, |(runs, _)| *runs));
        let wanted = runs() + more;
        until!(runs() >= wanted);
        // And until the verdict is in.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    pub(super) async fn list(&self, prefix: &Key) -> Vec<Entry> {
        self.store.list(prefix).await.unwrap().1
    }

    pub(super) async fn keys(&self, prefix: &Key) -> Vec<String> {
        self.list(prefix)
            .await
            .iter()
            .map(|entry| entry.key.to_string())
            .collect()
    }

    pub(super) async fn pasts(&self) -> Vec<Past> {
        let entries = self.list(&keys::pasts()).await;
        entries.iter().map(|entry| decode(entry).unwrap().value).collect()
    }

    /// No episode is open, nobody is to be told of anything, nobody was told of what is still open.
    pub(super) async fn is_level(&self) -> bool {
        for prefix in [keys::checkpoints(), keys::outbox(), keys::told_all()] {
            if !self.list(&prefix).await.is_empty() {
                return false;
            }
        }
        true
    }

    /// What is known of a monitor.
    pub(super) fn live<T>(&self, name: &str, f: impl FnOnce(&LiveState) -> T) -> T {
        f(&self.member().catalog.monitor(name).unwrap().live().lock())
    }

    pub(super) fn status(&self, name: &str) -> Option<Status> {
        let known = self.member.as_ref()?.catalog.monitor(name)?;
        let live = known.live().lock();
        Some(live.health.status)
    }

    /// Messages of events, oldest first, that say so.
    pub(super) fn said(&self, what: &str) -> Vec<String> {
        let events = self.member().events.newest_first();
        let said = events.iter().rev().filter(|event| event.message.contains(what));
        said.map(|event| event.message.clone()).collect()
    }
}

/// What each far end heard.
pub(super) fn all_heard() -> Vec<(String, Vec<String>)> {
    stage(|stage| {
        stage
            .fars
            .iter()
            .map(|(name, far)| (name.clone(), far.lines()))
            .collect()
    })
}

pub(super) fn target(name: &str, target: Target) {
    stage(|stage| stage.targets.insert(name.to_owned(), target));
}

pub(super) fn answers(far: &str, answer: Answer) {
    stage(|stage| stage.fars.entry(far.to_owned()).or_default().answer = answer);
}

/// `web critical`, `web ok` …, as a far end heard.
pub(super) fn heard(far: &str) -> Vec<String> {
    stage(|stage| stage.fars.get(far).map(FarEnd::lines).unwrap_or_default())
}
