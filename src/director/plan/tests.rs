//! What every plan has to be, over clusters and sequences of events by chance.

use proptest::prelude::*;

use super::*;
use crate::store::records::{MAX_DEFINITION, SLOTS};

/// A cluster, planned again and again.
#[derive(Debug, Clone, Default)]
struct World {
    members: BTreeMap<MemberId, Member>,
    loads: BTreeMap<Group, GroupLoads>,
    tables: BTreeMap<Group, Table>,
    n: u64,
}

type Slots = Vec<Option<MemberId>>;

fn id(name: &str) -> MemberId {
    MemberId::parse(name).unwrap()
}

fn judges(table: &Table) -> Slots {
    let each =
        |run: &crate::store::records::SlotRun| (run.first..=run.last).map(|_| run.judge.clone()).collect::<Vec<_>>();
    table.runs.iter().flat_map(each).collect()
}

fn since(table: &Table) -> Vec<String> {
    let each =
        |run: &crate::store::records::SlotRun| (run.first..=run.last).map(|_| run.since.clone()).collect::<Vec<_>>();
    table.runs.iter().flat_map(each).collect()
}

impl World {
    fn join(&mut self, name: &str, tags: &[&str], weight: u32) {
        let member = Member {
            id: id(name),
            weight,
            tags: tags.iter().map(ToString::to_string).collect(),
            kinds: Vec::new(),
            class: Class::Full,
        };
        self.members.insert(member.id.clone(), member);
    }

    fn of(names: &str) -> Self {
        let mut world = Self::default();
        for name in names.split_whitespace() {
            world.join(name, &[], 1);
        }
        world
    }

    fn class(&mut self, name: &str, class: Class) {
        self.members.get_mut(name).unwrap().class = class;
    }

