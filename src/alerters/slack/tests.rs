//! Against a real socket: what is sent, and what each answer means.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::alerters::kind::Retry;
use crate::alerters::testing::{HttpStub, alerter, answer, critical, cx, resolve, secret_options};
use crate::model::read_field_by_field;

const TOKEN: &str = "xoxb-hunter2";

fn bot(base: &str) -> Slack {
    alerter(json!({"token": TOKEN, "channel": "ops", "base-url": base}))
}

fn hook(base: &str) -> Slack {
    alerter(json!({"url": format!("{base}/services/T0/B0/hunter2")}))
}

fn posted() -> Option<String> {
    answer("200 OK", "", r#"{"ok":true,"channel":"C1","ts":"1767261620.000100"}"#)
}

fn fields(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|p| p.field.as_str()).collect()
}

#[test]
fn problems_name_the_field() {
    for (options, field) in [
        (json!({}), "token"),
        (json!({"token": "t"}), "channel"),
        (json!({"token": "t", "channel": "c", "url": "https://h/x"}), "url"),
        (json!({"url": "h/x"}), "url"),
        (json!({"url": "https://h/x", "channel": "c"}), "channel"),
        (json!({"token": "t", "channel": "c", "base-url": "slack"}), "base-url"),
        (json!({"token": "t", "channel": "c", "icon-url": "icon"}), "icon-url"),
    ] {
        let slack: Slack = read_field_by_field(options.clone()).unwrap();
        assert_eq!(fields(&slack.validate()), [field], "{options}");
    }
}

#[test]
fn token_and_webhook_are_marked_as_secrets() {
    assert_eq!(secret_options::<Slack>(), ["token", "url"]);
}

#[test]
fn neither_debug_nor_problems_show_a_secret() {
    let slack: Slack = read_field_by_field(json!({"token": TOKEN, "url": "hunter2:x"})).unwrap();
    assert!(!format!("{slack:?} {:?}", slack.validate()).contains("hunter2"));
}

