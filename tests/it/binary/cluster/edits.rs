//! What operators write while something is failing.

use serde_json::{Map, Value, json};

use super::super::etcd::Etcd;
use super::super::world::wait_for;
use super::crew::{Crew, SECOND, Scene};
use super::told::Told;

#[test]
fn a_failing_monitor_that_is_moved_to_members_of_a_tag_begins_anew_there() {
    let mut scene = Scene::of(&["m1", "m2", "m3", "site"], |dir| Etcd::start_all(dir, 1));
    scene.stations.get_mut("site").unwrap().flags = vec!["--tags".to_owned(), "site".to_owned()];
    let crew = Crew::gather(scene, 3, SECOND);
    let place = |tag: &str| {
        let mut spec = crew.target.monitor("moved", SECOND);
        spec["member-tag"] = tag.into();
        crew.define("monitor", &json!({"moved": spec}));
    };
    place("");
    wait_for("it to be run", || {
        (crew.get("/api/v1/state/moved")["status"] == "ok").then_some(())
    });
    crew.target.fail("moved");
    crew.wait_told("moved", &["critical"]);
    crew.recorded();
    place("site");
    // Seen from elsewhere it is another failure.
    crew.wait_told("moved", &["critical", "edited", "critical"]);
    assert_eq!(crew.judge("moved"), "site");
    crew.target.mend("moved");
    crew.wait_told("moved", &["critical", "edited", "critical", "recovered"]);
    place("");
    wait_for("it to be run without the tag", || {
        let state = crew.get("/api/v1/state/moved");
        (crew.judge("moved") != "site" && state["status"] == "ok").then_some(())
    });
    let told = crew.told();
    assert_eq!(told.monitors(), ["moved"]);
    assert_eq!(told.of_monitor("moved").len(), 4);
    told.nothing_twice();
}

#[test]
fn an_alerter_that_is_renamed_with_an_incident_open_hears_its_end_and_the_new_one_goes_on() {
    let crew = Crew::start(1, 9, SECOND);
    let open = crew.names[0].clone();
    crew.target.fail(&open);
    crew.wait_told(&open, &["critical"]);
    crew.recorded();
    crew.define("alerter", &json!({"renamed": {"type": "log"}}));
    let monitors: Map<String, Value> = crew
        .names
        .iter()
        .map(|name| {
            let mut spec = crew.target.monitor(name, SECOND);
            spec["critical-alerter"] = json!(["renamed"]);
            (name.clone(), spec)
        })
        .collect();
    crew.define("monitor", &monitors.into());
    let (status, said) = crew.members["m1"].ask("DELETE", "/api/v1/alerter/console", None);
    assert_eq!(status, 200, "{said}");
    let to = |alerter: &str| {
        let told = Told::of(crew.worlds.values());
        told.to(alerter, &open)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    wait_for("both to be told", || {
        (to("console").len() == 2 && to("renamed").len() == 1).then_some(())
    });
    assert_eq!(
        (to("console")[0].as_str(), to("renamed")),
        ("critical", vec!["critical".to_owned()])
    );
    crew.target.mend(&open);
    wait_for("the new one to hear the end", || {
        (to("renamed").len() == 2).then_some(())
    });
    assert_eq!(to("renamed")[1], "recovered");
    let told = crew.told();
    assert_eq!(told.of_monitor(&open).len(), 4);
    told.nothing_twice();
}
