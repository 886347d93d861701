//! What was given up is told to the fallback alerters.

use super::far::{Answer, Far};
use super::*;
use crate::alerters::Retry;

const CRITICAL: Status = Status::Critical;
const OK: Status = Status::Ok;
const REFUSES: Answer = Answer::Fails(Retry::Never);
const S: Duration = Duration::from_secs(1);
/// Longer than anything waits for others.
const WHILE: Duration = Duration::from_secs(3600);

fn refuses() -> Far {
    Far::keyed().always(REFUSES)
}

impl World {
    /// An alerter `ops` that refuses everything, and a fallback alerter `duty`, which is returned.
    async fn with_duty(duty: Far) -> (Self, Arc<Far>) {
        let world = Self::new().await;
        world.alerter("ops", "ops", refuses()).await;
        let duty = world.alerter("duty", "duty", duty.fallback()).await;
        (world, duty)
    }

    async fn fallbacks(&self, alerter: &str, about: &str) -> Vec<AlerterName> {
        self.told(alerter, about)
            .await
            .map(|told| told.value.fallbacks)
            .unwrap_or_default()
    }

    fn told_in_place(&self, fallback: &str, word: &str) -> u64 {
        let facts = &self.view().alerters()[&name(fallback)];
        facts.in_place.get(word).copied().unwrap_or_default()
    }
}