#[tokio::test]
async fn a_first_message_goes_to_the_channel_and_its_ts_is_the_reference() {
    let stub = HttpStub::start(vec![posted()]).await;
    let receipt = bot(&stub.base).deliver(&cx(), &critical()).await.unwrap();
    assert_eq!(receipt.reference.as_deref(), Some("1767261620.000100"));

    let request = stub.requests().remove(0);
    assert!(request.head.starts_with("POST /chat.postMessage "), "{}", request.head);
    assert!(request.head.contains(&format!("authorization: Bearer {TOKEN}")));
    assert!(
        request
            .head
            .contains(concat!("user-agent: 9volt/", env!("CARGO_PKG_VERSION")))
    );
    let body = request.body;
    assert_eq!(body["channel"], "ops");
    assert_eq!(body["username"], "9volt-bot");
    assert_eq!(
        body["text"],
        "CRITICAL: web (http): status 503, wanted &lt;200-299&gt; &amp; quick"
    );
    assert_eq!(body["attachments"][0]["color"], "#ff0000");
    assert!(body.get("thread_ts").is_none() && body.get("icon_url").is_none());
    let text = body.to_string();
    for part in [
        "Check has entered into critical state after 3 checks.",
        "front page",
        "team-a, prod",
        "status 502",
        "https://9volt.example.org/ui/monitor/web",
        "https://wiki.example.org/web",
        "a1b2",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn a_resolve_goes_into_the_thread_and_into_the_channel() {
    let stub = HttpStub::start(vec![posted()]).await;
    let mut note = resolve();
    note.reference = Some("1767261600.000001".into());
    let receipt = bot(&stub.base).deliver(&cx(), &note).await.unwrap();
    assert_eq!(
        receipt.reference.as_deref(),
        Some("1767261600.000001"),
        "the first stays the reference"
    );

    let body = stub.requests().remove(0).body;
    assert_eq!(body["thread_ts"], "1767261600.000001");
    assert_eq!(body["reply_broadcast"], true);
    assert_eq!(body["attachments"][0]["color"], "#36a64f");
    assert_eq!(body["text"], "RESOLVED: web (http)");
    assert!(
        body.to_string()
            .contains("recovered from critical after 53 checks. It lasted 12m 30s.")
    );
}

#[tokio::test]
async fn when_the_thread_is_gone_the_message_is_posted_without_it() {
    let stub = HttpStub::start(vec![
        answer("200 OK", "", r#"{"ok":false,"error":"thread_not_found"}"#),
        posted(),
    ])
    .await;
    let mut note = resolve();
    note.reference = Some("1.1".into());
    bot(&stub.base).deliver(&cx(), &note).await.unwrap();
    let requests = stub.requests();
    assert_eq!(requests[0].body["thread_ts"], "1.1");
    assert!(requests[1].body.get("thread_ts").is_none());
    assert!(requests[1].body.get("reply_broadcast").is_none());
}

#[tokio::test]
async fn what_slack_says_inside_of_200_decides_about_another_attempt() {
    for (headers, body, retry) in [
        ("", r#"{"ok":false,"error":"invalid_auth"}"#, Retry::Never),
        ("", r#"{"ok":false,"error":"channel_not_found"}"#, Retry::Never),
        ("", r#"{"ok":false,"error":"not_in_channel"}"#, Retry::Never),
        ("", r#"{"ok":false,"error":"is_archived"}"#, Retry::Never),
        ("", r#"{"ok":false,"error":"internal_error"}"#, Retry::Soon),
        ("", r#"{"ok":false,"error":"never_heard_of"}"#, Retry::Soon),
        ("", r#"{"ok":false,"error":"ratelimited"}"#, Retry::Soon),
        (
            "retry-after: 7\r\n",
            r#"{"ok":false,"error":"ratelimited"}"#,
            Retry::After(Duration::from_secs(7)),
        ),
        ("", "<html>please sign in</html>", Retry::Soon),
        ("", r#"{"ok":false}"#, Retry::Soon),
    ] {
        let stub = HttpStub::start(vec![answer("200 OK", headers, body)]).await;
        let err = bot(&stub.base).deliver(&cx(), &critical()).await.unwrap_err();
        assert_eq!(err.retry, retry, "{body}");
    }
}

#[tokio::test]
async fn the_status_decides_for_both_ways() {
    for (status, headers, retry) in [
        ("302 Found", "location: http://127.0.0.1:1/\r\n", Retry::Never),
        ("400 Bad Request", "", Retry::Never),
        ("401 Unauthorized", "", Retry::Never),
        ("403 Forbidden", "", Retry::Never),
        ("404 Not Found", "", Retry::Never),
        ("408 Request Timeout", "", Retry::Soon),
        ("410 Gone", "", Retry::Never),
        ("429 Too Many Requests", "", Retry::Soon),
        (
            "429 Too Many Requests",
            "retry-after: 30\r\n",
            Retry::After(Duration::from_secs(30)),
        ),
        ("500 Internal Server Error", "", Retry::Soon),
        ("502 Bad Gateway", "", Retry::Soon),
        (
            "503 Service Unavailable",
            "retry-after: 5\r\n",
            Retry::After(Duration::from_secs(5)),
        ),
        ("504 Gateway Timeout", "", Retry::Soon),
    ] {
        let echo = format!("no good: {TOKEN} /services/T0/B0/hunter2");
        let stub = HttpStub::start(vec![answer(status, headers, &echo)]).await;
        for slack in [bot(&stub.base), hook(&stub.base)] {
            let err = slack.deliver(&cx(), &critical()).await.unwrap_err();
            assert_eq!(err.retry, retry, "{status}");
            assert!(err.message.contains(&status[..3]), "{}", err.message);
        }
    }
}

#[tokio::test]
async fn no_error_shows_the_token_or_the_webhook() {
    let echo = format!(r#"{{"ok":false,"error":"bad {TOKEN} /services/T0/B0/hunter2"}}"#);
    for status in ["200 OK", "403 Forbidden", "500 Oops"] {
        let stub = HttpStub::start(vec![answer(status, "", &echo)]).await;
        let err = bot(&stub.base).deliver(&cx(), &critical()).await.unwrap_err();
        assert!(!err.message.contains(TOKEN), "{}", err.message);
        if let Err(err) = hook(&stub.base).deliver(&cx(), &critical()).await {
            assert!(!err.message.contains("B0/hunter2"), "{}", err.message);
        }
    }
    // Nobody listens: the error comes from below.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let err = hook(&format!("http://{closed}"))
        .deliver(&cx(), &critical())
        .await
        .unwrap_err();
    assert_eq!(err.retry, Retry::Unreachable);
    assert!(err.message.contains("refused"), "{}", err.message);
    assert!(!err.message.contains("hunter2"), "{}", err.message);
}

#[tokio::test]
async fn a_webhook_gets_the_same_message_and_says_ok() {
    let stub = HttpStub::start(vec![answer("200 OK", "", "ok")]).await;
    let receipt = hook(&stub.base).deliver(&cx(), &critical()).await.unwrap();
    assert_eq!(receipt.response, "200 OK: ok");
    assert_eq!(receipt.reference, None);
    let request = stub.requests().remove(0);
    assert!(request.head.starts_with("POST /services/T0/B0/hunter2 "));
    assert!(!request.head.to_ascii_lowercase().contains("authorization"));
    assert!(request.body.get("channel").is_none());
}

#[tokio::test]
async fn a_login_page_is_no_delivery() {
    let stub = HttpStub::start(vec![answer("200 OK", "", "<html>please sign in</html>")]).await;
    let err = hook(&stub.base).deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Soon);
}

#[tokio::test]
async fn tests_and_possible_repetitions_are_marked() {
    let stub = HttpStub::start(vec![posted()]).await;
    let mut note = critical();
    note.test = true;
    note.possibly_repeated = true;
    bot(&stub.base).deliver(&cx(), &note).await.unwrap();
    let body = stub.requests().remove(0).body;
    assert!(body["text"].as_str().unwrap().starts_with("[TEST] CRITICAL"));
    let text = body.to_string();
    assert!(text.contains(text::TEST) && text.contains(text::REPEATED));
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_deadline() {
    let stub = HttpStub::start(vec![None]).await;
    let (slack, cx, note) = (bot(&stub.base), cx(), critical());
    let (result, ()) = tokio::join!(slack.deliver(&cx, &note), async {
        stub.request_arrived().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
    });
    let err = result.unwrap_err();
    assert_eq!(err.retry, Retry::Soon);
    assert!(err.message.contains("deadline"), "{}", err.message);
}
