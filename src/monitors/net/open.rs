//! From an endpoint to a connection that bytes can go through, TLS included.

use std::net::IpAddr;

use super::connect::{AddressFamily, Endpoint, connect};
use super::failure::Failure;
use super::stream::Stream;
use super::tls::{Peer, Tls, handshake};
use super::trace::Trace;
use crate::model::{Phase, Verdict};
use crate::monitors::CheckCx;

/// How to open a connection.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) family: Option<AddressFamily>,
    pub(crate) ssl: bool,
    pub(crate) tls: Option<&'a Tls>,
    pub(crate) peer: Peer,
    pub(crate) alpn: &'a [&'a [u8]],
}

/// What was found out while opening; also when it did not come to a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opened {
    pub(crate) ip: Option<IpAddr>,
    /// When the first certificate of the chain ends, in Unix seconds.
    pub(crate) expires: Option<i64>,
}

impl Opened {
    /// Adds what is known to a verdict.
    pub(crate) fn facts(&self, verdict: &mut Verdict) {
        if let Some(ip) = self.ip {
            verdict.fact("ip_protocol", if ip.is_ipv4() { 4.0 } else { 6.0 });
        }
        if let Some(expires) = self.expires {
            #[expect(clippy::cast_precision_loss, reason = "Unix seconds are far below 2^52")]
            verdict.fact("ssl_earliest_cert_expiry", expires as f64);
        }
    }
}

/// Opens a connection. The caller holds the deadline; the trace stands in the last phase that was begun.
pub(crate) async fn open(
    cx: &CheckCx,
    to: &Endpoint,
    way: Way<'_>,
    trace: &mut Trace,
    opened: &mut Opened,
) -> Result<Stream, Failure> {
    let (stream, ip) = connect(cx, to, way.family, trace).await?;
    opened.ip = Some(ip);
    if !way.ssl {
        return Ok(Stream::Plain(stream));
    }
    trace.step(Phase::Tls);
    let (stream, expires) = handshake(cx.tls(), way.tls, way.peer, &to.host, way.alpn, stream).await;
    opened.expires = expires;
    stream.map(|stream| Stream::Tls(Box::new(stream)))
}
