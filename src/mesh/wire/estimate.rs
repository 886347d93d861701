//! How wrong the clock may be that made a timestamp.

use std::time::Duration;

use super::Format;

const SYNCHRONIZED: u16 = 1 << 15;
const PTP: u16 = 1 << 14;
const SCALE_BITS: u16 = 0x3f;

/// The error estimate of RFC 4656 with the format bit of RFC 8186: `S`, `Z`, six bits of scale, eight of multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorEstimate(pub u16);

impl ErrorEstimate {
    /// An estimate that is at least `error`; the largest there is where that is more.
    #[must_use]
    pub fn new(synchronized: bool, format: Format, error: Duration) -> Self {
        // In parts of 2⁻³² s, and never none: a multiplier of 0 would say that the packet is damaged.
        let parts = (error.as_nanos() << 32).div_ceil(1_000_000_000).max(1);
        let bits = u128::BITS - parts.leading_zeros();
        let mut scale = bits.saturating_sub(8);
        let mut multiplier = parts.div_ceil(1 << scale);
        if multiplier > 0xff {
            (scale, multiplier) = (scale + 1, 0x80);
        }
        let (scale, multiplier) = match u16::try_from(scale) {
            Ok(scale) if scale <= SCALE_BITS => (scale, u16::try_from(multiplier).unwrap_or(0xff)),
            _ => (SCALE_BITS, 0xff),
        };
        let synchronized = if synchronized { SYNCHRONIZED } else { 0 };
        let format = match format {
            Format::Ntp => 0,
            Format::Ptp => PTP,
        };
        Self(synchronized | format | (scale << 8) | multiplier)
    }

    /// Whether the clock follows another one that knows UTC.
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        self.0 & SYNCHRONIZED != 0
    }

    /// The format of the timestamp beside it.
    #[must_use]
    pub const fn format(self) -> Format {
        if self.0 & PTP == 0 { Format::Ntp } else { Format::Ptp }
    }

    /// The error, never less than was meant.
    #[must_use]
    pub fn error(self) -> Duration {
        let (scale, multiplier) = ((self.0 >> 8) & SCALE_BITS, self.0 & 0xff);
        let nanos = ((u128::from(multiplier) << scale) * 1_000_000_000).div_ceil(1 << 32);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
