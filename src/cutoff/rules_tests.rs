//! Every state against every kind of thing that may be seen: the whole relation, as a text that a person reads, and what always holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use super::round::Verdict;
use super::rules::{Course, Puts, Records, Return, Seen, State, Telling, next};

const TTL: Duration = Duration::from_secs(6);
const SECOND: Duration = Duration::from_secs(1);

/// What may be seen: each line one of these words.
const KINDS: [(&str, &[&str]); 8] = [
    ("proof", &["fresh", "old", "ending", "over", "none"]),
    ("calls", &["answered", "failed"]),
    ("read", &["no", "yes"]),
    ("puts", &["unanswered", "taken", "waiting", "refused", "late"]),
    ("identity", &["known", "strange"]),
    ("others", &["unheard", "have it", "have none", "are none", "unsure"]),
    ("self-test", &["fails", "passes"]),
    ("return", &["under way", "done", "failed"]),
];

type Class = [usize; KINDS.len()];

fn now() -> Instant {
    // Any will do; a later one than all that is subtracted from it.
    Instant::now() + Duration::from_secs(1_000)
}

fn seen(class: Class) -> Seen {
    let now = now();
    let ago = [
        Some(Duration::ZERO),
        Some(TTL / 2 + Duration::from_millis(1)),
        Some(TTL - SECOND),
        Some(TTL),
        None,
    ];
    Seen {
        now,
        proof: ago[class[0]].map(|ago| now - ago),
        ttl: TTL,
        failed: class[1] == 1,
        read: class[2] == 1,
        puts: [
            Puts::Unanswered,
            Puts::Taken,
            Puts::Waiting(now - TTL / 2),
            Puts::Refused,
            Puts::Waiting(now - TTL),
        ][class[3]],
        strange: class[4] == 1,
        round: [
            None,
            Some(Verdict::Elsewhere),
            Some(Verdict::Nowhere),
            Some(Verdict::Alone),
            Some(Verdict::Unsure),
        ][class[5]],
        self_test: class[6] == 1,
        isolated_after: Some(60 * SECOND),
        returned: [Return::UnderWay, Return::Done, Return::Failed][class[7]],
    }
}

fn classes() -> Vec<Class> {
    let mut all = vec![[0; KINDS.len()]];
    for (kind, (_, words)) in KINDS.iter().enumerate() {
        let with = |class: &Class, word| {
            let mut class = *class;
            class[kind] = word;
            class
        };
        all = all
            .iter()
            .flat_map(|class| (0..words.len()).map(|word| with(class, word)))
            .collect();
    }
    all
}

type Set = [BTreeSet<usize>; KINDS.len()];

fn members(set: &Set) -> Vec<Class> {
    classes()
        .into_iter()
        .filter(|class| (0..KINDS.len()).all(|kind| set[kind].contains(&class[kind])))
        .collect()
}

/// Sentences that together say exactly these, each of them once: each is grown from the first that is left.
fn sentences(of: &BTreeSet<Class>) -> Vec<Set> {
    let mut left = of.clone();
    let mut sets = Vec::new();
    while let Some(first) = left.first() {
        let mut set: Set = std::array::from_fn(|kind| BTreeSet::from([first[kind]]));
        // What matters least grows first.
        for kind in [7, 6, 3, 2, 1, 5, 0, 4] {
            for word in 0..KINDS[kind].1.len() {
                let mut larger = set.clone();
                if larger[kind].insert(word) && members(&larger).iter().all(|class| left.contains(class)) {
                    set = larger;
                }
            }
        }
        for class in members(&set) {
            left.remove(&class);
        }
        sets.push(set);
    }
    sets
}

fn sentence(set: &Set) -> String {
    let said = KINDS.iter().zip(set).filter(|((_, words), of)| of.len() < words.len());
    let said = said.map(|((name, words), of)| {
        let of: Vec<_> = of.iter().map(|word| words[*word]).collect();
        format!("{name} {}", of.join(" or "))
    });
    let said: Vec<_> = said.collect();
    if said.is_empty() {
        "always".to_owned()
    } else {
        said.join(", ")
    }
}

