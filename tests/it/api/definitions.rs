//! Reading and writing one definition.

use axum::http::Method;
use ninevolt::api::Options;
use ninevolt::store::{Answer as StoreAnswer, StoreError, in_memory, keys, open_standin};
use serde_json::json;

use super::bed::{Bed, Place, me};

fn tcp(port: u16) -> serde_json::Value {
    json!({"type": "tcp", "host": "h", "port": port, "interval": "10s"})
}

#[tokio::test]
async fn a_definition_is_stored_read_and_removed_under_its_revision() {
    let bed = Bed::new().await;
    let made = bed.put("/api/v1/monitor/web", tcp(1)).await.is(201);
    let shown = bed.get("/api/v1/monitor/web").await.is(200);
    assert_eq!(made.header("etag"), shown.header("etag"));
    assert_eq!(shown.json(), tcp(1));
    let etag = shown.header("etag").to_owned();
    let unchanged = bed
        .ask(Method::GET, "/api/v1/monitor/web", &[("if-none-match", &etag)], "")
        .await
        .is(304);
    assert_eq!(unchanged.header("etag"), etag);

    let changed = bed
        .ask(
            Method::PUT,
            "/api/v1/monitor/web",
            &[("if-match", &etag)],
            tcp(2).to_string(),
        )
        .await
        .is(200);
    assert_ne!(changed.header("etag"), etag);
    bed.ask(
        Method::PUT,
        "/api/v1/monitor/web",
        &[("if-match", &etag)],
        tcp(3).to_string(),
    )
    .await
    .is(412);
    bed.ask(
        Method::PUT,
        "/api/v1/monitor/web",
        &[("if-none-match", "*")],
        tcp(3).to_string(),
    )
    .await
    .is(412);
    bed.ask(Method::DELETE, "/api/v1/monitor/web", &[("if-match", &etag)], "")
        .await
        .is(412);
    assert_eq!(bed.get("/api/v1/monitor/web").await.json()["port"], 2);
    let same = bed.put("/api/v1/monitor/web", tcp(2)).await.is(200);
    assert_eq!(
        same.header("etag"),
        changed.header("etag"),
        "what is equal is not written again"
    );
    bed.ask(
        Method::DELETE,
        "/api/v1/monitor/web",
        &[("if-match", changed.header("etag"))],
        "",
    )
    .await
    .is(200);
    bed.get("/api/v1/state/web").await.is(404);
}

#[tokio::test]
async fn what_was_written_is_in_the_very_next_list() {
    let bed = Bed::new().await;
    for i in 0..20 {
        bed.put(&format!("/api/v1/monitor/m{i}"), tcp(1)).await.is(201);
        assert_eq!(
            bed.get("/api/v1/state?limit=1").await.header("x-total-count"),
            (i + 1).to_string()
        );
    }
    let many: serde_json::Map<_, _> = (0..300).map(|i| (format!("n{i}"), tcp(1))).collect();
    let answer = bed.post("/api/v1/monitor", serde_json::Value::from(many)).await.is(200);
    assert_eq!(answer.json()["message"], "Pushed 300 configs; skipped 0 configs");
    assert_eq!(bed.get("/api/v1/state?limit=1").await.header("x-total-count"), "320");
}

#[tokio::test]
async fn a_put_with_errors_is_a_422_with_all_of_them() {
    let bed = Bed::new().await;
    let answer = bed
        .put(
            "/api/v1/monitor/web",
            json!({"type": "tcp", "port": 0, "interval": "-1s"}),
        )
        .await
        .is(422);
    let fields: Vec<_> = answer.json()["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["field"].clone())
        .collect();
    assert!(
        fields.contains(&json!("host")) && fields.contains(&json!("interval")),
        "{}",
        answer.text
    );
    bed.put("/api/v1/monitor/web", json!([1])).await.is(422);
    bed.put("/api/v1/monitor/a%2Fb", tcp(1)).await.is(422);
    bed.put(&format!("/api/v1/monitor/{}", "x".repeat(300)), tcp(1))
        .await
        .is(422);
    bed.put("/api/v1/monitor/web", "{").await.is(400);
}

#[tokio::test]
async fn what_may_not_be_meant_is_stored_with_a_warning() {
    let bed = Bed::new().await;
    let spec =
        json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "critical-alerter": ["ops"], "prot": 1});
    let answer = bed.put("/api/v1/monitor/web", spec).await.is(201);
    let warnings = answer.json()["warnings"].to_string();
    assert!(
        warnings.contains("names the alerter `ops`, which does not exist") && warnings.contains("prot"),
        "{warnings}"
    );
}

