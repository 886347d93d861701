//! Answers for the whole cluster.

use axum::http::Method;
use ninevolt::feed::Signal;
use ninevolt::model::{EpisodeId, MonitorName, Outcome, Reason, Status, Verdict, WallMs};
use ninevolt::store::keys;
use ninevolt::store::records::{Checkpoint, FORMAT};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::bed::{self, Bed, LONG_AGO, until};
use super::cluster_bed::{Cluster, id, judge, name};
use super::resources::tell;
use super::state::run;
use super::stream::Reader;

fn names(list: &Value) -> Vec<String> {
    let names = list
        .as_array()
        .unwrap()
        .iter()
        .map(|state| state["check"].as_str().unwrap().to_owned());
    names.collect()
}

fn statuses(list: &Value) -> [usize; 4] {
    let count = |status: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .filter(|state| state["status"] == status)
            .count()
    };
    ["ok", "critical", "pending", "warning"].map(count)
}

#[tokio::test]
async fn every_member_lists_all_monitors_as_their_judges_know_them() {
    let cluster = Cluster::sixty().await;
    for member in ["m1", "m2", "m3"] {
        let answer = cluster.bed(member).get("/api/v1/state").await.is(200);
        let list = answer.json();
        assert_eq!(names(&list), (0..60).map(name).collect::<Vec<_>>());
        assert_eq!(statuses(&list), [42, 14, 4, 0]);
        assert_eq!(answer.header("x-total-count"), "60");
        assert_eq!(answer.header("x-9volt-unreachable"), "");
        for state in list.as_array().unwrap() {
            let name = state["check"].as_str().unwrap();
            assert_eq!(state["owner"], judge(name));
            assert_eq!(state["config"]["host"], "h");
            assert_eq!(
                (&state["unreachable"], &state["orphaned"]),
                (&json!(false), &json!(false))
            );
        }
    }
    // All three were needed for that.
    let judges: std::collections::BTreeSet<_> = (0..60).map(|i| judge(&name(i))).collect();
    assert_eq!(judges.len(), 3);
}

#[tokio::test]
async fn pages_and_offsets_are_those_of_the_whole_list_in_every_order() {
    let cluster = Cluster::sixty().await;
    let bed = cluster.bed("m2");
    for order in ["name", "-name", "status", "-status", "since", "-since", "took", "-took"] {
        let whole = bed
            .get(&format!("/api/v1/state?sort={order}&limit=1000&config=false"))
            .await
            .json();
        let whole = names(&whole);
        assert_eq!(whole.len(), 60);
        let unlimited = bed.get(&format!("/api/v1/state?sort={order}")).await.json();
        assert_eq!(names(&unlimited), whole, "{order}");
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = bed
                .get(&format!("/api/v1/state?sort={order}&limit=7&cursor={cursor}"))
                .await
                .is(200);
            assert_eq!(page.header("x-total-count"), "60");
            walked.extend(names(&page.json()));
            page.header("x-next-cursor").clone_into(&mut cursor);
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(walked, whole, "{order}");
        for offset in [1, 25, 59, 60, 1_000] {
            let page = bed
                .get(&format!("/api/v1/state?sort={order}&limit=10&offset={offset}"))
                .await
                .is(200);
            assert_eq!(page.header("x-total-count"), "60", "{offset}");
            let expected: Vec<_> = whole.iter().skip(offset).take(10).cloned().collect();
            assert_eq!(names(&page.json()), expected, "{order} {offset}");
        }
    }
    // Sorted by what only the judges know.
    let took = bed.get("/api/v1/state?sort=-took&limit=1000").await.json();
    let took: Vec<f64> = took
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|state| state["took_ms"].as_f64())
        .collect();
    assert_eq!(took.len(), 56);
    assert!(took.is_sorted_by(|a, b| a >= b), "{took:?}");
}

