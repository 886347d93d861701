//! Coming back into the store: what is looked at, kept and written, in the order that makes it safe. Any failure leaves the member where it was, to try again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::carry::{self, Picture, Since};
use super::courier::Courier;
use crate::catalog::Catalog;
use crate::cluster::event_log;
use crate::cluster::tenures::{Holding, Tenures};
use crate::model::{Closed, Group, MonitorName, WallMs};
use crate::store::records::{MemberRecord, StoreRecord, Table, slot};
use crate::store::{
    Commit, Entry, Finding, Guard, Key, Lost, Op, Outcome, Refusal, Revision, Session, SessionError, Standin, Store,
    StoreError, Unproved, decode, keys,
};

/// One attempt to return takes this long, at most.
const AT_MOST: Duration = Duration::from_secs(30);
/// Time for all that is held to be let go.
const LET_GO: Duration = Duration::from_secs(5);
/// Up to so many definitions are looked up one by one; for more, all are walked through.
const SINGLY: usize = 16;

/// Who returns, from where.
pub(super) struct Returning {
    pub(super) standin: Arc<Standin>,
    pub(super) record: MemberRecord,
    pub(super) ttl: Duration,
    pub(super) catalog: Catalog,
    /// What it holds.
    pub(super) tenures: Tenures,
    /// The session that was there before the store went away.
    pub(super) before: Option<Arc<Session>>,
    /// Knows what other members told for this one.
    pub(super) courier: Arc<Courier>,
}

/// What a member has that is back.
pub(super) struct Back {
    pub(super) session: Arc<Session>,
    /// The session outlived the outage: nothing has moved.
    pub(super) same: bool,
    /// It is another store than before.
    pub(super) another: bool,
    /// It went back to an older state.
    pub(super) restored: bool,
    /// Monitors whose changes were written.
    pub(super) written: usize,
    /// Monitors that are another member's now, of which something had changed here.
    pub(super) lost: usize,
}

/// Why a member is not back.
#[derive(Debug)]
pub(super) enum NotBack {
    /// It is not the store that was known, nor one that came in its place.
    Strange,
    /// It does not answer after all, or takes nothing, or something has changed meanwhile.
    Again(String),
    /// Another process has this member's place.
    Lost(Lost),
}

impl From<StoreError> for NotBack {
    fn from(error: StoreError) -> Self {
        Self::Again(error.to_string())
    }
}

impl Returning {
    pub(super) async fn run(self) -> Result<Back, NotBack> {
        match timeout(AT_MOST, self.steps()).await {
            Ok(done) => done,
            Err(_) => Err(NotBack::Again(format!("not done within {} s", AT_MOST.as_secs()))),
        }
    }

    async fn steps(self) -> Result<Back, NotBack> {
        let (there, here) = (self.standin.outer(), self.standin.copy());
        let another = self.is_another(&there, &here).await?;
        let (session, same) = self.session(&there).await?;
        // All of this may take longer than a lease does.
        let never = CancellationToken::new();
        tokio::select! {
            ended = session.run(&never) => Err(match ended {
                Err(lost @ Lost::TakenOver { .. }) => NotBack::Lost(lost),
                Err(Lost::Lease) | Ok(()) => NotBack::Again("the session is over".to_owned()),
            }),
            back = self.carries(session.clone(), same, another) => back,
        }
    }

    /// All that is to be done with a session in the store.
    async fn carries(&self, session: Arc<Session>, same: bool, another: bool) -> Result<Back, NotBack> {
        let (there, here) = (self.standin.outer(), self.standin.copy());
        self.courier.settle().await;
        // Definitions say in which slot a monitor is.
        self.catalog.loaded().await;
        let carrying = Carrying {
            standin: &self.standin,
            tables_here: tables(&here).await?,
            tables_there: tables(&there).await?,
            here,
            there,
            session,
            catalog: &self.catalog,
        };
        let restored = self.standin.stands().back.is_some();
        let carried = match another {
            false => {
                let before = carrying.here().await?;
                let mut carried = carrying.carry(&before).await?;
                // Checks went on meanwhile. What they changed is written while nothing else can change.
                let turn = self.standin.turn_back().await;
                let last = carrying.here().await?;
                if last != before {
                    carried = carried.and(carrying.carry(&last).await?);
                }
                carrying.events().await?;
                if let Some(turn) = turn {
                    turn.done().await;
                }
                carried
            }
            true => {
                let carried = carrying.bring_along().await?;
                self.let_go(&carrying.here).await;
                if let Some(turn) = self.standin.turn_back().await {
                    turn.done().await;
                }
                carried
            }
        };
        Ok(Back {
            session: carrying.session,
            same,
            another,
            restored,
            written: carried.written,
            lost: carried.lost,
        })
    }