#[tokio::test]
async fn names_that_need_encoding_work_everywhere() {
    let bed = Bed::new().await;
    for name in ["a b", "é 🚀", "100%", "a?b#c", "a+b", "\"q\""] {
        let path = keys::segment(name);
        bed.put(&format!("/api/v1/monitor/{path}"), tcp(1)).await.is(201);
        bed.get(&format!("/api/v1/monitor/{path}")).await.is(200);
        assert_eq!(
            bed.get(&format!("/api/v1/state/{path}")).await.is(200).json()["check"],
            name
        );
        let all = bed.get("/api/v1/monitor").await.json();
        assert!(all.get(format!("/9volt/monitor/{name}")).is_some(), "{all}");
    }
    for answer in [
        bed.get("/api/v1/monitor/%ff").await,
        bed.put("/api/v1/monitor/%ff", tcp(1)).await,
    ] {
        assert_eq!(answer.is(400).json()["status"], "error");
    }
}

#[tokio::test]
async fn secrets_are_shown_nowhere_and_a_mask_keeps_them() {
    let bed = Bed::new().await;
    let slack = json!({"type": "slack", "options": {"token": "xoxb-hunter2", "channel": "ops"}});
    bed.put("/api/v1/alerter/ops", &slack).await.is(201);
    for path in ["/api/v1/alerter/ops", "/api/v1/alerter", "/api/v1/alerters"] {
        let answer = bed.get(path).await.is(200);
        assert!(
            !answer.text.contains("hunter2") && answer.text.contains("********"),
            "{path}: {}",
            answer.text
        );
    }
    let mut masked = bed.get("/api/v1/alerter/ops").await.json();
    masked["options"]["channel"] = "dev".into();
    bed.put("/api/v1/alerter/ops", &masked).await.is(200);
    let stored = bed.store.list(&keys::alerters()).await.unwrap().1;
    let record = String::from_utf8(stored[0].value.to_vec()).unwrap();
    assert!(record.contains("xoxb-hunter2") && record.contains("dev"), "{record}");
    bed.put("/api/v1/alerter/other", &masked).await.is(422);
    // Neither does an error quote what was sent.
    let wrong = json!({"type": "slack", "options": {"token": {"hunter2": "hunter2"}, "channel": 5}});
    assert!(
        !bed.put("/api/v1/alerter/ops", wrong)
            .await
            .is(422)
            .text
            .contains("hunter2")
    );

    let http = json!({"type": "http", "host": "h", "interval": "10s", "headers": {"Authorization": "Bearer hunter2"}});
    bed.put("/api/v1/monitor/web", http).await.is(201);
    for path in [
        "/api/v1/monitor/web",
        "/api/v1/monitor",
        "/api/v1/state",
        "/api/v1/state/web",
        "/metrics",
    ] {
        assert!(!bed.get(path).await.is(200).text.contains("hunter2"), "{path}");
    }
}

