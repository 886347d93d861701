//! TLS as a client: whom to trust, who we are, and the handshake.

use std::fs;
use std::io::{self, Read as _};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::Host;
use super::failure::{Failure, describe};
use super::text::excerpt;
use super::verifier::{AcceptAll, Remembering, SeenExpiry};
use crate::model::{Problem, Reason, Secret};

/// Largest PEM file that is read.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Whom to trust and who to be, when the defaults do not fit.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TlsKeys {
    /// PEM file, or PEM text, with the authorities to trust instead of the system's.
    ca: String,
    /// PEM file, or PEM text, with the client certificate and its chain. Needs `key`.
    certificate: String,
    /// PEM file, or PEM text, with the private key of `certificate`.
    key: Secret,
    /// Accept any certificate. Its expiry is still reported.
    skip_verify: bool,
    /// Name to ask for and to verify, when it is not `host`.
    server_name: String,
}

/// The settings with what was made of them.
pub(crate) struct Tls {
    keys: TlsKeys,
    server_name: Option<ServerName<'static>>,
    made: Mutex<Option<(Stamps, Arc<Made>)>>,
}

/// Modification times of the files involved: a renewed certificate is used without a restart.
type Stamps = [Option<SystemTime>; 3];

/// Ready for handshakes: each clones the configuration and puts its own remembering verifier in front of this one.
#[derive(Debug)]
struct Made {
    config: ClientConfig,
    verifier: Arc<dyn ServerCertVerifier>,
}

/// Roots and cryptography that all connections of a lane share. Read at the first TLS handshake.
#[derive(Debug, Default)]
pub(crate) struct TlsRoots {
    shared: OnceLock<Result<Shared, String>>,
}

#[derive(Debug)]
struct Shared {
    provider: Arc<CryptoProvider>,
    plain: Arc<Made>,
}

impl TlsRoots {
    fn shared(&self) -> Result<&Shared, Failure> {
        let shared = self.shared.get_or_init(|| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let verifier = system_roots(&provider).map_err(|err| err.to_string())?;
            let plain = Arc::new(make(&provider, verifier, None).map_err(|err| err.to_string())?);
            Ok(Shared { provider, plain })
        });
        shared
            .as_ref()
            .map_err(|err| Failure::ours(Reason::Tls, format!("TLS cannot be used here: {err}")))
    }
}

fn system_roots(provider: &Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
    match rustls_platform_verifier::Verifier::new(Arc::clone(provider)) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(err) => {
            tracing::debug!(%err, "no authorities on this system, using the built-in ones");
            let mut store = RootCertStore::empty();
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            Ok(trusting(store, provider)?)
        }
    }
}

fn trusting(
    store: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, VerifierBuilderError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build()
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn make(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<Identity>,
) -> Result<Made, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier));
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    // A resumed session would make handshake times and certificates those of an earlier run.
    config.resumption = Resumption::disabled();
    Ok(Made { config, verifier })
}

impl Tls {
    /// Takes the keys; the problems name fields below `tls`.
    pub(crate) fn new(keys: TlsKeys) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut server_name = None;
        if !keys.server_name.is_empty() {
            match ServerName::try_from(keys.server_name.clone()) {
                Ok(name) => server_name = Some(name),
                Err(_) => {
                    let message = format!("`{}` is no server name", excerpt(keys.server_name.as_bytes()));
                    problems.push(Problem::error("tls.server-name", message, ""));
                }
            }
        }
        match (keys.certificate.is_empty(), keys.key.is_empty()) {
            (false, true) => problems.push(Problem::error("tls.certificate", "needs `tls.key` beside it", "")),
            (true, false) => problems.push(Problem::error("tls.key", "needs `tls.certificate` beside it", "")),
            _ => problems.extend(keys.identity().err()),
        }
        problems.extend(keys.authorities().err());
        let tls = Self {
            keys,
            server_name,
            made: Mutex::new(None),
        };
        (tls, problems)
    }

    fn made(&self, shared: &Shared, peer: Peer) -> Result<Arc<Made>, Failure> {
        if peer == Peer::Stranger {
            // Trust as configured, but without our identity. Rare enough to be made anew.
            return self.make(shared, None).map(Arc::new);
        }
        let stamps = self.keys.stamps();
        let mut cached = self.made.lock();
        if let Some((at, made)) = cached.as_ref()
            && *at == stamps
        {
            return Ok(Arc::clone(made));
        }
        let identity = self.keys.identity().map_err(|problem| cannot_use(&problem))?;
        let made = Arc::new(self.make(shared, identity)?);
        *cached = Some((stamps, Arc::clone(&made)));
        Ok(made)
    }

    fn make(&self, shared: &Shared, identity: Option<Identity>) -> Result<Made, Failure> {
        let verifier: Arc<dyn ServerCertVerifier> = if self.keys.skip_verify {
            let schemes = shared.provider.signature_verification_algorithms.supported_schemes();
            Arc::new(AcceptAll { schemes })
        } else {
            match self.keys.authorities().map_err(|problem| cannot_use(&problem))? {
                Some(store) => trusting(store, &shared.provider)
                    .map_err(|err| Failure::ours(Reason::Tls, format!("`tls.ca` cannot be used: {err}")))?,
                None => Arc::clone(&shared.plain.verifier),
            }
        };
        make(&shared.provider, verifier, identity).map_err(|err| {
            Failure::ours(
                Reason::Tls,
                format!("`tls.certificate` and `tls.key` cannot be used: {err}"),
            )
        })
    }
}

