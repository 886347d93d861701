//! The contract of all stores, each of its rules on an etcd of its own: revisions are counted by all who write to it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::server::Servers;
use crate::store::backend::Backend;
use crate::store::contract::{TTL, World, contract_suite};
use crate::store::etcd::Etcd;

struct RealEtcd(Servers, Arc<Etcd>);

#[async_trait]
impl World for RealEtcd {
    async fn new() -> Self {
        let servers = Servers::one().await;
        let etcd = Etcd::new(&servers.options("9volt")).unwrap();
        Self(servers, etcd)
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
