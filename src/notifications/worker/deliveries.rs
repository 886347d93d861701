//! Who delivers when: at most so many at once, alerter by alerter in turn, many small messages as one where that helps people.

use std::collections::HashSet;

use tokio::time::Instant;
use tracing::info;

use super::super::NotifierEvent;
use super::super::deliver;
use super::super::lane::{Message, StoreNow};
use super::super::limits::{DIGEST_ABOVE, DIGEST_AT_MOST, PER_MEMBER};
use super::super::pace::Turn;
use super::super::view::LaneKey;
use super::{Done, Grant, Worker};
use crate::alerters::{DeliveryError, Receipt};
use crate::model::{AlerterName, Notification};
use crate::store::Revision;

/// Lanes of one alerter that go into one digest.
pub(super) struct Batch {
    pub(super) alerter: AlerterName,
    /// Those that have not said what they want told.
    waiting: HashSet<LaneKey>,
    ready: Vec<(LaneKey, Message)>,
}

/// What became of an attempt.
pub(super) struct Delivered {
    alerter: AlerterName,
    /// Of which post.
    stint: u64,
    lanes: Vec<LaneKey>,
    /// The definition that it was made with.
    under: Revision,
    /// `None`: in the last moment it was not begun.
    result: Option<Result<Receipt, DeliveryError>>,
}

impl Worker {
    /// Lets those begin that may.
    pub(super) fn grant(&mut self) {
        while self.proof().is_some() && !self.anew && self.in_flight < PER_MEMBER {
            let now = self.started.elapsed();
            let Some(name) = self.next_alerter(now) else { return };
            self.turn = Some(name.clone());
            let Some(desk) = self.desks.get_mut(&name) else { return };
            let digest = desk.ready.len() > DIGEST_ABOVE && desk.def().is_some_and(|def| !def.alerter.has_key());
            let n = if digest { DIGEST_AT_MOST } else { 1 };
            let mut keys = Vec::new();
            while let Some(monitor) = (keys.len() < n).then(|| desk.dequeue()).flatten() {
                keys.push((name.clone(), monitor));
            }
            keys.retain(|key| {
                let slot = self.lanes.get(key);
                slot.is_some_and(|slot| slot.grant == Grant::No && !slot.lane.busy())
            });
            if keys.is_empty() {
                continue;
            }
            desk.in_flight += 1;
            self.in_flight += 1;
            let grant = if digest {
                self.last_batch += 1;
                let batch = Batch {
                    alerter: name.clone(),
                    waiting: keys.iter().cloned().collect(),
                    ready: Vec::new(),
                };
                self.batches.insert(self.last_batch, batch);
                Grant::Batch(self.last_batch)
            } else {
                Grant::Alone
            };
            for key in &keys {
                if let Some(slot) = self.lanes.get_mut(key) {
                    slot.grant = grant;
                }
            }
            for key in &keys {
                self.look(key);
            }
        }
    }

    /// The next alerter in turn that has something to deliver and may.
    fn next_alerter(&self, now: std::time::Duration) -> Option<AlerterName> {
        let may = |(name, desk): (&AlerterName, &super::Desk)| desk.may_begin(now).then(|| name.clone());
        let after = self.turn.as_ref().and_then(|turn| {
            use std::ops::Bound::{Excluded, Unbounded};
            self.desks
                .range::<AlerterName, _>((Excluded(turn), Unbounded))
                .find_map(may)
        });
        after.or_else(|| self.desks.iter().find_map(may))
    }

    /// A lane does not deliver, now or any more.
    pub(super) fn release(&mut self, key: &LaneKey) {
        let Some(slot) = self.lanes.get_mut(key) else { return };
        match std::mem::replace(&mut slot.grant, Grant::No) {
            Grant::No => {}
            Grant::Alone => self.end_flight(&key.0),
            Grant::Batch(id) => {
                if let Some(batch) = self.batches.get_mut(&id) {
                    batch.waiting.remove(key);
                }
                self.send_batch(id, &key.0);
            }
        }
    }

