//! How this member is: for load balancers, supervisors, and the original's check.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::StatusBody;
use super::parts::ApiState;

/// How the store is, as this member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// `embedded`, `memory`, `etcd`.
    pub backend: &'static str,
    /// `joined`, `store-full`, …
    pub state: &'static str,
    /// What is wrong, when the state is not `joined`.
    pub detail: Option<String>,
    /// Where it is, for people.
    pub path: Option<String>,
}

/// The state of a member that works.
pub(super) const JOINED: &str = "joined";

/// A cheap handle. Written by the app, read by the API.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    ready: bool,
    store: StoreStatus,
    last_trouble: Option<String>,
}

impl Health {
    /// Not ready yet.
    #[must_use]
    pub fn new(backend: &'static str, path: Option<String>) -> Self {
        let store = StoreStatus {
            backend,
            state: JOINED,
            detail: None,
            path,
        };
        Self(Arc::new(Mutex::new(Inner {
            ready: false,
            store,
            last_trouble: None,
        })))
    }

    /// Whether it serves: false at the start and as the first step of a stop.
    pub fn set_ready(&self, ready: bool) {
        self.0.lock().ready = ready;
    }

    /// How the store is now.
    pub fn set_store(&self, state: &'static str, detail: Option<String>) {
        let mut inner = self.0.lock();
        inner.store.state = state;
        inner.store.detail = detail;
        if state != JOINED {
            let detail = inner.store.detail.clone().unwrap_or_else(|| state.to_owned());
            inner.last_trouble = Some(format!("store: {detail}"));
        }
    }

    /// How the store is; what it said of its own last write counts, too.
    pub(super) fn store(&self, trouble: Option<String>) -> StoreStatus {
        let inner = self.0.lock();
        let mut store = inner.store.clone();
        if store.state == JOINED
            && let Some(trouble) = trouble
        {
            store.state = "store-refuses";
            store.detail = Some(trouble);
        }
        store
    }

    /// `Err` while something is wrong; the text of what was wrong before, once it is over.
    fn status(&self, trouble: Option<String>) -> Result<Option<String>, String> {
        let store = self.store(trouble);
        let mut inner = self.0.lock();
        if store.state == JOINED {
            return Ok(inner.last_trouble.clone());
        }
        let text = format!("store: {}", store.detail.unwrap_or_else(|| store.state.to_owned()));
        inner.last_trouble = Some(text.clone());
        Err(text)
    }

    fn ready(&self) -> bool {
        self.0.lock().ready
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
async fn version(State(api): State<ApiState>) -> Json<StatusBody> {
    let message = format!("9volt {} - {}", api.member.version, api.member.commit);
    Json(StatusBody {
        message,
        status: "version".to_owned(),
    })
}

/// Whether this member works, as the original tells it: 500 while the store takes nothing.
#[utoipa::path(get, path = "/status/check", tag = "health",
    responses((status = 200, body = StatusBody), (status = 500, body = StatusBody, description = "`status` says what is wrong")))]
async fn check(State(api): State<ApiState>) -> (StatusCode, Json<StatusBody>) {
    let message = format!("MemberID {}", api.member.id);
    let (code, status) = match api.health.status(api.store.trouble().map(|error| error.to_string())) {
        Ok(None) => (StatusCode::OK, "OK".to_owned()),
        Ok(Some(before)) => (StatusCode::OK, format!("Recovered from previous error: '{before}'")),
        Err(trouble) => (StatusCode::INTERNAL_SERVER_ERROR, trouble),
    };
    (code, Json(StatusBody { message, status }))
}

/// Whether the process lives: 200 for as long as it answers at all.
#[utoipa::path(get, path = "/status/live", tag = "health", responses((status = 200, body = StatusBody)))]
async fn live(State(api): State<ApiState>) -> Json<StatusBody> {
    Json(StatusBody::ok(format!("MemberID {}", api.member.id)))
}

/// Whether to send requests here: not before the definitions are loaded, and no more once it stops. A store that is away does not matter:
/// reads and checks go on.
#[utoipa::path(get, path = "/status/ready", tag = "health",
    responses((status = 200, body = StatusBody), (status = 503, body = StatusBody)))]
async fn ready(State(api): State<ApiState>) -> (StatusCode, Json<StatusBody>) {
    let message = format!("MemberID {}", api.member.id);
    if api.health.ready() {
        (StatusCode::OK, Json(StatusBody::ok(message)))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(StatusBody {
                message,
                status: "starting or stopping".to_owned(),
            }),
        )
    }
}
