//! Processes that die, and stores that do not answer.

use super::far::{Answer, Far};
use super::*;
use crate::store::Chances;
use crate::store::records::ToldState;

const CRITICAL: Status = Status::Critical;
const OK: Status = Status::Ok;

/// Slow enough that a kill can fall between any two steps.
const STEP: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn killed_at_any_instant_a_keyed_far_end_has_one_incident_and_one_end() {
    for kill_at in (0..260).step_by(4) {
        let mut world = World::new().await;
        let far = world.alerter("ops", "far", Far::keyed().taking(STEP * 2)).await;
        world.faults.set_delay(STEP);
        world.begin();
        sleep(STEP * 6).await;
        world.change("ops", "web", 100, 1, CRITICAL).await;
        sleep(Duration::from_millis(kill_at)).await;
        world.kill_and_begin("boot-2").await;
        until!(far.incidents().2 == 1);
        sleep(Duration::from_secs(60)).await;
        world.change("ops", "web", 100, 2, OK).await;
        sleep(Duration::from_millis(kill_at)).await;
        world.kill_and_begin("boot-3").await;
        until!(world.is_level().await);
        sleep(Duration::from_secs(120)).await;
        assert_eq!(
            far.incidents(),
            (1, 1, 0),
            "killed after {kill_at} ms: {:?}",
            far.lines()
        );
        assert!(far.heard().len() <= 4, "{:?}", far.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_instant_with_the_recovery_close_by_nothing_stays_open() {
    for kill_at in (0..260).step_by(4) {
        let mut world = World::new().await;
        let far = world.alerter("ops", "far", Far::keyed().taking(STEP * 2)).await;
        world.faults.set_delay(STEP);
        world.begin();
        sleep(STEP * 6).await;
        world.change("ops", "web", 100, 1, CRITICAL).await;
        let kill = sleep(Duration::from_millis(kill_at));
        sleep(STEP * 5).await;
        world.change("ops", "web", 100, 2, OK).await;
        kill.await;
        world.kill_and_begin("boot-2").await;
        until!(world.is_level().await);
        sleep(Duration::from_secs(120)).await;
        let (opened, closed, open) = far.incidents();
        assert!(
            open == 0 && opened <= 1 && closed == opened,
            "killed after {kill_at} ms: {:?}",
            far.lines()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_a_delivery_begun_waits_for_it_and_marks_the_repetition() {
    let mut world = World::new().await;
    let far = world
        .alerter("ops", "far", Far::chat().script([Answer::TakenSilently]))
        .await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 1);
    assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Sending);
    world.kill_and_begin("boot-2").await;
    let began = Instant::now();
    until!(far.heard().len() == 2);
    let waited = began.elapsed();
    assert!(
        waited > Duration::from_secs(25) && waited <= Duration::from_secs(31),
        "{waited:?}"
    );
    assert!(far.heard()[1].possibly_repeated);
    world.change("ops", "web", 100, 2, OK).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web critical", "web critical", "web ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_repeats_nothing_and_forgets_nothing() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    for boot in ["boot-2", "boot-3", "boot-4"] {
        world.kill_and_begin(boot).await;
        sleep(Duration::from_secs(90)).await;
    }
    assert_eq!(far.lines(), ["web critical"]);
    world.change("ops", "web", 100, 2, OK).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web critical", "web ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_what_is_in_flight_end_and_be_recorded() {
    let mut world = World::new().await;
    let far = world
        .alerter("ops", "far", Far::chat().taking(Duration::from_secs(2)))
        .await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.attempts() == 1);
    let tasks = world.members.remove("a").unwrap().tasks;
    assert!(tasks.shut_down(Duration::from_secs(10)).await);
    assert_eq!(far.lines(), ["web critical"]);
    assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Told);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_stops_no_message_and_none_is_told_twice() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.begin();
    until!(!world.view().alerters().is_empty());
    world.change("ops", "web", 100, 1, CRITICAL).await;
    world.faults.set_full(true);
    until!(far.heard().len() == 1);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(far.lines(), ["web critical"]);
    assert_eq!(world.view().told_without_store(), 1);
    world.faults.set_full(false);
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Told);
    world.change("ops", "web", 100, 2, OK).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web critical", "web ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_moment_only_delays() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.begin();
    until!(!world.view().alerters().is_empty());
    world.faults.set_full(true);
    world.faults.set_full(false);
    world.change("ops", "web", 100, 1, CRITICAL).await;
    world.faults.set_unavailable(true);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(far.attempts(), 0);
    world.faults.set_unavailable(false);
    until!(far.heard().len() == 1);
    assert_eq!(world.view().told_without_store(), 0);
}

#[tokio::test(start_paused = true)]
async fn answers_that_get_lost_repeat_nothing_and_lose_nothing() {
    for seed in 0..12 {
        let mut world = World::new().await;
        let far = world.alerter("ops", "far", Far::keyed()).await;
        world.begin();
        until!(!world.view().alerters().is_empty());
        let chances = Chances {
            lost_afterwards: 15,
            lost_before: 10,
            made_later: 15,
        };
        for n in 0..12 {
            world.faults.none_by_chance();
            world.change("ops", &format!("m{n}"), 100, 1, CRITICAL).await;
            world.faults.by_chance(seed * 100 + n, chances);
            sleep(Duration::from_millis(300)).await;
        }
        until!(far.heard().len() == 12);
        for n in 0..12 {
            world.faults.none_by_chance();
            world.change("ops", &format!("m{n}"), 100, 2, OK).await;
            world.faults.by_chance(seed * 100 + 50 + n, chances);
            sleep(Duration::from_millis(300)).await;
        }
        world.faults.none_by_chance();
        until!(world.is_level().await);
        sleep(Duration::from_secs(600)).await;
        assert!(world.is_level().await, "seed {seed}: nothing comes back late");
        assert_eq!(far.heard().len(), 24, "seed {seed}: {:?}", far.lines());
        assert_eq!(far.incidents(), (12, 12, 0), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_work_nothing_begins_and_a_new_one_goes_on() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.begin();
    world.change("ops", "a", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 1);
    until!(world.keys(&keys::outbox()).await.is_empty());
    // The session is lost, and what the next one gives is not known yet.
    world.lose_session("a").await;
    world.change("ops", "b", 100, 1, CRITICAL).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(far.attempts(), 1);
    world.hear("a");
    until!(far.heard().len() == 2);
    assert_eq!(far.lines(), ["a critical", "b critical"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_stops_nobody() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    let rubbish = Bytes::from_static(b"{");
    world
        .write(vec![
            Op::Put(keys::told(&name("ops"), &monitor("a")), rubbish.clone(), None),
            Op::Put(keys::outbox_entry(&name("ops"), &monitor("b")), rubbish.clone(), None),
            Op::Put(keys::alerter(&name("broken")), rubbish, None),
        ])
        .await;
    world.change("ops", "a", 100, 1, CRITICAL).await;
    world.change("broken", "a", 100, 1, CRITICAL).await;
    world.change("ops", "c", 100, 1, CRITICAL).await;
    world.begin();
    until!(far.incidents().2 == 2);
    until!(world.view().counts().given_up == 1);
    let damaged = |event: &&NotifierEvent| matches!(event, NotifierEvent::Damaged { .. });
    assert_eq!(world.events.lock().iter().filter(damaged).count(), 3);
}
