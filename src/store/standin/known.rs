//! What is known of the shared store beyond what its copy holds. Pure.
//!
//! The copy is the shared store as it was at some revision, and after an interrupted list, or during one, as it was at different revisions in
//! different ranges of keys. What the watch brought since *waits* to be written. What this member's own commits were answered, and the watch has
//! not brought yet, is *ahead*.

use std::collections::{BTreeMap, BTreeSet};

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
        let new: Vec<Op> = ops.into_iter().filter(|op| mirrored(op.key())).collect();
        if new.is_empty() || at <= self.seen {
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

    /// The revisions of own commits that the watch has not brought.
    pub(super) fn revisions_ahead(&self) -> BTreeSet<Revision> {
        self.ahead.keys().copied().collect()
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::store::backend::Entry;
    use crate::store::keys;

    const KEYS: u8 = 8;

    fn key(n: u8) -> Key {
        keys::checkpoint(&crate::model::MonitorName::parse(&n.to_string()).unwrap())
    }

    fn op(n: u8, deletes: bool) -> Op {
        match deletes {
            true => Op::Delete(key(n)),
            false => Op::Put(key(n), Bytes::new(), None),
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// A commit of this member, answered at once or later.
        Own {
            key: u8,
            deletes: bool,
            late: bool,
        },
        /// A commit of another member.
        Other {
            key: u8,
            deletes: bool,
        },
        /// The oldest answers that are late arrive.
        Answers,
        /// The watch brings so many revisions.
        Watch(u8),
        Write,
        /// The watch has a gap, or the one before ended in the middle: a list begins.
        List,
        /// It is compared up to a key, or to its end.
        Compare(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let commit = (0..KEYS, any::<bool>(), prop::bool::weighted(0.2));
        prop_oneof![
            6 => commit.prop_map(|(key, deletes, late)| Step::Own { key, deletes, late }),
            2 => (0..KEYS, any::<bool>()).prop_map(|(key, deletes)| Step::Other { key, deletes }),
            1 => Just(Step::Answers),
            3 => (1..4_u8).prop_map(Step::Watch),
            2 => Just(Step::Write),
            1 => Just(Step::List),
            3 => (0..=KEYS).prop_map(Step::Compare),
        ]
    }

    type Rows = BTreeMap<Key, Revision>;

    fn make(rows: &mut Rows, op: &Op, at: Revision) {
        match op {
            Op::Put(key, ..) => rows.insert(key.clone(), at),
            Op::Delete(key) => rows.remove(key),
        };
    }

    fn change(op: &Op, at: Revision) -> Change {
        match op {
            Op::Delete(key) => Change::Deleted(key.clone()),
            Op::Put(key, value, lease) => Change::Put(Entry {
                key: key.clone(),
                value: value.clone(),
                born: at,
                rev: at,
                lease: *lease,
            }),
        }
    }

    /// A shared store, its copy, and all that goes between them.
    #[derive(Default)]
    struct World {
        /// Each revision's operation, and whether this member was told of it.
        made: Vec<(Op, bool)>,
        store: Rows,
        copy: Rows,
        known: Known,
        late: Vec<Revision>,
        /// How far the copy once was, of each key.
        been: BTreeMap<Key, Revision>,
        /// Where the watch is; none while a list has to be taken first.
        watch: Option<usize>,
        list: Option<(Revision, Rows, Option<Key>)>,
    }

    impl World {
        fn commit(&mut self, op: Op, told: bool) -> Revision {
            self.made.push((op.clone(), told));
            let at = Revision(self.made.len() as u64);
            make(&mut self.store, &op, at);
            at
        }

        fn answer(&mut self, at: Revision) {
            let (op, told) = &mut self.made[at.0 as usize - 1];
            *told = true;
            self.known.acknowledge(at, [op.clone()]);
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Own { key, deletes, late } => {
                    let at = self.commit(op(key, deletes), false);
                    if late {
                        self.late.push(at);
                    } else {
                        self.answer(at);
                    }
                }
                Step::Other { key, deletes } => {
                    self.commit(op(key, deletes), false);
                }
                Step::Answers => {
                    for at in std::mem::take(&mut self.late) {
                        self.answer(at);
                    }
                }
                Step::Watch(count) => {
                    let Some(watch) = &mut self.watch else { return };
                    for (n, (op, _)) in self.made.iter().enumerate().skip(*watch).take(count.into()) {
                        let at = Revision(n as u64 + 1);
                        self.known.watched(Batch {
                            at,
                            changes: vec![change(op, at)],
                        });
                        *watch = n + 1;
                        self.been.extend((0..KEYS).map(|n| (key(n), at)));
                    }
                }
                Step::Write => {
                    for change in self.known.waiting() {
                        match change {
                            Change::Put(entry) => self.copy.insert(entry.key, entry.rev),
                            Change::Deleted(key) => self.copy.remove(&key),
                        };
                    }
                    self.known.written();
                }
                Step::List => {
                    self.take(Step::Write);
                    let at = Revision(self.made.len() as u64);
                    self.known.list_begins(at);
                    self.list = Some((at, self.store.clone(), None));
                    self.watch = None;
                }
                Step::Compare(upto) => {
                    let Some((at, there, from)) = &mut self.list else {
                        return;
                    };
                    let (at, last) = (*at, upto == KEYS);
                    let upto = key(upto);
                    if from.as_ref().is_some_and(|from| *from >= upto) {
                        return;
                    }
                    let within = |key: &Key| from.as_ref().is_none_or(|from| key > from) && (last || *key <= upto);
                    self.copy.retain(|key, _| !within(key));
                    self.been.extend((0..KEYS).map(key).filter(within).map(|key| (key, at)));
                    let listed = there.iter().filter(|(key, _)| within(key));
                    self.copy.extend(listed.map(|(key, at)| (key.clone(), *at)));
                    if last {
                        self.known.listed_all(at);
                        (self.list, self.watch) = (None, Some(at.0 as usize));
                    } else {
                        *from = Some(upto.clone());
                        self.known.listed(at, upto);
                    }
                }
            }
        }

        /// What the copy would be if the store went away now.
        fn copy_now(&mut self) -> Rows {
            self.take(Step::Write);
            let mut copy = self.copy.clone();
            for (at, op) in self.known.ahead() {
                make(&mut copy, &op, at);
            }
            copy
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn of_each_key_the_copy_has_the_last_that_this_member_was_told_or_that_it_had_or_something_newer(
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let mut world = World { watch: Some(0), ..World::default() };
            for step in steps {
                world.take(step);
                let copy = world.copy_now();
                for n in 0..KEYS {
                    let key = key(n);
                    // What the key was after each commit that touched it, from the last one that this member was told or that was in the copy.
                    let of_key = |(_, (op, _)): &(usize, &(Op, bool))| *op.key() == key;
                    let touched: Vec<_> = world.made.iter().enumerate().filter(of_key).collect();
                    let been = world.been.get(&key).map_or(0, |at| at.0 as usize);
                    let told = touched.iter().rposition(|(n, (_, told))| *told || *n < been);
                    let may_be: Vec<Option<Revision>> = touched
                        .iter()
                        .skip(told.unwrap_or(0))
                        .map(|(n, (op, _))| matches!(op, Op::Put(..)).then_some(Revision(*n as u64 + 1)))
                        .chain(told.is_none().then_some(None))
                        .collect();
                    prop_assert!(may_be.contains(&copy.get(&key).copied()), "{key}: {copy:?}, may be {may_be:?}");
                }
            }
            // Once all is told and nothing is made by others unseen, it is the store.
            world.take(Step::Answers);
            world.take(Step::List);
            world.take(Step::Compare(KEYS));
            prop_assert_eq!(world.copy_now(), world.store);
        }
    }

    #[test]
    fn a_commit_that_the_watch_brought_before_its_answer_is_not_kept() {
        let mut known = Known::default();
        let at = Revision(5);
        known.watched(Batch {
            at,
            changes: vec![change(&op(0, false), at)],
        });
        known.acknowledge(at, [op(0, false)]);
        assert_eq!(known.ahead_bytes, 0);
        known.acknowledge(Revision(6), [op(0, false)]);
        assert_ne!(known.ahead_bytes, 0);
    }

    #[test]
    fn of_a_store_that_went_back_nothing_is_known() {
        let mut known = Known::from(Revision(100));
        known.acknowledge(Revision(105), [op(0, false)]);
        known.list_begins(Revision(50));
        assert!(known.ahead().is_empty());
        known.acknowledge(Revision(52), [op(1, false)]);
        assert_eq!(known.ahead(), [(Revision(52), op(1, false))]);
        known.listed_all(Revision(51));
        assert_eq!(known.ahead(), [(Revision(52), op(1, false))]);
    }

    #[test]
    fn what_is_not_mirrored_neither_waits_nor_is_kept() {
        let mut known = Known::default();
        let event = keys::event("e");
        known.acknowledge(Revision(1), [Op::Delete(event.clone())]);
        let batch = Batch {
            at: Revision(2),
            changes: vec![Change::Deleted(event)],
        };
        assert_eq!(known.watched(batch), Waits::Revision);
        assert!(known.ahead().is_empty() && known.waiting().is_empty());
        assert_eq!(known.seen(), Revision(2), "but its revision is known");
    }

    #[test]
    fn many_changes_of_one_key_wait_as_one_and_many_of_many_are_due() {
        let mut known = Known::default();
        let large = |n: u8, at: u64| {
            let op = Op::Put(key(n), Bytes::from(vec![0; 300_000]), None);
            let at = Revision(at);
            Batch {
                at,
                changes: vec![change(&op, at)],
            }
        };
        for at in 1..100 {
            assert_eq!(known.watched(large(0, at)), Waits::Changes);
        }
        assert_eq!(known.waiting().len(), 1);
        assert_eq!(known.watched(large(1, 100)), Waits::Changes);
        assert_eq!(known.watched(large(2, 101)), Waits::Changes);
        assert_eq!(known.watched(large(3, 102)), Waits::Due);
        known.written();
        assert_eq!(known.watched(large(0, 103)), Waits::Changes);
    }
}
