//! Options, and messages to a receiver of the same library; a real one of net-snmp is asked in `tests/it`.

use std::convert::Infallible;
use std::time::Duration;

use async_snmp::notification::{NotificationReceiver, ReceivedNotification};
use async_snmp::{AuthProtocol as Auth, AuthoritativeEngine, PrivProtocol as Privacy, SecurityLevel};
use serde_json::{Value as Json, json};
use tokio::net::UdpSocket;

use super::*;
use crate::alerters::kind::Retry;
use crate::alerters::testing::{alerter, critical, cx, resolve, secret_options};
use crate::model::read_field_by_field;

const AUTH: &str = "hunter2-auth";
const PRIVACY: &str = "hunter2-privacy";

/// Knows the community `hunter2` and the user `ninevolt`.
async fn receiver() -> NotificationReceiver {
    let engine = AuthoritativeEngine::install(b"receiver".to_vec(), |_| Ok::<(), Infallible>(())).unwrap();
    let user = |u: async_snmp::v3::UsmUser| u.auth_priv(Auth::Sha256, AUTH, Privacy::Aes128, PRIVACY);
    let receiver = NotificationReceiver::builder()
        .bind("127.0.0.1:0")
        .community("hunter2")
        .authoritative_engine(engine)
        .usm_user("ninevolt", user)
        .unwrap()
        .accept_all_notifications();
    receiver.build().await.unwrap()
}

fn to(receiver: &NotificationReceiver, more: Json) -> Snmp {
    let mut options = json!({"host": "127.0.0.1", "port": receiver.local_addr().port()});
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    alerter(options)
}

fn v3() -> Json {
    json!({"version": 3, "user": "ninevolt", "auth-password": AUTH, "privacy-password": PRIVACY})
}

fn v3_with(key: &str, value: impl Into<Json>) -> Json {
    let mut options = v3();
    options[key] = value.into();
    options
}

/// What arrives while a message is delivered; informs are acknowledged by being received.
async fn delivered(
    snmp: &Snmp,
    receiver: &NotificationReceiver,
    note: &Notification,
) -> (Receipt, ReceivedNotification) {
    let cx = cx();
    let (receipt, received) = tokio::join!(snmp.deliver(&cx, note), receiver.recv());
    (receipt.unwrap(), received.unwrap())
}

fn texts(received: &ReceivedNotification) -> Vec<&str> {
    let bound = received.notification.varbinds().iter();
    bound.filter_map(|b| b.value.as_str()).collect()
}

#[tokio::test]
async fn a_v2c_trap_has_the_community_the_event_and_what_is_bound_to_it() {
    let receiver = receiver().await;
    let snmp = to(&receiver, json!({"community": "hunter2"}));
    let (receipt, received) = delivered(&snmp, &receiver, &critical()).await;
    assert!(receipt.response.starts_with("trap of "), "{}", receipt.response);
    assert!(receipt.response.contains("nobody acknowledges"), "{}", receipt.response);
    assert!(received.inform_ack.is_none());
    let event = received.notification.trap_oid().unwrap();
    assert_eq!(event.to_string(), "1.3.6.1.4.1.32473.9.0.1");
    assert!(texts(&received).contains(&"front page"), "{received:?}");
    assert!(received.notification.uptime() < 6_000, "hundredths since it was loaded");

    let (_, received) = delivered(&snmp, &receiver, &resolve()).await;
    let event = received.notification.trap_oid().unwrap();
    assert_eq!(event.to_string(), "1.3.6.1.4.1.32473.9.0.3");
}

#[tokio::test]
async fn a_v2c_inform_is_acknowledged() {
    let receiver = receiver().await;
    let snmp = to(&receiver, json!({"community": "hunter2", "inform": true}));
    let (receipt, received) = delivered(&snmp, &receiver, &critical()).await;
    assert_eq!(receipt.response, format!("acknowledged by {}", receiver.local_addr()));
    assert!(received.inform_ack.is_some());
}

