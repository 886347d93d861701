//! What every store has to do, as one suite. A store of its own module runs it by `contract_suite!(its world)`. Longer than our files should be:
//! it is one list, and whoever writes a store reads it from top to bottom. Its keys are such as members write themselves: a copy that stands in
//! takes no others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;

use super::backend::{
    Backend, Batch, Change, Changes, Commit, Entry, Guard, Key, LeaseId, MAX_COMMIT_BYTES, MAX_OPS, Op, Outcome,
    Refusal, Revision, StoreError,
};

/// A fresh store and what the suite has to do to it from outside.
#[async_trait]
pub(crate) trait World: Send {
    /// A new, empty one.
    async fn new() -> Self
    where
        Self: Sized;
    /// The store.
    fn backend(&self) -> Arc<dyn Backend>;
    /// Forgets its history up to now.
    async fn compact(&self);
    /// Stops it, waits longer than any lease of the suite lives, starts it again.
    async fn stop_and_start(&mut self);
    /// Lets it have no room, or room again.
    async fn set_full(&self, full: bool);
}

/// One test for each rule of the contract: on a paused clock, or, for a store that is another process, on the real one.
macro_rules! contract_suite {
    ($world:ty) => {
        $crate::store::contract::contract_suite! { @all [tokio::test(start_paused = true)] $world }
    };
    ($world:ty, in real time) => {
        $crate::store::contract::contract_suite! { @all [tokio::test] $world }
    };
    (@all $attribute:tt $world:ty) => {
        $crate::store::contract::contract_suite! { @each $attribute $world;
            a_commit_that_changes_something_is_the_next_revision
            a_key_knows_when_it_was_created_and_last_written
            each_guard_holds_when_it_should_and_only_then
            a_refused_commit_changes_nothing
            all_changes_of_a_commit_are_one_revision_and_one_batch
            commits_of_one_call_are_independent
            a_shared_guard_that_fails_refuses_all
            a_commit_sent_twice_is_made_once
            of_many_who_build_on_the_same_revision_one_wins
            what_is_not_allowed_is_refused_before_anything_is_changed
            values_come_back_byte_by_byte
            a_list_has_what_is_below_its_prefix_in_key_order
            all_pages_of_a_list_are_of_one_revision
            a_watch_replays_from_its_revision_and_goes_on
            a_watch_sees_only_its_prefix
            a_watch_ahead_of_the_store_is_silent_until_then
            a_watch_from_before_the_history_is_told_so
            a_revoked_lease_takes_its_keys_in_one_revision
            a_lease_ends_by_itself_and_not_while_it_is_kept_alive
            a_put_moves_a_key_to_its_lease_or_to_none
            a_lease_that_is_gone_takes_no_keys
            leases_survive_a_stop_with_their_full_time
            a_full_store_refuses_puts_and_grants_and_nothing_else
        }
    };
    (@each $attribute:tt $world:ty; $($test:ident)*) => {
        $(
            # $attribute
            async fn $test() {
                let world = <$world as $crate::store::contract::World>::new().await;
                $crate::store::contract::$test(world).await;
            }
        )*
    };
}
pub(crate) use contract_suite;

/// Time of a lease. Longer than the suite's own steps take on a real store.
pub(crate) const TTL: Duration = Duration::from_secs(5);

fn key(name: &str) -> Key {
    Key::new(format!("plan/{name}"))
}

fn below() -> Key {
    Key::new("plan/")
}

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(name: &str, text: &str) -> Op {
    Op::Put(key(name), value(text), None)
}

fn leased(name: &str, lease: LeaseId) -> Op {
    Op::Put(key(name), value("leased"), Some(lease))
}

fn commit(guards: impl IntoIterator<Item = Guard>, ops: impl IntoIterator<Item = Op>) -> Commit {
    Commit {
        guards: guards.into_iter().collect(),
        ops: ops.into_iter().collect(),
    }
}

async fn send(store: &Arc<dyn Backend>, commit: Commit) -> Outcome {
    let outcomes = store.commit_all(&[], vec![commit]).await;
    assert_eq!(outcomes.len(), 1);
    outcomes.into_iter().next().unwrap()
}

async fn done(
    store: &Arc<dyn Backend>,
    guards: impl IntoIterator<Item = Guard>,
    ops: impl IntoIterator<Item = Op>,
) -> Revision {
    match send(store, commit(guards, ops)).await {
        Outcome::Done(rev) => rev,
        other => panic!("should have been made: {other:?}"),
    }
}

