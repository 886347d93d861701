//! One monitor's state as JSON: the original's keys first, in its order.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::fields::{Facts, Num, PhasesMs, Time, ms, ms_of};
use super::state_query::Flags;
use crate::catalog::{LiveState, MonitorEntry};
use crate::config::report::ProblemJson;
use crate::model::{EpisodeId, MonitorName, Outcome, Problem, Reason};
use crate::results::Sample;
use crate::schedule::{Ledger, Skip};

/// Runs in `spark`.
const SPARK: usize = 30;
/// Runs in `verdicts`.
const VERDICTS: usize = 20;

/// The state of a monitor.
#[derive(Serialize, ToSchema)]
pub(super) struct StateObject<'a> {
    /// Name of the monitor.
    check: &'a str,
    /// The member that judges it; empty when nobody may.
    owner: &'a str,
    /// `pending`, `ok`, `warning`, `critical`.
    status: &'static str,
    /// Consecutive failed runs.
    count: u32,
    /// Message of the last run, if it did not pass; else `N/A`.
    message: &'a str,
    /// When the last run ended; before the first one, as `since`.
    date: Option<Time>,
    /// The definition, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    config: Option<&'a RawValue>,
    /// Kind of the monitor.
    r#type: &'static str,
    description: &'a str,
    tags: &'a [String],
    /// Since when it has this status; before the first run, since it was defined; null where its record cannot be read.
    since: Option<Time>,
    last_run: Option<Time>,
    /// How long the last run took.
    took_ms: Option<Num>,
    next_due: Option<Time>,
    /// `pass`, `degraded`, `fail`, `unknown`.
    outcome: Option<&'static str>,
    /// Why it did not pass: one of a closed set of words.
    reason: Option<&'static str>,
    /// Nobody could say anything about it for three intervals.
    unwatched: bool,
    /// A silence mutes it now.
    silenced: bool,
    disabled: bool,
    /// No member may run it.
    orphaned: bool,
    /// Its definition has errors.
    invalid: bool,
    /// A step of it panicked, a defect of 9volt: it is not run until it is edited, or the member that judges it is restarted.
    broken: bool,
    /// The member that judges it could not be asked: status and incident are those that were recorded last, and nothing is known of its runs.
    unreachable: bool,
    /// The open incident.
    episode: Option<String>,
    /// 0 where the definition has errors.
    interval_ms: Num,
    /// Milliseconds of the last runs, oldest first; null where one did not pass. Left out of a list without `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    spark: Option<Vec<Option<Num>>>,
}

/// What is left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) spark: bool,
}

impl<'a> StateObject<'a> {
    pub(super) fn of(
        entry: &'a MonitorEntry,
        live: &'a LiveState,
        flags: Flags,
        owner: Option<&'a str>,
        config: Option<&'a RawValue>,
        wanted: Wanted,
    ) -> Self {
        let last = live.results.samples().last();
        let since = entry.since(live).map(Time);
        let verdict = live.results.last().map(|(_, verdict)| verdict);
        let failed = verdict.filter(|verdict| verdict.outcome != Outcome::Pass && !verdict.message.is_empty());
        Self {
            check: entry.name.as_str(),
            owner: owner.unwrap_or_default(),
            status: live.health.status.as_str(),
            count: live.health.failures,
            message: failed.map_or("N/A", |verdict| verdict.message.as_str()),
            date: last.map(|sample| Time(sample.at)).or(since),
            config,
            r#type: entry.kind().map_or("", |kind| kind.name),
            description: entry.description(),
            tags: entry.tags(),
            since,
            last_run: last.map(|sample| Time(sample.at)),
            took_ms: last.map(|sample| ms(sample.took_us)),
            next_due: live.next_due.map(Time),
            outcome: last.map(|sample| sample.outcome.as_str()),
            reason: last.and_then(|sample| sample.reason).map(Reason::as_str),
            unwatched: flags.unwatched,
            silenced: flags.silenced,
            disabled: flags.disabled,
            orphaned: flags.orphaned,
            invalid: flags.invalid,
            broken: flags.broken,
            unreachable: flags.unreachable,
            episode: live
                .health
                .episode
                .as_ref()
                .map(|episode| incident_id(&entry.name, episode.id)),
            interval_ms: entry.interval().map_or(Num(0.0), ms_of),
            spark: wanted.spark.then(|| spark(live)),
        }
    }
}

