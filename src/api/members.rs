//! `/api/v1/member`: who is here, what each holds, and what the operator wants of it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{RawBody, object};
use super::commits::{ATTEMPTS, settle};
use super::crew::Crew;
use super::error::{ApiError, ErrorBody, StatusBody};
use super::fields::{Num, Time};
use super::paging::{Asked, Page};
use super::parts::ApiState;
use super::path::Path;
use super::query::Params;
use crate::events::EventKind;
use crate::model::{MemberId, Problem, WallMs};
use crate::store::records::{FORMAT, IntentRecord};
use crate::store::{Commit, Guard, Op, Revision, encode, keys};

/// Largest weight.
const MAX_WEIGHT: u32 = 1_000;
/// Longest name of whoever asks, in bytes.
const MAX_BY: usize = 200;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, remove))
        .routes(routes!(drain, undrain))
        .routes(routes!(cordon, uncordon))
        .routes(routes!(weigh, unweigh))
}

/// A member.
#[derive(Serialize, ToSchema)]
struct MemberInfoObject {
    id: String,
    /// It lives, as far as the store knows.
    here: bool,
    /// It directs.
    director: bool,
    hostname: Option<String>,
    /// Where its API listens.
    address: Option<String>,
    tags: Vec<String>,
    /// Kinds of monitor that it can run; empty: all.
    kinds: Vec<String>,
    version: Option<String>,
    started: Option<Time>,
    /// It has said that it is about to stop.
    leaving: bool,
    /// Why it should be given nothing; null: it is fit.
    unfit: Option<String>,
    /// Its share against the others', the operator's where there is one.
    weight: u32,
    /// What the operator wants of it.
    intent: Option<IntentObject>,
    /// Slots of monitors that it judges.
    slots: usize,
    /// Slots of alerters that it works.
    alerter_slots: usize,
    /// Monitors that it judges.
    monitors: usize,
    /// Its part of all work, from 0 to 1.
    load_share: Num,
    /// The lease that it hangs on.
    lease: Option<String>,
}

/// What the operator wants of a member.
#[derive(Serialize, ToSchema)]
struct IntentObject {
    /// What it has goes to others.
    drain: bool,
    /// It is given nothing more.
    cordon: bool,
    /// In place of its own weight.
    weight: Option<u32>,
    /// Who asked for it.
    by: String,
    at: Time,
}

/// Who asks.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Asks {
    #[serde(default)]
    by: String,
}

/// Another weight.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Weighs {
    /// From 1 to 1000.
    weight: u32,
    #[serde(default)]
    by: String,
}

fn shown(crew: &Crew, id: &MemberId) -> MemberInfoObject {
    let here = crew.members.get(id);
    let record = here.map(|(record, _)| record);
    let intent = crew.intents.get(id).map(|(intent, _)| intent);
    let share = crew.share(Some(id));
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    MemberInfoObject {
        id: id.to_string(),
        here: here.is_some(),
        director: crew
            .director
            .as_ref()
            .is_some_and(|(director, _)| director == id.as_str()),
        hostname: record.and_then(|record| text(&record.hostname)),
        address: record.and_then(|record| text(&record.listen)),
        tags: record.map(|record| record.tags.clone()).unwrap_or_default(),
        kinds: record.map(|record| record.kinds.clone()).unwrap_or_default(),
        version: record.and_then(|record| text(&record.version)),
        started: record.map(|record| Time(record.started)),
        leaving: record.is_some_and(|record| record.leaving),
        unfit: record.and_then(|record| text(&record.unfit)),
        weight: intent
            .and_then(|intent| intent.weight)
            .or(record.map(|record| record.weight))
            .unwrap_or(1),
        intent: intent.map(|intent| IntentObject {
            drain: intent.drain,
            cordon: intent.cordon,
            weight: intent.weight,
            by: intent.by.clone(),
            at: Time(intent.at),
        }),
        slots: share.slots,
        alerter_slots: share.alerter_slots,
        monitors: share.monitors,
        load_share: Num(crew.part(&share)),
        lease: here.and_then(|(_, lease)| *lease).map(|lease| format!("{:x}", lease.0)),
    }
}

