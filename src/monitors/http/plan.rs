//! From the keys to what every run needs, with all that is wrong with them.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method};
use url::Url;

use super::keys::HttpKeys;
use super::location::{Location, LocationError, default_port};
use super::status::StatusCodes;
use crate::model::{Dur, Problem, Secret, Severity};
use crate::monitors::content::Content;
use crate::monitors::net::{AddressFamily, ExpiryLimits, Failure, Host, Tls, excerpt};

/// As the original's client.
const DEFAULT_MAX_REDIRECTS: u8 = 10;
/// More than any real chain of redirects.
const MOST_REDIRECTS: i64 = 50;
/// Of a body, when the definition does not say.
const DEFAULT_MAX_BODY: u32 = 1 << 20;
/// What one check may hold in memory at most.
const MOST_BODY: i64 = 64 << 20;

/// Everything about the requests that does not change from run to run.
pub(super) struct Plan {
    pub(super) method: Method,
    pub(super) location: Location,
    /// Configured headers and credentials.
    pub(super) headers: Box<[(HeaderName, HeaderValue)]>,
    pub(super) body: Bytes,
    pub(super) status: StatusCodes,
    pub(super) content: Content,
    pub(super) max_redirects: u8,
    pub(super) max_body: usize,
    pub(super) keep_alive: bool,
    pub(super) tls: Option<Box<Tls>>,
    pub(super) limits: ExpiryLimits,
    pub(super) family: Option<AddressFamily>,
    pub(super) slow: Option<Dur>,
}

impl Plan {
    pub(super) fn new(mut keys: HttpKeys, problems: &mut Vec<Problem>) -> Option<Self> {
        let location = location(&mut keys, problems);
        let method = method(&keys.method, problems);
        let headers = headers(&keys, problems);
        let status = StatusCodes::new(keys.status_code, &keys.status_codes, problems);
        let content = Content::new(&keys.expect, &keys.expect_not, &keys.expect_regex)
            .map_err(|problem| problems.push(problem))
            .ok();
        let most = |field, value: Option<i64>, default, most: i64, problems: &mut Vec<Problem>| {
            let value = value.unwrap_or(default);
            if !(0..=most).contains(&value) {
                problems.push(Problem::error(
                    field,
                    format!("'{field}' must be between 0 and {most}"),
                    "",
                ));
            }
            value
        };
        let max_redirects = most(
            "max-redirects",
            keys.max_redirects,
            DEFAULT_MAX_REDIRECTS.into(),
            MOST_REDIRECTS,
            problems,
        );
        let max_body = most("max-body", keys.max_body, DEFAULT_MAX_BODY.into(), MOST_BODY, problems);
        if let (Some(family), Some(Host::Ip(ip))) = (keys.address_family, location.as_ref().map(|l| &l.to.host))
            && !family.admits(*ip)
        {
            let message = format!("{ip} is no address of this family");
            problems.push(Problem::error("address-family", message, ""));
        }
        let tls = keys.tls.map(|keys| {
            let (tls, found) = Tls::new(keys);
            problems.extend(found);
            Box::new(tls)
        });
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return None;
        }
        Some(Self {
            method: method?,
            location: location?,
            headers: headers.into(),
            body: keys.request_body.into(),
            status,
            content: content?,
            max_redirects: if keys.follow_redirects {
                u8::try_from(max_redirects).unwrap_or(DEFAULT_MAX_REDIRECTS)
            } else {
                0
            },
            max_body: usize::try_from(max_body).unwrap_or(DEFAULT_MAX_BODY as usize),
            keep_alive: keys.keep_alive,
            tls,
            limits: ExpiryLimits {
                warning: keys.certificate_expiry_warning,
                critical: keys.certificate_expiry_critical,
            },
            family: keys.address_family,
            slow: keys.slow,
        })
    }

    /// The original's words around whatever went wrong with a request.
    pub(super) fn during_request(&self, failure: Failure) -> Failure {
        failure.context(format_args!(
            "Ran into error while performing '{}' request",
            self.method
        ))
    }
}

fn is_whole_url(url: &str) -> bool {
    let scheme = |s: &str| url.get(..s.len()).is_some_and(|start| start.eq_ignore_ascii_case(s));
    scheme("http://") || scheme("https://")
}

