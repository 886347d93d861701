//! Several members on one etcd, as somebody who asks any of them sees it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::etcd::Etcd;
use super::world::{Server, Target, World, wait_for, web_with};

const MONITORS: usize = 30;

/// Every monitor is counted exactly once.
fn sum(overview: &Value) -> u64 {
    let places = ["ok", "warning", "critical", "pending", "disabled", "invalid"];
    places
        .iter()
        .map(|place| overview["monitors"][place].as_u64().unwrap())
        .sum()
}

/// Who judges what, as this member says.
fn owners(member: &Server) -> BTreeSet<String> {
    let list = member.get("/api/v1/state?config=false");
    let owner = |state: &Value| state["owner"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(owner).collect()
}

#[test]
fn any_member_answers_for_all_and_names_the_one_that_is_gone() {
    let target = Target::start("good");
    let worlds = [World::empty(), World::empty(), World::empty()];
    let etcd = Etcd::start(worlds[0].dir.path());
    let mut members: Vec<Server> = ["m1", "m2", "m3"]
        .iter()
        .zip(&worlds)
        .map(|(id, world)| world.start_with(&["-e", &etcd.endpoint, "--member-id", id]))
        .collect();
    let spec = web_with(
        &target,
        json!({"critical-alerter": null, "interval": "1s", "timeout": "900ms"}),
    );
    let all: serde_json::Map<_, _> = (0..MONITORS).map(|i| (format!("web-{i}"), spec.clone())).collect();
    assert_eq!(members[0].ask("POST", "/api/v1/monitor", Some(&all.into())).0, 200);
    for member in &members {
        wait_for("all three to share the monitors", || {
            let overview = member.get("/api/v1/overview");
            (overview["monitors"]["ok"] == MONITORS && owners(member).len() == 3).then_some(())
        });
    }
    // Each runs its own, and the page of any shows the runs of all.
    for i in 0..MONITORS {
        let name = format!("web-{i}");
        let [one, other] = [0, 1].map(|at: usize| members[at].state(&name));
        assert_eq!(one["owner"], other["owner"]);
        assert!(!one["samples"].as_array().unwrap().is_empty(), "{one}");
        assert!(!other["samples"].as_array().unwrap().is_empty(), "{other}");
    }
    let (status, result) = members[0].ask("POST", "/api/v1/monitor/web-7/run", None);
    assert_eq!((status, &result["outcome"]), (200, &json!("pass")));

    members.pop().unwrap().kill();
    let missing = wait_for("the one that is gone to be named", || {
        let overview = members[0].get("/api/v1/overview");
        assert_eq!((sum(&overview), &overview["monitors"]["total"]), (30, &json!(MONITORS)));
        overview.get("unreachable").cloned()
    });
    assert_eq!(missing, json!(["m3"]));
    for member in &members {
        wait_for("the others to have taken over", || {
            let overview = member.get("/api/v1/overview");
            assert_eq!(sum(&overview), 30);
            let done = overview.get("unreachable").is_none() && overview["monitors"]["ok"] == MONITORS;
            (done && owners(member).len() == 2).then_some(())
        });
    }
}
