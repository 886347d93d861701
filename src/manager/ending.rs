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
    let Some(transition) = live.health.close(at, why) else {
        live.health = Health::default();
        drop(live);
        if counted {
            recorder.soft_changed();
        }
        return;
    };
    live.results.changed(&transition, why.as_str());
    let health = live.health.clone();
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
