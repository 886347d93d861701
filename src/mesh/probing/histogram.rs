//! How long things took: a bounded memory of any number of durations, each within 1/64 of itself.

use std::time::Duration;

/// Steps between two powers of two, as a power of two.
const STEPS: u32 = 6;
/// Every duration that 64 bits of nanoseconds hold has a place.
const PLACES: usize = ((64 - STEPS as usize) + 1) << STEPS;

/// Durations, counted in places that grow with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    least: Duration,
    most: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; PLACES],
            total: 0,
            least: Duration::MAX,
            most: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Counts a duration.
    pub fn add(&mut self, took: Duration) {
        self.counts[place(nanos(took))] += 1;
        self.total += 1;
        self.least = self.least.min(took);
        self.most = self.most.max(took);
    }

    /// The shortest; none where there are none.
    #[must_use]
    pub fn least(&self) -> Option<Duration> {
        (self.total > 0).then_some(self.least)
    }

    /// The longest.
    #[must_use]
    pub fn most(&self) -> Option<Duration> {
        (self.total > 0).then_some(self.most)
    }

    /// What `percent` of them did not exceed, at most 1/64 too long and never longer than the longest.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let rank = (self.total as f64 * percent.clamp(0.0, 100.0) / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_nanos(longest(at)).clamp(self.least, self.most))
    }
}

fn nanos(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

/// Below 64 each nanosecond has a place; from there on each power of two has 64.
fn place(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    let shift = bits.saturating_sub(STEPS + 1);
    ((shift as usize) << STEPS) + (nanos >> shift) as usize
}

/// The longest duration of a place.
fn longest(place: usize) -> u64 {
    let shift = (place >> STEPS).saturating_sub(1);
    let first = (place - (shift << STEPS)) as u64;
    (first << shift) + ((1 << shift) - 1)
}
