//! One case a rule.

use super::*;

#[test]
fn one_member_holds_everything_in_one_run() {
    let mut world = World::of("a");
    world.monitors("", 1000, 1);
    world.plan(Moves::Must);
    assert!(world.tables.values().all(|table| table.runs.len() == 1));
}

#[test]
fn a_table_is_made_before_its_monitors_come_and_they_are_level_all_the_same() {
    let mut world = World::of("a b c");
    world.monitors("", 1, 1);
    world.plan(Moves::Must);
    world.monitors("", 20_000, 2);
    world.plan(Moves::Must);
    world.check_level(0.1);
    assert!(world.tables[&Group::of("")].runs.len() < 10);
}

#[test]
fn a_new_table_is_short() {
    let mut world = World::of("a b c");
    world.monitors("", 20_000, 2);
    world.plan(Moves::Must);
    let runs = world.tables[&Group::of("")].runs.len();
    assert!(runs < 30, "{runs} runs");
}

#[test]
fn with_nobody_eligible_all_slots_are_orphans_until_somebody_comes() {
    let mut world = World::of("a");
    world.monitors("eu", 10, 1);
    let planned = world.plan(Moves::Must);
    assert_eq!(planned.orphans.get(&Group::of("eu")), Some(&usize::from(SLOTS)));
    world.join("b", &["eu"], 1);
    world.class("b", Class::Waits);
    let planned = world.plan(Moves::Must);
    assert!(planned.orphans.is_empty() || planned.changes.is_empty());
    world.class("b", Class::Full);
    assert!(world.plan(Moves::Must).orphans.is_empty());
}

#[test]
fn a_judge_that_is_back_without_the_tag_is_taken_its_slots_while_those_who_have_it_wait() {
    let mut world = World::of("a");
    for id in ["b", "c"] {
        world.join(id, &["db"], 1);
    }
    world.monitors("db", 10, 1);
    world.class("b", Class::Waits);
    world.plan(Moves::Must);
    assert_eq!(world.slots("tag-db")["c"], usize::from(SLOTS));
    world.members.remove("c");
    world.plan(Moves::Must);
    assert_eq!(
        world.slots("tag-db")["c"],
        usize::from(SLOTS),
        "b may have them in a moment"
    );
    world.join("c", &["eu"], 1);
    world.plan(Moves::Must);
    assert!(!world.slots("tag-db").contains_key("c"), "{:?}", world.slots("tag-db"));
    world.class("b", Class::Full);
    world.plan(Moves::Must);
    assert_eq!(world.slots("tag-db")["b"], usize::from(SLOTS));
}

#[test]
fn while_everybody_has_just_come_there_is_no_table() {
    let mut world = World::of("a");
    world.monitors("", 10, 1);
    world.class("a", Class::Waits);
    assert!(world.plan(Moves::Must).changes.is_empty());
}

#[test]
fn drain_empties_a_member_and_says_what_nobody_else_may_hold() {
    let mut world = World::of("a b");
    world.join("e", &["eu"], 1);
    world.monitors("", 500, 1);
    world.monitors("eu", 50, 2);
    world.plan(Moves::Must);
    world.class("b", Class::Gives);
    world.class("e", Class::Gives);
    let planned = world.plan(Moves::Must);
    assert_eq!(planned.stuck, [(id("e"), usize::from(SLOTS))].into());
    assert_eq!(world.slots("untagged"), [("a".to_owned(), usize::from(SLOTS))].into());
    assert_eq!(world.slots("notify").len(), 1);
}

#[test]
fn whoever_is_about_to_leave_gives_to_the_cordoned_rather_than_to_nobody() {
    let mut world = World::of("a b");
    world.monitors("", 500, 1);
    world.plan(Moves::Must);
    world.class("a", Class::Keeps);
    world.class("b", Class::Leaves);
    assert!(world.plan(Moves::Must).stuck.is_empty());
    assert_eq!(world.slots("untagged").len(), 1);
}

#[test]
fn a_cordoned_member_keeps_what_it_has_and_is_given_nothing_more() {
    let mut world = World::of("a b c");
    world.monitors("", 5000, 1);
    world.plan(Moves::Must);
    let before = world.slots("untagged");
    world.class("b", Class::Keeps);
    world.members.remove("c");
    world.plan(Moves::Must);
    assert_eq!(world.slots("untagged")["b"], before["b"]);
}

