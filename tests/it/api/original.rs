//! What scripts for the original depend on.

use axum::http::Method;
use ninevolt::api::Options;
use ninevolt::cutoff::State;
use serde_json::{Value, json};

use super::bed::Bed;

const API1: &str = r#"{"api1":{"type":"exec","command":"true","interval":"10s","timeout":2000000000,"return-code":0,"disable":false,"unknown":1,"tags":[]}}"#;

#[tokio::test]
async fn pushing_the_same_twice_pushes_once() {
    let bed = Bed::new().await;
    let first = bed.post("/api/v1/monitor", API1).await.is(200);
    assert_eq!(
        first.text,
        r#"{"message":"Pushed 1 configs; skipped 0 configs","status":"ok"}"#
    );
    let second = bed.post("/api/v1/monitor", API1).await.is(200);
    assert_eq!(
        second.text,
        r#"{"message":"Pushed 0 configs; skipped 1 configs","status":"ok"}"#
    );
    assert_eq!(
        bed.post("/api/v1/monitor", "{}").await.text,
        r#"{"message":"Pushed 0 configs; skipped 0 configs","status":"ok"}"#
    );
    // Whatever follows the first value is ignored.
    bed.post("/api/v1/monitor", "{} trailing").await.is(200);
    let all = bed.get("/api/v1/monitor").await.is(200).json();
    assert_eq!(all["/9volt/monitor/api1"]["timeout"], "2s");
}