fn cannot_use(problem: &Problem) -> Failure {
    Failure::ours(Reason::Tls, format!("`{}`: {}", problem.field, problem.message))
}

impl TlsKeys {
    fn stamps(&self) -> Stamps {
        let stamp = |source: &str| {
            let file = !source.is_empty() && !is_pem(source);
            file.then(|| fs::metadata(source).and_then(|meta| meta.modified()).ok())
                .flatten()
        };
        [stamp(&self.ca), stamp(&self.certificate), stamp(self.key.reveal())]
    }

    fn authorities(&self) -> Result<Option<RootCertStore>, Problem> {
        if self.ca.is_empty() {
            return Ok(None);
        }
        let mut store = RootCertStore::empty();
        for certificate in certificates("tls.ca", &self.ca)? {
            store.add(certificate).map_err(|err| {
                Problem::error("tls.ca", format!("holds a certificate that cannot be used: {err}"), "")
            })?;
        }
        Ok(Some(store))
    }

    fn identity(&self) -> Result<Option<Identity>, Problem> {
        if self.certificate.is_empty() || self.key.is_empty() {
            return Ok(None);
        }
        let chain = certificates("tls.certificate", &self.certificate)?;
        let pem = read_pem("tls.key", self.key.reveal())?;
        // The parser's error may quote what it read, so it is not passed on.
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| Problem::error("tls.key", "holds no private key in PEM", ""))?;
        Ok(Some((chain, key)))
    }
}

fn is_pem(source: &str) -> bool {
    source.trim_start().starts_with("-----BEGIN")
}

fn read_pem(field: &'static str, source: &str) -> Result<Vec<u8>, Problem> {
    if is_pem(source) {
        return Ok(source.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    fs::File::open(source)
        .and_then(|file| file.take(MAX_PEM_BYTES).read_to_end(&mut bytes))
        .map_err(|err| {
            // Only a warning: the file may well be there on the members that run the check.
            let message = format!("cannot read `{}`: {}", excerpt(source.as_bytes()), describe(&err));
            Problem::warning(field, message, "the file has to be on every member that runs the check")
        })?;
    Ok(bytes)
}

fn certificates(field: &'static str, source: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = read_pem(field, source)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Problem::error(field, "holds no certificate in PEM", "")),
    }
}

/// Whether a TLS peer is the one that the settings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The configured host: gets the client certificate and the configured server name.
    Configured,
    /// Another one, after a redirect.
    Stranger,
}

/// The handshake. The expiry is known also when it fails for the certificate's sake.
pub(crate) async fn handshake(
    roots: &TlsRoots,
    tls: Option<&Tls>,
    peer: Peer,
    host: &Host,
    alpn: &[&[u8]],
    stream: TcpStream,
) -> (Result<TlsStream<TcpStream>, Failure>, Option<i64>) {
    let seen = SeenExpiry::default();
    let prepared = prepare(roots, tls, peer, host, alpn, &seen);
    let (config, name) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return (Err(failure), None),
    };
    let result = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    (result.map_err(|err| of_handshake(&err)), seen.get())
}

fn prepare(
    roots: &TlsRoots,
    tls: Option<&Tls>,
    peer: Peer,
    host: &Host,
    alpn: &[&[u8]],
    seen: &SeenExpiry,
) -> Result<(ClientConfig, ServerName<'static>), Failure> {
    let shared = roots.shared()?;
    let made = match tls {
        None => Arc::clone(&shared.plain),
        Some(tls) => tls.made(shared, peer)?,
    };
    let configured = tls
        .filter(|_| peer == Peer::Configured)
        .and_then(|tls| tls.server_name.clone());
    let name = match (configured, host) {
        (Some(name), _) => name,
        (None, Host::Ip(ip)) => ServerName::from(*ip),
        (None, Host::Name(name)) => ServerName::try_from(name.to_string())
            .map_err(|_| Failure::new(Reason::Tls, format!("{name} cannot be the name in a certificate")))?,
    };
    let mut config = made.config.clone();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.dangerous().set_certificate_verifier(Arc::new(Remembering {
        inner: Arc::clone(&made.verifier),
        seen: seen.clone(),
    }));
    Ok((config, name))
}

/// A peer that hangs up in the middle of a handshake usually does not speak TLS at all.
fn of_handshake(err: &io::Error) -> Failure {
    let failure = Failure::of_io(err);
    if err.kind() == io::ErrorKind::UnexpectedEof {
        return Failure::new(Reason::Tls, "connection closed during the TLS handshake");
    }
    failure
}