fn sentences(far: &Far) -> Vec<String> {
    far.heard().iter().map(|note| note.sentence()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_service_refuses_is_told_in_its_place_once_with_what_and_why() {
    let (mut world, duty) = World::with_duty(Far::chat()).await;
    let other = world.alerter("other", "other", Far::chat()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(duty.heard().len() == 1);
    let note = duty.heard().remove(0);
    assert_eq!(note.sentence(), "ops could not be told that web is critical");
    assert_eq!(
        note.details,
        "critical web, for ops: connection refused (not told: as told: Never)"
    );
    assert_eq!(
        (note.status, note.without_store, note.possibly_repeated),
        (CRITICAL, false, false)
    );
    assert_eq!(note.incident_key, "main/notice/alerts/ops/web/100/1");
    assert_eq!(note.link.as_deref(), Some("https://9volt.example.org/ui/notifications"));
    until!(world.fallbacks("ops", "web").await == [name("duty")]);
    sleep(WHILE).await;
    for boot in ["boot-2", "boot-3"] {
        world.kill_and_begin(boot).await;
        sleep(WHILE).await;
    }
    assert_eq!(duty.heard().len(), 1, "told is told, over restarts too");
    assert!(other.heard().is_empty(), "it is no fallback");
    let told = |event: &&NotifierEvent| matches!(event, NotifierEvent::FallbackTold { messages: 1, .. });
    assert_eq!(world.events.lock().iter().filter(told).count(), 1);
    // What comes next in the same episode is another message.
    world.change("ops", "web", 100, 2, CRITICAL).await;
    until!(duty.heard().len() == 2);
}

#[tokio::test(start_paused = true)]
async fn so_is_what_has_no_alerter_and_what_failed_for_a_day_and_an_end_that_could_not_be_told() {
    let (mut world, duty) = World::with_duty(Far::chat()).await;
    let slow = world.alerter("slow", "slow", Far::keyed()).await;
    world.begin();
    world.change("nobody", "a", 100, 1, CRITICAL).await;
    until!(sentences(&duty) == ["nobody could not be told that a is critical"]);
    assert!(
        duty.heard()[0]
            .details
            .ends_with("(not told: there is no usable alerter of this name)")
    );
    world.change("slow", "b", 100, 1, CRITICAL).await;
    until!(slow.heard().len() == 1);
    slow.henceforth(Answer::Fails(Retry::Soon));
    world.change("slow", "b", 100, 2, OK).await;
    let began = Instant::now();
    until!(duty.heard().len() == 2);
    assert!(began.elapsed() > S * 86_000);
    assert_eq!(sentences(&duty)[1], "slow could not be told that b is resolved");
    assert_eq!(duty.heard()[1].status, Status::Warning);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_at_once_are_one_message_and_those_that_follow_wait_for_one_another() {
    let (mut world, duty) = World::with_duty(Far::keyed()).await;
    for n in 0..10_000 {
        let key = keys::outbox_entry(&name("nobody"), &monitor(&format!("m{n}")));
        world
            .write(vec![Op::Put(key, encode(&entry(100, 1, CRITICAL)).unwrap(), None)])
            .await;
    }
    world.begin();
    until!(duty.heard().len() == 1);
    assert_eq!(sentences(&duty), ["10000 messages could not be told: nobody (10000)"]);
    assert!(duty.heard()[0].details.ends_with("and 9960 more"));
    let began = Instant::now();
    for n in 0..60 {
        world.change("ops", &format!("o{n}"), 100, 1, CRITICAL).await;
        sleep(S * 4).await;
    }
    until!(duty.heard().len() == 2);
    let waited = began.elapsed();
    assert!(waited > S * 290 && waited < S * 311, "{waited:?}");
    assert_eq!(sentences(&duty)[1], "60 messages could not be told: ops (60)");
    sleep(WHILE).await;
    assert_eq!((duty.heard().len(), world.told_in_place("duty", "told")), (2, 10_060));
    assert_eq!(
        duty.incidents(),
        (2, 0, 2),
        "an incident for each: one that joins another wakes nobody"
    );
}

#[tokio::test(start_paused = true)]
async fn what_fallback_alerters_cannot_be_told_themselves_does_not_go_round() {
    let mut world = World::new().await;
    let deaf = world.alerter("deaf", "deaf", refuses().fallback()).await;
    world.begin();
    world.change("deaf", "web", 100, 1, CRITICAL).await;
    until!(world.state("web") == Some(NotificationState::GivenUp));
    sleep(WHILE).await;
    assert_eq!(deaf.attempts(), 1, "not told that it could not be told");
    world.change("nobody", "db", 100, 1, CRITICAL).await;
    until!(deaf.attempts() == 2);
    sleep(WHILE).await;
    assert_eq!(deaf.attempts(), 2, "refused is refused");
    assert_eq!(world.told_in_place("deaf", "refused"), 1);
    let refused = |event: &&NotifierEvent| matches!(event, NotifierEvent::FallbackRefused { messages: 1, .. });
    assert_eq!(world.events.lock().iter().filter(refused).count(), 1);
    // One that is marked later hears of all that is still wanted, also of what is its like.
    let duty = world.alerter("duty", "duty", Far::chat().fallback()).await;
    until!(duty.heard().len() == 1);
    assert_eq!(sentences(&duty), ["2 messages could not be told: deaf (1), nobody (1)"]);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_alerter_that_fails_is_tried_until_it_works_and_holds_up_no_other() {
    let (mut world, duty) = World::with_duty(Far::chat().always(Answer::Fails(Retry::Soon))).await;
    let second = world.alerter("second", "second", Far::chat().fallback()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(second.heard().len() == 1);
    sleep(WHILE).await;
    let attempts = duty.attempts();
    assert!((50..70).contains(&attempts), "{attempts} attempts in an hour");
    world.kill_and_begin("boot-2").await;
    sleep(S * 60).await;
    duty.henceforth(Answer::Taken);
    until!(duty.heard().len() == 1);
    assert!(duty.heard()[0].possibly_repeated);
    until!(world.fallbacks("ops", "web").await == [name("second"), name("duty")]);
    sleep(WHILE).await;
    assert_eq!((duty.heard().len(), second.heard().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn killed_before_it_is_recorded_it_is_told_once_more_under_the_same_key() {
    let (mut world, duty) = World::with_duty(Far::keyed()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(world.state("web") == Some(NotificationState::GivenUp));
    until!(world.told("ops", "web").await.is_some());
    world.faults.set_full(true);
    until!(duty.heard().len() == 1);
    world.faults.set_full(false);
    world.kill_and_begin("boot-2").await;
    until!(duty.heard().len() == 2);
    assert_eq!(duty.incidents(), (1, 0, 1));
    assert_eq!(duty.heard()[0].key, duty.heard()[1].key);
    sleep(WHILE).await;
    assert_eq!(duty.heard().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_the_alerter_over_repeats_nothing() {
    let (mut world, duty) = World::with_duty(Far::chat()).await;
    world.join("b", "boot-1").await;
    world.begin();
    world.begin_at("b");
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(world.fallbacks("ops", "web").await == [name("duty")]);
    world.move_to(&[("ops", "b")]).await;
    sleep(WHILE).await;
    assert_eq!(duty.heard().len(), 1);
    world.change("ops", "db", 100, 1, CRITICAL).await;
    until!(duty.heard().len() == 2);
    assert_eq!(duty.heard()[1].member, "b", "told by the member that works the alerter");
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_what_is_silenced_or_over_or_not_ours_to_tell() {
    let (mut world, duty) = World::with_duty(Far::chat()).await;
    let key = keys::silence("s1");
    let quiet = silence("glob", "quiet*", WallMs(i64::MAX));
    world.write(vec![Op::Put(key.clone(), quiet, None)]).await;
    world.begin();
    world.change("nobody", "quiet", 100, 1, CRITICAL).await;
    world.change("ops", "short", 100, 1, CRITICAL).await;
    until!(world.state("short") == Some(NotificationState::GivenUp));
    world.change("ops", "short", 100, 2, OK).await;
    sleep(WHILE).await;
    assert_eq!(sentences(&duty), [""; 0]);
    world.members["a"].may_tell.send_replace(MayTell::No);
    world.write(vec![Op::Delete(key)]).await;
    world.change("nobody", "other", 100, 1, CRITICAL).await;
    sleep(WHILE).await;
    assert_eq!(sentences(&duty), [""; 0]);
    world.members["a"].may_tell.send_replace(MayTell::Yes);
    until!(sentences(&duty) == ["2 messages could not be told: nobody (2)"]);
}
