//! From a target's answer to what people hear: one behaviour each, with nothing in the way.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::stage::{Answer, Target, stage};
use super::world::{World, answers, heard, probe, target, until};
use crate::model::{Closed, Status, WallMs};
use crate::store::keys;

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_once_and_its_end_once_and_nothing_is_left() {
    let world = World::with_web(json!({})).await;
    target("t", Target::Down);
    until!(heard("ops") == ["web critical"]);
    sleep(S * 60).await;
    assert_eq!(heard("ops"), ["web critical"], "it stays critical, which is no news");
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"]);
    until!(world.is_level().await);
    let pasts = world.pasts().await;
    assert_eq!((pasts.len(), pasts[0].closed), (1, Closed::Recovered));
    assert!(pasts[0].count >= 60);
    sleep(S * 60).await;
    assert_eq!(heard("ops").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_threshold_tells_whom_it_names_and_the_end_is_told_to_all_of_them() {
    let mut world = World::new();
    for name in ["first", "second"] {
        world.put_alerter(name, "pager").await;
    }
    let spec = json!({
        "warning-threshold": 2, "critical-threshold": 4, "warning-alerter": ["first"], "critical-alerter": ["second"]
    });
    world.put_monitor("web", probe(spec)).await;
    world.start().await;
    world.runs("web", 1).await;
    target("t", Target::Down);
    world.runs("web", 1).await;
    sleep(S / 2).await;
    assert!(heard("first").is_empty(), "one failure is none");
    until!(heard("first") == ["web warning"]);
    assert!(heard("second").is_empty());
    until!(heard("second") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("first") == ["web warning", "web ok"] && heard("second") == ["web critical", "web ok"]);
    until!(world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn flapping_every_hundred_milliseconds_commits_once_a_second_and_the_trail_tells() {
    let world = World::with_web(json!({"interval": "50ms", "timeout": "40ms"})).await;
    until!(world.status("web") == Some(Status::Ok));
    let before = world.member().recorder.commits();
    for _ in 0..50 {
        for answer in [Target::Down, Target::Up] {
            target("t", answer);
            sleep(S / 10).await;
        }
    }
    let commits = world.member().recorder.commits() - before;
    assert!((8..=12).contains(&commits), "{commits} commits in ten seconds");
    target("t", Target::Down);
    until!(world.status("web") == Some(Status::Critical));
    sleep(S * 5).await;
    target("t", Target::Up);
    until!(heard("ops").last().is_some_and(|line| line == "web ok") && world.is_level().await);
    let pasts = world.pasts().await;
    assert!(pasts.len() >= 40, "{} of about 50 episodes are remembered", pasts.len());
}

#[tokio::test(start_paused = true)]
async fn changes_between_warning_and_critical_stand_in_the_trail_of_one_episode() {
    let world = World::with_web(json!({"critical-threshold": 3})).await;
    target("t", Target::Down);
    until!(world.status("web") == Some(Status::Critical));
    until!(heard("ops") == ["web critical"]);
    let trail = stage(|stage| stage.fars["ops"].heard[0].note.trail.clone());
    let statuses: Vec<_> = trail.iter().map(|line| line.status).collect();
    assert_eq!(statuses, [Status::Warning, Status::Critical]);
    assert_eq!(stage(|stage| stage.fars["ops"].heard[0].note.seq), 2);
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_answer_cannot_be_asked_for_is_told_unwatched_once_and_once_when_it_is_over() {
    let world = World::with_web(json!({})).await;
    target("t", Target::Unknown);
    sleep(S * 29).await;
    assert!(world.said("unwatched").is_empty());
    sleep(S * 120).await;
    let said = world.said("unwatched");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("no route"), "{said:?}");
    assert_eq!(
        world.status("web"),
        Some(Status::Ok),
        "our own fault is not the target's"
    );
    target("t", Target::Up);
    sleep(S * 60).await;
    assert_eq!(world.said("watched again").len(), 1);
    assert!(heard("ops").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_disabled_while_unwatched_is_not_said_to_be_watched_again() {
    let world = World::with_web(json!({})).await;
    target("t", Target::Unknown);
    sleep(S * 60).await;
    assert_eq!(world.said("unwatched").len(), 1);
    world.put_monitor("web", probe(json!({"disable": true}))).await;
    sleep(S * 60).await;
    assert!(world.said("watched again").is_empty());
}

#[tokio::test(start_paused = true)]
async fn untagged_monitors_are_orphans_where_every_member_has_tags_and_each_is_named_once() {
    let mut world = World::new();
    world.tags = vec!["eu".to_owned()];
    world.put_monitor("web", probe(json!({}))).await;
    world.put_monitor("eu", probe(json!({"member-tag": "eu"}))).await;
    world.start().await;
    world.runs("eu", 3).await;
    assert!(stage(|stage| !stage.runs.contains_key("web")));
    until!(world.said("unable to find fitting member for check web").len() == 1);
    world.put_monitor("db", probe(json!({}))).await;
    until!(world.said("unable to find fitting member for check db").len() == 1);
    sleep(S * 60).await;
    assert_eq!(world.said("unable to find").len(), 2);
    // Once it may run somewhere it does.
    world.put_monitor("web", probe(json!({"member-tag": "eu"}))).await;
    world.runs("web", 3).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_has_no_tags_has_no_orphans_and_says_so_of_none_not_even_at_its_end() {
    let mut world = World::with_web(json!({})).await;
    let events = world.member().events.clone();
    assert!(world.stop().await);
    let said: Vec<_> = events
        .newest_first()
        .iter()
        .map(|event| event.message.clone())
        .collect();
    assert!(!said.iter().any(|text| text.contains("unable to find")), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_any_length_and_kind_is_recorded_and_told() {
    let says = "\u{1}".repeat(3_000);
    let spec =
        json!({"says": says, "critical-threshold": 3, "description": "d".repeat(100_000), "tags": ["t".repeat(9_000)]});
    let world = World::with_web(spec).await;
    target("t", Target::Down);
    until!(heard("ops") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!(world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_silenced_is_recorded_and_told_when_the_silence_ends() {
    let world = World::with_web(json!({})).await;
    world.silence("s", "w*", WallMs::now().plus(S * 30)).await;
    target("t", Target::Down);
    until!(!world.keys(&keys::checkpoints()).await.is_empty());
    sleep(S * 20).await;
    assert!(heard("ops").is_empty());
    until!(heard("ops") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_fails_is_told_when_it_works_again_and_holds_up_nobody_else() {
    let mut world = World::new();
    for name in ["ops", "other"] {
        world.put_alerter(name, "chat").await;
    }
    world
        .put_monitor("web", probe(json!({"critical-alerter": ["ops", "other"]})))
        .await;
    world.start().await;
    answers("ops", Answer::Fails(crate::alerters::Retry::Unreachable));
    target("t", Target::Down);
    until!(heard("other") == ["web critical"]);
    sleep(S * 300).await;
    answers("ops", Answer::Taken);
    until!(heard("ops") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("ops").len() == 2 && heard("other").len() == 2 && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn every_run_is_accounted_for() {
    let world = World::with_web(json!({"takes": "300ms", "timeout": "900ms"})).await;
    world
        .put_monitor("slow", probe(json!({"takes": "1500ms", "timeout": "800ms"})))
        .await;
    sleep(S * 100).await;
    let (ledger, _, _) = world.member().lanes.totals();
    let begun: u64 = stage(|stage| stage.runs.values().map(|(runs, _)| runs).sum());
    assert_eq!(
        (ledger.ran, ledger.due()),
        (begun, ledger.ran + ledger.skipped() + ledger.missed)
    );
    assert!(
        (195..=210).contains(&ledger.due()),
        "two monitors for 100 s: {ledger:?}"
    );
}
