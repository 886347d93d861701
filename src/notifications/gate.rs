//! Pure: whether the store takes commits, as its last answers show.

use std::time::Duration;

use super::lane::StoreNow;
use super::limits::{STORE_FIRST_WAIT, STORE_LONGEST_WAIT, STORE_PATIENCE};

/// Whether the store takes commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    failing_since: Option<Duration>,
    failures: u32,
    retry_at: Duration,
}

impl Gate {
    /// A commit was answered, whatever the answer.
    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }

    /// A commit that began at `began` was not taken, or not answered. Whether that is new.
    pub(crate) fn failed(&mut self, began: Duration, jitter: f64, now: Duration) -> bool {
        let new = self.failing_since.is_none();
        self.failing_since.get_or_insert(began);
        let wait = STORE_FIRST_WAIT
            .saturating_mul(1 << self.failures.min(16))
            .min(STORE_LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + wait.mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0);
        new
    }

    /// Whether the last answer was no good one.
    pub(crate) fn failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// What lanes are told.
    pub(crate) fn now(&self, now: Duration) -> StoreNow {
        match self.failing_since {
            Some(since) if now < self.retry_at => StoreNow::Shut {
                until: self.retry_at,
                long: now.saturating_sub(since) >= STORE_PATIENCE,
            },
            _ => StoreNow::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shut_between_attempts_and_long_after_the_patience() {
        let ms = Duration::from_millis;
        let mut gate = Gate::default();
        assert_eq!(gate.now(ms(0)), StoreNow::Open);
        gate.failed(ms(0), 0.5, ms(0));
        assert_eq!(
            gate.now(ms(100)),
            StoreNow::Shut {
                until: ms(200),
                long: false
            }
        );
        assert_eq!(gate.now(ms(200)), StoreNow::Open, "one may try");
        gate.failed(ms(200), 0.5, ms(5_000));
        assert_eq!(
            gate.now(ms(5_100)),
            StoreNow::Shut {
                until: ms(5_400),
                long: true
            }
        );
        gate.answered();
        assert_eq!(gate.now(ms(5_100)), StoreNow::Open);
    }
}
