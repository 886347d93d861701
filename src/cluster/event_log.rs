//! Writes events down, a few a second, and reads those of earlier processes and other members back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::events::{Event, Events};
use crate::model::WallMs;
use crate::store::records::{EventRecord, FORMAT};
use crate::store::{Change, Commit, Entry, Followed, Key, Lease, Op, Store, decode, encode, keys};

/// Events written a second, at most, over some time; the rest is remembered by this process only, and counted.
const PER_SECOND: u32 = 5;
/// Events that may be written at once after a quiet time.
const BURST: u32 = 50;
/// How long events are kept: the original's day, and the hour in which their lease is shared.
pub const KEPT: Duration = Duration::from_secs(25 * 3600);
/// A lease takes the events of this long.
const SHARED: Duration = Duration::from_secs(3600);

/// Runs until `stop`.
pub async fn run(store: Store, events: Events, mut queue: mpsc::Receiver<Arc<Event>>, stop: CancellationToken) {
    let mut written = store.follow(&keys::events());
    let mut writer = Writer {
        store,
        lease: None,
        budget: Budget::new(Instant::now()),
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            followed = written.next() => remember(&events, followed),
            event = queue.recv() => match event {
                Some(event) => writer.write(&events, &event).await,
                None => return,
            },
        }
    }
    // The last words: what is waiting is written now.
    while let Ok(event) = queue.try_recv() {
        writer.write(&events, &event).await;
    }
}

struct Writer {
    store: Store,
    lease: Option<(Lease, Instant)>,
    budget: Budget,
}

impl Writer {
    async fn write(&mut self, events: &Events, event: &Event) {
        let mut written = false;
        if self.budget.take(Instant::now()) {
            written = self.try_write(event).await;
            // The lease may be gone, with a store that was frozen or is another one now: once more, on a new one.
            if !written && self.lease.take().is_some() {
                written = self.try_write(event).await;
            }
        }
        if !written {
            events.count_unwritten();
        }
    }

    async fn try_write(&mut self, event: &Event) -> bool {
        let now = Instant::now();
        let lease = match &self.lease {
            Some((lease, until)) if now < *until => lease.id,
            _ => match self.store.grant(KEPT).await {
                Ok(lease) => self.lease.insert((lease, now + SHARED)).0.id,
                Err(error) => {
                    tracing::debug!(%error, "no lease for events");
                    return false;
                }
            },
        };
        let record = EventRecord {
            v: FORMAT,
            kind: event.kind.clone(),
            message: event.message.clone(),
            at: event.at,
            member: event.member.clone(),
            monitor: event.monitor.clone(),
        };
        let Ok(value) = encode(&record) else { return false };
        let commit = Commit {
            guards: Vec::new(),
            ops: vec![Op::Put(keys::event(&event.id), value, Some(lease))],
        };
        self.store.commit(commit).await.revision().is_some()
    }
}

/// A token bucket.
struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    fn new(at: Instant) -> Self {
        Self {
            left: f64::from(BURST),
            at,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f64() * f64::from(PER_SECOND);
        self.left = (self.left + gained).min(f64::from(BURST));
        self.at = now;
        let taken = self.left >= 1.0;
        if taken {
            self.left -= 1.0;
        }
        taken
    }
}

fn remember(events: &Events, followed: Followed) {
    let entries = match followed {
        Followed::Snapshot { entries, .. } => entries,
        Followed::Changes(batch) => batch
            .changes
            .into_iter()
            .filter_map(|change| match change {
                Change::Put(entry) => Some(entry),
                Change::Deleted(_) => None,
            })
            .collect(),
    };
    for event in entries.iter().filter_map(event) {
        events.remember(Arc::new(event));
    }
}

fn event(entry: &Entry) -> Option<Event> {
    let id = id_of(&entry.key)?;
    let record = match decode::<EventRecord>(entry) {
        Ok(at) => at.value,
        Err(error) => {
            tracing::debug!(%error, "an event is left out");
            return None;
        }
    };
    Some(Event {
        id,
        kind: record.kind,
        message: record.message,
        at: WallMs(record.at.0),
        member: record.member,
        monitor: record.monitor,
    })
}

fn id_of(key: &Key) -> Option<String> {
    keys::last_segment(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventKind;
    use crate::feed::Feed;
    use crate::model::MemberId;
    use crate::store::in_memory;

    #[tokio::test(start_paused = true)]
    async fn events_survive_their_process_and_a_flood_is_bounded_and_counted() {
        let (store, _faults) = in_memory();
        let me = MemberId::parse("m").unwrap();
        let (events, queue) = Events::new(me.clone(), Feed::default());
        for i in 0..100 {
            events.record(EventKind::Error, WallMs(i), None, format!("{i}"));
        }
        let stop = CancellationToken::new();
        stop.cancel();
        run(store.clone(), events.clone(), queue, stop).await;
        assert_eq!(store.list(&keys::events()).await.unwrap().1.len(), BURST as usize);
        assert_eq!(events.unwritten(), u64::from(100 - BURST));

        let (after, queue) = Events::new(me, Feed::default());
        let stop = CancellationToken::new();
        let reading = run(store, after.clone(), queue, stop.clone());
        let looking = async {
            while after.newest_first().len() < BURST as usize {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::join!(reading, looking);
        assert_eq!(after.newest_first()[0].message, (BURST - 1).to_string());
    }
}