fn relation() -> BTreeMap<(State, State), BTreeSet<Class>> {
    let mut relation: BTreeMap<_, BTreeSet<Class>> = BTreeMap::new();
    for state in State::ALL {
        for class in classes() {
            let to = next(state, &seen(class));
            relation.entry((state, to)).or_default().insert(class);
        }
    }
    relation
}

#[test]
fn the_transitions_are_those_that_the_text_says() {
    let mut text = String::from(
        "What leads from one state to another. Whatever is not named may be anything. Made by rules_tests.rs.\n",
    );
    let mut last = None;
    for ((from, to), classes) in relation() {
        if last != Some(from) {
            last = Some(from);
            write!(text, "\n{}\n", from.as_str()).unwrap();
        }
        if from != to {
            for set in sentences(&classes) {
                writeln!(text, "  → {:<10} {}", to.as_str(), sentence(&set)).unwrap();
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cutoff/transitions.txt");
    if std::env::var_os("NINEVOLT_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        known == text,
        "{path} is not what the rules say; NINEVOLT_BLESS=1 rewrites it:\n{text}"
    );
}

/// States that can follow one another, breadth first.
fn reachable(from: State) -> BTreeSet<State> {
    let relation = relation();
    let mut found = BTreeSet::from([from]);
    let mut border = vec![from];
    while let Some(state) = border.pop() {
        for to in relation.keys().filter(|(from, _)| *from == state).map(|(_, to)| *to) {
            if found.insert(to) {
                border.push(to);
            }
        }
    }
    found
}

#[test]
fn every_state_can_be_reached_and_left_for_joined() {
    for state in State::ALL {
        assert!(reachable(State::Joined).contains(&state), "{state:?}");
        assert!(reachable(state).contains(&State::Joined), "{state:?}");
    }
}

#[test]
fn only_a_return_that_is_done_or_a_proof_before_the_end_joins() {
    for ((from, to), classes) in relation() {
        for class in classes.iter().map(|class| seen(*class)).filter(|_| to == State::Joined) {
            let proved = class.proof.is_some_and(|proof| class.now < proof + TTL);
            match from {
                State::Joined | State::Doubtful => assert!(proved && !class.failed),
                State::Returning => assert_eq!(class.returned, Return::Done),
                other => panic!("{other:?} joins"),
            }
        }
    }
}

#[test]
fn what_one_thing_allows_another_does_not_forbid() {
    for state in State::ALL {
        for class in classes() {
            let seen = seen(class);
            let tells = Course::new(state, seen.now).tells(&seen);
            // Who directs writes to the store, and its right ends with the proof.
            if state.directs(&seen) {
                assert_ne!(state.records(), Records::Here);
                assert!(seen.proof.is_some_and(|proof| seen.now < proof + TTL - SECOND));
                assert!(matches!(tells, Telling::Until(until) if seen.now < until));
            }
            // Whoever records in the store tells by the right that it gives, and nobody for ever.
            if state.records() != Records::Here {
                assert_ne!(tells, Telling::Yes);
            }
            if let Telling::Until(until) = tells {
                assert_eq!(Some(until + SECOND), seen.proof.map(|proof| proof + TTL));
            }
            match state {
                State::Returning => assert_eq!(tells, Telling::No),
                State::CutOff => assert_eq!((tells, state.directs(&seen)), (Telling::OfUnjudged, false)),
                State::Outage | State::Strange => assert_eq!(tells, Telling::Yes),
                _ => {}
            }
            // As soon as somebody has the store, what this member tells of is what nobody judges.
            let proved = seen.proof.is_some_and(|proof| seen.now < proof + TTL);
            if seen.round == Some(Verdict::Elsewhere) && !proved && !seen.strange && !seen.read {
                let to = next(state, &seen);
                assert!(
                    !matches!(to, State::Outage | State::Isolated | State::StoreFull),
                    "{state:?} → {to:?}"
                );
            }
        }
    }
}

/// A member whose store fell silent at a moment, with nothing heard of anybody.
fn deaf(at: Instant) -> Seen {
    Seen {
        now: at,
        proof: Some(at),
        ttl: TTL,
        failed: true,
        read: false,
        puts: Puts::Unanswered,
        strange: false,
        round: Some(Verdict::Unsure),
        self_test: true,
        isolated_after: Some(60 * SECOND),
        returned: Return::UnderWay,
    }
}

fn tells_now(course: &Course, seen: &Seen) -> bool {
    match course.tells(seen) {
        Telling::Until(until) => seen.now < until,
        Telling::Yes => true,
        Telling::No | Telling::OfUnjudged => false,
    }
}

/// The seconds in which something is told, of those from `from` on.
fn told(course: &mut Course, mut seen: Seen, seconds: u32, mut each: impl FnMut(u32, &mut Seen)) -> Vec<u32> {
    let from = seen.now;
    let tell = |second| {
        seen.now = from + second * SECOND;
        each(second, &mut seen);
        course.step(&seen);
        tells_now(course, &seen)
    };
    let mut tell = tell;
    (0..seconds).filter(|second| tell(*second)).collect()
}

#[test]
fn with_nothing_heard_nothing_is_told_from_a_second_before_the_proof_ends_until_the_silence_is_over() {
    let at = now();
    let mut course = Course::new(State::Joined, at);
    let times = told(&mut course, deaf(at), 100, |_, _| {});
    assert_eq!(times, (0..5).chain(66..100).collect::<Vec<_>>());
    assert_eq!(course.state(), State::Isolated);
}

#[test]
fn an_isolated_member_is_silent_for_ever_if_it_shall_or_if_its_self_test_fails() {
    let at = now();
    let never = Seen {
        isolated_after: None,
        ..deaf(at)
    };
    let alone = Seen {
        self_test: false,
        round: Some(Verdict::Alone),
        ..deaf(at)
    };
    for seen in [never, alone] {
        let times = told(&mut Course::new(State::Joined, at), seen, 10_000, |_, _| {});
        assert_eq!(times, (0..5).collect::<Vec<_>>());
    }
}

#[test]
fn returns_that_fail_do_not_begin_the_silence_anew() {
    let at = now();
    let mut course = Course::new(State::Joined, at);
    // Every fifth second the store answers a read, and a second later no more.
    let times = told(&mut course, deaf(at), 100, |second, seen| {
        seen.read = second % 5 == 0;
        seen.returned = Return::Failed;
    });
    assert_eq!(times.iter().filter(|second| **second >= 5).min(), Some(&66));
    assert!(!times.contains(&70), "told while returning");
    // Others that have it do: it is another story then.
    let times = told(&mut course, deaf(at), 100, |second, seen| {
        seen.now += 100 * SECOND;
        seen.round = Some(if second < 2 {
            Verdict::Elsewhere
        } else {
            Verdict::Unsure
        });
    });
    assert_eq!(times, (62..100).collect::<Vec<_>>());
}

#[test]
fn a_process_that_begins_without_the_store_is_judged_by_the_first_round() {
    let at = now();
    let never = |round| Seen {
        proof: None,
        round,
        ..deaf(at)
    };
    let mut course = Course::new(State::Doubtful, at);
    assert_eq!(course.step(&never(None)), None);
    assert!(!tells_now(&course, &never(None)));
    for (verdict, state) in [
        (Verdict::Nowhere, State::Outage),
        (Verdict::Elsewhere, State::CutOff),
        (Verdict::Unsure, State::Isolated),
        (Verdict::Alone, State::Outage),
    ] {
        assert_eq!(course.step(&never(Some(verdict))), Some(state));
        assert_eq!(course.since(), at);
    }
    // It has no session: the store's answer alone does not make one.
    let mut course = Course::new(State::Doubtful, at);
    let answers = Seen {
        read: true,
        failed: false,
        ..never(None)
    };
    assert_eq!(course.step(&answers), Some(State::Returning));
}

#[test]
fn a_process_that_was_stopped_for_long_asks_the_others_anew() {
    let at = now();
    // What they said belongs to another time.
    let seen = Seen {
        now: at + 600 * SECOND,
        round: Some(Verdict::Nowhere),
        ..deaf(at)
    };
    let mut course = Course::new(State::Joined, at);
    assert!(!tells_now(&course, &seen));
    assert_eq!(course.step(&seen), Some(State::Doubtful));
    assert!(!tells_now(&course, &seen));
}
