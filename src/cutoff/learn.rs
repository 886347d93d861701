//! Pure: what the record of what an alerter was told becomes by the word of another member that told it something, too.
//!
//! A far end has one incident for a monitor, whatever the episode. What matters is that its end is told, and nothing twice.

use crate::store::records::{Told, ToldState};

/// What becomes of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Learned {
    /// It says as much already, or more.
    Stays,
    /// It is this.
    Is(Told),
    /// The end was told: nothing is open there.
    Gone,
}

/// What is `known` here, after it was heard what somebody else `told`; of an end that was told: status ok.
pub(super) fn learn(known: Option<&Told>, told: &Told) -> Learned {
    let ended = told.state == ToldState::Told && !told.status.is_bad();
    let Some(known) = known else {
        return if ended {
            Learned::Stays
        } else {
            Learned::Is(told.clone())
        };
    };
    let rank = |told: &Told| (told.seq, !told.status.is_bad(), told.state == ToldState::Told);
    let later = known.episode == told.episode && rank(told) > rank(known);
    let in_flight = known.state == ToldState::Sending && known.status.is_bad();
    match (later, ended) {
        // What is on its way from here may arrive after the end: it is told again.
        (true, true) if in_flight => Learned::Stays,
        (true, true) => Learned::Gone,
        (true, false) => Learned::Is(Told {
            arrived: told.arrived || known.arrived,
            reference: told.reference.clone().or_else(|| known.reference.clone()),
            ..told.clone()
        }),
        // Something of the incident is there, whatever became of what was told from here.
        (false, false) if !known.arrived && (told.arrived || told.state == ToldState::Sending) => Learned::Is(Told {
            arrived: true,
            ..known.clone()
        }),
        (false, _) => Learned::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EpisodeId, Status, WallMs};
    use crate::store::records::FORMAT;

    fn told(state: ToldState, episode: i64, seq: u32, status: Status, arrived: bool) -> Told {
        Told {
            v: FORMAT,
            state,
            episode: EpisodeId(episode),
            seq,
            status,
            at: WallMs(1),
            attempts: 1,
            reference: None,
            arrived,
            response: String::new(),
            fallbacks: Vec::new(),
        }
    }

    #[test]
    fn of_what_two_members_told_the_later_change_counts_and_nothing_that_may_be_open_is_forgotten() {
        use Learned::{Gone, Is, Stays};
        use Status::{Critical as C, Ok};
        use ToldState::{GivenUp, Sending, Told as Done};
        let first = told(Done, 1, 1, C, true);
        let later = told(Done, 1, 2, C, true);
        let end = told(Done, 1, 3, Ok, true);
        let other = told(Done, 9, 1, C, true);
        let sending = told(Sending, 1, 1, C, false);
        let refused = told(GivenUp, 1, 2, C, false);
        let arrived = |of: &Told| {
            Is(Told {
                arrived: true,
                ..of.clone()
            })
        };
        let table = [
            (None, &first, Is(first.clone())),
            (None, &end, Stays),
            (Some(&first), &later, Is(later.clone())),
            (Some(&later), &first, Stays),
            (Some(&later), &later, Stays),
            (Some(&sending), &first, Is(first.clone())),
            (Some(&later), &end, Gone),
            (Some(&sending), &end, Stays),
            (Some(&told(Sending, 1, 3, Ok, true)), &end, Gone),
            // Another episode, of a member that judged, too.
            (Some(&first), &other, Stays),
            (Some(&other), &end, Stays),
            (Some(&sending), &other, arrived(&sending)),
            (Some(&refused), &other, arrived(&refused)),
            (Some(&refused), &first, arrived(&refused)),
            (Some(&first), &refused, arrived(&refused)),
        ];
        for (n, (known, told, learned)) in table.into_iter().enumerate() {
            assert_eq!(learn(known, told), learned, "row {n}");
        }
    }

    #[test]
    fn the_thread_of_an_incident_is_kept() {
        let with = |seq, reference: Option<&str>| Told {
            reference: reference.map(str::to_owned),
            ..told(ToldState::Told, 1, seq, Status::Critical, true)
        };
        let Learned::Is(record) = learn(Some(&with(1, Some("ts"))), &with(2, None)) else {
            panic!("nothing learned");
        };
        assert_eq!((record.seq, record.reference.as_deref()), (2, Some("ts")));
    }
}
