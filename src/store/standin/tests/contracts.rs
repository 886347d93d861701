//! The contract of all stores, over a stand-in on either face. Its keys are such as a copy takes.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::sleep;

use super::Bed;
use crate::store::Backend;
use crate::store::contract::{TTL, World, contract_suite};

/// The shared store, while it is mirrored.
struct Through(Bed);

#[async_trait]
impl World for Through {
    async fn new() -> Self {
        Self(Bed::on_an_empty_store())
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.0.standin.clone()
    }

    async fn compact(&self) {
        self.0.faults.compact();
    }

    async fn stop_and_start(&mut self) {
        self.0.faults.stop();
        sleep(TTL * 3).await;
        self.0.faults.start();
    }

    async fn set_full(&self, full: bool) {
        self.0.faults.set_full(full);
    }
}

mod through {
    use super::*;

    contract_suite!(Through);
}

/// The copy, over a shared store that is gone.
struct Copied(Bed);

#[async_trait]
impl World for Copied {
    async fn new() -> Self {
        let bed = Bed::on_an_empty_store();
        bed.quiet().await;
        bed.cut_off().await;
        Self(bed)
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.0.standin.clone()
    }

    async fn compact(&self) {
        self.0.disk.compact();
    }

    async fn stop_and_start(&mut self) {
        // Leases in memory go on where a process that ended would have lost their time.
        self.0.disk.stop();
        sleep(TTL * 3).await;
        self.0.disk.start();
        self.0.restart().await;
    }

    async fn set_full(&self, full: bool) {
        self.0.disk.set_full(full);
    }
}

mod copied {
    use super::*;

    contract_suite!(Copied);
}
