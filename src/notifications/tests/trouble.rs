//! Far ends that refuse, hang and fail.

use super::far::{Answer, Far};
use super::*;
use crate::alerters::Retry;

const CRITICAL: Status = Status::Critical;
const OK: Status = Status::Ok;

#[tokio::test(start_paused = true)]
async fn a_refusal_gives_up_its_own_entry_alone_and_an_edit_tries_again() {
    let mut world = World::new().await;
    let far = Far::keyed().script([Answer::Fails(Retry::Never)]);
    let far = world.alerter("ops", "far", far).await;
    world.begin();
    world.change("ops", "a", 100, 1, CRITICAL).await;
    until!(world.state("a") == Some(NotificationState::GivenUp));
    world.change("ops", "b", 100, 1, CRITICAL).await;
    until!(far.lines() == ["b critical"]);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(far.attempts(), 2);
    let item = world.view().items().remove(0);
    assert_eq!((item.error.as_deref(), item.attempts), (Some("as told: Never"), 1));
    let why = |event: &NotifierEvent| {
        matches!(
            event,
            NotifierEvent::GivenUp {
                why: GaveUp::Refused,
                ..
            }
        )
    };
    assert_eq!(world.events.lock().iter().filter(|event| why(event)).count(), 1);
    let mended = world.alerter("ops", "mended", Far::keyed()).await;
    until!(mended.lines() == ["a critical"]);
    assert_eq!(world.state("a"), None);
}

#[tokio::test(start_paused = true)]
async fn an_edit_while_nobody_was_there_is_noticed_at_the_start() {
    let mut world = World::new().await;
    world
        .alerter("ops", "far", Far::keyed().always(Answer::Fails(Retry::Never)))
        .await;
    world.begin();
    world.change("ops", "a", 100, 1, CRITICAL).await;
    until!(world.state("a") == Some(NotificationState::GivenUp));
    world.kill_and_begin("boot-2").await;
    until!(world.state("a") == Some(NotificationState::GivenUp));
    world.kill();
    let mended = world.alerter("ops", "mended", Far::keyed()).await;
    world.kill_and_begin("boot-3").await;
    until!(mended.lines() == ["a critical"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_and_recovered_is_neither_told_nor_resolved() {
    let mut world = World::new().await;
    let far = world
        .alerter("ops", "far", Far::keyed().script([Answer::Fails(Retry::Never)]))
        .await;
    world.begin();
    world.change("ops", "a", 100, 1, CRITICAL).await;
    until!(world.state("a") == Some(NotificationState::GivenUp));
    world.change("ops", "a", 100, 2, OK).await;
    until!(world.is_level().await);
    assert_eq!(far.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_cannot_be_reached_is_tried_ever_more_rarely_and_told_when_it_is_back() {
    let mut world = World::new().await;
    let dead = Far::keyed().always(Answer::Fails(Retry::Unreachable));
    let far = world.alerter("ops", "far", dead).await;
    let other = world.alerter("other", "other", Far::keyed()).await;
    world.begin();
    for n in 0..100 {
        world.change("ops", &format!("m{n}"), 100, 1, CRITICAL).await;
    }
    world.change("other", "web", 100, 1, CRITICAL).await;
    until!(other.heard().len() == 1);
    sleep(Duration::from_secs(3600)).await;
    let attempts = far.attempts();
    assert!(
        (30..120).contains(&attempts),
        "{attempts} attempts in an hour, for all of them"
    );
    let fails = |event: &NotifierEvent| matches!(event, NotifierEvent::AlerterFails { .. });
    assert_eq!(world.events.lock().iter().filter(|event| fails(event)).count(), 1);
    // Over before it could be told: surely nothing of it arrived.
    world.change("ops", "m0", 100, 2, OK).await;
    far.henceforth(Answer::Taken);
    until!(far.heard().len() == 99);
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert!(
        far.heard()
            .iter()
            .all(|note| note.status == CRITICAL && !note.possibly_repeated)
    );
    assert!(
        world
            .events
            .lock()
            .iter()
            .any(|event| matches!(event, NotifierEvent::AlerterWorks { .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_asks_for_a_pause_gets_it_for_all() {
    let mut world = World::new().await;
    let wait = Answer::Fails(Retry::After(Duration::from_secs(90)));
    let far = world.alerter("ops", "far", Far::keyed().script([wait])).await;
    world.begin();
    world.change("ops", "a", 100, 1, CRITICAL).await;
    until!(far.attempts() == 1);
    let began = Instant::now();
    world.change("ops", "b", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 2);
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(89) && waited < Duration::from_secs(95),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_ends_by_its_deadline_and_the_repetition_is_marked() {
    for has_key in [false, true] {
        let mut world = World::new().await;
        let far = if has_key { Far::keyed() } else { Far::chat() };
        let far = world.alerter("ops", "far", far.script([Answer::TakenSilently])).await;
        world.begin();
        world.change("ops", "a", 100, 1, CRITICAL).await;
        let began = Instant::now();
        until!(far.heard().len() == 2);
        assert!(began.elapsed() >= Duration::from_secs(30) && began.elapsed() < Duration::from_secs(33));
        let marks: Vec<_> = far.heard().iter().map(|note| note.possibly_repeated).collect();
        assert_eq!(marks, [false, !has_key]);
        assert_eq!(far.heard()[0].key, far.heard()[1].key);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_failures_it_is_given_up_visibly() {
    let mut world = World::new().await;
    let far = world
        .alerter("ops", "far", Far::keyed().always(Answer::Fails(Retry::Soon)))
        .await;
    world.begin();
    world.change("ops", "a", 100, 1, CRITICAL).await;
    let began = Instant::now();
    until!(world.state("a") == Some(NotificationState::GivenUp));
    let took = began.elapsed().as_secs();
    assert!((86_000..88_000).contains(&took), "{took}");
    assert!(far.attempts() > 50, "{}", far.attempts());
    let facts = &world.view().alerters()[&name("ops")];
    assert_eq!(facts.gave_up.get("deadline"), Some(&1));
    // It may have arrived, so its end has to be told.
    far.henceforth(Answer::Taken);
    world.change("ops", "a", 100, 2, OK).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["a ok"]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_for_nobody_is_given_up_at_once_and_told_when_somebody_takes_the_name() {
    let mut world = World::new().await;
    world.begin();
    world.change("nobody", "a", 100, 1, CRITICAL).await;
    until!(world.state("a") == Some(NotificationState::GivenUp));
    let why = |event: &NotifierEvent| {
        matches!(
            event,
            NotifierEvent::GivenUp {
                why: GaveUp::Orphaned,
                ..
            }
        )
    };
    assert!(world.events.lock().iter().any(why));
    let far = world.alerter("nobody", "far", Far::keyed()).await;
    until!(far.lines() == ["a critical"]);
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_panics_harms_nobody_else() {
    struct Panics;
    impl DynAlerter for Panics {
        fn has_key(&self) -> bool {
            false
        }
        fn place(&self) -> Option<String> {
            None
        }
        fn deliver<'a>(
            &'a self,
            _cx: &'a DeliveryCx,
            _note: &'a Notification,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Receipt, DeliveryError>> + Send + 'a>> {
            panic!("on purpose")
        }
    }
    let note = Sender {
        cluster: "main".to_owned(),
        member: "a".to_owned(),
        base_url: None,
    }
    .test(&name("ops"), monitor("m"), WallMs(0));
    let result = deliver(Arc::new(Panics), reqwest::Client::new(), note).await;
    assert!(result.unwrap_err().message.contains("panicked"));
}
