//! The shape of a kind of alerter.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::model::{Notification, Problem};

/// Shared by all deliveries; built once.
#[derive(Debug, Clone)]
pub struct DeliveryCx {
    /// The one HTTP client: pooled, no redirects to other places, timeouts set per request from `deadline`.
    pub http: reqwest::Client,
    /// When this attempt has to be over.
    pub deadline: Instant,
}

/// What the far end said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Its answer, short, for people (`202 success`, `250 2.0.0 queued as 1234`). Never holds a secret.
    pub response: String,
    /// What later messages of the same episode refer to (Slack `ts`, Message-ID).
    pub reference: Option<String>,
}

/// Whether another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will be refused again (bad token, unknown channel, 400).
    Never,
    /// The pipeline's own backoff. The message may have arrived all the same.
    Soon,
    /// The far end asked for this wait. It did not take the message.
    After(Duration),
    /// No connection: surely nothing arrived. The pipeline's own backoff, for the whole alerter.
    Unreachable,
}

/// One attempt that did not work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// Whether another attempt makes sense.
    pub retry: Retry,
    /// For people, with what the far end said. Never holds a secret: no URL with a token in it, no header.
    pub message: String,
}

impl DeliveryError {
    /// An error after which nothing but an edit helps.
    #[must_use]
    pub fn never(message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Never,
            message: message.into(),
        }
    }

    /// An error that may be gone next time.
    #[must_use]
    pub fn soon(message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Soon,
            message: message.into(),
        }
    }
}

/// One kind of alerter. A value is one configured alerter, read from the definition's `options`; kebab-case.
pub trait Alerter: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// `type:` in a definition.
    const KIND: &'static str;
    /// One sentence for lists and the reference.
    const SUMMARY: &'static str;
    /// A complete file in YAML with comments: `alerter:`, a name, type, options.
    const EXAMPLE: &'static str;
    /// Whether the far end recognises a repeated message by its key. Where not, a possible repetition is marked in the text.
    const HAS_KEY: bool;

    /// What serde cannot say. Called once.
    fn validate(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Where deliveries go (`host:port`), if that is a place that can be connected to.
    fn place(&self) -> Option<String> {
        None
    }

    /// Tries once. Retrying, waiting and recording are the pipeline's.
    fn deliver(
        &self,
        cx: &DeliveryCx,
        note: &Notification,
    ) -> impl Future<Output = Result<Receipt, DeliveryError>> + Send;
}

/// [`Alerter`] without its types.
pub trait DynAlerter: Send + Sync + 'static {
    /// As [`Alerter::HAS_KEY`].
    fn has_key(&self) -> bool;
    /// As [`Alerter::place`].
    fn place(&self) -> Option<String> {
        None
    }
    /// As [`Alerter::deliver`].
    fn deliver<'a>(
        &'a self,
        cx: &'a DeliveryCx,
        note: &'a Notification,
    ) -> Pin<Box<dyn Future<Output = Result<Receipt, DeliveryError>> + Send + 'a>>;
}

impl<A: Alerter> DynAlerter for A {
    fn has_key(&self) -> bool {
        A::HAS_KEY
    }

    fn place(&self) -> Option<String> {
        Alerter::place(self)
    }

    fn deliver<'a>(
        &'a self,
        cx: &'a DeliveryCx,
        note: &'a Notification,
    ) -> Pin<Box<dyn Future<Output = Result<Receipt, DeliveryError>> + Send + 'a>> {
        Box::pin(Alerter::deliver(self, cx, note))
    }
}

type Parsed = (Box<dyn DynAlerter>, Vec<Problem>);

/// A row of the registry.
pub struct Kind {
    /// `type:` in a definition.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// A commented example file.
    pub example: &'static str,
    /// Reads and validates `options`.
    pub parse: fn(serde_json::Value) -> Result<Parsed, Problem>,
    /// JSON schema of `options`.
    pub schema: fn() -> schemars::Schema,
}

impl Kind {
    /// The row of a kind.
    pub const fn of<A: Alerter>() -> Self {
        Self {
            name: A::KIND,
            summary: A::SUMMARY,
            example: A::EXAMPLE,
            parse: parse::<A>,
            schema: || schemars::schema_for!(A),
        }
    }
}

fn parse<A: Alerter>(options: serde_json::Value) -> Result<Parsed, Problem> {
    // `options:` with nothing below it, and no `options` at all, are an empty map: the fields then say what is missing.
    let options = match options {
        serde_json::Value::Null => serde_json::Value::Object(serde_json::Map::new()),
        given => given,
    };
    let alerter: A = crate::model::read_field_by_field(options)?;
    let problems = alerter.validate();
    Ok((Box::new(alerter), problems))
}
