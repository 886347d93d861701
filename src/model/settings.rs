//! What every monitor and every alerter has, whatever its kind. The rest of a definition belongs to the kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AlerterName, Dur};

/// The keys that all kinds of monitor share. Names and meanings are the original's; `runbook` is new.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MonitorSettings {
    /// Kind of monitor.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people; part of every alert.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Time from one run to the next, from 1 ms up to years.
    pub interval: Dur,
    /// Longest time that one run may take. Default: by kind, and never longer than the interval allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Dur>,
    /// `true` stops the monitor without removing it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable: bool,
    /// Free labels for filters and silences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Run only on members that carry this tag; without it, only on members without tags.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub member_tag: String,
    /// Consecutive failed runs until `warning`. Not larger than `critical-threshold`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warning_threshold: u32,
    /// Consecutive failed runs until `critical`. With neither threshold the first failure is critical.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub critical_threshold: u32,
    /// Alerters told when the monitor enters `warning`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub warning_alerter: Vec<AlerterName>,
    /// Alerters told when the monitor enters `critical`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub critical_alerter: Vec<AlerterName>,
    /// A URL with what to do when it fails; a link in every alert.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runbook: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The keys that all kinds of alerter share; `options` belong to the kind.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AlerterSettings {
    /// Kind of alerter.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `true`: it is told, too, when members go on without the store, and when they have it again; and what other alerters could not be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fallback: bool,
}
