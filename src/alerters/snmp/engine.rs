//! The engine that is the authority for SNMPv3 traps: ours. A receiver knows its id, and believes what its time says.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::model::WallMs;

/// The number that RFC 5612 reserves for examples, as the first four bytes of an engine id say it (RFC 3411, section 5).
const ENTERPRISE: [u8; 4] = [0x80, 0x00, 0x7e, 0xd9];
/// What follows is a text.
const TEXT: u8 = 4;
/// What follows are bytes.
const BYTES: u8 = 5;
/// Longest text or bytes that follow.
const MAX_NAME: usize = 27;
/// Shortest and longest engine id.
const MIN: usize = 5;
const MAX: usize = 32;

/// An engine id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EngineId(Vec<u8>);

impl EngineId {
    /// The engine of a cluster. All members have the same, so that a receiver needs one entry for it and goes on hearing when an alerter moves to
    /// another member.
    pub(super) fn of(cluster: &str) -> Self {
        let mut id = ENTERPRISE.to_vec();
        if (1..=MAX_NAME).contains(&cluster.len()) {
            id.push(TEXT);
            id.extend_from_slice(cluster.as_bytes());
        } else {
            id.push(BYTES);
            id.extend_from_slice(&xxh3_128(cluster.as_bytes()).to_be_bytes());
        }
        Self(id)
    }

    /// Reads `0x8000…` or `8000…`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits).as_bytes();
        let byte = |pair: &[u8]| -> Option<u8> {
            let [high, low] = pair else { return None };
            let digit = |c: &u8| char::from(*c).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        };
        let id: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let id = id.ok_or("is not of the form 0x8000… with two hexadecimal digits a byte")?;
        if !(MIN..=MAX).contains(&id.len()) {
            return Err(format!("has {} bytes, but {MIN} to {MAX} are allowed", id.len()));
        }
        if id.iter().all(|b| *b == 0) || id.iter().all(|b| *b == 0xff) {
            return Err("must not be all zeros or all ones".to_owned());
        }
        Ok(Self(id))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an engine says of its time: how often it lost it, and the seconds since.
///
/// A receiver refuses what is 150 seconds older than the newest it has seen. This time is the wall clock's, so it goes on over restarts and is the same
/// on all members without anything to remember; and because it is never lost, the number of losses stays one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub boots: u32,
    pub seconds: u32,
}

impl Clock {
    /// 2020-01-01T00:00:00Z. The seconds last until 2088.
    const EPOCH: WallMs = WallMs(1_577_836_800_000);

    pub(super) fn at(now: WallMs) -> Self {
        let seconds = now.since(Self::EPOCH).as_secs();
        let (boots, seconds) = async_snmp::v3::compute_engine_boots_time(1, seconds);
        Self { boots, seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_one_engine_that_can_be_read() {
        // 80007ed9 is 32473 with the highest bit set, 04 says text, the rest is the text.
        assert_eq!(EngineId::of("9volt").to_string(), "0x80007ed90439766f6c74");
        assert_eq!(EngineId::of("9volt"), EngineId::parse("80007ED90439766f6c74").unwrap());
        assert_ne!(EngineId::of("9volt"), EngineId::of("9volt-2"));
    }

    #[test]
    fn whatever_its_name_the_engine_id_of_a_cluster_is_allowed() {
        for name in ["", "a", &"n".repeat(27), &"n".repeat(28), &"ö".repeat(200)] {
            let id = EngineId::of(name);
            assert_eq!(EngineId::parse(&id.to_string()), Ok(id), "{name}");
        }
    }

    #[test]
    fn what_is_no_engine_id_is_refused() {
        for text in [
            "",
            "0x",
            "80007ed9",
            "80007ed904f",
            "80007ed90g",
            "0x0000000000",
            "ffffffffff",
            "8000ö7ed9",
            &"80".repeat(33),
        ] {
            assert!(EngineId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn its_time_goes_on_over_restarts_and_never_leaves_its_range() {
        let at = |ms| Clock::at(WallMs(ms));
        assert_eq!(at(1_577_836_800_000), Clock { boots: 1, seconds: 0 });
        assert_eq!(
            at(1_767_261_600_000),
            Clock {
                boots: 1,
                seconds: 189_424_800
            }
        );
        assert_eq!(at(0).seconds, 0, "a clock that was never set");
        assert!(at(i64::MAX).boots < 1 << 31 && at(i64::MAX).seconds < 1 << 31);
    }
}
