//! `/api/v1/cluster`: who is here and who directs, in the original's shape.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody};
use super::fields::Time;
use super::parts::ApiState;
use crate::model::WallMs;
use crate::store::records::MemberRecord;
use crate::store::{decode, keys};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Who is here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct ClusterObject {
    /// By id.
    members: BTreeMap<String, MemberObject>,
    director: DirectorObject,
}

/// A member.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct MemberObject {
    #[serde(rename = "MemberID")]
    member_id: String,
    hostname: String,
    listen_address: String,
    last_updated: Time,
    tags: Vec<String>,
    version: String,
    #[serde(rename = "SemVer")]
    sem_ver: String,
}

/// The member that directs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct DirectorObject {
    /// Empty while nobody does.
    #[serde(rename = "MemberID")]
    member_id: String,
    last_update: Time,
}

/// Who is here, and who directs. A member hangs on a lease: who is listed lived within the last lease time, so `LastUpdated` is now.
#[utoipa::path(get, path = "/api/v1/cluster", tag = "cluster",
    responses((status = 200, body = ClusterObject), (status = 503, body = ErrorBody)))]
async fn show(State(api): State<ApiState>) -> Result<Json<ClusterObject>, ApiError> {
    let (_, entries) = api.store.list(&keys::members()).await?;
    let director = api.store.get(&keys::director()).await?;
    let now = Time(WallMs::now());
    let records = entries.iter().filter_map(|entry| decode::<MemberRecord>(entry).ok());
    let members = records.map(|at| {
        let record = at.value;
        let member = MemberObject {
            member_id: record.id.to_string(),
            hostname: record.hostname,
            listen_address: record.listen,
            last_updated: now,
            tags: record.tags,
            version: record.version.clone(),
            sem_ver: record.version,
        };
        (member.member_id.clone(), member)
    });
    let id = director.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
    Ok(Json(ClusterObject {
        members: members.collect(),
        director: DirectorObject {
            member_id: id.unwrap_or_default(),
            last_update: now,
        },
    }))
}
