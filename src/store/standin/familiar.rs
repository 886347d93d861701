//! The shared store, for as long as it is the one that is known.
//!
//! A store that was away may be another one when it is back: wiped, replaced, restored from an older state. *Guarantees*: once there was a sign
//! that it may have been away (a call failed, a lease is gone, a revision is before one that was seen), nothing is taken from it and nothing
//! written to it before it has said that it is the one that is known. *Caveats*: one that is exchanged without any such sign is known by its revisions
//! and leases only.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::finding::{Finding, find};
use crate::store::backend::{
    Backend, BackendStatus, Changes, Commit, Entry, Guard, Key, Lease, LeaseId, Outcome, Page, Revision, StoreError,
};
use crate::store::records::StoreRecord;
use crate::store::{decode, keys};

/// A backend over another one.
pub(super) struct Familiar {
    inner: Arc<dyn Backend>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Its id; without one every store will do.
    id: Option<String>,
    /// No revision before this one is of that store.
    seen: Revision,
    /// Signs that it may have been away, and how many of them are settled: it said who it is after that.
    signs: u64,
    settled: u64,
    /// What it is, where it is not the one that is known.
    found: Option<Finding>,
    /// The lowest revision that it was seen to have gone back to, until it is gone on with. Others may be quicker: what they write meanwhile brings its revision up again,
    /// and none of what was there comes back by that.
    lowest: Option<Revision>,
    /// It is that store, and lacks too much of it: why, and the record that it had then.
    lacking: Option<(Option<Entry>, String)>,
}

impl Known {
    fn is_settled(&self) -> bool {
        self.id.is_none() || self.settled == self.signs
    }

    fn sign(&mut self) {
        self.signs += 1;
    }
}

impl Familiar {
    /// `id`: of the store that is known, of which that revision was seen.
    pub(super) fn over(inner: Arc<dyn Backend>, id: Option<String>, seen: Revision) -> Arc<Self> {
        let known = Known {
            id,
            seen,
            signs: 1,
            ..Known::default()
        };
        Arc::new(Self {
            inner,
            known: Mutex::new(known),
        })
    }

    /// It is this one, if none was known.
    pub(super) fn learn(&self, id: &str, seen: Revision) {
        let mut known = self.known.lock();
        if known.id.is_none() {
            known.id = Some(id.to_owned());
            known.seen = seen;
        }
    }

    /// It is this one, from now on: another one if an operator says so, or the same at a revision before one that was seen.
    pub(super) fn know(&self, id: &str, seen: Revision) {
        let mut known = self.known.lock();
        *known = Known {
            id: Some(id.to_owned()),
            seen,
            signs: known.signs,
            settled: known.signs,
            ..Known::default()
        };
    }

    /// It is the store that is known, and lacks too much of what was there: until it says anything else of itself, it is a strange one.
    pub(super) fn lacks(&self, record: Option<Entry>, why: String) {
        let mut known = self.known.lock();
        known.found = Some(Finding::Strange(why.clone()));
        known.lacking = Some((record, why));
    }

    /// What it is, as far as it is known not to be the one that is known.
    pub(super) fn found(&self) -> Option<Finding> {
        self.known.lock().found.clone()
    }

    /// There is a sign that it is not the one that is known.
    pub(super) fn doubt(&self) {
        self.known.lock().sign();
    }

    /// The known store was at this revision.
    pub(super) fn was_at(&self, at: Revision) {
        let mut known = self.known.lock();
        // What a watch still brings of the one before says nothing of one that is gone on with since.
        if known.is_settled() {
            known.seen = known.seen.max(at);
        }
    }

