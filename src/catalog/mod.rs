//! Every definition there is, parsed, with what is known of each monitor: what the API lists, the manager runs and the notifier tells by.
//!
//! Fed by one watch over the store. One bad record never stops another: it is in the catalog too, with its problems.

mod carried;
mod live;
pub mod loader;
#[cfg(test)]
mod loader_tests;
mod loads;
pub mod open_episodes;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

pub use carried::Carried;
pub use live::{Live, LiveState};
pub use loads::{GroupLoads, Loads, Share, SlotLoad, shares};
pub use open_episodes::OpenEpisodes;

use crate::config::definition::{AlerterDef, MonitorDef};
use crate::model::{AlerterName, Group, MonitorName, Problem, Severity, WallMs};
use crate::store::backend::Revision;
use crate::store::records::slot;

/// A monitor: its definition as far as it can be read, and what is known of it.
pub struct MonitorEntry {
    /// Its name.
    pub name: MonitorName,
    /// Revision of the definition: the guard of every commit about it.
    pub rev: Revision,
    /// When it was written, by the clock of whoever did; unknown where the record cannot be read.
    pub at: WallMs,
    /// Ready to run; `None` where the record has errors.
    pub def: Option<MonitorDef>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Status and results. Outlives edits.
    pub live: Arc<Live>,
}

impl MonitorEntry {
    /// The placement group: monitors with equal placement needs.
    #[must_use]
    pub fn group(&self) -> Option<Group> {
        self.def.as_ref().map(|def| Group::of(&def.settings.member_tag))
    }

    /// Where it belongs: the name of its group, and its slot there.
    #[must_use]
    pub fn slot(&self) -> Option<(Cow<'static, str>, u16)> {
        let def = self.def.as_ref()?;
        Some((Group::name(&def.settings.member_tag), slot(self.name.as_str())))
    }

    /// Since when it has its status: what never ran, since it was defined.
    #[must_use]
    pub fn since(&self, live: &LiveState) -> WallMs {
        match live.health.since {
            WallMs(0) => self.at,
            since => since,
        }
    }

    /// Whether an operator switched it off.
    #[must_use]
    pub fn disabled(&self) -> bool {
        match &self.def {
            Some(def) => def.settings.disable,
            // Only of a monitor that is switched off is nothing said although it could not run.
            None => self.problems.iter().all(|problem| problem.severity != Severity::Error),
        }
    }
}

/// An alerter: its definition as far as it can be read.
pub struct AlerterEntry {
    /// Its name.
    pub name: AlerterName,
    /// Revision of the definition.
    pub rev: Revision,
    /// Ready to tell; `None` where the record has errors.
    pub def: Option<Arc<AlerterDef>>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// A cheap handle; clones share the same content.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    monitors: RwLock<BTreeMap<MonitorName, Arc<MonitorEntry>>>,
    alerters: RwLock<BTreeMap<AlerterName, Arc<AlerterEntry>>>,
    /// Changed under the lock of the monitors only.
    loads: RwLock<Loads>,
    version: watch::Sender<u64>,
    loaded: watch::Sender<bool>,
}

impl Default for Catalog {
    fn default() -> Self {
        let inner = Inner {
            monitors: RwLock::default(),
            alerters: RwLock::default(),
            loads: RwLock::default(),
            version: watch::Sender::new(0),
            loaded: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Catalog {
    /// Changes whenever something in the catalog has, coalesced.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }

    /// Returns once the definitions that the store held at the start are here.
    pub async fn loaded(&self) {
        // The sender lives as long as the catalog, so an error cannot come.
        let _ = self.inner.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    pub(crate) fn set_loaded(&self) {
        self.inner
            .loaded
            .send_if_modified(|loaded| !std::mem::replace(loaded, true));
    }

    fn touch(&self) {
        self.inner.version.send_modify(|version| *version += 1);
    }

    /// A monitor.
    #[must_use]
    pub fn monitor(&self, name: &str) -> Option<Arc<MonitorEntry>> {
        self.inner.monitors.read().get(name).cloned()
    }

    /// All monitors, by name.
    #[must_use]
    pub fn monitors(&self) -> Vec<Arc<MonitorEntry>> {
        self.inner.monitors.read().values().cloned().collect()
    }

    /// Number of monitors.
    #[must_use]
    pub fn monitor_count(&self) -> usize {
        self.inner.monitors.read().len()
    }

    /// An alerter.
    #[must_use]
    pub fn alerter(&self, name: &str) -> Option<Arc<AlerterEntry>> {
        self.inner.alerters.read().get(name).cloned()
    }

    /// All alerters, by name.
    #[must_use]
    pub fn alerters(&self) -> Vec<Arc<AlerterEntry>> {
        self.inner.alerters.read().values().cloned().collect()
    }

    /// The work of every placement group in use, over the monitors that can be read.
    #[must_use]
    pub fn loads(&self) -> Loads {
        self.inner.loads.read().clone()
    }

    /// Puts a monitor; the one that it replaces.
    pub fn put_monitor(&self, entry: Arc<MonitorEntry>) -> Option<Arc<MonitorEntry>> {
        let mut monitors = self.inner.monitors.write();
        let before = monitors.insert(entry.name.clone(), entry.clone());
        loads::replace(&mut self.inner.loads.write(), before.as_deref(), Some(&entry));
        drop(monitors);
        self.touch();
        before
    }

    /// Removes a monitor.
    pub fn remove_monitor(&self, name: &str) -> Option<Arc<MonitorEntry>> {
        let mut monitors = self.inner.monitors.write();
        let before = monitors.remove(name);
        loads::replace(&mut self.inner.loads.write(), before.as_deref(), None);
        drop(monitors);
        self.touch();
        before
    }

    /// Puts an alerter; the one that it replaces.
    pub fn put_alerter(&self, entry: Arc<AlerterEntry>) -> Option<Arc<AlerterEntry>> {
        let before = self.inner.alerters.write().insert(entry.name.clone(), entry);
        self.touch();
        before
    }

    /// Removes an alerter.
    pub fn remove_alerter(&self, name: &str) -> Option<Arc<AlerterEntry>> {
        let before = self.inner.alerters.write().remove(name);
        self.touch();
        before
    }
}
