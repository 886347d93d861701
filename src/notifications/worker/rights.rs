//! Which alerters are ours, by the newest table: those that come are read, those that go are dropped, the others notice nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tracing::info;

use super::desk::{Desk, Post};
use super::{Grant, Worker};
use crate::cluster::tenures::{Holding, Right};
use crate::model::{AlerterName, Group};
use crate::store::Revision;
use crate::store::records::slot;

impl Worker {
    /// Acts on the newest table, if it is another one than the last.
    pub(super) fn take_rights(&mut self) {
        let holding = self.options.tenures.holding(&Group::notify());
        if holding == self.holding {
            return;
        }
        self.holding = holding;
        let mut goes = BTreeSet::new();
        let mut comes: BTreeMap<AlerterName, Arc<Right>> = BTreeMap::new();
        for (name, desk) in &self.desks {
            let right = self.right(name);
            if desk.right() == right.as_ref() {
                continue;
            }
            if desk.right().is_some() {
                goes.insert(name.clone());
            }
            // By another right: it may have been somebody else's in between.
            comes.extend(right.map(|right| (name.clone(), right)));
        }
        self.leave(&goes);
        for (name, right) in comes {
            let own = right.inherited;
            self.arrive(&name, right, own);
        }
        if std::mem::take(&mut self.refused) {
            self.look_at_all();
        }
    }

    /// By which right an alerter is ours.
    pub(super) fn right(&self, name: &AlerterName) -> Option<Arc<Right>> {
        self.holding.as_ref()?.right(slot(name.as_str())).cloned()
    }

    /// What proves it to the store; `None` while there is nothing that could, or nothing that would be believed.
    pub(super) fn proof(&self) -> Option<&Holding> {
        self.holding.as_ref().filter(|_| !self.refused)
    }

    pub(super) fn is_here(&self, name: &AlerterName) -> bool {
        self.desks.get(name).is_some_and(Desk::is_here)
    }

    /// The desk of an alerter. One that was not known is read first, if it is ours.
    pub(super) fn desk_of(&mut self, name: &AlerterName) -> &mut Desk {
        if !self.desks.contains_key(name) {
            self.desks.insert(name.clone(), Desk::default());
            if let Some(right) = self.right(name) {
                let own = right.inherited;
                self.arrive(name, right, own);
            }
        }
        self.desks.entry(name.clone()).or_default()
    }

    fn arrive(&mut self, name: &AlerterName, right: Arc<Right>, own: bool) {
        let stint = self.next_stint();
        let Some(desk) = self.desks.get_mut(name) else { return };
        let changes = HashMap::new();
        desk.post = Post::Arriving { right, own, changes };
        desk.stint = stint;
        desk.read_at = Revision(0);
        self.to_arrive.insert(name.clone());
        self.view.set_here(name, true);
    }

    /// Reads again those that are being read: what is read from now on is newer than anything that was seen.
    pub(super) fn arrive_again(&mut self) {
        let arriving = self.desks.iter().filter_map(|(name, desk)| match &desk.post {
            Post::Arriving { right, own, .. } => Some((name.clone(), right.clone(), *own)),
            Post::Away | Post::Here(_) => None,
        });
        for (name, right, own) in arriving.collect::<Vec<_>>() {
            self.arrive(&name, right, own);
        }
    }

    /// These are no longer ours. What is on its way of them ends, and comes to nothing here.
    fn leave(&mut self, names: &BTreeSet<AlerterName>) {
        if names.is_empty() {
            return;
        }
        let keys: Vec<_> = self
            .lanes
            .keys()
            .filter(|key| names.contains(&key.0))
            .cloned()
            .collect();
        for key in keys {
            if let Some(at) = self.lanes.remove(&key).and_then(|slot| slot.timer) {
                self.timers.remove(&(at, key.clone()));
            }
            self.view.show(&key, None);
        }
        self.jobs.retain(|job| !names.contains(job.alerter()));
        self.to_retire.retain(|(name, _)| !names.contains(name));
        self.to_read.retain(|key| !names.contains(&key.0));
        self.batches.retain(|_, batch| !names.contains(&batch.alerter));
        for name in names {
            self.to_arrive.remove(name);
            self.view.set_here(name, false);
            let stint = self.next_stint();
            let Some(desk) = self.desks.get_mut(name) else { continue };
            info!(alerter = %name, in_flight = desk.flying, "no longer told from here");
            desk.post = Post::Away;
            desk.stint = stint;
            desk.pace.forget();
            self.in_flight = self.in_flight.saturating_sub(desk.clear());
            if desk.is_bare() {
                self.desks.remove(name);
            }
        }
    }

    /// Begins anew with all that are ours: nothing that is known of the store holds.
    pub(super) fn forget_all(&mut self) {
        self.jobs.clear();
        self.to_retire.clear();
        self.to_read.clear();
        self.batches.clear();
        self.timers.clear();
        self.fallbacks.forget_attempts();
        (self.in_flight, self.reading, self.committing, self.arriving) = (0, 0, false, false);
        for slot in self.lanes.values_mut() {
            (slot.timer, slot.grant) = (None, Grant::No);
        }
        let mut ours = Vec::new();
        for (name, desk) in &mut self.desks {
            desk.flying = 0;
            desk.clear();
            // Nobody else had it since, if it was read before.
            let own = !matches!(desk.post, Post::Arriving { own: false, .. });
            ours.extend(desk.right().map(|right| (name.clone(), right.clone(), own)));
        }
        for (name, right, own) in ours {
            self.arrive(&name, right, own);
        }
    }

    fn next_stint(&mut self) -> u64 {
        self.last_stint += 1;
        self.last_stint
    }
}