/// Members: those who are here, and those who are not and still hold something or are wanted something of.
#[utoipa::path(get, path = "/api/v1/member", tag = "cluster",
    params(("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<MemberInfoObject>), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn list(State(api): State<ApiState>, params: Params) -> Result<Json<Page<MemberInfoObject>>, ApiError> {
    let asked = Asked::read(&params)?;
    let crew = Crew::read(&api).await?;
    let ids: Vec<MemberId> = crew.ids().into_iter().collect();
    let page = asked.page(ids, |id| (0, id.to_string()));
    Ok(Json(page.map(|id| shown(&crew, &id))))
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Unable to find any member named '{id}'"))
}

async fn find(api: &ApiState, id: &str) -> Result<(Crew, MemberId), ApiError> {
    let crew = Crew::read(api).await?;
    let known = MemberId::parse(id).ok().filter(|id| crew.ids().contains(id));
    let id = known.ok_or_else(|| missing(id))?;
    Ok((crew, id))
}

/// One member.
#[utoipa::path(get, path = "/api/v1/member/{id}", tag = "cluster", params(("id" = String, Path)),
    responses((status = 200, body = MemberInfoObject), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn show(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Json<MemberInfoObject>, ApiError> {
    let (crew, id) = find(&api, &id).await?;
    Ok(Json(shown(&crew, &id)))
}

/// Changes what is wanted of a member. `what` is for the event.
async fn intend(
    api: &ApiState,
    id: &str,
    by: &str,
    what: &str,
    change: impl Fn(&mut IntentRecord),
) -> Result<Json<MemberInfoObject>, ApiError> {
    if by.len() > MAX_BY {
        let problem = Problem::error("by", format!("has {} bytes", by.len()), format!("{MAX_BY} is the most"));
        return Err(ApiError::invalid("nobody has so long a name", vec![problem]));
    }
    for _ in 0..ATTEMPTS {
        let (mut crew, id) = find(api, id).await?;
        let (before, rev) = match crew.intents.remove(&id) {
            Some((intent, rev)) => (Some(intent), rev),
            // One that cannot be read is written anew.
            None => (
                None,
                api.store
                    .get(&keys::intent(&id))
                    .await?
                    .map_or(Revision(0), |entry| entry.rev),
            ),
        };
        let nothing = IntentRecord {
            v: FORMAT,
            cordon: false,
            drain: false,
            weight: None,
            by: String::new(),
            at: WallMs(0),
        };
        let mut wanted = before.clone().unwrap_or_else(|| nothing.clone());
        change(&mut wanted);
        let same = |a: &IntentRecord, b: &IntentRecord| (a.cordon, a.drain, a.weight) == (b.cordon, b.drain, b.weight);
        if same(&wanted, before.as_ref().unwrap_or(&nothing)) {
            crew.intents.extend(before.map(|before| (id.clone(), (before, rev))));
            return Ok(Json(shown(&crew, &id)));
        }
        wanted.by = by.to_owned();
        wanted.at = WallMs::now();
        let key = keys::intent(&id);
        let op = if same(&wanted, &nothing) {
            Op::Delete(key.clone())
        } else {
            Op::Put(key.clone(), encode(&wanted)?, None)
        };
        let guards = vec![Guard::Rev(key, rev)];
        if let Some(rev) = settle(api, Commit { guards, ops: vec![op] }).await? {
            let by = if by.is_empty() {
                String::new()
            } else {
                format!(" by {by}")
            };
            let text = format!("member '{id}' was {what} through the API{by}");
            api.events.record(EventKind::Api, WallMs::now(), None, text);
            if !same(&wanted, &nothing) {
                crew.intents.insert(id.clone(), (wanted, rev));
            }
            return Ok(Json(shown(&crew, &id)));
        }
    }
    Err(ApiError::conflict("somebody else keeps changing it; try again"))
}

fn asks(body: &[u8]) -> Result<Asks, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Asks::default());
    }
    object(body)
}

