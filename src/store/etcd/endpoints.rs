//! The connections to each endpoint, and which endpoint is asked. The client's own balancing keeps dead members in its set for ever; here the
//! one that answered last is asked again, and the next one when it does not.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, Error};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, Kind, judge, no_answer};
use super::options::{EtcdError, EtcdOptions};
use crate::store::backend::StoreError;

/// An endpoint that has not answered for this long is left when its asker loses patience and goes.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether a request may be sent to another endpoint when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or twice is as good as once.
    Harmless,
    /// Once only: the caller has to look.
    Never,
}

/// What a connection is for. Watches have one of their own: what a slow reader leaves on it must not keep a lease from being kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Requests,
    Watches,
}

/// All endpoints.
pub(super) struct Endpoints {
    slots: Vec<Slot>,
    current: AtomicUsize,
    connect: ConnectOptions,
    /// The same for an etcd that has no users (any more): a password is then not asked for.
    connect_as_nobody: ConnectOptions,
}

struct Slot {
    url: String,
    requests: Connection,
    watches: Connection,
}

struct Connection {
    channel: tonic::transport::Channel,
    client: Mutex<Option<Client>>,
    /// Held by whoever makes it: many requests need one token. Nobody who finds a client there queues for it.
    making: tokio::sync::Mutex<()>,
    /// How often the client was made anew: many requests may find the same token too old.
    made: AtomicUsize,
}

/// A request that is waited for: dropped by whoever gives up before we do. Without this a caller with little time would ask the same silent
/// endpoint again and again.
struct Asking<'a> {
    endpoints: &'a Endpoints,
    at: usize,
    began: Instant,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.began.elapsed() > PATIENCE {
            self.endpoints.leave(self.at);
        }
    }
}

impl Connection {
    fn new(endpoint: &tonic::transport::Endpoint) -> Self {
        Self {
            channel: endpoint.connect_lazy(),
            client: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            made: AtomicUsize::new(0),
        }
    }

    /// The client, if there is one, and how often it was made.
    fn present(&self) -> Option<(Client, usize)> {
        let client = self.client.lock();
        let made = self.made.load(Ordering::Relaxed);
        client.clone().map(|client| (client, made))
    }
}

impl Slot {
    fn line(&self, line: Line) -> &Connection {
        match line {
            Line::Requests => &self.requests,
            Line::Watches => &self.watches,
        }
    }
}

impl Endpoints {
    /// Opens nothing yet: that is done by the first request.
    pub(super) fn new(options: &EtcdOptions) -> Result<Self, EtcdError> {
        let slot = |(url, endpoint): (String, tonic::transport::Endpoint)| Slot {
            url,
            requests: Connection::new(&endpoint),
            watches: Connection::new(&endpoint),
        };
        // A member of etcd that has lost its leader would answer from the past, or never.
        let as_nobody = ConnectOptions::new().with_require_leader(true);
        let connect = match &options.user {
            Some((user, password)) => as_nobody.clone().with_user(user, password.reveal()),
            None => as_nobody.clone(),
        };
        Ok(Self {
            slots: options.connections()?.into_iter().map(slot).collect(),
            current: AtomicUsize::new(0),
            connect,
            connect_as_nobody: as_nobody,
        })
    }

