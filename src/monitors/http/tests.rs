//! The http kind against real sockets.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::model::{Outcome, Phase, Reason, Verdict};
use crate::monitors::test_kit::{
    AMPLE, Authority, Peer, SHORT, Wish, cx, fact, once, parse, problems, refusing, run, until_closed,
};
use crate::monitors::{CheckCx, CheckOptions};

fn summary(verdict: &Verdict) -> (Outcome, Option<Reason>) {
    (verdict.outcome, verdict.reason)
}

const PASS: (Outcome, Option<Reason>) = (Outcome::Pass, None);

fn failed(reason: Reason) -> (Outcome, Option<Reason>) {
    (Outcome::Fail, Some(reason))
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A web server that says what it is told to and remembers what it was asked.
struct Web {
    peer: Peer,
    /// Number of the connection, and the request.
    asked: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Web {
    async fn answering(answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1", answer).await
    }

    async fn on(ip: &str, answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let peer = Peer::on(ip, move |stream, n| serve(stream, n, answer.clone(), Arc::clone(&log))).await;
        Self { peer, asked }
    }

    fn port(&self) -> u16 {
        self.peer.port()
    }

    fn requests(&self) -> Vec<String> {
        self.asked.lock().iter().map(|(_, request)| request.clone()).collect()
    }

    fn connections(&self) -> Vec<usize> {
        self.asked.lock().iter().map(|(n, _)| *n).collect()
    }

    fn keys(&self, more: Value) -> Value {
        let mut own = json!({"host": "127.0.0.1", "port": self.port()});
        own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        own
    }

    async fn check(&self, more: Value) -> Verdict {
        once("http", self.keys(more), AMPLE).await
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    n: usize,
    answer: impl Fn(&str) -> String,
    log: Arc<Mutex<Vec<(usize, String)>>>,
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..at]).to_lowercase();
                let length = head
                    .split("content-length: ")
                    .nth(1)
                    .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
                if buffer.len() >= at + 4 + length {
                    break at + 4 + length;
                }
            }
            match stream.read_buf(&mut buffer).await {
                Ok(1..) => {}
                _ => return,
            }
        };
        let request: Vec<u8> = buffer.drain(..end).collect();
        let request = String::from_utf8(request).unwrap();
        let reply = answer(&request);
        log.lock().push((n, request));
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
        if reply.contains("Connection: close") {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n")
}

