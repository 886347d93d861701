//! The closed sets of what a check can answer and what a monitor can be.

use serde::{Deserialize, Serialize};

/// What thresholds make of verdicts. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not judged yet.
    #[default]
    Pending,
    /// Fine.
    Ok,
    /// The warning threshold is reached.
    Warning,
    /// The critical threshold is reached.
    Critical,
}

impl Status {
    /// The word used in JSON, YAML, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Whether an episode is open in this status.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Warning | Self::Critical)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Pending, Self::Ok, Self::Warning, Self::Critical]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no status; use pending, ok, warning or critical"))
    }
}

/// How one run of a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All that was asked for holds.
    Pass,
    /// It works, but a soft limit is crossed (a certificate about to expire, a Nagios WARNING). Counts towards
    /// `warning` only, never towards `critical`.
    Degraded,
    /// The target did not do what was asked for.
    Fail,
    /// The check could not be made: our own fault, never the target's. Not counted.
    Unknown,
}

impl Outcome {
    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Degraded => "degraded",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// Why an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closed {
    /// The target passed again.
    Recovered,
    /// What is measured was changed; the old failure says nothing about the new definition.
    Edited,
    /// The operator switched the monitor off.
    Disabled,
    /// The operator removed the monitor.
    Deleted,
    /// Whoever opened it could not reach the store, and another member has judged the monitor since.
    Moved,
}

impl Closed {
    /// The word used in JSON and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Edited => "edited",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Moved => "moved",
        }
    }
}
