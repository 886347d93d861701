//! Pure: one entry that another member's alerter should know, on its way there while no store is there to leave it in.

use std::time::Duration;

use crate::store::At;
use crate::store::records::OutboxEntry;

/// From one question about an entry to the next, until it is told.
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
        let patience = self.silent.map(|since| since + SILENCE).filter(|end| asked < *end);
        patience.map_or(asked + AGAIN, |end| end.min(asked + AGAIN))
    }

    /// Who is to tell it now. `alone`: no other member works the alerter. `begun`: this member is about to tell what it was asked to before; two
    /// that do would be heard twice.
    pub(super) fn whom(&self, alone: bool, begun: bool, now: Duration) -> Whom {
        match self.silent {
            _ if alone || begun => Whom::Here,
            Some(since) if now >= since + SILENCE => Whom::Both,
            _ => Whom::There,
        }
    }

    /// It is seen to now.
    pub(super) fn ask(&mut self, now: Duration) {
        self.asked = Some(now);
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
    fn whoever_works_the_alerter_is_asked_every_two_seconds_and_not_waited_for_after_three() {
        let mut errand = Errand::new(entry(1));
        let mut seen = Vec::new();
        for _ in 0..5 {
            let now = errand.due();
            seen.push((now, errand.whom(false, false, now)));
            errand.ask(now);
            errand.silent();
        }
        let (there, both) = (Whom::There, Whom::Both);
        assert_eq!(
            seen,
            [(S(0), there), (S(2), there), (S(3), both), (S(5), both), (S(7), both)]
        );
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
