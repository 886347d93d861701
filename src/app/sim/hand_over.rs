//! What becomes of monitors when members come and go: one behaviour each.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::crew::Crew;
use super::stage::{Target, stage};
use super::world::{World, heard, probe, target, until};
use crate::model::Status;
use crate::store::keys;

const S: Duration = Duration::from_secs(1);
/// A lease, the second in which the director looks, and what the simulation's clock adds.
const TAKE_OVER: Duration = Duration::from_millis(7_500);

/// Two members that share sixty monitors, and `web-…`, which runs on the first of them.
async fn two(given: serde_json::Value) -> (Crew, String) {
    let world = World::new();
    world.put_alerter("ops", "chat").await;
    for n in 0..60 {
        world
            .put_monitor(&format!("other-{n}"), probe(json!({"target": "up"})))
            .await;
    }
    let crew = Crew::of(world, &["a", "b"]).await;
    until!(crew.shares().iter().all(|n| (20..=40).contains(n)));
    let web = crew.name_on("a", "web").to_string();
    crew.world.put_monitor(&web, probe(given)).await;
    until!(crew.status(&web) == Some(Status::Ok));
    (crew, web)
}

fn runs(monitor: &str) -> u64 {
    stage(|stage| stage.runs.get(monitor).map_or(0, |(runs, _)| *runs))
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_member_judged_goes_on_elsewhere_with_its_open_episode() {
    let (mut crew, web) = two(json!({})).await;
    target("t", Target::Down);
    until!(heard("ops") == [format!("{web} critical")]);
    crew.kill("a");
    let killed = Instant::now();
    until!(crew.judges(&web) == ["b"] && crew.status(&web) == Some(Status::Critical));
    assert!(killed.elapsed() < TAKE_OVER, "{:?}", killed.elapsed());
    until!(crew.shares() == [61]);
    sleep(S * 20).await;
    assert_eq!(heard("ops").len(), 1, "{:?}", heard("ops"));
    target("t", Target::Up);
    until!(heard("ops") == [format!("{web} critical"), format!("{web} ok")] && crew.world.is_level().await);
    assert_eq!(crew.world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_not_yet_a_status_are_counted_on_by_the_next_judge() {
    let (mut crew, web) = two(json!({"interval": "10s", "critical-threshold": 4, "warning-threshold": 4})).await;
    target("t", Target::Down);
    let before = runs(&web);
    until!(runs(&web) >= before + 3);
    // Written down at most every five seconds.
    sleep(S * 6).await;
    crew.kill("a");
    let killed = runs(&web);
    until!(heard("ops") == [format!("{web} critical")]);
    assert!(runs(&web) - killed <= 2, "{} runs more", runs(&web) - killed);
}

#[tokio::test(start_paused = true)]
async fn a_planned_stop_hands_over_without_a_pause_and_repeats_nothing() {
    let (mut crew, web) = two(json!({})).await;
    target("t", Target::Down);
    until!(heard("ops") == [format!("{web} critical")]);
    let began = Instant::now();
    assert!(crew.stop("a").await, "it ends clean");
    assert!(began.elapsed() < S * 2, "{:?}", began.elapsed());
    assert_eq!(crew.judges(&web), ["b"]);
    let pause = crew.longest_pause(&web, S * 10).await;
    assert!(pause <= S * 2 + S / 10, "a run was missed: {pause:?}");
    assert_eq!(heard("ops").len(), 1);
    target("t", Target::Up);
    until!(heard("ops").len() == 2 && crew.world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_of_all_members_repeats_and_forgets_nothing() {
    let (mut crew, web) = two(json!({})).await;
    crew.start("c").await;
    target("t", Target::Down);
    until!(heard("ops") == [format!("{web} critical")]);
    for name in ["a", "b", "c"] {
        assert!(crew.stop(name).await);
        sleep(S * 5).await;
        crew.start(name).await;
        sleep(S * 30).await;
    }
    assert_eq!(heard("ops").len(), 1, "{:?}", heard("ops"));
    target("t", Target::Up);
    until!(heard("ops").len() == 2 && crew.world.is_level().await);
    assert_eq!(crew.shares().iter().sum::<usize>(), 61);
    assert!(crew.shares().iter().all(|n| *n >= 15), "{:?}", crew.shares());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_comes_back_from_behind_a_dead_line_writes_nothing_of_what_it_lost() {
    let (crew, web) = two(json!({})).await;
    crew.line("a").set_unavailable(true);
    crew.line("a").set_watches_stalled(true);
    until!(crew.judges(&web).contains(&"b".to_owned()));
    // Only the one behind the dead line sees this: to the other one the target is up again by the time it looks.
    target("t", Target::Down);
    until!(heard("ops") == [format!("{web} critical")]);
    target("t", Target::Up);
    until!(heard("ops") == [format!("{web} critical"), format!("{web} ok")]);
    crew.line("a").set_unavailable(false);
    crew.line("a").set_watches_stalled(false);
    until!(crew.shares().iter().all(|n| *n >= 20));
    sleep(S * 120).await;
    assert_eq!(heard("ops").len(), 2, "{:?}", heard("ops"));
    assert_eq!((crew.world.pasts().await.len(), crew.judges(&web).len()), (1, 1));
    until!(crew.world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_store_moves_nothing_when_it_wakes() {
    let (crew, _) = two(json!({})).await;
    let tables = || async {
        let mut tables = crew.world.list(&keys::plans()).await;
        tables.retain(|entry| entry.key.as_str().ends_with("/table"));
        tables.iter().map(|entry| entry.rev).collect::<Vec<_>>()
    };
    let before = tables().await;
    crew.world.faults.freeze();
    for name in ["a", "b"] {
        crew.line(name).set_unavailable(true);
    }
    sleep(S * 20).await;
    for name in ["a", "b"] {
        crew.line(name).set_unavailable(false);
    }
    crew.world.faults.wake();
    sleep(S * 60).await;
    assert_eq!(tables().await, before);
    assert_eq!(crew.shares().iter().sum::<usize>(), 61);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_lease_time_is_taken_up_while_running_and_moves_nothing() {
    let (crew, web) = two(json!({})).await;
    let before = crew.judges(&web);
    let settings = json!({"HeartbeatInterval": "1s", "HeartbeatTimeout": "3s"});
    let put = crate::store::Op::Put(keys::config(), serde_json::to_vec(&settings).unwrap().into(), None);
    assert!(crew.world.write(vec![put]).await);
    let lease = |name: &str| {
        let rights = crew.member(name).rights.borrow().clone();
        rights.session.map(|session| session.ttl())
    };
    until!(lease("a") == Some(S * 3) && lease("b") == Some(S * 3));
    sleep(S * 30).await;
    assert_eq!(crew.judges(&web), before);
    assert_eq!(crew.shares().iter().sum::<usize>(), 61);
}
