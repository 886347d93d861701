//! `/api/v1/overview`: everything in a few numbers.

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
use super::parts::ApiState;
use super::state_object::LedgerObject;
use super::state_query::Deriver;
use crate::model::{Status, WallMs};

/// Counting all monitors is done at most this often, however many ask.
const COUNTS_KEPT: Duration = Duration::from_millis(250);
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
    #[serde(skip)]
    pub(super) open: usize,
}

/// What is worked out for everybody together.
#[derive(Debug)]
pub(super) struct Measured {
    counts: Mutex<Option<(Instant, Counts)>>,
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
            rate: Mutex::new((start, start)),
        }
    }

    pub(super) fn counts(&self, api: &ApiState) -> Counts {
        let now = Instant::now();
        // Locked while counting: whoever comes meanwhile takes the same numbers.
        let mut kept = self.counts.lock();
        if let Some((at, counts)) = *kept
            && now.duration_since(at) < COUNTS_KEPT
        {
            return counts;
        }
        let counts = count(api);
        *kept = Some((now, counts));
        counts
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

fn count(api: &ApiState) -> Counts {
    let deriver = Deriver::new(api, WallMs::now());
    let mut counts = Counts::default();
    for entry in api.catalog.monitors() {
        let live = entry.live.lock();
        let flags = deriver.flags(api, &entry, &live);
        counts.total += 1;
        counts.open += usize::from(live.health.episode.is_some());
        counts.unwatched += usize::from(flags.unwatched);
        counts.silenced += usize::from(flags.silenced);
        counts.orphaned += usize::from(flags.orphaned);
        let place = if flags.invalid {
            &mut counts.invalid
        } else if flags.disabled {
            &mut counts.disabled
        } else {
            match live.health.status {
                Status::Pending => &mut counts.pending,
                Status::Ok => &mut counts.ok,
                Status::Warning => &mut counts.warning,
                Status::Critical => &mut counts.critical,
            }
        };
        *place += 1;
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
    lateness_ms: Lateness,
}

#[derive(Serialize, ToSchema)]
struct Incidents {
    open: usize,
}

#[derive(Serialize, ToSchema)]
struct Notifications {
    pending: usize,
    given_up: usize,
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
    path: Option<String>,
}

/// How late runs begin; 0 before the first.
#[derive(Serialize, ToSchema)]
struct Lateness {
    p50: Num,
    p99: Num,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(overview))
}

/// Everything in a few numbers.
#[utoipa::path(get, path = "/api/v1/overview", tag = "state", responses((status = 200, body = Overview)))]
async fn overview(State(api): State<ApiState>) -> Json<Overview> {
    let (ledger, lateness, _) = api.lanes.totals();
    let monitors = api.measured().counts(&api);
    let waiting = api.notifier.counts();
    let store = api.health.store(api.store.trouble());
    let rate = api.measured().rate(ledger.ran);
    let quantile = |q| ms_of(lateness.quantile(q).unwrap_or_default());
    Json(Overview {
        monitors,
        incidents: Incidents { open: monitors.open },
        notifications: Notifications {
            pending: waiting.pending + waiting.sending,
            given_up: waiting.given_up,
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
            path: store.path,
        },
        ledger: LedgerObject::from(&ledger),
        runs_per_second: Num((rate * 100.0).round() / 100.0),
        lateness_ms: Lateness {
            p50: quantile(0.5),
            p99: quantile(0.99),
        },
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
