//! etcd that goes away, whole or in part.

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;

use super::super::etcd::Etcd;
use super::super::world::wait_for;
use super::crew::{Crew, IDS, SECOND, Scene};
use super::relay::{Works, on_lines};
use super::told::Told;

#[test]
fn while_all_of_etcd_is_away_checks_go_on_and_when_it_is_back_nothing_is_repeated() {
    let mut crew = Crew::start(1, 9, SECOND);
    let [open, fails] = [crew.names[0].clone(), crew.names[1].clone()];
    crew.target.fail(&open);
    crew.wait_told(&open, &["critical"]);
    crew.told().nothing_twice();
    crew.etcd[0].stop();
    crew.run_again(2);
    crew.target.fail(&fails);
    // A run a second: five lease times.
    crew.run_again(13);
    crew.no_gap_after_a_death();
    crew.etcd[0].again();
    crew.wait_told(&fails, &["critical"]);
    crew.level();
    assert_eq!(crew.told().of_monitor(&open), ["critical"]);
    let told = crew.both_recover([&open, &fails]);
    assert_eq!(told.monitors(), [open, fails]);
}

/// The node that leads, as they say.
fn leader(crew: &Crew) -> usize {
    wait_for("a leader of etcd", || {
        crew.etcd.iter().position(|node| {
            let status = node.ask("/v3/maintenance/status", &json!({}));
            status.is_some_and(|status| status["leader"] == status["header"]["member_id"])
        })
    })
}

#[test]
fn etcd_loses_its_leader_and_nobody_notices() {
    let mut crew = Crew::start(3, 9, SECOND);
    let name = crew.names[0].clone();
    let before = crew.judges();
    let leads = leader(&crew);
    crew.etcd[leads].stop();
    crew.target.fail(&name);
    crew.wait_told(&name, &["critical"]);
    crew.level();
    assert_eq!(crew.judges(), before);
    crew.etcd[leads].again();
    crew.target.mend(&name);
    crew.wait_told(&name, &["critical", "recovered"]);
    let told = crew.told();
    assert_eq!(told.monitors(), [name]);
    told.nothing_twice();
    crew.no_gap_after_a_death();
}

#[test]
fn a_frozen_etcd_that_wakes_has_forgotten_every_session_and_nothing_moves() {
    let crew = Crew::start(3, 9, SECOND);
    let [open, fails] = [crew.names[0].clone(), crew.names[1].clone()];
    crew.target.fail(&open);
    crew.wait_told(&open, &["critical"]);
    crew.told().nothing_twice();
    let before = crew.judges();
    for node in &crew.etcd {
        node.signal(Signal::SIGSTOP);
    }
    crew.run_again(2);
    crew.target.fail(&fails);
    // Twenty runs a second apart.
    crew.run_again(18);
    for node in &crew.etcd {
        node.signal(Signal::SIGCONT);
    }
    crew.wait_told(&fails, &["critical"]);
    crew.all_here();
    assert_eq!(crew.judges(), before);
    crew.both_recover([&open, &fails]);
    assert_eq!(crew.judges(), before);
}

#[test]
fn history_that_is_forgotten_while_a_member_cannot_see_it_leaves_it_knowing_all_that_holds() {
    let (crew, lines) = on_lines(9);
    let cut = "m3";
    lines[cut].works(Works::Silently);
    let [edited, removed] = [
        crew.one_of(cut),
        crew.names.iter().find(|name| crew.judge(name) != cut).unwrap().clone(),
    ];
    // Of each kind of change one: new, edited, gone.
    crew.define(
        "monitor",
        &json!({"new": crew.target.monitor("new", SECOND), &edited: crew.target.monitor("other", SECOND)}),
    );
    assert_eq!(
        crew.members["m1"]
            .ask("DELETE", &format!("/api/v1/monitor/{removed}"), None)
            .0,
        200
    );
    crew.etcd[0].compact();
    lines[cut].works(Works::Well);
    let mut names: Vec<&str> = crew.names.iter().map(String::as_str).chain(["new"]).collect();
    names.retain(|name| *name != removed);
    names.sort_unstable();
    for member in crew.members.values() {
        wait_for("everybody to know what there is", || {
            let states = member.get("/api/v1/state?config=true");
            let mut known: Vec<&str> = states
                .as_array()
                .unwrap()
                .iter()
                .map(|state| state["check"].as_str().unwrap())
                .collect();
            known.sort_unstable();
            (known == names && member.state(&edited)["config"]["url"] == "/other").then_some(())
        });
    }
    crew.target.fail("other");
    crew.target.fail("new");
    crew.wait_told(&edited, &["critical"]);
    crew.wait_told("new", &["critical"]);
    crew.target.mend("other");
    crew.target.mend("new");
    crew.wait_told(&edited, &["critical", "recovered"]);
    crew.wait_told("new", &["critical", "recovered"]);
    crew.recorded();
    Told::of(crew.worlds.values()).nothing_twice();
}

#[test]
fn a_full_etcd_ends_no_session_and_stops_no_check_and_with_room_again_nothing_is_missing() {
    let small = |dir: &Path| Etcd::start_at("127.0.0.1", dir, 1, &["--quota-backend-bytes=4000000"]);
    let scene = Scene::of(&IDS, small);
    let crew = Crew::gather(scene, 9, SECOND);
    let [open, fails] = [crew.names[0].clone(), crew.names[1].clone()];
    crew.target.fail(&open);
    crew.wait_told(&open, &["critical"]);
    crew.told().nothing_twice();
    let before = crew.judges();
    crew.etcd[0].fill();
    crew.target.fail(&fails);
    // Several lease times.
    crew.run_again(10);
    assert_eq!(crew.judges(), before);
    crew.etcd[0].make_room();
    crew.wait_told(&fails, &["critical"]);
    crew.both_recover([&open, &fails]);
    assert_eq!(crew.judges(), before);
}

#[test]
fn an_etcd_that_is_restored_from_before_is_taken_as_it_is_now_and_repeats_nothing() {
    let mut crew = Crew::start(1, 9, SECOND);
    let open = crew.names[0].clone();
    crew.target.fail(&open);
    crew.wait_told(&open, &["critical"]);
    crew.told().nothing_twice();
    let file = crew.dir.path().join("snapshot");
    crew.etcd[0].save(&file);
    let before = crew.judges();
    // What happens now will never have happened.
    crew.define("monitor", &json!({"later": crew.target.monitor("later", SECOND)}));
    for member in crew.members.values() {
        member.wait_status("later", "ok");
    }
    crew.etcd[0].restore(&file);
    for member in crew.members.values() {
        wait_for("what came later to be gone", || {
            (member.ask("GET", "/api/v1/state/later", None).0 == 404).then_some(())
        });
    }
    crew.all_here();
    crew.level();
    assert_eq!(crew.judges(), before);
    // What is written now is seen by everybody.
    crew.define("monitor", &json!({"new": crew.target.monitor("new", SECOND)}));
    for member in crew.members.values() {
        member.wait_status("new", "ok");
    }
    crew.target.mend(&open);
    crew.wait_told(&open, &["critical", "recovered"]);
    crew.target.fail("new");
    crew.wait_told("new", &["critical"]);
    crew.told().nothing_twice();
    crew.no_gap_after_a_death();
}
