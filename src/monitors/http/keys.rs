//! The keys of an http monitor as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::status::StatusKey;
use crate::model::{Dur, Secret};
use crate::monitors::net::{AddressFamily, TlsKeys};

/// `true` unless said otherwise.
const fn yes() -> bool {
    true
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct HttpKeys {
    /// Name or address (IPv4 or IPv6) of the server. Not needed when `url` is a whole URL.
    #[serde(default)]
    pub(super) host: String,
    /// Port of the server. Default: 80, with `ssl` 443.
    #[serde(default)]
    #[schemars(range(min = 0, max = 65535))]
    pub(super) port: i64,
    /// Path and query (`/health?full=1`), or a whole URL instead of `host`, `port` and `ssl`.
    #[serde(default)]
    pub(super) url: String,
    /// Request method. Default: GET.
    #[serde(default)]
    pub(super) method: String,
    /// Use https.
    #[serde(default)]
    pub(super) ssl: bool,
    /// The only status code that is right. Default: 200.
    #[serde(default)]
    #[schemars(range(min = 0, max = 999))]
    pub(super) status_code: i64,
    /// Status codes and ranges (`200-299`) that are right. Overrides `status-code`.
    #[serde(default)]
    pub(super) status_codes: Vec<StatusKey>,
    /// Body of the request.
    #[serde(default)]
    pub(super) request_body: String,
    /// Text that the body has to contain.
    #[serde(default)]
    pub(super) expect: String,
    /// Regular expression that the body has to match.
    #[serde(default)]
    pub(super) expect_regex: String,
    /// Text that the body must not contain.
    #[serde(default)]
    pub(super) expect_not: String,
    /// Headers of the request, name to value. Not sent to other hosts after a redirect.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Secret>,
    /// User name for basic authentication.
    #[serde(default)]
    pub(super) username: String,
    /// Password for basic authentication.
    #[serde(default)]
    pub(super) password: Secret,
    /// Token for bearer authentication.
    #[serde(default)]
    pub(super) bearer_token: Secret,
    /// Follow redirects and check where they end. Default: true.
    #[serde(default = "yes")]
    pub(super) follow_redirects: bool,
    /// Redirects followed at most. Default: 10.
    #[serde(default)]
    #[schemars(range(min = 0, max = 50))]
    pub(super) max_redirects: Option<i64>,
    /// Bytes of the body that are read at most; expectations see no more. Default: 1 MiB.
    #[serde(default)]
    #[schemars(range(min = 0, max = 67_108_864))]
    pub(super) max_body: Option<i64>,
    /// Keep the connection for the next run instead of opening one for each.
    #[serde(default)]
    pub(super) keep_alive: bool,
    /// TLS settings, when the defaults do not fit.
    #[serde(default)]
    pub(super) tls: Option<TlsKeys>,
    /// Degraded when a certificate of the chain has less time left than this.
    #[serde(default)]
    pub(super) certificate_expiry_warning: Option<Dur>,
    /// Failed when a certificate of the chain has less time left than this.
    #[serde(default)]
    pub(super) certificate_expiry_critical: Option<Dur>,
    /// Use only addresses of this family. Default: both, IPv6 first.
    #[serde(default)]
    pub(super) address_family: Option<AddressFamily>,
    /// Degraded when a run that works takes longer than this.
    #[serde(default)]
    pub(super) slow: Option<Dur>,
}
