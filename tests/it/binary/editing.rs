//! Definitions that change under a running server, from the directory that it keeps in line with.

use serde_json::json;

use super::world::{Server, Target, World, wait_for, web, web_with};

fn failing() -> (Target, World, Server) {
    let target = Target::start("good");
    let world = World::of(&target);
    // A second monitor keeps the directory from becoming empty.
    world.define("calm.yaml", &[("calm", web_with(&target, json!({"expect": ""})))]);
    let server = world.start();
    server.wait_status("web", "ok");
    server.wait_status("calm", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    (target, world, server)
}

fn wait_defined(server: &Server, key: &str, value: &serde_json::Value) {
    wait_for(&format!("{key} to be {value}"), || {
        (server.state("web")["config"][key] == *value).then_some(())
    });
}

#[test]
fn an_edit_of_what_is_measured_closes_the_episode() {
    let (target, world, server) = failing();
    let first = world.alerts()[0]["episode"].clone();
    world.define("web.yaml", &[("web", web_with(&target, json!({"expect": "better"})))]);
    // The new definition fails as well: another episode, told anew.
    world.wait_told(&["web critical", "web ok edited", "web critical"]);
    server.wait_runs("web", 3);
    assert_eq!(world.told().len(), 3);
    let alerts = world.alerts();
    assert_eq!(alerts[1]["episode"], first);
    assert!(alerts[1]["count"].as_u64().unwrap() >= 2, "{}", alerts[1]);
    assert_ne!(alerts[2]["episode"], first);
}

#[test]
fn an_edit_of_judgement_or_telling_does_not() {
    let (target, world, server) = failing();
    let episode = server.state("web")["episode"].clone();
    for keys in [
        json!({"critical-threshold": 1}),
        json!({"description": "other words", "tags": ["a"]}),
        json!({"interval": "450ms"}),
    ] {
        let (key, value) = keys.as_object().unwrap().iter().next().unwrap();
        world.define("web.yaml", &[("web", web_with(&target, keys.clone()))]);
        wait_defined(&server, key, value);
        server.wait_runs("web", 3);
        assert_eq!(world.told(), ["web critical"], "after {keys}");
        assert_eq!(server.state("web")["episode"], episode);
    }
}

#[test]
fn a_new_alerter_is_told_and_a_removed_one_gets_its_resolve() {
    let (target, world, server) = failing();
    world.define(
        "web.yaml",
        &[("web", web_with(&target, json!({"critical-alerter": ["second"]})))],
    );
    wait_for("both", || (world.told().len() >= 3).then_some(()));
    let mut told = world.told()[1..].to_vec();
    told.sort();
    assert!(
        told[0].starts_with("web critical") && told[0].ends_with("to second"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("web ok") && !told[1].ends_with("to second"),
        "{told:?}"
    );
    server.wait_runs("web", 3);
    assert_eq!(world.told().len(), 3);
}

#[test]
fn disabling_closes_the_episode() {
    let (target, world, server) = failing();
    world.define("web.yaml", &[("web", web_with(&target, json!({"disable": true})))]);
    world.wait_told(&["web critical", "web ok disabled"]);
    server.wait_runs("calm", 4);
    assert_eq!(world.told().len(), 2);
}

#[test]
fn deleting_closes_the_episode() {
    let (_target, world, server) = failing();
    std::fs::remove_file(world.configs().join("web.yaml")).unwrap();
    world.wait_told(&["web critical", "web ok deleted"]);
    server.wait_runs("calm", 4);
    assert_eq!(world.told().len(), 2);
    assert_eq!(server.ask("GET", "/api/v1/state/web", None).0, 404);
}

#[test]
fn a_bad_file_keeps_its_last_good_content_and_says_so() {
    let (target, world, server) = failing();
    let from = world.log.all().len();
    world.write("web.yaml", "monitor:\n  web: {type: http\n");
    world
        .log
        .wait(from, "a complaint about the file", |line| line.contains("web.yaml"));
    server.wait_runs("web", 3);
    assert_eq!(server.state("web")["status"], "critical");
    assert_eq!(world.told(), ["web critical"]);
    // Mended, it counts again; and a new monitor in it runs.
    world.define(
        "web.yaml",
        &[
            ("web", web(&target)),
            ("another", web_with(&target, json!({"expect": ""}))),
        ],
    );
    server.wait_status("another", "ok");
    assert_eq!(world.told(), ["web critical"]);
}
