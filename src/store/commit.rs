//! What a commit may be, how commits travel together, and what they do to the rows of a store. Pure: the stores bring the rows.

use std::collections::HashSet;

use super::backend::{
    Batch, Change, Commit, Entry, Guard, Key, LeaseId, MAX_COMMIT_BYTES, MAX_OPS, Op, Outcome, Refusal, Revision,
    StoreError,
};
use super::records::{MAX_DEFINITION, MAX_STATE};

/// Commits that travel in one call to a backend, at most.
pub(super) const BATCH_COMMITS: usize = 60;
/// Operations of one of them, at most, and guards; a larger commit travels alone.
pub(super) const BATCH_OPS: usize = 60;
/// Bytes of all of them, at most.
pub(super) const BATCH_BYTES: usize = 512 * 1024;

/// Largest value of a key. What is larger is refused to whoever wrote it, before it can stop everybody who reads.
fn largest_value(key: &Key) -> usize {
    match key.as_str().split('/').next() {
        Some("checkpoint" | "outbox" | "told" | "past") => MAX_STATE,
        _ => MAX_DEFINITION,
    }
}

/// Bytes of keys and values.
pub(super) fn bytes_of(commit: &Commit) -> usize {
    let guards = commit.guards.iter().map(|guard| match guard {
        Guard::Is(key, value) => key.as_str().len() + value.len(),
        other => other.key().as_str().len(),
    });
    let ops = commit.ops.iter().map(|op| match op {
        Op::Put(key, value, _) => key.as_str().len() + value.len(),
        Op::Delete(key) => key.as_str().len(),
    });
    guards.sum::<usize>() + ops.sum::<usize>()
}

/// Whether a commit is allowed at all.
pub(super) fn check(commit: &Commit) -> Result<(), StoreError> {
    let invalid = |why: String| Err(StoreError::Invalid(why));
    if commit.ops.len() > MAX_OPS {
        return invalid(format!("{} operations, at most {MAX_OPS} are", commit.ops.len()));
    }
    let mut seen = HashSet::with_capacity(commit.ops.len());
    for op in &commit.ops {
        if !seen.insert(op.key()) {
            return invalid(format!("`{}` is in it twice", op.key()));
        }
        if let Op::Put(key, value, _) = op
            && value.len() > largest_value(key)
        {
            return invalid(format!(
                "`{key}` would be {} bytes, at most {} are",
                value.len(),
                largest_value(key)
            ));
        }
    }
    let bytes = bytes_of(commit);
    if bytes > MAX_COMMIT_BYTES {
        return invalid(format!("{bytes} bytes, at most {MAX_COMMIT_BYTES} are"));
    }
    Ok(())
}

/// Commits cut into waves, and those into batches. Batches of one wave do not depend on one another; a wave begins where a commit
/// looks at or writes what an earlier one writes. In order, nothing lost.
pub(super) fn waves(commits: Vec<Commit>) -> Vec<Vec<Vec<Commit>>> {
    let mut waves: Vec<Vec<Vec<Commit>>> = Vec::new();
    let mut written: HashSet<Key> = HashSet::new();
    let mut bytes = 0;
    let mut alone = false;
    for commit in commits {
        let size = bytes_of(&commit);
        let large = commit.ops.len().max(commit.guards.len()) > BATCH_OPS || size > BATCH_BYTES;
        let mut keys = commit
            .guards
            .iter()
            .map(Guard::key)
            .chain(commit.ops.iter().map(Op::key));
        if waves.is_empty() || keys.any(|key| written.contains(key)) {
            written.clear();
            waves.push(Vec::new());
        }
        written.extend(commit.ops.iter().map(|op| op.key().clone()));
        let Some(wave) = waves.last_mut() else { continue };
        match wave.last_mut() {
            Some(batch) if !alone && !large && batch.len() < BATCH_COMMITS && bytes + size <= BATCH_BYTES => {
                bytes += size;
                batch.push(commit);
            }
            _ => {
                bytes = size;
                alone = large;
                wave.push(vec![commit]);
            }
        }
    }
    waves
}

/// The rows of a store inside one of its transactions.
pub(super) trait Rows {
    /// A key as it stands.
    fn entry(&self, key: &Key) -> Result<Option<Entry>, StoreError>;
    /// Whether a lease lives.
    fn lives(&self, lease: LeaseId) -> Result<bool, StoreError>;
    /// Whether there is room for a put.
    fn room(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Writes an entry in place of the one before.
    fn put(&mut self, entry: &Entry, before: Option<&Entry>) -> Result<(), StoreError>;
    /// Removes an entry.
    fn delete(&mut self, entry: &Entry) -> Result<(), StoreError>;
}

/// Whether all guards hold.
pub(super) fn hold(rows: &impl Rows, guards: &[Guard]) -> Result<bool, StoreError> {
    for guard in guards {
        if !guard.holds(rows.entry(guard.key())?.as_ref()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the commits of one call, each by its own guards, if the shared ones hold. Moves `newest` on, adds to `batches`. An error is the
/// store's own and means that nothing of this transaction may be kept.
pub(super) fn apply(
    rows: &mut impl Rows,
    newest: &mut Revision,
    batches: &mut Vec<Batch>,
    shared: &[Guard],
    commits: Vec<Commit>,
) -> Result<Vec<Outcome>, StoreError> {
    if !hold(rows, shared)? {
        return Ok(vec![Outcome::Refused(Refusal::Shared); commits.len()]);
    }
    let mut outcomes = Vec::with_capacity(commits.len());
    for commit in commits {
        outcomes.push(apply_one(rows, newest, batches, commit)?);
    }
    Ok(outcomes)
}

fn apply_one(
    rows: &mut impl Rows,
    newest: &mut Revision,
    batches: &mut Vec<Batch>,
    commit: Commit,
) -> Result<Outcome, StoreError> {
    if let Err(error) = check(&commit) {
        return Ok(Outcome::Failed(error));
    }
    if !hold(rows, &commit.guards)? {
        return Ok(Outcome::Refused(Refusal::Own));
    }
    for op in &commit.ops {
        let Op::Put(_, _, lease) = op else { continue };
        if let Err(error) = rows.room() {
            return Ok(Outcome::Failed(error));
        }
        if let Some(lease) = lease
            && !rows.lives(*lease)?
        {
            return Ok(Outcome::Failed(StoreError::NoLease));
        }
    }
    // From here on nothing can refuse it: a key is in it once, so no operation changes what another one finds.
    let at = Revision(newest.0 + 1);
    let mut changes = Vec::with_capacity(commit.ops.len());
    for op in commit.ops {
        let before = rows.entry(op.key())?;
        match op {
            Op::Put(key, value, lease) => {
                let entry = Entry {
                    key,
                    value,
                    born: before.as_ref().map_or(at, |b| b.born),
                    rev: at,
                    lease,
                };
                rows.put(&entry, before.as_ref())?;
                changes.push(Change::Put(entry));
            }
            Op::Delete(key) => {
                if let Some(before) = before {
                    rows.delete(&before)?;
                    changes.push(Change::Deleted(key));
                }
            }
        }
    }
    if !changes.is_empty() {
        *newest = at;
        batches.push(Batch { at, changes });
    }
    Ok(Outcome::Done(*newest))
}
