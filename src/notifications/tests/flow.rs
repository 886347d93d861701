//! What happens when nothing goes wrong.

use super::far::Far;
use super::*;

const CRITICAL: Status = Status::Critical;
const WARNING: Status = Status::Warning;
const OK: Status = Status::Ok;

#[tokio::test(start_paused = true)]
async fn trouble_is_told_once_and_its_end_once_and_nothing_is_left() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 1);
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert_eq!(world.view().counts().told_open, 1);
    world.change("ops", "web", 100, 2, OK).await;
    until!(world.is_level().await);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(far.lines(), ["web critical", "web ok"]);
    let [trouble, end] = far.heard().try_into().unwrap();
    assert_eq!(trouble.key, "main/web/100/1/ops");
    assert_eq!(trouble.incident_key, end.incident_key);
    assert_eq!(
        trouble.link.as_deref(),
        Some("https://9volt.example.org/ui/monitors/web")
    );
    assert_eq!(
        end.reference.as_deref(),
        Some("ref-1"),
        "the end joins the thread of the beginning"
    );
    assert_eq!(end.sentence(), "Check has recovered from critical after 3 checks");
    let sent: Vec<_> = world
        .view()
        .items()
        .iter()
        .map(|item| (item.state, item.status))
        .collect();
    let state = NotificationState::Sent;
    assert_eq!(sent, [(state, OK), (state, CRITICAL)], "newest first");
    assert_eq!(world.view().counts(), Counts::default());
}