fn spark(live: &LiveState) -> Vec<Option<Num>> {
    let samples = live.results.samples();
    let skipped = samples.len().saturating_sub(SPARK);
    samples
        .skip(skipped)
        .map(|sample| (sample.outcome == Outcome::Pass).then(|| ms(sample.took_us)))
        .collect()
}

/// The id of an episode of a monitor, wherever one is named.
pub(super) fn incident_id(monitor: &MonitorName, episode: EpisodeId) -> String {
    format!("{episode}-{monitor}")
}

/// One run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SampleObject {
    at: Time,
    took_ms: Num,
    outcome: &'static str,
    phases: PhasesMs,
}

impl From<&Sample> for SampleObject {
    fn from(sample: &Sample) -> Self {
        Self {
            at: Time(sample.at),
            took_ms: ms(sample.took_us),
            outcome: sample.outcome.as_str(),
            phases: PhasesMs(sample.phases),
        }
    }
}

/// One run, with what it said.
#[derive(Serialize, ToSchema)]
struct VerdictObject<'a> {
    at: Time,
    outcome: &'static str,
    reason: Option<&'static str>,
    message: &'a str,
    took_ms: Num,
    phases: PhasesMs,
    /// Known of the last run only.
    facts: Facts<'a>,
}

/// The account of runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LedgerObject {
    due: u64,
    ran: u64,
    skipped: u64,
    /// Of those that ran, begun late.
    late: u64,
    /// Due while nobody watched.
    missed: u64,
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    skipped_by: SkippedBy,
}

#[derive(Debug)]
struct SkippedBy([u64; 3]);

impl Serialize for SkippedBy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Skip::ALL.iter().map(|why| why.as_str()).zip(self.0))
    }
}

impl From<&Ledger> for LedgerObject {
    fn from(ledger: &Ledger) -> Self {
        Self {
            due: ledger.due(),
            ran: ledger.ran,
            skipped: ledger.skipped(),
            late: ledger.late,
            missed: ledger.missed,
            skipped_by: SkippedBy(ledger.skipped),
        }
    }
}

/// A change of status.
#[derive(Serialize, ToSchema)]
struct TransitionObject<'a> {
    at: Time,
    from: &'static str,
    to: &'static str,
    message: &'a str,
}

/// Everything that is known of one monitor.
#[derive(Serialize, ToSchema)]
pub(super) struct DetailObject<'a> {
    #[serde(flatten)]
    state: StateObject<'a>,
    /// Oldest first.
    samples: Vec<SampleObject>,
    /// Newest first.
    verdicts: Vec<VerdictObject<'a>>,
    ledger: LedgerObject,
    problems: Vec<ProblemJson>,
    /// Of the definition.
    etag: String,
    /// Newest first.
    transitions: Vec<TransitionObject<'a>>,
}

impl<'a> DetailObject<'a> {
    pub(super) fn of(state: StateObject<'a>, live: &'a LiveState, problems: &[Problem], etag: String) -> Self {
        let verdict = |sample: Sample| {
            let last = live
                .results
                .last()
                .filter(|(at, _)| *at == sample.at)
                .map(|(_, verdict)| verdict);
            let remembered = || live.results.message_at(sample.at).unwrap_or_default();
            VerdictObject {
                at: Time(sample.at),
                outcome: sample.outcome.as_str(),
                reason: sample.reason.map(Reason::as_str),
                message: last.map_or_else(remembered, |verdict| verdict.message.as_str()),
                took_ms: ms(sample.took_us),
                phases: PhasesMs(sample.phases),
                facts: Facts(last.map_or(&[], |verdict| verdict.facts.as_slice())),
            }
        };
        Self {
            state,
            samples: live
                .results
                .samples()
                .map(|sample| SampleObject::from(&sample))
                .collect(),
            verdicts: live.results.samples().rev().take(VERDICTS).map(verdict).collect(),
            ledger: LedgerObject::from(&live.ledger),
            problems: problems.iter().map(ProblemJson::from).collect(),
            etag,
            transitions: live
                .results
                .changes()
                .rev()
                .map(|change| TransitionObject {
                    at: Time(change.at),
                    from: change.from.as_str(),
                    to: change.to.as_str(),
                    message: &change.message,
                })
                .collect(),
        }
    }
}
