//! Lists of states: filters, orders, pages, and what one monitor's state holds.

use std::time::Duration;

use axum::http::Method;
use ninevolt::model::{MonitorName, Reason, Verdict, WallMs};
use ninevolt::state::{Judged, Policy};
use ninevolt::store::keys;
use serde_json::{Value, json};

use super::bed::{Bed, LONG_AGO, until};

/// As a lane would: one run of a monitor that ended then.
pub(super) fn run(bed: &Bed, name: &str, at: WallMs, took_ms: u64, verdict: Verdict) {
    let entry = bed.catalog.monitor(name).unwrap();
    let settings = &entry.def().unwrap().settings;
    let policy = Policy {
        warning: settings.warning_threshold,
        critical: settings.critical_threshold,
    };
    let mut live = entry.live().lock();
    live.known_at = Some(at);
    let judged = Judged {
        due: at,
        at,
        outcome: verdict.outcome,
        message: &verdict.message,
    };
    let transition = live.health.step(judged, policy);
    if let Some(transition) = transition {
        live.results.changed(&transition, &verdict.message);
    }
    live.results.add(at, Duration::from_millis(took_ms), verdict);
    live.ledger.ran(Duration::ZERO, Duration::from_secs(10));
}

fn fail() -> Verdict {
    Verdict::fail(Reason::Refused, "connection refused")
}

/// Five monitors: two ok (fast, slow), one warning, one critical, one that nobody has judged.
pub(super) async fn five() -> Bed {
    let bed = Bed::new().await;
    let monitor = |tags: &[&str], more: Value| {
        let mut spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "tags": tags});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let all = json!({
        "alpha": monitor(&["db", "eu"], json!({"description": "The Database"})),
        "beta": monitor(&["web"], json!({"warning-threshold": 1, "critical-threshold": 5})),
        "delta": {"type": "http", "host": "h", "interval": "1m"},
        "gamma": monitor(&[], json!({"critical-threshold": 1})),
        "omega": monitor(&["eu"], json!({"disable": true})),
    });
    bed.post("/api/v1/monitor", all).await.is(200);
    run(&bed, "alpha", LONG_AGO, 7, Verdict::pass());
    run(&bed, "beta", LONG_AGO.plus(Duration::from_secs(1)), 1, fail());
    run(&bed, "gamma", LONG_AGO.plus(Duration::from_secs(2)), 2, fail());
    run(&bed, "delta", LONG_AGO.plus(Duration::from_secs(3)), 3, Verdict::pass());
    bed
}

