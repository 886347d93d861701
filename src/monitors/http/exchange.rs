//! One run: request, redirects, answer, and what is wrong with it.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, response};
use http_body_util::Full;
use hyper::Request;
use hyper::body::{Body as _, Incoming};

use super::connection::Connection;
use super::location::Location;
use super::plan::Plan;
use crate::model::{Phase, Reason, Verdict};
use crate::monitors::content::Mismatch;
use crate::monitors::net::{Failure, Opened, Peer, Trace, Way, excerpt, open};
use crate::monitors::{CheckCx, Run};

/// First size of the buffer for a body that comes in several pieces; it grows up to `max-body`.
const FIRST_BODY: usize = 16 << 10;

/// What was found out, also when the run was cut at its deadline.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) opened: Opened,
    ssl: bool,
    redirects: u8,
    answer: Option<(StatusCode, Version)>,
    content_length: Option<u64>,
    body_length: Option<usize>,
    failed_regex: bool,
}

impl Seen {
    /// Named so that they become the usual metrics once `probe_` stands in front of them.
    pub(super) fn facts(&self, plan: &Plan, verdict: &mut Verdict) {
        // Kept until the next run: no more room than there are facts.
        let single = [
            self.content_length.is_some(),
            self.body_length.is_some(),
            self.opened.ip.is_some(),
            self.opened.expires.is_some(),
            plan.content.has_regex(),
        ];
        let answered = if self.answer.is_some() { 4 } else { 0 };
        verdict
            .facts
            .reserve_exact(answered + single.iter().filter(|known| **known).count());
        if let Some((status, version)) = self.answer {
            verdict.fact("http_status_code", f64::from(status.as_u16()));
            verdict.fact("http_version", number_of(version));
            verdict.fact("http_ssl", f64::from(u8::from(self.ssl)));
            verdict.fact("http_redirects", f64::from(self.redirects));
        }
        #[expect(clippy::cast_precision_loss, reason = "lengths of bodies are far below 2^52")]
        {
            if let Some(length) = self.content_length {
                verdict.fact("http_content_length", length as f64);
            }
            if let Some(length) = self.body_length {
                verdict.fact("http_uncompressed_body_length", length as f64);
            }
        }
        self.opened.facts(verdict);
        if plan.content.has_regex() {
            verdict.fact("failed_due_to_regex", f64::from(u8::from(self.failed_regex)));
        }
    }

    fn opened(&mut self, now: Opened) {
        // Of several certificates on the way the first to end counts.
        let expires = [self.opened.expires, now.expires].into_iter().flatten().min();
        self.opened = Opened { expires, ..now };
    }
}

fn number_of(version: Version) -> f64 {
    match version {
        Version::HTTP_10 => 1.0,
        Version::HTTP_2 => 2.0,
        _ => 1.1,
    }
}

/// What the next request is; the first is the plan's own.
struct Hop {
    location: Location,
    method: Method,
    with_body: bool,
    with_secrets: bool,
}

pub(super) async fn run(
    plan: &Arc<Plan>,
    cx: &CheckCx,
    run: &Run<'_>,
    trace: &mut Trace,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let mut redirected: Option<Hop> = None;
    loop {
        let hop = redirected.as_ref();
        let (mut connection, parts, mut body) = ask(plan, cx, run, hop, trace, seen).await?;
        seen.answer = Some((parts.status, parts.version));
        seen.content_length = body.size_hint().exact();
        let next = next_hop(plan, hop, seen.redirects, &parts).map_err(|failure| plan.during_request(failure))?;
        let wanted = next.is_none() && plan.status.contain(parts.status.as_u16());
        let read = if wanted && !plan.content.is_empty() {
            // The check needs the body.
            Some(
                read_body(&mut connection, &mut body, plan.max_body, trace)
                    .await
                    .map_err(|failure| {
                        failure.context("Unable to read response body to perform content expectancy check")
                    })?,
            )
        } else if plan.keep_alive {
            // Only the connection needs it to be read. What goes wrong now costs the connection, not the check.
            read_body(&mut connection, &mut body, plan.max_body, trace).await.ok()
        } else {
            None
        };
        seen.body_length = read.as_ref().map(|read| read.bytes.len());
        if plan.keep_alive
            && read.as_ref().is_some_and(|read| read.complete)
            && hop.is_none_or(|hop| hop.location.same_origin(&plan.location))
            && stays_open(&parts)
        {
            let definition: Arc<dyn Any + Send + Sync> = Arc::<Plan>::clone(plan);
            cx.kept().put(run.monitor, &definition, connection);
        }
        let Some(next) = next else {
            return judge(plan, &parts, read.as_ref(), seen);
        };
        seen.redirects += 1;
        trace.step(Phase::Connect);
        redirected = Some(next);
    }
}