    /// The addresses, for people.
    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|slot| slot.url.as_str())
    }

    /// Asks the endpoint that answered last, then the others where that is harmless or nothing was sent; the answer and who gave it.
    pub(super) async fn call<T, W>(
        &self,
        line: Line,
        repeat: Repeat,
        within: Duration,
        request: impl Fn(Client) -> W,
    ) -> Result<(usize, T), Failure>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let until = Instant::now() + within;
        let first = self.current.load(Ordering::Relaxed);
        let mut last = None;
        for turn in 0..self.slots.len() {
            let at = (first + turn) % self.slots.len();
            let others_are_left = turn + 1 < self.slots.len();
            let now = Instant::now();
            if now >= until {
                break;
            }
            // One that is frozen must not take the time of the others.
            let try_until = match repeat {
                Repeat::Harmless if others_are_left => now + (until - now) / 2,
                _ => until,
            };
            let asking = Asking {
                endpoints: self,
                at,
                began: now,
            };
            let asked = timeout_at(try_until, self.ask(at, line, &request)).await;
            std::mem::forget(asking);
            let failure = match asked {
                Ok(Ok(answer)) => {
                    self.current.store(at, Ordering::Relaxed);
                    return Ok((at, answer));
                }
                Ok(Err(failure)) => failure,
                Err(_) => no_answer(self.url(at)),
            };
            match failure.kind {
                Kind::Refused | Kind::Token | Kind::TooLarge => return Err(failure),
                Kind::NotSent => {}
                Kind::Unsure => {
                    self.leave(at);
                    if repeat == Repeat::Never {
                        return Err(failure);
                    }
                }
            }
            last = Some(failure);
        }
        let mut failure = last.unwrap_or_else(|| no_answer(self.url(first)));
        if self.slots.len() > 1
            && let StoreError::Unavailable(text) = &failure.error
        {
            failure.error = StoreError::Unavailable(format!("no endpoint of {} works; {text}", self.slots.len()));
        }
        Err(failure)
    }

    /// Asks one endpoint and no other.
    pub(super) async fn ask_only<T, W>(
        &self,
        at: usize,
        within: Duration,
        request: impl Fn(Client) -> W,
    ) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, Error>>,
    {
        timeout(within, self.ask(at, Line::Requests, &request))
            .await
            .unwrap_or_else(|_| Err(no_answer(self.url(at))))
    }

    async fn ask<T, W>(&self, at: usize, line: Line, request: &impl Fn(Client) -> W) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let (client, made) = self.client(at, line).await?;
        let failure = match request(client).await {
            Ok(answer) => return Ok(answer),
            Err(error) => judge(&error, self.url(at)),
        };
        if failure.kind != Kind::Token {
            return Err(failure);
        }
        // It was certainly not done: with a new token it may be asked again.
        self.forget(at, line, made);
        let (client, _) = self.client(at, line).await?;
        request(client).await.map_err(|error| judge(&error, self.url(at)))
    }

    /// The client of an endpoint, with a token if there is a user; and how often it was made.
    async fn client(&self, at: usize, line: Line) -> Result<(Client, usize), Failure> {
        let Some(slot) = self.slots.get(at) else {
            return Err(no_answer("nobody"));
        };
        let connection = slot.line(line);
        if let Some(present) = connection.present() {
            return Ok(present);
        }
        let _making = connection.making.lock().await;
        if let Some(present) = connection.present() {
            return Ok(present);
        }
        let channel = || Channel::Tonic(connection.channel.clone());
        let fresh = match Client::from_channel(channel(), Some(self.connect.clone())).await {
            Err(Error::GRpcStatus(status)) if status.message().contains("authentication is not enabled") => {
                Client::from_channel(channel(), Some(self.connect_as_nobody.clone())).await
            }
            made => made,
        };
        let fresh = fresh.map_err(|error| {
            let mut failure = judge(&error, &slot.url);
            if failure.kind == Kind::Unsure {
                // This was the question for a token; what the caller wants was not sent.
                failure.kind = Kind::NotSent;
            }
            failure
        })?;
        *connection.client.lock() = Some(fresh.clone());
        Ok((fresh, connection.made.load(Ordering::Relaxed)))
    }

    /// The client with its token, unless somebody else has made it anew meanwhile.
    fn forget(&self, at: usize, line: Line, made: usize) {
        let Some(slot) = self.slots.get(at) else { return };
        let connection = slot.line(line);
        let mut client = connection.client.lock();
        if connection.made.load(Ordering::Relaxed) == made {
            connection.made.store(made + 1, Ordering::Relaxed);
            *client = None;
        }
    }

    /// As that, for a watch that was refused, whoever made its client.
    pub(super) fn forget_watcher(&self, at: usize) {
        if let Some(slot) = self.slots.get(at) {
            let made = slot.watches.made.load(Ordering::Relaxed);
            self.forget(at, Line::Watches, made);
        }
    }

    /// The next requests go to another endpoint.
    pub(super) fn leave(&self, at: usize) {
        let next = (at + 1) % self.slots.len();
        // Of many requests that found the same one silent, one moves on.
        let _ = self
            .current
            .compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn url(&self, at: usize) -> &str {
        self.slots.get(at).map_or("etcd", |slot| &slot.url)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}