    /// Asks it who it is.
    pub(super) async fn look(&self) -> Result<Finding, StoreError> {
        let (id, seen, signs) = {
            let known = self.known.lock();
            (known.id.clone(), known.seen, known.signs)
        };
        let asked = async {
            let page = self.inner.list(&keys::store(), None).await?;
            let entry = page.entries.into_iter().next();
            let record = entry.as_ref().map(decode::<StoreRecord>).transpose()?;
            Ok((page.at, entry, record.map(|record| record.value)))
        };
        let asked: Result<_, StoreError> = asked.await;
        let mut known = self.known.lock();
        let (at, entry, record) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                // A strange one is strange until it says something else; all else is of a moment.
                known.found.take_if(|found| !matches!(found, Finding::Strange(_)));
                return Err(error);
            }
        };
        let Some(id) = id else { return Ok(Finding::Same) };
        let mut finding = find(&id, seen, record, at);
        if known.id.as_deref() == Some(&id) {
            finding = finding.with_lowest(&mut known.lowest);
        }
        if let (Finding::Back(_), Some((of, why))) = (&finding, &known.lacking)
            && *of == entry
        {
            finding = Finding::Strange(why.clone());
        }
        if known.id.as_deref() == Some(&id) {
            if finding == Finding::Same {
                known.settled = known.settled.max(signs);
                (known.found, known.lacking) = (None, None);
            } else {
                known.found = Some(finding.clone());
            }
        }
        Ok(finding)
    }

    /// Before anything is asked of it: the revision that no answer may be before.
    async fn familiar(&self) -> Result<Revision, StoreError> {
        {
            let known = self.known.lock();
            if known.is_settled() {
                return Ok(known.seen);
            }
        }
        match self.look().await? {
            Finding::Same => Ok(self.known.lock().seen),
            other => Err(StoreError::Unavailable(other.to_string())),
        }
    }

    /// Looks at an answer to what was sent when `floor` had been seen.
    fn saw<T>(
        &self,
        floor: Revision,
        answer: Result<T, StoreError>,
        at: impl Fn(&T) -> Option<Revision>,
    ) -> Result<T, StoreError> {
        let mut known = self.known.lock();
        match &answer {
            Ok(answer) => {
                let at = at(answer).filter(|_| known.id.is_some());
                if at.is_some_and(|at| at < floor) {
                    known.sign();
                    return Err(StoreError::Unavailable("it went back to an older state".to_owned()));
                }
                known.seen = known.seen.max(at.unwrap_or_default());
            }
            Err(error) if is_sign(error) => known.sign(),
            Err(_) => {}
        }
        answer
    }
}

/// Whether the store that says that, or is said to, may be another one the next time.
fn is_sign(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_) | StoreError::NoLease | StoreError::Denied(_) | StoreError::Damaged(_) => true,
        StoreError::Compacted(_) | StoreError::Full(_) | StoreError::Invalid(_) => false,
    }
}

#[async_trait]
impl Backend for Familiar {
    async fn list(&self, prefix: &Key, from: Option<(Revision, Key)>) -> Result<Page, StoreError> {
        let floor = self.familiar().await?;
        let first = from.is_none();
        let page = self.inner.list(prefix, from).await;
        self.saw(floor, page, |page| first.then_some(page.at))
    }

    async fn commit_all(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        if let Err(error) = self.familiar().await {
            return commits.iter().map(|_| Outcome::Failed(error.clone())).collect();
        }
        let outcomes = self.inner.commit_all(shared, commits).await;
        let sign = |outcome: &Outcome| match outcome {
            Outcome::Failed(error) | Outcome::Unknown(error) => is_sign(error),
            Outcome::Done(_) | Outcome::Refused(_) => false,
        };
        if outcomes.iter().any(sign) {
            self.doubt();
        }
        if let Some(at) = outcomes.iter().filter_map(Outcome::revision).max() {
            self.was_at(at);
        }
        outcomes
    }

    async fn watch(&self, prefix: &Key, after: Revision) -> Result<Changes, StoreError> {
        let floor = self.familiar().await?;
        let changes = self.inner.watch(prefix, after).await;
        self.saw(floor, changes, |_| None)
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        let floor = self.familiar().await?;
        let lease = self.inner.grant(ttl).await;
        self.saw(floor, lease, |_| None)
    }

    // Another store does not know our leases: nothing is done to it by asking.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        let kept = self.inner.keep_alive(lease).await;
        if kept == Err(StoreError::NoLease) {
            self.doubt();
        }
        self.saw(Revision(0), kept, |()| None)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.revoke(lease).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.familiar().await?;
        self.inner.compact(upto).await
    }

    async fn status(&self) -> Result<BackendStatus, StoreError> {
        self.inner.status().await
    }

    fn shared_at(&self) -> Option<String> {
        self.inner.shared_at()
    }
}
