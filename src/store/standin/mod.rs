//! A view of the store that switches between the shared one and a copy on this member's disk: what lets every part of a member go on over the
//! same [`Store`] when the shared one is gone.
//!
//! *Guarantees*: entries are in the copy as they are in the shared store, with their revisions, so that nothing that nobody edited looks edited
//! after a turn; what this member was told to be made is in the copy when it turns; a copy that holds changes of its own is not written over
//! before it turned back. *Caveats*: who decides to turn is not in here, and neither is what becomes of the copy's own changes: they are
//! dropped by the first list after the turn back. `event/`, `past/` and `soft/` are not in the copy.

mod calls;
mod familiar;
mod finding;
mod known;
mod mark;
mod mirror;
mod scope;
mod sorting;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::familiar::Familiar;
pub use self::finding::Finding;
use self::known::Known;
use self::mark::{Mark, store_id};
pub use self::sorting::Works;
pub use self::turn::{Face, LOCAL};
use self::turn::{Turning, Turns};
use super::backend::{Change, Entry, Key, Op, Revision, StoreError};
use super::embedded::{Embedded, OpenError};
#[cfg(test)]
use super::memory::Memory;
use super::replica::Replica;
use super::{Store, keys};
use crate::model::WallMs;
use crate::tasks::Tasks;

/// How a copy stands to the store that it is a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFacts {
    /// A whole list of that store was taken once.
    pub complete: bool,
    /// It holds changes of its own.
    pub dirty: bool,
    /// The revision of that store up to which everything is in it.
    pub at: Revision,
    /// This member's own commits beyond that which are in it, too, or were made of what is in it.
    pub beyond: BTreeSet<Revision>,
    /// The id of that store.
    pub store: Option<String>,
    /// What was changed here since it stands in has revisions beyond this one; what is left of an earlier time has not.
    pub own: Revision,
    /// The store went back to this revision since it was last shown, and is gone on with: what has later ones is not in it.
    pub back: Option<Revision>,
    /// Operations of this member that were dropped from what is known beyond the copy, because the watch was too far behind.
    pub forgotten: u64,
}

/// The shared store and its copy, of which one is shown. The member's [`Store`] is a handle over this.
pub struct Standin {
    /// The shared store, as long as it is the one that is known.
    outer: Store,
    familiar: Arc<Familiar>,
    /// The shared store, whatever it is.
    unguarded: Store,
    copy: Store,
    replica: Arc<dyn Replica>,
    turns: Turns,
    /// Whose alerters are this member's; without it, all.
    works: OnceLock<Works>,
    /// Held by whoever writes the copy as a copy, and over a turn.
    writing: tokio::sync::Mutex<()>,
    mark: Mutex<Mark>,
    known: Mutex<Known>,
    /// Where the copy is that was here before, if it was damaged.
    damaged: OnceLock<PathBuf>,
    back: Mutex<Option<Revision>>,
    tasks: Mutex<Tasks>,
}

impl std::fmt::Debug for Standin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standin")
            .field("face", &self.face())
            .field("mark", &*self.mark.lock())
            .finish_non_exhaustive()
    }
}

/// A stand-in whose copy is an embedded store in a directory of its own. One that holds changes of its own stands in from the beginning, unless it never was a whole copy: then
/// nothing can begin with it, and what is in it is dropped by the first list. A damaged copy is moved aside, and said so: it can be had again from the
/// store, and a member that does not start is worse than one without a copy.
///
/// # Errors
/// [`OpenError`], one clear line each.
pub async fn open_standin(outer: &Store, dir: &Path) -> Result<(Store, Arc<Standin>), OpenError> {
    let (copy, damaged) = match Embedded::open(dir).await {
        Err(OpenError::Damaged { file, why }) => {
            let aside = move_aside(&file).map_err(|error| {
                warn!(%error, file = %file.display(), "cannot move the damaged copy of the store aside");
                OpenError::Damaged {
                    file: file.clone(),
                    why: why.clone(),
                }
            })?;
            error!(why, aside = %aside.display(), "the copy of the store is damaged; beginning with an empty one");
            (Embedded::open(dir).await?, Some(aside))
        }
        opened => (opened?, None),
    };
    let page = super::Backend::list(&*copy, &keys::standin(), None).await;
    let mark = page.map_err(|why| OpenError::Other {
        file: dir.to_owned(),
        why,
    })?;
    let (store, standin) = over(outer, copy, Mark::read(mark.entries.first()), mark.at);
    if let Some(aside) = damaged {
        let _ = standin.damaged.set(aside);
    }
    Ok((store, standin))
}

