//! The catalog against the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Catalog;
use super::loader::{Changed, WAITING, hold, run};
use crate::config::kinds::Kinds;
use crate::feed::Feed;
use crate::model::{MonitorName, WallMs};
use crate::store::records::{Definition, FORMAT};
use crate::store::{Commit, Faults, Key, Op, Outcome, Store, encode, in_memory, keys};
use crate::tasks::Tasks;

struct Bench {
    store: Store,
    faults: Faults,
    catalog: Catalog,
    changes: mpsc::Receiver<Changed>,
    /// Whether what comes runs here.
    held: Arc<AtomicBool>,
    _tasks: Tasks,
}

async fn following() -> Bench {
    let (store, faults) = in_memory();
    put(&store, "a", &definition(1)).await;
    put(&store, "bad", &Bytes::from("{")).await;
    let (to, changes) = mpsc::channel(WAITING);
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    let stop = tasks.stop().clone();
    let held = Arc::new(AtomicBool::new(true));
    let holds = held.clone();
    let catalog = Catalog::among_others(Arc::new(move |_, _| holds.load(Relaxed)));
    tasks.spawn(run(
        catalog.clone(),
        Kinds::built_in(),
        store.clone(),
        Feed::default(),
        to,
        stop,
    ));
    Bench {
        store,
        faults,
        catalog,
        changes,
        held,
        _tasks: tasks,
    }
}

fn definition(port: u16) -> Bytes {
    let spec = json!({"type": "tcp", "host": "h", "port": port, "interval": "10s"});
    encode(&Definition {
        v: FORMAT,
        origin: "api".to_owned(),
        by: String::new(),
        at: WallMs(0),
        spec: serde_json::value::RawValue::from_string(spec.to_string()).unwrap(),
    })
    .unwrap()
}

fn key(name: &str) -> Key {
    keys::monitor(&MonitorName::parse(name).unwrap())
}

async fn put(store: &Store, name: &str, value: &Bytes) {
    write(store, Op::Put(key(name), value.clone(), None)).await;
}

async fn write(store: &Store, op: Op) {
    let (guards, ops) = (Vec::new(), vec![op]);
    assert!(matches!(store.commit(Commit { guards, ops }).await, Outcome::Done(_)));
}

/// `+a` put, `-a` removed, `!` the first; a `?` behind those that cannot be read.
async fn next(bench: &mut Bench) -> String {
    let Ok(Some(changed)) = tokio::time::timeout(Duration::from_secs(600), bench.changes.recv()).await else {
        return "nothing".to_owned();
    };
    let mut text = String::from(if changed.first { "!" } else { "" });
    for (sign, entries) in [('+', changed.put), ('-', changed.removed)] {
        for entry in entries {
            text.push(sign);
            text.push_str(entry.name.as_str());
            text.push_str(if entry.def().is_none() { "?" } else { "" });
        }
    }
    text
}