fn redirect(code: u16, to: &str) -> String {
    format!("HTTP/1.1 {code} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn two_hundred_passes_with_phases_and_facts() {
    let web = Web::answering(|_| OK.into()).await;
    let verdict = web.check(json!({"url": "health", "expect": "ell"})).await;
    assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
    let phases: Vec<_> = verdict.phases.iter().map(|(phase, _)| phase).collect();
    assert_eq!(phases, [Phase::Connect, Phase::FirstByte, Phase::Transfer]);
    for (name, value) in [
        ("http_status_code", 200.0),
        ("http_version", 1.1),
        ("http_ssl", 0.0),
        ("http_redirects", 0.0),
        ("http_content_length", 5.0),
        ("http_uncompressed_body_length", 5.0),
        ("ip_protocol", 4.0),
    ] {
        assert_eq!(fact(&verdict, name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn the_request_is_what_a_server_expects() {
    let web = Web::answering(|_| OK.into()).await;
    web.check(json!({"url": "//a?b=c&d=e f"})).await;
    let expected = format!(
        "GET /a?b=c&d=e%20f HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: 9volt/{}\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n",
        web.port(),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(web.requests(), [expected]);
}

#[tokio::test]
async fn method_body_headers_and_credentials_are_sent() {
    let web = Web::answering(|_| OK.into()).await;
    web.check(json!({
        "method": "POST", "request-body": "{\"a\":1}", "username": "ops", "password": "p:w",
        "headers": {"content-type": "application/json", "Host": "virtual.example", "X-Key": "k"},
    }))
    .await;
    web.check(json!({"bearer-token": "tok"})).await;
    let [first, second] = <[String; 2]>::try_from(web.requests()).unwrap();
    assert!(first.starts_with("POST / HTTP/1.1\r\n"), "{first}");
    assert!(first.ends_with("\r\n\r\n{\"a\":1}"), "{first}");
    for line in [
        "Host: virtual.example\r\n",
        "X-Key: k\r\n",
        "Content-Type: application/json\r\n",
        "Content-Length: 7\r\n",
        "Authorization: Basic b3BzOnA6dw==\r\n",
    ] {
        assert!(first.contains(line), "{line} in {first}");
    }
    assert_eq!(first.matches("Host:").count(), 1);
    assert!(second.contains("Authorization: Bearer tok\r\n"), "{second}");
}

#[tokio::test]
async fn the_status_code_decides_in_the_originals_words() {
    let web = Web::answering(|request| {
        status(if request.contains("/broken") {
            "500 Oh"
        } else {
            "204 Nothing"
        })
    })
    .await;
    let verdict = web.check(json!({"url": "/broken"})).await;
    assert_eq!(summary(&verdict), failed(Reason::Status));
    assert_eq!(
        verdict.message,
        "Received status code '500' does not match expected status code '200'"
    );
    assert_eq!(fact(&verdict, "http_status_code"), Some(500.0));
    assert_eq!(
        summary(&web.check(json!({"url": "/broken", "status-code": 500})).await),
        PASS
    );
    assert_eq!(summary(&web.check(json!({"status-codes": ["200-299"]})).await), PASS);
    let verdict = web
        .check(json!({"status-code": 204, "status-codes": [200, "300-399"]}))
        .await;
    assert!(
        verdict.message.ends_with("expected status code '200, 300-399'"),
        "{}",
        verdict.message
    );
}

#[tokio::test]
async fn content_is_judged_by_text_unwanted_text_and_pattern() {
    let web = Web::answering(|_| OK.into()).await;
    for (keys, message) in [
        (
            json!({"expect": "bye"}),
            "Received response body 'hello' does not contain expected content 'bye'",
        ),
        (
            json!({"expect-not": "ell"}),
            "Received response body 'hello' contains unwanted content 'ell'",
        ),
        (
            json!({"expect-regex": "^h.llo!$"}),
            "Received response body 'hello' does not match expected regex '^h.llo!$'",
        ),
    ] {
        let verdict = web.check(keys).await;
        assert_eq!(summary(&verdict), failed(Reason::Content));
        assert_eq!(verdict.message, message);
    }
    let verdict = web.check(json!({"expect-regex": "^h.llo!$"})).await;
    assert_eq!(fact(&verdict, "failed_due_to_regex"), Some(1.0));
    let verdict = web.check(json!({"expect-regex": "^h.llo$", "expect-not": "x"})).await;
    assert_eq!(
        (summary(&verdict), fact(&verdict, "failed_due_to_regex")),
        (PASS, Some(0.0))
    );
}

#[tokio::test]
async fn chunked_bodies_and_bodies_up_to_the_end_are_read() {
    let web = Web::answering(|request| {
        if request.contains("/chunked") {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n".into()
        } else {
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello".into()
        }
    })
    .await;
    for url in ["/chunked", "/close"] {
        let verdict = web.check(json!({"url": url, "expect-regex": "^hello$"})).await;
        assert_eq!(summary(&verdict), PASS, "{url}: {}", verdict.message);
    }
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit_only() {
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "expect": "y", "max-body": 100_000});
    let verdict = once("http", own.clone(), AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Content));
    assert!(
        verdict.message.ends_with("'y' (only the first 100000 bytes were read)"),
        "{}",
        verdict.message
    );
    assert!(verdict.message.len() < 500);
    assert_eq!(fact(&verdict, "http_uncompressed_body_length"), Some(100_000.0));
    // Without an expectation the body is nobody's business.
    let mut own = own;
    own.as_object_mut().unwrap().remove("expect");
    assert_eq!(summary(&once("http", own, AMPLE).await), PASS);
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline_with_the_phases_so_far() {
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            .await;
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "expect": "y"});
    let verdict = tokio::time::timeout(AMPLE, once("http", own, SHORT)).await.unwrap();
    assert_eq!(summary(&verdict), failed(Reason::Timeout));
    assert_eq!(
        verdict.message,
        "Ran into error while performing 'GET' request: answer not complete within 120ms"
    );
    assert!(verdict.phases.get(Phase::Connect).is_some());
    assert!(verdict.phases.get(Phase::Transfer).is_some());
    assert_eq!(fact(&verdict, "http_status_code"), Some(200.0));
}

#[tokio::test]
async fn a_hung_server_ends_at_the_deadline() {
    let peer = Peer::silent().await;
    let own = json!({"host": "127.0.0.1", "port": peer.port()});
    let verdict = tokio::time::timeout(AMPLE, once("http", own, SHORT)).await.unwrap();
    assert_eq!(summary(&verdict), failed(Reason::Timeout));
    assert_eq!(
        verdict.message,
        "Ran into error while performing 'GET' request: no answer within 120ms"
    );
}

#[tokio::test]
async fn an_endless_head_is_not_read_for_ever() {
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Header: value value value value\r\n").await.is_ok() {}
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port()});
    let verdict = once("http", own, AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Protocol), "{}", verdict.message);
}

