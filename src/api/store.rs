//! `/api/v1/store`: where everything is kept, and how that is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody};
use super::fields::{Num, Time, ms_of};
use super::parts::ApiState;
use crate::cutoff::deciding::Holds;
use crate::cutoff::{Decided, Deciding, Decision, Undecided};
use crate::events::EventKind;
use crate::model::WallMs;
use crate::store::EndpointStatus;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(choice))
        .routes(routes!(adopt))
        .routes(routes!(restore))
}

/// The store, as the member that is asked sees it.
#[derive(Serialize, ToSchema)]
struct StoreDetailObject {
    /// `embedded`, `memory`, `etcd`.
    backend: &'static str,
    /// `joined` when all is well; else `doubtful`, `outage`, `cut-off`, `isolated`, `store-full`, `strange`, `returning`, `store-refuses`.
    state: &'static str,
    /// What is not well.
    detail: Option<String>,
    /// What the state means, in one sentence; null when all is well.
    means: Option<&'static str>,
    /// Since when it is so; null when all is well.
    since: Option<Time>,
    /// What is known of the other members while they are asked whether they have the store.
    others: BTreeMap<String, String>,
    /// Where it is, for people.
    path: Option<String>,
    /// Its newest revision; null where it does not say.
    revision: Option<String>,
    /// Bytes on its disk.
    size: Option<u64>,
    /// Bytes of those in use.
    in_use: Option<u64>,
    /// Bytes at which it takes no more.
    quota: Option<u64>,
    /// The servers that it is asked at; none where it is the member's own.
    endpoints: Vec<EndpointObject>,
}

/// A server of the store.
#[derive(Serialize, ToSchema)]
struct EndpointObject {
    url: String,
    /// Null: it did not answer.
    version: Option<String>,
    /// It leads the others.
    leads: bool,
    /// How long it took to answer; null: it did not, within a second.
    latency_ms: Option<Num>,
    /// What is wrong with it.
    trouble: Option<String>,
}

fn shown(endpoint: EndpointStatus) -> EndpointObject {
    EndpointObject {
        url: endpoint.url,
        version: endpoint.version,
        leads: endpoint.leads,
        latency_ms: endpoint.latency.map(ms_of),
        trouble: endpoint.trouble,
    }
}

/// The store and its servers. Answers while the store is away, too: that is when it is asked.
#[utoipa::path(get, path = "/api/v1/store", tag = "cluster", responses((status = 200, body = StoreDetailObject)))]
async fn show(State(api): State<ApiState>) -> Json<StoreDetailObject> {
    let health = api.health.store(&api.store);
    let (status, failed) = match api.store.status().await {
        Ok(status) => (status, None),
        Err(error) => (crate::store::BackendStatus::default(), Some(error.to_string())),
    };
    let said = api.health.standing().said().into_iter();
    Json(StoreDetailObject {
        backend: health.backend,
        state: health.state,
        detail: health.detail.or(failed),
        means: health.means.map(|(means, _)| means),
        since: health.means.map(|(_, since)| Time(since)),
        others: said
            .map(|(member, says)| (member.to_string(), says.to_string()))
            .collect(),
        path: health.path,
        revision: (status.at.0 > 0).then(|| status.at.to_string()),
        size: status.size,
        in_use: status.in_use,
        quota: status.quota,
        endpoints: status.endpoints.into_iter().map(shown).collect(),
    })
}

/// What there is to decide about a store that is another one than the one that was known.
#[derive(Serialize, ToSchema)]
struct ChoiceObject {
    /// Why it is strange.
    why: String,
    /// What the copy of the member that is asked holds: what `restore` writes back, and `adopt` forgets.
    copy: HoldsObject,
    /// What the store holds: what `adopt` takes, and `restore` removes as far as it is not in the copy.
    there: HoldsObject,
}