async fn get(store: &Arc<dyn Backend>, name: &str) -> Option<Entry> {
    store.list(&key(name), None).await.unwrap().entries.pop()
}

async fn newest(store: &Arc<dyn Backend>) -> Revision {
    store.list(&below(), None).await.unwrap().at
}

/// The next batch that says something.
async fn next(watch: &mut Changes) -> Batch {
    loop {
        let batch = watch.recv().await.expect("the watch ended").expect("the watch failed");
        if !batch.changes.is_empty() {
            return batch;
        }
    }
}

fn keys_of(batch: &Batch) -> Vec<String> {
    batch.changes.iter().map(|change| change.key().to_string()).collect()
}

pub(crate) async fn a_commit_that_changes_something_is_the_next_revision(world: impl World) {
    let store = world.backend();
    let before = newest(&store).await;
    let first = done(&store, [], [put("a", "1")]).await;
    assert_eq!(first.0, before.0 + 1);
    assert_eq!(done(&store, [], [put("b", "1")]).await.0, before.0 + 2);
    assert_eq!(
        done(&store, [], [put("a", "1")]).await.0,
        before.0 + 3,
        "the same value is written too"
    );
    assert_eq!(done(&store, [], [Op::Delete(key("b"))]).await.0, before.0 + 4);
    let now = before.0 + 4;
    assert_eq!(
        done(&store, [], [Op::Delete(key("b"))]).await.0,
        now,
        "nothing was there"
    );
    assert_eq!(
        done(&store, [Guard::Absent(key("b"))], []).await.0,
        now,
        "nothing was asked"
    );
    assert_eq!(newest(&store).await.0, now);
}

pub(crate) async fn a_key_knows_when_it_was_created_and_last_written(world: impl World) {
    let store = world.backend();
    let first = done(&store, [], [put("a", "1")]).await;
    let second = done(&store, [], [put("a", "2")]).await;
    let entry = get(&store, "a").await.unwrap();
    assert_eq!((entry.born, entry.rev, entry.value), (first, second, value("2")));
    done(&store, [], [Op::Delete(key("a"))]).await;
    let third = done(&store, [], [put("a", "3")]).await;
    let entry = get(&store, "a").await.unwrap();
    assert_eq!(
        (entry.born, entry.rev),
        (third, third),
        "a new life after it was deleted"
    );
}

pub(crate) async fn each_guard_holds_when_it_should_and_only_then(world: impl World) {
    let store = world.backend();
    let lease = store.grant(TTL).await.unwrap().id;
    let other = store.grant(TTL).await.unwrap().id;
    let born = done(&store, [], [put("a", "1")]).await;
    let rev = done(&store, [], [Op::Put(key("a"), value("2"), Some(lease))]).await;
    let zero = Revision(0);
    let table = [
        (Guard::Absent(key("none")), true),
        (Guard::Absent(key("a")), false),
        (Guard::Rev(key("a"), rev), true),
        (Guard::Rev(key("a"), born), false),
        (Guard::Rev(key("a"), zero), false),
        (Guard::Rev(key("none"), zero), true),
        (Guard::Rev(key("none"), rev), false),
        (Guard::Born(key("a"), born), true),
        (Guard::Born(key("a"), rev), false),
        (Guard::Born(key("none"), born), false),
        (Guard::Is(key("a"), value("2")), true),
        (Guard::Is(key("a"), value("1")), false),
        (Guard::Is(key("none"), value("")), false),
        (Guard::Lease(key("a"), lease), true),
        (Guard::Lease(key("a"), other), false),
        (Guard::Lease(key("none"), lease), false),
    ];
    for (guard, holds) in table {
        let own = send(&store, commit([guard.clone()], [put("probe", "1")])).await;
        let shared = store
            .commit_all(std::slice::from_ref(&guard), vec![commit([], [put("probe", "1")])])
            .await;
        if holds {
            assert!(own.revision().is_some(), "{guard:?}: {own:?}");
            assert!(shared[0].revision().is_some(), "{guard:?}: {shared:?}");
        } else {
            assert_eq!(own, Outcome::Refused(Refusal::Own), "{guard:?}");
            assert_eq!(shared, [Outcome::Refused(Refusal::Shared)], "{guard:?}");
        }
    }
}

