//! An API over a store in memory, with a catalog that follows it, a lane that runs what is asked, and a notifier.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use ninevolt::api::{self, AccessTokens, ApiState, Health, MemberInfo, Options, Others, OwnerView, Parts};
use ninevolt::catalog::{Catalog, loader};
use ninevolt::cluster::tenures::{Holding, Tenures};
use ninevolt::config::definition;
use ninevolt::cutoff::Standing;
use ninevolt::events::Events;
use ninevolt::feed::Feed;
use ninevolt::manager::Lanes;
use ninevolt::manager::alarm::Alarm;
use ninevolt::manager::clock::Clock;
use ninevolt::manager::lane::{INBOX, Lane, Limits};
use ninevolt::manager::recorder::Recorder;
use ninevolt::manager::stats::LaneStats;
use ninevolt::model::{Group, MemberId, Secret, WallMs};
use ninevolt::monitors::{CheckCx, CheckOptions};
use ninevolt::notifications::{MayTell, Notifier, NotifierOptions, NotifierView};
use ninevolt::store::records::{FORMAT, MemberRecord, SlotRun, Table};
use ninevolt::store::{Commit, Faults, Key, Op, Outcome, Session, Store, encode, in_memory, keys, seat_value};
use ninevolt::tasks::Tasks;
use ninevolt::watchdog::Watchdog;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A time long ago that snapshots show.
pub(super) const LONG_AGO: WallMs = WallMs(1_794_000_000_000);

pub(super) struct Bed {
    pub(super) id: MemberId,
    pub(super) router: Router,
    pub(super) api: ApiState,
    pub(super) store: Store,
    pub(super) faults: Faults,
    pub(super) catalog: Catalog,
    pub(super) events: Events,
    pub(super) feed: Feed,
    pub(super) health: Health,
    pub(super) notifier: NotifierView,
    _session: Arc<Session>,
    _tasks: Tasks,
}

/// Which member, and among which others.
pub(super) struct Place {
    pub(super) id: MemberId,
    pub(super) owner: Option<OwnerView>,
    pub(super) others: Option<Others>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

pub(super) fn me() -> MemberId {
    MemberId::parse("m1").unwrap()
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::with(Options {
            prefix: "9volt".into(),
            allow_exec_from_api: true,
            ..Options::default()
        })
        .await
    }

    pub(super) async fn with_tokens(tokens: &[&str]) -> Self {
        let tokens: Vec<_> = tokens.iter().map(|token| Secret::new(*token)).collect();
        Self::with(Options {
            access_tokens: AccessTokens::new(&tokens),
            prefix: "9volt".into(),
            ..Options::default()
        })
        .await
    }

    pub(super) async fn with(options: Options) -> Self {
        let alone = Place {
            id: me(),
            owner: None,
            others: None,
        };
        Self::member(in_memory(), options, alone).await
    }

