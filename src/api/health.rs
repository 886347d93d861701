//! How this member is: for load balancers, supervisors, and the original's check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::StatusBody;
use super::parts::ApiState;
use crate::cutoff::{Standing, State};
use crate::model::WallMs;
use crate::store::Store;

/// How the store is, as this member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// `embedded`, `memory`, `etcd`.
    pub backend: &'static str,
    /// `joined`, `outage`, …: how this member stands to it; `store-refuses` where the last write failed and nothing more is known.
    pub state: &'static str,
    /// What is wrong, when the state is not `joined`.
    pub detail: Option<String>,
    /// What that means, in one sentence, and since when it is so: when this member is not joined.
    pub means: Option<(&'static str, WallMs)>,
    /// Where it is, for people.
    pub path: Option<String>,
}

impl StoreStatus {
    /// Whether all is well.
    pub(super) fn is_joined(&self) -> bool {
        self.state == State::Joined.as_str()
    }
}

/// A cheap handle. Written by the app, read by the API.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: &'static str,
    path: Option<String>,
    standing: Standing,
    ready: AtomicBool,
    /// The last time that the store took nothing.
    refused: Mutex<Option<String>>,
}

impl Health {
    /// Not ready yet.
    #[must_use]
    pub fn new(backend: &'static str, path: Option<String>, standing: Standing) -> Self {
        Self(Arc::new(Inner {
            backend,
            path,
            standing,
            ready: AtomicBool::new(false),
            refused: Mutex::default(),
        }))
    }

    /// Whether it serves: false at the start and as the first step of a stop.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Relaxed);
    }

    /// How this member stands to the store.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.0.standing
    }

    /// How the store is; what it said of its own last write counts, too.
    pub(super) fn store(&self, store: &Store) -> StoreStatus {
        let stood = self.0.standing.now();
        let (state, detail, means) = match (stood.state, store.trouble()) {
            (State::Joined, None) => (State::Joined.as_str(), None, None),
            (State::Joined, Some(trouble)) => ("store-refuses", Some(trouble.to_string()), None),
            (state, _) => {
                let because = Some(self.0.standing.because()).filter(|text| !text.is_empty());
                (state.as_str(), because, Some((state.means(), stood.since)))
            }
        };
        StoreStatus {
            backend: self.0.backend,
            state,
            detail,
            means,
            path: self.0.path.clone(),
        }
    }

    /// `Err` while something is wrong; the text of what was wrong before, once it is over.
    fn status(&self, store: &Store) -> Result<Option<String>, String> {
        let now = self.store(store);
        let mut refused = self.0.refused.lock();
        if now.is_joined() {
            let before = self.0.standing.now().trouble.or_else(|| refused.clone());
            return Ok(before.map(|before| format!("store: {before}")));
        }
        let because = now.detail.as_deref().or(now.means.map(|(means, _)| means));
        let text = format!("{}: {}", now.state, because.unwrap_or_default());
        *refused = Some(text.clone());
        Err(format!("store: {text}"))
    }

    /// What keeps requests from being sent here.
    fn unready(&self) -> Option<String> {
        match self.0.standing.state() {
            _ if !self.0.ready.load(Ordering::Relaxed) => Some("starting or stopping".to_owned()),
            state @ State::Returning => Some(in_words(state)),
            _ => None,
        }
    }
}

/// `OK`, or the state and what it means.
fn in_words(state: State) -> String {
    match state {
        State::Joined => "OK".to_owned(),
        other => format!("{}: {}", other.as_str(), other.means()),
    }
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(root))
        .routes(routes!(version))
        .routes(routes!(check))
        .routes(routes!(live))
        .routes(routes!(ready))
}

/// Where to read on.
#[utoipa::path(get, path = "/", tag = "health", responses((status = 200, body = String, content_type = "text/plain")))]
async fn root() -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "Refer to README.md for 9volt API usage",
    )
        .into_response()
}

/// The version of this member.
#[utoipa::path(get, path = "/version", tag = "health", responses((status = 200, body = StatusBody)))]
async fn version(extract::State(api): extract::State<ApiState>) -> Json<StatusBody> {
    let message = format!("9volt {} - {}", api.member.version, api.member.commit);
    Json(StatusBody {
        message,
        status: "version".to_owned(),
    })
}

/// Whether this member works, as the original tells it: 500 while it is not joined, or the store takes nothing.
#[utoipa::path(get, path = "/status/check", tag = "health",
    responses((status = 200, body = StatusBody), (status = 500, body = StatusBody, description = "`status` says what is wrong")))]
async fn check(extract::State(api): extract::State<ApiState>) -> (StatusCode, Json<StatusBody>) {
    match api.health.status(&api.store) {
        Ok(None) => said(&api, StatusCode::OK, "OK".to_owned()),
        Ok(Some(before)) => said(
            &api,
            StatusCode::OK,
            format!("Recovered from previous error: '{before}'"),
        ),
        Err(trouble) => said(&api, StatusCode::INTERNAL_SERVER_ERROR, trouble),
    }
}

/// Whether the process lives: 200 for as long as it answers at all, also without the store. Whoever ends it then ends what goes on.
#[utoipa::path(get, path = "/status/live", tag = "health", responses((status = 200, body = StatusBody)))]
async fn live(extract::State(api): extract::State<ApiState>) -> (StatusCode, Json<StatusBody>) {
    said(&api, StatusCode::OK, in_words(api.health.standing().state()))
}

/// Whether to send requests here: not before the definitions are loaded, not while this member returns to its store, and no more once it
/// stops. A store that is away does not matter: reads and checks go on.
#[utoipa::path(get, path = "/status/ready", tag = "health",
    responses((status = 200, body = StatusBody), (status = 503, body = StatusBody)))]
async fn ready(extract::State(api): extract::State<ApiState>) -> (StatusCode, Json<StatusBody>) {
    match api.health.unready() {
        None => said(&api, StatusCode::OK, in_words(api.health.standing().state())),
        Some(why) => said(&api, StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

fn said(api: &ApiState, code: StatusCode, status: String) -> (StatusCode, Json<StatusBody>) {
    let message = format!("MemberID {}", api.member.id);
    (code, Json(StatusBody { message, status }))
}
