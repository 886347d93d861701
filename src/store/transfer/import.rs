//! Records into a store that is empty, or that is to have them.

use std::collections::{BTreeMap, HashSet};

use super::super::backend::{Commit, Entry, Guard, Key, Op, Outcome, Revision};
use super::super::{Store, StoreError, keys};
use super::{Record, travels};

/// What to do with a store that holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Refuse.
    IntoEmpty,
    /// Add the monitors and alerters that it does not have, and nothing else.
    Merge,
    /// Make it hold what is imported and nothing else.
    Replace,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It holds something.
    #[error(
        "the store holds {0} records already; --merge adds the definitions that it does not have, --replace makes it hold the imported ones only"
    )]
    NotEmpty(usize),
    /// Servers run on it.
    #[error("servers run on this store ({0}): stop them, or say --yes")]
    InUse(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records written.
    pub written: usize,
    /// Records that were there, the same.
    pub equal: usize,
    /// Records that were there or are no definitions, and were not touched.
    pub kept: usize,
    /// Records removed.
    pub removed: usize,
    /// What could not be done, by key.
    pub problems: Vec<String>,
}

/// In which order records are written: what was told before what is to be told, so that a server that sees the first half tells nothing again;
/// definitions before the state of what they define.
fn rank(key: &Key) -> u8 {
    match key.as_str().split('/').next() {
        Some("config") => 0,
        Some("silence" | "ack" | "maintenance" | "cluster") => 1,
        Some("told") => 2,
        Some("checkpoint" | "past" | "soft") => 3,
        Some("outbox") => 4,
        Some("alerter" | "retired") => 5,
        Some("monitor") => 6,
        _ => 7,
    }
}

/// Brings records into a store. `in_use`: also where servers run on it. `progress` is told how many of how many are through.
///
/// # Errors
/// [`Refused`]: nothing was changed.
pub async fn import(
    store: &Store,
    mut records: Vec<Record>,
    how: How,
    in_use: bool,
    progress: impl Fn(usize, usize),
) -> Result<Imported, Refused> {
    if !in_use {
        let (_, members) = store.list(&keys::members()).await?;
        if !members.is_empty() {
            let names: Vec<_> = members.iter().filter_map(|e| keys::last_segment(&e.key)).collect();
            return Err(Refused::InUse(names.join(", ")));
        }
    }
    let there = there(store).await?;
    // Settings are written by whoever opens a store first.
    let holds = there.keys().filter(|key| **key != keys::config()).count();
    if how == How::IntoEmpty && holds > 0 {
        return Err(Refused::NotEmpty(holds));
    }
    // Gives a new one its id, and refuses one whose records this version cannot read.
    store.identity().await?;
    records.sort_by(|a, b| (rank(&a.key), &a.key).cmp(&(rank(&b.key), &b.key)));
    let mut imported = Imported::default();
    let mut commits = Vec::new();
    let named: HashSet<Key> = records.iter().map(|record| record.key.clone()).collect();
    for record in records {
        let before = there.get(&record.key);
        let definition = keys::monitors().covers(&record.key) || keys::alerters().covers(&record.key);
        if before.is_some_and(|entry| entry.value == record.value) {
            imported.equal += 1;
        } else if how == How::Merge && (before.is_some() || !definition) {
            imported.kept += 1;
        } else {
            let guard = Guard::Rev(record.key.clone(), before.map_or(Revision(0), |entry| entry.rev));
            commits.push(Commit {
                guards: vec![guard],
                ops: vec![Op::Put(record.key, record.value, None)],
            });
        }
    }
    let puts = commits.len();
    if how == How::Replace {
        let gone = there.values().filter(|entry| !named.contains(&entry.key));
        commits.extend(gone.map(|entry| Commit {
            guards: vec![Guard::Rev(entry.key.clone(), entry.rev)],
            ops: vec![Op::Delete(entry.key.clone())],
        }));
    }
    let of: Vec<Key> = commits
        .iter()
        .flat_map(|c| c.ops.iter().map(|op| op.key().clone()))
        .collect();
    let outcomes = store.bulk(commits, |n| progress(n, of.len())).await;
    for (n, (key, outcome)) in of.into_iter().zip(outcomes).enumerate() {
        match outcome {
            Outcome::Done(_) if n < puts => imported.written += 1,
            Outcome::Done(_) => imported.removed += 1,
            Outcome::Refused(_) => imported
                .problems
                .push(format!("`{key}`: somebody else has written it meanwhile")),
            Outcome::Failed(error) | Outcome::Unknown(error) => imported.problems.push(format!("`{key}`: {error}")),
        }
    }
    Ok(imported)
}

/// All that could be in the way.
async fn there(store: &Store) -> Result<BTreeMap<Key, Entry>, StoreError> {
    let (_, entries) = store.list(&keys::all()).await?;
    let mine = entries
        .into_iter()
        .filter(|entry| entry.lease.is_none() && travels(&entry.key));
    Ok(mine.map(|entry| (entry.key.clone(), entry)).collect())
}