#[tokio::test]
async fn filters_are_applied_by_whoever_judges() {
    let cluster = Cluster::sixty().await;
    for (query, expected) in [
        ("status=critical", 14),
        ("status=critical&tags=even", 14),
        ("status=ok&tags=even", 14),
        ("q=WEB-1", 10),
        ("type=http", 0),
        ("orphaned=true", 0),
    ] {
        let answer = cluster
            .bed("m3")
            .get(&format!("/api/v1/state?limit=5&{query}"))
            .await
            .is(200);
        assert_eq!(answer.header("x-total-count"), expected.to_string(), "{query}");
        assert_eq!(answer.json().as_array().unwrap().len(), expected.min(5), "{query}");
    }
    cluster.bed("m3").get("/api/v1/state?status=bad").await.is(400);
}

fn sum(monitors: &Value) -> u64 {
    let places = ["ok", "warning", "critical", "pending", "disabled", "invalid"];
    places.iter().map(|place| monitors[place].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn the_overview_counts_every_monitor_once() {
    let cluster = Cluster::sixty().await;
    cluster
        .define(
            json!({"off": {"type": "tcp", "host": "h", "port": 1, "interval": "10s", "disable": true},
        "nobody": {"type": "tcp", "host": "h", "port": 1, "interval": "10s", "member-tag": "eu"}}),
        )
        .await;
    for member in ["m1", "m2", "m3"] {
        until("known", || cluster.bed(member).catalog.monitor("off").is_some()).await;
    }
    for member in ["m1", "m2", "m3"] {
        let overview = cluster.bed(member).get("/api/v1/overview").await.is(200).json();
        let monitors = &overview["monitors"];
        assert_eq!(
            monitors,
            &json!({"total": 62, "ok": 42, "warning": 0, "critical": 14, "pending": 5, "disabled": 1, "unwatched": 56,
                "silenced": 0, "orphaned": 1, "invalid": 0, "broken": 0, "unreachable": 0})
        );
        assert_eq!(sum(monitors), 62);
        assert_eq!(
            (&overview["incidents"]["open"], overview.get("unreachable")),
            (&json!(14), None)
        );
        assert_eq!(overview["member"]["id"], member);
    }
}

#[tokio::test]
async fn the_numbers_of_all_members_are_gathered_by_whichever_is_asked_and_who_does_not_answer_is_named() {
    let mut cluster = Cluster::sixty().await;
    let metrics = cluster.bed("m2").get("/api/v1/cluster/metrics").await.is(200).json();
    // What became of the questions says why one is missing.
    let asked = cluster.at("m2").stats.questions();
    assert_eq!(asked, [("counts", "answered", 2)]);
    assert_eq!(metrics["unreachable"], json!([]));
    let members: Vec<_> = metrics["members"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["m1", "m2", "m3"]);
    assert_eq!(
        (sum(&metrics["monitors"]), &metrics["monitors"]["total"]),
        (60, &json!(60))
    );
    let each = |key: &str| {
        metrics["members"]
            .as_object()
            .unwrap()
            .values()
            .map(|member| member[key].as_f64().unwrap())
            .sum::<f64>()
    };
    for key in ["monitors_scheduled", "changes_recorded", "resident_bytes"] {
        assert_eq!(metrics["total"][key].as_f64(), Some(each(key)), "{key}");
    }
    assert_eq!(metrics["total"]["runs"].as_object().unwrap().len(), 4);

    cluster.kill("m3").await;
    loop {
        let metrics = cluster.bed("m1").get("/api/v1/cluster/metrics").await.is(200).json();
        if metrics["unreachable"] == json!(["m3"]) {
            let members: Vec<_> = metrics["members"].as_object().unwrap().keys().collect();
            assert_eq!(members, ["m1", "m2"]);
            assert_eq!(sum(&metrics["monitors"]), 60, "{metrics}");
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// What the judge of a monitor records of an episode.
async fn recorded(bed: &Bed, monitor: &str, status: Status) {
    let checkpoint = Checkpoint {
        v: FORMAT,
        group: "untagged".into(),
        kind: "tcp".into(),
        status,
        since: LONG_AGO,
        failures: 3,
        hard: 3,
        episode: EpisodeId(LONG_AGO.0),
        seq: 1,
        trail: Vec::new(),
        alerters: Vec::new(),
        measured: 0,
        message: "connection refused".into(),
    };
    bed.write(keys::checkpoint(&MonitorName::parse(monitor).unwrap()), &checkpoint)
        .await;
}

/// Asks until a member is known to be away; what was cached a moment ago is no longer.
async fn overview_without(cluster: &Cluster, asked: &str, gone: &str) -> Value {
    loop {
        let overview = cluster.bed(asked).get("/api/v1/overview").await.is(200).json();
        if overview["unreachable"] == json!([gone]) {
            return overview;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_lost_member_judged_is_listed_by_what_is_recorded_and_the_member_is_named() {
    let mut cluster = Cluster::sixty().await;
    let theirs: Vec<String> = (0..60).map(name).filter(|name| judge(name) == "m3").collect();
    recorded(cluster.bed("m1"), &theirs[0], Status::Warning).await;
    cluster.kill("m3").await;
    for member in ["m1", "m2"] {
        let bed = cluster.bed(member);
        // The record is on its way to whoever follows the store.
        let list = loop {
            let answer = bed.get("/api/v1/state").await.is(200);
            assert_eq!(answer.header("x-9volt-unreachable"), "m3");
            assert_eq!(answer.header("x-total-count"), "60");
            let list = answer.json();
            if statuses(&list)[3] == 1 {
                break list;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(names(&list), (0..60).map(name).collect::<Vec<_>>());
        for state in list.as_array().unwrap() {
            let name = state["check"].as_str().unwrap();
            assert_eq!(state["unreachable"], judge(name) == "m3", "{name}");
            if judge(name) == "m3" {
                assert_eq!(state["status"], if name == theirs[0] { "warning" } else { "pending" });
                assert_eq!((&state["owner"], &state["last_run"]), (&json!("m3"), &Value::Null));
            }
        }
        let marked = bed
            .get("/api/v1/state?unreachable=true&limit=1000")
            .await
            .is(200)
            .json();
        assert_eq!(names(&marked), theirs);
        // Page by page it is the same list.
        let page = bed.get("/api/v1/state?sort=-name&limit=50").await.is(200);
        assert_eq!(page.header("x-9volt-unreachable"), "m3");
        assert_eq!(names(&page.json()), (10..60).rev().map(name).collect::<Vec<_>>());
        let page = bed.get("/api/v1/state?limit=10&offset=45").await.is(200);
        assert_eq!(
            (page.header("x-9volt-unreachable"), page.header("x-total-count")),
            ("m3", "60")
        );
        assert_eq!(names(&page.json()), (45..55).map(name).collect::<Vec<_>>());

        let overview = overview_without(&cluster, member, "m3").await;
        let monitors = &overview["monitors"];
        assert_eq!((sum(monitors), &monitors["total"]), (60, &json!(60)));
        assert_eq!(
            (&monitors["unreachable"], &monitors["warning"]),
            (&json!(theirs.len()), &json!(1))
        );

        let one = bed.get(&format!("/api/v1/state/{}", theirs[0])).await.is(200);
        assert_eq!(one.header("x-9volt-unreachable"), "m3");
        let one = one.json();
        assert_eq!((&one["unreachable"], &one["status"]), (&json!(true), &json!("warning")));
        let asked = bed
            .post(&format!("/api/v1/monitor/{}/run", theirs[0]), "")
            .await
            .is(503);
        assert!(asked.text.contains("m3"), "{}", asked.text);
    }
}

#[tokio::test]
async fn a_member_that_refuses_or_is_silent_is_named_and_everything_else_comes_in_time() {
    let cluster = Cluster::sixty().await;
    // m2 does not know m1 any more; m3 takes the question and says nothing.
    cluster.at("m2").directory.remove(&id("m1"));
    cluster.at("m3").silence.send_replace(true);
    let answer = cluster.bed("m1").get("/api/v1/state?limit=1000").await.is(200);
    assert_eq!(answer.header("x-9volt-unreachable"), "m2,m3");
    let list = answer.json();
    assert_eq!(names(&list).len(), 60);
    for state in list.as_array().unwrap() {
        assert_eq!(state["unreachable"], judge(state["check"].as_str().unwrap()) != "m1");
    }
    let overview = cluster.bed("m1").get("/api/v1/overview").await.is(200).json();
    assert_eq!(
        (sum(&overview["monitors"]), &overview["unreachable"]),
        (60, &json!(["m2", "m3"]))
    );
}

#[tokio::test]
async fn a_slot_that_its_judge_does_not_hold_yet_is_counted_once() {
    let cluster = Cluster::sixty().await;
    // By the table it is m2's; m2 has not begun, and m1, which ran it before, is not asked.
    let moved = (0..60).map(name).find(|name| judge(name) == "m2").unwrap();
    cluster
        .bed("m2")
        .catalog
        .monitor(&moved)
        .unwrap()
        .live()
        .lock()
        .known_at = None;
    run(
        cluster.bed("m1"),
        &moved,
        LONG_AGO,
        1,
        Verdict::fail(Reason::Refused, "old"),
    );
    let list = cluster.bed("m3").get("/api/v1/state").await.is(200).json();
    assert_eq!(names(&list), (0..60).map(name).collect::<Vec<_>>());
    let state = list
        .as_array()
        .unwrap()
        .iter()
        .find(|state| state["check"] == moved.as_str())
        .unwrap();
    assert_eq!(state["status"], "pending");
    let overview = cluster.bed("m3").get("/api/v1/overview").await.is(200).json();
    assert_eq!(sum(&overview["monitors"]), 60);
}

#[tokio::test]
async fn a_monitors_page_shows_what_its_judge_knows() {
    let cluster = Cluster::sixty().await;
    let failing = (0..60).step_by(4).map(name).find(|name| judge(name) == "m2").unwrap();
    let bed = cluster.bed("m1");
    cluster
        .bed("m2")
        .catalog
        .monitor(&failing)
        .unwrap()
        .live()
        .lock()
        .broken = true;
    let there = cluster.bed("m2").get(&format!("/api/v1/state/{failing}")).await.is(200);
    let here = bed.get(&format!("/api/v1/state/{failing}")).await.is(200);
    assert_eq!(here.json(), there.json());
    assert_eq!(here.json()["samples"].as_array().unwrap().len(), 1);
    assert_eq!(here.json()["transitions"][0]["to"], "critical");
    assert_eq!(
        (&here.json()["unwatched"], &here.json()["broken"]),
        (&json!(true), &json!(true))
    );
    let list = bed.get(&format!("/api/v1/state?q={failing}")).await.is(200).json();
    assert_eq!(list[0]["broken"], true);
    for (query, expected) in [
        ("broken=true", "1"),
        ("broken=false", "59"),
        ("broken=true&tags=odd", "0"),
    ] {
        let found = bed.get(&format!("/api/v1/state?limit=5&{query}")).await.is(200);
        assert_eq!(found.header("x-total-count"), expected, "{query}");
    }
    let overview = bed.get("/api/v1/overview").await.is(200).json();
    assert_eq!(overview["monitors"]["broken"], 1, "counted wherever it is asked for");
    let metrics = cluster.bed("m2").get("/metrics").await.is(200).text;
    assert!(
        metrics.contains("ninevolt_monitors_flagged{flag=\"broken\"} 1\n"),
        "by its judge"
    );
    bed.get("/api/v1/state/nobody").await.is(404);
}

#[tokio::test]
async fn a_run_is_made_where_the_monitor_runs() {
    let cluster = Cluster::new().await;
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let spec = json!({"type": "tcp", "host": "127.0.0.1", "port": port, "interval": "10s"});
    let all: serde_json::Map<_, _> = (0..20).map(|i| (name(i), spec.clone())).collect();
    cluster.define(all.into()).await;
    let theirs = (0..20).map(name).find(|name| judge(name) == "m2").unwrap();
    let result = cluster
        .bed("m1")
        .post(&format!("/api/v1/monitor/{theirs}/run"), "")
        .await
        .is(200)
        .json();
    assert_eq!(result["outcome"], Outcome::Pass.as_str(), "{result}");
    assert!(result["phases"]["connect"].as_f64().unwrap() > 0.0, "{result}");
    assert_eq!(cluster.at("m2").stats.answers(), [("run", "answered", 1)]);
    assert!(cluster.at("m3").stats.answers().is_empty());
    // Its own it runs itself.
    let own = (0..20).map(name).find(|name| judge(name) == "m1").unwrap();
    cluster
        .bed("m1")
        .post(&format!("/api/v1/monitor/{own}/run"), "")
        .await
        .is(200);
    assert_eq!(cluster.at("m1").stats.questions(), [("run", "answered", 1)]);
}

#[tokio::test]
async fn messages_are_listed_wherever_they_were_sent_from() {
    let mut cluster = Cluster::new().await;
    let m1 = cluster.bed("m1");
    cluster
        .define(json!({"gamma": {"type": "tcp", "host": "h", "port": 1, "interval": "10s"}}))
        .await;
    m1.put("/api/v1/alerter/ops", json!({"type": "log"})).await.is(201);
    tell(m1, Status::Critical).await;
    until("told", || m1.notifier.counts().told_open == 1).await;
    let told = cluster
        .bed("m2")
        .get("/api/v1/notification?alerter=ops")
        .await
        .is(200)
        .json();
    assert_eq!(told, m1.get("/api/v1/notification?alerter=ops").await.json());
    assert_eq!(
        (&told["items"][0]["monitor"], &told["total"]),
        (&json!("gamma"), &json!(1))
    );
    assert_eq!(told["items"][0]["state"], "sent");
    let none = cluster
        .bed("m2")
        .get("/api/v1/notification?state=pending")
        .await
        .is(200)
        .json();
    assert_eq!(none["items"], json!([]));
    let alerters = cluster.bed("m3").get("/api/v1/alerters").await.is(200).json();
    assert_eq!(
        (
            &alerters["items"][0]["told_open"],
            &alerters["items"][0]["last_delivery"]["ok"]
        ),
        (&json!(1), &json!(true))
    );

    cluster.kill("m1").await;
    let missing = cluster.bed("m2").get("/api/v1/notification").await.is(200).json();
    assert_eq!(
        (&missing["items"], &missing["unreachable"]),
        (&json!([]), &json!(["m1"]))
    );
    let missing = cluster.bed("m2").get("/api/v1/alerters").await.is(200).json();
    assert_eq!(
        (&missing["items"][0]["told_open"], &missing["unreachable"]),
        (&json!(0), &json!(["m1"]))
    );
}

#[tokio::test]
async fn a_page_hears_of_changes_at_the_other_members() {
    let cluster = Cluster::sixty().await;
    let mut reader = Reader::open(cluster.bed("m1"), "").await;
    let theirs = (1..60).step_by(4).map(name).find(|name| judge(name) == "m3").unwrap();
    // From the first question on.
    until("asked", || {
        cluster
            .at("m3")
            .stats
            .answers()
            .iter()
            .any(|(call, _, _)| *call == "changes")
    })
    .await;
    let there = cluster.bed("m3");
    until("noted", || there.feed.listeners() > 0).await;
    run(
        there,
        &theirs,
        WallMs(LONG_AGO.0 + 90_000),
        1,
        Verdict::fail(Reason::Refused, "gone"),
    );
    there.feed.tell(|| Signal::State(MonitorName::parse(&theirs).unwrap()));
    loop {
        let (sort, data) = reader.next().await.unwrap();
        if sort == "state" {
            assert_eq!(data["monitors"], json!([theirs]));
            break;
        }
    }
    let metrics = cluster.bed("m3").get("/metrics").await.is(200).text;
    let counted = "ninevolt_peer_answers_total{call=\"changes\",result=\"answered\"} ";
    assert!(metrics.contains(counted), "{metrics}");
    // A member without pages asks nobody.
    assert!(cluster.at("m2").stats.questions().is_empty());
}

#[tokio::test]
async fn one_that_is_alone_asks_nobody_and_says_nothing_of_others() {
    let bed = Bed::new().await;
    bed.put(
        "/api/v1/monitor/web",
        json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s"}),
    )
    .await
    .is(201);
    let list = bed.ask(Method::GET, "/api/v1/state", &[], "").await.is(200);
    assert!(!list.headers.contains_key("x-9volt-unreachable"));
    assert_eq!(list.json()[0]["unreachable"], false);
    let overview = bed.get("/api/v1/overview").await.json();
    assert!(overview.get("unreachable").is_none());
    assert_eq!(bed.id, bed::me());
}
