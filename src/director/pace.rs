//! Pure: when the director plans, and what each member is good for by then. Time comes in as a number.
//!
//! | it sees | it plans |
//! |---|---|
//! | a member is gone | without it: at once, or as soon as the director itself is here for a lease time |
//! | leaving, unfit, drained, cordoned | at once |
//! | the same member on another lease | nothing |
//! | new members | with all of them, when nobody else has come for a moment; one that was lost lately waits longer |
//! | work out of level | after a while, a part of it a minute |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::plan::{Class, Moves};
use crate::model::MemberId;
use crate::store::records::SLOTS;

/// A point in time: how long after some beginning.
pub type Moment = Duration;

/// Nobody else has come for so long: the new members are planned with.
const SETTLES: Duration = Duration::from_secs(2);
/// They are planned with after this, whoever else comes.
const SETTLES_AT_LAST: Duration = Duration::from_secs(10);
/// Losses of a member are remembered for so long.
const LOSSES: Duration = Duration::from_secs(600);
/// A member that was lost `k` times waits for this, doubled `k` times.
const WAITS: Duration = Duration::from_secs(10);
/// It waits for this at most.
const WAITS_AT_MOST: Duration = Duration::from_secs(600);
/// Work is out of level when somebody has more than so many fair shares.
const UNEVEN: f64 = 1.25;
/// For so long before anything is done about it.
const UNEVEN_FOR: Duration = Duration::from_secs(120);
/// Something is done about it this often.
const LEVELS_EVERY: Duration = Duration::from_secs(60);
/// One of so many slots moves then, at most.
const LEVELS_PART: usize = 20;
/// How often it is looked whether work is level.
const LOOKS_EVERY: Duration = Duration::from_secs(15);

/// A member's record and the operator's intent, as far as they matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// It is about to go.
    pub leaving: bool,
    /// It says of itself that it should be given nothing.
    pub unfit: bool,
    /// The operator wants it empty.
    pub drain: bool,
    /// The operator wants it to get nothing more.
    pub cordon: bool,
    /// Its weight, after the operator's.
    pub weight: u32,
}

/// Something that happened to a member: why there is a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It has come.
    Came(MemberId),
    /// It has left, as it had announced.
    Left(MemberId),
    /// Its lease is over.
    Lost(MemberId),
    /// What it is good for has changed.
    Became(MemberId, Class),
    /// Its weight has changed.
    Weighs(MemberId, u32),
    /// Work was out of level for long.
    Uneven,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Came(id) => write!(f, "member {id} has come"),
            Self::Left(id) => write!(f, "member {id} has left"),
            Self::Lost(id) => write!(f, "member {id} is gone: its lease is over"),
            Self::Became(id, Class::Full) => write!(f, "member {id} takes part"),
            Self::Became(id, Class::Keeps) => write!(f, "member {id} is given nothing more"),
            Self::Became(id, Class::Waits) => write!(f, "member {id} waits"),
            Self::Became(id, Class::Gives) => write!(f, "member {id} gives away what it has"),
            Self::Became(id, Class::Leaves) => write!(f, "member {id} is about to leave"),
            Self::Weighs(id, weight) => write!(f, "member {id} has weight {weight}"),
            Self::Uneven => f.write_str("the work was out of level"),
        }
    }
}

/// What is to be planned with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Everybody who is here, or may be back in a moment.
    pub classes: BTreeMap<MemberId, Class>,
    /// What may move besides what has to.
    pub moves: Moves,
    /// When to ask again, if nothing happens.
    pub wake: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has come, and is not planned with yet.
    New { joined: Moment },
    /// It was lost before, and is not trusted yet.
    Held { until: Moment },
    /// It takes part.
    In,
}

#[derive(Debug, Default)]
struct Known {
    here: Option<(Phase, Seen)>,
    class: Option<Class>,
    losses: Vec<Moment>,
}

/// What the director of one term knows of the members.
#[derive(Debug)]
pub struct Pace {
    alone: bool,
    ttl: Duration,
    joined: Moment,
    first: bool,
    members: BTreeMap<MemberId, Known>,
    /// Named in a table and not here.
    absent: BTreeSet<MemberId>,
    /// Of these, those that were gone before this director looked first: lost, unless they are about to come back.
    missing: BTreeSet<MemberId>,
    filling: BTreeSet<MemberId>,
    level: bool,
    uneven: Option<Moment>,
    leveled: Option<Moment>,
}

