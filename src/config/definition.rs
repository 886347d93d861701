//! One definition (a JSON value) into settings and a check, whatever it came from: a file, the API, the store.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::Xxh3;

use super::advice::{self, explain};
use super::keys::{Keys, canonical};
use super::kinds::{Kinds, kind_of};
use super::mask::Section;
use super::rules;
use crate::alerters::{self, DynAlerter};
use crate::model::{
    AlerterName, AlerterSettings, MonitorName, MonitorSettings, Problem, Severity, read_field_by_field,
};
use crate::monitors::{self, DynMonitor};

/// A monitor that can run.
pub struct MonitorDef {
    /// Its name.
    pub name: MonitorName,
    /// What all kinds share.
    pub settings: MonitorSettings,
    /// Its kind.
    pub kind: &'static monitors::Kind,
    /// What it does.
    pub check: Box<dyn DynMonitor>,
    /// Longest time of one run: the kind's budget for the timeout, clamped so that a run ends before the next is due.
    pub budget: Duration,
    /// Stable fingerprint of what is measured (kind, the kind's own keys, member tag). Thresholds, alerters, interval, timeout, tags and texts are not
    /// part of it: editing them does not close an episode.
    pub measured: u64,
}

/// An alerter that can tell.
pub struct AlerterDef {
    /// Its name.
    pub name: AlerterName,
    /// What all kinds share.
    pub settings: AlerterSettings,
    /// Its kind.
    pub kind: &'static alerters::Kind,
    /// What it does.
    pub alerter: Arc<dyn DynAlerter>,
}

/// What reading gave: a value unless there is an error among the problems, or a disabled monitor could not run.
pub struct Read<T> {
    /// Usable.
    pub value: Option<T>,
    /// Errors and warnings. `entry` is set (`monitor web`), `place` is not.
    pub problems: Vec<Problem>,
}

impl<T> Read<T> {
    /// Whether there is an error: the definition should not be stored.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// How unknown keys are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// They are left out with a warning, as the original ignored them.
    #[default]
    Lenient,
    /// They are errors.
    Strict,
}

/// Reads a monitor's definition.
#[must_use]
pub fn monitor(name: &str, spec: &Value) -> Read<MonitorDef> {
    Kinds::built_in().read_monitor(name, spec, Strictness::Lenient)
}

/// Reads an alerter's definition.
#[must_use]
pub fn alerter(name: &str, spec: &Value) -> Read<AlerterDef> {
    Kinds::built_in().read_alerter(name, spec, Strictness::Lenient)
}

impl Kinds {
    /// What is wrong with a definition, and whether it may be stored all the same.
    #[must_use]
    pub fn judge(&self, section: Section, name: &str, spec: &Value, strictness: Strictness) -> (Vec<Problem>, bool) {
        fn taken<T>(read: Read<T>) -> (Vec<Problem>, bool) {
            let failed = read.failed();
            (read.problems, !failed)
        }
        match section {
            Section::Monitor => taken(self.read_monitor(name, spec, strictness)),
            Section::Alerter => taken(self.read_alerter(name, spec, strictness)),
        }
    }

    /// As [`monitor`], with these kinds.
    #[must_use]
    pub fn read_monitor(&self, name: &str, spec: &Value, strictness: Strictness) -> Read<MonitorDef> {
        let mut found = Vec::new();
        let value = self.monitor_from(name, spec, strictness, &mut found);
        finished(value, found, "monitor", name)
    }

    fn monitor_from(
        &self,
        name: &str,
        spec: &Value,
        strictness: Strictness,
        found: &mut Vec<Problem>,
    ) -> Option<MonitorDef> {
        let name = MonitorName::parse(name);
        if let Err(err) = &name {
            found.push(Problem::error("", err.to_string(), ""));
        }
        found.extend(advice::too_large(spec));
        let Value::Object(_) = spec else {
            found.push(advice::not_an_object(
                spec,
                "type: tcp, host: localhost, port: 22, interval: 10s",
            ));
            return None;
        };
        let kind_name = kind_of(spec).and_then(Value::as_str).unwrap_or_default();
        let row = self.monitor(kind_name);
        let keys = row.map_or(&self.monitor_settings, |row| &row.keys);
        let fix = |key: &str, keys: &Keys| self.advise_monitor_key(key, keys, kind_name);
        let mut unknown = Vec::new();
        let Value::Object(mut own) = canonical(spec.clone(), keys, "", &fix, &mut unknown) else {
            return None;
        };
        // Without a kind nobody knows which keys are unknown.
        if row.is_some() {
            found.extend(unknown.into_iter().map(|problem| judged(problem, strictness)));
        }
        let mut shared = Map::new();
        for key in self.monitor_settings.names() {
            if let Some(value) = own.shift_remove(key) {
                shared.insert(key.to_owned(), value);
            }
        }
        let settings = rules::settings(shared, &self.monitor_settings, found);
        rules::port(&mut own, found);
        let disabled = settings.as_ref().is_some_and(|settings| settings.disable);
        let before = found.len();
        let def = self.check_from(row, kind_of(spec), own, settings.as_ref(), found);
        if disabled {
            // The original looked no further at a monitor that is switched off.
            for problem in &mut found[before..] {
                problem.severity = Severity::Warning;
            }
        }
        let (kind, check, measured) = def?;
        let settings = settings?;
        let budget = rules::budget(&settings, kind.default_timeout, check.as_ref());
        Some(MonitorDef {
            name: name.ok()?,
            settings,
            kind,
            check,
            budget,
            measured,
        })
    }

