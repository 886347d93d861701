//! One connection per endpoint, and which of them is asked. The client's own balancing keeps dead members in its set for ever; here the one
//! that answered last is asked again, and the next one when it does not.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, Error};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, Kind, judge, no_answer};
use super::options::{EtcdError, EtcdOptions};
use crate::store::backend::StoreError;

/// Whether a request may be sent to another endpoint when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or twice is as good as once.
    Harmless,
    /// Once only: the caller has to look.
    Never,
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
    channel: tonic::transport::Channel,
    client: tokio::sync::Mutex<Option<Client>>,
    /// How often the client was made anew: many requests may find the same token too old.
    made: AtomicUsize,
}

impl Endpoints {
    /// Opens nothing yet: that is done by the first request.
    pub(super) fn new(options: &EtcdOptions) -> Result<Self, EtcdError> {
        let slot = |(url, endpoint): (String, tonic::transport::Endpoint)| Slot {
            url,
            channel: endpoint.connect_lazy(),
            client: tokio::sync::Mutex::default(),
            made: AtomicUsize::new(0),
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
            let failure = match timeout_at(try_until, self.ask(at, &request)).await {
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
        timeout(within, self.ask(at, &request))
            .await
            .unwrap_or_else(|_| Err(no_answer(self.url(at))))
    }

    async fn ask<T, W>(&self, at: usize, request: &impl Fn(Client) -> W) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let (client, made) = self.client(at).await?;
        let failure = match request(client).await {
            Ok(answer) => return Ok(answer),
            Err(error) => judge(&error, self.url(at)),
        };
        if failure.kind != Kind::Token {
            return Err(failure);
        }
        // It was certainly not done: with a new token it may be asked again.
        self.forget(at, made).await;
        let (client, _) = self.client(at).await?;
        request(client).await.map_err(|error| judge(&error, self.url(at)))
    }

    /// The client of an endpoint, with a token if there is a user; and how often it was made.
    async fn client(&self, at: usize) -> Result<(Client, usize), Failure> {
        let Some(slot) = self.slots.get(at) else {
            return Err(no_answer("nobody"));
        };
        let mut client = slot.client.lock().await;
        let made = slot.made.load(Ordering::Relaxed);
        if let Some(client) = client.as_ref() {
            return Ok((client.clone(), made));
        }
        let channel = || Channel::Tonic(slot.channel.clone());
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
        *client = Some(fresh.clone());
        Ok((fresh, made))
    }

    /// The client with its token, unless somebody else has made it anew meanwhile.
    pub(super) async fn forget(&self, at: usize, made: usize) {
        let Some(slot) = self.slots.get(at) else { return };
        let mut client = slot.client.lock().await;
        if slot.made.load(Ordering::Relaxed) == made {
            slot.made.store(made + 1, Ordering::Relaxed);
            *client = None;
        }
    }

    /// As [`Endpoints::forget`], whoever made it.
    pub(super) async fn forget_now(&self, at: usize) {
        if let Some(slot) = self.slots.get(at) {
            self.forget(at, slot.made.load(Ordering::Relaxed)).await;
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
