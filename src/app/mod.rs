//! The composition root: the one place that names everything. Order of start, order of stop.

mod answering;
mod configs;
mod lanes;
mod limits;
mod options;
mod paths;
mod peering;
mod reflecting;
mod shared;
#[cfg(test)]
mod sim;
mod start_error;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use options::ServerOptions;
pub use paths::default_data_dir;
pub use reflecting::ReflectorOptions;
pub use start_error::StartError;

use crate::alerters::DeliveryCx;
use crate::api::{self, AccessTokens, ApiState, Health, MemberInfo, Parts, ServeLimits};
use crate::catalog::{Catalog, OpenEpisodes, loader};
use crate::cluster::abstain::Abstain;
use crate::cluster::identity::{Identity, LastAlive};
use crate::cluster::tenures::Tenures;
use crate::cluster::{Cluster, Footing, Rights, Tables, event_log};
use crate::config::kinds::Kinds;
use crate::cutoff::{Rounds, Standing, Taker, courier};
use crate::director::{Director, plan, prune};
use crate::events::{EventKind, Events};
use crate::feed::{Feed, Signal};
use crate::manager::recorder::{Recorder, Shell};
use crate::manager::{Manager, soft};
use crate::mesh::reflector::Reflector;
use crate::model::WallMs;
use crate::notifications::{MayTell, Notifier, NotifierOptions};
use crate::store::records::{MemberRecord, slot};
use crate::store::{Claim, Face, Standin, Store};
use crate::tasks::Tasks;
use crate::telemetry;
use crate::watchdog::Watchdog;
use answering::{Answering, Seen};
use peering::Peering;
use shared::Shared;
use store::Opened;

/// How long runs and deliveries in flight may take to end when the process is asked to stop.
pub const GRACE: Duration = Duration::from_secs(5);
/// How long a member that stops waits for others to take what it has.
pub const HAND_OVER: Duration = Duration::from_secs(2);
/// And how long it then stays to be asked what it knows of it.
const ASKED_WITHIN: Duration = Duration::from_millis(400);
/// Exit status of a process that a part of which hangs: that of an internal error in `sysexits.h`.
const HUNG: i32 = 70;
/// How often it is noted that this process lives.
const ALIVE: Duration = Duration::from_secs(5);

