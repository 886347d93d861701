//! What every plan has to be: a cluster that is planned again and again, and looked at after each step.

mod cases;
mod chance;

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
