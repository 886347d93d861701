//! What a lane is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::commits::Recorded;
use crate::catalog::MonitorEntry;
use crate::cluster::tenures::Right;
use crate::model::{Closed, Verdict, WallMs};
use crate::results::Results;
use crate::state::Health;

/// What a lane is told.
pub enum Command {
    /// Run this monitor from now on, or its new definition.
    Put {
        /// The monitor, with a definition that can run and is not disabled.
        entry: Arc<MonitorEntry>,
        /// By which right it is judged from now on.
        right: Arc<Right>,
        /// How it stands, where it was somebody else's so far: another member's, an earlier process's, nobody's.
        taken: Option<Box<Taken>>,
        /// Number of monitors that arrive together: their first runs are spread.
        arriving: usize,
    },
    /// Run it no more.
    Remove {
        /// Which, as it stands now (gone: as it was last). It need not run here.
        entry: Arc<MonitorEntry>,
        /// Why, which closes an open episode; `None`: somebody else judges it from now on.
        why: Option<Closed>,
        /// How it stood, where it did not run here: there is an episode to close.
        taken: Option<(Arc<Right>, Box<Taken>)>,
    },
    /// Run a definition once, now, for the answer only.
    Ask {
        /// What to run.
        entry: Arc<MonitorEntry>,
        /// Where the answer goes.
        reply: oneshot::Sender<(Verdict, Duration)>,
    },
}

/// How a monitor stands that is taken over.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// Status, counters, open episode.
    pub health: Health,
    /// What the store holds of it; `None`: no open episode.
    pub recorded: Option<Recorded>,
    /// Fingerprint of what the open episode's failures measured.
    pub measured: Option<u64>,
    /// It ran on another member until now: it goes on in step. What that one remembers of its runs, if it answered.
    pub moved: Option<Option<Results>>,
    /// When the table was made that gave it here, by the director's clock. Only used to run it earlier.
    pub given: Option<WallMs>,
}
