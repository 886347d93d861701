//! What the model is there to find, it finds: a rule that is left out leads to something wrong.

use super::*;

fn finds(wrong: Wrong, bounds: Bounds) -> String {
    let violation = search(Bounds { wrong, ..bounds }).expect_err("nothing wrong is found");
    violation.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn without_writing_down_that_something_is_being_sent_a_death_leaves_the_far_end_wrong() {
    let bounds = Bounds {
        changes: 2,
        crashes: 1,
        ..NOTHING
    };
    let violation = finds(Wrong::NoIntent, bounds);
    assert!(violation.starts_with("the far end is wrong"), "{violation}");
}

#[test]
fn no_answer_taken_for_a_refusal_tells_twice_or_leaves_something_wrong() {
    let bounds = Bounds {
        changes: 2,
        lost_commits: 2,
        ..NOTHING
    };
    finds(Wrong::UnknownIsRefused, bounds);
}

#[test]
fn what_a_dead_notifier_sent_does_no_harm_even_if_it_is_taken() {
    // Its guards fit one state of both keys, and whoever works the alerter now asks for that, too.
    explore(Bounds {
        changes: 2,
        crashes: 1,
        lost_commits: 1,
        wrong: Wrong::NoFence,
        ..NOTHING
    });
}

#[test]
fn what_was_told_elsewhere_and_is_not_written_down_is_told_again_or_stays_open() {
    let bounds = Bounds {
        changes: 1,
        elsewhere: 1,
        ..NOTHING
    };
    finds(Wrong::NotSaid, bounds);
}

#[test]
fn a_record_that_another_member_wrote_unseen_is_lost_without_asking_for_it() {
    let bounds = Bounds {
        changes: 1,
        elsewhere: 1,
        ..NOTHING
    };
    let violation = finds(Wrong::NoBase, bounds);
    assert!(violation.starts_with("the far end is wrong"), "{violation}");
}

#[test]
fn a_lane_that_asks_nobody_tells_although_it_may_not() {
    let bounds = Bounds {
        changes: 1,
        withheld: 1,
        ..NOTHING
    };
    let violation = finds(Wrong::NotWithheld, bounds);
    assert!(violation.starts_with("told although"), "{violation}");
}