pub(crate) async fn a_refused_commit_changes_nothing(world: impl World) {
    let store = world.backend();
    let rev = done(&store, [], [put("a", "1")]).await;
    let guards = [Guard::Rev(key("a"), rev), Guard::Absent(key("a"))];
    let refused = send(&store, commit(guards, [put("b", "1"), Op::Delete(key("a"))])).await;
    assert_eq!(refused, Outcome::Refused(Refusal::Own));
    assert!(get(&store, "b").await.is_none() && get(&store, "a").await.is_some());
    assert_eq!(newest(&store).await, rev);
}

pub(crate) async fn all_changes_of_a_commit_are_one_revision_and_one_batch(world: impl World) {
    let store = world.backend();
    let first = done(&store, [], [put("gone", "1"), put("kept", "1")]).await;
    let mut watch = store.watch(&below(), first).await.unwrap();
    let ops: Vec<Op> = (0..50)
        .map(|n| put(&format!("n{n:02}"), "1"))
        .chain([Op::Delete(key("gone"))])
        .collect();
    let rev = done(&store, [], ops).await;
    let batch = next(&mut watch).await;
    assert_eq!((batch.at, batch.changes.len()), (rev, 51));
    for change in &batch.changes {
        match change {
            Change::Put(entry) => assert_eq!((entry.rev, entry.born, &entry.value), (rev, rev, &value("1"))),
            Change::Deleted(gone) => assert_eq!(*gone, key("gone")),
        }
    }
}

pub(crate) async fn commits_of_one_call_are_independent(world: impl World) {
    let store = world.backend();
    let before = done(&store, [], [put("there", "1")]).await;
    let outcomes = store
        .commit_all(
            &[Guard::Is(key("there"), value("1"))],
            vec![
                commit([Guard::Absent(key("a"))], [put("a", "1")]),
                commit([Guard::Absent(key("there"))], [put("b", "1")]),
                commit([Guard::Rev(key("c"), Revision(0))], [put("c", "1")]),
            ],
        )
        .await;
    let [Outcome::Done(a), Outcome::Refused(Refusal::Own), Outcome::Done(c)] = outcomes[..] else {
        panic!("{outcomes:?}")
    };
    // One revision each, or one for the whole call, as the store likes: but not below the one before.
    assert!(before < a && a <= c && c == newest(&store).await);
    assert_eq!(get(&store, "a").await.unwrap().rev, a);
    assert_eq!(get(&store, "c").await.unwrap().rev, c);
    assert!(get(&store, "b").await.is_none());
}

pub(crate) async fn a_shared_guard_that_fails_refuses_all(world: impl World) {
    let store = world.backend();
    let before = done(&store, [], [put("seat", "old")]).await;
    let commits = vec![
        commit([], [put("a", "1")]),
        commit([Guard::Absent(key("seat"))], [put("b", "1")]),
    ];
    let guards = [
        Guard::Is(key("seat"), value("old")),
        Guard::Is(key("seat"), value("new")),
    ];
    let outcomes = store.commit_all(&guards, commits).await;
    assert_eq!(
        outcomes,
        [Outcome::Refused(Refusal::Shared), Outcome::Refused(Refusal::Shared)]
    );
    assert_eq!(newest(&store).await, before);
}

pub(crate) async fn a_commit_sent_twice_is_made_once(world: impl World) {
    let store = world.backend();
    let rev = done(&store, [], [put("a", "1")]).await;
    let update = commit([Guard::Rev(key("a"), rev)], [put("a", "2")]);
    assert!(send(&store, update.clone()).await.revision().is_some());
    assert_eq!(send(&store, update).await, Outcome::Refused(Refusal::Own));
    let create = commit([Guard::Rev(key("b"), Revision(0))], [put("b", "1")]);
    assert!(send(&store, create.clone()).await.revision().is_some());
    assert_eq!(send(&store, create).await, Outcome::Refused(Refusal::Own));
}

pub(crate) async fn of_many_who_build_on_the_same_revision_one_wins(world: impl World) {
    const WRITERS: usize = 20;
    let store = world.backend();
    let mut rev = done(&store, [], [put("counter", "0")]).await;
    for round in 0..5 {
        let tries = (0..WRITERS).map(|n| {
            let attempt = commit(
                [Guard::Rev(key("counter"), rev)],
                [put("counter", &format!("{round}-{n}"))],
            );
            send(&store, attempt)
        });
        let outcomes = join_all(tries).await;
        let won: Vec<_> = outcomes.iter().filter_map(Outcome::revision).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert_eq!(
            outcomes
                .iter()
                .filter(|o| **o == Outcome::Refused(Refusal::Own))
                .count(),
            WRITERS - 1
        );
        rev = won[0];
    }
}

