//! The tcp kind against real sockets.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::test_kit::{AMPLE, Authority, Peer, SHORT, Wish, fact, once, parse, problems, refusing, run, until_closed};
use super::{CheckCx, CheckOptions};
use crate::model::{Outcome, Phase, Reason, Verdict};

fn summary(verdict: &Verdict) -> (Outcome, Option<Reason>) {
    (verdict.outcome, verdict.reason)
}

const PASS: (Outcome, Option<Reason>) = (Outcome::Pass, None);

fn failed(reason: Reason) -> (Outcome, Option<Reason>) {
    (Outcome::Fail, Some(reason))
}

#[tokio::test]
async fn an_open_port_passes_and_nothing_but_the_connection_is_timed() {
    let peer = Peer::silent().await;
    let verdict = once("tcp", json!({"host": "127.0.0.1", "port": peer.port()}), AMPLE).await;
    assert_eq!(summary(&verdict), PASS);
    let phases: Vec<_> = verdict.phases.iter().map(|(phase, _)| phase).collect();
    assert_eq!(phases, [Phase::Connect]);
    assert_eq!(fact(&verdict, "ip_protocol"), Some(4.0));
}

#[tokio::test]
async fn ipv6_works_with_and_without_brackets() {
    let peer = Peer::on("::1", |mut stream, _| async move { until_closed(&mut stream).await }).await;
    for host in ["::1", "[::1]"] {
        let verdict = once("tcp", json!({"host": host, "port": peer.port()}), AMPLE).await;
        assert_eq!(summary(&verdict), PASS);
        assert_eq!(fact(&verdict, "ip_protocol"), Some(6.0));
    }
}

#[tokio::test]
async fn a_closed_port_refuses_in_the_originals_words() {
    let (_socket, port) = refusing();
    let verdict = once("tcp", json!({"host": "127.0.0.1", "port": port}), AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Refused));
    assert_eq!(
        verdict.message,
        format!("Unable to open connection to 127.0.0.1:{port}: connection refused")
    );
}

#[tokio::test]
async fn a_name_is_tried_at_all_its_addresses_and_resolving_is_timed() {
    let peer = Peer::silent().await;
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, "::1 both.test\n127.0.0.1 both.test\n::1 six.test\n").unwrap();
    let cx = CheckCx::new(CheckOptions {
        hosts: Some(hosts),
        ..CheckOptions::default()
    });
    let (monitor, _) = parse("tcp", json!({"host": "both.test", "port": peer.port()}));
    let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
    assert!(verdict.phases.get(Phase::Resolve).is_some());
    assert_eq!(fact(&verdict, "ip_protocol"), Some(4.0));

    let (monitor, _) = parse(
        "tcp",
        json!({"host": "six.test", "port": peer.port(), "address-family": "ip4"}),
    );
    let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Resolve));
    assert!(
        verdict.message.ends_with("six.test has no IPv4 address"),
        "{}",
        verdict.message
    );
}

#[tokio::test]
async fn an_answer_in_pieces_is_read_until_it_matches() {
    let peer = Peer::greeting(&[b"SSH-2", b".0-Open", b"SSH_9.2\r\n"]).await;
    let base = json!({"host": "127.0.0.1", "port": peer.port()});
    for (key, value) in [("expect", "OpenSSH"), ("expect-regex", r"^SSH-2\.0-\w+_[0-9.]+\r\n")] {
        let mut own = base.clone();
        own[key] = json!(value);
        let verdict = once("tcp", own, AMPLE).await;
        assert_eq!(summary(&verdict), PASS, "{}", verdict.message);
        assert!(verdict.phases.get(Phase::FirstByte).is_some());
    }
}

#[tokio::test]
async fn what_is_sent_is_sent_as_written() {
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        let mut got = [0; 6];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"PING\r\n");
        stream.write_all(b"+PONG\r\n").await.unwrap();
        until_closed(&mut stream).await;
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "send": "PING\r\n", "expect": "PONG"});
    assert_eq!(summary(&once("tcp", own, AMPLE).await), PASS);
}

