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
fn what_a_dead_notifier_sent_would_do_harm_if_it_were_taken() {
    let bounds = Bounds {
        changes: 3,
        crashes: 1,
        lost_commits: 1,
        ..NOTHING
    };
    finds(Wrong::NoFence, bounds);
}
