//! Against real etcd: the contract of all stores, and what only a store of several servers can do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::server::Servers;
use super::*;
use crate::store::backend::{Batch, Change, Op, Refusal};
use crate::store::contract::{TTL, World, contract_suite};
use crate::store::{Followed, Store, keys};

struct RealEtcd(Servers, Arc<Etcd>);

impl RealEtcd {
    async fn over(servers: Servers) -> Self {
        let etcd = Etcd::new(&servers.options("9volt")).unwrap();
        Self(servers, etcd)
    }
}

#[async_trait]
impl World for RealEtcd {
    async fn new() -> Self {
        Self::over(Servers::one().await).await
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.1.clone()
    }

    async fn compact(&self) {
        self.0.compact().await;
    }

    async fn stop_and_start(&mut self) {
        self.0.nodes[0].kill();
        sleep(TTL + Duration::from_secs(1)).await;
        self.0.nodes[0].start();
        assert!(self.0.ready().await);
    }

    async fn set_full(&self, full: bool) {
        self.0.set_full(full).await;
    }
}

contract_suite!(RealEtcd, in real time);

fn put(name: &str, value: &str) -> Commit {
    Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(keys::silence(name), Bytes::copy_from_slice(value.as_bytes()), None)],
    }
}

async fn made(store: &Store, name: &str) {
    let outcome = store.commit(put(name, "1")).await;
    assert!(outcome.revision().is_some(), "{outcome:?}");
}
