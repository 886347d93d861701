//! The event stream.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;
use ninevolt::feed::Signal;
use ninevolt::model::{MonitorName, Verdict};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::bed::{Bed, LONG_AGO};

/// An open stream, read event by event.
pub(super) struct Reader {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Reader {
    pub(super) async fn open(bed: &Bed, query: &str) -> Self {
        let request = Request::get(format!("/api/v1/stream{query}"))
            .body(Body::empty())
            .unwrap();
        let response = bed.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        };
        let (sort, data) = reader.next().await.unwrap();
        assert_eq!(sort, "hello");
        assert_eq!(data["member"], bed.id.as_str());
        reader
    }

    /// The next event; a comment is `(":", null)`; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<(String, Value)> {
        let end = loop {
            match self.text.find("\n\n") {
                Some(end) => break end,
                None => self
                    .text
                    .push_str(std::str::from_utf8(&self.body.next().await?.unwrap()).unwrap()),
            }
        };
        let event: String = self.text.drain(..end + 2).collect();
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let Some(sort) = field("event:") else {
            return Some((":".to_owned(), Value::Null));
        };
        Some((sort.to_owned(), serde_json::from_str(field("data:").unwrap()).unwrap()))
    }
}

fn state(name: &str) -> Signal {
    Signal::State(MonitorName::parse(name).unwrap())
}

#[tokio::test(start_paused = true)]
async fn changes_travel_together_and_at_most_four_times_a_second() {
    let bed = Bed::new().await;
    let mut reader = Reader::open(&bed, "").await;
    let begun = tokio::time::Instant::now();
    for i in 0..10 {
        bed.feed.tell(|| state(&format!("m{i}")));
        bed.feed.tell(|| state("m0"));
    }
    bed.feed.tell(|| Signal::Alerter("ops".into()));
    let (sort, data) = reader.next().await.unwrap();
    assert_eq!(
        (sort.as_str(), data["monitors"].as_array().unwrap().len()),
        ("state", 10)
    );
    assert_eq!(
        data["overview"],
        json!({"ok": 0, "warning": 0, "critical": 0, "pending": 0})
    );
    assert_eq!(
        reader.next().await.unwrap(),
        ("alerter".to_owned(), json!({"names": ["ops"]}))
    );
    for _ in 0..4 {
        bed.feed.tell(|| state("m"));
        assert_eq!(reader.next().await.unwrap().0, "state");
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_comment_and_the_end_of_the_server_ends_the_stream() {
    let mut bed = Bed::new().await;
    // The router of the bed is not bound to a server; this one is.
    let stop = tokio_util::sync::CancellationToken::new();
    bed.router = ninevolt::api::router(bed.api.clone().until(stop.clone()));
    let mut reader = Reader::open(&bed, "").await;
    let begun = tokio::time::Instant::now();
    assert_eq!(reader.next().await.unwrap().0, ":");
    assert_eq!(begun.elapsed().as_secs(), 15);
    stop.cancel();
    assert_eq!(reader.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_is_told_to_ask_for_everything() {
    let bed = Bed::new().await;
    let mut reader = Reader::open(&bed, "").await;
    for i in 0..10_000 {
        bed.feed.tell(|| state(&format!("m{i}")));
    }
    let mut sorts = [reader.next().await.unwrap(), reader.next().await.unwrap()];
    sorts.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(sorts[0].0, "resync");
    assert_eq!(sorts[1].1["monitors"], json!([]), "too many to name");
}

#[tokio::test(start_paused = true)]
async fn runs_come_for_the_monitor_asked_for_only() {
    let bed = Bed::new().await;
    bed.put(
        "/api/v1/monitor/web",
        json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s"}),
    )
    .await
    .is(201);
    let mut reader = Reader::open(&bed, "?monitor=web").await;
    let sample = bed.catalog.monitor("web").unwrap().live().lock().results.add(
        LONG_AGO,
        Duration::from_micros(1_500),
        Verdict::pass(),
    );
    bed.feed
        .tell(|| Signal::Run(MonitorName::parse("other").unwrap(), sample));
    bed.feed
        .tell(|| Signal::Run(MonitorName::parse("web").unwrap(), sample));
    let (sort, data) = reader.next().await.unwrap();
    assert_eq!(sort, "run");
    assert_eq!(
        data,
        json!({"monitor": "web", "sample": {"at": LONG_AGO.to_string(), "took_ms": 1.5, "outcome": "pass", "phases": {}}})
    );
}

#[tokio::test]
async fn there_is_a_bound_to_streams_and_a_closed_one_makes_room() {
    let bed = Bed::new().await;
    let mut readers = Vec::new();
    for _ in 0..256 {
        readers.push(Reader::open(&bed, "").await);
    }
    bed.get("/api/v1/stream").await.is(503);
    assert!(bed.get("/metrics").await.text.contains("ninevolt_api_streams 256\n"));
    readers.pop();
    readers.push(Reader::open(&bed, "").await);
}
