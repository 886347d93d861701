//! `/api/v1/store`: where everything is kept, and how that is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fields::{Num, Time, ms_of};
use super::parts::ApiState;
use crate::store::EndpointStatus;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
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
