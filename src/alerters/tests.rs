//! What has to hold for every kind, whichever there are.

use serde_json::{Value, json};

use super::*;
use crate::model::{AlerterName, AlerterSettings, Severity};

/// The alerters of an example file.
fn example(kind: &Kind) -> serde_json::Map<String, Value> {
    let file: Value =
        serde_saphyr::from_str(kind.example).unwrap_or_else(|err| panic!("example of {}: {err}", kind.name));
    let file = file.as_object().unwrap();
    assert_eq!(file.keys().collect::<Vec<_>>(), ["alerter"], "{}", kind.name);
    file["alerter"].as_object().unwrap().clone()
}

#[test]
fn names_are_unique_and_kebab_case() {
    let mut names: Vec<_> = KINDS.iter().map(|k| k.name).collect();
    for name in &names {
        assert!(
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{name}"
        );
        assert!(kind(name).is_some());
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KINDS.len());
    assert!(kind("carrier-pigeon").is_none());
}

#[test]
fn summaries_are_one_sentence() {
    for kind in KINDS {
        assert!(kind.summary.starts_with(char::is_uppercase), "{}", kind.summary);
        assert_eq!(kind.summary.find('.'), Some(kind.summary.len() - 1), "{}", kind.summary);
    }
}

#[test]
fn examples_are_complete_and_valid() {
    for kind in KINDS {
        let alerters = example(kind);
        assert!(!alerters.is_empty(), "{}", kind.name);
        for (name, mut definition) in alerters {
            AlerterName::parse(&name).unwrap();
            let options = definition
                .as_object_mut()
                .unwrap()
                .remove("options")
                .unwrap_or_default();
            let settings: AlerterSettings = serde_json::from_value(definition).unwrap();
            assert_eq!(settings.kind, kind.name);
            assert!(!settings.description.is_empty(), "{name} shows no description");
            let (_, problems) = (kind.parse)(options).unwrap();
            assert!(problems.is_empty(), "{name}: {problems:?}");
        }
        assert!(
            kind.example.lines().any(|l| l.trim_start().starts_with('#')),
            "{} has no comments",
            kind.name
        );
    }
}

#[test]
fn an_unknown_option_is_refused_by_name() {
    for kind in KINDS {
        for (_, definition) in example(kind) {
            let mut options = definition.get("options").cloned().unwrap_or_else(|| json!({}));
            options["no-such-option"] = json!("x");
            let problem = (kind.parse)(options).err().unwrap();
            assert_eq!(problem.severity, Severity::Error);
            assert!(
                problem.to_string().contains("no-such-option"),
                "{}: {problem}",
                kind.name
            );
        }
    }
}

#[test]
fn no_options_at_all_is_an_answer_and_not_a_panic() {
    for kind in KINDS {
        let (_, of_null) = (kind.parse)(Value::Null).unwrap();
        let (_, of_empty) = (kind.parse)(json!({})).unwrap();
        assert_eq!(of_null, of_empty, "{}", kind.name);
    }
}

#[test]
fn the_schema_describes_every_option() {
    for kind in KINDS {
        let schema = (kind.schema)();
        let schema = schema.as_value();
        assert!(
            !schema["description"].as_str().unwrap_or_default().is_empty(),
            "{}",
            kind.name
        );
        for (option, of) in schema["properties"].as_object().into_iter().flatten() {
            let said = of["description"].as_str().unwrap_or_default();
            assert!(
                said.ends_with('.'),
                "{}: `{option}` has no description: {of}",
                kind.name
            );
        }
    }
}

#[test]
fn an_alerter_says_where_its_messages_go() {
    for (name, options, place) in [
        ("slack", json!({"token": "t", "channel": "c"}), Some("slack.com:443")),
        (
            "slack",
            json!({"url": "http://hooks.example/T0/B0"}),
            Some("hooks.example:80"),
        ),
        (
            "slack",
            json!({"token": "t", "channel": "c", "base-url": "http://[::1]:9/api"}),
            Some("[::1]:9"),
        ),
        (
            "pagerduty",
            json!({"token": "t", "region": "eu"}),
            Some("events.eu.pagerduty.com:443"),
        ),
        ("pagerduty", json!({"token": "t", "url": "nonsense"}), None),
        (
            "email",
            json!({"to": "a@b.c", "address": "smtp.b.c:587"}),
            Some("smtp.b.c:587"),
        ),
        ("email", json!({"to": "a@b.c", "address": "smtp.b.c"}), None),
        ("log", json!({}), None),
    ] {
        let (alerter, _) = (kind(name).unwrap().parse)(options.clone()).unwrap();
        assert_eq!(alerter.place().as_deref(), place, "{name}: {options}");
    }
}
