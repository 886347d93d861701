//! Members that lose the store, or one another: one behaviour each. `cutoff::rules` has the states, and what leads from one to the next.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::crew::Crew;
use super::stage::{Target, stage};
use super::world::{World, all_heard, heard, monitor, probe, target, until};
use crate::cutoff::State;
use crate::model::Status;
use crate::store::{Op, keys};

pub(super) const S: Duration = Duration::from_secs(1);
/// A lease and a round: so long it takes until a member acts on the loss of its store.
pub(super) const LOST: Duration = Duration::from_secs(12);

/// Members that share thirty monitors, and `web-…`, which runs on the first of them.
pub(super) async fn members(names: &[&str]) -> (Crew, String) {
    sharing(names, true).await
}

/// The same, with copies of the store or without.
pub(super) async fn sharing(names: &[&str], copies: bool) -> (Crew, String) {
    let world = World::new();
    world.put_alerter("ops", "chat").await;
    for n in 0..30 {
        let spec = probe(json!({"target": "up"}));
        world.put_monitor(&format!("other-{n}"), spec).await;
    }
    let crew = match copies {
        true => Crew::with_copies(world, names).await,
        false => Crew::of(world, names).await,
    };
    until!(crew.shares().iter().sum::<usize>() == 30 && crew.shares().iter().all(|n| *n > 0));
    let web = crew.name_on(names[0], "web").to_string();
    crew.world.put_monitor(&web, probe(json!({}))).await;
    until!(crew.status(&web) == Some(Status::Ok));
    // The copies are written a moment later.
    sleep(S * 3).await;
    (crew, web)
}

pub(super) fn runs(monitor: &str) -> u64 {
    stage(|stage| stage.runs.get(monitor).map_or(0, |(runs, _)| *runs))
}

pub(super) fn lines(web: &str, statuses: &[&str]) -> Vec<String> {
    statuses.iter().map(|status| format!("{web} {status}")).collect()
}

