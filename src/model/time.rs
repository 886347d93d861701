//! Wall time for people and records. Durations and order never come from it.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Unix time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallMs(pub i64);

impl WallMs {
    /// The wall clock now. For shells only: rules take the time as a parameter.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now() -> Self {
        #[cfg(test)]
        if let Some(now) = simulated::now() {
            return now;
        }
        let now = std::time::SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => Self(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// This time plus a duration; stays at the end of the scale instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This time minus a duration.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Time that passed since `earlier`; zero when the clock went back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, as the API writes it.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.to_string()
    }

    /// Reads RFC 3339 (any offset).
    ///
    /// # Errors
    /// The text is not a time.
    pub fn parse_rfc3339(text: &str) -> Result<Self, jiff::Error> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_millisecond()))
    }
}

impl fmt::Display for WallMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            // Outside of what the calendar covers (year 9999): the number is still a fact.
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// A wall clock that goes with the runtime's clock, which a test can pause.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::WallMs;

    thread_local! {
        static WALL: Cell<Option<(Instant, WallMs)>> = const { Cell::new(None) };
    }

    /// From now on, and on this thread, the wall clock reads `start` plus what passes by the runtime's clock; until the result is dropped.
    pub(crate) fn begin(start: WallMs) -> Simulated {
        WALL.set(Some((Instant::now(), start)));
        Simulated(())
    }

    /// Ends it.
    pub(crate) struct Simulated(());

    impl Drop for Simulated {
        fn drop(&mut self) {
            WALL.set(None);
        }
    }

    pub(super) fn now() -> Option<WallMs> {
        let (origin, start) = WALL.get()?;
        Some(start.plus(origin.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_rfc3339_with_milliseconds() {
        let at = WallMs(1_794_000_000_123);
        assert_eq!(at.to_string(), "2026-11-06T21:20:00.123Z");
        assert_eq!(WallMs::parse_rfc3339(&at.to_string()).unwrap(), at);
        assert_eq!(WallMs(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(WallMs(i64::MAX).plus(Duration::from_secs(1)), WallMs(i64::MAX));
        assert_eq!(WallMs(5).since(WallMs(9)), Duration::ZERO);
    }
}
