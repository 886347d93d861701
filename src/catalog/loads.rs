//! Pure: how much work there is in each slot of each placement group. Kept current as definitions come and go; nobody counts it anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::MonitorEntry;
use crate::model::{Group, MemberId};
use crate::store::records::{Table, slot};

/// Picoseconds of processor time in a second of it: small enough that a check once a year is more than nothing, and a million checks
/// every millisecond still fit.
const PICOS_PER_MICRO: u64 = 1_000_000;
/// Shortest interval that is told apart.
const FLOOR_NANOS: u128 = 1_000;

/// The work of one slot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotLoad {
    /// Rate × cost of kind, over its monitors, in picoseconds a second.
    pub load: u64,
    /// Monitors that run.
    pub monitors: u32,
    /// Their kinds, and how many there are of each.
    kinds: Vec<(&'static str, u32)>,
}

impl SlotLoad {
    /// The kinds that whoever holds this slot should be able to run.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.iter().map(|(kind, _)| *kind)
    }

    fn add(&mut self, work: Work) {
        self.load += work.load;
        self.monitors += 1;
        match self.kinds.iter_mut().find(|(kind, _)| *kind == work.kind) {
            Some((_, n)) => *n += 1,
            None => self.kinds.push((work.kind, 1)),
        }
    }

    fn take(&mut self, work: Work) {
        self.load = self.load.saturating_sub(work.load);
        self.monitors = self.monitors.saturating_sub(1);
        if let Some(at) = self.kinds.iter().position(|(kind, _)| *kind == work.kind) {
            self.kinds[at].1 -= 1;
            if self.kinds[at].1 == 0 {
                self.kinds.swap_remove(at);
            }
        }
    }
}

/// The work of one placement group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupLoads {
    slots: BTreeMap<u16, SlotLoad>,
    definitions: usize,
}

impl GroupLoads {
    /// Slots in which something runs, in order.
    pub fn slots(&self) -> impl Iterator<Item = (u16, &SlotLoad)> {
        self.slots.iter().map(|(slot, load)| (*slot, load))
    }

    /// Adds a monitor: its slot, its work. For those who have no catalog, as a benchmark.
    pub fn add(&mut self, slot: u16, load: u64, kind: &'static str) {
        self.slots.entry(slot).or_default().add(Work { load, kind });
        self.definitions += 1;
    }
}

/// The work of all placement groups in use. Cloning is cheap.
pub type Loads = BTreeMap<Group, Arc<GroupLoads>>;

/// What a monitor costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    load: u64,
    kind: &'static str,
}

/// Where a monitor counts.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    group: Group,
    slot: u16,
    /// `None`: it is switched off, and its group is in use all the same.
    work: Option<Work>,
}

fn place(entry: &MonitorEntry) -> Option<Place> {
    let (kind, interval) = entry.kind().zip(entry.interval())?;
    let work = (!entry.disabled()).then(|| {
        let nanos = interval.as_nanos().max(FLOOR_NANOS);
        let cost = u128::from(kind.cost_micros) * u128::from(PICOS_PER_MICRO);
        let load = u64::try_from(cost * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
        Work {
            load: load.max(1),
            kind: kind.name,
        }
    });
    Some(Place {
        group: entry.group()?,
        slot: slot(entry.name.as_str()),
        work,
    })
}

/// Takes one definition's place in the sums from it and gives it to another.
pub(super) fn replace(loads: &mut Loads, before: Option<&MonitorEntry>, after: Option<&MonitorEntry>) {
    let (before, after) = (before.and_then(place), after.and_then(place));
    if before == after {
        return;
    }
    if let Some(Place { group, slot, work }) = before
        && let Some(sums) = loads.get_mut(&group)
    {
        let sums = Arc::make_mut(sums);
        sums.definitions = sums.definitions.saturating_sub(1);
        if let (Some(work), Some(sum)) = (work, sums.slots.get_mut(&slot)) {
            sum.take(work);
            if sum.monitors == 0 {
                sums.slots.remove(&slot);
            }
        }
        if sums.definitions == 0 {
            loads.remove(&group);
        }
    }
    if let Some(Place { group, slot, work }) = after {
        let sums = Arc::make_mut(loads.entry(group).or_default());
        sums.definitions += 1;
        if let Some(work) = work {
            sums.slots.entry(slot).or_default().add(work);
        }
    }
}

/// What one member holds, by the tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    /// Slots of placement groups of monitors.
    pub slots: usize,
    /// Slots of the group of alerters.
    pub alerter_slots: usize,
    /// Monitors that run.
    pub monitors: usize,
    /// Their work, in picoseconds a second.
    pub load: u64,
}

