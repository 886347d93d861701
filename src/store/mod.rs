//! A typed handle over a dumb backend, and list-then-watch, once, for everybody.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

pub mod backend;
mod commit;
#[cfg(test)]
pub(crate) mod contract;
mod embedded;
mod etcd;
mod faults;
mod follow;
mod history;
pub mod keys;
mod leases;
mod memory;
mod outage;
mod packed;
pub mod records;
mod replica;
#[cfg(test)]
mod replica_tests;
mod rights;
mod standin;
#[cfg(test)]
mod tests;
pub mod transfer;

pub use backend::{
    Backend, BackendStatus, Batch, Change, Commit, EndpointStatus, Entry, Guard, Key, Lease, LeaseId, Op, Outcome,
    Page, Refusal, Revision, StoreError,
};
pub use embedded::{Claim, Embedded, OpenError, claim, embedded_exists};
#[cfg(test)]
pub(crate) use etcd::tests::server as etcd_server;
pub use etcd::{Etcd, EtcdError, EtcdFiles, EtcdOptions};
pub use faults::{Answer, Chances, Faults};
pub use follow::{Follow, Followed};
pub use memory::Memory;
pub use records::At;
pub use rights::{Lost, Session, SessionError, Tenure, Term, Unproved, seat_value};
#[cfg(test)]
pub(crate) use standin::standin_in_memory;
pub use standin::{CopyFacts, Face, Finding, LOCAL, Standin, Works, open_standin};

use records::{ClusterSettings, FORMAT, StoreRecord};

/// Batches of [`Store::bulk`] on their way at a time.
const BULK_IN_FLIGHT: usize = 8;
/// Time for one of the commits of [`Store::bulk`] to be settled.
const BULK_SETTLE: Duration = Duration::from_secs(15);
/// Attempts at a list whose revision is compacted between two of its pages.
const LIST_ATTEMPTS: usize = 3;
/// First wait before a commit without answer is looked at again.
const SETTLE_FIRST_WAIT: Duration = Duration::from_millis(50);
/// Longest such wait.
const SETTLE_LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The store, for everybody. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    /// Why the last call that wanted to write could not, until one can.
    trouble: Arc<parking_lot::Mutex<Option<StoreError>>>,
    /// Whether it answers those who follow it.
    outage: Arc<outage::Outage>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// A store in memory, and the handle that makes it misbehave.
#[must_use]
pub fn in_memory() -> (Store, Faults) {
    let (memory, faults) = Memory::new();
    (Store::new(memory), faults)
}

/// The store in a directory of this machine. Locked against other processes until the last handle is gone.
///
/// # Errors
/// [`OpenError`], one clear line each.
pub async fn open_embedded(dir: &Path) -> Result<Store, OpenError> {
    Ok(Store::new(Embedded::open(dir).await?))
}

/// The store in etcd. Looks at the options and asks nothing yet; its connections belong to the runtime that this is called in.
///
/// # Errors
/// Options that cannot be meant, one clear line each.
pub fn open_etcd(options: &EtcdOptions) -> Result<Store, EtcdError> {
    Ok(Store::new(Etcd::new(options)?))
}

/// A record as it is stored.
///
/// # Errors
/// [`StoreError::Invalid`] if it cannot be written as JSON (a map whose keys are not strings).
pub fn encode<T: Serialize>(record: &T) -> Result<Bytes, StoreError> {
    serde_json::to_vec(record)
        .map(Bytes::from)
        .map_err(|error| StoreError::Invalid(error.to_string()))
}

/// A record as it was stored.
///
/// # Errors
/// [`StoreError::Damaged`] naming the key. The value is not quoted: it may hold secrets.
pub fn decode<T: DeserializeOwned>(entry: &Entry) -> Result<At<T>, StoreError> {
    match serde_json::from_slice(&entry.value) {
        Ok(value) => Ok(At { rev: entry.rev, value }),
        Err(error) => Err(StoreError::Damaged(format!(
            "`{}` cannot be read (line {}, column {})",
            entry.key,
            error.line(),
            error.column()
        ))),
    }
}

