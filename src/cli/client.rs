//! Talking to a running server.

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::Global;

/// Longest wait for an answer; a large `cfg` takes a while.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(global: &Global) -> anyhow::Result<Self> {
        crate::app::install_tls();
        let base = global.server.trim_end_matches('/').to_owned();
        let parsed = url::Url::parse(&base).with_context(|| format!("--server `{base}` is no URL"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            bail!("--server `{base}` is no http or https URL");
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self {
            http,
            base,
            token: global.token.clone(),
        })
    }

    /// Sends a request; the status and the JSON of the answer (null where there is none).
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("X-Access-Token", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| {
            let error = error.without_url();
            let hint = if error.is_connect() {
                "; is a server running there? (--server URL names another one)"
            } else {
                ""
            };
            anyhow::anyhow!("no answer from {}: {error}{hint}", self.base)
        })?;
        let status = answer.status();
        let text = answer
            .text()
            .await
            .with_context(|| format!("no answer from {}", self.base))?;
        let json = if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "{} {}; give one with --token or NINEV_TOKEN",
                self.base,
                match self.token {
                    Some(_) => "does not take this access token",
                    None => "wants an access token",
                }
            );
        }
        Ok((status, json))
    }

    /// As [`Client::call`], where anything but success is an error.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, json) = self.call(method, path, body).await?;
        if status.is_success() {
            return Ok(json);
        }
        bail!(
            "{}",
            message(&json).unwrap_or_else(|| format!("{} answered {status}", self.base))
        )
    }
}

/// The message of an error answer, with its problems.
pub(super) fn message(json: &Value) -> Option<String> {
    let mut text = json.get("message")?.as_str()?.to_owned();
    for problem in json.get("problems").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or("");
        text.push_str(&format!("\n  {}: ", part("severity")));
        if !part("entry").is_empty() {
            text.push_str(&format!("{} ", part("entry")));
        }
        if !part("field").is_empty() {
            text.push_str(&format!("`{}`: ", part("field")));
        }
        text.push_str(part("message"));
        if !part("fix").is_empty() {
            text.push_str(&format!("; {}", part("fix")));
        }
    }
    Some(text)
}
