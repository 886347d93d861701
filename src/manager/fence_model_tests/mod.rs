//! Who may write of a monitor: every order of events there is, within bounds, of two members, a director and an operator.
//!
//! Breadth first, so that a wrong write comes with the shortest way to it. Tables and stamps are the planner's, what a table gives is
//! [`Holding`]'s, what a commit writes and under which guards is [`commits::commit`]'s and the tenure's, and [`Guard::holds`] says whether
//! it is made. What everybody knows is as old as it likes to be, and a commit is made as late as it likes to be, or twice.
//!
//! Left out: how one director follows another, and the episode of a monitor that nobody judges.

mod kit;
mod search;
mod step;

use crate::store::Guard;
use search::{Found, explore};

/// How often what may happen.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    moves: u8,
    edits: u8,
    restarts: u8,
    expiries: u8,
    /// Times that the checkpoint is written: opened, closed, opened again.
    writes: u64,
}

/// What is made wrong on purpose.
#[derive(Debug, Clone, Copy, Default)]
struct Wrong {
    /// Guards that are left out.
    without: Option<fn(&Guard) -> bool>,
    /// Every change of a group's table refuses everybody, as if tables had no stamps.
    whole_table: bool,
    /// Who loses a slot keeps the stamp.
    stamp_stays: bool,
    /// Whoever had a slot and has it now is taken to have had it all the time.
    no_since: bool,
}

const STALE_HOLDER: &str = "by one who does not hold the slot";
const LOST_BETWEEN: &str = "by one who had lost the slot and has it again";
const TWIN: &str = "by a process that another has taken the place of";
const STALE_DEFINITION: &str = "by another definition";
const OVERWRITES: &str = "over a checkpoint that it does not know";
const AGAIN: &str = "of an episode that is over, to open it again";
const NEEDLESS: &str = "refused, and nothing that it builds on has changed";

fn bounds(moves: u8, edits: u8, restarts: u8, expiries: u8) -> Bounds {
    Bounds {
        moves,
        edits,
        restarts,
        expiries,
        writes: 3,
    }
}

fn shorter(bounds: Bounds) -> Bounds {
    Bounds { writes: 2, ..bounds }
}

fn nothing_wrong(bounds: Bounds, at_least: usize) {
    let Found { states, wrong } = explore(bounds, Wrong::default(), None);
    assert!(wrong.is_empty(), "{bounds:?}: {wrong:#?}");
    assert!(states > at_least, "{states} states are too few to mean anything");
}

/// The model finds what it is there to find.
#[track_caller]
fn finds(what: &str, bounds: Bounds, wrong: Wrong) {
    let found = explore(bounds, wrong, Some(what));
    assert!(found.wrong.contains_key(what), "{bounds:?}: {:#?}", found.wrong);
}

#[test]
fn slots_that_go_back_and_forth_are_written_by_whoever_holds_them() {
    nothing_wrong(bounds(2, 0, 0, 0), 10_000);
}

#[test]
fn an_edit_that_moves_the_monitor_takes_it_from_whoever_held_it() {
    nothing_wrong(shorter(bounds(1, 1, 0, 0)), 10_000);
    nothing_wrong(bounds(0, 2, 0, 0), 3_000);
}

#[test]
fn of_two_processes_of_one_member_only_the_later_writes() {
    nothing_wrong(bounds(0, 0, 1, 0), 3_000);
}

#[test]
fn a_lease_that_is_over_writes_nothing_whatever_else_happens() {
    nothing_wrong(bounds(1, 0, 0, 1), 3_000);
    nothing_wrong(bounds(0, 1, 0, 1), 3_000);
}

#[test]
#[ignore = "a few minutes: a million states and more"]
fn the_same_with_larger_bounds() {
    nothing_wrong(bounds(3, 0, 0, 0), 900_000);
    nothing_wrong(bounds(1, 0, 1, 0), 300_000);
    nothing_wrong(bounds(1, 1, 0, 1), 200_000);
}

#[test]
fn without_the_session_a_paused_twin_writes() {
    let without: fn(&Guard) -> bool = |guard| matches!(guard, Guard::Lease(..));
    let wrong = Wrong {
        without: Some(without),
        ..Wrong::default()
    };
    finds(TWIN, bounds(0, 0, 1, 0), wrong);
}

#[test]
fn without_the_seat_one_who_lost_the_slot_writes() {
    let without: fn(&Guard) -> bool = |guard| matches!(guard, Guard::Is(..));
    let wrong = Wrong {
        without: Some(without),
        ..Wrong::default()
    };
    finds(STALE_HOLDER, bounds(1, 0, 0, 0), wrong);
}

#[test]
fn without_the_revision_of_the_checkpoint_it_is_overwritten() {
    let without: fn(&Guard) -> bool =
        |guard| matches!(guard, Guard::Rev(key, _) if key.as_str().starts_with("checkpoint/"));
    let wrong = Wrong {
        without: Some(without),
        ..Wrong::default()
    };
    finds(OVERWRITES, bounds(0, 0, 0, 0), wrong);
}

#[test]
fn without_the_revision_of_the_definition_one_who_does_not_judge_it_any_more_writes() {
    let without: fn(&Guard) -> bool =
        |guard| matches!(guard, Guard::Rev(key, _) if key.as_str().starts_with("monitor/"));
    let wrong = Wrong {
        without: Some(without),
        ..Wrong::default()
    };
    finds(STALE_DEFINITION, bounds(0, 1, 0, 0), wrong);
}

#[test]
fn without_asking_for_its_past_an_episode_that_is_over_is_opened_again() {
    let without: fn(&Guard) -> bool = |guard| matches!(guard, Guard::Absent(..));
    let wrong = Wrong {
        without: Some(without),
        ..Wrong::default()
    };
    finds(AGAIN, bounds(0, 0, 0, 0), wrong);
}

#[test]
fn a_stamp_that_stays_with_who_loses_a_slot_lets_them_write() {
    let wrong = Wrong {
        stamp_stays: true,
        ..Wrong::default()
    };
    finds(STALE_HOLDER, bounds(1, 0, 0, 0), wrong);
}

#[test]
fn without_since_a_slot_that_came_back_is_taken_for_one_that_never_left() {
    let wrong = Wrong {
        no_since: true,
        ..Wrong::default()
    };
    finds(LOST_BETWEEN, bounds(2, 0, 0, 0), wrong);
}

#[test]
fn the_revision_of_the_table_in_place_of_stamps_refuses_those_who_only_gain() {
    let wrong = Wrong {
        whole_table: true,
        ..Wrong::default()
    };
    finds(NEEDLESS, bounds(1, 0, 0, 0), wrong);
}
