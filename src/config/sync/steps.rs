//! The steps of a plan as commits.

use bytes::Bytes;
use serde_json::Value;

use crate::config::mask::Section;
use crate::model::{AlerterName, MonitorName, WallMs};
use crate::store::backend::{Commit, Guard, Key, Op, Revision};
use crate::store::keys;
use crate::store::records::{Definition, FORMAT};

/// One change. Holds secrets.
#[derive(Clone)]
pub struct Step {
    /// Of a monitor or an alerter.
    pub section: Section,
    /// Its name.
    pub name: String,
    /// The revision that it was planned on; 0 = there was none.
    pub rev: Revision,
    /// What is done.
    pub action: Action,
}

/// What is done in a step.
#[derive(Clone)]
pub enum Action {
    /// Written.
    Put {
        /// What the user wrote.
        spec: Value,
        /// Where it comes from.
        origin: String,
    },
    /// Removed.
    Delete {
        /// The key that holds it.
        key: Key,
        /// The record as it was seen.
        record: Bytes,
        /// For an alerter: the revision of an earlier record below `retired/`; 0 = there is none.
        retired: Revision,
    },
}

/// A commit for each step, in order. Each is made only if its key still stands as it did when the plan was made.
///
/// An alerter that is removed leaves its last definition below `retired/`, in the same commit: it may still have something to resolve.
///
/// # Errors
/// A name that cannot be a key, or a definition that cannot be written; neither gets past planning.
pub fn commits(steps: &[Step], by: &str, at: WallMs) -> anyhow::Result<Vec<Commit>> {
    steps.iter().map(|step| commit(step, by, at)).collect()
}

fn commit(step: &Step, by: &str, at: WallMs) -> anyhow::Result<Commit> {
    match &step.action {
        Action::Put { spec, origin } => {
            let key = match step.section {
                Section::Monitor => keys::monitor(&MonitorName::parse(&step.name)?),
                Section::Alerter => keys::alerter(&AlerterName::parse(&step.name)?),
            };
            let record = serde_json::to_vec(&Definition {
                v: FORMAT,
                origin: origin.clone(),
                by: by.to_owned(),
                at,
                spec: serde_json::value::to_raw_value(spec)?,
            })?;
            Ok(Commit {
                guards: vec![Guard::Rev(key.clone(), step.rev)],
                ops: vec![Op::Put(key, record.into(), None)],
            })
        }
        Action::Delete { key, record, retired } => {
            let mut commit = Commit {
                guards: vec![Guard::Rev(key.clone(), step.rev)],
                ops: vec![Op::Delete(key.clone())],
            };
            if step.section == Section::Alerter {
                let to = keys::retired_alerter(&AlerterName::parse(&step.name)?);
                commit.guards.push(Guard::Rev(to.clone(), *retired));
                commit.ops.push(Op::Put(to, record.clone(), None));
            }
            Ok(commit)
        }
    }
}
