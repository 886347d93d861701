//! A line to etcd that works badly.

use super::crew::{IDS, SECOND};
use super::relay::{Works, on_lines};

#[test]
fn an_etcd_that_takes_half_a_second_for_everything_costs_no_run_no_session_and_repeats_nothing() {
    let (mut crew, lines) = on_lines(9);
    let before = crew.judges();
    for line in lines.values() {
        line.works(Works::Slowly(SECOND / 4));
    }
    let [fails, later] = [crew.names[0].clone(), crew.names[1].clone()];
    crew.target.fail(&fails);
    crew.wait_told(&fails, &["critical"]);
    // Several lease times.
    crew.run_again(10);
    assert_eq!(crew.judges(), before);
    crew.target.mend(&fails);
    crew.wait_told(&fails, &["critical", "recovered"]);
    for (id, world) in &crew.worlds {
        let lost: Vec<String> = world
            .log
            .all()
            .into_iter()
            .filter(|line| line.contains("session is lost"))
            .collect();
        assert!(lost.is_empty(), "{id}: {lost:?}");
    }
    // A death is answered over it as well, by who knows what was told.
    crew.told().nothing_twice();
    let killed = crew.judge(&later);
    crew.kill(killed);
    crew.target.fail(&later);
    crew.wait_told(&later, &["critical"]);
    crew.level();
    crew.told().nothing_twice();
    crew.no_gap_after_a_death();
}

/// While one member's line works so, what it finds is recorded when it can be; the others notice nothing.
fn told_in_the_end(works: Works) {
    let (crew, lines) = on_lines(9);
    let bad = IDS.into_iter().find(|id| *id != crew.director()).unwrap();
    let fails = crew.one_of(bad);
    let other = crew.names.iter().find(|name| crew.judge(name) != bad).unwrap().clone();
    lines[bad].works(works);
    crew.target.fail(&fails);
    crew.target.fail(&other);
    crew.wait_told(&other, &["critical"]);
    // Several lease times.
    crew.run_again(10);
    assert!(lines[bad].did_harm());
    lines[bad].works(Works::Well);
    crew.wait_told(&fails, &["critical"]);
    crew.all_here();
    let told = crew.both_recover([&fails, &other]);
    let mut wanted = [fails, other];
    wanted.sort();
    assert_eq!(told.monitors(), wanted);
}

#[test]
fn while_keep_alives_and_reads_pass_and_writes_hang_checks_go_on_and_all_is_told_in_the_end() {
    // A question for one record is shorter than any commit.
    told_in_the_end(Works::WithoutLarger(100));
}

#[test]
fn while_only_keep_alives_pass_checks_go_on_and_all_is_told_in_the_end() {
    told_in_the_end(Works::WithoutLarger(20));
}

#[test]
fn a_path_that_loses_large_packets_costs_no_run_and_all_is_told_in_the_end() {
    told_in_the_end(Works::StuckAfterLarger(200));
}

#[test]
fn a_line_that_is_silent_and_works_again_repeats_nothing() {
    told_in_the_end(Works::Silently);
}
