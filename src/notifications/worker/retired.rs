//! What is left of alerters that were removed: whoever works one tidies up after it.

use super::super::lane::Now;
use super::Worker;
use super::commits::Job;
use super::desk::Desk;
use crate::model::AlerterName;

impl Worker {
    /// Removes the last definitions of alerters of which nothing is left to resolve.
    pub(super) fn tidy_retired(&mut self) {
        if self.proof().is_none() {
            return;
        }
        let waits = |desk: &Desk| desk.is_here() && desk.retired.as_ref().is_some_and(|retired| !retired.removing);
        let over: Vec<AlerterName> = self
            .desks
            .iter()
            .filter(|(_, desk)| waits(desk))
            .filter(|(name, desk)| desk.is_back() || !self.lanes.keys().any(|key| key.0 == **name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            let Some(desk) = self.desks.get_mut(&name) else {
                continue;
            };
            match &mut desk.retired {
                Some(retired) if retired.stored => {
                    retired.removing = true;
                    self.jobs.push_back(Job::Retired(name, retired.known.rev));
                }
                _ => desk.retired = None,
            }
        }
    }

    /// Gives up what could not be resolved with an alerter that was removed long ago.
    pub(super) fn expire_retired(&mut self, now: Now) {
        let desks = &self.desks;
        for (key, slot) in &mut self.lanes {
            let expired = desks.get(&key.0).is_some_and(|desk| {
                let over = desk.retired.as_ref().is_some_and(|retired| now.mono >= retired.until);
                over && desk.is_here() && desk.current.is_none()
            });
            if expired && !slot.lane.busy() {
                slot.lane.abandon();
            }
        }
    }
}