#[tokio::test]
async fn another_answer_is_told_with_what_came_and_what_was_wanted() {
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        stream.write_all(b"220 mail\x1b[31m\r\n").await.unwrap();
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "expect": "SSH"});
    let verdict = once("tcp", own, AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Content));
    assert_eq!(
        verdict.message,
        "Received data does not contain expected substring (Recv: [220 mail\\u{1b}[31m\\r\\n] Expected: [SSH])"
    );
}

#[tokio::test]
async fn a_peer_that_goes_on_talking_is_cut_at_read_size() {
    let peer = Peer::on("127.0.0.1", |mut stream, _| async move {
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "expect": "y", "read-size": 10_000});
    let verdict = once("tcp", own, AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Content));
    assert!(
        verdict.message.ends_with("stopped after 10000 bytes"),
        "{}",
        verdict.message
    );
    assert!(verdict.message.len() < 500);
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_the_read_timeout_and_no_more() {
    let peer = Peer::silent().await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "expect": "x", "read-timeout": "50ms"});
    let verdict = once("tcp", own, AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Timeout));
    assert_eq!(verdict.message, "Read timeout (after 50ms): no answer");
    assert!(
        verdict
            .phases
            .get(Phase::FirstByte)
            .is_some_and(|took| took >= std::time::Duration::from_millis(50))
    );
}

#[tokio::test]
async fn the_runs_deadline_ends_a_longer_read_timeout() {
    let peer = Peer::silent().await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "expect": "x", "read-timeout": "30m"});
    let verdict = tokio::time::timeout(AMPLE, once("tcp", own, SHORT)).await.unwrap();
    assert_eq!(summary(&verdict), failed(Reason::Timeout));
    assert!(verdict.message.contains("after 1"), "{}", verdict.message);
}

#[tokio::test]
async fn a_peer_that_takes_no_bytes_costs_the_write_timeout() {
    let peer = Peer::on("127.0.0.1", |stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let send = "x".repeat(16 << 20);
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "send": send, "write-timeout": "60ms"});
    let verdict = once("tcp", own, AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Timeout));
    assert!(
        verdict.message.starts_with("Unable to send initial TCP data (xxx"),
        "{}",
        verdict.message
    );
    assert!(
        verdict.message.ends_with(": not taken within 60ms"),
        "{}",
        verdict.message
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_one_that_ends() {
    for (reset, message) in [
        (false, "Unrecognized read error: connection closed without an answer"),
        (true, "Unrecognized read error: connection reset"),
    ] {
        let peer = Peer::hanging_up(reset).await;
        let own = json!({"host": "127.0.0.1", "port": peer.port(), "expect": "x"});
        let verdict = once("tcp", own, AMPLE).await;
        assert_eq!(summary(&verdict), failed(Reason::Closed));
        assert_eq!(verdict.message, message);
    }
}

#[tokio::test]
async fn a_run_that_works_but_takes_long_is_degraded() {
    let peer = Peer::silent().await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "slow": "1ns"});
    let verdict = once("tcp", own, AMPLE).await;
    assert_eq!(summary(&verdict), (Outcome::Degraded, Some(Reason::Slow)));
}