#[tokio::test]
async fn a_v3_trap_is_signed_and_encrypted_by_the_engine_of_the_cluster_before_and_after_a_restart() {
    let receiver = receiver().await;
    for _start in 0..2 {
        let snmp = to(&receiver, v3());
        let (receipt, received) = delivered(&snmp, &receiver, &critical()).await;
        let engine = "0x80007ed90439766f6c74";
        assert!(receipt.response.contains(engine), "{}", receipt.response);
        assert_eq!(received.notification.security_level(), Some(SecurityLevel::AuthPriv));
        let identity = received.wire_identity.v3.as_ref().unwrap();
        let id = engine::EngineId::parse(engine).unwrap();
        assert_eq!(identity.authoritative_engine_id, id.bytes());
        assert!(texts(&received).contains(&"front page"), "{received:?}");
    }
}

#[tokio::test]
async fn a_v3_inform_finds_the_engine_of_the_receiver() {
    let receiver = receiver().await;
    let snmp = to(&receiver, v3_with("inform", true));
    let (receipt, received) = delivered(&snmp, &receiver, &critical()).await;
    assert!(receipt.response.starts_with("acknowledged by "), "{}", receipt.response);
    assert_eq!(received.notification.security_level(), Some(SecurityLevel::AuthPriv));
    let identity = received.wire_identity.v3.as_ref().unwrap();
    assert_eq!(&identity.authoritative_engine_id[..], b"receiver");
}

#[tokio::test]
async fn without_passwords_a_v3_message_is_open_and_its_engine_id_can_be_chosen() {
    let receiver = receiver().await;
    let snmp = to(
        &receiver,
        json!({"version": "3", "user": "ninevolt", "engine-id": "0x80007ed9050102"}),
    );
    let (receipt, received) = delivered(&snmp, &receiver, &critical()).await;
    assert!(receipt.response.contains("0x80007ed9050102"), "{}", receipt.response);
    assert_eq!(
        received.notification.security_level(),
        Some(SecurityLevel::NoAuthNoPriv)
    );
}

