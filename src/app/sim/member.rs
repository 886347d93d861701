//! One whole member over a store in memory: everything that `App` runs but the API, on one thread, with a clock that can be paused.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::hub::{Hub, Line, NoPages};
use super::stage::{kinds, stage};
use crate::app::HAND_OVER;
use crate::app::answering::{Answering, Seen};
use crate::catalog::{Catalog, loader};
use crate::cluster::abstain::Abstain;
use crate::cluster::tenures::Tenures;
use crate::cluster::{Cluster, Footing, Rights, Tables, event_log};
use crate::config::definition::Strictness;
use crate::cutoff::{self, Courier, CutOff, Deciding, Noted, Notices, Rounds, Standing, Taker, courier};
use crate::director::{Director, plan};
use crate::events::{EventKind, Events};
use crate::feed::Feed;
use crate::manager::alarm::Alarm;
use crate::manager::clock::Clock;
use crate::manager::lane::{self, Lane, Limits};
use crate::manager::recorder::{Recorder, Shell};
use crate::manager::stats::LaneStats;
use crate::manager::{Lanes, Manager, soft};
use crate::model::{MemberId, WallMs};
use crate::monitors::{CheckCx, CheckOptions};
use crate::notifications::{MayTell, Notifier, NotifierEvent, NotifierOptions};
use crate::peers::{Directory, directory};
use crate::store::records::{ClusterSettings, MemberRecord};
use crate::store::{Face, Memory, SessionError, Standin, Store, StoreError, standin_in_memory};
use crate::tasks::Tasks;
use crate::tasks::process::Process;
use crate::watchdog::Watchdog;

const GRACE: Duration = Duration::from_secs(5);
/// Lanes: more than one, so that monitors do not share theirs.
const LANES: usize = 2;
const PLENTY: Limits = Limits {
    in_flight: 1000,
    failing: 1000,
    per_kind: 1000,
};

/// How long an isolated member is silent.
const ISOLATED_AFTER: Duration = Duration::from_secs(60);

