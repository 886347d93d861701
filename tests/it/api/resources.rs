//! Incidents, messages, silences, events, kinds, metrics.

use std::time::Duration;

use axum::http::Method;
use ninevolt::events::EventKind;
use ninevolt::model::{AlerterName, Closed, EpisodeId, MonitorName, Reason, Status, TrailEntry, Verdict};
use ninevolt::store::keys;
use ninevolt::store::records::{Checkpoint, FORMAT, OutboxEntry, Past};
use serde_json::{Value, json};

use super::bed::{Bed, LONG_AGO, until};
use super::state::{five, run};

fn monitor(name: &str) -> MonitorName {
    MonitorName::parse(name).unwrap()
}

fn ops() -> AlerterName {
    AlerterName::parse("ops").unwrap()
}

fn trail() -> Vec<TrailEntry> {
    vec![TrailEntry {
        at: LONG_AGO,
        status: Status::Critical,
        message: "connection refused".into(),
    }]
}

/// One open incident and three past ones.
pub(super) async fn incidents(bed: &Bed) {
    let open = Checkpoint {
        v: FORMAT,
        group: "untagged".into(),
        kind: "tcp".into(),
        status: Status::Critical,
        since: LONG_AGO.plus(Duration::from_secs(2)),
        failures: 7,
        hard: 7,
        episode: EpisodeId(LONG_AGO.0 + 2_000),
        seq: 1,
        trail: trail(),
        alerters: vec![ops()],
        measured: 1,
        message: "connection refused".into(),
    };
    bed.write(keys::checkpoint(&monitor("gamma")), &open).await;
    for (i, name) in ["alpha", "a-b", "alpha"].into_iter().enumerate() {
        let at = |s: u64| LONG_AGO.plus(Duration::from_secs(10 * i as u64 + s));
        let past = Past {
            v: FORMAT,
            monitor: monitor(name),
            kind: "tcp".into(),
            episode: EpisodeId(at(0).0),
            worst: Status::Warning,
            since: at(0),
            until: at(5),
            closed: Closed::Recovered,
            count: 2,
            message: "timeout".into(),
            trail: trail(),
            alerters: vec![],
        };
        bed.write(keys::past(&past.monitor, past.episode), &past).await;
    }
}

