//! The stand-in over stores that go and come.

mod chance;
mod contracts;
mod copying;
mod strange;
mod turning;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::scope::mirrored;
use super::*;
use crate::store::{Commit, Faults, Memory, Outcome, in_memory, standin_in_memory};
use crate::tasks::Tasks;

/// Longer than anything takes to be in the copy when all is well, and than a silent watch is borne.
const QUIET: Duration = Duration::from_secs(120);

/// A member's stand-in between a shared store and its copy, both in memory.
struct Bed {
    /// The shared store, as somebody else reaches it.
    shared: Store,
    /// What is wrong with it, for this member.
    faults: Faults,
    line: Store,
    copy: Arc<Memory>,
    /// What is wrong with the copy.
    disk: Faults,
    store: Store,
    standin: Arc<Standin>,
    tasks: Tasks,
}

impl Bed {
    /// The mirror runs, and has not begun.
    async fn new() -> Self {
        let bed = Self::on_an_empty_store();
        bed.shared.identity().await.unwrap();
        bed
    }

    fn on_an_empty_store() -> Self {
        let (shared, faults) = in_memory();
        let (line, faults) = faults.another_client();
        let (copy, disk) = Memory::new();
        let (store, standin) = standin_in_memory(&line, &copy);
        let tasks = Tasks::child_of(&CancellationToken::new());
        let mut bed = Self {
            shared,
            faults,
            line,
            copy,
            disk,
            store,
            standin,
            tasks,
        };
        bed.mirror();
        bed
    }

    fn mirror(&mut self) {
        let stop = self.tasks.stop().clone();
        self.tasks.spawn(self.standin.clone().mirror(stop));
    }

    /// The member's process ends in the middle of things, and another begins.
    async fn restart(&mut self) {
        self.tasks = Tasks::child_of(&CancellationToken::new());
        (self.store, self.standin) = standin_in_memory(&self.line, &self.copy);
        self.mirror();
    }

    /// The shared store goes, and this member turns to its copy.
    async fn cut_off(&self) {
        self.faults.set_unavailable(true);
        self.standin.stand_in().await.unwrap();
    }

    /// And back.
    async fn reconnect(&self) {
        self.faults.set_unavailable(false);
        if let Some(turn) = self.standin.turn_back().await {
            turn.done().await;
        }
    }

    /// What the shared store has that is copied, and its revision.
    async fn there(&self) -> (Revision, BTreeMap<Key, Entry>) {
        let (at, entries) = self.shared.list(&keys::all()).await.unwrap();
        let copied = entries.into_iter().filter(|entry| mirrored(&entry.key));
        (at, copied.map(|entry| (entry.key.clone(), entry)).collect())
    }

    /// What the copy has, but for its mark.
    async fn here(&self) -> BTreeMap<Key, Entry> {
        let (_, entries) = self.standin.copy().list(&keys::all()).await.unwrap();
        let others = entries.into_iter().filter(|entry| entry.key != keys::standin());
        others.map(|entry| (entry.key.clone(), entry)).collect()
    }

    /// Waits until nothing is under way any more: then the copy is the shared store.
    async fn quiet(&self) {
        sleep(QUIET).await;
        let (at, there) = self.there().await;
        let here = self.here().await;
        let differs = |key: &&Key| here.get(key) != there.get(key);
        let differing: Vec<&Key> = there.keys().chain(here.keys()).filter(differs).collect();
        assert!(
            differing.is_empty(),
            "{differing:?} of {} and {}",
            here.len(),
            there.len()
        );
        let stands = self.standin.stands();
        assert!(stands.complete && !stands.dirty, "{stands:?}");
        assert_eq!(stands.at, at);
    }
}

fn key(name: &str) -> Key {
    Key::new(format!("told/a/{name}"))
}

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn commit(op: Op) -> Commit {
    Commit {
        guards: Vec::new(),
        ops: vec![op],
    }
}

async fn put(store: &Store, name: &str, text: &str) -> Revision {
    let outcome = store.commit(commit(Op::Put(key(name), value(text), None))).await;
    outcome.revision().unwrap_or_else(|| panic!("{outcome:?}"))
}

async fn delete(store: &Store, name: &str) -> Revision {
    let outcome = store.commit(commit(Op::Delete(key(name)))).await;
    outcome.revision().unwrap_or_else(|| panic!("{outcome:?}"))
}

async fn text_of(store: &Store, name: &str) -> Option<String> {
    let entry = store.get(&key(name)).await.unwrap()?;
    Some(String::from_utf8(entry.value.to_vec()).unwrap())
}
