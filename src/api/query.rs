//! Query parameters: read by name, the first of a name counts.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request;

use super::error::ApiError;

/// The query of a request.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Params {
    pub(super) fn of(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter as it is, also an empty one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The same without a parameter.
    pub(super) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(n, _)| n != name).cloned().collect())
    }

    /// Some of them as a query: what another member needs to know, and nothing else that came along.
    pub(super) fn only(&self, names: &[&str]) -> String {
        let wanted = self.0.iter().filter(|(name, _)| names.contains(&name.as_str()));
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(wanted)
            .finish()
    }

    /// A comma list; `Some` also when it is empty (one empty value, as the original has it).
    pub(super) fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.get(name).map(|value| value.split(',').collect())
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.given(name)
            .map(|value| {
                parse_bool(value)
                    .ok_or_else(|| ApiError::bad_request(format!("Invalid bool value '{value}' of `{name}`")))
            })
            .transpose()
    }

    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.given(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| ApiError::bad_request(format!("Invalid value '{value}' of `{name}`")))
            })
            .transpose()
    }

    /// One of some words; without it, the first of them.
    pub(super) fn word(&self, name: &str, words: &'static [&'static str]) -> Result<&'static str, ApiError> {
        let Some(value) = self.given(name) else {
            return Ok(words.first().copied().unwrap_or_default());
        };
        words.iter().copied().find(|word| *word == value).ok_or_else(|| {
            ApiError::bad_request(format!(
                "Invalid value '{value}' of `{name}`; use one of {}",
                words.join(", ")
            ))
        })
    }
}

/// As Go's `ParseBool`.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_empty_is_a_value() {
        let params = Params::of("tags=a%2Cb,c&tags=x&q=");
        assert_eq!(params.list("tags"), Some(vec!["a", "b", "c"]));
        assert_eq!(
            (params.get("q"), params.given("q"), params.get("none")),
            (Some(""), None, None)
        );
        assert_eq!(params.only(&["tags"]), "tags=a%2Cb%2Cc&tags=x");
    }

    #[test]
    fn bools_are_those_of_go() {
        for (text, value) in [
            ("true", Some(true)),
            ("1", Some(true)),
            ("T", Some(true)),
            ("0", Some(false)),
            ("maybe", None),
            ("", None),
        ] {
            assert_eq!(parse_bool(text), value, "{text}");
        }
    }
}
