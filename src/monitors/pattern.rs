//! Regular expressions in definitions.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Problem;

/// Largest compiled program, in bytes. Matching is linear in any case; this bounds the memory of one expression.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// A regular expression as written in a definition, compiled once.
///
/// Reading never fails, so that a bad expression is reported together with everything else that is wrong: [`Pattern::problem`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String", extend("format" = "regex"))]
pub(crate) struct Pattern {
    text: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self {
            text,
            compiled: OnceLock::new(),
        }
    }
}

impl Pattern {
    /// As written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// What is wrong with it, said of `field`.
    pub(crate) fn problem(&self, field: &str) -> Option<Problem> {
        let why = self.compiled().as_ref().err()?;
        Some(Problem::error(
            field,
            format!("`{}` is no regular expression: {why}", shortened(&self.text)),
            "escape the characters that are meant literally (`\\.`, `\\(`); look-around and back-references do not exist",
        ))
    }

    /// Whether it is found anywhere in `text`. An expression that [`Pattern::problem`] refused is found nowhere.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.compiled().as_ref().is_ok_and(|regex| regex.is_match(text))
    }

    fn compiled(&self) -> &Result<Regex, String> {
        self.compiled.get_or_init(|| {
            RegexBuilder::new(&self.text)
                .size_limit(MAX_COMPILED_BYTES)
                .build()
                .map_err(|err| match err {
                    regex::Error::CompiledTooBig(_) => {
                        "it needs too much memory; use smaller repetition counts".to_owned()
                    }
                    // The crate draws the expression over several lines; the last one says what is wrong.
                    other => {
                        let drawn = other.to_string();
                        let last = drawn.lines().last().unwrap_or_default();
                        last.strip_prefix("error: ").unwrap_or(last).to_owned()
                    }
                })
        })
    }
}

fn shortened(text: &str) -> String {
    const MAX_SHOWN_CHARS: usize = 80;
    if text.chars().count() <= MAX_SHOWN_CHARS {
        return text.to_owned();
    }
    text.chars().take(MAX_SHOWN_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_expression_is_one_problem_on_one_line_that_says_why() {
        let problem = Pattern::from("10.0.0.(".to_owned()).problem("expect").unwrap();
        assert_eq!(problem.field, "expect");
        assert_eq!(problem.message, "`10.0.0.(` is no regular expression: unclosed group");
    }

    #[test]
    fn an_expression_that_needs_too_much_memory_is_refused() {
        let problem = Pattern::from(r"(\w{1000}){1000}".to_owned()).problem("expect").unwrap();
        assert!(problem.message.contains("too much memory"), "{problem}");
    }

    #[test]
    fn a_good_one_is_found_anywhere() {
        let pattern = Pattern::from(r"IN\s+A".to_owned());
        assert_eq!(pattern.problem("expect"), None);
        assert!(pattern.is_match("example.com.\t60\tIN\tA\t10.0.0.2"));
        assert!(!pattern.is_match("example.com.\t60\tIN\tMX\t10 a."));
    }
}