    /// Monitors by chance, always the same for a seed. Loads are one to a hundred, most of them small.
    fn monitors(&mut self, tag: &str, n: usize, seed: u64) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let loads = self.loads.entry(Group::of(tag)).or_default();
        for _ in 0..n {
            let heavy = dice.u8(0..100) == 0;
            let load = if heavy {
                dice.u64(1000..100_000)
            } else {
                dice.u64(1000..4_000)
            };
            loads.add(dice.u16(0..SLOTS), load, "tcp");
        }
    }

    fn input(&self, moves: Moves) -> Input<'_> {
        let groups: BTreeSet<Group> = self
            .loads
            .keys()
            .chain(self.tables.keys())
            .cloned()
            .chain([Group::notify()])
            .collect();
        let place = |group: Group| Place {
            loads: self.loads.get(&group),
            before: self.tables.get(&group),
            group,
        };
        Input {
            members: self.members.values().cloned().collect(),
            places: groups.into_iter().map(place).collect(),
            moves,
            epoch: format!("7-{}", self.n),
            at: WallMs(1),
            why: "test".to_owned(),
        }
    }

    /// Plans until nothing is left to do, and looks at every step.
    fn plan(&mut self, moves: Moves) -> Planned {
        for _ in 0..200 {
            let input = self.input(moves.clone());
            let planned = plan(&input);
            assert_eq!(planned, plan(&input), "the same input, the same plan");
            for change in &planned.changes {
                check_change(self.tables.get(&change.group), change, &input.epoch);
            }
            for change in &planned.changes {
                self.tables.insert(change.group.clone(), change.table.clone());
            }
            self.n += 1;
            if !planned.more {
                self.check_judges(&planned);
                return planned;
            }
        }
        panic!("the plan never ends");
    }

    /// Every slot has a judge that may have it, if there is one.
    fn check_judges(&self, planned: &Planned) {
        for (group, table) in &self.tables {
            let some = |class: Class| {
                let mut fit = self
                    .members
                    .values()
                    .filter(|m| m.class == class && group.takes(&m.tags));
                fit.next().is_some()
            };
            for judge in judges(table) {
                let Some(judge) = judge else {
                    assert!(
                        planned.orphans.contains_key(group) || some(Class::Waits),
                        "{group}: nobody, and nothing is said"
                    );
                    assert!(
                        ![Class::Full, Class::Keeps, Class::Gives, Class::Leaves]
                            .into_iter()
                            .any(some),
                        "{group}: an orphan"
                    );
                    continue;
                };
                let Some(member) = self.members.get(&judge) else {
                    assert!(some(Class::Waits) && !some(Class::Full), "{group}: {judge} is gone");
                    continue;
                };
                assert!(group.takes(&member.tags), "{group}: {judge} has not its tag");
                match member.class {
                    Class::Gives => assert!(!some(Class::Full), "{group}: {judge} should give"),
                    Class::Leaves => assert!(!some(Class::Full) && !some(Class::Keeps), "{group}: {judge} leaves"),
                    Class::Full | Class::Keeps | Class::Waits => {}
                }
            }
        }
    }

    fn held(&self) -> BTreeMap<Option<MemberId>, f64> {
        let mut held = BTreeMap::new();
        for (group, table) in &self.tables {
            let judges = judges(table);
            let loads = self.loads.get(group).into_iter().flat_map(GroupLoads::slots);
            for (slot, load) in loads {
                *held.entry(judges[usize::from(slot)].clone()).or_default() += load.load as f64;
            }
        }
        held
    }

    fn slots(&self, group: &str) -> BTreeMap<String, usize> {
        let mut slots = BTreeMap::new();
        for judge in judges(&self.tables[&Group::named(group)]) {
            *slots
                .entry(judge.map_or_else(|| "-".to_owned(), |judge| judge.to_string()))
                .or_default() += 1;
        }
        slots
    }

    fn heaviest(&self) -> f64 {
        let slots = self.loads.values().flat_map(GroupLoads::slots);
        slots.map(|(_, load)| load.load as f64).fold(0.0, f64::max)
    }

    /// Everybody has its share, but for a tenth and one slot. For members without tags.
    fn check_level(&self, allowed: f64) {
        let held = self.held();
        let work: f64 = held.values().sum();
        let width: f64 = self.members.values().map(|m| f64::from(m.weight)).sum();
        for member in self.members.values() {
            let fair = work / width * f64::from(member.weight);
            let has = held.get(&Some(member.id.clone())).copied().unwrap_or(0.0);
            let slack = fair * allowed + self.heaviest();
            assert!(
                (has - fair).abs() <= slack,
                "{}: {has}, fair is {fair}, slack {slack}",
                member.id
            );
        }
    }

    /// Slots (with their load) whose judge is another one than in `before`.
    fn moved(&self, before: &BTreeMap<Group, Table>) -> Vec<(Option<MemberId>, Option<MemberId>, f64)> {
        let mut moved = Vec::new();
        for (group, table) in before {
            let loads: BTreeMap<u16, u64> = self
                .loads
                .get(group)
                .into_iter()
                .flat_map(GroupLoads::slots)
                .map(|(s, l)| (s, l.load))
                .collect();
            for (slot, (was, is)) in judges(table).into_iter().zip(judges(&self.tables[group])).enumerate() {
                if was != is {
                    moved.push((was, is, loads.get(&(slot as u16)).copied().unwrap_or(0) as f64));
                }
            }
        }
        moved
    }
}

