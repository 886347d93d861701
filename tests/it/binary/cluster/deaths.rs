//! Members that are gone without a word, or are not gone and look so.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::super::world::wait_for;
use super::crew::{Crew, SECOND};

#[test]
fn an_incident_of_a_killed_member_is_told_once_and_resolved_once_by_another() {
    let mut crew = Crew::start(1, 9, SECOND);
    // Not the director, that is another test.
    let director = crew.director();
    let name = crew
        .names
        .iter()
        .find(|name| crew.judge(name) != director)
        .unwrap()
        .clone();
    crew.target.fail(&name);
    crew.wait_told(&name, &["critical"]);
    let episode = crew.get(&format!("/api/v1/state/{name}"))["episode"].clone();
    crew.told().nothing_twice();
    let killed = crew.judge(&name);
    crew.kill(killed);
    crew.level();
    let told = crew.told();
    assert_eq!(told.of_monitor(&name), ["critical"]);
    let state = crew.get(&format!("/api/v1/state/{name}"));
    assert_eq!((&state["status"], &state["episode"]), (&"critical".into(), &episode));
    crew.target.mend(&name);
    crew.wait_told(&name, &["critical", "recovered"]);
    let told = crew.told();
    assert_eq!(told.monitors(), [name]);
    told.nothing_twice();
    crew.no_gap_after_a_death();
}

#[test]
fn after_the_death_of_the_director_another_plans_and_no_failure_goes_untold() {
    let mut crew = Crew::start(1, 9, SECOND);
    let director = crew.director();
    let name = crew.one_of(director);
    // It fails in the moment in which nobody is there who could see it.
    crew.kill(director);
    crew.target.fail(&name);
    crew.wait_told(&name, &["critical"]);
    crew.level();
    assert_ne!(crew.director(), director);
    crew.target.mend(&name);
    crew.wait_told(&name, &["critical", "recovered"]);
    crew.told().nothing_twice();
    crew.no_gap_after_a_death();
    // Started again it is nobody's twin: it gets a share again, in time.
    crew.join(director);
    wait_for("it to be here again", || {
        (crew.get(&format!("/api/v1/member/{director}"))["here"] == true).then_some(())
    });
    crew.told().nothing_twice();
}

#[test]
fn a_director_that_sleeps_past_its_lease_changes_nothing_when_it_wakes() {
    let crew = Crew::start(1, 9, SECOND);
    let sleeper = crew.director();
    let name = crew.one_of(sleeper);
    crew.target.fail(&name);
    crew.wait_told(&name, &["critical"]);
    crew.told().nothing_twice();
    crew.signal(sleeper, Signal::SIGSTOP);
    wait_for("another to judge what it had", || {
        (!["nobody", sleeper].contains(&crew.judge_but(sleeper, &name))).then_some(())
    });
    // What it last knew is over, and something else has begun.
    crew.target.mend(&name);
    crew.wait_told(&name, &["critical", "recovered"]);
    crew.target.fail(&name);
    crew.wait_told(&name, &["critical", "recovered", "critical"]);
    let by = |epoch: &Value| epoch.as_str().unwrap().split('-').next().unwrap().to_owned();
    let term = by(&crew.get_but(sleeper, "/api/v1/plan")["groups"]["items"][0]["epoch"]);
    crew.signal(sleeper, Signal::SIGCONT);
    crew.all_here();
    let told = crew.told();
    assert_eq!(told.of_monitor(&name), ["critical", "recovered", "critical"]);
    told.nothing_twice();
    // Whatever is planned now, it is planned by the other one.
    assert_ne!(crew.director(), sleeper);
    for group in crew.get("/api/v1/plan")["groups"]["items"].as_array().unwrap() {
        assert_eq!(by(&group["epoch"]), term, "{group}");
    }
    crew.target.mend(&name);
    crew.wait_told(&name, &["critical", "recovered", "critical", "recovered"]);
    let told = crew.told();
    assert_eq!(told.monitors(), [name]);
    told.nothing_twice();
    crew.no_gap_after_a_death();
}
