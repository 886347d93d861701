//! The notifier over a store in memory, with far ends that do what a test says. The clock is paused.

mod far;
mod flow;
mod restarts;
mod silenced;
mod trouble;

use std::collections::HashMap;
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
use crate::store::records::{
    At, Definition, FORMAT, MemberRecord, OutboxEntry, SLOTS, SilenceRecord, SlotRun, Table, Told,
};
use crate::store::{Commit, Faults, Key, Op, Outcome, Session, Store, encode, in_memory, keys, seat_value};
use crate::tasks::Tasks;
use far::Far;

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

/// A store, far ends by the `spec` of their alerters, and a notifier that may be killed and begun again.
struct World {
    store: Store,
    faults: Faults,
    fars: FarEnds,
    tenure: Arc<Mutex<Option<Tenure>>>,
    events: Arc<Mutex<Vec<NotifierEvent>>>,
    view: Option<NotifierView>,
    tasks: Tasks,
    wrote: i64,
}

impl World {
    async fn new() -> Self {
        let (store, faults) = in_memory();
        let tenure = Self::tenure(&store, "boot-1").await;
        Self {
            store,
            faults,
            fars: FarEnds::default(),
            tenure: Arc::new(Mutex::new(Some(tenure))),
            events: Arc::default(),
            view: None,
            tasks: Tasks::child_of(&CancellationToken::new()),
            wrote: 0,
        }
    }

    /// A session of a process that is called so, and the right to work all alerters.
    async fn tenure(store: &Store, boot: &str) -> Tenure {
        let member = MemberId::parse("a").unwrap();
        let record = MemberRecord::new(member.clone(), "disk", boot);
        let session = Session::open(store, record, LONG * 10).await.unwrap();
        let all = SlotRun {
            first: 0,
            last: SLOTS - 1,
            judge: Some(member.clone()),
            since: "1-1".to_owned(),
            runners: Vec::new(),
        };
        let table = Table {
            v: FORMAT,
            epoch: "1-1".to_owned(),
            at: WallMs(0),
            why: String::new(),
            runs: vec![all],
            stamps: [(member.clone(), boot.to_owned())].into(),
        };
        let tenure = session.tenure("notify", &table).unwrap();
        let seat = Op::Put(keys::seat("notify", &member), seat_value(boot), None);
        let commit = Commit {
            guards: Vec::new(),
            ops: vec![seat],
        };
        assert!(matches!(store.commit(commit).await, Outcome::Done(_)));
        tenure
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
    async fn change(&mut self, alerter: &str, about: &str, episode: i64, seq: u32, status: Status) {
        self.wrote += 1;
        let entry = entry(episode, seq, status);
        let key = keys::outbox_entry(&name(alerter), &monitor(about));
        self.write(vec![Op::Put(key, encode(&entry).unwrap(), None)]).await;
    }

    /// Begins a notifier, as a new process would.
    fn begin(&mut self) {
        let (fars, tenure, events) = (self.fars.clone(), self.tenure.clone(), self.events.clone());
        let notifier = Notifier::new(NotifierOptions {
            store: self.store.clone(),
            tenure: Arc::new(move || tenure.lock().clone()),
            member: MemberId::parse("a").unwrap(),
            cluster: "main".to_owned(),
            base_url: Some("https://9volt.example.org/".to_owned()),
            http: reqwest::Client::new(),
            read: Arc::new(move |name, definition| {
                let spec: String = serde_json::from_str(definition.spec.get()).ok()?;
                let far = fars.lock().get(&spec)?.clone();
                Some(Arc::new(far_def(name.as_str(), &far)))
            }),
            events: Arc::new(move |event| events.lock().push(event)),
        });
        self.view = Some(notifier.view());
        let stop = self.tasks.stop().clone();
        self.tasks.spawn(notifier.run(stop));
    }

    /// As `kill -9` and a new process with a session of its own.
    async fn kill_and_begin(&mut self, boot: &str) {
        self.kill();
        let tenure = Self::tenure(&self.store, boot).await;
        *self.tenure.lock() = Some(tenure);
        self.begin();
    }

    fn kill(&mut self) {
        self.tasks = Tasks::child_of(&CancellationToken::new());
    }

    fn view(&self) -> &NotifierView {
        self.view.as_ref().unwrap()
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
        told: false,
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
