//! Groups, orphans, and one member by itself.

use super::*;

#[tokio::test(start_paused = true)]
async fn every_group_in_use_gets_a_table_at_once_and_alerters_one_of_their_own() {
    let world = World::of("a").await;
    assert_eq!(
        (world.judges("notify").await, world.judges("untagged").await),
        ("a".into(), "".into())
    );
    world.monitor("web", "");
    assert!(world.until("untagged", "a").await <= Duration::from_millis(100));
    world.check_seats().await;
}

#[tokio::test(start_paused = true)]
async fn with_the_embedded_store_the_only_member_is_planned_with_at_once() {
    let (store, _faults) = in_memory();
    let session = Arc::new(Session::open(&store, record("a", &[]), TTL).await.unwrap());
    let term = session.campaign().await.unwrap();
    let (catalog, events) = (Catalog::default(), Events::new(id("a"), Feed::default()).0);
    catalog.set_loaded();
    let (_rights, rights) = watch::channel(Rights {
        session: Some(session),
        term,
    });
    let director = Director {
        store: store.clone(),
        catalog,
        rights,
        events,
        abstain: Abstain::default(),
        alone: true,
        planner: plan::plan,
    };
    let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(director.run(CancellationToken::new()));
    let began = Instant::now();
    while store.read::<Table>(&keys::table("notify")).await.unwrap().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() <= Duration::from_millis(50), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn orphans_are_named_once_each_and_again_after_they_had_somebody() {
    let mut world = World::new();
    world.start("a", &["eu"]).await;
    world.monitor("web", "");
    sleep(CALM).await;
    assert_eq!(world.judges("untagged").await, "-");
    world.monitor("db", "");
    sleep(CALM).await;
    assert_eq!((world.said("check web"), world.said("check db")), (1, 1));
    world.start("b", &[]).await;
    world.until("untagged", "b").await;
    world.kill("b");
    world.until("untagged", "-").await;
    sleep(CALM).await;
    assert_eq!(world.said("check web"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_the_member_that_has_just_come_instead_of_being_orphaned() {
    let mut world = World::of("a").await;
    world.start("e", &["eu"]).await;
    world.monitor("db", "eu");
    assert!(world.until("tag-eu", "e").await >= Duration::from_secs(1));
    assert_eq!(world.said("unable to find"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_lost_plans_nothing_and_names_no_orphans() {
    let world = World::of("a").await;
    world.monitor("web", "");
    world.until("untagged", "a").await;
    let session = world.session("a").await;
    world.faults.lose_lease(session.lease());
    sleep(CALM).await;
    assert_eq!(world.judges("untagged").await, "a");
    assert_eq!(world.said("unable to find"), 0);
}
