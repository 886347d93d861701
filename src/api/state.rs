//! `/api/v1/state`: how every monitor is.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::commits::etag;
use super::definitions::shown;
use super::error::{ApiError, ErrorBody};
use super::others::{self, Scope, WITHIN};
use super::paging::{self, Asked};
use super::parts::ApiState;
use super::path::Path;
use super::query::Params;
use super::state_list::{ROWS, StateList};
use super::state_object::{DetailObject, StateObject, Wanted};
use super::state_query::{Deriver, Filter, Row, There};
use crate::catalog::{MonitorEntry, loader};
use crate::config::kinds::Kinds;
use crate::config::mask::Section;
use crate::model::{MemberId, WallMs};
use crate::peers::calls::{StateAnswer, StateQuestion};
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
        ("orphaned" = Option<bool>, Query), ("invalid" = Option<bool>, Query), ("broken" = Option<bool>, Query),
        ("unreachable" = Option<bool>, Query),
        ("sort" = Option<String>, Query, description = "name, -name, status (worst first), since, -since, took, -took"),
        ("limit" = Option<usize>, Query, description = "At most 1000"), ("cursor" = Option<String>, Query),
        ("offset" = Option<usize>, Query), ("config" = Option<bool>, Query, description = "false leaves the definitions out"),
    ),
    responses((status = 200, body = Vec<StateObject>, headers(
        ("X-Total-Count" = usize, description = "Monitors that match"), ("X-Next-Cursor" = String, description = "Cursor of the next page"),
        ("X-9volt-Unreachable" = String, description = "Members that could not be asked (comma list); their monitors are marked `unreachable`"))),
        (status = 400, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Response, ApiError> {
    let filter = Filter::read(&params)?;
    let asked = Asked::read(&params)?;
    let with_config = params.flag("config")?.unwrap_or(true);
    let deriver = Deriver::new(&api, WallMs::now());
    let elsewhere = api.elsewhere();
    let mut list = None;
    let (rows, total, next, unreachable) = if elsewhere.is_empty() {
        let rows = filter.apply(&api, &deriver, Scope::All);
        let total = rows.len();
        let (rows, next) = asked.cut(rows, usize::MAX, filter.falling(), Filter::rank);
        (rows, total, next, Vec::new())
    } else {
        let wish = asked.wish(params.only(Filter::PARAMS));
        let limit = wish.limit;
        let mut open = StateList::open(&api, filter, &deriver, &elsewhere, wish).await;
        let rows = open.take(&deriver, limit.unwrap_or(ROWS)).await;
        let next = rows.last().filter(|_| limit.is_some() && open.any_left());
        let next = next.map(|last| paging::encode(&Filter::rank(last)));
        let (total, unreachable) = (open.total(), open.unreachable().to_vec());
        // Without a limit the rest is asked for as the client takes it.
        list = Some(open).filter(|open| limit.is_none() && open.any_left());
        (rows, total, next, unreachable)
    };
    let configs = match &list {
        _ if !with_config => HashMap::new(),
        Some(_) => all_configs(&api).await?,
        None => configs(&api, &rows).await?,
    };
    let wanted = Wanted { spark: asked.limited() };
    let pieces = Pieces {
        api,
        deriver,
        rows: rows.into(),
        list,
        configs,
        wanted,
        begun: false,
    };
    let mut response = Response::new(pieces.into_body());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-total-count", HeaderValue::from(total));
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        headers.insert("x-next-cursor", next);
    }
    headers.extend(others::header(&unreachable));
    Ok(response)
}

/// The stored records of these monitors.
async fn configs(api: &ApiState, rows: &[Row]) -> Result<HashMap<Key, Bytes>, StoreError> {
    if rows.len() >= READ_ALL_FROM {
        return all_configs(api).await;
    }
    let mut configs = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(entry) = api.store.get(&keys::monitor(&row.entry.name)).await? {
            configs.insert(entry.key, entry.value);
        }
    }
    Ok(configs)
}