    /// A member on a store. Only `m1` tells.
    pub(super) async fn member((store, faults): (Store, Faults), options: Options, place: Place) -> Self {
        let id = place.id;
        let stop = CancellationToken::new();
        let mut tasks = Tasks::child_of(&stop);
        let (feed, catalog) = (Feed::default(), Catalog::default());
        let (events, mut to_write) = Events::new(id.clone(), feed.clone());
        tasks.spawn(async move { while to_write.recv().await.is_some() {} });

        let (changes, mut changed) = mpsc::channel(loader::WAITING);
        tasks.spawn(async move { while changed.recv().await.is_some() {} });
        tasks.spawn(loader::run(
            catalog.clone(),
            ninevolt::config::kinds::Kinds::built_in(),
            store.clone(),
            feed.clone(),
            changes,
            stop.clone(),
        ));

        let recorder = Recorder::new();
        let (inbox, commands) = mpsc::channel(INBOX);
        let stats = Arc::new(LaneStats::default());
        let cx = Arc::new(CheckCx::new(CheckOptions::default()));
        let limits = Limits {
            in_flight: 100,
            failing: 100,
            per_kind: 100,
        };
        let lane = Lane::new(
            Clock::system(),
            limits,
            cx,
            recorder.clone(),
            stats.clone(),
            events.clone(),
            feed.clone(),
        );
        tasks.spawn(lane.run(Alarm::Runtime, commands, stop.clone(), Duration::ZERO));

        let (session, view) = notifier(&store, &mut tasks, &stop, &id).await;
        let health = Health::new("memory", None, Standing::new(None));
        let owner_catalog = catalog.clone();
        let api = ApiState::new(Parts {
            catalog: catalog.clone(),
            lanes: Lanes::new(vec![(inbox, stats)]),
            recorder,
            events: events.clone(),
            feed: feed.clone(),
            store: store.clone(),
            notifier: view.clone(),
            owner: place.owner.unwrap_or_else(|| {
                Arc::new(move |entry| owner_catalog.monitor(entry.name.as_str())?.group()?.takes(&[]).then(me))
            }),
            others: place.others,
            tables: ninevolt::cluster::Tables::default(),
            health: health.clone(),
            watchdog: Watchdog::new(Duration::from_secs(6)),
            reflected: Vec::new(),
            deciding: None,
            member: MemberInfo {
                id: id.clone(),
                hostname: "host".into(),
                version: "0.1.0".into(),
                commit: "abc1234".into(),
                started: LONG_AGO,
                listen: "127.0.0.1:8080".into(),
            },
            options,
        });
        let router = api::router(api.clone());
        Self {
            id,
            router,
            api,
            store,
            faults,
            catalog,
            events,
            feed,
            health,
            notifier: view,
            _session: session,
            _tasks: tasks,
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(super) async fn post(&self, path: &str, body: impl ToString) -> Answer {
        self.ask(Method::POST, path, &[], body.to_string()).await
    }

    pub(super) async fn put(&self, path: &str, body: impl ToString) -> Answer {
        self.ask(Method::PUT, path, &[], body.to_string()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[], "").await
    }

    /// Writes a record as another part of the program would.
    pub(super) async fn write(&self, key: Key, record: &impl Serialize) {
        put(&self.store, key, encode(record).unwrap()).await;
    }
}

async fn put(store: &Store, key: Key, value: bytes::Bytes) {
    let outcome = store
        .commit(Commit {
            guards: vec![],
            ops: vec![Op::Put(key, value, None)],
        })
        .await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

/// A notifier, with the right to work if it is that of `m1`.
async fn notifier(
    store: &Store,
    tasks: &mut Tasks,
    stop: &CancellationToken,
    id: &MemberId,
) -> (Arc<Session>, NotifierView) {
    let record = MemberRecord {
        hostname: "host".into(),
        listen: "127.0.0.1:8080".into(),
        tags: vec!["eu".into()],
        version: "0.1.0".into(),
        started: LONG_AGO,
        ..MemberRecord::new(id.clone(), "i", "b")
    };
    let session = Arc::new(Session::open(store, record, Duration::from_secs(60)).await.unwrap());
    let run = SlotRun {
        first: 0,
        last: 4095,
        judge: Some(me()),
        since: "1-1".into(),
        runners: vec![],
    };
    let table = Table {
        v: FORMAT,
        epoch: "1-1".into(),
        at: WallMs(0),
        why: String::new(),
        runs: vec![run],
        stamps: [(me(), "s".to_owned())].into(),
    };
    put(store, keys::table("notify"), encode(&table).unwrap()).await;
    put(store, keys::seat("notify", &me()), seat_value("s")).await;
    let holding = Holding::of(&session, &Group::notify(), &table, None, true);
    assert_eq!(holding.is_some(), *id == me());
    let tenures = Tenures::default();
    tenures.set(holding.map(|holding| (Group::notify(), holding)).into_iter().collect());
    let notifier = Notifier::new(NotifierOptions {
        store: store.clone(),
        tenures,
        may_tell: tokio::sync::watch::channel(MayTell::Yes).1,
        stands_in: Arc::new(|| false),
        member: id.clone(),
        cluster: "9volt".into(),
        base_url: None,
        http: reqwest::Client::new(),
        read: Arc::new(|name, record| {
            let spec = serde_json::from_str(record.spec.get()).ok()?;
            definition::alerter(name.as_str(), &spec).value.map(Arc::new)
        }),
        events: Arc::new(|_| ()),
    });
    let view = notifier.view();
    let stop = stop.clone();
    tasks.spawn(async move { notifier.run(stop).await });
    (session, view)
}

/// Lets others run until something is so.
pub(super) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let wait = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), wait).await.is_ok(),
        "never: {what}"
    );
}
