//! What the shell keeps about one alerter.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::lane::AlerterNow;
use super::super::pace::Pace;
use crate::config::definition::AlerterDef;
use crate::model::MonitorName;
use crate::store::Revision;

/// A definition as it stands in the store.
pub(super) struct Known {
    pub(super) rev: Revision,
    /// `None`: it cannot be used.
    pub(super) def: Option<Arc<AlerterDef>>,
}

/// The last definition of an alerter that was removed.
pub(super) struct Retired {
    pub(super) known: Known,
    /// When whatever is still open there is given up.
    pub(super) until: Duration,
    /// Whether the store keeps it; else it is only remembered here.
    pub(super) stored: bool,
}

#[derive(Default)]
pub(super) struct Desk {
    pub(super) current: Option<Known>,
    pub(super) retired: Option<Retired>,
    pub(super) pace: Pace,
    /// Lanes that want to deliver, in order.
    pub(super) ready: VecDeque<MonitorName>,
    queued: HashSet<MonitorName>,
    pub(super) in_flight: usize,
}

impl Desk {
    /// The definition to tell by.
    pub(super) fn known(&self) -> Option<&Known> {
        self.current
            .as_ref()
            .or(self.retired.as_ref().map(|retired| &retired.known))
    }

    pub(super) fn def(&self) -> Option<&Arc<AlerterDef>> {
        self.known()?.def.as_ref()
    }

    pub(super) fn alerter_now(&self) -> Option<AlerterNow> {
        let known = self.known()?;
        Some(AlerterNow {
            rev: known.rev,
            has_key: known.def.as_ref()?.alerter.has_key(),
            retired: self.current.is_none(),
        })
    }

    /// The alerter was removed. The feed of removed alerters may say so a moment later.
    pub(super) fn retire(&mut self, until: Duration) {
        let Some(known) = self.current.take() else { return };
        if self
            .retired
            .as_ref()
            .is_none_or(|retired| retired.known.rev < known.rev)
        {
            let stored = false;
            self.retired = Some(Retired { known, until, stored });
        }
    }

    /// Whether the last definition is not needed, because the alerter is there again.
    pub(super) fn is_back(&self) -> bool {
        let rev = |known: &Known| known.rev;
        self.current.as_ref().map(rev) > self.retired.as_ref().map(|retired| retired.known.rev)
    }

    pub(super) fn enqueue(&mut self, monitor: &MonitorName) {
        if self.queued.insert(monitor.clone()) {
            self.ready.push_back(monitor.clone());
        }
    }

    pub(super) fn dequeue(&mut self) -> Option<MonitorName> {
        let monitor = self.ready.pop_front()?;
        self.queued.remove(&monitor);
        Some(monitor)
    }

    /// Whether a delivery may begin now.
    pub(super) fn may_begin(&self, now: Duration) -> bool {
        !self.ready.is_empty() && self.in_flight < self.pace.slots() && self.pace.paused_until(now).is_none()
    }

    /// Nothing is in flight or in line any more.
    pub(super) fn clear(&mut self) {
        self.ready.clear();
        self.queued.clear();
        self.in_flight = 0;
    }
}
