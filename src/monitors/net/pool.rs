//! Connections kept between the runs of a monitor that asks for it.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::model::MonitorName;

/// A connection that was not used for this long is closed: most servers have given up on it before.
const MAX_IDLE: Duration = Duration::from_secs(120);
/// How often the pool is searched for such connections, when it is used at all.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

type Definition = Arc<dyn Any + Send + Sync>;

/// One kept connection per monitor. It belongs to one definition: after an edit, the old one's is not used and soon closed.
#[derive(Default)]
pub(crate) struct Pool {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    kept: HashMap<MonitorName, Kept>,
    swept: Option<Instant>,
}

struct Kept {
    definition: Weak<dyn Any + Send + Sync>,
    connection: Box<dyn Any + Send>,
    since: Instant,
}

impl Pool {
    /// Takes the connection out, if there is one of this type and of this very definition.
    pub(crate) fn take<C: Any + Send>(&self, name: &MonitorName, definition: &Definition) -> Option<C> {
        let kept = self.inner.lock().kept.remove(name)?;
        if !std::ptr::addr_eq(kept.definition.as_ptr(), Arc::as_ptr(definition)) {
            return None;
        }
        kept.connection.downcast().ok().map(|connection| *connection)
    }

    /// Keeps a connection for the next run.
    pub(crate) fn put<C: Any + Send>(&self, name: &MonitorName, definition: &Definition, connection: C) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        if inner
            .swept
            .is_none_or(|at| now.saturating_duration_since(at) >= SWEEP_EVERY)
        {
            inner.swept = Some(now);
            inner.kept.retain(|_, kept| {
                kept.definition.strong_count() > 0 && now.saturating_duration_since(kept.since) < MAX_IDLE
            });
        }
        let kept = Kept {
            definition: Arc::downgrade(definition),
            connection: Box::new(connection),
            since: now,
        };
        inner.kept.insert(name.clone(), kept);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().kept.len()
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        Arc::new(7_u64)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_comes_back_to_its_own_definition_only() {
        let (pool, name) = (Pool::default(), MonitorName::parse("web").unwrap());
        let (first, edited) = (definition(), definition());
        pool.put(&name, &first, 1_u32);
        assert_eq!(pool.take::<u32>(&name, &first), Some(1));
        assert_eq!(pool.take::<u32>(&name, &first), None);
        pool.put(&name, &first, 2_u32);
        assert_eq!(pool.take::<u32>(&name, &edited), None);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_of_deleted_and_of_idle_monitors_are_closed() {
        let pool = Pool::default();
        let [deleted, idle, busy] = ["deleted", "idle", "busy"].map(|n| MonitorName::parse(n).unwrap());
        let (gone, stays) = (definition(), definition());
        pool.put(&deleted, &gone, 1_u32);
        pool.put(&idle, &stays, 2_u32);
        drop(gone);
        tokio::time::advance(SWEEP_EVERY).await;
        pool.put(&busy, &stays, 3_u32);
        assert_eq!(pool.len(), 2);
        tokio::time::advance(MAX_IDLE - SWEEP_EVERY).await;
        pool.put(&busy, &stays, 3_u32);
        assert_eq!(pool.len(), 1);
    }
}
