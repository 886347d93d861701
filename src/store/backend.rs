//! The whole of what we ask of a store: six operations on keys, guards, leases and watches. Everything typed is built on this, once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Operations in one commit, at most.
pub const MAX_OPS: usize = 120;
/// Bytes of keys and values in one commit, at most.
pub const MAX_COMMIT_BYTES: usize = 1 << 20;
/// Entries in one page of a list, at most.
pub const PAGE: usize = 5_000;
/// Revisions of history that a watch may start from, at most; older is *compacted*. A store may keep less: whoever watches has to
/// be able to list again anyway.
pub const HISTORY: usize = 100_000;
/// A watch on which nothing happens says so this often, by an empty [`Batch`] with the newest revision.
pub const WATCH_PROGRESS: Duration = Duration::from_secs(10);

/// A point in the store's history. Global, and one greater with each commit that changed something. 0 = before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key below the cluster's prefix (`monitor/web`); made only by [`keys`](super::keys).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    pub(super) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this, taken as what a list or a watch asks for, covers `key`.
    #[must_use]
    pub fn covers(&self, key: &Self) -> bool {
        if self.0.is_empty() || self.0.ends_with('/') {
            key.0.starts_with(&*self.0)
        } else {
            *key == *self
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

/// A lease as granted: the granted time may be longer than the asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// How long it lives without a keep-alive.
    pub ttl: Duration,
}

/// One key as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Bytes,
    /// Revision that created it (since it was last deleted).
    pub born: Revision,
    /// Revision that last wrote it.
    pub rev: Revision,
    /// The lease it hangs on.
    pub lease: Option<LeaseId>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The revision that all pages of this list are read at.
    pub at: Revision,
    /// Entries in key order.
    pub entries: Vec<Entry>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// A condition on the store, checked in the moment of the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The key does not exist.
    Absent(Key),
    /// The key was last written by this revision; revision 0 = does not exist.
    Rev(Key, Revision),
    /// The key was created by this revision.
    Born(Key, Revision),
    /// The key holds this value.
    Is(Key, Bytes),
    /// The key hangs on this lease.
    Lease(Key, LeaseId),
}

impl Guard {
    /// The key that it looks at.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::Rev(key, _) | Self::Born(key, _) | Self::Is(key, _) | Self::Lease(key, _) => key,
        }
    }

    /// Whether it holds for the key as it stands.
    #[must_use]
    pub fn holds(&self, entry: Option<&Entry>) -> bool {
        match self {
            Self::Absent(_) => entry.is_none(),
            Self::Rev(_, rev) => entry.map_or(Revision(0), |e| e.rev) == *rev,
            Self::Born(_, born) => entry.map_or(Revision(0), |e| e.born) == *born,
            Self::Is(_, value) => entry.is_some_and(|e| e.value == *value),
            Self::Lease(_, lease) => entry.is_some_and(|e| e.lease == Some(*lease)),
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a key; without a lease it stays until deleted. A put moves the key to the named lease.
    Put(Key, Bytes, Option<LeaseId>),
    /// Removes a key; no error where there is none.
    Delete(Key),
}

impl Op {
    /// The key that it changes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(key, ..) | Self::Delete(key) => key,
        }
    }
}

/// Guards and changes that belong together: all or nothing, never split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// All have to hold.
    pub guards: Vec<Guard>,
    /// All are done, at one revision. A key at most once.
    pub ops: Vec<Op>,
}

/// Which guard did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// One of the guards that all commits of the call share: the right to act is gone.
    Shared,
    /// One of this commit's own guards: something that it builds on has changed.
    Own,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable, and was made at this revision.
    Done(Revision),
    /// A guard did not hold; nothing was changed.
    Refused(Refusal),
    /// No answer: it may have been made, may be made later, or never. Read the key, then send the same commit again: its `Rev`
    /// guards let at most one of the copies apply.
    Unknown(StoreError),
    /// It was certainly not made, and would not be if sent again unchanged or now (too large, no space, closed).
    Failed(StoreError),
}