impl Pace {
    /// Of a director that has been a member since `joined`. `ttl`: the lease time. `alone`: nobody else can be here.
    #[must_use]
    pub fn new(joined: Moment, ttl: Duration, alone: bool) -> Self {
        Self {
            alone,
            ttl,
            joined,
            first: true,
            members: BTreeMap::new(),
            absent: BTreeSet::new(),
            missing: BTreeSet::new(),
            filling: BTreeSet::new(),
            level: false,
            uneven: None,
            leveled: None,
        }
    }

    /// Who is here, and who is named in a table. What is new since the last time; the first time that is only who is gone.
    pub fn see(&mut self, now: Moment, here: &BTreeMap<MemberId, Seen>, holders: &BTreeSet<MemberId>) -> Vec<News> {
        let mut news = Vec::new();
        for (id, known) in &mut self.members {
            known.losses.retain(|lost| now < *lost + LOSSES);
            if here.contains_key(id) {
                continue;
            }
            if let Some((_, seen)) = known.here.take() {
                known.class = None;
                if seen.leaving {
                    news.push(News::Left(id.clone()));
                } else {
                    known.losses.push(now);
                    news.push(News::Lost(id.clone()));
                }
            }
        }
        self.members
            .retain(|_, known| known.here.is_some() || !known.losses.is_empty());
        for (id, seen) in here {
            let known = self.members.entry(id.clone()).or_default();
            known.here = Some(match known.here {
                Some((phase, before)) => {
                    if before.weight != seen.weight && phase == Phase::In {
                        self.level = true;
                        news.push(News::Weighs(id.clone(), seen.weight));
                    }
                    (phase, *seen)
                }
                // Whoever a table names has not come: it is still here, whatever lease it has now.
                None if holders.contains(id) => (Phase::In, *seen),
                None => {
                    if !self.first {
                        news.push(News::Came(id.clone()));
                    }
                    (Phase::New { joined: now }, *seen)
                }
            });
        }
        self.absent = holders.iter().filter(|id| !here.contains_key(*id)).cloned().collect();
        let first = std::mem::take(&mut self.first);
        if first && !self.alone {
            self.missing.clone_from(&self.absent);
        }
        self.missing.retain(|id| self.absent.contains(id));
        if now >= self.trusts() {
            for id in std::mem::take(&mut self.missing) {
                self.members.entry(id.clone()).or_default().losses.push(now);
                news.push(News::Lost(id));
            }
        }
        self.settle(now);
        for (id, known) in &mut self.members {
            let Some(class) = known.here.map(|(phase, seen)| class(phase, seen)) else {
                continue;
            };
            let before = known.class.replace(class);
            if before == Some(class) {
                continue;
            }
            let takes = class == Class::Full && (before.is_some() || !holders.contains(id));
            if takes {
                self.filling.insert(id.clone());
            } else if class != Class::Full {
                self.filling.remove(id);
            }
            if !first && before.is_some() {
                news.push(News::Became(id.clone(), class));
            }
        }
        self.filling.retain(|id| here.contains_key(id));
        news
    }

    /// New members take part, all at once, when they have settled; those that were lost before when their time is over.
    fn settle(&mut self, now: Moment) {
        let settled = self.alone || self.settles().is_some_and(|at| at <= now);
        for known in self.members.values_mut() {
            let Some((phase, _)) = &mut known.here else { continue };
            if let Phase::New { joined } = *phase
                && settled
            {
                *phase = match known.losses.len() {
                    0 => Phase::In,
                    k => Phase::Held {
                        until: joined + (WAITS * 2u32.saturating_pow(k.min(16) as u32)).min(WAITS_AT_MOST),
                    },
                };
            }
            if let Phase::Held { until } = *phase
                && until <= now
            {
                *phase = Phase::In;
            }
        }
    }

    fn settles(&self) -> Option<Moment> {
        let joined = || {
            let phases = self.members.values().filter_map(|known| known.here);
            phases.filter_map(|(phase, _)| match phase {
                Phase::New { joined } => Some(joined),
                _ => None,
            })
        };
        Some((joined().max()? + SETTLES).min(joined().min()? + SETTLES_AT_LAST))
    }

    /// When it can tell who is gone from who is about to come back.
    fn trusts(&self) -> Moment {
        self.joined + self.ttl
    }

