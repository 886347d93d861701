//! The rights of this member, as they stand: which groups' slots it may judge, by which guards.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::model::Group;
use crate::store::Tenure;

/// A cheap handle; clones share the same content. Written by whoever follows the tables, read by whoever commits.
///
/// A right that is lost with its session stays here until the tables of the next one are read: it moves nobody, and the store refuses
/// what is committed by it.
#[derive(Debug, Clone)]
pub struct Tenures(watch::Sender<HashMap<Group, Tenure>>);

impl Default for Tenures {
    fn default() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }
}

impl Tenures {
    /// The right to judge in a group, if this member has it.
    #[must_use]
    pub fn of(&self, group: &Group) -> Option<Tenure> {
        self.0.borrow().get(group).cloned()
    }

    /// Replaces all rights.
    pub fn set(&self, held: HashMap<Group, Tenure>) {
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
pub struct News(watch::Receiver<HashMap<Group, Tenure>>);

impl News {
    /// Returns after the next change that was not heard of yet. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could change anything.
            std::future::pending::<()>().await;
        }
    }
}
