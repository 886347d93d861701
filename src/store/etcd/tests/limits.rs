//! What is larger than a message.

use super::server::Servers;
use super::{SOON, create, names, open};
use crate::store::backend::{Outcome, StoreError};
use crate::store::{Store, keys};

/// Writes `count` values of `size` bytes, a few in each commit; how many commits it took.
async fn fill(store: &Store, count: usize, size: usize) -> usize {
    let value = vec![b'x'; size];
    let all: Vec<usize> = (0..count).collect();
    let chunks = all.chunks(4);
    let made = chunks.len();
    for chunk in chunks {
        let mut whole = create(&format!("{:05}", chunk[0]), &value);
        for n in &chunk[1..] {
            let more = create(&format!("{n:05}"), &value);
            whole.guards.extend(more.guards);
            whole.ops.extend(more.ops);
        }
        let outcome = store.commit(whole).await;
        assert!(outcome.revision().is_some(), "{outcome:?}");
    }
    made
}

#[tokio::test]
async fn a_list_that_is_larger_than_an_answer_may_be_comes_in_smaller_pages() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    fill(&store, 400, 200_000).await;
    let mut pages = store.pages(&keys::silences());
    let (mut count, mut turned) = (0, 0);
    while let Some(page) = pages.next().await {
        count += page.unwrap().entries.len();
        turned += 1;
    }
    assert_eq!(count, 400);
    assert!(turned > 1, "80 MB are more than one answer");
}

#[tokio::test]
async fn a_watch_that_catches_up_gets_whole_revisions_however_large() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    let (start, _) = store.list(&keys::silences()).await.unwrap();
    let commits = fill(&store, 24, 200_000).await;
    let mut changes = store.backend.watch(&keys::silences(), start).await.unwrap();
    for n in 1..=commits as u64 {
        let batch = changes.recv().await.unwrap().unwrap();
        assert_eq!((batch.at.0, batch.changes.len()), (start.0 + n, 4));
    }
}

#[tokio::test]
async fn readers_that_stand_still_keep_nothing_else_from_being_done() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    let (start, _) = store.list(&keys::silences()).await.unwrap();
    let mut standing = Vec::new();
    for _ in 0..8 {
        standing.push(store.backend.watch(&keys::silences(), start).await.unwrap());
    }
    // Each has more to read than its connection holds.
    fill(&store, 300, 200_000).await;
    let lease = store.grant(SOON).await.unwrap().id;
    assert!(store.backend.keep_alive(lease).await.is_ok());
    assert!(store.commit(create("last", b"1")).await.revision().is_some());
    drop(standing);
}

#[tokio::test]
async fn a_commit_with_more_guards_than_etcd_takes_is_invalid_and_spoils_no_other() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    let mut wide = create("wide", b"1");
    wide.guards = (0..200)
        .map(|n| crate::store::Guard::Absent(super::key(&format!("none{n}"))))
        .collect();
    let outcomes = store
        .commit_all(&[], vec![create("a", b"1"), wide, create("b", b"1")])
        .await;
    assert!(
        matches!(outcomes[1], Outcome::Failed(StoreError::Invalid(_))),
        "{outcomes:?}"
    );
    assert_eq!(names(&store).await, ["a", "b"]);
}
