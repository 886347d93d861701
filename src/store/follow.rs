//! List, then watch from there: once, for everybody who keeps a picture of a part of the store.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::Store;
use super::backend::{Batch, Changes, Entry, Key, Revision, StoreError, WATCH_PROGRESS};
use super::outage::Waiting;
use crate::tasks::Tasks;

/// A watch that gave no sign of life for this long is taken for dead.
const SILENCE: Duration = WATCH_PROGRESS.saturating_mul(3);
/// First wait after a failed attempt to list.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why a watch is not read any further.
#[derive(Debug)]
pub(super) enum Ended {
    /// What came after the last changes is no longer to be had: only a list knows.
    Gap(String),
    /// It broke; another one may go on where it was.
    Lost(String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Gap(why) | Self::Lost(why)) = self;
        f.write_str(why)
    }
}

/// A watch, read for as long as it can promise completeness.
pub(super) struct Watching {
    changes: Changes,
    at: Revision,
}

impl Watching {
    /// All changes below `prefix` after a revision.
    pub(super) async fn open(store: &Store, prefix: &Key, after: Revision) -> Result<Self, StoreError> {
        let changes = store.backend.watch(prefix, after).await?;
        Ok(Self { changes, at: after })
    }

    /// The next changes. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Batch, Ended> {
        loop {
            return match timeout(SILENCE, self.changes.recv()).await {
                // A sign of life may repeat the last revision; changes never do.
                Ok(Some(Ok(batch))) if batch.changes.is_empty() && batch.at >= self.at => continue,
                Ok(Some(Ok(batch))) if batch.at > self.at => {
                    self.at = batch.at;
                    Ok(batch)
                }
                Ok(Some(Ok(batch))) => Err(Ended::Gap(format!("the store went back to revision {}", batch.at))),
                Ok(Some(Err(error @ StoreError::Compacted(_)))) => Err(Ended::Gap(error.to_string())),
                Ok(Some(Err(error))) => Err(Ended::Lost(error.to_string())),
                Ok(None) => Err(Ended::Lost("the watch was closed".to_owned())),
                Err(_) => Err(Ended::Lost("the watch is silent".to_owned())),
            };
        }
    }
}

/// Waits between attempts, each longer than the one before and none the same at two members.
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) fn new() -> Self {
        Self(FIRST_WAIT)
    }

    pub(super) async fn wait(&mut self) {
        sleep(self.0.mul_f64(0.75 + fastrand::f64() / 4.0)).await;
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
    }
}

/// What a [`Follow`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// How everything stands: replaces whatever was known.
    Snapshot {
        /// The revision it was read at.
        at: Revision,
        /// All entries, in key order.
        entries: Vec<Entry>,
    },
    /// What changed since, all changes of one revision together.
    Changes(Batch),
}

/// One list and watch, being opened.
type Opening = Tasks<(Revision, Vec<Entry>, Watching)>;

/// A part of the store, followed for ever.
///
/// *Guarantees*: first a snapshot, then every change after it in order, without gaps. Whenever that cannot be promised (history compacted,
/// watch closed, failed or silent, store gone back), a new snapshot. *Caveats*: a key may be reported again as it already stands; between
/// two snapshots a key may have come and gone unseen.
pub struct Follow {
    store: Store,
    prefix: Key,
    state: State,
    at: Revision,
}

