//! Tables into the store: one commit per group, all under the term, and each under the revision of the table that it follows.

use std::time::Duration;

use tokio::time::Instant;

use super::plan::Change;
use super::sight::{Sight, Standing};
use crate::store::{Commit, Guard, Op, Outcome, Refusal, Revision, Store, Term, encode, keys, seat_value};

/// A commit without an answer is settled within this time.
const SETTLE: Duration = Duration::from_secs(10);

/// What became of them.
pub(super) enum Written {
    /// They are written.
    All,
    /// Somebody else has written one of the tables; it is known how it stands now.
    Stale,
    /// This member does not direct any more.
    TermOver,
    /// The store takes nothing.
    Trouble(String),
}

pub(super) async fn write(store: &Store, term: Term, sight: &mut Sight, changes: &[Change]) -> Written {
    let shared = [term.guard()];
    let mut commits = Vec::with_capacity(changes.len());
    for change in changes {
        match commit(sight, change) {
            Ok(commit) => commits.push(commit),
            Err(error) => return Written::Trouble(error),
        }
    }
    let outcomes = store.commit_all(&shared, commits.clone()).await;
    let deadline = Instant::now() + SETTLE;
    let mut written = Written::All;
    for ((change, commit), outcome) in changes.iter().zip(commits).zip(outcomes) {
        let outcome = match outcome {
            Outcome::Unknown(_) => store.resolve(&shared, commit, deadline).await,
            known => known,
        };
        match outcome {
            Outcome::Done(rev) => {
                tracing::info!(group = %change.group, epoch = change.table.epoch, why = change.table.why, "planned");
                sight.wrote(change.group.clone(), rev, change.table.clone());
            }
            Outcome::Refused(Refusal::Shared) => return Written::TermOver,
            Outcome::Refused(Refusal::Own) => match store.get(&keys::table(change.group.as_str())).await {
                Ok(entry) => {
                    sight.standing(&change.group, entry.as_ref());
                    written = Written::Stale;
                }
                Err(error) => return Written::Trouble(error.to_string()),
            },
            // What came through is known by its echo.
            Outcome::Unknown(error) | Outcome::Failed(error) => return Written::Trouble(error.to_string()),
        }
    }
    written
}

fn commit(sight: &Sight, change: &Change) -> Result<Commit, String> {
    let key = keys::table(change.group.as_str());
    let rev = match sight.tables().get(&change.group) {
        Some(Standing { rev, .. }) => *rev,
        None => Revision(0),
    };
    let value = encode(&change.table).map_err(|error| error.to_string())?;
    let mut ops = vec![Op::Put(key.clone(), value, None)];
    for (member, stamp) in &change.seats {
        let seat = keys::seat(change.group.as_str(), member);
        ops.push(match stamp {
            Some(stamp) => Op::Put(seat, seat_value(stamp), None),
            None => Op::Delete(seat),
        });
    }
    let guards = vec![Guard::Rev(key, rev)];
    Ok(Commit { guards, ops })
}