/// A table follows from the one before by the rules of stamps and since.
fn check_change(before: Option<&Table>, change: &Change, epoch: &str) {
    let table = &change.table;
    assert!(
        change.seats.len() <= SEATS,
        "{} seats in one commit",
        change.seats.len()
    );
    assert!(crate::store::encode(table).unwrap().len() < MAX_DEFINITION);
    assert_eq!(table.epoch, epoch);
    let next = table.runs.iter().skip(1).map(|run| run.first);
    assert!(
        table
            .runs
            .iter()
            .map(|run| run.last + 1)
            .zip(next)
            .all(|(end, next)| end == next),
        "a gap"
    );
    assert_eq!((table.runs[0].first, table.runs.last().unwrap().last), (0, SLOTS - 1));
    assert!(
        table
            .runs
            .windows(2)
            .all(|two| (&two[0].judge, &two[0].since) != (&two[1].judge, &two[1].since))
    );
    let nothing: Slots = vec![None; usize::from(SLOTS)];
    let (was, is) = (before.map_or(nothing, judges), judges(table));
    let since_was = before.map_or(vec![String::new(); usize::from(SLOTS)], since);
    let mut losers = BTreeSet::new();
    for (slot, since) in since(table).iter().enumerate() {
        if was[slot] == is[slot] && before.is_some() {
            assert_eq!(since, &since_was[slot], "a slot that stays keeps its since");
        } else {
            assert_eq!(since, epoch);
            losers.extend(was[slot].clone());
        }
    }
    let holders: BTreeSet<MemberId> = is.into_iter().flatten().collect();
    assert_eq!(
        table.stamps.keys().cloned().collect::<BTreeSet<_>>(),
        holders,
        "a stamp for each who holds something"
    );
    let none = BTreeMap::new();
    let stamps = before.map_or(&none, |table| &table.stamps);
    for (member, stamp) in &table.stamps {
        match stamps.get(member) {
            Some(kept) if !losers.contains(member) => assert_eq!(kept, stamp, "who only gains keeps its stamp"),
            _ => assert_eq!(stamp, epoch, "who loses or is new gets a new one"),
        }
    }
    for (member, stamp) in &change.seats {
        assert_eq!(table.stamps.get(member), stamp.as_ref());
    }
    let seats: BTreeSet<&MemberId> = change.seats.iter().map(|(member, _)| member).collect();
    for member in stamps.keys().chain(table.stamps.keys()) {
        assert_eq!(
            seats.contains(member),
            stamps.get(member) != table.stamps.get(member),
            "{member}'s seat"
        );
    }
}

fn fill(names: &[&str]) -> Moves {
    Moves::Fill(names.iter().map(|name| id(name)).collect())
}

#[test]
fn one_member_holds_everything_in_one_run() {
    let mut world = World::of("a");
    world.monitors("", 1000, 1);
    world.plan(Moves::Must);
    assert!(world.tables.values().all(|table| table.runs.len() == 1));
}

#[test]
fn a_table_is_made_before_its_monitors_come_and_they_are_level_all_the_same() {
    let mut world = World::of("a b c");
    world.monitors("", 1, 1);
    world.plan(Moves::Must);
    world.monitors("", 20_000, 2);
    world.plan(Moves::Must);
    world.check_level(0.1);
    assert!(world.tables[&Group::of("")].runs.len() < 10);
}

#[test]
fn a_new_table_is_short() {
    let mut world = World::of("a b c");
    world.monitors("", 20_000, 2);
    world.plan(Moves::Must);
    let runs = world.tables[&Group::of("")].runs.len();
    assert!(runs < 30, "{runs} runs");
}

#[test]
fn with_nobody_eligible_all_slots_are_orphans_until_somebody_comes() {
    let mut world = World::of("a");
    world.monitors("eu", 10, 1);
    let planned = world.plan(Moves::Must);
    assert_eq!(planned.orphans.get(&Group::of("eu")), Some(&usize::from(SLOTS)));
    world.join("b", &["eu"], 1);
    world.class("b", Class::Waits);
    let planned = world.plan(Moves::Must);
    assert!(planned.orphans.is_empty() || planned.changes.is_empty());
    world.class("b", Class::Full);
    assert!(world.plan(Moves::Must).orphans.is_empty());
}

#[test]
fn while_everybody_has_just_come_there_is_no_table() {
    let mut world = World::of("a");
    world.monitors("", 10, 1);
    world.class("a", Class::Waits);
    assert!(world.plan(Moves::Must).changes.is_empty());
}

