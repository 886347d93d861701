//! Against a real socket: how the connection is protected, how it signs in, and what each refusal means.

use std::time::Duration;

use serde_json::{Value, json};

use super::stub::{PASSWORD, Script, SmtpStub, USER};
use super::*;
use crate::alerters::kind::Retry;
use crate::alerters::testing::{alerter, critical, cx, resolve, secret_options};
use crate::model::{Severity, read_field_by_field};

/// A mail alerter for a stub, with further options.
fn mail(stub: &SmtpStub, more: Value) -> Email {
    let mut options = json!({"to": "a@example.org", "from": "n@example.org", "address": stub.address});
    options
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    alerter(options)
}

fn signing_in(auth: &str) -> Value {
    json!({"username": USER, "password": PASSWORD, "auth": auth})
}

fn encrypted() -> Script {
    Script {
        starttls: true,
        auth: "PLAIN LOGIN CRAM-MD5",
        ..Script::default()
    }
}

/// The stub's certificate in a file, for `ca`.
fn ca(stub: &SmtpStub) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &stub.certificate).unwrap();
    file
}

fn problems(options: Value) -> Vec<(Severity, String)> {
    let email: Email = read_field_by_field(options).unwrap();
    email.validate().into_iter().map(|p| (p.severity, p.field)).collect()
}

#[test]
fn problems_name_the_field() {
    let base = json!({"to": "a@b.c", "address": "smtp:25"});
    let with = |more: Value| {
        let mut options = base.clone();
        options
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        problems(options)
    };
    assert_eq!(with(json!({})), []);
    for (more, severity, field) in [
        (json!({"to": ""}), Severity::Error, "to"),
        (json!({"to": ["a@b.c", "nobody"]}), Severity::Error, "to"),
        (json!({"cc": "nobody"}), Severity::Error, "cc"),
        (json!({"from": "nobody"}), Severity::Error, "from"),
        (json!({"address": null}), Severity::Error, "address"),
        (json!({"address": "smtp"}), Severity::Error, "address"),
        (json!({"username": "u"}), Severity::Error, "password"),
        (json!({"password": "p"}), Severity::Warning, "username"),
        (
            json!({"username": "u", "password": "p", "tls": "none"}),
            Severity::Warning,
            "tls",
        ),
        (json!({"auth": "kerberos"}), Severity::Warning, "auth"),
    ] {
        assert_eq!(with(more.clone()), [(severity, field.to_owned())], "{more}");
    }
    assert_eq!(problems(json!({})).len(), 2, "to and address");
}

#[test]
fn only_the_password_is_marked_as_a_secret() {
    assert_eq!(secret_options::<Email>(), ["password"]);
}

#[test]
fn encryption_follows_the_port_unless_it_is_said() {
    let mode = |options: Value| {
        let email: Email = alerter(options);
        let server = addresses::HostPort::parse(email.address.as_deref().unwrap()).unwrap();
        email.encryption(&server).mode
    };
    assert_eq!(mode(json!({"to": "a@b.c", "address": "smtp:465"})), Tls::Implicit);
    assert_eq!(mode(json!({"to": "a@b.c", "address": "smtp:587"})), Tls::Starttls);
    assert_eq!(
        mode(json!({"to": "a@b.c", "address": "smtp:465", "tls": "none"})),
        Tls::None
    );
}

#[tokio::test]
async fn the_originals_example_loads_with_a_warning_and_says_at_use_what_is_wrong() {
    let options = json!({
        "to": "someone@example.org", "address": "127.0.0.1:1", "username": "user", "password": "pass",
        "auth": "plain | md5",
    });
    assert_eq!(problems(options.clone()), [(Severity::Warning, "auth".to_owned())]);
    let email: Email = read_field_by_field(options).unwrap();
    let err = email.deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Never);
    assert!(
        err.message.contains("`plain | md5`") && err.message.contains("cram-md5"),
        "{}",
        err.message
    );
}