impl Outcome {
    /// The revision, if it was made.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Self::Done(rev) => Some(*rev),
            _ => None,
        }
    }
}

/// What can go wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer, or the store is gone.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The revision asked for is no longer kept: list again.
    #[error("revision {0} is compacted")]
    Compacted(Revision),
    /// The store has no room: puts and grants are refused; deletes, reads and keep-alives work.
    #[error("the store is full: {0}")]
    Full(String),
    /// The lease does not exist (any more).
    #[error("the lease is gone")]
    NoLease,
    /// More than [`MAX_OPS`] operations or [`MAX_COMMIT_BYTES`], or a key twice: a defect of the caller.
    #[error("the commit is not allowed: {0}")]
    Invalid(String),
    /// The store refuses us (wrong user, missing role).
    #[error("the store refuses access: {0}")]
    Denied(String),
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// Whether it says that a store that answers takes nothing of us.
    #[must_use]
    pub fn takes_nothing(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Denied(_))
    }
}

/// One key changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was written; this is how it stands after.
    Put(Entry),
    /// It was removed, by an operator, its lease's end, or anybody.
    Deleted(Key),
}

impl Change {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Deleted(key) => key,
        }
    }
}

/// All changes of one revision below the watched prefix, together. Without changes: a sign of life, all up to `at` has been said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The revision.
    pub at: Revision,
    /// The changes.
    pub changes: Vec<Change>,
}

/// How a store is, for people and for whoever keeps it small.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackendStatus {
    /// Its newest revision.
    pub at: Revision,
    /// Bytes on its disk.
    pub size: Option<u64>,
    /// Bytes of those in use; the rest is free for it to use again.
    pub in_use: Option<u64>,
    /// Bytes at which it is full, if it says.
    pub quota: Option<u64>,
    /// The servers that it is asked at.
    pub endpoints: Vec<EndpointStatus>,
}

/// How one server of a store is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointStatus {
    /// Its address.
    pub url: String,
    /// Its version.
    pub version: Option<String>,
    /// Whether it leads the others.
    pub leads: bool,
    /// How long it took to say all this; none if it did not.
    pub latency: Option<Duration>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// A watch: batches in order of revision. Ends, with or without a last error, when the store can no longer promise completeness: list again.
pub type Changes = mpsc::Receiver<Result<Batch, StoreError>>;

/// A store. A prefix that is empty or ends in `/` means everything below it; any other names exactly that one key (so `/a` never
/// sees `/ab`). Within one call to `commit_all` no commit may look at or write a key that an earlier one writes: what it would see is
/// not the same in all stores; [`Store`](super::Store) cuts its batches so.
///
/// Implementations: etcd, embedded (a file), memory (tests, simulation); `contract.rs` is what all must pass.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// One page of the entries below `prefix` in key order, at most [`PAGE`]: the first page (at the newest revision) with `from = None`, the next
    /// with the revision of the first page and the last key seen.
    async fn list(&self, prefix: &Key, from: Option<(Revision, Key)>) -> Result<Page, StoreError>;

    /// Makes independent commits in one round trip (one fsync): each is made or not by its own guards, all only if the shared guards hold.
    /// One outcome per commit, in order. Never retries.
    async fn commit_all(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome>;

    /// All changes below `prefix` made after revision `after`. `after` ahead of the store is accepted and stays silent.
    async fn watch(&self, prefix: &Key, after: Revision) -> Result<Changes, StoreError>;

    /// A new lease.
    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError>;

    /// Starts the lease's time anew. [`StoreError::NoLease`] when it is gone.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Ends a lease and removes the keys that hang on it.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Forgets the history up to a revision. A store that keeps a bounded one by itself has nothing to do.
    async fn compact(&self, _upto: Revision) -> Result<(), StoreError> {
        Ok(())
    }

    /// How it is. What it cannot say is left out.
    async fn status(&self) -> Result<BackendStatus, StoreError> {
        Ok(BackendStatus::default())
    }

    /// Where the store is (`host:port`), if other members may share it; `None`: it is this process's own.
    fn shared_at(&self) -> Option<String> {
        None
    }
}
