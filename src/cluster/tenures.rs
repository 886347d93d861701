//! The rights of this member, as they stand: which slots of which groups it may judge, by which guards.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::{Group, MemberId};
use crate::store::records::{Table, slot};
use crate::store::{Session, Tenure};

/// That a table gave slots to this member. Whoever acts by it says so in each change; a change made by a right that is over is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// The placement group.
    pub group: Group,
    /// The epoch that gave the slots: one that was taken away and given again is another right.
    pub since: String,
    /// An earlier process of this member had it already.
    pub inherited: bool,
}

/// What a table gives this member of a group: the right to commit, and for which slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    tenure: Tenure,
    /// First slot, last slot, by which right; in order.
    runs: Arc<[(u16, u16, Arc<Right>)]>,
}

impl Holding {
    /// What `table` gives the session's member; `None` if nothing. `before` is what the table before gave; `first`: this process has not read
    /// a table yet, so what is given was given to an earlier one.
    #[must_use]
    pub fn of(session: &Session, group: &Group, table: &Table, before: Option<&Self>, first: bool) -> Option<Self> {
        let tenure = session.tenure(group.as_str(), table)?;
        let me = Some(session.member());
        let mut rights: Vec<Arc<Right>> = Vec::new();
        let mut right = |since: &str| -> Arc<Right> {
            let inherits = |holding: &Self| holding.runs.iter().any(|(.., r)| r.since == since && r.inherited);
            if let Some(known) = rights.iter().find(|right| right.since == since) {
                return known.clone();
            }
            let right = Arc::new(Right {
                group: group.clone(),
                since: since.to_owned(),
                inherited: first || before.is_some_and(inherits),
            });
            rights.push(right.clone());
            right
        };
        let mine = table.runs.iter().filter(|run| run.judge.as_ref() == me);
        let runs = mine.map(|run| (run.first, run.last, right(&run.since))).collect();
        Some(Self { tenure, runs })
    }

    /// What proves it in a commit.
    #[must_use]
    pub fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    /// By which right a slot is held, if it is.
    #[must_use]
    pub fn right(&self, slot: u16) -> Option<&Arc<Right>> {
        let (first, last, right) = self.runs.get(self.runs.partition_point(|(_, last, _)| *last < slot))?;
        (*first..=*last).contains(&slot).then_some(right)
    }

    /// Slots that are held.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.runs
            .iter()
            .map(|(first, last, _)| usize::from(last - first) + 1)
            .sum()
    }

    /// Who holds it.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        self.tenure.member()
    }
}

/// A cheap handle; clones share the same content. Written by whoever follows the tables, read by whoever commits.
///
/// A right that is lost with its session stays here until the tables of the next one are read: it moves nobody, and the store refuses
/// what is committed by it.
#[derive(Debug, Clone)]
pub struct Tenures(watch::Sender<HashMap<Group, Holding>>);

impl Default for Tenures {
    fn default() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }
}

impl Tenures {
    /// What is held of a group. Slots and guards of one answer are of one table.
    #[must_use]
    pub fn holding(&self, group: &Group) -> Option<Holding> {
        self.0.borrow().get(group).cloned()
    }

    /// By which right this member judges a monitor (or works an alerter) of a group, if it does.
    #[must_use]
    pub fn right(&self, group: &Group, name: &str) -> Option<Arc<Right>> {
        self.0.borrow().get(group)?.right(slot(name)).cloned()
    }

    /// All rights.
    #[must_use]
    pub fn rights(&self) -> Vec<Arc<Right>> {
        let mut rights: Vec<Arc<Right>> = Vec::new();
        for holding in self.0.borrow().values() {
            for (.., right) in holding.runs.iter() {
                if !rights.iter().any(|known| Arc::ptr_eq(known, right)) {
                    rights.push(right.clone());
                }
            }
        }
        rights
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Returns once nothing is held any more.
    pub async fn let_go(&self) {
        let _ = self.0.subscribe().wait_for(HashMap::is_empty).await;
    }

    /// Replaces all rights.
    pub fn set(&self, held: HashMap<Group, Holding>) {
        self.0.send_if_modified(|now| {
            let changed = *now != held;
            if changed {
                *now = held;
            }
            changed
        });
    }

    /// News of changes from now on. Every listener hears of every change, whoever else listens and whenever it asks.
    #[must_use]
    pub fn news(&self) -> News {
        News(self.0.subscribe())
    }
}

/// News of changes of [`Tenures`].
#[derive(Debug)]
pub struct News(watch::Receiver<HashMap<Group, Holding>>);

impl News {
    /// Returns after the next change that was not heard of yet. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could change anything.
            std::future::pending::<()>().await;
        }
    }
}