/// Gives a file another name, and removes what was moved aside earlier: one is enough to find out from, and a disk that damages one after the other is not filled with them.
fn move_aside(file: &Path) -> std::io::Result<PathBuf> {
    let marked = |path: &Path| format!("{}.damaged-", path.display());
    if let Some(dir) = file.parent() {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.display().to_string().starts_with(&marked(file)) {
                std::fs::remove_file(path)?;
            }
        }
    }
    let aside = PathBuf::from(format!("{}{}", marked(file), WallMs::now().0));
    std::fs::rename(file, &aside)?;
    Ok(aside)
}

/// A stand-in whose copy is in memory, where it is kept over the restarts of a simulated member.
#[cfg(test)]
pub(crate) fn standin_in_memory(outer: &Store, copy: &Arc<Memory>) -> (Store, Arc<Standin>) {
    let mark = Mark::read(copy.peek(&keys::standin()).as_ref());
    over(outer, copy.clone(), mark, copy.newest())
}

fn over(outer: &Store, replica: Arc<impl Replica>, mut mark: Mark, newest: Revision) -> (Store, Arc<Standin>) {
    if mark.dirty && !mark.complete {
        (mark.dirty, mark.own) = (false, newest.max(mark.own));
    }
    let face = if mark.dirty { Face::Copy } else { Face::Through };
    let seen = if mark.exact { mark.at } else { Revision(0) };
    let id = mark.store.clone().filter(|_| mark.complete);
    let familiar = Familiar::over(outer.backend.clone(), id, mark.at);
    let standin = Arc::new(Standin {
        outer: Store::new(familiar.clone()),
        familiar,
        unguarded: outer.clone(),
        copy: Store::new(replica.clone()),
        replica,
        turns: Turns::new(face),
        works: OnceLock::new(),
        writing: tokio::sync::Mutex::default(),
        mark: Mutex::new(mark),
        known: Mutex::new(Known::from(seen)),
        damaged: OnceLock::new(),
        back: Mutex::default(),
        tasks: Mutex::new(Tasks::child_of(&CancellationToken::new())),
    });
    (Store::new(standin.clone()), standin)
}

/// A turn back to the shared store that is not done yet: the copy rests, and what it holds last can be looked at.
#[derive(Debug)]
pub struct TurnBack<'s> {
    standin: &'s Standin,
    turning: Turning<'s>,
    _writing: tokio::sync::MutexGuard<'s, ()>,
}

impl TurnBack<'_> {
    /// Shows the shared store. The copy's own changes are dropped when it is next compared.
    pub async fn done(self) {
        let standin = self.standin;
        let mark = standin.mark.lock().clone();
        let own = standin.newest().await.map_or(mark.own, |at| at.max(mark.own));
        let mark = Mark {
            dirty: false,
            own,
            ..mark
        };
        if let Err(error) = standin.write(own, Vec::new(), mark.clone()).await {
            // Then a start before it can be written begins with the copy, and comes back from it as now.
            warn!(%error, "cannot write that the copy of the store is no longer needed");
            *standin.mark.lock() = mark;
        }
        *standin.back.lock() = None;
        self.turning.done(Face::Through);
    }
}