#[test]
fn a_lost_judge_is_replaced_by_one_of_its_living_runners() {
    let mut world = World::of("a b c d");
    world.monitors("", 5000, 1);
    world.plan(Moves::Must);
    let table = world.tables.get_mut(&Group::of("")).unwrap();
    for run in table.runs.iter_mut().filter(|run| run.judge == Some(id("a"))) {
        run.runners = vec![id("a"), id("c"), id("d")];
    }
    let had = world.slots("untagged");
    world.members.remove("a");
    world.plan(Moves::Must);
    let has = world.slots("untagged");
    assert_eq!((has["b"], has["d"]), (had["b"], had["d"]));
    assert_eq!(has["c"], had["a"] + had["c"]);
    let runners = world.tables[&Group::of("")]
        .runs
        .iter()
        .find(|run| !run.runners.is_empty());
    assert_eq!(runners.unwrap().runners, [id("c"), id("d")]);
}

#[test]
fn a_slot_goes_to_whoever_can_run_its_kinds_and_to_anybody_if_nobody_can() {
    let mut world = World::of("a b");
    world.members.get_mut("a").unwrap().kinds = vec!["tcp".to_owned()];
    let mut loads = GroupLoads::default();
    for slot in 0..SLOTS {
        loads.add(slot, 1000, if slot % 4 == 0 { "icmp" } else { "tcp" });
    }
    world.loads.insert(Group::of(""), loads);
    world.plan(Moves::Must);
    let check = |world: &World| {
        let judges = judges(&world.tables[&Group::of("")]);
        assert!(judges.iter().step_by(4).all(|judge| *judge == Some(id("b"))));
    };
    check(&world);
    world.check_level(0.1);
    world.members.get_mut("b").unwrap().kinds = vec!["tcp".to_owned()];
    assert!(world.plan(Moves::Must).changes.is_empty());
    world.members.remove("b");
    world.plan(Moves::Must);
    assert_eq!(world.slots("untagged").len(), 1);
}

#[test]
fn whoever_takes_part_in_many_groups_is_not_given_a_share_of_each() {
    let mut world = World::default();
    world.join("both", &["eu", "us"], 1);
    world.join("eu", &["eu"], 1);
    world.join("us", &["us"], 1);
    world.monitors("eu", 4000, 1);
    world.monitors("us", 4000, 2);
    world.plan(Moves::Must);
    let held = world.held();
    let fair = held.values().sum::<f64>() / 3.0;
    for (member, has) in held {
        assert!((has - fair).abs() < fair * 0.1, "{member:?}: {has}, fair is {fair}");
    }
}

#[test]
fn a_slot_heavier_than_a_fair_share_keeps_nobody_from_a_share_of_the_rest() {
    let mut world = World::of("a b");
    world.monitors("", 4000, 1);
    let load = world.held().values().sum::<f64>() + 1e9;
    world.loads.get_mut(&Group::of("")).unwrap().add(7, load as u64, "exec");
    world.plan(Moves::Must);
    let heavy = judges(&world.tables[&Group::of("")])[7].clone();
    world.join("c", &[], 1);
    world.plan(fill(&["c"]));
    let held = world.held();
    let rest: Vec<f64> = held
        .iter()
        .filter(|(who, _)| **who != heavy)
        .map(|(_, load)| *load)
        .collect();
    assert!(rest.len() == 2 && (rest[0] - rest[1]).abs() < rest[0] * 0.1, "{held:?}");
}

#[test]
fn a_table_that_makes_no_sense_is_put_in_order() {
    let mut world = World::of("a b");
    world.monitors("", 100, 1);
    world.plan(Moves::Must);
    let table = world.tables.get_mut(&Group::of("")).unwrap();
    table.runs.remove(0);
    table.runs.push(crate::store::records::SlotRun {
        first: 3,
        last: 65_535,
        judge: Some(id("b")),
        since: "9-9".to_owned(),
        runners: Vec::new(),
    });
    let planned = plan(&world.input(Moves::Must));
    assert_eq!(planned.changes.len(), 1);
    let judges = judges(&planned.changes[0].table);
    assert!(judges.len() == usize::from(SLOTS) && judges.iter().all(Option::is_some));
}

#[test]
fn a_zone_of_hundreds_dies_in_commits_of_bounded_size() {
    let mut world = World::default();
    for n in 0..300 {
        world.join(&format!("m{n}"), &[], 1);
    }
    world.monitors("", 30_000, 1);
    world.plan(Moves::Must);
    world.check_level(0.1);
    world.members.retain(|id, _| !id.as_str().ends_with(['1', '2', '3']));
    world.plan(Moves::Must);
    world.check_level(0.1);
}
