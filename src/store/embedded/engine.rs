//! The database and its one writer: what callers want is queued, and all that waits is made durable by one sync.

use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use redb::{Builder, Database, Durability, ReadTransaction, ReadableDatabase};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::disk::{self, Disk, Raw, Trouble};
use super::rows::{self, Writing, explain};
use super::work::{Answer, Work, make};
use crate::store::backend::{Batch, Key, LeaseId, Page, Revision, StoreError};
use crate::store::history::History;
use crate::store::leases::Leases;
use crate::tasks::Tasks;

/// Memory for pages of the file: reading the definitions at the start fills it for good. The kernel caches them too.
const CACHE_BYTES: usize = 2 << 20;
/// Calls that wait for the writer, at most; further callers wait in front.
const QUEUE: usize = 64;
/// Lists that are between two of their pages, at most; the oldest is forgotten. Each keeps the pages that it sees from being reused.
const RUNNING_LISTS: usize = 8;
/// Time for which a list is remembered between two of its pages.
const LIST_PAUSE: Duration = Duration::from_secs(30);
/// Time without commits after which the file is left in a state that opens at once, even after a crash.
const QUIET: Duration = Duration::from_secs(2);
/// Wait before a lease is tried to be ended again on a disk that takes nothing.
const END_AGAIN: Duration = Duration::from_secs(1);

struct Job {
    work: Work,
    answer: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    working: bool,
}

enum Db {
    Good(Database),
    /// What was durable can be read; the file takes no writes.
    ReadOnly(Database, StoreError),
    Closed(StoreError),
}

struct Running {
    at: Revision,
    tx: Arc<ReadTransaction>,
    until: Instant,
}

pub(super) struct Engine {
    raw: Arc<dyn Raw>,
    trouble: RwLock<Arc<Trouble>>,
    db: RwLock<Db>,
    /// The disk is full: puts are refused until it takes something.
    full: Mutex<Option<StoreError>>,
    /// The length that the file could not be given.
    wanted: AtomicU64,
    pub(super) history: Arc<History>,
    pub(super) leases: Mutex<Leases>,
    queue: Mutex<Queue>,
    room: Arc<Semaphore>,
    lists: Mutex<VecDeque<Running>>,
    quiet_at: Mutex<Option<Instant>>,
    pub(super) wake: Notify,
    lock: Mutex<Option<File>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("raw", &self.raw).finish_non_exhaustive()
    }
}

/// Why a group of works was not made durable.
enum Broken {
    /// Before it could have been.
    Before(StoreError),
    /// While it was: it is there if the store's revision is this.
    Committing(StoreError, Revision, Vec<Batch>),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Before(error)
    }
}

/// Opens the database over a disk. Damage is an error, never a panic.
fn database(disk: Disk) -> Result<Database, StoreError> {
    let trouble = disk.trouble();
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_repair_callback(move |_| {
                if !trouble.repaired.swap(true, Ordering::AcqRel) {
                    info!("the store was not closed, checking all of it");
                }
            })
            .create_with_backend(disk)
    }));
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))) => match error.kind() {
            // How the database says that this is no such file, or that a part is missing.
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                Err(StoreError::Damaged(error.to_string()))
            }
            _ => Err(disk::explain(&error)),
        },
        Ok(Err(error)) => Err(explain(error)),
        Err(_) => Err(StoreError::Damaged("its pages contradict one another".to_owned())),
    }
}

impl Engine {
    /// Opens the file, makes its tables if it is new. A disk that takes no writes is no reason not to open a file that has been made: what it
    /// holds can be read.
    pub(super) fn open(raw: Arc<dyn Raw>) -> Result<Self, StoreError> {
        let trouble = Arc::new(Trouble::default());
        let db = match database(Disk::new(raw.clone(), trouble.clone())) {
            Ok(db) => Db::Good(db),
            Err(why @ (StoreError::Full(_) | StoreError::Unavailable(_))) if raw.len().is_ok_and(|len| len > 0) => {
                let disk = Disk::read_only(raw.clone(), trouble.clone()).map_err(|error| disk::explain(&error))?;
                Db::ReadOnly(database(disk)?, why)
            }
            Err(error) => return Err(error),
        };
        let (Db::Good(database) | Db::ReadOnly(database, _)) = &db else {
            return Err(StoreError::Unavailable("closed".to_owned()));
        };
        let opened = catch_unwind(AssertUnwindSafe(|| prepare(database)));
        let (revision, leases) =
            opened.unwrap_or_else(|_| Err(StoreError::Damaged("its pages contradict one another".to_owned())))?;
        let mut living = Leases::default();
        for (id, millis) in leases {
            // The full time anew: while the store was down nobody could have kept it alive.
            living.add(id, Duration::from_millis(millis), Instant::now());
        }
        Ok(Self {
            raw,
            trouble: RwLock::new(trouble),
            db: RwLock::new(db),
            full: Mutex::default(),
            wanted: AtomicU64::default(),
            history: History::new(revision),
            leases: Mutex::new(living),
            queue: Mutex::default(),
            room: Arc::new(Semaphore::new(QUEUE)),
            lists: Mutex::default(),
            quiet_at: Mutex::default(),
            wake: Notify::new(),
            lock: Mutex::default(),
        })
    }

