//! Pure: what other members say about who has the store, and what that leaves to assume.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::MemberId;
use crate::peers::calls::{Heard, StoreAnswer};

/// What was heard counts for so long. Longer than from one round to the next, so that one lost answer is not silence.
pub const KEPT: Duration = Duration::from_secs(3);

/// What the others leave to assume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Somebody has the store.
    Elsewhere,
    /// Everybody is accounted for, and nobody has it.
    Nowhere,
    /// There is nobody else.
    Alone,
    /// Nobody says that it has the store, and somebody is not accounted for.
    Unsure,
}

/// What is known of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Whether it has the store; through whom that was heard, if not from itself.
    Store(bool, Option<MemberId>),
    /// Nothing, and why.
    Nothing(String),
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(why) => write!(f, "no answer ({why})"),
            Self::Store(has, through) => {
                f.write_str(if *has { "has the store" } else { "has no store" })?;
                match through {
                    Some(through) => write!(f, " (says {through})"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Word {
    at: Instant,
    store: bool,
    through: Option<MemberId>,
    settling: bool,
    notifies: bool,
}

/// What was heard lately of everybody. Of two words about one member the newer counts.
#[derive(Debug, Default)]
pub struct Hearing {
    words: BTreeMap<MemberId, Word>,
    silent: BTreeMap<MemberId, String>,
}

impl Hearing {
    /// A member has answered. What it heard of others counts, too, as old as it is.
    pub fn answered(&mut self, from: &MemberId, answer: &StoreAnswer, now: Instant) {
        self.silent.remove(from);
        let own = Word {
            at: now,
            store: answer.store,
            through: None,
            settling: answer.settling,
            notifies: answer.notifies,
        };
        self.note(from, own);
        for heard in &answer.heard {
            // Ages are added up on every way, so that no word lives on by being passed around.
            let at = now.checked_sub(Duration::from_millis(heard.ago_ms));
            if let Some(at) = at.filter(|_| heard.member != *from) {
                let word = Word {
                    at,
                    store: heard.store,
                    through: Some(from.clone()),
                    settling: true,
                    notifies: false,
                };
                self.note(&heard.member, word);
            }
        }
    }

    /// A member has not.
    pub fn silent(&mut self, member: &MemberId, why: String) {
        self.silent.insert(member.clone(), why);
    }

    fn note(&mut self, member: &MemberId, word: Word) {
        // In doubt the store is there: then nobody tells by mistake.
        let rank = |word: &Word| (word.at, word.store);
        match self.words.get_mut(member) {
            Some(known) if rank(known) >= rank(&word) => {}
            Some(known) => *known = word,
            None => drop(self.words.insert(member.clone(), word)),
        }
    }

    fn of(&self, member: &MemberId, now: Instant) -> Option<&Word> {
        let word = self.words.get(member)?;
        (now.saturating_duration_since(word.at) <= KEPT).then_some(word)
    }

    /// What is to be assumed. `others`: the member list without this one; who is not in it is not believed.
    #[must_use]
    pub fn verdict(&self, others: &[MemberId], now: Instant) -> Verdict {
        let mut verdict = if others.is_empty() {
            Verdict::Alone
        } else {
            Verdict::Nowhere
        };
        for member in others {
            match self.of(member, now) {
                Some(word) if word.store => return Verdict::Elsewhere,
                Some(_) => {}
                None => verdict = Verdict::Unsure,
            }
        }
        verdict
    }

    /// Whether every other member has itself said that all it recorded is in the store.
    #[must_use]
    pub fn settled(&self, others: &[MemberId], now: Instant) -> bool {
        let settled = |member| self.of(member, now).is_some_and(|word| !word.settling);
        others.iter().all(settled)
    }

    /// Those that have said themselves that they tell operators of the trouble they are in.
    #[must_use]
    pub fn notifying(&self, others: &[MemberId], now: Instant) -> Vec<MemberId> {
        let notifies = |member: &&MemberId| self.of(member, now).is_some_and(|word| word.notifies);
        others.iter().filter(notifies).cloned().collect()
    }

    /// What is known of each of them.
    #[must_use]
    pub fn said(&self, others: &[MemberId], now: Instant) -> BTreeMap<MemberId, Says> {
        let says = |member: &MemberId| match (self.of(member, now), self.silent.get(member)) {
            (Some(word), _) => Says::Store(word.store, word.through.clone()),
            (None, Some(why)) => Says::Nothing(why.clone()),
            (None, None) => Says::Nothing("not asked yet".to_owned()),
        };
        others.iter().map(|member| (member.clone(), says(member))).collect()
    }

    /// What to pass on.
    #[must_use]
    pub fn heard(&self, now: Instant) -> Vec<Heard> {
        let lately = self
            .words
            .keys()
            .filter_map(|member| Some((member, self.of(member, now)?)));
        lately
            .map(|(member, word)| Heard {
                member: member.clone(),
                store: word.store,
                ago_ms: u64::try_from(now.saturating_duration_since(word.at).as_millis()).unwrap_or(u64::MAX),
            })
            .collect()
    }

    /// Forgets whoever is no longer in the member list.
    pub fn forget_strangers(&mut self, others: &[MemberId]) {
        self.words.retain(|member, _| others.contains(member));
        self.silent.retain(|member, _| others.contains(member));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> MemberId {
        MemberId::parse(name).unwrap()
    }

    fn ids(names: &str) -> Vec<MemberId> {
        names.split_whitespace().map(id).collect()
    }

    /// `store`, or `no store`, and what was heard: `c:yes:500`.
    fn answer(store: bool, heard: &str) -> StoreAnswer {
        let heard = heard.split_whitespace().map(|word| {
            let parts: Vec<_> = word.split(':').collect();
            Heard {
                member: id(parts[0]),
                store: parts[1] == "yes",
                ago_ms: parts[2].parse().unwrap(),
            }
        });
        StoreAnswer {
            store,
            epochs: BTreeMap::new(),
            tables: BTreeMap::new(),
            heard: heard.collect(),
            settling: !store,
            notifies: false,
        }
    }

    fn hearing(now: Instant, answers: &[(&str, bool, &str)]) -> Hearing {
        let mut hearing = Hearing::default();
        for (from, store, heard) in answers {
            hearing.answered(&id(from), &answer(*store, heard), now);
        }
        hearing
    }

    #[test]
    fn what_others_say_leaves_one_thing_to_assume() {
        let now = Instant::now();
        for (others, answers, verdict) in [
            ("", &[][..], Verdict::Alone),
            ("b", &[], Verdict::Unsure),
            ("b", &[("b", false, "")], Verdict::Nowhere),
            ("b", &[("b", true, "")], Verdict::Elsewhere),
            ("b c", &[("b", false, "")], Verdict::Unsure),
            ("b c", &[("b", true, "")], Verdict::Elsewhere),
            // Passed on.
            ("b c", &[("b", false, "c:no:500")], Verdict::Nowhere),
            ("b c", &[("b", false, "c:yes:500")], Verdict::Elsewhere),
            ("b c d", &[("b", false, "c:no:500")], Verdict::Unsure),
            // Too old.
            ("b c", &[("b", false, "c:no:3001")], Verdict::Unsure),
            ("b c", &[("b", false, "c:yes:3001")], Verdict::Unsure),
            // From itself it is newer than through somebody; of two others the newer counts, and in doubt the store is there.
            ("b c", &[("c", false, ""), ("b", false, "c:yes:1")], Verdict::Nowhere),
            ("b c", &[("b", false, "c:yes:1"), ("c", false, "")], Verdict::Nowhere),
            (
                "b c d",
                &[("b", false, "d:yes:9"), ("c", false, "d:no:8")],
                Verdict::Nowhere,
            ),
            (
                "b c d",
                &[("b", false, "d:no:8"), ("c", false, "d:yes:8")],
                Verdict::Elsewhere,
            ),
            // Not in the member list: not believed.
            ("b", &[("b", false, "x:yes:1")], Verdict::Nowhere),
            ("b", &[("x", true, "b:no:1")], Verdict::Nowhere),
        ] {
            let heard = hearing(now, answers);
            assert_eq!(heard.verdict(&ids(others), now), verdict, "{others}: {answers:?}");
        }
    }

    #[test]
    fn a_word_is_passed_on_as_old_as_it_is_and_dies_of_age_however_often_it_is_passed() {
        let mut now = Instant::now();
        let others = ids("b c");
        let mut a = hearing(now, &[("c", false, "")]);
        let mut b = Hearing::default();
        let mut passed = 0;
        for _ in 0..10 {
            now += Duration::from_millis(500);
            passed += a.heard(now).iter().filter(|heard| heard.member == id("c")).count();
            let passing_on = |hearing: &Hearing| StoreAnswer {
                heard: hearing.heard(now),
                ..answer(false, "")
            };
            b.answered(&id("a"), &passing_on(&a), now);
            a.answered(&id("b"), &passing_on(&b), now);
        }
        assert_eq!(passed, 6, "for three seconds");
        assert_eq!(a.verdict(&others, now), Verdict::Unsure);
        assert!(a.heard(now).iter().all(|heard| heard.member != id("c")));
    }

    #[test]
    fn one_lost_answer_is_not_silence_and_two_are() {
        let now = Instant::now();
        let mut hearing = hearing(now, &[("b", false, "")]);
        let others = ids("b");
        hearing.silent(&id("b"), "late".to_owned());
        assert_eq!(hearing.verdict(&others, now + KEPT), Verdict::Nowhere);
        assert_eq!(
            hearing.verdict(&others, now + KEPT + Duration::from_millis(1)),
            Verdict::Unsure
        );
    }

    #[test]
    fn all_are_settled_when_each_has_said_so_itself() {
        let now = Instant::now();
        let others = ids("b c");
        let settled = |answers: &[(&str, bool, &str)]| hearing(now, answers).settled(&others, now);
        assert!(settled(&[("b", true, ""), ("c", true, "")]));
        assert!(!settled(&[("b", true, ""), ("c", false, "")]));
        assert!(!settled(&[("b", true, "c:yes:1")]));
        assert!(!settled(&[]));
        assert!(Hearing::default().settled(&[], now));
    }

    #[test]
    fn it_says_who_said_what() {
        let now = Instant::now();
        let mut hearing = hearing(now, &[("b", false, "c:yes:20")]);
        hearing.silent(&id("d"), "no answer in time".to_owned());
        let said = hearing.said(&ids("b c d e"), now);
        let lines: Vec<_> = said.iter().map(|(member, says)| format!("{member}: {says}")).collect();
        assert_eq!(
            lines,
            [
                "b: has no store",
                "c: has the store (says b)",
                "d: no answer (no answer in time)",
                "e: no answer (not asked yet)"
            ]
        );
        hearing.forget_strangers(&ids("c"));
        assert_eq!(hearing.heard(now).len(), 1);
    }
}
