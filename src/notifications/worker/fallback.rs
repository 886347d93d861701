//! What was given up is told to the fallback alerters, by whoever works the alerter that it was for: what waits as one message, and not one for each.
//!
//! *Guarantees*: each message that stays wanted is told to each fallback alerter but its own, until it is taken or refused; what was recorded as told is not
//! told again by whoever comes after. *Caveats*: a process that dies, or an alerter that is given away, between the answer and the record is told once more.
//! What a fallback alerter refuses is told to nobody in its place: that ends here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::super::NotifierEvent;
use super::super::lane::{Change, change_of};
use super::super::limits::{FALLBACKS, UNDELIVERED_EVERY, UNDELIVERED_GATHER};
use super::super::trying::{Tried, Trying};
use super::super::undelivered::{Undelivered, notice};
use super::super::view::LaneKey;
use super::{Done, Worker, muted};
use crate::alerters::{DeliveryError, Receipt};
use crate::model::AlerterName;

/// Who is told in place of others, and what of.
pub(super) struct Fallbacks {
    /// Those that are told, by name.
    all: Vec<AlerterName>,
    trying: BTreeMap<AlerterName, One>,
    /// Lanes that gave something up of which not everybody was told.
    owed: BTreeSet<LaneKey>,
    /// When to look at them; not at all, if nothing is owed.
    look_at: Duration,
}

/// One of them.
#[derive(Default)]
struct One {
    trying: Trying,
    /// The last attempt may have arrived.
    may_have_arrived: bool,
}

impl Default for Fallbacks {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            trying: BTreeMap::new(),
            owed: BTreeSet::new(),
            look_at: Duration::MAX,
        }
    }
}

impl Fallbacks {
    /// When there is something to do.
    pub(super) fn wake(&self) -> Duration {
        self.look_at
    }

    /// Attempts that were on their way are lost.
    pub(super) fn forget_attempts(&mut self) {
        self.trying.values_mut().for_each(|one| one.trying.lost());
    }
}

/// What became of an attempt.
pub(super) struct InPlace {
    fallback: AlerterName,
    of: Vec<(LaneKey, Change)>,
    /// `None`: in the last moment it was not begun.
    result: Option<Result<Receipt, DeliveryError>>,
}

impl Worker {
    /// Who is told may be others now.
    pub(super) fn find_fallbacks(&mut self) {
        let fallback = self.desks.iter().filter(|(_, desk)| {
            let def = desk.current.as_ref().and_then(|known| known.def.as_ref());
            def.is_some_and(|def| def.settings.fallback)
        });
        let mut all: Vec<_> = fallback.map(|(name, _)| name.clone()).collect();
        if all.len() > FALLBACKS && self.fallbacks.all.len() < FALLBACKS {
            warn!(
                alerters = all.len(),
                told = FALLBACKS,
                "only the first fallback alerters by name are told of what was given up"
            );
        }
        all.truncate(FALLBACKS);
        if all == self.fallbacks.all {
            return;
        }
        self.fallbacks
            .trying
            .retain(|name, one| one.trying.busy() || all.contains(name));
        self.fallbacks.all = all;
        let keys: Vec<_> = self.lanes.keys().cloned().collect();
        for key in keys {
            self.owe(&key);
        }
    }

    /// Looks whether a lane gave something up of which somebody is to be told in its alerter's place.
    pub(super) fn owe(&mut self, key: &LaneKey) {
        let fallbacks = &mut self.fallbacks;
        let undelivered = self.lanes.get(key).and_then(|slot| slot.lane.undelivered());
        let owed = undelivered.is_some_and(|(_, told)| {
            let hears = |name: &&AlerterName| **name != key.0 && !told.fallbacks.contains(name);
            fallbacks.all.iter().any(|name| hears(&name))
        });
        if owed {
            fallbacks.owed.insert(key.clone());
            fallbacks.look_at = fallbacks.look_at.min(self.started.elapsed() + UNDELIVERED_GATHER);
        } else {
            fallbacks.owed.remove(key);
        }
    }

