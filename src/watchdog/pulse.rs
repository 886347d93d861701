//! How a loop shows that it turns.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// A loop that has nothing to do turns so often.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// The sign of life of one loop. A cheap handle; clones share the content. By default nobody looks at it.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop turns. For one that has much to do without waiting for anything between.
    pub fn turn(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// A loop, which counts as turning for as long as its task is polled when it wants to be.
    ///
    /// So whatever it waits for (a store that is away, a list that is long, something to do) is no silence; that has deadlines of its own. What is:
    /// a thread that is blocked, a lock that is never given back, a computation without end.
    pub async fn over<T>(&self, turning: impl Future<Output = T>) -> T {
        let mut turning = pin!(turning);
        // One for all the time: a timer that is made anew at each turn would cost a busy lane more than the rest of the turn.
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = beat.tick() => self.turn(),
                done = &mut turning => return done,
            }
        }
    }

    pub(super) fn turns(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