/// Nothing is open, nothing was repeated, and the store knows of it.
pub(super) async fn all_is_well(crew: &Crew) {
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    sleep(S * 30).await;
    until!(super::check::nothing_is_recorded(&crew.world).await.is_ok());
    assert_eq!(super::check::the_history_is_sound(&crew.world).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn without_the_store_everything_goes_on_and_nothing_is_repeated_when_it_is_back() {
    let (crew, web) = members(&["a", "b", "c"]).await;
    let shares = crew.shares();
    crew.world.faults.stop();
    sleep(LOST).await;
    until!(crew.running().iter().all(|name| crew.state(name) == State::Outage));
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 600).await;
    let before = runs(&web);
    sleep(S * 10).await;
    assert!(runs(&web) >= before + 9, "it is not run");
    crew.world.faults.start();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    sleep(S * 30).await;
    assert_eq!(heard("ops"), lines(&web, &["critical"]));
    assert_eq!(crew.shares(), shares, "nothing moves");
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    all_is_well(&crew).await;
    assert_eq!(crew.world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_ends_without_the_store_has_ended_when_it_is_back() {
    let (crew, web) = members(&["a", "b"]).await;
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 5).await;
    crew.world.faults.stop();
    sleep(LOST).await;
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    // Another one begins and ends.
    target("t", Target::Down);
    until!(heard("ops").len() == 3);
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok", "critical", "ok"]));
    crew.world.faults.start();
    all_is_well(&crew).await;
    assert_eq!(heard("ops").len(), 4, "{:?}", all_heard());
    assert_eq!(crew.world.pasts().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_store_that_wakes_without_leases_moves_nothing() {
    let (crew, web) = members(&["a", "b", "c"]).await;
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    let shares = crew.shares();
    crew.world.faults.freeze();
    sleep(S * 20).await;
    crew.world.faults.wake();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    sleep(S * 60).await;
    assert_eq!(crew.shares(), shares);
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    target("t", Target::Up);
    all_is_well(&crew).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_killed_without_the_store_goes_on_from_its_copy() {
    let (mut crew, web) = members(&["a", "b"]).await;
    crew.world.faults.stop();
    sleep(LOST).await;
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 5).await;
    crew.kill("a");
    sleep(S * 5).await;
    crew.start("a").await;
    until!(crew.status(&web) == Some(Status::Critical));
    let before = runs(&web);
    sleep(S * 120).await;
    assert!(runs(&web) > before + 100);
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    crew.world.faults.start();
    all_is_well(&crew).await;
    assert_eq!(crew.world.pasts().await.len(), 1);
}

/// Until now it is of last week, and so is its copy.
#[tokio::test(start_paused = true)]
async fn a_member_that_begins_without_the_store_runs_nothing_that_others_were_given_since() {
    let (mut crew, web) = members(&["a", "b", "c"]).await;
    crew.kill("a");
    until!(crew.shares().iter().sum::<usize>() == 31);
    crew.world.faults.stop();
    sleep(LOST).await;
    crew.start("a").await;
    until!(crew.state("a") == State::Outage);
    until!(crew.member("a").lanes.monitors() == 0);
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 120).await;
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    crew.world.faults.start();
    until!(crew.shares().iter().all(|n| *n > 5));
    target("t", Target::Up);
    all_is_well(&crew).await;
    assert_eq!(heard("ops"), lines(&web, &["critical", "ok"]));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_begins_without_the_store_runs_what_it_was_given_after_its_copy_was_written() {
    let (mut crew, _) = members(&["a", "b", "c"]).await;
    let before = crew.member("a").lanes.monitors();
    crew.kill("b");
    until!(crew.shares().iter().sum::<usize>() == 31);
    let after = crew.member("a").lanes.monitors();
    assert!(after > before);
    // What the watch brings is written a second later.
    crew.kill("a");
    crew.world.faults.stop();
    sleep(LOST).await;
    crew.start("a").await;
    until!(crew.state("a") == State::Isolated || crew.state("a") == State::Outage);
    until!(crew.member("a").lanes.monitors() == after);
    crew.world.faults.start();
    crew.start("b").await;
    all_is_well(&crew).await;
}

#[tokio::test(start_paused = true)]
async fn changes_that_were_made_without_the_store_outlive_the_process_that_made_them() {
    let (mut crew, web) = members(&["a", "b"]).await;
    crew.world.faults.stop();
    sleep(LOST).await;
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 5).await;
    crew.kill("a");
    // The lease of the process that is dead gets its full time anew; the next one is there before it ends.
    crew.world.faults.start();
    crew.start("a").await;
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    sleep(S * 30).await;
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    target("t", Target::Up);
    all_is_well(&crew).await;
    assert_eq!(heard("ops"), lines(&web, &["critical", "ok"]));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_cut_off_gives_way_to_those_who_have_the_store() {
    let (crew, web) = members(&["a", "b", "c"]).await;
    crew.line("a").set_unavailable(true);
    until!(crew.state("a") == State::CutOff);
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    until!(crew.member("a").lanes.monitors() == 0);
    sleep(S * 120).await;
    assert_eq!(heard("ops").len(), 1, "one of them tells: {:?}", all_heard());
    crew.line("a").set_unavailable(false);
    until!(crew.state("a") == State::Joined);
    until!(crew.shares().iter().all(|n| *n > 5));
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    target("t", Target::Up);
    all_is_well(&crew).await;
    assert_eq!(heard("ops"), lines(&web, &["critical", "ok"]));
    assert_eq!(crew.world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_can_ask_nobody_is_silent_for_a_minute_and_then_tells() {
    let (crew, web) = members(&["a", "b"]).await;
    crew.line("a").set_unavailable(true);
    crew.hub.cut("a", "b", true);
    until!(crew.state("a") == State::Isolated);
    let isolated = Instant::now();
    // The others have its monitors by now, and tell.
    until!(crew.member("b").lanes.monitors() == 31);
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    assert!(isolated.elapsed() < S * 50);
    sleep(S * 55 - isolated.elapsed()).await;
    assert_eq!(heard("ops").len(), 1, "too early: {:?}", all_heard());
    until!(heard("ops").len() == 2);
    // The one case in which two tell: neither can know of the other.
    stage(|stage| stage.without_store.insert(("ops".to_owned(), web.clone())));
    // It is back: what it told, it claims; nobody tells it again, and the end is told.
    crew.line("a").set_unavailable(false);
    crew.hub.cut("a", "b", false);
    until!(crew.state("a") == State::Joined);
    sleep(S * 30).await;
    assert_eq!(heard("ops").len(), 2, "{:?}", all_heard());
    target("t", Target::Up);
    all_is_well(&crew).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_reaches_nothing_at_all_tells_nothing() {
    let (crew, web) = members(&["a"]).await;
    crew.line("a").set_unavailable(true);
    crew.member("a").passes.send_replace(false);
    until!(crew.state("a") == State::Isolated);
    target("t", Target::Down);
    sleep(S * 300).await;
    assert!(heard("ops").is_empty());
    crew.member("a").passes.send_replace(true);
    until!(heard("ops") == lines(&web, &["critical"]));
    target("t", Target::Up);
    crew.line("a").set_unavailable(false);
    all_is_well(&crew).await;
    assert_eq!(heard("ops"), lines(&web, &["critical", "ok"]));
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_deleted_while_its_judge_is_away_is_closed_when_it_is_back() {
    let (crew, web) = members(&["a"]).await;
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 5).await;
    crew.line("a").set_unavailable(true);
    until!(crew.state("a") == State::Outage);
    assert!(crew.world.remove_monitor(&web).await);
    let put = Op::Put(
        keys::monitor(&monitor("new")),
        super::world::definition(&probe(json!({"target": "up"}))),
        None,
    );
    assert!(crew.world.write(vec![put]).await);
    sleep(S * 60).await;
    assert_eq!(runs("new"), 0);
    crew.line("a").set_unavailable(false);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    until!(runs("new") > 0);
    all_is_well(&crew).await;
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_edited_while_its_judge_is_away_is_judged_anew_when_it_is_back() {
    let (crew, web) = members(&["a"]).await;
    crew.line("a").set_unavailable(true);
    until!(crew.state("a") == State::Outage);
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    crew.world.put_monitor(&web, probe(json!({"target": "up"}))).await;
    sleep(S * 60).await;
    assert_eq!(heard("ops").len(), 1, "the edit is not known yet");
    crew.line("a").set_unavailable(false);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    all_is_well(&crew).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_and_goes_repeats_nothing() {
    let (crew, web) = members(&["a", "b"]).await;
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    for n in 0..12_u64 {
        crew.world.faults.stop();
        sleep(S * 3 + S * u32::try_from(n).unwrap()).await;
        crew.world.faults.start();
        sleep(Duration::from_millis(700 * n)).await;
    }
    sleep(S * 60).await;
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    target("t", Target::Up);
    all_is_well(&crew).await;
    assert_eq!(heard("ops"), lines(&web, &["critical", "ok"]));
}
