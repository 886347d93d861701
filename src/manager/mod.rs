//! Every member's manager: keeps the monitors that are its own running, each on one lane.
//!
//! It holds no rule about checks or statuses: lanes run and judge, the recorder records. It decides only *which* monitors run here (those of
//! slots for which this member has tenure) and hands every change of definition or tenure to the right lane.

pub mod alarm;
pub mod clock;
mod commits;
pub mod lane;
#[cfg(test)]
mod lane_tests;
pub mod recorder;
mod route;
pub mod runner;
pub mod soft;
pub mod stats;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use commits::{Recorded, restore};

use crate::catalog::loader::Changed;
use crate::catalog::{Catalog, MonitorEntry};
use crate::cluster::tenures::Tenures;
use crate::events::{EventKind, Events};
use crate::model::{Closed, MonitorName, Outcome, Reason, Verdict, WallMs};
use crate::schedule::{Lateness, Ledger, name_hash};
use crate::state::{self, Health};
use crate::store::records::{Checkpoint, SoftRecord};
use crate::store::{Entry, Revision, Store, StoreError, decode, keys};
use lane::Command;
use recorder::{Change, Recorder};
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
    /// Reads it. A record that cannot be read is named and left out.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn read(store: &Store, member: &crate::model::MemberId) -> Result<Self, StoreError> {
        let (_, entries) = store.list(&keys::checkpoints()).await?;
        let checkpoints = entries.iter().filter_map(checkpoint).collect();
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

fn checkpoint(entry: &Entry) -> Option<(MonitorName, (Revision, Checkpoint))> {
    let name = keys::last_segment(&entry.key).and_then(|name| MonitorName::parse(&name).ok())?;
    match decode::<Checkpoint>(entry) {
        Ok(at) => Some((name, (at.rev, at.value))),
        Err(error) => {
            tracing::warn!(%error, "a checkpoint is left out");
            None
        }
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
    /// The store, for episodes whose monitors are gone.
    pub store: Store,
    /// What the last process left.
    pub left: Left,
}

impl Manager {
    /// Runs until `stop` or until the loader ends.
    pub async fn run(mut self, mut changes: mpsc::Receiver<Changed>, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.recv() => {
                    let Some(changed) = changed else { return };
                    self.take(changed).await;
                }
                () = self.tenures.changed() => self.all().await,
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    async fn take(&mut self, changed: Changed) {
        let arriving = changed.put.len();
        for entry in changed.put {
            self.arrive(&entry);
            self.direct(entry, arriving).await;
        }
        for entry in changed.removed {
            let name = entry.name.clone();
            self.lanes
                .send(
                    &name,
                    Command::Remove {
                        name: name.clone(),
                        why: Some(Closed::Deleted),
                    },
                )
                .await;
            self.close_here(&entry, Closed::Deleted);
        }
        if changed.first {
            self.close_orphans().await;
        }
    }

    /// Takes over what the last process knew of a monitor.
    fn arrive(&mut self, entry: &Arc<MonitorEntry>) {
        let Some(def) = &entry.def else { return };
        let now = WallMs::now();
        if let Some((rev, left)) = self.left.checkpoints.remove(&entry.name) {
            let (_, health) = restore(rev, &left);
            entry.live.lock().health = health;
            if left.measured != def.measured {
                self.close_here(entry, Closed::Edited);
            }
        } else if let Some(alive) = self.left.alive {
            let mut live = entry.live.lock();
            let seen = live.health != Health::default() || live.known_at.is_some();
            if !seen {
                self.left
                    .soft
                    .apply(entry.name.as_str(), def.settings.interval.0, now, &mut live.health);
            }
            drop(live);
            let down = now.since(alive).as_nanos();
            let missed = u64::try_from(down / def.settings.interval.0.as_nanos().max(1)).unwrap_or(u64::MAX);
            if !seen && missed > 0 && !def.settings.disable {
                entry.live.lock().ledger.missed += missed;
                self.lanes.missed(&entry.name, missed);
            }
        }
    }

    /// Hands a monitor to its lane, or takes it away, as its definition and our tenure ask for.
    async fn direct(&self, entry: Arc<MonitorEntry>, arriving: usize) {
        let name = entry.name.clone();
        let mine = entry.group().is_some_and(|group| self.tenures.of(&group).is_some());
        let command = if entry.disabled() {
            self.lanes
                .send(
                    &name,
                    Command::Remove {
                        name: name.clone(),
                        why: Some(Closed::Disabled),
                    },
                )
                .await;
            return self.close_here(&entry, Closed::Disabled);
        } else if mine {
            Command::Put { entry, arriving }
        } else {
            Command::Remove {
                name: name.clone(),
                why: None,
            }
        };
        self.lanes.send(&name, command).await;
    }

    async fn all(&self) {
        let entries = self.catalog.monitors();
        let arriving = entries.len();
        for entry in entries {
            self.direct(entry, arriving).await;
        }
    }

    /// Ends the episode of a monitor that no lane runs. Where a lane runs it, the lane has done so, or does when it takes the command:
    /// whoever comes second finds no episode.
    fn close_here(&self, entry: &Arc<MonitorEntry>, why: Closed) {
        let mut live = entry.live.lock();
        let at = WallMs::now();
        let Some(transition) = live.health.close(at, why) else {
            live.health = Health::default();
            return;
        };
        live.results.changed(&transition, why.as_str());
        let health = live.health.clone();
        drop(live);
        let change = Change {
            entry: entry.clone(),
            transition,
            health,
        };
        if why == Closed::Deleted {
            self.recorder.deleted(change);
        } else {
            self.recorder.changed(change);
        }
    }

    /// Episodes whose monitors were removed while nobody ran.
    async fn close_orphans(&mut self) {
        for (name, (rev, left)) in std::mem::take(&mut self.left.checkpoints) {
            if self.catalog.monitor(name.as_str()).is_some() {
                continue;
            }
            let outcome = match commits::close_orphan(&name, rev, &left, WallMs::now()) {
                Ok(commit) => self.store.commit(commit).await,
                Err(error) => crate::store::Outcome::Failed(error),
            };
            tracing::info!(monitor = %name, ?outcome, "closed the episode of a monitor that is gone");
        }
    }

    /// Says once when a monitor has become unwatched, and once when it no longer is.
    fn sweep(&self) {
        let now = WallMs::now();
        for entry in self.catalog.monitors() {
            let Some(def) = &entry.def else { continue };
            let mut live = entry.live.lock();
            let unwatched = live
                .known_at
                .is_some_and(|at| state::unwatched(now.since(at), def.settings.interval.0));
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