    /// Whether it is another store than the copy is of: one that came in its place.
    async fn is_another(&self, there: &Store, here: &Store) -> Result<bool, NotBack> {
        match self.standin.look().await? {
            Finding::Same => {}
            Finding::Back(at) => {
                let id = self.lacks_little(here).await?;
                self.standin.goes_back(&id, at);
            }
            Finding::Follows(record) => self.standin.goes_on_with(&record.id),
            Finding::Strange(_) => return Err(NotBack::Strange),
        }
        let (known, found) = (record(here).await?, record(there).await?);
        Ok(known.is_some_and(|known| found.is_none_or(|found| found.id != known.id)))
    }

    /// The id of a store that went back, if it has most of what we know.
    async fn lacks_little(&self, here: &Store) -> Result<String, NotBack> {
        let there = self.standin.unguarded();
        let said = there.get(&keys::store()).await?;
        let id = said.as_ref().map(decode::<StoreRecord>).transpose()?;
        let (gone, all) = self.gone(&there, here).await?;
        tracing::warn!(gone, all, "the store went back: it was restored from an older state");
        match id {
            Some(id) if gone * 2 <= all => Ok(id.value.id),
            _ => {
                let why = format!("it went back to an older state, and {gone} of {all} definitions are not there");
                self.standin.lacks(said, why);
                Err(NotBack::Strange)
            }
        }
    }

    /// Definitions that we know and the store does not, of all that we know.
    async fn gone(&self, there: &Store, here: &Store) -> Result<(usize, usize), NotBack> {
        let mut known = BTreeSet::new();
        for prefix in [keys::monitors(), keys::alerters()] {
            each(here, &prefix, |entry| {
                known.insert(entry.key);
            })
            .await?;
        }
        let all = known.len();
        for prefix in [keys::monitors(), keys::alerters()] {
            each(there, &prefix, |entry| {
                known.remove(&entry.key);
            })
            .await?;
        }
        Ok((known.len(), all))
    }

    /// Holds nothing any more: an epoch of another store may be called like one of the store before, and is another right.
    async fn let_go(&self, here: &Store) {
        let tables: Vec<Commit> = match here.list(&keys::plans()).await {
            Ok((_, entries)) => entries
                .into_iter()
                .filter(|entry| keys::group(&entry.key).is_some())
                .map(|entry| Commit {
                    guards: Vec::new(),
                    ops: vec![Op::Delete(entry.key)],
                })
                .collect(),
            Err(_) => Vec::new(),
        };
        here.commit_all(&[], tables).await;
        if timeout(LET_GO, self.tenures.let_go()).await.is_err() {
            tracing::warn!("what was held of the store before is not let go");
        }
    }

    /// The session of before, if it lives: then nothing has moved. Else a new one.
    async fn session(&self, there: &Store) -> Result<(Arc<Session>, bool), NotBack> {
        if let Some(before) = &self.before {
            match before.prove().await {
                Ok(()) => return Ok((before.clone(), true)),
                Err(Unproved::Lost(Lost::Lease)) => {}
                Err(Unproved::Lost(lost)) => return Err(NotBack::Lost(lost)),
                Err(Unproved::Store(error)) => return Err(error.into()),
            }
        }
        match Session::open(there, self.record.clone(), self.ttl).await {
            Ok(session) => Ok((Arc::new(session), false)),
            Err(SessionError::Store(error)) => Err(error.into()),
            Err(other) => Err(NotBack::Again(other.to_string())),
        }
    }
}

/// What is written.
pub(super) struct Carrying<'a> {
    standin: &'a Standin,
    pub(super) here: Store,
    pub(super) there: Store,
    pub(super) tables_here: BTreeMap<Group, Table>,
    tables_there: BTreeMap<Group, Table>,
    pub(super) session: Arc<Session>,
    catalog: &'a Catalog,
}

#[derive(Default)]
pub(super) struct Carried {
    pub(super) written: usize,
    pub(super) lost: usize,
}

impl Carried {
    fn and(self, other: Self) -> Self {
        Self {
            written: self.written + other.written,
            lost: self.lost + other.lost,
        }
    }
}

