//! Pure: the newest table of each group that anybody knows, and what it takes away.

use std::collections::BTreeMap;

use crate::model::{Group, MemberId};
use crate::peers::calls::StoreAnswer;
use crate::store::records::{SLOTS, SlotRun, Table, epoch_order};

/// Tables that one question asks for, at most: as many of the largest fit into an answer.
const ASKED: usize = 8;

/// What others know of tables that are newer than ours.
#[derive(Debug, Default)]
pub struct Newest {
    /// Who said so last, and the epoch.
    epochs: BTreeMap<Group, (MemberId, String)>,
    tables: BTreeMap<Group, Table>,
}

impl Newest {
    /// What a member knows, by its answer. Whatever is not newer than `mine`, the epochs of ours, is of no use.
    pub fn answered(&mut self, from: &MemberId, answer: &StoreAnswer, mine: &BTreeMap<Group, String>) {
        self.tables
            .retain(|group, table| is_newer(&table.epoch, mine.get(group).map(String::as_str)));
        for (group, table) in &answer.tables {
            let group = Group::named(group);
            if is_newer(&table.epoch, self.known(&group, mine)) {
                self.tables.insert(group, table.clone());
            }
        }
        for (group, epoch) in &answer.epochs {
            let group = Group::named(group);
            let said = self.epochs.get(&group).map(|(_, epoch)| epoch.as_str());
            if is_newer(epoch, said) {
                self.epochs.insert(group, (from.clone(), epoch.clone()));
            }
        }
        let mut epochs = std::mem::take(&mut self.epochs);
        epochs.retain(|group, (_, epoch)| is_newer(epoch, self.known(group, mine)));
        self.epochs = epochs;
    }

    /// A member does not answer (any more): what it has is asked of whoever else says that it knows it.
    pub fn silent(&mut self, member: &MemberId) {
        self.epochs.retain(|_, (from, _)| from != member);
    }

    fn known<'a>(&'a self, group: &Group, mine: &'a BTreeMap<Group, String>) -> Option<&'a str> {
        let theirs = self.tables.get(group).map(|table| table.epoch.as_str());
        theirs.or_else(|| mine.get(group).map(String::as_str))
    }

    /// The groups whose tables this member is to be asked for.
    #[must_use]
    pub fn to_ask(&self, member: &MemberId) -> Vec<String> {
        let theirs = self.epochs.iter().filter(|(_, (from, _))| from == member);
        theirs.map(|(group, _)| group.as_str().to_owned()).take(ASKED).collect()
    }

    /// The tables that are newer than ours.
    #[must_use]
    pub fn tables(&self) -> &BTreeMap<Group, Table> {
        &self.tables
    }
}

/// Whether an epoch is later than the one that is known, if one is.
fn is_newer(epoch: &str, known: Option<&str>) -> bool {
    epoch_order(epoch) > known.and_then(epoch_order)
}

/// What a newer table leaves to `me` of mine. It only ever takes slots away: one stays where both give it to me, or the newer one gives it to
/// nobody, and keeps the *since* that I hold it by; one that only the newer gives to me is somebody else's, or nobody's, until the store says
/// so. Of all others the newer is told as it is.
#[must_use]
pub fn lose(mine: &Table, newest: &Table, me: &MemberId) -> Table {
    let is_mine = |run: Option<&SlotRun>| run.is_some_and(|run| run.judge.as_ref() == Some(me));
    let mut runs: Vec<SlotRun> = Vec::new();
    for slot in 0..SLOTS {
        let (before, after) = (mine.run(slot), newest.run(slot));
        let free = after.is_none_or(|run| run.judge.is_none());
        let stays = is_mine(before) && (is_mine(after) || free);
        let Some(run) = (if stays || is_mine(after) { before } else { after }) else {
            continue;
        };
        match runs.last_mut() {
            Some(last) if last.last + 1 == slot && same(last, run) => last.last = slot,
            _ => runs.push(SlotRun {
                first: slot,
                last: slot,
                ..run.clone()
            }),
        }
    }
    // What I hold I hold by my own stamp: the newer table may have none for me.
    let mut stamps = newest.stamps.clone();
    match mine.stamps.get(me) {
        Some(stamp) => drop(stamps.insert(me.clone(), stamp.clone())),
        None => drop(stamps.remove(me)),
    }
    Table {
        runs,
        stamps,
        ..newest.clone()
    }
}

