//! What the tests of all kinds share: notifications, and an HTTP server that records and answers as told.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::kind::DeliveryCx;
use crate::model::{AlerterName, Closed, EpisodeId, MonitorName, Notification, Status, TrailEntry, WallMs};
use crate::tasks::Tasks;

/// 2026-01-01T10:00:00Z.
pub(super) const SINCE: i64 = 1_767_261_600_000;

pub(super) fn critical() -> Notification {
    Notification {
        key: "9volt/web/1767261600000/2/ops".into(),
        incident_key: "9volt/web".into(),
        cluster: "9volt".into(),
        alerter: AlerterName::parse("ops").unwrap(),
        monitor: MonitorName::parse("web").unwrap(),
        kind: "http".into(),
        episode: EpisodeId(SINCE),
        seq: 2,
        status: Status::Critical,
        from: Status::Warning,
        closed: None,
        since: WallMs(SINCE),
        at: WallMs(SINCE + 20_000),
        count: 3,
        description: "front page".into(),
        details: "status 503, wanted <200-299> & quick".into(),
        tags: vec!["team-a".into(), "prod".into()],
        trail: vec![TrailEntry {
            at: WallMs(SINCE),
            status: Status::Warning,
            message: "status 502".into(),
        }],
        link: Some("https://9volt.example.org/ui/monitor/web".into()),
        runbook: Some("https://wiki.example.org/web".into()),
        member: "a1b2".into(),
        reference: None,
        possibly_repeated: false,
        without_store: false,
        notice: None,
        test: false,
        digest: Vec::new(),
    }
}

pub(super) fn resolve() -> Notification {
    Notification {
        key: "9volt/web/1767261600000/3/ops".into(),
        seq: 3,
        status: Status::Ok,
        from: Status::Critical,
        closed: Some(Closed::Recovered),
        at: WallMs(SINCE + 750_000),
        count: 53,
        ..critical()
    }
}

/// A context whose deadline nobody reaches by chance; without proxies, whatever the environment says.
pub(super) fn cx() -> DeliveryCx {
    DeliveryCx {
        http: super::http::client_builder().no_proxy().build().unwrap(),
        deadline: Instant::now() + Duration::from_secs(30),
    }
}

/// Reads options as the registry does and fails on problems.
pub(super) fn alerter<A: super::Alerter>(options: serde_json::Value) -> A {
    let alerter: A = crate::model::read_field_by_field(options).unwrap();
    let problems = alerter.validate();
    assert!(problems.is_empty(), "{problems:?}");
    alerter
}

/// The options that a schema marks as secret: these are masked wherever options are shown.
pub(super) fn secret_options<A: super::Alerter>() -> Vec<String> {
    let schema = schemars::schema_for!(A);
    let properties = schema.as_value()["properties"].as_object().unwrap();
    let secret = |of: &serde_json::Value| of["writeOnly"] == serde_json::json!(true);
    properties
        .iter()
        .filter(|(_, of)| secret(of))
        .map(|(name, _)| name.clone())
        .collect()
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub head: String,
    pub body: serde_json::Value,
}

/// An HTTP server for one test. Answers are given in order, the last one again and again; `None` is silence.
pub(super) struct HttpStub {
    pub base: String,
    requests: Arc<Mutex<Vec<Request>>>,
    arrived: Arc<tokio::sync::Semaphore>,
    _tasks: Tasks,
}

/// An answer: status line, extra headers (each ended by CRLF), body.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    ))
}

impl HttpStub {
    pub(super) async fn start(answers: Vec<Option<String>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let arrived = Arc::new(tokio::sync::Semaphore::new(0));
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        let (log, signal) = (Arc::clone(&requests), Arc::clone(&arrived));
        tasks.spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                let next = {
                    let mut log = log.lock();
                    log.push(request);
                    answers[(log.len() - 1).min(answers.len() - 1)].clone()
                };
                signal.add_permits(1);
                match next {
                    Some(text) => {
                        let _ = stream.write_all(text.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                    None => open.push(stream),
                }
            }
        });
        Self {
            base,
            requests,
            arrived,
            _tasks: tasks,
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    /// Ends when one more request has been read.
    pub(super) async fn request_arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
}

async fn read_request(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return Request {
                    head: head.to_owned(),
                    body: serde_json::from_str(body).unwrap(),
                };
            }
        }
        assert!(
            stream.read_buf(&mut bytes).await.unwrap() > 0,
            "request ended early: {text}"
        );
    }
}
