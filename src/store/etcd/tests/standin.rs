//! A copy of a real etcd: kept, gone on with, and kept again.

use std::collections::BTreeMap;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::{Entry, Face, LOCAL, open_standin};
use crate::tasks::Tasks;

type Rows = BTreeMap<Key, Entry>;

async fn rows(store: &Store) -> Rows {
    let (_, mut entries) = store.list(&keys::all()).await.unwrap();
    entries.retain(|entry| entry.key != keys::standin());
    entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect()
}

/// Waits until a store holds this.
async fn until_it_holds(store: &Store, wanted: &Rows) {
    let until = Instant::now() + SOON;
    while rows(store).await != *wanted {
        assert!(Instant::now() < until, "{:?} and not {wanted:?}", rows(store).await);
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_member_goes_on_from_its_copy_of_etcd_and_back() {
    let mut servers = server::Servers::one().await;
    let dir = tempfile::tempdir().unwrap();
    let shared = open(&servers.options("9volt"));
    shared.identity().await.unwrap();
    let lease = shared.grant(Duration::from_secs(3600)).await.unwrap().id;
    assert!(shared.commit(leased("leased", lease)).await.revision().is_some());

    // A copy from nothing, by a list and a watch.
    let (store, standin) = open_standin(&shared, dir.path()).await.unwrap();
    let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(standin.clone().mirror(tasks.stop().clone()));
    made(&store, "a").await;
    until_it_holds(&standin.copy(), &rows(&shared).await).await;
    assert!(standin.stands().complete);

    // It is behind, and what it misses is compacted.
    assert!(tasks.shut_down(SOON).await);
    assert!(shared.commit(delete("a")).await.revision().is_some());
    made(&shared, "b").await;
    servers.compact().await;
    drop((store, standin));
    let (store, standin) = open_standin(&shared, dir.path()).await.unwrap();
    let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(standin.clone().mirror(tasks.stop().clone()));
    until_it_holds(&standin.copy(), &rows(&shared).await).await;

    // etcd goes in the middle of things.
    let last = made(&store, "c").await;
    let before = rows(&shared).await;
    servers.nodes[0].kill();
    standin.stand_in().await.unwrap();
    assert_eq!(rows(&store).await, before, "with revisions and leases");
    assert_eq!(before[&key("c")].rev, last);
    let local = keys::checkpoint(&crate::model::MonitorName::parse("m").unwrap());
    let commit = Commit {
        guards: vec![Guard::Absent(local.clone())],
        ops: vec![Op::Put(local.clone(), Bytes::from_static(b"{}"), None)],
    };
    assert!(store.commit(commit).await.revision() > Some(LOCAL));

    // And comes back.
    servers.nodes[0].start();
    assert!(servers.ready().await);
    standin.turn_back().await.unwrap().done().await;
    assert_eq!(standin.face(), Face::Through);
    made(&store, "d").await;
    until_it_holds(&standin.copy(), &rows(&shared).await).await;
    assert!(!rows(&shared).await.contains_key(&local));
}
