//! What tests of network kinds share: peers on loopback, certificates, one run of a definition.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CheckCx, CheckOptions, DynMonitor, Run, kind};
use crate::model::{MonitorName, MonitorSettings, Problem, Verdict};
use crate::tasks::Tasks;

/// Deadline of runs that are meant to end before it.
pub(super) const AMPLE: Duration = Duration::from_secs(10);
/// Deadline of runs that are meant to reach it.
pub(super) const SHORT: Duration = Duration::from_millis(120);

pub(super) fn settings(kind: &str, shared: Value) -> MonitorSettings {
    let mut all = json!({"type": kind, "interval": "1h"});
    if let (Some(all), Value::Object(shared)) = (all.as_object_mut(), shared) {
        all.extend(shared);
    }
    serde_json::from_value(all).unwrap()
}

/// Reads a definition as the loader does.
pub(super) fn parse(kind_name: &str, own: Value) -> (Box<dyn DynMonitor>, Vec<Problem>) {
    (kind(kind_name).unwrap().parse)(own, &settings(kind_name, json!({}))).unwrap()
}

/// The problems of a definition, as text.
pub(super) fn problems(kind_name: &str, own: Value, shared: Value) -> Vec<String> {
    match (kind(kind_name).unwrap().parse)(own, &settings(kind_name, shared)) {
        Ok((_, problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(problem) => vec![problem.to_string()],
    }
}

pub(super) fn cx() -> CheckCx {
    CheckCx::new(CheckOptions::default())
}

pub(super) async fn run(cx: &CheckCx, monitor: &dyn DynMonitor, timeout: Duration) -> Verdict {
    let name = MonitorName::parse("test").unwrap();
    let run = Run {
        monitor: &name,
        deadline: Instant::now() + timeout,
        timeout,
    };
    monitor.check(cx, &run).await
}

/// One run of a definition that has no problems.
pub(super) async fn once(kind_name: &str, own: Value, timeout: Duration) -> Verdict {
    run(&cx(), monitor(kind_name, own).as_ref(), timeout).await
}

pub(super) fn fact(verdict: &Verdict, name: &str) -> Option<f64> {
    verdict
        .facts
        .iter()
        .find(|fact| fact.name == name)
        .map(|fact| fact.value)
}

/// The problems of a definition, as they are.
pub(super) fn found_problems(kind_name: &str, own: Value) -> Vec<Problem> {
    match (kind(kind_name).unwrap().parse)(own, &settings(kind_name, json!({}))) {
        Ok((_, problems)) => problems,
        Err(problem) => vec![problem],
    }
}

/// A definition that has no problems.
pub(super) fn monitor(kind_name: &str, own: Value) -> Box<dyn DynMonitor> {
    let (monitor, problems) = parse(kind_name, own);
    assert_eq!(problems, []);
    monitor
}

/// Open descriptors of this process. Other tests run beside: a leak shows as growth by as many as there were runs.
pub(super) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A peer on loopback that does the same with every connection. Stops when dropped.
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    _tasks: Tasks,
}

impl Peer {
    pub(super) async fn on<F>(ip: &str, handle: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        tasks.spawn(async move {
            let mut connections = Tasks::child_of(&CancellationToken::new());
            for n in 0.. {
                // A test may run out of descriptors on purpose.
                match listener.accept().await {
                    Ok((stream, _)) => connections.spawn(handle(stream, n)),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        Self { addr, _tasks: tasks }
    }

    /// Sends this to whoever connects, then waits for them to leave.
    pub(super) async fn greeting(pieces: &'static [&'static [u8]]) -> Self {
        Self::on("127.0.0.1", move |mut stream, _| async move {
            for piece in pieces {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            until_closed(&mut stream).await;
        })
        .await
    }

    /// Takes everything and never says a word.
    pub(super) async fn silent() -> Self {
        Self::greeting(&[]).await
    }

    /// Closes at once; with `reset`, without good manners.
    pub(super) async fn hanging_up(reset: bool) -> Self {
        Self::on("127.0.0.1", move |stream, _| async move {
            if reset {
                socket2::SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
            }
            drop(stream);
        })
        .await
    }

    pub(super) fn port(&self) -> u16 {
        self.addr.port()
    }
}

pub(super) async fn until_closed(stream: &mut TcpStream) {
    let mut buf = [0; 1024];
    while matches!(stream.read(&mut buf).await, Ok(1..)) {}
}

/// A port of loopback on which nothing listens, and nobody else will for as long as the socket is there.
pub(super) fn refusing() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// An authority for one test.
pub(super) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(super) pem: String,
}

/// What goes into one certificate.
pub(super) struct Wish {
    pub(super) names: &'static [&'static str],
    /// Days from now; below zero has expired.
    pub(super) days: i64,
}

pub(super) struct Issued {
    pub(super) pem: String,
    pub(super) key_pem: String,
    der: rustls_pki_types::CertificateDer<'static>,
    key: Vec<u8>,
    pub(super) not_after: i64,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: rcgen::Issuer::new(params, key),
            pem,
        }
    }

    pub(super) fn issue(&self, wish: &Wish) -> Issued {
        let names: Vec<String> = wish.names.iter().map(ToString::to_string).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        let now = crate::model::WallMs::now().0 / 1_000;
        let not_after = now + wish.days * 86_400;
        let date = |at: i64| {
            let day = jiff::Timestamp::from_second(at)
                .unwrap()
                .to_zoned(jiff::tz::TimeZone::UTC);
            rcgen::date_time_ymd(
                day.year().into(),
                u8::try_from(day.month()).unwrap(),
                u8::try_from(day.day()).unwrap(),
            )
        };
        params.not_before = date(now - 400 * 86_400);
        params.not_after = date(not_after);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key: key.serialize_der(),
            not_after: params.not_after.unix_timestamp(),
        }
    }

    /// Accepts TLS with this certificate; asks for one of this authority when `mutual`.
    pub(super) fn acceptor(&self, issued: &Issued, mutual: bool) -> tokio_rustls::TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if mutual {
            use rustls_pki_types::pem::PemObject as _;
            let mut roots = rustls::RootCertStore::empty();
            let ca = rustls_pki_types::CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
            roots.add(ca).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.key.clone()));
        let config = builder.with_single_cert(vec![issued.der.clone()], key).unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}
