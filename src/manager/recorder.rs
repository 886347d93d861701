//! Records changes of status: the step between judging and telling. Nothing is told that is not recorded first.
//!
//! *Flow*: lanes hand changes in; per monitor they are folded together until the commit before is settled and a second has passed since
//! (at once, when the monitor was quiet); then they travel in batches, each monitor in its own commit. *Guarantees*: a change that was handed in is
//! committed, or superseded by a newer one in the same commit, or visibly pending. *Caveats*: what is pending is in memory; the store's `checkpoint/`
//! tells the next process how things stood at the last commit, and its runs tell the rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::commits::{self, Pending, Recorded, WAITING};
use crate::catalog::{Catalog, MonitorEntry};
use crate::cluster::tenures::Tenures;
use crate::events::{EventKind, Events};
use crate::feed::{Feed, Signal};
use crate::model::{AlerterName, Group, MonitorName, Status, WallMs};
use crate::state::{Health, Transition};
use crate::store::records::Checkpoint;
use crate::store::{Outcome, Refusal, Revision, Store, keys};

/// A monitor that was not quiet commits at most this often.
const QUIET: Duration = Duration::from_secs(1);
/// Monitors in one batch.
const BATCH: usize = 60;
/// How long a commit without answer is pursued before the batch is looked at anew.
const SETTLE: Duration = Duration::from_secs(10);
/// Wait after a store that takes nothing.
const RETRY: Duration = Duration::from_millis(500);

/// A change of one monitor.
pub struct Change {
    /// The monitor, with the definition that was judged by.
    pub entry: Arc<MonitorEntry>,
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

struct Inner {
    pending: Mutex<HashMap<MonitorName, Pending>>,
    wake: Notify,
    soft: AtomicBool,
    trouble: Mutex<Option<String>>,
    commits: AtomicU64,
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
            pending: Mutex::default(),
            wake: Notify::new(),
            soft: AtomicBool::new(false),
            trouble: Mutex::default(),
            commits: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Hands a change in.
    pub fn changed(&self, change: Change) {
        self.take_in(change.entry, change.health, Some(change.transition), false);
    }

    /// The definition of a monitor was edited without touching what is measured: who is addressed may have changed.
    pub fn edited(&self, entry: Arc<MonitorEntry>) {
        let health = entry.live.lock().health.clone();
        if health.episode.is_some() {
            self.take_in(entry, health, None, false);
        }
    }

    /// The definition of a monitor is gone and its episode closed.
    pub fn deleted(&self, change: Change) {
        self.take_in(change.entry, change.health, Some(change.transition), true);
    }

    fn take_in(&self, entry: Arc<MonitorEntry>, health: Health, transition: Option<Transition>, deleted: bool) {
        let mut pending = self.inner.pending.lock();
        let waiting = pending.entry(entry.name.clone()).or_insert_with(|| Pending {
            entry: entry.clone(),
            health: Health::default(),
            transitions: Vec::new(),
            deleted,
        });
        waiting.entry = entry;
        waiting.health = health;
        waiting.deleted = deleted;
        waiting.transitions.extend(transition);
        if waiting.transitions.len() > WAITING {
            // The episode's own trail and `seq` still tell that there were more.
            waiting.transitions.remove(0);
        }
        drop(pending);
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
        std::mem::take(&mut *self.inner.pending.lock()).into_values().collect()
    }

    /// Monitors with changes that are not recorded yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.inner.pending.lock().len()
    }

    /// Why the store does not take commits, while it does not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner.trouble.lock().clone()
    }

    /// Commits made so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(Relaxed)
    }
}

/// What the work needs.
pub struct Shell {
    /// Where to record.
    pub store: Store,
    /// By which right.
    pub tenures: Tenures,
    /// To look up newer definitions.
    pub catalog: Catalog,
    /// To tell people.
    pub events: Events,
    /// To tell pages.
    pub feed: Feed,
    /// What the store held at the start.
    pub recorded: HashMap<MonitorName, Recorded>,
}

