//! One answer a file, as clients see it; the page's tests read the same files. And the description of the API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ninevolt::events::EventKind;
use ninevolt::model::{Phase, Status, Verdict};
use ninevolt::silences::MatcherSpec;
use ninevolt::store::keys;
use ninevolt::store::records::{FORMAT, SilenceRecord};
use serde_json::{Value, json};

use super::bed::{Bed, LONG_AGO, until};
use super::members::two;
use super::resources::{incidents, tell};
use super::state::{five, run};

fn bless() -> bool {
    std::env::var_os("NINEVOLT_BLESS").is_some()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[track_caller]
fn same(path: &Path, text: &str) {
    if bless() {
        std::fs::write(path, text).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        known == text,
        "{} is not what the code says; NINEVOLT_BLESS=1 rewrites it:\n{text}",
        path.display()
    );
}

#[track_caller]
fn snapshot(name: &str, value: &Value) {
    let path = root().join("tests/snapshots/api").join(format!("{name}.json"));
    same(&path, &format!("{}\n", serde_json::to_string_pretty(value).unwrap()));
}

/// What is only now, put to a time that does not pass.
fn settle(value: &mut Value, names: &[&str], to: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if names.contains(&key.as_str()) && !value.is_null() {
                    *value = to.clone();
                } else {
                    settle(value, names, to);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, names, to)),
        _ => {}
    }
}

async fn bed() -> Bed {
    let bed = five().await;
    let mut verdict = Verdict::pass();
    verdict.phases.add(Phase::Connect, Duration::from_micros(1_250));
    verdict.phases.add(Phase::FirstByte, Duration::from_millis(3));
    verdict.fact("http_status_code", 200.0);
    run(&bed, "delta", LONG_AGO.plus(Duration::from_secs(63)), 5, verdict);
    bed.catalog.monitor("delta").unwrap().live().lock().next_due = Some(LONG_AGO.plus(Duration::from_secs(123)));
    bed
}

#[tokio::test]
async fn states() {
    let bed = bed().await;
    let mut states = bed.get("/api/v1/state?limit=10").await.json();
    // Of what never ran: when it was defined.
    let never = states.as_array_mut().unwrap().last_mut().unwrap();
    assert!(never["since"].as_str().unwrap() > "2026" && never["date"] == never["since"]);
    settle(never, &["date", "since"], &json!("2026-01-01T00:00:00.000Z"));
    snapshot("state", &states);
    let mut one = bed.get("/api/v1/state/delta").await.json();
    settle(&mut one, &["etag"], &json!("\"12\""));
    snapshot("state_one", &one);
    let mut overview = bed.get("/api/v1/overview").await.json();
    settle(&mut overview, &["runs_per_second"], &json!(12.5));
    snapshot("overview", &overview);
}

#[tokio::test]
async fn definitions() {
    let bed = bed().await;
    bed.put(
        "/api/v1/alerter/ops",
        json!({"type": "slack", "options": {"token": "t", "channel": "ops"}}),
    )
    .await
    .is(201);
    snapshot("monitor", &bed.get("/api/v1/monitor").await.json());
    snapshot("monitor_one", &bed.get("/api/v1/monitor/alpha").await.json());
    snapshot("alerter", &bed.get("/api/v1/alerter").await.json());
    until("known", || bed.notifier.alerters().len() == 1).await;
    snapshot("alerters", &bed.get("/api/v1/alerters").await.json());
    let refused = bed
        .put(
            "/api/v1/monitor/bad",
            json!({"type": "tcp", "prot": 1, "interval": "0"}),
        )
        .await
        .is(422);
    snapshot("error", &refused.json());
}

#[tokio::test]
async fn what_happened() {
    let bed = bed().await;
    incidents(&bed).await;
    snapshot("incident", &bed.get("/api/v1/incident?state=all").await.json());
    let name = ninevolt::model::MonitorName::parse("gamma").unwrap();
    bed.events.record(
        EventKind::Status,
        LONG_AGO,
        Some(&name),
        "gamma went from ok to critical",
    );
    let mut events = bed.get("/api/v1/events?type=status").await.json();
    settle(&mut events, &["id"], &json!("001794000000000-m1-000000"));
    snapshot("events", &events);
    let event = bed.get("/api/v1/event?type=status").await.json();
    let only = event.as_object().unwrap().values().next().unwrap().clone();
    snapshot("event", &json!({"status-001794000000000-m1-000000": only}));

    bed.put("/api/v1/alerter/ops", json!({"type": "log"})).await.is(201);
    tell(&bed, Status::Critical).await;
    until("told", || bed.notifier.counts().told_open == 1).await;
    let mut sent = bed.get("/api/v1/notification").await.json();
    settle(&mut sent, &["at"], &json!(LONG_AGO.to_string()));
    snapshot("notification", &sent);
}

#[tokio::test]
async fn the_rest() {
    let bed = bed().await;
    let silence = SilenceRecord {
        v: FORMAT,
        matchers: vec![MatcherSpec {
            field: "name".into(),
            op: "glob".into(),
            value: "web-*".into(),
        }],
        from: LONG_AGO,
        until: LONG_AGO.plus(Duration::from_secs(3600)),
        author: "ann".into(),
        comment: "works".into(),
        at: LONG_AGO,
    };
    bed.write(keys::silence("s1"), &silence).await;
    let mut silences = bed.get("/api/v1/silence").await.json();
    settle(&mut silences, &["active"], &json!(false));
    snapshot("silence", &silences);
    let mut cluster = bed.get("/api/v1/cluster").await.json();
    settle(
        &mut cluster,
        &["LastUpdated", "LastUpdate"],
        &json!(LONG_AGO.to_string()),
    );
    snapshot("cluster", &cluster);
    snapshot("session", &bed.get("/api/v1/session").await.json());
}

#[tokio::test]
async fn the_cluster() {
    let bed = two().await;
    bed.put("/api/v1/member/m2/drain", json!({"by": "ann"})).await.is(200);
    let mut members = bed.get("/api/v1/member").await.json();
    settle(&mut members, &["at"], &json!(LONG_AGO.to_string()));
    settle(&mut members, &["lease"], &json!("1"));
    snapshot("member", &members);
    snapshot("plan", &bed.get("/api/v1/plan").await.json());
    snapshot("store", &bed.get("/api/v1/store").await.json());
}

#[test]
fn the_description_in_the_repository_is_that_of_the_code() {
    let document = ninevolt::api::document();
    same(&root().join("openapi.json"), document);
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/api/v1/state",
        "/api/v1/monitor/{check}/run",
        "/api/v1/stream",
        "/metrics",
        "/status/check",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let ids = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|op| op["operationId"].as_str());
    let mut seen = std::collections::HashSet::new();
    assert!(ids.into_iter().all(|id| seen.insert(id)), "operation ids are unique");
    // Every reference leads somewhere.
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}
