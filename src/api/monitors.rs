//! `/api/v1/monitor`: definitions of monitors, and running one now.

use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::MAX_BULK_BODY;
use super::body::{BulkBody, RawBody, first_value};
use super::commits::{ATTEMPTS, seen_by_catalog, settle};
use super::error::{ApiError, ErrorBody, StatusBody};
use super::fields::{Facts, Num, PhasesMs, ms_of};
use super::judge::judge;
use super::parts::ApiState;
use super::path::Path;
use super::push::push;
use super::query::{Params, parse_bool};
use super::resource::{self, Written, read, revision_in_catalog, spec_of, tell};
use crate::config::mask::Section;
use crate::model::{Problem, Reason, Severity, WallMs};
use crate::peers::calls::RunQuestion;
use crate::store::records::Definition;
use crate::store::{Commit, Guard, Op, decode};

const SECTION: Section = Section::Monitor;
/// A run at another member has ended within this time.
const RUN_WITHIN: Duration = Duration::from_secs(60);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, put, remove))
}

/// Routes that may take longer than an ordinary answer.
pub(super) fn slow_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(post))
        .layer(DefaultBodyLimit::max(MAX_BULK_BODY))
        .routes(routes!(run))
}

/// All definitions, by their full keys (`/<prefix>/monitor/<name>`).
#[utoipa::path(get, path = "/api/v1/monitor", tag = "monitor",
    responses((status = 200, body = std::collections::HashMap<String, Object>)))]
async fn list(State(api): State<ApiState>) -> Result<Response, ApiError> {
    resource::map(&api, SECTION).await
}

/// Stores definitions: an object of name to definition. What is equal is skipped; nothing is stored unless all of it may be.
#[utoipa::path(post, path = "/api/v1/monitor", tag = "monitor", request_body = std::collections::HashMap<String, Object>,
    responses((status = 200, body = StatusBody), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn post(State(api): State<ApiState>, BulkBody(body): BulkBody) -> Result<Json<StatusBody>, ApiError> {
    push(&api, SECTION, &body).await
}

/// One definition as stored, secrets masked. With `?disable=` it is switched off or on instead (the original's way; a PUT does it, too).
#[utoipa::path(get, path = "/api/v1/monitor/{check}", tag = "monitor",
    params(("check" = String, Path), ("disable" = Option<bool>, Query, description = "Switch it off or on instead")),
    responses((status = 200, body = Object, headers(("ETag" = String))), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn show(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match params.get("disable") {
        None => resource::show(&api, SECTION, &name, &headers).await,
        Some(value) => {
            let disable =
                parse_bool(value).ok_or_else(|| ApiError::bad_request(format!("Invalid bool value '{value}'")))?;
            Ok(set_disabled(&api, &name, disable).await?.into_response())
        }
    }
}

async fn set_disabled(api: &ApiState, name: &str, disable: bool) -> Result<Json<StatusBody>, ApiError> {
    for _ in 0..ATTEMPTS {
        let entry = read(api, SECTION, name).await?;
        let stored = spec_of(&entry);
        let mut spec = stored.clone();
        let Some(map) = spec.as_object_mut() else {
            return Err(ApiError::internal(format!(
                "the stored record of '{name}' cannot be read; write it again"
            )));
        };
        let key = map.keys().find(|key| key.eq_ignore_ascii_case("disable")).cloned();
        map.insert(key.unwrap_or_else(|| "disable".to_owned()), disable.into());
        if !disable {
            // What is wrong with a monitor that is switched off matters from now on.
            judge(api, SECTION, name, &spec, Some(&stored), Vec::new())?;
        }
        // Where it came from stays: a file that defines it goes on defining it.
        let origin = decode::<Definition>(&entry).map_or_else(|_| resource::ORIGIN.to_owned(), |at| at.value.origin);
        let op = Op::Put(
            entry.key.clone(),
            resource::record(&spec, &origin, WallMs::now())?,
            None,
        );
        let commit = Commit {
            guards: vec![Guard::Rev(entry.key.clone(), entry.rev)],
            ops: vec![op],
        };
        if let Some(rev) = settle(api, commit).await? {
            seen_by_catalog(api, || revision_in_catalog(api, SECTION, name) >= Some(rev)).await;
            tell(
                api,
                SECTION,
                Some(name),
                format!("Check '{name}' has been set to '{disable}'"),
            );
            let text = format!("Successfully updated disable check state to '{disable}' for check '{name}'");
            return Ok(Json(StatusBody::ok(text)));
        }
    }
    Err(ApiError::conflict("somebody else keeps changing it; try again"))
}

/// Stores one whole definition. `********` keeps a stored secret.
#[utoipa::path(put, path = "/api/v1/monitor/{check}", tag = "monitor", request_body = Object,
    params(("check" = String, Path), ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Written), (status = 201, body = Written), (status = 403, body = ErrorBody),
        (status = 412, body = ErrorBody), (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn put(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    resource::put(&api, SECTION, &name, &headers, first_value(&body)?).await
}

/// Removes one definition. An open incident is closed and resolved.
#[utoipa::path(delete, path = "/api/v1/monitor/{check}", tag = "monitor",
    params(("check" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = StatusBody), (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn remove(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StatusBody>, ApiError> {
    resource::delete(&api, SECTION, &name, &headers).await
}

/// What a run said.
#[derive(Serialize, ToSchema)]
struct RunResult<'a> {
    outcome: &'static str,
    reason: Option<&'static str>,
    message: &'a str,
    took_ms: Num,
    phases: PhasesMs,
    facts: Facts<'a>,
}

/// Runs a check once, now. A question: status and history stay as they are.
#[utoipa::path(post, path = "/api/v1/monitor/{check}/run", tag = "monitor", params(("check" = String, Path)),
    responses((status = 200, body = RunResult), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 503, body = ErrorBody, description = "The member that it runs on does not answer")))]
async fn run(State(api): State<ApiState>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let Some(entry) = api.catalog.monitor(&name) else {
        return Err(resource::missing(SECTION, &name));
    };
    if !entry.readable() {
        let errors = |problem: &&Problem| problem.severity == Severity::Error;
        let problems = entry.problems().iter().filter(errors).cloned().collect();
        return Err(ApiError::invalid(
            format!("the definition of '{name}' has errors"),
            problems,
        ));
    }
    let (verdict, took) = match api.asked_about(&entry) {
        None => {
            let whole = api.whole(entry).await?;
            api.lanes
                .ask(whole.ok_or_else(|| resource::missing(SECTION, &name))?)
                .await
        }
        // Where it runs: there the network is the one that matters.
        Some((others, judge)) => {
            let question = RunQuestion {
                name: entry.name.clone(),
            };
            let asked = others.peers.ask(&judge, question, RUN_WITHIN).await;
            let run = asked.map_err(|error| {
                let message = format!("'{name}' runs on the member {judge}, which does not answer: {error}");
                ApiError::unavailable(message)
            })?;
            (run.verdict, Duration::from_micros(run.took_us))
        }
    };
    let result = RunResult {
        outcome: verdict.outcome.as_str(),
        reason: verdict.reason.map(Reason::as_str),
        message: &verdict.message,
        took_ms: ms_of(took),
        phases: PhasesMs(verdict.phases),
        facts: Facts(&verdict.facts),
    };
    Ok(Json(result).into_response())
}
