//! Which status codes are right.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Problem;
use crate::monitors::net::excerpt;

/// One entry of `status-codes`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a status code, or a range such as `200-299`")]
pub(super) enum StatusKey {
    /// A code.
    Code(i64),
    /// A code or a range.
    Text(String),
}

/// Ranges of codes, first and last included. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusCodes(Box<[(u16, u16)]>);

impl StatusCodes {
    /// `0` and nothing mean 200, as the original's documentation promises.
    pub(super) fn new(single: i64, several: &[StatusKey], problems: &mut Vec<Problem>) -> Self {
        if several.is_empty() {
            let code = if single == 0 { 200 } else { single };
            let range = code_of(code).map(|code| (code, code));
            return Self([range.unwrap_or_else(|| refuse("status-code", &code, problems))].into());
        }
        let ranges = several.iter().enumerate().map(|(i, key)| {
            let refuse = |shown: &dyn fmt::Display, problems: &mut Vec<Problem>| {
                refuse(&format!("status-codes[{i}]"), shown, problems)
            };
            match key {
                StatusKey::Code(code) => code_of(*code).map(|c| (c, c)).unwrap_or_else(|| refuse(code, problems)),
                StatusKey::Text(text) => range_of(text).unwrap_or_else(|| refuse(&excerpt(text.as_bytes()), problems)),
            }
        });
        Self(ranges.collect())
    }

    pub(super) fn contain(&self, code: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&code))
    }
}

fn code_of(code: i64) -> Option<u16> {
    u16::try_from(code).ok().filter(|code| (100..=999).contains(code))
}

fn range_of(text: &str) -> Option<(u16, u16)> {
    let code = |text: &str| code_of(text.trim().parse().ok()?);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((code(first)?, code(last)?)).filter(|(first, last)| first <= last)
}

fn refuse(field: &str, shown: &dyn fmt::Display, problems: &mut Vec<Problem>) -> (u16, u16) {
    let message = format!("`{shown}` is no status code and no range of them");
    problems.push(Problem::error(field, message, "write for example `200` or `200-299`"));
    (0, 0)
}

impl fmt::Display for StatusCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if first == last {
                first.fmt(f)?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_ranges_are_read_and_printed() {
        let mut problems = Vec::new();
        let keys = [
            StatusKey::Code(404),
            StatusKey::Text("200-299".into()),
            StatusKey::Text("301".into()),
        ];
        let codes = StatusCodes::new(500, &keys, &mut problems);
        assert_eq!((codes.to_string().as_str(), problems.len()), ("404, 200-299, 301", 0));
        assert!(codes.contain(200) && codes.contain(299) && codes.contain(404) && codes.contain(301));
        assert!(!codes.contain(300) && !codes.contain(500));
    }

    #[test]
    fn without_a_code_200_is_right() {
        let mut problems = Vec::new();
        assert!(StatusCodes::new(0, &[], &mut problems).contain(200));
        assert!(problems.is_empty());
    }

    #[test]
    fn what_is_no_code_is_named_with_its_place() {
        for text in ["2xx", "299-200", "99", "1000", "200-", "", "-", "200-299-300"] {
            let mut problems = Vec::new();
            StatusCodes::new(0, &[StatusKey::Code(200), StatusKey::Text(text.into())], &mut problems);
            assert_eq!(problems.len(), 1, "{text}");
            assert_eq!(problems[0].field, "status-codes[1]");
        }
    }
}
