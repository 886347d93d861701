//! How a table is written: names once, slots as numbers. Each of a thousand members holding scattered slots stays far below the largest
//! value that a store takes, where names in every run would not.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::records::{SLOTS, SlotRun, Table};
use crate::model::{MemberId, WallMs};

/// A [`Table`] as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Packed {
    v: u32,
    epoch: String,
    #[serde(default)]
    at: WallMs,
    #[serde(default)]
    why: String,
    /// Whoever is named, with its stamp.
    members: Vec<(MemberId, Option<String>)>,
    /// Epochs that gave slots.
    epochs: Vec<String>,
    runs: Vec<Run>,
}

/// First slot, last slot, judge (in `members`), since (in `epochs`), and the runners where they are listed.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Run {
    Judge(u16, u16, Option<usize>, usize),
    Runners(u16, u16, Option<usize>, usize, Vec<usize>),
}

impl From<Table> for Packed {
    fn from(table: Table) -> Self {
        let mut members: Vec<(MemberId, Option<String>)> = Vec::new();
        let mut places: HashMap<MemberId, usize> = HashMap::new();
        for (member, stamp) in table.stamps {
            places.insert(member.clone(), members.len());
            members.push((member, Some(stamp)));
        }
        let mut place = |member: MemberId| {
            *places.entry(member.clone()).or_insert_with(|| {
                members.push((member, None));
                members.len() - 1
            })
        };
        let mut epochs: Vec<String> = Vec::new();
        let mut epoch_places: HashMap<String, usize> = HashMap::new();
        let mut runs = Vec::with_capacity(table.runs.len());
        for run in table.runs {
            let since = *epoch_places.entry(run.since).or_insert_with_key(|since| {
                epochs.push(since.clone());
                epochs.len() - 1
            });
            let judge = run.judge.map(&mut place);
            runs.push(if run.runners.is_empty() {
                Run::Judge(run.first, run.last, judge, since)
            } else {
                let runners = run.runners.into_iter().map(&mut place).collect();
                Run::Runners(run.first, run.last, judge, since, runners)
            });
        }
        Self {
            v: table.v,
            epoch: table.epoch,
            at: table.at,
            why: table.why,
            members,
            epochs,
            runs,
        }
    }
}

impl TryFrom<Packed> for Table {
    type Error = String;

    fn try_from(packed: Packed) -> Result<Self, String> {
        let member = |at: usize| packed.members.get(at).map(|(member, _)| member.clone());
        let mut runs: Vec<SlotRun> = Vec::with_capacity(packed.runs.len());
        for run in packed.runs {
            let (first, last, judge, since, runners) = match run {
                Run::Judge(first, last, judge, since) => (first, last, judge, since, Vec::new()),
                Run::Runners(first, last, judge, since, runners) => (first, last, judge, since, runners),
            };
            if last < first || last >= SLOTS || runs.last().is_some_and(|before| before.last >= first) {
                return Err(format!("slots {first} to {last} are out of order"));
            }
            let unknown = || "a run names a member that is not listed".to_owned();
            runs.push(SlotRun {
                first,
                last,
                judge: judge.map(|at| member(at).ok_or_else(unknown)).transpose()?,
                since: packed.epochs.get(since).cloned().ok_or("a run names no epoch")?,
                runners: runners
                    .into_iter()
                    .map(|at| member(at).ok_or_else(unknown))
                    .collect::<Result<_, _>>()?,
            });
        }
        let stamps = packed
            .members
            .into_iter()
            .filter_map(|(member, stamp)| Some((member, stamp?)));
        Ok(Self {
            v: packed.v,
            epoch: packed.epoch,
            at: packed.at,
            why: packed.why,
            runs,
            stamps: stamps.collect::<BTreeMap<_, _>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::records::{FORMAT, MAX_DEFINITION};

    fn member(n: usize) -> MemberId {
        MemberId::parse(&format!("member-{n}.rack-7.example.net")).unwrap()
    }

    #[test]
    fn a_thousand_members_with_scattered_slots_fit_into_one_value() {
        let runs = (0..SLOTS).map(|slot| SlotRun {
            first: slot,
            last: slot,
            judge: Some(member(usize::from(slot) % 1000)),
            since: format!("1234567-{}", slot % 1000),
            runners: Vec::new(),
        });
        let table = Table {
            v: FORMAT,
            epoch: "1234567-1000".to_owned(),
            at: WallMs(0),
            why: String::new(),
            runs: runs.collect(),
            stamps: (0..1000).map(|n| (member(n), format!("1234567-{n}"))).collect(),
        };
        let bytes = crate::store::encode(&table).unwrap();
        assert!(bytes.len() < MAX_DEFINITION, "{} bytes", bytes.len());
        assert_eq!(serde_json::from_slice::<Table>(&bytes).unwrap(), table);
    }

    proptest! {
        #[test]
        fn a_table_survives_its_writing(cuts in prop::collection::btree_set(1..SLOTS, 0..20), dice in prop::collection::vec(0..6usize, 60)) {
            let firsts: Vec<u16> = std::iter::once(0).chain(cuts).collect();
            let lasts = firsts.iter().skip(1).map(|first| first - 1).chain([SLOTS - 1]);
            let runs = firsts.iter().zip(lasts).enumerate().map(|(i, (first, last))| SlotRun {
                first: *first,
                last,
                judge: (dice[i] > 0).then(|| member(dice[i])),
                since: format!("1-{}", dice[i + 20]),
                runners: (0..dice[i + 40] / 2).map(member).collect(),
            });
            let table = Table {
                v: FORMAT,
                epoch: "1-9".to_owned(),
                at: WallMs(7),
                why: "test".to_owned(),
                runs: runs.collect(),
                stamps: (1..4).map(|n| (member(n), format!("1-{n}"))).collect(),
            };
            let text = serde_json::to_string(&table).unwrap();
            prop_assert_eq!(serde_json::from_str::<Table>(&text).unwrap(), table);
        }

        #[test]
        fn bytes_of_strangers_are_no_table_or_one_in_order(runs in prop::collection::vec((0..5000u16, 0..5000u16, prop::option::of(0..4usize), 0..3usize), 0..6)) {
            let text = serde_json::json!({"v": 1, "epoch": "1-1", "members": [["a", "s"]], "epochs": ["1-1"], "runs": runs}).to_string();
            if let Ok(table) = serde_json::from_str::<Table>(&text) {
                prop_assert!(table.runs.iter().all(|run| run.first <= run.last && run.last < SLOTS));
                prop_assert!(table.runs.is_sorted_by(|a, b| a.last < b.first));
            }
        }
    }
}
