//! How long the two ways and the round trip took, by the four times of a probe.

use std::time::Duration;

use crate::mesh::wire::{Nanos, Reflection};

/// A clock that is kept right is not shifted by more than this while a probe is on its way.
const SHIFTED: Duration = Duration::from_millis(1);

/// How long one way took, by two clocks; negative where they differ by more than it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Nanoseconds.
    pub nanos: i64,
    /// How wrong that may be, as both sides say of their clocks.
    pub error: Duration,
    /// Whether both say that their clocks follow others that know UTC. If not, the error is unbounded, and only changes mean something.
    pub synchronized: bool,
}

/// What a probe took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// From sending to the arrival here, as the kernel noted it: reading it later changes nothing.
    pub took: Duration,
    /// There and back, without the time in the reflector.
    pub round_trip: Duration,
    /// In the reflector.
    pub residence: Duration,
    /// On the way there.
    pub forward: Hop,
    /// On the way back.
    pub backward: Hop,
    /// Whether our clock was set while the probe was on its way: the round trip is by the clock that only goes forward, and the ways mean nothing.
    pub stepped: bool,
}

impl Delays {
    /// Of a reflection that was received at `at`, `elapsed` after its request was sent by a clock that only goes forward.
    #[must_use]
    pub fn of(reflection: &Reflection, at: Nanos, elapsed: Duration) -> Self {
        let request = &reflection.request;
        let sent = request.sent.time(request.estimate.format(), at);
        let there = |timestamp: crate::mesh::wire::Timestamp| timestamp.time(reflection.estimate.format(), at);
        let (received, reflected) = (there(reflection.received), there(reflection.sent));
        // The kernel noted the arrival before we read it: by both clocks the packet was away for less than `elapsed`.
        let whole = u64::try_from(at.since(sent)).ok().map(Duration::from_nanos);
        let whole = whole.filter(|whole| *whole <= elapsed + SHIFTED);
        let residence = Duration::from_nanos(u64::try_from(reflected.since(received)).unwrap_or(0));
        let hop = |from: Nanos, to: Nanos| Hop {
            nanos: to.since(from),
            error: request.estimate.error().saturating_add(reflection.estimate.error()),
            synchronized: request.estimate.is_synchronized() && reflection.estimate.is_synchronized(),
        };
        let took = whole.unwrap_or(elapsed);
        Self {
            took,
            round_trip: took.saturating_sub(residence),
            residence,
            forward: hop(sent, received),
            backward: hop(reflected, at),
            stepped: whole.is_none(),
        }
    }
}