#[tokio::test]
async fn refused_broken_and_nonsense_are_told_apart() {
    let (_socket, port) = refusing();
    let verdict = once("http", json!({"host": "127.0.0.1", "port": port}), AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Refused));
    assert_eq!(
        verdict.message,
        format!("Ran into error while performing 'GET' request: 127.0.0.1:{port}: connection refused")
    );
    for reset in [false, true] {
        let peer = Peer::hanging_up(reset).await;
        let verdict = once("http", json!({"host": "127.0.0.1", "port": peer.port()}), AMPLE).await;
        assert_eq!(summary(&verdict), failed(Reason::Closed), "{}", verdict.message);
    }
    let peer = Peer::greeting(&[b"SSH-2.0-OpenSSH_9.2\r\n\r\n"]).await;
    let verdict = once("http", json!({"host": "127.0.0.1", "port": peer.port()}), AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Protocol), "{}", verdict.message);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_closed() {
    let web =
        Web::answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhello".into()).await;
    let verdict = web.check(json!({"expect": "hello"})).await;
    assert_eq!(summary(&verdict), failed(Reason::Closed), "{}", verdict.message);
    assert!(
        verdict
            .message
            .starts_with("Unable to read response body to perform content expectancy check: "),
        "{}",
        verdict.message
    );
}

#[tokio::test]
async fn redirects_are_followed_counted_and_can_be_left_alone() {
    let web = Web::answering(|request| match request.split(' ').nth(1).unwrap() {
        "/end?q=1" => OK.into(),
        "/again" => redirect(302, "end?q=1"),
        _ => redirect(301, "/again"),
    })
    .await;
    let verdict = web.check(json!({"url": "/", "expect": "hello"})).await;
    assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
    assert_eq!(fact(&verdict, "http_redirects"), Some(2.0));
    let verdict = web.check(json!({"url": "/", "follow-redirects": false})).await;
    assert_eq!(
        (summary(&verdict), fact(&verdict, "http_status_code")),
        (failed(Reason::Status), Some(301.0))
    );
    let verdict = web.check(json!({"url": "/", "max-redirects": 1})).await;
    assert_eq!(
        verdict.message,
        "Ran into error while performing 'GET' request: stopped after 1 redirects"
    );
}

#[tokio::test]
async fn a_loop_of_redirects_stops_after_ten() {
    let web = Web::answering(|_| redirect(302, "/")).await;
    let verdict = web.check(json!({})).await;
    assert_eq!(summary(&verdict), failed(Reason::Protocol));
    assert!(
        verdict.message.ends_with("stopped after 10 redirects"),
        "{}",
        verdict.message
    );
    assert_eq!(web.requests().len(), 11);
}

