//! Against a real socket: what is sent, and what each answer means.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::alerters::kind::Retry;
use crate::alerters::testing::{HttpStub, alerter, answer, critical, cx, resolve, secret_options};
use crate::model::{Status, read_field_by_field};

const KEY: &str = "routing-hunter2";

fn pager(base: &str) -> PagerDuty {
    alerter(json!({"token": KEY, "url": base}))
}

fn queued() -> Option<String> {
    answer(
        "202 Accepted",
        "",
        r#"{"status":"success","message":"Event processed","dedup_key":"9volt/web"}"#,
    )
}

#[test]
fn problems_name_the_field() {
    let none: PagerDuty = read_field_by_field(json!({"url": "events"})).unwrap();
    let fields: Vec<_> = none.validate().into_iter().map(|p| p.field).collect();
    assert_eq!(fields, ["token", "url"]);
    for (options, field) in [
        (json!({"token": "t", "region": "mars"}), "region"),
        (
            json!({"token": "t", "severity": {"warning": "bad"}}),
            "severity.warning",
        ),
    ] {
        assert_eq!(read_field_by_field::<PagerDuty>(options).unwrap_err().field, field);
    }
}

#[test]
fn the_token_is_marked_as_a_secret() {
    assert_eq!(secret_options::<PagerDuty>(), ["token"]);
}

#[test]
fn the_address_follows_the_region_unless_it_is_given() {
    for (options, address) in [
        (json!({"token": "t"}), "https://events.pagerduty.com/v2/enqueue"),
        (
            json!({"token": "t", "region": "eu"}),
            "https://events.eu.pagerduty.com/v2/enqueue",
        ),
        (
            json!({"token": "t", "url": "http://proxy:8080"}),
            "http://proxy:8080/v2/enqueue",
        ),
        (json!({"token": "t", "url": "http://oncall/x/y"}), "http://oncall/x/y"),
    ] {
        assert_eq!(alerter::<PagerDuty>(options).address().unwrap().as_str(), address);
    }
}

#[tokio::test]
async fn a_failure_triggers_an_incident() {
    let stub = HttpStub::start(vec![queued()]).await;
    let receipt = pager(&stub.base).deliver(&cx(), &critical()).await.unwrap();
    assert!(receipt.response.starts_with("202 Accepted"), "{}", receipt.response);

    let request = stub.requests().remove(0);
    assert!(request.head.starts_with("POST /v2/enqueue "));
    let mut body = request.body;
    let details = body["payload"]["custom_details"].take();
    assert_eq!(
        body,
        json!({
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": "9volt/web",
            "client": "9volt",
            "client_url": "https://9volt.example.org/ui/monitor/web",
            "links": [
                {"href": "https://9volt.example.org/ui/monitor/web", "text": "Monitor"},
                {"href": "https://wiki.example.org/web", "text": "Runbook"},
            ],
            "payload": {
                "summary": "CRITICAL: web (http): status 503, wanted <200-299> & quick",
                "source": "web",
                "severity": "critical",
                "timestamp": "2026-01-01T10:00:20.000Z",
                "component": "web",
                "group": "9volt",
                "class": "http",
                "custom_details": null,
            },
        })
    );
    assert_eq!(details["error details"], "status 503, wanted <200-299> & quick");
    assert_eq!(
        details["detailed message"],
        "Check has entered into critical state after 3 checks."
    );
    assert_eq!(details["description"], "front page");
    assert_eq!(details["trail"], json!(["2026-01-01 10:00:00 UTC warning: status 502"]));
}

#[tokio::test]
async fn a_resolve_ends_the_same_incident() {
    let stub = HttpStub::start(vec![queued()]).await;
    pager(&stub.base).deliver(&cx(), &resolve()).await.unwrap();
    assert_eq!(
        stub.requests().remove(0).body,
        json!({"routing_key": KEY, "event_action": "resolve", "dedup_key": "9volt/web"})
    );
}

