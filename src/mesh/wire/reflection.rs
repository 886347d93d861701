//! What a reflector sends back.

use super::fields::{read, write};
use super::{ErrorEstimate, Mode, Request, Timestamp};

/// No reflector keeps a packet for longer, in seconds.
const RESIDENCE: u32 = 10;

/// A packet from a reflector to a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reflection {
    /// Counts what the reflector sends in this session, from 0. One without memory repeats the request's number.
    pub sequence: u32,
    /// When it was sent, by the reflector's clock.
    pub sent: Timestamp,
    /// How wrong that clock may be.
    pub estimate: ErrorEstimate,
    /// When the request came, by the same clock.
    pub received: Timestamp,
    /// The request.
    pub request: Request,
    /// The hops that the request had left (TTL, hop limit) where it came; 0 where that is not known.
    pub hop_limit: u8,
}

impl Reflection {
    /// Reads a packet. `None`: it is too short for one.
    #[must_use]
    pub fn read(mode: Mode, packet: &[u8]) -> Option<Self> {
        let layout = mode.layout();
        if packet.len() < layout.shortest {
            return None;
        }
        let number = |at| read(packet, at).map(u32::from_be_bytes);
        let timestamp = |at| read(packet, at).map(|octets| Timestamp(u64::from_be_bytes(octets)));
        let estimate = |at| read(packet, at).map(|octets| ErrorEstimate(u16::from_be_bytes(octets)));
        Some(Self {
            sequence: number(0)?,
            sent: timestamp(layout.timestamp)?,
            estimate: estimate(layout.estimate)?,
            received: timestamp(layout.received)?,
            request: Request {
                sequence: number(layout.sender_sequence)?,
                sent: timestamp(layout.sender_timestamp)?,
                estimate: estimate(layout.sender_estimate)?,
                session: u16::from_be_bytes(read(packet, layout.session)?),
            },
            hop_limit: u8::from_be_bytes(read(packet, layout.hop_limit)?),
        })
    }

    /// Writes it over the beginning of a packet, unsigned. Written over the request it is as long as that, and what was behind [`Mode::base`] goes back.
    pub fn write(&self, mode: Mode, packet: &mut [u8]) {
        let layout = mode.layout();
        let base = layout.base.min(packet.len());
        packet[..base].fill(0);
        write(packet, 0, self.sequence.to_be_bytes());
        write(packet, layout.timestamp, self.sent.0.to_be_bytes());
        write(packet, layout.estimate, self.estimate.0.to_be_bytes());
        write(packet, layout.session, self.request.session.to_be_bytes());
        write(packet, layout.received, self.received.0.to_be_bytes());
        write(packet, layout.sender_sequence, self.request.sequence.to_be_bytes());
        write(packet, layout.sender_timestamp, self.request.sent.0.to_be_bytes());
        write(packet, layout.sender_estimate, self.request.estimate.0.to_be_bytes());
        write(packet, layout.hop_limit, [self.hop_limit]);
    }
}

/// Whether a packet came from a reflector: where a request has zeros or padding, it has a time of the same clock, shortly before it was sent. Random padding
/// looks so once in 400 million packets.
#[must_use]
pub fn is_reflection(mode: Mode, packet: &[u8]) -> bool {
    Reflection::read(mode, packet).is_some_and(|reflection| {
        let stayed = reflection.sent.seconds().wrapping_sub(reflection.received.seconds());
        reflection.received != Timestamp::default() && stayed <= RESIDENCE
    })
}
