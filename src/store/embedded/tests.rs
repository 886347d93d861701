//! The embedded store on disks that misbehave.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::disk::{PROBE_BYTES, Raw, RealFile};
use super::*;
use crate::store::backend::{Change, Op};
use crate::store::contract::{TTL, World, contract_suite};

/// A disk in memory that can be full, read-only, failing at its syncs, slow at them, and lose its power.
#[derive(Debug)]
pub(in crate::store) struct TestDisk {
    /// What is read.
    now: Mutex<Vec<u8>>,
    /// What a sync has promised, and what was written since, in order.
    durable: Mutex<(Vec<u8>, Vec<Written>)>,
    pub(super) room: AtomicU64,
    pub(super) read_only: AtomicBool,
    pub(super) sync_fails: AtomicBool,
    pub(super) syncs: watch::Sender<u64>,
    held: Mutex<bool>,
    released: Condvar,
}

#[derive(Debug, Clone)]
enum Written {
    Bytes(u64, Vec<u8>),
    Len(u64),
}

fn apply(image: &mut Vec<u8>, written: &Written) {
    match written {
        Written::Bytes(at, data) => {
            let (from, to) = (*at as usize, *at as usize + data.len());
            if image.len() < to {
                image.resize(to, 0);
            }
            image[from..to].copy_from_slice(data);
        }
        Written::Len(len) => image.resize(*len as usize, 0),
    }
}

impl TestDisk {
    pub(in crate::store) fn new(image: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new(image.clone()),
            durable: Mutex::new((image, Vec::new())),
            room: AtomicU64::new(u64::MAX),
            read_only: AtomicBool::new(false),
            sync_fails: AtomicBool::new(false),
            syncs: watch::Sender::new(0),
            held: Mutex::new(false),
            released: Condvar::new(),
        })
    }

    pub(in crate::store) fn set_full(&self, full: bool) {
        let room = if full { self.now.lock().len() as u64 } else { u64::MAX };
        self.room.store(room, Ordering::SeqCst);
    }

    fn write_allowed(&self) -> io::Result<()> {
        if self.read_only.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    fn note(&self, written: Written) {
        apply(&mut self.now.lock(), &written);
        self.durable.lock().1.push(written);
    }

    /// What is found after the power went just now: all that was synced, and whatever the disk liked of the rest.
    pub(in crate::store) fn after_power_loss(&self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let durable = self.durable.lock();
        let mut image = durable.0.clone();
        for written in &durable.1 {
            match written {
                Written::Bytes(at, data) => {
                    // A disk writes in sectors, each or not.
                    for (n, sector) in data.chunks(512).enumerate() {
                        if rng.bool() {
                            apply(&mut image, &Written::Bytes(at + 512 * n as u64, sector.to_vec()));
                        }
                    }
                }
                len => apply(&mut image, len),
            }
        }
        image
    }

    /// From now on a sync takes until this is undone.
    fn hold_syncs(&self, held: bool) {
        *self.held.lock() = held;
        self.released.notify_all();
    }

    /// Holds the syncs and drives `work` into one.
    async fn held_in_a_sync<T>(&self, work: &mut (impl Future<Output = T> + Unpin)) {
        self.hold_syncs(true);
        let mut syncs = self.syncs.subscribe();
        tokio::select! {
            biased;
            _ = work => panic!("the sync is held"),
            reached = syncs.changed() => reached.unwrap(),
        }
    }

    pub(in crate::store) fn sync_count(&self) -> u64 {
        *self.syncs.borrow()
    }
}