    fn end_flight(&mut self, alerter: &AlerterName) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(desk) = self.desks.get_mut(alerter) {
            desk.in_flight = desk.in_flight.saturating_sub(1);
        }
    }

    pub(super) fn attempt(&mut self, key: &LaneKey, message: Message, grant: Grant) {
        if let StoreNow::Shut { .. } = self.gate.now(self.started.elapsed()) {
            self.view.told_one_without_store();
            (self.options.events)(NotifierEvent::ToldWithoutStore {
                alerter: key.0.clone(),
                monitor: key.1.clone(),
            });
        }
        match grant {
            Grant::Batch(id) => {
                if let Some(batch) = self.batches.get_mut(&id) {
                    batch.waiting.remove(key);
                    batch.ready.push((key.clone(), message));
                }
                self.send_batch(id, &key.0);
            }
            Grant::Alone | Grant::No => {
                let note = self.sender.notification(&key.0, &key.1, &message);
                self.send(&key.0, vec![key.clone()], note);
            }
        }
    }

    /// Sends a batch if all of it have spoken.
    fn send_batch(&mut self, id: u64, alerter: &AlerterName) {
        if self.batches.get(&id).is_none_or(|batch| !batch.waiting.is_empty()) {
            return;
        }
        let Some(batch) = self.batches.remove(&id) else { return };
        let mut notes: Vec<_> = batch
            .ready
            .iter()
            .map(|((alerter, monitor), message)| self.sender.notification(alerter, monitor, message))
            .collect();
        let note = if notes.len() == 1 {
            notes.pop()
        } else {
            self.sender.digest(notes)
        };
        match note {
            Some(note) => self.send(alerter, batch.ready.into_iter().map(|(key, _)| key).collect(), note),
            None => self.end_flight(alerter),
        }
    }

    fn send(&mut self, alerter: &AlerterName, lanes: Vec<LaneKey>, mut note: Notification) {
        note.without_store = (self.options.stands_in)();
        let known = self
            .desks
            .get(alerter)
            .and_then(|desk| Some((desk.def()?.clone(), desk.known()?.rev)));
        let Some(desk) = self.desks.get_mut(alerter) else {
            return;
        };
        desk.flying += 1;
        let stint = desk.stint;
        let (http, may_tell) = (self.options.http.clone(), self.options.may_tell.clone());
        let alerter = alerter.clone();
        self.tasks.spawn(async move {
            // Of a digest the record of the last lane was waited for; that may have taken its time.
            let allows = |key: &LaneKey| may_tell.borrow().allows(&key.1, Instant::now());
            let (under, result) = match known {
                Some((def, rev)) if lanes.iter().all(allows) => {
                    (rev, Some(deliver(def.alerter.clone(), http, note).await))
                }
                // The lanes look again, and see that it may not be told, or that the alerter was removed.
                _ => (Revision(0), None),
            };
            Done::Delivered(Delivered {
                alerter,
                stint,
                lanes,
                under,
                result,
            })
        });
    }

    pub(super) fn delivered(&mut self, delivered: Delivered) {
        let Delivered {
            alerter,
            stint,
            lanes,
            under,
            result,
        } = delivered;
        let now = self.now();
        if let Some(result) = &result {
            self.view.attempted(&alerter, result, now.wall);
        }
        if let Some(desk) = self.desks.get_mut(&alerter) {
            desk.flying = desk.flying.saturating_sub(1);
            if desk.stint != stint {
                // The alerter was given away meanwhile. Whoever has it now finds `sending`, and knows no more than that.
                info!(%alerter, delivered = matches!(result, Some(Ok(_))), "what came of a delivery is not ours to record");
                return self.end_flight(&alerter);
            }
            let turn = result
                .as_ref()
                .map_or(Turn::None, |result| desk.pace.ended(result, fastrand::f64(), now.mono));
            match (turn, &result) {
                (Turn::Fails, Some(Err(error))) => (self.options.events)(NotifierEvent::AlerterFails {
                    alerter: alerter.clone(),
                    error: error.message.clone(),
                }),
                (Turn::Works, _) => (self.options.events)(NotifierEvent::AlerterWorks {
                    alerter: alerter.clone(),
                }),
                _ => {}
            }
        }
        let mut digest = false;
        for key in &lanes {
            if let Some(slot) = self.lanes.get_mut(key) {
                match &result {
                    Some(result) => slot.lane.attempted(result, under, fastrand::f64(), now),
                    None => slot.lane.not_attempted(),
                }
                if matches!(slot.grant, Grant::Batch(_)) {
                    // The batch has flown; its lanes record on their own.
                    slot.grant = Grant::No;
                    digest = true;
                }
            }
        }
        if digest {
            self.end_flight(&alerter);
        }
        for key in &lanes {
            self.look(key);
        }
    }
}
