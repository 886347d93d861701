//! Where a request goes: the configured address, or the one that a redirect names.

use std::fmt;

use http::HeaderValue;
use http::uri::PathAndQuery;
use url::Url;

use crate::monitors::net::{Endpoint, Host};

/// Longest path and query that is sent.
const MAX_PATH_BYTES: usize = 8_192;

/// Scheme, host, port and path, ready for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) ssl: bool,
    pub(super) to: Endpoint,
    pub(super) path: PathAndQuery,
    pub(super) host_header: HeaderValue,
}

/// Why a text is no location that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LocationError {
    #[error("it is no URL ({0})")]
    Url(#[from] url::ParseError),
    #[error("its scheme is neither http nor https")]
    Scheme,
    #[error("it has no host")]
    Host,
    #[error("its path cannot be sent")]
    Path,
}

impl Location {
    pub(super) fn new(ssl: bool, host: Host, port: u16, path: &str) -> Result<Self, LocationError> {
        let path = encode(path);
        if path.len() > MAX_PATH_BYTES {
            return Err(LocationError::Path);
        }
        let path = PathAndQuery::try_from(path).map_err(|_| LocationError::Path)?;
        // The port of the scheme is left out, as every client does.
        let shown = if port == default_port(ssl) {
            host.to_string()
        } else {
            format!("{host}:{port}")
        };
        let host_header = HeaderValue::try_from(shown).map_err(|_| LocationError::Host)?;
        Ok(Self {
            ssl,
            to: Endpoint { host, port },
            path,
            host_header,
        })
    }

    pub(super) fn of_url(url: &Url) -> Result<Self, LocationError> {
        let ssl = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(LocationError::Scheme),
        };
        let host = match url.host() {
            Some(url::Host::Domain(name)) => Host::parse(name).map_err(|_| LocationError::Host)?,
            Some(url::Host::Ipv4(ip)) => Host::Ip(ip.into()),
            Some(url::Host::Ipv6(ip)) => Host::Ip(ip.into()),
            None => return Err(LocationError::Host),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Self::new(ssl, host, url.port().unwrap_or(default_port(ssl)), &path)
    }

    /// Where a `Location` header leads to from here.
    pub(super) fn join(&self, reference: &str) -> Result<Self, LocationError> {
        let base = Url::parse(&self.to_string())?;
        Self::of_url(&base.join(reference)?)
    }

    /// Same scheme, host and port: a connection to one serves the other.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.ssl == other.ssl && self.to == other.to
    }

    /// Whether what is secret for `self` may be sent to `other`: the same host, and not from https back to http.
    pub(super) fn trusts(&self, other: &Self) -> bool {
        self.to.host == other.to.host && (other.ssl || !self.ssl)
    }
}

impl fmt::Display for Location {
    /// The URL. The query may hold keys, but it is what the operator wrote under `url`, which is no place for secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.ssl { "https" } else { "http" };
        if self.to.port == default_port(self.ssl) {
            write!(f, "{scheme}://{}{}", self.to.host, self.path)
        } else {
            write!(f, "{scheme}://{}{}", self.to, self.path)
        }
    }
}

pub(super) const fn default_port(ssl: bool) -> u16 {
    if ssl { 443 } else { 80 }
}

/// One leading slash, whatever was written; characters that a request line cannot carry percent-encoded. The query stays one,
/// and what is percent-encoded already stays so.
fn encode(path: &str) -> String {
    let path = path.trim_start_matches('/');
    let mut out = String::with_capacity(path.len() + 1);
    out.push('/');
    let bytes = path.as_bytes();
    for (i, &byte) in bytes.iter().enumerate() {
        let escaped = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let keep = match byte {
            b'%' => escaped(i + 1) && escaped(i + 2),
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
            byte => byte.is_ascii_graphic(),
        };
        if keep {
            out.push(char::from(byte));
        } else {
            out.push_str(percent_encoding::percent_encode_byte(byte));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(url: &str) -> Location {
        Location::of_url(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn paths_have_one_slash_in_front_and_keep_their_query() {
        for (written, sent) in [
            ("", "/"),
            ("health", "/health"),
            ("///health", "/health"),
            ("/a?b=c&d=e f", "/a?b=c&d=e%20f"),
            ("/a%20b", "/a%20b"),
            ("/100%", "/100%25"),
            ("/ü#x", "/%C3%BC%23x"),
            ("?q=1", "/?q=1"),
        ] {
            assert_eq!(encode(written), sent, "{written}");
        }
    }

    #[test]
    fn the_host_header_names_the_port_only_when_it_is_unusual() {
        assert_eq!(at("https://web.example/").host_header, "web.example");
        assert_eq!(at("http://web.example:443/").host_header, "web.example:443");
        assert_eq!(at("http://[::1]:8080/").host_header, "[::1]:8080");
        assert_eq!(at("http://[::1]:8080/a?b").to_string(), "http://[::1]:8080/a?b");
    }

    #[test]
    fn redirects_are_relative_to_where_they_come_from() {
        let here = at("http://web.example/a/b?c");
        assert_eq!(here.join("d").unwrap().to_string(), "http://web.example/a/d");
        assert_eq!(here.join("/x?y").unwrap().to_string(), "http://web.example/x?y");
        assert_eq!(
            here.join("//other.example/").unwrap().to_string(),
            "http://other.example/"
        );
        assert_eq!(
            here.join("https://web.example/").unwrap().to_string(),
            "https://web.example/"
        );
        assert_eq!(here.join("ftp://web.example/"), Err(LocationError::Scheme));
        assert!(here.join("http://").is_err());
    }

    #[test]
    fn secrets_stay_with_their_host() {
        let here = at("https://web.example/");
        assert!(here.trusts(&at("https://web.example/other")));
        assert!(!here.trusts(&at("http://web.example/")));
        assert!(!here.trusts(&at("https://evil.example/")));
        assert!(at("http://web.example/").trusts(&at("https://web.example/")));
    }

    proptest! {
        #[test]
        fn every_path_can_be_sent(path in "\\PC{0,60}") {
            prop_assert!(Location::new(false, Host::parse("web").unwrap(), 80, &path).is_ok());
        }

        #[test]
        fn no_redirect_panics(reference in "\\PC{0,60}") {
            let _ = at("http://web.example/a").join(&reference);
        }
    }
}
