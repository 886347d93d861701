//! Every run is accounted for: due = ran + skipped + missed, with late as a part of ran.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a due run was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The run before it is still under way.
    InFlight,
    /// No permit was to be had: too many checks at once.
    NoPermit,
    /// Several due times passed while this process could not run.
    Behind,
}

impl Skip {
    /// All.
    pub const ALL: [Self; 3] = [Self::InFlight, Self::NoPermit, Self::Behind];

    /// The word used in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in-flight",
            Self::NoPermit => "no-permit",
            Self::Behind => "behind",
        }
    }
}

/// The account of one monitor, or of a whole member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Runs that were made.
    pub ran: u64,
    /// Of these, begun late.
    pub late: u64,
    /// Not made, by reason, in the order of [`Skip::ALL`].
    pub skipped: [u64; 3],
    /// Due while nobody watched (a restart, a take-over): an upper bound.
    pub missed: u64,
}

impl Ledger {
    /// All that was due.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.ran + self.skipped() + self.missed
    }

    /// All that was skipped.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped.iter().sum()
    }

    /// Notes a run that began `late` after it was due.
    pub fn ran(&mut self, late: Duration, interval: Duration) {
        self.ran += 1;
        self.late += u64::from(late > late_after(interval));
    }

    /// Notes runs that were not made.
    pub fn skip(&mut self, why: Skip, runs: u64) {
        self.skipped[why as usize] += runs;
    }

    /// Adds another account to this one.
    pub fn add(&mut self, other: &Self) {
        self.ran += other.ran;
        self.late += other.late;
        self.missed += other.missed;
        for (mine, theirs) in self.skipped.iter_mut().zip(other.skipped) {
            *mine += theirs;
        }
    }
}

/// A run that begins later than this after it was due counts as late: 1 % of the interval, at least 10 ms.
#[must_use]
pub fn late_after(interval: Duration) -> Duration {
    (interval / 100).max(Duration::from_millis(10))
}

/// How late runs begin: counts by powers of two of a microsecond. Quantiles are exact to the factor of two that a bucket spans,
/// and interpolated inside it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lateness {
    /// `buckets[i]`: runs less than 2^i µs late (and at least half of that).
    buckets: [u64; 32],
}

impl Lateness {
    /// Notes one run.
    pub fn note(&mut self, late: Duration) {
        let us = u32::try_from(late.as_micros()).unwrap_or(u32::MAX);
        let bucket = (32 - us.leading_zeros()).min(31);
        self.buckets[bucket as usize] += 1;
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
    }

    /// Number of runs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The lateness that this share of runs stays under.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let wanted = q * total as f64;
        let mut seen = 0.0;
        for (i, n) in self.buckets.iter().enumerate() {
            let n = *n as f64;
            if n > 0.0 && seen + n >= wanted {
                let upper = (1u64 << i) as f64;
                let lower = if i == 0 { 0.0 } else { upper / 2.0 };
                let inside = ((wanted - seen) / n).clamp(0.0, 1.0);
                return Some(Duration::from_secs_f64((lower + (upper - lower) * inside) / 1e6));
            }
            seen += n;
        }
        None
    }

    /// Upper bound in seconds and cumulative count per bucket, for a Prometheus histogram.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut sum = 0;
        self.buckets.iter().enumerate().map(move |(i, n)| {
            sum += n;
            ((1u64 << i) as f64 / 1e6, sum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_is_the_sum_of_what_became_of_it() {
        let mut ledger = Ledger::default();
        ledger.ran(Duration::from_millis(1), Duration::from_secs(10));
        ledger.ran(Duration::from_millis(101), Duration::from_secs(10));
        ledger.skip(Skip::InFlight, 2);
        ledger.skip(Skip::Behind, 3);
        ledger.missed += 1;
        assert_eq!(
            (ledger.due(), ledger.ran, ledger.late, ledger.skipped(), ledger.missed),
            (8, 2, 1, 5, 1)
        );
    }

    #[test]
    fn quantiles_come_from_the_right_bucket() {
        let mut late = Lateness::default();
        assert_eq!(late.quantile(0.5), None);
        for _ in 0..99 {
            late.note(Duration::from_micros(300));
        }
        late.note(Duration::from_millis(20));
        let p50 = late.quantile(0.5).unwrap();
        assert!(
            (Duration::from_micros(256)..=Duration::from_micros(512)).contains(&p50),
            "{p50:?}"
        );
        let p999 = late.quantile(0.999).unwrap();
        assert!(p999 > Duration::from_millis(16), "{p999:?}");
    }
}
