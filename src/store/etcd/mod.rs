//! The store in etcd, for a cluster: six operations over etcd's API v3. Nothing here repeats a commit: what became of one that got no answer is
//! the caller's to find out.

mod endpoints;
mod failure;
mod options;
mod space;
#[cfg(test)]
pub(crate) mod tests;
mod txn;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::proto::PbRangeResponse;
use etcd_client::{Client, CompactionOptions, GetOptions};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use options::{EtcdError, EtcdFiles, EtcdOptions};

use super::backend::{
    Backend, BackendStatus, Changes, Commit, EndpointStatus, Guard, Key, Lease, LeaseId, Outcome, PAGE, Page, Revision,
    StoreError,
};
use super::commit;
use crate::tasks::Tasks;
use endpoints::{Endpoints, Line, Repeat};
use failure::{Failure, Kind};
use space::{Space, after, number, revision};
use watch::Watch;

/// Time for one request, with all endpoints that it is tried at.
const REQUEST: Duration = Duration::from_secs(3);
/// The same for a page of a list, which may be many megabytes.
const LIST: Duration = Duration::from_secs(10);
/// The same for an endpoint to say how it is.
const STATUS: Duration = Duration::from_secs(1);
/// Largest answer that is taken. A page that is larger is asked for in smaller ones.
const LARGEST_ANSWER: usize = 64 << 20;
/// A page that was too large is asked for again with this part of its entries.
const SMALLER: usize = 4;
/// Shortest and longest time of a lease that is asked for: what etcd takes.
const LEASE_SECONDS: std::ops::RangeInclusive<u64> = 1..=9_000_000_000;

/// A store in etcd.
pub struct Etcd {
    endpoints: Arc<Endpoints>,
    space: Space,
    tasks: Mutex<Tasks>,
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Etcd")
            .field("endpoints", &self.endpoints.urls().collect::<Vec<_>>())
            .field("prefix", &self.space.top())
            .finish_non_exhaustive()
    }
}

impl Etcd {
    /// Looks at the options and asks nothing yet; called inside a runtime, which its connections then belong to.
    ///
    /// # Errors
    /// Options that cannot be meant.
    pub fn new(options: &EtcdOptions) -> Result<Arc<Self>, EtcdError> {
        Ok(Arc::new(Self {
            endpoints: Arc::new(Endpoints::new(options)?),
            space: Space::new(options.top()?),
            tasks: Mutex::new(Tasks::child_of(&CancellationToken::new())),
        }))
    }

    async fn call<T, W>(&self, repeat: Repeat, within: Duration, request: impl Fn(Client) -> W) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, etcd_client::Error>>,
    {
        let (_, answer) = self.endpoints.call(Line::Requests, repeat, within, request).await?;
        Ok(answer)
    }

    /// One page of what etcd has, as it says it.
    async fn range(
        &self,
        start: &[u8],
        end: Option<&Vec<u8>>,
        at: Option<Revision>,
        limit: usize,
    ) -> Result<PbRangeResponse, Failure> {
        let mut options = GetOptions::new().with_limit(i64::try_from(limit).unwrap_or(i64::MAX));
        if let Some(end) = end {
            options = options.with_range(end.clone());
        }
        if let Some(at) = at {
            options = options.with_revision(number(at));
        }
        let within = if end.is_some() { LIST } else { REQUEST };
        let request = |client: Client| {
            let (start, options) = (start.to_vec(), options.clone());
            async move {
                let mut kv = client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
                kv.get(start, Some(options)).await
            }
        };
        Ok(self.call(Repeat::Harmless, within, request).await?.0)
    }

