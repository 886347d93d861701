//! Who is here, who directs, and what this member may do.
//!
//! One loop per process: open a session, stand for election, follow the tables, keep the lease alive. A session that is lost takes
//! every right with it; a new one is opened and the tables, which did not change, give the same slots back.

pub mod event_log;
pub mod identity;
pub mod tenures;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::events::{EventKind, Events};
use crate::model::{Group, WallMs};
use crate::store::records::{MemberRecord, Table};
use crate::store::{Change, Entry, Followed, Key, Lost, Session, SessionError, Store, Term, decode, keys};
use tenures::Tenures;

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
pub struct Tables(Arc<RwLock<HashMap<Group, Table>>>);

impl Tables {
    /// A group's table.
    #[must_use]
    pub fn of(&self, group: &Group) -> Option<Table> {
        self.0.read().get(group).cloned()
    }

    /// Whether a group has a table that gives its slots to nobody: its monitors are orphans.
    #[must_use]
    pub fn orphaned(&self, group: &Group) -> bool {
        self.0
            .read()
            .get(group)
            .is_some_and(|table| table.runs.iter().any(|run| run.judge.is_none()))
    }
}

/// The loop.
pub struct Cluster {
    /// The store.
    pub store: Store,
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
}

impl Cluster {
    /// Opens the first session: done before anything else starts, so that a wrong id ends the start.
    ///
    /// # Errors
    /// Another process holds this id, or the store does not answer.
    pub async fn join(&self) -> Result<Arc<Session>, SessionError> {
        let session = Arc::new(Session::open(&self.store, self.record.clone(), self.ttl).await?);
        self.rights.send_modify(|rights| rights.session = Some(session.clone()));
        self.events.record(
            EventKind::Member,
            WallMs::now(),
            None,
            format!("member {} joined", self.record.id),
        );
        Ok(session)
    }

    /// Runs until `stop`. `Err` when another process has taken this member's place: this one must end.
    ///
    /// # Errors
    /// [`Lost::Taken`]-like losses that a new session must not answer.
    pub async fn run(self, first: Arc<Session>, stop: CancellationToken) -> Result<(), Lost> {
        let mut session = first;
        loop {
            let lost = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = session.run(&stop) => ended,
                never = self.follow(&session) => match never {},
            };
            self.tenures.set(HashMap::new());
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
            session = loop {
                match self.join().await {
                    Ok(session) => break session,
                    Err(error) => tracing::warn!(%error, "cannot open a session"),
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(AGAIN) => {}
                }
            };
        }
    }

    /// Stands for election and keeps the tables current.
    async fn follow(&self, session: &Session) -> std::convert::Infallible {
        let mut plans = self.store.follow(&keys::plans());
        let mut election = self.store.follow(&keys::director());
        loop {
            tokio::select! {
                followed = plans.next() => self.take_tables(session, followed),
                // Whatever happened to the key, standing again tells how it is.
                _ = election.next() => self.stand(session).await,
            }
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

    fn take_tables(&self, session: &Session, followed: Followed) {
        let mut tables = self.tables.0.write();
        match followed {
            Followed::Snapshot { entries, .. } => {
                tables.clear();
                tables.extend(entries.iter().filter_map(table));
            }
            Followed::Changes(batch) => {
                for change in &batch.changes {
                    match change {
                        Change::Put(entry) => tables.extend(table(entry)),
                        Change::Deleted(key) => {
                            if let Some(group) = group_of(key) {
                                tables.remove(&group);
                            }
                        }
                    }
                }
            }
        }
        let held = tables
            .iter()
            .filter_map(|(group, table)| Some((group.clone(), session.tenure(group.as_str(), table)?)))
            .collect();
        drop(tables);
        self.tenures.set(held);
    }
}

fn group_of(key: &Key) -> Option<Group> {
    let middle = key.as_str().strip_prefix("plan/")?.strip_suffix("/table")?;
    Some(Group::named(&keys::unsegment(middle)?))
}

fn table(entry: &Entry) -> Option<(Group, Table)> {
    let group = group_of(&entry.key)?;
    match decode::<Table>(entry) {
        Ok(at) => Some((group, at.value)),
        Err(error) => {
            tracing::warn!(%error, "a table is left out");
            None
        }
    }
}
