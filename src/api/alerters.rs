//! `/api/v1/alerter` (definitions, as the original has them) and `/api/v1/alerters` (what the page shows).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::MAX_BULK_BODY;
use super::body::{BulkBody, RawBody, first_value};
use super::definitions::masked;
use super::error::{ApiError, ErrorBody, StatusBody};
use super::fields::{Num, Time, ms_of};
use super::others::{WITHIN, missing, names};
use super::paging::{Asked, Page};
use super::parts::ApiState;
use super::path::Path;
use super::push::push;
use super::query::Params;
use super::resource::{self, Written, read, spec_of};
use crate::config::definition;
use crate::config::mask::Section;
use crate::model::AlerterName;
use crate::notifications::AlerterFacts;
use crate::peers::calls::{AlerterRow, AlertersQuestion};
use crate::store::{Entry, keys};

const SECTION: Section = Section::Alerter;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(map))
        .routes(routes!(show, put, remove))
        .routes(routes!(list))
}

/// Routes that may take longer than an ordinary answer.
pub(super) fn slow_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(post))
        .layer(DefaultBodyLimit::max(MAX_BULK_BODY))
        .routes(routes!(test))
}

/// All definitions, by their full keys (`/<prefix>/alerter/<name>`), secrets masked.
#[utoipa::path(get, path = "/api/v1/alerter", tag = "alerter",
    responses((status = 200, body = std::collections::HashMap<String, Object>)))]
async fn map(State(api): State<ApiState>) -> Result<Response, ApiError> {
    resource::map(&api, SECTION).await
}

/// Stores definitions: an object of name to definition. What is equal is skipped; nothing is stored unless all of it may be.
#[utoipa::path(post, path = "/api/v1/alerter", tag = "alerter", request_body = std::collections::HashMap<String, Object>,
    responses((status = 200, body = StatusBody), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn post(State(api): State<ApiState>, BulkBody(body): BulkBody) -> Result<Json<StatusBody>, ApiError> {
    push(&api, SECTION, &body).await
}

/// One definition as stored, secrets masked.
#[utoipa::path(get, path = "/api/v1/alerter/{name}", tag = "alerter", params(("name" = String, Path)),
    responses((status = 200, body = Object, headers(("ETag" = String))), (status = 404, body = ErrorBody)))]
async fn show(State(api): State<ApiState>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    resource::show(&api, SECTION, &name, &headers).await
}

