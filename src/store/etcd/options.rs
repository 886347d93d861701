//! What an operator says about etcd, and what is wrong with it before anything is asked of etcd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd_client::{Certificate, Identity, TlsOptions};
use tonic::transport::Endpoint;

use crate::model::Secret;

/// Time for a connection to be opened.
const CONNECT: Duration = Duration::from_secs(1);
/// A connection on which nothing came for this long, and which something is asked on, is tested. Not more often: etcd takes a client that
/// does so more often than every 5 s for a nuisance and closes its connection.
const TEST_AFTER: Duration = Duration::from_secs(6);
/// Time for the answer to such a test.
const TEST: Duration = Duration::from_secs(3);

/// Where etcd is, and who we are there.
#[derive(Debug, Clone, Default)]
pub struct EtcdOptions {
    /// `http://host:port`, `https://host:port` or `host:port`; the first that answers is used, the others when it does not.
    pub endpoints: Vec<String>,
    /// Top of all keys; `9volt`, `/9volt` and `/9volt/` are the same.
    pub prefix: String,
    /// User and password.
    pub user: Option<(String, Secret)>,
    /// A file with the certificates (PEM) that etcd's must come from; without one, the system's are taken.
    pub ca: Option<PathBuf>,
    /// A file with our certificate (PEM).
    pub cert: Option<PathBuf>,
    /// A file with its key (PEM).
    pub key: Option<PathBuf>,
}

/// What is in the files that were named, each PEM.
#[derive(Default)]
pub struct EtcdFiles {
    /// The certificates that etcd's must come from.
    pub ca: Option<Vec<u8>>,
    /// Our certificate, and its key.
    pub own: Option<(Vec<u8>, Vec<u8>)>,
}

/// What is wrong with what was said about etcd. One line each.
#[derive(Debug, thiserror::Error)]
#[error("etcd: {0}")]
pub struct EtcdError(String);

impl EtcdError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl EtcdOptions {
    /// The prefix as it stands before every key: it begins and ends with `/`, so that `/a` never sees `/ab`.
    pub(super) fn top(&self) -> Result<String, EtcdError> {
        let name = self.prefix.trim_matches('/');
        if name.is_empty() {
            return Err(EtcdError::new(
                "the prefix is empty; name one (for example 9volt), the store may belong to others too",
            ));
        }
        Ok(format!("/{name}/"))
    }

    fn wants_tls(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some()
    }

    /// The endpoints as URLs of scheme, host and port.
    ///
    /// # Errors
    /// There is none, or one of them cannot be meant.
    pub fn addresses(&self) -> Result<Vec<String>, EtcdError> {
        if self.endpoints.is_empty() {
            return Err(EtcdError::new("no endpoint is given"));
        }
        self.endpoints.iter().map(|given| self.address(given)).collect()
    }

    /// Each endpoint with its address as people know it.
    pub(super) fn connections(&self) -> Result<Vec<(String, Endpoint)>, EtcdError> {
        let addresses = self.addresses()?;
        let tls = self.files()?.tls();
        addresses.into_iter().map(|url| connection(url, &tls)).collect()
    }

    /// The endpoint as a URL of scheme, host and port.
    fn address(&self, given: &str) -> Result<String, EtcdError> {
        let with_scheme = match given.split_once("://") {
            Some(_) => given.to_owned(),
            None if self.wants_tls() => format!("https://{given}"),
            None => format!("http://{given}"),
        };
        // What could be a password is not quoted.
        let url = url::Url::parse(&with_scheme).map_err(|error| {
            let shown = if given.contains('@') { "(with a user)" } else { given };
            EtcdError::new(format!("endpoint `{shown}` is no URL: {error}"))
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EtcdError::new(
                "an endpoint holds a user; give user and password by --etcd-userpass",
            ));
        }
        let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let Some(host) = url
            .host_str()
            .filter(|_| plain && matches!(url.scheme(), "http" | "https"))
        else {
            return Err(EtcdError::new(format!(
                "endpoint `{given}`: write it as http://HOST:PORT or https://HOST:PORT"
            )));
        };
        if url.scheme() == "http" && self.wants_tls() {
            return Err(EtcdError::new(format!(
                "a certificate is given, but endpoint `{given}` is not encrypted; write https://{host}:{}",
                url.port().unwrap_or(2379)
            )));
        }
        let port = url.port_or_known_default().unwrap_or(2379);
        Ok(format!("{}://{host}:{port}", url.scheme()))
    }

    /// Reads the files that are named.
    ///
    /// # Errors
    /// One cannot be read or holds something else, or a certificate comes without its key.
    pub fn files(&self) -> Result<EtcdFiles, EtcdError> {
        let ca = self.ca.as_deref();
        let ca = ca.map(|path| read(path, "--etcd-ca", "CERTIFICATE")).transpose()?;
        let own = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((
                read(cert, "--etcd-cert", "CERTIFICATE")?,
                read(key, "--etcd-key", "PRIVATE KEY")?,
            )),
            (None, None) => None,
            _ => {
                return Err(EtcdError::new(
                    "--etcd-cert and --etcd-key are given together or not at all",
                ));
            }
        };
        Ok(EtcdFiles { ca, own })
    }
}

