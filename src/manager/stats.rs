//! What lanes count: one cell per lane, read by the API.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::Outcome;
use crate::schedule::{Lateness, Ledger, Skip};

/// Counters of one lane.
#[derive(Debug, Default)]
pub struct LaneStats {
    monitors: AtomicUsize,
    outcomes: [AtomicU64; 4],
    panics: AtomicU64,
    account: Mutex<(Ledger, Lateness)>,
}

impl LaneStats {
    pub(super) fn set_monitors(&self, n: usize) {
        self.monitors.store(n, Relaxed);
    }

    pub(super) fn account(&self, skip: Option<Skip>, behind: u64, late: Duration, interval: Duration) {
        let mut account = self.account.lock();
        if behind > 0 {
            account.0.skip(Skip::Behind, behind);
        }
        match skip {
            Some(why) => account.0.skip(why, 1),
            None => {
                account.0.ran(late, interval);
                account.1.note(late);
            }
        }
    }

    pub(super) fn verdict(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(super) fn missed(&self, runs: u64) {
        self.account.lock().0.missed += runs;
    }

    /// Monitors that the lane runs.
    pub fn monitors(&self) -> usize {
        self.monitors.load(Relaxed)
    }

    /// Verdicts of an outcome.
    pub fn verdicts(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Relaxed)
    }

    /// Steps that panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// The account and how late runs begin.
    pub fn read(&self) -> (Ledger, Lateness) {
        self.account.lock().clone()
    }
}