    fn check_from(
        &self,
        row: Option<&super::kinds::Row<monitors::Kind>>,
        kind: Option<&Value>,
        own: Map<String, Value>,
        settings: Option<&MonitorSettings>,
        found: &mut Vec<Problem>,
    ) -> Option<(&'static monitors::Kind, Box<dyn DynMonitor>, u64)> {
        let Some(row) = row else {
            let names: Vec<_> = self.monitors.iter().map(|row| row.kind.name).collect();
            found.push(advice::unknown_kind("monitor", kind, &names));
            return None;
        };
        let missing = missing(&row.keys, &own, |key| self.monitor_settings.field(key).is_some());
        found.extend(
            missing
                .iter()
                .map(|key| Problem::error(key.as_str(), format!("'{key}' is missing"), format!("add `{key}:`"))),
        );
        let measured = fingerprint(row.kind.name, settings.map_or("", |s| s.member_tag.as_str()), &own);
        // A monitor whose shared settings are wrong is looked at all the same, so that all that is wrong is said at once.
        let stand_in = rules::stand_in();
        let settings = settings.unwrap_or(&stand_in);
        let read = |own: Value| (row.kind.parse)(own, settings);
        let (check, problems) = every_field(own, &row.keys, "", &missing, &read, found)?;
        let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
        found.extend(problems);
        (!failed && missing.is_empty()).then_some((row.kind, check, measured))
    }

    fn advise_monitor_key(&self, key: &str, keys: &Keys, kind: &str) -> String {
        if let Some(advice) = advice::unknown_key(key, keys) {
            return advice;
        }
        match self.kinds_with(key, kind).as_slice() {
            [] => "remove it".to_owned(),
            kinds => format!("it is a key of {}; remove it, or change `type`", kinds.join(", ")),
        }
    }

    /// As [`alerter`], with these kinds.
    #[must_use]
    pub fn read_alerter(&self, name: &str, spec: &Value, strictness: Strictness) -> Read<AlerterDef> {
        let mut found = Vec::new();
        let value = self.alerter_from(name, spec, strictness, &mut found);
        finished(value, found, "alerter", name)
    }

    fn alerter_from(
        &self,
        name: &str,
        spec: &Value,
        strictness: Strictness,
        found: &mut Vec<Problem>,
    ) -> Option<AlerterDef> {
        let name = AlerterName::parse(name);
        if let Err(err) = &name {
            found.push(Problem::error("", err.to_string(), ""));
        }
        found.extend(advice::too_large(spec));
        let Value::Object(_) = spec else {
            found.push(advice::not_an_object(spec, "type: log"));
            return None;
        };
        let kind_name = kind_of(spec).and_then(Value::as_str).unwrap_or_default();
        let Some(row) = self.alerter(kind_name) else {
            let names: Vec<_> = self.alerters.iter().map(|row| row.kind.name).collect();
            found.push(advice::unknown_kind("alerter", kind_of(spec), &names));
            return None;
        };
        let fix = |key: &str, keys: &Keys| advise_alerter_key(key, keys, row);
        let mut unknown = Vec::new();
        let Value::Object(mut shared) = canonical(spec.clone(), &row.keys, "", &fix, &mut unknown) else {
            return None;
        };
        found.extend(unknown.into_iter().map(|problem| judged(problem, strictness)));
        let options = match shared.shift_remove("options") {
            None => Map::new(),
            Some(Value::Object(options)) => options,
            Some(other) => {
                let message = format!("is {}; a map of options is expected", advice::shape(&other));
                found.push(Problem::error("options", message, "write `options: {…}`"));
                return None;
            }
        };
        let read = |shared: Value| read_field_by_field(shared).map(|settings: AlerterSettings| (settings, Vec::new()));
        let settings = every_field(shared, &row.keys, "", &[], &read, found).map(|(settings, _)| settings);
        let option_keys = row.keys.below("options")?;
        let missing = missing(option_keys, &options, |_| false);
        found.extend(missing.iter().map(|key| {
            let fix = format!("add `{key}:` below `options:`");
            Problem::error(
                format!("options.{key}"),
                format!("'{key}' must be present in options"),
                fix,
            )
        }));
        let (alerter, problems) = every_field(options, option_keys, "options", &missing, &row.kind.parse, found)?;
        let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
        found.extend(problems.into_iter().map(|problem| below("options", problem)));
        if failed || !missing.is_empty() {
            return None;
        }
        Some(AlerterDef {
            name: name.ok()?,
            settings: settings?,
            kind: row.kind,
            alerter: alerter.into(),
        })
    }
}

