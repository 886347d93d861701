//! The page. The only file that knows how it is embedded.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Component;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;

use super::door;
use super::parts::ApiState;
use super::path::Path;

/// What `make ui` built; nothing, where Node was not at hand.
#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Page;

const INDEX: &str = "index.html";
/// Assets carry a hash of their content in their names: what has a name never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Served where no page was built.
const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>9volt</title>\n\
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em;color-scheme:light dark}</style>\n\
<h1>9volt runs, but without its page</h1>\n\
<p>This program was built without the page. To build both, run <code>make run</code> (or <code>make ui</code>, then <code>cargo build</code>) \
in its repository; that needs Node.</p>\n\
<p>Everything the page shows is also at <a href=\"../api/v1/overview\">/api/v1/overview</a>, <a href=\"../api/v1/state\">/api/v1/state</a> \
and <a href=\"../openapi.json\">/openapi.json</a>.</p>\n</html>\n";

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    // Not part of the described API: for browsers.
    let page: Router<ApiState> = Router::new()
        .route("/ui", get(index))
        .route("/ui/", get(index))
        .route("/ui/{*path}", get(asset))
        .route("/docs/api", get(async || Redirect::permanent("../ui/api")))
        .route("/dist/{*path}", get(|_: Uri| door::not_found()));
    OpenApiRouter::from(page)
}

/// A file of the page: the embedded one, or where the server was told so the one that lies in a directory now.
fn find(api: &ApiState, path: &str) -> Option<EmbeddedFile> {
    let Some(dir) = &api.options.page_dir else {
        return Page::get(path);
    };
    let inside = std::path::Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    // For development only: reading a small file in place holds nobody up for long.
    inside
        .then(|| rust_embed::utils::read_file_from_fs(&dir.join(path)).ok())
        .flatten()
}

async fn index(State(api): State<ApiState>, headers: HeaderMap) -> Response {
    page(&api, &headers)
}

async fn asset(State(api): State<ApiState>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    match find(&api, &path) {
        Some(_) if path == INDEX => page(&api, &headers),
        Some(file) => {
            let caching = if path.starts_with("assets/") {
                FOREVER
            } else {
                "no-cache"
            };
            let mut response = file_response(&api, &path, file, &headers);
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
            response
        }
        // An asset of an older page that is still open somewhere: a page in its place would only be run as a script.
        None if path.starts_with("assets/") => door::not_found().await,
        None => page(&api, &headers),
    }
}

/// A file, or word that the browser has it; the compressed one next to it, where there is one and the browser takes it.
fn file_response(api: &ApiState, path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let etag = etag(&file);
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, value(&etag));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if asked
        .get(header::IF_NONE_MATCH)
        .and_then(|seen| seen.to_str().ok())
        .is_some_and(|seen| seen.contains(&etag))
    {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, value(file.metadata.mimetype()));
    for (name, ending) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(asked, name)
            && let Some(compressed) = find(api, &format!("{path}{ending}"))
        {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
            return (headers, compressed.data).into_response();
        }
    }
    (headers, file.data).into_response()
}

/// The page itself: never taken from a cache without asking, run under a policy that names its inline scripts.
fn page(api: &ApiState, asked: &HeaderMap) -> Response {
    let Some(file) = find(api, INDEX) else {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, policy),
        ];
        return (headers, NOT_BUILT).into_response();
    };
    let policy = policy(&String::from_utf8_lossy(&file.data));
    let mut response = file_response(api, INDEX, file, asked);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, value(&policy));
    response
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let mut etag = "\"".to_owned();
    for byte in &hash[..12] {
        // Writing to a String cannot fail.
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    etag
}

fn accepts(asked: &HeaderMap, encoding: &str) -> bool {
    let values = asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        name.trim() == encoding && weight.replace(' ', "") != "q=0"
    })
}

/// Scripts from here and those that stand in the page; nothing from anywhere else.
fn policy(html: &str) -> String {
    let mut scripts = String::new();
    for script in inline_scripts(html) {
        let hash = BASE64_STANDARD.encode(Sha256::digest(script.as_bytes()));
        // Writing to a String cannot fail.
        let _ = write!(scripts, " 'sha256-{hash}'");
    }
    format!(
        "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; frame-ancestors 'none'"
    )
}

/// The contents of `<script>` elements without attributes.
fn inline_scripts(html: &str) -> impl Iterator<Item = Cow<'_, str>> {
    html.split("<script>")
        .skip(1)
        .filter_map(|rest| rest.split_once("</script>"))
        .map(|(script, _)| {
            // The parser of a browser turns CRLF into LF before the script is hashed.
            if script.contains('\r') {
                Cow::Owned(script.replace("\r\n", "\n"))
            } else {
                Cow::Borrowed(script)
            }
        })
}

/// A header's value; empty where it could not be one (none of ours).
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_inline_scripts_and_no_others() {
        let html = "<script>a()</script><script type=\"module\" src=\"./x.js\"></script><script>b()</script>";
        let scripts: Vec<_> = inline_scripts(html).collect();
        assert_eq!(scripts, ["a()", "b()"]);
        assert_eq!(policy(html).matches("'sha256-").count(), 2);
        assert!(!policy(html).contains("script-src 'self' 'unsafe-inline'"));
    }

    #[test]
    fn an_encoding_that_is_refused_is_not_sent() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br;q=0"));
        assert!(accepts(&headers, "gzip") && !accepts(&headers, "br"));
    }
}
