//! What can be wrong with an etcd: each is answered in time, and said in one line that names the endpoint.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::server::Servers;
use super::{SOON, create, delete, leased, made, names, open};
use crate::store::backend::{Guard, LeaseId, Outcome, StoreError};
use crate::store::etcd::{EtcdOptions, REQUEST};
use crate::store::{Followed, Store, keys};

/// More than a request may take, and less than two.
const IN_TIME: Duration = REQUEST.saturating_add(Duration::from_secs(1));

fn at(endpoint: &str) -> Store {
    open(&EtcdOptions {
        endpoints: vec![endpoint.to_owned()],
        prefix: "9volt".to_owned(),
        ..EtcdOptions::default()
    })
}

async fn refusal(store: &Store) -> String {
    let key = keys::config();
    let asked = timeout(IN_TIME, store.get(&key));
    let error = asked.await.expect("an answer in time").unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_named() {
    let store = at("http://127.0.0.1:1");
    let error = refusal(&store).await;
    assert!(
        error.contains("http://127.0.0.1:1") && error.contains("cannot be reached"),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
    let outcome = store.commit(create("a", b"1")).await;
    assert!(
        matches!(outcome, Outcome::Unknown(StoreError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let error = refusal(&at("http://no-such-host.invalid:2379")).await;
    assert!(
        error.contains("no-such-host.invalid") && error.contains("cannot be reached"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_of_something_else_is_told_apart_from_a_silent_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // As etcd of the API v2 does: HTTP/1.1, which has never heard of gRPC.
    let serving = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await;
            let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    };
    let store = at(&url);
    tokio::select! {
        error = refusal(&store) => assert!(error.contains(&url) && error.contains("API v3"), "{error}"),
        () = serving => unreachable!("it serves for ever"),
    }
}

#[tokio::test]
async fn a_frozen_etcd_is_noticed_in_time_and_no_commit_is_taken_for_made_or_not() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    made(&store, "a").await;
    servers.nodes[0].freeze();
    let began = Instant::now();
    let error = refusal(&store).await;
    assert!(error.contains("gives no answer"), "{error}");
    let outcome = timeout(IN_TIME, store.commit(create("b", b"1"))).await;
    assert!(matches!(outcome, Ok(Outcome::Unknown(_))), "{outcome:?}");
    assert!(began.elapsed() < 2 * IN_TIME);
    servers.nodes[0].thaw();
    // It was on its way, and is made now, or not; it is made once either way.
    let settled = store.resolve(&[], create("b", b"1"), Instant::now() + SOON).await;
    assert!(settled.revision().is_some(), "{settled:?}");
    assert_eq!(names(&store).await, ["a", "b"]);
}

#[tokio::test]
async fn two_prefixes_never_see_one_another() {
    let servers = Servers::one().await;
    let (ours, theirs) = (open(&servers.options("/a")), open(&servers.options("/ab")));
    let mut follow = ours.follow(&keys::silences());
    follow.next().await;
    made(&theirs, "x").await;
    made(&theirs, "y").await;
    let rev = made(&ours, "x").await;
    assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.at == rev && batch.changes.len() == 1));
    assert_eq!(names(&ours).await, ["x"]);
    assert_eq!(names(&theirs).await, ["x", "y"]);
    let (id, other) = (ours.identity().await.unwrap().id, theirs.identity().await.unwrap().id);
    assert_ne!(id, other);
    assert_eq!(
        names(&open(&servers.options("a/"))).await,
        ["x"],
        "however it is written"
    );
}

#[tokio::test]
async fn compaction_disturbs_no_watch_that_runs_and_one_that_slept_lists_again() {
    let mut servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    made(&store, "a").await;
    let mut follow = store.follow(&keys::silences());
    follow.next().await;
    let at = made(&store, "b").await;
    servers.compact().await;
    assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.at == at));
    let at = made(&store, "c").await;
    assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.at == at));
    // From here on the follower hears nothing, and what it misses is compacted before it is back.
    servers.nodes[0].kill();
    servers.nodes[0].start();
    assert!(servers.ready().await);
    let other = open(&servers.options("9volt"));
    made(&other, "d").await;
    servers.compact().await;
    let all = timeout(SOON, async {
        loop {
            if matches!(follow.next().await, Followed::Snapshot { entries, .. } if entries.len() == 4) {
                return;
            }
        }
    });
    assert!(all.await.is_ok(), "the follower did not list again");
}

