//! Ends of the process, asked for and not: nothing is repeated, nothing is forgotten.

use serde_json::json;

use super::world::{Server, Target, World, web_with};

/// Waits until it is in the store that the alert was told. A process that dies before has to tell it again, and says so in the message.
fn recorded(server: &Server) {
    server.wait_runs("web", 1);
}

#[test]
fn a_kill_and_a_restart_repeat_nothing_and_forget_nothing() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    let episode = server.state("web")["episode"].clone();
    recorded(&server);
    server.kill();

    let server = world.start();
    server.wait_status("web", "critical");
    server.wait_runs("web", 3);
    assert_eq!(world.told(), ["web critical"]);
    assert_eq!(server.state("web")["episode"], episode);

    target.say("good");
    world.wait_told(&["web critical", "web ok recovered"]);
    server.wait_runs("web", 3);
    assert_eq!(world.told(), ["web critical", "web ok recovered"]);
    assert_eq!(format!("{}-web", world.alerts()[1]["episode"]), episode);

    // What is over stays over, and stays known.
    recorded(&server);
    server.kill();
    let server = world.start();
    server.wait_status("web", "ok");
    server.wait_runs("web", 3);
    assert_eq!(world.told().len(), 2);
    let past = server.get("/api/v1/incident?state=past");
    assert_eq!(past["items"][0]["id"], episode);
}

#[test]
fn three_restarts_at_once_while_failing_tell_nothing_anew() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    let episode = server.state("web")["episode"].clone();
    recorded(&server);
    server.kill();
    for _ in 0..3 {
        world.start().kill();
    }
    let server = world.start();
    server.wait_status("web", "critical");
    server.wait_runs("web", 4);
    assert_eq!(world.told(), ["web critical"]);
    assert_eq!(server.state("web")["episode"], episode);
    target.say("good");
    world.wait_told(&["web critical", "web ok recovered"]);
}

#[test]
fn a_recovery_while_nobody_ran_is_resolved_once() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    recorded(&server);
    server.kill();
    target.say("good");
    let server = world.start();
    world.wait_told(&["web critical", "web ok recovered"]);
    server.wait_runs("web", 3);
    assert_eq!(world.told().len(), 2);
}

#[test]
fn a_monitor_that_was_removed_while_nobody_ran_is_resolved_once() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    recorded(&server);
    server.kill();
    // Another takes its place, so that the directory is not empty.
    world.define("web.yaml", &[("other", web_with(&target, json!({"expect": ""})))]);
    let server = world.start();
    world.wait_told(&["web critical", "web ok deleted"]);
    server.wait_runs("other", 3);
    assert_eq!(world.told().len(), 2);
}

#[test]
fn a_planned_stop_is_quick_clean_and_tells_nobody() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    let asked = super::world::now();
    let ended = server.terminate();
    assert_eq!(ended.code(), Some(0), "{}", world.log.all().join("\n"));
    assert!(asked.elapsed().as_secs() < 10, "it took {:?}", asked.elapsed());
    assert_eq!(world.told(), ["web critical"]);
    let server = world.start();
    server.wait_status("web", "critical");
    server.wait_runs("web", 3);
    assert_eq!(world.told(), ["web critical"]);
}
