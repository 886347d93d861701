//! The side that is asked to tell something.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::super::learn::Learned;
use super::taking::{Order, order, taking};
use crate::model::{AlerterName, MonitorName};
use crate::peers::calls::{TELL_AT_MOST, TellAnswer, TellQuestion, ToTell};
use crate::peers::{Refused, Why};
use crate::store::records::{MAX_STATE, OutboxEntry, Told};
use crate::store::{At, Commit, Face, Guard, Op, Outcome, Revision, Standin, Store, StoreError, encode, keys};

/// Pairs of alerter and monitor that are remembered to have been brought; beyond, all are forgotten, and an end may be told twice.
const REMEMBERED: usize = 100_000;

/// The last change that was taken of each.
pub(super) type Taken = HashMap<(AlerterName, MonitorName), Order>;

/// Takes what other members bring, while this one stands in itself.
#[derive(Debug)]
pub struct Taker {
    standin: Arc<Standin>,
    /// Held while questions are answered, one after the other.
    taken: Mutex<Taken>,
}

impl Taker {
    /// Into the copy of this stand-in.
    #[must_use]
    pub fn new(standin: Arc<Standin>) -> Self {
        let taken = Mutex::default();
        Self { standin, taken }
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
        let mut taken = self.taken.lock().await;
        let store = self.standin.face() == Face::Through;
        let told = match store {
            true => receipts(&self.standin.outer(), &question.entries, &taken).await,
            false => take(&self.standin.copy(), &question.entries, &mut taken, &[]).await,
        };
        match told {
            Ok(told) => Ok(TellAnswer { store, told }),
            Err(error) => Err(Refused::new(Why::Failed, error.to_string())),
        }
    }
}

/// What was told of entries that were taken before this member had the store again.
async fn receipts(store: &Store, items: &[ToTell], taken: &Taken) -> Result<Vec<Option<Told>>, StoreError> {
    let mut receipts = Vec::with_capacity(items.len());
    for item in items {
        let before = taken.get(&(item.alerter.clone(), item.monitor.clone()));
        if before != Some(&order(&item.entry)) {
            receipts.push(None);
            continue;
        }
        let (told, wanted) = stand(store, item).await?;
        receipts.push(taking(item, value(&told), value(&wanted), before.copied()).receipt);
    }
    Ok(receipts)
}

async fn stand(store: &Store, item: &ToTell) -> Result<(Option<At<Told>>, Option<At<OutboxEntry>>), StoreError> {
    let told = read(store, &keys::told(&item.alerter, &item.monitor)).await?;
    let wanted = read(store, &keys::outbox_entry(&item.alerter, &item.monitor)).await?;
    Ok((told, wanted))
}

/// Puts entries into the outbox of this copy, for the notifier; what was told of each so far. `still`: what must hold of each besides, if it is said.
pub(super) async fn take(
    copy: &Store,
    items: &[ToTell],
    taken: &mut Taken,
    still: &[Guard],
) -> Result<Vec<Option<Told>>, StoreError> {
    let (mut receipts, mut commits) = (Vec::with_capacity(items.len()), Vec::new());
    let mut puts = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let pair = (item.alerter.clone(), item.monitor.clone());
        let (told, wanted) = stand(copy, item).await?;
        let taking = taking(item, value(&told), value(&wanted), taken.get(&pair).copied());
        let commit = commit(item, taking.told, taking.puts, (rev(&told), rev(&wanted)));
        if let Some(mut commit) = commit.filter(|commit| !commit.ops.is_empty()) {
            commit.guards.extend(still.get(n).cloned());
            puts.push(taking.puts.then(|| (pair, order(&item.entry))));
            commits.push(commit);
        }
        receipts.push(taking.receipt);
    }
    if !commits.is_empty() {
        // What is refused has changed in this moment; it is brought again.
        for (outcome, put) in copy.commit_all(&[], commits).await.into_iter().zip(puts) {
            match outcome {
                Outcome::Done(_) => remember(taken, put),
                Outcome::Refused(_) => {}
                Outcome::Unknown(error) | Outcome::Failed(error) => return Err(error),
            }
        }
    }
    Ok(receipts)
}

fn remember(taken: &mut Taken, put: Option<((AlerterName, MonitorName), Order)>) {
    let Some((pair, order)) = put else { return };
    if taken.len() >= REMEMBERED && !taken.contains_key(&pair) {
        tracing::warn!(pairs = taken.len(), "more is brought here than is remembered");
        taken.clear();
    }
    taken.insert(pair, order);
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
