//! Certificates, users and rights.

use std::path::PathBuf;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Permission, PermissionType, TlsOptions};
use tokio::time::{Instant, sleep, timeout};

use super::server::{Servers, Tls};
use super::{SOON, create, made, names, open};
use crate::model::Secret;
use crate::store::backend::{Outcome, StoreError};
use crate::store::etcd::EtcdOptions;
use crate::store::{Store, keys};

const PASSWORD: &str = "with:colons:hunter2";

fn with_tls(options: EtcdOptions, tls: &Tls) -> EtcdOptions {
    EtcdOptions {
        ca: Some(tls.ca.clone()),
        cert: Some(tls.cert.clone()),
        key: Some(tls.key.clone()),
        ..options
    }
}

fn with_user(options: EtcdOptions, user: &str, password: &str) -> EtcdOptions {
    EtcdOptions {
        user: Some((user.to_owned(), Secret::new(password))),
        ..options
    }
}

/// Users from now on: `root`, and `app` who may read and write below `/9volt/` only.
async fn protect(client: &mut Client) {
    client.user_add("root", "root", None).await.unwrap();
    client.role_add("root").await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.user_add("app", PASSWORD, None).await.unwrap();
    client.role_add("app").await.unwrap();
    let below = Permission::new(PermissionType::Readwrite, "/9volt/").with_prefix();
    client.role_grant_permission("app", below).await.unwrap();
    client.user_grant_role("app", "app").await.unwrap();
    client.auth_enable().await.unwrap();
}

async fn error(store: &Store) -> StoreError {
    let key = keys::config();
    let asked = timeout(SOON, store.get(&key));
    asked.await.expect("an answer in time").unwrap_err()
}

fn denied(error: &StoreError, says: &str) {
    assert!(
        matches!(error, StoreError::Denied(why) if why.contains(says)),
        "{error}"
    );
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

#[tokio::test]
async fn a_user_has_its_rights_and_a_wrong_one_is_told_what_is_wrong() {
    let servers = Servers::one().await;
    let options = servers.options("9volt");
    let nobody = open(&options);
    made(&nobody, "before").await;
    protect(&mut servers.client().await).await;

    let app = open(&with_user(options.clone(), "app", PASSWORD));
    made(&app, "a").await;
    let lease = app.grant(Duration::from_secs(5)).await.unwrap().id;
    assert!(app.backend.keep_alive(lease).await.is_ok());
    app.backend.revoke(lease).await.unwrap();
    let mut follow = app.follow(&keys::silences());
    follow.next().await;
    assert_eq!(names(&app).await, ["a", "before"]);
    // What the director does needs no more than that.
    let status = app.status().await.unwrap();
    assert!(
        status.endpoints.iter().all(|endpoint| endpoint.trouble.is_none()),
        "{status:?}"
    );
    app.compact(status.at).await.unwrap();

    denied(&error(&nobody).await, "--etcd-userpass");
    denied(
        &error(&open(&with_user(options.clone(), "app", "wrong"))).await,
        "--etcd-userpass",
    );
    denied(
        &error(&open(&with_user(options, "nobody", "x"))).await,
        "--etcd-userpass",
    );
    let elsewhere = open(&with_user(servers.options("other"), "app", PASSWORD));
    denied(&error(&elsewhere).await, "below the prefix");
    let outcome = elsewhere.commit(create("a", b"1")).await;
    assert!(matches!(outcome, Outcome::Failed(StoreError::Denied(_))), "{outcome:?}");
    let watched = elsewhere
        .backend
        .watch(&keys::silences(), crate::store::Revision(1))
        .await;
    assert!(matches!(watched, Err(StoreError::Denied(_))), "{watched:?}");
}

#[tokio::test]
async fn a_token_that_etcd_has_forgotten_is_asked_for_again() {
    let mut servers = Servers::one().await;
    protect(&mut servers.client().await).await;
    let store = open(&with_user(servers.options("9volt"), "app", PASSWORD));
    made(&store, "a").await;
    // It keeps them in memory.
    servers.nodes[0].kill();
    servers.nodes[0].start();
    let until = Instant::now() + SOON;
    let outcome = loop {
        match store.commit(create("b", b"1")).await {
            Outcome::Unknown(_) if Instant::now() < until => sleep(Duration::from_millis(50)).await,
            other => break other,
        }
    };
    assert!(outcome.revision().is_some(), "{outcome:?}");
}

#[tokio::test]
async fn a_user_is_no_trouble_to_an_etcd_that_has_none() {
    let servers = Servers::one().await;
    let store = open(&with_user(servers.options("9volt"), "app", PASSWORD));
    made(&store, "a").await;
    // And begins to be one when it has.
    protect(&mut servers.client().await).await;
    made(&store, "b").await;
}

#[tokio::test]
async fn by_certificates_both_sides_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::issue(dir.path(), "app");
    let servers = Servers::start(1, &[], Some(&tls)).await;
    let options = servers.options("9volt");
    let store = open(&with_tls(options.clone(), &tls));
    made(&store, "a").await;

    let mut client = Client::connect(
        [&servers.nodes[0].url],
        Some(ConnectOptions::new().with_tls(outside(&tls))),
    )
    .await
    .unwrap();
    protect(&mut client).await;
    // The name in the certificate is the user.
    made(&store, "b").await;
    let elsewhere = open(&with_tls(servers.options("other"), &tls));
    denied(&error(&elsewhere).await, "permission denied");

    let url = &servers.nodes[0].url;
    let other = Tls::issue(dir.path(), "other");
    let unknown_server = EtcdOptions {
        ca: Some(other.ca.clone()),
        ..with_tls(options.clone(), &tls)
    };
    let why = error(&open(&unknown_server)).await.to_string();
    assert!(why.contains(url.as_str()) && why.contains("certificate"), "{why}");
    let without = EtcdOptions {
        cert: None,
        key: None,
        ..with_tls(options.clone(), &tls)
    };
    let why = error(&open(&without)).await.to_string();
    assert!(why.contains(url.as_str()), "{why}");
    let plain = EtcdOptions {
        endpoints: vec![url.replace("https", "http")],
        ..options
    };
    let why = error(&open(&plain)).await.to_string();
    assert!(why.contains(&url.replace("https", "http")), "{why}");
}

fn outside(tls: &Tls) -> TlsOptions {
    let read = |path: &PathBuf| std::fs::read(path).unwrap();
    TlsOptions::new()
        .ca_certificate(etcd_client::Certificate::from_pem(read(&tls.ca)))
        .identity(etcd_client::Identity::from_pem(read(&tls.cert), read(&tls.key)))
}
