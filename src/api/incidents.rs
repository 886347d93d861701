//! `/api/v1/incident`: stretches of not-ok, open and past.

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
use super::state_query::Deriver;
use crate::model::{AlerterName, MonitorName, TrailEntry, WallMs};
use crate::store::records::{Checkpoint, Past};
use crate::store::{Entry, StoreError, decode, keys};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A stretch of not-ok of one monitor.
#[derive(Serialize, ToSchema)]
struct Incident {
    id: String,
    monitor: String,
    r#type: String,
    /// Of an open one the status now; of a past one the worst there was.
    status: &'static str,
    since: Time,
    until: Option<Time>,
    /// `recovered`, `edited`, `disabled`, `deleted`.
    closed_as: Option<&'static str>,
    /// Message of the last failed run.
    reason: String,
    /// Failed runs.
    count: u32,
    /// The last changes, oldest first.
    trail: Vec<Trail>,
    /// Who was addressed.
    alerters: Vec<String>,
    /// A silence mutes the monitor now.
    silenced: bool,
}

/// A change of status in an incident.
#[derive(Serialize, ToSchema)]
struct Trail {
    at: Time,
    status: &'static str,
    message: String,
}

/// An incident as it was found: read in full only if it is on the page asked for.
struct Found {
    entry: Entry,
    monitor: MonitorName,
    open: bool,
    /// When it began.
    at: i64,
}

const STATES: &[&str] = &["open", "past", "all"];

/// Incidents: the open ones first, each newest first.
#[utoipa::path(get, path = "/api/v1/incident", tag = "incident",
    params(("state" = Option<String>, Query, description = "open (default), past, all"), ("monitor" = Option<String>, Query),
        ("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<Incident>), (status = 400, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Json<Page<Incident>>, ApiError> {
    let asked = Asked::read(&params)?;
    let state = params.word("state", STATES)?;
    let monitor = params.given("monitor");
    let mut found = Vec::new();
    if state != "past" {
        found.extend(open(&api, monitor).await?);
    }
    if state != "open" {
        found.extend(past(&api, monitor).await?);
    }
    // Open ones are newer than any that ended.
    let rank = |found: &Found| {
        (
            if found.open { i64::MIN / 2 - found.at } else { -found.at },
            found.entry.key.to_string(),
        )
    };
    found.sort_by_cached_key(rank);
    let deriver = Deriver::new(&api, WallMs::now());
    let page = asked.page(found, rank);
    let total = page.total;
    let next = page.next;
    let items = page
        .items
        .iter()
        .filter_map(|found| incident(&api, &deriver, found))
        .collect();
    Ok(Json(Page {
        items,
        next,
        total,
        unreachable: Vec::new(),
    }))
}

async fn open(api: &ApiState, monitor: Option<&str>) -> Result<Vec<Found>, StoreError> {
    let entries = match monitor.map(MonitorName::parse) {
        Some(Ok(name)) => api.store.get(&keys::checkpoint(&name)).await?.into_iter().collect(),
        Some(Err(_)) => Vec::new(),
        None => api.store.list(&keys::checkpoints()).await?.1,
    };
    let found = entries.into_iter().filter_map(|entry| {
        let monitor = MonitorName::parse(&keys::last_segment(&entry.key)?).ok()?;
        let at = decode::<Checkpoint>(&entry).ok()?.value.since.0;
        Some(Found {
            entry,
            monitor,
            open: true,
            at,
        })
    });
    Ok(found.collect())
}

async fn past(api: &ApiState, monitor: Option<&str>) -> Result<Vec<Found>, StoreError> {
    let (_, entries) = api.store.list(&keys::pasts()).await?;
    let found = entries.into_iter().filter_map(|entry| {
        let (at, name) = keys::past_of(&entry.key)?;
        let wanted = monitor.is_none_or(|monitor| monitor == name.as_str());
        wanted.then_some(Found {
            entry,
            monitor: name,
            open: false,
            at,
        })
    });
    Ok(found.collect())
}

fn incident(api: &ApiState, deriver: &Deriver, found: &Found) -> Option<Incident> {
    let entry = api.catalog.monitor(found.monitor.as_str());
    let silenced = entry.is_some_and(|entry| {
        let kind = entry.kind().map(|kind| kind.name);
        kind.is_some_and(|kind| deriver.silenced(entry.name.as_str(), entry.tags(), kind))
    });
    let names = |alerters: Vec<AlerterName>| alerters.into_iter().map(String::from).collect();
    if found.open {
        let checkpoint = decode::<Checkpoint>(&found.entry).ok()?.value;
        return Some(Incident {
            id: incident_id(&found.monitor, checkpoint.episode),
            monitor: found.monitor.to_string(),
            r#type: checkpoint.kind,
            status: checkpoint.status.as_str(),
            since: Time(checkpoint.since),
            until: None,
            closed_as: None,
            reason: checkpoint.message,
            count: checkpoint.failures,
            trail: trail(checkpoint.trail),
            alerters: names(checkpoint.alerters),
            silenced,
        });
    }
    let past = decode::<Past>(&found.entry).ok()?.value;
    Some(Incident {
        id: incident_id(&past.monitor, past.episode),
        monitor: past.monitor.to_string(),
        r#type: past.kind,
        status: past.worst.as_str(),
        since: Time(past.since),
        until: Some(Time(past.until)),
        closed_as: Some(past.closed.as_str()),
        reason: past.message,
        count: past.count,
        trail: trail(past.trail),
        alerters: names(past.alerters),
        silenced,
    })
}

fn trail(entries: Vec<TrailEntry>) -> Vec<Trail> {
    entries
        .into_iter()
        .map(|e| Trail {
            at: Time(e.at),
            status: e.status.as_str(),
            message: e.message,
        })
        .collect()
}
