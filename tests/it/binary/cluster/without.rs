//! Members that have lost etcd, or found another one: what they run and whom they tell meanwhile. The states are those of docs/cluster.md.

use std::path::Path;

use base64::prelude::*;
use nix::sys::signal::Signal;
use serde_json::json;

use super::super::etcd::Etcd;
use super::super::world::{now, wait_for};
use super::crew::{Crew, IDS, SECOND, Scene};
use super::network::{Network, in_a_network_of_its_own};
use super::relay::{Works, on_lines_of};
use super::told::Told;

/// Members that keep a copy of etcd. What is checked answers also when etcd does not: who reaches it is not cut off from the world.
fn with_copies(mut scene: Scene) -> Scene {
    let target = scene.target.address();
    for station in scene.stations.values_mut() {
        let flags = ["--self-test", &target];
        station.flags.extend(flags.map(str::to_owned));
    }
    scene
}

fn here(nodes: usize) -> Crew {
    Crew::gather(with_copies(Scene::here(nodes)), 9, SECOND)
}

/// Fails and recovers while nobody has the store, and is told both then; an incident that was open before ends then too.
fn told_meanwhile(crew: &Crew, open: &str, fails: &str) {
    crew.target.fail(fails);
    crew.wait_told(fails, &["critical"]);
    crew.target.mend(fails);
    crew.wait_told(fails, &["critical", "recovered"]);
    crew.target.mend(open);
    crew.wait_told(open, &["critical", "recovered"]);
    crew.run_again(2);
}

/// What was told is not told again, and what comes then is told as ever.
fn as_ever(crew: &Crew, open: &str, fails: &str) {
    crew.all_here();
    crew.level();
    assert_eq!(crew.told().of_monitor(fails), ["critical", "recovered"]);
    assert_eq!(crew.told().of_monitor(open), ["critical", "recovered"]);
    crew.target.fail(fails);
    crew.wait_told(fails, &["critical", "recovered", "critical"]);
    crew.target.mend(fails);
    crew.wait_told(fails, &["critical", "recovered", "critical", "recovered"]);
    let told = crew.told();
    told.nothing_twice();
    told.each_ends_once();
    crew.no_gap_after_a_death();
}

/// Two monitors; one of them has an incident that is told and recorded.
fn one_open(crew: &Crew) -> [String; 2] {
    let [open, fails] = [crew.names[0].clone(), crew.names[1].clone()];
    crew.target.fail(&open);
    crew.wait_told(&open, &["critical"]);
    crew.told().nothing_twice();
    [open, fails]
}

#[test]
fn while_nobody_has_etcd_everything_is_told_and_nothing_again_when_it_is_back() {
    let mut crew = here(1);
    let [open, fails] = one_open(&crew);
    let before = crew.judges();
    crew.etcd[0].stop();
    told_meanwhile(&crew, &open, &fails);
    // What operators write has to wait, and they are told why.
    let write = json!({"later": crew.target.monitor("later", SECOND)});
    let (status, said) = crew.members["m1"].ask("POST", "/api/v1/monitor", Some(&write));
    assert_eq!(status, 503, "{said}");
    assert!(said.to_string().contains("store"), "{said}");
    crew.etcd[0].again();
    as_ever(&crew, &open, &fails);
    assert_eq!(crew.judges(), before);
}

#[test]
fn a_member_that_restarts_while_nobody_has_etcd_runs_what_it_ran_and_knows_what_it_told() {
    let mut crew = here(1);
    let [open, fails] = one_open(&crew);
    let before = crew.judges();
    crew.etcd[0].stop();
    crew.target.fail(&fails);
    crew.wait_told(&fails, &["critical"]);
    crew.run_again(2);
    for id in IDS {
        crew.kill(id);
        crew.join(id);
        crew.run_again(1);
    }
    crew.run_again(2);
    assert_eq!(Told::of(crew.worlds.values()).of_monitor(&fails), ["critical"]);
    assert_eq!(Told::of(crew.worlds.values()).of_monitor(&open), ["critical"]);
    for name in [&open, &fails] {
        crew.target.mend(name);
        crew.wait_told(name, &["critical", "recovered"]);
    }
    crew.etcd[0].again();
    as_ever(&crew, &open, &fails);
    assert_eq!(crew.judges(), before);
}

