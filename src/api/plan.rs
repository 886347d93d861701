//! `/api/v1/plan`: which member judges what, group by group.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::crew::Crew;
use super::error::{ApiError, ErrorBody};
use super::fields::Time;
use super::paging::{Asked, Page};
use super::parts::ApiState;
use super::path::Path;
use super::query::Params;
use crate::catalog::{Share, shares};
use crate::model::{Group, MemberId};
use crate::store::records::Table;
use crate::store::records::slot;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(judges))
}

/// The plan.
#[derive(Serialize, ToSchema)]
struct PlanObject {
    /// Who directs; null while nobody does.
    director: Option<String>,
    /// Its term: the first part of the epochs that it gives.
    term: Option<String>,
    /// The last plan that changed anything.
    last: Option<LastPlan>,
    /// Slots in each group.
    slots: u16,
    /// Placement groups in use, and those that were until some minutes ago.
    groups: Page<GroupObject>,
}

/// A plan that was made.
#[derive(Serialize, ToSchema)]
struct LastPlan {
    at: Time,
    why: String,
}

/// A placement group.
#[derive(Serialize, ToSchema)]
struct GroupObject {
    /// `untagged`, `tag-<member tag>`, or `notify` (alerters).
    group: String,
    epoch: String,
    /// When this table was made.
    at: Time,
    /// Why it was made.
    why: String,
    /// Stretches of slots that the table is made of.
    runs: usize,
    monitors: usize,
    /// Slots that nobody may hold.
    orphans: usize,
    /// Monitors in them.
    orphaned_monitors: usize,
    /// Who judges how much.
    members: Vec<HoldsObject>,
}

/// What a member holds of a group.
#[derive(Serialize, ToSchema)]
struct HoldsObject {
    id: String,
    slots: usize,
    monitors: usize,
}

fn shown(crew: &Crew, group: &Group, table: &Table) -> GroupObject {
    let held: BTreeMap<Option<MemberId>, Share> = shares(&crew.loads, [(group, table)]);
    let slots = |share: &Share| share.slots + share.alerter_slots;
    let nobody = held.get(&None);
    GroupObject {
        group: group.to_string(),
        epoch: table.epoch.clone(),
        at: Time(table.at),
        why: table.why.clone(),
        runs: table.runs.len(),
        monitors: held.values().map(|share| share.monitors).sum(),
        orphans: nobody.map_or(0, slots),
        orphaned_monitors: nobody.map_or(0, |share| share.monitors),
        members: held
            .iter()
            .filter_map(|(id, share)| {
                Some(HoldsObject {
                    id: id.as_ref()?.to_string(),
                    slots: slots(share),
                    monitors: share.monitors,
                })
            })
            .collect(),
    }
}

/// Which member judges what. Groups by name.
#[utoipa::path(get, path = "/api/v1/plan", tag = "cluster",
    params(("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PlanObject), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn show(State(api): State<ApiState>, params: Params) -> Result<Json<PlanObject>, ApiError> {
    let asked = Asked::read(&params)?;
    let crew = Crew::read(&api).await?;
    let last = crew.tables.values().max_by_key(|table| table.at).map(|table| LastPlan {
        at: Time(table.at),
        why: table.why.clone(),
    });
    let groups: Vec<Group> = crew.tables.keys().cloned().collect();
    let page = asked.page(groups, |group| (0, group.to_string()));
    let (director, term) = crew.director.clone().unzip();
    Ok(Json(PlanObject {
        director,
        term: term.map(|term| term.to_string()),
        last,
        slots: crate::store::records::SLOTS,
        groups: page.map(|group| shown(&crew, &group, &crew.tables[&group])),
    }))
}

/// Who has judged a monitor.
#[derive(Serialize, ToSchema)]
struct JudgesObject {
    /// The newest first; as far as this member has seen it since it was started.
    items: Vec<JudgeObject>,
}

/// A time in which one member judged a monitor.
#[derive(Serialize, ToSchema)]
struct JudgeObject {
    /// Who; null: nobody might.
    member: Option<String>,
    /// The table that gave it.
    epoch: String,
    /// Since when; null: since before this member was started.
    at: Option<Time>,
    /// Why.
    why: String,
}

/// Who judges a monitor, and who did before.
#[utoipa::path(get, path = "/api/v1/monitor/{check}/judges", tag = "cluster", params(("check" = String, Path)),
    responses((status = 200, body = JudgesObject), (status = 404, body = ErrorBody)))]
async fn judges(State(api): State<ApiState>, Path(name): Path<String>) -> Result<Json<JudgesObject>, ApiError> {
    let Some(entry) = api.catalog.monitor(&name) else {
        return Err(ApiError::not_found(format!("Unable to find any check named '{name}'")));
    };
    let group = entry.group();
    let held = group
        .map(|group| api.tables.history(&group, slot(&name)))
        .unwrap_or_default();
    let item = |held: crate::cluster::Held| JudgeObject {
        member: held.judge.map(|judge| judge.to_string()),
        epoch: held.epoch,
        at: held.at.map(Time),
        why: held.why,
    };
    Ok(Json(JudgesObject {
        items: held.into_iter().map(item).collect(),
    }))
}
