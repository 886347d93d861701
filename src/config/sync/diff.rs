//! Whether two definitions say the same, and where they differ.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Dotted path.
    pub field: String,
    /// Before; absent if the field was not there. Secrets are masked, on both sides if only they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// After; absent if the field is no longer there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// Equal as JSON: the order of keys does not matter, nor how a number is written.
#[must_use]
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// A value, and how it may be shown.
#[derive(Clone, Copy)]
pub(super) struct Masked<'a> {
    pub(super) value: &'a Value,
    pub(super) shown: &'a Value,
}

impl<'a> Masked<'a> {
    fn get(self, key: &str) -> Option<Self> {
        Some(Self {
            value: self.value.get(key)?,
            shown: self.shown.get(key).unwrap_or(&Value::Null),
        })
    }

    fn keys(self) -> Option<impl Iterator<Item = &'a String>> {
        self.value.as_object().map(|map| map.keys())
    }
}

/// The fields in which two definitions differ, in the order of the new one.
pub(super) fn fields(from: Masked<'_>, to: Masked<'_>) -> Vec<FieldChange> {
    let mut out = Vec::new();
    collect("", Some(from), Some(to), &mut out);
    out
}

fn collect(path: &str, from: Option<Masked<'_>>, to: Option<Masked<'_>>, out: &mut Vec<FieldChange>) {
    match (from, to) {
        (Some(from), Some(to)) if same(from.value, to.value) => {}
        (Some(from), Some(to)) if from.value.is_object() && to.value.is_object() => {
            let gone = from.keys().into_iter().flatten().filter(|key| to.get(key).is_none());
            for key in to.keys().into_iter().flatten().chain(gone) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                collect(&path, from.get(key), to.get(key), out);
            }
        }
        _ => out.push(FieldChange {
            field: path.to_owned(),
            from: from.map(|from| from.shown.clone()),
            to: to.map(|to| to.shown.clone()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MASK;
    use serde_json::json;

    #[test]
    fn order_and_spelling_of_numbers_do_not_matter() {
        assert!(same(&json!({"a": 1, "b": [1.0]}), &json!({"b": [1], "a": 1.0})));
        assert!(!same(&json!({"a": 1}), &json!({"a": "1"})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": null})));
        assert!(!same(&json!(u64::MAX), &json!(u64::MAX - 1)));
    }

    #[test]
    fn fields_that_differ_are_named_with_both_values_and_without_secrets() {
        let (old, new) = (
            json!({"type": "x", "interval": "10s", "options": {"token": "a", "gone": 1}, "tags": ["a"]}),
            json!({"type": "x", "interval": "20s", "options": {"token": "b", "new": true}, "tags": ["a"]}),
        );
        let hide = |mut value: Value| {
            value["options"]["token"] = MASK.into();
            value
        };
        let (shown_old, shown_new) = (hide(old.clone()), hide(new.clone()));
        let changes = fields(
            Masked {
                value: &old,
                shown: &shown_old,
            },
            Masked {
                value: &new,
                shown: &shown_new,
            },
        );
        let change = |field: &str, from: Option<Value>, to: Option<Value>| FieldChange {
            field: field.to_owned(),
            from,
            to,
        };
        let expected = [
            change("interval", Some(json!("10s")), Some(json!("20s"))),
            change("options.token", Some(MASK.into()), Some(MASK.into())),
            change("options.new", None, Some(json!(true))),
            change("options.gone", Some(json!(1)), None),
        ];
        assert_eq!(changes, expected);
    }
}