/// One request on a kept connection or a new one. A kept one that turns out to be dead is replaced, once.
async fn ask(
    plan: &Arc<Plan>,
    cx: &CheckCx,
    run: &Run<'_>,
    hop: Option<&Hop>,
    trace: &mut Trace,
    seen: &mut Seen,
) -> Result<(Connection, response::Parts, Incoming), Failure> {
    let location = hop.map_or(&plan.location, |hop| &hop.location);
    seen.ssl = location.ssl;
    if plan.keep_alive && location.same_origin(&plan.location) {
        let definition: Arc<dyn Any + Send + Sync> = Arc::<Plan>::clone(plan);
        if let Some(mut kept) = cx.kept().take::<Connection>(run.monitor, &definition)
            && kept.is_ready().await
        {
            seen.opened(kept.opened);
            trace.skip_to(Phase::FirstByte);
            match kept.send(request(plan, cx, hop)).await {
                Ok(answer) => {
                    let (parts, body) = answer.into_parts();
                    return Ok((kept, parts, body));
                }
                // An answer that makes no sense is one; anything else means that the peer had closed in the meantime.
                Err(err) if err.is_parse() => return Err(plan.during_request(of_hyper(&err))),
                Err(_) => {}
            }
        }
    }
    let way = Way {
        family: plan.family,
        ssl: location.ssl,
        tls: plan.tls.as_deref(),
        peer: if hop.is_none_or(|hop| hop.with_secrets) {
            Peer::Configured
        } else {
            Peer::Stranger
        },
        alpn: &[b"http/1.1"],
    };
    let mut opened = Opened::default();
    let stream = open(cx, &location.to, way, trace, &mut opened).await;
    seen.opened(opened);
    let stream = stream.map_err(|failure| plan.during_request(failure.context(&location.to)))?;
    trace.step(Phase::FirstByte);
    let exchange = async {
        let mut connection = Connection::new(stream, opened).await?;
        let answer = connection.send(request(plan, cx, hop)).await?;
        Ok((connection, answer))
    };
    let (connection, answer) = exchange.await.map_err(|err| plan.during_request(of_hyper(&err)))?;
    let (parts, body) = answer.into_parts();
    Ok((connection, parts, body))
}

