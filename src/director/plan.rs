//! Pure: which member judges each slot of a group.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::MemberId;
use crate::schedule::name_hash;
use crate::store::records::{FORMAT, SLOTS, SlotRun, Table};

/// The next table of a group: slots stay where they are as long as their judge may hold them; the others go by rendezvous to those who may.
/// `None` when the table that is there says the same.
#[must_use]
pub fn plan(eligible: &BTreeSet<MemberId>, before: Option<&Table>, epoch: &str) -> Option<Table> {
    let was = before.map_or_else(|| vec![None; SLOTS.into()], spread);
    let mut runs: Vec<SlotRun> = Vec::new();
    let mut losers: BTreeSet<&MemberId> = BTreeSet::new();
    for (slot, was) in (0..SLOTS).zip(&was) {
        let before = was.and_then(|run| run.judge.as_ref());
        let judge = match before.filter(|judge| eligible.contains(*judge)) {
            Some(kept) => Some(kept),
            None => eligible.iter().max_by_key(|member| weight(member, slot)),
        };
        if judge != before {
            losers.extend(before);
        }
        let since = was.filter(|_| judge == before).map_or(epoch, |run| run.since.as_str());
        match runs.last_mut() {
            Some(run) if run.judge.as_ref() == judge && run.since == since => run.last = slot,
            _ => runs.push(SlotRun {
                first: slot,
                last: slot,
                judge: judge.cloned(),
                since: since.to_owned(),
                runners: Vec::new(),
            }),
        }
    }
    if before.is_some_and(|table| table.runs == runs) {
        return None;
    }
    let stamps = stamps(&runs, before, &losers, epoch);
    Some(Table {
        v: FORMAT,
        epoch: epoch.to_owned(),
        runs,
        stamps,
    })
}

/// The run of each slot.
fn spread(table: &Table) -> Vec<Option<&SlotRun>> {
    let mut slots = vec![None; SLOTS.into()];
    for run in &table.runs {
        let last = run.last.min(SLOTS - 1);
        for slot in run.first..=last {
            slots[usize::from(slot)] = Some(run);
        }
    }
    slots
}

fn weight(member: &MemberId, slot: u16) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&slot.to_be_bytes(), name_hash(member.as_str()))
}

/// Whoever lost a slot gets a new stamp, whoever only gained keeps its own, whoever holds nothing has none.
fn stamps(
    runs: &[SlotRun],
    before: Option<&Table>,
    losers: &BTreeSet<&MemberId>,
    epoch: &str,
) -> BTreeMap<MemberId, String> {
    let holders: BTreeSet<&MemberId> = runs.iter().filter_map(|run| run.judge.as_ref()).collect();
    let stamp = |member: &MemberId| {
        let kept = before
            .and_then(|table| table.stamps.get(member))
            .filter(|_| !losers.contains(member));
        kept.cloned().unwrap_or_else(|| epoch.to_owned())
    };
    holders
        .into_iter()
        .map(|member| (member.clone(), stamp(member)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(names: &[&str]) -> BTreeSet<MemberId> {
        names.iter().map(|name| MemberId::parse(name).unwrap()).collect()
    }

    fn judges(table: &Table) -> Vec<Option<MemberId>> {
        table
            .runs
            .iter()
            .flat_map(|run| (run.first..=run.last).map(|_| run.judge.clone()))
            .collect()
    }

    #[test]
    fn one_member_holds_everything_in_one_run_and_a_second_plan_changes_nothing() {
        let table = plan(&members(&["a"]), None, "1-0").unwrap();
        assert_eq!(table.runs.len(), 1);
        assert_eq!((table.runs[0].first, table.runs[0].last), (0, SLOTS - 1));
        assert_eq!(plan(&members(&["a"]), Some(&table), "1-1"), None);
    }

    #[test]
    fn with_nobody_eligible_all_slots_are_orphans() {
        let table = plan(&members(&[]), None, "1-0").unwrap();
        assert!(judges(&table).iter().all(Option::is_none));
        assert!(table.stamps.is_empty());
    }

    #[test]
    fn a_loser_is_stamped_anew_and_who_only_gains_is_not() {
        let before = plan(&members(&["a", "b", "c"]), None, "1-0").unwrap();
        let after = plan(&members(&["a", "b"]), Some(&before), "2-0").unwrap();
        assert_eq!(after.stamps.get("a").map(String::as_str), Some("1-0"));
        assert!(!after.stamps.contains_key("c"));
    }

    proptest! {
        /// Only what lost its judge moves, every slot has one eligible judge, and the plan is a function of its input.
        #[test]
        fn moves_only_what_must_move(mut now in proptest::collection::btree_set(0u8..6, 1..5), gone in 0u8..6) {
            let name = |i: &u8| MemberId::parse(&format!("m{i}")).unwrap();
            let before = plan(&now.iter().map(name).collect(), None, "1-0").unwrap();
            now.remove(&gone);
            let eligible: BTreeSet<_> = now.iter().map(name).collect();
            let after = plan(&eligible, Some(&before), "2-0");
            prop_assert_eq!(&after, &plan(&eligible, Some(&before), "2-0"));
            let (was, is) = (judges(&before), judges(after.as_ref().unwrap_or(&before)));
            prop_assert_eq!(is.len(), usize::from(SLOTS));
            for (was, is) in was.iter().zip(&is) {
                prop_assert_eq!(is.is_some(), !eligible.is_empty());
                prop_assert!(was == is || was.as_ref().is_none_or(|m| !eligible.contains(m)));
            }
        }
    }
}
