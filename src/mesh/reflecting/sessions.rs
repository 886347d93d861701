//! The sessions that a reflector remembers: what it sent in each is counted from 0.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::bounded::Bounded;
use super::sequence::{Seen, Window};
use crate::mesh::wire::Request;

/// Sessions that are remembered, about 100 octets each.
pub(super) const MOST: usize = 65_536;
/// One in which nothing came for so long may be forgotten when there are too many, and whatever comes in it may begin it anew: a sender whose clock was set
/// back is not refused for ever.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// What tells sessions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Session {
    pub(super) from: SocketAddr,
    pub(super) to: IpAddr,
    pub(super) identifier: u16,
}

#[derive(Debug)]
struct Memory {
    next: u32,
    window: Window,
    answered: Duration,
}

impl Memory {
    fn judge(&self, request: &Request, now: Duration) -> Seen {
        self.window.judge(request, now.saturating_sub(self.answered) >= IDLE)
    }
}

#[derive(Debug)]
pub(super) struct Sessions(Bounded<Session, Memory>);

impl Default for Sessions {
    fn default() -> Self {
        Self(Bounded::new(MOST, IDLE))
    }
}

impl Sessions {
    /// Whether a request was answered before.
    pub(super) fn answered(&self, session: &Session, request: &Request, now: Duration) -> bool {
        let memory = self.0.get(session);
        memory.is_some_and(|memory| memory.judge(request, now) == Seen::Before)
    }

    /// The number of the reflection of a request; `None`: there is no room for another session.
    pub(super) fn next(&mut self, session: Session, request: &Request, now: Duration) -> Option<u32> {
        let begin = || Memory {
            next: 0,
            window: Window::begun_with(request),
            answered: now,
        };
        let memory = self.0.take(session, now, begin)?;
        let seen = memory.judge(request, now);
        if seen == Seen::Restarted {
            memory.next = 0;
        }
        memory.window.note(request, seen);
        memory.answered = now;
        let number = memory.next;
        memory.next = number.wrapping_add(1);
        Some(number)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.0.forgotten()
    }
}
