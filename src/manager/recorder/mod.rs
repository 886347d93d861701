//! Records changes of status: the step between judging and telling. Nothing is told that is not recorded first.
//!
//! *Flow*: lanes hand changes in; per monitor they are folded together until the commit before is settled and a second has passed since
//! (at once, when the monitor was quiet); then they travel in batches, each monitor in its own commit. A commit whose answer was lost is pursued, and
//! only it, until it is known what became of it. *Guarantees*: a change that was handed in is committed once, or superseded by a newer one in the
//! same commit, or visibly pending. *Caveats*: what is pending is in memory; the store's `checkpoint/` tells the next process how things stood
//! at the last commit, and its runs tell the rest. A change of a monitor that a table has given to somebody else is dropped: it is that one's to find.

mod work;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use work::Shell;

use super::commits::{Pending, Recorded};
use crate::catalog::MonitorEntry;
use crate::cluster::tenures::Right;
use crate::model::MonitorName;
use crate::state::{Health, Transition};
use crate::store::Revision;

/// A change of one monitor.
pub struct Change {
    /// The monitor, with the definition that was judged by.
    pub entry: Arc<MonitorEntry>,
    /// By which right.
    pub right: Arc<Right>,
    /// The change.
    pub transition: Transition,
    /// How it stands after it.
    pub health: Health,
}

/// A cheap handle for those who hand changes in.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Waiting {
    pending: BTreeMap<MonitorName, Pending>,
    /// Monitors that were taken over, or given up, since the work last looked; what was under way of them before is nobody's any more.
    taken_over: HashMap<MonitorName, Option<Recorded>>,
    /// Monitors of which a commit is on its way, or in doubt.
    sent: HashSet<MonitorName>,
}

struct Inner {
    waiting: Mutex<Waiting>,
    wake: Notify,
    soft: AtomicBool,
    trouble: Mutex<Option<String>>,
    commits: AtomicU64,
    /// Changes that were sent and whose answer was lost.
    in_doubt: AtomicU64,
    /// When the oldest of them was sent first.
    unanswered: Mutex<Option<Instant>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder with nothing to record. [`Recorder::run`] does the work.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner {
            waiting: Mutex::default(),
            wake: Notify::new(),
            soft: AtomicBool::new(false),
            trouble: Mutex::default(),
            commits: AtomicU64::new(0),
            in_doubt: AtomicU64::new(0),
            unanswered: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Hands a change in.
    pub fn changed(&self, change: Change) {
        let definition = change.entry.rev;
        self.take_in(
            change.entry,
            change.right,
            definition,
            change.health,
            Some(change.transition),
        );
    }

    /// A monitor is judged here from now on, of which the store holds this; or no longer. What was handed in before is dropped.
    pub fn taken_over(&self, name: &MonitorName, recorded: Option<Recorded>) {
        let mut waiting = self.inner.waiting.lock();
        waiting.pending.remove(name);
        waiting.taken_over.insert(name.clone(), recorded);
    }

    /// The definition of a monitor was edited without touching what is measured: who is addressed may have changed.
    pub fn edited(&self, entry: Arc<MonitorEntry>, right: Arc<Right>) {
        let live = entry.live().lock();
        let open = live.health.episode.is_some().then(|| live.health.clone());
        drop(live);
        if let Some(health) = open {
            let definition = entry.rev;
            self.take_in(entry, right, definition, health, None);
        }
    }

    /// The definition of a monitor is gone and its episode closed.
    pub fn deleted(&self, change: Change) {
        let (entry, right) = (change.entry, change.right);
        self.take_in(entry, right, Revision(0), change.health, Some(change.transition));
    }

    fn take_in(
        &self,
        entry: Arc<MonitorEntry>,
        right: Arc<Right>,
        definition: Revision,
        health: Health,
        transition: Option<Transition>,
    ) {
        let mut waiting = self.inner.waiting.lock();
        let pending = waiting.pending.entry(entry.name.clone()).or_insert_with(|| Pending {
            entry: entry.clone(),
            definition,
            right: right.clone(),
            health: Health::default(),
            transitions: Vec::new(),
            anew: false,
        });
        pending.entry = entry;
        pending.right = right;
        pending.definition = definition;
        pending.health = health;
        pending.extend(transition);
        drop(waiting);
        self.inner.wake.notify_one();
    }

    /// The soft failures of some monitor changed.
    pub fn soft_changed(&self) {
        self.inner.soft.store(true, Relaxed);
    }

    /// Whether soft failures changed since the last call.
    pub(super) fn take_soft_changed(&self) -> bool {
        self.inner.soft.swap(false, Relaxed)
    }

    /// Takes out everything that waits.
    #[cfg(test)]
    pub(super) fn take_all(&self) -> Vec<Pending> {
        std::mem::take(&mut self.inner.waiting.lock().pending)
            .into_values()
            .collect()
    }

    /// Whether something of a monitor is not recorded yet, or not known to be.
    #[must_use]
    pub fn is_busy_with(&self, name: &MonitorName) -> bool {
        let waiting = self.inner.waiting.lock();
        waiting.pending.contains_key(name) || waiting.sent.contains(name)
    }

    /// Monitors with changes that are not recorded yet, or not known to be.
    #[must_use]
    pub fn pending(&self) -> usize {
        let in_doubt = usize::try_from(self.inner.in_doubt.load(Relaxed)).unwrap_or(usize::MAX);
        self.inner.waiting.lock().pending.len().saturating_add(in_doubt)
    }

    /// Why the store does not take commits, while it does not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner.trouble.lock().clone()
    }

    /// When the oldest change was sent first of which there is no answer yet, however often it was sent.
    #[must_use]
    pub fn unanswered(&self) -> Option<Instant> {
        *self.inner.unanswered.lock()
    }

    /// Commits made so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(Relaxed)
    }

    fn put_back(&self, name: MonitorName, mut older: Pending) {
        let mut waiting = self.inner.waiting.lock();
        if waiting.taken_over.contains_key(&name) {
            return;
        }
        if let Some(newer) = waiting.pending.remove(&name) {
            older.extend(newer.transitions);
            older = Pending {
                entry: newer.entry,
                right: newer.right,
                definition: newer.definition,
                health: newer.health,
                ..older
            };
        }
        waiting.pending.insert(name, older);
    }
}
