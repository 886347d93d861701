//! Things worth telling a person: a bounded memory of them, and a bounded queue to whoever writes them down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::feed::{Feed, Signal};
use crate::model::{MemberId, MonitorName, WallMs};

/// Events that are remembered here.
pub const REMEMBERED: usize = 5_000;
/// Events that may wait for being written; more are remembered here only, and counted.
const QUEUE: usize = 256;

/// What an event is about. The first three are the original's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// We are broken, somewhere.
    Error,
    /// Something wants attention.
    Warning,
    /// Somebody changed something through the API.
    Api,
    /// A monitor changed its status.
    Status,
    /// Something was given up, or an alerter is in trouble.
    Alert,
    /// A member came, went, or directs.
    Member,
    /// Definitions were synchronised.
    Config,
}

impl EventKind {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Api => "api",
            Self::Status => "status",
            Self::Alert => "alert",
            Self::Member => "member",
            Self::Config => "config",
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique, and in order of time for one member.
    pub id: String,
    /// One of [`EventKind`]'s words (a newer member may know more).
    pub kind: String,
    /// For people.
    pub message: String,
    /// When.
    pub at: WallMs,
    /// Who says so.
    pub member: MemberId,
    /// The monitor it is about.
    pub monitor: Option<MonitorName>,
}

/// A cheap handle.
#[derive(Debug, Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    member: MemberId,
    ring: Mutex<VecDeque<Arc<Event>>>,
    counter: AtomicU64,
    unwritten: AtomicU64,
    queue: mpsc::Sender<Arc<Event>>,
    feed: Feed,
}

impl Events {
    /// A handle, and the queue of what is to be written down.
    #[must_use]
    pub fn new(member: MemberId, feed: Feed) -> (Self, mpsc::Receiver<Arc<Event>>) {
        let (queue, to_write) = mpsc::channel(QUEUE);
        let inner = Inner {
            member,
            ring: Mutex::default(),
            counter: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            queue,
            feed,
        };
        (Self { inner: Arc::new(inner) }, to_write)
    }

    /// Records an event.
    pub fn record(&self, kind: EventKind, at: WallMs, monitor: Option<&MonitorName>, message: impl Into<String>) {
        let n = self.inner.counter.fetch_add(1, Relaxed);
        let event = Arc::new(Event {
            id: format!("{:015}-{}-{n:06}", at.0.max(0), self.inner.member),
            kind: kind.as_str().to_owned(),
            message: message.into(),
            at,
            member: self.inner.member.clone(),
            monitor: monitor.cloned(),
        });
        if self.inner.queue.try_send(event.clone()).is_err() {
            self.count_unwritten();
        }
        self.remember(event);
        self.inner.feed.tell(|| Signal::Event);
    }

    /// Takes in an event that was written before (by an earlier process, or another member).
    pub fn remember(&self, event: Arc<Event>) {
        let mut ring = self.inner.ring.lock();
        let place = ring.partition_point(|e| e.id < event.id);
        if ring.get(place).is_some_and(|e| e.id == event.id) {
            return;
        }
        ring.insert(place, event);
        if ring.len() > REMEMBERED {
            ring.pop_front();
        }
    }

    /// Counts an event that is remembered here but will not be written down.
    pub fn count_unwritten(&self) {
        self.inner.unwritten.fetch_add(1, Relaxed);
    }

    /// Events that were not written down.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.inner.unwritten.load(Relaxed)
    }

    /// All that is remembered, newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<Arc<Event>> {
        self.inner.ring.lock().iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_millisecond_are_all_kept_and_in_order() {
        let (events, mut to_write) = Events::new(MemberId::parse("m").unwrap(), Feed::default());
        for i in 0..5 {
            events.record(EventKind::Api, WallMs(1), None, format!("{i}"));
        }
        let seen: Vec<_> = events.newest_first().iter().map(|e| e.message.clone()).collect();
        assert_eq!(seen, ["4", "3", "2", "1", "0"]);
        assert_eq!(to_write.try_recv().unwrap().message, "0");
    }

    #[test]
    fn a_full_queue_is_counted_and_forgets_nothing_here() {
        let (events, _to_write) = Events::new(MemberId::parse("m").unwrap(), Feed::default());
        for i in 0..QUEUE + 3 {
            events.record(EventKind::Error, WallMs(i as i64), None, "x");
        }
        assert_eq!(events.unwritten(), 3);
        assert_eq!(events.newest_first().len(), QUEUE + 3);
    }
}