async fn list(bed: &Bed, path: &str, field: &str) -> String {
    let page = bed.get(path).await.is(200).json();
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i[field].as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn incidents_are_listed_open_first_then_newest_first() {
    let bed = five().await;
    incidents(&bed).await;
    for (query, expected) in [
        ("", "gamma"),
        ("state=past", "alpha a-b alpha"),
        ("state=all", "gamma alpha a-b alpha"),
        ("state=all&monitor=alpha", "alpha alpha"),
        ("state=all&monitor=a-b", "a-b"),
        ("state=all&monitor=a", ""),
        ("state=open&monitor=gamma", "gamma"),
        ("state=open&monitor=a%2Fb", ""),
        ("state=all&limit=2", "gamma alpha"),
    ] {
        assert_eq!(
            list(&bed, &format!("/api/v1/incident?{query}"), "monitor").await,
            expected,
            "{query}"
        );
    }
    let first = bed.get("/api/v1/incident?state=all&limit=2").await.json();
    let next = bed
        .get(&format!(
            "/api/v1/incident?state=all&limit=2&cursor={}",
            first["next"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(
        (next["items"][0]["monitor"].as_str(), &next["next"], &next["total"]),
        (Some("a-b"), &Value::Null, &json!(4))
    );
    bed.get("/api/v1/incident?state=bad").await.is(400);
}

/// What the judge of `gamma` puts into the outbox of `ops`.
pub(super) async fn tell(bed: &Bed, status: Status) {
    let entry = OutboxEntry {
        v: FORMAT,
        episode: EpisodeId(LONG_AGO.0),
        seq: 1,
        status,
        from: Status::Ok,
        closed: None,
        since: LONG_AGO,
        at: LONG_AGO,
        count: 1,
        message: "connection refused".into(),
        trail: trail(),
        kind: "tcp".into(),
        description: String::new(),
        tags: vec!["db".into()],
        runbook: String::new(),
        displaced: None,
    };
    bed.write(keys::outbox_entry(&ops(), &monitor("gamma")), &entry).await;
}

#[tokio::test]
async fn a_message_is_followed_from_the_outbox_to_the_far_end() {
    let bed = five().await;
    bed.put("/api/v1/alerter/ops", json!({"type": "log"})).await.is(201);
    tell(&bed, Status::Critical).await;
    until("told", || bed.notifier.counts().told_open == 1).await;
    let sent = bed
        .get("/api/v1/notification?state=sent&alerter=ops")
        .await
        .is(200)
        .json();
    let item = &sent["items"][0];
    assert_eq!(
        (&item["monitor"], &item["status"], &item["state"]),
        (&json!("gamma"), &json!("critical"), &json!("sent"))
    );
    assert_eq!(
        list(&bed, "/api/v1/notification?state=pending,given-up", "monitor").await,
        ""
    );
    assert_eq!(list(&bed, "/api/v1/notification?monitor=other", "monitor").await, "");
    bed.get("/api/v1/notification?state=lost").await.is(400);
    let alerters = bed.get("/api/v1/alerters").await.is(200).json();
    let ops = &alerters["items"][0];
    assert_eq!(
        (&ops["name"], &ops["told_open"], &ops["last_delivery"]["ok"]),
        (&json!("ops"), &json!(1), &json!(true))
    );
    let metrics = bed.get("/metrics").await.text;
    assert!(
        metrics.contains("ninevolt_notification_attempts_total{alerter=\"ops\",result=\"sent\"} 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_test_message_says_what_the_far_end_said() {
    let bed = Bed::new().await;
    bed.put("/api/v1/alerter/ops", json!({"type": "log"})).await.is(201);
    let refused = json!({"type": "slack", "options": {"url": "http://127.0.0.1:1/hook"}});
    bed.put("/api/v1/alerter/chat", refused).await.is(201);
    until("known", || bed.notifier.alerters().len() == 2).await;
    let result = bed.post("/api/v1/alerter/ops/test", "").await.is(200).json();
    assert_eq!(result["delivered"], true, "{result}");
    let result = bed.post("/api/v1/alerter/chat/test", "{}").await.is(200).json();
    assert_eq!(result["delivered"], false, "{result}");
    assert!(!result["response"].as_str().unwrap().is_empty());
    bed.post("/api/v1/alerter/nobody/test", "").await.is(404);
}

#[tokio::test]
async fn a_silence_is_made_seen_changed_and_removed() {
    let bed = five().await;
    let new = json!({"matchers": [{"field": "name", "op": "glob", "value": "*a"}, {"field": "tag", "op": "!=", "value": "eu"}],
        "duration": "1h", "author": "ann", "comment": "works"});
    let made = bed.post("/api/v1/silence", &new).await.is(201);
    let silence = made.json();
    let id = silence["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/api/v1/silence/{id}"));
    assert_eq!(
        (&silence["active"], &silence["matches"], &silence["author"]),
        (&json!(true), &json!(3), &json!("ann"))
    );
    until("in force", || bed.notifier.silences().iter().count() == 1).await;
    let silenced = bed.get("/api/v1/state?silenced=true").await.json();
    let names: Vec<_> = silenced
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["check"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["beta", "delta", "gamma"]);

    let path = format!("/api/v1/silence/{id}");
    let etag = bed.get(&path).await.is(200).header("etag").to_owned();
    let past = json!({"matchers": new["matchers"], "from": "2026-01-01T00:00:00Z", "until": "2026-01-01T01:00:00+01:00", "comment": "x"});
    assert_eq!(
        bed.put(&path, &past).await.is(422).json()["problems"][0]["field"],
        "until"
    );
    let past =
        json!({"matchers": new["matchers"], "from": "2026-01-01T00:00:00Z", "until": "2026-01-01T03:00:00+01:00"});
    bed.ask(Method::PUT, &path, &[("if-match", &etag)], past.to_string())
        .await
        .is(200);
    bed.ask(Method::PUT, &path, &[("if-match", &etag)], past.to_string())
        .await
        .is(412);
    assert_eq!(list(&bed, "/api/v1/silence?state=active", "id").await, "");
    assert_eq!(list(&bed, "/api/v1/silence?state=expired", "id").await, id);
    bed.delete(&path).await.is(200);
    bed.delete(&path).await.is(404);
    bed.put(&path, &past).await.is(404);
}

#[tokio::test]
async fn a_silence_that_cannot_be_used_is_refused_with_all_reasons() {
    let bed = Bed::new().await;
    for (body, fields) in [
        (json!({"matchers": []}), vec!["until", "matchers"]),
        (
            json!({"matchers": [{"field": "name", "op": "=~", "value": "("}], "duration": "1h", "until": "x"}),
            vec!["until", "duration", "matchers.0.value"],
        ),
        (
            json!({"matchers": [{"field": "nam", "op": "=", "value": "x"}], "duration": "soon"}),
            vec!["duration", "matchers.0.field"],
        ),
        (
            json!({"matchers": [{"field": "name", "op": "=~", "value": "(a{1000}){1000}"}], "duration": "1h"}),
            vec!["matchers.0.value"],
        ),
    ] {
        let answer = bed.post("/api/v1/silence", &body).await.is(422).json();
        let found: Vec<_> = answer["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["field"].as_str().unwrap())
            .collect();
        assert_eq!(found, fields, "{body}");
    }
    for body in [
        json!({"matchers": 5}),
        json!([]),
        json!({"matchers": [], "durration": "1h"}),
    ] {
        bed.post("/api/v1/silence", &body).await.is(400);
    }
}

#[tokio::test]
async fn events_are_filtered_and_paged_newest_first() {
    let bed = Bed::new().await;
    let start = bed.events.newest_first().len();
    for i in 0..5 {
        let kind = if i % 2 == 0 {
            EventKind::Warning
        } else {
            EventKind::Status
        };
        bed.events.record(
            kind,
            LONG_AGO.plus(Duration::from_secs(i)),
            Some(&monitor("web")),
            format!("number {i}"),
        );
    }
    assert_eq!(
        list(&bed, "/api/v1/events?monitor=web", "message").await,
        "number 4 number 3 number 2 number 1 number 0"
    );
    assert_eq!(
        list(&bed, "/api/v1/events?type=status", "message").await,
        "number 3 number 1"
    );
    assert_eq!(list(&bed, "/api/v1/events?q=NUMBER%202", "message").await, "number 2");
    let page = bed.get("/api/v1/events?monitor=web&limit=2").await.json();
    let next = page["next"].as_str().unwrap();
    assert_eq!(
        list(
            &bed,
            &format!("/api/v1/events?monitor=web&limit=2&cursor={next}"),
            "message"
        )
        .await,
        "number 2 number 1"
    );
    let map = bed.get("/api/v1/event").await.json();
    assert_eq!(map.as_object().unwrap().len(), start + 5);
    let warnings = bed.get("/api/v1/event?type=warning,error").await.json();
    assert_eq!(warnings.as_object().unwrap().len(), 3);
    assert_eq!(bed.get("/api/v1/event?type=").await.text, "{}");
}

#[tokio::test]
async fn kinds_carry_a_schema_of_the_whole_definition() {
    let bed = Bed::new().await;
    let kinds = bed.get("/api/v1/kinds").await.is(200).json();
    let of = |family: &str, kind: &str| {
        let kinds = kinds[family].as_array().unwrap();
        kinds.iter().find(|k| k["kind"] == kind).unwrap()["schema"].clone()
    };
    let tcp = of("monitors", "tcp");
    assert_eq!(tcp["properties"]["type"]["const"], "tcp");
    assert!(
        tcp["properties"]["host"].is_object() && tcp["properties"]["interval"].is_object(),
        "{tcp}"
    );
    let required: Vec<_> = tcp["required"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        required.contains(&"interval") && required.contains(&"type"),
        "{required:?}"
    );
    assert!(of("alerters", "slack")["properties"]["options"]["properties"]["channel"].is_object());
    assert_eq!(
        kinds["monitors"].as_array().unwrap().len(),
        ninevolt::monitors::KINDS.len()
    );
}

#[tokio::test]
async fn metrics_tell_of_this_member_and_of_every_monitor() {
    let bed = five().await;
    let mut verdict = Verdict::pass();
    verdict.fact("http_status_code", 200.0);
    verdict.fact("perfdata /var", 0.5);
    verdict.fact("perfdata_/var", 0.7);
    verdict.fact("success", 0.0);
    verdict
        .phases
        .add(ninevolt::model::Phase::FirstByte, Duration::from_millis(5));
    run(&bed, "delta", LONG_AGO, 5, verdict);
    run(
        &bed,
        "alpha",
        LONG_AGO,
        5,
        Verdict::unknown(Reason::Network, "no route"),
    );
    let answer = bed.get("/metrics").await.is(200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = answer.text;
    let target = bed.catalog.monitor("delta").unwrap().def().unwrap().check.target();
    let delta = format!("monitor=\"delta\",type=\"http\",instance=\"{target}\"");
    for line in [
        "ninevolt_build_info{version=\"0.1.0\",commit=\"abc1234\"} 1".to_owned(),
        "ninevolt_monitors{status=\"critical\"} 1".into(),
        "ninevolt_monitors{status=\"disabled\"} 1".into(),
        "ninevolt_runs_skipped_total{reason=\"in-flight\"} 0".into(),
        "ninevolt_run_lateness_seconds_count 0".into(),
        format!("probe_success{{{delta}}} 1"),
        format!("probe_duration_seconds{{{delta}}} 0.005"),
        format!("probe_http_duration_seconds{{{delta},phase=\"processing\"}} 0.005"),
        format!("probe_http_status_code{{{delta}}} 200"),
        format!("probe_perfdata__var{{{delta}}} 0.5"),
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("probe_success{monitor=\"alpha\""), "nobody knows");
    assert!(!text.contains("monitor=\"omega\""), "it does not run");
    assert!(text.contains("process_open_fds ") && text.contains("process_cpu_seconds_total "));
    // A sample twice, or a family in two places, and Prometheus refuses the scrape.
    let mut seen = std::collections::HashSet::new();
    for line in text.lines() {
        let series = line.rsplit_once(' ').unwrap().0;
        assert!(seen.insert(series.to_owned()), "twice: {line}");
    }
}
