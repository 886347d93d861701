//! etcd that goes away, whole or in part.

use serde_json::json;

use super::super::world::wait_for;
use super::crew::{Crew, SECOND};

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
    crew.target.mend(&open);
    crew.target.mend(&fails);
    crew.wait_told(&open, &["critical", "recovered"]);
    crew.wait_told(&fails, &["critical", "recovered"]);
    let told = crew.told();
    assert_eq!(told.monitors(), [open, fails]);
    told.nothing_twice();
    crew.no_gap_after_a_death();
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
    let judged = |crew: &Crew| crew.names.iter().map(|name| crew.judge(name)).collect::<Vec<_>>();
    let before = judged(&crew);
    let leads = leader(&crew);
    crew.etcd[leads].stop();
    crew.target.fail(&name);
    crew.wait_told(&name, &["critical"]);
    crew.level();
    assert_eq!(judged(&crew), before);
    crew.etcd[leads].again();
    crew.target.mend(&name);
    crew.wait_told(&name, &["critical", "recovered"]);
    let told = crew.told();
    assert_eq!(told.monitors(), [name]);
    told.nothing_twice();
    crew.no_gap_after_a_death();
}
