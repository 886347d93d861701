//! Members, what operators want of them, and the plan.

use ninevolt::model::MemberId;
use ninevolt::store::records::{FORMAT, IntentRecord, MemberRecord, SlotRun, SoftRecord, Table};
use ninevolt::store::{Op, keys};
use serde_json::{Value, json};

use super::bed::{Bed, LONG_AGO};
use super::state::five;

fn id(name: &str) -> MemberId {
    MemberId::parse(name).unwrap()
}

/// Five monitors; `m1` and `m2` hold half of the slots each, and only `m1` is here.
pub(super) async fn two() -> Bed {
    let bed = five().await;
    let run = |first, last, judge: &str| SlotRun {
        first,
        last,
        judge: Some(id(judge)),
        since: "1-1".into(),
        runners: vec![],
    };
    let table = Table {
        v: FORMAT,
        epoch: "1-1".into(),
        at: LONG_AGO,
        why: "member m1 directs".into(),
        runs: vec![run(0, 2047, "m1"), run(2048, 4095, "m2")],
        stamps: [(id("m1"), "1-1".to_owned()), (id("m2"), "1-1".to_owned())].into(),
    };
    bed.write(keys::table("untagged"), &table).await;
    bed
}

fn names(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn members_are_listed_with_what_they_hold_also_those_that_are_gone() {
    let bed = two().await;
    let page = bed.get("/api/v1/member").await.is(200).json();
    assert_eq!((names(&page), &page["total"]), (vec!["m1", "m2"], &json!(2)));
    let (one, two) = (&page["items"][0], &page["items"][1]);
    assert_eq!((&one["here"], &two["here"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&one["slots"], &one["alerter_slots"], &two["slots"]),
        (&json!(2048), &json!(4096), &json!(2048))
    );
    let monitors = one["monitors"].as_u64().unwrap() + two["monitors"].as_u64().unwrap();
    assert!(monitors > 0);
    let share = one["load_share"].as_f64().unwrap() + two["load_share"].as_f64().unwrap();
    assert!((share - 1.0).abs() < 0.001, "{share}");
    assert_eq!(bed.get("/api/v1/member/m2").await.is(200).json(), *two);
    bed.get("/api/v1/member/m3").await.is(404);
    let first = bed.get("/api/v1/member?limit=1").await.json();
    let next = format!("/api/v1/member?limit=1&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(names(&bed.get(&next).await.json()), ["m2"]);
}

#[tokio::test]
async fn what_operators_want_of_a_member_is_kept_together_and_gone_with_the_last_of_it() {
    let bed = two().await;
    let stored = async || bed.store.read::<IntentRecord>(&keys::intent(&id("m2"))).await.unwrap();
    let drained = bed
        .put("/api/v1/member/m2/drain", json!({"by": "ann"}))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&drained["intent"]["drain"], &drained["intent"]["by"]),
        (&json!(true), &json!("ann"))
    );
    bed.put("/api/v1/member/m2/cordon", "").await.is(200);
    let weighed = bed
        .put("/api/v1/member/m2/weight", json!({"weight": 7}))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&weighed["weight"], &weighed["intent"]["cordon"]),
        (&json!(7), &json!(true))
    );
    let record = stored().await.unwrap().value;
    assert!(record.drain && record.cordon && record.weight == Some(7));
    let rev = stored().await.unwrap().rev;
    bed.put("/api/v1/member/m2/drain", "").await.is(200);
    assert_eq!(
        stored().await.unwrap().rev,
        rev,
        "what is so already is not written again"
    );
    for what in ["drain", "cordon", "weight"] {
        bed.delete(&format!("/api/v1/member/m2/{what}")).await.is(200);
    }
    assert!(stored().await.is_none());
    let said = bed
        .events
        .newest_first()
        .iter()
        .filter(|e| e.message.starts_with("member 'm2' was"))
        .count();
    assert_eq!(said, 6);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let bed = two().await;
    bed.put("/api/v1/member/nobody/drain", "").await.is(404);
    bed.delete("/api/v1/member/nobody").await.is(404);
    for weight in [json!({"weight": 0}), json!({"weight": 1001})] {
        bed.put("/api/v1/member/m1/weight", weight).await.is(422);
    }
    bed.put("/api/v1/member/m1/weight", json!({})).await.is(400);
    bed.put("/api/v1/member/m1/drain", json!({"by": "x".repeat(1000)}))
        .await
        .is(422);
    bed.put("/api/v1/member/m1/drain", json!([])).await.is(400);
    bed.faults.set_unavailable(true);
    bed.get("/api/v1/member").await.is(503);
    bed.put("/api/v1/member/m1/drain", "").await.is(503);
}

#[tokio::test]
async fn only_a_member_that_is_gone_is_removed_with_what_it_left() {
    let bed = two().await;
    bed.put("/api/v1/member/m1/cordon", "").await.is(200);
    bed.delete("/api/v1/member/m1").await.is(409);
    bed.put("/api/v1/member/m2/drain", "").await.is(200);
    let soft = SoftRecord {
        v: FORMAT,
        monitors: vec![],
    };
    bed.write(keys::soft(&id("m2")), &soft).await;
    bed.delete("/api/v1/member/m2").await.is(200);
    for key in [keys::intent(&id("m2")), keys::soft(&id("m2"))] {
        assert!(bed.store.get(&key).await.unwrap().is_none());
    }
    bed.delete("/api/v1/member/m2").await.is(404);
}

#[tokio::test]
async fn an_intent_that_cannot_be_read_is_written_anew() {
    let bed = two().await;
    bed.write(keys::intent(&id("m1")), &"?").await;
    bed.get("/api/v1/member").await.is(200);
    let drained = bed.put("/api/v1/member/m1/drain", "").await.is(200).json();
    assert_eq!(drained["intent"]["drain"], true);
}

#[tokio::test]
async fn the_plan_says_who_judges_how_much_of_each_group_and_what_nobody_does() {
    let bed = two().await;
    let mut table = bed
        .store
        .read::<Table>(&keys::table("untagged"))
        .await
        .unwrap()
        .unwrap()
        .value;
    table.runs[1].judge = None;
    bed.write(keys::table("untagged"), &table).await;
    bed.write(keys::member(&id("m9")), &MemberRecord::new(id("m9"), "i", "b"))
        .await;
    let put = Op::Put(keys::director(), bytes::Bytes::from_static(b"m1"), None);
    let commit = ninevolt::store::Commit {
        guards: vec![],
        ops: vec![put],
    };
    let rev = bed.store.commit(commit).await.revision().unwrap();
    let plan = bed.get("/api/v1/plan").await.is(200).json();
    assert_eq!(
        (&plan["director"], &plan["term"]),
        (&json!("m1"), &json!(rev.to_string()))
    );
    assert_eq!(plan["last"]["why"], "member m1 directs");
    let groups = plan["groups"]["items"].as_array().unwrap();
    let names: Vec<_> = groups.iter().map(|group| group["group"].as_str().unwrap()).collect();
    assert_eq!(names, ["notify", "untagged"]);
    let untagged = &groups[1];
    assert_eq!((&untagged["orphans"], &untagged["runs"]), (&json!(2048), &json!(2)));
    assert_eq!(untagged["members"][0]["slots"], 2048);
    let orphaned = untagged["orphaned_monitors"].as_u64().unwrap();
    assert_eq!(
        untagged["monitors"].as_u64().unwrap() - orphaned,
        untagged["members"][0]["monitors"].as_u64().unwrap()
    );
}
