//! Sessions, terms and tenures over a store in memory.

use super::*;

use crate::store::records::{FORMAT, SlotRun};
use crate::store::{in_memory, seat_value};

const TTL: Duration = Duration::from_secs(6);

fn record(identity: &str, boot: &str) -> MemberRecord {
    MemberRecord {
        hostname: "host".to_owned(),
        listen: "127.0.0.1:8080".to_owned(),
        ..MemberRecord::new(MemberId::parse("a").unwrap(), identity, boot)
    }
}

fn put(key: &super::super::Key, value: &str) -> Op {
    Op::Put(key.clone(), Bytes::copy_from_slice(value.as_bytes()), None)
}

#[tokio::test(start_paused = true)]
async fn a_record_of_our_own_previous_life_is_taken_over_at_once_and_its_directorship_ends() {
    let (store, _faults) = in_memory();
    let first = Session::open(&store, record("disk", "boot-1"), TTL).await.unwrap();
    let term = first.campaign().await.unwrap().unwrap();
    let second = Session::open(&store, record("disk", "boot-2"), TTL).await.unwrap();
    assert_eq!(store.get(&keys::director()).await.unwrap(), None);
    let by_the_old = Commit {
        guards: vec![term.guard()],
        ops: vec![put(&keys::config(), "1")],
    };
    assert!(matches!(store.commit(by_the_old).await, Outcome::Refused(_)));
    assert_eq!(
        first.run(&CancellationToken::new()).await,
        Err(Lost::Lease),
        "the paused twin has lost its lease"
    );
    let next = second.campaign().await.unwrap().unwrap();
    assert!(next.epoch(0, None) != term.epoch(0, None));
    let born = next.born.0;
    for (latest, epoch) in [
        (Some((born - 1, 9)), format!("{born}-3")),
        (Some((born, 2)), format!("{born}-3")),
        (Some((born, 7)), format!("{born}-8")),
        (Some((born + 5, 0)), format!("{}-1", born + 5)),
    ] {
        assert_eq!(next.epoch(3, latest), epoch, "after {latest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_identity_is_refused_by_name_until_the_lease_ends() {
    let (store, _faults) = in_memory();
    let _first = Session::open(&store, record("disk-1", "boot-1"), TTL).await.unwrap();
    let error = Session::open(&store, record("disk-2", "boot-2"), TTL)
        .await
        .unwrap_err();
    assert!(matches!(&error, SessionError::Taken { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`a`") && text.contains("`host`") && text.contains("127.0.0.1:8080"),
        "{text}"
    );
    tokio::time::advance(TTL + Duration::from_secs(1)).await;
    while store
        .get(&keys::member(&MemberId::parse("a").unwrap()))
        .await
        .unwrap()
        .is_some()
    {
        tokio::task::yield_now().await;
    }
    Session::open(&store, record("disk-2", "boot-2"), TTL).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_is_opened_although_the_answer_to_its_commit_is_lost() {
    let (store, faults) = in_memory();
    faults.answers([super::super::Answer::LostAfterwards]);
    let session = Session::open(&store, record("disk", "boot"), TTL).await.unwrap();
    let entry = store.get(&keys::member(session.member())).await.unwrap().unwrap();
    assert_eq!(entry.lease, Some(session.lease()));
}

#[tokio::test(start_paused = true)]
async fn the_session_lives_as_long_as_it_runs_and_no_longer() {
    let (store, _faults) = in_memory();
    let session = Session::open(&store, record("disk", "boot"), TTL).await.unwrap();
    let key = keys::member(session.member());
    let stop = CancellationToken::new();
    let later = async {
        tokio::time::sleep(TTL * 10).await;
        assert!(store.get(&key).await.unwrap().is_some());
        assert!(session.proof().elapsed() < TTL / 2);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(session.run(&stop), later);
    assert_eq!(ended, Ok(()));
    tokio::time::sleep(TTL + Duration::from_secs(1)).await;
    assert!(store.get(&key).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_store_ends_no_session_and_a_frozen_one_ends_all() {
    let (store, faults) = in_memory();
    let session = Session::open(&store, record("disk", "boot"), TTL).await.unwrap();
    let stop = CancellationToken::new();
    let story = async {
        faults.stop();
        tokio::time::sleep(TTL * 5).await;
        faults.start();
        tokio::time::sleep(TTL).await;
        assert!(session.proof().elapsed() < TTL);
        faults.freeze();
        tokio::time::sleep(TTL * 5).await;
        faults.wake();
    };
    let (ended, ()) = tokio::join!(session.run(&stop), story);
    assert_eq!(ended, Err(Lost::Lease));
}

#[tokio::test(start_paused = true)]
async fn one_of_two_sessions_directs_and_resigning_lets_the_other() {
    let (store, _faults) = in_memory();
    let a = Session::open(&store, record("disk-a", "1"), TTL).await.unwrap();
    let mut other = record("disk-b", "1");
    other.id = MemberId::parse("b").unwrap();
    let b = Session::open(&store, other, TTL).await.unwrap();
    let term = a.campaign().await.unwrap().unwrap();
    assert_eq!(
        a.campaign().await.unwrap(),
        Some(term),
        "winning twice is the same term"
    );
    assert_eq!(b.campaign().await.unwrap(), None);
    assert!(a.resign(term).await.revision().is_some());
    let next = b.campaign().await.unwrap().unwrap();
    assert!(next.born > term.born);
    assert!(
        matches!(a.resign(term).await, Outcome::Refused(_)),
        "an old term ends nobody else's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tenure_is_given_by_a_table_that_gives_slots_and_refused_after_the_stamp_changed() {
    let (store, _faults) = in_memory();
    let session = Session::open(&store, record("disk", "boot"), TTL).await.unwrap();
    let me = session.member().clone();
    let run = |judge: Option<MemberId>| SlotRun {
        first: 0,
        last: 4095,
        judge,
        since: "1-0".to_owned(),
        runners: Vec::new(),
    };
    let mut table = Table {
        v: FORMAT,
        epoch: "1-0".to_owned(),
        at: crate::model::WallMs(0),
        why: String::new(),
        runs: vec![run(None)],
        stamps: [(me.clone(), "s1".to_owned())].into(),
    };
    assert_eq!(session.tenure("all", &table), None, "a stamp alone is no slot");
    table.runs = vec![run(Some(me.clone()))];
    let tenure = session.tenure("all", &table).unwrap();
    let seat = |stamp| Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(keys::seat("all", &me), seat_value(stamp), None)],
    };
    let work = || Commit {
        guards: Vec::new(),
        ops: vec![put(&keys::silence("x"), "1")],
    };
    store.commit(seat("s1")).await;
    assert!(matches!(
        store.commit_all(&tenure.guards(), vec![work()]).await[..],
        [Outcome::Done(_)]
    ));
    store.commit(seat("s2")).await;
    assert_eq!(
        store.commit_all(&tenure.guards(), vec![work()]).await,
        [Outcome::Refused(super::super::Refusal::Shared)]
    );
}