#[test]
fn drain_empties_a_member_and_says_what_nobody_else_may_hold() {
    let mut world = World::of("a b");
    world.join("e", &["eu"], 1);
    world.monitors("", 500, 1);
    world.monitors("eu", 50, 2);
    world.plan(Moves::Must);
    world.class("b", Class::Gives);
    world.class("e", Class::Gives);
    let planned = world.plan(Moves::Must);
    assert_eq!(planned.stuck, [(id("e"), usize::from(SLOTS))].into());
    assert_eq!(world.slots("untagged"), [("a".to_owned(), usize::from(SLOTS))].into());
    assert_eq!(world.slots("notify").len(), 1);
}

#[test]
fn whoever_is_about_to_leave_gives_to_the_cordoned_rather_than_to_nobody() {
    let mut world = World::of("a b");
    world.monitors("", 500, 1);
    world.plan(Moves::Must);
    world.class("a", Class::Keeps);
    world.class("b", Class::Leaves);
    assert!(world.plan(Moves::Must).stuck.is_empty());
    assert_eq!(world.slots("untagged").len(), 1);
}

#[test]
fn a_cordoned_member_keeps_what_it_has_and_is_given_nothing_more() {
    let mut world = World::of("a b c");
    world.monitors("", 5000, 1);
    world.plan(Moves::Must);
    let before = world.slots("untagged");
    world.class("b", Class::Keeps);
    world.members.remove("c");
    world.plan(Moves::Must);
    assert_eq!(world.slots("untagged")["b"], before["b"]);
}

#[test]
fn a_lost_judge_is_replaced_by_one_of_its_living_runners() {
    let mut world = World::of("a b c d");
    world.monitors("", 5000, 1);
    world.plan(Moves::Must);
    let table = world.tables.get_mut(&Group::of("")).unwrap();
    for run in table.runs.iter_mut().filter(|run| run.judge == Some(id("a"))) {
        run.runners = vec![id("a"), id("c"), id("d")];
    }
    let had = world.slots("untagged");
    world.members.remove("a");
    world.plan(Moves::Must);
    let has = world.slots("untagged");
    assert_eq!((has["b"], has["d"]), (had["b"], had["d"]));
    assert_eq!(has["c"], had["a"] + had["c"]);
    let runners = world.tables[&Group::of("")]
        .runs
        .iter()
        .find(|run| !run.runners.is_empty());
    assert_eq!(runners.unwrap().runners, [id("c"), id("d")]);
}

#[test]
fn a_slot_goes_to_whoever_can_run_its_kinds_and_to_anybody_if_nobody_can() {
    let mut world = World::of("a b");
    world.members.get_mut("a").unwrap().kinds = vec!["tcp".to_owned()];
    let mut loads = GroupLoads::default();
    for slot in 0..SLOTS {
        loads.add(slot, 1000, if slot % 4 == 0 { "icmp" } else { "tcp" });
    }
    world.loads.insert(Group::of(""), loads);
    world.plan(Moves::Must);
    let check = |world: &World| {
        let judges = judges(&world.tables[&Group::of("")]);
        assert!(judges.iter().step_by(4).all(|judge| *judge == Some(id("b"))));
    };
    check(&world);
    world.check_level(0.1);
    world.members.get_mut("b").unwrap().kinds = vec!["tcp".to_owned()];
    assert!(world.plan(Moves::Must).changes.is_empty());
    world.members.remove("b");
    world.plan(Moves::Must);
    assert_eq!(world.slots("untagged").len(), 1);
}

#[test]
fn whoever_takes_part_in_many_groups_is_not_given_a_share_of_each() {
    let mut world = World::default();
    world.join("both", &["eu", "us"], 1);
    world.join("eu", &["eu"], 1);
    world.join("us", &["us"], 1);
    world.monitors("eu", 4000, 1);
    world.monitors("us", 4000, 2);
    world.plan(Moves::Must);
    let held = world.held();
    let fair = held.values().sum::<f64>() / 3.0;
    for (member, has) in held {
        assert!((has - fair).abs() < fair * 0.1, "{member:?}: {has}, fair is {fair}");
    }
}

