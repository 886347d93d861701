//! `kill -9` and what the next process makes of it: repeats nothing, forgets nothing.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;

use super::stage::{Answer, Target, stage};
use super::world::{World, answers, heard, monitor, probe, target, until};
use crate::model::{Closed, Status};
use crate::store::{Op, keys};

const S: Duration = Duration::from_secs(1);

async fn failing() -> World {
    let world = World::with_web(json!({})).await;
    target("t", Target::Down);
    until!(heard("ops") == ["web critical"]);
    world
}

#[tokio::test(start_paused = true)]
async fn three_restarts_within_a_second_repeat_nothing_and_forget_nothing() {
    let mut world = failing().await;
    for _ in 0..3 {
        world.restart().await;
        sleep(S / 4).await;
    }
    sleep(S * 60).await;
    assert_eq!(heard("ops"), ["web critical"]);
    assert_eq!(world.status("web"), Some(Status::Critical));
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!(world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_while_nobody_ran_is_told_once() {
    let mut world = failing().await;
    world.kill();
    target("t", Target::Up);
    sleep(S * 600).await;
    world.start().await;
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!(world.pasts().await[0].closed, Closed::Recovered);
    let missed = world.live("web", |live| live.ledger.missed);
    assert!(
        (598..=602).contains(&missed),
        "{missed} runs were missed in ten minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_made_later_has_missed_nothing() {
    let mut world = World::with_web(json!({})).await;
    world.kill();
    sleep(S * 100).await;
    world.start().await;
    world.runs("web", 1).await;
    world.put_monitor("late", probe(json!({}))).await;
    world.runs("late", 2).await;
    assert_eq!(world.live("late", |live| live.ledger.missed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_was_edited_disabled_or_deleted_while_nobody_ran_closes_its_episode_once() {
    for (edit, why) in [
        (Some(json!({"target": "u"})), Closed::Edited),
        (Some(json!({"disable": true})), Closed::Disabled),
        (Some(json!({"member-tag": "nowhere"})), Closed::Edited),
        (None, Closed::Deleted),
    ] {
        let mut world = failing().await;
        world.kill();
        match edit {
            Some(edit) => world.put_monitor("web", probe(edit)).await,
            None => world.remove_monitor("web").await,
        };
        sleep(S * 20).await;
        world.start().await;
        until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
        sleep(S * 20).await;
        assert_eq!(heard("ops").len(), 2);
        let pasts = world.pasts().await;
        assert_eq!(pasts.iter().map(|past| past.closed).collect::<Vec<_>>(), [why]);
        world.restart().await;
        sleep(S * 20).await;
        assert_eq!((heard("ops").len(), world.pasts().await.len()), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_judgement_while_nobody_ran_goes_on_with_the_episode() {
    let mut world = failing().await;
    world.kill();
    world
        .put_monitor("web", probe(json!({"critical-threshold": 2, "tags": ["x"]})))
        .await;
    world.start().await;
    sleep(S * 20).await;
    assert_eq!(heard("ops"), ["web critical"]);
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_was_named_or_taken_out_while_nobody_ran_is_told_or_gets_its_resolve() {
    let mut world = failing().await;
    world.kill();
    world.put_alerter("new", "chat").await;
    world
        .put_monitor("web", probe(json!({"critical-alerter": ["new"]})))
        .await;
    world.start().await;
    until!(heard("ops") == ["web critical", "web ok"] && heard("new") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("new") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!((heard("ops").len(), world.pasts().await.len()), (2, 1));
}

/// `web` needs four failures and has three, as recorded by a process that is then killed; how long until the next one hears of it.
async fn counted(down_for: Duration, know_alive: bool) -> usize {
    let mut world = World::with_web(json!({"interval": "10s", "critical-threshold": 4, "warning-threshold": 4})).await;
    target("t", Target::Down);
    world.runs("web", 3).await;
    sleep(S * 6).await;
    world.kill();
    if !know_alive {
        world.forget_alive();
    }
    sleep(down_for).await;
    world.start().await;
    let before = stage(|stage| stage.runs["web"].0);
    until!(world.status("web") == Some(Status::Critical));
    usize::try_from(stage(|stage| stage.runs["web"].0) - before).unwrap()
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_not_yet_a_status_are_counted_on_within_two_intervals_and_no_longer() {
    assert_eq!(counted(S, true).await, 1);
    assert_eq!(counted(S * 9, true).await, 1);
    assert_eq!(counted(S * 30, true).await, 4);
    assert_eq!(
        counted(S, false).await,
        1,
        "nobody has to know when the process before it lived"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_of_another_definition_are_not_counted_on() {
    let mut world = World::with_web(json!({"interval": "10s", "critical-threshold": 4, "warning-threshold": 4})).await;
    target("t", Target::Down);
    target("u", Target::Down);
    world.runs("web", 3).await;
    sleep(S * 6).await;
    world.kill();
    let spec = json!({"interval": "10s", "critical-threshold": 4, "warning-threshold": 4, "target": "u"});
    world.put_monitor("web", probe(spec)).await;
    world.start().await;
    world.runs("web", 3).await;
    assert_eq!(world.status("web"), Some(Status::Pending));
    world.runs("web", 1).await;
    assert_eq!(world.status("web"), Some(Status::Critical));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_read_harms_nobody_else_and_leaves_no_incident_open() {
    let mut world = failing().await;
    world.put_monitor("db", probe(json!({"target": "db"}))).await;
    target("db", Target::Down);
    until!(heard("ops") == ["web critical", "db critical"]);
    world.kill();
    let put = Op::Put(keys::checkpoint(&monitor("web")), Bytes::from("{"), None);
    assert!(world.write(vec![put]).await);
    world.start().await;
    // The episode is over for all we know; what fails on is a new one.
    until!(heard("ops")[2..] == ["web ok", "web critical"]);
    sleep(S * 20).await;
    assert_eq!(heard("ops").len(), 4);
    target("t", Target::Up);
    target("db", Target::Up);
    until!(heard("ops").len() == 6 && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_damaged_under_a_running_process_is_written_over() {
    let world = failing().await;
    let put = Op::Put(keys::checkpoint(&monitor("web")), Bytes::from("{"), None);
    assert!(world.write(vec![put]).await);
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_read_takes_nothing_away_and_is_planned_anew_by_the_next_process() {
    let mut world = World::with_web(json!({})).await;
    let put = Op::Put(keys::table("untagged"), Bytes::from("{"), None);
    assert!(world.write(vec![put]).await);
    world.faults.drop_watches();
    sleep(S * 10).await;
    target("t", Target::Down);
    until!(heard("ops") == ["web critical"]);
    world.restart().await;
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_whose_definition_became_unreadable_while_nobody_ran_keeps_its_episode_until_it_can_be_read() {
    let mut world = failing().await;
    world.kill();
    let put = Op::Put(keys::monitor(&monitor("web")), Bytes::from("{"), None);
    assert!(world.write(vec![put]).await);
    world.start().await;
    sleep(S * 20).await;
    assert_eq!((heard("ops").len(), world.status("web")), (1, Some(Status::Critical)));
    target("t", Target::Up);
    world.put_monitor("web", probe(json!({}))).await;
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
    assert_eq!(world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_planned_stop_records_what_it_knows_and_ends_clean() {
    let mut world = World::with_web(json!({"takes": "300ms", "timeout": "900ms"})).await;
    until!(world.status("web") == Some(Status::Ok));
    target("t", Target::Down);
    world.runs("web", 1).await;
    // The run that fails is under way.
    assert!(world.stop().await);
    assert_eq!(world.keys(&keys::checkpoints()).await, ["checkpoint/web"]);
    world.start().await;
    until!(heard("ops") == ["web critical"]);
    target("t", Target::Up);
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever_for_what_cannot_be_recorded() {
    let mut world = World::with_web(json!({})).await;
    until!(world.status("web") == Some(Status::Ok));
    // The store knows of an edit that this process has not seen: what it judges by the older definition is refused.
    world.faults.set_watches_stalled(true);
    world.put_monitor("web", probe(json!({"target": "u"}))).await;
    target("t", Target::Down);
    until!(world.member().recorder.pending() == 1);
    let began = tokio::time::Instant::now();
    world.stop().await;
    assert!(began.elapsed() < S * 10);
    world.faults.set_watches_stalled(false);
    world.start().await;
    sleep(S * 10).await;
    assert_eq!((heard("ops").len(), world.status("web")), (0, Some(Status::Ok)));
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_place_is_taken_ends_and_does_not_take_it_back() {
    let mut world = World::with_web(json!({})).await;
    let paused = world.member.take();
    world.start().await;
    let mut paused = paused.unwrap();
    let why = loop {
        match paused.ended() {
            Some(why) => break why,
            None => sleep(S / 10).await,
        }
    };
    assert!(why.contains("taken this member over"), "{why}");
    drop(paused);
    sleep(S * 20).await;
    assert_eq!(world.member.as_mut().unwrap().ended(), None);
    world.runs("web", 3).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_when_it_may_have_arrived_is_marked_if_it_is_told_after_all() {
    let mut world = World::with_web(json!({})).await;
    answers("ops", Answer::TakenAndDenied);
    target("t", Target::Down);
    until!(heard("ops") == ["web critical"]);
    world.kill();
    assert!(world.remove_alerter("ops").await);
    world.start().await;
    until!(world.said("gave up telling ops that web is critical").len() == 1);
    answers("ops", Answer::Taken);
    assert!(world.put_alerter("ops", "chat").await);
    until!(heard("ops") == ["web critical", "web critical"]);
    assert!(stage(|stage| stage.fars["ops"].heard[1].note.possibly_repeated));
}

#[tokio::test(start_paused = true)]
async fn an_episode_that_waited_for_its_definition_is_closed_if_that_moves_the_monitor_away() {
    let mut world = failing().await;
    world.kill();
    let put = Op::Put(keys::monitor(&monitor("web")), Bytes::from("{"), None);
    assert!(world.write(vec![put]).await);
    world.start().await;
    sleep(S * 20).await;
    assert_eq!(heard("ops").len(), 1);
    world.put_monitor("web", probe(json!({"member-tag": "nowhere"}))).await;
    until!(heard("ops") == ["web critical", "web ok"] && world.is_level().await);
    let pasts = world.pasts().await;
    assert_eq!(
        pasts.iter().map(|past| past.closed).collect::<Vec<_>>(),
        [Closed::Edited]
    );
    assert_eq!(world.status("web"), Some(Status::Pending));
}
