//! A timing wheel: at most one due time per item, moved and removed in constant time.
//!
//! Time is nanoseconds on the owner's scale. A slot is one millisecond wide and holds a linked list through the entries themselves, so an
//! entry costs 24 bytes; an occupancy bitmap finds the next one without walking empty slots. What is due beyond the wheel's span
//! waits in an ordered set and moves onto the wheel when near.

use std::collections::BTreeSet;

/// Slots of one millisecond: a span of 65 s holds most repeating checks without touching the far set.
const SLOTS: usize = 1 << 16;
const TICK: u64 = 1_000_000;
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    due: u64,
    next: u32,
    prev: u32,
    /// Where it is linked: a slot, [`FAR`] or [`IDLE`]. It does not follow from `due`: what is overdue is linked where time stands.
    slot: u32,
}

const FAR: u32 = u32::MAX - 1;
const IDLE: u32 = u32::MAX;
const NOWHERE: Entry = Entry {
    due: 0,
    next: NONE,
    prev: NONE,
    slot: IDLE,
};

/// What is due when. Items are small numbers chosen by the owner.
#[derive(Debug)]
pub struct Wheel {
    /// First tick that is on the wheel: everything before it has been handed out.
    base: u64,
    heads: Box<[u32]>,
    occupied: Box<[u64]>,
    entries: Vec<Entry>,
    far: BTreeSet<(u64, u32)>,
    len: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl Wheel {
    /// An empty wheel at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            base: 0,
            heads: vec![NONE; SLOTS].into(),
            occupied: vec![0; SLOTS / 64].into(),
            entries: Vec::new(),
            far: BTreeSet::new(),
            len: 0,
        }
    }

    /// Number of items that have a due time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives an item its due time, replacing an earlier one. A due time in the past is due at once.
    pub fn set(&mut self, item: u32, due: u64) {
        self.remove(item);
        let index = item as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, NOWHERE);
        }
        self.len += 1;
        if due / TICK >= self.base + SLOTS as u64 {
            self.entries[index] = Entry {
                due,
                slot: FAR,
                ..NOWHERE
            };
            self.far.insert((due, item));
        } else {
            self.link(item, due);
        }
    }

    /// Takes an item off the wheel; nothing happens if it is not on it.
    pub fn remove(&mut self, item: u32) {
        let Some(&Entry { due, next, prev, slot }) = self.entries.get(item as usize).filter(|e| e.slot != IDLE) else {
            return;
        };
        self.entries[item as usize] = NOWHERE;
        self.len -= 1;
        if slot == FAR {
            self.far.remove(&(due, item));
            return;
        }
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
        if prev != NONE {
            self.entries[prev as usize].next = next;
            return;
        }
        let slot = slot as usize;
        self.heads[slot] = next;
        if next == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// The earliest due time.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        // A due time before `base` was linked into the base slot, so the first occupied slot holds the minimum of the wheel.
        let near = self
            .first_occupied()
            .and_then(|slot| self.list(slot).map(|item| self.entries[item as usize].due).min());
        near.or_else(|| self.far.first().map(|&(due, _)| due))
    }

    /// Hands out everything due at `now`, with its due time, earliest first; those items have no due time afterwards.
    pub fn pop_due(&mut self, now: u64, out: &mut Vec<(u64, u32)>) {
        let from = out.len();
        while let Some(slot) = self.first_occupied() {
            // Anything in a slot before the current tick's is due; in the current one only what has come.
            let mut item = self.heads[slot];
            let mut found = false;
            while item != NONE {
                let Entry { due, next, .. } = self.entries[item as usize];
                if due <= now {
                    self.remove(item);
                    out.push((due, item));
                    found = true;
                }
                item = next;
            }
            if !found {
                break;
            }
        }
        while let Some(&(due, item)) = self.far.first().filter(|(due, _)| *due <= now) {
            self.remove(item);
            out.push((due, item));
        }
        self.base = self.base.max(now / TICK);
        self.pull_far();
        out[from..].sort_unstable();
    }

    fn pull_far(&mut self) {
        let end = (self.base + SLOTS as u64) * TICK;
        while let Some(&(due, item)) = self.far.first().filter(|(due, _)| *due < end) {
            self.far.remove(&(due, item));
            self.link(item, due);
        }
    }

    fn link(&mut self, item: u32, due: u64) {
        let slot = ((due / TICK).max(self.base) % SLOTS as u64) as usize;
        let head = std::mem::replace(&mut self.heads[slot], item);
        self.entries[item as usize] = Entry {
            due,
            next: head,
            prev: NONE,
            slot: slot as u32,
        };
        if head != NONE {
            self.entries[head as usize].prev = item;
        }
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// The occupied slot that is next in time.
    fn first_occupied(&self) -> Option<usize> {
        let start = (self.base % SLOTS as u64) as usize;
        let words = self.occupied.len();
        for i in 0..=words {
            let word = (start / 64 + i) % words;
            let mut bits = self.occupied[word];
            if i == 0 {
                bits &= u64::MAX << (start % 64);
            } else if i == words {
                bits &= !(u64::MAX << (start % 64));
            }
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
        }
        None
    }

    fn list(&self, slot: usize) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(self.heads[slot]).filter(|i| *i != NONE), |i| {
            Some(self.entries[*i as usize].next).filter(|i| *i != NONE)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MS: u64 = TICK;

    #[test]
    fn hands_out_in_order_of_due_time_across_near_and_far() {
        let mut wheel = Wheel::new();
        for (item, due) in [
            (1, 500 * MS),
            (2, 3),
            (3, 90_000 * MS),
            (4, 500 * MS + 1),
            (5, 70_000 * MS),
        ] {
            wheel.set(item, due);
        }
        assert_eq!(wheel.next_due(), Some(3));
        let mut out = Vec::new();
        wheel.pop_due(500 * MS, &mut out);
        assert_eq!(out, [(3, 2), (500 * MS, 1)]);
        out.clear();
        wheel.pop_due(100_000 * MS, &mut out);
        assert_eq!(out, [(500 * MS + 1, 4), (70_000 * MS, 5), (90_000 * MS, 3)]);
        assert!(wheel.is_empty());
    }

    #[derive(Debug, Clone)]
    enum Act {
        Set(u32, u64),
        Remove(u32),
        Advance(u64),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let span = prop_oneof![0..5 * MS, 0..100 * MS, 0..200_000 * MS];
        proptest::collection::vec(
            prop_oneof![
                4 => (0u32..30, span.clone()).prop_map(|(i, d)| Act::Set(i, d)),
                1 => (0u32..30).prop_map(Act::Remove),
                2 => span.prop_map(Act::Advance),
            ],
            0..120,
        )
    }

    proptest! {
        /// Against a plain map: the same items come out at the same calls, and the next due time agrees.
        #[test]
        fn agrees_with_a_plain_map(acts in acts()) {
            let mut wheel = Wheel::new();
            let mut map: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now = 0u64;
            for act in acts {
                match act {
                    Act::Set(item, after) => {
                        wheel.set(item, now + after);
                        map.insert(item, now + after);
                    }
                    Act::Remove(item) => {
                        wheel.remove(item);
                        map.remove(&item);
                    }
                    Act::Advance(by) => {
                        now += by;
                        let mut out = Vec::new();
                        wheel.pop_due(now, &mut out);
                        let mut expected: Vec<_> = map.iter().filter(|(_, d)| **d <= now).map(|(i, d)| (*d, *i)).collect();
                        expected.sort_unstable();
                        map.retain(|_, d| *d > now);
                        prop_assert_eq!(out, expected);
                    }
                }
                prop_assert_eq!(wheel.len(), map.len());
                prop_assert_eq!(wheel.next_due(), map.values().min().copied());
            }
        }
    }
}
