//! The last changes of a store in memory, and the watches that read them, each at its own pace.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::backend::{Batch, Change, HISTORY, Key, Revision, StoreError, WATCH_PROGRESS};

/// Bytes of keys and values that are kept, at most. The embedded store is read by its own process, which is seldom behind; who is
/// further behind than this lists again.
const HISTORY_BYTES: usize = 4 << 20;
/// Batches that wait inside the channel of one watch. When it is full the rest waits here, until it is compacted.
const WATCH_QUEUE: usize = 64;
/// Batches looked at under the lock at a time.
const LOOK: usize = 256;

/// The last changes.
#[derive(Debug)]
pub(super) struct History {
    ring: Mutex<Ring>,
    newest: watch::Sender<Revision>,
}

/// How many times a history began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Era(u64);

#[derive(Debug)]
struct Ring {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    /// All after this revision is here.
    compacted: Revision,
    newest: Revision,
    era: Era,
}

fn weight(batch: &Batch) -> usize {
    let changes = batch.changes.iter().map(|change| match change {
        Change::Put(entry) => size_of::<Change>() + entry.key.as_str().len() + entry.value.len(),
        Change::Deleted(key) => size_of::<Change>() + key.as_str().len(),
    });
    size_of::<Batch>() + changes.sum::<usize>()
}

impl History {
    /// A history that begins now.
    pub(super) fn new(newest: Revision) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::new(Ring {
                batches: VecDeque::new(),
                bytes: 0,
                compacted: newest,
                newest,
                era: Era(0),
            }),
            newest: watch::Sender::new(newest),
        })
    }

    /// Adds what just became durable.
    pub(super) fn publish(&self, batches: Vec<Batch>) {
        let Some(newest) = batches.last().map(|batch| batch.at) else {
            return;
        };
        let mut ring = self.ring.lock();
        for batch in batches {
            ring.bytes += weight(&batch);
            ring.batches.push_back(Arc::new(batch));
        }
        ring.newest = newest;
        while ring.batches.len() > HISTORY || ring.bytes > HISTORY_BYTES {
            let Some(old) = ring.batches.pop_front() else { break };
            ring.bytes -= weight(&old);
            ring.compacted = old.at;
        }
        drop(ring);
        self.newest.send_replace(newest);
    }

    /// Forgets all up to now.
    pub(super) fn compact(&self) {
        let mut ring = self.ring.lock();
        ring.batches.clear();
        ring.bytes = 0;
        ring.compacted = ring.newest;
    }

    /// Begins anew at a revision, which may be an earlier one: something happened that is not said. Watches end.
    pub(super) fn restart(&self, at: Revision) {
        let mut ring = self.ring.lock();
        ring.batches.clear();
        ring.bytes = 0;
        ring.compacted = at;
        ring.newest = at;
        ring.era.0 += 1;
        drop(ring);
        self.newest.send_replace(at);
    }

    /// Whether a watch may start after `after`, and for which era it is then good.
    pub(super) fn reaches(&self, after: Revision) -> Result<Era, StoreError> {
        let ring = self.ring.lock();
        if after < ring.compacted {
            return Err(StoreError::Compacted(after));
        }
        Ok(ring.era)
    }

    /// The next changes below `prefix`, and how far this has looked.
    fn next(&self, prefix: &Key, after: Revision, era: Era) -> Result<(Revision, Vec<Batch>), StoreError> {
        let (upto, seen) = {
            let ring = self.ring.lock();
            if after < ring.compacted || era != ring.era {
                return Err(StoreError::Compacted(after));
            }
            let from = ring.batches.partition_point(|batch| batch.at <= after);
            let seen: Vec<_> = ring.batches.iter().skip(from).take(LOOK).cloned().collect();
            (seen.last().map_or(after, |batch| batch.at), seen)
        };
        let below = |batch: &Arc<Batch>| {
            let changes: Vec<_> = batch
                .changes
                .iter()
                .filter(|change| prefix.covers(change.key()))
                .cloned()
                .collect();
            (!changes.is_empty()).then_some(Batch { at: batch.at, changes })
        };
        Ok((upto, seen.iter().filter_map(below).collect()))
    }

    /// A channel for [`History::feed`].
    pub(super) fn channel() -> (mpsc::Sender<Result<Batch, StoreError>>, super::backend::Changes) {
        mpsc::channel(WATCH_QUEUE)
    }

    /// One watch: passes on all changes below `prefix` after `after`, until the reader goes or falls too far behind.
    pub(super) async fn feed(
        self: Arc<Self>,
        prefix: Key,
        after: Revision,
        era: Era,
        to: mpsc::Sender<Result<Batch, StoreError>>,
    ) {
        let mut newest = self.newest.subscribe();
        let mut at = after;
        loop {
            newest.mark_unchanged();
            match self.next(&prefix, at, era) {
                Ok((upto, batches)) => {
                    for batch in batches {
                        if to.send(Ok(batch)).await.is_err() {
                            return;
                        }
                    }
                    at = upto;
                    if at < *newest.borrow() {
                        continue;
                    }
                }
                Err(error) => {
                    // A reader that is gone does not need to know.
                    let _ = to.send(Err(error)).await;
                    return;
                }
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return },
                () = to.closed() => return,
                () = tokio::time::sleep(WATCH_PROGRESS) => {
                    let mark = Batch { at: *newest.borrow(), changes: Vec::new() };
                    if to.send(Ok(mark)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