fn location(keys: &mut HttpKeys, problems: &mut Vec<Problem>) -> Option<Location> {
    let refuse = |err: LocationError| {
        // What stands before an `@` may be a password.
        let shown = match keys.url.rsplit_once('@') {
            Some((_, after)) => format!("…@{}", excerpt(after.as_bytes())),
            None => excerpt(keys.url.as_bytes()),
        };
        Problem::error("url", format!("`{shown}` cannot be asked: {err}"), "")
    };
    if is_whole_url(&keys.url) {
        if !keys.host.is_empty() || keys.port != 0 {
            let message = "a whole URL says host and port itself";
            problems.push(Problem::error(
                "url",
                message,
                "write the path only, or remove `host` and `port`",
            ));
            return None;
        }
        let mut url = Url::parse(&keys.url)
            .map_err(|err| problems.push(refuse(err.into())))
            .ok()?;
        if !url.username().is_empty() || url.password().is_some() {
            let decode = |text: &str| {
                percent_encoding::percent_decode_str(text)
                    .decode_utf8_lossy()
                    .into_owned()
            };
            if keys.username.is_empty() {
                keys.username = decode(url.username());
                keys.password = Secret::new(decode(url.password().unwrap_or_default()));
            }
            let message = "the URL holds a password, and URLs are shown";
            problems.push(Problem::warning("url", message, "use `username` and `password`"));
            // Both fail only for URLs without a host, and this one has one.
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        return Location::of_url(&url).map_err(|err| problems.push(refuse(err))).ok();
    }
    let refuse_port = || Problem::error("port", "'port' must be between 0 and 65535", "");
    let mut port = u16::try_from(keys.port)
        .map_err(|_| problems.push(refuse_port()))
        .ok()?;
    let mut host = keys.host.as_str();
    // The original glued host and port together, so `host: web:8080` without a port worked.
    if port == 0
        && let Some((before, after)) = host.rsplit_once(':')
        && (!before.contains(':') || before.ends_with(']'))
        && let Ok(found) = after.parse()
    {
        (host, port) = (before, found);
    }
    let host = Host::parse(host)
        .map_err(|message| problems.push(Problem::error("host", message, "")))
        .ok()?;
    let port = if port == 0 { default_port(keys.ssl) } else { port };
    Location::new(keys.ssl, host, port, &keys.url)
        .map_err(|err| problems.push(refuse(err)))
        .ok()
}

fn method(written: &str, problems: &mut Vec<Problem>) -> Option<Method> {
    if written.is_empty() {
        return Some(Method::GET);
    }
    let shown = excerpt(written.as_bytes());
    match Method::from_bytes(written.as_bytes()) {
        // A tunnel is not an exchange: there would be no end to it.
        Ok(Method::CONNECT) | Err(_) => {
            let message = format!("`{shown}` is no method that can be used");
            problems.push(Problem::error("method", message, "use for example GET, HEAD or POST"));
            None
        }
        Ok(method) => {
            let upper = written.to_ascii_uppercase();
            if upper != written
                && matches!(
                    upper.as_str(),
                    "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH"
                )
            {
                let message = format!("`{shown}` is sent as written, and methods are case-sensitive");
                problems.push(Problem::warning("method", message, format!("write `{upper}`")));
            }
            Some(method)
        }
    }
}

fn headers(keys: &HttpKeys, problems: &mut Vec<Problem>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::with_capacity(keys.headers.len() + 1);
    for (name, value) in &keys.headers {
        let field = format!("headers.{}", excerpt(name.as_bytes()));
        let Ok(name) = HeaderName::try_from(name.as_str()) else {
            problems.push(Problem::error(field, "this is no header name", ""));
            continue;
        };
        if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].contains(&name) {
            let message = "this header belongs to the connection and is set by 9volt";
            problems.push(Problem::error(field, message, "remove it"));
            continue;
        }
        let Some(value) = secret_value(value.reveal()) else {
            problems.push(Problem::error(field, "this value cannot be sent in a header", ""));
            continue;
        };
        headers.push((name, value));
    }
    let basic = !keys.username.is_empty() || !keys.password.is_empty();
    let credentials = match (basic, !keys.bearer_token.is_empty()) {
        (true, true) => {
            let message = "there is already a user name or password";
            problems.push(Problem::error("bearer-token", message, "use one of the two"));
            None
        }
        (true, false) => {
            let pair = format!("{}:{}", keys.username, keys.password.reveal());
            Some(format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(pair)
            ))
        }
        (false, true) => Some(format!("Bearer {}", keys.bearer_token.reveal())),
        (false, false) => None,
    };
    if let Some(credentials) = credentials {
        if headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
            let message = "there is already a user name or token";
            problems.push(Problem::error("headers.authorization", message, "use one of the two"));
        }
        match secret_value(&credentials) {
            Some(value) => headers.push((AUTHORIZATION, value)),
            None => problems.push(Problem::error(
                "bearer-token",
                "this token cannot be sent in a header",
                "",
            )),
        }
    }
    headers
}

/// Marked as sensitive, which hides it from Debug everywhere.
fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Plan {
    /// Whether the definition brings its own `Host`.
    pub(super) fn names_host(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == HOST)
    }
}
