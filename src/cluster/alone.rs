//! What tables give a member that cannot reach the store and stands on its copy of it.
//!
//! Its monitors stay its own. Alerters are another matter: whoever works one may be out of reach, so every member may tell what it has to; who does is settled entry by
//! entry, and not by the table.

use std::borrow::Cow;

use crate::model::{Group, MemberId};
use crate::store::records::Table;

/// The stamp of the seat that a member takes in its own copy, to work alerters.
pub const STAMP: &str = "alone";

/// A table of the copy as it counts for `me`.
pub(super) fn given<'t>(group: &Group, table: &'t Table, me: &MemberId) -> Cow<'t, Table> {
    if *group != Group::notify() {
        return Cow::Borrowed(table);
    }
    let mut table = table.clone();
    for run in &mut table.runs {
        // What was mine anyway is by the same right: nothing of it is disturbed.
        if run.judge.as_ref() != Some(me) {
            run.judge = Some(me.clone());
            STAMP.clone_into(&mut run.since);
        }
    }
    table.stamps.insert(me.clone(), STAMP.to_owned());
    Cow::Owned(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WallMs;
    use crate::store::records::{FORMAT, SLOTS, SlotRun};

    fn table(me: &MemberId) -> Table {
        let run = |first, last, judge: Option<&str>, since: &str| SlotRun {
            first,
            last,
            judge: judge.map(|judge| MemberId::parse(judge).unwrap()),
            since: since.to_owned(),
            runners: Vec::new(),
        };
        Table {
            v: FORMAT,
            epoch: "7-2".to_owned(),
            at: WallMs(0),
            why: String::new(),
            runs: vec![
                run(0, 99, Some(me.as_str()), "7-1"),
                run(100, 199, Some("other"), "7-2"),
                run(200, SLOTS - 1, None, "7-2"),
            ],
            stamps: [(me.clone(), "7-1".to_owned())].into(),
        }
    }

    #[test]
    fn alone_a_member_works_all_alerters_and_its_own_by_the_same_right_as_before() {
        let me = MemberId::parse("me").unwrap();
        let table = table(&me);
        let given = given(&Group::notify(), &table, &me);
        let of = |run: &SlotRun| (run.judge.clone(), run.since.clone());
        let runs: Vec<_> = given.runs.iter().map(of).collect();
        let (mine, alone) = (
            (Some(me.clone()), "7-1".to_owned()),
            (Some(me.clone()), STAMP.to_owned()),
        );
        assert_eq!(runs, [mine, alone.clone(), alone]);
        assert_eq!(given.stamps[&me], STAMP);
    }

    #[test]
    fn monitors_stay_with_whom_the_table_gives_them_to() {
        let me = MemberId::parse("me").unwrap();
        let table = table(&me);
        assert_eq!(*given(&Group::of(""), &table, &me), table);
    }
}
