//! What all answers of a measurement say together.

use std::time::Duration;

use super::delays::{Delays, Hop};
use super::histogram::Histogram;

/// How long one way took, by two clocks, in nanoseconds; negative where these differ by more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OneWay {
    /// The shortest.
    pub least: i64,
    /// The longest.
    pub most: i64,
    sum: i128,
    n: u64,
    /// How wrong they may be: the largest error that was stated.
    pub error: Duration,
    /// Whether both clocks always followed others that know UTC.
    pub synchronized: bool,
}

impl OneWay {
    fn add(&mut self, hop: Hop) {
        let first = self.n == 0;
        self.least = if first { hop.nanos } else { self.least.min(hop.nanos) };
        self.most = if first { hop.nanos } else { self.most.max(hop.nanos) };
        self.synchronized = hop.synchronized && (first || self.synchronized);
        self.sum += i128::from(hop.nanos);
        self.n += 1;
        self.error = self.error.max(hop.error);
    }

    /// The mean; none where nothing was measured.
    #[must_use]
    pub fn mean(&self) -> Option<i64> {
        let mean = self.sum.checked_div(i128::from(self.n))?;
        i64::try_from(mean).ok()
    }
}

/// What answers say together.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// There and back, without the time in the reflector.
    pub round_trip: Histogram,
    /// In the reflector.
    pub residence: Histogram,
    /// On the way there.
    pub forward: OneWay,
    /// On the way back.
    pub backward: OneWay,
}

impl Summary {
    /// One more answer.
    pub fn add(&mut self, delays: &Delays) {
        self.round_trip.add(delays.round_trip);
        self.residence.add(delays.residence);
        if !delays.stepped {
            self.forward.add(delays.forward);
            self.backward.add(delays.backward);
        }
    }
}
