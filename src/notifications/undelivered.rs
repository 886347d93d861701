//! Pure: what fallback alerters are told of messages that were given up, in which words.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::limits::UNDELIVERED_NAMED;
use super::message::{About, Notice, listing, short};
use super::view::LaneKey;
use crate::model::{AlerterName, EpisodeId, Status, WallMs};

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undelivered {
    /// To whom, about what.
    pub(crate) key: LaneKey,
    /// The episode, the change and its status.
    pub(crate) change: (EpisodeId, u32, Status),
    /// When it was given up.
    pub(crate) at: WallMs,
    /// What it would have said.
    pub(crate) message: String,
    /// Why it was given up.
    pub(crate) why: String,
}

impl Undelivered {
    fn word(&self) -> &'static str {
        let status = self.change.2;
        if status.is_bad() { status.as_str() } else { "resolved" }
    }

    fn line(&self) -> String {
        let (alerter, monitor) = &self.key;
        let message = short(&self.message);
        let colon = if message.is_empty() { "" } else { ": " };
        let (word, why) = (self.word(), short(&self.why));
        format!("{word} {monitor}, for {alerter}{colon}{message} (not told: {why})")
    }
}

/// One message of all of them, worst first; `None` of nothing. The same that were given up make the same message, whoever makes it.
pub(crate) fn notice(mut all: Vec<Undelivered>, now: WallMs, without_store: bool) -> Option<Notice> {
    let first = all.iter().min_by_key(|one| (one.at, &one.key))?;
    let ((alerter, monitor), (episode, seq, _)) = (&first.key, first.change);
    let about = About::Undelivered {
        first: format!("{alerter}/{monitor}/{episode}/{seq}"),
    };
    let since = first.at;
    all.sort_by(|a, b| (Reverse(a.change.2), &a.key).cmp(&(Reverse(b.change.2), &b.key)));
    let sentence = match &all[..] {
        [one] => format!("{} could not be told that {} is {}", one.key.0, one.key.1, one.word()),
        _ => format!("{} messages could not be told: {}", all.len(), by_alerter(&all)),
    };
    // An end that could not be told wakes nobody for itself.
    let worst = all
        .iter()
        .map(|one| one.change.2)
        .max()
        .filter(|status| status.is_bad());
    Some(Notice {
        about,
        status: worst.unwrap_or(Status::Warning),
        since,
        at: now,
        sentence,
        details: listing(all.iter().map(Undelivered::line)),
        possibly_repeated: false,
        without_store,
    })
}

/// `ops (9), dev (1)`: who was to be told of how many.
fn by_alerter(all: &[Undelivered]) -> String {
    let mut counts: BTreeMap<&AlerterName, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(&one.key.0).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| Reverse(*n));
    let more = counts.len().saturating_sub(UNDELIVERED_NAMED);
    let named = counts.iter().take(UNDELIVERED_NAMED);
    let mut words: Vec<_> = named.map(|(alerter, n)| format!("{alerter} ({n})")).collect();
    if more > 0 {
        words.push(format!("and {more} more alerters"));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::limits::DIGEST_LINES;
    use super::*;
    use crate::model::MonitorName;

    fn one(alerter: &str, monitor: &str, status: Status, at: i64) -> Undelivered {
        Undelivered {
            key: (
                AlerterName::parse(alerter).unwrap(),
                MonitorName::parse(monitor).unwrap(),
            ),
            change: (EpisodeId(100), 1, status),
            at: WallMs(at),
            message: "connection refused\nand a trace".to_owned(),
            why: "404 channel_not_found".to_owned(),
        }
    }

    #[test]
    fn one_that_was_given_up_is_named_with_what_it_would_have_said_and_why_it_was_not() {
        let notice = notice(vec![one("ops", "web", Status::Critical, 7)], WallMs(9), false).unwrap();
        assert_eq!(notice.sentence, "ops could not be told that web is critical");
        assert_eq!(
            notice.details,
            "critical web, for ops: connection refused (not told: 404 channel_not_found)"
        );
        assert_eq!((notice.status, notice.since), (Status::Critical, WallMs(7)));
    }

    #[test]
    fn many_are_one_message_worst_first_and_what_does_not_fit_is_counted() {
        let mut all: Vec<_> = (0..10_000)
            .map(|n| one("ops", &format!("m{n}"), Status::Warning, n))
            .collect();
        all.push(one("dev", "db", Status::Critical, 5_000));
        all.push(one("dev", "web", Status::Ok, 5_000));
        let notice = notice(all, WallMs(20_000), false).unwrap();
        assert_eq!(
            notice.sentence,
            "10002 messages could not be told: ops (10000), dev (2)"
        );
        let lines: Vec<_> = notice.details.lines().collect();
        assert!(lines[0].starts_with("critical db, for dev: "), "{}", lines[0]);
        assert_eq!(
            lines[1],
            "warning m0, for ops: connection refused (not told: 404 channel_not_found)"
        );
        assert_eq!(lines.len(), DIGEST_LINES + 1);
        assert_eq!(lines[DIGEST_LINES], "and 9962 more");
        assert!(notice.details.len() < 8_000);
    }

    #[test]
    fn of_many_alerters_the_worst_off_are_named() {
        let all: Vec<_> = (0..28)
            .map(|n| one(&format!("a{}", n % 7), &format!("m{n}"), Status::Critical, 0))
            .collect();
        let notice = notice(all, WallMs(1), false).unwrap();
        let words = "28 messages could not be told: a0 (4), a1 (4), a2 (4), a3 (4), a4 (4), and 2 more alerters";
        assert_eq!(notice.sentence, words);
    }

    #[test]
    fn an_end_that_could_not_be_told_is_no_trouble_of_its_own() {
        let notice = notice(vec![one("ops", "web", Status::Ok, 7)], WallMs(9), false).unwrap();
        assert_eq!(notice.sentence, "ops could not be told that web is resolved");
        assert_eq!(notice.status, Status::Warning);
    }

    #[test]
    fn what_it_is_known_by_is_the_same_whoever_makes_it_and_another_for_others() {
        let (a, b) = (
            one("ops", "a", Status::Critical, 2),
            one("ops", "b", Status::Warning, 1),
        );
        let of = |all: &[&Undelivered]| {
            notice(all.iter().map(|one| (*one).clone()).collect(), WallMs(9), false)
                .unwrap()
                .about
        };
        assert_eq!(of(&[&a, &b]), of(&[&b, &a]));
        assert_eq!(of(&[&a, &b]), of(&[&b]));
        assert_ne!(of(&[&a]), of(&[&b]));
        assert_eq!(notice(Vec::new(), WallMs(9), false), None);
    }
}
