//! What an answer has to contain: the same three keys for every kind that reads one.

use std::fmt;

use crate::model::Problem;
use crate::monitors::net::excerpt;

/// Largest compiled regular expression. A pattern cannot run for long, but it could take much memory.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Compiles a pattern over bytes with the limits that all checks have.
pub(super) fn regex(field: &'static str, pattern: &str) -> Result<regex::bytes::Regex, Problem> {
    regex::bytes::RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES)
        .build()
        .map_err(|err| match err {
            regex::Error::CompiledTooBig(_) => Problem::error(
                field,
                "this regular expression needs too much memory",
                "use smaller repetitions",
            ),
            err => {
                // The library draws the pattern over several lines; its last line is the message.
                let text = err.to_string();
                let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let shown = excerpt(pattern.as_bytes());
                Problem::error(field, format!("`{shown}` is no regular expression: {last}"), "")
            }
        })
}

/// Expectations on an answer. Empty when none was given.
#[derive(Debug, Default)]
pub(super) struct Content {
    expect: Option<Box<str>>,
    expect_not: Option<Box<str>>,
    regex: Option<Box<regex::bytes::Regex>>,
}

/// Which expectation an answer does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch<'a> {
    /// The substring is missing.
    Missing(&'a str),
    /// The substring that must not be there is.
    Unwanted(&'a str),
    /// The pattern does not match.
    Regex(&'a str),
}

impl Content {
    pub(super) fn new(expect: &str, expect_not: &str, expect_regex: &str) -> Result<Self, Problem> {
        let some = |text: &str| (!text.is_empty()).then(|| text.into());
        let regex = match expect_regex {
            "" => None,
            pattern => Some(Box::new(regex("expect-regex", pattern)?)),
        };
        Ok(Self {
            expect: some(expect),
            expect_not: some(expect_not),
            regex,
        })
    }

    /// Nothing is expected: the answer need not be read.
    pub(super) fn is_empty(&self) -> bool {
        self.expect.is_none() && self.expect_not.is_none() && self.regex.is_none()
    }

    pub(super) fn has_regex(&self) -> bool {
        self.regex.is_some()
    }

    /// The first expectation that the bytes do not meet.
    pub(super) fn mismatch(&self, bytes: &[u8]) -> Option<Mismatch<'_>> {
        let holds = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
        if let Some(text) = self.expect.as_deref().filter(|text| !holds(text)) {
            return Some(Mismatch::Missing(text));
        }
        if let Some(text) = self.expect_not.as_deref().filter(|text| holds(text)) {
            return Some(Mismatch::Unwanted(text));
        }
        let regex = self.regex.as_ref().filter(|regex| !regex.is_match(bytes))?;
        Some(Mismatch::Regex(regex.as_str()))
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Missing(text) | Self::Unwanted(text) | Self::Regex(text) => text,
        };
        f.write_str(&excerpt(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_expectation_is_told_apart() {
        let content = Content::new("ready", "error", "v[0-9]+").unwrap();
        assert_eq!(content.mismatch(b"ready v12"), None);
        assert_eq!(content.mismatch(b"v12"), Some(Mismatch::Missing("ready")));
        assert_eq!(content.mismatch(b"ready v12 error"), Some(Mismatch::Unwanted("error")));
        assert_eq!(content.mismatch(b"ready"), Some(Mismatch::Regex("v[0-9]+")));
        assert!(Content::new("", "", "").unwrap().is_empty());
    }

    #[test]
    fn a_pattern_that_is_wrong_or_too_large_is_a_problem() {
        let wrong = regex("expect-regex", "a(b").unwrap_err();
        assert_eq!(wrong.message, "`a(b` is no regular expression: unclosed group");
        let large = regex("expect-regex", "(((a{100}){100}){100}){100}").unwrap_err();
        assert!(large.message.contains("too much memory"), "{large}");
    }

    #[test]
    fn a_pattern_that_explodes_elsewhere_takes_linear_time_here() {
        let content = Content::new("", "", "(a*)*(a*)*(a|a)*(a|aa)+$").unwrap();
        assert!(content.mismatch(&[b'a'; 100_000]).is_none());
        let mut bytes = vec![b'a'; 100_000];
        bytes.push(b'!');
        assert!(content.mismatch(&bytes).is_some());
    }

    proptest! {
        #[test]
        fn no_pattern_and_no_bytes_panic(pattern in "\\PC{0,40}", bytes: Vec<u8>) {
            if let Ok(content) = Content::new(&pattern, &pattern, &pattern) {
                let _ = content.mismatch(&bytes);
            }
        }
    }
}