/// Chooses the one TLS provider of this process. May be called again.
pub fn install_tls() {
    // An error means that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A server whose listeners are bound and whose store is open; [`App::run`] does the rest.
#[must_use = "a bound server does nothing until it is run"]
pub struct App {
    options: ServerOptions,
    listener: TcpListener,
    store: Store,
    /// What stands in for a store that is shared.
    standin: Option<Arc<Standin>>,
    footing: Footing,
    cluster: Cluster,
    catalog: Catalog,
    events: Events,
    to_write: mpsc::Receiver<Arc<crate::events::Event>>,
    feed: Feed,
    alive: LastAlive,
    alive_before: Option<WallMs>,
    member: MemberInfo,
    claim: Option<Claim>,
    /// Where the store is shared.
    peering: Option<Peering>,
    reflectors: Vec<Reflector>,
}

impl App {
    /// Opens and binds everything that can fail, in order; nothing is running afterwards but the session.
    ///
    /// # Errors
    /// One clear line about what is in the way.
    pub async fn bind(options: ServerOptions) -> Result<Self, StartError> {
        install_tls();
        limits::raise_descriptors();
        if let Some(dir) = &options.configs {
            let configs = |why: std::io::Error| StartError::Configs {
                dir: dir.clone(),
                why: why.to_string(),
            };
            std::fs::read_dir(dir).map_err(configs)?;
        }
        let listener = TcpListener::bind(&options.listen)
            .await
            .map_err(|why| StartError::Listen {
                hint: match why.kind() {
                    std::io::ErrorKind::AddrInUse => "; another process has that port, choose one with --listen",
                    std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a capability",
                    _ => "",
                },
                listen: options.listen.clone(),
                why,
            })?;
        let reflectors = reflecting::bind(&options.reflector)?;
        let opened = store::open(&options).await?;
        let identity = Identity::of(&options.data_dir, options.member_id.clone())?;
        let tables = Tables::default();
        if let Some(standin) = &opened.standin {
            standin.works(courier::works(&tables, &identity.member));
        }
        let settings = store::reach(&opened, &options).await?;
        let Opened {
            store,
            home,
            standin,
            claim,
        } = opened;
        let feed = Feed::default();
        let (events, to_write) = Events::new(identity.member.clone(), feed.clone());
        if let Some(aside) = standin.as_ref().and_then(|standin| standin.damaged()) {
            let text = format!(
                "member {}: its copy of the store was damaged and is now {}; what it did without the store and had not brought back is lost",
                identity.member,
                aside.display()
            );
            events.record(EventKind::Error, WallMs::now(), None, text);
        }
        let alive = LastAlive::of(&options.data_dir);
        let mut record = member_record(&options, &identity, &listener);
        let peering = match store.shared_at() {
            Some(store_at) => {
                Some(Peering::bind(&options, &identity.member, api_address(&listener)?, &store_at).await?)
            }
            None => None,
        };
        if let Some(peering) = &peering {
            peering.describe(&mut record);
        }
        let cluster = Cluster {
            store: store.clone(),
            home,
            record,
            ttl: settings.heartbeat_timeout.0,
            tenures: Tenures::default(),
            tables,
            rights: watch::Sender::new(Rights::default()),
            events: events.clone(),
            read_before: AtomicBool::new(false),
            abstain: Abstain::default(),
            watchdog: Watchdog::new(settings.heartbeat_timeout.0),
            alone: store.shared_at().is_none(),
        };
        let footing = store::join(&cluster, standin.as_deref(), &options, peering.as_ref()).await?;
        let alive_before = alive.read();
        let member = member_info(&cluster.record);
        let catalog = match &peering {
            Some(_) => Catalog::among_others(Arc::new(cluster.tables.leave_to(&member.id))),
            None => Catalog::default(),
        };
        Ok(Self {
            member,
            options,
            listener,
            store,
            standin,
            footing,
            cluster,
            catalog,
            events,
            to_write,
            feed,
            alive,
            alive_before,
            claim,
            peering,
            reflectors,
        })
    }

    /// The address that the API is bound to.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs until `stop`, then stops in order.
    ///
    /// # Errors
    /// A part of the program ended before it was asked to: the supervisor should start us anew.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let never = CancellationToken::new();
        // Until the end: then the next process may have the data directory.
        let _claim = self.claim.take();
        let (tenures, tables) = (self.cluster.tenures.clone(), self.cluster.tables.clone());
        let watchdog = self.cluster.watchdog.clone();
        let recorder = Recorder::new();
        // Where the store is shared, whoever watches it says so.
        let (may_tell, may_tell_now) = watch::channel(match self.standin {
            Some(_) => MayTell::No,
            None => MayTell::Yes,
        });
        let notifier = self.notifier(&tenures, may_tell_now)?;
        let view = notifier.view();

        // Each stage has a set of its own: they stop one after the other, last made first.
        let mut running: Tasks<Ended> = Tasks::child_of(&never);
        let mut recording: Tasks<Ended> = Tasks::child_of(&never);
        let mut belonging: Tasks<Ended> = Tasks::child_of(&never);

        let lanes = lanes::start(
            &self.options,
            &self.events,
            &self.feed,
            &mut running,
            &recorder,
            &watchdog,
        )?;
        let (to_manager, changes) = mpsc::channel(loader::WAITING);
        let manager = Manager {
            catalog: self.catalog.clone(),
            kinds: Kinds::built_in(),
            lanes: lanes.clone(),
            recorder: recorder.clone(),
            me: self.member.id.clone(),
            tenures: tenures.clone(),
            tables: tables.clone(),
            before: self.peering.as_ref().map(Peering::before),
            store: self.store.clone(),
            events: self.events.clone(),
            alive: self.alive_before,
        };
        let (token, pulse) = (running.stop().clone(), watchdog.pulse("manager"));
        running.spawn(async move {
            pulse.over(manager.run(changes, token)).await;
            Ended::Quietly("manager")
        });
        let shell = Shell {
            store: self.store.clone(),
            tenures: tenures.clone(),
            catalog: self.catalog.clone(),
            events: self.events.clone(),
            feed: self.feed.clone(),
        };
        let (token, work, pulse) = (recording.stop().clone(), recorder.clone(), watchdog.pulse("recorder"));
        recording.spawn(async move {
            pulse.over(work.run(shell, token, GRACE)).await;
            Ended::Quietly("recorder")
        });
        let director = Director {
            store: self.store.clone(),
            catalog: self.catalog.clone(),
            rights: self.cluster.rights.subscribe(),
            events: self.events.clone(),
            abstain: self.cluster.abstain.clone(),
            alone: self.store.shared_at().is_none(),
            planner: plan::plan,
        };
        let (token, rights) = (belonging.stop().clone(), self.cluster.rights.subscribe());
        let (store, catalog) = (self.store.clone(), self.catalog.clone());
        belonging.spawn(async move {
            prune::run(store, catalog, rights, token).await;
            Ended::Quietly("pruning")
        });
        let token = belonging.stop().clone();
        belonging.spawn(async move {
            director.run(token).await;
            Ended::Quietly("director")
        });
        let record = self.cluster.record.clone();
        let (footing, stands) = watch::channel(self.footing);
        let (token, cluster) = (belonging.stop().clone(), self.cluster);
        let rights = cluster.rights.subscribe();
        let home = cluster.home.clone();
        let rounds = self
            .peering
            .as_ref()
            .map(|peering| Rounds::new(Arc::new(peering.peers.clone()), tables.clone()));
        let standing = Standing::new(rounds.clone());
        let taker = self.standin.clone().map(Taker::new);
        let mut deciding = None;
        if let (Some(standin), Some(rounds), Some(peering)) = (self.standin.take(), &rounds, &self.peering) {
            let shared = Shared {
                options: &self.options,
                cluster: &cluster,
                standin,
                peering,
                rounds: rounds.clone(),
                standing: standing.clone(),
                catalog: &self.catalog,
                recorder: &recorder,
                notifier: view.clone(),
            };
            deciding = Some(shared.start(footing, may_tell, &mut belonging));
        }
        let pulse = watchdog.pulse("membership");
        belonging.spawn(async move {
            match pulse.over(cluster.run(stands, token)).await {
                Ok(()) => Ended::Quietly("cluster"),
                Err(lost) => Ended::Lost(lost.to_string()),
            }
        });
        let (catalog, store, feed) = (self.catalog.clone(), self.store.clone(), self.feed.clone());
        let (token, pulse) = (running.stop().clone(), watchdog.pulse("definitions"));
        running.spawn(async move {
            let loading = loader::run(catalog, Kinds::built_in(), store, feed, to_manager, token);
            pulse.over(loading).await;
            Ended::Quietly("definitions")
        });
        let (token, rights_now, catalog, work, store) = (
            recording.stop().clone(),
            rights.clone(),
            self.catalog.clone(),
            recorder.clone(),
            self.store.clone(),
        );
        let member = self.member.id.clone();
        recording.spawn(async move {
            soft::run(store, member, rights_now, catalog, work, token).await;
            Ended::Quietly("soft failures")
        });
        let (token, alive, store, rights_now) =
            (recording.stop().clone(), self.alive, self.store.clone(), rights.clone());
        recording.spawn(async move {
            while tokio::time::timeout(ALIVE, token.cancelled()).await.is_err() {
                alive.note(WallMs::now());
                let session = rights_now.borrow().session.clone();
                if let Some(session) = session.filter(|_| store.trouble().is_some()) {
                    // Otherwise the trouble would be told until somebody happens to write.
                    let _ = session.touch(&store).await;
                }
            }
            alive.note(WallMs::now());
            Ended::Quietly("sign of life")
        });

        // Stops last: the others have something to say until they have ended.
        let (token, store, events) = (belonging.stop().clone(), self.store.clone(), self.events.clone());
        belonging.spawn(async move {
            event_log::run(store, events, self.to_write, token).await;
            Ended::Quietly("events")
        });

        let mut telling: Tasks<Ended> = Tasks::child_of(&never);
        let (token, pulse) = (telling.stop().clone(), watchdog.pulse("notifier"));
        telling.spawn(async move {
            pulse.over(notifier.run(token)).await;
            Ended::Quietly("notifier")
        });
        if let Some(dir) = self.options.configs.clone() {
            let (token, store, events) = (running.stop().clone(), self.store.clone(), self.events.clone());
            running.spawn(async move {
                configs::run(dir, store, events, token).await;
                Ended::Quietly("definitions directory")
            });
        }
        let open = OpenEpisodes::default();
        let others = self.peering.as_ref().map(|peering| peering.others(&tables, &open));
        let others_here = self.peering.as_ref().map(Peering::others_here);
        let (backend, path) = store::described(&self.options);
        let health = Health::new(backend, Some(path), standing.clone());
        let state = ApiState::new(Parts {
            catalog: self.catalog.clone(),
            lanes,
            recorder: recorder.clone(),
            events: self.events.clone(),
            feed: self.feed.clone(),
            store: self.store.clone(),
            notifier: view,
            owner: owner(tables.clone()),
            others,
            tables: tables.clone(),
            health: health.clone(),
            watchdog: watchdog.clone(),
            reflected: self
                .reflectors
                .iter()
                .map(|one| (one.address(), one.counts()))
                .collect(),
            deciding,
            member: self.member,
            options: api::Options {
                access_tokens: AccessTokens::new(&self.options.access_tokens),
                allow_exec_from_api: self.options.allow_exec_from_api,
                prefix: self.options.cluster.clone(),
                page_dir: self.options.debug_ui.then(|| PathBuf::from("ui/dist")),
            },
        });
        reflecting::start(self.reflectors, &mut running)?;
        let mut serving: Tasks<Ended> = Tasks::child_of(&never);
        if let Some((peering, rounds)) = self.peering.zip(rounds) {
            let answering = Answering {
                taker,
                standing,
                rounds,
                seen: Seen::new(home, record.id.clone()),
                record,
                catalog: self.catalog.clone(),
                pages: Arc::new(state.clone()),
                tables,
            };
            peering.follow(self.store.clone(), open, &mut belonging);
            peering.exchange(state.clone(), &mut serving);
            peering.listen(answering, &mut belonging);
        }
        let (token, listener, catalog, ready) = (
            serving.stop().clone(),
            self.listener,
            self.catalog.clone(),
            health.clone(),
        );
        serving.spawn(async move {
            // Whoever asks earlier waits a moment in the kernel's queue: better than hearing that a monitor does not exist.
            if token.run_until_cancelled(catalog.loaded()).await.is_some() {
                ready.set_ready(true);
                if !api::serve(listener, state, token, ServeLimits::default()).await {
                    tracing::info!("some answers were cut off");
                }
            }
            Ended::Quietly("API")
        });

        let watching = watch(watchdog, self.events.clone(), &never)?;
        let failed = tokio::select! {
            () = stop.cancelled() => None,
            ended = serving.next() => Some(describe(ended)),
            ended = telling.next() => Some(describe(ended)),
            ended = running.next() => Some(describe(ended)),
            ended = recording.next() => Some(describe(ended)),
            ended = belonging.next() => Some(describe(ended)),
        };
        if let Some(what) = &failed {
            tracing::error!(what, "a part of the program ended by itself; stopping");
        }
        // What ends from here on no longer turns.
        watching.shut_down(GRACE).await;
        // Announce, let runs end and be recorded, let deliveries end, close the API, give up the session.
        health.set_ready(false);
        // The session of now: the first one may have been lost meanwhile.
        let session = rights.borrow().session.clone();
        if let Some(session) = &session {
            let announced = session.update(|record| record.leaving = true).await;
            tracing::debug!(?announced, "leaving");
        }
        // Until no table names us everything goes on: nothing is without somebody who runs it, at no step.
        if failed.is_none() && others_here.as_ref().is_some_and(|here| here()) {
            let handed_over = tokio::time::timeout(HAND_OVER, tenures.let_go()).await;
            tracing::debug!(complete = handed_over.is_ok(), "handed over");
            // Whoever got it asks what is known here, as soon as it has read what the store holds.
            tokio::time::sleep(ASKED_WITHIN).await;
        }
        let mut clean = true;
        let stages = [
            ("runs", running),
            ("records", recording),
            ("deliveries", telling),
            ("API", serving),
            ("membership", belonging),
        ];
        for (stage, tasks) in stages {
            let ended = tasks.shut_down(GRACE + Duration::from_secs(1)).await;
            tracing::debug!(stage, clean = ended, "stopped");
            clean &= ended;
        }
        if let Some(session) = session
            && let Err(error) = session.close().await
        {
            tracing::warn!(%error, "the session could not be ended; it runs out by itself");
        }
        match failed {
            Some(what) => anyhow::bail!("{what} ended by itself"),
            None if !clean => anyhow::bail!("not everything ended within {} s", GRACE.as_secs()),
            None => Ok(()),
        }
    }

    fn notifier(&self, tenures: &Tenures, may_tell: watch::Receiver<MayTell>) -> anyhow::Result<Notifier> {
        let (tenures, events, feed) = (tenures.clone(), self.events.clone(), self.feed.clone());
        let standin = self.standin.clone();
        let base_url = self.options.base_url.clone();
        Ok(Notifier::new(NotifierOptions {
            store: self.store.clone(),
            tenures,
            may_tell,
            stands_in: Arc::new(move || standin.as_ref().is_some_and(|standin| standin.face() == Face::Copy)),
            member: self.member.id.clone(),
            cluster: self.options.cluster.clone(),
            base_url,
            http: DeliveryCx::client()?,
            read: Arc::new(|name, definition| {
                let spec = serde_json::from_str(definition.spec.get()).ok()?;
                crate::config::definition::alerter(name.as_str(), &spec)
                    .value
                    .map(Arc::new)
            }),
            events: Arc::new(move |event| {
                if let Some(monitor) = event.monitor() {
                    feed.tell(|| Signal::Notification(monitor.clone()));
                }
                if event.is_trouble() {
                    tracing::warn!("{event}");
                }
                events.record(EventKind::Alert, WallMs::now(), event.monitor(), event.to_string());
            }),
        }))
    }
}

