//! Pure: what is wanted against what was told, to the next step and the reason for it.
//!
//! The whole rule: make *told* equal to *outbox*. What a far end may have heard of is never forgotten before its end was told, and what
//! it cannot have heard of is never ended.

use crate::model::WallMs;
use crate::store::records::{OutboxEntry, Told, ToldState};

use super::limits::GIVE_UP_AFTER;

/// What to do next for one alerter and one monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Tell what is wanted.
    Tell(Telling),
    /// Tell that the incident of which it was told is over.
    Resolve(Ending),
    /// Delete the entry.
    Drop(Dropped),
    /// Nothing.
    Rest(Rest),
}

/// Why something not ok is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Telling {
    /// Nothing was told of this episode.
    First,
    /// An older change of this episode was told.
    Update,
    /// It is not known whether this very change arrived.
    Again,
    /// It was given up, and the alerter's definition was edited since.
    Edited,
}

/// Why the end of an incident is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// The monitor is ok, or this alerter is no longer addressed.
    Over,
    /// Another episode is told of: that one first.
    OtherEpisode,
    /// It is not known whether this very end arrived.
    Again,
    /// It was given up, and the alerter's definition was edited since.
    Edited,
}

/// Why an entry needs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dropped {
    /// Ok again before anything of it was told.
    NeverTold,
    /// It is what was told already.
    Level,
    /// Ok again, and what was before was given up without having arrived.
    GivenUp,
    /// Its end was told.
    EndTold,
    /// Its end was given up long ago.
    Expired,
}

impl Dropped {
    /// Whether the record of what was told stays: only where an incident is open there.
    #[must_use]
    pub(crate) fn keeps_told(self) -> bool {
        self == Self::Level
    }
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rest {
    /// Nothing is wanted.
    NothingWanted,
    /// It was given up. The entry stays: an edit of the alerter's definition tries again.
    GivenUp,
}

/// The next step. `edited`: the alerter's definition is newer than the record that says *given up*.
#[must_use]
pub(crate) fn decide(wanted: Option<&OutboxEntry>, told: Option<&Told>, edited: bool, now: WallMs) -> Step {
    let Some(wanted) = wanted else {
        return Step::Rest(Rest::NothingWanted);
    };
    match told {
        Some(told) if told.state == ToldState::GivenUp => after_giving_up(wanted, told, edited, now),
        told if wanted.status.is_bad() => tell(wanted, told),
        None => Step::Drop(Dropped::NeverTold),
        // Never written: the record of an end that was told is deleted. Were it there, its end was told.
        Some(told) if told.state == ToldState::Told && !told.status.is_bad() => Step::Drop(Dropped::EndTold),
        Some(told) => Step::Resolve(ending(wanted, told)),
    }
}

fn tell(wanted: &OutboxEntry, told: Option<&Told>) -> Step {
    let Some(told) = told else {
        return Step::Tell(Telling::First);
    };
    if told.episode != wanted.episode {
        return Step::Resolve(ending(wanted, told));
    }
    if !told.status.is_bad() {
        // An end was being told when the alerter was addressed again.
        return Step::Tell(Telling::First);
    }
    match (told.state, told.seq < wanted.seq) {
        (_, true) => Step::Tell(Telling::Update),
        (ToldState::Sending, false) => Step::Tell(Telling::Again),
        (_, false) => Step::Drop(Dropped::Level),
    }
}

/// `told` is of something that may be open at the far end.
fn ending(wanted: &OutboxEntry, told: &Told) -> Ending {
    if !told.status.is_bad() {
        Ending::Again
    } else if told.episode == wanted.episode {
        Ending::Over
    } else {
        Ending::OtherEpisode
    }
}

fn after_giving_up(wanted: &OutboxEntry, told: &Told, edited: bool, now: WallMs) -> Step {
    let same = told.episode == wanted.episode;
    if wanted.status.is_bad() {
        return match (same, told.status.is_bad()) {
            (true, true) if edited => Step::Tell(Telling::Edited),
            (true, true) if told.seq < wanted.seq && told.arrived => Step::Tell(Telling::Update),
            (true, true) if told.seq < wanted.seq => Step::Tell(Telling::First),
            (true, true) => Step::Rest(Rest::GivenUp),
            (false, true) if told.arrived => Step::Resolve(Ending::OtherEpisode),
            // Given up was the end of an older incident, or something that never arrived: the new one joins or begins.
            _ => Step::Tell(Telling::First),
        };
    }
    match (told.status.is_bad(), told.arrived) {
        (true, false) => Step::Drop(Dropped::GivenUp),
        (true, true) => Step::Resolve(ending(wanted, told)),
        (false, _) if edited => Step::Resolve(Ending::Edited),
        (false, _) if expired(wanted.at, now) => Step::Drop(Dropped::Expired),
        (false, _) => Step::Rest(Rest::GivenUp),
    }
}

/// Longer ago than anything is kept for; also when the clock that wrote it was ahead by as much.
fn expired(at: WallMs, now: WallMs) -> bool {
    now.since(at).max(at.since(now)) >= GIVE_UP_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EpisodeId, Status};
    use crate::store::records::FORMAT;

