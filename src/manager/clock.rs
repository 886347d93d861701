//! The two clocks of a lane: one that only goes forward, and the one on the wall.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

use crate::model::WallMs;

/// Where a lane reads time. The wall clock can be replaced, so that a test may step it.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Instant,
    wall: Wall,
}

#[derive(Debug, Clone)]
enum Wall {
    System,
    /// Runs with the monotonic clock from this start (Unix nanoseconds / 1000), plus a step in milliseconds.
    Simulated {
        start_us: i64,
        step_ms: Arc<AtomicI64>,
    },
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self {
            origin: Instant::now(),
            wall: Wall::System,
        }
    }

    /// A wall clock that starts at `start` and can be stepped through the handle (milliseconds, added to it).
    #[must_use]
    pub fn simulated(start: WallMs) -> (Self, Arc<AtomicI64>) {
        let step_ms = Arc::new(AtomicI64::new(0));
        let wall = Wall::Simulated {
            start_us: start.0.saturating_mul(1000),
            step_ms: step_ms.clone(),
        };
        (
            Self {
                origin: Instant::now(),
                wall,
            },
            step_ms,
        )
    }

    /// Nanoseconds since this clock was made. Never goes back.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant of a time on this clock's scale.
    #[must_use]
    pub fn instant(&self, at: u64) -> Instant {
        self.origin + std::time::Duration::from_nanos(at)
    }

    /// Unix time in nanoseconds by the wall clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the schedule places entries to the nanosecond; WallMs is too coarse"
    )]
    pub fn wall(&self) -> i128 {
        match &self.wall {
            Wall::System => {
                let now = std::time::SystemTime::now();
                now.duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
            }
            Wall::Simulated { start_us, step_ms } => {
                i128::from(*start_us) * 1000
                    + i128::from(self.now())
                    + i128::from(step_ms.load(Ordering::Relaxed)) * 1_000_000
            }
        }
    }

    /// The wall clock in milliseconds.
    #[must_use]
    pub fn wall_ms(&self) -> WallMs {
        to_ms(self.wall())
    }
}

/// Unix nanoseconds to milliseconds.
#[must_use]
pub fn to_ms(nanos: i128) -> WallMs {
    WallMs(i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(i64::MAX))
}
