//! The notifier over a store in memory, with far ends that do what a test says. The clock is paused.

mod fallback;
mod far;
mod fenced;
mod flow;
mod members;
mod restarts;
mod shared;
mod silenced;
mod trouble;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::alerters::Kind;
use crate::model::{AlerterSettings, Closed, EpisodeId, MonitorName, Status, WallMs};
use crate::silences::MatcherSpec;
use crate::store::records::{At, Definition, FORMAT, MemberRecord, OutboxEntry, SilenceRecord, Told};
use crate::store::{Commit, Faults, Key, Op, Outcome, Session, Store, encode, in_memory, keys};
use crate::tasks::Tasks;
use far::Far;
use members::{Member, Plan};

/// Longer than any wait of the pipeline, and nothing with a paused clock.
const LONG: Duration = Duration::from_secs(3 * 24 * 3600);

static KIND: Kind = Kind {
    name: "far",
    summary: "",
    example: "",
    parse: |_| Err(crate::model::Problem::error("", "not read in tests", "")),
    schema: || schemars::schema_for!(()),
};

fn name(text: &str) -> AlerterName {
    AlerterName::parse(text).unwrap()
}

fn monitor(text: &str) -> MonitorName {
    MonitorName::parse(text).unwrap()
}

type FarEnds = Arc<Mutex<HashMap<String, Arc<Far>>>>;

/// A store, far ends by the `spec` of their alerters, and members with a notifier each; most tests have one only, `a`, that works everything.
struct World {
    store: Store,
    faults: Faults,
    fars: FarEnds,
    members: BTreeMap<String, Member>,
    plan: Plan,
    events: Arc<Mutex<Vec<NotifierEvent>>>,
}

impl World {
    async fn new() -> Self {
        let (store, faults) = in_memory();
        let mut world = Self {
            store,
            faults,
            fars: FarEnds::default(),
            members: BTreeMap::new(),
            plan: Plan::new("a"),
            events: Arc::default(),
        };
        world.join("a", "boot-1").await;
        world
    }

    async fn write(&self, ops: Vec<Op>) {
        let guards = Vec::new();
        let outcome = self.store.commit(Commit { guards, ops }).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    /// An alerter whose definition says `spec`, and the far end that this means.
    async fn alerter(&self, alerter: &str, spec: &str, far: Far) -> Arc<Far> {
        let far = Arc::new(far);
        self.fars.lock().insert(spec.to_owned(), far.clone());
        self.write(vec![Op::Put(keys::alerter(&name(alerter)), definition(spec), None)])
            .await;
        far
    }

    /// What a judge commits. A bad status after none begins an episode.
    async fn change(&self, alerter: &str, about: &str, episode: i64, seq: u32, status: Status) {
        let entry = entry(episode, seq, status);
        let key = keys::outbox_entry(&name(alerter), &monitor(about));
        self.write(vec![Op::Put(key, encode(&entry).unwrap(), None)]).await;
    }

    /// Begins the one notifier, as a new process would.
    fn begin(&mut self) {
        self.begin_at("a");
    }

    /// As `kill -9` and a new process with a session of its own.
    async fn kill_and_begin(&mut self, boot: &str) {
        self.kill();
        self.join("a", boot).await;
        self.begin();
    }

    fn kill(&mut self) {
        self.kill_at("a");
    }

    fn view(&self) -> &NotifierView {
        self.view_of("a")
    }

    async fn told(&self, alerter: &str, about: &str) -> Option<At<Told>> {
        let key = keys::told(&name(alerter), &monitor(about));
        self.store.read(&key).await.unwrap()
    }

    async fn keys(&self, prefix: &Key) -> Vec<String> {
        let (_, entries) = self.store.list(prefix).await.unwrap();
        entries.iter().map(|entry| entry.key.to_string()).collect()
    }

    /// Nothing is wanted and nobody is told of anything.
    async fn is_level(&self) -> bool {
        self.keys(&keys::outbox()).await.is_empty() && self.keys(&keys::told_all()).await.is_empty()
    }

    /// The state of the one message about a monitor that is not sent.
    fn state(&self, about: &str) -> Option<NotificationState> {
        let items = self.view().items();
        let open = items.into_iter().filter(|item| item.state != NotificationState::Sent);
        open.filter(|item| item.monitor.as_str() == about)
            .map(|item| item.state)
            .next()
    }
}

fn far_def(alerter: &str, far: &Arc<Far>) -> AlerterDef {
    AlerterDef {
        name: name(alerter),
        settings: AlerterSettings {
            fallback: far.is_fallback(),
            kind: "far".to_owned(),
            description: String::new(),
        },
        kind: &KIND,
        alerter: far.clone(),
    }
}

fn definition(spec: &str) -> Bytes {
    encode(&Definition {
        v: FORMAT,
        origin: "api".to_owned(),
        by: String::new(),
        at: WallMs::now(),
        spec: RawValue::from_string(format!("{spec:?}")).unwrap(),
    })
    .unwrap()
}

fn entry(episode: i64, seq: u32, status: Status) -> OutboxEntry {
    OutboxEntry {
        v: FORMAT,
        episode: EpisodeId(episode),
        seq,
        status,
        from: if status.is_bad() { Status::Ok } else { Status::Critical },
        closed: (!status.is_bad()).then_some(Closed::Recovered),
        since: WallMs(episode),
        at: WallMs::now(),
        count: 3,
        message: "connection refused".to_owned(),
        trail: Vec::new(),
        kind: "http".to_owned(),
        description: String::new(),
        tags: vec!["prod".to_owned()],
        runbook: String::new(),
        displaced: None,
    }
}

fn silence(op: &str, value: &str, until: WallMs) -> Bytes {
    let matcher = MatcherSpec {
        field: "name".to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    };
    encode(&SilenceRecord {
        v: FORMAT,
        matchers: vec![matcher],
        from: WallMs(0),
        until,
        author: String::new(),
        comment: String::new(),
        at: WallMs(0),
    })
    .unwrap()
}

/// Waits, in paused time, until something holds.
macro_rules! until {
    ($what:expr) => {{
        let began = Instant::now();
        while !$what {
            assert!(began.elapsed() < LONG, "never: {}", stringify!($what));
            // The longer it takes, the coarser: a day in steps of 20 ms is a long time even when it is paused.
            sleep(Duration::from_millis(20).max(began.elapsed() / 300)).await;
        }
    }};
}
use until;
