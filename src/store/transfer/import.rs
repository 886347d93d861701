//! Records into a store that is empty, or that is to have them.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Seek};

use super::super::backend::{Commit, Entry, Guard, Key, Op, Outcome, Revision};
use super::super::{Store, StoreError, keys};
use super::file::{Checked, Prints};
use super::{RANKS, travels};

/// Records that are written at once, at most.
const BATCH: usize = 2_000;
/// Bytes of them, above which no more are gathered.
const BATCH_BYTES: usize = 4 << 20;

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

/// Brings what a file holds into a store, a batch after the other. `in_use`: also where servers run on it. `progress` is told how many of how many are through.
///
/// # Errors
/// [`Refused`]: nothing was changed.
pub async fn import<F: BufRead + Seek>(
    store: &Store,
    file: &mut Checked<F>,
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
    let there = there(store, file.prints()).await?;
    // Settings are written by whoever opens a store first.
    let holds = there.keys().filter(|key| **key != keys::config()).count();
    if how == How::IntoEmpty && holds > 0 {
        return Err(Refused::NotEmpty(holds));
    }
    // Gives a new one its id, and refuses one whose records this version cannot read.
    store.identity().await?;
    let mut gone: Vec<_> = there
        .iter()
        .filter(|(key, _)| how == How::Replace && !file.holds(key))
        .collect();
    let mut writing = Writing {
        store,
        progress: &progress,
        through: 0,
        of: file.records + gone.len(),
        batch: Vec::new(),
        bytes: 0,
        imported: Imported::default(),
    };
    // What is wrong with a file that was checked is known too late to write nothing: it is a problem like others, and nothing is removed.
    if let Err(error) = put(&mut writing, file, how, &there).await {
        writing.flush().await;
        writing.imported.problems.push(error.to_string());
        gone.clear();
    }
    writing.flush().await;
    for (key, before) in gone {
        writing.add(Op::Delete(key.clone()), before.rev).await;
    }
    writing.flush().await;
    Ok(writing.imported)
}

/// Writes what a file holds, rank by rank.
async fn put<F: BufRead + Seek>(
    writing: &mut Writing<'_>,
    file: &mut Checked<F>,
    how: How,
    there: &BTreeMap<Key, Before>,
) -> io::Result<()> {
    for rank in 0..RANKS {
        let mut records = file.of_rank(rank)?;
        while let Some(record) = records.next()? {
            let before = there.get(&record.key);
            let definition = keys::monitors().covers(&record.key) || keys::alerters().covers(&record.key);
            if before.is_some_and(|before| before.value == records.prints.of(&record.value)) {
                writing.imported.equal += 1;
                writing.through += 1;
            } else if how == How::Merge && (before.is_some() || !definition) {
                writing.imported.kept += 1;
                writing.through += 1;
            } else {
                let rev = before.map_or(Revision(0), |before| before.rev);
                writing.add(Op::Put(record.key, record.value, None), rev).await;
            }
        }
        // Nothing of the next rank is written before all of this one is.
        writing.flush().await;
    }
    Ok(())
}

/// A batch that is being gathered, and what came of those before.
struct Writing<'a> {
    store: &'a Store,
    progress: &'a dyn Fn(usize, usize),
    through: usize,
    of: usize,
    batch: Vec<Commit>,
    bytes: usize,
    imported: Imported,
}

impl Writing<'_> {
    /// One more, if its key stands at this revision; 0: is not there.
    async fn add(&mut self, op: Op, rev: Revision) {
        self.bytes += op.key().as_str().len();
        if let Op::Put(_, value, _) = &op {
            self.bytes += value.len();
        }
        self.batch.push(Commit {
            guards: vec![Guard::Rev(op.key().clone(), rev)],
            ops: vec![op],
        });
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let puts = |commit: &Commit| commit.ops.iter().any(|op| matches!(op, Op::Put(..)));
        let of: Vec<_> = batch
            .iter()
            .flat_map(|c| c.ops.iter().map(|op| (op.key().clone(), puts(c))))
            .collect();
        let outcomes = self
            .store
            .bulk(batch, |n| (self.progress)(self.through + n, self.of))
            .await;
        self.through += of.len();
        for ((key, put), outcome) in of.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done(_) if put => self.imported.written += 1,
                Outcome::Done(_) => self.imported.removed += 1,
                Outcome::Refused(_) => self
                    .imported
                    .problems
                    .push(format!("`{key}`: somebody else has written it meanwhile")),
                Outcome::Failed(error) | Outcome::Unknown(error) => {
                    self.imported.problems.push(format!("`{key}`: {error}"));
                }
            }
        }
    }
}

/// What stands under a key before anything is written.
struct Before {
    rev: Revision,
    /// The print of its value.
    value: u128,
}

/// All that could be in the way.
async fn there(store: &Store, prints: &Prints) -> Result<BTreeMap<Key, Before>, StoreError> {
    let mut there = BTreeMap::new();
    let mut pages = store.pages(&keys::all());
    while let Some(page) = pages.next().await.transpose()? {
        let mine = |entry: &Entry| entry.lease.is_none() && travels(&entry.key);
        there.extend(page.entries.into_iter().filter(mine).map(|entry| {
            let (rev, value) = (entry.rev, prints.of(&entry.value));
            (entry.key, Before { rev, value })
        }));
    }
    Ok(there)
}
