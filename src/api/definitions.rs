//! Definitions as they are shown: secrets masked, durations as text.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::config::mask::{Section, mask};
use crate::model::Dur;
use crate::monitors;

/// What a monitor's definition has to contain to need a closer look: a key that some kind calls a secret, a name that is one in any definition,
/// an escape (a key may be written with it), a duration in nanoseconds. A superset: what is found may still be shown as it is. With a
/// hundred thousand monitors most of the time of a list would go into looking closely at definitions without secrets.
static CLOSER_LOOK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let mut words: Vec<String> = ["pass", "token", "secret", "key", "auth", "cookie", "cred", "bearer"]
        .map(str::to_owned)
        .into();
    for kind in monitors::KINDS {
        secret_keys((kind.schema)().as_value(), "", &mut words);
    }
    let words: Vec<_> = words.iter().map(|word| regex::escape(word)).collect();
    Regex::new(&format!(
        r#"(?i)\\|{}|(interval|timeout|time)"\s*:\s*[0-9]"#,
        words.join("|")
    ))
    .ok()
});

/// The keys below which a schema has a secret.
fn secret_keys(schema: &Value, key: &str, found: &mut Vec<String>) {
    /// Keys of a schema that are none of a definition.
    const STRUCTURE: &[&str] = &["anyOf", "oneOf", "allOf", "items", "additionalProperties", "properties"];
    match schema {
        Value::Object(map) => {
            if map.get("writeOnly") == Some(&Value::Bool(true)) {
                found.push(key.to_owned());
            }
            for (name, below) in map {
                let key = if STRUCTURE.contains(&name.as_str()) { key } else { name };
                secret_keys(below, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secret_keys(item, key, found)),
        _ => {}
    }
}

/// The keys that hold durations in the original; a bare integer there is nanoseconds.
const DURATIONS: &[&str] = &["interval", "timeout", "read-timeout", "write-timeout", "dns-max-time"];

/// The record of a definition, as far as showing needs it.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    spec: &'a RawValue,
}

/// A definition ready to be shown.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    /// Nothing in it had to be changed.
    AsIs(&'a RawValue),
    /// A changed copy.
    Made(Box<RawValue>),
}

impl Shown<'_> {
    pub(super) fn raw(&self) -> &RawValue {
        match self {
            Self::AsIs(raw) => raw,
            Self::Made(raw) => raw,
        }
    }
}

/// The definition in a stored record; `None` if it cannot be read.
pub(super) fn shown(section: Section, record: &[u8]) -> Option<Shown<'_>> {
    let Record { spec } = serde_json::from_slice(record).ok()?;
    // Every alerter has secrets.
    let plain = section == Section::Monitor && CLOSER_LOOK.as_ref().is_some_and(|look| !look.is_match(spec.get()));
    if plain {
        return Some(Shown::AsIs(spec));
    }
    let spec: Value = serde_json::from_str(spec.get()).ok()?;
    to_raw_value(&masked(section, &spec)).ok().map(Shown::Made)
}

/// A definition as it is shown.
pub(super) fn masked(section: Section, spec: &Value) -> Value {
    let mut shown = mask(section, spec);
    if section == Section::Monitor
        && let Value::Object(map) = &mut shown
    {
        durations_as_text(map);
    }
    shown
}

/// Whether two definitions say the same: in whatever order, durations in whatever form.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    let plain = |spec: &Value| {
        let mut spec = spec.clone();
        if let Value::Object(map) = &mut spec {
            durations_as_text(map);
        }
        spec
    };
    a == b || plain(a) == plain(b)
}

fn durations_as_text(map: &mut Map<String, Value>) {
    for (key, value) in map {
        if !DURATIONS.iter().any(|name| name.eq_ignore_ascii_case(key)) {
            continue;
        }
        let dur = match &*value {
            Value::Number(nanos) => nanos.as_u64().map(|nanos| Dur(std::time::Duration::from_nanos(nanos))),
            _ => None,
        };
        if let Some(dur) = dur {
            *value = Value::String(dur.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn show(spec: &Value) -> String {
        let record = json!({"v": 1, "origin": "api", "at": 0, "spec": spec}).to_string();
        shown(Section::Monitor, record.as_bytes())
            .unwrap()
            .raw()
            .get()
            .to_owned()
    }

    #[test]
    fn a_definition_without_secrets_is_shown_as_it_is() {
        let spec = json!({"type": "tcp", "host": "db", "port": 5432, "interval": "10s", "Unknown": [1]});
        assert_eq!(show(&spec), spec.to_string());
    }

    #[test]
    fn secrets_are_masked_and_integer_durations_become_text() {
        let spec = json!({"type": "http", "host": "h", "interval": 60_000_000_000u64, "Timeout": 1_500_000_000u64,
            "basic-auth": {"username": "u", "password": "hunter2"}, "bearer-token": "hunter2"});
        let text = show(&spec);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains(r#""interval":"1m0s""#) && text.contains(r#""Timeout":"1.5s""#),
            "{text}"
        );
    }

    /// The closer look is decided by a pattern over the text: what each kind calls a secret has to be in it.
    #[test]
    fn a_secret_of_any_kind_gets_its_closer_look() {
        let look = CLOSER_LOOK.as_ref().unwrap();
        for spec in [
            json!({"type": "exec", "command": "x", "interval": "10s", "Env": {"HOME": "hunter2"}}),
            json!({"type": "http", "host": "h", "interval": "10s", "headers": {"X-Any": "hunter2"}}),
            json!({"type": "nobody-knows", "options": {"apiKey": "hunter2"}}),
        ] {
            assert!(look.is_match(&spec.to_string()), "{spec}");
        }
        for kind in monitors::KINDS {
            let mut secrets = Vec::new();
            secret_keys((kind.schema)().as_value(), "", &mut secrets);
            assert!(
                secrets.iter().all(|key| !key.is_empty() && look.is_match(key)),
                "{}: {secrets:?}",
                kind.name
            );
        }
    }

    #[test]
    fn same_means_the_same_to_the_reader_of_a_definition() {
        assert!(same(
            &json!({"interval": "10s", "a": 1}),
            &json!({"a": 1, "interval": 10_000_000_000u64})
        ));
        assert!(!same(&json!({"interval": "10s"}), &json!({"interval": "11s"})));
    }
}