#[tokio::test(start_paused = true)]
async fn a_worse_status_is_an_update_in_the_same_thread_and_has_one_end() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.change("ops", "web", 100, 1, WARNING).await;
    until!(far.heard().len() == 1);
    world.change("ops", "web", 100, 2, CRITICAL).await;
    until!(far.heard().len() == 2);
    world.change("ops", "web", 100, 3, OK).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web warning", "web critical", "web ok"]);
    assert_eq!(far.heard()[1].reference.as_deref(), Some("ref-1"));
    assert_eq!(far.incidents(), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_told_of_a_warning_only_gets_the_one_resolve_too() {
    let mut world = World::new().await;
    let (warned, paged) = (
        world.alerter("chat", "chat", Far::chat()).await,
        world.alerter("pager", "pager", Far::keyed()).await,
    );
    world.begin();
    world.change("chat", "web", 100, 1, WARNING).await;
    until!(warned.heard().len() == 1);
    world.change("pager", "web", 100, 2, CRITICAL).await;
    until!(paged.heard().len() == 1);
    world.change("chat", "web", 100, 3, OK).await;
    world.change("pager", "web", 100, 3, OK).await;
    until!(world.is_level().await);
    assert_eq!(warned.lines(), ["web warning", "web ok"]);
    assert_eq!(paged.lines(), ["web critical", "web ok"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_before_it_was_told_is_not_told() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::chat()).await;
    world.change("ops", "web", 100, 1, CRITICAL).await;
    world.change("ops", "web", 100, 2, OK).await;
    world.begin();
    until!(world.is_level().await);
    assert_eq!(far.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_episode_waits_for_the_end_of_the_one_that_was_told() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 1);
    until!(world.keys(&keys::outbox()).await.is_empty());
    world.change("ops", "web", 200, 1, WARNING).await;
    until!(far.heard().len() == 3);
    assert_eq!(far.lines(), ["web critical", "web ok", "web warning"]);
    let end = &far.heard()[1];
    assert_eq!((end.episode, end.from), (EpisodeId(100), CRITICAL));
    assert_eq!(end.sentence(), "Check has recovered from critical");
    assert_eq!(far.incidents(), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_alerter_is_given_four_at_once_and_holds_up_no_other() {
    let mut world = World::new().await;
    let slow = Far::keyed().taking(Duration::from_secs(10));
    let slow = world.alerter("slow", "slow", slow).await;
    let quick = world.alerter("quick", "quick", Far::keyed()).await;
    for n in 0..30 {
        world.change("slow", &format!("m{n}"), 100, 1, CRITICAL).await;
    }
    world.begin();
    until!(slow.attempts() == 4);
    world.change("quick", "web", 100, 1, CRITICAL).await;
    let began = Instant::now();
    until!(quick.heard().len() == 1);
    assert!(began.elapsed() < Duration::from_secs(1));
    until!(slow.heard().len() == 30);
    assert_eq!(slow.most_at_once(), 4);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_one_message_where_the_far_end_keeps_no_incidents() {
    let mut world = World::new().await;
    let (chat, pager) = (
        world.alerter("chat", "chat", Far::chat()).await,
        world.alerter("pager", "pager", Far::keyed()).await,
    );
    for n in 0..50 {
        let status = if n == 7 { CRITICAL } else { WARNING };
        for alerter in ["chat", "pager"] {
            world.change(alerter, &format!("m{n}"), 100, 1, status).await;
        }
    }
    world.begin();
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert_eq!(pager.heard().len(), 50);
    let [digest] = chat.heard().try_into().unwrap();
    assert_eq!(digest.monitor.as_str(), "50 monitors");
    assert_eq!(digest.sentence(), "50 changes at once: 1 critical, 49 warning");
    assert!(
        digest.details.starts_with("critical m7: connection refused\n"),
        "{}",
        digest.details
    );
    assert!(digest.details.ends_with("and 10 more"), "{}", digest.details);
    assert_eq!(digest.digest.len(), 50);
    for n in 0..50 {
        world.change("chat", &format!("m{n}"), 100, 2, OK).await;
    }
    until!(world.keys(&keys::told_all()).await.len() == 50);
    assert_eq!(
        chat.heard().last().unwrap().status,
        OK,
        "each of them was recorded as told, and ends"
    );
}

#[tokio::test(start_paused = true)]
async fn a_test_message_says_so_and_touches_nothing() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    let view = world.view().clone();
    assert!(view.send_test(&far_def("ops", &far)).await.is_ok());
    let [note] = far.heard().try_into().unwrap();
    assert!(note.test && note.incident_key.starts_with("main/test/"), "{note:?}");
    assert!(world.is_level().await);
    assert!(view.alerters()[&name("ops")].last_delivery.as_ref().unwrap().ok);
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_was_removed_still_tells_the_end_and_is_then_forgotten() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 1);
    let (current, retired) = (keys::alerter(&name("ops")), keys::retired_alerter(&name("ops")));
    world
        .write(vec![Op::Delete(current), Op::Put(retired, definition("far"), None)])
        .await;
    world.change("ops", "other", 100, 1, CRITICAL).await;
    until!(world.state("other") == Some(NotificationState::GivenUp));
    assert_eq!(
        world.keys(&keys::retired_alerters()).await.len(),
        1,
        "something is open"
    );
    world.change("ops", "web", 100, 2, OK).await;
    world.change("ops", "other", 100, 2, OK).await;
    until!(world.is_level().await);
    until!(world.keys(&keys::retired_alerters()).await.is_empty());
    assert_eq!(far.lines(), ["web critical", "web ok"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_removed_alerter_never_resolves_is_given_up_after_a_day() {
    let mut world = World::new().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.begin();
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 1);
    let (current, retired) = (keys::alerter(&name("ops")), keys::retired_alerter(&name("ops")));
    let began = Instant::now();
    world
        .write(vec![Op::Delete(current), Op::Put(retired, definition("far"), None)])
        .await;
    until!(world.keys(&keys::retired_alerters()).await.is_empty());
    assert!(began.elapsed() >= Duration::from_secs(24 * 3600));
    assert!(world.is_level().await);
    let gave_up = |event: &NotifierEvent| {
        matches!(
            event,
            NotifierEvent::GivenUp {
                why: GaveUp::Retired,
                ..
            }
        )
    };
    assert!(world.events.lock().iter().any(gave_up));
}
