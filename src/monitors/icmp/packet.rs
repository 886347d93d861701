//! Echo requests and replies as bytes. Pure.

use std::net::IpAddr;

/// Type, code, checksum, identifier, sequence number.
pub(super) const HEADER_BYTES: usize = 8;

/// ICMP for IPv4 or for IPv6: the same layout with other type numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    pub(super) const fn request_type(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    pub(super) const fn reply_type(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }
}

/// An echo packet, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Echo<'a> {
    pub(super) id: u16,
    pub(super) sequence: u16,
    pub(super) payload: &'a [u8],
}

/// Writes a request. For IPv6 the system fills in the checksum, which covers the addresses, too.
pub(super) fn request(family: Family, echo: &Echo<'_>) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_BYTES + echo.payload.len());
    packet.extend([family.request_type(), 0, 0, 0]);
    packet.extend(echo.id.to_be_bytes());
    packet.extend(echo.sequence.to_be_bytes());
    packet.extend(echo.payload);
    if family == Family::V4 {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// The reply in a packet, if it is one.
pub(super) fn reply(family: Family, packet: &[u8]) -> Option<Echo<'_>> {
    echo(family.reply_type(), packet)
}

/// The request that an error message quotes, if it is one. At least its header is there.
pub(super) fn quoted_request(family: Family, packet: &[u8]) -> Option<Echo<'_>> {
    echo(family.request_type(), packet)
}

fn echo(of_type: u8, packet: &[u8]) -> Option<Echo<'_>> {
    let (header, payload) = packet.split_first_chunk::<HEADER_BYTES>()?;
    (header[0] == of_type && header[1] == 0).then(|| Echo {
        id: u16::from_be_bytes([header[4], header[5]]),
        sequence: u16::from_be_bytes([header[6], header[7]]),
        payload,
    })
}

/// The packet behind the IPv4 header that raw sockets deliver in front of it.
pub(super) fn behind_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let words = usize::from(packet.first()? & 0x0f);
    packet.get(words.max(5) * 4..)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_carries_a_valid_checksum_and_is_no_reply() {
        let echo = Echo {
            id: 0x1234,
            sequence: 7,
            payload: b"odd",
        };
        let packet = request(Family::V4, &echo);
        assert_eq!(checksum(&packet), 0);
        assert_eq!(reply(Family::V4, &packet), None);
        assert_eq!(quoted_request(Family::V4, &packet), Some(echo));
    }

    #[test]
    fn an_ip_header_with_options_is_skipped_as_a_whole() {
        let mut packet = vec![0x46];
        packet.resize(24, 0);
        packet.extend([0, 0, 0, 0, 0, 1, 0, 2, 9]);
        let inner = behind_ip_header(&packet).unwrap();
        let found = reply(Family::V4, inner).unwrap();
        assert_eq!((found.id, found.sequence, found.payload), (1, 2, &[9][..]));
        assert_eq!(behind_ip_header(&[0x4f, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packet in proptest::collection::vec(any::<u8>(), 0..100)) {
            for family in [Family::V4, Family::V6] {
                let _ = reply(family, &packet);
                let _ = quoted_request(family, &packet);
            }
            let _ = behind_ip_header(&packet).and_then(|inner| reply(Family::V4, inner));
        }
    }
}
