//! The stand-in over stores that go and come.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::{Commit, Faults, Memory, Op, Outcome, in_memory};
use crate::tasks::Tasks;

/// A shared store, its stand-in, and the copy behind it.
struct Bed {
    shared: Store,
    faults: Faults,
    copy: Arc<Memory>,
    disk: Faults,
    store: Store,
    standin: Arc<Standin>,
    tasks: Tasks,
}

impl Bed {
    async fn new() -> Self {
        let (shared, faults) = in_memory();
        shared.identity().await.unwrap();
        // What the member does to it goes over a line of its own.
        let (line, line_faults) = faults.another_client();
        let (copy, disk) = Memory::new();
        let (store, standin) = standin_in_memory(&line, &copy);
        let mut bed = Self {
            shared,
            faults: line_faults,
            copy,
            disk,
            store,
            standin,
            tasks: Tasks::child_of(&CancellationToken::new()),
        };
        bed.mirror();
        bed
    }

    fn mirror(&mut self) {
        let stop = self.tasks.stop().clone();
        self.tasks.spawn(self.standin.clone().mirror(stop));
    }
}

fn put(key: &Key, value: &str) -> Commit {
    Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(key.clone(), Bytes::copy_from_slice(value.as_bytes()), None)],
    }
}

#[tokio::test(start_paused = true)]
async fn the_copy_has_what_the_shared_store_has() {
    let bed = Bed::new().await;
    let key = keys::silence("a");
    assert!(matches!(bed.store.commit(put(&key, "1")).await, Outcome::Done(_)));
    sleep(Duration::from_secs(3)).await;
    let (there, here) = (
        bed.shared.get(&key).await.unwrap(),
        bed.standin.copy().get(&key).await.unwrap(),
    );
    assert!(there.is_some());
    assert_eq!(there, here);
    assert!(bed.standin.stands().complete);
    bed.faults.stop();
    bed.standin.stand_in().await.unwrap();
    assert_eq!(bed.store.get(&key).await.unwrap(), there);
    let told = Key::new("told/a/b");
    assert!(bed.store.commit(put(&told, "1")).await.revision().unwrap() > LOCAL);
    bed.faults.start();
    bed.standin.step_back().await;
    assert_eq!(bed.store.get(&told).await.unwrap(), None);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(bed.standin.copy().get(&told).await.unwrap(), None);
}
