//! One condition of a silence.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::model::Problem;

/// Longest value of a matcher, in bytes.
pub const MAX_VALUE: usize = 1024;
/// Largest compiled regex, in bytes: what `(a{1000}){1000}` and its like run into.
const MAX_REGEX: usize = 256 * 1024;
/// Deepest nesting of groups in a regex.
const MAX_NESTING: u32 = 50;
const FIELDS: &[&str] = &["name", "tag", "type"];
const OPS: &[&str] = &["=", "!=", "glob", "=~", "!~"];

/// One condition of a silence, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MatcherSpec {
    /// `name`, `tag` or `type`.
    pub field: String,
    /// `=`, `!=`, `glob`, `=~` (regex, whole text), `!~`.
    pub op: String,
    /// What to compare with.
    pub value: String,
}

/// What of a monitor is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Tag,
    Type,
}

#[derive(Clone)]
enum Test {
    Equal(String),
    NotEqual(String),
    Glob(GlobMatcher),
    Regex(Regex),
    NotRegex(Regex),
}

/// One condition of a silence, ready to be asked.
///
/// A positive op holds for tags when *one* of them does; a negative op when *none* does, so that `tag != prod` is about the
/// monitors without that tag.
#[derive(Clone)]
pub struct Matcher {
    field: Field,
    test: Test,
}

impl Matcher {
    /// Reads a condition.
    ///
    /// # Errors
    /// The field (`field`, `op` or `value`) that cannot be used, with the fix.
    pub fn read(spec: &MatcherSpec) -> Result<Self, Problem> {
        let field = match spec.field.as_str() {
            "name" => Field::Name,
            "tag" => Field::Tag,
            "type" => Field::Type,
            other => return Err(unknown("field", other, FIELDS)),
        };
        let value = spec.value.as_str();
        if value.len() > MAX_VALUE {
            return Err(Problem::error(
                "value",
                format!("the value has {} bytes", value.len()),
                format!("{MAX_VALUE} is the most"),
            ));
        }
        let test = match spec.op.as_str() {
            "=" => Test::Equal(value.to_owned()),
            "!=" => Test::NotEqual(value.to_owned()),
            "glob" => Test::Glob(glob(value)?),
            "=~" => Test::Regex(regex(value)?),
            "!~" => Test::NotRegex(regex(value)?),
            other => return Err(unknown("op", other, OPS)),
        };
        Ok(Self { field, test })
    }

    /// Whether it holds for a monitor.
    #[must_use]
    pub fn matches(&self, name: &str, tags: &[String], kind: &str) -> bool {
        match self.field {
            Field::Name => self.test.holds(name),
            Field::Type => self.test.holds(kind),
            Field::Tag if self.test.is_negative() => tags.iter().all(|tag| self.test.holds(tag)),
            Field::Tag => tags.iter().any(|tag| self.test.holds(tag)),
        }
    }
}

impl Test {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equal(value) => text == value,
            Self::NotEqual(value) => text != value,
            Self::Glob(glob) => glob.is_match(text),
            Self::Regex(regex) => regex.is_match(text),
            Self::NotRegex(regex) => !regex.is_match(text),
        }
    }

    fn is_negative(&self) -> bool {
        matches!(self, Self::NotEqual(_) | Self::NotRegex(_))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, value) = match &self.test {
            Test::Equal(value) => ("=", value.as_str()),
            Test::NotEqual(value) => ("!=", value.as_str()),
            Test::Glob(glob) => ("glob", glob.glob().glob()),
            Test::Regex(regex) => ("=~", regex.as_str()),
            Test::NotRegex(regex) => ("!~", regex.as_str()),
        };
        write!(f, "{:?} {op} {value:?}", self.field)
    }
}

fn glob(value: &str) -> Result<GlobMatcher, Problem> {
    GlobBuilder::new(value)
        .literal_separator(false)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|err| {
            Problem::error(
                "value",
                format!("`{value}` is no glob: {}", err.kind()),
                "use `*`, `?`, `[a-z]` and `{a,b}`; a backslash takes the next character as it is",
            )
        })
}

fn regex(value: &str) -> Result<Regex, Problem> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(MAX_REGEX)
            .dfa_size_limit(MAX_REGEX)
            .nest_limit(MAX_NESTING)
            .build()
    };
    // First alone: `a)|(b` is a regex only inside of our own group.
    build(value)
        .and_then(|_| build(&format!(r"\A(?:{value})\z")))
        .map_err(|err| {
            let (message, fix) = match err {
                regex::Error::CompiledTooBig(_) => (
                    "the regex is too large once compiled".to_owned(),
                    "use smaller repetitions",
                ),
                other => (
                    format!("`{value}` is no regex: {}", last_line(&other.to_string())),
                    "the syntax is that of Rust's regex crate: no look-around, no back-references; it has to match the whole text",
                ),
            };
            Problem::error("value", message, fix)
        })
}

/// The regex crate draws the pattern with a marker over several lines; the last one says what is wrong.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or(text);
    line.trim().trim_start_matches("error: ").to_owned()
}

fn unknown(field: &str, value: &str, known: &[&str]) -> Problem {
    let list = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    let near = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&value.to_lowercase(), k), *k))
        .filter(|(distance, k)| *distance <= 2 && *distance < k.len().max(2))
        .min_by_key(|(distance, _)| *distance);
    let shown: String = value.chars().take(40).collect();
    let fix = match near {
        Some((_, near)) => format!("did you mean `{near}`? There are {list}"),
        None => format!("there are {list}"),
    };
    Problem::error(field, format!("`{shown}` is no {field} of a matcher"), fix)
}
