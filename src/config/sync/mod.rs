//! Making the store hold what the files hold: plan first, purely; then apply, each change only if nobody else made one meanwhile.

mod apply;
mod diff;
mod lines;
mod plan;
mod request;
mod steps;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::Loaded;
use super::mask::Section;
use super::report::{ProblemJson, SeverityJson};
use crate::store::backend::{Key, Revision};

pub use apply::{Author, apply_loaded, apply_request, stored};
pub use diff::FieldChange;
pub use lines::{lines, preamble, render_plan};
pub use plan::{Planned, plan};
pub use request::SyncRequest;
pub use steps::{Step, commits};

/// What begins the origin of a definition that came from a file.
const FROM_FILES: &str = "cfg:";

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent flags of the command line"
)]
pub struct Options {
    /// Change nothing, only say what would be.
    pub dryrun: bool,
    /// Remove nothing.
    pub nosync: bool,
    /// Write what is equal too.
    pub replace: bool,
    /// Do also what is refused for safety.
    pub yes: bool,
    /// Unknown keys are errors.
    pub strict: bool,
}

/// A definition from a file.
#[derive(Clone, PartialEq)]
pub struct LocalEntry {
    /// What the user wrote.
    pub spec: Value,
    /// The file, relative to the directory.
    pub file: String,
    /// Whether it may be stored.
    pub valid: bool,
}

/// All definitions of a directory.
#[derive(Clone, PartialEq, Default)]
pub struct Local {
    /// Monitors by name.
    pub monitors: BTreeMap<String, LocalEntry>,
    /// Alerters by name.
    pub alerters: BTreeMap<String, LocalEntry>,
    /// Files that could not be read; directories end in `/`.
    pub broken: Vec<String>,
}

impl Local {
    /// The entries of one section.
    #[must_use]
    pub fn entries(&self, section: Section) -> &BTreeMap<String, LocalEntry> {
        match section {
            Section::Monitor => &self.monitors,
            Section::Alerter => &self.alerters,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            monitor: self.monitors.len(),
            alerter: self.alerters.len(),
        }
    }
}

impl From<&Loaded> for Local {
    fn from(loaded: &Loaded) -> Self {
        let entries = |section| {
            let entries = loaded.entries(section).iter();
            let local = entries.map(|(name, entry)| {
                let local = LocalEntry {
                    spec: entry.spec.clone(),
                    file: entry.file.to_string(),
                    valid: entry.valid,
                };
                (name.clone(), local)
            });
            local.collect()
        };
        Self {
            monitors: entries(Section::Monitor),
            alerters: entries(Section::Alerter),
            broken: loaded.broken.clone(),
        }
    }
}

/// A definition as it is stored.
#[derive(Clone)]
pub struct StoredEntry {
    /// What the user wrote; null if the record cannot be read.
    pub spec: Value,
    /// Where it came from.
    pub origin: String,
    /// Its key.
    pub key: Key,
    /// The revision that wrote it.
    pub rev: Revision,
    /// The record as it is.
    pub record: Bytes,
}

/// All definitions of the store.
#[derive(Clone, Default)]
pub struct Stored {
    /// Monitors by name.
    pub monitors: BTreeMap<String, StoredEntry>,
    /// Alerters by name.
    pub alerters: BTreeMap<String, StoredEntry>,
    /// Records of alerters that were removed earlier and still have something to resolve, with their revisions.
    pub retired: BTreeMap<String, Revision>,
}

impl Stored {
    /// The entries of one section.
    #[must_use]
    pub fn entries(&self, section: Section) -> &BTreeMap<String, StoredEntry> {
        match section {
            Section::Monitor => &self.monitors,
            Section::Alerter => &self.alerters,
        }
    }
}

/// A number of monitors and of alerters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Monitors.
    pub monitor: usize,
    /// Alerters.
    pub alerter: usize,
}

impl Counts {
    /// The number of one section.
    #[must_use]
    pub fn of(self, section: Section) -> usize {
        match section {
            Section::Monitor => self.monitor,
            Section::Alerter => self.alerter,
        }
    }

    /// Both together.
    #[must_use]
    pub fn sum(self) -> usize {
        self.monitor + self.alerter
    }

    fn count(&mut self, section: Section) {
        match section {
            Section::Monitor => self.monitor += 1,
            Section::Alerter => self.alerter += 1,
        }
    }
}

/// A definition that would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// What changes in it, secrets masked.
    pub fields: Vec<FieldChange>,
}

/// A definition that has no counterpart in the files and stays all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Why it stays.
    pub why: String,
}

/// What would happen to the monitors, or to the alerters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SectionPlan {
    /// Not stored yet.
    pub added: Vec<String>,
    /// Stored otherwise.
    pub changed: Vec<Changed>,
    /// Stored equally, written again because `replace` was asked for.
    pub replaced: Vec<String>,
    /// Stored equally, but from another file or from elsewhere; only the origin is written.
    pub moved: Vec<String>,
    /// Stored equally.
    pub unchanged: usize,
    /// Not in the files.
    pub removed: Vec<String>,
    /// Not in the files, but not removed.
    pub kept: Vec<Kept>,
    /// In the files with an error: what is stored under the name stays.
    pub invalid: Vec<String>,
}

impl SectionPlan {
    /// How many would be pushed.
    #[must_use]
    pub fn pushed(&self) -> usize {
        self.added.len() + self.changed.len() + self.replaced.len()
    }

    /// How many need no push.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.unchanged + self.moved.len()
    }
}

/// What would happen. Holds no secret.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// To the monitors.
    pub monitor: SectionPlan,
    /// To the alerters.
    pub alerter: SectionPlan,
    /// Why it is not done without `yes`.
    pub refusal: Option<String>,
    /// What is wrong with the definitions.
    pub problems: Vec<ProblemJson>,
}

impl Plan {
    /// The plan of one section.
    #[must_use]
    pub fn section(&self, section: Section) -> &SectionPlan {
        match section {
            Section::Monitor => &self.monitor,
            Section::Alerter => &self.alerter,
        }
    }

    fn section_mut(&mut self, section: Section) -> &mut SectionPlan {
        match section {
            Section::Monitor => &mut self.monitor,
            Section::Alerter => &mut self.alerter,
        }
    }

    fn counts(&self, of: impl Fn(&SectionPlan) -> usize) -> Counts {
        Counts {
            monitor: of(&self.monitor),
            alerter: of(&self.alerter),
        }
    }
}

/// How it ended, for exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All that was asked for is done, or would be.
    Done,
    /// There were problems; what has none is done.
    Problems,
    /// Nothing was done: it needs `yes`.
    Refused,
}

/// What happened: the plan, and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// Definitions in the files.
    pub found: Counts,
    /// Whether the store was changed, or would have been had there been a change.
    pub applied: bool,
    /// Written, or to be written.
    pub pushed: Counts,
    /// Already equal.
    pub skipped: Counts,
    /// Removed, or to be removed.
    pub removed: Counts,
    /// What did not work.
    pub errors: Vec<String>,
}

impl Report {
    /// How it ended.
    #[must_use]
    pub fn end(&self) -> End {
        let wrong = |problem: &ProblemJson| problem.severity == SeverityJson::Error;
        if self.plan.refusal.is_some() {
            End::Refused
        } else if !self.errors.is_empty() || self.plan.problems.iter().any(wrong) {
            End::Problems
        } else {
            End::Done
        }
    }
}

/// The origin of a definition from that file.
fn origin(file: &str) -> String {
    format!("{FROM_FILES}{file}")
}