#[test]
fn while_etcd_is_frozen_everything_is_told_and_nothing_moves_when_it_wakes() {
    let crew = here(3);
    let [open, fails] = one_open(&crew);
    let before = crew.judges();
    crew.etcd.iter().for_each(|node| node.signal(Signal::SIGSTOP));
    told_meanwhile(&crew, &open, &fails);
    crew.etcd.iter().for_each(|node| node.signal(Signal::SIGCONT));
    as_ever(&crew, &open, &fails);
    assert_eq!(crew.judges(), before);
}

#[test]
fn while_etcd_is_full_everything_is_told_and_nothing_moves() {
    let small = |dir: &Path| Etcd::start_at("127.0.0.1", dir, 1, &["--quota-backend-bytes=4000000"]);
    let crew = Crew::gather(with_copies(Scene::of(&IDS, small)), 9, SECOND);
    let [open, fails] = one_open(&crew);
    let before = crew.judges();
    crew.etcd[0].fill();
    told_meanwhile(&crew, &open, &fails);
    crew.etcd[0].make_room();
    as_ever(&crew, &open, &fails);
    assert_eq!(crew.judges(), before);
}

#[test]
fn while_writes_of_one_member_hang_and_its_keep_alives_pass_what_it_finds_is_told() {
    let (crew, lines) = on_lines_of(with_copies(Scene::here(1)), 9);
    let bad = IDS.into_iter().find(|id| *id != crew.director()).unwrap();
    let fails = crew.one_of(bad);
    lines[bad].works(Works::WithoutLarger(100));
    crew.target.fail(&fails);
    crew.wait_told(&fails, &["critical"]);
    crew.target.mend(&fails);
    crew.wait_told(&fails, &["critical", "recovered"]);
    assert!(lines[bad].did_harm());
    lines[bad].works(Works::Well);
    crew.all_here();
    let told = crew.told();
    assert_eq!(told.of_monitor(&fails), ["critical", "recovered"]);
    told.nothing_twice();
    crew.no_gap_after_a_death();
}

#[test]
fn an_etcd_that_lost_everything_is_touched_by_nobody_until_an_operator_writes_it_back() {
    let mut crew = here(1);
    let [open, fails] = one_open(&crew);
    crew.etcd[0].wipe();
    told_meanwhile(&crew, &open, &fails);
    for member in crew.members.values() {
        assert_eq!(member.get("/api/v1/overview")["monitors"]["total"], 9);
    }
    let all = json!({"key": BASE64_STANDARD.encode("/9volt/"), "range_end": BASE64_STANDARD.encode("/9volt0"), "keys_only": true});
    let there = wait_for("etcd to answer", || crew.etcd[0].ask("/v3/kv/range", &all));
    assert_eq!(there.get("kvs"), None, "{there}");
    crew.store("restore");
    as_ever(&crew, &open, &fails);
}

#[test]
fn an_etcd_that_lost_everything_is_taken_as_it_is_when_an_operator_says_so() {
    let mut crew = here(1);
    let [open, _] = one_open(&crew);
    crew.etcd[0].wipe();
    crew.run_again(3);
    crew.store("adopt");
    for member in crew.members.values() {
        wait_for("all that is gone to be gone here", || {
            (member.get("/api/v1/overview")["monitors"]["total"] == 0).then_some(())
        });
    }
    crew.wait_told(&open, &["critical", "deleted"]);
    crew.all_here();
    crew.define("alerter", &json!({"console": {"type": "log"}}));
    crew.define("monitor", &json!({"new": crew.target.monitor("new", SECOND)}));
    crew.target.fail("new");
    crew.wait_told("new", &["critical"]);
    crew.recorded();
    Told::of(crew.worlds.values()).nothing_twice();
}