#[tokio::test]
async fn a_removed_alerter_leaves_what_its_resolves_need() {
    let bed = Bed::new().await;
    bed.put("/api/v1/alerter/ops", json!({"type": "log"})).await.is(201);
    bed.delete("/api/v1/alerter/ops").await.is(200);
    bed.put("/api/v1/alerter/ops", json!({"type": "log"})).await.is(201);
    bed.delete("/api/v1/alerter/ops").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_is_a_503_that_says_why() {
    let bed = Bed::new().await;
    bed.put("/api/v1/monitor/web", tcp(1)).await.is(201);
    bed.faults
        .answers([StoreAnswer::Failed(StoreError::Full("disk".into()))]);
    let answer = bed.put("/api/v1/monitor/web", tcp(2)).await.is(503);
    assert_eq!(answer.json()["message"], "the store is full: disk");
    assert_eq!(answer.header("retry-after"), "5");
    // Reads go on, and so do later writes.
    assert_eq!(bed.get("/api/v1/monitor/web").await.json()["port"], 1);
    // An answer that is lost is looked for: it was made.
    bed.faults.answers([StoreAnswer::LostAfterwards]);
    bed.put("/api/v1/monitor/web", tcp(3)).await.is(200);
    assert_eq!(bed.get("/api/v1/monitor/web").await.json()["port"], 3);
}

#[tokio::test]
async fn an_unreadable_record_is_in_the_lists_and_can_be_replaced() {
    let bed = Bed::new().await;
    let key = keys::monitor(&ninevolt::model::MonitorName::parse("broken").unwrap());
    bed.write(key, &json!("no record")).await;
    super::bed::until("in the catalog", || bed.catalog.monitor("broken").is_some()).await;
    let state = bed.get("/api/v1/state").await.is(200).json();
    assert_eq!(
        (&state[0]["check"], &state[0]["invalid"]),
        (&json!("broken"), &json!(true))
    );
    bed.get("/api/v1/monitor/broken").await.is(500);
    assert!(bed.get("/api/v1/state/broken").await.is(200).json()["problems"][0]["message"].is_string());
    bed.post("/api/v1/monitor/broken/run", "").await.is(422);
    bed.put("/api/v1/monitor/broken", tcp(1)).await.is(200);
    assert_eq!(bed.get("/api/v1/state/broken").await.json()["invalid"], false);
}

#[tokio::test]
async fn a_sync_plans_and_applies() {
    let bed = Bed::new().await;
    let request = json!({"monitor": {"web": tcp(1)}, "alerter": {"ops": {"type": "log"}}, "origin": "dir",
        "options": {"dryrun": true}});
    let plan = bed.post("/api/v1/sync", &request).await.is(200).json();
    assert_eq!(
        (&plan["monitor"]["added"], &plan["applied"]),
        (&json!(["web"]), &json!(false))
    );
    bed.get("/api/v1/monitor/web").await.is(404);
    let mut request = request;
    request["options"] = json!({});
    let report = bed.post("/api/v1/sync", &request).await.is(200).json();
    assert_eq!(report["pushed"], json!({"monitor": 1, "alerter": 1}));
    bed.get("/api/v1/monitor/web").await.is(200);
    bed.post("/api/v1/sync", json!({"dryrun": true})).await.is(400);
    bed.post("/api/v1/sync", "[").await.is(400);
}

#[tokio::test]
async fn a_member_that_is_cut_off_shows_its_definitions_and_takes_none() {
    let dir = tempfile::tempdir().unwrap();
    let (shared, faults) = in_memory();
    let (store, standin) = open_standin(&shared, dir.path()).await.unwrap();
    let place = Place {
        id: me(),
        owner: None,
        others: None,
    };
    let bed = Bed::member((store, faults), Options::default(), place).await;
    bed.put("/api/v1/monitor/web", tcp(1)).await.is(201);
    bed.faults.stop();
    // Nothing was copied yet: what this member itself wrote is there all the same.
    standin.stand_in().await.unwrap();
    assert_eq!(bed.get("/api/v1/monitor/web").await.is(200).json(), tcp(1));
    for refused in [
        bed.put("/api/v1/monitor/web", tcp(2)).await,
        bed.put("/api/v1/monitor/new", tcp(2)).await,
        bed.delete("/api/v1/monitor/web").await,
    ] {
        let refused = refused.is(503);
        assert!(
            refused.text.contains("this member is cut off from the store"),
            "{}",
            refused.text
        );
        assert_eq!(refused.header("retry-after"), "5");
    }
    bed.faults.start();
    standin.turn_back().await.unwrap().done().await;
    bed.put("/api/v1/monitor/web", tcp(2)).await.is(200);
}
