//! The six operations, each answered by the face that stands.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::scope::allowed;
use super::sorting::sorted;
use super::turn::{Standing, turned};
use super::{Face, Standin};
use crate::store::backend::{
    Backend, BackendStatus, Batch, Changes, Commit, Guard, Key, Lease, LeaseId, Op, Outcome, Page, Revision, StoreError,
};
use crate::store::history::History;
use crate::store::keys;

/// What is said to whoever wants to write what only the shared store may hold.
fn cut_off() -> StoreError {
    StoreError::Unavailable(
        "this member is cut off from the store: definitions, silences, settings and intents can be changed again when it is back".to_owned(),
    )
}

impl Standin {
    fn backend(&self, face: Face) -> &Arc<dyn Backend> {
        match face {
            Face::Through => &self.outer.backend,
            Face::Copy => &self.copy.backend,
        }
    }

    async fn through(&self, standing: &Standing, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let ops: Vec<Vec<Op>> = commits.iter().map(|commit| commit.ops.clone()).collect();
        let unknown = || vec![Outcome::Unknown(turned()); ops.len()];
        let made = self.outer.backend.commit_all(shared, commits);
        let Ok(outcomes) = standing.during(made).await else {
            return unknown();
        };
        let mut known = self.known.lock();
        // Under the lock: what is acknowledged is in the copy before the face turns, or is not acknowledged.
        if standing.still().is_err() {
            return unknown();
        }
        for (outcome, ops) in outcomes.iter().zip(ops) {
            if let Outcome::Done(at) = outcome {
                known.acknowledge(*at, ops);
            }
        }
        outcomes
    }

    /// Commits to the shared store, whatever is shown: what was done on the copy, brought there. Should the copy be needed again before it was compared with that store, it
    /// has this.
    pub async fn record(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let ops: Vec<Vec<Op>> = commits.iter().map(|commit| commit.ops.clone()).collect();
        let outcomes = self.outer.commit_all(shared, commits).await;
        let mut known = self.known.lock();
        for (outcome, ops) in outcomes.iter().zip(ops) {
            if let Outcome::Done(at) = outcome {
                known.acknowledge(*at, ops);
            }
        }
        outcomes
    }

    async fn alone(&self, standing: &Standing, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let takes: Vec<bool> = commits.iter().map(allowed).collect();
        let count = takes.iter().filter(|takes| **takes).count();
        let commits = commits.into_iter().zip(&takes).filter(|(_, takes)| **takes);
        let commits = commits.map(|(commit, _)| match self.works.get() {
            Some(works) => sorted(commit, works),
            None => commit,
        });
        let commits = commits.collect();
        let made = standing.during(self.copy.backend.commit_all(shared, commits)).await;
        let mut made = made
            .unwrap_or_else(|error| vec![Outcome::Unknown(error); count])
            .into_iter();
        let none = || Outcome::Unknown(StoreError::Unavailable("no outcome".to_owned()));
        let outcome = |takes| match takes {
            true => made.next().unwrap_or_else(none),
            false => Outcome::Failed(cut_off()),
        };
        takes.into_iter().map(outcome).collect()
    }
}

#[async_trait]
impl Backend for Standin {
    async fn list(&self, prefix: &Key, from: Option<(Revision, Key)>) -> Result<Page, StoreError> {
        let standing = self.turns.standing().await;
        // The rest of a list that began on the other face.
        if let Some((at, _)) = from.as_ref().filter(|(at, _)| !standing.face.counts(*at)) {
            return Err(StoreError::Compacted(*at));
        }
        let page = self.backend(standing.face).list(prefix, from);
        let mut page = standing.during(page).await??;
        page.entries.retain(|entry| entry.key != keys::standin());
        Ok(page)
    }

    async fn commit_all(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let standing = self.turns.standing().await;
        match standing.face {
            Face::Through => self.through(&standing, shared, commits).await,
            Face::Copy => self.alone(&standing, shared, commits).await,
        }
    }

    async fn watch(&self, prefix: &Key, after: Revision) -> Result<Changes, StoreError> {
        let standing = self.turns.standing().await;
        if !standing.face.counts(after) {
            return Err(StoreError::Compacted(after));
        }
        let from = standing
            .during(self.backend(standing.face).watch(prefix, after))
            .await??;
        let (to, changes) = History::channel();
        let mut tasks = self.tasks.lock();
        while tasks.try_next().is_some() {}
        tasks.spawn(relay(from, to, standing.until));
        Ok(changes)
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        let standing = self.turns.standing().await;
        standing.during(self.backend(standing.face).grant(ttl)).await?
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        let standing = self.turns.standing().await;
        standing.during(self.backend(standing.face).keep_alive(lease)).await?
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        let standing = self.turns.standing().await;
        standing.during(self.backend(standing.face).revoke(lease)).await?
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.outer.backend.compact(upto).await
    }

    async fn status(&self) -> Result<BackendStatus, StoreError> {
        self.outer.backend.status().await
    }

    fn shared_at(&self) -> Option<String> {
        self.outer.backend.shared_at()
    }
}

/// Passes a watch on until the face turns away.
async fn relay(mut from: Changes, to: mpsc::Sender<Result<Batch, StoreError>>, until: CancellationToken) {
    let pass = async {
        while let Some(batch) = from.recv().await {
            if to.send(batch).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = until.cancelled() => {}
        () = to.closed() => {}
        () = pass => {}
    }
}
