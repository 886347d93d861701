//! What checks share and tests replace: resolver, TLS roots, kept connections. A monitor builds no client.

use std::net::IpAddr;
use std::path::PathBuf;

use http::HeaderValue;

use super::net::{Pool, Resolver, TlsRoots};
use crate::model::Reason;

/// Settings of the context.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// Sent as `User-Agent` by http checks; `9volt/<version>` when there is none.
    pub user_agent: Option<String>,
    /// Read instead of `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// Read instead of `/etc/hosts`.
    pub hosts: Option<PathBuf>,
}

/// Shared by all checks of one lane (one thread with its own runtime): kept connections never cross threads.
#[derive(Debug)]
pub struct CheckCx {
    options: CheckOptions,
    user_agent: HeaderValue,
    resolver: Resolver,
    tls: TlsRoots,
    kept: Pool,
}

impl CheckCx {
    /// A context with these settings. Reads nothing yet: files are read by the first check that needs them.
    #[must_use]
    pub fn new(options: CheckOptions) -> Self {
        let resolver = Resolver::new(options.resolv_conf.clone(), options.hosts.clone());
        let user_agent = options
            .user_agent
            .as_deref()
            .and_then(|name| HeaderValue::from_str(name).ok());
        Self {
            user_agent: user_agent
                .unwrap_or_else(|| HeaderValue::from_static(concat!("9volt/", env!("CARGO_PKG_VERSION")))),
            options,
            resolver,
            tls: TlsRoots::default(),
            kept: Pool::default(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &CheckOptions {
        &self.options
    }

    /// Addresses of a host name or literal (`[::1]` with or without brackets), in the order to try. Never empty.
    ///
    /// # Errors
    /// The reason and a message for people.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, (Reason, String)> {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse() {
            return Ok(vec![ip]);
        }
        self.resolver.lookup(bare).await
    }

    pub(super) fn user_agent(&self) -> &HeaderValue {
        &self.user_agent
    }

    pub(super) fn tls(&self) -> &TlsRoots {
        &self.tls
    }

    pub(super) fn kept(&self) -> &Pool {
        &self.kept
    }
}
