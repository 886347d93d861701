//! Answering other members: a listener of its own, so that neither the API's clients nor its limits are in the way.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::calls::{Answers, Call, Sort};
use super::credentials::Credentials;
use super::directory::{Directory, Standing};
use super::fingerprint::Fingerprint;
use super::stats::Stats;
use super::wire::{self, MAX_QUESTION, Refused, Why};
use super::{PATH, tls};
use crate::model::MemberId;
use crate::tasks::Tasks;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 512;
/// A handshake is done within this time.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// How long a connection on which nothing is asked is kept.
const IDLE: Duration = Duration::from_secs(60);
/// A question is here within this time, once it has begun.
const QUESTION_WITHIN: Duration = Duration::from_secs(5);
/// Longest time for an answer, whatever the asking side says that it waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Questions that the cluster waits for, answered at a time.
const CLUSTER: usize = 64;
/// Questions for pages and lists, answered at a time: they take the processor from checks.
const READING: usize = 8;
/// Such questions that may wait for their turn; more are told that this member is busy.
const READING_WAITING: usize = 64;
/// Runs at the request of others at a time. They have a permit of their own in the lane besides.
const RUNNING: usize = 16;
/// Wait after the kernel gives us no connection (out of descriptors).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The listener, bound, and what it answers by.
pub struct Listener {
    /// Where it listens.
    pub listener: TcpListener,
    /// What this member shows.
    pub credentials: Credentials,
    /// Who may ask.
    pub directory: Directory,
    /// Who knows the answers.
    pub answers: Arc<dyn Answers>,
    /// What is counted.
    pub stats: Stats,
    /// What is being answered when the member stops may take this long to end.
    pub grace: Duration,
}

/// What all connections share.
struct Shared {
    directory: Directory,
    answers: Arc<dyn Answers>,
    stats: Stats,
    cluster: Semaphore,
    reading: Semaphore,
    reading_waiting: Semaphore,
    running: Semaphore,
}

impl Listener {
    /// Answers until `stop`; what is being answered then ends within the grace, or is cut off.
    ///
    /// # Errors
    /// The credentials cannot be used for TLS: a defect of ours, as they were tried when they were read.
    pub async fn run(self, stop: CancellationToken) -> Result<(), rustls::Error> {
        let acceptor = TlsAcceptor::from(Arc::new(tls::server(&self.credentials, self.directory.clone())?));
        let shared = Arc::new(Shared {
            directory: self.directory,
            answers: self.answers,
            stats: self.stats,
            cluster: Semaphore::new(CLUSTER),
            reading: Semaphore::new(READING),
            reading_waiting: Semaphore::new(READING_WAITING),
            running: Semaphore::new(RUNNING),
        });
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // Not children of `stop`: they end by themselves when their answers have ended.
        let mut connections: Tasks = Tasks::child_of(&CancellationToken::new());
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = places.clone().acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = shared.clone().connection(stream, acceptor.clone(), stop.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of another member");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(ACCEPT_AGAIN) => {}
                    }
                }
            }
            while connections.try_next().is_some() {}
        }
        connections.shut_down(self.grace).await;
        Ok(())
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream, acceptor: TlsAcceptor, stop: CancellationToken) {
        let from = stream.peer_addr();
        // An answer is small and complete: waiting for more to send helps nobody.
        let _ = stream.set_nodelay(true);
        let stream = match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                self.stats.turned_away();
                tracing::debug!(?from, %error, "not a member: turned away");
                return;
            }
            Err(_) => {
                self.stats.turned_away();
                tracing::debug!(?from, "no handshake in time: turned away");
                return;
            }
        };
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let Some(fingerprint) = shown.map(|certificate| Fingerprint::of(certificate)) else {
            return;
        };
        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            let shared = self.clone();
            async move { Ok::<_, Infallible>(shared.respond(&fingerprint, request).await) }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_headers(16)
            .keep_alive(true);
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(?from, %error, "a member's connection ended");
        }
    }

    async fn respond(&self, fingerprint: &Fingerprint, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::POST || request.uri().path() != PATH {
            return response(StatusCode::NOT_FOUND, Vec::new());
        }
        let body = Limited::new(request.into_body(), MAX_QUESTION).collect();
        let body = match timeout(QUESTION_WITHIN, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return refusal(Refused::new(Why::TooLarge, format!("the question breaks off: {error}"))),
            Err(_) => return refusal(Refused::new(Why::Late, "the question takes too long")),
        };
        let (call, within_ms) = match wire::read_question(&body) {
            Ok(question) => question,
            Err(refused) => {
                self.stats.answered("other", refused.why.as_str());
                return response(StatusCode::OK, wire::reply(Err(refused)));
            }
        };
        drop(body);
        let word = call.word();
        let within = Duration::from_millis(within_ms).min(ANSWER_WITHIN);
        let answer = match timeout(within, self.answer(fingerprint, call)).await {
            Ok(answer) => answer,
            Err(_) => Err(Refused::new(Why::Late, "the answer takes too long")),
        };
        let result = answer
            .as_ref()
            .map_or_else(|refused| refused.why.as_str(), |_| "answered");
        self.stats.answered(word, result);
        response(StatusCode::OK, wire::reply(answer))
    }

    async fn answer(&self, fingerprint: &Fingerprint, call: Call) -> Result<super::Answer, Refused> {
        let asker = self.asker(fingerprint, &call)?;
        let closed = |_| Refused::new(Why::Failed, "stopping");
        let busy = || Refused::new(Why::Busy, "asked too much");
        let _permits = match call.sort() {
            Sort::Cluster => (None, self.cluster.try_acquire().map_err(|_| busy())?),
            Sort::Running => (None, self.running.try_acquire().map_err(|_| busy())?),
            Sort::Reading => {
                let waiting = self.reading_waiting.try_acquire().map_err(|_| busy())?;
                let permit = self.reading.acquire().await.map_err(closed)?;
                drop(waiting);
                (None::<()>, permit)
            }
        };
        self.answers.answer(&asker, call).await
    }

    /// Who asks; looked up at every question, as the member list may have changed since the handshake.
    fn asker(&self, fingerprint: &Fingerprint, call: &Call) -> Result<MemberId, Refused> {
        match self.directory.who(fingerprint) {
            Some(Standing::Member(member)) => Ok(member),
            // Whoever was cut off from the store is no longer in the list, and has to learn just that.
            Some(Standing::Lapsed(member)) if matches!(call, Call::Hello(_) | Call::Store(_)) => Ok(member),
            Some(Standing::Lapsed(_)) | None => Err(Refused::new(Why::NotAMember, "not in the member list")),
        }
    }
}

fn response(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

/// What came is not read to its end: the connection is of no use afterwards.
fn refusal(refused: Refused) -> Response<Full<Bytes>> {
    let mut response = response(StatusCode::OK, wire::reply(Err(refused)));
    let close = http::HeaderValue::from_static("close");
    response.headers_mut().insert(http::header::CONNECTION, close);
    response
}
