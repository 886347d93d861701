//! The rights of this member, as they stand: which groups' slots it may judge, by which guards.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::model::Group;
use crate::store::Tenure;

/// A cheap handle; clones share the same content. Written by whoever follows the tables, read by whoever commits.
#[derive(Debug, Clone, Default)]
pub struct Tenures {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    held: RwLock<HashMap<Group, Tenure>>,
    changed: Notify,
}

impl Tenures {
    /// The right to judge in a group, if this member has it.
    #[must_use]
    pub fn of(&self, group: &Group) -> Option<Tenure> {
        self.inner.held.read().get(group).cloned()
    }

    /// Replaces all rights.
    pub fn set(&self, held: HashMap<Group, Tenure>) {
        if *self.inner.held.read() == held {
            return;
        }
        *self.inner.held.write() = held;
        self.inner.changed.notify_waiters();
        self.inner.changed.notify_one();
    }

    /// Returns after the next change. A change before the call may be the one.
    pub async fn changed(&self) {
        self.inner.changed.notified().await;
    }
}
