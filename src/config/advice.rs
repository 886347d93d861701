//! What a reader's error means to the person who wrote the definition, and how to mend it.

use serde_json::Value;

use super::keys::{Keys, suggest};
use super::mask::is_secret_name;
use crate::model::Problem;
use crate::store::records::MAX_DEFINITION;

/// What a record holds beside the definition: origin, author, time.
const RECORD_OVERHEAD: usize = 8 * 1024;

/// A value in a message, at most this long.
const SHOWN: usize = 60;

/// What kind of value it is, for people.
pub(super) fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a yes/no value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// An entry that holds no map.
pub(super) fn not_an_object(spec: &Value, example: &str) -> Problem {
    let message = format!("is {}; a map of keys is expected", shape(spec));
    Problem::error("", message, format!("write for example `{{{example}}}`"))
}

/// A definition that does not fit into its record.
pub(super) fn too_large(spec: &Value) -> Option<Problem> {
    let mut counter = Counter(0);
    let written = serde_json::to_writer(&mut counter, spec).is_ok();
    let most = MAX_DEFINITION - RECORD_OVERHEAD;
    (!written || counter.0 > most).then(|| {
        let message = format!("is larger than {} KB", most >> 10);
        Problem::error("", message, "shorten its texts and lists")
    })
}

/// Counts what is written to it.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A `type` that nobody knows.
pub(super) fn unknown_kind(section: &str, kind: Option<&Value>, kinds: &[&str]) -> Problem {
    let list = kinds.join(", ");
    let kind = match kind {
        None | Some(Value::Null) => "",
        Some(Value::String(kind)) => kind,
        Some(other) => {
            let message = format!("is {}; the name of a kind is expected", shape(other));
            return Problem::error("type", message, format!("write one of {list}"));
        }
    };
    if kind.is_empty() {
        return Problem::error("type", "'type' is missing", format!("add `type:` with one of {list}"));
    }
    let fix = match suggest(kind, kinds.iter().copied()) {
        Some(close) => format!("did you mean `{close}`? Known are {list}"),
        None => format!("known are {list}"),
    };
    Problem::error("type", format!("No such {section} type found '{}'", short(kind)), fix)
}

/// What to do about a key that is not known there, as far as the keys tell.
pub(super) fn unknown_key(key: &str, keys: &Keys) -> Option<String> {
    if key == "<<" {
        return Some("merge keys are not read, as in the original; write the keys out".to_owned());
    }
    suggest(key, keys.names()).map(|close| format!("did you mean `{close}`?"))
}

/// A reader's error with the fix that follows from it, and without the value where that is a secret.
pub(super) fn explain(mut problem: Problem, whole: &Value, keys: &Keys) -> Problem {
    let name = last_name(&problem.field).to_owned();
    let secret = keys.is_secret_at(&problem.field) || is_secret_name(&name);
    let value = at(whole, &problem.field);
    if secret && let Some(value) = value {
        problem.message = format!("is {}; a text is expected", shape(value));
    }
    if !problem.fix.is_empty() {
        return problem;
    }
    let shown = value.map(|value| {
        if secret {
            "…".to_owned()
        } else {
            short(&value.to_string())
        }
    });
    let shown = shown.unwrap_or_default();
    // Of an item of a list only the value is shown: its name is that of the list.
    let of = if problem.field.ends_with(']') {
        String::new()
    } else {
        format!("{name}: ")
    };
    let expects = |what: &str| problem.message.contains(&format!("expected {what}"));
    problem.fix = match value {
        Some(Value::Number(_)) if expects("a string") || secret => format!("put it into quotes: `{of}\"{shown}\"`"),
        Some(Value::Bool(_)) if expects("a string") || secret => {
            "put it into quotes; without them YAML reads y, yes, no, on and off as true and false".to_owned()
        }
        Some(Value::String(text)) if expects("a sequence") => format!("write a list: `{name}: [{}]`", short(text)),
        Some(Value::String(_)) if expects("a boolean") => "write `true` or `false` without quotes".to_owned(),
        Some(Value::String(text)) if is_number(text) && expects_number(&problem.message) => {
            format!("write it without quotes: `{of}{}`", short(text))
        }
        Some(Value::Null) => "give it a value, or remove it".to_owned(),
        Some(Value::String(text)) if problem.message.starts_with("unknown variant") => {
            let known = problem.message.split('`').skip(3).step_by(2);
            suggest(text, known)
                .map(|close| format!("did you mean `{close}`?"))
                .unwrap_or_default()
        }
        _ => String::new(),
    };
    if let Some(value) = value
        && let Some(expected) = expected(&problem.message)
    {
        problem.message = format!("is {}; {expected} is expected", described(value));
    }
    problem
}

/// What a reader's message says that it wants, in an operator's words.
fn expected(message: &str) -> Option<String> {
    let (_, expected) = message.strip_prefix("invalid type: ")?.split_once(", expected ")?;
    let words = match expected {
        "a sequence" => "a list",
        "a string" => "a text",
        "a boolean" => "true or false",
        struct_name if struct_name.starts_with("struct ") => "a map",
        _ if expects_number(message) => "a whole number",
        other => other,
    };
    Some(words.to_owned())
}

/// A value with its sort.
fn described(value: &Value) -> String {
    let text = short(&value.to_string());
    match value {
        Value::String(_) => format!("the text {text}"),
        Value::Number(_) => format!("the number {text}"),
        Value::Bool(_) => text,
        other => shape(other).to_owned(),
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn expects_number(message: &str) -> bool {
    ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "f64"]
        .iter()
        .any(|kind| message.contains(&format!("expected {kind}")))
}

/// The last name in a path: `accept` of `headers.accept`, `tags` of `tags[0]`.
fn last_name(path: &str) -> &str {
    let path = path.split('[').next().unwrap_or(path);
    path.rsplit('.').next().unwrap_or(path)
}

fn at<'a>(whole: &'a Value, path: &str) -> Option<&'a Value> {
    path.split(['.', '[', ']'])
        .filter(|part| !part.is_empty())
        .try_fold(whole, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            value => value.get(part),
        })
}

/// A text cut to what fits into a message.
pub(super) fn short(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}