impl EtcdFiles {
    fn tls(self) -> TlsOptions {
        let tls = match self.ca {
            Some(ca) => TlsOptions::new().ca_certificate(Certificate::from_pem(ca)),
            None => TlsOptions::new().with_native_roots(),
        };
        match self.own {
            Some((cert, key)) => tls.identity(Identity::from_pem(cert, key)),
            None => tls,
        }
    }
}

fn connection(url: String, tls: &TlsOptions) -> Result<(String, Endpoint), EtcdError> {
    let bad = |why: &dyn std::fmt::Display| EtcdError::new(format!("endpoint `{url}`: {why}"));
    let mut endpoint = Endpoint::from_shared(url.clone()).map_err(|error| bad(&error))?;
    if url.starts_with("https:") {
        endpoint = endpoint
            .tls_config(tls.clone())
            .map_err(|error| bad(&super::failure::chain(&error)))?;
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(TEST_AFTER)
        .keep_alive_timeout(TEST)
        // Not without a request on its way: etcd takes offence at that too.
        .keep_alive_while_idle(false)
        .tcp_nodelay(true);
    Ok((url, endpoint))
}

/// A file of PEM that holds at least one block of the wanted kind.
fn read(path: &Path, flag: &str, holds: &str) -> Result<Vec<u8>, EtcdError> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| EtcdError::new(format!("{flag} {shown}: {error}")))?;
    let text = String::from_utf8_lossy(&bytes);
    let begins = |line: &str| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{holds}-----"));
    if !text.lines().any(begins) {
        return Err(EtcdError::new(format!(
            "{flag} {shown}: no {holds} in it (PEM is wanted)"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(endpoints: &[&str]) -> EtcdOptions {
        EtcdOptions {
            endpoints: endpoints.iter().map(|text| (*text).to_owned()).collect(),
            prefix: "9volt".to_owned(),
            ..EtcdOptions::default()
        }
    }

    fn refusal(options: &EtcdOptions) -> String {
        options.connections().map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_prefix_begins_and_ends_with_a_slash_however_it_is_written() {
        for written in ["9volt", "/9volt", "9volt/", "/9volt/", "//9volt//"] {
            let options = EtcdOptions {
                prefix: written.to_owned(),
                ..EtcdOptions::default()
            };
            assert_eq!(options.top().unwrap(), "/9volt/");
        }
        let nested = EtcdOptions {
            prefix: "/site/a".to_owned(),
            ..EtcdOptions::default()
        };
        assert_eq!(nested.top().unwrap(), "/site/a/");
        assert!(EtcdOptions::default().top().is_err(), "not the whole of a store");
    }

    #[test]
    fn an_endpoint_may_leave_out_its_scheme() {
        let plain = options(&[]);
        let address = |text: &str| plain.address(text).unwrap();
        assert_eq!(address("10.0.0.1:2379"), "http://10.0.0.1:2379");
        assert_eq!(address("http://etcd-0:2379/"), "http://etcd-0:2379");
        assert_eq!(address("https://[::1]:2379"), "https://[::1]:2379");
        let encrypted = EtcdOptions {
            ca: Some(PathBuf::from("ca.pem")),
            ..EtcdOptions::default()
        };
        assert_eq!(encrypted.address("etcd-0:2379").unwrap(), "https://etcd-0:2379");
        let error = encrypted.address("http://etcd-0:2379").unwrap_err().to_string();
        assert!(error.contains("https://etcd-0:2379"), "{error}");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_without_quoting_a_password() {
        for text in [
            "ftp://a:1",
            "http://a:1/v2/keys",
            "http://a:99999",
            "http://a:1?x=1",
            "unix:///run/etcd",
        ] {
            assert!(refusal(&options(&[text])).contains("endpoint"), "{text}");
        }
        for text in ["http://root:hunter2@a:1", "root:hunter2@a:99999"] {
            let error = refusal(&options(&[text]));
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(refusal(&options(&[])).contains("no endpoint"));
    }

    #[test]
    fn files_of_certificates_are_looked_at_before_anything_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, missing) = (dir.path().join("empty.pem"), dir.path().join("missing.pem"));
        std::fs::write(&empty, "nothing").unwrap();
        let with = |ca: Option<&PathBuf>, cert: Option<&PathBuf>| EtcdOptions {
            ca: ca.cloned(),
            cert: cert.cloned(),
            ..options(&["a:1"])
        };
        assert!(refusal(&with(Some(&missing), None)).contains("missing.pem"));
        assert!(refusal(&with(Some(&empty), None)).contains("no CERTIFICATE"));
        assert!(refusal(&with(None, Some(&empty))).contains("together"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let options = EtcdOptions {
            user: Some(("root".to_owned(), Secret::new("hunter2"))),
            ..EtcdOptions::default()
        };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
