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
mod outline;

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

pub use carried::Carried;
pub use live::{Live, LiveState};
pub use loads::{GroupLoads, Loads, Share, SlotLoad, shares};
pub use open_episodes::OpenEpisodes;

use crate::config::definition::{AlerterDef, MonitorDef, Read};
use crate::model::{AlerterName, Group, MonitorName, Problem, Severity, WallMs};
use crate::monitors::Kind;
use crate::store::backend::Revision;
use crate::store::records::slot;
use outline::{Outline, Shared};

/// A monitor: its definition as far as it can be read and is needed here, and what is known of it.
///
/// Of a monitor that others run only an outline is kept; the [`Catalog`] has the rules for what may become what.
pub struct MonitorEntry {
    /// Its name.
    pub name: MonitorName,
    /// Revision of the definition: the guard of every commit about it.
    pub rev: Revision,
    /// When it was written, by the clock of whoever did; unknown where the record cannot be read.
    pub at: WallMs,
    says: Says,
    live: OnceLock<Arc<Live>>,
}

/// What its definition says.
enum Says {
    /// Everything.
    All(Box<All>),
    /// What lists show, and where it belongs.
    Outline(Outline),
}

/// A definition as it was read.
struct All {
    def: Option<MonitorDef>,
    problems: Vec<Problem>,
}

impl MonitorEntry {
    /// One as it was read, of which nothing is known yet.
    #[must_use]
    pub fn new(name: MonitorName, rev: Revision, at: WallMs, read: Read<MonitorDef>) -> Self {
        let all = All {
            def: read.value,
            problems: read.problems,
        };
        Self {
            name,
            rev,
            at,
            says: Says::All(Box::new(all)),
            live: OnceLock::new(),
        }
    }

    /// The same monitor, as an earlier entry knows it: status and results outlive edits.
    #[must_use]
    pub fn known_as(self, before: &Self) -> Self {
        let live = before.live.clone();
        Self { live, ..self }
    }

    /// Ready to run; `None` where the record has errors, and of one that others run.
    #[must_use]
    pub fn def(&self) -> Option<&MonitorDef> {
        match &self.says {
            Says::All(all) => all.def.as_ref(),
            Says::Outline(_) => None,
        }
    }

    /// Whether its definition has no errors.
    #[must_use]
    pub fn readable(&self) -> bool {
        self.def().is_some() || self.is_outline()
    }

    /// Whether its definition could run, and is not here.
    #[must_use]
    pub fn is_outline(&self) -> bool {
        matches!(self.says, Says::Outline(_))
    }

    /// Of a whole one.
    fn outline(&self, shared: &Shared) -> Option<Self> {
        Some(self.saying(Outline::of(self.def()?, shared), self.live.clone()))
    }

    /// Of an outline, as if it had never run here.
    fn forgotten(&self) -> Option<Self> {
        match &self.says {
            Says::Outline(outline) => Some(self.saying(outline.clone(), OnceLock::new())),
            Says::All(_) => None,
        }
    }

    fn saying(&self, outline: Outline, live: OnceLock<Arc<Live>>) -> Self {
        Self {
            name: self.name.clone(),
            rev: self.rev,
            at: self.at,
            says: Says::Outline(outline),
            live,
        }
    }

    /// What is wrong with its definition; of an outline that is not known.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match &self.says {
            Says::All(all) => &all.problems,
            Says::Outline(_) => &[],
        }
    }

    /// Status and results, for whoever runs it.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        self.live.get_or_init(Arc::default)
    }

    /// The same, if it runs here or did.
    #[must_use]
    pub fn known(&self) -> Option<&Arc<Live>> {
        self.live.get()
    }

    /// What is asked of the settings of one, or of the outline of another.
    fn said<'a, T>(&'a self, def: fn(&'a MonitorDef) -> T, outline: fn(&'a Outline) -> T) -> Option<T> {
        match &self.says {
            Says::All(all) => all.def.as_ref().map(def),
            Says::Outline(of) => Some(outline(of)),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Option<&'static Kind> {
        self.said(|def| def.kind, |outline| outline.common.kind)
    }

    /// For people; empty where it cannot be read.
    #[must_use]
    pub fn description(&self) -> &str {
        self.said(|def| def.settings.description.as_str(), |outline| &*outline.description)
            .unwrap_or_default()
    }

    /// Its labels; none where it cannot be read.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        self.said(
            |def| def.settings.tags.as_slice(),
            |outline| outline.common.tags.as_slice(),
        )
        .unwrap_or_default()
    }

    /// The tag that a member must have to run it; empty: none.
    #[must_use]
    pub fn member_tag(&self) -> Option<&str> {
        self.said(
            |def| def.settings.member_tag.as_str(),
            |outline| outline.common.member_tag.as_str(),
        )
    }

    /// Time from one run to the next.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.said(|def| def.settings.interval.0, |outline| outline.common.interval)
    }

    /// Fingerprint of what is measured.
    #[must_use]
    pub fn measured(&self) -> Option<u64> {
        self.said(|def| def.measured, |outline| outline.measured)
    }

    /// The placement group: monitors with equal placement needs.
    #[must_use]
    pub fn group(&self) -> Option<Group> {
        self.member_tag().map(Group::of)
    }

    /// Where it belongs: the name of its group, and its slot there.
    #[must_use]
    pub fn slot(&self) -> Option<(Cow<'static, str>, u16)> {
        Some((Group::name(self.member_tag()?), slot(self.name.as_str())))
    }

    /// Since when it has its status: what never ran, since it was defined. Nobody knows where the record cannot be read.
    #[must_use]
    pub fn since(&self, live: &LiveState) -> Option<WallMs> {
        [live.health.since, self.at]
            .into_iter()
            .find(|at| *at != WallMs::default())
    }

    /// Whether an operator switched it off.
    #[must_use]
    pub fn disabled(&self) -> bool {
        self.said(|def| def.settings.disable, |outline| outline.common.disabled)
            // Only of a monitor that is switched off is nothing said although it could not run.
            .unwrap_or_else(|| {
                self.problems()
                    .iter()
                    .all(|problem| problem.severity != Severity::Error)
            })
    }
}

