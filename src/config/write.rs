//! A definition as YAML, in the form of the original's files: what [`super::yaml`] reads back is the same value.

use std::fmt::Write as _;

use serde_json::Value;

use super::{scalar, yaml};

/// Spaces that each level is moved in by.
const STEP: usize = 2;
/// Longest key that stands on one line with its value.
const MAX_KEY: usize = 1_000;

/// An entry of a section (`name:` and what is below it), moved in by one level. `None`: it cannot be written so that it is read back the same.
#[must_use]
pub fn entry(name: &str, spec: &Value) -> Option<String> {
    let mut out = String::new();
    pair(&mut out, STEP, name, spec)?;
    let read = yaml::parse(&out);
    let value = read.root.filter(|_| read.complaints.is_empty())?.value();
    let same = value.as_object().is_some_and(|map| map.len() == 1) && value.get(name) == Some(spec);
    same.then_some(out)
}

fn pair(out: &mut String, indent: usize, key: &str, value: &Value) -> Option<()> {
    if key.len() > MAX_KEY {
        return None;
    }
    let _ = write!(out, "{:indent$}{}:", "", text(key));
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            for (key, value) in map {
                pair(out, indent + STEP, key, value)?;
            }
        }
        other => {
            out.push(' ');
            flow(out, other);
            out.push('\n');
        }
    }
    Some(())
}

/// On one line: lists, and what is in them.
fn flow(out: &mut String, value: &Value) {
    match value {
        Value::String(string) => out.push_str(&text(string)),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                flow(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (n, (key, value)) in map.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                let _ = write!(out, "{}: ", text(key));
                flow(out, value);
            }
            out.push('}');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Text: as it is where that is plainly text, else in quotes.
fn text(text: &str) -> String {
    let mut chars = text.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@'))
        && scalar::resolve(text) == *text;
    if plain {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_definition_looks_as_people_write_it() {
        let spec = json!({
            "type": "http", "host": "www.example.com", "port": 443, "ssl": true, "url": "/health?a=b", "interval": "10s",
            "tags": ["team-a", "yes"], "expect": "", "http-headers": {"X-A": "1: 2"}, "nothing": {},
        });
        let expected = "  web:\n    type: http\n    host: www.example.com\n    port: 443\n    ssl: true\n    url: \"/health?a=b\"\n    \
                        interval: \"10s\"\n    tags: [team-a, \"yes\"]\n    expect: \"\"\n    http-headers:\n      X-A: \"1: 2\"\n    nothing: {}\n";
        assert_eq!(entry("web", &spec).unwrap(), expected);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}|[ -~\\n\\t\\r\u{0}\u{85}\u{2028}]{0,8}|yes|~|0x10|1e3|<<|- a|\\? b|#c|%d".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("\\PC{1,8}|on|1|<<", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same(name in "\\PC{1,12}", spec in value()) {
            let spec = json!({"type": "tcp", "x": spec});
            prop_assert!(entry(&name, &spec).is_some(), "{:?}", spec);
        }
    }
}
