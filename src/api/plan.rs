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
use super::query::Params;
use crate::catalog::{Share, shares};
use crate::model::{Group, MemberId};
use crate::store::records::Table;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
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
    /// Placement groups in use, and those that have been.
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