/// Entries are looked up by name.
struct ByName(Arc<MonitorEntry>);

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        self.0.name.as_str()
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for ByName {}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.name.cmp(&other.0.name)
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

/// Whether no other member has a slot, as far as is known here.
pub type Keeps = Arc<dyn Fn(&Group, u16) -> bool + Send + Sync>;

/// A cheap handle; clones share the same content.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    /// What is kept whole; none: everything.
    keeps: Option<Keeps>,
    monitors: RwLock<BTreeSet<ByName>>,
    shared: Shared,
    alerters: RwLock<BTreeMap<AlerterName, Arc<AlerterEntry>>>,
    /// Changed under the lock of the monitors only.
    loads: RwLock<Loads>,
    version: watch::Sender<u64>,
    loaded: watch::Sender<bool>,
}

impl Default for Catalog {
    /// Of a member that is alone: it keeps every definition whole.
    fn default() -> Self {
        Self::with(None)
    }
}

impl Catalog {
    /// Of a member among others: of what they have it keeps outlines.
    #[must_use]
    pub fn among_others(keeps: Keeps) -> Self {
        Self::with(Some(keeps))
    }

    fn with(keeps: Option<Keeps>) -> Self {
        let inner = Inner {
            keeps,
            monitors: RwLock::default(),
            shared: Shared::default(),
            alerters: RwLock::default(),
            loads: RwLock::default(),
            version: watch::Sender::new(0),
            loaded: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

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
        self.inner.monitors.read().get(name).map(|known| known.0.clone())
    }

    /// All monitors, by name.
    #[must_use]
    pub fn monitors(&self) -> Vec<Arc<MonitorEntry>> {
        self.inner.monitors.read().iter().map(|known| known.0.clone()).collect()
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
        if !entry.is_outline() {
            // Made before anybody can take the entry: whoever edits it later goes on with the same.
            let _made = entry.live();
        }
        let mut monitors = self.inner.monitors.write();
        let before = monitors.replace(ByName(entry.clone())).map(|before| before.0);
        loads::replace(&mut self.inner.loads.write(), before.as_deref(), Some(&entry));
        drop(monitors);
        self.touch();
        before
    }

    /// Whether a monitor is kept whole although it does not run here.
    fn keeps(&self, entry: &MonitorEntry) -> bool {
        match (&self.inner.keeps, entry.group()) {
            (Some(keeps), Some(group)) => keeps(&group, slot(entry.name.as_str())),
            _ => true,
        }
    }

    /// As much of a monitor as lists need; of one that cannot be read, all.
    fn outlined(&self, entry: MonitorEntry) -> MonitorEntry {
        entry.outline(&self.inner.shared).unwrap_or(entry)
    }

    /// The whole definition of a monitor that comes to run here, in place of its outline; `None` where that is of another revision, and whoever
    /// follows the definitions will say so, or has.
    #[must_use]
    pub fn hold(&self, whole: MonitorEntry) -> Option<Arc<MonitorEntry>> {
        let mut monitors = self.inner.monitors.write();
        let known = monitors
            .get(whole.name.as_str())
            .filter(|known| known.0.rev == whole.rev)?;
        if known.0.def().is_some() {
            return Some(known.0.clone());
        }
        let whole = Arc::new(whole.known_as(&known.0));
        let _made = whole.live();
        monitors.replace(ByName(whole.clone()));
        Some(whole)
    }

    /// A monitor that runs here no more. If another member has it, its outline is left, and what is known of its runs until that is forgotten. One
    /// that was edited since stays as it is: it may run here again.
    pub fn release(&self, name: &str, rev: Revision) {
        let mut monitors = self.inner.monitors.write();
        let known = monitors
            .get(name)
            .filter(|known| known.0.rev == rev && !self.keeps(&known.0));
        let outline = known.and_then(|known| known.0.outline(&self.inner.shared));
        if let Some(outline) = outline {
            monitors.replace(ByName(Arc::new(outline)));
        }
    }

    /// Forgets what is known of the runs of a monitor that others run.
    pub fn forget_runs(&self, name: &str) {
        let mut monitors = self.inner.monitors.write();
        let known = monitors
            .get(name)
            .filter(|known| known.0.is_outline() && known.0.known().is_some());
        let forgotten = known.and_then(|known| known.0.forgotten());
        if let Some(forgotten) = forgotten {
            monitors.replace(ByName(Arc::new(forgotten)));
        }
    }

    /// Removes a monitor.
    pub fn remove_monitor(&self, name: &str) -> Option<Arc<MonitorEntry>> {
        let mut monitors = self.inner.monitors.write();
        let before = monitors.take(name).map(|before| before.0);
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
