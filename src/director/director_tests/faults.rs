//! Poisoned records, a store that misbehaves, directors that are paused, and a rule that panics.

use super::*;
use crate::store::{Answer, Chances};

#[tokio::test(start_paused = true)]
async fn records_that_cannot_be_read_are_left_out_and_named_once() {
    let world = World::of("a b").await;
    world.monitor("web", "");
    world.until("untagged", "a b").await;
    let before = world.table("untagged").await;
    world.garbage(keys::member(&id("broken"))).await;
    world.garbage(keys::intent(&id("a"))).await;
    world.monitor("db", "eu");
    sleep(CALM).await;
    assert_eq!(world.table("untagged").await, before);
    assert_eq!(world.judges("tag-eu").await, "-");
    assert_eq!((world.said("members/broken"), world.said("intent/a")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_read_is_planned_anew() {
    let world = World::of("a b").await;
    world.monitor("web", "");
    world.until("untagged", "a b").await;
    world.garbage(keys::table("untagged")).await;
    sleep(CALM).await;
    assert_eq!(world.judges("untagged").await, "a b");
    assert_eq!(world.said("plan/untagged/table"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_table_of_nonsense_is_put_in_order() {
    let world = World::of("a b").await;
    world.monitor("web", "");
    world.until("untagged", "a b").await;
    let mut table = world.table("untagged").await.unwrap();
    table.runs.truncate(1);
    table.runs[0].judge = Some(id("nobody"));
    table.stamps.clear();
    world
        .write(Op::Put(keys::table("untagged"), encode(&table).unwrap(), None))
        .await;
    sleep(CALM).await;
    assert_eq!(world.judges("untagged").await, "a b");
}

/// What was planned is written, whatever becomes of the calls.
async fn survives(answers: Vec<Answer>) {
    let mut world = World::of("a b").await;
    world.monitor("web", "");
    world.until("untagged", "a b").await;
    world.faults.answers(answers);
    world.monitor("db", "eu");
    world.until("tag-eu", "-").await;
    world.start("e", &["eu"]).await;
    world.until("tag-eu", "e").await;
    let before = world.table("tag-eu").await;
    sleep(CALM * 5).await;
    assert_eq!(
        world.table("tag-eu").await,
        before,
        "it is written once, and no earlier one comes after it"
    );
    assert_eq!(
        (world.judges("tag-eu").await, world.judges("untagged").await),
        ("e".into(), "a b".into())
    );
    world.check_seats().await;
}

#[tokio::test(start_paused = true)]
async fn commits_without_answer_are_settled_whether_they_were_made_or_not() {
    survives(vec![Answer::LostAfterwards]).await;
    survives(vec![Answer::LostBefore]).await;
    survives(vec![Answer::LostBefore, Answer::LostAfterwards, Answer::LostBefore]).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_made_late_changes_nothing_any_more() {
    for seconds in [1, 5, 30] {
        survives(vec![
            Answer::LostAndMadeLater(Duration::from_secs(seconds)),
            Answer::LostBefore,
        ])
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_is_asked_again() {
    use crate::store::StoreError;
    survives(vec![Answer::Failed(StoreError::Full("test".to_owned())); 3]).await;
}

#[tokio::test(start_paused = true)]
async fn by_chance_everything_goes_wrong_and_comes_right() {
    for seed in 0..20 {
        let mut world = World::of("a b c").await;
        for n in 0..50 {
            world.monitor(&format!("m{n}"), ["", "eu"][n % 2]);
        }
        let chances = Chances {
            lost_afterwards: 15,
            lost_before: 15,
            made_later: 15,
        };
        world.intent("b", |intent| intent.drain = true).await;
        world.start("d", &["eu"]).await;
        world.kill("c");
        world.faults.by_chance(seed, chances);
        sleep(Duration::from_secs(60)).await;
        world.faults.none_by_chance();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(
            (world.judges("untagged").await, world.judges("tag-eu").await),
            ("a".into(), "d".into()),
            "seed {seed}"
        );
        world.check_seats().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_director_that_was_paused_and_wakes_up_can_change_nothing() {
    let mut world = World::of("a").await;
    // A director with a session of its own that learns of nothing: it is paused when its lease ends.
    let session = world.session("a").await;
    let term = world.nodes["a"].rights.borrow().term.unwrap();
    let (_rights, rights) = watch::channel(Rights {
        session: Some(session.clone()),
        term: Some(term),
    });
    let (catalog, events) = (Catalog::default(), Events::new(id("a"), Feed::default()).0);
    catalog.set_loaded();
    let old = Director {
        store: world.store.clone(),
        catalog: catalog.clone(),
        rights,
        events,
        abstain: Abstain::default(),
        alone: true,
        planner: plan::plan,
    };
    world.kill("a");
    world.start("b", &[]).await;
    world.monitor("web", "");
    world.until("untagged", "b").await;
    let before = world.store.list(&keys::plans()).await.unwrap().1;
    // It wakes, sees a record of its own member (as if that were back), and wants to plan a group that it alone has heard of.
    world
        .write(Op::Put(
            keys::member(&id("a")),
            encode(&record("a", &[])).unwrap(),
            None,
        ))
        .await;
    let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(old.run(CancellationToken::new()));
    let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "member-tag": "old"});
    let read = Kinds::built_in().read_monitor("old", &spec, Strictness::Lenient);
    let calls = world.faults.commit_calls();
    let name = MonitorName::parse("old").unwrap();
    let entry = MonitorEntry::new(name, Revision(1), WallMs(0), read);
    catalog.put_monitor(Arc::new(entry));
    sleep(Duration::from_millis(500)).await;
    assert!(world.faults.commit_calls() > calls, "it tries");
    assert_eq!(world.store.list(&keys::plans()).await.unwrap().1, before);
}

/// Panics when a group `poison` is to be planned.
fn poisoned(input: &Input<'_>) -> Planned {
    assert!(
        !input.places.iter().any(|place| place.group == Group::of("poison")),
        "on purpose"
    );
    plan::plan(input)
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_planning_makes_the_director_resign_and_another_one_plans() {
    let mut world = World::new();
    world.start_with("a", &["poison"], poisoned).await;
    world.start("b", &[]).await;
    world.monitor("web", "");
    sleep(CALM).await;
    assert_eq!(world.director().await.as_deref(), Some("a"));
    world.monitor("db", "poison");
    world.until("tag-poison", "a").await;
    assert_eq!(world.director().await.as_deref(), Some("b"));
    assert!(world.nodes["a"].abstain.holds());
    assert!(world.nodes["a"].rights.borrow().session.is_some(), "its checks go on");
    assert_eq!(world.said("the plan cannot be made"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_director_that_panics_alone_stays_out_for_a_minute_and_then_for_two() {
    let mut world = World::new();
    world.monitor("db", "poison");
    world.start_with("a", &["poison"], poisoned).await;
    let mut panics = Vec::new();
    while panics.len() < 3 {
        if world.said("the plan cannot be made") > panics.len() {
            panics.push(world.began.elapsed().as_secs());
            assert_eq!(world.director().await, None);
        }
        sleep(Duration::from_millis(100)).await;
    }
    let waits = [panics[1] - panics[0], panics[2] - panics[1]];
    assert!(
        (60..=62).contains(&waits[0]) && (120..=122).contains(&waits[1]),
        "{waits:?}"
    );
}
