//! How long a certificate still has to live, and whether that is enough.

use std::time::Duration;

use crate::model::{Dur, Reason, Verdict, WallMs};

/// Limits on the time that the first certificate of the chain has left.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ExpiryLimits {
    pub(crate) warning: Option<Dur>,
    pub(crate) critical: Option<Dur>,
}

impl ExpiryLimits {
    /// `None` while there is time enough.
    pub(crate) fn judge(&self, expires: Option<i64>) -> Option<Verdict> {
        if self.warning.is_none() && self.critical.is_none() {
            return None;
        }
        self.judge_at(expires?, WallMs::now())
    }

    fn judge_at(&self, expires: i64, now: WallMs) -> Option<Verdict> {
        let left_ms = expires.saturating_mul(1_000).saturating_sub(now.0);
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        let says = |limit: Dur| {
            let at = jiff::Timestamp::from_second(expires).map_or_else(|_| expires.to_string(), |at| at.to_string());
            format!(
                "certificate expires at {at}, in {}; wanted at least {limit}",
                Dur(whole(left))
            )
        };
        match (self.critical, self.warning) {
            (Some(limit), _) if left < limit.0 => Some(Verdict::fail(Reason::CertificateExpiry, says(limit))),
            (_, Some(limit)) if left < limit.0 => Some(Verdict::degraded(Reason::CertificateExpiry, says(limit))),
            _ => None,
        }
    }
}

/// Whole seconds: nobody wants to read a certificate's milliseconds.
fn whole(left: Duration) -> Duration {
    Duration::from_secs(left.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    fn judged(left_days: i64) -> Option<Outcome> {
        let limits = ExpiryLimits {
            warning: Some("30d".parse().unwrap()),
            critical: Some("7d".parse().unwrap()),
        };
        let now = WallMs(1_700_000_000_000);
        limits
            .judge_at(1_700_000_000 + left_days * 86_400, now)
            .map(|verdict| verdict.outcome)
    }

    #[test]
    fn the_nearer_the_end_the_worse() {
        assert_eq!(judged(31), None);
        assert_eq!(judged(29), Some(Outcome::Degraded));
        assert_eq!(judged(6), Some(Outcome::Fail));
        assert_eq!(judged(-5), Some(Outcome::Fail));
    }
}
