//! One member that cannot reach etcd, or the others, or neither; and what it finds when it can again.

use super::super::world::{now, wait_for};
use super::crew::{Crew, IDS, SECOND};
use super::network::{Network, in_a_network_of_its_own};

/// A member that does not direct, and two monitors that it judges.
fn some_member(crew: &Crew) -> (&'static str, [String; 2]) {
    let director = crew.director();
    let id = IDS.into_iter().find(|id| *id != director).unwrap();
    let its: Vec<&String> = crew.names.iter().filter(|name| crew.judge(name) == id).collect();
    (id, [its[0].clone(), its[1].clone()])
}

/// What one member judges goes to the others while it is cut off, with an incident that was open; it has nothing to say of it when it is back.
fn taken_over_and_back(cut_off: impl Fn(&Network, &str) + Send + 'static) {
    in_a_network_of_its_own(move || {
        let network = Network::of(&IDS);
        let crew = Crew::gather(network.scene(), 9, SECOND);
        let (cut, [open, fails]) = some_member(&crew);
        crew.target.fail(&open);
        crew.wait_told(&open, &["critical"]);
        crew.told().nothing_twice();
        cut_off(&network, cut);
        crew.target.fail(&fails);
        wait_for("another to judge what it had", || {
            (!["nobody", cut].contains(&crew.judge_but(cut, &open))).then_some(())
        });
        crew.wait_told(&fails, &["critical"]);
        crew.target.mend(&open);
        crew.wait_told(&open, &["critical", "recovered"]);
        network.heal();
        crew.all_here();
        let told = crew.told();
        assert_eq!(told.of_monitor(&open), ["critical", "recovered"]);
        assert_eq!(told.of_monitor(&fails), ["critical"]);
        crew.target.mend(&fails);
        crew.wait_told(&fails, &["critical", "recovered"]);
        crew.told().nothing_twice();
        // It gets its share again, and each runs in one place.
        crew.level();
        crew.run_again(1);
        let since = now();
        crew.run_again(4);
        for name in &crew.names {
            let mut from = crew.target.came_from(name, since);
            from.dedup();
            assert_eq!(from.len(), 1, "{name} is run by {from:?}");
        }
        crew.told().nothing_twice();
        crew.no_gap_after_a_death();
    });
}

#[test]
fn a_member_that_is_cut_off_from_etcd_is_taken_over_and_repeats_nothing_when_it_is_back() {
    taken_over_and_back(|network, cut| network.cut_from_etcd(cut));
}

#[test]
fn a_member_that_is_cut_off_from_everybody_is_taken_over_and_repeats_nothing_when_it_is_back() {
    taken_over_and_back(|network, cut| {
        network.cut_from_etcd(cut);
        network.cut_from_members(cut);
    });
}

#[test]
fn a_change_whose_commit_gets_no_answer_is_told_once() {
    in_a_network_of_its_own(|| {
        let network = Network::of(&IDS);
        let crew = Crew::gather(network.scene(), 9, SECOND);
        let (cut, [fails, other]) = some_member(&crew);
        // What it asks for arrives, and may be done; what it is answered does not.
        network.cut_answers_of_etcd(cut);
        crew.target.fail(&fails);
        crew.wait_told(&fails, &["critical"]);
        network.heal();
        crew.all_here();
        crew.target.fail(&other);
        crew.wait_told(&other, &["critical"]);
        crew.both_recover([&fails, &other]);
    });
}

#[test]
fn members_that_cannot_talk_to_one_another_share_the_work_as_before_and_say_who_is_missing() {
    in_a_network_of_its_own(|| {
        let network = Network::of(&IDS);
        let mut crew = Crew::gather(network.scene(), 9, SECOND);
        let before = crew.judges();
        let (cut, [fails, other]) = some_member(&crew);
        network.cut_from_members(cut);
        for (id, member) in &crew.members {
            let missing: Vec<&str> = match *id == cut {
                true => IDS.into_iter().filter(|id| *id != cut).collect(),
                false => vec![cut],
            };
            wait_for("those who do not answer to be named", || {
                let overview = member.get("/api/v1/overview");
                assert_eq!(overview["monitors"]["total"], 9);
                (overview.get("unreachable") == Some(&missing.clone().into())).then_some(())
            });
        }
        // What one records another tells, over etcd.
        crew.target.fail(&fails);
        crew.wait_told(&fails, &["critical"]);
        assert_eq!(crew.judges(), before);
        // Who stops cannot say to it how things stand; it goes on by what is recorded.
        let leaves = IDS.into_iter().find(|id| ![cut, crew.director()].contains(id)).unwrap();
        assert!(crew.members.remove(leaves).unwrap().terminate().success());
        wait_for("the others to have all of it", || {
            crew.names.iter().all(|name| crew.judge(name) != leaves).then_some(())
        });
        crew.target.fail(&other);
        crew.wait_told(&other, &["critical"]);
        network.heal();
        crew.level();
        crew.both_recover([&fails, &other]);
    });
}

/// Two sites with etcd at one of them; the monitors of the other can only be run there.
#[test]
fn a_site_without_etcd_runs_its_own_monitors_on_and_all_is_told_once_it_is_back() {
    in_a_network_of_its_own(|| {
        let (near, far) = (["m1", "m2"], ["m3", "m4"]);
        let network = Network::of(&["m1", "m2", "m3", "m4"]);
        let mut scene = network.scene();
        for id in far {
            scene.stations.get_mut(id).unwrap().flags = ["--tags", "far"].map(str::to_owned).to_vec();
        }
        let mut crew = Crew::gather(scene, 6, SECOND);
        let theirs = crew.define_tagged("far", 6);
        for id in far {
            network.cut_from_etcd(id);
            near.iter().for_each(|other| network.cut(id, other));
        }
        wait_for("those who are missed to be gone", || {
            let members = crew.members["m1"].get("/api/v1/member");
            let all = members["items"].as_array().unwrap().iter();
            (all.filter(|member| member["here"] == true).count() == near.len()).then_some(())
        });
        crew.target.fail(&theirs[0]);
        crew.target.fail(&crew.names[0]);
        crew.wait_told(&crew.names[0], &["critical"]);
        crew.target.wait_runs(&theirs, 8);
        network.heal();
        crew.wait_told(&theirs[0], &["critical"]);
        crew.all_here();
        let both = [theirs[0].clone(), crew.names[0].clone()];
        crew.names.extend(theirs);
        crew.both_recover([&both[0], &both[1]]);
    });
}
