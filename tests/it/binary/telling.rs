//! What is told, and how often.

use serde_json::json;

use super::world::{Target, World, web_with};

#[test]
fn killing_a_target_alerts_once_per_change_and_bringing_it_back_resolves_once() {
    let mut target = Target::start("good");
    let world = World::of(&target);
    let both = json!({
        "warning-threshold": 1, "critical-threshold": 3, "warning-alerter": ["console"], "critical-alerter": ["console"],
        "description": "the shop", "tags": ["prod"], "runbook": "https://wiki.example.org/shop",
    });
    world.define("web.yaml", &[("web", web_with(&target, both))]);
    let server = world.start();
    server.wait_status("web", "ok");
    assert_eq!(world.told(), [] as [&str; 0]);

    target.die();
    world.wait_told(&["web warning", "web critical"]);
    server.wait_runs("web", 4);
    assert_eq!(world.told(), ["web warning", "web critical"]);

    target.live();
    world.wait_told(&["web warning", "web critical", "web ok recovered"]);
    server.wait_runs("web", 4);
    assert_eq!(world.told(), ["web warning", "web critical", "web ok recovered"]);

    let alerts = world.alerts();
    assert_eq!(alerts[0]["description"], "the shop");
    assert_eq!(alerts[0]["tags"], json!(["prod"]));
    assert_eq!(alerts[0]["runbook"], "https://wiki.example.org/shop");
    let text = alerts[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Check has entered into warning state after 1 checks"),
        "{text}"
    );
    assert_eq!(alerts[1]["from"], "warning");
    assert_eq!(alerts[2]["from"], "critical");
    assert!(
        alerts
            .iter()
            .all(|a| a["episode"] == alerts[0]["episode"] && a["test"] == false)
    );

    // The next failure is another episode.
    target.die();
    world.wait_told(&[
        "web warning",
        "web critical",
        "web ok recovered",
        "web warning",
        "web critical",
    ]);
    assert_ne!(world.alerts()[3]["episode"], alerts[0]["episode"]);
}

#[test]
fn a_failure_below_the_threshold_is_told_to_nobody() {
    let target = Target::start("good");
    let world = World::of(&target);
    world.define(
        "web.yaml",
        &[("web", web_with(&target, json!({"critical-threshold": 1000})))],
    );
    let server = world.start();
    server.wait_status("web", "ok");
    target.say("bad");
    server.wait_runs("web", 3);
    target.say("good");
    server.wait_runs("web", 3);
    assert_eq!(server.state("web")["status"], "ok");
    assert_eq!(world.told(), [] as [&str; 0]);
}

#[test]
fn every_alerter_that_was_told_gets_one_resolve_and_no_other_does() {
    let target = Target::start("good");
    let world = World::of(&target);
    let two = json!({
        "warning-threshold": 1, "critical-threshold": 1000, "warning-alerter": ["console"], "critical-alerter": ["second"],
    });
    world.define("web.yaml", &[("web", web_with(&target, two))]);
    let server = world.start();
    server.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web warning"]);
    target.say("good");
    world.wait_told(&["web warning", "web ok recovered"]);
    server.wait_runs("web", 3);
    assert_eq!(world.told(), ["web warning", "web ok recovered"]);
}

#[test]
fn a_silenced_failure_is_recorded_and_not_sent_until_the_silence_ends() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    let silence = json!({
        "matchers": [{"field": "name", "op": "glob", "value": "we*"}], "duration": "1h", "author": "me", "comment": "moving house",
    });
    let (status, silence) = server.ask("POST", "/api/v1/silence", Some(&silence));
    assert_eq!(status, 201, "{silence}");

    target.say("bad");
    server.wait_status("web", "critical");
    super::world::wait_for("the muted notification", || {
        let muted = server.get("/api/v1/notification?state=muted");
        (muted["total"] == 1).then_some(())
    });
    assert_eq!(world.told(), [] as [&str; 0]);
    assert_eq!(server.state("web")["silenced"], true);
    let open = server.get("/api/v1/incident?state=open");
    assert_eq!(open["items"][0]["monitor"], "web");
    assert_eq!(open["items"][0]["silenced"], true);

    let id = silence["id"].as_str().unwrap();
    let (status, body) = server.ask("DELETE", &format!("/api/v1/silence/{id}"), None);
    assert!(status < 300, "{status} {body}");
    world.wait_told(&["web critical"]);
    target.say("good");
    world.wait_told(&["web critical", "web ok recovered"]);
}

#[test]
fn a_failure_that_came_and_went_in_a_silence_is_never_sent() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    let silence = json!({"matchers": [{"field": "type", "op": "=", "value": "http"}], "duration": "1h"});
    let (status, silence) = server.ask("POST", "/api/v1/silence", Some(&silence));
    assert_eq!(status, 201, "{silence}");
    target.say("bad");
    server.wait_status("web", "critical");
    target.say("good");
    // Recorded, not only seen: a monitor that flaps is recorded once a second.
    super::world::wait_for("the closed episode", || {
        (server.get("/api/v1/incident?state=past")["total"] == 1).then_some(())
    });
    let id = silence["id"].as_str().unwrap();
    server.ask("DELETE", &format!("/api/v1/silence/{id}"), None);
    server.wait_runs("web", 3);
    assert_eq!(world.told(), [] as [&str; 0]);
    let past = server.get("/api/v1/incident?state=past");
    assert_eq!(past["items"][0]["closed_as"], "recovered");
}

#[test]
fn a_test_message_is_marked_and_says_what_the_far_end_said() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    let answer = super::world::wait_for("the notifier to know its alerters", || {
        let (status, answer) = server.ask("POST", "/api/v1/alerter/console/test", None);
        (status == 200).then_some(answer)
    });
    assert_eq!(answer["delivered"], true, "{answer}");
    super::world::wait_for("the test message", || (!world.told().is_empty()).then_some(()));
    assert_eq!(world.alerts()[0]["test"], true);
    assert_eq!(server.ask("POST", "/api/v1/alerter/nobody/test", None).0, 404);
}
