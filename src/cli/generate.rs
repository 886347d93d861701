//! `9volt generate man|completions|reference`: made from the definitions themselves, so that they cannot say anything else.

use serde_json::Value;

use super::{DONE, GenerateCommand, print};
use crate::{alerters, monitors};

pub(super) fn run(command: &GenerateCommand) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    match command {
        GenerateCommand::Man => clap_mangen::Man::new(super::command()).render(&mut text)?,
        GenerateCommand::Completions { shell } => {
            clap_complete::generate(*shell, &mut super::command(), "9volt", &mut text)
        }
        GenerateCommand::Reference => text = reference().into_bytes(),
    }
    print(&String::from_utf8_lossy(&text));
    Ok(DONE)
}

/// The reference of all kinds, in Markdown. `docs/reference.md` is this text; a test compares.
#[must_use]
pub(super) fn reference() -> String {
    let mut out = String::from(
        "# Reference of definitions\n\nMade by `9volt generate reference` from the program itself; do not edit.\n\n## All monitors\n\n",
    );
    keys(&mut out, &schemars::schema_for!(crate::model::MonitorSettings));
    for kind in monitors::KINDS {
        out.push_str(&format!(
            "\n## Monitor `{}`\n\n{}\n\nDefault of `timeout`: {}.\n\n",
            kind.name, kind.summary, kind.default_timeout
        ));
        keys(&mut out, &(kind.schema)());
        out.push_str(&format!("\n```yaml\n{}\n```\n", kind.example.trim_end()));
    }
    out.push_str("\n## All alerters\n\n");
    keys(&mut out, &schemars::schema_for!(crate::model::AlerterSettings));
    for kind in alerters::KINDS {
        out.push_str(&format!(
            "\n## Alerter `{}`: `options`\n\n{}\n\n",
            kind.name, kind.summary
        ));
        keys(&mut out, &(kind.schema)());
        out.push_str(&format!("\n```yaml\n{}\n```\n", kind.example.trim_end()));
    }
    out
}

fn keys(out: &mut String, schema: &schemars::Schema) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let Some(properties) = schema
        .get("properties")
        .and_then(Value::as_object)
        .filter(|p| !p.is_empty())
    else {
        out.push_str("No keys.\n");
        return;
    };
    out.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    for (name, property) in properties {
        let property = resolved(schema, property);
        let default = match property.get("default") {
            // What serializes as the mask is a secret, and is empty.
            Some(default) if !default.is_null() && default != crate::model::MASK => format!("`{default}`"),
            _ if required.contains(&name.as_str()) => "required".to_owned(),
            _ => String::new(),
        };
        let text = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or("")
            .replace('\n', " ")
            .replace('|', "\\|");
        out.push_str(&format!(
            "| `{name}` | {} | {default} | {text} |\n",
            type_of(schema, &property)
        ));
    }
}

/// A property with what it refers to.
fn resolved(schema: &schemars::Schema, property: &Value) -> Value {
    let Some(target) = property
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.strip_prefix("#/$defs/"))
    else {
        return property.clone();
    };
    let mut found = schema
        .get("$defs")
        .and_then(|defs| defs.get(target))
        .cloned()
        .unwrap_or(Value::Null);
    if let (Some(found), Some(own)) = (found.as_object_mut(), property.as_object()) {
        for (key, value) in own.iter().filter(|(key, _)| *key != "$ref") {
            found.insert(key.clone(), value.clone());
        }
    }
    found
}

fn type_of(schema: &schemars::Schema, property: &Value) -> String {
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        return values
            .iter()
            .map(|v| format!("`{}`", v.as_str().unwrap_or("")))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if property.get("format").and_then(Value::as_str) == Some("duration") {
        return "duration".to_owned();
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = property.get(key).and_then(Value::as_array) {
            let mut names: Vec<String> = options
                .iter()
                .map(|o| {
                    o.get("const")
                        .and_then(Value::as_str)
                        .map_or_else(|| type_of(schema, &resolved(schema, o)), |c| format!("`{c}`"))
                })
                .filter(|t| t != "null")
                .collect();
            names.dedup();
            return names.join(" or ");
        }
    }
    match property.get("type") {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .filter(|t| *t != "null")
            .collect::<Vec<_>>()
            .join(" or "),
        _ => String::new(),
    }
}