    /// Tells whoever is not being told already, and does not rest.
    pub(super) fn tell_fallbacks(&mut self) {
        self.fallbacks.look_at = Duration::MAX;
        let lanes = &self.lanes;
        self.fallbacks.owed.retain(|key| lanes.contains_key(key));
        if self.fallbacks.owed.is_empty() {
            return;
        }
        for name in self.fallbacks.all.clone() {
            let one = self.fallbacks.trying.entry(name.clone()).or_default();
            if one.trying.may_begin(Instant::now()) {
                self.tell_in_place(name);
            } else if let Some(until) = one.trying.waits_until().filter(|_| !one.trying.busy()) {
                let until = until.saturating_duration_since(self.started);
                self.fallbacks.look_at = self.fallbacks.look_at.min(until);
            }
        }
    }

    /// Tells one of them all that it is to be told.
    fn tell_in_place(&mut self, fallback: AlerterName) {
        let now = self.now();
        let may_tell = self.options.may_tell.borrow().clone();
        let undelivered = |key: &LaneKey| {
            let slot = self
                .lanes
                .get(key)
                .filter(|_| self.proof().is_some() && self.is_here(&key.0))?;
            let (wanted, told) = slot.lane.undelivered()?;
            let for_it = key.0 != fallback && !told.fallbacks.contains(&fallback);
            let waits =
                muted(&self.silences, key, &slot.lane, now).is_some() || !may_tell.allows(&key.1, Instant::now());
            (for_it && !waits).then(|| Undelivered {
                key: key.clone(),
                change: change_of(told),
                at: told.at,
                message: wanted.message.clone(),
                why: told.response.clone(),
            })
        };
        let all: Vec<_> = self.fallbacks.owed.iter().filter_map(undelivered).collect();
        let of: Vec<_> = all.iter().map(|one| (one.key.clone(), one.change)).collect();
        let current = self.desks.get(&fallback).and_then(|desk| desk.current.as_ref());
        let def = current.and_then(|known| known.def.clone());
        let (Some(mut notice), Some(def)) = (notice(all, now.wall, (self.options.stands_in)()), def) else {
            return;
        };
        let one = self.fallbacks.trying.entry(fallback.clone()).or_default();
        notice.possibly_repeated = one.may_have_arrived && !def.alerter.has_key();
        one.trying.begin();
        let (view, may_tell) = (self.view.clone(), self.options.may_tell.clone());
        self.tasks.spawn(async move {
            let allows = |(key, _): &(LaneKey, Change)| may_tell.borrow().allows(&key.1, Instant::now());
            let result = match of.iter().all(allows) {
                true => Some(view.send_notice(&def, &notice).await),
                false => None,
            };
            Done::InPlace(InPlace { fallback, of, result })
        });
    }

    pub(super) fn told_in_place(&mut self, InPlace { fallback, of, result }: InPlace) {
        let now = Instant::now();
        let one = self.fallbacks.trying.entry(fallback.clone()).or_default();
        let Some(result) = result else {
            // Whoever is looked at again says when.
            return one.trying.lost();
        };
        let tried = one.trying.ended(&result, now);
        one.may_have_arrived = tried == Tried::Again { may_have_arrived: true };
        let event = match (tried, result) {
            (Tried::Arrived, _) => {
                one.trying.rest_until(now + UNDELIVERED_EVERY);
                self.view.in_place(&fallback, "told", of.len());
                NotifierEvent::FallbackTold {
                    fallback: fallback.clone(),
                    messages: of.len(),
                }
            }
            (Tried::Refused, Err(error)) => {
                one.trying.rest_until(now + UNDELIVERED_EVERY);
                self.view.in_place(&fallback, "refused", of.len());
                NotifierEvent::FallbackRefused {
                    fallback: fallback.clone(),
                    messages: of.len(),
                    error: error.message,
                }
            }
            (_, result) => {
                let error = result.err().map(|error| error.message).unwrap_or_default();
                warn!(alerter = %fallback, error, "cannot tell a fallback alerter, trying on");
                return self.tell_fallbacks();
            }
        };
        (self.options.events)(event);
        for (key, change) in of {
            if let Some(slot) = self.lanes.get_mut(&key) {
                slot.lane.fallback_told(change, &fallback, &self.fallbacks.all);
            }
            self.look(&key);
        }
        self.tell_fallbacks();
    }
}
