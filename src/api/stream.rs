//! `/api/v1/stream`: says what changed, as server-sent events. Carries no state, except the runs of one monitor for whoever asks for them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody};
use super::parts::ApiState;
use super::query::Params;
use super::state_object::SampleObject;
use crate::feed::Signal;
use crate::results::Sample;

/// Streams at a time. One page holds one.
const CLIENTS: usize = 256;
/// What changed within this time travels together: at most four events of a sort a second.
const COALESCE: Duration = Duration::from_millis(250);
/// A comment is sent when nothing else was for this long, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Names in one event; of more, none are named and everything is to be asked again.
const NAMES: usize = 1_000;
/// Signals taken in at once, at most: as many as the feed keeps for a listener.
const DRAIN: usize = 4_096;
/// Runs of one monitor within [`COALESCE`] that are sent, the newest; a monitor may run every millisecond.
const RUNS: usize = 20;

/// How many streams are open.
#[derive(Debug, Default)]
pub(super) struct Clients(Arc<AtomicUsize>);

impl Clients {
    pub(super) fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    fn enter(&self) -> Option<Place> {
        self.0
            .fetch_update(Relaxed, Relaxed, |n| (n < CLIENTS).then_some(n + 1))
            .ok()?;
        Some(Place(self.0.clone()))
    }
}

/// One open stream.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(open))
}

/// What changes, as it changes. `hello` first; `resync` when the client was too slow: everything is to be asked again. `state` names monitors and
/// has the counts; `incident`, `notification`, `silence`, `definition`, `alerter` and `event` name what they are about, or nothing. `run` comes with
/// `?monitor=` only.
#[utoipa::path(get, path = "/api/v1/stream", tag = "stream",
    params(("monitor" = Option<String>, Query, description = "Also send the runs of this monitor")),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 503, body = ErrorBody)))]