enum State {
    Idle,
    // A task of its own: a `next` that is dropped by its caller's `select!` loses no progress, and while that caller waits for another call to the store,
    // this one does not stand in its way (in a queue for a connection, or with an answer that nobody reads).
    Opening(Opening),
    Watching(Watching),
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow")
            .field("prefix", &self.prefix)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Follow {
    pub(super) fn new(store: Store, prefix: Key) -> Self {
        Self {
            store,
            prefix,
            state: State::Idle,
            at: Revision(0),
        }
    }

    /// The revision of the last thing said.
    #[must_use]
    pub fn at(&self) -> Revision {
        self.at
    }

    /// The next snapshot or changes. Waits for as long as the store is away. Cancel-safe.
    pub async fn next(&mut self) -> Followed {
        loop {
            match &mut self.state {
                State::Idle => {
                    let mut opening = Opening::child_of(&CancellationToken::new());
                    opening.spawn(open(self.store.clone(), self.prefix.clone()));
                    self.state = State::Opening(opening);
                }
                State::Opening(opening) => match opening.next().await {
                    Some(Ok((at, entries, watching))) => {
                        self.state = State::Watching(watching);
                        self.at = at;
                        return Followed::Snapshot { at, entries };
                    }
                    Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // The runtime ends, and whoever waits here with it.
                    Some(Err(_)) | None => self.state = State::Idle,
                },
                State::Watching(watching) => match watching.next().await {
                    Ok(batch) => {
                        self.at = batch.at;
                        return Followed::Changes(batch);
                    }
                    Err(reason) => {
                        match &reason {
                            Ended::Gap(why) => info!(prefix = %self.prefix, why, "listing again"),
                            // If it was not only the watch, listing says so.
                            Ended::Lost(why) => debug!(prefix = %self.prefix, why, "listing again"),
                        }
                        self.state = State::Idle;
                    }
                },
            }
        }
    }
}

/// Lists and opens a watch from there, for as long as it takes.
async fn open(store: Store, prefix: Key) -> (Revision, Vec<Entry>, Watching) {
    let mut patience = Patience::new();
    let mut waiting: Option<Waiting> = None;
    loop {
        match try_open(&store, &prefix).await {
            Ok(opened) => {
                if waiting.is_some_and(Waiting::ends) {
                    info!("the store answers again, and everything follows it");
                }
                return opened;
            }
            Err(error) => {
                let waiting = waiting.get_or_insert_with(|| Waiting::new(&store.outage));
                if waiting.is_news(&error) {
                    warn!(%prefix, %error, "cannot follow the store, trying on");
                }
            }
        }
        patience.wait().await;
    }
}

async fn try_open(store: &Store, prefix: &Key) -> Result<(Revision, Vec<Entry>, Watching), StoreError> {
    let (at, entries) = store.list(prefix).await?;
    let watching = Watching::open(store, prefix, at).await?;
    Ok((at, entries, watching))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use crate::store::backend::{Change, Commit, Op};
    use crate::store::{Faults, in_memory, keys};

    async fn put(store: &Store, name: &str, value: &str) {
        let op = Op::Put(keys::silence(name), Bytes::copy_from_slice(value.as_bytes()), None);
        let commit = Commit {
            guards: Vec::new(),
            ops: vec![op],
        };
        assert!(store.commit(commit).await.revision().is_some());
    }

    /// A picture that is kept by following, as every consumer keeps one.
    #[derive(Default)]
    struct Picture(BTreeMap<String, Bytes>);

    impl Picture {
        fn take(&mut self, followed: Followed) {
            match followed {
                Followed::Snapshot { entries, .. } => {
                    self.0 = entries.into_iter().map(|e| (e.key.to_string(), e.value)).collect();
                }
                Followed::Changes(batch) => {
                    for change in batch.changes {
                        match change {
                            Change::Put(entry) => self.0.insert(entry.key.to_string(), entry.value),
                            Change::Deleted(key) => self.0.remove(key.as_str()),
                        };
                    }
                }
            }
        }

        /// Follows until a marker that was written last is seen.
        async fn until(&mut self, follow: &mut Follow, marker: &str) {
            while !self.0.contains_key(keys::silence(marker).as_str()) {
                self.take(follow.next().await);
            }
        }
    }

    async fn survives(fault: impl AsyncFnOnce(&Store, &Faults)) {
        let (store, faults) = in_memory();
        put(&store, "a", "1").await;
        let mut follow = store.follow(&keys::silences());
        let mut picture = Picture::default();
        picture.until(&mut follow, "a").await;
        fault(&store, &faults).await;
        put(&store, "b", "2").await;
        picture.until(&mut follow, "b").await;
        let (_, entries) = store.list(&keys::silences()).await.unwrap();
        let real: BTreeMap<_, _> = entries.into_iter().map(|e| (e.key.to_string(), e.value)).collect();
        assert_eq!(picture.0, real);
    }

    #[tokio::test(start_paused = true)]
    async fn first_a_snapshot_then_every_change_with_all_of_a_revision_together() {
        let (store, _faults) = in_memory();
        put(&store, "a", "1").await;
        let mut follow = store.follow(&keys::silences());
        let Followed::Snapshot { at, entries } = follow.next().await else {
            panic!("a snapshot comes first")
        };
        assert_eq!((at, entries.len()), (Revision(1), 1));
        let both = Commit {
            guards: Vec::new(),
            ops: vec![
                Op::Put(keys::silence("b"), Bytes::from_static(b"2"), None),
                Op::Delete(keys::silence("a")),
                Op::Put(keys::config(), Bytes::from_static(b"{}"), None),
            ],
        };
        store.commit(both).await;
        let Followed::Changes(batch) = follow.next().await else {
            panic!("changes come next")
        };
        assert_eq!(
            (batch.at, batch.changes.len()),
            (Revision(2), 2),
            "what is not below the prefix is not told"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_watch_is_listed_again() {
        survives(async |store, faults| {
            faults.drop_watches();
            put(store, "x", "gone").await;
            store
                .commit(Commit {
                    guards: Vec::new(),
                    ops: vec![Op::Delete(keys::silence("x"))],
                })
                .await;
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn compaction_under_a_watch_is_listed_again() {
        survives(async |store, faults| {
            faults.set_watches_stalled(true);
            for n in 0..2000 {
                put(store, "x", &n.to_string()).await;
            }
            faults.compact();
            faults.set_watches_stalled(false);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_watch_is_found_out() {
        // The stall ends only after the follower has listed again: what it sees then it did not see by the old watch.
        let (store, faults) = in_memory();
        let mut follow = store.follow(&keys::silences());
        follow.next().await;
        faults.set_watches_stalled(true);
        put(&store, "a", "1").await;
        let began = tokio::time::Instant::now();
        assert!(matches!(follow.next().await, Followed::Snapshot { entries, .. } if entries.len() == 1));
        assert!(began.elapsed() <= SILENCE + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_prefix_is_not_listed_again_and_again() {
        let (store, _faults) = in_memory();
        let mut follow = store.follow(&keys::silences());
        follow.next().await;
        assert!(
            timeout(SILENCE * 20, follow.next()).await.is_err(),
            "nothing happened, nothing is said"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_out() {
        survives(async |_, faults| {
            faults.stop();
            sleep(Duration::from_secs(3600)).await;
            faults.start();
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_next_that_is_dropped_again_and_again_still_gets_there() {
        let (store, faults) = in_memory();
        put(&store, "a", "1").await;
        faults.set_delay(Duration::from_millis(300));
        let mut follow = store.follow(&keys::silences());
        for attempt in 0.. {
            assert!(attempt < 100, "the listing never ends");
            if timeout(Duration::from_millis(50), follow.next()).await.is_ok() {
                break;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_goes_on_while_its_reader_does_something_else() {
        let (store, faults) = in_memory();
        faults.set_delay(Duration::from_millis(300));
        let mut follow = store.follow(&keys::silences());
        assert!(timeout(Duration::from_millis(1), follow.next()).await.is_err());
        sleep(Duration::from_secs(1)).await;
        faults.set_delay(Duration::ZERO);
        put(&store, "a", "1").await;
        assert!(matches!(follow.next().await, Followed::Snapshot { entries, .. } if entries.is_empty()));
        assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.changes.len() == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_can_be_followed_without_its_neighbours() {
        let (store, _faults) = in_memory();
        put(&store, "a", "1").await;
        put(&store, "ab", "1").await;
        let mut follow = store.follow(&keys::silence("a"));
        assert!(matches!(follow.next().await, Followed::Snapshot { entries, .. } if entries.len() == 1));
        put(&store, "ab", "2").await;
        put(&store, "a", "2").await;
        assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.at == Revision(4)));
    }
}