#[test]
fn a_slot_heavier_than_a_fair_share_keeps_nobody_from_a_share_of_the_rest() {
    let mut world = World::of("a b");
    world.monitors("", 4000, 1);
    let load = world.held().values().sum::<f64>() + 1e9;
    world.loads.get_mut(&Group::of("")).unwrap().add(7, load as u64, "exec");
    world.plan(Moves::Must);
    let heavy = judges(&world.tables[&Group::of("")])[7].clone();
    world.join("c", &[], 1);
    world.plan(fill(&["c"]));
    let held = world.held();
    let rest: Vec<f64> = held
        .iter()
        .filter(|(who, _)| **who != heavy)
        .map(|(_, load)| *load)
        .collect();
    assert!(rest.len() == 2 && (rest[0] - rest[1]).abs() < rest[0] * 0.1, "{held:?}");
}

#[test]
fn a_table_that_makes_no_sense_is_put_in_order() {
    let mut world = World::of("a b");
    world.monitors("", 100, 1);
    world.plan(Moves::Must);
    let table = world.tables.get_mut(&Group::of("")).unwrap();
    table.runs.remove(0);
    table.runs.push(crate::store::records::SlotRun {
        first: 3,
        last: 65_535,
        judge: Some(id("b")),
        since: "9-9".to_owned(),
        runners: Vec::new(),
    });
    let planned = plan(&world.input(Moves::Must));
    assert_eq!(planned.changes.len(), 1);
    let judges = judges(&planned.changes[0].table);
    assert!(judges.len() == usize::from(SLOTS) && judges.iter().all(Option::is_some));
}

#[test]
fn a_zone_of_hundreds_dies_in_commits_of_bounded_size() {
    let mut world = World::default();
    for n in 0..300 {
        world.join(&format!("m{n}"), &[], 1);
    }
    world.monitors("", 30_000, 1);
    world.plan(Moves::Must);
    world.check_level(0.1);
    world.members.retain(|id, _| !id.as_str().ends_with(['1', '2', '3']));
    world.plan(Moves::Must);
    world.check_level(0.1);
}

/// A cluster of untagged members.
fn flat() -> impl Strategy<Value = World> {
    let weights = prop::collection::vec(1..4u32, 2..9);
    (weights, 0..6000usize, any::<u64>()).prop_map(|(weights, n, seed)| {
        let mut world = World::default();
        for (i, weight) in weights.into_iter().enumerate() {
            world.join(&format!("m{i}"), &[], weight);
        }
        world.monitors("", n, seed);
        world
    })
}

