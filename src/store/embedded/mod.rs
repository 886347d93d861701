//! The embedded store: one file in a directory of its own, for a single member without etcd.
//!
//! *Guarantees*: a commit that is answered `Done` is on the disk, as far as a sync can promise; all calls that wait together cost one sync; a
//! crash at any time leaves the last durable state. Leases keep their keys over a stop and get their full time anew. *Caveats*: history for
//! watches is in memory, so after a start a watch can only begin at the newest revision. A full or read-only disk refuses writes and says
//! so, reads go on, and writes are tried again with the next commit.

#[cfg(test)]
mod crash;
mod disk;
mod engine;
mod open;
mod rows;
#[cfg(test)]
mod tests;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::engine::Engine;
pub use self::open::{Claim, OpenError, claim, embedded_exists};
use self::work::{Answer, Work};
use super::backend::{
    Backend, Change, Changes, Commit, Guard, Key, Lease, LeaseId, Outcome, Page, Revision, StoreError,
};
use super::history::History;
use super::replica::Replica;
use crate::tasks::Tasks;

/// A store in a file.
#[derive(Debug)]
pub struct Embedded {
    engine: Arc<Engine>,
    tasks: Mutex<Tasks>,
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Here and not when the last task is gone: who drops the store may open it again at once.
        self.engine.close();
    }
}

/// Blocking work for which the caller waits.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn_blocking(work);
    match tasks.next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
        None => Err(StoreError::Unavailable("the reader ended".to_owned())),
    }
}

impl Embedded {
    /// Opens the store in `dir`, makes both if they are not there. The directory is locked against other processes.
    ///
    /// # Errors
    /// [`OpenError`], one clear line each.
    pub async fn open(dir: &Path) -> Result<Arc<Self>, OpenError> {
        let at = dir.to_owned();
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        tasks.spawn_blocking(move || open::open(&at));
        let ended = |why: String| OpenError::Other {
            file: dir.to_owned(),
            why: StoreError::Unavailable(why),
        };
        let opened = match tasks.next().await {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => Err(ended(error.to_string())),
            None => Err(ended("the opener ended".to_owned())),
        };
        Ok(Self::over(opened?))
    }

    fn over(engine: Engine) -> Arc<Self> {
        let engine = Arc::new(engine);
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        tasks.spawn(engine.clone().chores());
        Arc::new(Self {
            engine,
            tasks: Mutex::new(tasks),
        })
    }

    async fn submit(&self, work: Work) -> Answer {
        self.engine.submit(&self.tasks, work).await
    }
}

/// What an answer that does not fit its question comes to.
fn odd(answer: Answer) -> StoreError {
    match answer {
        Answer::Failed(error) | Answer::Unknown(error) => error,
        other => StoreError::Unavailable(format!("the writer answered {other:?}")),
    }
}

#[async_trait]
impl Backend for Embedded {
    async fn list(&self, prefix: &Key, from: Option<(Revision, Key)>) -> Result<Page, StoreError> {
        let (engine, prefix, now) = (self.engine.clone(), prefix.clone(), Instant::now());
        blocking(move || engine.page(&prefix, from.as_ref(), now)).await
    }

    async fn commit_all(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let count = commits.len();
        match self.submit(Work::Commit(shared.to_vec(), commits)).await {
            Answer::Outcomes(outcomes) => outcomes,
            Answer::Failed(error) => vec![Outcome::Failed(error); count],
            other => vec![Outcome::Unknown(odd(other)); count],
        }
    }

    async fn watch(&self, prefix: &Key, after: Revision) -> Result<Changes, StoreError> {
        let era = self.engine.history.reaches(after)?;
        let (to, changes) = History::channel();
        let mut tasks = self.tasks.lock();
        while tasks.try_next().is_some() {}
        tasks.spawn(self.engine.history.clone().feed(prefix.clone(), after, era, to));
        Ok(changes)
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        match self.submit(Work::Grant(ttl)).await {
            Answer::Granted(id) => Ok(Lease { id, ttl }),
            other => Err(odd(other)),
        }
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.engine.leases.lock().keep_alive(lease, Instant::now()).map(drop)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        match self.submit(Work::Revoke(lease)).await {
            Answer::Ended(true) => Ok(()),
            Answer::Ended(false) => Err(StoreError::NoLease),
            other => Err(odd(other)),
        }
    }
}

#[async_trait]
impl Replica for Embedded {
    async fn replicate(&self, at: Revision, changes: Vec<Change>) -> Result<(), StoreError> {
        match self.submit(Work::Replicate(at, changes)).await {
            Answer::Nothing => Ok(()),
            other => Err(odd(other)),
        }
    }

    async fn raise(&self, to: Revision) -> Result<(), StoreError> {
        match self.submit(Work::Raise(to)).await {
            Answer::Nothing => Ok(()),
            other => Err(odd(other)),
        }
    }

    async fn after(&self, last: Option<&Key>) -> Result<Page, StoreError> {
        let (engine, last) = (self.engine.clone(), last.cloned());
        blocking(move || engine.after(last.as_ref())).await
    }
}

/// A store on a disk in memory, for tests beside this module.
#[cfg(test)]
pub(in crate::store) use tests::{TestDisk, over as on_test_disk};
