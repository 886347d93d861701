//! `/api/v1/sync`: a whole directory of definitions at once; what `9volt cfg --server` sends.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::MAX_BULK_BODY;
use super::body::{BulkBody, object};
use super::definitions::same;
use super::error::{ApiError, ErrorBody};
use super::judge::may_run;
use super::parts::ApiState;
use super::resource::{ORIGIN, spec_of};
use crate::config::kinds::Kinds;
use crate::config::sync::{Author, Report, SyncRequest, apply_request};
use crate::events::EventKind;
use crate::model::{MonitorName, WallMs};
use crate::store::keys;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(sync))
        .layer(DefaultBodyLimit::max(MAX_BULK_BODY))
}

/// Makes the store hold these definitions: a plan, and unless `options.dryrun` what came of it.
#[utoipa::path(post, path = "/api/v1/sync", tag = "sync", request_body = Object,
    responses((status = 200, body = Object), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn sync(State(api): State<ApiState>, BulkBody(body): BulkBody) -> Result<Json<Report>, ApiError> {
    let request: SyncRequest = object(&body)?;
    drop(body);
    for (name, spec) in &request.monitor {
        may_sync(&api, name, spec).await?;
    }
    let (origin, dryrun) = (request.origin.clone(), request.options.dryrun);
    let author = Author {
        by: ORIGIN.to_owned(),
        at: WallMs::now(),
    };
    let report = apply_request(&api.store, Kinds::built_in(), request, &author, |_, _| ()).await?;
    if !dryrun {
        let text = format!("definitions of `{origin}` were synchronised through the API");
        api.events.record(EventKind::Config, WallMs::now(), None, text);
    }
    Ok(Json(report))
}

async fn may_sync(api: &ApiState, name: &str, spec: &Value) -> Result<(), ApiError> {
    if may_run(api, name, spec, None).is_ok() {
        return Ok(());
    }
    let stored = match MonitorName::parse(name) {
        Ok(name) => api.store.get(&keys::monitor(&name)).await?.as_ref().map(spec_of),
        Err(_) => None,
    };
    if stored.as_ref().is_some_and(|stored| same(stored, spec)) {
        return Ok(());
    }
    may_run(api, name, spec, stored.as_ref())
}