    /// Sends what may travel together, once; where etcd refuses it for the sake of some, the others once more without those.
    async fn send(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; commits.len()];
        let mut groups = VecDeque::from([commits.into_iter().enumerate().collect::<Vec<_>>()]);
        while let Some(group) = groups.pop_front() {
            if group.is_empty() {
                continue;
            }
            let (places, commits): (Vec<usize>, Vec<Commit>) = group.into_iter().unzip();
            let made = self.transact(shared, &commits).await;
            let again = |error: &StoreError, commit: &Commit| match error {
                StoreError::Full(_) => !txn::puts(commit),
                StoreError::NoLease => !txn::leased(commit) || commits.len() > 1,
                StoreError::Invalid(_) => commits.len() > 1,
                _ => false,
            };
            let (mut together, mut alone) = (Vec::new(), Vec::new());
            match made {
                Ok(made) => {
                    for (place, outcome) in places.into_iter().zip(made) {
                        outcomes[place] = Some(outcome);
                    }
                }
                Err(failure) => {
                    for (place, commit) in places.into_iter().zip(&commits) {
                        if failure.kind == Kind::Refused && again(&failure.error, commit) {
                            let free = matches!(failure.error, StoreError::NoLease) && !txn::leased(commit)
                                || matches!(failure.error, StoreError::Full(_));
                            if free { &mut together } else { &mut alone }.push((place, commit.clone()));
                        } else {
                            outcomes[place] = Some(outcome_of(&failure));
                        }
                    }
                }
            }
            groups.push_back(together);
            groups.extend(alone.into_iter().map(|one| vec![one]));
        }
        let none = || Outcome::Unknown(StoreError::Unavailable("no outcome".to_owned()));
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(none))
            .collect()
    }

    async fn transact(&self, shared: &[Guard], commits: &[Commit]) -> Result<Vec<Outcome>, Failure> {
        let Some(request) = txn::request(&self.space, shared, commits) else {
            return Err(Failure {
                kind: Kind::Refused,
                error: StoreError::Invalid("more guards and operations than a transaction of etcd holds".to_owned()),
            });
        };
        let asked = |client: Client| {
            let txn = request.txn.clone();
            async move { client.kv_client().txn(txn).await }
        };
        let answer = self.call(Repeat::Never, REQUEST, asked).await?;
        Ok(request.outcomes(&answer.0, commits.len()))
    }
}

/// What a failed transaction is to each of its commits.
fn outcome_of(failure: &Failure) -> Outcome {
    match failure.kind {
        // Not sent is not done, but it is worth trying again, as what nobody knows.
        Kind::NotSent | Kind::Unsure | Kind::TooLarge => Outcome::Unknown(failure.error.clone()),
        Kind::Refused | Kind::Token => Outcome::Failed(failure.error.clone()),
    }
}

/// A real etcd that lives as long as the first part, and the stores below its prefixes, for tests beside this module.
#[cfg(test)]
pub(in crate::store) async fn on_real_etcd() -> (impl Sized, impl Fn(&str) -> Arc<dyn Backend>) {
    tests::one_for_all().await
}

#[async_trait]
impl Backend for Etcd {
    async fn list(&self, prefix: &Key, from: Option<(Revision, Key)>) -> Result<Page, StoreError> {
        let (first, end) = self.space.range(prefix);
        let (mut at, mut start) = match from {
            Some((at, last)) => (Some(at), after(self.space.full(&last))),
            None => (None, first),
        };
        let mut limit = PAGE;
        loop {
            let answer = match self.range(&start, end.as_ref(), at, limit).await {
                Ok(answer) => answer,
                Err(failure) if failure.kind == Kind::TooLarge && limit > 1 => {
                    limit = (limit / SMALLER).max(1);
                    continue;
                }
                Err(failure) => {
                    return Err(match failure.error {
                        StoreError::Compacted(_) => StoreError::Compacted(at.unwrap_or_default()),
                        error => error,
                    });
                }
            };
            let newest = revision(answer.header.as_ref().map_or(0, |header| header.revision));
            let page_at = *at.get_or_insert(newest);
            let last = answer.kvs.last().map(|kv| kv.key.clone());
            let entries: Vec<_> = answer.kvs.into_iter().filter_map(|kv| self.space.entry(kv)).collect();
            match last {
                // All of them foreign: there is nothing to go on from for the caller.
                Some(last) if answer.more && entries.is_empty() => start = after(last),
                _ => {
                    return Ok(Page {
                        at: page_at,
                        entries,
                        more: answer.more && end.is_some(),
                    });
                }
            }
        }
    }