impl Share {
    /// Whether it holds nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots + self.alerter_slots == 0
    }
}

/// What everybody holds; `None`: what nobody holds.
#[must_use]
pub fn shares<'a>(
    loads: &Loads,
    tables: impl IntoIterator<Item = (&'a Group, &'a Table)>,
) -> BTreeMap<Option<MemberId>, Share> {
    let mut shares: BTreeMap<Option<MemberId>, Share> = BTreeMap::new();
    for (group, table) in tables {
        let sums = loads.get(group);
        for run in &table.runs {
            let share = shares.entry(run.judge.clone()).or_default();
            let slots = usize::from(run.last.saturating_sub(run.first)) + 1;
            if *group == Group::notify() {
                share.alerter_slots += slots;
                continue;
            }
            share.slots += slots;
            let held = sums
                .iter()
                .flat_map(|sums| sums.slots.range(run.first..=run.last.max(run.first)));
            for (_, sum) in held {
                share.monitors += sum.monitors as usize;
                share.load += sum.load;
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;
    use crate::config::definition::Strictness;
    use crate::config::kinds::Kinds;
    use crate::model::{MonitorName, WallMs};
    use crate::store::Revision;

    fn put(catalog: &Catalog, name: &str, tag: &str, interval: &str, disable: bool) {
        let spec =
            json!({"type": "tcp", "host": "h", "port": 1, "interval": interval, "member-tag": tag, "disable": disable});
        let read = Kinds::built_in().read_monitor(name, &spec, Strictness::Lenient);
        let name = MonitorName::parse(name).unwrap();
        catalog.put_monitor(Arc::new(MonitorEntry::new(name, Revision(1), WallMs(0), read)));
    }

    fn total(loads: &Loads, group: &str) -> Option<(u64, u32)> {
        let sums = loads.get(&Group::named(group))?;
        let each = sums.slots().map(|(_, sum)| (sum.load, sum.monitors));
        Some(each.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1)))
    }

    #[test]
    fn sums_follow_definitions_and_are_gone_with_the_last_one() {
        let catalog = Catalog::default();
        put(&catalog, "a", "", "10s", false);
        put(&catalog, "b", "", "20s", false);
        let of = |catalog: &Catalog, group: &str| total(&catalog.loads(), group);
        let (load, monitors) = of(&catalog, "untagged").unwrap();
        assert_eq!(monitors, 2);
        // Twice the interval is half of the work.
        put(&catalog, "b", "", "10s", false);
        assert_eq!(of(&catalog, "untagged").unwrap().0 * 3, load * 4);
        put(&catalog, "b", "eu", "10s", false);
        assert_eq!(of(&catalog, "tag-eu").map(|(_, n)| n), Some(1));
        put(&catalog, "b", "eu", "10s", true);
        assert_eq!(of(&catalog, "tag-eu"), Some((0, 0)), "the group stays in use");
        catalog.remove_monitor("b");
        assert_eq!(of(&catalog, "tag-eu"), None);
        catalog.remove_monitor("a");
        assert!(catalog.loads().is_empty());
    }

    #[test]
    fn once_in_a_long_time_is_more_than_nothing() {
        let catalog = Catalog::default();
        put(&catalog, "a", "", "290y", false);
        assert_eq!(total(&catalog.loads(), "untagged"), Some((1, 1)));
    }
}