#[tokio::test]
async fn tls_is_verified_and_expiry_is_known_even_when_it_is_not_good() {
    let ca = Authority::new();
    for (names, days, tls, expected) in [
        (
            &["localhost"][..],
            90,
            json!({"ca": ca.pem, "server-name": "localhost"}),
            PASS,
        ),
        (
            &["other.test"],
            90,
            json!({"ca": ca.pem, "server-name": "localhost"}),
            failed(Reason::Tls),
        ),
        (
            &["localhost"],
            -2,
            json!({"ca": ca.pem, "server-name": "localhost"}),
            failed(Reason::Tls),
        ),
        (
            &["localhost"],
            90,
            json!({"server-name": "localhost"}),
            failed(Reason::Tls),
        ),
        (&["other.test"], -2, json!({"skip-verify": true}), PASS),
        (&["127.0.0.1"], 90, json!({"ca": ca.pem}), PASS),
    ] {
        let issued = ca.issue(&Wish { names, days });
        let acceptor = ca.acceptor(&issued, false);
        let peer = Peer::on("127.0.0.1", move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(mut tls) = acceptor.accept(stream).await {
                    let _ = tls.write_all(b"hello").await;
                    let _ = tls.read(&mut [0; 16]).await;
                }
            }
        })
        .await;
        let own = json!({"host": "127.0.0.1", "port": peer.port(), "ssl": true, "tls": tls, "expect": "hello"});
        let verdict = once("tcp", own, AMPLE).await;
        assert_eq!(summary(&verdict), expected, "{names:?} {days}: {}", verdict.message);
        #[expect(clippy::cast_precision_loss, reason = "a date of this century")]
        let not_after = issued.not_after as f64;
        assert_eq!(fact(&verdict, "ssl_earliest_cert_expiry"), Some(not_after));
        assert!(verdict.phases.get(Phase::Tls).is_some());
    }
}

#[tokio::test]
async fn a_certificate_near_its_end_degrades_and_then_fails() {
    let ca = Authority::new();
    let issued = ca.issue(&Wish {
        names: &["127.0.0.1"],
        days: 5,
    });
    let acceptor = ca.acceptor(&issued, false);
    let peer = Peer::on("127.0.0.1", move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut tls) = acceptor.accept(stream).await {
                let _ = tls.read(&mut [0; 16]).await;
            }
        }
    })
    .await;
    for (warning, critical, expected) in [
        ("1d", "1h", PASS),
        ("14d", "1h", (Outcome::Degraded, Some(Reason::CertificateExpiry))),
        ("14d", "7d", failed(Reason::CertificateExpiry)),
    ] {
        let own = json!({
            "host": "127.0.0.1", "port": peer.port(), "ssl": true, "tls": {"ca": ca.pem},
            "certificate-expiry-warning": warning, "certificate-expiry-critical": critical,
        });
        assert_eq!(summary(&once("tcp", own, AMPLE).await), expected);
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_a_renewed_file_is_used_without_a_restart() {
    let ca = Authority::new();
    let server = ca.issue(&Wish {
        names: &["127.0.0.1"],
        days: 90,
    });
    let acceptor = ca.acceptor(&server, true);
    let peer = Peer::on("127.0.0.1", move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut tls) = acceptor.accept(stream).await {
                let _ = tls.write_all(b"welcome").await;
                let _ = tls.read(&mut [0; 16]).await;
            }
        }
    })
    .await;
    let (good, expired) = (
        ca.issue(&Wish {
            names: &["client"],
            days: 90,
        }),
        ca.issue(&Wish {
            names: &["client"],
            days: -2,
        }),
    );
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("client.pem"), dir.path().join("client.key"));
    std::fs::write(&certificate, &expired.pem).unwrap();
    std::fs::write(&key, &expired.key_pem).unwrap();
    let own = json!({
        "host": "127.0.0.1", "port": peer.port(), "ssl": true, "expect": "welcome",
        "tls": {"ca": ca.pem, "certificate": certificate, "key": key},
    });
    let (monitor, found) = parse("tcp", own);
    assert_eq!(found, []);
    let cx = CheckCx::new(CheckOptions::default());
    let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Tls), "{}", verdict.message);

    std::fs::write(&certificate, &good.pem).unwrap();
    std::fs::write(&key, &good.key_pem).unwrap();
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
    std::fs::File::open(&certificate).unwrap().set_modified(later).unwrap();
    let verdict = run(&cx, monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), PASS, "{}", verdict.message);

    // Without a certificate the server refuses.
    let own =
        json!({"host": "127.0.0.1", "port": peer.port(), "ssl": true, "expect": "welcome", "tls": {"ca": ca.pem}});
    let verdict = once("tcp", own, AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Tls), "{}", verdict.message);
}

