//! Many definitions at once, as the original takes them: an object of name to definition; what is equal is skipped.
//!
//! Unlike the original, nothing is stored unless all of it may be.

use std::collections::HashMap;

use axum::Json;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::body::first_value;
use super::commits::{ATTEMPTS, seen_by_catalog, settle};
use super::definitions::same;
use super::error::{ApiError, StatusBody};
use super::judge::{judge, unmasked};
use super::parts::ApiState;
use super::resource::{ORIGIN, key, noun, record, revision_in_catalog, spec_of, tell};
use crate::config::mask::Section;
use crate::model::{Problem, WallMs};
use crate::store::backend::{MAX_COMMIT_BYTES, MAX_OPS};
use crate::store::{Commit, Entry, Guard, Key, Op, Outcome, Revision, keys};

/// From this many on, all stored definitions are read at once.
const READ_ALL_FROM: usize = 500;
/// Definitions judged between two chances for others to run.
const BREATHE: usize = 100;

/// Stores what a body holds.
pub(super) async fn push(api: &ApiState, section: Section, body: &[u8]) -> Result<Json<StatusBody>, ApiError> {
    let Value::Object(given) = first_value(body)? else {
        let why = "expected an object of name to definition";
        return Err(ApiError::bad_request(format!(
            "Unable to complete config parsing: {why}"
        )));
    };
    for _ in 0..ATTEMPTS {
        let plan = plan(api, section, &given).await?;
        let pushed = plan.commits.len();
        if write(api, &plan).await? {
            let (mut names, last) = (plan.names.into_iter(), plan.at.elapsed());
            tracing::debug!(pushed, took = ?last, "definitions pushed");
            let newest = names.next_back();
            if let Some((name, before)) = newest {
                seen_by_catalog(api, || revision_in_catalog(api, section, &name) > Some(before)).await;
            }
            if pushed > 0 {
                tell(
                    api,
                    section,
                    None,
                    format!("{pushed} {}s were written through the API", noun(section)),
                );
            }
            let skipped = given.len() - pushed;
            return Ok(Json(StatusBody::ok(format!(
                "Pushed {pushed} configs; skipped {skipped} configs"
            ))));
        }
    }
    Err(ApiError::conflict(
        "somebody else keeps changing these definitions; try again",
    ))
}

struct Plan {
    commits: Vec<Commit>,
    /// What is written, and the revision before.
    names: Vec<(String, Revision)>,
    at: Instant,
}

async fn plan(api: &ApiState, section: Section, given: &Map<String, Value>) -> Result<Plan, ApiError> {
    let stored = stored(api, section, given).await?;
    let mut plan = Plan {
        commits: Vec::new(),
        names: Vec::new(),
        at: Instant::now(),
    };
    let mut problems: Vec<Problem> = Vec::new();
    for (i, (name, spec)) in given.iter().enumerate() {
        if i % BREATHE == BREATHE - 1 {
            tokio::task::yield_now().await;
        }
        let key = key(section, name);
        let entry = key.as_ref().and_then(|key| stored.get(key));
        let before = entry.map(spec_of);
        let mut spec = spec.clone();
        let masks = unmasked(section, name, &mut spec, before.as_ref());
        match judge(api, section, name, &spec, before.as_ref(), masks) {
            Ok(_) => {}
            Err(error) => match error.into_problems() {
                Ok(found) => {
                    problems.extend(found);
                    continue;
                }
                Err(error) => return Err(error),
            },
        }
        let Some(key) = key.filter(|_| before.is_none_or(|before| !same(&before, &spec))) else {
            continue;
        };
        let rev = entry.map_or(Revision(0), |entry| entry.rev);
        let op = Op::Put(key.clone(), record(&spec, ORIGIN, WallMs::now())?, None);
        plan.commits.push(Commit {
            guards: vec![Guard::Rev(key, rev)],
            ops: vec![op],
        });
        plan.names.push((name.clone(), rev));
    }
    if problems.is_empty() {
        return Ok(plan);
    }
    Err(ApiError::invalid(
        "Unable to complete config parsing: nothing was stored, there are errors",
        problems,
    )
    .as_bad_request())
}

async fn stored(api: &ApiState, section: Section, given: &Map<String, Value>) -> Result<HashMap<Key, Entry>, ApiError> {
    let mut stored = HashMap::new();
    if given.len() >= READ_ALL_FROM {
        let prefix = match section {
            Section::Monitor => keys::monitors(),
            Section::Alerter => keys::alerters(),
        };
        let (_, entries) = api.store.list(&prefix).await?;
        stored.extend(entries.into_iter().map(|entry| (entry.key.clone(), entry)));
        return Ok(stored);
    }
    for key in given.keys().filter_map(|name| key(section, name)) {
        if let Some(entry) = api.store.get(&key).await? {
            stored.insert(key, entry);
        }
    }
    Ok(stored)
}

/// One commit where it fits into one; else as many as it takes. `false`: something was changed meanwhile.
async fn write(api: &ApiState, plan: &Plan) -> Result<bool, ApiError> {
    if plan.commits.is_empty() {
        return Ok(true);
    }
    let ops = plan.commits.iter().flat_map(|commit| &commit.ops);
    let bytes: usize = ops.map(|op| op.key().as_str().len() + value_len(op)).sum();
    // Half: guards and framing count, too.
    if plan.commits.len() <= MAX_OPS && bytes <= MAX_COMMIT_BYTES / 2 {
        let mut one = Commit::default();
        for commit in &plan.commits {
            one.guards.extend(commit.guards.iter().cloned());
            one.ops.extend(commit.ops.iter().cloned());
        }
        return Ok(settle(api, one).await?.is_some());
    }
    for outcome in api.store.bulk(plan.commits.clone(), |_| ()).await {
        match outcome {
            Outcome::Done(_) => {}
            // What is written already is found equal at the next attempt.
            Outcome::Refused(_) => return Ok(false),
            Outcome::Unknown(error) | Outcome::Failed(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn value_len(op: &Op) -> usize {
    match op {
        Op::Put(_, value, _) => value.len(),
        Op::Delete(_) => 0,
    }
}
