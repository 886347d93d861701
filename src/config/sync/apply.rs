//! The shell around the plan: reads the store, plans, commits, counts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::steps::{Action, Step, commits};
use super::{Counts, Local, Options, Planned, Report, Stored, StoredEntry, SyncRequest, plan};
use crate::config::files::Loaded;
use crate::config::kinds::Kinds;
use crate::config::mask::Section;
use crate::config::references;
use crate::config::report::ProblemJson;
use crate::model::{Problem, WallMs};
use crate::store::backend::{Entry, Key, Outcome, StoreError};
use crate::store::records::Definition;
use crate::store::{Store, keys};

/// Who writes, and when: part of every record.
#[derive(Debug, Clone)]
pub struct Author {
    /// For people: `cfg by ops@host`.
    pub by: String,
    /// When.
    pub at: WallMs,
}

/// All definitions of a store.
///
/// # Errors
/// Whatever the store says. A record that cannot be read is none: its definition counts as null, and a sync mends it.
pub async fn stored(store: &Store) -> Result<Stored, StoreError> {
    let names = |entries: Vec<Entry>| {
        entries
            .into_iter()
            .filter_map(|entry| Some((keys::last_segment(&entry.key)?, entry)))
    };
    let list = async |prefix: Key| Ok::<_, StoreError>(names(store.list(&prefix).await?.1));
    let definitions = async |prefix: Key| {
        let entries: BTreeMap<_, _> = list(prefix)
            .await?
            .map(|(name, entry)| (name, stored_entry(entry)))
            .collect();
        Ok::<_, StoreError>(entries)
    };
    Ok(Stored {
        monitors: definitions(keys::monitors()).await?,
        alerters: definitions(keys::alerters()).await?,
        retired: list(keys::retired_alerters())
            .await?
            .map(|(name, entry)| (name, entry.rev))
            .collect(),
    })
}

fn stored_entry(entry: Entry) -> StoredEntry {
    let record = serde_json::from_slice::<Definition>(&entry.value).ok();
    let spec = record
        .as_ref()
        .and_then(|record| serde_json::from_str(record.spec.get()).ok());
    StoredEntry {
        spec: spec.unwrap_or(Value::Null),
        origin: record.map(|record| record.origin).unwrap_or_default(),
        key: entry.key,
        rev: entry.rev,
        record: entry.value,
    }
}

/// Makes a store hold what a loaded directory holds. `progress` is told how many of how many changes are made.
///
/// # Errors
/// The store could not be read; nothing was changed. What could not be written is among the report's errors.
pub async fn apply_loaded(
    store: &Store,
    kinds: &'static Kinds,
    loaded: &Loaded,
    options: Options,
    author: &Author,
    progress: impl FnMut(usize, usize),
) -> Result<Report, StoreError> {
    let stored = stored(store).await?;
    let local = Local::from(loaded);
    let found = local.counts();
    let (planned, local, stored) = plan_aside(local, stored, options, kinds).await?;
    drop(local);
    let stays =
        |name: &str| stored.alerters.contains_key(name) && !planned.plan.alerter.removed.iter().any(|n| n == name);
    let problems: Vec<_> = loaded.problems.iter().cloned().chain(loaded.dangling(&stays)).collect();
    Ok(carry_out(store, planned, found, &problems, options, author, progress).await)
}

/// Makes a store hold what a request holds.
///
/// # Errors
/// As [`apply_loaded`].
pub async fn apply_request(
    store: &Store,
    kinds: &'static Kinds,
    request: SyncRequest,
    author: &Author,
    progress: impl FnMut(usize, usize),
) -> Result<Report, StoreError> {
    let options = request.options;
    let stored = stored(store).await?;
    let (local, mut problems) = aside(move || request.local(kinds)).await?;
    let found = local.counts();
    let (planned, local, stored) = plan_aside(local, stored, options, kinds).await?;
    problems.extend(dangling(&local, &stored, &planned));
    Ok(carry_out(store, planned, found, &problems, options, author, progress).await)
}

/// Ten thousand definitions take a while: other tasks of the thread should not wait for it.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StoreError::Unavailable("planning was interrupted".to_owned()))
}

async fn plan_aside(
    local: Local,
    stored: Stored,
    options: Options,
    kinds: &'static Kinds,
) -> Result<(Planned, Local, Stored), StoreError> {
    aside(move || {
        let planned = plan(&local, &stored, options, kinds);
        (planned, local, stored)
    })
    .await
}

fn dangling(local: &Local, stored: &Stored, planned: &Planned) -> Vec<Problem> {
    let removed = &planned.plan.alerter.removed;
    let stays = |name: &str| stored.alerters.contains_key(name) && !removed.iter().any(|n| n == name);
    let exists = |name: &str| local.alerters.contains_key(name) || stays(name);
    let names = local.alerters.keys().map(String::as_str);
    let monitors = local.monitors.iter();
    monitors
        .flat_map(|(name, entry)| references::dangling(name, &entry.spec, &exists, names.clone()))
        .collect()
}

async fn carry_out(
    store: &Store,
    planned: Planned,
    found: Counts,
    problems: &[Problem],
    options: Options,
    author: &Author,
    mut progress: impl FnMut(usize, usize),
) -> Report {
    let Planned { mut plan, steps } = planned;
    plan.problems = problems.iter().map(ProblemJson::from).collect();
    let mut report = Report {
        found,
        skipped: plan.counts(super::SectionPlan::skipped),
        plan,
        ..Report::default()
    };
    if options.dryrun || report.plan.refusal.is_some() {
        report.pushed = report.plan.counts(super::SectionPlan::pushed);
        report.removed = report.plan.counts(|section| section.removed.len());
        return report;
    }
    report.applied = true;
    let commits = match commits(&steps, &author.by, author.at) {
        Ok(commits) => commits,
        Err(err) => {
            report.applied = false;
            report.errors.push(err.to_string());
            return report;
        }
    };
    let all = commits.len();
    let outcomes = store.bulk(commits, |done| progress(done, all)).await;
    let moved = |step: &Step| {
        report
            .plan
            .section(step.section)
            .moved
            .binary_search(&step.name)
            .is_ok()
    };
    let (mut pushed, mut removed, mut errors) = (Counts::default(), Counts::default(), Vec::new());
    for (step, outcome) in steps.iter().zip(outcomes) {
        match (outcome, &step.action) {
            (Outcome::Done(_), Action::Delete { .. }) => removed.count(step.section),
            (Outcome::Done(_), Action::Put { .. }) if moved(step) => {}
            (Outcome::Done(_), Action::Put { .. }) => pushed.count(step.section),
            (outcome, _) => errors.push(failure(step.section, &step.name, &outcome)),
        }
    }
    (report.pushed, report.removed) = (pushed, removed);
    report.errors.extend(errors);
    report
}

fn failure(section: Section, name: &str, outcome: &Outcome) -> String {
    let entry = format!("{} {name}", section.name());
    match outcome {
        Outcome::Done(_) => entry,
        Outcome::Refused(_) => format!("{entry} was changed by somebody else meanwhile; run it again"),
        Outcome::Unknown(err) => format!("{entry} may or may not have been written: {err}"),
        Outcome::Failed(err) => format!("{entry} was not written: {err}"),
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
