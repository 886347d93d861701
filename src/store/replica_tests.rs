//! What every store that can be a copy has to do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::backend::{Change, Entry, Key, LeaseId, Op, PAGE, Revision, StoreError};
use super::embedded::{TestDisk, on_test_disk};
use super::memory::Memory;
use super::replica::Replica;
use super::{Commit, Store, keys};

fn key(n: usize) -> Key {
    keys::silence(&format!("{n:06}"))
}

fn entry(n: usize, rev: u64, lease: Option<i64>) -> Entry {
    Entry {
        key: key(n),
        value: Bytes::from(format!("value {n}")),
        born: Revision(rev / 2),
        rev: Revision(rev),
        lease: lease.map(LeaseId),
    }
}

fn put(n: usize, rev: u64, lease: Option<i64>) -> Change {
    Change::Put(entry(n, rev, lease))
}

fn all() -> Vec<Arc<dyn Replica>> {
    vec![Memory::new().0, on_test_disk(&TestDisk::new(Vec::new()))]
}

async fn write(store: &Store, n: usize) -> Revision {
    let op = Op::Put(key(n), Bytes::from_static(b"own"), None);
    let commit = Commit {
        guards: Vec::new(),
        ops: vec![op],
    };
    store.commit(commit).await.revision().unwrap()
}