#[tokio::test(start_paused = true)]
async fn all_good_ones_are_loaded_whatever_the_bad_ones_are() {
    let mut bench = following().await;
    assert_eq!(next(&mut bench).await, "!+a+bad?");
    let bad = bench.catalog.monitor("bad").unwrap();
    assert!(!bad.problems().is_empty() && !bad.disabled() && bad.group().is_none());
    put(&bench.store, "bad", &definition(2)).await;
    assert_eq!(next(&mut bench).await, "+bad");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_monitor_outlives_edits_and_not_its_removal() {
    let mut bench = following().await;
    next(&mut bench).await;
    let live = |bench: &Bench| bench.catalog.monitor("a").unwrap().live().clone();
    let before = live(&bench);
    for value in [definition(2), Bytes::from("{"), definition(3)] {
        put(&bench.store, "a", &value).await;
        next(&mut bench).await;
        assert!(Arc::ptr_eq(&before, &live(&bench)));
    }
    write(&bench.store, Op::Delete(key("a"))).await;
    assert_eq!(next(&mut bench).await, "-a");
    put(&bench.store, "a", &definition(1)).await;
    assert_eq!(next(&mut bench).await, "+a");
    assert!(!Arc::ptr_eq(&before, &live(&bench)));
}

#[tokio::test(start_paused = true)]
async fn a_new_listing_says_only_what_has_changed() {
    let mut bench = following().await;
    next(&mut bench).await;
    bench.faults.set_watches_stalled(true);
    put(&bench.store, "new", &definition(1)).await;
    write(&bench.store, Op::Delete(key("bad"))).await;
    assert_eq!(next(&mut bench).await, "+new-bad?");
}

#[tokio::test(start_paused = true)]
async fn another_store_has_other_definitions_at_the_same_revisions() {
    let mut bench = following().await;
    next(&mut bench).await;
    bench.faults.wipe();
    let other: Definition = serde_json::from_slice(&definition(2)).unwrap();
    let other = encode(&Definition { at: WallMs(1), ..other });
    put(&bench.store, "a", &other.unwrap()).await;
    put(&bench.store, "bad", &Bytes::from("{")).await;
    let mut said = next(&mut bench).await;
    while !said.contains("+a") {
        said = next(&mut bench).await;
    }
    assert_eq!(
        bench
            .catalog
            .monitor("a")
            .unwrap()
            .def()
            .as_ref()
            .unwrap()
            .check
            .target(),
        "tcp://h:2"
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_monitor_that_others_run_an_outline_is_kept_and_what_runs_here_is_whole_until_it_is_released() {
    let mut bench = following().await;
    next(&mut bench).await;
    bench.held.store(false, Relaxed);
    put(&bench.store, "b", &definition(1)).await;
    next(&mut bench).await;
    let entry = |bench: &Bench, name: &str| bench.catalog.monitor(name).unwrap();
    let outline = entry(&bench, "b");
    assert!(outline.is_outline() && outline.known().is_none());
    let read = bench.catalog.monitor("a").unwrap();
    assert_eq!(
        (outline.measured(), outline.interval(), outline.slot().is_some()),
        (read.measured(), read.interval(), true)
    );

    // It comes to run here: its definition is read, and what its runs find out stays with it, whatever happens to the definition.
    let held = hold(&bench.catalog, Kinds::built_in(), &bench.store, &[outline])
        .await
        .unwrap();
    assert!(held[0].def().is_some() && Arc::ptr_eq(&held[0], &entry(&bench, "b")));
    let live = held[0].live().clone();
    put(&bench.store, "b", &definition(2)).await;
    next(&mut bench).await;
    assert!(entry(&bench, "b").def().is_some() && Arc::ptr_eq(entry(&bench, "b").live(), &live));
    bench.catalog.forget_runs("b");
    assert!(entry(&bench, "b").known().is_some(), "it runs here");

    bench.catalog.release("b", held[0].rev);
    assert!(entry(&bench, "b").def().is_some(), "edited since");
    bench.catalog.release("b", entry(&bench, "b").rev);
    assert!(entry(&bench, "b").is_outline());
    assert!(
        entry(&bench, "b")
            .known()
            .is_some_and(|known| Arc::ptr_eq(known, &live)),
        "for whoever asks"
    );
    bench.catalog.forget_runs("b");
    assert!(entry(&bench, "b").known().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_definition_of_another_revision_than_its_outline_is_not_held() {
    let mut bench = following().await;
    bench.held.store(false, Relaxed);
    put(&bench.store, "b", &definition(1)).await;
    while bench.catalog.monitor("b").is_none() {
        next(&mut bench).await;
    }
    bench.faults.set_watches_stalled(true);
    put(&bench.store, "b", &definition(2)).await;
    let outline = bench.catalog.monitor("b").unwrap();
    let held = hold(&bench.catalog, Kinds::built_in(), &bench.store, &[outline])
        .await
        .unwrap();
    assert!(held.is_empty() && bench.catalog.monitor("b").unwrap().is_outline());
}