    /// Keeps the lock of the directory until the store is closed.
    pub(super) fn hold(&self, lock: File) {
        *self.lock.lock() = Some(lock);
    }

    /// Closes the file and gives the lock up; waits for what is being made durable just now.
    pub(super) fn close(&self) {
        self.lists.lock().clear();
        *self.db.write() = Db::Closed(StoreError::Unavailable("it was closed".to_owned()));
        *self.lock.lock() = None;
    }

    /// Hands work to the writer, and waits for its answer. A caller that goes away leaves it to be done.
    pub(super) async fn submit(self: &Arc<Self>, tasks: &Mutex<Tasks>, work: Work) -> Answer {
        let gone = || Answer::Unknown(StoreError::Unavailable("the writer ended".to_owned()));
        let Ok(room) = self.room.clone().acquire_owned().await else {
            return gone();
        };
        let (answer, answered) = oneshot::channel();
        let idle = {
            let mut queue = self.queue.lock();
            queue.jobs.push_back(Job {
                work,
                answer,
                _room: room,
            });
            !std::mem::replace(&mut queue.working, true)
        };
        if idle {
            let engine = self.clone();
            let mut tasks = tasks.lock();
            while tasks.try_next().is_some() {}
            tasks.spawn_blocking(move || engine.work());
        }
        answered.await.unwrap_or_else(|_| gone())
    }

    /// The writer: everything that waits in one transaction, again and again, until nothing waits.
    fn work(&self) {
        loop {
            let jobs: Vec<Job> = {
                let mut queue = self.queue.lock();
                if queue.jobs.is_empty() {
                    queue.working = false;
                    return;
                }
                queue.jobs.drain(..).collect()
            };
            let works: Vec<&Work> = jobs.iter().map(|job| &job.work).collect();
            let answers = catch_unwind(AssertUnwindSafe(|| self.group(&works))).unwrap_or_else(|_| {
                error!("the database panicked in a commit");
                self.reopen();
                let why = StoreError::Unavailable("the database panicked".to_owned());
                vec![Answer::Unknown(why); works.len()]
            });
            for (job, answer) in jobs.into_iter().zip(answers) {
                // A caller that is gone does not need to know.
                let _ = job.answer.send(answer);
            }
            self.wake.notify_one();
        }
    }

    fn group(&self, works: &[&Work]) -> Vec<Answer> {
        let all = |answer: Answer| vec![answer; works.len()];
        let full = match self.ready() {
            Ok(full) => full,
            Err(error) => return all(Answer::Failed(error)),
        };
        match self.attempt(works, full.clone()) {
            Ok(answers) => answers,
            Err(Broken::Before(error)) => {
                self.reopen();
                if full.is_some() || !matches!(error, StoreError::Full(_)) || !self.writable() {
                    return all(Answer::Failed(error));
                }
                warn!(%error, "the disk of the data directory is full: nothing can be recorded until there is room");
                *self.full.lock() = Some(error.clone());
                // What needs no room may still fit into the pages that the file has.
                match self.attempt(works, Some(error)) {
                    Ok(answers) => answers,
                    Err(Broken::Before(error) | Broken::Committing(error, ..)) => {
                        self.reopen();
                        all(Answer::Failed(error))
                    }
                }
            }
            Err(Broken::Committing(error, target, batches)) => {
                self.reopen();
                // Nobody else writes: what the file says now is what became of it.
                match self.revision() {
                    Ok(now) if now < target => all(Answer::Failed(error)),
                    Ok(now) => {
                        self.reload_leases();
                        self.tell(works, now, batches);
                        all(Answer::Unknown(error))
                    }
                    Err(_) => all(Answer::Unknown(error)),
                }
            }
        }
    }