#[tokio::test]
async fn a_redirect_to_another_host_gets_no_secrets() {
    // The same server under another name is another host.
    let web = Web::answering(|request| {
        if request.starts_with("POST /start") || request.starts_with("GET /start") {
            let port = request
                .split("Host: 127.0.0.1:")
                .nth(1)
                .unwrap()
                .split("\r\n")
                .next()
                .unwrap();
            redirect(
                if request.contains("keep") { 307 } else { 302 },
                &format!("http://localhost:{port}/end"),
            )
        } else {
            OK.into()
        }
    })
    .await;
    for (url, last) in [("/start", "GET /end"), ("/start?keep", "POST /end")] {
        let verdict = web
            .check(json!({
                "url": url, "method": "POST", "request-body": "data", "username": "u", "password": "p",
                "headers": {"X-Api-Key": "k"}, "address-family": "ip4",
            }))
            .await;
        assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
        let request = web.requests().pop().unwrap();
        assert!(request.starts_with(last), "{request}");
        assert!(
            !request.contains("Authorization") && !request.contains("X-Api-Key"),
            "{request}"
        );
        assert!(request.contains("Host: localhost:"), "{request}");
        assert_eq!(request.ends_with("data"), last.starts_with("POST"));
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_named() {
    for target in ["ftp://127.0.0.1/", "http://", "http://[::1"] {
        let answer = redirect(302, target);
        let web = Web::answering(move |_| answer.clone()).await;
        let verdict = web.check(json!({})).await;
        assert_eq!(summary(&verdict), failed(Reason::Protocol));
        assert!(
            verdict
                .message
                .contains(&format!("cannot follow the redirect to '{target}'")),
            "{}",
            verdict.message
        );
    }
}

#[tokio::test]
async fn a_kept_connection_serves_many_runs_and_times_no_connect() {
    let web = Web::answering(|_| OK.into()).await;
    for keys in [
        json!({"keep-alive": true}),
        json!({"keep-alive": true, "expect": "hello"}),
    ] {
        let before = web.connections().len();
        let (cx, (monitor, _)) = (cx(), parse("http", web.keys(keys)));
        for _ in 0..3 {
            let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
            assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
        }
        let used = &web.connections()[before..];
        assert!(used.iter().all(|n| *n == used[0]), "{used:?}");
        let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
        assert_eq!(verdict.phases.get(Phase::Connect), None);
        assert_eq!(fact(&verdict, "ip_protocol"), Some(4.0));
    }
    assert!(
        !web.requests()
            .iter()
            .any(|request| request.contains("Connection: close"))
    );
}

#[tokio::test]
async fn without_keep_alive_every_run_connects() {
    let web = Web::answering(|_| OK.into()).await;
    let (cx, (monitor, _)) = (cx(), parse("http", web.keys(json!({}))));
    for _ in 0..3 {
        run(&cx, monitor.as_ref(), AMPLE).await;
    }
    assert_eq!(web.connections(), [0, 1, 2]);
}

#[tokio::test]
async fn an_edited_definition_does_not_use_the_old_ones_connection() {
    let web = Web::answering(|_| OK.into()).await;
    let cx = cx();
    for _ in 0..2 {
        let (monitor, _) = parse("http", web.keys(json!({"keep-alive": true})));
        run(&cx, monitor.as_ref(), AMPLE).await;
    }
    assert_eq!(web.connections(), [0, 1]);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced_without_a_failure() {
    // Without a word before: the answer promises to keep it open.
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(OK.as_bytes()).await;
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "keep-alive": true});
    let (cx, (monitor, _)) = (cx(), parse("http", own));
    for _ in 0..5 {
        let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
        assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_under_the_request_is_replaced_once() {
    // Answers the first request of each connection and hangs up on the second.
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(OK.as_bytes()).await;
        let _ = stream.read(&mut [0; 1024]).await;
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "keep-alive": true});
    let (cx, (monitor, _)) = (cx(), parse("http", own));
    for _ in 0..4 {
        let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
        assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
        assert!(verdict.phases.get(Phase::Connect).is_some());
    }
}

#[tokio::test]
async fn an_answer_that_says_close_is_not_kept() {
    let web = Web::answering(|_| "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into()).await;
    let (cx, (monitor, _)) = (cx(), parse("http", web.keys(json!({"keep-alive": true}))));
    for _ in 0..2 {
        assert_eq!(summary(&run(&cx, monitor.as_ref(), AMPLE).await), PASS);
        assert_eq!(cx.kept().len(), 0);
    }
}

#[tokio::test]
async fn https_asks_for_the_right_name_and_keeps_its_connection_too() {
    let ca = Authority::new();
    let issued = ca.issue(&Wish {
        names: &["web.test"],
        days: 90,
    });
    let acceptor = ca.acceptor(&issued, false);
    let log = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&log);
    let peer = Peer::on("127.0.0.1", move |stream, n| {
        let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
        async move {
            if let Ok(tls) = acceptor.accept(stream).await {
                serve(tls, n, |_| OK.into(), log).await;
            }
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 web.test other.test\n").unwrap();
    let cx = CheckCx::new(CheckOptions {
        hosts: Some(hosts),
        user_agent: Some("probe/1".into()),
        ..CheckOptions::default()
    });
    let keys = |host: &str| {
        json!({
            "url": format!("https://{host}:{}/", peer.port()), "tls": {"ca": ca.pem}, "keep-alive": true,
            "expect": "hello", "certificate-expiry-warning": "30d",
        })
    };
    let (monitor, found) = parse("http", keys("web.test"));
    assert_eq!(found, []);
    assert_eq!(monitor.target(), format!("GET https://web.test:{}/", peer.port()));
    let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
    assert!(verdict.phases.get(Phase::Tls).is_some() && verdict.phases.get(Phase::Resolve).is_some());
    let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), PASS);
    assert!(verdict.phases.get(Phase::Tls).is_none());
    #[expect(clippy::cast_precision_loss, reason = "a date of this century")]
    let not_after = issued.not_after as f64;
    assert_eq!(fact(&verdict, "ssl_earliest_cert_expiry"), Some(not_after));
    assert_eq!(fact(&verdict, "http_ssl"), Some(1.0));
    assert!(asked.lock()[0].1.contains("User-Agent: probe/1\r\n"));

    let (monitor, _) = parse("http", keys("other.test"));
    let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Tls), "{}", verdict.message);
    assert!(verdict.message.contains("certificate"), "{}", verdict.message);
}

