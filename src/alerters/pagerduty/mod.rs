//! PagerDuty, by its Events API v2, and what speaks the same.

mod event;
#[cfg(test)]
mod tests;

use reqwest::{StatusCode, Url};
use schemars::JsonSchema;
use serde::Deserialize;

use super::http::{self, Answer, Post};
use super::kind::{Alerter, DeliveryCx, DeliveryError, Receipt};
use super::lenient;
use crate::model::{Notification, Problem, Secret};

/// Where events go on a host that is given without a path.
const PATH: &str = "/v2/enqueue";

/// A service in PagerDuty, or in another on-call tool that takes its events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PagerDuty {
    /// Routing key (integration key) of an Events API v2 integration.
    #[serde(default, deserialize_with = "lenient::secret")]
    token: Option<Secret>,
    /// Where the account lives: `us` or `eu`. Default: `us`.
    #[serde(default)]
    region: Region,
    /// Address that events are posted to, for a proxy or a compatible service; `/v2/enqueue` is added where it has no path. Default: by region.
    #[serde(default, deserialize_with = "lenient::text")]
    url: Option<String>,
    /// Severity of the event by status. Default: `warning` and `critical` as they are.
    #[serde(default)]
    severity: Severities,
}

/// Where the account lives.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Region {
    /// `events.pagerduty.com`.
    #[default]
    Us,
    /// `events.eu.pagerduty.com`.
    Eu,
}

impl Region {
    const fn base(self) -> &'static str {
        match self {
            Self::Us => "https://events.pagerduty.com",
            Self::Eu => "https://events.eu.pagerduty.com",
        }
    }
}

/// Severity by status.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[schemars(inline)]
struct Severities {
    /// Severity of a warning. Default: `warning`.
    warning: Option<Severity>,
    /// Severity of a critical. Default: `critical`.
    critical: Option<Severity>,
}

/// PagerDuty's words.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Severity {
    Critical,
    Error,
    Warning,
    Info,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl Alerter for PagerDuty {
    const KIND: &'static str = "pagerduty";
    const SUMMARY: &'static str = "Opens and resolves incidents in PagerDuty, or in any tool that takes its events.";
    const EXAMPLE: &'static str = include_str!("example.yaml");
    const HAS_KEY: bool = true;

    fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.token.is_none() {
            problems.push(Problem::error(
                "token",
                "`token` must be present in options",
                "give the integration key of an Events API v2 integration",
            ));
        }
        if let Some(Err(wrong)) = self.url.as_deref().map(http::web_address) {
            problems.push(Problem::error("url", wrong, "write the whole address, with https://"));
        }
        problems
    }

    fn place(&self) -> Option<String> {
        http::place(&self.address().ok()?)
    }

    async fn deliver(&self, cx: &DeliveryCx, note: &Notification) -> Result<Receipt, DeliveryError> {
        let Some(token) = &self.token else {
            return Err(DeliveryError::never("`token` is not set"));
        };
        let answer = Post {
            url: self.address()?,
            bearer: None,
            body: &event::event(note, token, &self.severity),
            secrets: &[token.reveal()],
        }
        .send(cx)
        .await?;
        if accepted(&answer) {
            return Ok(Receipt {
                response: answer.shown(),
                reference: None,
            });
        }
        if answer.status.is_success() {
            return Err(DeliveryError::soon(format!(
                "answered {}, but PagerDuty says 202",
                answer.shown()
            )));
        }
        Err(answer.refusal())
    }
}

impl PagerDuty {
    fn address(&self) -> Result<Url, DeliveryError> {
        let text = self.url.as_deref().unwrap_or(self.region.base());
        let mut url = http::web_address(text).map_err(|wrong| DeliveryError::never(format!("`url` {wrong}")))?;
        if url.path() == "/" {
            url.set_path(PATH);
        }
        Ok(url)
    }
}

/// PagerDuty says 202. Compatible tools may say 200, but they say so in JSON; a login page of some proxy does not.
fn accepted(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Said {
        status: String,
    }
    answer.status == StatusCode::ACCEPTED
        || answer.status.is_success()
            && serde_json::from_str::<Said>(&answer.body).is_ok_and(|said| said.status == "success")
}
