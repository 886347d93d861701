//! `/api/v1/cluster/metrics`: what every member does, in numbers, gathered by whichever is asked. Prometheus asks each member for its own at `/metrics`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fields::Num;
use super::others::names;
use super::overview::{Counts, LatenessObject, Notifications, per_second};
use super::parts::ApiState;
use super::state_object::LedgerObject;
use crate::peers::calls::CountsAnswer;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(members_metrics))
}

/// The numbers of all members.
#[derive(Serialize, ToSchema)]
struct MetricsObject {
    /// Every monitor once, wherever it runs.
    monitors: Counts,
    /// All members that answered, together.
    total: MemberMetrics,
    /// Each of them, by id.
    members: BTreeMap<String, MemberMetrics>,
    /// Members that could not be asked: what they do is missing in all numbers but those of `monitors`.
    unreachable: Vec<String>,
}

/// What members did since they were started.
#[derive(Serialize, ToSchema)]
struct MemberMetrics {
    /// Monitors that run there.
    monitors_scheduled: usize,
    /// Runs that ended, by `pass`, `degraded`, `fail`, `unknown`.
    runs: BTreeMap<String, u64>,
    ledger: LedgerObject,
    runs_per_second: Num,
    lateness_ms: LatenessObject,
    notifications: Notifications,
    /// Changes of status recorded.
    changes_recorded: u64,
    /// Monitors with changes that are not recorded yet.
    changes_pending: usize,
    /// User and system time; null where a system does not tell.
    cpu_seconds: Option<Num>,
    /// Resident memory; null where a system does not tell.
    resident_bytes: Option<Num>,
}

impl From<&CountsAnswer> for MemberMetrics {
    fn from(answer: &CountsAnswer) -> Self {
        let process = &answer.process;
        Self {
            monitors_scheduled: process.scheduled,
            runs: process.runs.clone(),
            ledger: LedgerObject::from(&answer.ledger),
            runs_per_second: per_second(answer.rate),
            lateness_ms: LatenessObject::from(&answer.lateness),
            notifications: Notifications {
                pending: answer.pending,
                given_up: answer.given_up,
            },
            changes_recorded: process.commits,
            changes_pending: process.commits_pending,
            cpu_seconds: process.cpu_seconds.map(Num),
            resident_bytes: process.resident_bytes.map(Num),
        }
    }
}

/// What every member does, in numbers. A member that does not answer within a second is left out, and named.
#[utoipa::path(get, path = "/api/v1/cluster/metrics", tag = "metrics", responses((status = 200, body = MetricsObject)))]
async fn members_metrics(State(api): State<ApiState>) -> Json<MetricsObject> {
    let whole = api.measured().whole(&api).await;
    let members = whole.members.iter();
    Json(MetricsObject {
        monitors: whole.counts,
        total: MemberMetrics::from(&whole.total()),
        members: members.map(|(id, answer)| (id.to_string(), answer.into())).collect(),
        unreachable: names(&whole.unreachable),
    })
}