type Part = (&'static str, Result<(), String>);

/// A running member. Dropping it is `kill -9`.
pub(super) struct Member {
    pub(super) catalog: Catalog,
    pub(super) recorder: Recorder,
    pub(super) lanes: Lanes,
    pub(super) events: Events,
    pub(super) rights: watch::Receiver<Rights>,
    pub(super) tenures: Tenures,
    /// The threads of its lanes.
    pub(super) schedule: Process,
    pub(super) watchdog: Watchdog,
    running: Tasks<Part>,
    recording: Tasks<Part>,
    telling: Tasks<Part>,
    belonging: Tasks<Part>,
    pub(super) standing: Standing,
    /// Where it has a copy of the store.
    pub(super) deciding: Option<Deciding>,
    /// Whether it can reach anybody outside.
    pub(super) passes: watch::Sender<bool>,
    _answering: Option<super::hub::Answering>,
}

/// What one process is begun with.
pub(super) struct Begin {
    pub(super) id: MemberId,
    pub(super) place: Place,
    pub(super) tags: Vec<String>,
    pub(super) boot: u32,
    pub(super) alive: Option<WallMs>,
}

/// Where a member finds its store.
pub(super) struct Place {
    /// The store itself.
    pub(super) home: Store,
    /// As the member sees it, and what stands in for it.
    pub(super) view: Store,
    pub(super) standin: Option<Arc<Standin>>,
    /// The other members.
    pub(super) hub: Hub,
}

impl Place {
    /// With a copy of the store on that disk; without one, as on an embedded store, nothing stands in for it.
    pub(super) fn of(home: &Store, disk: Option<&Arc<Memory>>, hub: &Hub) -> Self {
        let standing = disk.map(|disk| standin_in_memory(home, disk));
        let (view, standin) = standing.unzip();
        Self {
            home: standin.as_ref().map_or_else(|| home.clone(), |standin| standin.outer()),
            view: view.unwrap_or_else(|| home.clone()),
            standin,
            hub: hub.clone(),
        }
    }
}

pub(super) fn id() -> MemberId {
    MemberId::parse("m").unwrap()
}

impl Member {
    /// In the order of `App::bind` and `App::run`.
    pub(super) async fn start(begin: Begin) -> anyhow::Result<Self> {
        let Begin {
            id,
            place,
            tags,
            boot,
            alive,
        } = begin;
        let store = place.view.clone();
        let tables = Tables::default();
        if let Some(standin) = &place.standin {
            standin.works(courier::works(&tables, &id));
        }
        let settings = settings(&place).await?;
        let feed = Feed::default();
        let (events, to_write) = Events::new(id.clone(), feed.clone());
        let record = MemberRecord {
            tags,
            started: WallMs::now(),
            ..MemberRecord::new(id.clone(), &format!("disk of {id}"), &boot.to_string())
        };
        let (rights, rights_now) = watch::channel(Rights::default());
        let tenures = Tenures::default();
        let abstain = Abstain::default();
        let watchdog = Watchdog::new(settings.heartbeat_timeout.0);
        let cluster = Cluster {
            store: store.clone(),
            home: place.home.clone(),
            record,
            ttl: settings.heartbeat_timeout.0,
            tenures: tenures.clone(),
            tables: tables.clone(),
            rights,
            events: events.clone(),
            read_before: AtomicBool::new(false),
            abstain: abstain.clone(),
            watchdog: watchdog.clone(),
            alone: false,
        };
        let begins = match &place.standin {
            Some(standin) if standin.face() == Face::Copy => {
                Footing::Copy(cutoff::alone(&standin.copy(), &cluster.record).await?)
            }
            Some(standin) if standin.stands().complete => match cluster.join().await {
                Ok(session) => Footing::Shared(session),
                Err(SessionError::Store(_)) => {
                    standin.stand_in().await?;
                    Footing::Copy(cutoff::alone(&standin.copy(), &cluster.record).await?)
                }
                Err(other) => return Err(other.into()),
            },
            _ => Footing::Shared(cluster.join().await?),
        };
        let (footing, stands) = watch::channel(begins);
        let (may_tell, may_tell_now) = watch::channel(match &place.standin {
            Some(_) => MayTell::No,
            None => MayTell::Yes,
        });
        let never = CancellationToken::new();
        let tasks = || Tasks::<Part>::child_of(&never);
        let (mut running, mut recording, mut telling, mut belonging) = (tasks(), tasks(), tasks(), tasks());

        let (catalog, recorder) = (Catalog::among_others(Arc::new(tables.leave_to(&id))), Recorder::new());
        let (clock, _) = Clock::simulated(WallMs::now());
        let mut handles = Vec::new();
        let schedule = Process::part();
        for number in 0..LANES {
            let (inbox, commands) = mpsc::channel(lane::INBOX);
            let stats = Arc::new(LaneStats::default());
            handles.push((inbox, stats.clone()));
            let cx = Arc::new(CheckCx::new(CheckOptions::default()));
            let lane = Lane::new(
                clock.clone(),
                PLENTY,
                cx,
                recorder.clone(),
                stats,
                events.clone(),
                feed.clone(),
            );
            let stop = running.stop().clone();
            let pulse = watchdog.pulse(format!("lane {number}"));
            let thread = schedule.clone();
            running.spawn(async move {
                let lane = lane.run(Alarm::Runtime, commands, stop, GRACE);
                thread.run(pulse.over(lane)).await;
                ("lane", Ok(()))
            });
        }
        let lanes = Lanes::new(handles);
        let (to_manager, changes) = mpsc::channel(loader::WAITING);
        let manager = Manager {
            kinds: kinds(),
            catalog: catalog.clone(),
            lanes: lanes.clone(),
            recorder: recorder.clone(),
            me: id.clone(),
            tenures: tenures.clone(),
            tables: tables.clone(),
            before: None,
            store: store.clone(),
            events: events.clone(),
            alive,
        };
        let stop = running.stop().clone();
        let pulse = watchdog.pulse("manager");
        running.spawn(async move {
            pulse.over(manager.run(changes, stop)).await;
            ("manager", Ok(()))
        });
        let shell = Shell {
            store: store.clone(),
            tenures: tenures.clone(),
            catalog: catalog.clone(),
            events: events.clone(),
            feed: feed.clone(),
        };
        let (stop, work) = (recording.stop().clone(), recorder.clone());
        let pulse = watchdog.pulse("recorder");
        recording.spawn(async move {
            pulse.over(work.run(shell, stop, GRACE)).await;
            ("recorder", Ok(()))
        });
        let director = Director {
            store: store.clone(),
            catalog: catalog.clone(),
            rights: rights_now.clone(),
            events: events.clone(),
            abstain,
            alone: place.standin.is_none(),
            planner: plan::plan,
        };
        let stop = belonging.stop().clone();
        belonging.spawn(async move {
            director.run(stop).await;
            ("director", Ok(()))
        });
        let notifier = notifier(&id, &store, &tenures, &events, may_tell_now, place.standin.clone());
        let mut answering = None;
        let mut standing = Standing::new(None);
        let mut deciding = None;
        let (passes, passes_now) = watch::channel(true);
        if let Some(standin) = place.standin.clone() {
            let directory = Directory::default();
            let (stop, from, to) = (belonging.stop().clone(), store.clone(), directory.clone());
            belonging.spawn(async move {
                directory::follow(from, to, stop).await;
                ("member list", Ok(()))
            });
            let line = Line {
                hub: place.hub.clone(),
                me: id.clone(),
                directory,
            };
            let courier = Arc::new(Courier {
                standin: standin.clone(),
                tables: tables.clone(),
                catalog: catalog.clone(),
                me: id.clone(),
                ask: Arc::new(line.clone()),
            });
            let (stop, work) = (belonging.stop().clone(), courier.clone());
            belonging.spawn(async move {
                work.run(stop).await;
                ("courier", Ok(()))
            });
            let (stop, mut faces) = (belonging.stop().clone(), standin.faces());
            belonging.spawn(async move {
                let notes = async {
                    while faces.changed().await.is_ok() {
                        if *faces.borrow() == Face::Through {
                            stage(|stage| stage.turned_back.push(WallMs::now()));
                        }
                    }
                };
                stop.run_until_cancelled(notes).await;
                ("turns", Ok(()))
            });
            let rounds = Rounds::new(Arc::new(line), tables.clone());
            standing = Standing::new(Some(rounds.clone()));
            let answers = Answering {
                taker: Some(Taker::new(standin.clone())),
                record: cluster.record.clone(),
                catalog: catalog.clone(),
                pages: Arc::new(NoPages),
                tables: tables.clone(),
                seen: Seen::new(place.home.clone(), id.clone()),
                standing: standing.clone(),
                rounds: rounds.clone(),
            };
            answering = Some(place.hub.answer(&id, Arc::new(answers)));
            let notices = Notices {
                standing: standing.clone(),
                rounds: rounds.clone(),
                catalog: catalog.clone(),
                tables: tables.clone(),
                me: id.clone(),
                notifier: notifier.view(),
                events: events.clone(),
                noted: Noted::default(),
            };
            let stop = belonging.stop().clone();
            belonging.spawn(async move {
                notices.run(stop).await;
                ("notices", Ok(()))
            });
            let sent = recorder.clone();
            let (decides, asked) = Deciding::new(standin.clone(), standing.clone());
            deciding = Some(decides);
            let cut_off = CutOff {
                standin,
                store: store.clone(),
                record: cluster.record.clone(),
                ttl: cluster.ttl,
                catalog: catalog.clone(),
                rights: rights_now.clone(),
                footing,
                may_tell,
                tables: tables.clone(),
                tenures: tenures.clone(),
                rounds,
                passes: passes_now,
                wants_test: watch::Sender::new(false),
                isolated_after: Some(ISOLATED_AFTER),
                standing: standing.clone(),
                events: events.clone(),
                courier,
                abstain: cluster.abstain.clone(),
                unanswered: Arc::new(move || sent.unanswered()),
                watchdog: watchdog.clone(),
                asked,
            };
            let stop = belonging.stop().clone();
            let pulse = watchdog.pulse("watch over the store");
            belonging.spawn(async move {
                let ended = pulse.over(cut_off.run(stop)).await;
                ("cut off", ended.map_err(|lost| lost.to_string()))
            });
        }
        let stop = belonging.stop().clone();
        let pulse = watchdog.pulse("membership");
        belonging.spawn(async move {
            let ended = pulse.over(cluster.run(stands, stop)).await;
            ("cluster", ended.map_err(|lost| lost.to_string()))
        });
        let (stop, all, from, to) = (running.stop().clone(), catalog.clone(), store.clone(), feed.clone());
        let pulse = watchdog.pulse("definitions");
        running.spawn(async move {
            pulse.over(loader::run(all, kinds(), from, to, to_manager, stop)).await;
            ("definitions", Ok(()))
        });
        let (stop, to, all) = (recording.stop().clone(), store.clone(), catalog.clone());
        let (rights, work, member) = (rights_now.clone(), recorder.clone(), id.clone());
        recording.spawn(async move {
            soft::run(to, member, rights, all, work, stop).await;
            ("soft failures", Ok(()))
        });
        let (stop, to, log) = (belonging.stop().clone(), store.clone(), events.clone());
        belonging.spawn(async move {
            event_log::run(to, log, to_write, stop).await;
            ("events", Ok(()))
        });
        let stop = telling.stop().clone();
        let pulse = watchdog.pulse("notifier");
        telling.spawn(async move {
            pulse.over(notifier.run(stop)).await;
            ("notifier", Ok(()))
        });
        let (dog, to, stop) = (watchdog.clone(), events.clone(), belonging.stop().clone());
        belonging.spawn(async move {
            let ended = dog.run(&to, &stop).await;
            ("watchdog", ended.map_or(Ok(()), Err))
        });
        Ok(Self {
            schedule,
            watchdog,
            catalog,
            recorder,
            lanes,
            events,
            rights: rights_now,
            tenures,
            running,
            recording,
            telling,
            belonging,
            standing,
            deciding,
            passes,
            _answering: answering,
        })
    }

    /// A part that ended before it was asked to.
    pub(super) fn ended(&mut self) -> Option<String> {
        let sets = [
            &mut self.running,
            &mut self.recording,
            &mut self.telling,
            &mut self.belonging,
        ];
        let ended = sets.into_iter().find_map(Tasks::try_next)?;
        Some(format!("{ended:?}"))
    }

    /// A planned stop, in the order of `App::run`. `false` if anything had to be broken off.
    pub(super) async fn stop(self, others: bool) -> bool {
        let session = self.rights.borrow().session.clone();
        if let Some(session) = &session {
            session.update(|record| record.leaving = true).await;
        }
        if others {
            let _ = tokio::time::timeout(HAND_OVER, self.tenures.let_go()).await;
        }
        let mut clean = true;
        for tasks in [self.running, self.recording, self.telling, self.belonging] {
            clean &= tasks.shut_down(GRACE + Duration::from_secs(1)).await;
        }
        if let Some(session) = session {
            clean &= session.close().await.is_ok();
        }
        clean
    }
}

/// As `app::store::reach`: from the store, or from the copy of it that is there.
async fn settings(place: &Place) -> anyhow::Result<ClusterSettings> {
    let settings = async || {
        place.view.identity().await?;
        Ok::<_, StoreError>(place.view.settings().await?.value)
    };
    match (settings().await, &place.standin) {
        (Err(_), Some(standin)) if standin.stands().complete => {
            standin.stand_in().await?;
            Ok(settings().await?)
        }
        (done, _) => Ok(done?),
    }
}

fn notifier(
    id: &MemberId,
    store: &Store,
    tenures: &Tenures,
    events: &Events,
    may_tell: watch::Receiver<MayTell>,
    standin: Option<Arc<Standin>>,
) -> Notifier {
    // One for all: reading the machine's certificates takes longer than a whole simulation.
    static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
        crate::app::install_tls();
        reqwest::Client::new()
    });
    let (tenures, events) = (tenures.clone(), events.clone());
    Notifier::new(NotifierOptions {
        store: store.clone(),
        tenures,
        may_tell,
        stands_in: Arc::new(move || standin.as_ref().is_some_and(|standin| standin.face() == Face::Copy)),
        member: id.clone(),
        cluster: "main".to_owned(),
        base_url: None,
        http: HTTP.clone(),
        read: Arc::new(|name, definition| {
            let spec = serde_json::from_str(definition.spec.get()).ok()?;
            let read = kinds().read_alerter(name.as_str(), &spec, Strictness::Lenient);
            read.value.map(Arc::new)
        }),
        events: Arc::new(move |event| {
            match &event {
                NotifierEvent::ToldWithoutStore { alerter, monitor } => {
                    let about = (alerter.to_string(), monitor.to_string());
                    stage(|stage| stage.without_store.insert(about));
                }
                NotifierEvent::GivenUp {
                    alerter,
                    monitor,
                    status,
                    ..
                } if !status.is_bad() => {
                    let about = (alerter.to_string(), monitor.to_string());
                    stage(|stage| stage.ends_given_up.insert(about));
                }
                _ => {}
            }
            events.record(EventKind::Alert, WallMs::now(), event.monitor(), event.to_string());
        }),
    })
}
