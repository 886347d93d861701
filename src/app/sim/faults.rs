//! A store that misbehaves: what runs runs on, what was seen is recorded and told once it works again.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::stage::{Target, stage};
use super::world::{World, heard, probe, target, until};
use crate::model::Status;
use crate::store::{Answer, keys};

const S: Duration = Duration::from_secs(1);

fn runs(name: &str) -> u64 {
    stage(|stage| stage.runs[name].0)
}

async fn comes_and_goes(world: &World) {
    until!(heard("ops") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!(world.pasts().await.len(), 1);
    until!(world.member().recorder.trouble().is_none() && world.member().recorder.pending() == 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_takes_nothing_checks_go_on_and_a_failure_is_told_once_it_does() {
    let world = World::with_web(json!({})).await;
    until!(world.status("web") == Some(Status::Ok));
    world.faults.set_full(true);
    target("t", Target::Down);
    let before = runs("web");
    sleep(S * 60).await;
    assert!(runs("web") - before >= 59);
    assert_eq!(world.status("web"), Some(Status::Critical));
    assert!(heard("ops").is_empty(), "nothing is told that is not recorded");
    assert_eq!(world.member().recorder.pending(), 1);
    assert_eq!(world.said("does not take changes").len(), 1);
    world.faults.set_full(false);
    comes_and_goes(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_frozen_or_stopped_stops_nothing_that_runs() {
    for how in 0..3 {
        let world = World::with_web(json!({})).await;
        until!(world.status("web") == Some(Status::Ok));
        match how {
            0 => world.faults.set_unavailable(true),
            1 => world.faults.freeze(),
            _ => world.faults.stop(),
        }
        let before = runs("web");
        sleep(S * 30).await;
        target("t", Target::Down);
        sleep(S * 30).await;
        assert!(
            runs("web") - before >= 59,
            "{how}: {} runs in 60 s",
            runs("web") - before
        );
        assert!(heard("ops").is_empty());
        match how {
            0 => world.faults.set_unavailable(false),
            1 => world.faults.wake(),
            _ => world.faults.start(),
        }
        comes_and_goes(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_replaced_and_disturbs_no_schedule() {
    let world = World::with_web(json!({"interval": "10s"})).await;
    world.runs("web", 1).await;
    for _ in 0..3 {
        let before = runs("web");
        let lease = world
            .member()
            .rights
            .borrow()
            .session
            .as_ref()
            .map(|session| session.lease());
        world.faults.lose_lease(lease.unwrap());
        sleep(S * 30).await;
        assert_eq!(runs("web") - before, 3, "on its phase, no more and no less");
    }
    assert_eq!(world.said("lost its session").len(), 3);
    target("t", Target::Down);
    comes_and_goes(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_with_the_store_away_stops_nothing_that_runs() {
    let world = World::with_web(json!({})).await;
    let lease = world
        .member()
        .rights
        .borrow()
        .session
        .as_ref()
        .map(|session| session.lease());
    world.faults.lose_lease(lease.unwrap());
    sleep(S * 3).await;
    world.faults.set_full(true);
    let before = runs("web");
    sleep(S * 60).await;
    assert!(runs("web") - before >= 59);
    world.faults.set_full(false);
    target("t", Target::Down);
    comes_and_goes(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_neither_loses_nor_repeats_a_change() {
    for answer in [
        Answer::LostAfterwards,
        Answer::LostBefore,
        Answer::LostAndMadeLater(S / 2),
        Answer::LostAndMadeLater(S * 20),
    ] {
        for copies in [1, 3] {
            let world = World::with_web(json!({})).await;
            until!(world.status("web") == Some(Status::Ok));
            world.faults.answers(vec![answer.clone(); copies]);
            target("t", Target::Down);
            until!(heard("ops") == ["web critical"]);
            sleep(S * 5).await;
            world.faults.answers(vec![answer.clone(); copies]);
            comes_and_goes(&world).await;
            let pasts = world.pasts().await;
            let told: Vec<_> = pasts[0].alerters.iter().map(ToString::to_string).collect();
            assert_eq!(told, ["ops"], "{answer:?} {copies}");
            sleep(S * 60).await;
            assert_eq!(heard("ops").len(), 2, "{answer:?} {copies}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_while_the_one_before_is_in_doubt_wait_for_it() {
    let world = World::with_web(json!({})).await;
    until!(world.status("web") == Some(Status::Ok));
    // The failure is recorded a while after everybody thought that it was not; meanwhile it recovered.
    world.faults.answers(vec![Answer::LostAndMadeLater(S * 4); 8]);
    target("t", Target::Down);
    until!(world.status("web") == Some(Status::Critical));
    target("t", Target::Up);
    until!(world.status("web") == Some(Status::Ok));
    sleep(S * 60).await;
    until!(world.is_level().await);
    let pasts = world.pasts().await;
    assert_eq!(pasts.len(), 1, "{pasts:?}");
    let heard = heard("ops");
    assert!(heard.is_empty() || heard == ["web critical", "web ok"], "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn edits_are_seen_whatever_becomes_of_the_watches() {
    let world = World::with_web(json!({})).await;
    for (n, how) in ["stalled", "dropped", "compacted", "late"].into_iter().enumerate() {
        match how {
            "stalled" => world.faults.set_watches_stalled(true),
            "dropped" => world.faults.drop_watches(),
            "compacted" => world.faults.compact(),
            _ => world.faults.set_watch_delay(S * 2),
        }
        let name = format!("m{n}");
        world.put_monitor(&name, probe(json!({}))).await;
        until!(stage(|stage| stage.runs.contains_key(&name)));
        world.faults.set_watches_stalled(false);
        world.faults.set_watch_delay(Duration::ZERO);
    }
    world.put_monitor("gone", probe(json!({"target": "gone"}))).await;
    target("gone", Target::Down);
    until!(heard("ops") == ["gone critical"]);
    world.faults.set_watches_stalled(true);
    world.remove_monitor("gone").await;
    world.faults.compact();
    sleep(S * 60).await;
    world.faults.set_watches_stalled(false);
    until!(heard("ops") == ["gone critical", "gone ok"]);
}

#[tokio::test(start_paused = true)]
async fn many_failures_at_once_are_all_recorded_and_told() {
    let mut world = World::new();
    world.put_alerter("ops", "pager").await;
    for n in 0..300 {
        world
            .put_monitor(&format!("m{n}"), probe(json!({"interval": "5s"})))
            .await;
    }
    world.start().await;
    world.runs("m299", 2).await;
    target("t", Target::Down);
    until!(stage(|stage| stage.fars.get("ops").map_or(0, |far| far.open.len())) == 300);
    assert_eq!(world.list(&keys::checkpoints()).await.len(), 300);
    target("t", Target::Up);
    until!(world.is_level().await);
    assert_eq!(world.pasts().await.len(), 300);
    assert_eq!(stage(|stage| stage.fars["ops"].open.len()), 0);
}