/// Stores one whole definition. `********` keeps a stored secret.
#[utoipa::path(put, path = "/api/v1/alerter/{name}", tag = "alerter", request_body = Object,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Written), (status = 201, body = Written), (status = 412, body = ErrorBody),
        (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn put(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    resource::put(&api, SECTION, &name, &headers, first_value(&body)?).await
}

/// Removes one definition. What it was told of is still resolved.
#[utoipa::path(delete, path = "/api/v1/alerter/{name}", tag = "alerter",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = StatusBody), (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn remove(
    State(api): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StatusBody>, ApiError> {
    resource::delete(&api, SECTION, &name, &headers).await
}

/// An alerter and how it fares.
#[derive(Serialize, ToSchema)]
struct AlerterObject {
    name: String,
    r#type: String,
    description: String,
    /// It is told, too, when members go on without the store, and what other alerters could not be told.
    fallback: bool,
    /// Secrets masked.
    #[schema(value_type = Object)]
    options: Value,
    /// Its definition has errors.
    invalid: bool,
    /// Open incidents that it was told of.
    told_open: usize,
    /// Messages that wait.
    pending: usize,
    given_up: usize,
    last_delivery: Option<Delivery>,
}

/// How the last delivery ended.
#[derive(Serialize, ToSchema)]
struct Delivery {
    at: Time,
    ok: bool,
    /// What the far end said.
    message: String,
}

/// The alerters and how they fare.
#[utoipa::path(get, path = "/api/v1/alerters", tag = "alerter",
    params(("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<AlerterObject>), (status = 400, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Json<Page<AlerterObject>>, ApiError> {
    let asked = Asked::read(&params)?;
    let (_, entries) = api.store.list(&keys::alerters()).await?;
    let named = |entry: Entry| {
        AlerterName::parse(&keys::last_segment(&entry.key)?)
            .ok()
            .map(|name| (name, entry))
    };
    let mut entries: Vec<_> = entries.into_iter().filter_map(named).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    let page = asked.page(entries, |(name, _)| (0, name.to_string()));
    let (facts, unreachable) = all_facts(&api).await;
    let page = page.map(|(name, entry)| object(&api, &name, &entry, &facts));
    Ok(Json(Page { unreachable, ..page }))
}

/// What this member knows of the alerters.
pub(super) fn facts(api: &ApiState) -> BTreeMap<String, AlerterRow> {
    let row = |facts: AlerterFacts| AlerterRow {
        pending: facts.pending,
        told_open: facts.told_open,
        given_up: facts.given_up,
        last: facts.last_delivery.map(|last| (last.at, last.ok, last.message)),
    };
    let facts = api.notifier.alerters().into_iter();
    facts.map(|(name, facts)| (name.to_string(), row(facts))).collect()
}

/// What all members know of them, and who could not be asked. Each alerter is told by one member; another one may have been that before.
async fn all_facts(api: &ApiState) -> (BTreeMap<String, AlerterRow>, Vec<String>) {
    let mut all = facts(api);
    let Some(others) = &api.others else {
        return (all, Vec::new());
    };
    let gathered = others.peers.ask_all(AlertersQuestion {}, WITHIN).await;
    for (name, row) in gathered.answers.into_iter().flat_map(|(_, answer)| answer.alerters) {
        let known = all.entry(name).or_default();
        known.pending += row.pending;
        known.told_open += row.told_open;
        known.given_up += row.given_up;
        known.last = known.last.take().max(row.last);
    }
    (all, names(&missing(gathered.unreachable)))
}

fn object(api: &ApiState, name: &AlerterName, entry: &Entry, facts: &BTreeMap<String, AlerterRow>) -> AlerterObject {
    let spec = masked(SECTION, &spec_of(entry));
    let field = |name: &str| {
        let fields = spec.as_object().into_iter().flatten();
        fields
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    };
    let text = |name| field(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let facts = facts.get(name.as_str()).cloned().unwrap_or_default();
    AlerterObject {
        name: name.to_string(),
        r#type: text("type"),
        description: text("description"),
        fallback: field("fallback").and_then(Value::as_bool).unwrap_or_default(),
        options: field("options").cloned().unwrap_or_default(),
        invalid: api
            .catalog
            .alerter(name.as_str())
            .is_some_and(|alerter| alerter.def.is_none()),
        told_open: facts.told_open,
        pending: facts.pending,
        given_up: facts.given_up,
        last_delivery: facts.last.map(|(at, ok, message)| Delivery {
            at: Time(at),
            ok,
            message,
        }),
    }
}

/// How a test message went.
#[derive(Serialize, ToSchema)]
struct TestResult {
    delivered: bool,
    /// What the far end said.
    response: String,
    took_ms: Num,
}

/// Sends a marked test message, and says what the far end said.
#[utoipa::path(post, path = "/api/v1/alerter/{name}/test", tag = "alerter", params(("name" = String, Path)),
    responses((status = 200, body = TestResult), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn test(State(api): State<ApiState>, Path(name): Path<String>) -> Result<Json<TestResult>, ApiError> {
    // By what is stored, not by what the catalog has seen so far: a test often follows an edit.
    let spec = spec_of(&read(&api, SECTION, &name).await?);
    let definition = definition::alerter(&name, &spec);
    let Some(alerter) = definition.value else {
        let message = format!("the definition of '{name}' has errors");
        return Err(ApiError::invalid(message, definition.problems));
    };
    let begun = Instant::now();
    let result = api.notifier.send_test(&alerter).await;
    let (delivered, response) = match result {
        Ok(receipt) => (true, receipt.response),
        Err(error) => (false, error.message),
    };
    Ok(Json(TestResult {
        delivered,
        response,
        took_ms: ms_of(begun.elapsed()),
    }))
}