impl Recorder {
    /// Records until `stop`; then what can be recorded within `grace`.
    pub async fn run(self, mut shell: Shell, stop: CancellationToken, grace: Duration) {
        let mut last_commit: HashMap<MonitorName, Instant> = HashMap::new();
        let mut ending: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let (batch, wait) = self.take_batch(&shell, &mut last_commit, now, ending.is_some());
            if !batch.is_empty() {
                if !self.record(&mut shell, batch).await {
                    tokio::time::sleep(RETRY).await;
                }
            } else if ending.is_some() {
                return;
            } else {
                let wait = wait.map_or_else(|| now + Duration::from_secs(3600), |wait| now + wait);
                tokio::select! {
                    () = stop.cancelled() => ending = Some(Instant::now() + grace),
                    () = self.inner.wake.notified() => {}
                    () = shell.tenures.changed() => {}
                    () = tokio::time::sleep_until(wait) => {}
                }
            }
            if ending.is_none() && stop.is_cancelled() {
                ending = Some(Instant::now() + grace);
            }
            if ending.is_some_and(|end| Instant::now() > end) {
                tracing::warn!(monitors = self.pending(), "stopped with unrecorded changes");
                return;
            }
        }
    }

    /// The next batch: of one group, whose right is held; and how long until there may be more.
    fn take_batch(
        &self,
        shell: &Shell,
        last_commit: &mut HashMap<MonitorName, Instant>,
        now: Instant,
        ending: bool,
    ) -> (Vec<(MonitorName, Pending)>, Option<Duration>) {
        last_commit.retain(|_, at| now.duration_since(*at) < QUIET);
        let mut pending = self.inner.pending.lock();
        let mut group: Option<Group> = None;
        let mut names = Vec::new();
        let mut wait: Option<Duration> = None;
        for (name, waiting) in pending.iter() {
            if let Some(at) = last_commit.get(name).filter(|_| !ending) {
                let left = QUIET.saturating_sub(now.duration_since(*at));
                wait = Some(wait.map_or(left, |w| w.min(left)));
                continue;
            }
            let Some(of) = waiting.entry.group() else { continue };
            if group.is_none() && shell.tenures.of(&of).is_some() {
                group = Some(of.clone());
            }
            if group.as_ref() == Some(&of) {
                names.push(name.clone());
                if names.len() == BATCH {
                    break;
                }
            }
        }
        let batch = names
            .into_iter()
            .filter_map(|name| pending.remove_entry(&name))
            .collect::<Vec<_>>();
        for (name, _) in &batch {
            last_commit.insert(name.clone(), now);
        }
        (batch, wait)
    }

    /// Commits a batch. `false` when the store took nothing.
    async fn record(&self, shell: &mut Shell, batch: Vec<(MonitorName, Pending)>) -> bool {
        let Some(tenure) = batch
            .first()
            .and_then(|(_, p)| p.entry.group())
            .and_then(|g| shell.tenures.of(&g))
        else {
            self.put_back(batch);
            return false;
        };
        let mut sent = Vec::new();
        for (name, pending) in batch {
            let recorded = shell.recorded.get(&name).cloned().unwrap_or_default();
            match commits::commit(&pending, &recorded) {
                Ok(Some((commit, after))) => sent.push((name, pending, commit, after)),
                Ok(None) => {}
                Err(error) => tracing::error!(monitor = %name, %error, "a change cannot be written; it is dropped"),
            }
        }
        if sent.is_empty() {
            return true;
        }
        let guards = tenure.guards();
        let outcomes = shell
            .store
            .commit_all(&guards, sent.iter().map(|(_, _, c, _)| c.clone()).collect())
            .await;
        let mut took = false;
        for ((name, pending, commit, after), outcome) in sent.into_iter().zip(outcomes) {
            let outcome = match outcome {
                Outcome::Unknown(_) => shell.store.resolve(&guards, commit, Instant::now() + SETTLE).await,
                settled => settled,
            };
            took |= self.settled(shell, name, pending, after, outcome).await;
        }
        took
    }

    async fn settled(
        &self,
        shell: &mut Shell,
        name: MonitorName,
        pending: Pending,
        after: Option<Vec<AlerterName>>,
        outcome: Outcome,
    ) -> bool {
        match outcome {
            Outcome::Done(rev) => {
                *self.inner.trouble.lock() = None;
                self.inner.commits.fetch_add(1, Relaxed);
                self.tell(shell, &pending);
                match after {
                    Some(addressed) => shell.recorded.insert(name, Recorded { rev, addressed }),
                    None => shell.recorded.remove(&name),
                };
                true
            }
            Outcome::Refused(Refusal::Shared) => {
                // The right changed under us: the tables, once read, say whether this is still ours to record.
                self.put_back(vec![(name, pending)]);
                false
            }
            Outcome::Refused(Refusal::Own) => {
                self.reload(shell, &name, pending).await;
                true
            }
            Outcome::Unknown(error) | Outcome::Failed(error) => {
                let text = error.to_string();
                let first = self.inner.trouble.lock().replace(text.clone()).is_none();
                if first {
                    tracing::error!(
                        error = text,
                        "the store does not take changes; checks go on, changes are kept in memory"
                    );
                    shell.events.record(
                        EventKind::Error,
                        WallMs::now(),
                        None,
                        format!("the store does not take changes: {text}; checks go on"),
                    );
                }
                self.put_back(vec![(name, pending)]);
                false
            }
        }
    }

    /// A commit was refused by its own guards: what it builds on has changed. Looks, and records anew what still holds.
    async fn reload(&self, shell: &mut Shell, name: &MonitorName, mut pending: Pending) {
        match shell.store.read::<Checkpoint>(&keys::checkpoint(name)).await {
            Ok(Some(at)) => {
                let known = shell.recorded.entry(name.clone()).or_default();
                known.rev = at.rev;
                known.addressed = at.value.alerters;
            }
            Ok(None) => {
                shell.recorded.remove(name);
            }
            Err(error) => tracing::warn!(monitor = %name, %error, "a checkpoint cannot be read"),
        }
        let newer = match shell.store.get(&keys::monitor(name)).await {
            Ok(entry) => entry.map_or(Revision(0), |e| e.rev),
            Err(_) => return self.put_back(vec![(name.clone(), pending)]),
        };
        let judged_by = if pending.deleted {
            Revision(0)
        } else {
            pending.entry.rev
        };
        if newer == judged_by {
            return self.put_back(vec![(name.clone(), pending)]);
        }
        // The definition is another one. The catalog will see it, and the lane judges what becomes of the episode; until then this waits, under
        // the definition that the catalog has by then.
        if let Some(entry) = shell.catalog.monitor(name.as_str()) {
            pending.entry = entry;
            pending.deleted = false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.put_back(vec![(name.clone(), pending)]);
    }

    fn put_back(&self, batch: Vec<(MonitorName, Pending)>) {
        let mut map = self.inner.pending.lock();
        for (name, older) in batch {
            match map.entry(name) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(older);
                }
                std::collections::hash_map::Entry::Occupied(mut place) => {
                    let newer = place.get_mut();
                    let mut transitions = older.transitions;
                    transitions.append(&mut newer.transitions);
                    let excess = transitions.len().saturating_sub(WAITING);
                    newer.transitions = transitions.split_off(excess);
                }
            }
        }
    }

    fn tell(&self, shell: &Shell, pending: &Pending) {
        let name = &pending.entry.name;
        for t in &pending.transitions {
            let text = describe(name, t);
            if t.from == Status::Pending && t.to == Status::Ok {
                continue;
            }
            tracing::info!(monitor = %name, from = %t.from, to = %t.to, runs = t.count, "status changed");
            shell.events.record(EventKind::Status, t.at, Some(name), text);
        }
        shell.feed.tell(|| Signal::Incident(name.clone()));
    }
}

fn describe(name: &MonitorName, t: &Transition) -> String {
    let message = t.episode.as_ref().map_or("", |e| e.message.as_str());
    match t.closed {
        Some(closed) => format!(
            "{name} is ok again ({}) after {} from {}",
            closed.as_str(),
            runs(t.count),
            t.from
        ),
        None => format!(
            "{name} went from {} to {} after {}: {message}",
            t.from,
            t.to,
            runs(t.count)
        ),
    }
}

fn runs(n: u32) -> String {
    if n == 1 {
        "1 failed run".to_owned()
    } else {
        format!("{n} failed runs")
    }
}
