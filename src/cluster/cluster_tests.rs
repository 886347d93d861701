//! Sessions that are lost, and what stays.

use tokio::time::sleep;

use super::*;
use crate::feed::Feed;
use crate::model::MemberId;
use crate::store::records::{FORMAT, SLOTS, SlotRun};
use crate::store::{Commit, Faults, Op, Outcome, encode, in_memory, seat_value};
use crate::tasks::Tasks;
use crate::watchdog::Watchdog;

const TTL: Duration = Duration::from_secs(6);

fn record(boot: &str) -> MemberRecord {
    MemberRecord::new(MemberId::parse("m").unwrap(), "disk", boot)
}

struct Bench {
    watchdog: Watchdog,
    store: Store,
    faults: Faults,
    tenures: Tenures,
    rights: watch::Receiver<Rights>,
    events: Events,
    tasks: Tasks<Result<(), Lost>>,
}

/// A member that runs, with a table that gives it the group `untagged`.
async fn running() -> Bench {
    running_in(false).await
}

/// `alone`: where nobody else can be.
async fn running_in(alone: bool) -> Bench {
    let (store, faults) = in_memory();
    let member = MemberId::parse("m").unwrap();
    let table = Table {
        v: FORMAT,
        epoch: "1-1".to_owned(),
        at: WallMs(0),
        why: String::new(),
        runs: vec![SlotRun {
            first: 0,
            last: SLOTS - 1,
            judge: Some(member.clone()),
            since: "1-1".to_owned(),
            runners: Vec::new(),
        }],
        stamps: [(member.clone(), "1-1".to_owned())].into(),
    };
    let ops = vec![
        Op::Put(keys::table("untagged"), encode(&table).unwrap(), None),
        Op::Put(keys::seat("untagged", &member), seat_value("1-1"), None),
    ];
    write(&store, ops).await;
    let (rights, rights_now) = watch::channel(Rights::default());
    let tenures = Tenures::default();
    let events = Events::new(member, Feed::default()).0;
    let watchdog = Watchdog::new(TTL);
    let cluster = Cluster {
        store: store.clone(),
        home: store.clone(),
        record: record("boot-1"),
        ttl: TTL,
        tenures: tenures.clone(),
        tables: Tables::default(),
        rights,
        events: events.clone(),
        read_before: AtomicBool::default(),
        abstain: Abstain::default(),
        watchdog: watchdog.clone(),
        alone,
    };
    let first = cluster.join().await.unwrap();
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    let stop = tasks.stop().clone();
    let (_, footing) = watch::channel(Footing::Shared(first));
    tasks.spawn(cluster.run(footing, stop));
    tenures.news().changed().await;
    let (dog, to, stop) = (watchdog.clone(), events.clone(), tasks.stop().clone());
    tasks.spawn(async move {
        let _ = dog.run(&to, &stop).await;
        std::future::pending().await
    });
    Bench {
        watchdog,
        store,
        faults,
        tenures,
        rights: rights_now,
        events,
        tasks,
    }
}

async fn write(store: &Store, ops: Vec<Op>) {
    let guards = Vec::new();
    assert!(matches!(store.commit(Commit { guards, ops }).await, Outcome::Done(_)));
}

