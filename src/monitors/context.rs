//! What checks share and tests replace: resolver, TLS roots, kept connections, source address. A monitor builds no client.

use std::net::IpAddr;

use crate::model::Reason;

/// Settings of the context.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// Sent as `User-Agent` by http checks.
    pub user_agent: Option<String>,
}

/// Shared by all checks of one lane (one thread with its own runtime): kept connections never cross threads.
#[derive(Debug)]
pub struct CheckCx {
    options: CheckOptions,
}

impl CheckCx {
    /// A context with these settings.
    #[must_use]
    pub fn new(options: CheckOptions) -> Self {
        Self { options }
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &CheckOptions {
        &self.options
    }

    /// Addresses of a host name or literal (`[::1]` with or without brackets), in the order to try.
    ///
    /// # Errors
    /// The reason and a message for people.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, (Reason, String)> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse() {
            return Ok(vec![ip]);
        }
        match tokio::net::lookup_host((bare, 0)).await {
            Ok(found) => Ok(found.map(|a| a.ip()).collect()),
            Err(err) => Err((Reason::Resolve, format!("cannot resolve {bare}: {err}"))),
        }
    }
}
