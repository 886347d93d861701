//! Writing: one commit per request, guarded by the revision that it builds on.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};
use tokio::time::Instant;

use super::error::ApiError;
use super::parts::ApiState;
use crate::store::{Commit, Outcome, Revision};

/// A write is settled within this time, or the answer is that nobody knows.
const SETTLE: Duration = Duration::from_secs(10);
/// Times that a write without a condition of the client is made anew when somebody else was faster.
pub(super) const ATTEMPTS: usize = 5;

/// The tag of a revision.
pub(super) fn etag(rev: Revision) -> String {
    format!("\"{rev}\"")
}

/// What the client says it has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    only_if: Option<Vec<String>>,
    only_unless: Option<Vec<String>>,
}

impl Seen {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        Self {
            only_if: tags(headers, header::IF_MATCH),
            only_unless: tags(headers, header::IF_NONE_MATCH),
        }
    }

    /// Whether a condition was given: then a write is made once, on exactly that.
    pub(super) fn conditional(&self) -> bool {
        self.only_if.is_some() || self.only_unless.is_some()
    }

    /// Whether it holds for how things stand (`None`: there is nothing).
    ///
    /// # Errors
    /// 412.
    pub(super) fn check(&self, stored: Option<Revision>) -> Result<(), ApiError> {
        let matches =
            |tags: &[String]| stored.is_some_and(|rev| tags.iter().any(|tag| tag == "*" || *tag == etag(rev)));
        if self.only_if.as_deref().is_some_and(|tags| !matches(tags)) {
            return Err(ApiError::stale(match stored {
                Some(_) => "it was changed since you read it; read it again",
                None => "it does not exist any more",
            }));
        }
        if self.only_unless.as_deref().is_some_and(matches) {
            return Err(ApiError::stale("it exists already"));
        }
        Ok(())
    }
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<String>> {
    if !headers.contains_key(&name) {
        return None;
    }
    let values = headers.get_all(&name).iter().filter_map(|value| value.to_str().ok());
    // A proxy that compresses marks tags as weak; the revision is the same.
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    Some(values.flat_map(|value| value.split(',')).map(plain).collect())
}

/// Makes a commit. `None`: a guard did not hold.
///
/// # Errors
/// 503 when the store does not take it, or does not say.
pub(super) async fn settle(api: &ApiState, commit: Commit) -> Result<Option<Revision>, ApiError> {
    match api.store.settle(&[], commit, Instant::now() + SETTLE).await {
        Outcome::Done(rev) => Ok(Some(rev)),
        Outcome::Refused(_) => Ok(None),
        Outcome::Unknown(error) => Err(ApiError::unavailable(format!(
            "it is not known whether it was written: {error}"
        ))),
        Outcome::Failed(error) => Err(error.into()),
    }
}

/// The catalog follows the store a moment later. Waits for that moment, so that whoever writes and then reads finds what was written.
pub(super) async fn seen_by_catalog(api: &ApiState, mut there: impl FnMut() -> bool) {
    /// Longer than the catalog ever takes when all is well; when it is not, the answer is true all the same.
    const WITHIN: Duration = Duration::from_secs(1);
    let mut signals = api.feed.listen();
    let wait = async {
        while !there() {
            use tokio::sync::broadcast::error::RecvError;
            if let Err(RecvError::Closed) = signals.recv().await {
                return;
            }
        }
    };
    if tokio::time::timeout(WITHIN, wait).await.is_err() {
        tracing::warn!("the catalog is behind the store");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, stored: Option<u64>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        Seen::read(&headers).check(stored.map(Revision)).is_ok()
    }

    #[test]
    fn conditions_hold_as_http_defines_them() {
        for (name, value, stored, holds) in [
            ("if-match", "\"12\"", Some(12), true),
            ("if-match", "\"11\", W/\"12\"", Some(12), true),
            ("if-match", "\"12\"", Some(13), false),
            ("if-match", "12", Some(12), false),
            ("if-match", "\"12\"", None, false),
            ("if-match", "*", Some(1), true),
            ("if-match", "*", None, false),
            ("if-none-match", "*", None, true),
            ("if-none-match", "*", Some(1), false),
            ("if-none-match", "\"1\"", Some(2), true),
        ] {
            assert_eq!(check(name, value, stored), holds, "{name}: {value} on {stored:?}");
        }
    }
}
