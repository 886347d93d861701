//! One session of a sender: its numbers, what is on its way, and what became of it.

use std::collections::VecDeque;
use std::time::Duration;

use super::delays::Delays;
use super::ways::{Lost, Ways};
use crate::mesh::wire::{ErrorEstimate, Nanos, Reflection, Request, Timestamp};

/// Probes that are remembered after they were sent. An answer to one that is not any more counts as a stranger's.
const REMEMBERED: usize = 1 << 18;

/// What became of probes. `sent` = `received` + `late` + `lost` + those that are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Probes that were sent.
    pub sent: u64,
    /// Answered in time.
    pub received: u64,
    /// Answered after the time was over; until then they counted as lost.
    pub late: u64,
    /// Not answered.
    pub lost: u64,
    /// Further answers to a probe that was answered.
    pub duplicates: u64,
    /// Answered after a probe that was sent later.
    pub reordered: u64,
    /// Packets that are no answers to what was sent.
    pub strangers: u64,
    /// Probes during which our clock was set.
    pub stepped: u64,
}

impl Counts {
    /// With those of another flow.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.late += other.late;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.strangers += other.strangers;
        self.stepped += other.stepped;
    }
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// To a probe, in time.
    Received(Delays),
    /// To a probe, after the time was over. It does not count as lost any more.
    Late(Delays),
    /// To one that was answered.
    Duplicate,
    /// To none of ours.
    Stranger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waiting,
    Lost,
    /// Under this number of the reflector.
    Answered(u32),
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    timestamp: Timestamp,
    /// By a clock that only goes forward.
    sent: Duration,
    fate: Fate,
}

/// A session, from one source port to one reflector. Times that are a [`Duration`] are by a clock that only goes forward.
#[derive(Debug)]
pub struct Flow {
    timeout: Duration,
    session: u16,
    /// The number of the first probe that is remembered.
    first: u64,
    probes: VecDeque<Probe>,
    /// Probes from the first on that are not waited for.
    settled: usize,
    /// The number after the highest that was answered.
    expected: u64,
    counts: Counts,
    ways: Ways,
}

impl Flow {
    /// A session with this identifier whose probes are answered within `timeout`, or count as lost until they are.
    #[must_use]
    pub fn new(session: u16, timeout: Duration) -> Self {
        Self {
            timeout,
            session,
            first: 0,
            probes: VecDeque::new(),
            settled: 0,
            expected: 0,
            counts: Counts::default(),
            ways: Ways::default(),
        }
    }

    /// The next probe, sent now.
    pub fn send(&mut self, at: Nanos, estimate: ErrorEstimate, now: Duration) -> Request {
        self.expire(now);
        if self.probes.len() == REMEMBERED {
            self.forget_first();
        }
        let request = Request {
            // The low bits are what travels.
            sequence: self.counts.sent as u32,
            sent: Timestamp::of(at, estimate.format()),
            estimate,
            session: self.session,
        };
        self.probes.push_back(Probe {
            timestamp: request.sent,
            sent: now,
            fate: Fate::Waiting,
        });
        self.counts.sent += 1;
        request
    }

    fn forget_first(&mut self) {
        if self.settled == 0 {
            self.counts.lost += 1;
        } else {
            self.settled -= 1;
        }
        self.probes.pop_front();
        self.first += 1;
    }

    /// What came: received at `at` by the clock of the machine, read `now`.
    pub fn receive(&mut self, reflection: &Reflection, at: Nanos, now: Duration) -> Answer {
        let behind = (self.counts.sent as u32).wrapping_sub(reflection.request.sequence);
        let number = self.counts.sent.checked_sub(u64::from(behind));
        let place = number.and_then(|number| usize::try_from(number.checked_sub(self.first)?).ok());
        // Only who has seen the request knows its nanosecond.
        let known = |probe: &&mut Probe| probe.timestamp == reflection.request.sent;
        let probe = place.and_then(|place| self.probes.get_mut(place)).filter(known);
        let (Some(number), Some(probe)) = (number, probe) else {
            self.counts.strangers += 1;
            return Answer::Stranger;
        };
        let elapsed = now.saturating_sub(probe.sent);
        let before = probe.fate;
        if let Fate::Answered(first) = before {
            self.counts.duplicates += 1;
            self.ways.again(first, reflection.sequence, reflection.sent);
            return Answer::Duplicate;
        }
        probe.fate = Fate::Answered(reflection.sequence);
        let sent = self.counts.sent;
        self.ways.answered(number, sent, reflection.sequence, reflection.sent);
        if number < self.expected {
            self.counts.reordered += 1;
        }
        self.expected = self.expected.max(number + 1);
        let delays = Delays::of(reflection, at, elapsed);
        self.counts.stepped += u64::from(delays.stepped);
        // When it came counts, not when we came to read it.
        self.counts.lost -= u64::from(before == Fate::Lost);
        if delays.took >= self.timeout {
            self.counts.late += 1;
            Answer::Late(delays)
        } else {
            self.counts.received += 1;
            Answer::Received(delays)
        }
    }

    /// Something came that is no reflection at all, or is not signed with our key.
    pub fn stranger(&mut self) {
        self.counts.strangers += 1;
    }

    /// What was sent longer ago than the timeout and was not answered counts as lost.
    pub fn expire(&mut self, now: Duration) {
        while let Some(probe) = self.probes.get_mut(self.settled) {
            if probe.fate == Fate::Waiting {
                if now.saturating_sub(probe.sent) < self.timeout {
                    return;
                }
                probe.fate = Fate::Lost;
                self.counts.lost += 1;
            }
            self.settled += 1;
        }
    }

    /// Whether an answer is waited for.
    #[must_use]
    pub fn waits(&self) -> bool {
        let known = self.counts.received + self.counts.late + self.counts.lost;
        known < self.counts.sent
    }

    /// What became of the probes so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// On which way the lost ones were lost; while some are waited for, as far as can be said.
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.ways.lost(self.counts.lost)
    }
}