impl Store {
    /// A handle over a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            trouble: Arc::default(),
            outage: Arc::default(),
        }
    }

    /// Where the store is (`host:port`), if other members may share it.
    #[must_use]
    pub fn shared_at(&self) -> Option<String> {
        self.backend.shared_at()
    }

    /// Everything below a prefix, all at one revision.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and whatever else the store says.
    pub async fn list(&self, prefix: &Key) -> Result<(Revision, Vec<Entry>), StoreError> {
        let mut attempt = 1;
        loop {
            match self.list_once(prefix).await {
                Err(StoreError::Compacted(_)) if attempt < LIST_ATTEMPTS => attempt += 1,
                listed => return listed,
            }
        }
    }

    async fn list_once(&self, prefix: &Key) -> Result<(Revision, Vec<Entry>), StoreError> {
        let mut pages = self.pages(prefix);
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page?;
            all.extend(page.entries);
        }
        Ok((pages.at, all))
    }

    /// As [`Store::list`], a page at a time: for what is too much to hold at once.
    #[must_use]
    pub fn pages(&self, prefix: &Key) -> Pages {
        Pages {
            store: self.clone(),
            prefix: prefix.clone(),
            at: Revision(0),
            last: None,
            done: false,
        }
    }

    /// One key.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Ok(self.backend.list(key, None).await?.entries.pop())
    }

    /// One key's record.
    ///
    /// # Errors
    /// As [`Store::list`]; [`StoreError::Damaged`] if it is not such a record.
    pub async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<At<T>>, StoreError> {
        self.get(key).await?.as_ref().map(decode).transpose()
    }

    /// One commit, once. [`Outcome::Unknown`] is the caller's to [`Store::resolve`].
    pub async fn commit(&self, commit: Commit) -> Outcome {
        self.commit_all(&[], vec![commit])
            .await
            .pop()
            .unwrap_or_else(|| Outcome::Unknown(StoreError::Unavailable("no outcome".to_owned())))
    }

    /// Independent commits, each made or not by its own guards, all only if the shared ones hold. One outcome each, in order.
    /// They travel in as few calls as the store allows; a commit that looks at what an earlier one writes goes after it.
    pub async fn commit_all(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(commits.len());
        for batch in commit::waves(commits).into_iter().flatten() {
            outcomes.extend(self.call(shared, batch).await);
        }
        outcomes
    }

    /// One call to the backend. What is not allowed does not get there: a store may refuse the whole call for it.
    async fn call(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let checked: Vec<_> = commits.iter().map(commit::check).collect();
        let allowed: Vec<Commit> = commits
            .into_iter()
            .zip(&checked)
            .filter(|(_, checked)| checked.is_ok())
            .map(|(commit, _)| commit)
            .collect();
        let answers = if allowed.is_empty() {
            Vec::new()
        } else {
            self.backend.commit_all(shared, allowed).await
        };
        self.note(&answers);
        let mut answers = answers.into_iter();
        checked
            .into_iter()
            .map(|checked| match checked {
                Err(error) => Outcome::Failed(error),
                Ok(()) => answers
                    .next()
                    .unwrap_or_else(|| Outcome::Unknown(StoreError::Unavailable("no outcome".to_owned()))),
            })
            .collect()
    }

    /// Why the store takes nothing, while it does not: the last call that wanted to write failed.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().clone()
    }

    fn note(&self, outcomes: &[Outcome]) {
        let failed = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Failed(StoreError::Invalid(_)) | Outcome::Done(_) | Outcome::Refused(_) => None,
            Outcome::Failed(error) | Outcome::Unknown(error) => Some(error.clone()),
        });
        if failed.is_some() {
            *self.trouble.lock() = failed;
        } else if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done(_))) {
            *self.trouble.lock() = None;
        }
    }

    /// One commit until it is known what became of it, or `deadline`.
    ///
    /// Every key that it writes should have a `Rev`, `Absent` or `Born` guard: then it is made once at most, however often it is sent.
    pub async fn settle(&self, shared: &[Guard], commit: Commit, deadline: Instant) -> Outcome {
        let sent = timeout_at(deadline, self.commit_all(shared, vec![commit.clone()])).await;
        match sent.ok().and_then(|mut outcomes| outcomes.pop()) {
            Some(Outcome::Unknown(_)) | None => self.resolve(shared, commit, deadline).await,
            Some(known) => known,
        }
    }

    /// What became of a commit that got [`Outcome::Unknown`]: reads its keys; if they hold what was to be written it is done, else sends the
    /// same commit again; until it is known, or `deadline`.
    pub async fn resolve(&self, shared: &[Guard], commit: Commit, deadline: Instant) -> Outcome {
        let mut wait = SETTLE_FIRST_WAIT;
        let mut refused = None;
        let mut last = StoreError::Unavailable("no answer in time".to_owned());
        loop {
            match timeout_at(deadline, self.made(&commit)).await {
                Ok(Ok(Some(at))) => return Outcome::Done(at),
                Ok(Ok(None)) => {
                    // Refused, and none of its copies was made before that; none will be, by the same guards.
                    if let Some(refusal) = refused {
                        return Outcome::Refused(refusal);
                    }
                    let sent = timeout_at(deadline, self.commit_all(shared, vec![commit.clone()])).await;
                    match sent.ok().and_then(|mut outcomes| outcomes.pop()) {
                        Some(Outcome::Unknown(error)) => last = error,
                        // An earlier copy may have been made after it was looked for, and be what refuses this one.
                        Some(Outcome::Refused(refusal)) => {
                            refused = Some(refusal);
                            continue;
                        }
                        // This copy was not made; of the earlier ones nobody knows.
                        Some(Outcome::Failed(error)) => return Outcome::Unknown(error),
                        Some(done) => return done,
                        None => return Outcome::Unknown(last),
                    }
                }
                Ok(Err(error)) => last = error,
                Err(_) => return Outcome::Unknown(last),
            }
            if Instant::now() + wait >= deadline {
                return Outcome::Unknown(last);
            }
            sleep(wait).await;
            wait = (wait * 2).min(SETTLE_LONGEST_WAIT);
        }
    }

    /// Whether all keys of a commit stand as it would leave them, and the revision that they did so at.
    async fn made(&self, commit: &Commit) -> Result<Option<Revision>, StoreError> {
        let mut at = Revision(0);
        let mut written = None;
        for op in &commit.ops {
            let page = self.backend.list(op.key(), None).await?;
            at = at.max(page.at);
            match (op, page.entries.first()) {
                (Op::Put(_, value, lease), Some(entry)) if entry.value == *value && entry.lease == *lease => {
                    written = written.max(Some(entry.rev));
                }
                (Op::Delete(_), None) => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(written.unwrap_or(at)))
    }

    /// Many independent commits, in as many transactions as it takes: the only call that is not all or nothing in any sense, for `cfg` and
    /// pruning. `progress` is told how many are through. Commits without answer are settled.
    pub async fn bulk(&self, commits: Vec<Commit>, mut progress: impl FnMut(usize)) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(commits.len());
        for wave in commit::waves(commits) {
            let calls = wave.into_iter().map(|batch| async move {
                let outcomes = self.call(&[], batch.clone()).await;
                (batch, outcomes)
            });
            let mut calls = std::pin::pin!(futures_util::stream::iter(calls).buffered(BULK_IN_FLIGHT));
            let mut unknown = Vec::new();
            while let Some((batch, made)) = calls.next().await {
                for (commit, outcome) in batch.into_iter().zip(made) {
                    if matches!(outcome, Outcome::Unknown(_)) {
                        unknown.push((outcomes.len(), commit));
                    }
                    outcomes.push(outcome);
                }
                progress(outcomes.len() - unknown.len());
            }
            // Afterwards, and not in the loop: while this waits nobody polls the calls that are on their way.
            for (n, commit) in unknown {
                let settled = self.resolve(&[], commit, Instant::now() + BULK_SETTLE).await;
                if let Some(outcome) = outcomes.get_mut(n) {
                    *outcome = settled;
                }
                progress(outcomes.len());
            }
        }
        outcomes
    }

    /// A lease that nobody keeps alive: what hangs on it goes when it ends.
    ///
    /// # Errors
    /// The store does not answer, or is full.
    pub async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.backend.grant(ttl).await
    }

    /// Starts a lease's time anew; the time it now has.
    ///
    /// # Errors
    /// [`StoreError::NoLease`] when it is gone, and whatever else the store says.
    pub async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.backend.keep_alive(lease).await
    }

    /// Ends a lease and removes what hangs on it.
    ///
    /// # Errors
    /// As [`Store::keep_alive`].
    pub async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.backend.revoke(lease).await
    }

    /// Lets the store forget its history up to a revision: who watches from before it lists again. Nothing to do for a store that bounds its
    /// history by itself.
    ///
    /// # Errors
    /// The store does not answer, or refuses.
    pub async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.backend.compact(upto).await
    }

    /// How the store is: size, quota, servers. Empty where it cannot say.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn status(&self) -> Result<BackendStatus, StoreError> {
        self.backend.status().await
    }

    /// A part of the store, followed for ever: a snapshot, then every change.
    #[must_use]
    pub fn follow(&self, prefix: &Key) -> Follow {
        Follow::new(self.clone(), prefix.clone())
    }

    /// Who this store is. The first to ask gives it its id.
    ///
    /// # Errors
    /// As [`Store::read`]; [`StoreError::Denied`] if it holds records that this version cannot read.
    pub async fn identity(&self) -> Result<StoreRecord, StoreError> {
        let fresh = StoreRecord::new(&uuid::Uuid::new_v4().to_string());
        let record = self.ensure(&keys::store(), &fresh).await?.value;
        if record.format > FORMAT {
            return Err(StoreError::Denied(format!(
                "its records have format {}, this version reads up to {FORMAT}",
                record.format
            )));
        }
        Ok(record)
    }

    /// The cluster's settings. The first to ask writes the defaults.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn settings(&self) -> Result<At<ClusterSettings>, StoreError> {
        self.ensure(&keys::config(), &ClusterSettings::default()).await
    }

    /// The record of a key; `fresh` is written if there is none.
    async fn ensure<T: Serialize + DeserializeOwned>(&self, key: &Key, fresh: &T) -> Result<At<T>, StoreError> {
        if let Some(record) = self.read(key).await? {
            return Ok(record);
        }
        let commit = Commit {
            guards: vec![Guard::Absent(key.clone())],
            ops: vec![Op::Put(key.clone(), encode(fresh)?, None)],
        };
        let outcome = self.commit(commit).await;
        // Refused: somebody else was first. Unknown: what is there decides.
        match (self.read(key).await?, outcome) {
            (Some(record), _) => Ok(record),
            (None, Outcome::Failed(error) | Outcome::Unknown(error)) => Err(error),
            (None, _) => Err(StoreError::Unavailable(format!("`{key}` was written and is not there"))),
        }
    }
}

/// A list, page by page.
#[derive(Debug)]
pub struct Pages {
    store: Store,
    prefix: Key,
    at: Revision,
    last: Option<Key>,
    done: bool,
}

impl Pages {
    /// The next page. [`StoreError::Compacted`]: it took too long, begin anew.
    pub async fn next(&mut self) -> Option<Result<Page, StoreError>> {
        if self.done {
            return None;
        }
        let from = self.last.clone().map(|key| (self.at, key));
        let page = match self.store.backend.list(&self.prefix, from).await {
            Ok(page) => page,
            Err(error) => {
                self.done = true;
                return Some(Err(error));
            }
        };
        self.at = page.at;
        self.last = page.entries.last().map(|entry| entry.key.clone());
        self.done = !page.more || self.last.is_none();
        Some(Ok(page))
    }
}