/// Drains a member: what it has goes to others, at once; what nobody else may hold stays. Lasts over its restarts.
#[utoipa::path(put, path = "/api/v1/member/{id}/drain", tag = "cluster", request_body = Asks, params(("id" = String, Path)),
    responses((status = 200, body = MemberInfoObject), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn drain(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Json<MemberInfoObject>, ApiError> {
    intend(&api, &id, &asks(&body)?.by, "drained", |intent| intent.drain = true).await
}

/// Ends a drain: the member gets its share back.
#[utoipa::path(delete, path = "/api/v1/member/{id}/drain", tag = "cluster", params(("id" = String, Path)),
    responses((status = 200, body = MemberInfoObject), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn undrain(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Json<MemberInfoObject>, ApiError> {
    intend(&api, &id, "", "undrained", |intent| intent.drain = false).await
}

/// Cordons a member: it keeps what it has and is given nothing more.
#[utoipa::path(put, path = "/api/v1/member/{id}/cordon", tag = "cluster", request_body = Asks, params(("id" = String, Path)),
    responses((status = 200, body = MemberInfoObject), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn cordon(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Json<MemberInfoObject>, ApiError> {
    intend(&api, &id, &asks(&body)?.by, "cordoned", |intent| intent.cordon = true).await
}

/// Ends a cordon.
#[utoipa::path(delete, path = "/api/v1/member/{id}/cordon", tag = "cluster", params(("id" = String, Path)),
    responses((status = 200, body = MemberInfoObject), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn uncordon(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Json<MemberInfoObject>, ApiError> {
    intend(&api, &id, "", "uncordoned", |intent| intent.cordon = false).await
}

/// Gives a member another weight, in place of the one that it was started with.
#[utoipa::path(put, path = "/api/v1/member/{id}/weight", tag = "cluster", request_body = Weighs, params(("id" = String, Path)),
    responses((status = 200, body = MemberInfoObject), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn weigh(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Json<MemberInfoObject>, ApiError> {
    let Weighs { weight, by } = object(&body)?;
    if !(1..=MAX_WEIGHT).contains(&weight) {
        let fix = format!("write 1 to {MAX_WEIGHT}; to give it nothing, drain it");
        let problem = Problem::error("weight", format!("is {weight}"), fix);
        return Err(ApiError::invalid("the weight cannot be used", vec![problem]));
    }
    intend(&api, &id, &by, &format!("given weight {weight}"), |intent| {
        intent.weight = Some(weight)
    })
    .await
}

/// Gives a member its own weight back.
#[utoipa::path(delete, path = "/api/v1/member/{id}/weight", tag = "cluster", params(("id" = String, Path)),
    responses((status = 200, body = MemberInfoObject), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn unweigh(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Json<MemberInfoObject>, ApiError> {
    intend(&api, &id, "", "given its own weight", |intent| intent.weight = None).await
}

/// Forgets a member that is gone: what the operator wanted of it, and what it left. One that lives is not removed: stop it first.
#[utoipa::path(delete, path = "/api/v1/member/{id}", tag = "cluster", params(("id" = String, Path)),
    responses((status = 200, body = StatusBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn remove(State(api): State<ApiState>, Path(id): Path<String>) -> Result<Json<StatusBody>, ApiError> {
    let id = MemberId::parse(&id).map_err(|_| missing(&id))?;
    let lives = || {
        ApiError::conflict(format!(
            "member '{id}' lives; stop it first, and wait until its lease is over"
        ))
    };
    let member = keys::member(&id);
    for _ in 0..ATTEMPTS {
        if api.store.get(&member).await?.is_some() {
            return Err(lives());
        }
        let mut guards = vec![Guard::Absent(member.clone())];
        let mut ops = Vec::new();
        for key in [keys::intent(&id), keys::soft(&id)] {
            if let Some(entry) = api.store.get(&key).await? {
                guards.push(Guard::Rev(key.clone(), entry.rev));
                ops.push(Op::Delete(key));
            }
        }
        if ops.is_empty() {
            return Err(missing(id.as_str()));
        }
        if settle(&api, Commit { guards, ops }).await?.is_some() {
            let text = format!("member '{id}' was removed through the API");
            api.events.record(EventKind::Api, WallMs::now(), None, text);
            return Ok(Json(StatusBody::ok(format!("Successfully removed member '{id}'"))));
        }
    }
    Err(ApiError::conflict("somebody else keeps changing it; try again"))
}