#[tokio::test]
async fn what_cannot_be_a_set_of_definitions_is_a_400() {
    let bed = Bed::new().await;
    for (body, says) in [
        ("", "Unable to complete config parsing: EOF"),
        ("[]", "Unable to complete config parsing: expected an object"),
        ("{", "Unable to complete config parsing: "),
        (
            r#"{"a":{"type":"tcp","host":"h","port":1,"interval":"zzz"}}"#,
            "nothing was stored",
        ),
        (
            r#"{"a":{"type":"tcp","host":"h","interval":"10s","port":{}}}"#,
            "nothing was stored",
        ),
        (r#"{"a":{}}"#, "nothing was stored"),
        (r#"{"a":null}"#, "nothing was stored"),
        (
            r#"{"a/b":{"type":"tcp","host":"h","port":1,"interval":"10s"}}"#,
            "nothing was stored",
        ),
        (
            r#"{"..":{"type":"tcp","host":"h","port":1,"interval":"10s"}}"#,
            "nothing was stored",
        ),
    ] {
        let answer = bed.post("/api/v1/monitor", body).await.is(400);
        assert_eq!(answer.json()["status"], "error");
        assert!(
            answer.json()["message"].as_str().unwrap().contains(says),
            "{body}: {}",
            answer.text
        );
    }
    assert_eq!(bed.get("/api/v1/monitor").await.text, "{}");
}

#[tokio::test]
async fn one_bad_definition_keeps_all_others_out_and_all_problems_are_told() {
    let bed = Bed::new().await;
    let body = json!({"good": {"type": "tcp", "host": "h", "port": 1, "interval": "10s"},
        "bad": {"type": "tcp", "host": "h", "port": 0, "interval": "0"}, "worse": {"type": "tpc"}});
    let answer = bed.post("/api/v1/monitor", body).await.is(400);
    let entries: Vec<_> = answer.json()["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["entry"].clone())
        .collect();
    assert!(
        entries.contains(&json!("monitor bad")) && entries.contains(&json!("monitor worse")),
        "{entries:?}"
    );
    bed.get("/api/v1/monitor/good").await.is(404);
}

#[tokio::test]
async fn disable_takes_the_bools_of_go_and_nothing_else() {
    let bed = Bed::new().await;
    bed.post("/api/v1/monitor", API1).await.is(200);
    for (value, set) in [("true", true), ("0", false), ("1", true), ("false", false), ("T", true)] {
        let answer = bed.get(&format!("/api/v1/monitor/api1?disable={value}")).await.is(200);
        let text = format!(
            r#"{{"message":"Successfully updated disable check state to '{set}' for check 'api1'","status":"ok"}}"#
        );
        assert_eq!(answer.text, text);
        assert_eq!(bed.get("/api/v1/monitor/api1").await.json()["disable"], set);
        assert_eq!(
            bed.get("/api/v1/state/api1").await.json()["disabled"],
            set,
            "the catalog has seen it"
        );
    }
    for query in ["disable=maybe", "disable=", "disable"] {
        let answer = bed.get(&format!("/api/v1/monitor/api1?{query}")).await.is(400);
        assert!(
            answer.json()["message"]
                .as_str()
                .unwrap()
                .starts_with("Invalid bool value '")
        );
    }
    bed.get("/api/v1/monitor/nobody?disable=true").await.is(404);
    let events = bed.get("/api/v1/events?type=api").await.json();
    assert_eq!(events["items"][0]["message"], "Check 'api1' has been set to 'true'");
}

#[tokio::test]
async fn deleting_twice_finds_it_once() {
    let bed = Bed::new().await;
    bed.post("/api/v1/monitor", API1).await.is(200);
    let answer = bed.delete("/api/v1/monitor/api1").await.is(200);
    assert_eq!(
        answer.text,
        r#"{"message":"Successfully removed check 'api1'","status":"ok"}"#
    );
    let answer = bed.delete("/api/v1/monitor/api1").await.is(404);
    assert_eq!(
        answer.text,
        r#"{"message":"Unable to find any check named 'api1'","status":"error"}"#
    );
    bed.post("/api/v1/alerter", r#"{"ops":{"type":"log"}}"#).await.is(200);
    let answer = bed.delete("/api/v1/alerter/ops").await.is(200);
    assert_eq!(
        answer.text,
        r#"{"message":"Successfully removed alerter 'ops'","status":"ok"}"#
    );
    let answer = bed.get("/api/v1/alerter/ops").await.is(404);
    assert_eq!(
        answer.text,
        r#"{"message":"Unable to find any alerter named 'ops'","status":"error"}"#
    );
}

#[tokio::test]
async fn tokens_close_the_api_and_leave_the_open_routes_open() {
    let bed = Bed::with_tokens(&["tok1", "tok2"]).await;
    let none = bed.get("/api/v1/state").await.is(401);
    assert_eq!(
        none.text,
        r#"{"message":"No access token found; ensure you pass 'X-Access-Token' in header","status":"error"}"#
    );
    let wrong = bed
        .ask(Method::GET, "/api/v1/state", &[("x-access-token", "tok")], "")
        .await
        .is(401);
    assert_eq!(
        wrong.text,
        r#"{"message":"Unauthorized request: invalid access token","status":"error"}"#
    );
    for header in [
        ("x-access-token", "tok2"),
        ("authorization", "Bearer tok1"),
        ("cookie", "ninevolt_token=tok1"),
    ] {
        bed.ask(Method::GET, "/api/v1/state", &[header], "").await.is(200);
    }
    for path in [
        "/",
        "/version",
        "/status/check",
        "/status/live",
        "/ui",
        "/ui/monitors",
        "/openapi.json",
    ] {
        assert_eq!(bed.get(path).await.status, 200, "{path}");
    }
    for path in ["/metrics", "/api/v1/stream", "/api/v1/monitor/x"] {
        assert_eq!(bed.get(path).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn plain_answers_have_the_original_words() {
    let bed = Bed::new().await;
    assert_eq!(
        bed.get("/").await.is(200).text,
        "Refer to README.md for 9volt API usage"
    );
    assert_eq!(
        bed.get("/version").await.is(200).text,
        r#"{"message":"9volt 0.1.0 - abc1234","status":"version"}"#
    );
    assert_eq!(
        bed.get("/status/check").await.is(200).text,
        r#"{"message":"MemberID m1","status":"OK"}"#
    );
    assert_eq!(bed.get("/api/v1/state").await.is(200).text, "[]");
    assert_eq!(bed.get("/api/v1/event").await.is(200).text, "{}");
    let cluster = bed.get("/api/v1/cluster").await.is(200).json();
    let member = &cluster["Members"]["m1"];
    assert_eq!(
        (&member["MemberID"], &member["ListenAddress"]),
        (&json!("m1"), &json!("127.0.0.1:8080"))
    );
    assert_eq!(member["Tags"], json!(["eu"]));
    assert!(member["LastUpdated"].is_string() && cluster["Director"]["LastUpdate"].is_string());
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_a_404_in_plain_text() {
    let bed = Bed::new().await;
    let posts = [
        (Method::POST, "/version"),
        (Method::DELETE, "/api/v1/state"),
        (Method::PATCH, "/api/v1/monitor/x"),
    ];
    let gets = [
        (Method::GET, "/nowhere"),
        (Method::GET, "/api/v1/monitor/a/b"),
        (Method::GET, "/dist/bundle.js"),
    ];
    for (method, path) in posts.into_iter().chain(gets) {
        let answer = bed.ask(method, path, &[], "").await.is(404);
        assert_eq!(
            (answer.text.as_str(), answer.header("content-type")),
            ("404 page not found\n", "text/plain; charset=utf-8")
        );
    }
}

#[tokio::test]
async fn unusual_spellings_of_a_path_are_sent_to_the_right_one() {
    let bed = Bed::new().await;
    for (path, location) in [
        ("/api/v1/state/", "/api/v1/state"),
        ("/api/v1/state/?tags=a", "/api/v1/state?tags=a"),
        ("/api//v1/state", "/api/v1/state"),
        ("/api/x/../v1/state", "/api/v1/state"),
        ("//evil.example/", "/evil.example"),
    ] {
        let answer = bed.get(path).await.is(301);
        assert_eq!(answer.header("location"), location, "{path}");
    }
}

#[tokio::test]
async fn health_is_a_500_while_the_store_takes_nothing_and_remembers_why() {
    let bed = Bed::new().await;
    bed.get("/status/ready").await.is(503);
    bed.health.set_ready(true);
    bed.get("/status/ready").await.is(200);
    bed.health.standing().set(State::StoreFull, "no space left");
    let answer = bed.get("/status/check").await.is(500);
    assert_eq!(
        answer.text,
        r#"{"message":"MemberID m1","status":"store: store-full: no space left"}"#
    );
    bed.get("/status/live").await.is(200);
    bed.get("/status/ready").await.is(200);
    bed.health.standing().set(State::Joined, "");
    let answer = bed.get("/status/check").await.is(200);
    assert_eq!(
        answer.json()["status"],
        "Recovered from previous error: 'store: store-full: no space left'"
    );
}

#[tokio::test]
async fn a_member_without_its_store_lives_and_says_how_it_is() {
    let bed = Bed::new().await;
    bed.health.set_ready(true);
    assert_eq!(bed.get("/status/live").await.json()["status"], "OK");
    let joined = bed.get("/api/v1/store").await.json();
    assert_eq!((&joined["means"], &joined["since"]), (&Value::Null, &Value::Null));
    for state in State::ALL.into_iter().filter(|state| *state != State::Joined) {
        bed.health.standing().set(state, "because");
        let said = format!("{}: {}", state.as_str(), state.means());
        let live = bed.get("/status/live").await.is(200).json();
        assert_eq!(live["status"], said);
        // It is about to change what it says.
        let ready = if state == State::Returning { 503 } else { 200 };
        assert_eq!(bed.get("/status/ready").await.is(ready).json()["status"], said);
        let check = bed.get("/status/check").await.is(500).json();
        assert_eq!(check["status"], format!("store: {}: because", state.as_str()));
        for path in ["/api/v1/store", "/api/v1/overview"] {
            let answer = bed.get(path).await.json();
            let store = answer.get("store").unwrap_or(&answer);
            assert_eq!(
                (&store["state"], &store["means"]),
                (&json!(state.as_str()), &json!(state.means()))
            );
            assert!(store["since"].is_string() && store["detail"] == "because", "{store}");
        }
    }
}

#[tokio::test]
async fn commands_are_taken_from_files_only_unless_asked_for() {
    let bed = Bed::with(Options {
        prefix: "9volt".into(),
        ..Options::default()
    })
    .await;
    bed.post("/api/v1/monitor", API1).await.is(403);
    let spec = json!({"type": "exec", "command": "true", "interval": "10s"});
    bed.put("/api/v1/monitor/x", &spec).await.is(403);
    bed.put(
        "/api/v1/monitor/x",
        json!({"Type": "exec", "command": "true", "interval": "10s"}),
    )
    .await
    .is(403);
    bed.post("/api/v1/sync", json!({"monitor": {"x": spec}, "origin": "d"}))
        .await
        .is(403);
    bed.put(
        "/api/v1/monitor/x",
        json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s"}),
    )
    .await
    .is(201);
    bed.put("/api/v1/monitor/x", &spec).await.is(403);

    // One that came from a file: its thresholds may be edited, it may be switched off, its command stays.
    let record = json!({"v": 1, "origin": "cfg:a.yaml", "by": "cfg", "at": 0, "spec": spec});
    let key = ninevolt::store::keys::monitor(&ninevolt::model::MonitorName::parse("f").unwrap());
    bed.write(key, &record).await;
    bed.put(
        "/api/v1/monitor/f",
        json!({"type": "exec", "command": "true", "interval": "20s", "critical-threshold": 3}),
    )
    .await
    .is(200);
    bed.put(
        "/api/v1/monitor/f",
        json!({"type": "exec", "command": "true", "args": ["x"], "interval": "20s"}),
    )
    .await
    .is(403);
    bed.get("/api/v1/monitor/f?disable=true").await.is(200);
}
