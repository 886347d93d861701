//! Silences.

use super::far::Far;
use super::*;

const FOREVER: WallMs = WallMs(i64::MAX);

#[tokio::test(start_paused = true)]
async fn silenced_trouble_waits_and_is_told_when_the_silence_ends() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    let key = keys::silence("s1");
    world
        .write(vec![Op::Put(key.clone(), silence("glob", "web*", FOREVER), None)])
        .await;
    world.begin();
    world.change("ops", "web-1", 100, 1, Status::Critical).await;
    world.change("ops", "db", 100, 1, Status::Critical).await;
    until!(far.lines() == ["db critical"]);
    until!(world.state("web-1") == Some(NotificationState::Muted));
    let item = world.view().items().remove(0);
    assert_eq!(item.muted_by, Some(("s1".to_owned(), FOREVER)));
    sleep(Duration::from_secs(2 * 24 * 3600)).await;
    assert_eq!(far.attempts(), 1);
    world.write(vec![Op::Delete(key)]).await;
    until!(far.lines() == ["db critical", "web-1 critical"]);
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_runs_out_is_noticed() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    // Wall time does not pause, so this is the one wait of a test that is real.
    let until = WallMs::now().plus(Duration::from_millis(30));
    world
        .write(vec![Op::Put(keys::silence("s1"), silence("=", "web", until), None)])
        .await;
    world.begin();
    world.change("ops", "web", 100, 1, Status::Critical).await;
    let deadline = WallMs::now().plus(Duration::from_secs(20));
    while far.heard().is_empty() {
        assert!(WallMs::now() < deadline);
        sleep(Duration::from_secs(60)).await;
    }
    assert!(WallMs::now() >= until);
}

#[tokio::test(start_paused = true)]
async fn what_begins_and_ends_within_a_silence_is_never_told() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    let key = keys::silence("s1");
    world
        .write(vec![Op::Put(key.clone(), silence("=~", ".*", FOREVER), None)])
        .await;
    world.begin();
    world.change("ops", "web", 100, 1, Status::Critical).await;
    until!(world.state("web") == Some(NotificationState::Muted));
    world.change("ops", "web", 100, 2, Status::Ok).await;
    until!(world.is_level().await);
    world.write(vec![Op::Delete(key)]).await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(far.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_what_was_told_is_told_in_spite_of_a_silence() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.change("ops", "web", 100, 1, Status::Critical).await;
    until!(far.heard().len() == 1);
    world
        .write(vec![Op::Put(keys::silence("s1"), silence("=", "web", FOREVER), None)])
        .await;
    world.change("ops", "web", 100, 2, Status::Ok).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web critical", "web ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_cannot_be_read_mutes_nothing() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    let key = keys::silence("s1");
    world
        .write(vec![Op::Put(key.clone(), silence("=~", ".*", FOREVER), None)])
        .await;
    world.begin();
    world.change("ops", "web", 100, 1, Status::Critical).await;
    until!(world.state("web") == Some(NotificationState::Muted));
    world.write(vec![Op::Put(key, silence("=~", "(", FOREVER), None)]).await;
    until!(far.heard().len() == 1);
}
