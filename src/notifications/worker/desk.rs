//! What the shell keeps about one alerter.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::lane::AlerterNow;
use super::super::pace::Pace;
use crate::cluster::tenures::Right;
use crate::config::definition::AlerterDef;
use crate::model::MonitorName;
use crate::store::{Change, Key, Revision};

/// Whether an alerter is worked by this member.
#[derive(Default)]
pub(super) enum Post {
    /// It is another's, or nobody's. Deliveries that had begun may still be in flight.
    #[default]
    Away,
    /// It is given to us; what the store holds of it is being read.
    Arriving {
        right: Arc<Right>,
        /// Nobody else can have worked it since this member last did.
        own: bool,
        /// What changed meanwhile, by key: the newest of each, and at which revision.
        changes: HashMap<Key, (Revision, Change)>,
    },
    /// It is ours.
    Here(Arc<Right>),
}

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
    /// Its removal is on its way.
    pub(super) removing: bool,
}

#[derive(Default)]
pub(super) struct Desk {
    pub(super) post: Post,
    /// Number of the present post. What was begun in an earlier one is nobody's any more.
    pub(super) stint: u64,
    /// The outbox of it was read at this revision; what is older is not news.
    pub(super) read_at: Revision,
    pub(super) current: Option<Known>,
    pub(super) retired: Option<Retired>,
    pub(super) pace: Pace,
    /// Lanes that want to deliver, in order.
    pub(super) ready: VecDeque<MonitorName>,
    queued: HashSet<MonitorName>,
    /// Permits that are out: deliveries that are on their way, begin, or are recorded.
    pub(super) in_flight: usize,
    /// Deliveries on their way, of an earlier post too.
    pub(super) flying: usize,
}

impl Desk {
    /// By which right it is ours, or about to be.
    pub(super) fn right(&self) -> Option<&Arc<Right>> {
        match &self.post {
            Post::Away => None,
            Post::Arriving { right, .. } | Post::Here(right) => Some(right),
        }
    }

    /// Whether its lanes may do something.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.post, Post::Here(_))
    }

    /// Whether nothing at all is known of it.
    pub(super) fn is_bare(&self) -> bool {
        self.right().is_none() && self.current.is_none() && self.retired.is_none() && self.in_flight == 0
    }

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
            self.retired = Some(Retired {
                known,
                until,
                stored: false,
                removing: false,
            });
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

    /// Nothing is in line any more, and only what is on its way holds a permit. How many were given back.
    pub(super) fn clear(&mut self) -> usize {
        self.ready.clear();
        self.queued.clear();
        if let Some(retired) = &mut self.retired {
            retired.removing = false;
        }
        let back = self.in_flight.saturating_sub(self.flying);
        self.in_flight = self.flying;
        back
    }
}