#[tokio::test]
async fn a_mail_arrives_whole_and_its_id_is_the_reference() {
    let stub = SmtpStub::start(Script::default()).await;
    let email = mail(
        &stub,
        json!({"to": "Ann <a@example.org>, b@example.org", "cc": ["c@example.org"]}),
    );
    let receipt = email.deliver(&cx(), &critical()).await.unwrap();
    assert_eq!(receipt.response, "250 2.0.0 queued as 1234");

    let log = stub.log();
    let envelope: Vec<_> = log
        .commands
        .iter()
        .filter(|c| c.contains(":<"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        envelope,
        [
            "MAIL FROM:<n@example.org>",
            "RCPT TO:<a@example.org>",
            "RCPT TO:<b@example.org>",
            "RCPT TO:<c@example.org>",
        ]
    );
    assert_eq!(log.commands.last().map(String::as_str), Some("QUIT"));
    let id = receipt.reference.unwrap();
    assert!(log.mail.contains(&format!("Message-ID: {id}\r\n")), "{}", log.mail);
    assert!(log.mail.contains("Content-Type: text/plain"));
    assert!(log.mail.contains("Content-Type: text/html"));
    assert!(log.mail.contains("Error Details: status 503"));
}

#[tokio::test]
async fn a_resolve_joins_the_thread_of_the_first_mail() {
    let stub = SmtpStub::start(Script::default()).await;
    let email = mail(&stub, json!({}));
    let first = email.deliver(&cx(), &critical()).await.unwrap().reference;
    let mut note = resolve();
    note.reference.clone_from(&first);
    let receipt = email.deliver(&cx(), &note).await.unwrap();
    assert_eq!(receipt.reference, first, "the first stays the reference");
    assert!(
        stub.log()
            .mail
            .contains(&format!("In-Reply-To: {}\r\n", first.unwrap()))
    );
}

#[tokio::test]
async fn starttls_is_used_where_it_is_offered() {
    let stub = SmtpStub::start(encrypted()).await;
    let ca = ca(&stub);
    mail(&stub, json!({"ca": ca.path()}))
        .deliver(&cx(), &critical())
        .await
        .unwrap();
    let log = stub.log();
    assert!(log.commands.contains(&"STARTTLS".to_owned()));
    assert!(
        log.commands.contains(&"TLS MAIL FROM:<n@example.org>".to_owned()),
        "{:?}",
        log.commands
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said() {
    let stub = SmtpStub::start(encrypted()).await;
    let other = SmtpStub::start(encrypted()).await;
    let wrong = ca(&other);
    let mut options = signing_in("plain");
    options["ca"] = json!(wrong.path());
    let err = mail(&stub, options).deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Soon);
    assert!(
        err.message.contains("STARTTLS") && err.message.contains("certificate"),
        "{}",
        err.message
    );
    let commands = stub.log().commands;
    assert!(
        commands.iter().all(|c| !c.contains("AUTH") && !c.contains("MAIL")),
        "{commands:?}"
    );
}

#[tokio::test]
async fn skip_verify_accepts_any_certificate() {
    let stub = SmtpStub::start(encrypted()).await;
    mail(&stub, json!({"skip-verify": "true"}))
        .deliver(&cx(), &critical())
        .await
        .unwrap();
    assert!(stub.log().commands.contains(&"TLS DATA".to_owned()));
}

#[tokio::test]
async fn implicit_tls_begins_with_the_first_byte() {
    let stub = SmtpStub::start(Script {
        implicit: true,
        auth: "PLAIN",
        ..Script::default()
    })
    .await;
    let ca = ca(&stub);
    let mut options = signing_in("plain");
    options["tls"] = json!("implicit");
    options["ca"] = json!(ca.path());
    mail(&stub, options).deliver(&cx(), &critical()).await.unwrap();
    let log = stub.log();
    assert!(
        log.signed_in && log.commands.iter().all(|c| c.starts_with("TLS ")),
        "{:?}",
        log.commands
    );
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail_where_it_is_required() {
    let stub = SmtpStub::start(Script::default()).await;
    let err = mail(&stub, json!({"tls": "starttls-required"}))
        .deliver(&cx(), &critical())
        .await
        .unwrap_err();
    assert_eq!(err.retry, Retry::Never);
    assert!(err.message.contains("STARTTLS"), "{}", err.message);
    assert_eq!(stub.log().mail, "");
}

#[tokio::test]
async fn tls_none_does_not_use_what_is_offered() {
    let stub = SmtpStub::start(encrypted()).await;
    mail(&stub, json!({"tls": "none"}))
        .deliver(&cx(), &critical())
        .await
        .unwrap();
    assert!(!stub.log().commands.contains(&"STARTTLS".to_owned()));
}

#[tokio::test]
async fn a_ca_file_without_a_certificate_is_an_error_that_names_it() {
    let stub = SmtpStub::start(encrypted()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let email = mail(&stub, json!({"ca": file.path()}));
    let err = email.deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Never);
    assert!(err.message.contains(file.path().to_str().unwrap()), "{}", err.message);
}

#[tokio::test]
async fn every_way_to_sign_in_is_understood() {
    for (auth, offered) in [
        ("plain", "PLAIN"),
        ("login", "LOGIN"),
        ("cram-md5", "CRAM-MD5"),
        ("md5", "CRAM-MD5"),
        ("PLAIN", "PLAIN LOGIN"),
    ] {
        let stub = SmtpStub::start(Script {
            auth: offered,
            ..encrypted()
        })
        .await;
        let ca = ca(&stub);
        let mut options = signing_in(auth);
        options["ca"] = json!(ca.path());
        mail(&stub, options).deliver(&cx(), &critical()).await.unwrap();
        let log = stub.log();
        assert!(log.signed_in, "{auth}: {:?}", log.commands);
        let mechanism = offered.split(' ').next().unwrap();
        assert!(
            log.commands
                .iter()
                .any(|c| c.starts_with(&format!("TLS AUTH {mechanism}"))),
            "{:?}",
            log.commands
        );
    }
}

#[tokio::test]
async fn without_auth_login_is_taken_where_it_is_all_there_is() {
    let stub = SmtpStub::start(Script {
        auth: "LOGIN",
        ..Script::default()
    })
    .await;
    let options = json!({"username": USER, "password": PASSWORD});
    mail(&stub, options).deliver(&cx(), &critical()).await.unwrap();
    assert!(stub.log().signed_in);
}

#[tokio::test]
async fn a_way_that_the_server_does_not_offer_is_an_error_for_good() {
    let stub = SmtpStub::start(Script {
        auth: "LOGIN",
        ..Script::default()
    })
    .await;
    let err = mail(&stub, signing_in("plain"))
        .deliver(&cx(), &critical())
        .await
        .unwrap_err();
    assert_eq!(err.retry, Retry::Never);
    assert!(err.message.starts_with("signing in"), "{}", err.message);
}

#[tokio::test]
async fn a_wrong_password_is_an_error_for_good_that_does_not_show_it() {
    for auth in ["plain", "login", "cram-md5"] {
        let stub = SmtpStub::start(Script {
            auth: "PLAIN LOGIN CRAM-MD5",
            ..Script::default()
        })
        .await;
        let mut options = signing_in(auth);
        options["password"] = json!("wrong-swordfish");
        let err = mail(&stub, options).deliver(&cx(), &critical()).await.unwrap_err();
        assert_eq!(err.retry, Retry::Never, "{auth}");
        assert!(err.message.contains("535"), "{}", err.message);
        assert_eq!(stub.log().mail, "");
    }
    // A server that quotes what it was told.
    let stub = SmtpStub::start(Script {
        auth: "PLAIN",
        answers: vec![("AUTH", "535 bad: AG9wZXJhdG9yAHdyb25nLXN3b3JkZmlzaA== wrong-swordfish")],
        ..Script::default()
    })
    .await;
    let mut options = signing_in("plain");
    options["password"] = json!("wrong-swordfish");
    let err = mail(&stub, options).deliver(&cx(), &critical()).await.unwrap_err();
    assert!(err.message.contains("bad"), "{}", err.message);
    assert!(
        !err.message.contains("swordfish") && !err.message.contains("AG9wZXJhdG9y"),
        "{}",
        err.message
    );
}

#[tokio::test]
async fn the_answer_decides_about_another_attempt() {
    for (command, answer, retry) in [
        ("greeting", "421 too busy", Retry::Soon),
        ("greeting", "554 go away", Retry::Never),
        ("greeting", "what?", Retry::Soon),
        ("EHLO", "550 who?", Retry::Never),
        ("MAIL", "451 later", Retry::Soon),
        ("MAIL", "550 not you", Retry::Never),
        ("RCPT", "450 greylisted", Retry::Soon),
        ("RCPT", "550 no such user", Retry::Never),
        ("DATA", "452 full", Retry::Soon),
        ("DATA", "554 no", Retry::Never),
        (".", "451 local error", Retry::Soon),
        (".", "552 too big", Retry::Never),
        (".", "554 5.7.1 spam", Retry::Never),
    ] {
        let stub = SmtpStub::start(Script::answering(command, answer)).await;
        let err = mail(&stub, json!({})).deliver(&cx(), &critical()).await.unwrap_err();
        assert_eq!(err.retry, retry, "{command} {answer}: {}", err.message);
        if answer.starts_with(['4', '5']) {
            assert!(err.message.contains(answer), "{} has not {answer}", err.message);
        }
    }
}

#[tokio::test]
async fn one_bad_recipient_does_not_keep_the_mail_from_the_others() {
    let stub = SmtpStub::start(Script::answering("RCPT TO:<gone@", "550 no such user")).await;
    let email = mail(&stub, json!({"to": ["gone@example.org", "a@example.org"]}));
    let receipt = email.deliver(&cx(), &critical()).await.unwrap();
    assert!(receipt.response.starts_with("250 2.0.0 queued"), "{}", receipt.response);
    assert!(
        receipt.response.contains("gone@example.org: 550 no such user"),
        "{}",
        receipt.response
    );
    assert!(stub.log().mail.contains("Subject: "));
}

#[tokio::test]
async fn when_all_are_refused_one_that_may_be_taken_later_decides() {
    let stub = SmtpStub::start(Script {
        answers: vec![("RCPT TO:<later@", "451 greylisted"), ("RCPT", "550 no such user")],
        ..Script::default()
    })
    .await;
    let email = mail(
        &stub,
        json!({"to": "gone@example.org, later@example.org, lost@example.org"}),
    );
    let err = email.deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Soon);
    assert!(err.message.contains("gone@example.org: 550") && err.message.contains("later@example.org: 451"));
    assert!(!stub.log().commands.iter().any(|c| c == "DATA"));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_at_the_deadline_wherever_it_does() {
    for command in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        let stub = SmtpStub::start(Script::answering(command, "")).await;
        let (email, cx, note) = (mail(&stub, json!({})), cx(), critical());
        let (result, ()) = tokio::join!(email.deliver(&cx, &note), async {
            stub.silence().await;
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(31)).await;
        });
        tokio::time::resume();
        let err = result.unwrap_err();
        assert_eq!(err.retry, Retry::Soon, "{command}");
        assert!(err.message.contains("deadline"), "{command}: {}", err.message);
    }
}

#[tokio::test]
async fn a_server_that_never_says_good_bye_has_the_mail_all_the_same() {
    let stub = SmtpStub::start(Script::answering("QUIT", "")).await;
    let (email, cx, note) = (mail(&stub, json!({})), cx(), critical());
    let (result, ()) = tokio::join!(email.deliver(&cx, &note), async {
        stub.silence().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
    });
    assert!(result.is_ok());
}

#[tokio::test]
async fn a_port_where_nobody_listens_may_be_served_next_time() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let email: Email = alerter(json!({"to": "a@b.c", "address": closed.to_string()}));
    let err = email.deliver(&cx(), &critical()).await.unwrap_err();
    assert_eq!(err.retry, Retry::Soon);
    assert!(err.message.starts_with("connecting: "), "{}", err.message);
}
