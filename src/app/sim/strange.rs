//! Members that find another store than the one before, and what an operator says is to become of it.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::crew::Crew;
use super::stage::Target;
use super::without::{LOST, S, all_is_well, lines, members};
use super::world::{all_heard, heard, probe, target, until};
use crate::cutoff::{Deciding, Decision, State, Undecided};
use crate::model::Status;
use crate::store::keys;

#[tokio::test(start_paused = true)]
async fn a_store_that_was_wiped_is_not_touched_and_takes_nothing_away() {
    let (crew, web) = members(&["a", "b"]).await;
    crew.world.faults.stop();
    sleep(LOST).await;
    until!(crew.state("a") == State::Outage);
    crew.world.wipe();
    crew.world.faults.start();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Strange));
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 300).await;
    assert_eq!(crew.shares().iter().sum::<usize>(), 31);
    assert!(crew.world.list(&keys::all()).await.is_empty(), "something was written");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_wiped_and_back_at_once_is_not_touched_either() {
    for away in [0, 300, 2_000, 5_000, 8_000] {
        let (crew, web) = members(&["a", "b"]).await;
        crew.world.faults.stop();
        sleep(Duration::from_millis(away)).await;
        crew.world.wipe();
        crew.world.faults.start();
        until!(crew.running().iter().all(|name| crew.state(name) == State::Strange));
        assert_eq!(crew.shares().iter().sum::<usize>(), 31, "after {away} ms");
        assert!(crew.world.list(&keys::all()).await.is_empty(), "after {away} ms");
        target("t", Target::Down);
        until!(heard("ops") == lines(&web, &["critical"]));
        sleep(S * 60).await;
        assert!(crew.world.list(&keys::all()).await.is_empty(), "after {away} ms");
    }
}

/// Members whose store is wiped while `web` has an incident that is told and recorded.
async fn wiped(names: &[&str]) -> (Crew, String) {
    let (crew, web) = members(names).await;
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 5).await;
    crew.world.faults.stop();
    crew.world.wipe();
    crew.world.faults.start();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Strange));
    (crew, web)
}

fn deciding(crew: &Crew, name: &str) -> Deciding {
    crew.member(name).deciding.clone().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wiped_store_that_is_restored_by_one_member_is_gone_on_with_by_all() {
    let (crew, web) = wiped(&["a", "b", "c"]).await;
    let shares = crew.shares();
    let choice = deciding(&crew, "b").choice().await.unwrap();
    assert_eq!(
        (choice.copy.monitors, choice.there.monitors, choice.there.id),
        (31, 0, None)
    );
    let restored = deciding(&crew, "b").decide(Decision::Restore).await.unwrap();
    assert!(restored.written > 31);
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    sleep(S * 60).await;
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    assert_eq!(crew.shares(), shares, "nothing moves");
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    all_is_well(&crew).await;
    assert_eq!(crew.world.pasts().await.len(), 1);
    // It is over.
    let refused = deciding(&crew, "b").decide(Decision::Restore).await.unwrap_err();
    assert_eq!(refused, Undecided::NotStrange(State::Joined));
}

#[tokio::test(start_paused = true)]
async fn what_members_found_before_a_wiped_store_is_restored_is_in_it_afterwards() {
    let (crew, web) = wiped(&["a", "b"]).await;
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    target("t", Target::Down);
    until!(heard("ops").len() == 3);
    sleep(S * 5).await;
    // By the member that does not judge it: what that one knows is of before.
    deciding(&crew, "b").decide(Decision::Restore).await.unwrap();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    sleep(S * 60).await;
    assert_eq!(heard("ops").len(), 3, "{:?}", all_heard());
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok", "critical", "ok"]));
    all_is_well(&crew).await;
    assert_eq!(crew.world.pasts().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wiped_store_that_is_adopted_by_one_member_is_taken_as_it_is_by_all() {
    let (crew, web) = wiped(&["a", "b", "c"]).await;
    deciding(&crew, "b").decide(Decision::Adopt).await.unwrap();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    until!(crew.shares().iter().sum::<usize>() == 0);
    // What was told of what is gone ends.
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    crew.world.put_alerter("ops", "chat").await;
    let new = probe(json!({}));
    crew.world.put_monitor("new", new).await;
    until!(heard("ops").last() == Some(&"new critical".to_owned()));
    assert_eq!(heard("ops").len(), 3, "{:?}", all_heard());
    target("t", Target::Up);
    all_is_well(&crew).await;
    assert_eq!(heard("ops").len(), 4, "{:?}", all_heard());
}

#[tokio::test(start_paused = true)]
async fn another_store_with_the_same_monitor_is_adopted_and_the_monitor_judged_anew() {
    let (crew, web) = wiped(&["a", "b"]).await;
    crew.world.store.identity().await.unwrap();
    crew.world.put_alerter("ops", "chat").await;
    crew.world.put_monitor(&web, probe(json!({}))).await;
    crew.world.put_monitor("other-1", probe(json!({"target": "up"}))).await;
    deciding(&crew, "a").decide(Decision::Adopt).await.unwrap();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    until!(crew.shares().iter().sum::<usize>() == 2);
    until!(crew.status(&web) == Some(Status::Critical));
    sleep(S * 60).await;
    target("t", Target::Up);
    until!(heard("ops").last() == Some(&format!("{web} ok")));
    all_is_well(&crew).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_down_follows_when_it_is_back() {
    for decision in [Decision::Adopt, Decision::Restore] {
        let (mut crew, web) = members(&["a", "b", "c"]).await;
        crew.kill("a");
        crew.world.faults.stop();
        crew.world.wipe();
        crew.world.faults.start();
        until!(crew.running().iter().all(|name| crew.state(name) == State::Strange));
        deciding(&crew, "b").decide(decision).await.unwrap();
        until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
        sleep(S * 30).await;
        crew.start("a").await;
        until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
        if decision == Decision::Adopt {
            crew.world.put_alerter("ops", "chat").await;
            crew.world.put_monitor(&web, probe(json!({}))).await;
        }
        target("t", Target::Down);
        until!(heard("ops") == lines(&web, &["critical"]));
        target("t", Target::Up);
        all_is_well(&crew).await;
        assert_eq!(heard("ops"), lines(&web, &["critical", "ok"]), "{decision:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_decisions_at_once_one_is_made_and_the_other_is_told() {
    for (one, other) in [
        (Decision::Adopt, Decision::Restore),
        (Decision::Restore, Decision::Adopt),
        (Decision::Restore, Decision::Restore),
        (Decision::Adopt, Decision::Adopt),
    ] {
        let (crew, web) = wiped(&["a", "b", "c"]).await;
        crew.world.faults.set_delay(Duration::from_millis(20));
        let (a, b) = (deciding(&crew, "a"), deciding(&crew, "b"));
        let made = tokio::join!(a.decide(one), b.decide(other));
        let refused = match made {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("{one:?} and {other:?}: {both:?}"),
        };
        assert!(matches!(refused, Undecided::Meanwhile(_)), "{refused}");
        crew.world.faults.set_delay(Duration::ZERO);
        until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
        let left = crew.shares().iter().sum::<usize>();
        assert!(left == 0 || left == 31, "half of it: {left}");
        target("t", Target::Up);
        until!(heard("ops") == lines(&web, &["critical", "ok"]));
        all_is_well(&crew).await;
    }
}