pub(crate) async fn what_is_not_allowed_is_refused_before_anything_is_changed(world: impl World) {
    let store = world.backend();
    let before = newest(&store).await;
    let large = "x".repeat(200 * 1024);
    let cases = [
        commit([], (0..=MAX_OPS).map(|n| put(&n.to_string(), "1"))),
        commit([], [put("a", "1"), Op::Delete(key("a"))]),
        commit(
            [],
            (0..=MAX_COMMIT_BYTES / large.len()).map(|n| put(&n.to_string(), &large)),
        ),
        commit([], [Op::Put(Key::new("checkpoint/a"), value(&large), None)]),
    ];
    for case in cases {
        let outcome = send(&store, case).await;
        assert!(
            matches!(outcome, Outcome::Failed(StoreError::Invalid(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(newest(&store).await, before);
    done(&store, [], (0..MAX_OPS).map(|n| put(&n.to_string(), "1"))).await;
}

pub(crate) async fn values_come_back_byte_by_byte(world: impl World) {
    let store = world.backend();
    let all: Vec<u8> = (0..=255).collect();
    for bytes in [Bytes::new(), Bytes::from(all), Bytes::from(vec![0; 200_000])] {
        done(&store, [], [Op::Put(key("a"), bytes.clone(), None)]).await;
        assert_eq!(get(&store, "a").await.unwrap().value, bytes);
        let guard = Guard::Is(key("a"), bytes);
        done(&store, [guard], []).await;
    }
}

pub(crate) async fn a_list_has_what_is_below_its_prefix_in_key_order(world: impl World) {
    let store = world.backend();
    let rev = done(
        &store,
        [],
        [put("b", "1"), put("a", "1"), put("a%2Fb", "1"), put("ab", "1")],
    )
    .await;
    done(&store, [], [Op::Put(Key::new("planned"), value("1"), None)]).await;
    let page = store.list(&below(), None).await.unwrap();
    let keys: Vec<_> = page.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["plan/a", "plan/a%2Fb", "plan/ab", "plan/b"]);
    assert!(!page.more && page.at.0 == rev.0 + 1);
    assert_eq!(
        store.list(&key("a"), None).await.unwrap().entries.len(),
        1,
        "a key is not a prefix"
    );
    assert!(store.list(&key("none"), None).await.unwrap().entries.is_empty());
    assert_eq!(
        store.list(&Key::new(""), None).await.unwrap().entries.len(),
        5,
        "no prefix is everything"
    );
}

pub(crate) async fn all_pages_of_a_list_are_of_one_revision(world: impl World) {
    const ENTRIES: usize = super::backend::PAGE + 1_100;
    let store = world.backend();
    let names: Vec<String> = (0..ENTRIES).map(|n| format!("{n:05}")).collect();
    for chunk in names.chunks(MAX_OPS) {
        done(&store, [], chunk.iter().map(|name| put(name, "old"))).await;
    }
    let first = store.list(&below(), None).await.unwrap();
    assert!(first.more && first.entries.len() < ENTRIES);
    let (mut seen, mut page) = (first.entries.clone(), first.clone());
    let mut round = 0;
    while page.more {
        // Behind and before where the list is: neither is in it.
        round += 1;
        let changed = [
            put("00000", "new"),
            put(&format!("{:05}", ENTRIES - round), "new"),
            put("99999", "new"),
        ];
        done(
            &store,
            [],
            changed
                .into_iter()
                .chain([Op::Delete(key(&format!("{:05}", ENTRIES - 50)))]),
        )
        .await;
        let last = page.entries.last().unwrap().key.clone();
        page = store.list(&below(), Some((first.at, last))).await.unwrap();
        assert_eq!(page.at, first.at);
        seen.extend(page.entries.clone());
    }
    assert!(round > 0);
    assert_eq!(seen.len(), ENTRIES);
    assert!(
        seen.iter()
            .all(|entry| entry.value == value("old") && entry.rev <= first.at)
    );
    let keys: BTreeSet<_> = seen.iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys.len(), ENTRIES, "none twice");
}

pub(crate) async fn a_watch_replays_from_its_revision_and_goes_on(world: impl World) {
    let store = world.backend();
    let start = done(&store, [], [put("a", "0")]).await;
    for n in 1..=500 {
        done(&store, [], [put("a", &n.to_string())]).await;
    }
    let mut watch = store.watch(&below(), start).await.unwrap();
    let writing = async {
        for n in 501..=600 {
            done(&store, [], [put("a", &n.to_string())]).await;
        }
    };
    let reading = async {
        for n in 1..=600_u64 {
            let batch = next(&mut watch).await;
            assert_eq!(batch.at.0, start.0 + n, "no gap, nothing twice");
            let [Change::Put(entry)] = &batch.changes[..] else {
                panic!("{batch:?}")
            };
            assert_eq!(
                (&entry.value, entry.born, entry.rev),
                (&value(&n.to_string()), start, batch.at)
            );
        }
    };
    tokio::join!(writing, reading);
}

pub(crate) async fn a_watch_sees_only_its_prefix(world: impl World) {
    let store = world.backend();
    let start = newest(&store).await;
    let mut all = store.watch(&below(), start).await.unwrap();
    let mut one = store.watch(&key("a"), start).await.unwrap();
    done(&store, [], [Op::Put(Key::new("planned"), value("1"), None)]).await;
    done(&store, [], [put("ab", "1")]).await;
    let both = done(
        &store,
        [],
        [put("a", "1"), Op::Put(Key::new("cluster/director"), value("1"), None)],
    )
    .await;
    assert_eq!(keys_of(&next(&mut all).await), ["plan/ab"]);
    assert_eq!(keys_of(&next(&mut all).await), ["plan/a"]);
    let batch = next(&mut one).await;
    assert_eq!((batch.at, keys_of(&batch)), (both, vec!["plan/a".to_owned()]));
}

pub(crate) async fn a_watch_ahead_of_the_store_is_silent_until_then(world: impl World) {
    let store = world.backend();
    let now = done(&store, [], [put("a", "0")]).await;
    let mut watch = store.watch(&below(), Revision(now.0 + 2)).await.unwrap();
    for n in 1..=3 {
        done(&store, [], [put("a", &n.to_string())]).await;
    }
    assert_eq!(next(&mut watch).await.at.0, now.0 + 3);
}

pub(crate) async fn a_watch_from_before_the_history_is_told_so(world: impl World) {
    let store = world.backend();
    let old = done(&store, [], [put("a", "0")]).await;
    done(&store, [], [put("a", "1")]).await;
    world.compact().await;
    let newest = done(&store, [], [put("a", "2")]).await;
    let error = match store.watch(&below(), old).await {
        Err(error) => error,
        Ok(mut watch) => watch
            .recv()
            .await
            .expect("a word before the end")
            .expect_err("an error"),
    };
    assert!(matches!(error, StoreError::Compacted(_)), "{error}");
    let mut watch = store.watch(&below(), newest).await.unwrap();
    let next_rev = done(&store, [], [put("a", "3")]).await;
    assert_eq!(next(&mut watch).await.at, next_rev);
}

pub(crate) async fn a_revoked_lease_takes_its_keys_in_one_revision(world: impl World) {
    let store = world.backend();
    let lease = store.grant(TTL).await.unwrap().id;
    let rev = done(&store, [], [leased("a", lease), leased("b", lease), put("c", "1")]).await;
    assert_eq!(get(&store, "a").await.unwrap().lease, Some(lease));
    let mut watch = store.watch(&below(), rev).await.unwrap();
    store.revoke(lease).await.unwrap();
    let batch = next(&mut watch).await;
    assert_eq!(batch.at.0, rev.0 + 1);
    let mut keys = keys_of(&batch);
    keys.sort();
    assert_eq!(keys, ["plan/a", "plan/b"]);
    assert_eq!(store.list(&below(), None).await.unwrap().entries.len(), 1);
    assert_eq!(store.keep_alive(lease).await, Err(StoreError::NoLease));
    assert_eq!(store.revoke(lease).await, Err(StoreError::NoLease));
}

pub(crate) async fn a_lease_ends_by_itself_and_not_while_it_is_kept_alive(world: impl World) {
    let store = world.backend();
    let lease = store.grant(TTL).await.unwrap();
    assert!(lease.ttl >= TTL, "it may be longer than asked for, not shorter");
    let rev = done(&store, [], [leased("a", lease.id)]).await;
    for _ in 0..9 {
        tokio::time::sleep(lease.ttl / 3).await;
        assert!(store.keep_alive(lease.id).await.is_ok());
    }
    assert!(get(&store, "a").await.is_some());
    let mut watch = store.watch(&below(), rev).await.unwrap();
    assert_eq!(keys_of(&next(&mut watch).await), ["plan/a"]);
    assert_eq!(store.keep_alive(lease.id).await, Err(StoreError::NoLease));
}

pub(crate) async fn a_put_moves_a_key_to_its_lease_or_to_none(world: impl World) {
    let store = world.backend();
    let first = store.grant(TTL).await.unwrap().id;
    let second = store.grant(TTL).await.unwrap().id;
    done(
        &store,
        [],
        [leased("moved", first), leased("freed", first), leased("left", first)],
    )
    .await;
    done(&store, [], [leased("moved", second), put("freed", "1")]).await;
    store.revoke(first).await.unwrap();
    let entries = store.list(&below(), None).await.unwrap().entries;
    let there: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.lease)).collect();
    assert_eq!(there, [("plan/freed", None), ("plan/moved", Some(second))]);
    store.revoke(second).await.unwrap();
    assert!(get(&store, "moved").await.is_none() && get(&store, "freed").await.is_some());
}

pub(crate) async fn a_lease_that_is_gone_takes_no_keys(world: impl World) {
    let store = world.backend();
    let lease = store.grant(TTL).await.unwrap().id;
    store.revoke(lease).await.unwrap();
    let outcome = send(&store, commit([], [put("a", "1"), leased("b", lease)])).await;
    assert_eq!(outcome, Outcome::Failed(StoreError::NoLease));
    assert!(
        store.list(&below(), None).await.unwrap().entries.is_empty(),
        "not by half"
    );
}

pub(crate) async fn leases_survive_a_stop_with_their_full_time(mut world: impl World) {
    let store = world.backend();
    let lease = store.grant(TTL).await.unwrap();
    let rev = done(&store, [], [leased("a", lease.id), put("b", "1")]).await;
    drop(store);
    world.stop_and_start().await;
    let store = world.backend();
    assert_eq!(get(&store, "a").await.unwrap().lease, Some(lease.id));
    assert!(get(&store, "b").await.is_some());
    tokio::time::sleep(lease.ttl * 2 / 3).await;
    assert!(get(&store, "a").await.is_some(), "its time began anew");
    assert!(store.keep_alive(lease.id).await.is_ok());
    let mut watch = store.watch(&below(), rev).await.unwrap();
    assert_eq!(keys_of(&next(&mut watch).await), ["plan/a"], "and ends");
    assert_ne!(store.grant(TTL).await.unwrap().id, lease.id, "no id is used twice");
}

pub(crate) async fn a_full_store_refuses_puts_and_grants_and_nothing_else(world: impl World) {
    let store = world.backend();
    let lease = store.grant(TTL).await.unwrap().id;
    done(&store, [], [put("a", "1"), put("b", "1"), leased("c", lease)]).await;
    world.set_full(true).await;
    // A store may have a little room left when it begins to be full.
    let big = "x".repeat(100_000);
    let mut refused = Vec::new();
    for n in 0..1000 {
        if let Outcome::Failed(error) = send(&store, commit([], [put(&format!("fill{n}"), &big)])).await {
            refused.push(error);
            break;
        }
    }
    assert!(matches!(refused[..], [StoreError::Full(_)]), "{refused:?}");
    assert!(matches!(
        send(&store, commit([], [put("d", "1")])).await,
        Outcome::Failed(StoreError::Full(_))
    ));
    assert!(matches!(store.grant(TTL).await, Err(StoreError::Full(_))));
    assert!(get(&store, "a").await.is_some());
    assert!(store.keep_alive(lease).await.is_ok());
    done(&store, [], [Op::Delete(key("a"))]).await;
    store.revoke(lease).await.unwrap();
    assert!(get(&store, "a").await.is_none() && get(&store, "c").await.is_none());
    world.set_full(false).await;
    done(&store, [Guard::Is(key("b"), value("1"))], [put("d", "1")]).await;
    assert!(store.grant(TTL).await.is_ok());
}