#[tokio::test]
async fn a_store_that_begins_anew_is_seen_by_who_watches_from_later() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    let now = made(&store, "a").await;
    let ahead = crate::store::Revision(now.0 + 1000);
    let mut changes = store.backend.watch(&keys::silences(), ahead).await.unwrap();
    let first = timeout(SOON, changes.recv()).await.unwrap().unwrap().unwrap();
    assert!(first.changes.is_empty() && first.at < ahead, "{first:?}");
}

#[tokio::test]
async fn puts_that_travel_together_are_refused_by_a_full_store_and_deletes_beside_them_are_not() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    made(&store, "a").await;
    let lease = store.grant(SOON).await.unwrap().id;
    servers.set_full(true).await;
    let outcomes = store
        .commit_all(&[], vec![create("b", b"1"), delete("a"), leased("c", lease)])
        .await;
    let [
        Outcome::Failed(StoreError::Full(why)),
        Outcome::Done(_),
        Outcome::Failed(StoreError::Full(_)),
    ] = &outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert!(
        why.contains(&servers.nodes[0].url) && why.contains("alarm disarm"),
        "{why}"
    );
    assert!(names(&store).await.is_empty());
    assert!(matches!(store.trouble(), Some(StoreError::Full(_))));
}

#[tokio::test]
async fn a_store_that_really_is_full_takes_no_more_whatever_way_it_is_put() {
    let servers = Servers::start(1, &["--quota-backend-bytes=4000000"], None).await;
    let store = open(&servers.options("9volt"));
    let value = vec![b'x'; 50_000];
    let mut refused = None;
    for round in 0..400 {
        let commits = (0..5).map(|n| create(&format!("{round}-{n}"), &value)).collect();
        let outcomes = store.commit_all(&[], commits).await;
        if let Some(error) = outcomes.into_iter().find(|outcome| outcome.revision().is_none()) {
            refused = Some(error);
            break;
        }
    }
    // Not at the first byte too many: it looks at its size a few times a second.
    let error = refused.expect("a hundred megabytes do not fit into four");
    assert!(matches!(error, Outcome::Failed(StoreError::Full(_))), "{error:?}");
    assert!(!names(&store).await.is_empty(), "reading works");
}

#[tokio::test]
async fn a_commit_on_a_lease_that_is_gone_does_not_spoil_its_call() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    let lease = store.grant(SOON).await.unwrap().id;
    let gone = LeaseId(4711);
    let commits = vec![create("a", b"1"), leased("b", gone), leased("c", lease), delete("d")];
    let outcomes = store.commit_all(&[Guard::Absent(super::key("x"))], commits).await;
    assert!(
        outcomes[0].revision().is_some() && outcomes[3].revision().is_some(),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], Outcome::Failed(StoreError::NoLease));
    assert!(outcomes[2].revision().is_some(), "{outcomes:?}");
    assert_eq!(names(&store).await, ["a", "c"]);
}

#[tokio::test]
async fn history_is_forgotten_when_asked_and_twice_is_no_error() {
    let servers = Servers::one().await;
    let store = open(&servers.options("9volt"));
    let first = made(&store, "a").await;
    let second = made(&store, "b").await;
    let third = made(&store, "c").await;
    store.compact(second).await.unwrap();
    store.compact(second).await.unwrap();
    store.compact(first).await.unwrap();
    let error = store
        .backend
        .watch(&keys::silences(), crate::store::Revision(first.0 - 1))
        .await;
    let error = match error {
        Err(error) => error,
        Ok(mut watch) => watch.recv().await.unwrap().unwrap_err(),
    };
    assert!(matches!(error, StoreError::Compacted(_)), "{error}");
    assert_eq!(names(&store).await.len(), 3);
    assert_eq!(store.get(&super::key("c")).await.unwrap().unwrap().rev, third);
}
