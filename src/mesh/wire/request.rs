//! What a sender sends.

use super::fields::{read, write};
use super::{ErrorEstimate, Mode, Timestamp};

/// A packet from a sender to a reflector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Counts the packets of a session, from 0.
    pub sequence: u32,
    /// When it was sent, by the sender's clock.
    pub sent: Timestamp,
    /// How wrong that clock may be.
    pub estimate: ErrorEstimate,
    /// Tells sessions between the same two ports apart; 0 where the sender does not.
    pub session: u16,
}

impl Request {
    /// Reads a packet. `None`: it is shorter than any that can be answered.
    #[must_use]
    pub fn read(mode: Mode, packet: &[u8]) -> Option<Self> {
        let layout = mode.layout();
        if packet.len() < layout.shortest {
            return None;
        }
        let rest = &packet[layout.received..layout.base.min(packet.len())];
        // A sender of TWAMP light has padding there, in each packet another one.
        let padded = mode == Mode::Open && rest.iter().any(|octet| *octet != 0);
        Some(Self {
            sequence: u32::from_be_bytes(read(packet, 0)?),
            sent: Timestamp(u64::from_be_bytes(read(packet, layout.timestamp)?)),
            estimate: ErrorEstimate(u16::from_be_bytes(read(packet, layout.estimate)?)),
            session: if padded {
                0
            } else {
                u16::from_be_bytes(read(packet, layout.session)?)
            },
        })
    }

    /// Writes it over the beginning of a packet, unsigned. What is behind [`Mode::base`] stays as it is.
    pub fn write(&self, mode: Mode, packet: &mut [u8]) {
        let layout = mode.layout();
        let base = layout.base.min(packet.len());
        packet[..base].fill(0);
        write(packet, 0, self.sequence.to_be_bytes());
        write(packet, layout.timestamp, self.sent.0.to_be_bytes());
        write(packet, layout.estimate, self.estimate.0.to_be_bytes());
        write(packet, layout.session, self.session.to_be_bytes());
    }
}
