//! A regular expression in a definition, for kinds that report it together with everything else that is wrong.

use std::sync::OnceLock;

use regex::bytes::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::content;
use crate::model::Problem;

/// A regular expression as written, compiled once. Reading never fails: [`Pattern::problem`] says what is wrong.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String", extend("format" = "regex"))]
pub(crate) struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
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
    pub(crate) fn problem(&self, field: &'static str) -> Option<Problem> {
        content::regex(field, &self.text).err()
    }

    /// Whether it is found anywhere in `text`. An expression that [`Pattern::problem`] refuses is found nowhere.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| content::regex("", &self.text).ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_expression_is_a_problem_of_its_field_and_is_found_nowhere() {
        let pattern = Pattern::from("10.0.0.(".to_owned());
        assert_eq!(pattern.problem("expect").unwrap().field, "expect");
        assert!(!pattern.is_match("10.0.0.("));
    }

    #[test]
    fn a_good_one_is_found_anywhere() {
        let pattern = Pattern::from(r"IN\s+A".to_owned());
        assert_eq!(pattern.problem("expect"), None);
        assert!(pattern.is_match("example.com.\t60\tIN\tA\t10.0.0.2"));
        assert!(!pattern.is_match("example.com.\t60\tIN\tMX\t10 a."));
    }
}
