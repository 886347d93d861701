//! What one run of a check says.

use std::time::Duration;

use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

use super::Outcome;

/// A stretch of time inside one run. A kind uses those that fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Name to address.
    Resolve,
    /// Until the connection stands (or, for exec, until the process runs).
    Connect,
    /// TLS handshake.
    Tls,
    /// From the request to the first byte of the answer (for icmp: the median round trip; for exec: the run).
    FirstByte,
    /// The rest of the answer.
    Transfer,
}

impl Phase {
    /// All, in the order in which they happen.
    pub const ALL: [Self; 5] = [Self::Resolve, Self::Connect, Self::Tls, Self::FirstByte, Self::Transfer];

    /// The word used in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Transfer => "transfer",
        }
    }
}

/// How long each phase took, in whole microseconds; a phase that did not happen is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Phases([Option<std::num::NonZeroU32>; 5]);

impl Phases {
    /// Adds time to a phase (redirects add up). Less than a microsecond counts as one: the phase did happen.
    pub fn add(&mut self, phase: Phase, took: Duration) {
        let slot = &mut self.0[phase as usize];
        let before = slot.map_or(0, std::num::NonZeroU32::get);
        let more = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        *slot = std::num::NonZeroU32::new(before.saturating_add(more));
    }

    /// Time of one phase.
    #[must_use]
    pub fn get(&self, phase: Phase) -> Option<Duration> {
        self.0[phase as usize].map(|us| Duration::from_micros(us.get().into()))
    }

    /// Those that happened, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Duration)> + '_ {
        Phase::ALL
            .into_iter()
            .filter_map(|phase| Some((phase, self.get(phase)?)))
    }
}

/// Why a run did not pass: a closed set, fit for metric labels and filters. The message carries the detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The deadline passed.
    Timeout,
    /// The name has no address, or its server did not answer.
    Resolve,
    /// The target refused the connection.
    Refused,
    /// The network said that the target cannot be reached.
    Unreachable,
    /// The connection broke.
    Closed,
    /// The handshake failed, or the certificate is not good.
    Tls,
    /// The certificate expires sooner than asked for.
    CertificateExpiry,
    /// The answer is not of the protocol.
    Protocol,
    /// Status code, exit code or response code is not an expected one.
    Status,
    /// The content does not match.
    Content,
    /// The number of answers is not the expected one.
    Count,
    /// The answer is larger than asked for.
    Size,
    /// It worked, but too slowly.
    Slow,
    /// Too many packets were lost.
    Loss,
    /// The command cannot be started (not found, not executable).
    Command,
    /// This process may not do what the check needs (a capability, a sysctl).
    Permission,
    /// This process has run out of something (descriptors, memory, permits).
    Resources,
    /// No way from here: no route, no address of that family.
    Network,
    /// The plug-in itself said unknown.
    PlugIn,
    /// The check panicked. A defect of ours.
    Panic,
}

impl Reason {
    /// The word used in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Resolve => "resolve",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Tls => "tls",
            Self::CertificateExpiry => "certificate-expiry",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Content => "content",
            Self::Count => "count",
            Self::Size => "size",
            Self::Slow => "slow",
            Self::Loss => "loss",
            Self::Command => "command",
            Self::Permission => "permission",
            Self::Resources => "resources",
            Self::Network => "network",
            Self::PlugIn => "plug-in",
            Self::Panic => "panic",
        }
    }
}

/// Reads a reason of another member; one that only a later version knows is none, and spoils nothing else.
///
/// # Errors
/// It is no text.
pub fn known_reason<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Reason>, D::Error> {
    let word = Option::<String>::deserialize(from)?;
    let read = |word: String| Reason::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(word));
    Ok(word.and_then(|word| read(word).ok()))
}

/// A number or word that a run found out, with the name it has in the API and (as a number) in metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Metric-like name without the `probe_` prefix: `http_status_code`, `ssl_earliest_cert_expiry`, `icmp_loss_ratio`.
    pub name: std::borrow::Cow<'static, str>,
    /// The value, in base units (seconds, bytes, ratios, Unix seconds).
    pub value: f64,
}

/// What one run of a check says. A monitor never returns an `Err`: a failing target is an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass; `None` exactly when it passed.
    #[serde(default, deserialize_with = "known_reason")]
    pub reason: Option<Reason>,
    /// For people: what was seen and what was wanted. May be empty on pass.
    pub message: String,
    /// Where the time went.
    pub phases: Phases,
    /// What was found out on the way.
    pub facts: Vec<Fact>,
}

impl Verdict {
    /// Everything that was asked for holds.
    #[must_use]
    pub fn pass() -> Self {
        Self {
            outcome: Outcome::Pass,
            reason: None,
            message: String::new(),
            phases: Phases::default(),
            facts: Vec::new(),
        }
    }

    /// It works, but a soft limit is crossed.
    #[must_use]
    pub fn degraded(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Degraded,
            reason: Some(reason),
            message: message.into(),
            ..Self::pass()
        }
    }

    /// The target did not do what was asked for.
    #[must_use]
    pub fn fail(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Fail,
            reason: Some(reason),
            message: message.into(),
            ..Self::pass()
        }
    }

    /// The check could not be made.
    #[must_use]
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Unknown,
            reason: Some(reason),
            message: message.into(),
            ..Self::pass()
        }
    }

    /// The same with phases.
    #[must_use]
    pub fn with_phases(mut self, phases: Phases) -> Self {
        self.phases = phases;
        self
    }

    /// Adds a fact.
    pub fn fact(&mut self, name: impl Into<std::borrow::Cow<'static, str>>, value: f64) {
        self.facts.push(Fact {
            name: name.into(),
            value,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_and_keep_their_order() {
        let mut phases = Phases::default();
        phases.add(Phase::FirstByte, Duration::from_millis(2));
        phases.add(Phase::Connect, Duration::from_micros(5));
        phases.add(Phase::Connect, Duration::from_micros(7));
        phases.add(Phase::Resolve, Duration::ZERO);
        let seen: Vec<_> = phases.iter().map(|(p, d)| (p.as_str(), d.as_micros())).collect();
        assert_eq!(seen, [("resolve", 1), ("connect", 12), ("first_byte", 2000)]);
    }
}
