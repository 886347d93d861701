//! Tests of the table itself: what every kind has to have, whichever it is.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::KINDS;
use crate::model::{MonitorSettings, Severity};

/// The keys of [`MonitorSettings`], from its schema: there is no second list of them.
fn shared_keys() -> BTreeSet<String> {
    let schema = schemars::schema_for!(MonitorSettings);
    let properties = schema.get("properties").and_then(Value::as_object).unwrap();
    properties.keys().cloned().collect()
}

/// The first entry of an example, in two parts: shared keys and the kind's own.
fn split_example(example: &str) -> (MonitorSettings, Value) {
    let file: Value = serde_saphyr::from_str(example).unwrap();
    let entries = file.get("monitor").and_then(Value::as_object).unwrap();
    let entry = entries.values().next().and_then(Value::as_object).unwrap();
    let shared = shared_keys();
    let (mut settings, mut own) = (Map::new(), Map::new());
    for (key, value) in entry {
        let part = if shared.contains(key) { &mut settings } else { &mut own };
        part.insert(key.clone(), value.clone());
    }
    (
        serde_json::from_value(Value::Object(settings)).unwrap(),
        Value::Object(own),
    )
}

#[test]
fn names_are_unique_and_kebab_case() {
    let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), KINDS.len());
    for name in names {
        assert!(
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        );
    }
}

#[test]
fn a_summary_is_one_sentence() {
    for kind in KINDS {
        let (s, name) = (kind.summary, kind.name);
        assert!(s.starts_with(char::is_uppercase), "{name}: {s}");
        assert!(
            s.ends_with('.') && !s.trim_end_matches('.').contains(". "),
            "{name}: {s}"
        );
        assert!(!s.contains('\n') && s.len() <= 160, "{name}: {s}");
    }
}

#[test]
fn an_example_is_a_complete_definition_without_problems() {
    for kind in KINDS {
        let (settings, own) = split_example(kind.example);
        assert_eq!(settings.kind, kind.name);
        let (monitor, problems) = (kind.parse)(own, &settings).unwrap_or_else(|p| panic!("{}: {p}", kind.name));
        assert_eq!(problems, [], "{}", kind.name);
        assert!(!monitor.target().is_empty());
        assert!(kind.example.contains('#'), "{}: an example explains itself", kind.name);
    }
}

#[test]
fn an_unknown_field_is_refused_and_named() {
    for kind in KINDS {
        let (settings, mut own) = split_example(kind.example);
        own.as_object_mut().unwrap().insert("no-such-key".into(), json!(1));
        let problem = match (kind.parse)(own, &settings) {
            Err(problem) => problem,
            Ok(_) => panic!("{} takes any key", kind.name),
        };
        assert!(problem.to_string().contains("no-such-key"), "{problem}");
    }
}

#[test]
fn every_key_is_described() {
    for kind in KINDS {
        let schema = (kind.schema)();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap();
        assert!(!properties.is_empty(), "{}", kind.name);
        for (key, property) in properties {
            let described = property.get("description").and_then(Value::as_str).unwrap_or_default();
            assert!(described.ends_with(['.', '…']), "{}: {key}: {described:?}", kind.name);
            assert_eq!(key.to_lowercase(), *key);
            assert!(!key.contains('_'), "{}: {key} is not kebab-case", kind.name);
        }
    }
}

#[test]
fn no_key_of_a_kind_hides_a_shared_one() {
    let shared = shared_keys();
    for kind in KINDS {
        let schema = (kind.schema)();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap();
        for key in properties.keys() {
            assert!(!shared.contains(key), "{}: {key}", kind.name);
        }
    }
}

#[test]
fn a_definition_without_any_keys_is_an_answer_and_not_a_panic() {
    for kind in KINDS {
        let (settings, _) = split_example(kind.example);
        if let Ok((monitor, problems)) = (kind.parse)(json!({}), &settings) {
            assert!(
                problems.iter().any(|p| p.severity == Severity::Error),
                "{}: nothing is required of {}",
                kind.name,
                monitor.target()
            );
        }
    }
}

mod arbitrary {
    use super::*;
    use crate::monitors::Kind;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            prop_oneof![
                Just("http://[::1]:99999/"),
                Just("200-"),
                Just("((("),
                Just("-----BEGIN CERTIFICATE-----"),
                Just("1s"),
                Just("[::1]"),
                Just("\0"),
            ]
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z-]{0,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Kind, shared settings, own keys of the example, and all keys there are: made once, not for every case.
    fn prepared() -> Vec<(&'static Kind, MonitorSettings, Value, Vec<String>)> {
        let prepare = |kind: &'static Kind| {
            let (settings, own) = split_example(kind.example);
            let schema = (kind.schema)();
            let properties = schema.get("properties").and_then(Value::as_object).unwrap();
            (kind, settings, own, properties.keys().cloned().collect())
        };
        KINDS.iter().map(prepare).collect()
    }

    #[test]
    fn no_definition_panics() {
        let prepared = prepared();
        proptest!(|(values in prop::collection::vec(any_value(), 48), keep: u64)| {
            for (kind, settings, own, keys) in &prepared {
                let mut own = own.clone();
                let own_keys = own.as_object_mut().unwrap();
                for (i, (key, value)) in keys.iter().zip(&values).enumerate() {
                    if keep >> (i % 64) & 1 == 1 {
                        own_keys.insert(key.clone(), value.clone());
                    }
                }
                if let Ok((monitor, problems)) = (kind.parse)(own, settings) {
                    let _ = (monitor.target(), monitor.budget(std::time::Duration::MAX));
                    for problem in problems {
                        let _ = problem.to_string();
                    }
                }
            }
        });
    }
}
