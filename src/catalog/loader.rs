//! Keeps the catalog as the store has it, and says what changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{AlerterEntry, Catalog, MonitorEntry};
use crate::config::definition::{MonitorDef, Read, Strictness};
use crate::config::kinds::Kinds;
use crate::feed::{Feed, Signal};
use crate::model::{AlerterName, MonitorName, Problem, WallMs};
use crate::store::records::Definition;
use crate::store::{Batch, Change, Entry, Followed, Key, Store, StoreError, keys};

/// Batches that may wait to be taken in by the manager; the loader waits when it is full.
pub const WAITING: usize = 64;
/// Up to so many whole definitions are asked for one by one; for more, all are listed.
const SINGLY: usize = 128;

/// Definitions that are read between two chances for others to run: of a hundred thousand it takes seconds.
const BREATHE: usize = 500;

/// What changed in the catalog.
#[derive(Default)]
pub struct Changed {
    /// Monitors that are new or edited.
    pub put: Vec<Arc<MonitorEntry>>,
    /// Monitors that are gone, as they were last.
    pub removed: Vec<Arc<MonitorEntry>>,
    /// The first of all: how everything stood at the start.
    pub first: bool,
}

/// Follows the definitions until `stop`. Monitors' changes go to `changes`, in order.
///
/// A definition that cannot be read is in the catalog with its problems and without a value; where an older version of it runs, that runs on,
/// as the original's did. A process that starts then does not know the older version and runs nothing. Of a monitor that others run an outline
/// is kept; one that runs here stays whole until it is [released](Catalog::release).
pub async fn run(
    catalog: Catalog,
    kinds: &'static Kinds,
    store: Store,
    feed: Feed,
    changes: mpsc::Sender<Changed>,
    stop: CancellationToken,
) {
    let mut monitors = store.follow(&keys::monitors());
    let mut alerters = store.follow(&keys::alerters());
    // Alerters before monitors: a monitor that fails at once finds whom to tell.
    match stop.run_until_cancelled(alerters.next()).await {
        Some(followed) => take_alerters(&catalog, kinds, &feed, followed),
        None => return,
    }
    let mut first = true;
    loop {
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            followed = alerters.next() => {
                take_alerters(&catalog, kinds, &feed, followed);
                continue;
            }
            followed = monitors.next() => take_monitors(&catalog, kinds, &feed, followed).await,
        };
        let changed = Changed {
            first: std::mem::take(&mut first),
            ..changed
        };
        if changes.send(changed).await.is_err() {
            return;
        }
        catalog.set_loaded();
    }
}

async fn take_monitors(catalog: &Catalog, kinds: &Kinds, feed: &Feed, followed: Followed) -> Changed {
    let mut changed = Changed::default();
    match followed {
        Followed::Snapshot { entries, .. } => {
            let mut there = HashSet::with_capacity(entries.len());
            // Each is dropped when it is read: what the next one needs goes where it was.
            for (n, entry) in entries.into_iter().enumerate() {
                if n % BREATHE == BREATHE - 1 {
                    tokio::task::yield_now().await;
                }
                if let Some(name) = put_monitor(catalog, kinds, &entry, &mut changed) {
                    there.insert(name);
                }
            }
            for gone in catalog.monitors().into_iter().filter(|m| !there.contains(&m.name)) {
                changed.removed.extend(catalog.remove_monitor(gone.name.as_str()));
            }
        }
        Followed::Changes(Batch { changes, .. }) => {
            for change in changes {
                match change {
                    Change::Put(entry) => {
                        put_monitor(catalog, kinds, &entry, &mut changed);
                    }
                    Change::Deleted(key) => {
                        changed
                            .removed
                            .extend(keys::last_segment(&key).and_then(|name| catalog.remove_monitor(&name)));
                    }
                }
            }
        }
    }
    for entry in changed.put.iter().chain(&changed.removed) {
        feed.tell(|| Signal::Definition(entry.name.clone()));
    }
    changed
}

fn put_monitor(catalog: &Catalog, kinds: &Kinds, entry: &Entry, changed: &mut Changed) -> Option<MonitorName> {
    let name = name_of(&entry.key).and_then(|name| MonitorName::parse(&name).ok());
    let Some(name) = name else {
        tracing::warn!(key = %entry.key, "a key that is no monitor's name is left alone");
        return None;
    };
    let before = catalog.monitor(name.as_str());
    // A revision is one of a store: in another one it may be that of another definition.
    let is_same = |known: &Arc<MonitorEntry>| known.rev == entry.rev && known.at == written(entry);
    if before.as_ref().is_some_and(is_same) {
        return Some(name);
    }
    let mut monitor = read(kinds, name.clone(), entry);
    if let Some(before) = &before {
        monitor = monitor.known_as(before);
    }
    let runs_here = before.is_some_and(|before| !before.is_outline());
    if !runs_here && !catalog.keeps(&monitor) {
        monitor = catalog.outlined(monitor);
    }
    let monitor = Arc::new(monitor);
    catalog.put_monitor(monitor.clone());
    changed.put.push(monitor);
    Some(name)
}

