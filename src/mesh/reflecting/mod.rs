//! Whom a reflector answers, what it answers, and what it drops and why. Pure: bytes and times in, bytes out.
//!
//! It answers senders in allowed networks, each within a budget, with as many octets as they sent, and never another reflector: so it neither amplifies
//! nor loops. It counts what it sends in each session, so that senders can tell what was lost on the way there from what was lost on the way back.

mod bounded;
mod budget;
mod networks;
mod refusal;
mod sequence;
mod sessions;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use budget::Rate;
pub use networks::Networks;
pub use refusal::Refusal;

use super::wire::{ErrorEstimate, Format, Key, Mode, Nanos, PORT, Reflection, Request, Timestamp, is_reflection};
use budget::Budget;
use sessions::{Session, Sessions};

/// What one source is answered, in packets a second; as many may come at once.
pub const PER_SOURCE: Rate = Rate(10_000);
/// What all sources together are answered, in packets a second.
pub const IN_ALL: Rate = Rate(200_000);

/// What a reflector was asked for.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Who is answered.
    pub networks: Networks,
    /// With it, only packets that are signed with it are answered.
    pub key: Option<Key>,
    /// What one source is answered.
    pub per_source: Rate,
    /// What all together are answered.
    pub in_all: Rate,
}

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Who says to have sent it.
    pub from: SocketAddr,
    /// The address of ours that it came to.
    pub to: IpAddr,
    /// When it came, by the clock of the machine.
    pub at: Nanos,
    /// The hops that it had left; 0: not known.
    pub hop_limit: u8,
    /// Whether it was longer than [`LARGEST`](super::wire::LARGEST).
    pub cut_off: bool,
}

/// What is to be answered. [`Reflecting::answer`] writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    sequence: u32,
    request: Request,
    received: Nanos,
    hop_limit: u8,
}

/// The rules of one reflector, with the sessions that it remembers.
#[derive(Debug)]
pub struct Reflecting {
    policy: Policy,
    port: u16,
    mode: Mode,
    budget: Budget,
    sessions: Sessions,
}

impl Reflecting {
    /// The rules of a reflector that listens on `port`.
    #[must_use]
    pub fn new(policy: Policy, port: u16) -> Self {
        Self {
            mode: if policy.key.is_some() {
                Mode::Authenticated
            } else {
                Mode::Open
            },
            budget: Budget::new(policy.per_source, policy.in_all),
            sessions: Sessions::default(),
            policy,
            port,
        }
    }

    /// Decides over a packet. `now`: a clock that only goes forward. What costs least is asked first, and only who has the key draws on a budget.
    ///
    /// # Errors
    /// Why it is not answered.
    pub fn admit(&mut self, arrival: &Arrival, now: Duration, packet: &[u8]) -> Result<Admitted, Refusal> {
        if !self.policy.networks.contain(arrival.from.ip()) {
            return Err(Refusal::Stranger);
        }
        // Reflectors send from these, senders do not; and to 0 nothing can be sent.
        if [PORT, self.port, 0].contains(&arrival.from.port()) {
            return Err(Refusal::Reflector);
        }
        if arrival.cut_off {
            return Err(Refusal::Oversize);
        }
        let request = Request::read(self.mode, packet).ok_or(Refusal::Short)?;
        if self.policy.key.as_ref().is_some_and(|key| !key.signed(packet)) {
            return Err(Refusal::Forged);
        }
        if is_reflection(self.mode, packet) {
            return Err(Refusal::Reflection);
        }
        let session = Session {
            from: arrival.from,
            to: arrival.to,
            identifier: request.session,
        };
        // Whoever sends again what others have sent must not use up their budget.
        if self.sessions.answered(&session, &request, now) {
            return Err(Refusal::Repeated);
        }
        if !self.budget.has(arrival.from.ip(), now) {
            return Err(Refusal::Budget);
        }
        Ok(Admitted {
            sequence: self.sessions.next(session, &request, now).ok_or(Refusal::Full)?,
            request,
            received: arrival.at,
            hop_limit: arrival.hop_limit,
        })
    }

    /// Writes the reflection over the packet that was admitted, sent at `sent` by a clock that may be wrong by `error`. Its length stays.
    pub fn answer(&self, admitted: Admitted, sent: Nanos, error: ErrorEstimate, packet: &mut [u8]) {
        let reflection = Reflection {
            sequence: admitted.sequence,
            sent: Timestamp::of(sent, Format::Ntp),
            estimate: error,
            received: Timestamp::of(admitted.received, Format::Ntp),
            request: admitted.request,
            hop_limit: admitted.hop_limit,
        };
        reflection.write(self.mode, packet);
        if let Some(key) = &self.policy.key {
            key.sign(packet);
        }
    }

    /// Sessions that are remembered now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Idle sessions that were forgotten to make room.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.sessions.forgotten()
    }
}