impl Standin {
    /// Says once, before anything is committed through it, which alerters this member works: in the copy, what is for those of others is kept
    /// below `sent/`.
    pub fn works(&self, works: Works) {
        // A second word changes nothing.
        let _ = self.works.set(works);
    }

    /// Straight to the shared store, whatever is shown. It does not answer while it is not the store that is known.
    #[must_use]
    pub fn outer(&self) -> Store {
        self.outer.clone()
    }

    /// The same, whatever store it is: for whoever decides what is to become of a strange one.
    #[must_use]
    pub fn unguarded(&self) -> Store {
        self.unguarded.clone()
    }

    /// What the shared store is, as far as it is known not to be the one that is known.
    #[must_use]
    pub fn found(&self) -> Option<Finding> {
        self.familiar.found()
    }

    /// Asks the shared store what it is.
    ///
    /// # Errors
    /// It does not answer, or what it says cannot be read.
    pub async fn look(&self) -> Result<Finding, StoreError> {
        self.familiar.look().await
    }

    /// The shared store went back to a revision, and is gone on with. The copy follows when it is next compared.
    pub fn goes_back(&self, id: &str, at: Revision) {
        *self.back.lock() = Some(at);
        self.mark.lock().exact = false;
        self.familiar.know(id, at);
    }

    /// The shared store is this other one, from now on. The copy follows when it is next compared.
    pub fn goes_on_with(&self, id: &str) {
        *self.back.lock() = None;
        self.mark.lock().exact = false;
        self.familiar.know(id, Revision(0));
    }

    /// It is the store that is known, and lacks too much of what was there, while it has this entry to say what it is: it is strange.
    pub fn lacks(&self, record: Option<Entry>, why: String) {
        self.familiar.lacks(record, why);
    }

    /// Straight to the copy.
    #[must_use]
    pub fn copy(&self) -> Store {
        self.copy.clone()
    }

    /// The copy that was here before, if it was damaged: moved aside when this process began.
    #[must_use]
    pub fn damaged(&self) -> Option<&Path> {
        self.damaged.get().map(PathBuf::as_path)
    }

    /// What is shown.
    #[must_use]
    pub fn face(&self) -> Face {
        self.turns.face()
    }

    /// What is shown, and every turn.
    #[must_use]
    pub fn faces(&self) -> watch::Receiver<Face> {
        self.turns.faces()
    }

    /// How the copy is.
    #[must_use]
    pub fn stands(&self) -> CopyFacts {
        let (forgotten, recorded) = {
            let known = self.known.lock();
            (known.forgotten(), known.revisions_ahead())
        };
        let mark = self.mark.lock();
        let mut beyond = mark.beyond.clone();
        beyond.extend(recorded);
        CopyFacts {
            complete: mark.complete,
            dirty: mark.dirty,
            at: mark.at,
            beyond,
            store: mark.store.clone(),
            own: mark.own.max(LOCAL),
            back: *self.back.lock(),
            forgotten,
        }
    }

