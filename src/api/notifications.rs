//! `/api/v1/notification`: what was told, what waits, what was given up.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody};
use super::fields::Time;
use super::paging::{Asked, Page};
use super::parts::ApiState;
use super::query::Params;
use super::state_object::incident_id;
use crate::notifications::{NotificationItem, NotificationState};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A message to one alerter about one change of one monitor.
#[derive(Serialize, ToSchema)]
struct NotificationObject {
    key: String,
    alerter: String,
    monitor: String,
    /// Id of the incident.
    episode: String,
    /// `ok` for a resolve.
    status: &'static str,
    /// `sent`, `pending`, `sending`, `given-up`, `muted`.
    state: &'static str,
    /// When the change happened; of what was sent, when that was.
    at: Time,
    attempts: u32,
    /// What the last attempt said.
    error: Option<String>,
    next_attempt: Option<Time>,
    /// `silence <id>`.
    muted_by: Option<String>,
}

impl From<NotificationItem> for NotificationObject {
    fn from(item: NotificationItem) -> Self {
        Self {
            episode: incident_id(&item.monitor, item.episode),
            key: item.key,
            alerter: item.alerter.to_string(),
            monitor: item.monitor.to_string(),
            status: item.status.as_str(),
            state: item.state.as_str(),
            at: Time(item.at),
            attempts: item.attempts,
            error: item.error,
            next_attempt: item.next_attempt.map(Time),
            muted_by: item.muted_by.map(|(id, _)| format!("silence {id}")),
        }
    }
}

const STATES: [NotificationState; 5] = [
    NotificationState::Pending,
    NotificationState::Sending,
    NotificationState::Muted,
    NotificationState::GivenUp,
    NotificationState::Sent,
];

/// Messages, newest first: all that are not through, and the last ones that are.
#[utoipa::path(get, path = "/api/v1/notification", tag = "notification",
    params(("state" = Option<String>, Query, description = "Any of sent, pending, sending, given-up, muted (comma list)"),
        ("alerter" = Option<String>, Query), ("monitor" = Option<String>, Query),
        ("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<NotificationObject>), (status = 400, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Json<Page<NotificationObject>>, ApiError> {
    let asked = Asked::read(&params)?;
    let states: Option<Vec<NotificationState>> = params
        .given("state")
        .map(|list| list.split(',').map(state).collect())
        .transpose()?;
    let (alerter, monitor) = (params.given("alerter"), params.given("monitor"));
    let mut items = api.notifier.items();
    items.retain(|item| {
        states.as_ref().is_none_or(|states| states.contains(&item.state))
            && alerter.is_none_or(|name| name == item.alerter.as_str())
            && monitor.is_none_or(|name| name == item.monitor.as_str())
    });
    // The same change may stand here as sent and, told anew, as pending.
    let rank = |item: &NotificationItem| (-item.at.0, format!("{} {}", item.key, item.state.as_str()));
    items.sort_by_cached_key(rank);
    Ok(Json(asked.page(items, rank).map(NotificationObject::from)))
}

fn state(word: &str) -> Result<NotificationState, ApiError> {
    STATES.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
        let words = STATES.map(NotificationState::as_str).join(", ");
        ApiError::bad_request(format!("Invalid value '{word}' of `state`; use one of {words}"))
    })
}