async fn all_configs(api: &ApiState) -> Result<HashMap<Key, Bytes>, StoreError> {
    let (_, entries) = api.store.list(&keys::monitors()).await?;
    Ok(entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
}

/// The array, written piece by piece as the client takes it.
struct Pieces {
    api: ApiState,
    deriver: Deriver,
    rows: VecDeque<Row>,
    /// Where more rows come from.
    list: Option<StateList>,
    configs: HashMap<Key, Bytes>,
    wanted: Wanted,
    begun: bool,
}

impl Pieces {
    fn into_body(self) -> Body {
        let pieces = stream::unfold(Some(self), |pieces| async move {
            let mut pieces = pieces?;
            let (out, ended) = pieces.next().await;
            Some((Ok::<_, Infallible>(out), (!ended).then_some(pieces)))
        });
        Body::from_stream(pieces.fuse())
    }

    /// The next piece, and whether it is the last.
    async fn next(&mut self) -> (Bytes, bool) {
        if self.rows.is_empty()
            && let Some(list) = &mut self.list
        {
            self.rows = list.take(&self.deriver, ROWS).await.into();
        }
        let mut out = Vec::new();
        for _ in 0..PIECE {
            let Some(row) = self.rows.pop_front() else { break };
            out.push(if std::mem::replace(&mut self.begun, true) {
                b','
            } else {
                b'['
            });
            write(&mut out, &self.api, &self.deriver, &self.configs, &row, self.wanted);
        }
        let ended = self.rows.is_empty() && self.list.as_ref().is_none_or(|list| !list.any_left());
        if ended {
            out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        }
        (out.into(), ended)
    }
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
    let config = config.as_ref().map(|config| config.raw());
    row.look(api, |look| {
        let flags = deriver.flags(api, entry, look);
        let object = StateObject::of(entry, look.live, flags, owner, config, wanted);
        // Writing plain fields to memory cannot fail.
        let _ = serde_json::to_writer(out, &object);
    });
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
    // An outline does not say what is wrong with it.
    let read = record.as_ref().filter(|_| entry.is_outline());
    let read = read.map(|record| loader::read(Kinds::built_in(), entry.name.clone(), record));
    let problems = read.as_ref().map_or_else(|| entry.problems(), MonitorEntry::problems);
    let owner = (api.owner)(&entry);
    let owner = owner.as_ref().map(|owner| owner.as_str());
    let deriver = Deriver::new(&api, WallMs::now());
    let config = config.as_ref().map(|config| config.raw());
    let (there, unreachable) = ask(&api, &entry).await;
    let row = Row::there(0, entry.clone(), there);
    let body = row.look(&api, |look| {
        let flags = deriver.flags(&api, &entry, look);
        let state = StateObject::of(&entry, look.live, flags, owner, config, Wanted { spark: true });
        let object = DetailObject::of(state, look.live, problems, etag(entry.rev));
        serde_json::to_vec(&object)
    });
    let body = body.map_err(|error| ApiError::internal(error.to_string()))?;
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    response.headers_mut().extend(others::header(&unreachable));
    Ok(response)
}

/// What the member that judges it says of a monitor, if that is another one; and that member, if it says nothing.
async fn ask(api: &ApiState, entry: &MonitorEntry) -> (Option<There>, Vec<MemberId>) {
    let Some((others, judge)) = api.asked_about(entry) else {
        return (None, Vec::new());
    };
    let question = StateQuestion {
        name: entry.name.clone(),
    };
    match others.peers.ask(&judge, question, WITHIN).await {
        Ok(StateAnswer { state, unwatched }) => {
            let there = state.map(|state| There {
                live: state.into_live(),
                unwatched,
                recorded: false,
            });
            (there, Vec::new())
        }
        Err(_) => (None, vec![judge]),
    }
}
