//! Access tokens: in a header, or in a cookie that signing in sets.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{RawBody, object};
use super::error::{ApiError, ErrorBody};
use super::parts::ApiState;
use crate::model::Secret;

/// The original's header.
pub(super) const HEADER: &str = "x-access-token";
/// The page's cookie.
const COOKIE: &str = "ninevolt_token";
/// A browser forgets the cookie after this many seconds: 30 days.
const COOKIE_SECONDS: u32 = 30 * 86_400;

/// Tokens that let in. Only their digests are kept: comparing these takes the same time whatever is wrong, and nothing here can leak a token.
#[derive(Clone, Default)]
pub struct AccessTokens(Vec<[u8; 32]>);

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} access tokens", self.0.len())
    }
}

impl AccessTokens {
    /// These tokens; empty ones never let in.
    #[must_use]
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self(
            tokens
                .into_iter()
                .filter(|token| !token.is_empty())
                .map(|token| digest(token.reveal()))
                .collect(),
        )
    }

    /// Whether a token is needed at all.
    #[must_use]
    pub fn required(&self) -> bool {
        !self.0.is_empty()
    }

    fn admits(&self, token: &str) -> bool {
        let given = digest(token);
        // All are compared, always.
        self.0
            .iter()
            .fold(false, |found, known| found | bool::from(known.ct_eq(&given)))
    }

    /// Whether a request may come in.
    ///
    /// # Errors
    /// 401 in the original's words.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if !self.required() {
            return Ok(());
        }
        let Some(token) = token_of(headers) else {
            return Err(ApiError::unauthorized(
                "No access token found; ensure you pass 'X-Access-Token' in header",
            ));
        };
        if self.admits(&token) {
            return Ok(());
        }
        Err(ApiError::unauthorized("Unauthorized request: invalid access token"))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The token of a request: the header, a bearer token, the cookie.
fn token_of(headers: &HeaderMap) -> Option<String> {
    if let Some(token) = headers.get(HEADER) {
        return Some(text(token));
    }
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let authorization = text(authorization);
        let (scheme, token) = authorization.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(token.trim().to_owned());
        }
    }
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok());
    let value = cookies
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Whether a token is needed, and whether this request has one.
#[derive(Debug, Serialize, ToSchema)]
struct Session {
    required: bool,
    signed_in: bool,
}

/// What signing in sends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    #[schema(value_type = String)]
    token: Secret,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show, sign_in, sign_out))
}

/// Whether a token is needed, and whether this request has one.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = Session)))]
async fn show(State(api): State<ApiState>, headers: HeaderMap) -> Json<Session> {
    let tokens = &api.options.access_tokens;
    Json(Session {
        required: tokens.required(),
        signed_in: tokens.check(&headers).is_ok(),
    })
}

/// Signs a browser in: sets a cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses((status = 204), (status = 401, body = ErrorBody)))]
async fn sign_in(
    State(api): State<ApiState>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<(StatusCode, [(header::HeaderName, String); 1]), ApiError> {
    let SignIn { token } = object(&body)?;
    let tokens = &api.options.access_tokens;
    if tokens.required() && !tokens.admits(token.reveal()) {
        return Err(ApiError::unauthorized("Unauthorized request: invalid access token"));
    }
    let value = utf8_percent_encode(token.reveal(), NON_ALPHANUMERIC).to_string();
    Ok((
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, cookie(&value, COOKIE_SECONDS, &headers))],
    ))
}

/// Signs a browser out: clears the cookie.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses((status = 204)))]
async fn sign_out(headers: HeaderMap) -> (StatusCode, [(header::HeaderName, String); 1]) {
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie("", 0, &headers))])
}

fn cookie(value: &str, seconds: u32, headers: &HeaderMap) -> String {
    let https = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        headers
    }

    #[test]
    fn a_token_comes_by_header_bearer_or_cookie() {
        let tokens = AccessTokens::new(&[Secret::new("tok1"), Secret::new("t;2 ü"), Secret::new("")]);
        for (name, value, admitted) in [
            ("x-access-token", "tok1", true),
            ("x-access-token", "t;2 ü", true),
            ("x-access-token", "", false),
            ("x-access-token", "tok", false),
            ("authorization", "bearer tok1", true),
            ("authorization", "Basic tok1", false),
            ("cookie", "a=b; ninevolt_token=t%3B2%20%C3%BC", true),
            ("cookie", "ninevolt_tokenx=tok1", false),
        ] {
            assert_eq!(tokens.check(&headers(name, value)).is_ok(), admitted, "{name}: {value}");
        }
        assert!(tokens.check(&HeaderMap::new()).is_err());
        assert!(AccessTokens::default().check(&HeaderMap::new()).is_ok());
        assert!(!format!("{tokens:?}").contains("tok1"));
    }
}
