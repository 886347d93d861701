//! What operators do: stop, restart, drain.

use super::super::world::{binary, now};
use super::crew::{Crew, IDS, SECOND};

#[test]
fn a_planned_stop_misses_no_run_is_quick_and_tells_nobody() {
    let mut crew = Crew::start(1, 60, 2 * SECOND);
    let leaves = crew.director();
    let failing = crew.one_of(leaves);
    crew.target.fail(&failing);
    crew.wait_told(&failing, &["critical"]);
    crew.told().nothing_twice();
    let asked = now();
    let ended = crew.members.remove(leaves).unwrap().terminate();
    assert_eq!(ended.code(), Some(0));
    // Two seconds to hand over, five for what is in flight.
    assert!(asked.elapsed() < 7 * SECOND, "it took {:?}", asked.elapsed());
    crew.level();
    assert_eq!(crew.told().of_monitor(&failing), ["critical"]);
    crew.target.mend(&failing);
    crew.wait_told(&failing, &["critical", "recovered"]);
    crew.told().nothing_twice();
    crew.no_run_missed();
}

#[test]
fn a_rolling_restart_of_all_members_under_load_misses_no_run_and_repeats_nothing() {
    let mut crew = Crew::start(1, 60, 2 * SECOND);
    let failing = crew.names[0].clone();
    crew.target.fail(&failing);
    crew.wait_told(&failing, &["critical"]);
    crew.told().nothing_twice();
    let mut changed = vec![failing];
    for id in IDS {
        // One begins to fail and another recovers where they are just being handed over.
        let its = |name: &&String| crew.judge(name) == id && !changed.contains(*name);
        let fails = crew.names.iter().find(its).unwrap().clone();
        let last = changed.last().unwrap();
        crew.wait_told(last, &["critical"]);
        crew.target.mend(last);
        crew.target.fail(&fails);
        changed.push(fails);
        assert!(crew.members.remove(id).unwrap().terminate().success());
        crew.join(id);
        crew.level();
    }
    let last = changed.last().unwrap();
    crew.wait_told(last, &["critical"]);
    crew.target.mend(last);
    for name in &changed {
        crew.wait_told(name, &["critical", "recovered"]);
    }
    let told = crew.told();
    changed.sort();
    assert_eq!(told.monitors(), changed);
    told.nothing_twice();
    crew.no_run_missed();
}

#[test]
fn a_drained_member_gives_all_it_has_and_gets_it_back_without_a_missed_run() {
    let crew = Crew::start(1, 12, 2 * SECOND);
    let url = format!("http://{}", crew.members["m1"].address);
    let member = |args: &[&str]| {
        let output = binary()
            .arg("member")
            .args(args)
            .args(["--server", &url])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let failing = crew.one_of("m2");
    crew.target.fail(&failing);
    crew.wait_told(&failing, &["critical"]);
    assert_eq!(member(&["drain", "m2", "--wait"]), "m2 holds nothing\n");
    assert_ne!(crew.judge(&failing), "m2");
    let told = crew.told();
    assert_eq!(told.of_monitor(&failing), ["critical"]);
    member(&["undrain", "m2"]);
    crew.level();
    crew.target.mend(&failing);
    crew.wait_told(&failing, &["critical", "recovered"]);
    crew.told().nothing_twice();
    crew.no_run_missed();
}
