//! The shape of a kind of monitor.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::CheckCx;
use crate::model::{Dur, MonitorName, MonitorSettings, Problem, Verdict};

/// One run of one check: what changes from run to run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Whose run it is: the key of kept connections.
    pub monitor: &'a MonitorName,
    /// When it has to be over. Set once, by the runner; every wait inside a check ends here at the latest. The check answers
    /// [`Reason::Timeout`](crate::model::Reason::Timeout) itself, with the phases so far; the runner only guards behind it.
    pub deadline: Instant,
    /// Length of the whole run, for messages.
    pub timeout: Duration,
}

/// One kind of check. A value is one configured check: it holds settings, not connections.
///
/// Fields are read from the definition without the keys of [`MonitorSettings`]; kebab-case; unknown keys are refused
/// (the loader has warned about them and left them out before).
pub trait Monitor: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// `type:` in a definition.
    const KIND: &'static str;
    /// One sentence for lists and the reference.
    const SUMMARY: &'static str;
    /// A complete file in YAML with comments: `monitor:`, a name, all that one usually sets.
    const EXAMPLE: &'static str;
    /// When the definition names none. Shortened for short intervals.
    const DEFAULT_TIMEOUT: Dur;
    /// Processor time of one run, in µs, roughly: members share the work by rate × cost. Only how kinds compare with one another matters, and that
    /// only to a half or so; `docs/benchmarks.md` has the measured ones.
    const COST_MICROS: u32 = 25;

    /// What serde cannot say. Called once, before the check is ever run.
    fn validate(&self, settings: &MonitorSettings) -> Vec<Problem> {
        let _ = settings;
        Vec::new()
    }

    /// How long a whole run may take when `timeout` is this (tcp adds its read and write timeouts).
    fn budget(&self, timeout: Duration) -> Duration {
        timeout
    }

    /// What is checked, in a few words, for lists and log lines: `tcp://db:5432`, `GET https://…`. Never holds a secret.
    fn target(&self) -> String;

    /// Never an `Err`: a check that fails is an answer, and one that could not be made is `Unknown`.
    fn check(&self, cx: &CheckCx, run: &Run<'_>) -> impl Future<Output = Verdict> + Send;
}

/// [`Monitor`] without its types, for holding all kinds alike.
pub trait DynMonitor: Send + Sync + 'static {
    /// As [`Monitor::target`].
    fn target(&self) -> String;
    /// As [`Monitor::budget`].
    fn budget(&self, timeout: Duration) -> Duration;
    /// As [`Monitor::check`].
    fn check<'a>(&'a self, cx: &'a CheckCx, run: &'a Run<'a>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;
}

impl<M: Monitor> DynMonitor for M {
    fn target(&self) -> String {
        Monitor::target(self)
    }

    fn budget(&self, timeout: Duration) -> Duration {
        Monitor::budget(self, timeout)
    }

    fn check<'a>(&'a self, cx: &'a CheckCx, run: &'a Run<'a>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>> {
        Box::pin(Monitor::check(self, cx, run))
    }
}

type Parsed = (Box<dyn DynMonitor>, Vec<Problem>);

/// A row of the registry.
pub struct Kind {
    /// `type:` in a definition.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// A commented example file.
    pub example: &'static str,
    /// When the definition names none.
    pub default_timeout: Dur,
    /// As [`Monitor::COST_MICROS`].
    pub cost_micros: u32,
    /// Reads and validates the kind's own keys (an object without the shared ones). `Err` where a value has the wrong shape;
    /// the problems may hold errors even where there is a value.
    pub parse: fn(serde_json::Value, &MonitorSettings) -> Result<Parsed, Problem>,
    /// JSON schema of the kind's own keys.
    pub schema: fn() -> schemars::Schema,
}

/// Each is one row of a registry.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Kind {}

impl std::hash::Hash for Kind {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::ptr::hash(self, state);
    }
}

impl Kind {
    /// The row of a kind.
    pub const fn of<M: Monitor>() -> Self {
        Self {
            name: M::KIND,
            summary: M::SUMMARY,
            example: M::EXAMPLE,
            default_timeout: M::DEFAULT_TIMEOUT,
            cost_micros: M::COST_MICROS,
            parse: parse::<M>,
            schema: || schemars::schema_for!(M),
        }
    }
}

fn parse<M: Monitor>(own: serde_json::Value, settings: &MonitorSettings) -> Result<Parsed, Problem> {
    let monitor: M = crate::model::read_field_by_field(own)?;
    let problems = monitor.validate(settings);
    Ok((Box::new(monitor), problems))
}
