//! Who is here, who directs, and what this member may do.
//!
//! One loop per process: open a session, stand for election, follow the tables, keep the lease alive. A session that is lost takes
//! every right with it, and nothing that runs; a new one is opened and the tables, which did not change, give the same slots back.

pub mod abstain;
pub mod alone;
#[cfg(test)]
mod cluster_tests;
pub mod event_log;
pub mod identity;
mod past;
pub mod tenures;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::events::{EventKind, Events};
use crate::model::{Group, MemberId, Slots, WallMs};
use crate::store::records::{ClusterSettings, MemberRecord, Table};

use crate::store::{Change, Entry, Followed, Key, Lost, Session, SessionError, Store, StoreError, Term, decode, keys};
use crate::watchdog::{Found, Watchdog};
use abstain::Abstain;
pub use past::Held;
use past::Past;
use tenures::{Holding, Tenures};

/// Members that an event names of whom slots were taken over; the others are counted.
const NAMED: usize = 12;
/// Wait before another attempt to open a session or to win the election.
const AGAIN: Duration = Duration::from_secs(1);

/// The present session and term, for those who act by them.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// The session, while there is one.
    pub session: Option<Arc<Session>>,
    /// The right to direct, while this member has it.
    pub term: Option<Term>,
}

/// The tables as they stand, for reading.
#[derive(Debug, Clone, Default)]
pub struct Tables(Arc<RwLock<HashMap<Group, Table>>>, Arc<RwLock<HashMap<Group, Past>>>);

impl Tables {
    /// Who judges a slot of a group.
    #[must_use]
    pub fn judge(&self, group: &Group, slot: u16) -> Option<MemberId> {
        self.0.read().get(group)?.run(slot)?.judge.clone()
    }

    /// For asking whether a slot of a group is `me`'s or nobody's.
    pub fn leave_to(&self, me: &MemberId) -> impl Fn(&Group, u16) -> bool + Send + Sync + 'static {
        let (tables, me) = (self.clone(), me.clone());
        move |group, slot| tables.judge(group, slot).is_none_or(|judge| judge == me)
    }

    /// The slots that each member judges.
    #[must_use]
    pub fn judged(&self) -> BTreeMap<MemberId, Slots> {
        let mut judged: BTreeMap<MemberId, Slots> = BTreeMap::new();
        let notify = Group::notify();
        for (group, table) in self.0.read().iter().filter(|(group, _)| **group != notify) {
            for run in &table.runs {
                if let Some(judge) = &run.judge {
                    judged.entry(judge.clone()).or_default().add(group, run.first, run.last);
                }
            }
        }
        judged
    }

    /// All tables.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Group, Table> {
        let tables = self.0.read();
        tables
            .iter()
            .map(|(group, table)| (group.clone(), table.clone()))
            .collect()
    }

    /// The epoch of each.
    #[must_use]
    pub fn epochs(&self) -> BTreeMap<Group, String> {
        let tables = self.0.read();
        tables
            .iter()
            .map(|(group, table)| (group.clone(), table.epoch.clone()))
            .collect()
    }

    /// Who judges a slot of a group and who did before, the newest first, as far as this process has seen it.
    #[must_use]
    pub fn history(&self, group: &Group, slot: u16) -> Vec<Held> {
        let tables = self.0.read();
        let Some(now) = tables.get(group) else {
            return Vec::new();
        };
        match self.1.read().get(group) {
            Some(past) => past.of(now, slot),
            None => Past::default().of(now, slot),
        }
    }

    /// A table comes in place of another.
    fn note(&self, group: &Group, before: Option<&Table>, after: &Table) {
        if let Some(before) = before {
            self.1.write().entry(group.clone()).or_default().note(before, after);
        }
    }
}

/// Where this member stands, and by which session.
#[derive(Debug, Clone)]
pub enum Footing {
    /// In the store that it shares with others, or that is its own.
    Shared(Arc<Session>),
    /// In its copy of a store that it cannot reach.
    Copy(Arc<Session>),
}

/// A table as it counts for this member.
type Given = for<'t> fn(&Group, &'t Table, &MemberId) -> Cow<'t, Table>;

