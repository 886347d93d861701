//! Small kinds for the tests of this folder: what is tested here holds for every kind.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::kinds::Kinds;
use crate::alerters::{self, Alerter, DeliveryCx, DeliveryError, Receipt};
use crate::model::{Dur, MonitorSettings, Notification, Problem, Secret, Verdict};
use crate::monitors::{self, CheckCx, Monitor, Run};

/// A kind with a field of each sort.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Tiny {
    pub(super) host: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    read_timeout: Option<Dur>,
    #[serde(default)]
    expect: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    token: Secret,
}

impl Monitor for Tiny {
    const KIND: &'static str = "tiny";
    const SUMMARY: &'static str = "Does nothing.";
    const EXAMPLE: &'static str = "monitor: {}";
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(4);

    fn validate(&self, _: &MonitorSettings) -> Vec<Problem> {
        if self.expect == "worse" {
            return vec![Problem::error("expect", "'expect' is worse", "")];
        }
        Vec::new()
    }

    fn budget(&self, timeout: Duration) -> Duration {
        timeout + self.read_timeout.unwrap_or_default().0
    }

    fn target(&self) -> String {
        format!(
            "{}:{} {} {:?} {:?} {:?}",
            self.host, self.port, self.expect, self.headers, self.args, self.token
        )
    }

    async fn check(&self, _: &CheckCx, _: &Run<'_>) -> Verdict {
        std::future::pending().await
    }
}

/// Options with a secret.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Pager {
    token: Secret,
    #[serde(default)]
    channel: String,
    /// A secret that no name gives away.
    #[serde(default)]
    door: Secret,
}

impl Alerter for Pager {
    const KIND: &'static str = "pager";
    const SUMMARY: &'static str = "Tells nobody.";
    const EXAMPLE: &'static str = "alerter: {}";
    const HAS_KEY: bool = true;

    fn validate(&self) -> Vec<Problem> {
        if self.channel == "odd" {
            return vec![Problem::warning("channel", "is odd", "")];
        }
        Vec::new()
    }

    async fn deliver(&self, _: &DeliveryCx, _: &Notification) -> Result<Receipt, DeliveryError> {
        let _ = (&self.token, &self.door);
        std::future::pending().await
    }
}

pub(super) static MONITORS: &[monitors::Kind] = &[monitors::Kind::of::<Tiny>()];
pub(super) static ALERTERS: &[alerters::Kind] = &[alerters::Kind::of::<Pager>()];

/// The small kinds.
pub(super) fn kinds() -> Kinds {
    Kinds::new(MONITORS, ALERTERS)
}
