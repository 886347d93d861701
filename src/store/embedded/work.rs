//! What can be asked of the writer, and what each does to the rows.

use std::time::Duration;

use super::rows::Writing;
use crate::store::StoreError;
use crate::store::backend::{Batch, Change, Commit, Guard, LeaseId, Outcome, Revision};
use crate::store::commit::{self, Rows};

/// What a caller wants of the writer.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Commit(Vec<Guard>, Vec<Commit>),
    Grant(Duration),
    /// Ends a lease now.
    Revoke(LeaseId),
    /// Ends leases whose time is over.
    Expire(Vec<LeaseId>),
    /// Makes changes of another store as they are there, and leaves this one at that revision.
    Replicate(Revision, Vec<Change>),
    /// Gives out no revision and no lease up to this one.
    Raise(Revision),
    /// Nothing; leaves the file so that it opens at once.
    Settle,
}

impl Work {
    /// Whether it changes more than its batches say: whoever watches or lists begins anew.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self, Self::Replicate(..) | Self::Raise(_))
    }
}

/// What the writer says.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Outcomes(Vec<Outcome>),
    Granted(LeaseId),
    /// Whether there was such a lease.
    Ended(bool),
    Nothing,
    /// Not made.
    Failed(StoreError),
    /// Perhaps made.
    Unknown(StoreError),
}

/// Makes one work in the transaction of its group: moves `newest`, adds to `batches` what is to be said. An error is the store's own and means that
/// nothing of the transaction may be kept.
pub(super) fn make(
    writing: &mut Writing<'_>,
    newest: &mut Revision,
    batches: &mut Vec<Batch>,
    work: &Work,
) -> Result<Answer, StoreError> {
    Ok(match work {
        Work::Commit(shared, commits) => {
            Answer::Outcomes(commit::apply(writing, newest, batches, shared, commits.clone())?)
        }
        Work::Grant(ttl) => match writing.room() {
            Ok(()) => Answer::Granted(writing.grant(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))?),
            Err(error) => Answer::Failed(error),
        },
        Work::Revoke(lease) => Answer::Ended(writing.end(*lease, newest, batches)?),
        Work::Expire(leases) => {
            for lease in leases {
                writing.end(*lease, newest, batches)?;
            }
            Answer::Ended(true)
        }
        Work::Replicate(at, changes) => match writing.room() {
            Err(error) if changes.iter().any(|change| matches!(change, Change::Put(_))) => Answer::Failed(error),
            _ => {
                writing.replicate(changes)?;
                *newest = *at;
                Answer::Nothing
            }
        },
        Work::Raise(to) => {
            writing.raise_leases(*to)?;
            *newest = (*newest).max(*to);
            Answer::Nothing
        }
        Work::Settle => Answer::Nothing,
    })
}