#[tokio::test]
async fn ipv6_works_in_host_and_url() {
    let web = Web::on("::1", |_| OK.into()).await;
    for own in [
        json!({"host": "::1", "port": web.port()}),
        json!({"host": format!("[::1]:{}", web.port())}),
        json!({"url": format!("http://[::1]:{}/", web.port())}),
    ] {
        assert_eq!(summary(&once("http", own, AMPLE).await), PASS);
    }
    assert!(web.requests()[0].contains(&format!("Host: [::1]:{}\r\n", web.port())));
}

#[tokio::test]
async fn a_run_that_works_but_takes_long_is_degraded() {
    let web = Web::answering(|_| OK.into()).await;
    let verdict = web.check(json!({"slow": "1ns"})).await;
    assert_eq!(summary(&verdict), (Outcome::Degraded, Some(Reason::Slow)));
}

#[tokio::test]
async fn a_head_request_has_no_body_to_wait_for() {
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            .await;
        until_closed(&mut stream).await;
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "method": "HEAD", "expect-not": "x"});
    assert_eq!(summary(&once("http", own, AMPLE).await), PASS);
}

#[test]
fn what_is_wrong_with_a_definition_is_said_of_its_field() {
    for (own, expected) in [
        (json!({}), "error: `host`: 'host' cannot be blank"),
        (
            json!({"host": "a", "port": 65536}),
            "error: `port`: 'port' must be between 0 and 65535",
        ),
        (
            json!({"host": "a/b"}),
            "error: `host`: `a/b` is no host: it contains `/`",
        ),
        (
            json!({"host": "a", "url": "http://b/"}),
            "error: `url`: a whole URL says host and port itself; write the path only, or remove `host` and `port`",
        ),
        (
            json!({"url": "http://"}),
            "error: `url`: `http://` cannot be asked: it is no URL (empty host)",
        ),
        (
            json!({"host": "a", "method": "G T"}),
            "error: `method`: `G T` is no method that can be used; use for example GET, HEAD or POST",
        ),
        (
            json!({"host": "a", "method": "get"}),
            "warning: `method`: `get` is sent as written, and methods are case-sensitive; write `GET`",
        ),
        (
            json!({"host": "a", "status-codes": ["2xx"]}),
            "error: `status-codes[0]`: `2xx` is no status code and no range of them; write for example `200` or `200-299`",
        ),
        (
            json!({"host": "a", "headers": {"a b": "c"}}),
            "error: `headers.a b`: this is no header name",
        ),
        (
            json!({"host": "a", "headers": {"a": "c\n"}}),
            "error: `headers.a`: this value cannot be sent in a header",
        ),
        (
            json!({"host": "a", "headers": {"Content-Length": "1"}}),
            "error: `headers.Content-Length`: this header belongs to the connection and is set by 9volt; remove it",
        ),
        (
            json!({"host": "a", "username": "u", "bearer-token": "t"}),
            "error: `bearer-token`: there is already a user name or password; use one of the two",
        ),
        (
            json!({"host": "a", "max-redirects": -1}),
            "error: `max-redirects`: 'max-redirects' must be between 0 and 50",
        ),
        (
            json!({"host": "a", "expect-regex": "a{1000}{1000}"}),
            "error: `expect-regex`: this regular expression needs too much memory; use smaller repetitions",
        ),
        (
            json!({"host": "a", "tls": {"ca": "-----BEGIN nothing"}}),
            "error: `tls.ca`: holds no certificate in PEM",
        ),
    ] {
        assert_eq!(problems("http", own, json!({})), [expected]);
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems("http", json!({"port": -1, "method": " ", "status-code": 7}), json!({}));
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_password_in_a_url_is_used_but_never_shown() {
    let (monitor, found) = parse("http", json!({"url": "http://ops:hunter2@web.test/"}));
    assert_eq!(found.len(), 1);
    assert_eq!(monitor.target(), "GET http://web.test/");
    assert!(!found[0].to_string().contains("hunter2"));
    let found = problems("http", json!({"url": "http://ops:hunter2@:x/"}), json!({}));
    assert!(!found.concat().contains("hunter2"), "{found:?}");
}
