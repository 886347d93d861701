//! What alerters over HTTP share: the client, one POST of JSON, and what a status code says about another attempt.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, ClientBuilder, StatusCode, Url, redirect};

use super::kind::{DeliveryCx, DeliveryError, Retry};
use super::text::{cut, one_line};
use crate::model::{MASK, Secret, WallMs};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects followed, all to the same host.
const MAX_REDIRECTS: usize = 3;
/// Bytes read of an answer; the rest is thrown away with the connection.
const MAX_ANSWER: usize = 64 * 1024;
/// Characters of an answer that are shown to people.
const MAX_SHOWN: usize = 200;
/// Longest wait that a far end can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

impl DeliveryCx {
    /// The client for all deliveries: pooled, no cookies, proxies from the environment.
    ///
    /// Redirects are followed only where the request stays the same (307, 308) and goes to the same host and scheme:
    /// the body holds a secret.
    ///
    /// On a machine without certificates (a minimal image) it trusts the bundled list of Mozilla instead.
    ///
    /// # Errors
    /// Not even that can be set up.
    pub fn client() -> Result<Client, reqwest::Error> {
        client_builder().build().or_else(|err| {
            tracing::warn!(error = %err, "no certificates of the system can be used; alerters trust the bundled list");
            bundled_roots(client_builder()).build()
        })
    }
}

fn bundled_roots(builder: ClientBuilder) -> ClientBuilder {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let Ok(versions) = versions else { return builder };
    let mut config = versions
        .with_root_certificates(rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        })
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    builder.tls_backend_preconfigured(config)
}

pub(super) fn client_builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("9volt/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .referer(false)
        .redirect(redirect::Policy::custom(|attempt| {
            let same_request = matches!(attempt.status().as_u16(), 307 | 308);
            let same_place = attempt
                .previous()
                .last()
                .is_some_and(|from| from.origin() == attempt.url().origin());
            if same_request && same_place && attempt.previous().len() <= MAX_REDIRECTS {
                attempt.follow()
            } else {
                attempt.stop()
            }
        }))
}

/// One request.
pub(super) struct Post<'a> {
    pub url: Url,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<&'a Secret>,
    pub body: &'a serde_json::Value,
    /// What must not show up in texts, whatever the far end answers.
    pub secrets: &'a [&'a str],
}

/// What came back, whatever its status.
pub(super) struct Answer {
    pub status: StatusCode,
    /// The wait that the far end asked for.
    pub retry_after: Option<Duration>,
    /// For reading, at most [`MAX_ANSWER`] bytes. Not for showing: the far end may quote what it was sent.
    pub body: String,
    /// For showing: the beginning of the body on one line, without the secrets.
    pub excerpt: String,
}

impl Post<'_> {
    /// Sends it and reads the answer, both until the deadline.
    pub(super) async fn send(self, cx: &DeliveryCx) -> Result<Answer, DeliveryError> {
        let secrets = self.secrets;
        let sent = tokio::time::timeout_at(cx.deadline, exchange(&cx.http, self)).await;
        match sent {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(err)) => Err(transport_error(err, secrets)),
            Err(_) => Err(DeliveryError::soon("no answer before the deadline")),
        }
    }
}

async fn exchange(client: &Client, post: Post<'_>) -> Result<Answer, reqwest::Error> {
    let mut request = client.post(post.url).json(post.body);
    if let Some(token) = post.bearer {
        request = request.bearer_auth(token.reveal());
    }
    let mut response = request.send().await?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| retry_after(value.to_str().ok()?, WallMs::now()));
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER {
        let Some(chunk) = response.chunk().await? else { break };
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    let clean = scrub(&body, post.secrets);
    Ok(Answer {
        status,
        retry_after,
        excerpt: cut(one_line(&clean).trim(), MAX_SHOWN),
        body,
    })
}

impl Answer {
    /// `404 Not Found: no_service`.
    pub(super) fn shown(&self) -> String {
        if self.excerpt.is_empty() {
            self.status.to_string()
        } else {
            format!("{}: {}", self.status, self.excerpt)
        }
    }

    /// Why this is a refusal, and whether another attempt makes sense by the status alone.
    pub(super) fn refusal(&self) -> DeliveryError {
        let retry = match self.status.as_u16() {
            // Asked too early, too long or too often: nothing wrong with the message itself.
            408 | 425 | 429 | 500..=599 => self.retry_after.map_or(Retry::Soon, Retry::After),
            _ => Retry::Never,
        };
        let hint = if self.status.is_redirection() {
            " (it redirects elsewhere, and a message with a secret is not sent there; set the address that it points to)"
        } else {
            ""
        };
        DeliveryError {
            retry,
            message: format!("answered {}{hint}", self.shown()),
        }
    }
}

/// `Retry-After` as seconds or as a date.
fn retry_after(value: &str, now: WallMs) -> Option<Duration> {
    let wait = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new()
                .parse_timestamp(value.trim())
                .ok()?;
            WallMs(at.as_millisecond()).since(now)
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// A request that got no answer. The address is taken out, it may be the secret.
fn transport_error(err: reqwest::Error, secrets: &[&str]) -> DeliveryError {
    let retry = if err.is_builder() {
        Retry::Never
    } else if err.is_connect() {
        Retry::Unreachable
    } else {
        Retry::Soon
    };
    let err = err.without_url();
    let mut message = err.to_string();
    let mut source = std::error::Error::source(&err);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.ends_with(&cause_text) {
            message = format!("{message}: {cause_text}");
        }
        source = cause.source();
    }
    DeliveryError {
        retry,
        message: scrub(&message, secrets),
    }
}

/// The text with every secret masked: a far end may quote what it was sent.
pub(super) fn scrub(text: &str, secrets: &[&str]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
}

/// The address, if it is one that can be posted to.
pub(super) fn web_address(text: &str) -> Result<Url, String> {
    // The parser's error quotes nothing of the text, which may be a secret.
    let url = Url::parse(text).map_err(|err| format!("is no web address ({err})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is no web address: it begins with neither http:// nor https://".to_owned());
    }
    Ok(url)
}

/// Where a request to that address goes: `host:port`.
pub(super) fn place(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = WallMs::parse_rfc3339("2026-01-01T10:00:00Z").unwrap();
        for (value, wait) in [
            ("30", Some(30)),
            (" 0 ", Some(0)),
            ("Thu, 01 Jan 2026 10:01:30 GMT", Some(90)),
            ("Thu, 01 Jan 2026 09:00:00 GMT", Some(0)),
            ("18446744073709551615", Some(24 * 3600)),
            ("18446744073709551616", None),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), wait.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_machine_without_certificates_has_a_client_too() {
        assert!(bundled_roots(client_builder()).build().is_ok());
        assert!(DeliveryCx::client().is_ok());
    }

    #[test]
    fn only_web_addresses_can_be_posted_to() {
        assert!(web_address("https://hooks.example.org/x").is_ok());
        assert!(web_address("file:///etc/passwd").is_err());
        let err = web_address("hooks.example.org/T0/hunter2").unwrap_err();
        assert!(!err.contains("hunter2"), "{err}");
    }

    #[test]
    fn secrets_are_masked_in_what_the_far_end_says() {
        assert_eq!(
            scrub("bad key abc, abc", &["abc", ""]),
            format!("bad key {MASK}, {MASK}")
        );
    }
}
