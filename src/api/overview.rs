//! `/api/v1/overview`: everything in a few numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fields::{Num, Time, ms_of};
use super::others::{Scope, WITHIN, missing, names};
use super::parts::ApiState;
use super::process::Usage;
use super::state_object::LedgerObject;
use super::state_query::Deriver;
use crate::model::{MemberId, Slots, Status, WallMs};
use crate::peers::calls::{CountsAnswer, CountsQuestion, MonitorCounts, ProcessCounts};
use crate::schedule::Lateness;

/// Counting all monitors is done at most this often, however many ask.
const COUNTS_KEPT: Duration = Duration::from_millis(250);
/// The whole cluster is asked at most this often, however many ask.
const WHOLE_KEPT: Duration = Duration::from_secs(1);
/// The rate of runs is measured over at least this long.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Monitors by what they are. Each is counted under exactly one of the first seven after `total`; the others count besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Counts {
    pub(super) total: usize,
    pub(super) ok: usize,
    pub(super) warning: usize,
    pub(super) critical: usize,
    /// Not judged yet.
    pub(super) pending: usize,
    pub(super) disabled: usize,
    pub(super) unwatched: usize,
    pub(super) silenced: usize,
    pub(super) orphaned: usize,
    pub(super) invalid: usize,
    /// Left out, because a step of them panicked.
    pub(super) broken: usize,
    /// Their judge could not be asked: counted above by what was recorded last, and as pending where nothing is.
    pub(super) unreachable: usize,
    #[serde(skip)]
    pub(super) open: usize,
}

impl Counts {
    fn add(&mut self, other: &MonitorCounts) {
        self.total += other.total;
        self.ok += other.ok;
        self.warning += other.warning;
        self.critical += other.critical;
        self.pending += other.pending;
        self.disabled += other.disabled;
        self.unwatched += other.unwatched;
        self.silenced += other.silenced;
        self.orphaned += other.orphaned;
        self.invalid += other.invalid;
        self.broken += other.broken;
        self.unreachable += other.unreachable;
        self.open += other.open;
    }
}

impl From<Counts> for MonitorCounts {
    fn from(counts: Counts) -> Self {
        Self {
            total: counts.total,
            ok: counts.ok,
            warning: counts.warning,
            critical: counts.critical,
            pending: counts.pending,
            disabled: counts.disabled,
            unwatched: counts.unwatched,
            silenced: counts.silenced,
            orphaned: counts.orphaned,
            invalid: counts.invalid,
            broken: counts.broken,
            unreachable: counts.unreachable,
            open: counts.open,
        }
    }
}

/// The whole cluster in a few numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Whole {
    /// Every monitor once.
    pub(super) counts: Counts,
    /// What each member that answered said.
    pub(super) members: BTreeMap<MemberId, CountsAnswer>,
    pub(super) unreachable: Vec<MemberId>,
}

impl Whole {
    fn add(&mut self, member: MemberId, answer: CountsAnswer) {
        self.counts.add(&answer.monitors);
        self.members.insert(member, answer);
    }

    /// What the members do, as if they were one. What one of them does not tell, nobody can add up.
    pub(super) fn total(&self) -> CountsAnswer {
        let mut total = CountsAnswer::default();
        (total.process.cpu_seconds, total.process.resident_bytes) = (Some(0.0), Some(0.0));
        let sum = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b);
        for one in self.members.values() {
            total.pending += one.pending;
            total.given_up += one.given_up;
            total.ledger.add(&one.ledger);
            total.lateness.add(&one.lateness);
            total.rate += one.rate;
            let (total, one) = (&mut total.process, &one.process);
            total.scheduled += one.scheduled;
            total.commits += one.commits;
            total.commits_pending += one.commits_pending;
            total.cpu_seconds = sum(total.cpu_seconds, one.cpu_seconds);
            total.resident_bytes = sum(total.resident_bytes, one.resident_bytes);
            for (outcome, n) in &one.runs {
                *total.runs.entry(outcome.clone()).or_default() += n;
            }
        }
        total
    }
}

/// What is worked out for everybody together.
#[derive(Debug)]
pub(super) struct Measured {
    counts: Mutex<Option<(Instant, Counts)>>,
    whole: tokio::sync::Mutex<Option<(Instant, Whole)>>,
    rate: Mutex<(Mark, Mark)>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    ran: u64,
}