    const NOW: WallMs = WallMs(1_000_000_000);

    fn wanted(episode: i64, seq: u32, status: Status) -> OutboxEntry {
        OutboxEntry {
            v: FORMAT,
            episode: EpisodeId(episode),
            seq,
            status,
            from: Status::Ok,
            closed: None,
            since: NOW,
            at: NOW,
            count: 1,
            message: String::new(),
            trail: Vec::new(),
            kind: String::new(),
            description: String::new(),
            tags: Vec::new(),
            runbook: String::new(),
            displaced: None,
        }
    }

    fn told(state: ToldState, episode: i64, seq: u32, status: Status, arrived: bool) -> Told {
        Told {
            v: FORMAT,
            state,
            episode: EpisodeId(episode),
            seq,
            status,
            at: NOW,
            attempts: 1,
            reference: None,
            arrived,
            response: String::new(),
            fallbacks: Vec::new(),
        }
    }

    #[test]
    fn each_pair_of_wanted_and_told_has_its_step_and_reason() {
        use Status::{Critical as C, Ok, Warning as W};
        use ToldState::{GivenUp, Sending, Told as Done};
        let (bad1, bad2) = (wanted(1, 1, W), wanted(1, 2, C));
        let (ok, other) = (wanted(1, 3, Ok), wanted(2, 1, C));
        let table = [
            (&bad1, None, Step::Tell(Telling::First)),
            (&ok, None, Step::Drop(Dropped::NeverTold)),
            (&bad1, Some(told(Sending, 1, 1, W, false)), Step::Tell(Telling::Again)),
            (&bad1, Some(told(Done, 1, 1, W, true)), Step::Drop(Dropped::Level)),
            (&bad2, Some(told(Done, 1, 1, W, true)), Step::Tell(Telling::Update)),
            (&bad2, Some(told(Sending, 1, 1, W, false)), Step::Tell(Telling::Update)),
            (&bad2, Some(told(Sending, 1, 2, Ok, true)), Step::Tell(Telling::First)),
            (&ok, Some(told(Done, 1, 2, C, true)), Step::Resolve(Ending::Over)),
            (&ok, Some(told(Sending, 1, 2, C, false)), Step::Resolve(Ending::Over)),
            (&ok, Some(told(Sending, 1, 3, Ok, true)), Step::Resolve(Ending::Again)),
            (
                &other,
                Some(told(Done, 1, 2, C, true)),
                Step::Resolve(Ending::OtherEpisode),
            ),
            (
                &other,
                Some(told(Sending, 1, 3, Ok, true)),
                Step::Resolve(Ending::Again),
            ),
            (&bad1, Some(told(GivenUp, 1, 1, W, false)), Step::Rest(Rest::GivenUp)),
            (&bad2, Some(told(GivenUp, 1, 1, W, false)), Step::Tell(Telling::First)),
            (&bad2, Some(told(GivenUp, 1, 1, W, true)), Step::Tell(Telling::Update)),
            (&ok, Some(told(GivenUp, 1, 2, C, false)), Step::Drop(Dropped::GivenUp)),
            (&ok, Some(told(GivenUp, 1, 2, C, true)), Step::Resolve(Ending::Over)),
            (&ok, Some(told(GivenUp, 1, 3, Ok, true)), Step::Rest(Rest::GivenUp)),
            (
                &other,
                Some(told(GivenUp, 1, 2, C, true)),
                Step::Resolve(Ending::OtherEpisode),
            ),
            (&other, Some(told(GivenUp, 1, 2, C, false)), Step::Tell(Telling::First)),
            (&other, Some(told(GivenUp, 1, 3, Ok, true)), Step::Tell(Telling::First)),
        ];
        for (n, (wanted, told, step)) in table.iter().enumerate() {
            assert_eq!(decide(Some(wanted), told.as_ref(), false, NOW), *step, "row {n}");
        }
        assert_eq!(decide(None, None, false, NOW), Step::Rest(Rest::NothingWanted));
    }

    #[test]
    fn what_was_given_up_is_tried_again_after_an_edit_and_dropped_after_a_day() {
        let (bad, ok) = (wanted(1, 1, Status::Critical), wanted(1, 2, Status::Ok));
        let refused = told(ToldState::GivenUp, 1, 1, Status::Critical, false);
        assert_eq!(
            decide(Some(&bad), Some(&refused), true, NOW),
            Step::Tell(Telling::Edited)
        );
        let end = told(ToldState::GivenUp, 1, 2, Status::Ok, true);
        assert_eq!(decide(Some(&ok), Some(&end), true, NOW), Step::Resolve(Ending::Edited));
        let later = NOW.plus(GIVE_UP_AFTER);
        assert_eq!(
            decide(Some(&ok), Some(&end), false, later),
            Step::Drop(Dropped::Expired)
        );
        assert_eq!(
            decide(Some(&bad), Some(&refused), false, later),
            Step::Rest(Rest::GivenUp)
        );
    }
}
