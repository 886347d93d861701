//! When leases end. Pure: time is a parameter.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::backend::{LeaseId, StoreError};

/// The living leases of a store that keeps time itself.
#[derive(Debug, Default)]
pub(super) struct Leases {
    all: HashMap<LeaseId, Life>,
}

#[derive(Debug)]
struct Life {
    ttl: Duration,
    until: Instant,
}

impl Leases {
    pub(super) fn add(&mut self, id: LeaseId, ttl: Duration, now: Instant) {
        self.all.insert(id, Life { ttl, until: now + ttl });
    }

    pub(super) fn lives(&self, id: LeaseId) -> bool {
        self.all.contains_key(&id)
    }

    pub(super) fn ids(&self) -> Vec<LeaseId> {
        self.all.keys().copied().collect()
    }

    pub(super) fn keep_alive(&mut self, id: LeaseId, now: Instant) -> Result<Duration, StoreError> {
        let life = self.all.get_mut(&id).ok_or(StoreError::NoLease)?;
        life.until = now + life.ttl;
        Ok(life.ttl)
    }

    /// All get their full time: the store was stopped, and nobody could have kept them alive.
    pub(super) fn restart(&mut self, now: Instant) {
        for life in self.all.values_mut() {
            life.until = now + life.ttl;
        }
    }

    pub(super) fn remove(&mut self, id: LeaseId) -> bool {
        self.all.remove(&id).is_some()
    }

    /// Looks at a lease again later: it could not be ended now.
    pub(super) fn postpone(&mut self, id: LeaseId, until: Instant) {
        if let Some(life) = self.all.get_mut(&id) {
            life.until = life.until.max(until);
        }
    }

    /// Those whose time is over.
    pub(super) fn over(&self, now: Instant) -> Vec<LeaseId> {
        let mut over: Vec<_> = self
            .all
            .iter()
            .filter(|(_, l)| l.until <= now)
            .map(|(id, _)| *id)
            .collect();
        over.sort();
        over
    }

    /// When the next one ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.all.values().map(|life| life.until).min()
    }
}
