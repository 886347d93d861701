//! Packets of STAMP (RFC 8762) with the session identifier of RFC 8972, as bytes. Pure.
//!
//! A *request* goes from a sender to a reflector, a *reflection* comes back, as long as the request was. Both have the same fields in either mode, only at
//! other places ([`Mode`]). The light mode of TWAMP (RFC 5357, appendix I) is the open mode without an identifier: its padding stands there.

mod estimate;
mod fields;
mod key;
mod reflection;
mod request;
#[cfg(test)]
mod tests;
mod timestamp;

pub use estimate::ErrorEstimate;
pub use key::{Key, KeyError};
pub use reflection::{Reflection, is_reflection};
pub use request::Request;
pub use timestamp::{Format, Nanos, Timestamp};

/// The port of reflectors, where nobody says another one.
pub const PORT: u16 = 862;

/// Octets of the largest packet that is read: what fits into a jumbo frame.
pub const LARGEST: usize = 9_000;

/// Whether packets prove that they come from somebody who has the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No proof; 44 octets.
    Open,
    /// 112 octets, the last 16 of them a proof ([`Key`]).
    Authenticated,
}

/// Where the fields of a mode begin.
struct Layout {
    timestamp: usize,
    estimate: usize,
    session: usize,
    /// From here on a request has zeros, or padding.
    received: usize,
    sender_sequence: usize,
    sender_timestamp: usize,
    sender_estimate: usize,
    hop_limit: usize,
    base: usize,
    shortest: usize,
}

const OPEN: Layout = Layout {
    timestamp: 4,
    estimate: 12,
    session: 14,
    received: 16,
    sender_sequence: 24,
    sender_timestamp: 28,
    sender_estimate: 36,
    hop_limit: 40,
    base: 44,
    // What TWAMP reflects ends with the hop limit; the three octets behind it are zeros.
    shortest: 41,
};

const AUTHENTICATED: Layout = Layout {
    timestamp: 16,
    estimate: 24,
    session: 26,
    received: 32,
    sender_sequence: 48,
    sender_timestamp: 64,
    sender_estimate: 72,
    hop_limit: 80,
    base: 112,
    shortest: 112,
};

impl Mode {
    const fn layout(self) -> &'static Layout {
        match self {
            Self::Open => &OPEN,
            Self::Authenticated => &AUTHENTICATED,
        }
    }

    /// Octets of a packet without anything behind it.
    #[must_use]
    pub const fn base(self) -> usize {
        self.layout().base
    }

    /// Octets of the shortest request that has a reflection of its own length.
    #[must_use]
    pub const fn shortest(self) -> usize {
        self.layout().shortest
    }
}
