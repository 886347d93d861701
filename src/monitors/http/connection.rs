//! One HTTP/1.1 connection, driven by the check that uses it: no task of its own, so nothing outlives the run.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::monitors::net::{Opened, Stream};

type Io = http1::Connection<TokioIo<Stream>, Full<Bytes>>;

/// A connection and what is known about it.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended; dropping it is what tells the other half.
    io: Option<Io>,
    pub(super) opened: Opened,
}

impl Connection {
    pub(super) async fn new(stream: Stream, opened: Opened) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        // Names as everybody writes them: some small devices compare them letter by letter.
        builder.title_case_headers(true);
        // Head and body are small: one buffer and a plain write cost less than a gathering one.
        builder.writev(false);
        let (sender, io) = builder.handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            io: Some(io),
            opened,
        })
    }

    /// Whether a kept connection still stands and waits for a request.
    pub(super) async fn is_ready(&mut self) -> bool {
        let Self { sender, io, .. } = self;
        poll_fn(|cx| drive(io, cx, |cx| sender.poll_ready(cx))).await.is_ok()
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let mut answer = std::pin::pin!(self.sender.send_request(request));
        let io = &mut self.io;
        poll_fn(|cx| drive(io, cx, |cx| answer.as_mut().poll(cx))).await
    }

    /// The next piece of a body, or `None` at its end.
    pub(super) async fn frame(&mut self, body: &mut Incoming) -> Option<hyper::Result<Frame<Bytes>>> {
        let io = &mut self.io;
        poll_fn(|cx| drive(io, cx, |cx| std::pin::Pin::new(&mut *body).poll_frame(cx))).await
    }
}

/// Polls the wish, then the connection that can fulfil it, then the wish again.
fn drive<T>(io: &mut Option<Io>, cx: &mut Context<'_>, mut wish: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    if let Poll::Ready(fulfilled) = wish(cx) {
        return Poll::Ready(fulfilled);
    }
    if let Some(connection) = io
        // Its error reaches the wish as well; here it only says that the connection has ended.
        && connection.poll_without_shutdown(cx).is_ready()
    {
        *io = None;
    }
    wish(cx)
}
