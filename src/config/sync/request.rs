//! The plan's question as it travels to a server: the body of `POST /api/v1/sync`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Local, LocalEntry, Options};
use crate::config::definition::Strictness;
use crate::config::files::Loaded;
use crate::config::kinds::Kinds;
use crate::config::mask::Section;
use crate::model::Problem;

/// The files' definitions and what is asked for. An unknown key is refused: a misspelt `dryrun` must not write. Holds secrets.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncRequest {
    /// Monitors by name.
    pub monitor: BTreeMap<String, Value>,
    /// Alerters by name.
    pub alerter: BTreeMap<String, Value>,
    /// The directory, or whatever the sender calls what it sends; the file of every entry that has none in `files`.
    pub origin: String,
    /// Per section and name the file that it stands in.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
    /// Files that could not be read.
    pub broken_origins: Vec<String>,
    /// What is asked for.
    pub options: Options,
}

impl SyncRequest {
    /// The request for a loaded directory. Entries with errors travel too: the server finds the same errors, and keeps what it has.
    #[must_use]
    pub fn new(loaded: &Loaded, origin: &str, options: Options) -> Self {
        let specs = |section| {
            let entries = loaded.entries(section).iter();
            entries
                .map(|(name, entry)| (name.clone(), entry.spec.clone()))
                .collect()
        };
        let files = |section: Section| {
            let entries = loaded.entries(section).iter();
            let files = entries
                .map(|(name, entry)| (name.clone(), entry.file.to_string()))
                .collect();
            (section.name().to_owned(), files)
        };
        Self {
            monitor: specs(Section::Monitor),
            alerter: specs(Section::Alerter),
            origin: origin.to_owned(),
            files: [files(Section::Monitor), files(Section::Alerter)].into(),
            broken_origins: loaded.broken.clone(),
            options,
        }
    }

    /// The definitions, each judged here: the sender may be older, or no `cfg` at all.
    #[must_use]
    pub fn local(&self, kinds: &Kinds) -> (Local, Vec<Problem>) {
        let strictness = if self.options.strict {
            Strictness::Strict
        } else {
            Strictness::Lenient
        };
        let mut problems = Vec::new();
        let mut entries = |section: Section, specs: &BTreeMap<String, Value>| {
            let mut out = BTreeMap::new();
            for (name, spec) in specs {
                let (found, valid) = kinds.judge(section, name, spec, strictness);
                problems.extend(found);
                let file = self.files.get(section.name()).and_then(|files| files.get(name));
                let entry = LocalEntry {
                    spec: spec.clone(),
                    file: file.unwrap_or(&self.origin).clone(),
                    valid,
                };
                out.insert(name.clone(), entry);
            }
            out
        };
        let local = Local {
            monitors: entries(Section::Monitor, &self.monitor),
            alerters: entries(Section::Alerter, &self.alerter),
            broken: self.broken_origins.clone(),
        };
        (local, problems)
    }
}
