//! `/api/v1/notification`: what was told, what waits, what was given up.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody};
use super::fields::Time;
use super::merge::Merge;
use super::others::{WITHIN, missing, names};
use super::paging::{Asked, DEFAULT_LIMIT, Page, encode};
use super::parts::ApiState;
use super::query::Params;
use super::state_object::incident_id;
use crate::notifications::{NotificationItem, NotificationState};
use crate::peers::calls::{NotificationRow, NotificationsQuestion, Rank};

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
    state: String,
    /// When the change happened; of what was sent, when that was.
    at: Time,
    attempts: u32,
    /// What the last attempt said.
    error: Option<String>,
    next_attempt: Option<Time>,
    /// `silence <id>`.
    muted_by: Option<String>,
}

impl From<NotificationRow> for NotificationObject {
    fn from(row: NotificationRow) -> Self {
        Self {
            episode: incident_id(&row.monitor, row.episode),
            key: row.key,
            alerter: row.alerter,
            monitor: row.monitor.to_string(),
            status: row.status.as_str(),
            state: row.state,
            at: Time(row.at),
            attempts: row.attempts,
            error: row.error,
            next_attempt: row.next_attempt.map(Time),
            muted_by: row.muted_by.map(|id| format!("silence {id}")),
        }
    }
}

fn row(item: NotificationItem) -> NotificationRow {
    NotificationRow {
        key: item.key,
        alerter: item.alerter.to_string(),
        monitor: item.monitor,
        episode: item.episode,
        status: item.status,
        state: item.state.as_str().to_owned(),
        at: item.at,
        attempts: item.attempts,
        error: item.error,
        next_attempt: item.next_attempt,
        muted_by: item.muted_by.map(|(id, _)| id),
    }
}

/// Newest first. The same change may stand here as sent and, told anew, as pending.
fn rank(row: &NotificationRow) -> Rank {
    (-row.at.0, format!("{} {}", row.key, row.state))
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
    let wanted = Wanted::read(&params)?;
    let here = wanted.here(&api);
    let Some(others) = &api.others else {
        let page = asked.page(here, |(rank, _)| rank.clone());
        return Ok(Json(page.map(|(_, row)| row.into())));
    };
    let limit = asked.limit_or(DEFAULT_LIMIT);
    let question = NotificationsQuestion {
        query: params.only(Wanted::PARAMS),
        after: asked.after().cloned(),
        limit,
    };
    let gathered = others.peers.ask_all(question, WITHIN).await;
    let mut total = here.len();
    let mut merge = Merge::new(gathered.answers.len() + 1, asked.after(), false);
    merge.feed(0, here, false);
    for (list, (_, answer)) in (1..).zip(gathered.answers) {
        total += answer.total;
        merge.feed(list, answer.rows.into_iter().map(|row| (rank(&row), row)), answer.more);
    }
    let (mut items, mut last) = (Vec::new(), None);
    // Where one of the members had to cut its answer short, so is the page.
    while items.len() < limit && merge.hungry().is_empty() {
        let Some((rank, row)) = merge.next() else { break };
        items.push(row.into());
        last = Some(rank);
    }
    Ok(Json(Page {
        items,
        next: last.filter(|_| merge.any_left()).map(|last| encode(&last)),
        total,
        unreachable: names(&missing(gathered.unreachable)),
    }))
}

/// Which messages are asked for.
pub(super) struct Wanted {
    states: Option<Vec<NotificationState>>,
    alerter: Option<String>,
    monitor: Option<String>,
}

impl Wanted {
    /// The parameters that it is read from.
    const PARAMS: &[&str] = &["state", "alerter", "monitor"];

    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        Ok(Self {
            states: params
                .given("state")
                .map(|list| list.split(',').map(state).collect())
                .transpose()?,
            alerter: params.given("alerter").map(str::to_owned),
            monitor: params.given("monitor").map(str::to_owned),
        })
    }

    /// Those that this member tells, in order.
    pub(super) fn here(&self, api: &ApiState) -> Vec<(Rank, NotificationRow)> {
        let mut items = api.notifier.items();
        items.retain(|item| {
            self.states.as_ref().is_none_or(|states| states.contains(&item.state))
                && self.alerter.as_deref().is_none_or(|name| name == item.alerter.as_str())
                && self.monitor.as_deref().is_none_or(|name| name == item.monitor.as_str())
        });
        let ranked = |item| {
            let row = row(item);
            (rank(&row), row)
        };
        let mut rows: Vec<_> = items.into_iter().map(ranked).collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        rows
    }
}

fn state(word: &str) -> Result<NotificationState, ApiError> {
    STATES.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
        let words = STATES.map(NotificationState::as_str).join(", ");
        ApiError::bad_request(format!("Invalid value '{word}' of `state`; use one of {words}"))
    })
}
