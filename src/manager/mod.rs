//! Every member's manager: keeps the monitors that are its own running, each on one lane.
//!
//! It holds no rule about checks or statuses: lanes run and judge, the recorder records. It decides only *which* monitors run here (those of
//! slots for which this member has tenure) and hands every change of definition or tenure to the right lane.

pub mod alarm;
pub mod clock;
mod commits;
mod ending;
mod fit;
pub mod lane;
#[cfg(test)]
mod lane_tests;
pub mod recorder;
mod route;
pub mod runner;
pub mod soft;
#[cfg(test)]
mod start_tests;
pub mod stats;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use commits::{Recorded, restore};

use crate::catalog::loader::Changed;
use crate::catalog::{Catalog, Live, MonitorEntry};
use crate::cluster::tenures::Tenures;
use crate::events::{EventKind, Events};
use crate::feed::Feed;
use crate::model::{
    AlerterName, Closed, EpisodeId, Group, MemberId, MonitorName, Outcome, Reason, Status, Verdict, WallMs,
};
use crate::schedule::{Lateness, Ledger, name_hash};
use crate::state;
use crate::store::records::{Checkpoint, FORMAT, SoftRecord};
use crate::store::{Revision, Store, StoreError, decode, keys};
use lane::Command;
use recorder::Recorder;
use soft::LeftSoft;
use stats::LaneStats;

/// How often it is looked whether a monitor is unwatched.
const SWEEP: Duration = Duration::from_secs(5);

/// The lanes, for those who want to ask them something.
#[derive(Clone)]
pub struct Lanes {
    inboxes: Arc<[mpsc::Sender<Command>]>,
    stats: Arc<[Arc<LaneStats>]>,
}

impl Lanes {
    /// Handles of running lanes.
    #[must_use]
    pub fn new(lanes: Vec<(mpsc::Sender<Command>, Arc<LaneStats>)>) -> Self {
        let (inboxes, stats): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();
        Self {
            inboxes: inboxes.into(),
            stats: stats.into(),
        }
    }

    fn of(&self, name: &MonitorName) -> &mpsc::Sender<Command> {
        // Bits that the wheel's phase does not use much: the modulus of the interval takes the low ones.
        let lane = (name_hash(name.as_str()) >> 40) as usize % self.inboxes.len();
        &self.inboxes[lane]
    }

    async fn send(&self, name: &MonitorName, command: Command) {
        // A lane that is gone has ended the whole process's run; the app notices and stops.
        let _ = self.of(name).send(command).await;
    }

    /// Runs a monitor's check once, now. It is a question: status and results stay as they are.
    pub async fn ask(&self, entry: Arc<MonitorEntry>) -> (Verdict, Duration) {
        let (reply, answer) = oneshot::channel();
        let name = entry.name.clone();
        self.send(&name, Command::Ask { entry, reply }).await;
        answer.await.unwrap_or_else(|_| {
            (
                Verdict::unknown(Reason::Resources, "the server is stopping"),
                Duration::ZERO,
            )
        })
    }

    /// The account of all lanes, how late runs began, and verdicts by outcome.
    #[must_use]
    pub fn totals(&self) -> (Ledger, Lateness, [(Outcome, u64); 4]) {
        let (mut ledger, mut lateness) = (Ledger::default(), Lateness::default());
        let mut outcomes = [Outcome::Pass, Outcome::Degraded, Outcome::Fail, Outcome::Unknown].map(|o| (o, 0));
        for stats in self.stats.iter() {
            let (l, late) = stats.read();
            ledger.add(&l);
            lateness.add(&late);
            for (outcome, n) in &mut outcomes {
                *n += stats.verdicts(*outcome);
            }
        }
        (ledger, lateness, outcomes)
    }

    /// Monitors that run here.
    #[must_use]
    pub fn monitors(&self) -> usize {
        self.stats.iter().map(|s| s.monitors()).sum()
    }

    fn missed(&self, name: &MonitorName, runs: u64) {
        let lane = (name_hash(name.as_str()) >> 40) as usize % self.stats.len();
        self.stats[lane].missed(runs);
    }
}

/// What an earlier process left in the store: read once, before anything runs.
#[derive(Default)]
pub struct Left {
    /// Open episodes.
    pub checkpoints: HashMap<MonitorName, (Revision, Checkpoint)>,
    /// Failures that were not yet a status.
    pub soft: LeftSoft,
    /// When the earlier process was last known to live.
    pub alive: Option<WallMs>,
}