impl Measured {
    /// To be made when the runs begin: whoever asks first is told the rate since then, not nought.
    pub(super) fn new() -> Self {
        let start = Mark {
            at: Instant::now(),
            ran: 0,
        };
        Self {
            counts: Mutex::default(),
            whole: tokio::sync::Mutex::default(),
            rate: Mutex::new((start, start)),
        }
    }

    /// The monitors that this member tells of by itself: its own, and those that belong to nobody. Where it is alone, all.
    pub(super) fn counts(&self, api: &ApiState) -> Counts {
        let now = Instant::now();
        // Locked while counting: whoever comes meanwhile takes the same numbers.
        let mut kept = self.counts.lock();
        if let Some((at, counts)) = *kept
            && now.duration_since(at) < COUNTS_KEPT
        {
            return counts;
        }
        let counts = count(api, Scope::Outside(&Slots::union(api.elsewhere().values())));
        *kept = Some((now, counts));
        counts
    }

    /// The whole cluster, as far as it answers.
    pub(super) async fn whole(&self, api: &ApiState) -> Whole {
        let elsewhere = api.elsewhere();
        let Some(others) = &api.others else {
            return self.own(api);
        };
        let now = Instant::now();
        // Locked while asking: whoever comes meanwhile takes the same numbers.
        let mut kept = self.whole.lock().await;
        if let Some((at, whole)) = &*kept
            && now.duration_since(*at) < WHOLE_KEPT
        {
            return whole.clone();
        }
        let mut whole = self.own(api);
        // Also members that judge nothing: they may have messages to tell.
        let mut questions: BTreeMap<MemberId, Slots> = elsewhere;
        for member in others.peers.others() {
            questions.entry(member).or_default();
        }
        let asked = questions.iter().map(|(member, slots)| {
            let slots = slots.clone();
            (member.clone(), CountsQuestion { slots })
        });
        let gathered = others.peers.ask_each(asked, WITHIN).await;
        for (member, answer) in gathered.answers {
            whole.add(member, answer);
        }
        for (member, _) in &gathered.unreachable {
            let slots = questions.remove(member).unwrap_or_default();
            whole.counts.add(&count(api, Scope::In(&slots)).into());
        }
        whole.unreachable = missing(gathered.unreachable);
        *kept = Some((now, whole.clone()));
        whole
    }

    /// This member's part of it.
    fn own(&self, api: &ApiState) -> Whole {
        let mut whole = Whole::default();
        whole.add(api.member.id.clone(), self.answer(api, self.counts(api)));
        whole
    }

    /// What another member is told of these slots, and of this member.
    pub(super) fn answer_for(&self, api: &ApiState, slots: &Slots) -> CountsAnswer {
        self.answer(api, count(api, Scope::In(slots)))
    }

    fn answer(&self, api: &ApiState, counts: Counts) -> CountsAnswer {
        let (ledger, lateness, outcomes) = api.lanes.totals();
        let waiting = api.notifier.counts();
        let usage = Usage::now();
        CountsAnswer {
            monitors: counts.into(),
            pending: waiting.pending + waiting.sending,
            given_up: waiting.given_up,
            rate: self.rate(ledger.ran),
            ledger,
            lateness,
            process: Box::new(ProcessCounts {
                scheduled: api.lanes.monitors(),
                runs: outcomes.map(|(outcome, n)| (outcome.as_str().to_owned(), n)).into(),
                commits: api.recorder.commits(),
                commits_pending: api.recorder.pending(),
                cpu_seconds: usage.cpu_seconds,
                resident_bytes: usage.resident_bytes,
            }),
        }
    }

    /// Runs per second lately.
    fn rate(&self, ran: u64) -> f64 {
        let now = Mark {
            at: Instant::now(),
            ran,
        };
        let mut marks = self.rate.lock();
        let (older, newer) = &mut *marks;
        if now.at.duration_since(newer.at) >= RATE_OVER {
            *older = *newer;
            *newer = now;
        }
        let seconds = now.at.duration_since(older.at).as_secs_f64();
        if seconds > 0.0 {
            now.ran.saturating_sub(older.ran) as f64 / seconds
        } else {
            0.0
        }
    }
}

