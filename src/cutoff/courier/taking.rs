//! Pure: what an entry that another member brings makes of outbox and record here, and what to answer.

use super::super::learn::{Learned, learn};
use crate::model::EpisodeId;
use crate::peers::calls::ToTell;
use crate::store::records::{FORMAT, OutboxEntry, Told, ToldState};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taking {
    /// With the record of what was told.
    pub(super) told: Learned,
    /// Whether the entry is put into the outbox.
    pub(super) puts: bool,
    /// What was told of it so far.
    pub(super) receipt: Option<Told>,
}

/// A change of a monitor: of two the later counts.
pub(super) type Order = (EpisodeId, u32);

/// Which change an entry is.
pub(super) fn order(entry: &OutboxEntry) -> Order {
    (entry.episode, entry.seq)
}

/// The rule. `taken`: the last change that was taken for this alerter and monitor, so that one that comes again, or late, does no harm: what is no
/// longer in the outbox is told.
pub(super) fn taking(
    asked: &ToTell,
    told: Option<&Told>,
    wanted: Option<&OutboxEntry>,
    taken: Option<Order>,
) -> Taking {
    let asks = order(&asked.entry);
    let news = taken.is_none_or(|taken| asks > taken);
    let said = asked.told.as_ref().filter(|_| news);
    let learned = said.map_or(Learned::Stays, |said| learn(told, said));
    let told = match &learned {
        Learned::Stays => told,
        Learned::Is(told) => Some(told),
        Learned::Gone => None,
    };
    let receipt = match told {
        Some(told) => Some(told.clone()),
        // Nothing is open there, and nothing is to be told: what was told of it is over.
        None if wanted.is_none() && !asked.entry.status.is_bad() => Some(ended(&asked.entry)),
        None => None,
    };
    let is_told = receipt.as_ref().is_some_and(|receipt| tells(receipt, &asked.entry));
    Taking {
        puts: news && !is_told && wanted.is_none_or(|wanted| asks > order(wanted)),
        told: learned,
        receipt,
    }
}

/// Whether this was told: all of what the entry says.
pub(super) fn tells(told: &Told, entry: &OutboxEntry) -> bool {
    let change = (told.episode, told.seq, told.status);
    told.state == ToldState::Told && change == (entry.episode, entry.seq, entry.status)
}

/// That an end was told, for those who know of the incident.
pub(super) fn ended(entry: &OutboxEntry) -> Told {
    Told {
        v: FORMAT,
        state: ToldState::Told,
        episode: entry.episode,
        seq: entry.seq,
        status: entry.status,
        at: entry.at,
        attempts: 0,
        reference: None,
        arrived: true,
        response: String::new(),
        fallbacks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AlerterName, EpisodeId, MonitorName, Status, WallMs};

    const BAD: Status = Status::Critical;
    const OK: Status = Status::Ok;

    fn entry(episode: i64, seq: u32, status: Status) -> OutboxEntry {
        OutboxEntry::bare(EpisodeId(episode), seq, status, WallMs(1))
    }

    fn told(episode: i64, seq: u32, status: Status) -> Told {
        ended(&entry(episode, seq, status))
    }

    fn asked(entry: OutboxEntry, told: Option<Told>) -> ToTell {
        ToTell {
            alerter: AlerterName::parse("ops").unwrap(),
            monitor: MonitorName::parse("web").unwrap(),
            entry,
            told,
        }
    }

    #[test]
    fn an_entry_is_put_once_told_and_answered_for_then() {
        let begin = || asked(entry(1, 1, BAD), None);
        let first = taking(&begin(), None, None, None);
        assert_eq!((first.puts, first.receipt), (true, None));
        let again = taking(&begin(), None, Some(&entry(1, 1, BAD)), None);
        assert_eq!((again.puts, again.receipt), (false, None));
        let done = taking(&begin(), Some(&told(1, 1, BAD)), None, None);
        assert_eq!((done.puts, done.receipt), (false, Some(told(1, 1, BAD))));
        // Its end, likewise.
        let end = || asked(entry(1, 2, OK), None);
        let first = taking(&end(), Some(&told(1, 1, BAD)), None, None);
        assert_eq!((first.puts, first.receipt), (true, Some(told(1, 1, BAD))));
        let done = taking(&end(), None, None, None);
        assert!(!done.puts && done.receipt.is_some_and(|receipt| tells(&receipt, &entry(1, 2, OK))));
        assert_eq!(
            taking(&end(), None, Some(&entry(1, 2, OK)), None).receipt,
            None,
            "it is being told"
        );
    }

    #[test]
    fn what_comes_late_does_not_take_the_place_of_what_is_newer() {
        assert!(!taking(&asked(entry(1, 1, BAD), None), None, Some(&entry(1, 2, BAD)), None).puts);
        assert!(!taking(&asked(entry(1, 9, OK), None), None, Some(&entry(2, 1, BAD)), None).puts);
        assert!(taking(&asked(entry(2, 1, BAD), None), None, Some(&entry(1, 9, OK)), None).puts);
    }

    #[test]
    fn what_was_told_elsewhere_is_not_told_again_and_its_end_is() {
        // The asking member told it itself, while this one was silent.
        let level = taking(&asked(entry(1, 1, BAD), Some(told(1, 1, BAD))), None, None, None);
        assert_eq!(level.told, Learned::Is(told(1, 1, BAD)));
        assert!(!level.puts);
        let over = taking(&asked(entry(1, 2, OK), Some(told(1, 1, BAD))), None, None, None);
        assert!(over.puts && over.told == Learned::Is(told(1, 1, BAD)));
        // And its end.
        let ended = taking(
            &asked(entry(1, 2, OK), Some(told(1, 2, OK))),
            Some(&told(1, 1, BAD)),
            None,
            None,
        );
        assert_eq!((ended.told, ended.puts), (Learned::Gone, false));
    }

    #[test]
    fn what_was_taken_and_is_no_longer_there_is_told_whatever_the_asking_member_still_believes() {
        let again = asked(entry(1, 2, OK), Some(told(1, 1, BAD)));
        let done = taking(&again, None, None, Some((EpisodeId(1), 2)));
        assert_eq!((&done.told, done.puts), (&Learned::Stays, false));
        assert!(done.receipt.is_some_and(|receipt| tells(&receipt, &entry(1, 2, OK))));
        // An earlier question, after a later one.
        let late = taking(&asked(entry(1, 1, BAD), None), None, None, Some((EpisodeId(1), 2)));
        assert_eq!((late.puts, late.receipt), (false, None));
    }
}
