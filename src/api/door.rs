//! What every request passes: tokens, the browser's word on where it comes from, headers, the log; and what answers where no route does.

use std::any::Any;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::parts::ApiState;
use super::query::Params;

/// For answers that are data: nothing in them is ever run or framed.
const DATA_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Lets in whoever has a token, where one is needed: for data, not for the page that asks for it.
pub(super) async fn access(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let data = path.starts_with("/api/") || path == "/metrics";
    if data
        && path != "/api/v1/session"
        && let Err(refused) = api.options.access_tokens.check(request.headers())
    {
        return refused.into_response();
    }
    next.run(request).await
}

/// Refuses what a browser sends here on behalf of another site, if it would change something.
pub(super) async fn same_site(request: Request, next: Next) -> Response {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        // The original changes a monitor by a GET.
        || request.uri().query().is_some_and(|query| Params::of(query).get("disable").is_some());
    let cross_site = request
        .headers()
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    if writes && cross_site {
        return ApiError::forbidden("a page of another site may not change anything here").into_response();
    }
    next.run(request).await
}

/// Headers that every answer has; the page brings its own policy.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    default(header::CONTENT_SECURITY_POLICY, DATA_POLICY);
    default(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The access log: the path without its query (a client may put a token there), reads at debug level.
pub(super) async fn log(request: Request, next: Next) -> Response {
    let begun = tokio::time::Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let took_ms = begun.elapsed().as_micros() as f64 / 1000.0;
    let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
    if response.status().is_server_error() {
        tracing::warn!(%method, path, status, took_ms, peer, "request failed");
    } else if method == Method::GET || method == Method::HEAD {
        tracing::debug!(%method, path, status, took_ms, peer, "request");
    } else {
        tracing::info!(%method, path, status, took_ms, peer, "request");
    }
    response
}

/// No such path: the original's words, after sending those to the right place whose path is only written in an unusual way.
pub(super) async fn unknown_path(request: Request) -> Response {
    let path = request.uri().path();
    let clean = clean(path);
    // Browsers read a backslash as a slash: `/\host` would lead away.
    if clean == path || clean.contains('\\') {
        return not_found().await;
    }
    let location = match request.uri().query() {
        Some(query) => format!("{clean}?{query}"),
        None => clean,
    };
    match HeaderValue::from_str(&location) {
        Ok(location) => {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, location);
            (StatusCode::MOVED_PERMANENTLY, headers).into_response()
        }
        Err(_) => not_found().await,
    }
}

/// The original's answer to an unknown path and to a wrong method.
pub(super) async fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "404 page not found\n",
    )
        .into_response()
}

/// A handler panicked: a defect, but not the end of the process.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal("the server has a defect here; see its log").into_response()
}

/// The path without empty, `.` and `..` parts and without a slash at its end. Always begins with exactly one slash, so that no redirect
/// leads to another host.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cleaned_and_never_leads_away() {
        for (path, expected) in [
            ("/", "/"),
            ("/api/v1/state/", "/api/v1/state"),
            ("//evil.example/", "/evil.example"),
            ("/a/../b/./c//d", "/b/c/d"),
            ("/../..", "/"),
            ("/api/v1/monitor/a%2Fb/", "/api/v1/monitor/a%2Fb"),
        ] {
            assert_eq!(clean(path), expected);
        }
    }
}
