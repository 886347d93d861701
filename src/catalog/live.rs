//! What is known of a monitor besides its definition: status, last runs, account. One per name; it outlives edits.

use parking_lot::Mutex;

use crate::model::WallMs;
use crate::results::Results;
use crate::schedule::Ledger;
use crate::state::Health;

/// The part that changes with every run. The lane that runs the monitor writes it; everybody else reads.
#[derive(Debug, Default)]
pub struct LiveState {
    /// Status, counters, open episode.
    pub health: Health,
    /// The last runs.
    pub results: Results,
    /// The account of runs.
    pub ledger: Ledger,
    /// When the last verdict other than unknown came, or (before the first) when watching began. `None`: nobody runs it here.
    pub known_at: Option<WallMs>,
    /// When it is due next.
    pub next_due: Option<WallMs>,
    /// That it is unwatched has been said.
    pub unwatched_told: bool,
    /// A step of it panicked: whoever runs it leaves it out until it is edited.
    pub broken: bool,
    /// How it stood when it was given to another member, and when that was: whoever judges it now asks for it.
    pub left: Option<Box<(WallMs, Health)>>,
}

/// A shared cell. The lock is held for the copying of a few fields, never across an await.
#[derive(Debug, Default)]
pub struct Live(Mutex<LiveState>);

impl Live {
    /// The state, locked.
    pub fn lock(&self) -> parking_lot::MutexGuard<'_, LiveState> {
        self.0.lock()
    }
}
