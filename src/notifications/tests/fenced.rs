//! When a delivery may begin, and what was told by others meanwhile.

use std::sync::atomic::Ordering::Relaxed;

use super::far::{Answer, Far};
use super::*;
use crate::alerters::Retry;
use crate::store::records::ToldState;

const S: fn(u64) -> Duration = Duration::from_secs;
const CRITICAL: Status = Status::Critical;
const OK: Status = Status::Ok;

impl World {
    fn may_tell(&self, may_tell: MayTell) {
        self.members["a"].may_tell.send_replace(may_tell);
    }

    /// A member that was without the store writes what it told of `web` meanwhile, and what is wanted.
    async fn write_told(&self, (episode, seq): (i64, u32), wanted: (i64, u32, Status)) {
        let told = Told {
            v: FORMAT,
            state: ToldState::Told,
            episode: EpisodeId(episode),
            seq,
            status: CRITICAL,
            at: WallMs::now(),
            attempts: 1,
            reference: None,
            arrived: true,
            response: String::new(),
            fallbacks: Vec::new(),
        };
        let (alerter, about) = (name("ops"), monitor("web"));
        let entry = entry(wanted.0, wanted.1, wanted.2);
        self.write(vec![
            Op::Put(keys::told(&alerter, &about), encode(&told).unwrap(), None),
            Op::Put(keys::outbox_entry(&alerter, &about), encode(&entry).unwrap(), None),
        ])
        .await;
    }
}

fn for_s(seconds: u64) -> MayTell {
    MayTell::Until(Instant::now() + S(seconds))
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_told_waits_and_is_told_as_soon_as_it_may() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.may_tell(MayTell::No);
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    sleep(S(3600)).await;
    assert_eq!(
        (far.attempts(), world.state("web")),
        (0, Some(NotificationState::Pending))
    );
    world.may_tell(MayTell::Yes);
    let began = Instant::now();
    until!(far.lines() == ["web critical"]);
    assert!(began.elapsed() < S(1), "{:?}", began.elapsed());
    world.may_tell(MayTell::No);
    world.change("ops", "web", 100, 2, OK).await;
    sleep(S(3600)).await;
    assert_eq!(far.attempts(), 1, "an end is a delivery, too");
    world.may_tell(for_s(1));
    until!(world.is_level().await);
}

#[tokio::test(start_paused = true)]
async fn a_retry_begins_only_while_the_proof_holds() {
    let mut world = World::new().await;
    let dead = Far::keyed().always(Answer::Fails(Retry::Soon));
    let far = world.alerter("ops", "far", dead).await;
    world.may_tell(for_s(5));
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    sleep(S(6)).await;
    let attempts = far.attempts();
    assert!(attempts > 1, "{attempts}");
    sleep(S(3600)).await;
    assert_eq!(far.attempts(), attempts);
    assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Sending);
    far.henceforth(Answer::Taken);
    world.may_tell(for_s(5));
    until!(far.lines() == ["web critical"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_too_late_is_not_begun() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    sleep(S(1)).await;
    world.faults.set_delay(S(2));
    world.may_tell(for_s(3));
    // Written after two seconds; that it is being told is recorded after four.
    world.change("ops", "web", 100, 1, CRITICAL).await;
    sleep(S(60)).await;
    assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Sending);
    assert_eq!(far.attempts(), 0);
    world.may_tell(MayTell::Yes);
    until!(far.lines() == ["web critical"]);
    assert!(!far.heard()[0].possibly_repeated);
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_was_put_together_too_late_is_not_begun() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.may_tell(MayTell::No);
    world.begin();
    for n in 0..200 {
        world.change("ops", &format!("m{n}"), 100, 1, CRITICAL).await;
    }
    sleep(S(1)).await;
    // More than travel to the store at once: the first are recorded in time, the others are not.
    world.faults.set_delay(S(1));
    world.may_tell(for_s(3));
    sleep(S(60)).await;
    assert_eq!(world.keys(&keys::told_all()).await.len(), 200);
    assert_eq!(far.attempts(), 0);
    world.faults.set_delay(Duration::ZERO);
    world.may_tell(MayTell::Yes);
    until!(world.keys(&keys::outbox()).await.is_empty());
    let digests: Vec<_> = far.heard().iter().map(|note| note.digest.len()).collect();
    assert_eq!(digests, [200]);
    assert!(!far.heard()[0].possibly_repeated);
}

#[tokio::test(start_paused = true)]
async fn where_only_some_monitors_may_be_told_of_the_others_wait() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.may_tell(MayTell::Of(Arc::new(|monitor| monitor.as_str() == "web")));
    world.begin();
    for about in ["db", "web"] {
        world.change("ops", about, 100, 1, CRITICAL).await;
    }
    sleep(S(3600)).await;
    assert_eq!(far.lines(), ["web critical"]);
    world.may_tell(MayTell::Yes);
    until!(far.lines() == ["web critical", "db critical"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_nothing_is_told_that_may_not_be() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.may_tell(MayTell::No);
    world.change("ops", "web", 100, 1, CRITICAL).await;
    world.faults.set_full(true);
    sleep(S(600)).await;
    assert_eq!(far.attempts(), 0);
    world.may_tell(MayTell::Yes);
    until!(far.lines() == ["web critical"]);
}

#[tokio::test(start_paused = true)]
async fn what_another_member_told_meanwhile_is_not_told_again_and_its_end_is() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.begin();
    sleep(S(1)).await;
    world.write_told((100, 1), (100, 1, CRITICAL)).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert_eq!(far.attempts(), 0);
    world.change("ops", "web", 100, 2, CRITICAL).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    // Once more, behind the back of a lane that knows better.
    world.write_told((100, 3), (100, 3, CRITICAL)).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    world.change("ops", "web", 100, 4, OK).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web critical", "web ok"]);
    assert_eq!(far.heard()[1].seq, 4);
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_another_member_opened_is_closed_where_nothing_was_known_of_it() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    sleep(S(1)).await;
    world.write_told((90, 1), (90, 2, OK)).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web ok"]);
    assert_eq!(far.heard()[0].key, "main/web/90/2/ops");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_another_member_told_is_not_told_again() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    world
        .write(vec![Op::Delete(keys::told(&name("ops"), &monitor("web")))])
        .await;
    world.change("ops", "web", 200, 1, CRITICAL).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert_eq!(far.lines(), ["web critical", "web critical"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_without_the_store_says_so_and_has_the_same_key() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.members["a"].stands_in.store(true, Relaxed);
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.attempts() == 1);
    world.members["a"].stands_in.store(false, Relaxed);
    world.change("ops", "web", 100, 2, OK).await;
    until!(far.attempts() == 2);
    let said: Vec<_> = far
        .heard()
        .iter()
        .map(|note| (note.without_store, note.key.clone()))
        .collect();
    let key = |seq| format!("main/web/100/{seq}/ops");
    assert_eq!(said, [(true, key(1)), (false, key(2))]);
}