fn advise_alerter_key(key: &str, keys: &Keys, row: &super::kinds::Row<alerters::Kind>) -> String {
    let in_options = row.keys.below("options").and_then(|options| options.field(key));
    match in_options {
        Some((name, _)) if keys == &row.keys => format!("write `{name}` below `options:`"),
        _ => advice::unknown_key(key, keys).unwrap_or_else(|| "remove it".to_owned()),
    }
}

fn finished<T>(value: Option<T>, problems: Vec<Problem>, section: &str, name: &str) -> Read<T> {
    let entry = format!("{section} {name}");
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    Read {
        value: value.filter(|_| !failed),
        problems: problems.into_iter().map(|problem| problem.of(entry.as_str())).collect(),
    }
}

fn judged(mut problem: Problem, strictness: Strictness) -> Problem {
    if strictness == Strictness::Strict {
        problem.severity = Severity::Error;
        problem.message = problem.message.replace("; it is ignored", "");
    }
    problem
}

fn below(prefix: &str, mut problem: Problem) -> Problem {
    if !prefix.is_empty() {
        problem.field = match problem.field.as_str() {
            "" => prefix.to_owned(),
            field => format!("{prefix}.{field}"),
        };
    }
    problem
}

fn missing(keys: &Keys, map: &Map<String, Value>, elsewhere: impl Fn(&str) -> bool) -> Vec<String> {
    keys.required()
        .filter(|key| !map.contains_key(*key) && !elsewhere(key))
        .map(str::to_owned)
        .collect()
}

/// What a kind's `parse` gives: the value, and what its own validation says.
type Checked<T> = Result<(T, Vec<Problem>), Problem>;

/// Reads a map into `T`. Where a field does not fit, it is said, taken out, and the rest is read again, so that all of them are found.
fn every_field<T>(
    mut map: Map<String, Value>,
    keys: &Keys,
    prefix: &str,
    missing: &[String],
    read: &dyn Fn(Value) -> Checked<T>,
    found: &mut Vec<Problem>,
) -> Option<(T, Vec<Problem>)> {
    let mut told = !missing.is_empty();
    let mut fits = true;
    loop {
        let problem = match read(Value::Object(map.clone())) {
            Ok(value) => return fits.then_some(value),
            Err(problem) => problem,
        };
        let top = problem.field.split(['.', '[']).next().unwrap_or_default().to_owned();
        if top.is_empty() {
            // A field that is missing, or that was taken out below, has been told already.
            if !told {
                found.push(below(prefix, problem));
            }
            return None;
        }
        (fits, told) = (false, true);
        let whole = Value::Object(map.clone());
        found.push(below(prefix, explain(problem, &whole, keys)));
        map.shift_remove(&top)?;
    }
}

/// A hash of the kind, the member tag and the kind's own keys, whatever their order.
fn fingerprint(kind: &str, member_tag: &str, own: &Map<String, Value>) -> u64 {
    let mut hasher = Xxh3::new();
    for text in [kind, member_tag] {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    }
    feed_map(&mut hasher, own);
    hasher.digest()
}

fn feed_map(hasher: &mut Xxh3, map: &Map<String, Value>) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    hasher.update(b"{");
    for (key, value) in entries {
        hasher.update(key.as_bytes());
        hasher.update(&[0]);
        feed(hasher, value);
    }
    hasher.update(b"}");
}

fn feed(hasher: &mut Xxh3, value: &Value) {
    match value {
        Value::Object(map) => feed_map(hasher, map),
        Value::Array(items) => {
            hasher.update(b"[");
            for item in items {
                feed(hasher, item);
            }
            hasher.update(b"]");
        }
        scalar => {
            // A string prints with quotes, so that "1" and 1 differ.
            hasher.update(scalar.to_string().as_bytes());
            hasher.update(&[0]);
        }
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
