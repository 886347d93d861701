//! What is known of the shared store beyond what its copy holds. Pure.
//!
//! The copy is the shared store as it was at some revision, and after an interrupted list, or during one, as it was at different revisions in
//! different ranges of keys. What the watch brought since *waits* to be written. What this member's own commits were answered, and the watch has
//! not brought yet, is *ahead*.

use std::collections::BTreeMap;

use crate::store::backend::{Batch, Change, Key, Op, Revision};

use super::scope::mirrored;

/// Bytes of own commits that are kept until the watch has brought them. It is seconds behind at most, or broken; then the oldest are
/// forgotten first, and counted: what they told is told again if the shared store goes away before the next list.
const AHEAD_BYTES: usize = 8 << 20;
/// Bytes that wait, at which they are written at once.
const WAITING_BYTES: usize = 1 << 20;
/// What an operation takes beside its key and value, about.
const EACH: usize = 128;

/// What waits to be written, when a revision was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// So much that it is time.
    Due,
    /// Some changes.
    Changes,
    /// Only that the revision is known.
    Revision,
}

/// What is known beyond the copy.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// All of the shared store up to here is in the copy, or waits.
    seen: Revision,
    /// Of keys up to here, and beyond the one before, all up to this revision is in the copy: as far as lists got that were not finished.
    compared: BTreeMap<Key, Revision>,
    waiting: BTreeMap<Key, Change>,
    waiting_bytes: usize,
    ahead: BTreeMap<Revision, Vec<Op>>,
    ahead_bytes: usize,
    forgotten: u64,
}

fn weight(key: &Key, value: Option<usize>) -> usize {
    EACH + key.as_str().len() + value.unwrap_or(0)
}

fn op_weight(op: &Op) -> usize {
    match op {
        Op::Put(key, value, _) => weight(key, Some(value.len())),
        Op::Delete(key) => weight(key, None),
    }
}

fn change_weight(change: &Change) -> usize {
    match change {
        Change::Put(entry) => weight(&entry.key, Some(entry.value.len())),
        Change::Deleted(key) => weight(key, None),
    }
}

impl Known {
    /// Of a copy that is the shared store at a revision; 0: nobody knows.
    pub(super) fn from(seen: Revision) -> Self {
        Self {
            seen,
            ..Self::default()
        }
    }

    /// The revision up to which the copy, with what waits, knows a key.
    fn reached(&self, key: &Key) -> Revision {
        let compared = self.compared.range(key..).next().map(|(_, at)| *at);
        compared.map_or(self.seen, |at| at.max(self.seen))
    }

    /// An own commit was made at a revision.
    pub(super) fn acknowledge(&mut self, at: Revision, ops: impl IntoIterator<Item = Op>) {
        let new: Vec<Op> = ops
            .into_iter()
            .filter(|op| mirrored(op.key()) && at > self.reached(op.key()))
            .collect();
        if new.is_empty() {
            return;
        }
        self.ahead_bytes += new.iter().map(op_weight).sum::<usize>();
        self.ahead.entry(at).or_default().extend(new);
        while self.ahead_bytes > AHEAD_BYTES
            && let Some((_, old)) = self.ahead.pop_first()
        {
            self.forgotten += old.len() as u64;
            self.ahead_bytes -= old.iter().map(op_weight).sum::<usize>();
        }
    }

    /// The watch brought a revision.
    pub(super) fn watched(&mut self, batch: Batch) -> Waits {
        for change in batch.changes {
            if !mirrored(change.key()) {
                continue;
            }
            self.waiting_bytes += change_weight(&change);
            if let Some(before) = self.waiting.insert(change.key().clone(), change) {
                self.waiting_bytes -= change_weight(&before);
            }
        }
        self.see(batch.at);
        match self.waiting_bytes {
            0 => Waits::Revision,
            1..=WAITING_BYTES => Waits::Changes,
            _ => Waits::Due,
        }
    }

    /// A list of a revision begins. Of a store that was restored, and is before what was seen, nothing is known.
    pub(super) fn list_begins(&mut self, at: Revision) {
        if at < self.seen {
            self.forget();
        }
    }

    /// The list was compared with the copy up to this key, and the copy made like it.
    pub(super) fn listed(&mut self, at: Revision, upto: Key) {
        self.compared = self.compared.split_off(&upto);
        self.compared.insert(upto, at);
    }

    /// The same up to the end.
    pub(super) fn listed_all(&mut self, at: Revision) {
        self.compared.clear();
        self.see(at);
    }

    fn see(&mut self, at: Revision) {
        self.seen = at;
        let rest = self.ahead.split_off(&Revision(at.0 + 1));
        let passed = std::mem::replace(&mut self.ahead, rest);
        self.ahead_bytes -= passed.values().flatten().map(op_weight).sum::<usize>();
    }

    /// The revision of what waits.
    pub(super) fn seen(&self) -> Revision {
        self.seen
    }

    /// What waits to be written.
    pub(super) fn waiting(&self) -> Vec<Change> {
        self.waiting.values().cloned().collect()
    }

    /// It was written.
    pub(super) fn written(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// Own commits that the copy does not have, in order.
    pub(super) fn ahead(&self) -> Vec<(Revision, Op)> {
        let all = self.ahead.iter().flat_map(|(at, ops)| ops.iter().map(|op| (*at, op)));
        all.filter(|(at, op)| *at > self.reached(op.key()))
            .map(|(at, op)| (at, op.clone()))
            .collect()
    }

    /// Operations of own commits that were dropped because the watch was too far behind.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The copy goes its own way, or comes back from it: nothing is known of how it stands to the shared store.
    pub(super) fn forget(&mut self) {
        *self = Self {
            forgotten: self.forgotten,
            ..Self::default()
        };
    }
}