#[tokio::test]
async fn addresses_and_arc_are_as_the_options_say() {
    let receiver = receiver().await;
    let options = json!({
        "community": "hunter2", "local-address": "127.0.0.1", "agent-address": "192.0.2.7", "enterprise": ".1.3.6.1.4.1.12345.7",
    });
    let (_, received) = delivered(&to(&receiver, options), &receiver, &critical()).await;
    let event = received.notification.trap_oid().unwrap();
    assert_eq!(event.to_string(), "1.3.6.1.4.1.12345.7.0.1");
    let last = received.notification.varbinds().last().unwrap();
    assert_eq!(last.oid.to_string(), "1.3.6.1.6.3.18.1.3.0");
    assert_eq!(last.value, Value::IpAddress([192, 0, 2, 7]));
    assert_eq!(received.source.ip().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn profile_peerpair_sends_its_traps() {
    let receiver = receiver().await;
    let snmp = to(&receiver, json!({"community": "hunter2", "profile": "peerpair"}));
    let (_, received) = delivered(&snmp, &receiver, &critical()).await;
    let event = received.notification.trap_oid().unwrap();
    assert_eq!(event.to_string(), "1.3.6.1.4.1.50255.1.1");
    assert_eq!(texts(&received)[1..5], ["127.0.0.1", "0", "web", "0"]);
}

/// The error of an inform while the receiver goes on receiving.
async fn refused(snmp: &Snmp, receiver: &NotificationReceiver) -> DeliveryError {
    let (cx, note) = (cx(), critical());
    tokio::select! {
        answer = snmp.deliver(&cx, &note) => answer.unwrap_err(),
        received = receiver.recv() => panic!("{received:?}"),
    }
}

#[tokio::test]
async fn credentials_that_the_receiver_refuses_are_named_and_never_shown() {
    let receiver = receiver().await;
    for (key, value, said) in [
        ("user", "nobody", "`user`"),
        ("auth-password", "hunter2-wrong", "`auth-password`"),
        ("auth-protocol", "sha-512", "auth-protocol"),
    ] {
        let mut options = v3_with(key, value);
        options["inform"] = json!(true);
        let err = refused(&to(&receiver, options), &receiver).await;
        assert!(err.message.contains(said), "{key}: {}", err.message);
        assert!(!err.message.contains("hunter2"), "{}", err.message);
        assert_eq!(err.retry, Retry::Soon, "it may be mended at the receiver");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inform_that_nobody_acknowledges_may_have_arrived() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    for options in [json!({"community": "hunter2"}), v3()] {
        let mut options = options;
        options["host"] = json!("127.0.0.1");
        options["port"] = json!(port);
        options["inform"] = json!(true);
        options["timeout"] = json!("2s");
        let begun = Instant::now();
        let err = alerter::<Snmp>(options).deliver(&cx(), &critical()).await.unwrap_err();
        assert_eq!(err.retry, Retry::Soon);
        assert!(err.message.contains("did not acknowledge"), "{}", err.message);
        assert!(!err.message.contains("hunter2"), "{}", err.message);
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_secs(3),
            "{took:?}"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_cannot_be_reached_has_surely_not_got_it() {
    for options in [
        json!({"host": "::1", "local-address": "127.0.0.1"}),
        json!({"host": "127.0.0.1", "local-address": "192.0.2.1"}),
    ] {
        for inform in [false, true] {
            let mut options = options.clone();
            options["inform"] = json!(inform);
            let err = alerter::<Snmp>(options).deliver(&cx(), &critical()).await.unwrap_err();
            assert_eq!(err.retry, Retry::Unreachable, "{}", err.message);
        }
    }
}

#[test]
fn problems_name_the_field() {
    let nms = |more: Json| {
        let mut options = json!({"host": "nms"});
        for (key, value) in more.as_object().unwrap() {
            options[key] = value.clone();
        }
        options
    };
    for (options, fields) in [
        (json!({}), &["host"][..]),
        (nms(json!({})), &[]),
        (nms(v3()), &[]),
        (json!({"host": "nms:162/x"}), &["host"]),
        (json!({"host": "[::1]"}), &["host"]),
        (nms(json!({"port": 0})), &["port"]),
        (nms(json!({"version": 3})), &["user"]),
        (nms(json!({"version": 3, "user": "u".repeat(33)})), &["user"]),
        (nms(json!({"community": "c".repeat(129)})), &["community"]),
        (nms(v3_with("context", "c".repeat(65))), &["context"]),
        (nms(v3_with("auth-password", "short")), &["auth-password"]),
        (nms(v3_with("auth-password", Json::Null)), &["auth-password"]),
        (nms(v3_with("privacy-password", "short")), &["privacy-password"]),
        (
            nms(json!({"version": 3, "user": "u", "auth-protocol": "sha-512", "privacy-protocol": "aes-256"})),
            &["auth-password", "privacy-password"],
        ),
        (nms(v3_with("engine-id", "0x80")), &["engine-id"]),
        (nms(json!({"enterprise": "1.3.6.1.4.1.x"})), &["enterprise"]),
        (nms(json!({"enterprise": "2.25.1"})), &["enterprise"]),
        (
            nms(json!({"enterprise": "1.3.6.1.4.1.9.9999999.9999999.9999999"})),
            &["enterprise"],
        ),
        (nms(json!({"inform": true, "timeout": "0s"})), &["timeout"]),
        // What is without effect.
        (nms(json!({"timeout": "1s"})), &["timeout"]),
        (nms(v3_with("community", "c")), &["community"]),
        (nms(json!({"user": "u", "context": "c"})), &["user", "context"]),
        (
            nms(json!({"profile": "peerpair", "enterprise": "1.3.6.1.4.1.9"})),
            &["enterprise"],
        ),
    ] {
        let snmp: Snmp = read_field_by_field(options.clone()).unwrap();
        let problems = snmp.validate();
        let named: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(named, fields, "{options}");
    }
}

#[test]
fn what_is_no_choice_is_answered_by_the_choices() {
    for (key, value, said) in [
        ("version", json!(1), "`2c` or `3`"),
        ("auth-protocol", json!("md5"), "`sha-256`"),
        ("privacy-protocol", json!("des"), "`aes-128`"),
        ("profile", json!("x"), "`9volt` or `peerpair`"),
        ("engine-id", json!(5), "string"),
        ("local-address", json!("here"), "IP address"),
    ] {
        let problem = read_field_by_field::<Snmp>(json!({"host": "nms", key: value})).unwrap_err();
        assert_eq!(problem.field, key);
        assert!(problem.to_string().contains(said), "{problem}");
    }
}

#[test]
fn words_are_read_in_any_case_and_in_their_usual_forms() {
    let options = json!({"host": "nms", "version": "2C", "auth-protocol": "SHA", "privacy-protocol": "AES"});
    let snmp: Snmp = read_field_by_field(options).unwrap();
    assert_eq!(snmp.version, Some(Version::V2c));
    assert_eq!(snmp.auth_protocol, Some(AuthProtocol::Sha1));
    assert_eq!(snmp.privacy_protocol, Some(PrivacyProtocol::Aes128));
}

#[test]
fn community_and_passwords_are_marked_as_secrets() {
    assert_eq!(
        secret_options::<Snmp>(),
        ["community", "auth-password", "privacy-password"]
    );
}

#[test]
fn neither_debug_nor_problems_show_a_secret() {
    let options = json!({
        "community": "hunter2", "version": 3, "user": "ninevolt", "auth-password": "hunter2", "privacy-password": PRIVACY,
    });
    let snmp: Snmp = read_field_by_field(options).unwrap();
    assert!(!format!("{snmp:?} {:?}", snmp.validate()).contains("hunter2"));
    let snmp: Snmp =
        alerter(json!({"host": "nms", "version": 3, "user": "u", "auth-password": AUTH, "privacy-password": PRIVACY}));
    snmp.keys().unwrap();
    assert!(!format!("{snmp:?}").contains("hunter2"));
}

#[test]
fn the_longest_message_fits_into_a_datagram() {
    let mut note = critical();
    note.monitor = crate::model::MonitorName::parse(&"m".repeat(253)).unwrap();
    note.cluster = "c".repeat(250);
    note.kind = "k".repeat(250);
    note.member = "b".repeat(250);
    note.alerter = crate::model::AlerterName::parse(&"a".repeat(253)).unwrap();
    note.description = "d".repeat(5_000);
    note.details = "ö".repeat(5_000);
    note.tags = vec!["t".repeat(100); 100];
    note.link = Some("l".repeat(5_000));
    note.runbook = Some("r".repeat(5_000));
    note.possibly_repeated = true;
    let speaker = Speaker {
        host: &"h".repeat(250),
        address: "2001:db8:1234:1234:1234:1234:1234:1234".parse().unwrap(),
    };
    for options in [
        json!({"community": "c".repeat(128)}),
        json!({
            "version": 3, "user": "u".repeat(32), "context": "c".repeat(64), "engine-id": "80".repeat(32),
            "auth-protocol": "sha-512", "auth-password": AUTH, "privacy-protocol": "aes-256", "privacy-password": PRIVACY,
        }),
    ] {
        for profile in ["9volt", "peerpair"] {
            let mut options = options.clone();
            options["host"] = json!("nms");
            options["agent-address"] = json!("192.0.2.7");
            options["profile"] = json!(profile);
            if profile == "9volt" {
                options["enterprise"] = json!("1.3.6.1.4.1.4294967295.999999.100000");
            }
            let snmp: Snmp = alerter(options);
            let told = snmp.told(&note, speaker).unwrap();
            let monitor = told
                .bindings
                .iter()
                .find(|b| b.value.as_str().is_some_and(|v| v.starts_with("mmm")));
            assert!(monitor.unwrap().value.as_bytes().unwrap().len() >= 64);
            let (bytes, _) = snmp.trap(&note, u32::MAX, told).unwrap();
            assert!(
                (1_100..=message::MAX_DATAGRAM).contains(&bytes.len()),
                "{}",
                bytes.len()
            );
        }
    }
}

#[test]
fn uptime_counts_hundredths_and_begins_again() {
    assert_eq!(hundredths(Duration::from_millis(12_345)), 1_234);
    assert_eq!(hundredths(Duration::from_millis(42_949_672_970)), 1);
}