impl Raw for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.now.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let now = self.now.lock();
        let from = now.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_allowed()?;
        self.note(Written::Bytes(offset, data.to_vec()));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_allowed()?;
        if len > self.len()? && len > self.room.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.note(Written::Len(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.send_modify(|n| *n += 1);
        self.released.wait_while(&mut self.held.lock(), |held| *held);
        self.write_allowed()?;
        let mut durable = self.durable.lock();
        let (image, written) = &mut *durable;
        if self.sync_fails.load(Ordering::SeqCst) {
            // As Linux does: the pages count as clean now, are still read, and never reach the disk unless they are written again.
            written.clear();
            return Err(io::Error::other("sync failed on purpose"));
        }
        for written in written.drain(..) {
            apply(image, &written);
        }
        Ok(())
    }

    fn probe(&self, upto: u64) -> io::Result<()> {
        self.write_allowed()?;
        if upto.max(self.len()? + PROBE_BYTES) > self.room.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

pub(in crate::store) fn over(disk: &Arc<TestDisk>) -> Arc<Embedded> {
    Embedded::over(Engine::open(disk.clone()).unwrap())
}

struct OnDisk(Option<Arc<Embedded>>, Arc<TestDisk>);

#[async_trait]
impl World for OnDisk {
    async fn new() -> Self {
        let disk = TestDisk::new(Vec::new());
        Self(Some(over(&disk)), disk)
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.0.clone().unwrap()
    }

    async fn compact(&self) {
        self.0.as_ref().unwrap().engine.history.compact();
    }

    async fn stop_and_start(&mut self) {
        self.0 = None;
        tokio::time::sleep(TTL * 3).await;
        self.0 = Some(over(&self.1));
    }

    async fn set_full(&self, full: bool) {
        self.1.set_full(full);
    }
}

contract_suite!(OnDisk);

fn key(n: usize) -> Key {
    Key::new(format!("silence/{n:06}"))
}

fn put(n: usize, value: &str) -> Commit {
    Commit {
        guards: vec![Guard::Rev(key(n), Revision(0))],
        ops: vec![Op::Put(key(n), bytes::Bytes::copy_from_slice(value.as_bytes()), None)],
    }
}

async fn send(store: &Embedded, commit: Commit) -> Outcome {
    store.commit_all(&[], vec![commit]).await.remove(0)
}

async fn count(store: &Embedded) -> usize {
    store.list(&Key::new("silence/"), None).await.unwrap().entries.len()
}

#[tokio::test(start_paused = true)]
async fn sixty_commits_of_one_call_cost_one_sync() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    let before = disk.sync_count();
    let outcomes = store.commit_all(&[], (0..60).map(|n| put(n, "1")).collect()).await;
    assert!(outcomes.iter().all(|outcome| outcome.revision().is_some()));
    assert_eq!(disk.sync_count() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_together_cost_one_sync() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    let before = disk.sync_count();
    let mut first = std::pin::pin!(send(&store, put(0, "1")));
    disk.held_in_a_sync(&mut first).await;
    let mut others = std::pin::pin!(futures_util::future::join_all(
        (1..40).map(|n| send(&store, put(n, "1")))
    ));
    assert!(
        futures_util::poll!(&mut others).is_pending(),
        "they are in the queue now"
    );
    disk.hold_syncs(false);
    let (first, others) = tokio::join!(first, others);
    assert!(
        others
            .iter()
            .chain([&first])
            .all(|outcome| outcome.revision().is_some())
    );
    assert_eq!(
        disk.sync_count() - before,
        2,
        "one for the first, one for all that came meanwhile"
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_commits_in_bulk_cost_few_syncs() {
    let disk = TestDisk::new(Vec::new());
    let store = crate::store::Store::new(over(&disk));
    let before = disk.sync_count();
    let mut seen = Vec::new();
    let outcomes = store
        .bulk((0..10_000).map(|n| put(n, "definition")).collect(), |n| seen.push(n))
        .await;
    assert!(outcomes.iter().all(|outcome| outcome.revision().is_some()));
    assert_eq!(seen.last(), Some(&10_000));
    assert!(seen.is_sorted());
    assert!(
        disk.sync_count() - before < 10_000 / 60,
        "{}",
        disk.sync_count() - before
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_writes_reads_go_on_and_room_ends_it() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    let big = "x".repeat(50_000);
    disk.room.store(disk.len().unwrap() + 2_000_000, Ordering::SeqCst);
    let mut acknowledged = 0;
    let refused = loop {
        match send(&store, put(acknowledged, &big)).await {
            Outcome::Done(_) => acknowledged += 1,
            other => break other,
        }
    };
    assert!(acknowledged > 5);
    assert!(matches!(refused, Outcome::Failed(StoreError::Full(_))), "{refused:?}");
    assert_eq!(count(&store).await, acknowledged);
    for _ in 0..3 {
        assert!(matches!(
            send(&store, put(acknowledged, &big)).await,
            Outcome::Failed(StoreError::Full(_))
        ));
    }
    disk.room.store(u64::MAX, Ordering::SeqCst);
    assert!(send(&store, put(acknowledged, &big)).await.revision().is_some());
    assert_eq!(count(&store).await, acknowledged + 1);
    drop(store);
    assert_eq!(count(&over(&disk)).await, acknowledged + 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_only_disk_refuses_writes_reads_go_on_and_it_ends() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    assert!(send(&store, put(0, "1")).await.revision().is_some());
    disk.read_only.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let refused = send(&store, put(1, "1")).await;
        assert!(
            matches!(refused, Outcome::Failed(StoreError::Unavailable(_))),
            "{refused:?}"
        );
        assert_eq!(count(&store).await, 1);
    }
    let lease = store.grant(TTL).await;
    assert!(matches!(lease, Err(StoreError::Unavailable(_))), "{lease:?}");
    disk.read_only.store(false, Ordering::SeqCst);
    assert!(send(&store, put(1, "1")).await.revision().is_some());
    assert_eq!(count(&store).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_on_a_read_only_disk_can_be_opened_and_read() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    assert!(send(&store, put(0, "1")).await.revision().is_some());
    // Without closing: opening it has to repair it, which cannot be written.
    let crashed = TestDisk::new(disk.now.lock().clone());
    crashed.read_only.store(true, Ordering::SeqCst);
    let store = over(&crashed);
    assert_eq!(count(&store).await, 1);
    assert!(send(&store, put(1, "1")).await.revision().is_none());
    crashed.read_only.store(false, Ordering::SeqCst);
    assert!(send(&store, put(1, "1")).await.revision().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_is_no_acknowledgement_and_what_is_read_after_it_is_durable() {
    const THERE: usize = 500;
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    // Enough that the first and the last key do not share a page: else the next commit would write the lost one again by chance.
    let commits = (1..=THERE).map(|n| put(n, &"v".repeat(300))).collect();
    assert!(
        store
            .commit_all(&[], commits)
            .await
            .iter()
            .all(|o| o.revision().is_some())
    );
    let from = store.list(&Key::new("silence/"), None).await.unwrap().at;
    let mut changes = store.watch(&Key::new("silence/"), from).await.unwrap();
    disk.sync_fails.store(true, Ordering::SeqCst);
    let outcome = send(&store, put(0, "1")).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert_eq!(count(&store).await, THERE + 1, "it can be read");
    assert!(matches!(&changes.recv().await.unwrap().unwrap().changes[..], [Change::Put(e)] if e.key == key(0)));
    assert!(
        send(&store, put(9998, "1")).await.revision().is_none(),
        "nothing is acknowledged while syncs fail"
    );
    disk.sync_fails.store(false, Ordering::SeqCst);
    assert!(send(&store, put(9999, "1")).await.revision().is_some());
    let found = over(&TestDisk::new(disk.after_power_loss(&mut fastrand::Rng::with_seed(1))));
    assert_eq!(count(&found).await, count(&store).await);
    assert!(found.list(&key(0), None).await.unwrap().entries.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_a_power_loss_at_any_time() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let disk = TestDisk::new(Vec::new());
        let store = over(&disk);
        let mut acknowledged = 0;
        for _ in 0..rng.usize(1..12) {
            let size = rng.usize(1..30);
            let commits = (acknowledged..acknowledged + size)
                .map(|n| put(n, &"v".repeat(n * 7)))
                .collect();
            assert!(
                store
                    .commit_all(&[], commits)
                    .await
                    .iter()
                    .all(|o| o.revision().is_some())
            );
            acknowledged += size;
            if rng.u8(0..4) == 0 {
                // Long enough for the chores of a quiet time.
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        }
        // One more is on its way: written, and not synced.
        let mut last = std::pin::pin!(send(&store, put(acknowledged, "last")));
        disk.held_in_a_sync(&mut last).await;
        let image = disk.after_power_loss(&mut rng);
        disk.hold_syncs(false);
        last.await;
        let found = over(&TestDisk::new(image));
        let page = found.list(&Key::new("silence/"), None).await.unwrap();
        let there = page.entries.len();
        assert!(
            there == acknowledged || there == acknowledged + 1,
            "seed {seed}: {there} of {acknowledged}"
        );
        for (n, entry) in page.entries.iter().take(acknowledged).enumerate() {
            assert_eq!((&entry.key, entry.value.len()), (&key(n), n * 7), "seed {seed}");
        }
        assert_eq!(
            page.at.0 as usize, there,
            "seed {seed}: the revision is that of the last one there"
        );
        assert!(send(&found, put(there, "goes on")).await.revision().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn damage_is_an_error_or_is_not_seen_and_never_a_panic() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    store
        .commit_all(&[], (0..50).map(|n| put(n, &"v".repeat(500))).collect())
        .await;
    drop(store);
    let good = disk.now.lock().clone();
    let mut rng = fastrand::Rng::with_seed(7);
    let mut refused = 0;
    for round in 0..60 {
        let mut image = good.clone();
        match round % 3 {
            0 => image.truncate(rng.usize(1..good.len())),
            1 => image.iter_mut().take(4096).for_each(|byte| *byte = rng.u8(..)),
            _ => {
                let at = rng.usize(..image.len() - 4096);
                image[at..at + 4096].iter_mut().for_each(|byte| *byte = rng.u8(..));
            }
        }
        match Engine::open(TestDisk::new(image)) {
            Ok(engine) => {
                let store = Embedded::over(engine);
                // Damaged pages may be found only here; an answer in any case.
                let _ = store.list(&Key::new("silence/"), None).await;
                let _ = send(&store, put(99, "1")).await;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 10, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_nobody_goes_on_with_is_forgotten() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    for chunk in (0..5_100).collect::<Vec<_>>().chunks(60) {
        store
            .commit_all(&[], chunk.iter().map(|n| put(*n, "1")).collect())
            .await;
    }
    let prefix = Key::new("silence/");
    let first = store.list(&prefix, None).await.unwrap();
    let last = first.entries.last().unwrap().key.clone();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let late = store.list(&prefix, Some((first.at, last))).await;
    assert_eq!(late, Err(StoreError::Compacted(first.at)));
}

#[tokio::test]
async fn a_directory_has_one_owner_who_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("deep/data");
    let store = Embedded::open(&at).await.unwrap();
    assert!(send(&store, put(0, "1")).await.revision().is_some());
    let error = Embedded::open(&at).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&std::process::id().to_string()) && text.contains(at.to_str().unwrap()),
        "{text}"
    );
    assert!(!text.contains('\n'));
    drop(store);
    let again = Embedded::open(&at).await.unwrap();
    assert_eq!(count(&again).await, 1);
}

#[tokio::test]
async fn only_the_owner_may_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("data");
    let _store = Embedded::open(&at).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&at), 0o700);
    for file in std::fs::read_dir(&at).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let garbage = dir.path().join("garbage");
    std::fs::create_dir(&garbage).unwrap();
    std::fs::write(garbage.join("store.redb"), "this was once something else").unwrap();
    let cases = [
        (file.clone(), "is not a directory"),
        (file.join("below"), "is not a directory"),
        (garbage, "the store is damaged"),
        // Nobody, root included, makes directories there.
        (Path::new("/proc/ninevolt").to_owned(), "cannot make it"),
    ];
    for (path, says) in cases {
        let text = Embedded::open(&path).await.unwrap_err().to_string();
        assert!(
            text.contains(says) && text.contains(path.to_str().unwrap()) && !text.contains('\n'),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_half_made_store_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.redb.new"), [0; 1000]).unwrap();
    let store = Embedded::open(dir.path()).await.unwrap();
    assert_eq!(count(&store).await, 0);
}

#[test]
fn a_file_that_cannot_grow_keeps_its_length() {
    let file = tempfile::tempfile().unwrap();
    let file = RealFile(file);
    file.set_len(4096).unwrap();
    assert!(file.set_len(1 << 62).is_err());
    assert_eq!(file.len().unwrap(), 4096);
    assert!(file.probe(1 << 62).is_err());
    file.probe(0).unwrap();
    assert_eq!(file.len().unwrap(), 4096, "looking for room takes none that counts");
}

#[tokio::test(start_paused = true)]
async fn after_a_quiet_time_even_a_crash_needs_no_repair() {
    let disk = TestDisk::new(Vec::new());
    let store = over(&disk);
    store.commit_all(&[], (0..60).map(|n| put(n, "1")).collect()).await;
    let repaired_after_crash =
        |disk: &TestDisk| Engine::open(TestDisk::new(disk.now.lock().clone())).unwrap().repaired();
    assert!(repaired_after_crash(&disk), "in the middle of things");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!repaired_after_crash(&disk));
    let syncs = disk.sync_count();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(disk.sync_count(), syncs, "a quiet store does not touch the disk");
}