    /// What to plan with now.
    #[must_use]
    pub fn decide(&self, now: Moment) -> Decision {
        let mut classes: BTreeMap<MemberId, Class> = BTreeMap::new();
        let mut wake = now + LOOKS_EVERY;
        let mut until = |at: Moment| wake = wake.min(at.max(now));
        for (id, known) in &self.members {
            let (Some((phase, _)), Some(class)) = (known.here, known.class) else {
                continue;
            };
            classes.insert(id.clone(), class);
            if let Phase::Held { until: at } = phase {
                until(at);
            }
        }
        self.settles().into_iter().for_each(&mut until);
        let trusts = self.trusts();
        if now < trusts && !self.absent.is_empty() && !self.alone {
            classes.extend(self.absent.iter().map(|id| (id.clone(), Class::Waits)));
            until(trusts);
        }
        let mut moves = Moves::Must;
        if !self.filling.is_empty() {
            moves = Moves::Fill(self.filling.clone());
        } else if self.level {
            moves = Moves::Level { most: usize::MAX };
        } else if let Some(at) = self.levels() {
            if at <= now {
                moves = Moves::Level {
                    most: usize::from(SLOTS) / LEVELS_PART,
                };
            } else {
                until(at);
            }
        }
        Decision { classes, moves, wake }
    }

    fn levels(&self) -> Option<Moment> {
        let due = self.uneven? + UNEVEN_FOR;
        Some(self.leveled.map_or(due, |leveled| due.max(leveled + LEVELS_EVERY)))
    }

    /// A plan of these moves was made and written. `fullest`: as the plan says.
    pub fn done(&mut self, now: Moment, moves: &Moves, fullest: f64) {
        match moves {
            Moves::Must => {}
            Moves::Fill(newcomers) => self.filling.retain(|id| !newcomers.contains(id)),
            Moves::Level { most: usize::MAX } => self.level = false,
            Moves::Level { .. } => self.leveled = Some(now),
        }
        if fullest > UNEVEN {
            self.uneven.get_or_insert(now);
        } else {
            self.uneven = None;
        }
    }
}