#[tokio::test(start_paused = true)]
async fn entries_are_there_as_they_are_elsewhere_and_the_revision_with_them() {
    for replica in all() {
        let store = Store::new(replica.clone());
        replica
            .replicate(
                Revision(900),
                vec![put(1, 700, Some(5)), put(2, 800, None), put(3, 900, None)],
            )
            .await
            .unwrap();
        let moved = vec![put(1, 901, None), Change::Deleted(key(2)), Change::Deleted(key(77))];
        replica.replicate(Revision(950), moved).await.unwrap();
        let (at, entries) = store.list(&keys::silences()).await.unwrap();
        assert_eq!(
            (at, entries),
            (Revision(950), vec![entry(1, 901, None), entry(3, 900, None)])
        );
        assert_eq!(write(&store, 4).await, Revision(951), "and goes on from there");
        replica.replicate(Revision(940), Vec::new()).await.unwrap();
        assert_eq!(
            store.list(&keys::silences()).await.unwrap().0,
            Revision(940),
            "or goes back"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_lease_never_ends_and_one_of_its_own_with_the_same_number_is_never_given_out() {
    for replica in all() {
        let store = Store::new(replica.clone());
        // As a store in memory counts them: what etcd chooses is even less likely to meet ours.
        let foreign = (1..=50).map(|n| put(n, 10, Some(n as i64))).collect();
        replica.replicate(Revision(10), foreign).await.unwrap();
        replica.raise(Revision(1000)).await.unwrap();
        let mut own = Vec::new();
        for n in 51..=60 {
            let lease = store.grant(Duration::from_secs(5)).await.unwrap().id;
            let op = Op::Put(key(n), Bytes::new(), Some(lease));
            let commit = Commit {
                guards: Vec::new(),
                ops: vec![op],
            };
            assert!(store.commit(commit).await.revision() > Some(Revision(1000)));
            own.push(lease);
        }
        assert!(own.iter().all(|lease| lease.0 > 1000), "{own:?}");
        let mut watch = store.follow(&keys::silences());
        while !matches!(watch.next().await, super::Followed::Snapshot { entries, .. } if entries.len() <= 60) {}
        tokio::time::sleep(Duration::from_secs(60)).await;
        let (_, left) = store.list(&keys::silences()).await.unwrap();
        assert_eq!(left.len(), 50);
        assert!(left.iter().all(|entry| entry.lease.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_raised_and_never_lowered_by_it() {
    for replica in all() {
        let store = Store::new(replica.clone());
        replica.raise(Revision(1000)).await.unwrap();
        assert_eq!(write(&store, 1).await, Revision(1001));
        replica.raise(Revision(500)).await.unwrap();
        assert_eq!(write(&store, 2).await, Revision(1002));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_that_there_is_a_gap() {
    for replica in all() {
        for (before, after) in [(10, 20), (20, 10)] {
            replica.replicate(Revision(before), Vec::new()).await.unwrap();
            let mut watch = replica.watch(&keys::silences(), Revision(before)).await.unwrap();
            replica
                .replicate(Revision(after), vec![put(1, after, None)])
                .await
                .unwrap();
            assert!(
                matches!(watch.recv().await, Some(Err(StoreError::Compacted(_)))),
                "from {before} to {after}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_does_not_go_on_over_another_state_of_the_same_revision() {
    for replica in all() {
        let there = (0..PAGE + 100).map(|n| put(n, 10, None)).collect();
        replica.replicate(Revision(10), there).await.unwrap();
        let prefix = keys::silences();
        let first = replica.list(&prefix, None).await.unwrap();
        let last = first.entries.last().unwrap().key.clone();
        replica
            .replicate(Revision(10), vec![Change::Deleted(key(PAGE + 50))])
            .await
            .unwrap();
        let second = replica.list(&prefix, Some((first.at, last))).await;
        assert_eq!(second, Err(StoreError::Compacted(Revision(10))));
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_holds_is_read_page_by_page_while_it_changes() {
    for replica in all() {
        let there = (0..PAGE + 100).map(|n| put(n, 10, None)).collect();
        replica.replicate(Revision(10), there).await.unwrap();
        let first = replica.after(None).await.unwrap();
        assert!(first.more && first.entries.len() <= PAGE);
        let (gone, next) = (first.entries.len(), first.entries.len() + 1);
        let changes = vec![Change::Deleted(key(gone)), put(next, 11, None)];
        replica.replicate(Revision(11), changes).await.unwrap();
        let last = &first.entries.last().unwrap().key;
        let second = replica.after(Some(last)).await.unwrap();
        assert_eq!(second.entries[0], entry(next, 11, None));
        assert!(!second.more);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_copy_takes_all_of_a_change_or_nothing_and_says_so() {
    let (memory, faults) = Memory::new();
    let disk = TestDisk::new(Vec::new());
    let full = |full| {
        faults.set_full(full);
        disk.set_full(full);
    };
    for replica in [memory as Arc<dyn Replica>, on_test_disk(&disk)] {
        replica.replicate(Revision(10), vec![put(1, 10, None)]).await.unwrap();
        full(true);
        // More than the little room that there may be left.
        let large = |n| {
            let value = Bytes::from(vec![0; 100_000]);
            Change::Put(Entry {
                value,
                ..entry(n, 11, None)
            })
        };
        let large = (2..100).map(large).chain([Change::Deleted(key(1))]);
        let refused = replica.replicate(Revision(11), large.clone().collect()).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        let page = replica.after(None).await.unwrap();
        assert_eq!((page.at, page.entries), (Revision(10), vec![entry(1, 10, None)]));
        full(false);
        replica.replicate(Revision(11), large.collect()).await.unwrap();
        let page = replica.after(None).await.unwrap();
        assert_eq!((page.at, &page.entries[0].key), (Revision(11), &key(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_disk_survives_its_process() {
    let disk = TestDisk::new(Vec::new());
    let replica = on_test_disk(&disk);
    replica
        .replicate(Revision(10), vec![put(1, 10, Some(7))])
        .await
        .unwrap();
    replica.raise(Revision(1000)).await.unwrap();
    drop(replica);
    let replica = on_test_disk(&disk);
    let page = replica.after(None).await.unwrap();
    assert_eq!((page.at, page.entries), (Revision(1000), vec![entry(1, 10, Some(7))]));
    assert!(Store::new(replica).grant(Duration::from_secs(5)).await.unwrap().id > LeaseId(1000));
}