/// A cluster with tags, several groups, and what happens to its members.
fn mixed() -> impl Strategy<Value = (World, Vec<(usize, u8)>)> {
    let tags = prop::collection::vec(0..5usize, 2..10);
    let happens = prop::collection::vec((0..10usize, 0..9u8), 1..12);
    (tags, 0..1500usize, any::<u64>(), happens).prop_map(|(tags, n, seed, happens)| {
        let mut world = World::default();
        for (i, tags) in tags.into_iter().enumerate() {
            let tags: &[&str] = [&[][..], &["eu"], &["us"], &["eu", "us"], &["eu", "db"]][tags];
            world.join(&format!("m{i}"), tags, 1 + i as u32 % 3);
        }
        for (i, tag) in ["", "eu", "us", "db"].into_iter().enumerate() {
            world.monitors(tag, n >> i, seed + i as u64);
        }
        (world, happens)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Every slot has one eligible judge, stamps and since follow their rules, and a second plan changes nothing, whatever happens.
    #[test]
    fn every_plan_is_sound_and_the_next_one_changes_nothing((mut world, happens) in mixed()) {
        world.plan(Moves::Must);
        for (who, what) in happens {
            let name = format!("m{who}");
            let known = world.members.contains_key(name.as_str());
            let mut moves = Moves::Must;
            match what {
                0 if world.members.len() > 1 => drop(world.members.remove(name.as_str())),
                1 | 2 if !known => {
                    world.join(&name, &[["eu"], ["us"]][usize::from(what) - 1], 1);
                    moves = fill(&[&name]);
                }
                3..=7 if known => {
                    let class = [Class::Full, Class::Keeps, Class::Waits, Class::Gives, Class::Leaves][usize::from(what) - 3];
                    world.class(&name, class);
                    if class == Class::Full {
                        moves = fill(&[&name]);
                    }
                }
                8 => moves = Moves::Level { most: 200 },
                _ => {}
            }
            world.plan(moves);
            let again = world.plan(Moves::Must);
            prop_assert!(again.changes.is_empty(), "{:?}", again.changes.iter().map(|c| (&c.group, &c.moves)).collect::<Vec<_>>());
        }
    }

    /// Within a tenth and one slot.
    #[test]
    fn a_new_plan_is_level_by_weight_and_load(mut world in flat()) {
        world.plan(Moves::Must);
        world.check_level(0.1);
        // Monitors to come will be, too.
        let width: u32 = world.members.values().map(|member| member.weight).sum();
        for member in world.members.values() {
            let fair = f64::from(SLOTS) * f64::from(member.weight) / f64::from(width);
            let has = world.slots("notify")[member.id.as_str()] as f64;
            prop_assert!((has - fair).abs() <= 2.0, "{}: {has} of {fair}", member.id);
        }
    }

    /// A death moves nothing but what the dead one had, and what is left is level.
    #[test]
    fn a_death_moves_only_what_the_dead_one_had(mut world in flat()) {
        world.plan(Moves::Must);
        let before = world.tables.clone();
        world.members.remove("m0");
        world.plan(Moves::Must);
        for (was, _, _) in world.moved(&before) {
            prop_assert_eq!(was, Some(id("m0")));
        }
        world.check_level(0.1);
    }

    /// A join moves the newcomer's share and no more than two hundredths above, only to it, and what comes out is level.
    #[test]
    fn a_join_moves_only_the_newcomers_share(mut world in flat(), weight in 1..4u32) {
        world.plan(Moves::Must);
        let before = world.tables.clone();
        world.join("new", &[], weight);
        prop_assert!(world.plan(Moves::Must).changes.is_empty(), "nothing moves to it that has a judge");
        world.plan(fill(&["new"]));
        let moved = world.moved(&before);
        let work: f64 = world.held().values().sum();
        let width: f64 = world.members.values().map(|m| f64::from(m.weight)).sum();
        let share = f64::from(weight) / width;
        for (_, to, _) in &moved {
            prop_assert_eq!(to, &Some(id("new")));
        }
        let load: f64 = moved.iter().map(|(_, _, load)| load).sum();
        prop_assert!(load <= (work * share).max(0.0) * 1.02 + 1.0, "{load} of {work}, share {share}");
        world.check_level(0.1);
        // By slots too: twice, since slots of monitors and of alerters are counted together with those that are empty.
        let slots = before.len() as f64 * f64::from(SLOTS) * share;
        prop_assert!(moved.len() as f64 <= slots * 1.35 + 2.0, "{} slots, share {slots}", moved.len());
    }

    /// Work that changes a little moves nothing; work that is out of level is levelled within the bound on moves.
    #[test]
    fn levelling_moves_a_bounded_part_and_makes_it_better(mut world in flat(), seed in any::<u64>()) {
        world.plan(Moves::Must);
        world.monitors("", 500, seed);
        prop_assert!(world.plan(Moves::Must).changes.is_empty());
        // All of the work of the upper half of the slots is gone.
        let mut half = GroupLoads::default();
        for (slot, load) in world.loads[&Group::of("")].slots().filter(|(slot, _)| *slot < SLOTS / 2) {
            half.add(slot, load.load, "tcp");
        }
        world.loads.insert(Group::of(""), half);
        let uneven = world.plan(Moves::Must).fullest;
        let before = world.tables.clone();
        let planned = world.plan(Moves::Level { most: 204 });
        prop_assert!(world.moved(&before).len() <= 204);
        prop_assert!(planned.fullest <= uneven);
        for _ in 0..40 {
            world.plan(Moves::Level { most: 204 });
        }
        world.check_level(0.15);
    }
}