#[tokio::test]
async fn severities_can_be_chosen() {
    let stub = HttpStub::start(vec![queued()]).await;
    let pager: PagerDuty = alerter(json!({
        "token": KEY, "url": stub.base, "severity": {"warning": "info", "critical": "error"},
    }));
    let mut warning = critical();
    warning.status = Status::Warning;
    pager.deliver(&cx(), &warning).await.unwrap();
    pager.deliver(&cx(), &critical()).await.unwrap();
    let said: Vec<_> = stub
        .requests()
        .into_iter()
        .map(|r| r.body["payload"]["severity"].clone())
        .collect();
    assert_eq!(said, ["info", "error"]);
}

#[tokio::test]
async fn the_answer_decides_about_another_attempt() {
    for (status, headers, body, retry) in [
        ("202 Accepted", "", "", None),
        ("200 OK", "", r#"{"status":"success"}"#, None),
        ("200 OK", "", "<html>please sign in</html>", Some(Retry::Soon)),
        (
            "307 Temporary Redirect",
            "location: http://127.0.0.1:1/\r\n",
            "",
            Some(Retry::Never),
        ),
        (
            "400 Bad Request",
            "",
            r#"{"status":"invalid event"}"#,
            Some(Retry::Never),
        ),
        ("403 Forbidden", "", "", Some(Retry::Never)),
        ("404 Not Found", "", "", Some(Retry::Never)),
        ("413 Content Too Large", "", "", Some(Retry::Never)),
        ("429 Too Many Requests", "", "", Some(Retry::Soon)),
        (
            "429 Too Many Requests",
            "retry-after: 60\r\n",
            "",
            Some(Retry::After(Duration::from_secs(60))),
        ),
        ("500 Internal Server Error", "", "", Some(Retry::Soon)),
        (
            "503 Service Unavailable",
            "retry-after: nonsense\r\n",
            "",
            Some(Retry::Soon),
        ),
    ] {
        let stub = HttpStub::start(vec![answer(status, headers, body)]).await;
        let result = pager(&stub.base).deliver(&cx(), &critical()).await;
        assert_eq!(result.err().map(|err| err.retry), retry, "{status} {body}");
    }
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_the_event() {
    let stub = HttpStub::start(vec![
        answer("308 Permanent Redirect", "location: /v3/enqueue\r\n", ""),
        queued(),
    ])
    .await;
    pager(&stub.base).deliver(&cx(), &critical()).await.unwrap();
    let requests = stub.requests();
    assert!(requests[1].head.starts_with("POST /v3/enqueue "));
    assert_eq!(requests[0].body, requests[1].body);
}

#[tokio::test]
async fn an_endless_redirect_ends() {
    let stub = HttpStub::start(vec![answer("307 Temporary Redirect", "location: /again\r\n", "")]).await;
    let err = pager(&stub.base).deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Never);
    assert_eq!(stub.requests().len(), 4);
}

#[tokio::test]
async fn no_error_shows_the_routing_key() {
    for status in ["400 Bad Request", "500 Oops", "200 OK"] {
        let stub = HttpStub::start(vec![answer(status, "", &format!("bad key {KEY}"))]).await;
        let err = pager(&stub.base).deliver(&cx(), &critical()).await.unwrap_err();
        assert!(
            err.message.contains("bad key") && !err.message.contains(KEY),
            "{}",
            err.message
        );
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    // Far more than is read, announced as endless: what counts is that the delivery ends with the status it began with.
    let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
    let stub = HttpStub::start(vec![Some(format!("{head}{}", "x".repeat(1_000_000)))]).await;
    let err = pager(&stub.base).deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Never);
    assert!(err.message.chars().count() < 300);
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_deadline() {
    let stub = HttpStub::start(vec![None]).await;
    let (pager, cx, note) = (pager(&stub.base), cx(), critical());
    let (result, ()) = tokio::join!(pager.deliver(&cx, &note), async {
        stub.request_arrived().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
    });
    assert_eq!(result.unwrap_err().retry, Retry::Soon);
}
