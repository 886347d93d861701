//! On which way probes were lost, by the numbers that the reflector gives to what it sends.
//!
//! Up to the last answer, the reflector's number says how many requests came there; what did not come there was lost on the way there, and what came there
//! and did not come back, on the way back. Of what was lost after the last answer nobody knows, nor of anything where the reflector has no numbers of its own.

use crate::mesh::wire::Timestamp;

/// What was lost, by way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// On the way to the reflector.
    pub forward: u64,
    /// On the way back.
    pub backward: u64,
    /// On one of them.
    pub unknown: u64,
}

impl Lost {
    /// With those of another flow.
    pub fn add(&mut self, other: &Self) {
        self.forward += other.forward;
        self.backward += other.backward;
        self.unknown += other.unknown;
    }
}

/// The numbers of one session of the reflector.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Our number and the reflector's, from which both are counted.
    base: (u64, u32),
    /// The highest number of ours that was answered.
    sent: u64,
    /// The highest of the reflector's, counted from the base, and when it was sent.
    reflected: i64,
    reflected_at: Timestamp,
    /// Requests that were answered, and answers to the same request under another number.
    answered: u64,
    doubled: u64,
}

/// What the reflector's numbers say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ways {
    span: Option<Span>,
    /// Of sessions of the reflector that are over.
    before: Lost,
    own_numbers: bool,
}

impl Ways {
    /// A request was answered for the first time, of `sent` that were sent until then.
    pub(super) fn answered(&mut self, number: u64, sent: u64, reflected: u32, at: Timestamp) {
        let began_anew = |span: &Span| {
            // It numbers in the order in which it sends. One without numbers repeats ours, and the newest of ours is higher than any before.
            number > span.sent && span.ahead(reflected) <= span.reflected && at.is_after(span.reflected_at)
        };
        if let Some(over) = self.span.filter(began_anew) {
            self.before.add(&over.lost());
            self.own_numbers = true;
            self.span = Some(Span::from((number, reflected), number, reflected, at));
        }
        let first = || {
            // A session that began with ours has counted no more than we have sent; else it goes on from another one.
            let fresh = u64::from(reflected) < sent;
            Span::from(if fresh { (0, 0) } else { (number, reflected) }, number, reflected, at)
        };
        let span = self.span.get_or_insert_with(first);
        // The low bits are what travels.
        self.own_numbers |= reflected != number as u32;
        span.answered += 1;
        span.sent = span.sent.max(number);
        span.newest(reflected, at);
    }

    /// A request was answered once more. Under the same number the answer was doubled on its way back, under another one the request on its way there.
    pub(super) fn again(&mut self, first: u32, reflected: u32, at: Timestamp) {
        if let Some(span) = self.span.as_mut().filter(|_| first != reflected) {
            span.doubled += 1;
            span.newest(reflected, at);
            self.own_numbers = true;
        }
    }

    /// The ways of `lost` probes.
    pub(super) fn lost(&self, lost: u64) -> Lost {
        let span = self
            .span
            .filter(|_| self.own_numbers)
            .map_or(Lost::default(), |span| span.lost());
        let forward = (self.before.forward + span.forward).min(lost);
        let backward = (self.before.backward + span.backward).min(lost - forward);
        Lost {
            forward,
            backward,
            unknown: lost - forward - backward,
        }
    }
}

impl Span {
    fn from(base: (u64, u32), sent: u64, reflected: u32, at: Timestamp) -> Self {
        Self {
            base,
            sent,
            reflected: i64::from(reflected.wrapping_sub(base.1).cast_signed()),
            reflected_at: at,
            answered: 0,
            doubled: 0,
        }
    }

    /// A number of the reflector, counted from the base: of all that it may be, the one that is nearest to the highest.
    fn ahead(&self, reflected: u32) -> i64 {
        let highest = self.base.1.wrapping_add(self.reflected as u32);
        self.reflected + i64::from(reflected.wrapping_sub(highest).cast_signed())
    }

    fn newest(&mut self, reflected: u32, at: Timestamp) {
        let ahead = self.ahead(reflected);
        if ahead > self.reflected {
            (self.reflected, self.reflected_at) = (ahead, at);
        }
    }

    fn lost(&self) -> Lost {
        let sent = self.sent - self.base.0 + 1;
        let came = u64::try_from(self.reflected + 1)
            .unwrap_or(0)
            .saturating_sub(self.doubled);
        Lost {
            forward: sent.saturating_sub(came),
            backward: came.saturating_sub(self.answered),
            unknown: 0,
        }
    }
}