fn given<'t>(_: &Group, table: &'t Table, _: &MemberId) -> Cow<'t, Table> {
    Cow::Borrowed(table)
}

/// The loop.
pub struct Cluster {
    /// The store, as the whole member sees it.
    pub store: Store,
    /// The store that its session is in, whatever the member sees just now.
    pub home: Store,
    /// What this member says of itself.
    pub record: MemberRecord,
    /// Lease time.
    pub ttl: Duration,
    /// Where its rights to judge are published.
    pub tenures: Tenures,
    /// Where the tables are published.
    pub tables: Tables,
    /// Where session and term are published.
    pub rights: watch::Sender<Rights>,
    /// For telling people.
    pub events: Events,
    /// Whether this process has read the tables once.
    pub read_before: AtomicBool,
    /// Whether it stays out of elections.
    pub abstain: Abstain,
    /// Whether what runs here turns: for others who could take over, a lease is a promise of that.
    pub watchdog: Watchdog,
    /// Nobody else can be here: a lease that is given up would be of use to nobody.
    pub alone: bool,
}

impl Cluster {
    /// Opens the first session: done before anything else starts, so that a wrong id ends the start.
    ///
    /// # Errors
    /// Another process holds this id, or the store does not answer.
    pub async fn join(&self) -> Result<Arc<Session>, SessionError> {
        let session = Arc::new(Session::open(&self.home, self.record.clone(), self.ttl).await?);
        self.have(&session);
        self.events.record(
            EventKind::Member,
            WallMs::now(),
            None,
            format!("member {} joined", self.record.id),
        );
        Ok(session)
    }

