//! The server: accepts, bounds what one client can cost, and stops in order.
//!
//! HTTP/1.1 only: browsers speak HTTP/2 over TLS alone, and a proxy that terminates TLS speaks 1.1 to us.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::parts::ApiState;
use super::socket::Patient;
use crate::tasks::Tasks;

/// What one client, and all of them together, may cost.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// All header lines of a request, in bytes; more is answered 431.
    pub header_bytes: usize,
    /// Header lines of a request; more is answered 431.
    pub headers: usize,
    /// A request's head is here within this time, counted from when we began to wait for it: also how long an idle connection is kept.
    pub header_within: Duration,
    /// A peer that takes nothing of an answer for this long is cut.
    pub write_stall: Duration,
    /// How long answers may take to end once we stop.
    pub grace: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            header_bytes: 32 * 1024,
            headers: 100,
            header_within: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            grace: Duration::from_secs(5),
        }
    }
}

/// Wait after the kernel gives us no connection (out of descriptors).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `stop`; then lets answers end within the grace. `false` if some had to be cut.
pub async fn serve(listener: TcpListener, state: ApiState, stop: CancellationToken, limits: ServeLimits) -> bool {
    let router = super::router(state.until(stop.clone()));
    let permits = Arc::new(Semaphore::new(limits.connections));
    // Not children of `stop`: they end by themselves when their answers have ended.
    let mut connections: Tasks = Tasks::child_of(&CancellationToken::new());
    loop {
        // The permit before the connection: who finds us full waits in the kernel's queue, not in our memory.
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = permits.clone().acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match (accepted, permit) {
            (Ok((stream, peer)), Ok(permit)) => {
                let connection = connection(stream, peer, router.clone(), stop.clone(), limits);
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            (Err(error), _) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_AGAIN) => {}
                }
            }
            (Ok(_), Err(_)) => break,
        }
        while connections.try_next().is_some() {}
    }
    connections.shut_down(limits.grace).await
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: axum::Router,
    stop: CancellationToken,
    limits: ServeLimits,
) {
    // An answer is small and complete: waiting for more to send helps nobody.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Patient::new(stream, limits.write_stall));
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answered: Result<_, Infallible> = router.oneshot(request).await;
            answered
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_within)
        .max_header_size(limits.header_bytes)
        .max_headers(limits.headers)
        .keep_alive(true);
    let serving = builder.serve_connection(io, service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        // A client that went away, or sent what is no HTTP: its affair.
        tracing::debug!(%peer, %error, "connection ended");
    }
}