fn class(phase: Phase, seen: Seen) -> Class {
    match phase {
        _ if seen.leaving => Class::Leaves,
        _ if seen.unfit || seen.drain || seen.weight == 0 => Class::Gives,
        Phase::New { .. } => Class::Waits,
        Phase::Held { .. } => Class::Keeps,
        Phase::In if seen.cordon => Class::Keeps,
        Phase::In => Class::Full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(6);
    const LONG: u64 = 1_000;
    const FIT: Seen = Seen {
        leaving: false,
        unfit: false,
        drain: false,
        cordon: false,
        weight: 1,
    };

    fn id(name: &str) -> MemberId {
        MemberId::parse(name).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    /// A director that came at 0 and looks at who is here (`a b`, all fit) and who is named in tables.
    struct Bench {
        pace: Pace,
        holders: &'static str,
    }

    impl Bench {
        fn of(holders: &'static str, here: &str, now: u64) -> Self {
            let mut bench = Self {
                pace: Pace::new(at(0), TTL, false),
                holders,
            };
            bench.look(now, here);
            bench
        }

        fn see(&mut self, now: u64, here: &[(&str, Seen)]) -> String {
            let here = here.iter().map(|(name, seen)| (id(name), *seen)).collect();
            let holders = self.holders.split_whitespace().map(id).collect();
            let news = self.pace.see(at(now), &here, &holders);
            news.iter().map(News::to_string).collect::<Vec<_>>().join("; ")
        }

        /// `a=Full b=Waits`, then `+` who fills.
        fn look(&mut self, now: u64, here: &str) -> String {
            let here: Vec<_> = here.split_whitespace().map(|name| (name, FIT)).collect();
            self.see(now, &here);
            self.shown(now)
        }

        fn shown(&self, now: u64) -> String {
            let decision = self.pace.decide(at(now));
            let classes = decision.classes.iter().map(|(id, class)| format!("{id}={class:?}"));
            let mut words: Vec<String> = classes.collect();
            match decision.moves {
                Moves::Must => {}
                Moves::Fill(who) => words.extend(who.iter().map(|id| format!("+{id}"))),
                Moves::Level { most: usize::MAX } => words.push("level".to_owned()),
                Moves::Level { most } => words.push(format!("level {most}")),
            }
            words.join(" ")
        }

        fn wake(&self, now: u64) -> u64 {
            self.pace.decide(at(now)).wake.as_secs()
        }

        fn filled(&mut self, now: u64) {
            let moves = self.pace.decide(at(now)).moves;
            self.pace.done(at(now), &moves, 1.0);
        }
    }

    #[test]
    fn whoever_is_gone_is_planned_without_at_once_by_a_director_that_is_long_here() {
        let mut bench = Bench::of("a b", "a b", LONG);
        assert_eq!(bench.look(LONG + 1, "a"), "a=Full");
    }

    #[test]
    fn a_director_that_has_just_come_waits_a_lease_time_for_those_that_tables_name() {
        let mut bench = Bench::of("a b", "a", 1);
        assert_eq!(bench.shown(1), "a=Full b=Waits");
        assert_eq!(bench.wake(1), 6);
        assert_eq!(bench.look(6, "a"), "a=Full");
    }

    #[test]
    fn a_director_that_died_was_lost_although_only_its_successor_can_say_so() {
        let mut successor = Bench::of("a b", "b", LONG);
        // It is planned without, and comes back as somebody that was lost once.
        successor.holders = "b";
        assert_eq!(successor.look(LONG + 5, "a b"), "a=Waits b=Full");
        assert_eq!(successor.look(LONG + 7, "a b"), "a=Keeps b=Full");
        assert_eq!(successor.look(LONG + 24, "a b"), "a=Keeps b=Full");
        assert_eq!(successor.look(LONG + 25, "a b"), "a=Full b=Full +a");
    }

    #[test]
    fn who_is_missing_when_the_director_comes_is_lost_only_if_it_does_not_come_back() {
        let mut bench = Bench::of("a b c", "a", 1);
        assert_eq!(bench.see(3, &[("a", FIT), ("b", FIT)]), "");
        assert_eq!(
            bench.see(6, &[("a", FIT), ("b", FIT)]),
            "member c is gone: its lease is over"
        );
        assert_eq!(bench.see(7, &[("a", FIT), ("b", FIT)]), "", "it is said once");
        assert_eq!(bench.see(8, &[("a", FIT)]), "member b is gone: its lease is over");
    }

    #[test]
    fn all_that_lost_their_leases_at_once_come_back_and_nothing_moves() {
        let mut bench = Bench::of("a b c", "a", 1);
        assert_eq!(bench.look(3, "a b c"), "a=Full b=Full c=Full");
    }

    #[test]
    fn the_same_member_on_another_lease_is_no_news() {
        let mut bench = Bench::of("a b", "a b", LONG);
        assert_eq!(bench.see(LONG + 1, &[("a", FIT), ("b", FIT)]), "");
    }

    #[test]
    fn leaving_unfit_drained_and_cordoned_count_at_once() {
        for (seen, class) in [
            (Seen { leaving: true, ..FIT }, "Leaves"),
            (Seen { unfit: true, ..FIT }, "Gives"),
            (Seen { drain: true, ..FIT }, "Gives"),
            (Seen { weight: 0, ..FIT }, "Gives"),
            (Seen { cordon: true, ..FIT }, "Keeps"),
        ] {
            let mut bench = Bench::of("a b", "a b", LONG);
            bench.see(LONG, &[("a", FIT), ("b", seen)]);
            let shown = bench.shown(LONG);
            assert!(shown.starts_with(&format!("a=Full b={class}")), "{shown}");
        }
    }

    #[test]
    fn whoever_takes_part_again_gets_its_share_back_once() {
        let mut bench = Bench::of("a", "a b", LONG);
        bench.look(LONG + 2, "a b");
        bench.filled(LONG + 2);
        bench.see(LONG + 3, &[("a", FIT), ("b", Seen { drain: true, ..FIT })]);
        assert_eq!(bench.shown(LONG + 3), "a=Full b=Gives");
        assert_eq!(bench.see(LONG + 9, &[("a", FIT), ("b", FIT)]), "member b takes part");
        assert_eq!(bench.shown(LONG + 9), "a=Full b=Full +b");
        bench.filled(LONG + 9);
        assert_eq!(bench.shown(LONG + 9), "a=Full b=Full");
    }

    #[test]
    fn new_members_are_planned_with_all_at_once_when_nobody_else_has_come_for_a_moment() {
        let mut bench = Bench::of("a", "a", LONG);
        assert_eq!(bench.look(LONG + 10, "a b"), "a=Full b=Waits");
        assert_eq!(bench.look(LONG + 11, "a b c"), "a=Full b=Waits c=Waits");
        assert_eq!(bench.wake(LONG + 11), LONG + 13);
        assert_eq!(bench.look(LONG + 13, "a b c"), "a=Full b=Full c=Full +b +c");
    }

    #[test]
    fn new_members_that_keep_coming_wait_ten_seconds_at_most() {
        let mut bench = Bench::of("a", "a", LONG);
        let mut here = "a".to_owned();
        for i in 0..10 {
            here.push_str(&format!(" m{i}"));
            assert!(!bench.look(LONG + i, &here).contains('+'));
        }
        assert!(bench.look(LONG + 10, &here).ends_with("+m9"));
    }

    #[test]
    fn with_the_embedded_store_nobody_waits_for_anybody() {
        let mut pace = Pace::new(at(0), TTL, true);
        pace.see(at(0), &[(id("a"), FIT)].into(), &[id("old")].into());
        let decision = pace.decide(at(0));
        assert_eq!(decision.classes, [(id("a"), Class::Full)].into());
    }

    #[test]
    fn a_member_that_is_lost_again_and_again_waits_longer_each_time() {
        let mut bench = Bench::of("a", "a b", LONG);
        let mut now = LONG + 2;
        for wait in [20, 40, 80, 160] {
            bench.look(now, "a b");
            bench.filled(now);
            bench.look(now + 1, "a");
            bench.look(now + 2, "a b");
            assert_eq!(bench.look(now + 4, "a b"), "a=Full b=Keeps");
            assert_eq!(bench.look(now + 2 + wait - 1, "a b"), "a=Full b=Keeps");
            assert_eq!(bench.look(now + 2 + wait, "a b"), "a=Full b=Full +b");
            now += 2 + wait;
        }
        // Ten minutes later that is forgotten.
        bench.filled(now);
        bench.look(now + 700, "a b");
        bench.look(now + 701, "a");
        bench.look(now + 702, "a b");
        assert_eq!(bench.look(now + 722, "a b"), "a=Full b=Full +b");
    }

    #[test]
    fn whoever_left_as_it_had_announced_was_not_lost() {
        let mut bench = Bench::of("a", "a b", LONG);
        bench.see(LONG + 5, &[("a", FIT), ("b", Seen { leaving: true, ..FIT })]);
        assert_eq!(bench.see(LONG + 6, &[("a", FIT)]), "member b has left");
        bench.look(LONG + 7, "a b");
        assert_eq!(bench.look(LONG + 9, "a b"), "a=Full b=Full +b");
    }

    #[test]
    fn work_out_of_level_is_levelled_after_two_minutes_a_part_each_minute() {
        let mut bench = Bench::of("a b", "a b", LONG);
        bench.pace.done(at(LONG), &Moves::Must, 1.3);
        assert_eq!(bench.shown(LONG + 119), "a=Full b=Full");
        assert_eq!(bench.wake(LONG + 119), LONG + 120);
        assert_eq!(bench.shown(LONG + 120), "a=Full b=Full level 204");
        let moves = bench.pace.decide(at(LONG + 120)).moves;
        bench.pace.done(at(LONG + 120), &moves, 1.3);
        assert_eq!(bench.shown(LONG + 179), "a=Full b=Full");
        assert_eq!(bench.shown(LONG + 180), "a=Full b=Full level 204");
        bench.pace.done(at(LONG + 180), &moves, 1.2);
        assert_eq!(bench.shown(LONG + 999), "a=Full b=Full");
    }

    #[test]
    fn a_peak_of_less_than_two_minutes_moves_nothing() {
        let mut bench = Bench::of("a b", "a b", LONG);
        bench.pace.done(at(LONG), &Moves::Must, 2.0);
        bench.pace.done(at(LONG + 60), &Moves::Must, 1.2);
        bench.pace.done(at(LONG + 61), &Moves::Must, 2.0);
        assert_eq!(bench.shown(LONG + 121), "a=Full b=Full");
    }

    #[test]
    fn another_weight_levels_everything_at_once() {
        let mut bench = Bench::of("a b", "a b", LONG);
        assert_eq!(
            bench.see(LONG + 1, &[("a", FIT), ("b", Seen { weight: 3, ..FIT })]),
            "member b has weight 3"
        );
        assert_eq!(bench.shown(LONG + 1), "a=Full b=Full level");
        bench.filled(LONG + 1);
        assert_eq!(bench.shown(LONG + 1), "a=Full b=Full");
    }
}
