//! Slack, by a bot token or by an incoming webhook.

mod errors;
mod layout;
#[cfg(test)]
mod tests;

use reqwest::{StatusCode, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{self, Answer, Post};
use super::kind::{Alerter, DeliveryCx, DeliveryError, Receipt};
use super::{lenient, text};
use crate::model::{Notification, Problem, Secret};

/// Name of the bot in the channel, as the original set it.
const USERNAME: &str = "9volt-bot";
/// Where Slack's own API is.
const BASE_URL: &str = "https://slack.com/api";

/// A channel in Slack, or in what speaks its webhook format.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Slack {
    /// Token of a bot that may write to the channel (`chat:write`). With it, messages about one incident form a thread.
    #[serde(default, deserialize_with = "lenient::secret")]
    token: Option<Secret>,
    /// Channel, by name or id; needed with `token`.
    #[serde(default, deserialize_with = "lenient::text")]
    channel: Option<String>,
    /// URL of an incoming webhook, instead of `token` and `channel`.
    #[serde(default, deserialize_with = "lenient::secret")]
    url: Option<Secret>,
    /// Name shown as the sender. Default: `9volt-bot`. Slack ignores it for webhooks of apps.
    #[serde(default, deserialize_with = "lenient::text")]
    username: Option<String>,
    /// URL of an image shown as the sender's icon. Default: none. Slack ignores it for webhooks of apps.
    #[serde(default, deserialize_with = "lenient::text")]
    icon_url: Option<String>,
    /// Base of the API, for a proxy or a compatible service. Default: `https://slack.com/api`.
    #[serde(default, deserialize_with = "lenient::text")]
    base_url: Option<String>,
}

impl Alerter for Slack {
    const KIND: &'static str = "slack";
    const SUMMARY: &'static str = "Writes to a Slack channel, by a bot token or an incoming webhook.";
    const EXAMPLE: &'static str = include_str!("example.yaml");
    const HAS_KEY: bool = false;

    fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match (&self.token, &self.url) {
            (None, None) => problems.push(Problem::error(
                "token",
                "`token` must be present in options",
                "give the token of a bot and a `channel`, or the `url` of an incoming webhook",
            )),
            (Some(_), Some(_)) => problems.push(Problem::error(
                "url",
                "`token` and `url` are two different ways to the same place",
                "keep `token` and `channel`, or keep `url`",
            )),
            (Some(_), None) if self.channel.is_none() => problems.push(Problem::error(
                "channel",
                "`channel` must be present in options",
                "name the channel that the bot writes to",
            )),
            (None, Some(_)) if self.channel.is_some() => problems.push(Problem::warning(
                "channel",
                "has no effect: an incoming webhook has its own channel",
                "remove it, or use `token`",
            )),
            _ => {}
        }
        let addresses = [
            ("url", self.url.as_ref().map(Secret::reveal)),
            ("base-url", self.base_url.as_deref()),
        ];
        for (field, address) in addresses {
            if let Some(Err(wrong)) = address.map(http::web_address) {
                problems.push(Problem::error(field, wrong, "write the whole address, with https://"));
            }
        }
        if self.icon_url.is_some() && text::web_link(self.icon_url.as_deref()).is_none() {
            problems.push(Problem::warning(
                "icon-url",
                "is no web address; Slack will show its own icon",
                "write the whole address of an image, with https://",
            ));
        }
        problems
    }

    fn place(&self) -> Option<String> {
        let webhook = self.url.as_ref().map(Secret::reveal);
        let address = webhook.or(self.base_url.as_deref()).unwrap_or(BASE_URL);
        http::place(&http::web_address(address).ok()?)
    }

    async fn deliver(&self, cx: &DeliveryCx, note: &Notification) -> Result<Receipt, DeliveryError> {
        match (&self.url, &self.token, &self.channel) {
            (Some(url), _, _) => self.by_webhook(cx, note, url).await,
            (None, Some(token), Some(channel)) => self.by_token(cx, note, token, channel).await,
            _ => Err(DeliveryError::never("neither `token` and `channel` nor `url` is set")),
        }
    }
}

impl Slack {
    /// What both ways send.
    fn message(&self, note: &Notification) -> Value {
        let mut message = layout::message(note);
        message["username"] = json!(self.username.as_deref().unwrap_or(USERNAME));
        if let Some(icon) = &self.icon_url {
            message["icon_url"] = json!(icon);
        }
        message["unfurl_links"] = json!(false);
        message["unfurl_media"] = json!(false);
        message
    }

    async fn by_webhook(&self, cx: &DeliveryCx, note: &Notification, url: &Secret) -> Result<Receipt, DeliveryError> {
        let address =
            http::web_address(url.reveal()).map_err(|wrong| DeliveryError::never(format!("`url` {wrong}")))?;
        // The path alone is as good as the whole address to somebody who reads it in a log.
        let path = address.path().to_owned();
        let answer = Post {
            url: address,
            bearer: None,
            body: &self.message(note),
            secrets: &[url.reveal(), if path == "/" { "" } else { &path }],
        }
        .send(cx)
        .await?;
        if !answer.status.is_success() {
            return Err(answer.refusal());
        }
        // Slack says `ok`, compatible services send JSON or nothing. A login page of some proxy is none of these.
        let said = answer.body.trim();
        if said == "ok" || said.is_empty() || said.starts_with('{') {
            return Ok(Receipt {
                response: answer.shown(),
                reference: None,
            });
        }
        Err(DeliveryError::soon(format!(
            "answered {}, but Slack says `ok`",
            answer.shown()
        )))
    }

    async fn by_token(
        &self,
        cx: &DeliveryCx,
        note: &Notification,
        token: &Secret,
        channel: &str,
    ) -> Result<Receipt, DeliveryError> {
        let url = self.method("chat.postMessage")?;
        let mut message = self.message(note);
        message["channel"] = json!(channel);
        if let Some(first) = &note.reference {
            message["thread_ts"] = json!(first);
            // Also into the channel: whoever reads only that has to see a change, above all the end.
            message["reply_broadcast"] = json!(true);
        }
        let posted = post(cx, url.clone(), token, &message).await?;
        let answer = match errors::read(&posted) {
            // The first message is gone, or was in another channel: a new one is better than none.
            Err(err) if err.no_thread && note.reference.is_some() => {
                if let Some(fields) = message.as_object_mut() {
                    fields.remove("thread_ts");
                    fields.remove("reply_broadcast");
                }
                errors::read(&post(cx, url, token, &message).await?)
            }
            other => other,
        };
        let ts = answer.map_err(|refused| refused.error(token))?;
        Ok(Receipt {
            response: "200 OK: ok".to_owned(),
            reference: note.reference.clone().or(ts),
        })
    }

    fn method(&self, method: &str) -> Result<Url, DeliveryError> {
        let base = self.base_url.as_deref().unwrap_or(BASE_URL).trim_end_matches('/');
        http::web_address(&format!("{base}/{method}"))
            .map_err(|wrong| DeliveryError::never(format!("`base-url` {wrong}")))
    }
}

async fn post(cx: &DeliveryCx, url: Url, token: &Secret, message: &Value) -> Result<Answer, DeliveryError> {
    let answer = Post {
        url,
        bearer: Some(token),
        body: message,
        secrets: &[token.reveal()],
    }
    .send(cx)
    .await?;
    if answer.status == StatusCode::OK {
        Ok(answer)
    } else {
        Err(answer.refusal())
    }
}
