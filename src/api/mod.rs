//! The HTTP surface; the only folder that names axum. One file per resource.
//!
//! Everything is answered from the catalog and the store; a write is one commit (or, for many definitions at once, one call). The handlers
//! own nothing and decide nothing about checks.

mod alerters;
mod answering;
mod body;
mod changes;
mod cluster;
mod commits;
mod crew;
mod definitions;
mod door;
mod error;
mod events;
mod exposition;
mod fields;
mod health;
mod incidents;
mod judge;
mod kinds;
mod members;
mod merge;
mod metrics;
mod monitors;
mod notifications;
mod openapi;
mod others;
mod overview;
mod paging;
mod parts;
mod path;
mod plan;
mod process;
mod push;
mod query;
mod resource;
mod serve;
mod session;
mod silences;
mod socket;
mod state;
mod state_list;
mod state_object;
mod state_query;
mod store;
mod stream;
mod summary;
mod sync;
mod ui;

pub use changes::exchange;
pub use error::{ApiError, ErrorBody, StatusBody};
pub use health::{Health, StoreStatus};
pub use openapi::document;
pub use others::{JudgedView, Others};
pub use parts::{ApiState, MemberInfo, Options, OwnerView, Parts};
pub use serve::{ServeLimits, serve};
pub use session::AccessTokens;

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;

/// Body of an ordinary request, at most: a definition is 256 KiB at most.
pub const MAX_BODY: usize = 1 << 20;
/// Body of a request that may carry all definitions there are, at most.
pub const MAX_BULK_BODY: usize = 64 << 20;
/// An answer begins within this time. Routes that wait for the world (run now, test message, sync) are not under it: they have deadlines of their own.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// All routes, with what guards them.
pub fn router(state: ApiState) -> axum::Router {
    let (routes, _) = routes().split_for_parts();
    routes
        .fallback(door::unknown_path)
        .method_not_allowed_fallback(door::not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(state.clone(), door::access))
        .layer(middleware::from_fn(door::same_site))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn(door::headers))
        .layer(CatchPanicLayer::custom(door::panicked))
        .layer(middleware::from_fn(door::log))
        .with_state(state)
}

/// All routes with their description, without what guards them.
fn routes() -> OpenApiRouter<ApiState> {
    let quick = OpenApiRouter::new()
        .merge(health::routes())
        .merge(session::routes())
        .merge(state::routes())
        .merge(overview::routes())
        .merge(monitors::routes())
        .merge(alerters::routes())
        .merge(incidents::routes())
        .merge(notifications::routes())
        .merge(silences::routes())
        .merge(events::routes())
        .merge(kinds::routes())
        .merge(cluster::routes())
        .merge(members::routes())
        .merge(plan::routes())
        .merge(store::routes())
        .merge(metrics::routes())
        .merge(summary::routes())
        .merge(openapi::routes())
        .merge(stream::routes())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER_WITHIN,
        ));
    OpenApiRouter::with_openapi(openapi::head())
        .merge(quick)
        .merge(monitors::slow_routes())
        .merge(alerters::slow_routes())
        .merge(sync::routes())
        .merge(ui::routes())
}
