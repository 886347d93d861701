//! A store in memory, for tests and simulation. It behaves as badly as a real one can, when asked to: see [`Faults`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backend::{
    Backend, Batch, Change, Changes, Commit, Entry, Guard, Key, Lease, LeaseId, Op, Outcome, PAGE, Page, Revision,
    StoreError,
};
use super::commit::{self, Rows};
use super::faults::{Answer, FaultPlan, Faults, SILENT, WatchFaults};
use super::history::History;
use super::leases::Leases;
use super::replica::Replica;
use crate::tasks::Tasks;

/// Lists that are between two of their pages, at most; the oldest is forgotten.
const RUNNING_LISTS: usize = 8;

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    inner: Arc<Inner>,
    /// Of the store: shared by all its clients.
    tasks: Arc<Mutex<Tasks>>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) plan: Mutex<FaultPlan>,
    pub(super) watching: watch::Sender<WatchFaults>,
    pub(super) history: Arc<History>,
    wake: Arc<Notify>,
    tasks: Arc<Mutex<Tasks>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    rows: BTreeMap<Key, Entry>,
    newest: Revision,
    pub(super) leases: Leases,
    granted: i64,
    running: VecDeque<(Revision, Key, Arc<Vec<Entry>>)>,
    pub(super) full: bool,
    /// Time stands still for leases: the store is stopped or frozen.
    pub(super) halted: bool,
    reaper: bool,
}

impl Rows for State {
    fn entry(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn lives(&self, lease: LeaseId) -> Result<bool, StoreError> {
        Ok(self.leases.lives(lease))
    }

    fn room(&self) -> Result<(), StoreError> {
        if self.full {
            return Err(StoreError::Full("told to be".to_owned()));
        }
        Ok(())
    }

    fn put(&mut self, entry: &Entry, _before: Option<&Entry>) -> Result<(), StoreError> {
        self.rows.insert(entry.key.clone(), entry.clone());
        Ok(())
    }

    fn delete(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.rows.remove(&entry.key);
        Ok(())
    }
}

impl State {
    /// Ends leases: their keys go, those of one lease at one revision.
    fn end(&mut self, leases: &[LeaseId]) -> Vec<Batch> {
        let mut batches = Vec::new();
        for lease in leases {
            self.leases.remove(*lease);
            let keys: Vec<Key> = self
                .rows
                .values()
                .filter(|entry| entry.lease == Some(*lease))
                .map(|entry| entry.key.clone())
                .collect();
            if keys.is_empty() {
                continue;
            }
            self.newest = Revision(self.newest.0 + 1);
            for key in &keys {
                self.rows.remove(key);
            }
            batches.push(Batch {
                at: self.newest,
                changes: keys.into_iter().map(Change::Deleted).collect(),
            });
        }
        batches
    }
}

impl Inner {
    fn make(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let mut state = self.state.lock();
        let (mut newest, mut batches) = (state.newest, Vec::new());
        let count = commits.len();
        let outcomes = commit::apply(&mut *state, &mut newest, &mut batches, shared, commits);
        state.newest = newest;
        // Under the lock: batches are published in the order of their revisions.
        self.history.publish(batches);
        outcomes.unwrap_or_else(|error| vec![Outcome::Unknown(error); count])
    }

    /// Goes on at another revision. Lists and watches do not: a revision may be one that they have seen, and mean something else.
    fn restart(&self, state: &mut State, at: Revision) {
        state.newest = at;
        state.running.clear();
        self.history.restart(at);
    }

    pub(super) fn end(&self, leases: &[LeaseId]) {
        let mut state = self.state.lock();
        let batches = state.end(leases);
        self.history.publish(batches);
    }