/// Watches the loops on a thread of its own: one that hangs may hold the threads of all others. When it comes to the worst the process ends at once, as
/// if it were killed: to stop in order is to wait for what does not turn.
fn watch(watchdog: Watchdog, events: Events, never: &CancellationToken) -> anyhow::Result<Tasks> {
    let mut watching: Tasks = Tasks::child_of(never);
    let stop = watching.stop().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    watching.spawn_blocking(move || {
        let _ = nix::sys::prctl::set_name(c"watchdog");
        if runtime.block_on(watchdog.run(&events, &stop)).is_some() {
            std::process::exit(HUNG);
        }
    });
    Ok(watching)
}

/// How a part of the program ended.
enum Ended {
    /// As asked, or because what it works for is gone.
    Quietly(&'static str),
    /// Another process has taken our place.
    Lost(String),
}

fn describe(ended: Option<Result<Ended, tokio::task::JoinError>>) -> String {
    match ended {
        Some(Ok(Ended::Quietly(name))) => name.to_owned(),
        Some(Ok(Ended::Lost(why))) => why,
        Some(Err(error)) => format!("a task ({error})"),
        None => "everything".to_owned(),
    }
}

fn member_record(options: &ServerOptions, identity: &Identity, listener: &TcpListener) -> MemberRecord {
    let boot = uuid::Uuid::new_v4().simple().to_string();
    MemberRecord {
        hostname: limits::hostname(),
        listen: listener
            .local_addr()
            .map_or_else(|_| options.listen.clone(), |a| a.to_string()),
        tags: options.tags.clone(),
        version: telemetry::VERSION.to_owned(),
        started: WallMs::now(),
        weight: options.weight.unwrap_or_else(limits::weight),
        kinds: crate::monitors::KINDS.iter().map(|kind| kind.name.to_owned()).collect(),
        ..MemberRecord::new(identity.member.clone(), &identity.identity, &boot)
    }
}

/// Who judges a monitor, by the tables.
fn owner(tables: Tables) -> api::OwnerView {
    Arc::new(move |entry| tables.judge(&entry.group()?, slot(entry.name.as_str())))
}

fn api_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|error| StartError::Machine(error.to_string()))
}

fn member_info(record: &MemberRecord) -> MemberInfo {
    MemberInfo {
        id: record.id.clone(),
        hostname: record.hostname.clone(),
        version: record.version.clone(),
        commit: telemetry::COMMIT.to_owned(),
        started: record.started,
        listen: record.listen.clone(),
    }
}