    async fn commit_all(&self, shared: &[Guard], commits: Vec<Commit>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(commits.len());
        let mut allowed = Vec::with_capacity(commits.len());
        for commit in commits {
            let checked = commit::check(&commit);
            if checked.is_ok() {
                allowed.push(commit);
            }
            outcomes.push(checked.err().map(Outcome::Failed));
        }
        let mut made = VecDeque::with_capacity(allowed.len());
        // One batch, where it comes from `Store`: that cuts them so.
        for batch in commit::waves(allowed).into_iter().flatten() {
            made.extend(self.send(shared, batch).await);
        }
        let none = || Outcome::Unknown(StoreError::Unavailable("no outcome".to_owned()));
        outcomes
            .into_iter()
            .map(|outcome| outcome.or_else(|| made.pop_front()).unwrap_or_else(none))
            .collect()
    }

    async fn watch(&self, prefix: &Key, after: Revision) -> Result<Changes, StoreError> {
        let (watch, sign) = Watch::open(&self.endpoints, &self.space, prefix, after).await?;
        let (to, changes) = Watch::channel(sign);
        let mut tasks = self.tasks.lock();
        while tasks.try_next().is_some() {}
        tasks.spawn(watch.run(to));
        Ok(changes)
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        let asked = u64::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        let asked = asked.clamp(*LEASE_SECONDS.start(), *LEASE_SECONDS.end());
        let asked = i64::try_from(asked).unwrap_or(i64::MAX);
        // A lease whose grant got no answer ends by itself.
        let request = |client: Client| async move { client.lease_client().grant(asked, None).await };
        let granted = self
            .call(Repeat::Harmless, REQUEST, request)
            .await
            .map_err(|failure| failure.error)?;
        Ok(Lease {
            id: LeaseId(granted.id()),
            ttl: Duration::from_secs(granted.ttl().try_into().unwrap_or(0)),
        })
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        // Opening the stream is a keep-alive, and fails if the lease is not found. Its time, which a second one would show, nobody needs.
        let request = |client: Client| async move { client.lease_client().keep_alive(lease.0).await.map(drop) };
        let kept = self.call(Repeat::Harmless, REQUEST, request).await;
        kept.map_err(|failure| failure.error)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        // Not sent twice: the second would say that there is no such lease.
        let request = |client: Client| async move { client.lease_client().revoke(lease.0).await };
        let revoked = self.call(Repeat::Never, REQUEST, request).await;
        revoked.map(|_| ()).map_err(|failure| failure.error)
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        let request = |client: Client| async move {
            let options = CompactionOptions::new();
            client.kv_client().compact(number(upto), Some(options)).await
        };
        match self.call(Repeat::Harmless, REQUEST, request).await {
            Ok(_) => Ok(()),
            Err(failure) => match failure.error {
                // Somebody else was quicker.
                StoreError::Compacted(_) => Ok(()),
                error => Err(error),
            },
        }
    }

    async fn status(&self) -> Result<BackendStatus, StoreError> {
        let each = (0..self.endpoints.len()).map(|at| async move {
            let began = Instant::now();
            let asked = |client: Client| async move { client.maintenance_client().status().await };
            let answer = self.endpoints.ask_only(at, STATUS, asked).await;
            (at, began.elapsed(), answer)
        });
        let mut status = BackendStatus::default();
        for (at, latency, answer) in join_all(each).await {
            let mut endpoint = EndpointStatus {
                url: self.endpoints.url(at).to_owned(),
                ..EndpointStatus::default()
            };
            match answer {
                Ok(answer) => {
                    let bytes = |size: i64| u64::try_from(size).ok().filter(|size| *size > 0);
                    let header = answer.header();
                    endpoint.version = Some(answer.version().to_owned());
                    endpoint.latency = Some(latency);
                    endpoint.leads = header.is_some_and(|header| header.member_id() == answer.leader());
                    endpoint.trouble = (!answer.errors().is_empty()).then(|| answer.errors().join("; "));
                    status.at = status.at.max(revision(header.map_or(0, |header| header.revision())));
                    status.size = status.size.max(bytes(answer.db_size()));
                    status.in_use = status.in_use.max(bytes(answer.raft_used_db_size()));
                    status.quota = status.quota.max(bytes(answer.db_size_quota()));
                }
                Err(failure) => endpoint.trouble = Some(failure.error.to_string()),
            }
            status.endpoints.push(endpoint);
        }
        Ok(status)
    }

    fn shared_at(&self) -> Option<String> {
        let url = self.endpoints.url(0);
        let (_, authority) = url.split_once("://").unwrap_or(("", url));
        Some(authority.trim_end_matches('/').to_owned())
    }
}
