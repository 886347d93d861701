//! What of a session was answered: so that a packet is answered once, and a sender that starts anew is known as such.

use crate::mesh::wire::{Request, Timestamp};

/// What a request is to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was not answered yet.
    New,
    /// Its sender counts from the beginning again.
    Restarted,
    /// It was answered, or is too old for us to know.
    Before,
}

/// The newest sequence number, and which of those before it were seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    newest: u32,
    sent: Timestamp,
    /// Bit n: the n-th before the newest. A packet that more than 63 others have overtaken counts as seen.
    seen: u64,
}

impl Window {
    pub(super) fn begun_with(request: &Request) -> Self {
        Self {
            newest: request.sequence,
            sent: request.sent,
            seen: 1,
        }
    }

    /// What a request is. `rested`: nothing was answered for so long that whatever comes may begin anew.
    pub(super) fn judge(&self, request: &Request, rested: bool) -> Seen {
        if self.ahead(request).is_some() {
            return Seen::New;
        }
        // A packet that comes late or twice was not sent after the newest one.
        if rested || request.sent.is_after(self.sent) {
            return Seen::Restarted;
        }
        match self.bit(request) {
            Some(bit) if self.seen & bit == 0 => Seen::New,
            _ => Seen::Before,
        }
    }

    /// Notes that it is answered.
    pub(super) fn note(&mut self, request: &Request, seen: Seen) {
        match (seen, self.ahead(request)) {
            (Seen::New, Some(ahead)) => {
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                (self.newest, self.sent) = (request.sequence, request.sent);
            }
            (Seen::New, None) => self.seen |= self.bit(request).unwrap_or(0),
            (Seen::Restarted, _) => *self = Self::begun_with(request),
            (Seen::Before, _) => {}
        }
    }

    /// How far it is ahead of the newest.
    fn ahead(&self, request: &Request) -> Option<u32> {
        let ahead = request.sequence.wrapping_sub(self.newest);
        (1..=u32::MAX / 2).contains(&ahead).then_some(ahead)
    }

    /// Its place in the window; `None`: it is too far behind.
    fn bit(&self, request: &Request) -> Option<u64> {
        1u64.checked_shl(self.newest.wrapping_sub(request.sequence))
    }
}
