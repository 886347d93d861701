//! Three nodes: one that is killed, frozen or never was there is not asked again while others answer.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::server::Servers;
use super::{SOON, made, names, open};
use crate::store::etcd::REQUEST;
use crate::store::{Followed, keys};

#[tokio::test]
async fn when_the_leader_is_killed_commits_go_on_and_each_is_made_once() {
    let mut servers = Servers::start(3, &[], None).await;
    let leader = servers.leader().await;
    // The leader is the one that is asked.
    let mut options = servers.options("9volt");
    options.endpoints.rotate_left(leader);
    let store = open(&options);
    let mut follow = store.follow(&keys::silences());
    assert!(matches!(follow.next().await, Followed::Snapshot { .. }));
    let before = made(&store, "before").await;
    assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.at == before));

    servers.nodes[leader].kill();
    for n in 0..20 {
        made(&store, &format!("after{n}")).await;
    }
    assert_eq!(names(&store).await.len(), 21);
    // What was followed by way of the killed one goes on by another.
    let seen = timeout(SOON, async {
        loop {
            match follow.next().await {
                Followed::Snapshot { entries, .. } if entries.len() == 21 => return,
                Followed::Changes(batch) if batch.changes.iter().any(|c| c.key() == &super::key("after19")) => return,
                _ => {}
            }
        }
    });
    assert!(seen.await.is_ok(), "the follower saw nothing more");
}

#[tokio::test]
async fn one_that_is_frozen_costs_a_read_half_its_time_and_the_next_nothing() {
    let servers = Servers::start(3, &[], None).await;
    let frozen = (servers.leader().await + 1) % 3;
    let mut options = servers.options("9volt");
    options.endpoints.rotate_left(frozen);
    let store = open(&options);
    made(&store, "a").await;
    servers.nodes[frozen].freeze();
    let began = Instant::now();
    assert!(store.get(&super::key("a")).await.unwrap().is_some());
    assert!(began.elapsed() < REQUEST, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(store.get(&super::key("a")).await.unwrap().is_some());
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    servers.nodes[frozen].thaw();
}

#[tokio::test]
async fn one_that_is_frozen_is_left_by_those_too_who_wait_for_less_than_we_do() {
    let servers = Servers::start(3, &[], None).await;
    let frozen = (servers.leader().await + 1) % 3;
    let mut options = servers.options("9volt");
    options.endpoints.rotate_left(frozen);
    let store = open(&options);
    made(&store, "a").await;
    servers.nodes[frozen].freeze();
    // As a member does that keeps a short lease alive.
    let beat = Duration::from_secs(1);
    let lease = timeout(beat, store.grant(SOON)).await;
    assert!(lease.is_err(), "it was not asked");
    let lease = timeout(beat, store.grant(SOON)).await;
    assert!(matches!(lease, Ok(Ok(_))), "{lease:?}");
    servers.nodes[frozen].thaw();
}

#[tokio::test]
async fn an_endpoint_that_never_was_there_is_passed_over() {
    let servers = Servers::one().await;
    let mut options = servers.options("9volt");
    options.endpoints.insert(0, "http://127.0.0.1:1".to_owned());
    let store = open(&options);
    made(&store, "a").await;
    assert_eq!(names(&store).await, ["a"]);
}

#[tokio::test]
async fn each_endpoint_says_how_it_is() {
    let servers = Servers::start(3, &[], None).await;
    let mut options = servers.options("9volt");
    options.endpoints.push("http://127.0.0.1:1".to_owned());
    let store = open(&options);
    let at = made(&store, "a").await;
    let status = store.status().await.unwrap();
    assert!(
        status.at >= at && status.size.is_some() && status.in_use <= status.size,
        "{status:?}"
    );
    let endpoints = &status.endpoints;
    assert_eq!(
        endpoints.iter().filter(|endpoint| endpoint.leads).count(),
        1,
        "{endpoints:?}"
    );
    assert!(
        endpoints[..3]
            .iter()
            .all(|endpoint| endpoint.latency.is_some() && endpoint.version.is_some())
    );
    assert!(
        endpoints[3].latency.is_none()
            && endpoints[3]
                .trouble
                .as_ref()
                .is_some_and(|why| why.contains("127.0.0.1:1"))
    );
}