    /// Ends leases whose time is over, for as long as the store lives.
    async fn reap(self: Arc<Self>) {
        loop {
            let next = self.state.lock().leases.next();
            tokio::select! {
                () = self.wake.notified() => {}
                () = async {
                    match next {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
            let over = {
                let state = self.state.lock();
                if state.halted {
                    Vec::new()
                } else {
                    state.leases.over(Instant::now())
                }
            };
            if !over.is_empty() {
                self.end(&over);
            } else if self.state.lock().halted {
                self.wake.notified().await;
            }
        }
    }

    /// All that it holds is gone, its history too: what starts again is another store.
    pub(super) fn wipe(&self) {
        let mut state = self.state.lock();
        let halted = state.halted;
        *state = State {
            halted,
            reaper: state.reaper,
            ..State::default()
        };
        drop(state);
        self.history.restart(Revision(0));
    }

    /// The clock of leases goes on, or another one may be the next to end.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    async fn reachable(&self) -> Result<(), StoreError> {
        let delay = self.plan.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if self.plan.lock().unavailable || self.state.lock().halted {
            return Err(StoreError::Unavailable("told to be".to_owned()));
        }
        Ok(())
    }

    /// Passes a watch on as the faults ask: late, not at all, or not any more.
    async fn relay(self: Arc<Self>, mut from: Changes, to: mpsc::Sender<Result<Batch, StoreError>>) {
        let mut faults = self.watching.subscribe();
        let dropped = faults.borrow().dropped;
        loop {
            let Ok(now) = faults
                .wait_for(|f| !f.stalled || f.dropped != dropped)
                .await
                .map(|f| f.dropped)
            else {
                return;
            };
            if now != dropped {
                return;
            }
            tokio::select! {
                biased;
                changed = faults.changed() => if changed.is_err() { return },
                () = to.closed() => return,
                batch = from.recv() => {
                    let Some(batch) = batch else { return };
                    let delay = self.plan.lock().watch_delay;
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    if faults.borrow().dropped != dropped || to.send(batch).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Memory {
    /// An empty store and the handle that makes it misbehave.
    #[must_use]
    pub fn new() -> (Arc<Self>, Faults) {
        Self::of(Inner {
            state: Arc::default(),
            plan: Mutex::default(),
            watching: watch::Sender::default(),
            history: History::new(Revision(0)),
            wake: Arc::default(),
            tasks: Arc::new(Mutex::new(Tasks::child_of(&CancellationToken::new()))),
        })
    }

    /// Another way to the same store, with faults of its own: what is wrong with the first is not wrong with this one.
    pub(super) fn beside(inner: &Inner) -> (Arc<Self>, Faults) {
        Self::of(Inner {
            state: inner.state.clone(),
            plan: Mutex::default(),
            watching: watch::Sender::default(),
            history: inner.history.clone(),
            wake: inner.wake.clone(),
            tasks: inner.tasks.clone(),
        })
    }

    fn of(inner: Inner) -> (Arc<Self>, Faults) {
        let inner = Arc::new(inner);
        let memory = Arc::new(Self {
            inner: inner.clone(),
            tasks: inner.tasks.clone(),
        });
        (memory, Faults::new(inner))
    }

    /// The newest revision, whatever the faults.
    #[cfg(test)]
    pub(super) fn newest(&self) -> Revision {
        self.inner.state.lock().newest
    }

    /// A key as it stands, whatever the faults.
    #[cfg(test)]
    pub(super) fn peek(&self, key: &Key) -> Option<Entry> {
        self.inner.state.lock().rows.get(key).cloned()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_next().is_some() {}
        #[cfg(test)]
        crate::tasks::process::elsewhere(|| tasks.spawn(task));
        #[cfg(not(test))]
        tasks.spawn(task);
    }
}

#[async_trait]
impl Backend for Memory {
    async fn list(&self, prefix: &Key, from: Option<(Revision, Key)>) -> Result<Page, StoreError> {
        self.inner.reachable().await?;
        let mut state = self.inner.state.lock();
        let (at, entries, start) = match from {
            None => {
                let entries: Vec<Entry> = state
                    .rows
                    .range(prefix.clone()..)
                    .take_while(|(key, _)| prefix.covers(key))
                    .map(|(_, entry)| entry.clone())
                    .collect();
                (state.newest, Arc::new(entries), 0)
            }
            Some((at, last)) => {
                let running = state.running.iter().find(|(r, p, _)| *r == at && p == prefix);
                let entries = running
                    .map(|(_, _, entries)| entries.clone())
                    .ok_or(StoreError::Compacted(at))?;
                let start = entries.partition_point(|entry| entry.key <= last);
                (at, entries, start)
            }
        };
        let end = entries.len().min(start + PAGE);
        let more = end < entries.len();
        if more && start == 0 {
            if state.running.len() == RUNNING_LISTS {
                state.running.pop_front();
            }
            state.running.push_back((at, prefix.clone(), entries.clone()));
        }
        let entries = entries.get(start..end).unwrap_or_default().to_vec();
        Ok(Page { at, entries, more })
    }

    async fn commit_all(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let count = commits.len();
        if let Err(error) = self.inner.reachable().await {
            return vec![Outcome::Unknown(error); count];
        }
        let lost = || vec![Outcome::Unknown(StoreError::Unavailable("the answer was lost".to_owned())); count];
        let (loses_beyond, read_only) = {
            let plan = self.inner.plan.lock();
            (plan.loses_beyond, plan.read_only)
        };
        let puts = || commits.iter().flat_map(|commit| &commit.ops);
        let bytes = |op: &Op| op.key().as_str().len() + if let Op::Put(_, value, _) = op { value.len() } else { 0 };
        if loses_beyond.is_some_and(|most| puts().map(bytes).sum::<usize>() > most) {
            tokio::time::sleep(SILENT).await;
            return lost();
        }
        if read_only && puts().any(|op| matches!(op, Op::Put(..))) {
            return vec![Outcome::Failed(StoreError::Denied("told to be read-only".to_owned())); count];
        }
        let answer = self.inner.plan.lock().next_answer();
        match answer {
            Answer::Given => self.inner.make(shared, commits),
            Answer::LostAfterwards => {
                self.inner.make(shared, commits);
                lost()
            }
            Answer::LostBefore => lost(),
            Answer::LostAndMadeLater(after) => {
                let (inner, shared) = (self.inner.clone(), shared.to_vec());
                self.spawn(async move {
                    tokio::time::sleep(after).await;
                    inner.make(&shared, commits);
                });
                lost()
            }
            Answer::Failed(error) => vec![Outcome::Failed(error); count],
        }
    }

    async fn watch(&self, prefix: &Key, after: Revision) -> Result<Changes, StoreError> {
        self.inner.reachable().await?;
        let era = self.inner.history.reaches(after)?;
        let (to, from) = History::channel();
        self.spawn(self.inner.history.clone().feed(prefix.clone(), after, era, to));
        let (to, changes) = History::channel();
        self.spawn(self.inner.clone().relay(from, to));
        Ok(changes)
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.inner.reachable().await?;
        // Whole seconds, and more than asked for rather than less, as etcd does.
        let ttl = Duration::from_secs(ttl.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
        let (id, first) = {
            let mut state = self.inner.state.lock();
            state.room()?;
            state.granted += 1;
            let id = LeaseId(state.granted);
            state.leases.add(id, ttl, Instant::now());
            (id, !std::mem::replace(&mut state.reaper, true))
        };
        if first {
            self.spawn(self.inner.clone().reap());
        }
        self.inner.wake();
        Ok(Lease { id, ttl })
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.reachable().await?;
        self.inner
            .state
            .lock()
            .leases
            .keep_alive(lease, Instant::now())
            .map(drop)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.reachable().await?;
        if !self.inner.state.lock().leases.lives(lease) {
            return Err(StoreError::NoLease);
        }
        self.inner.end(&[lease]);
        Ok(())
    }
}

#[async_trait]
impl Replica for Memory {
    async fn replicate(&self, at: Revision, changes: Vec<Change>) -> Result<(), StoreError> {
        self.inner.reachable().await?;
        let mut state = self.inner.state.lock();
        if changes.iter().any(|change| matches!(change, Change::Put(_))) {
            state.room()?;
        }
        for change in changes {
            match change {
                Change::Put(entry) => state.rows.insert(entry.key.clone(), entry),
                Change::Deleted(key) => state.rows.remove(&key),
            };
        }
        self.inner.restart(&mut state, at);
        Ok(())
    }

    async fn raise(&self, to: Revision) -> Result<(), StoreError> {
        self.inner.reachable().await?;
        let mut state = self.inner.state.lock();
        state.granted = state.granted.max(i64::try_from(to.0).unwrap_or(i64::MAX));
        let to = state.newest.max(to);
        self.inner.restart(&mut state, to);
        Ok(())
    }

    async fn after(&self, last: Option<&Key>) -> Result<Page, StoreError> {
        use std::ops::Bound;
        self.inner.reachable().await?;
        let state = self.inner.state.lock();
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = state.rows.range::<Key, _>((from, Bound::Unbounded));
        let entries = rest.by_ref().take(PAGE).map(|(_, entry)| entry.clone()).collect();
        Ok(Page {
            at: state.newest,
            entries,
            more: rest.next().is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{TTL, World, contract_suite};

    struct InMemory(Arc<Memory>, Faults);

    #[async_trait]
    impl World for InMemory {
        async fn new() -> Self {
            let (memory, faults) = Memory::new();
            Self(memory, faults)
        }

        fn backend(&self) -> Arc<dyn Backend> {
            self.0.clone()
        }

        async fn compact(&self) {
            self.1.compact();
        }

        async fn stop_and_start(&mut self) {
            self.1.stop();
            tokio::time::sleep(TTL * 3).await;
            self.1.start();
        }

        async fn set_full(&self, full: bool) {
            self.1.set_full(full);
        }
    }

    contract_suite!(InMemory);
}