#[test]
fn what_was_told_after_the_snapshot_that_etcd_is_restored_from_is_not_told_again() {
    let mut crew = here(1);
    let [open, fails] = one_open(&crew);
    let file = crew.dir.path().join("snapshot");
    crew.etcd[0].save(&file);
    // One has begun since, one has ended.
    crew.target.fail(&fails);
    crew.wait_told(&fails, &["critical"]);
    crew.target.mend(&open);
    crew.wait_told(&open, &["critical", "recovered"]);
    crew.told().nothing_twice();
    crew.etcd[0].restore(&file);
    crew.run_again(8);
    crew.all_here();
    let told = crew.told();
    assert_eq!(told.of_monitor(&fails), ["critical"]);
    assert_eq!(told.of_monitor(&open), ["critical", "recovered"]);
    crew.target.mend(&fails);
    crew.wait_told(&fails, &["critical", "recovered"]);
    as_ever(&crew, &open, &fails);
}

/// A member that does not direct, cut off from etcd and perhaps more; two monitors that it judges, one of which has an open incident. `then` says of which
/// monitor both sides tell.
fn cut_off(
    flags: &[&str],
    also_from_members: bool,
    then: impl FnOnce(&Crew, &Network, &'static str, [String; 2]) -> Option<String>,
) {
    let network = Network::of(&IDS);
    let mut scene = with_copies(network.scene());
    for station in scene.stations.values_mut() {
        station.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
    }
    let crew = Crew::gather(scene, 9, SECOND);
    let director = crew.director();
    let cut = IDS.into_iter().find(|id| *id != director).unwrap();
    let its: Vec<String> = crew
        .names
        .iter()
        .filter(|name| crew.judge(name) == cut)
        .cloned()
        .collect();
    crew.target.fail(&its[0]);
    crew.wait_told(&its[0], &["critical"]);
    crew.told().nothing_twice();
    network.cut_from_etcd(cut);
    if also_from_members {
        network.cut_from_members(cut);
    }
    wait_for("another to judge what it had", || {
        (!["nobody", cut].contains(&crew.judge_but(cut, &its[0]))).then_some(())
    });
    let by_both = then(&crew, &network, cut, [its[0].clone(), its[1].clone()]);
    let told = crew.told();
    told.nothing_twice_but(by_both.as_deref());
    told.each_ends_once();
    crew.no_gap_after_a_death();
}

#[test]
fn a_member_that_hears_that_others_have_etcd_leaves_to_them_what_they_judge() {
    in_a_network_of_its_own(|| {
        cut_off(&[], false, |crew, network, cut, [open, fails]| {
            let address = network.address(cut);
            wait_for("it to leave its monitors alone", || {
                let since = now();
                crew.run_again(3);
                let names = crew.names.iter();
                let by_it = names.filter(|name| crew.target.came_from(name, since).contains(&address));
                (by_it.count() == 0).then_some(())
            });
            crew.target.fail(&fails);
            crew.wait_told(&fails, &["critical"]);
            for name in [&open, &fails] {
                crew.target.mend(name);
                crew.wait_told(name, &["critical", "recovered"]);
            }
            network.heal();
            crew.all_here();
            None
        });
    });
}

#[test]
fn a_member_that_hears_nobody_runs_on_and_is_silent() {
    in_a_network_of_its_own(|| {
        cut_off(
            &["--isolated-after", "never"],
            true,
            |crew, network, cut, [open, fails]| {
                let (address, since) = (network.address(cut), now());
                let said = crew.worlds[cut].told().len();
                crew.target.fail(&fails);
                crew.wait_told(&fails, &["critical"]);
                crew.run_again(5);
                for name in [&open, &fails] {
                    assert!(
                        crew.target.came_from(name, since).contains(&address),
                        "{name} is left alone"
                    );
                    crew.target.mend(name);
                    crew.wait_told(name, &["critical", "recovered"]);
                }
                crew.run_again(3);
                assert_eq!(crew.worlds[cut].told().len(), said);
                network.heal();
                crew.all_here();
                None
            },
        );
    });
}

#[test]
fn a_member_that_hears_nobody_for_long_tells_and_what_it_opened_is_closed_once() {
    in_a_network_of_its_own(|| {
        cut_off(
            &["--isolated-after", "5s"],
            true,
            |crew, network, cut, [open, fails]| {
                let its = |monitor: &str| {
                    let told = Told::of([&crew.worlds[cut]].into_iter());
                    told.of_monitor(monitor)
                        .into_iter()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                };
                crew.target.fail(&fails);
                // Both sides do: neither can know of the other.
                wait_for("both sides to tell", || {
                    (Told::of(crew.worlds.values()).of_monitor(&fails).len() == 2 && its(&fails) == ["critical"])
                        .then_some(())
                });
                let alerts = crew.worlds[cut].alerts();
                let last = alerts.iter().rfind(|alert| alert["monitor"] == fails).unwrap();
                assert!(last["text"].as_str().unwrap().contains("without the store"), "{last}");
                network.heal();
                crew.all_here();
                for name in [&open, &fails] {
                    crew.target.mend(name);
                }
                wait_for("each to be ended", || {
                    let told = Told::of(crew.worlds.values());
                    (told.open().is_empty() && told.of_monitor(&open).len() >= 2).then_some(())
                });
                // By the same key: a far end that has keys takes it for one.
                Some(fails)
            },
        );
    });
}

#[test]
fn a_site_that_is_cut_off_tells_of_its_own_monitors_after_a_while() {
    in_a_network_of_its_own(|| {
        let (near, far) = (["m1", "m2"], ["m3", "m4"]);
        let network = Network::of(&["m1", "m2", "m3", "m4"]);
        let mut scene = with_copies(network.scene());
        for station in scene.stations.values_mut() {
            station.flags.extend(["--isolated-after", "5s"].map(str::to_owned));
        }
        for id in far {
            let flags = &mut scene.stations.get_mut(id).unwrap().flags;
            flags.extend(["--tags", "far"].map(str::to_owned));
        }
        let mut crew = Crew::gather(scene, 6, SECOND);
        let theirs = crew.define_tagged("far", 6);
        crew.target.fail(&theirs[1]);
        crew.wait_told(&theirs[1], &["critical"]);
        crew.told().nothing_twice();
        for id in far {
            network.cut_from_etcd(id);
            near.iter().for_each(|other| network.cut(id, other));
        }
        crew.target.wait_runs(&theirs, 4);
        crew.target.fail(&theirs[0]);
        crew.wait_told(&theirs[0], &["critical"]);
        crew.target.mend(&theirs[0]);
        crew.wait_told(&theirs[0], &["critical", "recovered"]);
        network.heal();
        crew.all_here();
        crew.target.mend(&theirs[1]);
        crew.wait_told(&theirs[1], &["critical", "recovered"]);
        crew.names.extend(theirs);
        let told = crew.told();
        told.nothing_twice();
        told.each_ends_once();
        crew.no_gap_after_a_death();
    });
}

/// The thread that runs the checks hangs, the one that keeps the lease does not.
#[test]
fn a_member_whose_schedule_hangs_gives_its_lease_up_and_then_ends() {
    let mut crew = Crew::start(1, 9, SECOND);
    let id = IDS.into_iter().find(|id| *id != crew.director()).unwrap();
    let its = crew.one_of(id);
    let hung = crew.members.remove(id).unwrap().hang("lane");
    wait_for("others to judge what it had", || {
        (![id, "nobody"].contains(&crew.judge(&its))).then_some(())
    });
    assert!(!hung.ended().success());
    crew.level();
    assert!(crew.told().monitors().is_empty());
    crew.no_gap_after_a_death();
}