/// A monitor as its record says.
#[must_use]
pub fn read(kinds: &Kinds, name: MonitorName, entry: &Entry) -> MonitorEntry {
    let (at, mut read) = match spec(entry) {
        Ok((at, spec)) => (at, kinds.read_monitor(name.as_str(), &spec, Strictness::Lenient)),
        Err(problem) => (
            WallMs::default(),
            Read {
                value: None,
                problems: vec![problem],
            },
        ),
    };
    if let Some(def) = &mut read.value {
        trim(def, &name);
    }
    MonitorEntry::new(name, entry.rev, at, read)
}

/// The whole definitions of monitors that come to run here, in the catalog in place of their outlines. What is of another revision by now, or
/// gone, is left out: whoever follows the definitions says so.
///
/// # Errors
/// The store does not answer.
pub async fn hold(
    catalog: &Catalog,
    kinds: &Kinds,
    store: &Store,
    outlines: &[Arc<MonitorEntry>],
) -> Result<Vec<Arc<MonitorEntry>>, StoreError> {
    let mut held = Vec::with_capacity(outlines.len());
    if outlines.len() <= SINGLY {
        let keys: Vec<_> = outlines.iter().map(|outline| keys::monitor(&outline.name)).collect();
        let entries = try_join_all(keys.iter().map(|key| store.get(key))).await?;
        for (outline, entry) in outlines.iter().zip(entries) {
            let whole = entry.map(|entry| read(kinds, outline.name.clone(), &entry));
            held.extend(whole.and_then(|whole| catalog.hold(whole)));
        }
        return Ok(held);
    }
    let wanted: HashMap<_, _> = outlines
        .iter()
        .map(|outline| (keys::monitor(&outline.name), outline))
        .collect();
    let mut pages = store.pages(&keys::monitors());
    while let Some(page) = pages.next().await {
        for entry in page?.entries {
            if let Some(outline) = wanted.get(&entry.key) {
                held.extend(catalog.hold(read(kinds, outline.name.clone(), &entry)));
            }
        }
    }
    Ok(held)
}

/// Gives back what reading has left over: there may be a hundred thousand of these.
fn trim(def: &mut MonitorDef, name: &MonitorName) {
    def.name = name.clone();
    let settings = &mut def.settings;
    for text in settings.tags.iter_mut().chain([
        &mut settings.kind,
        &mut settings.description,
        &mut settings.member_tag,
        &mut settings.runbook,
    ]) {
        text.shrink_to_fit();
    }
    settings.tags.shrink_to_fit();
    settings.warning_alerter.shrink_to_fit();
    settings.critical_alerter.shrink_to_fit();
}

fn take_alerters(catalog: &Catalog, kinds: &Kinds, feed: &Feed, followed: Followed) {
    let tell = |name: &str| feed.tell(|| Signal::Alerter(name.to_owned()));
    let remove = |name: &str| {
        if catalog.remove_alerter(name).is_some() {
            tell(name);
        }
    };
    match followed {
        Followed::Snapshot { entries, .. } => {
            let there: HashSet<_> = entries.iter().filter_map(|entry| name_of(&entry.key)).collect();
            for gone in catalog.alerters().iter().filter(|a| !there.contains(a.name.as_str())) {
                remove(gone.name.as_str());
            }
            for entry in &entries {
                put_alerter(catalog, kinds, entry, tell);
            }
        }
        Followed::Changes(batch) => {
            for change in &batch.changes {
                match change {
                    Change::Put(entry) => put_alerter(catalog, kinds, entry, tell),
                    Change::Deleted(key) => {
                        if let Some(name) = name_of(key) {
                            remove(&name);
                        }
                    }
                }
            }
        }
    }
}

fn put_alerter(catalog: &Catalog, kinds: &Kinds, entry: &Entry, tell: impl Fn(&str)) {
    let Some(name) = name_of(&entry.key).and_then(|name| AlerterName::parse(&name).ok()) else {
        tracing::warn!(key = %entry.key, "a key that is no alerter's name is left alone");
        return;
    };
    let read = match spec(entry) {
        Ok((_, spec)) => kinds.read_alerter(name.as_str(), &spec, Strictness::Lenient),
        Err(problem) => Read {
            value: None,
            problems: vec![problem],
        },
    };
    tell(name.as_str());
    let def = read.value.map(Arc::new);
    catalog.put_alerter(Arc::new(AlerterEntry {
        name,
        rev: entry.rev,
        def,
        problems: read.problems,
    }));
}

fn name_of(key: &Key) -> Option<String> {
    keys::last_segment(key)
}

/// When it was written; nothing where that cannot be read.
fn written(entry: &Entry) -> WallMs {
    let record: Option<Definition> = serde_json::from_slice(&entry.value).ok();
    record.map(|record| record.at).unwrap_or_default()
}

/// When it was written, and what was.
fn spec(entry: &Entry) -> Result<(WallMs, Value), Problem> {
    let damaged = |_| Problem::error("", "the stored record cannot be read", "write the definition again");
    let record: Definition = serde_json::from_slice(&entry.value).map_err(damaged)?;
    let spec = serde_json::from_str(record.spec.get()).map_err(damaged)?;
    Ok((record.at, spec))
}
