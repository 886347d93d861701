//! The end of an episode by other means than a verdict: edited, disabled, deleted.

use std::sync::Arc;

use super::recorder::{Change, Recorder};
use crate::catalog::MonitorEntry;
use crate::cluster::tenures::Right;
use crate::feed::{Feed, Signal};
use crate::model::{Closed, WallMs};
use crate::state::Health;

/// Closes the open episode of a monitor, if there is one, and begins counting anew in any case. Only its lane calls this.
pub(super) fn close(
    recorder: &Recorder,
    feed: &Feed,
    entry: &Arc<MonitorEntry>,
    right: &Arc<Right>,
    at: WallMs,
    why: Closed,
) {
    let mut live = entry.live().lock();
    let counted = live.health.failures > 0;
    // On a copy: should the step panic, the monitor stands as it did.
    let mut health = live.health.clone();
    let Some(transition) = health.close(at, why) else {
        live.health = Health::default();
        drop(live);
        if counted {
            recorder.soft_changed();
        }
        return;
    };
    live.health = health.clone();
    live.results.changed(&transition, why.as_str());
    drop(live);
    let change = Change {
        entry: entry.clone(),
        right: right.clone(),
        transition,
        health,
    };
    if why == Closed::Deleted {
        recorder.deleted(change);
    } else {
        recorder.changed(change);
    }
    feed.tell(|| Signal::State(entry.name.clone()));
}
