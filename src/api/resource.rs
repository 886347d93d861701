//! What monitors and alerters have in common: named definitions, read and written in the same ways.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::commits::{ATTEMPTS, Seen, etag, seen_by_catalog, settle};
use super::definitions::{same, shown};
use super::error::{ApiError, StatusBody};
use super::judge::{judge, strangers, unmasked};
use super::parts::ApiState;
use crate::config::mask::Section;
use crate::config::report::ProblemJson;
use crate::events::EventKind;
use crate::model::{AlerterName, MonitorName, Problem, WallMs};
use crate::store::records::{Definition, FORMAT, MAX_DEFINITION};
use crate::store::{Commit, Entry, Guard, Key, Op, Revision, StoreError, decode, keys};

/// `origin` of what is written here.
pub(super) const ORIGIN: &str = "api";

/// Answer to a write of one definition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written {
    message: String,
    status: &'static str,
    /// It was stored, but may not be what was meant.
    warnings: Vec<ProblemJson>,
}

/// The word that the original uses for one.
pub(super) const fn noun(section: Section) -> &'static str {
    match section {
        Section::Monitor => "check",
        Section::Alerter => "alerter",
    }
}

/// The key of a definition; `None` for a name that none can have.
pub(super) fn key(section: Section, name: &str) -> Option<Key> {
    match section {
        Section::Monitor => MonitorName::parse(name).ok().map(|name| keys::monitor(&name)),
        Section::Alerter => AlerterName::parse(name).ok().map(|name| keys::alerter(&name)),
    }
}

pub(super) fn missing(section: Section, name: &str) -> ApiError {
    ApiError::not_found(format!("Unable to find any {} named '{name}'", noun(section)))
}

/// A stored definition.
pub(super) async fn read(api: &ApiState, section: Section, name: &str) -> Result<Entry, ApiError> {
    let key = key(section, name).ok_or_else(|| missing(section, name))?;
    api.store.get(&key).await?.ok_or_else(|| missing(section, name))
}

/// What the user wrote; null where the record cannot be read.
pub(super) fn spec_of(entry: &Entry) -> Value {
    let record = decode::<Definition>(entry).ok();
    record
        .and_then(|record| serde_json::from_str(record.value.spec.get()).ok())
        .unwrap_or_default()
}

/// A record of a definition.
pub(super) fn record(spec: &Value, origin: &str, at: WallMs) -> Result<Bytes, ApiError> {
    let spec = to_raw_value(spec).map_err(|error| ApiError::internal(error.to_string()))?;
    let record = Definition {
        v: FORMAT,
        origin: origin.to_owned(),
        by: ORIGIN.to_owned(),
        at,
        spec,
    };
    let bytes = serde_json::to_vec(&record).map_err(|error| ApiError::internal(error.to_string()))?;
    if bytes.len() > MAX_DEFINITION {
        return Err(ApiError::too_large(format!(
            "a definition can have {MAX_DEFINITION} bytes at most"
        )));
    }
    Ok(bytes.into())
}

/// All definitions, by their full keys as in the original.
pub(super) async fn map(api: &ApiState, section: Section) -> Result<Response, ApiError> {
    let prefix = match section {
        Section::Monitor => keys::monitors(),
        Section::Alerter => keys::alerters(),
    };
    let (_, entries) = api.store.list(&prefix).await?;
    let names = format!("/{}/{}/", api.options.prefix, section.name());
    /// Definitions written at a time.
    const PIECE: usize = 250;
    let pieces = entries.len().div_ceil(PIECE);
    let pieces = stream::unfold(
        (0, entries, names, true),
        move |(piece, entries, names, mut first)| async move {
            if piece > pieces {
                return None;
            }
            let mut out = if piece == 0 { vec![b'{'] } else { Vec::new() };
            for entry in entries.iter().skip(piece * PIECE).take(PIECE) {
                let Some((name, spec)) = named(section, entry, &names) else {
                    continue;
                };
                if !std::mem::replace(&mut first, false) {
                    out.push(b',');
                }
                out.extend_from_slice(name.get().as_bytes());
                out.push(b':');
                out.extend_from_slice(spec.as_bytes());
            }
            if piece == pieces {
                out.push(b'}');
            }
            Some((
                Ok::<_, std::convert::Infallible>(Bytes::from(out)),
                (piece + 1, entries, names, first),
            ))
        },
    );
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(pieces.fuse()),
    )
        .into_response())
}

fn named(section: Section, entry: &Entry, names: &str) -> Option<(Box<RawValue>, String)> {
    let name = keys::last_segment(&entry.key)?;
    let spec = shown(section, &entry.value)?.raw().get().to_owned();
    Some((to_raw_value(&format!("{names}{name}")).ok()?, spec))
}

/// One definition as stored, secrets masked.
pub(super) async fn show(
    api: &ApiState,
    section: Section,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let entry = read(api, section, name).await?;
    let tag = etag(entry.rev);
    if Seen::read(headers).check(Some(entry.rev)).is_err() && headers.contains_key(header::IF_NONE_MATCH) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let shown = shown(section, &entry.value)
        .ok_or_else(|| ApiError::internal(format!("the stored record of '{name}' cannot be read; write it again")))?;
    let body = shown.raw().get().to_owned();
    Ok((
        [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (header::ETAG, tag),
        ],
        body,
    )
        .into_response())
}

