//! Pure: who judged a slot before. A bounded memory of what each table took from whom, of this process only.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{MemberId, WallMs};
use crate::store::records::{SLOTS, SlotRun, Table};

/// Tables of a group that are remembered, the newest.
const TABLES: usize = 32;
/// Stretches of slots in all of them together, at most.
const STRETCHES: usize = 8_192;

/// A time in which one member judged a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who; `None`: nobody might.
    pub judge: Option<MemberId>,
    /// Since which table.
    pub epoch: String,
    /// When that was made; `None`: before this process knew of it.
    pub at: Option<WallMs>,
    /// Why that was made.
    pub why: String,
}

/// What the tables of a group took from whom.
#[derive(Debug, Default)]
pub(super) struct Past {
    tables: VecDeque<Taken>,
    stretches: usize,
}

#[derive(Debug)]
struct Taken {
    epoch: String,
    at: WallMs,
    why: String,
    /// Slots that another judges since, by who did before and since when.
    from: Vec<SlotRun>,
}

impl Past {
    /// A table came in place of another.
    pub(super) fn note(&mut self, before: &Table, after: &Table) {
        if before.epoch == after.epoch {
            return;
        }
        let from = taken(&before.runs, &after.runs);
        if from.is_empty() {
            return;
        }
        self.stretches += from.len();
        self.tables.push_back(Taken {
            epoch: after.epoch.clone(),
            at: after.at,
            why: after.why.clone(),
            from,
        });
        while self.tables.len() > TABLES || (self.stretches > STRETCHES && self.tables.len() > 1) {
            self.stretches -= self.tables.pop_front().map_or(0, |gone| gone.from.len());
        }
    }

    /// Who judged a slot, the newest first. `now`: the table as it stands.
    pub(super) fn of(&self, now: &Table, slot: u16) -> Vec<Held> {
        let Some(run) = find(&now.runs, slot) else {
            return Vec::new();
        };
        let since = |run: &SlotRun| Held {
            judge: run.judge.clone(),
            epoch: run.since.clone(),
            at: None,
            why: String::new(),
        };
        let mut held = vec![since(run)];
        for taken in self.tables.iter().rev() {
            let Some(before) = find(&taken.from, slot) else {
                continue;
            };
            if let Some(last) = held.last_mut() {
                last.at = Some(taken.at);
                last.why.clone_from(&taken.why);
                last.epoch.clone_from(&taken.epoch);
            }
            held.push(since(before));
        }
        held
    }
}

/// What a table gives `me` that others judged before: of whom how many slots.
pub(super) fn taken_over(before: &Table, after: &Table, me: &MemberId) -> BTreeMap<MemberId, usize> {
    let mut of: BTreeMap<MemberId, usize> = BTreeMap::new();
    for run in taken(&before.runs, &after.runs) {
        let mine = find(&after.runs, run.first).is_some_and(|now| now.judge.as_ref() == Some(me));
        if let Some(judge) = run.judge.filter(|_| mine) {
            *of.entry(judge).or_default() += usize::from(run.last - run.first) + 1;
        }
    }
    of
}

fn find(runs: &[SlotRun], slot: u16) -> Option<&SlotRun> {
    let run = runs.get(runs.partition_point(|run| run.last < slot))?;
    (run.first <= slot).then_some(run)
}

/// Stretches whose judge is another one, as they were before.
fn taken(before: &[SlotRun], after: &[SlotRun]) -> Vec<SlotRun> {
    let mut taken: Vec<SlotRun> = Vec::new();
    let mut first = 0;
    while first < SLOTS {
        let (was, is) = (find(before, first), find(after, first));
        // Up to where one of the two runs ends; slots that one of them does not have are passed over.
        let last = [was, is].into_iter().flatten().map(|run| run.last).min();
        let (Some(was), Some(is), Some(last)) = (was, is, last) else {
            first += 1;
            continue;
        };
        if was.judge != is.judge {
            taken.push(SlotRun {
                first,
                last,
                ..was.clone()
            });
        }
        first = last + 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::FORMAT;

    /// `a:0-99 b:100-4095`, as table number `n`.
    fn table(n: u64, runs: &str) -> Table {
        let run = |text: &str| {
            let (judge, slots) = text.split_once(':').unwrap();
            let (first, last) = slots.split_once('-').unwrap();
            SlotRun {
                first: first.parse().unwrap(),
                last: last.parse().unwrap(),
                judge: MemberId::parse(judge).ok().filter(|_| judge != "?"),
                since: format!("1-{n}"),
                runners: Vec::new(),
            }
        };
        Table {
            v: FORMAT,
            epoch: format!("1-{n}"),
            at: WallMs(n as i64),
            why: format!("reason {n}"),
            runs: runs.split(' ').map(run).collect(),
            stamps: BTreeMap::new(),
        }
    }

    /// `b@2 a@-`
    fn shown(past: &Past, now: &Table, slot: u16) -> String {
        let held = past.of(now, slot);
        let each = held.iter().map(|held| {
            let judge = held.judge.as_ref().map_or("?", MemberId::as_str);
            format!("{judge}@{}", held.at.map_or("-".to_owned(), |at| at.0.to_string()))
        });
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn who_had_a_slot_is_known_by_the_tables_that_took_it() {
        let tables = [
            "a:0-4095",
            "a:0-2047 b:2048-4095",
            "?:0-99 a:100-999 b:1000-4095",
            "c:0-4095",
        ];
        let tables: Vec<Table> = (0..).zip(tables).map(|(n, runs)| table(n, runs)).collect();
        let mut past = Past::default();
        for two in tables.windows(2) {
            past.note(&two[0], &two[1]);
        }
        let now = &tables[3];
        assert_eq!(shown(&past, now, 0), "c@3 ?@2 a@-");
        assert_eq!(shown(&past, now, 500), "c@3 a@-");
        assert_eq!(shown(&past, now, 1500), "c@3 b@2 a@-");
        assert_eq!(shown(&past, now, 4095), "c@3 b@1 a@-");
        assert_eq!(past.of(now, 1500)[1].why, "reason 2");
    }

    #[test]
    fn what_a_member_took_over_is_counted_by_who_had_it() {
        let before = table(1, "a:0-99 b:100-299 ?:300-399 c:400-4095");
        let after = table(2, "c:0-49 a:50-149 c:150-4095");
        let shown = |me: &str| format!("{:?}", taken_over(&before, &after, &MemberId::parse(me).unwrap()));
        assert_eq!(shown("c"), r#"{"a": 50, "b": 150}"#);
        assert_eq!(shown("a"), r#"{"b": 50}"#);
        assert_eq!(shown("b"), "{}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut past = Past::default();
        let mut before = table(0, "a:0-4095");
        for n in 1..100 {
            let after = table(n, if n % 2 == 0 { "a:0-4095" } else { "b:0-4095" });
            past.note(&before, &after);
            before = after;
        }
        assert_eq!(past.tables.len(), TABLES);
        assert_eq!(past.of(&before, 7).len(), TABLES + 1);
    }
}