fn untagged() -> Group {
    Group::of("")
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_takes_no_tenure_away_and_the_next_one_proves_it_anew() {
    let bench = running().await;
    let before = bench.tenures.holding(&untagged()).unwrap();
    let mut news = bench.tenures.news();
    let lease = bench.rights.borrow().session.as_ref().unwrap().lease();
    bench.faults.set_full(true);
    bench.faults.lose_lease(lease);
    sleep(TTL * 3).await;
    assert_eq!(
        bench.tenures.holding(&untagged()),
        Some(before.clone()),
        "nothing was given to anybody else"
    );
    assert!(bench.rights.borrow().session.is_none());
    bench.faults.set_full(false);
    news.changed().await;
    let after = bench.tenures.holding(&untagged()).unwrap();
    assert_ne!(before.tenure().guards(), after.tenure().guards());
    assert_eq!(before.right(7), after.right(7), "slots stay");
}

#[tokio::test(start_paused = true)]
async fn a_member_in_which_something_hangs_gives_its_lease_up_and_comes_back_when_it_turns() {
    let bench = running().await;
    let key = keys::member(&MemberId::parse("m").unwrap());
    let before = bench.tenures.holding(&untagged());
    let lease = bench.rights.borrow().session.as_ref().unwrap().lease();
    let pulse = bench.watchdog.pulse("lane 0");
    sleep(TTL - Duration::from_secs(1)).await;
    assert!(bench.store.get(&key).await.unwrap().is_some());
    sleep(Duration::from_secs(2)).await;
    // Others need not wait until it is over.
    assert_eq!(bench.store.get(&key).await.unwrap(), None);
    assert!(bench.rights.borrow().session.is_none());
    assert_eq!(bench.tenures.holding(&untagged()), before, "what runs runs on");
    let said = bench.events.newest_first();
    assert!(
        said.iter()
            .any(|event| event.message.contains("gives its lease up: `lane 0`")),
        "{said:?}"
    );
    sleep(TTL).await;
    assert_eq!(bench.store.get(&key).await.unwrap(), None);
    pulse.over(sleep(Duration::from_secs(2))).await;
    let there = bench.store.get(&key).await.unwrap().unwrap();
    assert_ne!(there.lease, Some(lease));
    assert_eq!(bench.rights.borrow().session.as_ref().map(|s| s.lease()), there.lease);
}

#[tokio::test(start_paused = true)]
async fn on_a_store_of_its_own_nobody_could_take_over_and_the_lease_is_kept() {
    let bench = running_in(true).await;
    let _never = bench.watchdog.pulse("lane 0");
    sleep(TTL * 2).await;
    assert!(bench.watchdog.hung().is_some());
    assert!(bench.rights.borrow().session.is_some());
    let key = keys::member(&MemberId::parse("m").unwrap());
    assert!(bench.store.get(&key).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn every_listener_hears_of_a_change_of_rights_even_if_it_was_busy() {
    let tenures = Tenures::default();
    let (mut busy, mut quick) = (tenures.news(), tenures.news());
    let bench = running().await;
    let held = [(untagged(), bench.tenures.holding(&untagged()).unwrap())];
    tenures.set(held.into());
    quick.changed().await;
    assert!(tokio::time::timeout(TTL, quick.changed()).await.is_err(), "heard once");
    busy.changed().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_taken_over_ends_and_leaves_the_record_alone() {
    let mut bench = running().await;
    let other = Session::open(&bench.store, record("boot-2"), TTL).await.unwrap();
    let ended = bench.tasks.next().await.unwrap().unwrap();
    assert!(matches!(ended, Err(Lost::TakenOver { boot, .. }) if boot == "boot-2"));
    let there = bench.store.get(&keys::member(other.member())).await.unwrap().unwrap();
    assert_eq!(there.lease, Some(other.lease()));
}

#[tokio::test(start_paused = true)]
async fn tables_are_followed_while_the_election_cannot_be_held() {
    let bench = running().await;
    bench.faults.set_full(true);
    // The director's key goes, and nobody can put it.
    write(&bench.store, vec![Op::Delete(keys::director())]).await;
    sleep(TTL).await;
    let mut news = bench.tenures.news();
    write(&bench.store, vec![Op::Delete(keys::table("untagged"))]).await;
    news.changed().await;
    assert_eq!(bench.tenures.holding(&untagged()), None);
}

#[tokio::test(start_paused = true)]
async fn a_director_that_somebody_wrote_by_hand_is_named_and_once_deleted_one_is_elected() {
    let mut bench = running().await;
    let key = keys::director();
    let errors = || {
        let events = bench.events.newest_first();
        let errors = events
            .iter()
            .filter(|event| event.message.contains("`cluster/director`"));
        errors.count()
    };
    assert_eq!(errors(), 0, "one that was elected is none");
    write(&bench.store, vec![Op::Delete(key.clone())]).await;
    write(&bench.store, vec![Op::Put(key.clone(), "x".into(), None)]).await;
    assert!(bench.rights.wait_for(|rights| rights.term.is_none()).await.is_ok());
    sleep(TTL * 3).await;
    assert_eq!(errors(), 1);
    write(&bench.store, vec![Op::Delete(key)]).await;
    assert!(bench.rights.wait_for(|rights| rights.term.is_some()).await.is_ok());
}