/// How much of what people write is there.
#[derive(Serialize, ToSchema)]
struct HoldsObject {
    /// The id of the store; null where it has none.
    id: Option<String>,
    monitors: usize,
    alerters: usize,
    silences: usize,
    /// Members that use it.
    members: usize,
}

/// What was decided.
#[derive(Serialize, ToSchema)]
struct DecidedObject {
    /// The id of the store that all members go on with, within seconds.
    store: String,
    /// Records that were written back.
    written: usize,
    /// Records that were removed.
    removed: usize,
}

impl From<Holds> for HoldsObject {
    fn from(holds: Holds) -> Self {
        Self {
            id: holds.id,
            monitors: holds.monitors,
            alerters: holds.alerters,
            silences: holds.silences,
            members: holds.members,
        }
    }
}

impl From<Undecided> for ApiError {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::Store(error) => error.into(),
            other => Self::conflict(other.to_string()),
        }
    }
}

fn deciding(api: &ApiState) -> Result<&Deciding, ApiError> {
    let none = || ApiError::conflict("this member keeps no copy of a store that it shares: there is nothing to decide");
    api.deciding.as_ref().ok_or_else(none)
}

/// What there is to decide about, while this member is `strange`.
#[utoipa::path(get, path = "/api/v1/store/choice", tag = "cluster",
    responses((status = 200, body = ChoiceObject), (status = 409, body = ErrorBody, description = "there is nothing to decide"),
        (status = 503, body = ErrorBody)))]
async fn choice(State(api): State<ApiState>) -> Result<Json<ChoiceObject>, ApiError> {
    let choice = deciding(&api)?.choice().await?;
    Ok(Json(ChoiceObject {
        why: choice.why,
        copy: choice.copy.into(),
        there: choice.there.into(),
    }))
}

/// Takes the store as it is: every member that knew the one before goes on with it, and forgets what its copy holds. Once is enough, at any member that is `strange`.
#[utoipa::path(post, path = "/api/v1/store/adopt", tag = "cluster",
    responses((status = 200, body = DecidedObject),
        (status = 409, body = ErrorBody, description = "there is nothing to decide, or somebody else decides at the same time"),
        (status = 503, body = ErrorBody)))]
async fn adopt(State(api): State<ApiState>) -> Result<Json<DecidedObject>, ApiError> {
    decide(&api, Decision::Adopt, "adopted as it is").await
}

/// Makes the store hold what this member's copy holds, with the id that every member knows: they all go on as before. May be asked for again if it
/// ends in the middle.
#[utoipa::path(post, path = "/api/v1/store/restore", tag = "cluster",
    responses((status = 200, body = DecidedObject),
        (status = 409, body = ErrorBody, description = "there is nothing to decide, or somebody else decides at the same time"),
        (status = 503, body = ErrorBody)))]
async fn restore(State(api): State<ApiState>) -> Result<Json<DecidedObject>, ApiError> {
    decide(&api, Decision::Restore, "restored from this member's copy").await
}

async fn decide(api: &ApiState, decision: Decision, what: &str) -> Result<Json<DecidedObject>, ApiError> {
    let Decided {
        store,
        written,
        removed,
    } = deciding(api)?.decide(decision).await?;
    let text = format!("the store was {what} through the API: {written} records written, {removed} removed");
    api.events.record(EventKind::Api, WallMs::now(), None, text);
    Ok(Json(DecidedObject {
        store,
        written,
        removed,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_is_silent_has_neither_version_nor_latency() {
        let silent = EndpointStatus {
            url: "http://10.0.0.2:2379".to_owned(),
            trouble: Some("does not answer".to_owned()),
            ..EndpointStatus::default()
        };
        let shown = serde_json::to_value(shown(silent)).unwrap();
        let expected = serde_json::json!({"url": "http://10.0.0.2:2379", "version": null, "leads": false,
            "latency_ms": null, "trouble": "does not answer"});
        assert_eq!(shown, expected);
    }
}
