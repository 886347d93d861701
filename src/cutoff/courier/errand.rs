//! Pure: one entry that another member's alerter should know, on its way there while no store is there to leave it in.

use std::time::Duration;

use crate::store::At;
use crate::store::records::OutboxEntry;

/// From the first question about an entry to the next; then twice as long each time. Most is told at once, and what is not known to be told when
/// the store comes back is told again.
const FIRST_AGAIN: Duration = Duration::from_millis(250);
/// From one to the next at most, until it is told.
const AGAIN: Duration = Duration::from_secs(2);
/// A member that says nothing for so long is not waited for.
const SILENCE: Duration = Duration::from_secs(3);

/// Who is to tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Whoever works the alerter.
    There,
    /// This member.
    Here,
    /// This member, because the other one is silent; which hears of it as soon as it can.
    Both,
}

/// An entry, until it is told. Times are since the courier began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand {
    /// What the alerter should know.
    pub(super) entry: At<OutboxEntry>,
    asked: Option<Duration>,
    /// How often.
    times: u32,
    /// Since when there is no answer.
    silent: Option<Duration>,
    /// How far this member is with telling it.
    here: Here,
}

/// How far this member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Here {
    /// It has not begun.
    #[default]
    No,
    /// There was something to tell.
    Begun,
    /// All of it was told.
    Told,
}

impl Errand {
    pub(super) fn new(entry: At<OutboxEntry>) -> Self {
        Self {
            entry,
            asked: None,
            times: 0,
            silent: None,
            here: Here::No,
        }
    }

    /// The judge says something else; who was silent before is not waited for anew.
    pub(super) fn changed(&mut self, entry: At<OutboxEntry>) {
        let silent = self.silent;
        *self = Self::new(entry);
        self.silent = silent;
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Duration {
        let Some(asked) = self.asked else {
            return Duration::ZERO;
        };
        let wait = FIRST_AGAIN.saturating_mul(1 << self.times.saturating_sub(1).min(8));
        let again = asked + wait.min(AGAIN);
        let patience = self.silent.map(|since| since + SILENCE).filter(|end| asked < *end);
        patience.map_or(again, |end| end.min(again))
    }

    /// Who is to tell it now. `alone`: no other member works the alerter. `begun`: this member is about to tell something of it; two that do would
    /// be heard twice.
    pub(super) fn whom(&self, alone: bool, begun: bool, now: Duration) -> Whom {
        match self.silent {
            _ if alone || begun || self.here == Here::Begun => Whom::Here,
            Some(since) if now >= since + SILENCE => Whom::Both,
            _ => Whom::There,
        }
    }

    /// It is seen to now.
    pub(super) fn ask(&mut self, now: Duration) {
        self.asked = Some(now);
        self.times = self.times.saturating_add(1);
    }

    /// This member tells it; whether all of it is told by now. Where there was nothing to tell, nobody told anything.
    pub(super) fn told_here(&mut self, all: bool) {
        self.here = match (self.here, all) {
            (_, false) => Here::Begun,
            (Here::Begun, true) => Here::Told,
            (here, true) => here,
        };
    }

    /// Whether this member told that it is over: nothing else would say so, because the record is gone then.
    pub(super) fn ended_here(&self) -> bool {
        self.here == Here::Told && !self.entry.value.status.is_bad()
    }

    /// There was an answer.
    pub(super) fn answered(&mut self) {
        self.silent = None;
    }

    /// There was none, or none that helps.
    pub(super) fn silent(&mut self) {
        self.silent = self.silent.or(self.asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EpisodeId, Status, WallMs};
    use crate::store::Revision;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn entry(rev: u64) -> At<OutboxEntry> {
        At {
            rev: Revision(rev),
            value: OutboxEntry::bare(EpisodeId(1), 1, Status::Critical, WallMs(1)),
        }
    }

    #[test]
    fn whoever_works_the_alerter_is_asked_until_it_is_told_and_not_waited_for_after_three_seconds_of_silence() {
        let mut errand = Errand::new(entry(1));
        let mut seen = Vec::new();
        for _ in 0..8 {
            let now = errand.due();
            seen.push((now.as_millis(), errand.whom(false, false, now)));
            errand.ask(now);
            errand.silent();
        }
        let (there, both) = (Whom::There, Whom::Both);
        let asked = [
            (0, there),
            (250, there),
            (750, there),
            (1750, there),
            (3000, both),
            (5000, both),
            (7000, both),
        ];
        assert_eq!(seen[..7], asked);
        errand.answered();
        assert_eq!(errand.whom(false, false, S(9)), there);
    }

    #[test]
    fn a_change_is_brought_at_once_and_a_silence_is_not_waited_for_anew() {
        let mut errand = Errand::new(entry(1));
        errand.ask(S(10));
        errand.silent();
        errand.changed(entry(2));
        assert_eq!(errand.due(), S(0));
        assert_eq!(errand.whom(false, false, S(13)), Whom::Both);
    }

    #[test]
    fn an_end_was_told_here_if_there_was_something_to_end() {
        let end = |rev| At {
            rev: Revision(rev),
            value: OutboxEntry::bare(EpisodeId(1), 2, Status::Ok, WallMs(1)),
        };
        let mut errand = Errand::new(end(1));
        errand.told_here(true);
        assert!(!errand.ended_here(), "nothing was open");
        errand.told_here(false);
        assert!(!errand.ended_here());
        assert_eq!(
            errand.whom(false, false, S(0)),
            Whom::Here,
            "until it is known what became of it"
        );
        errand.told_here(true);
        assert!(errand.ended_here());
        errand.changed(entry(2));
        errand.told_here(true);
        assert!(!errand.ended_here());
    }

    #[test]
    fn what_nobody_else_works_or_what_is_begun_here_is_told_here() {
        let errand = Errand::new(entry(1));
        for (alone, begun) in [(true, false), (false, true)] {
            assert_eq!(errand.whom(alone, begun, S(0)), Whom::Here);
        }
    }
}
