//! `/api/v1/event` (the original's map) and `/api/v1/events` (a list, newest first).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer as _};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody};
use super::fields::Time;
use super::paging::{Asked, Page};
use super::parts::ApiState;
use super::query::Params;
use crate::events::Event;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(map)).routes(routes!(list))
}

/// An event as the original has it.
#[derive(Serialize, ToSchema)]
struct OriginalEvent<'a> {
    /// `error`, `warning`, `api`, `status`, `alert`, `member`, `config`.
    r#type: &'a str,
    message: &'a str,
    timestamp: Time,
    memberid: &'a str,
}

impl<'a> From<&'a Event> for OriginalEvent<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            r#type: &event.kind,
            message: &event.message,
            timestamp: Time(event.at),
            memberid: event.member.as_str(),
        }
    }
}

/// An event.
#[derive(Serialize, ToSchema)]
struct EventObject {
    id: String,
    /// `error`, `warning`, `api`, `status`, `alert`, `member`, `config`.
    r#type: String,
    message: String,
    timestamp: Time,
    memberid: String,
    monitor: Option<String>,
}

impl From<&Event> for EventObject {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            r#type: event.kind.clone(),
            message: event.message.clone(),
            timestamp: Time(event.at),
            memberid: event.member.to_string(),
            monitor: event.monitor.as_ref().map(ToString::to_string),
        }
    }
}

fn wanted(api: &ApiState, params: &Params) -> Vec<Arc<Event>> {
    let types = params.list("type");
    let text = params.given("q").map(str::to_lowercase);
    let mut events = api.events.newest_first();
    events.retain(|event| {
        types.as_ref().is_none_or(|types| types.contains(&event.kind.as_str()))
            && text
                .as_ref()
                .is_none_or(|text| event.message.to_lowercase().contains(text))
    });
    events
}

/// Events of the last day, by key.
#[utoipa::path(get, path = "/api/v1/event", tag = "event",
    params(("type" = Option<String>, Query, description = "Any of these types (comma list)")),
    responses((status = 200, body = std::collections::HashMap<String, OriginalEvent>)))]
async fn map(State(api): State<ApiState>, params: Params) -> Result<Response, ApiError> {
    let mut body = Vec::new();
    let mut json = serde_json::Serializer::new(&mut body);
    let events = wanted(&api, &params);
    let write = |json: &mut serde_json::Serializer<&mut Vec<u8>>| {
        let mut map = json.serialize_map(Some(events.len()))?;
        for event in &events {
            map.serialize_entry(&format!("{}-{}", event.kind, event.id), &OriginalEvent::from(&**event))?;
        }
        map.end()
    };
    write(&mut json).map_err(|error: serde_json::Error| ApiError::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Events, newest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "event",
    params(("type" = Option<String>, Query, description = "Any of these types (comma list)"),
        ("q" = Option<String>, Query, description = "Part of the message, in any case"),
        ("monitor" = Option<String>, Query), ("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<EventObject>), (status = 400, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Json<Page<EventObject>>, ApiError> {
    let asked = Asked::read(&params)?;
    let mut events = match params.given("type") {
        // Here an empty filter is none.
        None => wanted(&api, &params.without("type")),
        Some(_) => wanted(&api, &params),
    };
    if let Some(monitor) = params.given("monitor") {
        events.retain(|event| event.monitor.as_ref().is_some_and(|name| name.as_str() == monitor));
    }
    // Ids sort by time; the list is by falling ids.
    let total = events.len();
    let (events, next) = asked.cut(events, super::paging::DEFAULT_LIMIT, true, |event| {
        (0, event.id.clone())
    });
    Ok(Json(Page {
        items: events.iter().map(|event| EventObject::from(&**event)).collect(),
        next,
        total,
        unreachable: Vec::new(),
    }))
}