fn same(a: &SlotRun, b: &SlotRun) -> bool {
    (&a.judge, &a.since, &a.runners) == (&b.judge, &b.since, &b.runners)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WallMs;
    use crate::store::records::FORMAT;

    fn id(name: &str) -> MemberId {
        MemberId::parse(name).unwrap()
    }

    /// Ends of stretches with judge (`-`: nobody) and since: `99 a 1-1, 4095 - 1-2`. What is left out, the table does not say.
    fn table(epoch: &str, runs: &str) -> Table {
        let mut first = 0;
        let runs = runs.split(", ").map(|run| {
            let words: Vec<_> = run.split(' ').collect();
            let last = words[0].parse().unwrap();
            let run = SlotRun {
                first,
                last,
                judge: (words[1] != "-").then(|| id(words[1])),
                since: words[2].to_owned(),
                runners: Vec::new(),
            };
            first = last + 1;
            run
        });
        let runs: Vec<_> = runs.collect();
        let judges = runs.iter().filter_map(|run| run.judge.clone());
        Table {
            v: FORMAT,
            epoch: epoch.to_owned(),
            at: WallMs(0),
            why: String::new(),
            stamps: judges.map(|judge| (judge, epoch.to_owned())).collect(),
            runs,
        }
    }

    fn lost(mine: &str, newest: &str) -> String {
        let left = lose(&table("1-1", mine), &table("2-1", newest), &id("me"));
        assert_eq!(left.epoch, "2-1");
        let run = |run: &SlotRun| {
            let judge = run.judge.as_ref().map_or("-", MemberId::as_str);
            format!("{} {judge} {}", run.last, run.since)
        };
        left.runs.iter().map(run).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_newer_table_only_takes_away() {
        // Both give it to me: it stays mine by the since that I know.
        assert_eq!(lost("4095 me 1-1", "4095 me 2-1"), "4095 me 1-1");
        // The newer gives a part to another and a part to nobody.
        assert_eq!(
            lost("4095 me 1-1", "99 me 1-1, 199 b 2-1, 4095 - 2-1"),
            "99 me 1-1, 199 b 2-1, 4095 me 1-1"
        );
        // What only the newer gives to me stays where it was, for all that I know.
        assert_eq!(lost("99 me 1-1, 4095 b 1-1", "4095 me 2-1"), "99 me 1-1, 4095 b 1-1");
        assert_eq!(lost("99 me 1-1, 4095 - 1-1", "4095 me 2-1"), "99 me 1-1, 4095 - 1-1");
        // What is not mine is as the newer says.
        assert_eq!(
            lost("99 me 1-1, 4095 b 1-1", "99 me 1-1, 4095 c 2-1"),
            "99 me 1-1, 4095 c 2-1"
        );
        // A table that does not say everything gives the rest to nobody.
        assert_eq!(lost("4095 me 1-1", "99 b 2-1"), "99 b 2-1, 4095 me 1-1");
        assert_eq!(lost("99 me 1-1", "4095 b 2-1"), "4095 b 2-1");
    }

    #[test]
    fn what_is_left_to_me_is_mine_by_my_stamp() {
        let left = lose(&table("1-1", "4095 me 1-1"), &table("2-1", "4095 - 2-1"), &id("me"));
        assert_eq!(left.stamps[&id("me")], "1-1");
        let left = lose(&table("1-1", "4095 b 1-1"), &table("2-1", "4095 me 2-1"), &id("me"));
        assert_eq!(left.stamps.get(&id("me")), None, "a stamp of what I was not given");
    }

    fn answer(epochs: &[&str], tables: &[Table]) -> StoreAnswer {
        let group = |i: usize| Group::of(&format!("g{i}")).as_str().to_owned();
        let numbered = epochs.iter().enumerate();
        StoreAnswer {
            store: true,
            epochs: numbered.map(|(i, epoch)| (group(i), (*epoch).to_owned())).collect(),
            tables: tables
                .iter()
                .enumerate()
                .map(|(i, table)| (group(i), table.clone()))
                .collect(),
            heard: Vec::new(),
            settling: false,
            notifies: false,
        }
    }

    fn mine(epochs: &[&str]) -> BTreeMap<Group, String> {
        let numbered = epochs.iter().enumerate();
        numbered
            .map(|(i, epoch)| (Group::of(&format!("g{i}")), (*epoch).to_owned()))
            .collect()
    }

    #[test]
    fn whoever_says_that_it_knows_the_newest_table_is_asked_for_it_once() {
        let (b, c) = (id("b"), id("c"));
        let mut newest = Newest::default();
        let ours = mine(&["9-9", "5-1"]);
        newest.answered(&b, &answer(&["10-1", "5-1"], &[]), &ours);
        assert_eq!((newest.to_ask(&b).len(), newest.to_ask(&c).len()), (1, 0));
        newest.answered(&c, &answer(&["10-1"], &[]), &ours);
        assert!(newest.to_ask(&c).is_empty(), "two are asked for the same");
        newest.answered(&c, &answer(&["10-2"], &[]), &ours);
        assert_eq!((newest.to_ask(&b).len(), newest.to_ask(&c).len()), (0, 1));
        // It falls silent before it gave it.
        newest.silent(&c);
        assert!(newest.to_ask(&c).is_empty());
        newest.answered(&b, &answer(&["10-1"], &[]), &ours);
        assert_eq!(newest.to_ask(&b).len(), 1);
        newest.answered(&b, &answer(&["10-1"], &[table("10-1", "4095 b 10-1")]), &ours);
        assert!(newest.to_ask(&b).is_empty());
        assert_eq!(newest.tables().len(), 1);
        // An older one, or what nobody can have written, changes nothing.
        newest.answered(&c, &answer(&["x"], &[table("9-30", "4095 c 9-30")]), &ours);
        assert_eq!(
            newest.tables().values().next().map(|table| table.epoch.as_str()),
            Some("10-1")
        );
        // Once it is acted on, it is no longer news.
        newest.answered(&c, &answer(&[], &[]), &mine(&["10-1", "5-1"]));
        assert!(newest.tables().is_empty());
    }

    #[test]
    fn one_question_asks_for_so_many_tables_that_the_answer_fits() {
        let mut newest = Newest::default();
        newest.answered(&id("b"), &answer(&["1-1"; ASKED + 5], &[]), &mine(&[]));
        assert_eq!(newest.to_ask(&id("b")).len(), ASKED);
        // Half of an answer; the other half is for everything else.
        const { assert!(ASKED * crate::store::records::MAX_DEFINITION <= 2 << 20) };
    }
}