async fn open(State(api): State<ApiState>, params: Params) -> Result<Response, ApiError> {
    let Some(place) = api.clients().enter() else {
        return Err(ApiError::unavailable(format!("{CLIENTS} streams are open already")));
    };
    let monitor = params.given("monitor").map(str::to_owned);
    let hello = json!({"member": api.member.id.as_str(), "version": api.member.version}).to_string();
    let teller = Teller {
        signals: api.feed.listen(),
        elsewhere: api.others.as_ref().map(|others| others.feed.listen()),
        api,
        monitor,
        waiting: Waiting::default(),
        flush_at: None,
        flushed: Instant::now() - COALESCE,
        ready: vec![event("hello", &hello)],
        _place: place,
    };
    let sse = Sse::new(teller.into_stream()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Some proxies hold answers back until they are complete; this one never is.
    let unbuffered = (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok((
        [
            unbuffered,
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        sse,
    )
        .into_response())
}

struct Teller {
    api: ApiState,
    signals: Receiver<Signal>,
    /// What changed at the other members.
    elsewhere: Option<Receiver<Signal>>,
    monitor: Option<String>,
    waiting: Waiting,
    flush_at: Option<Instant>,
    flushed: Instant,
    /// Events to send, the next one last.
    ready: Vec<Event>,
    _place: Place,
}

/// What changed since the last events were sent.
#[derive(Default)]
struct Waiting {
    states: Names,
    runs: Vec<Sample>,
    /// In the order of [`SORTS`].
    others: [Names; SORTS.len()],
    resync: bool,
}

/// Sorts of events that only name what they are about.
const SORTS: [&str; 6] = ["incident", "notification", "silence", "definition", "alerter", "event"];

/// Names without repetition, bounded.
#[derive(Default)]
struct Names {
    any: bool,
    names: BTreeSet<String>,
    too_many: bool,
}

impl Names {
    fn add(&mut self, name: Option<&str>) {
        self.any = true;
        match name {
            Some(name) if self.names.len() < NAMES => {
                self.names.insert(name.to_owned());
            }
            // Also where there is no name: somebody has to ask for everything of the sort.
            _ => self.too_many = true,
        }
    }

    fn into_names(self) -> Vec<String> {
        if self.too_many {
            Vec::new()
        } else {
            self.names.into_iter().collect()
        }
    }
}

#[derive(Serialize)]
struct Run<'a> {
    monitor: &'a str,
    sample: SampleObject,
}

impl Teller {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut teller| async move {
            teller.next().await.map(|event| (Ok(event), teller))
        })
        .fuse()
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop() {
                return Some(event);
            }
            let flush_at = self.flush_at;
            tokio::select! {
                biased;
                () = self.api.stop().cancelled() => return None,
                () = async { sleep_until(flush_at.unwrap_or_else(Instant::now)).await }, if flush_at.is_some() => {
                    self.drain();
                    self.flush().await;
                }
                signal = self.signals.recv() => match signal {
                    Ok(signal) => self.take(signal),
                    Err(RecvError::Lagged(_)) => self.lagged(),
                    Err(RecvError::Closed) => return None,
                },
                signal = from(&mut self.elsewhere) => match signal {
                    Ok(signal) => self.take(signal),
                    Err(RecvError::Lagged(_)) => self.lagged(),
                    Err(RecvError::Closed) => self.elsewhere = None,
                },
            }
        }
    }

    /// Takes in what has been said already: it travels along.
    fn drain(&mut self) {
        for _ in 0..DRAIN {
            match self.signals.try_recv() {
                Ok(signal) => self.take(signal),
                Err(TryRecvError::Lagged(_)) => self.lagged(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Nobody knows what was missed.
    fn lagged(&mut self) {
        self.waiting = Waiting {
            resync: true,
            ..Waiting::default()
        };
        self.soon();
    }

    /// Sends what waits at once if nothing was sent for a while, else when that while is over.
    fn soon(&mut self) {
        let earliest = (self.flushed + COALESCE).max(Instant::now());
        self.flush_at.get_or_insert(earliest);
    }

    fn take(&mut self, signal: Signal) {
        let waiting = &mut self.waiting;
        let [incident, notification, silence, definition, alerter, event] = &mut waiting.others;
        match &signal {
            Signal::State(name) => waiting.states.add(Some(name.as_str())),
            Signal::Run(name, sample) => {
                if self.monitor.as_deref() != Some(name.as_str()) {
                    return;
                }
                if waiting.runs.len() == RUNS {
                    waiting.runs.remove(0);
                }
                waiting.runs.push(*sample);
            }
            Signal::Incident(name) => incident.add(Some(name.as_str())),
            Signal::Notification(name) => notification.add(Some(name.as_str())),
            Signal::Silence(id) => silence.add(Some(id)),
            Signal::Definition(name) => definition.add(Some(name.as_str())),
            Signal::Alerter(name) => alerter.add(Some(name)),
            Signal::Event => event.add(None),
            Signal::Many => return self.lagged(),
        }
        self.soon();
    }

    async fn flush(&mut self) {
        self.flush_at = None;
        self.flushed = Instant::now();
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.resync {
            self.ready.push(event("resync", "{}"));
        }
        for (sort, names) in SORTS.into_iter().zip(waiting.others) {
            if names.any {
                self.ready
                    .push(event(sort, &json!({"names": names.into_names()}).to_string()));
            }
        }
        if waiting.states.any {
            let counts = self.api.measured().whole(&self.api).await.counts;
            let overview = json!({"ok": counts.ok, "warning": counts.warning, "critical": counts.critical, "pending": counts.pending});
            let data = json!({"monitors": waiting.states.into_names(), "overview": overview});
            self.ready.push(event("state", &data.to_string()));
        }
        let monitor = self.monitor.as_deref().unwrap_or_default();
        for sample in waiting.runs.iter().rev() {
            let run = Run {
                monitor,
                sample: sample.into(),
            };
            self.ready
                .extend(serde_json::to_string(&run).ok().map(|data| event("run", &data)));
        }
    }
}

/// The next signal of a feed that need not be there.
async fn from(feed: &mut Option<Receiver<Signal>>) -> Result<Signal, RecvError> {
    match feed {
        Some(feed) => feed.recv().await,
        None => std::future::pending().await,
    }
}

fn event(sort: &str, data: &str) -> Event {
    Event::default().event(sort).data(data)
}
