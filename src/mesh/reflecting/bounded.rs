//! A memory with a bound: when it is full, what is idle is forgotten, and while nothing is idle, nothing new is taken.
//!
//! So strangers who fill it cannot push out what is in use.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// What is full is looked through this often, at most.
const SWEEP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    most: usize,
    idle: Duration,
    kept: HashMap<K, Kept<V>>,
    swept: Option<Duration>,
    forgotten: u64,
}

#[derive(Debug)]
struct Kept<V> {
    value: V,
    used: Duration,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    /// Keeps `most` values; one that was not used for `idle` may be forgotten.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self {
            most,
            idle,
            kept: HashMap::new(),
            swept: None,
            forgotten: 0,
        }
    }

    /// The value of a key, if there is one.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.kept.get(key).map(|kept| &kept.value)
    }

    /// The value of a key, or a new one; it is used now. `None`: there is no room.
    pub(super) fn take(&mut self, key: K, now: Duration, new: impl FnOnce() -> V) -> Option<&mut V> {
        if self.kept.len() >= self.most && !self.kept.contains_key(&key) {
            self.sweep(now);
            if self.kept.len() >= self.most {
                return None;
            }
        }
        let kept = self.kept.entry(key).or_insert_with(|| Kept {
            value: new(),
            used: now,
        });
        kept.used = now;
        Some(&mut kept.value)
    }

    fn sweep(&mut self, now: Duration) {
        if self.swept.is_some_and(|swept| now.saturating_sub(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        let before = self.kept.len();
        self.kept.retain(|_, kept| now.saturating_sub(kept.used) < self.idle);
        self.forgotten += (before - self.kept.len()) as u64;
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Values that were forgotten to make room.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
