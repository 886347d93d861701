//! Edits of definitions under a failing monitor.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;

use super::stage::{Target, stage};
use super::world::{World, heard, monitor, probe, target, until};
use crate::model::{Closed, Status};
use crate::store::{Op, keys};

const S: Duration = Duration::from_secs(1);

/// `web` is critical, and `ops` knows.
async fn failing() -> World {
    let world = World::with_web(json!({})).await;
    target("t", Target::Down);
    until!(heard("ops") == ["web critical"]);
    world
}

async fn closes(world: &World, why: Closed) {
    until!(heard("ops") == ["web critical", "web ok"]);
    until!(world.is_level().await);
    sleep(S * 60).await;
    assert_eq!(heard("ops"), ["web critical", "web ok"]);
    let pasts = world.pasts().await;
    assert_eq!(pasts.iter().map(|past| past.closed).collect::<Vec<_>>(), [why]);
}

#[tokio::test(start_paused = true)]
async fn another_target_closes_the_episode_with_one_resolve() {
    let world = failing().await;
    world.put_monitor("web", probe(json!({"target": "other"}))).await;
    closes(&world, Closed::Edited).await;
    assert_eq!(world.status("web"), Some(Status::Ok));
}

#[tokio::test(start_paused = true)]
async fn another_target_that_fails_too_is_another_episode() {
    let world = failing().await;
    target("other", Target::Down);
    sleep(S / 2).await;
    world.put_monitor("web", probe(json!({"target": "other"}))).await;
    until!(heard("ops") == ["web critical", "web ok", "web critical"]);
    target("other", Target::Up);
    until!(heard("ops").len() == 4 && world.is_level().await);
    assert_eq!(world.pasts().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn disabling_closes_the_episode_with_one_resolve() {
    let world = failing().await;
    world.put_monitor("web", probe(json!({"disable": true}))).await;
    closes(&world, Closed::Disabled).await;
    let runs = stage(|stage| stage.runs["web"].0);
    sleep(S * 60).await;
    assert_eq!(stage(|stage| stage.runs["web"].0), runs);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_monitor_that_could_not_run_anyway_is_disabled_too() {
    let world = failing().await;
    let broken = json!({"type": "probe", "interval": "1s", "disable": true, "target": ["no", "name"]});
    world.put_monitor("web", broken).await;
    closes(&world, Closed::Disabled).await;
}

#[tokio::test(start_paused = true)]
async fn deleting_closes_the_episode_with_one_resolve() {
    let world = failing().await;
    world.remove_monitor("web").await;
    closes(&world, Closed::Deleted).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_in_flight_when_its_monitor_is_disabled_or_deleted_says_nothing() {
    for delete in [false, true] {
        let world = World::with_web(json!({"takes": "500ms", "timeout": "900ms"})).await;
        until!(world.status("web") == Some(Status::Ok));
        target("t", Target::Down);
        world.runs("web", 1).await;
        if delete {
            world.remove_monitor("web").await;
        } else {
            world.put_monitor("web", probe(json!({"disable": true}))).await;
        }
        sleep(S * 10).await;
        assert_eq!(heard("ops"), Vec::<String>::new());
        assert!(world.is_level().await && world.pasts().await.is_empty());
        assert_eq!(world.member().recorder.pending(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_deleted_and_made_again_at_once_begins_anew() {
    let world = failing().await;
    world.remove_monitor("web").await;
    world.put_monitor("web", probe(json!({"tags": ["new"]}))).await;
    until!(heard("ops") == ["web critical", "web ok", "web critical"]);
    target("t", Target::Up);
    until!(heard("ops").len() == 4 && world.is_level().await);
    let pasts = world.pasts().await;
    assert_eq!(
        pasts.iter().map(|past| past.closed).collect::<Vec<_>>(),
        [Closed::Deleted, Closed::Recovered]
    );
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_judgement_or_words_goes_on_with_the_episode() {
    let world = failing().await;
    sleep(S * 10).await;
    for edit in [
        json!({"critical-threshold": 3}),
        json!({"tags": ["a"], "description": "b", "runbook": "https://example.org/"}),
        json!({"interval": "2s"}),
    ] {
        world.put_monitor("web", probe(edit)).await;
        sleep(S * 10).await;
    }
    assert_eq!(heard("ops"), ["web critical"]);
    assert_eq!(world.keys(&keys::checkpoints()).await, ["checkpoint/web"]);
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!(world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_alerter_is_told_and_a_removed_one_gets_its_resolve() {
    let world = failing().await;
    world.put_alerter("new", "chat").await;
    world
        .put_monitor("web", probe(json!({"critical-alerter": ["new"]})))
        .await;
    until!(heard("ops") == ["web critical", "web ok"] && heard("new") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("new") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!(heard("ops").len(), 2);
    assert_eq!(world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_is_renamed_with_an_incident_open_leaves_none_open() {
    let world = failing().await;
    world.put_alerter("new", "chat").await;
    world
        .put_monitor("web", probe(json!({"critical-alerter": ["new"]})))
        .await;
    world.remove_alerter("ops").await;
    until!(heard("ops") == ["web critical", "web ok"] && heard("new") == ["web critical"]);
    until!(world.keys(&keys::retired_alerters()).await.is_empty());
    target("t", Target::Up);
    until!(heard("new") == ["web critical", "web ok"] && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_cannot_be_read_leaves_its_older_version_running_and_harms_nobody_else() {
    let world = World::with_web(json!({})).await;
    world.put_monitor("db", probe(json!({"target": "db"}))).await;
    world.runs("db", 1).await;
    for broken in [
        "{",
        "{\"v\":1,\"origin\":\"\",\"at\":0,\"spec\":{\"type\":\"probe\"}}",
        "null",
    ] {
        let put = Op::Put(keys::monitor(&monitor("web")), Bytes::from(broken), None);
        assert!(world.write(vec![put]).await);
        until!(
            world
                .member()
                .catalog
                .monitor("web")
                .is_some_and(|known| !known.readable())
        );
        world.runs("web", 3).await;
        world.runs("db", 3).await;
    }
    // Its changes are recorded and told too.
    target("t", Target::Down);
    until!(heard("ops") == ["web critical"]);
    world.put_monitor("web", probe(json!({"tags": ["mended"]}))).await;
    sleep(S * 5).await;
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_broken_definition_of_a_failing_monitor_that_is_deleted_closes_its_episode() {
    let world = failing().await;
    let put = Op::Put(keys::monitor(&monitor("web")), Bytes::from("nonsense"), None);
    assert!(world.write(vec![put]).await);
    sleep(S * 5).await;
    world.remove_monitor("web").await;
    closes(&world, Closed::Deleted).await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_monitor_that_is_edited_to_where_nobody_may_run_it_closes_its_episode() {
    let world = failing().await;
    world.put_monitor("web", probe(json!({"member-tag": "nowhere"}))).await;
    closes(&world, Closed::Edited).await;
    let runs = stage(|stage| stage.runs["web"].0);
    sleep(S * 60).await;
    assert_eq!(stage(|stage| stage.runs["web"].0), runs);
    assert_eq!(world.said("unable to find fitting member").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_edit_while_the_commit_of_a_failure_is_under_way_loses_neither() {
    // What the commit builds on changes before it arrives.
    for edit in [json!({"tags": ["x"]}), json!({"target": "u"}), json!({"disable": true})] {
        let world = World::with_web(json!({})).await;
        until!(world.status("web") == Some(Status::Ok));
        world.faults.set_delay(S / 5);
        target("t", Target::Down);
        target("u", Target::Down);
        until!(world.status("web") == Some(Status::Critical));
        world.put_monitor("web", probe(edit.clone())).await;
        sleep(S * 20).await;
        world.faults.set_delay(Duration::ZERO);
        let open = stage(|stage| stage.fars.get("ops").map_or(0, |far| far.open.len()));
        assert_eq!(
            open,
            usize::from(edit.get("disable").is_none()),
            "{edit}: {:?}",
            heard("ops")
        );
        for name in ["t", "u"] {
            target(name, Target::Up);
        }
        until!(world.is_level().await);
        assert_eq!(stage(|stage| stage.fars.get("ops").map_or(0, |far| far.open.len())), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_episode_that_an_edit_ended_is_closed_although_the_monitor_is_gone_by_then() {
    let world = failing().await;
    // By the time that the member hears of the edit, which takes the monitor away from it, there is no definition any more.
    world.faults.set_watches_stalled(true);
    world.put_monitor("web", probe(json!({"member-tag": "nowhere"}))).await;
    world.remove_monitor("web").await;
    world.faults.set_watches_stalled(false);
    closes(&world, Closed::Edited).await;
}
