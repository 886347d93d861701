//! Against real etcd.

mod access;
mod contract;
mod limits;
pub(crate) mod server;
mod several;
mod standin;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Etcd, EtcdOptions};
use crate::store::backend::{Backend, Commit, Guard, Key, LeaseId, Op, Outcome, Revision};
use crate::store::{Store, keys, open_etcd};

/// Time for a store to be as it should after something was done to it.
const SOON: Duration = Duration::from_secs(20);

pub(super) async fn one_for_all() -> (impl Sized, impl Fn(&str) -> Arc<dyn Backend>) {
    let servers = server::Servers::one().await;
    let options = servers.options("9volt");
    let below = move |prefix: &str| -> Arc<dyn Backend> {
        let options = EtcdOptions {
            prefix: prefix.to_owned(),
            ..options.clone()
        };
        Etcd::new(&options).unwrap()
    };
    (servers, below)
}

fn open(options: &EtcdOptions) -> Store {
    open_etcd(options).unwrap()
}

fn key(name: &str) -> Key {
    keys::silence(name)
}

/// A commit that is made once at most.
fn create(name: &str, value: &[u8]) -> Commit {
    Commit {
        guards: vec![Guard::Rev(key(name), Revision(0))],
        ops: vec![Op::Put(key(name), Bytes::copy_from_slice(value), None)],
    }
}

fn leased(name: &str, lease: LeaseId) -> Commit {
    Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(key(name), Bytes::new(), Some(lease))],
    }
}

fn delete(name: &str) -> Commit {
    Commit {
        guards: Vec::new(),
        ops: vec![Op::Delete(key(name))],
    }
}

/// Makes it, however often it has to be sent.
async fn made(store: &Store, name: &str) -> Revision {
    let settled = store.settle(&[], create(name, b"1"), Instant::now() + SOON).await;
    match settled {
        Outcome::Done(rev) => rev,
        other => panic!("`{name}` was not made: {other:?}"),
    }
}

async fn names(store: &Store) -> Vec<String> {
    let (_, entries) = store.list(&keys::silences()).await.unwrap();
    entries
        .iter()
        .filter_map(|entry| keys::last_segment(&entry.key))
        .collect()
}
