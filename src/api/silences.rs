//! `/api/v1/silence`: what is not to be told for a while.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{RawBody, object};
use super::commits::{ATTEMPTS, Seen, etag, settle};
use super::error::{ApiError, ErrorBody, StatusBody};
use super::fields::Time;
use super::paging::{Asked, Page};
use super::parts::ApiState;
use super::path::Path;
use super::query::Params;
use crate::catalog::MonitorEntry;
use crate::events::EventKind;
use crate::feed::Signal;
use crate::model::{Dur, Problem, WallMs};
use crate::silences::{MatcherSpec, Silence};
use crate::store::records::{FORMAT, SilenceRecord};
use crate::store::{Commit, Entry, Guard, Op, Revision, decode, encode, keys};

/// Length of author and comment, at most, in bytes.
const MAX_TEXT: usize = 2_000;
/// Silences there can be: each is asked about every message and every row of a list.
const MAX_SILENCES: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, replace, remove))
}

/// A silence.
#[derive(Serialize, ToSchema)]
struct SilenceObject {
    id: String,
    /// All have to match.
    matchers: Vec<MatcherSpec>,
    from: Time,
    until: Time,
    author: String,
    comment: String,
    /// It mutes now.
    active: bool,
    /// Monitors that it is about.
    matches: usize,
}

/// A silence to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSilence {
    /// All have to match.
    matchers: Vec<MatcherSpec>,
    /// RFC 3339; now, if it is not given.
    #[serde(default)]
    from: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    until: Option<String>,
    /// Instead of `until`: `1h`, `2d`.
    #[serde(default)]
    duration: Option<String>,
    #[serde(default)]
    author: String,
    #[serde(default)]
    comment: String,
}

impl NewSilence {
    /// Checks it; all that is wrong with it at once.
    fn record(self, now: WallMs) -> Result<SilenceRecord, ApiError> {
        let mut problems = Vec::new();
        let mut time = |field: &str, text: Option<&String>| {
            let read = WallMs::parse_rfc3339(text?);
            read.map_err(|_| {
                let message = format!("`{}` is no time", text.map(String::as_str).unwrap_or_default());
                problems.push(Problem::error(
                    field,
                    message,
                    "write for example `2026-11-20T09:30:00Z`",
                ));
            })
            .ok()
        };
        let from = time("from", self.from.as_ref()).unwrap_or(now);
        let mut until = time("until", self.until.as_ref());
        match self.duration.as_deref().map(str::parse::<Dur>) {
            Some(_) if self.until.is_some() => {
                problems.push(Problem::error(
                    "duration",
                    "is given beside `until`",
                    "write one of them",
                ));
            }
            Some(Ok(duration)) => until = Some(from.plus(duration.0)),
            Some(Err(error)) => problems.push(Problem::error("duration", error.to_string(), "")),
            None if self.until.is_none() => {
                problems.push(Problem::error("until", "is missing", "write `until` or `duration`"));
            }
            None => {}
        }
        for (field, text) in [("author", &self.author), ("comment", &self.comment)] {
            if text.len() > MAX_TEXT {
                problems.push(Problem::error(
                    field,
                    format!("has {} bytes", text.len()),
                    format!("{MAX_TEXT} is the most"),
                ));
            }
        }
        // Where the end is not known, any end will do to find what is wrong with the rest.
        let ends = until.unwrap_or(WallMs(i64::MAX));
        if let Err(more) = Silence::read("", &self.matchers, from, ends, "", "") {
            problems.extend(more);
        }
        match until {
            Some(until) if problems.is_empty() => Ok(SilenceRecord {
                v: FORMAT,
                matchers: self.matchers,
                from,
                until,
                author: self.author,
                comment: self.comment,
                at: now,
            }),
            _ => Err(ApiError::invalid("the silence cannot be used", problems)),
        }
    }
}

fn shown(api: &ApiState, id: &str, record: SilenceRecord, now: WallMs) -> SilenceObject {
    let silence = Silence::read(id, &record.matchers, record.from, record.until, "", "").ok();
    let matches = |silence: &Silence| {
        let monitors = api.catalog.monitors();
        let muted = |entry: &MonitorEntry| {
            let kind = entry.kind()?;
            Some(silence.matches(entry.name.as_str(), entry.tags(), kind.name))
        };
        monitors.iter().filter(|entry| muted(entry) == Some(true)).count()
    };
    SilenceObject {
        id: id.to_owned(),
        active: record.from <= now && now < record.until,
        matches: silence.as_ref().map_or(0, matches),
        matchers: record.matchers,
        from: Time(record.from),
        until: Time(record.until),
        author: record.author,
        comment: record.comment,
    }
}

const STATES: &[&str] = &["all", "active", "expired"];

