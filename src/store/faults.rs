//! What a test can make the store in memory do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Store;
use super::backend::{LeaseId, StoreError};
use super::memory::{Inner, Memory};

/// What happens to the answer of one call to `commit_all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Made, and answered.
    Given,
    /// Made; the answer is lost.
    LostAfterwards,
    /// Never made; nobody says so.
    LostBefore,
    /// Made after this time; the caller is told at once that nothing is known.
    LostAndMadeLater(Duration),
    /// Refused as a whole with this error, not made.
    Failed(StoreError),
}

/// How often something goes wrong by chance, of 100 calls each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chances {
    /// [`Answer::LostAfterwards`].
    pub lost_afterwards: u8,
    /// [`Answer::LostBefore`].
    pub lost_before: u8,
    /// [`Answer::LostAndMadeLater`], after up to one second.
    pub made_later: u8,
}

/// How long a caller waits for an answer that is lost on its way.
pub(super) const SILENT: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct FaultPlan {
    script: VecDeque<Answer>,
    chance: Option<(fastrand::Rng, Chances)>,
    pub(super) unavailable: bool,
    /// Calls that write more bytes than this get no answer, and are not made.
    pub(super) loses_beyond: Option<usize>,
    pub(super) read_only: bool,
    pub(super) delay: Duration,
    pub(super) watch_delay: Duration,
    calls: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WatchFaults {
    /// How many times all watches were dropped.
    pub(super) dropped: u64,
    /// Nothing is passed on, not even signs of life.
    pub(super) stalled: bool,
}

impl FaultPlan {
    pub(super) fn next_answer(&mut self) -> Answer {
        self.calls += 1;
        if let Some(answer) = self.script.pop_front() {
            return answer;
        }
        let Some((rng, chances)) = &mut self.chance else {
            return Answer::Given;
        };
        let roll = rng.u8(0..100);
        let afterwards = chances.lost_afterwards;
        let before = afterwards.saturating_add(chances.lost_before);
        let later = before.saturating_add(chances.made_later);
        match roll {
            r if r < afterwards => Answer::LostAfterwards,
            r if r < before => Answer::LostBefore,
            r if r < later => Answer::LostAndMadeLater(Duration::from_millis(rng.u64(0..1000))),
            _ => Answer::Given,
        }
    }
}

/// The handle that makes a store in memory misbehave.
#[derive(Debug, Clone)]
pub struct Faults {
    store: Arc<Inner>,
}

impl Faults {
    pub(super) fn new(store: Arc<Inner>) -> Self {
        Self { store }
    }

    /// Another way to the same store, as another process has it: calls and watches that fail for one do not for the other. What befalls the store
    /// itself (full, frozen, compacted, a lost lease) befalls all.
    #[must_use]
    pub fn another_client(&self) -> (Store, Self) {
        let (memory, faults) = Memory::beside(&self.store);
        (Store::new(memory), faults)
    }

    /// What happens to the next calls to `commit_all`, one each.
    pub fn answers(&self, script: impl IntoIterator<Item = Answer>) {
        self.store.plan.lock().script.extend(script);
    }

    /// Lets chance decide, always the same for a seed. A script goes first.
    pub fn by_chance(&self, seed: u64, chances: Chances) {
        self.store.plan.lock().chance = Some((fastrand::Rng::with_seed(seed), chances));
    }

    /// No more answers by chance, and no script.
    pub fn none_by_chance(&self) {
        let mut plan = self.store.plan.lock();
        plan.chance = None;
        plan.script.clear();
    }

    /// Every call fails with [`StoreError::Unavailable`], until it is set back. Leases go on ageing.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.store.plan.lock().unavailable = unavailable;
    }

    /// Puts and grants are refused for space.
    pub fn set_full(&self, full: bool) {
        self.store.state.lock().full = full;
    }

    /// Calls that write more than so many bytes get no answer for [`SILENT`], and are never made; all others are.
    pub fn set_loses_beyond(&self, bytes: Option<usize>) {
        self.store.plan.lock().loses_beyond = bytes;
    }

    /// Every put is answered [`StoreError::Denied`], until it is set back.
    pub fn set_read_only(&self, read_only: bool) {
        self.store.plan.lock().read_only = read_only;
    }

    /// Every call takes this long.
    pub fn set_delay(&self, delay: Duration) {
        self.store.plan.lock().delay = delay;
    }

    /// Every change reaches the watches this much later.
    pub fn set_watch_delay(&self, delay: Duration) {
        self.store.plan.lock().watch_delay = delay;
    }

    /// All watches end without a word.
    pub fn drop_watches(&self) {
        self.store.watching.send_modify(|faults| faults.dropped += 1);
    }

    /// Watches stay open and silent, until it is set back.
    pub fn set_watches_stalled(&self, stalled: bool) {
        self.store.watching.send_modify(|faults| faults.stalled = stalled);
    }

    /// Forgets the history up to now.
    pub fn compact(&self) {
        self.store.history.compact();
    }

    /// A lease is gone, with its keys.
    pub fn lose_lease(&self, lease: LeaseId) {
        self.store.end(&[lease]);
    }

    /// The store stops: no answers, no watches, and no time for leases.
    pub fn stop(&self) {
        self.set_unavailable(true);
        self.store.state.lock().halted = true;
        self.drop_watches();
    }

    /// A stopped store starts again: every lease has its full time.
    pub fn start(&self) {
        {
            let mut state = self.store.state.lock();
            state.halted = false;
            state.leases.restart(Instant::now());
        }
        self.set_unavailable(false);
        self.store.wake();
    }

    /// The store freezes: no answers, watches stay open and silent.
    pub fn freeze(&self) {
        self.set_unavailable(true);
        self.set_watches_stalled(true);
        self.store.state.lock().halted = true;
    }

    /// A frozen store wakes: all leases are gone.
    pub fn wake(&self) {
        let leases = {
            let mut state = self.store.state.lock();
            state.halted = false;
            state.leases.ids()
        };
        self.store.end(&leases);
        self.set_unavailable(false);
        self.set_watches_stalled(false);
        self.store.wake();
    }

    /// The store loses everything, and counts from the beginning.
    pub fn wipe(&self) {
        self.store.wipe();
        self.drop_watches();
    }

    /// Calls to `commit_all` that were answered or lost so far.
    #[must_use]
    pub fn commit_calls(&self) -> u64 {
        self.store.plan.lock().calls
    }
}