#[tokio::test]
async fn a_peer_without_tls_is_told_from_one_that_is_down() {
    let peer = Peer::greeting(&[b"220 plain text here\r\n"]).await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "ssl": true});
    let verdict = once("tcp", own, AMPLE).await;
    assert_eq!(summary(&verdict), failed(Reason::Tls), "{}", verdict.message);
    let peer = Peer::silent().await;
    let own = json!({"host": "127.0.0.1", "port": peer.port(), "ssl": true});
    let verdict = once("tcp", own, SHORT).await;
    assert_eq!(summary(&verdict), failed(Reason::Timeout));
    assert!(
        verdict.message.contains("TLS handshake not finished within"),
        "{}",
        verdict.message
    );
    assert!(verdict.phases.get(Phase::Tls).is_some());
}

#[tokio::test]
async fn a_certificate_file_that_is_missing_warns_and_then_makes_the_run_unknown() {
    let peer = Peer::silent().await;
    let own = json!({
        "host": "127.0.0.1", "port": peer.port(), "ssl": true, "tls": {"ca": "/nonexistent/ca.pem"},
    });
    let (monitor, found) = parse("tcp", own);
    let text = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        text.starts_with("warning: `tls.ca`: cannot read `/nonexistent/ca.pem`:"),
        "{text}"
    );
    let verdict = run(&CheckCx::new(CheckOptions::default()), monitor.as_ref(), AMPLE).await;
    assert_eq!(summary(&verdict), (Outcome::Unknown, Some(Reason::Tls)));
    assert!(verdict.message.contains("/nonexistent/ca.pem"), "{}", verdict.message);
}

#[test]
fn what_is_wrong_with_a_definition_is_said_of_its_field() {
    for (own, shared, expected) in [
        (json!({"port": 22}), json!({}), "error: `host`: 'host' cannot be blank"),
        (
            json!({"host": "a"}),
            json!({}),
            "error: `port`: 'port' is required; write for example `port: 22`",
        ),
        (
            json!({"host": "a", "port": 70000}),
            json!({}),
            "error: `port`: 'port' must be between 0 and 65535",
        ),
        (
            json!({"host": "a", "port": -1}),
            json!({}),
            "error: `port`: 'port' must be between 0 and 65535",
        ),
        (
            json!({"host": "a", "port": 1, "read-timeout": "5s"}),
            json!({"interval": "5s"}),
            "error: `read-timeout`: 'read-timeout' (5s) cannot equal or exceed 'interval' (5s)",
        ),
        (
            json!({"host": "a", "port": 1, "read-timeout": "3s", "write-timeout": "3s"}),
            json!({"interval": "9s", "timeout": "3s"}),
            "error: `timeout`: Total timeout duration (9s) cannot equal or exceed 'interval' (9s)",
        ),
        (
            json!({"host": "a", "port": 1, "expect-regex": "("}),
            json!({}),
            "error: `expect-regex`: `(` is no regular expression: unclosed group",
        ),
        (
            json!({"host": "::1", "port": 1, "address-family": "ip4"}),
            json!({}),
            "error: `address-family`: ::1 is no address of this family",
        ),
        (
            json!({"host": "a", "port": 1, "tls": {"key": "x"}}),
            json!({}),
            "error: `tls.key`: needs `tls.certificate` beside it",
        ),
    ] {
        assert_eq!(problems("tcp", own, shared), [expected]);
    }
}

#[test]
fn defaults_never_refuse_a_short_interval() {
    let own = json!({"host": "a", "port": 1, "expect": "x", "send": "y"});
    assert_eq!(problems("tcp", own, json!({"interval": "6s"})), [""; 0]);
}

#[test]
fn the_budget_counts_what_is_used() {
    let second = std::time::Duration::from_secs(1);
    for (more, seconds) in [
        (json!({}), 4),
        (json!({"send": "x"}), 6),
        (json!({"send": "x", "expect": "y"}), 8),
    ] {
        let mut own = json!({"host": "a", "port": 1});
        own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (monitor, _) = parse("tcp", own);
        assert_eq!(monitor.budget(4 * second), seconds * second);
        assert_eq!(monitor.target(), "tcp://a:1");
    }
}