    /// Runs until `stop`, on whatever footing this member has. `Err` when another process has taken this member's place: this one must end.
    ///
    /// # Errors
    /// [`Lost::TakenOver`].
    pub async fn run(mut self, mut footing: watch::Receiver<Footing>, stop: CancellationToken) -> Result<(), Lost> {
        loop {
            let now = footing.borrow_and_update().clone();
            let another = async {
                if footing.changed().await.is_err() {
                    // Nobody is left who could give another one.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = another => {}
                ended = async {
                    match now {
                        Footing::Shared(session) => self.in_the_store(session, &stop).await,
                        Footing::Copy(session) => self.on_the_copy(&session, &stop).await,
                    }
                } => return ended,
            }
            // The tenures stay, as after a lost session.
            self.rights.send_replace(Rights::default());
        }
    }

    async fn in_the_store(&mut self, first: Arc<Session>, stop: &CancellationToken) -> Result<(), Lost> {
        let mut session = first;
        self.have(&session);
        loop {
            self.watchdog.set_lease(self.ttl);
            let lost = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.hangs() => {
                    match stop.run_until_cancelled(self.give_up(session)).await {
                        Some(joined) => session = joined?,
                        None => return Ok(()),
                    }
                    continue;
                }
                ended = session.run(stop) => ended,
                ttl = self.another_ttl() => {
                    tracing::info!(?ttl, "the lease time was changed; opening another session with it");
                    self.ttl = ttl;
                    // It takes the record over from the present one, and slots stay.
                    self.rights.send_replace(Rights::default());
                    let joined = stop.run_until_cancelled(self.join_again()).await;
                    match joined {
                        Some(joined) => session = joined?,
                        None => return Ok(()),
                    }
                    continue;
                }
                never = self.follow_tables(&session, given) => match never {},
                never = self.follow_election(&session) => match never {},
            };
            // The tenures stay: what runs runs on, and what is committed by them is refused until the tables are read anew.
            self.rights.send_replace(Rights::default());
            match lost {
                Ok(()) => return Ok(()),
                Err(Lost::Lease) => {
                    tracing::warn!("the session is lost; opening another one");
                    self.events.record(
                        EventKind::Warning,
                        WallMs::now(),
                        None,
                        format!("member {} lost its session", self.record.id),
                    );
                }
                Err(other) => return Err(other),
            }
            let joined = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                joined = self.join_again() => joined,
            };
            session = joined?;
        }
    }

    /// Returns when this member promises by its lease what it does not keep.
    async fn hangs(&self) {
        let mut found = self.watchdog.found();
        if self.alone || found.wait_for(|found| *found != Found::Fine).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Lets others take over at once what hangs here, and comes back when it turns again.
    async fn give_up(&self, session: Arc<Session>) -> Result<Arc<Session>, Lost> {
        self.rights.send_replace(Rights::default());
        let why = self.watchdog.hung().unwrap_or_default();
        tracing::error!(why, "giving the lease up, so that others take over");
        let text = format!("member {} gives its lease up: {why}", self.record.id);
        self.events.record(EventKind::Member, WallMs::now(), None, text);
        // Without an answer it ends by itself: nobody keeps it any more.
        match tokio::time::timeout(self.ttl, session.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be ended; it runs out by itself"),
            Err(_) => tracing::warn!("the lease could not be ended in time; it runs out by itself"),
        }
        let mut found = self.watchdog.found();
        tokio::select! {
            _ = found.wait_for(|found| *found == Found::Fine) => {}
            // What others take over, the parts that turn let go.
            never = self.follow_tables(&session, given) => match never {},
        }
        self.join_again().await
    }

    /// Without the store: nothing is directed, and nobody takes slots from one another but by what is heard.
    async fn on_the_copy(&self, session: &Arc<Session>, stop: &CancellationToken) -> Result<(), Lost> {
        self.have(session);
        tokio::select! {
            ended = session.run(stop) => ended,
            never = self.follow_tables(session, alone::given) => match never {},
        }
    }

    fn have(&self, session: &Arc<Session>) {
        self.rights.send_modify(|rights| rights.session = Some(session.clone()));
    }

    /// The lease time of the cluster's settings, once it is not the present one.
    async fn another_ttl(&self) -> Duration {
        let mut settings = self.store.follow(&keys::config());
        loop {
            let entry = match settings.next().await {
                Followed::Snapshot { entries, .. } => entries.into_iter().next(),
                Followed::Changes(batch) => batch.changes.into_iter().find_map(|change| match change {
                    Change::Put(entry) => Some(entry),
                    Change::Deleted(_) => None,
                }),
            };
            match entry.as_ref().map(decode::<ClusterSettings>) {
                Some(Ok(at)) if at.value.heartbeat_timeout.0 != self.ttl => return at.value.heartbeat_timeout.0,
                Some(Err(error)) => tracing::warn!(%error, "the settings cannot be read; the lease time stays"),
                _ => {}
            }
        }
    }

    /// Opens another session, for as long as it takes; unless this member lives on in another process.
    async fn join_again(&self) -> Result<Arc<Session>, Lost> {
        let mut said = String::new();
        loop {
            let error = match self.taken_over().await {
                Ok(Some(lost)) => return Err(lost),
                Ok(None) => match self.join().await {
                    Ok(session) => return Ok(session),
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            if error != said {
                tracing::warn!(error, "cannot open a session, trying on");
                said = error;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whoever takes a member's record over ends its lease: the loser learns of the lease first.
    async fn taken_over(&self) -> Result<Option<Lost>, StoreError> {
        let there = match self.home.read::<MemberRecord>(&keys::member(&self.record.id)).await {
            Ok(there) => there.map(|at| at.value),
            // Joining says what is wrong with it.
            Err(StoreError::Damaged(_)) => None,
            Err(error) => return Err(error),
        };
        let other = there.filter(|there| there.identity == self.record.identity && there.boot != self.record.boot);
        Ok(other.map(|other| Lost::TakenOver {
            boot: other.boot,
            hostname: other.hostname,
        }))
    }

    /// Keeps the tables, and the rights they give, current.
    async fn follow_tables(&self, session: &Session, given: Given) -> Infallible {
        let mut plans = self.store.follow(&keys::plans());
        loop {
            self.take_tables(session, plans.next().await, given);
        }
    }

    /// Stands for election whenever anything happens to the director's key: standing tells how it is.
    async fn follow_election(&self, session: &Session) -> Infallible {
        let mut election = self.store.follow(&keys::director());
        let mut abstention = self.abstain.listen();
        loop {
            tokio::select! {
                followed = election.next() => self.must_end(&followed),
                () = abstention.over() => {}
            }
            if self.abstain.holds() {
                self.rights.send_if_modified(|rights| rights.term.take().is_some());
            } else {
                self.stand(session).await;
            }
        }
    }

    /// A director whose key hangs on no lease would be one for ever: none of us writes that.
    fn must_end(&self, followed: &Followed) {
        let endless = match followed {
            Followed::Snapshot { entries, .. } => entries.iter().any(|entry| entry.lease.is_none()),
            Followed::Changes(batch) => {
                let endless = |change: &Change| matches!(change, Change::Put(entry) if entry.lease.is_none());
                batch.changes.iter().any(endless)
            }
        };
        if endless {
            let text = "nobody can be elected: the key `cluster/director` hangs on no lease, so none of us wrote it and it never ends; delete it";
            tracing::error!("{text}");
            self.events.record(EventKind::Error, WallMs::now(), None, text);
        }
    }

    async fn stand(&self, session: &Session) {
        let term = loop {
            match session.campaign().await {
                Ok(term) => break term,
                Err(error) => {
                    tracing::warn!(%error, "cannot stand for election");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        };
        if self.rights.borrow().term == term {
            return;
        }
        if term.is_some() {
            tracing::info!("this member directs");
            self.events.record(
                EventKind::Member,
                WallMs::now(),
                None,
                format!("member {} directs", self.record.id),
            );
        }
        self.rights.send_modify(|rights| rights.term = term);
    }

    /// A table comes in place of another: remembers who judged what, and says what this member took over.
    fn note(&self, group: &Group, before: Option<&Table>, after: &Table) {
        self.tables.note(group, before, after);
        let Some(before) = before else { return };
        let of = past::taken_over(before, after, &self.record.id);
        // Alerters go along with whoever tells of them; of each move of theirs the plan's own event tells.
        if of.is_empty() || *group == Group::notify() {
            return;
        }
        let named = of
            .iter()
            .take(NAMED)
            .map(|(judge, slots)| format!("{slots} slots of {judge}"));
        let mut slots = named.collect::<Vec<_>>().join(", ");
        if of.len() > NAMED {
            slots.push_str(&format!(", and more of {} others", of.len() - NAMED));
        }
        let text = format!("member {} took over {slots} ({group}): {}", self.record.id, after.why);
        self.events.record(EventKind::Member, WallMs::now(), None, text);
    }

    fn take_tables(&self, session: &Session, followed: Followed, given: Given) {
        let mut tables = self.tables.0.write();
        match followed {
            Followed::Snapshot { entries, .. } => {
                let mut before = std::mem::take(&mut *tables);
                tables.extend(entries.iter().filter_map(|entry| {
                    let group = group_of(&entry.key)?;
                    // One that cannot be read takes nothing away.
                    let known = before.remove(&group);
                    let table = table(entry);
                    if let Some(table) = &table {
                        self.note(&group, known.as_ref(), table);
                    }
                    Some((group, table.or(known)?))
                }));
            }
            Followed::Changes(batch) => {
                for change in &batch.changes {
                    let Some(group) = group_of(change.key()) else { continue };
                    match change {
                        Change::Put(entry) => {
                            if let Some(table) = table(entry) {
                                self.note(&group, tables.get(&group), &table);
                                tables.insert(group, table);
                            }
                        }
                        Change::Deleted(_) => drop(tables.remove(&group)),
                    }
                }
            }
        }
        let first = !self.read_before.swap(true, Relaxed);
        let held = tables.iter().filter_map(|(group, table)| {
            let before = self.tenures.holding(group);
            let table = given(group, table, session.member());
            let held = Holding::of(session, group, &table, before.as_ref(), first)?;
            Some((group.clone(), held))
        });
        let held = held.collect();
        drop(tables);
        self.tenures.set(held);
    }
}

fn group_of(key: &Key) -> Option<Group> {
    keys::group(key).map(|group| Group::named(&group))
}

fn table(entry: &Entry) -> Option<Table> {
    match decode::<Table>(entry) {
        Ok(at) => Some(at.value),
        Err(error) => {
            tracing::warn!(%error, "a table cannot be read; what was known before holds");
            None
        }
    }
}
