//! Pure: how fast an alerter may be used. What its far end says of one message holds for all of them.

use std::time::Duration;

use super::lane::{backoff, clamp};
use super::limits::{FAILING_AFTER, LONGEST_PAUSE, PER_ALERTER};
use crate::alerters::{DeliveryError, Receipt, Retry};

/// The state of one alerter's far end, as its answers show it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    failures: u32,
    paused_until: Duration,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing worth telling.
    None,
    /// It has failed a few times in a row.
    Fails,
    /// It works again.
    Works,
}

impl Pace {
    /// Takes what became of an attempt.
    pub(crate) fn ended(&mut self, result: &Result<Receipt, DeliveryError>, jitter: f64, now: Duration) -> Turn {
        match result.as_ref().map_err(|error| error.retry) {
            // A refusal of one message says that the far end is there.
            Ok(_) | Err(Retry::Never) => {
                let failed = std::mem::take(&mut self.failures);
                if failed >= FAILING_AFTER {
                    Turn::Works
                } else {
                    Turn::None
                }
            }
            Err(Retry::After(wait)) => {
                self.paused_until = self.paused_until.max(now + clamp(wait));
                Turn::None
            }
            Err(Retry::Soon | Retry::Unreachable) => {
                self.failures = self.failures.saturating_add(1);
                self.paused_until = self
                    .paused_until
                    .max(now + backoff(self.failures, jitter).min(LONGEST_PAUSE));
                if self.failures == FAILING_AFTER {
                    Turn::Fails
                } else {
                    Turn::None
                }
            }
        }
    }

    /// Until when nothing may begin.
    pub(crate) fn paused_until(&self, now: Duration) -> Option<Duration> {
        (self.paused_until > now).then_some(self.paused_until)
    }

    /// Deliveries that may be in flight at once: while it fails, one tries for all.
    pub(crate) fn slots(&self) -> usize {
        if self.failures > 0 { 1 } else { PER_ALERTER }
    }

    /// Whether the last attempts failed.
    pub(crate) fn failing(&self) -> bool {
        self.failures > 0
    }

    /// A new definition: what was learned of the old one does not hold.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn err(retry: Retry) -> Result<Receipt, DeliveryError> {
        Err(DeliveryError {
            retry,
            message: String::new(),
        })
    }

    #[test]
    fn a_far_end_that_asks_for_a_wait_gets_it_within_bounds() {
        let mut pace = Pace::default();
        pace.ended(&err(Retry::After(S(7))), 0.5, S(10));
        assert_eq!(pace.paused_until(S(10)), Some(S(17)));
        assert_eq!(pace.paused_until(S(17)), None);
        pace.ended(&err(Retry::After(S(999_999))), 0.5, S(20));
        assert_eq!(pace.paused_until(S(20)), Some(S(20 + 900)));
    }

    #[test]
    fn a_dead_connection_pauses_all_longer_each_time_and_one_success_ends_that() {
        let mut pace = Pace::default();
        let mut waits = Vec::new();
        let mut now = S(0);
        for _ in 0..8 {
            pace.ended(&err(Retry::Unreachable), 0.5, now);
            let until = pace.paused_until(now).unwrap();
            waits.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.slots(), 1);
        assert_eq!(pace.ended(&Ok(Receipt::default()), 0.5, now), Turn::Works);
        assert_eq!((pace.slots(), pace.failing()), (PER_ALERTER, false));
    }

    #[test]
    fn a_refusal_of_one_message_pauses_nobody() {
        let mut pace = Pace::default();
        assert_eq!(pace.ended(&err(Retry::Never), 0.5, S(5)), Turn::None);
        assert_eq!(pace.paused_until(S(5)), None);
    }
}