impl Left {
    /// Reads it, once this process alone may write: what an earlier one had under way is done or refused by then. A record that cannot be
    /// read is named, and harms nobody else.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn read(store: &Store, member: &MemberId) -> Result<Self, StoreError> {
        let (_, entries) = store.list(&keys::checkpoints()).await?;
        let mut checkpoints = HashMap::with_capacity(entries.len());
        let mut damaged = Vec::new();
        for entry in &entries {
            let name = keys::last_segment(&entry.key).and_then(|name| MonitorName::parse(&name).ok());
            let Some(name) = name else { continue };
            match decode::<Checkpoint>(entry) {
                Ok(at) => drop(checkpoints.insert(name, (at.rev, at.value))),
                Err(error) => {
                    tracing::warn!(%error, "a checkpoint cannot be read; its episode is closed, the next runs tell how things are");
                    damaged.push((name, entry.rev));
                }
            }
        }
        if !damaged.is_empty() {
            let told = told_of(store).await?;
            for (name, rev) in damaged {
                let stand_in = stand_in(told.get(&name).map(Vec::as_slice).unwrap_or_default());
                checkpoints.insert(name, (rev, stand_in));
            }
        }
        let soft = match store.read::<SoftRecord>(&keys::soft(member)).await {
            Ok(record) => record.map(|at| LeftSoft::new(at.value)).unwrap_or_default(),
            Err(StoreError::Damaged(what)) => {
                tracing::warn!(
                    what,
                    "soft failures of the last run cannot be read; counting begins anew"
                );
                LeftSoft::default()
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            checkpoints,
            soft,
            alive: None,
        })
    }

    /// What the recorder has to know of it.
    #[must_use]
    pub fn recorded(&self) -> HashMap<MonitorName, Recorded> {
        self.checkpoints
            .iter()
            .map(|(name, (rev, left))| (name.clone(), restore(*rev, left).0))
            .collect()
    }
}

/// Who was told, or is to be told, of each monitor, and of which episode.
async fn told_of(store: &Store) -> Result<HashMap<MonitorName, Vec<(AlerterName, EpisodeId)>>, StoreError> {
    /// What all these records have.
    #[derive(serde::Deserialize)]
    struct Of {
        episode: EpisodeId,
    }
    let mut told: HashMap<_, Vec<_>> = HashMap::new();
    for prefix in [keys::told_all(), keys::outbox()] {
        for entry in store.list(&prefix).await?.1 {
            if let (Some((alerter, monitor)), Ok(of)) = (keys::alerter_and_monitor(&entry.key), decode::<Of>(&entry)) {
                told.entry(monitor).or_default().push((alerter, of.value.episode));
            }
        }
    }
    Ok(told)
}

/// In place of a checkpoint that cannot be read: as much of the episode as others know. Nothing measures what it says it does, so it is
/// closed as if the definition had been edited.
fn stand_in(told: &[(AlerterName, EpisodeId)]) -> Checkpoint {
    let mut alerters: Vec<_> = told.iter().map(|(alerter, _)| alerter.clone()).collect();
    alerters.sort();
    alerters.dedup();
    Checkpoint {
        v: FORMAT,
        group: Group::of("").as_str().to_owned(),
        kind: String::new(),
        status: Status::Critical,
        since: WallMs::now(),
        failures: 1,
        hard: 1,
        episode: told
            .iter()
            .map(|(_, episode)| *episode)
            .max()
            .unwrap_or(EpisodeId(WallMs::now().0)),
        seq: 1,
        trail: Vec::new(),
        alerters,
        measured: 0,
        message: String::new(),
    }
}

/// The loop.
pub struct Manager {
    /// All definitions.
    pub catalog: Catalog,
    /// The lanes.
    pub lanes: Lanes,
    /// Where changes go.
    pub recorder: Recorder,
    /// What may be judged here.
    pub tenures: Tenures,
    /// For telling people.
    pub events: Events,
    /// To tell pages.
    pub feed: Feed,
    /// What the last process left.
    pub left: Left,
}