/// Writes one whole definition.
pub(super) async fn put(
    api: &ApiState,
    section: Section,
    name: &str,
    headers: &HeaderMap,
    spec: Value,
) -> Result<Response, ApiError> {
    let seen = Seen::read(headers);
    let key = key(section, name);
    for _ in 0..ATTEMPTS {
        let entry = match &key {
            Some(key) => api.store.get(key).await?,
            None => None,
        };
        let before = entry.as_ref().map(|entry| entry.rev);
        seen.check(before)?;
        let stored = entry.as_ref().map(spec_of);
        let mut spec = spec.clone();
        let problems = unmasked(section, name, &mut spec, stored.as_ref());
        let mut warnings = judge(api, section, name, &spec, stored.as_ref(), problems)?;
        if section == Section::Monitor {
            warnings.extend(strangers(api, name, &spec));
        }
        // Names that cannot be keys do not get past judging.
        let Some(key) = key.clone() else {
            return Err(missing(section, name));
        };
        if let Some(rev) = before.filter(|_| stored.is_some_and(|stored| same(&stored, &spec))) {
            return Ok(written(
                StatusCode::OK,
                format!("{} '{name}' is unchanged", noun(section)),
                &warnings,
                rev,
            ));
        }
        let op = Op::Put(key.clone(), record(&spec, ORIGIN, WallMs::now())?, None);
        let commit = Commit {
            guards: vec![Guard::Rev(key, before.unwrap_or_default())],
            ops: vec![op],
        };
        if let Some(rev) = settle(api, commit).await? {
            seen_by_catalog(api, || revision_in_catalog(api, section, name) >= Some(rev)).await;
            tell(
                api,
                section,
                Some(name),
                format!("{} '{name}' was written through the API", noun(section)),
            );
            let status = if before.is_some() {
                StatusCode::OK
            } else {
                StatusCode::CREATED
            };
            return Ok(written(
                status,
                format!("Successfully stored {} '{name}'", noun(section)),
                &warnings,
                rev,
            ));
        }
        if seen.conditional() {
            return Err(ApiError::stale("it was changed since you read it; read it again"));
        }
    }
    Err(ApiError::conflict("somebody else keeps changing it; try again"))
}

fn written(status: StatusCode, message: String, warnings: &[Problem], rev: Revision) -> Response {
    let warnings = warnings.iter().map(ProblemJson::from).collect();
    (
        status,
        [(header::ETAG, etag(rev))],
        axum::Json(Written {
            message,
            status: "ok",
            warnings,
        }),
    )
        .into_response()
}

/// Removes one definition.
pub(super) async fn delete(
    api: &ApiState,
    section: Section,
    name: &str,
    headers: &HeaderMap,
) -> Result<axum::Json<StatusBody>, ApiError> {
    let seen = Seen::read(headers);
    for _ in 0..ATTEMPTS {
        let entry = read(api, section, name).await?;
        seen.check(Some(entry.rev))?;
        let mut commit = Commit {
            guards: vec![Guard::Rev(entry.key.clone(), entry.rev)],
            ops: vec![Op::Delete(entry.key.clone())],
        };
        if section == Section::Alerter {
            retire(api, name, &entry, &mut commit).await?;
        }
        if settle(api, commit).await?.is_some() {
            seen_by_catalog(api, || {
                revision_in_catalog(api, section, name).is_none_or(|rev| rev > entry.rev)
            })
            .await;
            tell(
                api,
                section,
                Some(name),
                format!("{} '{name}' was removed through the API", noun(section)),
            );
            return Ok(axum::Json(StatusBody::ok(format!(
                "Successfully removed {} '{name}'",
                noun(section)
            ))));
        }
        if seen.conditional() {
            return Err(ApiError::stale("it was changed since you read it; read it again"));
        }
    }
    Err(ApiError::conflict("somebody else keeps changing it; try again"))
}

/// An alerter that is removed may still have something to resolve: its last definition stays for that.
async fn retire(api: &ApiState, name: &str, entry: &Entry, commit: &mut Commit) -> Result<(), StoreError> {
    let Ok(name) = AlerterName::parse(name) else {
        return Ok(());
    };
    let key = keys::retired_alerter(&name);
    let before = api.store.get(&key).await?.map_or(Revision(0), |entry| entry.rev);
    commit.guards.push(Guard::Rev(key.clone(), before));
    commit.ops.push(Op::Put(key, entry.value.clone(), None));
    Ok(())
}

/// The revision of a definition that the catalog knows.
pub(super) fn revision_in_catalog(api: &ApiState, section: Section, name: &str) -> Option<Revision> {
    match section {
        Section::Monitor => api.catalog.monitor(name).map(|entry| entry.rev),
        Section::Alerter => api.catalog.alerter(name).map(|entry| entry.rev),
    }
}

/// Says that something was changed.
pub(super) fn tell(api: &ApiState, section: Section, name: Option<&str>, message: String) {
    let monitor = name
        .filter(|_| section == Section::Monitor)
        .and_then(|name| MonitorName::parse(name).ok());
    api.events
        .record(EventKind::Api, WallMs::now(), monitor.as_ref(), message);
}
