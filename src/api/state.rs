//! `/api/v1/state`: how every monitor is.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::commits::etag;
use super::definitions::shown;
use super::error::{ApiError, ErrorBody};
use super::paging::Asked;
use super::parts::ApiState;
use super::query::Params;
use super::state_object::{DetailObject, StateObject, Wanted};
use super::state_query::{Deriver, Filter, Row};
use crate::config::mask::Section;
use crate::model::WallMs;
use crate::store::{Key, StoreError, keys};

/// Monitors written at a time: between two pieces others get to run, and a slow reader holds back the writing of the next.
const PIECE: usize = 250;
/// From this many on, all definitions are read at once instead of one by one.
const READ_ALL_FROM: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// How the monitors are. Without `limit` all of them, as the original answers.
#[utoipa::path(get, path = "/api/v1/state", tag = "state",
    params(
        ("tags" = Option<String>, Query, description = "Any of these tags (comma list, exact)"),
        ("status" = Option<String>, Query, description = "Any of these statuses (comma list)"),
        ("type" = Option<String>, Query, description = "Any of these kinds (comma list)"),
        ("q" = Option<String>, Query, description = "Part of name or description, in any case"),
        ("silenced" = Option<bool>, Query), ("disabled" = Option<bool>, Query), ("unwatched" = Option<bool>, Query),
        ("orphaned" = Option<bool>, Query), ("invalid" = Option<bool>, Query),
        ("sort" = Option<String>, Query, description = "name, -name, status (worst first), since, -since, took, -took"),
        ("limit" = Option<usize>, Query, description = "At most 1000"), ("cursor" = Option<String>, Query),
        ("offset" = Option<usize>, Query), ("config" = Option<bool>, Query, description = "false leaves the definitions out"),
    ),
    responses((status = 200, body = Vec<StateObject>, headers(
        ("X-Total-Count" = usize, description = "Monitors that match"), ("X-Next-Cursor" = String, description = "Cursor of the next page"))),
        (status = 400, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Response, ApiError> {
    let filter = Filter::read(&params)?;
    let asked = Asked::read(&params)?;
    let with_config = params.flag("config")?.unwrap_or(true);
    let deriver = Deriver::new(&api, WallMs::now());
    let rows = filter.apply(&api, &deriver);
    let total = rows.len();
    let (rows, next) = asked.cut(rows, usize::MAX, filter.falling(), Filter::rank);
    let configs = if with_config {
        configs(&api, &rows).await?
    } else {
        HashMap::new()
    };
    let wanted = Wanted { spark: asked.limited() };
    let mut response = Response::new(array(api, deriver, rows, configs, wanted));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-total-count", HeaderValue::from(total));
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        headers.insert("x-next-cursor", next);
    }
    Ok(response)
}

/// The stored records of these monitors.
async fn configs(api: &ApiState, rows: &[Row]) -> Result<HashMap<Key, Bytes>, StoreError> {
    if rows.len() >= READ_ALL_FROM {
        let (_, entries) = api.store.list(&keys::monitors()).await?;
        return Ok(entries.into_iter().map(|entry| (entry.key, entry.value)).collect());
    }
    let mut configs = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(entry) = api.store.get(&keys::monitor(&row.entry.name)).await? {
            configs.insert(entry.key, entry.value);
        }
    }
    Ok(configs)
}

/// The array, written piece by piece as the client takes it.
fn array(api: ApiState, deriver: Deriver, rows: Vec<Row>, configs: HashMap<Key, Bytes>, wanted: Wanted) -> Body {
    let pieces = rows.len().div_ceil(PIECE);
    let stream = stream::unfold(
        (0, rows, (api, deriver, configs)),
        move |(piece, rows, with)| async move {
            if piece > pieces {
                return None;
            }
            let mut out = Vec::new();
            if piece == 0 {
                out.push(b'[');
            }
            let (api, deriver, configs) = &with;
            for (i, row) in rows.iter().enumerate().skip(piece * PIECE).take(PIECE) {
                if i > 0 {
                    out.push(b',');
                }
                write(&mut out, api, deriver, configs, row, wanted);
            }
            if piece == pieces {
                out.push(b']');
            }
            Some((Ok::<_, Infallible>(Bytes::from(out)), (piece + 1, rows, with)))
        },
    );
    Body::from_stream(stream.fuse())
}

fn write(
    out: &mut Vec<u8>,
    api: &ApiState,
    deriver: &Deriver,
    configs: &HashMap<Key, Bytes>,
    row: &Row,
    wanted: Wanted,
) {
    let entry = &row.entry;
    let config = configs
        .get(&keys::monitor(&entry.name))
        .and_then(|record| shown(Section::Monitor, record));
    let owner = (api.owner)(entry);
    let owner = owner.as_ref().map(|owner| owner.as_str());
    let live = entry.live.lock();
    let flags = deriver.flags(api, entry, &live);
    let object = StateObject::of(
        entry,
        &live,
        flags,
        owner,
        config.as_ref().map(|config| config.raw()),
        wanted,
    );
    // Writing plain fields to memory cannot fail.
    let _ = serde_json::to_writer(out, &object);
}

/// Everything that is known of one monitor.
#[utoipa::path(get, path = "/api/v1/state/{check}", tag = "state", params(("check" = String, Path)),
    responses((status = 200, body = DetailObject), (status = 404, body = ErrorBody)))]
async fn one(State(api): State<ApiState>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let Some(entry) = api.catalog.monitor(&name) else {
        return Err(ApiError::not_found(format!("Unable to find any check named '{name}'")));
    };
    let record = api.store.get(&keys::monitor(&entry.name)).await?;
    let config = record
        .as_ref()
        .and_then(|record| shown(Section::Monitor, &record.value));
    let owner = (api.owner)(&entry);
    let owner = owner.as_ref().map(|owner| owner.as_str());
    let deriver = Deriver::new(&api, WallMs::now());
    let live = entry.live.lock();
    let flags = deriver.flags(&api, &entry, &live);
    let config = config.as_ref().map(|config| config.raw());
    let state = StateObject::of(&entry, &live, flags, owner, config, Wanted { spark: true });
    let object = DetailObject::of(state, &live, &entry.problems, etag(entry.rev));
    let body = serde_json::to_vec(&object).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
