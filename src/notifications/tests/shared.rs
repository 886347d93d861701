//! Alerters that move from member to member.

use super::far::{Answer, Far};
use super::*;
use crate::store::records::ToldState;

const CRITICAL: Status = Status::Critical;
const OK: Status = Status::Ok;
const S: fn(u64) -> Duration = Duration::from_secs;

/// Members `a`, which is given everything at first, and `b`; both run.
async fn two() -> World {
    let mut world = World::new().await;
    world.join("b", "boot-1").await;
    world.begin_at("a");
    world.begin_at("b");
    world
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_is_given_to_another_member_is_told_from_there_and_from_nowhere_else() {
    let mut world = two().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.heard().len() == 1);
    until!(world.keys(&keys::outbox()).await.is_empty());
    until!(world.view_of("b").alerters().contains_key(&name("ops")));
    assert!(world.view_of("a").works(&name("ops")) && !world.view_of("b").works(&name("ops")));
    assert!(!world.view_of("b").alerters()[&name("ops")].here);
    world.move_to(&[("ops", "b")]).await;
    until!(world.view_of("b").counts().told_open == 1);
    assert_eq!(world.view_of("a").counts(), Counts::default());
    assert!(!world.view_of("a").works(&name("ops")) && world.view_of("b").alerters()[&name("ops")].here);
    sleep(S(3600)).await;
    world.change("ops", "web", 100, 2, OK).await;
    until!(world.is_level().await);
    sleep(S(3600)).await;
    assert_eq!(far.lines(), ["web critical", "web ok"]);
    assert_eq!(
        far.heard()[1].reference.as_deref(),
        Some("ref-1"),
        "by what the first one recorded"
    );
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_comes_back_is_read_anew_even_if_its_loss_was_never_heard_of() {
    let mut world = two().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.change("ops", "web", 100, 1, CRITICAL).await;
    world.change("ops", "db", 100, 1, CRITICAL).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    // While `a` hears of nothing, `b` works it.
    world.give(&[("ops", "b")]).await;
    world.hear("b");
    world.change("ops", "web", 100, 2, OK).await;
    until!(world.told("ops", "web").await.is_none());
    world.change("ops", "web", 200, 1, CRITICAL).await;
    until!(
        world
            .told("ops", "web")
            .await
            .is_some_and(|told| told.value.state == ToldState::Told)
    );
    world.move_to(&[("ops", "a")]).await;
    until!(world.view_of("a").counts().told_open == 2);
    world.change("ops", "web", 200, 2, OK).await;
    world.change("ops", "db", 100, 2, OK).await;
    until!(world.is_level().await);
    sleep(S(3600)).await;
    assert_eq!(far.incidents(), (3, 3, 0));
    assert_eq!(far.heard().len(), 6, "{:?}", far.lines());
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_when_the_alerter_went_is_settled_by_whoever_has_it_then() {
    for back_again in [false, true] {
        let mut world = two().await;
        let far = world.alerter("ops", "far", Far::keyed().taking(S(10))).await;
        world.change("ops", "web", 100, 1, CRITICAL).await;
        until!(far.attempts() == 1);
        let began = Instant::now();
        world.move_to(&[("ops", "b")]).await;
        if back_again {
            // By another right, while the delivery of the earlier one is still on its way.
            sleep(S(1)).await;
            world.move_to(&[("ops", "a")]).await;
        }
        until!(far.attempts() == 2);
        assert!(began.elapsed() >= S(30), "{:?}", began.elapsed());
        assert_eq!(far.heard().len(), 1, "the delivery ended, and nobody recorded it");
        until!(world.keys(&keys::outbox()).await.is_empty());
        assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Told);
        let keys: Vec<_> = far.heard().iter().map(|note| note.key.clone()).collect();
        assert_eq!(keys, ["main/web/100/1/ops", "main/web/100/1/ops"]);
        world.change("ops", "web", 100, 2, OK).await;
        until!(world.is_level().await);
        assert_eq!(far.incidents(), (1, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_and_is_no_longer_wanted_is_resolved_after_it_can_have_arrived() {
    let mut world = two().await;
    let far = world.alerter("ops", "far", Far::keyed().taking(S(20))).await;
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.attempts() == 1);
    world.change("ops", "web", 100, 2, OK).await;
    world.move_to(&[("ops", "b")]).await;
    until!(world.is_level().await);
    assert_eq!(far.lines(), ["web critical", "web ok"]);
    assert_eq!(far.incidents(), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_from_a_dead_member_marks_what_may_have_been_told() {
    for has_key in [false, true] {
        let mut world = two().await;
        let far = if has_key { Far::keyed() } else { Far::chat() };
        let far = world.alerter("ops", "far", far.script([Answer::TakenSilently])).await;
        world.change("ops", "web", 100, 1, CRITICAL).await;
        until!(far.heard().len() == 1);
        assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Sending);
        world.kill();
        let began = Instant::now();
        world.move_to(&[("ops", "b")]).await;
        until!(far.heard().len() == 2);
        assert!(
            began.elapsed() >= S(30) && began.elapsed() < S(32),
            "{:?}",
            began.elapsed()
        );
        let marks: Vec<_> = far.heard().iter().map(|note| note.possibly_repeated).collect();
        assert_eq!(marks, [false, !has_key]);
        assert_eq!(far.heard()[0].key, far.heard()[1].key);
        world.change("ops", "web", 100, 2, OK).await;
        until!(world.is_level().await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_is_kept_is_not_disturbed_by_one_that_moves() {
    let mut world = two().await;
    let kept = world.alerter("kept", "kept", Far::chat().taking(S(4))).await;
    let moved = world.alerter("moved", "moved", Far::chat()).await;
    world.change("moved", "web", 100, 1, CRITICAL).await;
    until!(moved.heard().len() == 1);
    world.change("kept", "web", 100, 1, CRITICAL).await;
    until!(kept.attempts() == 1);
    let began = Instant::now();
    // Its stamp is another one now, which `a` hears of only after the delivery has ended.
    world.give(&[("moved", "b")]).await;
    sleep(S(6)).await;
    assert_eq!(world.told("kept", "web").await.unwrap().value.state, ToldState::Sending);
    world.hear("b");
    world.hear("a");
    until!(world.told("kept", "web").await.unwrap().value.state == ToldState::Told);
    assert!(began.elapsed() < S(7), "{:?}", began.elapsed());
    // A delivery of it is in flight at each of these moves.
    for n in 0..4 {
        world.change("kept", &format!("m{n}"), 100, 1, CRITICAL).await;
        sleep(S(1)).await;
        world.move_to(&[("moved", if n % 2 == 0 { "a" } else { "b" })]).await;
    }
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert!(began.elapsed() < S(20), "{:?}", began.elapsed());
    assert_eq!(kept.heard().len(), 5, "{:?}", kept.lines());
    assert!(kept.heard().iter().all(|note| !note.possibly_repeated));
    assert_eq!(moved.lines(), ["web critical"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_slept_through_its_loss_can_neither_begin_nor_record_anything() {
    let mut world = two().await;
    let far = world.alerter("ops", "far", Far::chat().taking(S(4))).await;
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.attempts() == 1);
    world.give(&[("ops", "b")]).await;
    // Both see this one, and `a` still believes that it is its own.
    world.change("ops", "db", 100, 1, CRITICAL).await;
    sleep(S(600)).await;
    assert_eq!(far.lines(), ["web critical"], "nothing was begun");
    assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Sending);
    world.hear("b");
    until!(world.keys(&keys::outbox()).await.is_empty());
    let lines = |what: &str| far.lines().iter().filter(|line| *line == what).count();
    assert_eq!((lines("web critical"), lines("db critical")), (2, 1));
    world.hear("a");
    world.change("ops", "web", 100, 2, OK).await;
    world.change("ops", "db", 100, 2, OK).await;
    until!(world.is_level().await);
    sleep(S(600)).await;
    assert_eq!(far.heard().len(), 5, "{:?}", far.lines());
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_stops_the_work_and_loses_nothing_of_it() {
    let mut world = two().await;
    let far = world.alerter("ops", "far", Far::chat().taking(S(4))).await;
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(far.attempts() == 1);
    world.lose_session("a").await;
    world.change("ops", "db", 100, 1, CRITICAL).await;
    sleep(S(60)).await;
    assert_eq!(far.attempts(), 1);
    assert_eq!(world.told("ops", "web").await.unwrap().value.state, ToldState::Sending);
    let began = Instant::now();
    world.hear("a");
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert!(began.elapsed() < S(6), "nothing was waited for");
    assert_eq!(far.lines(), ["web critical", "db critical"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_for_alerters_of_others_is_not_even_looked_at() {
    let mut world = World::new().await;
    world.join("b", "boot-1").await;
    let (ours, others) = (
        world.alerter("ours", "ours", Far::chat()).await,
        world.alerter("others", "others", Far::chat()).await,
    );
    world.give(&[("others", "b"), ("nobody", "b")]).await;
    let rubbish = |alerter: &str, n: usize| {
        let key = keys::outbox_entry(&name(alerter), &monitor(&format!("m{n}")));
        Op::Put(key, Bytes::from_static(b"{"), None)
    };
    world.write((0..50).map(|n| rubbish("others", n)).collect()).await;
    world.write((0..50).map(|n| rubbish("nobody", n)).collect()).await;
    world.begin_at("a");
    world.change("ours", "web", 100, 1, CRITICAL).await;
    until!(ours.heard().len() == 1);
    world.write((0..50).map(|n| rubbish("others", n)).collect()).await;
    world.faults.drop_watches();
    world.change("others", "web", 100, 1, CRITICAL).await;
    world.change("ours", "web", 100, 2, OK).await;
    until!(ours.heard().len() == 2);
    sleep(S(3600)).await;
    assert_eq!(others.attempts(), 0);
    assert!(
        world
            .events
            .lock()
            .iter()
            .all(|event| matches!(event, NotifierEvent::Sent { .. }))
    );
    assert_eq!(world.view().counts(), Counts::default());
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_an_alerter_is_being_read_is_not_missed() {
    let mut world = two().await;
    let far = world.alerter("ops", "far", Far::keyed()).await;
    world.change("ops", "web", 100, 1, CRITICAL).await;
    until!(world.keys(&keys::outbox()).await.is_empty());
    // Who has an alerter already follows the outbox.
    world.move_to(&[("other", "b")]).await;
    sleep(S(1)).await;
    world.give(&[("ops", "b")]).await;
    // What is wanted is read, then what was told; between the two something changes.
    world.faults.set_delay(S(1));
    world.hear("a");
    world.hear("b");
    sleep(Duration::from_millis(500)).await;
    tokio::join!(
        world.change("ops", "web", 100, 2, OK),
        world.change("ops", "db", 100, 1, CRITICAL)
    );
    world.faults.set_delay(Duration::ZERO);
    until!(far.heard().len() == 3);
    until!(world.keys(&keys::outbox()).await.is_empty());
    assert_eq!(far.incidents(), (2, 1, 1), "{:?}", far.lines());
}

#[tokio::test(start_paused = true)]
async fn many_alerters_at_once_are_taken_over_together() {
    let mut world = two().await;
    let names: Vec<_> = (0..40).map(|n| format!("a{n}")).collect();
    let mut fars = Vec::new();
    for name in &names {
        fars.push(world.alerter(name, name, Far::keyed()).await);
        world.change(name, "web", 100, 1, CRITICAL).await;
    }
    until!(world.keys(&keys::outbox()).await.is_empty());
    world.faults.set_delay(Duration::from_millis(50));
    let moves: Vec<_> = names.iter().map(|name| (name.as_str(), "b")).collect();
    world.move_to(&moves).await;
    for name in &names {
        world.change(name, "web", 100, 2, OK).await;
    }
    until!(world.is_level().await);
    for far in fars {
        assert_eq!(far.lines(), ["web critical", "web ok"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_alerter_is_tidied_by_the_member_that_has_its_slot() {
    let mut world = World::new().await;
    world.join("b", "boot-1").await;
    world.alerter("ops", "far", Far::chat()).await;
    world.give(&[("ops", "b")]).await;
    world.begin_at("a");
    let (current, retired) = (keys::alerter(&name("ops")), keys::retired_alerter(&name("ops")));
    world
        .write(vec![Op::Delete(current), Op::Put(retired, definition("far"), None)])
        .await;
    sleep(S(2 * 24 * 3600)).await;
    assert_eq!(world.keys(&keys::retired_alerters()).await.len(), 1);
    world.begin_at("b");
    until!(world.keys(&keys::retired_alerters()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn whatever_moves_whenever_each_incident_is_closed_and_nothing_is_left() {
    const MEMBERS: [&str; 3] = ["a", "b", "c"];
    const ALERTERS: [&str; 3] = ["ops", "chat", "pager"];
    for seed in 0..12 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = two().await;
        world.join("c", "boot-1").await;
        world.begin_at("c");
        let mut fars = Vec::new();
        for alerter in ALERTERS {
            let far = Far::keyed().taking(Duration::from_millis(rng.u64(0..3000)));
            fars.push(world.alerter(alerter, alerter, far).await);
        }
        world.faults.set_delay(Duration::from_millis(10));
        let mut about: HashMap<(&str, usize), (i64, u32, bool)> = HashMap::new();
        for step in 0..120 {
            let (member, alerter) = (*rng.choice(&MEMBERS).unwrap(), *rng.choice(&ALERTERS).unwrap());
            match rng.u8(0..10) {
                0..5 => {
                    let n = rng.usize(0..3);
                    let (episode, seq, bad) = about.entry((alerter, n)).or_insert((0, 0, false));
                    (*episode, *seq) = if *bad { (*episode, 2) } else { (*episode + 1, 1) };
                    *bad = !*bad;
                    let status = if *bad { CRITICAL } else { OK };
                    world.change(alerter, &format!("m{n}"), *episode, *seq, status).await;
                }
                5 => world.give(&[(alerter, member)]).await,
                6 => world.move_to(&[(alerter, member)]).await,
                7 => world.hear(member),
                8 => world.lose_session(member).await,
                _ => {
                    world.kill_at(member);
                    world.join(member, &format!("boot {step}")).await;
                    world.begin_at(member);
                }
            }
            sleep(Duration::from_millis(rng.u64(0..4000))).await;
        }
        for ((alerter, n), (episode, _, _)) in about.iter().filter(|(_, (.., bad))| *bad) {
            world.change(alerter, &format!("m{n}"), *episode, 2, OK).await;
        }
        MEMBERS.iter().for_each(|id| world.hear(id));
        until!(world.is_level().await);
        sleep(S(600)).await;
        assert!(world.is_level().await, "seed {seed}: nothing comes back late");
        for far in fars {
            let (opened, closed, open) = far.incidents();
            assert!(
                open == 0 && opened == closed && opened > 0,
                "seed {seed}: {:?}",
                far.lines()
            );
        }
    }
}
