//! The side that is asked to tell something.

use std::sync::Arc;

use super::super::learn::Learned;
use super::taking::taking;
use crate::peers::calls::{TELL_AT_MOST, TellAnswer, TellQuestion, ToTell};
use crate::peers::{Refused, Why};
use crate::store::records::{MAX_STATE, OutboxEntry, Told};
use crate::store::{At, Commit, Face, Guard, Op, Outcome, Revision, Standin, Store, StoreError, encode, keys};

/// Takes what other members bring, while this one stands in itself.
#[derive(Debug, Clone)]
pub struct Taker(Arc<Standin>);

impl Taker {
    /// Into the copy of this stand-in.
    #[must_use]
    pub fn new(standin: Arc<Standin>) -> Self {
        Self(standin)
    }

    /// Answers.
    ///
    /// # Errors
    /// It is too much at once, or the copy takes nothing.
    pub async fn tell(&self, question: &TellQuestion) -> Result<TellAnswer, Refused> {
        if question.entries.len() > TELL_AT_MOST {
            let text = format!("{} entries at once, {TELL_AT_MOST} are allowed", question.entries.len());
            return Err(Refused::new(Why::TooLarge, text));
        }
        if self.0.face() != Face::Copy {
            return Ok(TellAnswer {
                store: true,
                told: Vec::new(),
            });
        }
        match take(&self.0.copy(), &question.entries).await {
            Ok(told) => Ok(TellAnswer { store: false, told }),
            Err(error) => Err(Refused::new(Why::Failed, error.to_string())),
        }
    }
}

/// Puts entries into the outbox of this copy, for the notifier; what was told of each so far.
pub(super) async fn take(copy: &Store, items: &[ToTell]) -> Result<Vec<Option<Told>>, StoreError> {
    let (mut receipts, mut commits) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        let told: Option<At<Told>> = read(copy, &keys::told(&item.alerter, &item.monitor)).await?;
        let wanted: Option<At<OutboxEntry>> = read(copy, &keys::outbox_entry(&item.alerter, &item.monitor)).await?;
        let taking = taking(item, value(&told), value(&wanted));
        let commit = commit(item, taking.told, taking.puts, (rev(&told), rev(&wanted)));
        commits.extend(commit.filter(|commit| !commit.ops.is_empty()));
        receipts.push(taking.receipt);
    }
    if !commits.is_empty() {
        // What is refused has changed in this moment; it is brought again.
        for outcome in copy.commit_all(&[], commits).await {
            if let Outcome::Unknown(error) | Outcome::Failed(error) = outcome {
                return Err(error);
            }
        }
    }
    Ok(receipts)
}

/// `None` for one that would not fit, or cannot be written.
fn commit(item: &ToTell, told: Learned, puts: bool, (told_rev, wanted_rev): (Revision, Revision)) -> Option<Commit> {
    let told_key = keys::told(&item.alerter, &item.monitor);
    let entry_key = keys::outbox_entry(&item.alerter, &item.monitor);
    let mut commit = Commit {
        guards: vec![
            Guard::Rev(told_key.clone(), told_rev),
            Guard::Rev(entry_key.clone(), wanted_rev),
        ],
        ops: Vec::new(),
    };
    match told {
        Learned::Stays => {}
        Learned::Is(told) => commit.ops.push(Op::Put(told_key, encode(&told).ok()?, None)),
        Learned::Gone => commit.ops.push(Op::Delete(told_key)),
    }
    if puts {
        commit.ops.push(Op::Put(entry_key, encode(&item.entry).ok()?, None));
    }
    let fits = |op: &Op| !matches!(op, Op::Put(_, value, _) if value.len() > MAX_STATE);
    commit.ops.iter().all(fits).then_some(commit)
}

/// A record; one that cannot be read says nothing.
async fn read<T: serde::de::DeserializeOwned>(
    copy: &Store,
    key: &crate::store::Key,
) -> Result<Option<At<T>>, StoreError> {
    match copy.read(key).await {
        Err(StoreError::Damaged(_)) => Ok(None),
        read => read,
    }
}

fn value<T>(at: &Option<At<T>>) -> Option<&T> {
    at.as_ref().map(|at| &at.value)
}

fn rev<T>(at: &Option<At<T>>) -> Revision {
    at.as_ref().map_or(Revision(0), |at| at.rev)
}