fn count(api: &ApiState, scope: Scope<'_>) -> Counts {
    let deriver = Deriver::new(api, WallMs::now());
    let mut counts = Counts::default();
    for entry in api.catalog.monitors().iter().filter(|entry| scope.holds(entry)) {
        api.look(entry, |look| {
            let (flags, health) = (deriver.flags(api, entry, look), &look.live.health);
            counts.total += 1;
            counts.open += usize::from(health.episode.is_some());
            counts.unwatched += usize::from(flags.unwatched);
            counts.silenced += usize::from(flags.silenced);
            counts.orphaned += usize::from(flags.orphaned);
            counts.broken += usize::from(flags.broken);
            counts.unreachable += usize::from(flags.unreachable);
            let place = if flags.invalid {
                &mut counts.invalid
            } else if flags.disabled {
                &mut counts.disabled
            } else {
                match health.status {
                    Status::Pending => &mut counts.pending,
                    Status::Ok => &mut counts.ok,
                    Status::Warning => &mut counts.warning,
                    Status::Critical => &mut counts.critical,
                }
            };
            *place += 1;
        });
    }
    counts
}

/// Everything in a few numbers.
#[derive(Serialize, ToSchema)]
struct Overview {
    monitors: Counts,
    incidents: Incidents,
    notifications: Notifications,
    member: Member,
    store: StoreObject,
    ledger: LedgerObject,
    runs_per_second: Num,
    lateness_ms: LatenessObject,
    /// Members that could not be asked: what they do is missing in the numbers, but every monitor is counted. Left out where all answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreachable: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct Incidents {
    open: usize,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Notifications {
    pub(super) pending: usize,
    pub(super) given_up: usize,
}

#[derive(Serialize, ToSchema)]
struct Member {
    id: String,
    hostname: String,
    version: String,
    started: Time,
    listen: String,
}

#[derive(Serialize, ToSchema)]
struct StoreObject {
    /// `embedded`, `memory`, `etcd`.
    backend: &'static str,
    /// `joined` when all is well.
    state: &'static str,
    /// What is not well.
    detail: Option<String>,
    /// What the state means, in one sentence; null when all is well.
    means: Option<&'static str>,
    /// Since when it is so; null when all is well.
    since: Option<Time>,
    path: Option<String>,
}

/// How late runs begin; 0 before the first.
#[derive(Serialize, ToSchema)]
#[schema(as = Lateness)]
pub(super) struct LatenessObject {
    p50: Num,
    p99: Num,
}

impl From<&Lateness> for LatenessObject {
    fn from(lateness: &Lateness) -> Self {
        let quantile = |q| ms_of(lateness.quantile(q).unwrap_or_default());
        Self {
            p50: quantile(0.5),
            p99: quantile(0.99),
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(overview))
}

/// To two decimals.
pub(super) fn per_second(rate: f64) -> Num {
    Num((rate * 100.0).round() / 100.0)
}

/// Everything in a few numbers.
#[utoipa::path(get, path = "/api/v1/overview", tag = "state", responses((status = 200, body = Overview)))]
async fn overview(State(api): State<ApiState>) -> Json<Overview> {
    let whole = api.measured().whole(&api).await;
    let total = whole.total();
    let store = api.health.store(&api.store);
    Json(Overview {
        monitors: whole.counts,
        incidents: Incidents {
            open: whole.counts.open,
        },
        notifications: Notifications {
            pending: total.pending,
            given_up: total.given_up,
        },
        member: Member {
            id: api.member.id.to_string(),
            hostname: api.member.hostname.clone(),
            version: api.member.version.clone(),
            started: Time(api.member.started),
            listen: api.member.listen.clone(),
        },
        store: StoreObject {
            backend: store.backend,
            state: store.state,
            detail: store.detail,
            means: store.means.map(|(means, _)| means),
            since: store.means.map(|(_, since)| Time(since)),
            path: store.path,
        },
        ledger: LedgerObject::from(&total.ledger),
        runs_per_second: per_second(total.rate),
        lateness_ms: LatenessObject::from(&total.lateness),
        unreachable: names(&whole.unreachable),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_to_ask_is_told_the_rate_since_the_start() {
        let measured = Measured::new();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(measured.rate(120), 2.0);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(measured.rate(180), 10.0);
    }
}