impl Manager {
    /// Runs until `stop` or until the loader ends.
    pub async fn run(mut self, mut changes: mpsc::Receiver<Changed>, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut news = self.tenures.news();
        // The catalog fills before the first word about it comes. What runs by then would run without the episode that the last process left,
        // and open another.
        let mut taken = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.recv() => {
                    let Some(changed) = changed else { return };
                    self.take(changed).await;
                    taken = true;
                }
                () = news.changed(), if taken => self.all().await,
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    async fn take(&mut self, changed: Changed) {
        if changed.first && !self.left.soft.is_empty() {
            // What is not gone on with is not to stay written down.
            self.recorder.soft_changed();
        }
        let arriving = changed.put.len();
        for entry in changed.put {
            if changed.first {
                self.catch_up(&entry);
            }
            self.adopt(&entry);
            self.direct(entry, arriving).await;
        }
        for entry in changed.removed {
            self.left.checkpoints.remove(&entry.name);
            self.remove(entry, Some(Closed::Deleted)).await;
        }
        if changed.first {
            self.close_orphans().await;
        }
    }

    /// Takes over the open episode that the last process left of a monitor.
    fn adopt(&mut self, entry: &Arc<MonitorEntry>) {
        let Some((rev, left)) = self.left.checkpoints.get(&entry.name) else {
            return;
        };
        let (_, health) = restore(*rev, left);
        entry.live.lock().health = health;
        // What it measures decides whether the episode goes on; while that cannot be read, the question waits.
        match &entry.def {
            None if !entry.disabled() => return,
            Some(def) if def.measured != left.measured => {
                ending::close(&self.recorder, &self.feed, entry, WallMs::now(), Closed::Edited);
            }
            _ => {}
        }
        self.left.checkpoints.remove(&entry.name);
    }

    /// Goes on counting where the last process stopped.
    fn catch_up(&mut self, entry: &Arc<MonitorEntry>) {
        let Some(def) = &entry.def else { return };
        let (now, interval) = (WallMs::now(), def.settings.interval.0);
        let mut live = entry.live.lock();
        self.left
            .soft
            .apply(entry.name.as_str(), def.measured, interval, now, &mut live.health);
        let Some(alive) = self.left.alive.filter(|_| !def.settings.disable) else {
            return;
        };
        let missed = now.since(alive).as_nanos() / interval.as_nanos().max(1);
        let missed = u64::try_from(missed).unwrap_or(u64::MAX);
        live.ledger.missed += missed;
        self.lanes.missed(&entry.name, missed);
    }

    /// Hands a monitor to its lane, or takes it away, as its definition and our tenure ask for.
    async fn direct(&self, entry: Arc<MonitorEntry>, arriving: usize) {
        if entry.disabled() {
            return self.remove(entry, Some(Closed::Disabled)).await;
        }
        // What cannot be read changes nothing: the older definition, if one runs here, runs on.
        let Some(group) = entry.group() else { return };
        if self.tenures.of(&group).is_none() {
            return self.remove(entry, None).await;
        }
        let name = entry.name.clone();
        self.lanes.send(&name, Command::Put { entry, arriving }).await;
    }

    /// By the lane in any case, whether it runs the monitor or not: it alone knows what is still under way.
    async fn remove(&self, entry: Arc<MonitorEntry>, why: Option<Closed>) {
        let name = entry.name.clone();
        self.lanes.send(&name, Command::Remove { entry, why }).await;
    }

    async fn all(&self) {
        let entries = self.catalog.monitors();
        let arriving = entries.len();
        for entry in entries {
            self.direct(entry, arriving).await;
        }
    }

    /// Episodes whose monitors were removed while nobody ran.
    async fn close_orphans(&mut self) {
        let gone = |name: &MonitorName| self.catalog.monitor(name.as_str()).is_none();
        let names: Vec<_> = self
            .left
            .checkpoints
            .keys()
            .filter(|name| gone(name))
            .cloned()
            .collect();
        for name in names {
            let Some((rev, left)) = self.left.checkpoints.remove(&name) else {
                continue;
            };
            tracing::info!(monitor = %name, "closing the episode of a monitor that is gone");
            let live = Arc::new(Live::default());
            live.lock().health = restore(rev, &left).1;
            let entry = MonitorEntry {
                name,
                rev: Revision(0),
                def: None,
                problems: Vec::new(),
                live,
            };
            self.remove(Arc::new(entry), Some(Closed::Deleted)).await;
        }
    }

    /// Says once when a monitor has become unwatched, and once when it no longer is.
    fn sweep(&self) {
        let now = WallMs::now();
        for entry in self.catalog.monitors() {
            let Some(def) = &entry.def else { continue };
            let mut live = entry.live.lock();
            let Some(known_at) = live.known_at else {
                // Not run here: whoever runs it says how it is.
                live.unwatched_told = false;
                continue;
            };
            let unwatched = state::unwatched(now.since(known_at), def.settings.interval.0);
            if unwatched == live.unwatched_told {
                continue;
            }
            live.unwatched_told = unwatched;
            let why = live.results.last().map(|(_, v)| v.message.clone()).unwrap_or_default();
            drop(live);
            let text = if unwatched {
                format!("{} is unwatched, no verdict but unknown: {why}", entry.name)
            } else {
                format!("{} is watched again", entry.name)
            };
            self.events.record(EventKind::Warning, now, Some(&entry.name), text);
        }
    }
}