    /// Shows the copy from now on, with all that is known of the shared store in it. Calls that are on their way to the shared store are answered
    /// [`StoreError::Unavailable`], or [`Outcome::Unknown`](super::Outcome::Unknown); watches end.
    ///
    /// # Errors
    /// The copy cannot be written: then what is shown stays.
    pub async fn stand_in(&self) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        if self.face() == Face::Copy {
            return Ok(());
        }
        let turning = self.turns.begin();
        // Begins beyond all that it has ever given out: nothing that was built on a revision of an earlier outage holds in this one.
        let mark = self.mark.lock().clone();
        let own = mark.own.max(LOCAL);
        let ahead = self.known.lock().revisions_ahead();
        let (seen, mut changes) = self.all_known().await?;
        self.set_aside(&mut changes).await?;
        self.replica.raise(own).await?;
        let at = mark.at.max(seen);
        let mark = Mark {
            at,
            beyond: mark.beyond.union(&ahead).copied().filter(|rev| *rev > at).collect(),
            exact: false,
            dirty: true,
            own,
            ..mark
        };
        self.write(own, changes.into_values().collect(), mark).await?;
        self.known.lock().forget();
        turning.done(Face::Copy);
        Ok(())
    }

    /// Turns back to the shared store: nothing is read or committed by this member until [`TurnBack::done`]. Calls on their way to the copy are answered
    /// as in [`Standin::stand_in`], watches end. Dropped before it is done: the copy is shown as before. `None`: the shared store is what is shown.
    pub async fn turn_back(&self) -> Option<TurnBack<'_>> {
        let writing = self.writing.lock().await;
        (self.face() == Face::Copy).then(|| TurnBack {
            turning: self.turns.begin(),
            standin: self,
            _writing: writing,
        })
    }

    /// The revision of the newest change in the copy.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub async fn newest(&self) -> Result<Revision, StoreError> {
        Ok(self.replica.after(None).await?.at)
    }

    /// What waits, with the revision up to which that is everything, and on it this member's own commits that the watch has not brought yet.
    async fn all_known(&self) -> Result<(Revision, BTreeMap<Key, Change>), StoreError> {
        let (seen, waiting, ahead) = {
            let known = self.known.lock();
            (known.seen(), known.waiting(), known.ahead())
        };
        let mut all: BTreeMap<Key, Change> = waiting
            .into_iter()
            .map(|change| (change.key().clone(), change))
            .collect();
        for (rev, op) in ahead {
            let change = match op {
                Op::Delete(key) => Change::Deleted(key),
                Op::Put(key, value, lease) => {
                    let before = match all.get(&key) {
                        Some(Change::Put(entry)) => Some(entry.born),
                        Some(Change::Deleted(_)) => None,
                        None => self.copy.get(&key).await?.map(|entry| entry.born),
                    };
                    Change::Put(Entry {
                        key,
                        value,
                        born: before.filter(|born| *born < LOCAL).unwrap_or(rev),
                        rev,
                        lease,
                    })
                }
            };
            all.insert(change.key().clone(), change);
        }
        Ok((seen, all))
    }

    /// Makes of the outbox, as it will be with these changes, what it is in a copy.
    async fn set_aside(&self, changes: &mut BTreeMap<Key, Change>) -> Result<(), StoreError> {
        let Some(works) = self.works.get() else {
            return Ok(());
        };
        let (_, left) = self.copy.list(&keys::sent()).await?;
        let (_, there) = self.copy.list(&keys::outbox()).await?;
        let there = there.into_iter().map(Change::Put);
        let mut outbox: BTreeMap<Key, Change> = there.map(|change| (change.key().clone(), change)).collect();
        let news = changes.iter().filter(|(key, _)| keys::outbox().covers(key));
        outbox.extend(news.map(|(key, change)| (key.clone(), change.clone())));
        let entries = outbox.into_values().filter_map(|change| match change {
            Change::Put(entry) => Some(entry),
            Change::Deleted(_) => None,
        });
        let aside = sorting::set_aside(entries, left, works);
        changes.extend(aside.into_iter().map(|change| (change.key().clone(), change)));
        Ok(())
    }

    /// Writes the copy, and its mark with it. Whoever calls it holds `writing`.
    async fn write(&self, at: Revision, mut changes: Vec<Change>, mut mark: Mark) -> Result<(), StoreError> {
        let ids = changes.iter().filter_map(|change| match change {
            Change::Put(entry) => store_id(entry),
            Change::Deleted(_) => None,
        });
        if let Some(id) = ids.last() {
            mark.store = Some(id);
        }
        changes.push(mark.written(at)?);
        self.replica.replicate(at, changes).await?;
        if let Some(id) = mark.store.as_ref().filter(|_| mark.complete) {
            self.familiar.learn(id, mark.at);
        }
        *self.mark.lock() = mark;
        Ok(())
    }
}