/// Silences: those that end last first. `active` are those that mute now or later.
#[utoipa::path(get, path = "/api/v1/silence", tag = "silence",
    params(("state" = Option<String>, Query, description = "all (default), active (now or later), expired"),
        ("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<SilenceObject>), (status = 400, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Json<Page<SilenceObject>>, ApiError> {
    let asked = Asked::read(&params)?;
    let state = params.word("state", STATES)?;
    let now = WallMs::now();
    let (_, entries) = api.store.list(&keys::silences()).await?;
    let read = |entry: Entry| {
        Some((
            keys::last_segment(&entry.key)?,
            decode::<SilenceRecord>(&entry).ok()?.value,
        ))
    };
    let wanted = |(_, record): &(String, SilenceRecord)| state == "all" || (record.until > now) == (state == "active");
    let mut silences: Vec<_> = entries.into_iter().filter_map(read).filter(wanted).collect();
    let rank = |(id, record): &(String, SilenceRecord)| (-record.until.0, id.clone());
    silences.sort_by_cached_key(rank);
    Ok(Json(
        asked
            .page(silences, rank)
            .map(|(id, record)| shown(&api, &id, record, now)),
    ))
}

/// Adds a silence.
#[utoipa::path(post, path = "/api/v1/silence", tag = "silence", request_body = NewSilence,
    responses((status = 201, body = SilenceObject), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn create(State(api): State<ApiState>, RawBody(body): RawBody) -> Result<Response, ApiError> {
    let now = WallMs::now();
    let record = object::<NewSilence>(&body)?.record(now)?;
    let (_, entries) = api.store.list(&keys::silences()).await?;
    if entries.len() >= MAX_SILENCES {
        return Err(ApiError::conflict(format!(
            "there are {MAX_SILENCES} silences; remove some that have expired"
        )));
    }
    // Ordered by time, so that a list of keys is in the order of their making.
    let id = uuid::Uuid::now_v7().simple().to_string();
    let Some(rev) = write(&api, &id, &record, Revision(0)).await? else {
        return Err(ApiError::conflict("the id is taken; try again"));
    };
    told(&api, &id, "added");
    let location = format!("/api/v1/silence/{id}");
    let headers = [(header::ETAG, etag(rev)), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, Json(shown(&api, &id, record, now))).into_response())
}

async fn find(api: &ApiState, id: &str) -> Result<(Entry, SilenceRecord), ApiError> {
    let missing = || ApiError::not_found(format!("Unable to find any silence named '{id}'"));
    let entry = api.store.get(&keys::silence(id)).await?.ok_or_else(missing)?;
    let record = decode::<SilenceRecord>(&entry)?.value;
    Ok((entry, record))
}

/// One silence.
#[utoipa::path(get, path = "/api/v1/silence/{id}", tag = "silence", params(("id" = String, Path)),
    responses((status = 200, body = SilenceObject, headers(("ETag" = String))), (status = 404, body = ErrorBody)))]
async fn show(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (entry, record) = find(&api, &id).await?;
    let object = shown(&api, &id, record, WallMs::now());
    Ok(([(header::ETAG, etag(entry.rev))], Json(object)).into_response())
}

/// Replaces a silence.
#[utoipa::path(put, path = "/api/v1/silence/{id}", tag = "silence", request_body = NewSilence,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = SilenceObject), (status = 404, body = ErrorBody), (status = 412, body = ErrorBody),
        (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn replace(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let now = WallMs::now();
    let record = object::<NewSilence>(&body)?.record(now)?;
    let seen = Seen::read(&headers);
    for _ in 0..ATTEMPTS {
        let (entry, _) = find(&api, &id).await?;
        seen.check(Some(entry.rev))?;
        if let Some(rev) = write(&api, &id, &record, entry.rev).await? {
            told(&api, &id, "changed");
            let object = shown(&api, &id, record, now);
            return Ok(([(header::ETAG, etag(rev))], Json(object)).into_response());
        }
    }
    Err(ApiError::conflict("somebody else keeps changing it; try again"))
}

/// Ends a silence: one that mutes ends now and stays in the list of the expired; any other is removed.
#[utoipa::path(delete, path = "/api/v1/silence/{id}", tag = "silence",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = StatusBody), (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn remove(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StatusBody>, ApiError> {
    let seen = Seen::read(&headers);
    let now = WallMs::now();
    for _ in 0..ATTEMPTS {
        let (entry, mut record) = find(&api, &id).await?;
        seen.check(Some(entry.rev))?;
        let active = record.from < now && now < record.until;
        let (done, word) = if active {
            record.until = now;
            (write(&api, &id, &record, entry.rev).await?.is_some(), "ended")
        } else {
            let guards = vec![Guard::Rev(entry.key.clone(), entry.rev)];
            let commit = Commit {
                guards,
                ops: vec![Op::Delete(entry.key)],
            };
            (settle(&api, commit).await?.is_some(), "removed")
        };
        if done {
            told(&api, &id, word);
            return Ok(Json(StatusBody::ok(format!("Successfully {word} silence '{id}'"))));
        }
    }
    Err(ApiError::conflict("somebody else keeps changing it; try again"))
}

async fn write(
    api: &ApiState,
    id: &str,
    record: &SilenceRecord,
    before: Revision,
) -> Result<Option<Revision>, ApiError> {
    let key = keys::silence(id);
    let op = Op::Put(key.clone(), encode(record)?, None);
    settle(
        api,
        Commit {
            guards: vec![Guard::Rev(key, before)],
            ops: vec![op],
        },
    )
    .await
}

fn told(api: &ApiState, id: &str, what: &str) {
    api.feed.tell(|| Signal::Silence(id.to_owned()));
    api.events.record(
        EventKind::Api,
        WallMs::now(),
        None,
        format!("silence '{id}' was {what} through the API"),
    );
}