impl Carrying<'_> {
    /// What tells our own changes from those of others, as it is now: what was written by this attempt, or one before, is ours.
    pub(super) fn since(&self) -> Since {
        let copy = self.standin.stands();
        Since {
            at: copy.back.map_or(copy.at, |back| back.min(copy.at)),
            beyond: copy.back.map_or(copy.beyond, |_| BTreeSet::new()),
            own: copy.own,
            back: copy.back,
        }
    }

    /// What the copy holds now.
    async fn here(&self) -> Result<Picture, NotBack> {
        let mut here = picture(&self.here).await?;
        each(&self.here, &keys::pasts(), |entry| here.add(entry)).await?;
        Ok(here)
    }

    async fn carry(&self, here: &Picture) -> Result<Carried, NotBack> {
        let mut there = picture(&self.there).await?;
        // Closed episodes are looked up one by one: there may be twenty thousand in the store, and some of ours may have come to be there late.
        for key in here.pasts() {
            if let Some(entry) = self.there.get(&key).await? {
                there.add(entry);
            }
        }
        let mut carried = Carried::default();
        let since = &self.since();
        let notify = Group::notify();
        let mut kept: BTreeMap<Group, Vec<Change>> = BTreeMap::new();
        let (mut orphans, mut told, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for monitor in carry::monitors(here, &there) {
            let kept_change = || {
                carry::kept(monitor, here, &there, since, WallMs::now()).map(|commit| Change {
                    monitor: monitor.clone(),
                    commit,
                })
            };
            let Some(group) = self.group(monitor, here, &there) else {
                // Nothing tells any more where it belonged: nobody else can know of it.
                orphans.extend(kept_change().filter(|_| here.is_changed(monitor, since)));
                continue;
            };
            if self.kept(&group, monitor.as_str()) {
                kept.entry(group).or_default().extend(kept_change());
            } else if self.has_moved(&group, monitor.as_str()) || here.was_judged(monitor, since) {
                let commit = carry::lost(monitor, here, &there, since, (Closed::Moved, WallMs::now()));
                carried.lost += usize::from(here.is_changed(monitor, since));
                lost.extend(commit);
            } else {
                // Whoever judges it says what becomes of it; we only say what we told.
                let ours = here
                    .told_of(monitor)
                    .chain(there.told_of(monitor))
                    .collect::<BTreeSet<_>>();
                let ours = ours.into_iter().filter(|alerter| self.kept(&notify, alerter.as_str()));
                told.extend(ours.filter_map(|alerter| carry::told(alerter, monitor, here, &there, since)));
            }
        }
        for (group, changes) in kept {
            carried.written += changes.len();
            self.write(self.right(&group)?, self.with_definitions(changes).await?)
                .await?;
        }
        if !told.is_empty() {
            self.write(self.right(&notify)?, told).await?;
        }
        let session = || vec![self.session.guard()];
        self.write(session(), lost).await?;
        self.write(session(), self.with_definitions(orphans).await?).await?;
        Ok(carried)
    }

    fn kept(&self, group: &Group, name: &str) -> bool {
        let (here, there) = (self.tables_here.get(group), self.tables_there.get(group));
        carry::is_kept(here, there, slot(name), self.session.member())
    }

    /// Whether another judge has a slot than the one that we know, or by another right.
    fn has_moved(&self, group: &Group, name: &str) -> bool {
        let run = |tables: &BTreeMap<Group, Table>| {
            let run = tables.get(group)?.run(slot(name))?;
            Some((run.judge.clone(), run.since.clone()))
        };
        run(&self.tables_here) != run(&self.tables_there)
    }

    /// The group of a monitor: as its definition says that it was judged by; of one whose definition is gone or cannot be read, as its episode does.
    fn group(&self, monitor: &MonitorName, here: &Picture, there: &Picture) -> Option<Group> {
        let known = self.catalog.monitor(monitor.as_str()).and_then(|entry| entry.group());
        known.or_else(|| here.group(monitor)).or_else(|| there.group(monitor))
    }

    /// Revisions of the definitions of some monitors, as far as they are there.
    pub(super) async fn definitions<'m>(
        &self,
        monitors: impl ExactSizeIterator<Item = &'m MonitorName>,
    ) -> Result<HashMap<Key, Revision>, NotBack> {
        let mut revs = HashMap::new();
        if monitors.len() <= SINGLY {
            for monitor in monitors {
                let key = keys::monitor(monitor);
                if let Some(entry) = self.there.get(&key).await? {
                    revs.insert(key, entry.rev);
                }
            }
        } else {
            each(&self.there, &keys::monitors(), |entry| {
                revs.insert(entry.key, entry.rev);
            })
            .await?;
        }
        Ok(revs)
    }

    /// Adds what every change of a monitor proves: that its definition is the one that is there now. It may be another one than we know: then how the monitor stood
    /// is recorded, and what the edit makes of it is decided as for any other edit.
    async fn with_definitions(&self, changes: Vec<Change>) -> Result<Vec<Commit>, NotBack> {
        let revs = self.definitions(changes.iter().map(|change| &change.monitor)).await?;
        let commits = changes.into_iter().map(|change| {
            let key = keys::monitor(&change.monitor);
            let rev = revs.get(&key).copied().unwrap_or_default();
            let mut commit = change.commit;
            commit.guards.push(Guard::Rev(key, rev));
            commit
        });
        Ok(commits.collect())
    }

    /// What proves that slots of a group are ours, as the tables are that were read.
    fn right(&self, group: &Group) -> Result<Vec<Guard>, NotBack> {
        let table = self.tables_there.get(group);
        let holding = table.and_then(|table| Holding::of(&self.session, group, table, None, false));
        match holding {
            Some(holding) => Ok(holding.tenure().guards()),
            None => Err(NotBack::Again(format!(
                "nothing of the group {} is ours",
                group.as_str()
            ))),
        }
    }

    /// All or an error: what was written is equal on both sides, and not written again by the next attempt.
    pub(super) async fn write(&self, right: Vec<Guard>, commits: Vec<Commit>) -> Result<(), NotBack> {
        for outcome in self.standin.record(&right, commits).await {
            match outcome {
                Outcome::Done(_) => {}
                // No store would take it; what comes after it must not wait for that.
                Outcome::Failed(error @ StoreError::Invalid(_)) => {
                    tracing::error!(%error, "a change that was made without the store cannot be recorded");
                }
                Outcome::Refused(Refusal::Shared) => {
                    return Err(NotBack::Again(
                        "the plan has changed, or the session is over".to_owned(),
                    ));
                }
                Outcome::Refused(Refusal::Own) => {
                    return Err(NotBack::Again("somebody else is writing, too".to_owned()));
                }
                Outcome::Failed(error) | Outcome::Unknown(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What was said meanwhile: for people, so it is no reason not to return.
    pub(super) async fn events(&self) -> Result<(), NotBack> {
        let (_, events) = self.here.list(&keys::events()).await?;
        if events.is_empty() {
            return Ok(());
        }
        let lease = self.there.grant(event_log::KEPT).await?.id;
        let commits = events.into_iter().map(|event| Commit {
            guards: vec![Guard::Absent(event.key.clone())],
            ops: vec![Op::Put(event.key, event.value, Some(lease))],
        });
        self.there.bulk(commits.collect(), |_| {}).await;
        Ok(())
    }
}

/// A change of a monitor.
struct Change {
    monitor: MonitorName,
    commit: Commit,
}

/// What a store says of itself.
async fn record(store: &Store) -> Result<Option<StoreRecord>, StoreError> {
    Ok(store
        .read::<StoreRecord>(&keys::store())
        .await?
        .map(|record| record.value))
}

/// All entries below a prefix, of one revision, a page at a time.
pub(super) async fn each(store: &Store, prefix: &Key, mut take: impl FnMut(Entry)) -> Result<(), StoreError> {
    let mut pages = store.pages(prefix);
    while let Some(page) = pages.next().await {
        page?.entries.into_iter().for_each(&mut take);
    }
    Ok(())
}

/// All but closed episodes.
pub(super) async fn picture(store: &Store) -> Result<Picture, StoreError> {
    // At once: where each answer takes long, one after the other would take as long as a lease.
    let prefixes = [
        keys::checkpoints(),
        keys::sent(),
        keys::ended(),
        keys::outbox(),
        keys::told_all(),
    ];
    let lists = prefixes.map(|prefix| async move {
        let mut entries = Vec::new();
        each(store, &prefix, |entry| entries.push(entry)).await?;
        Ok::<_, StoreError>(entries)
    });
    let mut picture = Picture::default();
    for entry in try_join_all(lists).await?.into_iter().flatten() {
        picture.add(entry);
    }
    Ok(picture)
}

async fn tables(store: &Store) -> Result<BTreeMap<Group, Table>, StoreError> {
    let mut tables = BTreeMap::new();
    each(store, &keys::plans(), |entry| {
        let group = keys::group(&entry.key).map(|group| Group::named(&group));
        // One that cannot be read gives nothing.
        if let (Some(group), Ok(table)) = (group, decode::<Table>(&entry)) {
            tables.insert(group, table.value);
        }
    })
    .await?;
    Ok(tables)
}
