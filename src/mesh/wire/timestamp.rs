//! Timestamps: 64 bits in one of two formats, and the time that they mean.

use std::time::Duration;

const NANOS: i64 = 1_000_000_000;
/// From 1900, where the time of NTP begins, to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;
/// Seconds have 32 bits: they begin anew after this many, for NTP in 2036.
const ERA: i64 = 1 << 32;

/// Unix time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub i64);

impl Nanos {
    /// Nanoseconds from `earlier` to this; negative when it is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time plus a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

/// How the bits are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Seconds since 1900, and 2³² parts of a second (RFC 5905).
    Ntp,
    /// Seconds since 1970, and nanoseconds (IEEE 1588-2008, truncated).
    Ptp,
}

/// A timestamp as it travels. Which format it has is said by the error estimate beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The timestamp of a time; eras are left out, as always.
    #[must_use]
    pub fn of(time: Nanos, format: Format) -> Self {
        let (seconds, nanos) = (time.0.div_euclid(NANOS), time.0.rem_euclid(NANOS));
        let (seconds, part) = match format {
            // To the nearest part: reading it gives the same nanosecond.
            Format::Ntp => (seconds + NTP_TO_UNIX, ((nanos << 32) + NANOS / 2) / NANOS),
            Format::Ptp => (seconds, nanos),
        };
        Self((seconds.rem_euclid(ERA).cast_unsigned() << 32) | part.cast_unsigned())
    }

    /// The time that it means, in the era in which that is nearest to `near`. A PTP clock that counts leap seconds is ahead of ours by them.
    #[must_use]
    pub fn time(self, format: Format, near: Nanos) -> Nanos {
        let (seconds, part) = (self.seconds(), (self.0 & u64::from(u32::MAX)).cast_signed());
        let (seconds, nanos) = match format {
            Format::Ntp => (i64::from(seconds) - NTP_TO_UNIX, (part * NANOS + (ERA / 2)) >> 32),
            Format::Ptp => (i64::from(seconds), part),
        };
        let near = near.0.div_euclid(NANOS);
        let era = (near - seconds + ERA / 2).div_euclid(ERA);
        Nanos((seconds + era * ERA).saturating_mul(NANOS).saturating_add(nanos))
    }

    /// Its whole seconds, without their era.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether it is later than another one of the same clock, at most half an era apart.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }
}
