//! Pure: one fallback alerter is told something outside of the outbox: one attempt at a time, again until it arrives or is refused.

use tokio::time::Instant;

use super::limits::{FALLBACK_AGAIN, FALLBACK_AGAIN_AT_MOST};
use crate::alerters::{DeliveryError, Receipt, Retry};

/// How far it is.
#[derive(Debug, Clone, Default)]
pub struct Trying {
    failures: u32,
    not_before: Option<Instant>,
    busy: bool,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It was taken.
    Arrived,
    /// It will never be taken.
    Refused,
    /// It is tried again.
    Again {
        /// Nobody knows what the answer was that did not come.
        may_have_arrived: bool,
    },
}

impl Trying {
    /// Whether an attempt may begin.
    #[must_use]
    pub fn may_begin(&self, now: Instant) -> bool {
        !self.busy && self.not_before.is_none_or(|until| until <= now)
    }

    /// An attempt is on its way.
    #[must_use]
    pub fn busy(&self) -> bool {
        self.busy
    }

    /// Until when it waits, if it does.
    #[must_use]
    pub fn waits_until(&self) -> Option<Instant> {
        self.not_before
    }

    /// An attempt begins.
    pub fn begin(&mut self) {
        self.busy = true;
    }

    /// The attempt was not made after all, or is lost.
    pub fn lost(&mut self) {
        self.busy = false;
    }

    /// Something else is to be told: it does not wait for what was before. An attempt that is on its way stays so.
    pub fn anew(&mut self) {
        (self.failures, self.not_before) = (0, None);
    }

    /// The next attempt does not begin before then.
    pub fn rest_until(&mut self, until: Instant) {
        self.not_before = Some(until);
    }

    /// Takes what came of the attempt.
    pub fn ended(&mut self, result: &Result<Receipt, DeliveryError>, now: Instant) -> Tried {
        self.busy = false;
        let retry = match result {
            Ok(_) => {
                self.anew();
                return Tried::Arrived;
            }
            Err(error) if error.retry == Retry::Never => {
                self.anew();
                return Tried::Refused;
            }
            Err(error) => error.retry,
        };
        let wait = match retry {
            Retry::After(asked) => asked,
            _ => FALLBACK_AGAIN.saturating_mul(1 << self.failures.min(16)),
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + wait.clamp(FALLBACK_AGAIN, FALLBACK_AGAIN_AT_MOST));
        Tried::Again {
            may_have_arrived: retry == Retry::Soon,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn err(retry: Retry) -> Result<Receipt, DeliveryError> {
        Err(DeliveryError {
            retry,
            message: String::new(),
        })
    }

    #[test]
    fn it_is_tried_ever_more_rarely_within_bounds_until_it_arrives_or_is_refused() {
        let (mut trying, begin) = (Trying::default(), Instant::now());
        let mut now = begin;
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(trying.may_begin(now));
            trying.begin();
            assert!(!trying.may_begin(now), "one at a time");
            let tried = trying.ended(&err(Retry::Soon), now);
            assert_eq!(tried, Tried::Again { may_have_arrived: true });
            let until = trying.waits_until().unwrap();
            assert!(!trying.may_begin(until - S(1) / 2));
            waits.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let tried = trying.ended(&err(Retry::After(S(9_999))), now);
        assert_eq!(
            tried,
            Tried::Again {
                may_have_arrived: false
            }
        );
        assert_eq!(trying.waits_until(), Some(now + S(60)), "nobody may ask for more");
        assert_eq!(trying.ended(&err(Retry::Never), now), Tried::Refused);
        assert!(trying.may_begin(now));
        trying.ended(&err(Retry::Unreachable), now);
        assert_eq!(trying.waits_until(), Some(now + S(1)), "begun anew");
        assert_eq!(trying.ended(&Ok(Receipt::default()), now), Tried::Arrived);
        assert!(trying.may_begin(now));
    }
}