fn request(plan: &Plan, cx: &CheckCx, hop: Option<&Hop>) -> Request<Full<Bytes>> {
    let location = hop.map_or(&plan.location, |hop| &hop.location);
    let with_secrets = hop.is_none_or(|hop| hop.with_secrets);
    let with_body = hop.is_none_or(|hop| hop.with_body);
    let mut headers = HeaderMap::with_capacity(6 + plan.headers.len());
    if !(with_secrets && plan.names_host()) {
        headers.insert(HOST, location.host_header.clone());
    }
    headers.insert(USER_AGENT, cx.user_agent().clone());
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !plan.keep_alive {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if with_secrets {
        for (name, value) in &plan.headers {
            if with_body || *name != CONTENT_TYPE {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
    let body = if with_body { plan.body.clone() } else { Bytes::new() };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = hop.map_or(&plan.method, |hop| &hop.method).clone();
    *request.uri_mut() = location.path.clone().into();
    *request.headers_mut() = headers;
    request
}

/// Where a redirect leads to, or `None` when this answer is the one to judge.
fn next_hop(plan: &Plan, hop: Option<&Hop>, followed: u8, parts: &response::Parts) -> Result<Option<Hop>, Failure> {
    if plan.max_redirects == 0 {
        return Ok(None);
    }
    let (location, method, with_body) = match hop {
        Some(hop) => (&hop.location, &hop.method, hop.with_body),
        None => (&plan.location, &plan.method, true),
    };
    let keeps_method = match parts.status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
            *method == Method::GET || *method == Method::HEAD
        }
        _ => return Ok(None),
    };
    let Some(target) = parts.headers.get(LOCATION) else {
        return Ok(None);
    };
    if followed >= plan.max_redirects {
        return Err(Failure::new(
            Reason::Protocol,
            format!("stopped after {followed} redirects"),
        ));
    }
    let refuse = |why: &dyn std::fmt::Display| {
        let shown = excerpt(target.as_bytes());
        Failure::new(
            Reason::Protocol,
            format!("cannot follow the redirect to '{shown}': {why}"),
        )
    };
    let target_text = std::str::from_utf8(target.as_bytes()).map_err(|err| refuse(&err))?;
    let next = location.join(target_text).map_err(|err| refuse(&err))?;
    Ok(Some(Hop {
        // Once lost, the right to the secrets does not come back: the way led through a stranger.
        with_secrets: hop.is_none_or(|hop| hop.with_secrets) && plan.location.trusts(&next),
        location: next,
        method: if keeps_method { method.clone() } else { Method::GET },
        with_body: with_body && keeps_method,
    }))
}

fn stays_open(parts: &response::Parts) -> bool {
    let says = |word: &str| {
        let values = parts.headers.get_all(CONNECTION).into_iter();
        let mut words = values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        words.any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    if parts.version == Version::HTTP_10 {
        says("keep-alive")
    } else {
        !says("close")
    }
}

/// A body, as far as it was read.
struct Read {
    bytes: Bytes,
    /// It ended before the limit.
    complete: bool,
}

async fn read_body(
    connection: &mut Connection,
    body: &mut Incoming,
    limit: usize,
    trace: &mut Trace,
) -> Result<Read, Failure> {
    if body.is_end_stream() {
        return Ok(Read {
            bytes: Bytes::new(),
            complete: true,
        });
    }
    trace.step(Phase::Transfer);
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    let mut complete = false;
    while first.len() + all.len() < limit {
        let Some(frame) = connection.frame(body).await else {
            complete = true;
            break;
        };
        let frame = frame.map_err(|err| of_hyper(&err))?;
        let Ok(mut data) = frame.into_data() else {
            continue; // trailers
        };
        data.truncate(limit - first.len() - all.len());
        if first.is_empty() && all.is_empty() {
            // Most bodies come in one piece and need no copy.
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(FIRST_BODY.max(first.len() + data.len()));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    let bytes = if all.is_empty() { first } else { all.into() };
    complete |= body.is_end_stream();
    Ok(Read { bytes, complete })
}

fn judge(plan: &Plan, parts: &response::Parts, read: Option<&Read>, seen: &mut Seen) -> Result<(), Failure> {
    let code = parts.status.as_u16();
    if !plan.status.contain(code) {
        let message = format!(
            "Received status code '{code}' does not match expected status code '{}'",
            plan.status
        );
        return Err(Failure::new(Reason::Status, message));
    }
    let Some(read) = read else {
        return Ok(());
    };
    let Some(wanted) = plan.content.mismatch(&read.bytes) else {
        return Ok(());
    };
    let verb = match wanted {
        Mismatch::Missing(_) => "does not contain expected content",
        Mismatch::Unwanted(_) => "contains unwanted content",
        Mismatch::Regex(_) => {
            seen.failed_regex = true;
            "does not match expected regex"
        }
    };
    let end = if read.complete {
        String::new()
    } else {
        format!(" (only the first {} bytes were read)", read.bytes.len())
    };
    let shown = excerpt(&read.bytes);
    let message = format!("Received response body '{shown}' {verb} '{wanted}'{end}");
    Err(Failure::new(Reason::Content, message))
}

fn of_hyper(err: &hyper::Error) -> Failure {
    let io = std::error::Error::source(err).and_then(|source| source.downcast_ref::<std::io::Error>());
    if let Some(io) = io {
        return Failure::of_io(io);
    }
    if err.is_parse() || err.is_parse_too_large() {
        return Failure::new(Reason::Protocol, format!("the answer is not HTTP: {err}"));
    }
    if err.is_incomplete_message() {
        return Failure::new(Reason::Closed, "connection closed before the answer was complete");
    }
    if err.is_body_write_aborted() || err.is_closed() || err.is_canceled() {
        return Failure::new(Reason::Closed, "connection closed");
    }
    Failure::new(Reason::Protocol, err.to_string())
}
