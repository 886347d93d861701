//! Several members over one store in memory, each with its own monitors, talking over real sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ninevolt::api::{self, ApiState, Options, Others};
use ninevolt::catalog::{OpenEpisodes, open_episodes};
use ninevolt::feed::Feed;
use ninevolt::model::{Group, MemberId, Reason, Slots, Verdict};
use ninevolt::peers::{Answer, Answers, Call, Credentials, Directory, Listener, Peers, Refused, Stats};
use ninevolt::store::in_memory;
use ninevolt::store::records::{MemberRecord, slot};
use ninevolt::tasks::Tasks;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::bed::{Bed, LONG_AGO, Place, until};
use super::state::run;

/// Slots that each of the members judges: the first third, the second, the rest.
fn judged() -> BTreeMap<MemberId, Slots> {
    let group = Group::of("");
    let thirds = [("m1", 0, 1_364), ("m2", 1_365, 2_729), ("m3", 2_730, 4_095)];
    let slots = |first, last| {
        let mut slots = Slots::default();
        slots.add(&group, first, last);
        slots
    };
    thirds
        .into_iter()
        .map(|(member, first, last)| (id(member), slots(first, last)))
        .collect()
}

pub(super) fn id(name: &str) -> MemberId {
    MemberId::parse(name).unwrap()
}

/// Who judges a monitor, if its tag lets anybody.
pub(super) fn judge(name: &str) -> &'static str {
    match slot(name) {
        0..1_365 => "m1",
        1_365..2_730 => "m2",
        _ => "m3",
    }
}

/// What a member answers others by: its API; unless it is told to be silent.
struct ByApi {
    api: Arc<OnceLock<ApiState>>,
    silent: watch::Receiver<bool>,
}

#[async_trait::async_trait]
impl Answers for ByApi {
    async fn answer(&self, asker: &MemberId, call: Call) -> Result<Answer, Refused> {
        if *self.silent.borrow() {
            std::future::pending::<()>().await;
        }
        self.api.get().unwrap().answer(asker, call).await
    }
}

pub(super) struct Member {
    pub(super) bed: Bed,
    pub(super) directory: Directory,
    pub(super) stats: Stats,
    pub(super) silence: watch::Sender<bool>,
    listening: Option<Tasks>,
    _following: Tasks,
    _dir: tempfile::TempDir,
}

pub(super) struct Cluster {
    members: Vec<Member>,
}

impl Cluster {
    pub(super) async fn new() -> Self {
        let (store, faults) = in_memory();
        let mut members = Vec::new();
        let mut records = Vec::new();
        for name in ["m1", "m2", "m3"] {
            let dir = tempfile::tempdir().unwrap();
            let credentials = Credentials::of(dir.path()).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            records.push(MemberRecord {
                peer: listener.local_addr().unwrap().to_string(),
                fingerprint: credentials.fingerprint().to_string(),
                ..MemberRecord::new(id(name), name, "b")
            });
            let (directory, stats, open) = (Directory::default(), Stats::default(), OpenEpisodes::default());
            let (silence, silent) = watch::channel(false);
            let api = Arc::new(OnceLock::new());
            let answers = Arc::new(ByApi {
                api: api.clone(),
                silent,
            });
            let never = CancellationToken::new();
            let (mut listening, mut following) = (Tasks::child_of(&never), Tasks::child_of(&never));
            let listener = Listener {
                listener,
                credentials: credentials.clone(),
                directory: directory.clone(),
                answers,
                stats: stats.clone(),
                grace: Duration::ZERO,
            };
            let stop = listening.stop().clone();
            listening.spawn(async move { listener.run(stop).await.unwrap() });
            following.spawn(open_episodes::follow(store.clone(), open.clone(), never.clone()));
            let place = Place {
                id: id(name),
                owner: Some(Arc::new(|entry| {
                    entry.group()?.takes(&[]).then(|| id(judge(entry.name.as_str())))
                })),
                others: Some(Others {
                    peers: Peers::new(id(name), credentials, directory.clone(), stats.clone()),
                    judged: Arc::new(judged),
                    open,
                    feed: Feed::default(),
                }),
            };
            let options = Options {
                prefix: "9volt".into(),
                ..Options::default()
            };
            let bed = Bed::member((store.clone(), faults.clone()), options, place).await;
            api.set(bed.api.clone()).ok().unwrap();
            following.spawn(api::exchange(bed.api.clone(), never));
            members.push(Member {
                bed,
                directory,
                stats,
                silence,
                listening: Some(listening),
                _following: following,
                _dir: dir,
            });
        }
        for member in &members {
            member.directory.replace(records.clone());
        }
        Self { members }
    }

    pub(super) fn at(&self, name: &str) -> &Member {
        self.members
            .iter()
            .find(|member| member.bed.id.as_str() == name)
            .unwrap()
    }

    pub(super) fn bed(&self, name: &str) -> &Bed {
        &self.at(name).bed
    }

    /// The bed of whoever judges a monitor.
    pub(super) fn of(&self, monitor: &str) -> &Bed {
        self.bed(judge(monitor))
    }

    pub(super) async fn kill(&mut self, name: &str) {
        let member = self.members.iter_mut().find(|member| member.bed.id.as_str() == name);
        member
            .unwrap()
            .listening
            .take()
            .unwrap()
            .shut_down(Duration::ZERO)
            .await;
    }

    pub(super) async fn define(&self, monitors: Value) {
        let n = monitors.as_object().unwrap().len();
        self.bed("m1").post("/api/v1/monitor", monitors).await.is(200);
        for member in &self.members {
            until("known everywhere", || member.bed.catalog.monitor_count() >= n).await;
        }
    }

    /// Sixty monitors, run where they belong: every fourth fails, every fifteenth has said nothing yet.
    pub(super) async fn sixty() -> Self {
        let cluster = Self::new().await;
        let spec = |i: usize| {
            json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "critical-threshold": 1,
                "tags": if i.is_multiple_of(2) { vec!["even"] } else { vec![] }})
        };
        cluster
            .define(
                (0..60)
                    .map(|i| (name(i), spec(i)))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            )
            .await;
        for i in (0..60).filter(|i| i % 15 != 7) {
            let verdict = match i % 4 {
                0 => Verdict::fail(Reason::Refused, "connection refused"),
                _ => Verdict::pass(),
            };
            let at = LONG_AGO.plus(Duration::from_secs((i as u64 * 37) % 60));
            run(cluster.of(&name(i)), &name(i), at, 1 + (i as u64 * 13) % 60, verdict);
        }
        cluster
    }
}

pub(super) fn name(i: usize) -> String {
    format!("web-{i:02}")
}
