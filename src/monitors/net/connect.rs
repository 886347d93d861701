//! A TCP connection to a host: its addresses one after another, a slow one not in the way of the next.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::failure::Failure;
use super::trace::Trace;
use crate::model::{Phase, Reason};
use crate::monitors::CheckCx;

/// The next address is tried after this long without an answer (RFC 8305, "connection attempt delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried at most.
const MAX_ADDRESSES: usize = 16;

/// A host as configured, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// An address: nothing to look up.
    Ip(IpAddr),
    /// A name, in ASCII.
    Name(Arc<str>),
}

impl Host {
    /// Reads a name or address (IPv6 with or without brackets); the message says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("'host' cannot be blank".into());
        }
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Self::Ip(ip));
        }
        let shown = super::excerpt(text.as_bytes());
        if bare.contains('/') {
            return Err(format!("`{shown}` is no host: it contains `/`"));
        }
        match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) if name.len() <= 253 => Ok(Self::Name(name.into())),
            Ok(url::Host::Ipv4(ip)) => Ok(Self::Ip(ip.into())),
            Ok(url::Host::Ipv6(ip)) => Ok(Self::Ip(ip.into())),
            _ => Err(format!("`{shown}` is no host name and no address")),
        }
    }
}

impl fmt::Display for Host {
    /// As it stands in a URL: IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AddressFamily {
    /// IPv4 only.
    Ip4,
    /// IPv6 only.
    Ip6,
}

impl AddressFamily {
    pub(crate) fn admits(self, ip: IpAddr) -> bool {
        match self {
            Self::Ip4 => ip.is_ipv4(),
            Self::Ip6 => ip.is_ipv6(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ip4 => "IPv4",
            Self::Ip6 => "IPv6",
        }
    }
}

/// Resolves and connects. The trace stands in [`Phase::Connect`] afterwards; the deadline is the caller's.
pub(crate) async fn connect(
    cx: &CheckCx,
    to: &Endpoint,
    family: Option<AddressFamily>,
    trace: &mut Trace,
) -> Result<(TcpStream, IpAddr), Failure> {
    let name = match &to.host {
        Host::Ip(ip) => {
            trace.skip_to(Phase::Connect);
            let stream = TcpStream::connect(SocketAddr::new(*ip, to.port)).await;
            return stream.map(|stream| (stream, *ip)).map_err(|err| Failure::of_io(&err));
        }
        Host::Name(name) => name,
    };
    trace.skip_to(Phase::Resolve);
    let mut found = cx
        .resolve(name)
        .await
        .map_err(|(reason, message)| Failure::new(reason, message))?;
    if let Some(family) = family {
        found.retain(|ip| family.admits(*ip));
        if found.is_empty() {
            let message = format!("{name} has no {} address", family.name());
            return Err(Failure::new(Reason::Resolve, message));
        }
    }
    found.truncate(MAX_ADDRESSES);
    trace.step(Phase::Connect);
    staggered(&found, to.port).await
}

/// Begins the next attempt when one failed, or after [`ATTEMPT_DELAY`]; the first connection wins, the others are dropped.
async fn staggered(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, IpAddr), Failure> {
    let attempt = |ip: IpAddr| async move { (TcpStream::connect(SocketAddr::new(ip, port)).await, ip) };
    let mut rest = addresses.iter().copied();
    let mut under_way = FuturesUnordered::new();
    let mut worst: Option<io::Error> = None;
    under_way.extend(rest.next().map(attempt));
    loop {
        let ended = if rest.len() == 0 {
            under_way.next().await
        } else {
            match tokio::time::timeout(ATTEMPT_DELAY, under_way.next()).await {
                Ok(ended) => ended,
                Err(_) => {
                    under_way.extend(rest.next().map(attempt));
                    continue;
                }
            }
        };
        match ended {
            Some((Ok(stream), ip)) => return Ok((stream, ip)),
            Some((Err(err), _)) => {
                if worst.as_ref().is_none_or(|seen| telling(&err) > telling(seen)) {
                    worst = Some(err);
                }
                under_way.extend(rest.next().map(attempt));
            }
            None => {
                return Err(match worst {
                    Some(err) => Failure::of_io(&err),
                    None => Failure::new(Reason::Resolve, "no address"),
                });
            }
        }
    }
}

/// Of several attempts' errors the one that says most about the target: an answer from it, before our own lack of a route.
fn telling(err: &io::Error) -> u8 {
    let reason = Failure::of_io(err).reason;
    match reason {
        Reason::Network => 0,
        Reason::Permission => 1,
        Reason::Resources => 2,
        Reason::Unreachable | Reason::Timeout => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    #[test]
    fn hosts_are_names_or_addresses_and_print_as_in_urls() {
        for (text, printed) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("Web.Example", "web.example"),
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("my_host", "my_host"),
        ] {
            assert_eq!(Host::parse(text).map(|h| h.to_string()), Ok(printed.to_owned()));
        }
        for text in ["", "a b", "a/b", "[::1", "exa\u{0}mple", &"x".repeat(300)] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_, ip) = staggered(&["::1".parse().unwrap(), "127.0.0.1".parse().unwrap()], port)
            .await
            .unwrap();
        assert_eq!(ip, "127.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[tokio::test]
    async fn an_answer_of_the_target_is_told_rather_than_a_missing_route() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        // 240.0.0.0/4 is reserved: the kernel has no way to it, or says so at once.
        let failure = staggered(&["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()], port)
            .await
            .unwrap_err();
        assert_eq!(failure.reason, Reason::Refused);
        assert_eq!(failure.message, "connection refused");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Host::parse(&text);
        }
    }
}
