//! The episodes that are open anywhere in the cluster, as they are recorded: what is known of a monitor whose judge cannot be asked.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use super::LiveState;
use crate::model::MonitorName;
use crate::state::{Episode, Health};
use crate::store::records::Checkpoint;
use crate::store::{Change, Entry, Followed, Key, Store, decode, keys};

/// A cheap handle. Holds something for monitors that are not ok, and for no others.
#[derive(Clone, Default)]
pub struct OpenEpisodes(Arc<RwLock<HashMap<MonitorName, Arc<Health>>>>);

impl OpenEpisodes {
    /// How a monitor is as far as it is recorded; pending, if no episode is.
    #[must_use]
    pub fn state(&self, monitor: &str) -> Option<LiveState> {
        let health = self.0.read().get(monitor).cloned()?;
        Some(LiveState {
            health: health.as_ref().clone(),
            ..LiveState::default()
        })
    }
}

/// Follows the checkpoints until `stop`. While the store is away, what was known last holds.
pub async fn follow(store: Store, episodes: OpenEpisodes, stop: CancellationToken) {
    let mut checkpoints = store.follow(&keys::checkpoints());
    while let Some(followed) = stop.run_until_cancelled(checkpoints.next()).await {
        match followed {
            Followed::Snapshot { entries, .. } => *episodes.0.write() = entries.iter().filter_map(read).collect(),
            Followed::Changes(batch) => {
                let mut open = episodes.0.write();
                for change in &batch.changes {
                    match change {
                        Change::Put(entry) => open.extend(read(entry)),
                        Change::Deleted(key) => drop(name(key).and_then(|name| open.remove(&name))),
                    }
                }
            }
        }
    }
}

fn name(key: &Key) -> Option<MonitorName> {
    MonitorName::parse(&keys::last_segment(key)?).ok()
}

/// One that cannot be read is left out: whoever judges the monitor says what is wrong with it.
fn read(entry: &Entry) -> Option<(MonitorName, Arc<Health>)> {
    let checkpoint = decode::<Checkpoint>(entry).ok()?.value;
    let health = Health {
        status: checkpoint.status,
        since: checkpoint.since,
        failures: checkpoint.failures,
        hard: checkpoint.hard,
        first_failed: Some(checkpoint.episode),
        episode: Some(Box::new(Episode {
            id: checkpoint.episode,
            seq: checkpoint.seq,
            worst: checkpoint.status,
            message: checkpoint.message,
            trail: Vec::new(),
        })),
    };
    Some((name(&entry.key)?, Arc::new(health)))
}
