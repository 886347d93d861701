//! Every member's manager: keeps the monitors that are its own running, each on one lane.
//!
//! It holds no rule about checks or statuses: lanes run and judge, the recorder records. It decides only *which* monitors run here (those of
//! slots for which this member has tenure) and hands every change of definition or tenure to the right lane.

pub mod alarm;
mod arrivals;
pub mod clock;
mod command;
mod commits;
mod ending;
#[cfg(test)]
mod fence_model_tests;
mod fit;
pub mod lane;
#[cfg(test)]
mod lane_tests;
mod lanes;
mod placement;
pub mod recorder;
mod route;
pub mod runner;
pub mod soft;
#[cfg(test)]
mod start_tests;
pub mod stats;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use arrivals::Before;
pub use commits::{Recorded, restore};
pub use lanes::Lanes;

use crate::catalog::loader::Changed;
use crate::catalog::{Catalog, MonitorEntry};
use crate::cluster::Tables;
use crate::cluster::tenures::Tenures;
use crate::config::kinds::Kinds;
use crate::events::{EventKind, Events};
use crate::model::{MemberId, WallMs};
use crate::results::Results;
use crate::state;
use crate::store::Store;
use placement::Placement;
use recorder::Recorder;

/// For so long after it was given to another member, this one answers what it knows of a monitor.
const ANSWERS_FOR: Duration = Duration::from_secs(60);
/// How often it is looked whether a monitor is unwatched.
const SWEEP: Duration = Duration::from_secs(5);

/// The loop.
pub struct Manager {
    /// All definitions.
    pub catalog: Catalog,
    /// The kinds that they may be of.
    pub kinds: &'static Kinds,
    /// The lanes.
    pub lanes: Lanes,
    /// Where changes go.
    pub recorder: Recorder,
    /// This member.
    pub me: MemberId,
    /// What may be judged here.
    pub tenures: Tenures,
    /// Who judged what before.
    pub tables: Tables,
    /// For asking them; nobody where this member is alone.
    pub before: Option<Arc<dyn Before>>,
    /// To read how monitors stand that are taken over.
    pub store: Store,
    /// For telling people.
    pub events: Events,
    /// When the process before this one was last known to live.
    pub alive: Option<WallMs>,
}

impl Manager {
    /// Runs until `stop` or until the loader ends.
    pub async fn run(self, mut changes: mpsc::Receiver<Changed>, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut news = self.tenures.news();
        let mut placement = Placement::new(self);
        // The catalog fills before the first word about it comes; before that nobody knows which monitors are gone.
        let mut loaded = false;
        loop {
            let done = async {
                tokio::select! {
                    changed = changes.recv() => match changed {
                        Some(changed) => placement.take(changed).await,
                        None => return None,
                    },
                    () = news.changed(), if loaded => placement.all().await,
                    _ = sweep.tick() => {
                        placement.sweep();
                        return Some(loaded);
                    }
                }
                Some(true)
            };
            match stop.run_until_cancelled(done).await {
                Some(Some(now)) => loaded = now,
                Some(None) | None => return,
            }
        }
    }

    /// Runs that were due while no process of this member lived.
    fn missed(&self, entry: &MonitorEntry, now: WallMs) {
        let (Some(interval), Some(alive)) = (entry.interval(), self.alive) else {
            return;
        };
        let missed = now.since(alive).as_nanos() / interval.as_nanos().max(1);
        let missed = u64::try_from(missed).unwrap_or(u64::MAX);
        entry.live().lock().ledger.missed += missed;
        self.lanes.missed(&entry.name, missed);
    }

    /// Says once when a monitor has become unwatched, and once when it no longer is.
    fn sweep(&self) {
        let now = WallMs::now();
        for entry in self.catalog.monitors() {
            let Some((interval, live)) = entry.interval().zip(entry.known()) else {
                continue;
            };
            let mut live = live.lock();
            if live.left.as_ref().is_some_and(|left| now.since(left.0) > ANSWERS_FOR) {
                live.left = None;
                live.results = Results::default();
            }
            let Some(known_at) = live.known_at else {
                // Not run here: whoever runs it says how it is.
                live.unwatched_told = false;
                let answers = live.left.is_some();
                drop(live);
                if !answers {
                    self.catalog.forget_runs(entry.name.as_str());
                }
                continue;
            };
            let unwatched = state::unwatched(now.since(known_at), interval);
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