    /// One transaction, one sync.
    fn attempt(&self, works: &[&Work], full: Option<StoreError>) -> Result<Vec<Answer>, Broken> {
        let db = self.db.read();
        let db = match &*db {
            Db::Good(db) => db,
            Db::ReadOnly(_, why) | Db::Closed(why) => return Err(why.clone().into()),
        };
        let mut tx = db.begin_write().map_err(|error| self.cause(explain(error)))?;
        tx.set_durability(Durability::Immediate).map_err(explain)?;
        // Costs a second sync and the state of the allocator: not in every commit, only in the last one before a quiet time.
        tx.set_quick_repair(works.iter().all(|work| matches!(work, Work::Settle)));
        let mut batches = Vec::new();
        let before;
        let mut newest;
        let answers = {
            let mut writing = Writing::new(&tx, full).map_err(|error| self.cause(error))?;
            before = writing.revision().map_err(|error| self.cause(error))?;
            newest = before;
            let answers = works
                .iter()
                .map(|work| make(&mut writing, &mut newest, &mut batches, work))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| self.cause(error))?;
            if newest != before {
                writing.set_revision(newest).map_err(|error| self.cause(error))?;
            }
            answers
        };
        if let Err(error) = tx.commit() {
            let error = self.cause(explain(error));
            // Without a revision of its own (a grant) nothing tells later whether it was made.
            let target = if newest == before { Revision(0) } else { newest };
            return Err(Broken::Committing(error, target, batches));
        }
        // Before the watches hear of it: who was told that a lease ended is not told that it lives.
        self.remember(works, &answers);
        self.tell(works, newest, batches);
        Ok(answers)
    }

    /// Lets the watches know. What is replicated is not said change by change: nobody watches a copy while it is one. Lists do not go on either:
    /// its revision may be one that they have seen, and mean something else.
    fn tell(&self, works: &[&Work], newest: Revision, batches: Vec<Batch>) {
        if works.iter().any(|work| work.is_silent()) {
            self.lists.lock().clear();
            self.history.restart(newest);
        } else {
            self.history.publish(batches);
        }
    }

    /// Follows in memory what became durable.
    fn remember(&self, works: &[&Work], answers: &[Answer]) {
        let mut leases = self.leases.lock();
        for (work, answer) in works.iter().zip(answers) {
            match (work, answer) {
                (Work::Grant(ttl), Answer::Granted(id)) => leases.add(*id, *ttl, Instant::now()),
                (Work::Revoke(id), Answer::Ended(_)) => {
                    leases.remove(*id);
                }
                (Work::Expire(ids), Answer::Ended(_)) => {
                    for id in ids {
                        leases.remove(*id);
                    }
                }
                _ => {}
            }
        }
        let settled = works.iter().all(|work| matches!(work, Work::Settle));
        *self.quiet_at.lock() = (!settled).then(|| Instant::now() + QUIET);
    }

    /// The first thing that went wrong on the disk: after it the database only says that something did.
    fn cause(&self, error: StoreError) -> StoreError {
        self.trouble.read().error.lock().clone().unwrap_or(error)
    }

    /// Whether anything can be written now, and whether puts have to be refused for space.
    fn ready(&self) -> Result<Option<StoreError>, StoreError> {
        let why = match &*self.db.read() {
            Db::Good(_) => None,
            Db::ReadOnly(_, why) => Some(why.clone()),
            Db::Closed(why) => return Err(why.clone()),
        };
        let full = self.full.lock().clone();
        if why.is_none() && full.is_none() {
            return Ok(None);
        }
        // Not for a few bytes that may be free: what was refused is asked for again, or one small commit would go through and the next not.
        if let Err(error) = self.raw.probe(self.wanted.load(Ordering::Acquire)) {
            return match why {
                Some(_) => Err(disk::explain(&error)),
                None => Ok(full),
            };
        }
        self.wanted.store(0, Ordering::Release);
        *self.full.lock() = None;
        if why.is_some() {
            self.reopen();
            if let Db::ReadOnly(_, why) | Db::Closed(why) = &*self.db.read() {
                return Err(why.clone());
            }
        }
        info!("the data directory takes writes again");
        Ok(None)
    }

    /// After a commit of which nobody knows whether it granted or ended leases.
    fn reload_leases(&self) {
        let Ok(there) = self.reading().and_then(|tx| rows::leases(&tx)) else {
            return;
        };
        let mut leases = self.leases.lock();
        for id in leases.ids() {
            if !there.iter().any(|(known, _)| *known == id) {
                leases.remove(id);
            }
        }
        for (id, millis) in there {
            if !leases.lives(id) {
                leases.add(id, Duration::from_millis(millis), Instant::now());
            }
        }
    }

    fn writable(&self) -> bool {
        matches!(&*self.db.read(), Db::Good(_))
    }

    /// The database refuses everything after the first error of its disk; opened anew it finds its last durable state. If the file cannot be
    /// written, for reading.
    fn reopen(&self) {
        let mut db = self.db.write();
        if matches!(&*db, Db::Closed(_)) {
            return;
        }
        self.lists.lock().clear();
        // The old one goes first: there is never more than one over the file.
        *db = Db::Closed(StoreError::Unavailable("it is being opened again".to_owned()));
        let old = std::mem::take(&mut *self.trouble.write());
        self.wanted
            .fetch_max(old.wanted.load(Ordering::Acquire), Ordering::AcqRel);
        let synced = if old.sync.load(Ordering::Acquire) {
            disk::rewrite(&*self.raw).map_err(|error| disk::explain(&error))
        } else {
            Ok(())
        };
        let trouble = self.trouble.read().clone();
        let opened = synced.and_then(|()| database(Disk::new(self.raw.clone(), trouble.clone())));
        *db = match opened {
            Ok(database) => Db::Good(database),
            Err(why) => {
                warn!(error = %why, "the data directory takes no writes: nothing can be recorded until it does");
                // A sync that failed has to be made good before the file is written again.
                trouble.sync.store(old.sync.load(Ordering::Acquire), Ordering::Release);
                let read_only = Disk::read_only(self.raw.clone(), Arc::default())
                    .map_err(|error| disk::explain(&error))
                    .and_then(database);
                match read_only {
                    Ok(database) => Db::ReadOnly(database, why),
                    Err(error) => {
                        error!(%error, "the store can no longer be read");
                        Db::Closed(error)
                    }
                }
            }
        };
    }

    /// Whether the file had to be walked through when it was opened last.
    #[cfg(test)]
    pub(super) fn repaired(&self) -> bool {
        self.trouble.read().repaired.load(Ordering::Acquire)
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        rows::revision(&self.reading()?)
    }

    fn reading(&self) -> Result<ReadTransaction, StoreError> {
        match &*self.db.read() {
            Db::Good(db) | Db::ReadOnly(db, _) => db.begin_read().map_err(explain),
            Db::Closed(why) => Err(why.clone()),
        }
    }

    /// One page of a list. Blocks on the disk.
    pub(super) fn page(&self, prefix: &Key, from: Option<&(Revision, Key)>, now: Instant) -> Result<Page, StoreError> {
        let Some((at, last)) = from else {
            let tx = self.reading()?;
            let page = rows::page(&tx, prefix, None)?;
            if page.more {
                let mut lists = self.lists.lock();
                if lists.len() == RUNNING_LISTS {
                    lists.pop_front();
                }
                let tx = Arc::new(tx);
                let until = now + LIST_PAUSE;
                lists.push_back(Running { at: page.at, tx, until });
                self.wake.notify_one();
            }
            return Ok(page);
        };
        let tx = {
            let mut lists = self.lists.lock();
            let running = lists.iter_mut().find(|running| running.at == *at);
            let running = running.ok_or(StoreError::Compacted(*at))?;
            running.until = now + LIST_PAUSE;
            running.tx.clone()
        };
        rows::page(&tx, prefix, Some(last))
    }

    /// One page of what there is now after a key. Blocks on the disk.
    pub(super) fn after(&self, last: Option<&Key>) -> Result<Page, StoreError> {
        rows::page(&self.reading()?, &Key::new(""), last)
    }

    /// When there is something to do without being asked.
    fn next_chore(&self) -> Option<Instant> {
        let lists = self.lists.lock().iter().map(|running| running.until).min();
        let quiet = *self.quiet_at.lock();
        [self.leases.lock().next(), quiet, lists].into_iter().flatten().min()
    }

    /// Ends leases, forgets lists that nobody goes on with, and leaves the file tidy when it is quiet. For as long as the store lives.
    pub(super) async fn chores(self: Arc<Self>) {
        let tasks = Mutex::new(Tasks::child_of(&tokio_util::sync::CancellationToken::new()));
        loop {
            let next = self.next_chore();
            tokio::select! {
                () = self.wake.notified() => continue,
                () = async {
                    match next {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
            let now = Instant::now();
            self.lists.lock().retain(|running| running.until > now);
            if self.quiet_at.lock().take_if(|at| *at <= now).is_some() {
                self.submit(&tasks, Work::Settle).await;
            }
            let over = self.leases.lock().over(now);
            if over.is_empty() {
                continue;
            }
            let ended = self.submit(&tasks, Work::Expire(over.clone())).await;
            if !matches!(ended, Answer::Ended(_)) {
                let mut leases = self.leases.lock();
                for id in over {
                    leases.postpone(id, now + END_AGAIN);
                }
            }
        }
    }
}

/// What a file says; makes the tables of a new one. An old one is only read: its disk may be full.
fn prepare(db: &Database) -> Result<(Revision, Vec<(LeaseId, u64)>), StoreError> {
    if let Some(layout) = rows::layout(&db.begin_read().map_err(explain)?)? {
        if layout > rows::LAYOUT {
            return Err(StoreError::Denied(format!(
                "it was written by a newer version (layout {layout}, this version knows {})",
                rows::LAYOUT
            )));
        }
    } else {
        let tx = db.begin_write().map_err(explain)?;
        Writing::new(&tx, None)?.set_layout()?;
        tx.commit().map_err(explain)?;
    }
    let tx = db.begin_read().map_err(explain)?;
    Ok((rows::revision(&tx)?, rows::leases(&tx)?))
}