async fn names(bed: &Bed, query: &str) -> String {
    let list = bed.get(&format!("/api/v1/state?{query}")).await.is(200).json();
    list.as_array()
        .unwrap()
        .iter()
        .map(|s| s["check"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_list_is_filtered_and_ordered_as_asked() {
    let bed = five().await;
    for (query, expected) in [
        ("", "alpha beta delta gamma omega"),
        ("tags=db", "alpha"),
        ("tags=web,eu", "alpha beta omega"),
        ("tags=", ""),
        ("tags=d", ""),
        ("tags=db&tags=web", "alpha"),
        ("status=critical,warning", "beta gamma"),
        ("type=http", "delta"),
        ("q=ALPH", "alpha"),
        ("q=database", "alpha"),
        ("disabled=true", "omega"),
        ("disabled=false&type=tcp", "alpha beta gamma"),
        ("unwatched=true", "alpha beta delta gamma"),
        ("orphaned=true", ""),
        ("invalid=true", ""),
        ("broken=true", ""),
        ("sort=-name", "omega gamma delta beta alpha"),
        ("sort=status", "gamma beta alpha delta omega"),
        ("sort=-status", "omega alpha delta beta gamma"),
        ("sort=-since", "omega delta gamma beta alpha"),
        ("sort=since", "alpha beta gamma delta omega"),
        ("sort=-took", "alpha delta gamma beta omega"),
        ("sort=took&limit=2&offset=1", "beta gamma"),
        ("limit=2", "alpha beta"),
    ] {
        assert_eq!(names(&bed, query).await, expected, "{query}");
    }
    for query in [
        "status=bad",
        "sort=bad",
        "limit=0",
        "limit=x",
        "cursor=%",
        "silenced=maybe",
        "config=no",
    ] {
        bed.get(&format!("/api/v1/state?{query}")).await.is(400);
    }
}

#[tokio::test]
async fn pages_in_any_order_make_the_whole_list() {
    let bed = five().await;
    for sort in ["name", "-name", "status", "-status", "since", "-since", "took", "-took"] {
        let whole = names(&bed, &format!("sort={sort}")).await;
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = bed
                .get(&format!(
                    "/api/v1/state?sort={sort}&limit=2&config=false&cursor={cursor}"
                ))
                .await
                .is(200);
            assert_eq!(answer.header("x-total-count"), "5");
            seen.extend(
                answer
                    .json()
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|s| s["check"].as_str().unwrap().to_owned()),
            );
            cursor = answer.header("x-next-cursor").to_owned();
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(seen.join(" "), whole, "{sort}");
    }
}

#[tokio::test]
async fn the_keys_of_the_original_come_first_and_in_its_order() {
    let bed = five().await;
    let text = bed.get("/api/v1/state?tags=db").await.text;
    let keys = ["check", "owner", "status", "count", "message", "date", "config"];
    let places: Vec<_> = keys
        .iter()
        .map(|key| text.find(&format!("\"{key}\":")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
    let state = &serde_json::from_str::<Value>(&text).unwrap()[0];
    assert_eq!(
        (&state["owner"], &state["message"], &state["count"]),
        (&json!("m1"), &json!("N/A"), &json!(0))
    );
    assert_eq!(state["config"]["interval"], "10s");
    assert!(state.get("spark").is_none(), "only pages have it");
    let without = bed.get("/api/v1/state?config=false&limit=1").await.json();
    assert!(without[0].get("config").is_none() && without[0]["spark"] == json!([7]));
}

#[tokio::test]
async fn a_monitor_tells_its_runs_changes_and_account() {
    let bed = five().await;
    let later = LONG_AGO.plus(Duration::from_secs(10));
    run(&bed, "beta", later, 4, Verdict::unknown(Reason::Network, "no route"));
    let state = bed.get("/api/v1/state/beta").await.is(200).json();
    assert_eq!(
        (&state["status"], &state["outcome"], &state["reason"]),
        (&json!("warning"), &json!("unknown"), &json!("network"))
    );
    assert_eq!(state["spark"], json!([null, null]));
    assert_eq!(state["verdicts"][0]["message"], "no route");
    assert_eq!(state["verdicts"][1]["message"], "connection refused");
    assert_eq!(state["transitions"][0]["to"], "warning");
    assert_eq!(state["ledger"]["ran"], 2);
    assert_eq!(state["episode"], "1794000001000-beta");
    bed.get("/api/v1/state/nobody").await.is(404);
}

#[tokio::test]
async fn a_monitor_that_no_member_may_run_is_an_orphan() {
    let bed = Bed::new().await;
    let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "member-tag": "mars"});
    bed.put("/api/v1/monitor/far", spec).await.is(201);
    let state = bed.get("/api/v1/state?orphaned=true").await.json();
    assert_eq!((&state[0]["check"], &state[0]["owner"]), (&json!("far"), &json!("")));
}

#[tokio::test]
async fn the_overview_counts_every_monitor_once() {
    let bed = five().await;
    let overview = bed.get("/api/v1/overview").await.is(200).json();
    let counts = &overview["monitors"];
    let sum: u64 = ["ok", "warning", "critical", "pending", "disabled", "invalid"]
        .iter()
        .map(|k| counts[k].as_u64().unwrap())
        .sum();
    assert_eq!((counts["total"].as_u64(), sum), (Some(5), 5), "{counts}");
    assert_eq!(
        (&counts["ok"], &counts["disabled"], &overview["incidents"]["open"]),
        (&json!(2), &json!(1), &json!(2))
    );
    assert_eq!(overview["store"]["state"], "joined");
}

#[tokio::test]
async fn run_now_answers_and_changes_nothing() {
    let bed = Bed::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    bed.put(
        "/api/v1/monitor/web",
        json!({"type": "tcp", "host": "127.0.0.1", "port": port, "interval": "10s"}),
    )
    .await
    .is(201);
    let pass = bed.post("/api/v1/monitor/web/run", "").await.is(200).json();
    assert_eq!(
        (&pass["outcome"], &pass["reason"]),
        (&json!("pass"), &Value::Null),
        "{pass}"
    );
    assert!(pass["took_ms"].as_f64().unwrap() > 0.0 && pass["phases"]["connect"].is_number());
    drop(listener);
    let fail = bed
        .ask(Method::POST, "/api/v1/monitor/web/run", &[], "{}")
        .await
        .is(200)
        .json();
    assert_eq!(
        (&fail["outcome"], &fail["reason"]),
        (&json!("fail"), &json!("refused")),
        "{fail}"
    );
    assert_eq!(bed.get("/api/v1/state/web").await.json()["status"], "pending");
    assert_eq!(
        bed.catalog
            .monitor("web")
            .unwrap()
            .live()
            .lock()
            .results
            .samples()
            .len(),
        0
    );
    bed.post("/api/v1/monitor/nobody/run", "").await.is(404);
}

#[tokio::test]
async fn a_long_list_is_whole_json() {
    let bed = Bed::new().await;
    let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s"});
    let many: serde_json::Map<_, _> = (0..1_300).map(|i| (format!("m{i:04}"), spec.clone())).collect();
    bed.post("/api/v1/monitor", Value::from(many)).await.is(200);
    let list = bed.get("/api/v1/state").await.is(200).json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 1_300);
    assert!(list.iter().all(|state| state["config"]["port"] == 1));
    assert_eq!(
        bed.get("/api/v1/monitor")
            .await
            .is(200)
            .json()
            .as_object()
            .unwrap()
            .len(),
        1_300
    );
    assert_eq!(
        bed.get("/api/v1/state?limit=5000")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1_000
    );
}

#[tokio::test]
async fn of_a_record_that_cannot_be_read_no_time_is_told() {
    let bed = five().await;
    let damaged = MonitorName::parse("damaged").unwrap();
    bed.write(keys::monitor(&damaged), &"damaged").await;
    until("known", || bed.catalog.monitor("damaged").is_some()).await;
    let list = bed.get("/api/v1/state?invalid=true").await.is(200).json();
    let known = (&list[0]["check"], &list[0]["status"], &list[0]["invalid"]);
    assert_eq!(known, (&json!("damaged"), &json!("pending"), &json!(true)));
    assert_eq!((&list[0]["date"], &list[0]["since"]), (&Value::Null, &Value::Null));
    // What never ran and can be read is known since it was defined.
    let omega = bed.get("/api/v1/state/omega").await.is(200).json();
    assert!(omega["date"].is_string() && omega["date"] == omega["since"], "{omega}");
}
