//! How much is answered: a bucket of tokens for each source, and one for all.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::bounded::Bounded;

/// Sources whose buckets are kept; of more than these at a time the newest are not answered.
const SOURCES: usize = 16_384;
/// A bucket is full again after this time: to forget it changes nothing.
const FULL_AGAIN: Duration = Duration::from_secs(1);

/// Packets a second; as many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u32);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl Bucket {
    fn full(rate: Rate, now: Duration) -> Self {
        Self {
            tokens: f64::from(rate.0),
            filled: now,
        }
    }

    /// Fills up. Whether there is a token.
    fn fill(&mut self, rate: Rate, now: Duration) -> bool {
        let most = f64::from(rate.0);
        let new = now.saturating_sub(self.filled).as_secs_f64() * most;
        self.tokens = (self.tokens + new).min(most);
        self.filled = now;
        self.tokens >= 1.0
    }
}

#[derive(Debug)]
pub(super) struct Budget {
    per_source: Rate,
    in_all: Rate,
    all: Bucket,
    sources: Bounded<IpAddr, Bucket>,
}

impl Budget {
    pub(super) fn new(per_source: Rate, in_all: Rate) -> Self {
        Self {
            per_source,
            in_all,
            all: Bucket::full(in_all, Duration::ZERO),
            sources: Bounded::new(SOURCES, FULL_AGAIN),
        }
    }

    /// Takes a token for a packet, if its source and all together have one.
    pub(super) fn has(&mut self, source: IpAddr, now: Duration) -> bool {
        let rate = self.per_source;
        let Some(bucket) = self.sources.take(host(source), now, || Bucket::full(rate, now)) else {
            return false;
        };
        let has = bucket.fill(rate, now) && self.all.fill(self.in_all, now);
        if has {
            bucket.tokens -= 1.0;
            self.all.tokens -= 1.0;
        }
        has
    }
}

/// A host has all addresses of a /64 to itself.
fn host(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
