//! The clock that timestamps are made by, and how wrong it may be.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use rtime_clock::adjtime::{Timex, adjtimex};

use super::wire::{ErrorEstimate, Format, Nanos};

/// What the kernel says of a clock that nobody keeps right.
const UNSYNCHRONIZED: i32 = 0x40;
/// The error of a clock of which nothing is known: what the kernel ends at, too.
const UNKNOWN: Duration = Duration::from_secs(16);

/// The time of the machine, in the nanoseconds that kernel timestamps have, too.
#[must_use]
pub fn now() -> Nanos {
    // Of this clock no machine of ours can fail to tell the time.
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(Nanos::default(), nanos)
}

/// A time of the kernel.
pub(super) fn nanos(time: TimeSpec) -> Nanos {
    Nanos(
        time.tv_sec()
            .saturating_mul(1_000_000_000)
            .saturating_add(time.tv_nsec()),
    )
}

/// How wrong that clock may be at most, as whoever keeps it right (an NTP or PTP daemon) tells the kernel.
#[must_use]
pub fn error() -> ErrorEstimate {
    let mut answer = Timex::new();
    let (synchronized, error) = match adjtimex(&mut answer) {
        Ok(_) => (
            answer.0.status & UNSYNCHRONIZED == 0,
            Duration::from_micros(u64::try_from(answer.0.maxerror).unwrap_or(0)),
        ),
        Err(_) => (false, UNKNOWN),
    };
    ErrorEstimate::new(synchronized, Format::Ntp, error)
}
