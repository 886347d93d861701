//! Members come, go, are drained and are found unfit: each row of the director's table.

use super::*;
use crate::store::LeaseId;

const ALL: usize = SLOTS as usize;

async fn three() -> World {
    let world = World::of("a b c").await;
    for n in 0..300 {
        world.monitor(&format!("m{n}"), "");
    }
    world.until("untagged", "a b c").await;
    world
}

fn director_of(world: &World) -> String {
    let directs = |node: &&String| world.nodes[*node].rights.borrow().term.is_some();
    world.nodes.keys().find(directs).unwrap().clone()
}

/// A member that does not direct.
fn other(world: &World) -> String {
    let directs = director_of(world);
    world.nodes.keys().find(|name| **name != directs).unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn members_that_start_together_are_planned_with_together() {
    let mut world = World::new();
    world.monitor("web", "");
    for name in ["a", "b", "c"] {
        world.start(name, &[]).await;
        sleep(Duration::from_secs(1)).await;
    }
    let took = world.until("untagged", "a b c").await;
    assert!(took <= Duration::from_secs(3), "{took:?}");
    assert!(
        world.table("untagged").await.unwrap().epoch.ends_with("-0"),
        "in the first plan"
    );
    world.check_seats().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_gone_loses_everything_when_its_lease_ends_and_nobody_else_loses_anything() {
    let mut world = three().await;
    let (dead, before) = (other(&world), world.table("untagged").await.unwrap());
    world.kill(&dead);
    let left: Vec<String> = world.nodes.keys().cloned().collect();
    let took = world.until("untagged", &left.join(" ")).await;
    assert!(took <= TTL + Duration::from_secs(1), "{took:?}");
    let after = world.table("untagged").await.unwrap();
    for name in &left {
        assert_eq!(
            after.stamps.get(name.as_str()),
            before.stamps.get(name.as_str()),
            "nobody else is refused anything"
        );
    }
    assert!(!after.stamps.contains_key(dead.as_str()));
    let gone = format!("member {dead} is gone: its lease is over");
    assert_eq!(after.why, gone);
    assert_eq!(
        (world.said(&format!("plan ({gone}): ")), world.said(&gone)),
        (1, 2 + left.len()),
        "that it is gone, what moved, and who took it"
    );
    let lost = before.runs.iter().filter(|run| run.judge.as_ref() == Some(&id(&dead)));
    let lost: u16 = lost.map(|run| run.last - run.first + 1).sum();
    let took = world.said_by("took over");
    assert_eq!(took.len(), left.len(), "one event for each that took any: {took:?}");
    let slots = took.iter().map(|text| -> u16 {
        let (_, rest) = text.split_once("took over ").unwrap();
        let (slots, rest) = rest.split_once(' ').unwrap();
        assert_eq!(rest, format!("slots of {dead} (untagged): {gone}"));
        slots.parse().unwrap()
    });
    assert_eq!(slots.sum::<u16>(), lost);
    world.check_seats().await;
}

#[tokio::test(start_paused = true)]
async fn a_director_that_dies_is_replaced_and_its_slots_are_too() {
    let mut world = three().await;
    let dead = director_of(&world);
    world.kill(&dead);
    let left: Vec<String> = world.nodes.keys().cloned().collect();
    let took = world.until("untagged", &left.join(" ")).await;
    assert!(took <= TTL + Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_director_that_died_and_comes_back_waits_as_any_other_that_was_lost() {
    let mut world = three().await;
    let dead = director_of(&world);
    world.kill(&dead);
    let left: Vec<String> = world.nodes.keys().cloned().collect();
    world.until("untagged", &left.join(" ")).await;
    assert_eq!(
        world.said(&format!("plan (member {dead} is gone: its lease is over")),
        0
    );
    assert_eq!(world.said(&format!("; member {dead} is gone: its lease is over): ")), 1);
    world.start(&dead, &[]).await;
    let took = world.until("untagged", "a b c").await;
    let wait = Duration::from_secs(20);
    assert!((wait..wait + Duration::from_secs(1)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_director_that_has_just_come_waits_a_lease_time_before_it_takes_from_others() {
    let mut world = three().await;
    world.nodes.clear();
    sleep(TTL * 2).await;
    let before = world.table("untagged").await;
    world.start("a", &[]).await;
    sleep(TTL - Duration::from_secs(1)).await;
    assert_eq!(world.table("untagged").await, before);
    let took = world.until("untagged", "a").await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn when_all_leases_end_at_once_everybody_comes_back_and_nothing_moves() {
    let world = three().await;
    let before = world.table("untagged").await;
    let mut leases: Vec<LeaseId> = Vec::new();
    for name in world.nodes.keys() {
        leases.push(world.session(name).await.lease());
    }
    world.faults.freeze();
    sleep(Duration::from_secs(20)).await;
    world.faults.wake();
    sleep(CALM * 3).await;
    assert_eq!(world.table("untagged").await, before);
    for name in world.nodes.keys() {
        assert!(!leases.contains(&world.session(name).await.lease()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_its_share_in_one_commit_for_a_group_and_only_that_moves() {
    let mut world = World::of("a b").await;
    for n in 0..2000 {
        world.monitor(&format!("m{n}"), "");
    }
    world.until("untagged", "a b").await;
    let calls = world.faults.commit_calls();
    let began = world.slots("untagged").await;
    world.start("c", &[]).await;
    let took = world.until("untagged", "a b c").await;
    assert!(
        took >= Duration::from_secs(2) && took <= Duration::from_secs(3),
        "{took:?}"
    );
    let slots = world.slots("untagged").await;
    assert!(slots["c"] > ALL / 4 && slots["c"] <= ALL * 4 / 10, "{slots:?}");
    assert!(slots["a"] < began["a"] && slots["b"] < began["b"]);
    sleep(CALM).await;
    assert_eq!(world.slots("untagged").await, slots, "once");
    // The newcomer's record, its attempt at the election, and one call with the tables of both groups.
    assert!(
        world.faults.commit_calls() - calls <= 4,
        "{}",
        world.faults.commit_calls() - calls
    );
    world.check_seats().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_takes_its_own_record_over_moves_nothing() {
    let mut world = three().await;
    let before = world.table("untagged").await;
    let name = other(&world);
    world.kill(&name);
    sleep(Duration::from_secs(1)).await;
    world.start(&name, &[]).await;
    sleep(CALM).await;
    assert_eq!(world.table("untagged").await, before);
}

#[tokio::test(start_paused = true)]
async fn a_drained_member_is_emptied_at_once_stays_empty_over_its_restart_and_gets_its_share_back() {
    let mut world = three().await;
    let name = other(&world);
    let left: Vec<String> = world.nodes.keys().filter(|n| **n != name).cloned().collect();
    world.intent(&name, |intent| intent.drain = true).await;
    assert!(world.until("untagged", &left.join(" ")).await <= Duration::from_millis(100));
    world.until("notify", &left.join(" ")).await;
    world.kill(&name);
    sleep(CALM).await;
    world.start(&name, &[]).await;
    sleep(CALM * 3).await;
    assert_eq!(world.judges("untagged").await, left.join(" "));
    world.write(Op::Delete(keys::intent(&id(&name)))).await;
    // It was lost once: that is waited out.
    world.until("untagged", "a b c").await;
    assert!(world.slots("untagged").await[&name] > ALL / 4);
    world.check_seats().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_else_may_hold_stays_with_a_drained_member_and_that_is_said_once() {
    let mut world = World::new();
    world.start("a", &[]).await;
    world.start("e", &["eu"]).await;
    world.monitor("db", "eu");
    sleep(CALM).await;
    world.intent("e", |intent| intent.drain = true).await;
    sleep(CALM).await;
    world.monitor("web", "");
    sleep(CALM).await;
    assert_eq!(
        (world.judges("tag-eu").await, world.judges("notify").await),
        ("e".into(), "a".into())
    );
    assert_eq!(world.said("cannot drain member e"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_member_keeps_what_it_has() {
    let mut world = three().await;
    let name = other(&world);
    let had = world.slots("untagged").await[&name];
    world.intent(&name, |intent| intent.cordon = true).await;
    sleep(CALM).await;
    assert_eq!(world.slots("untagged").await[&name], had);
    let dead = world
        .nodes
        .keys()
        .find(|n| **n != name && **n != director_of(&world))
        .unwrap()
        .clone();
    world.kill(&dead);
    sleep(CALM).await;
    assert_eq!(world.slots("untagged").await[&name], had);
    assert!(!world.judges("untagged").await.contains(&dead));
}

#[tokio::test(start_paused = true)]
async fn an_unfit_member_is_given_nothing_until_it_is_fit_again() {
    let world = three().await;
    let name = other(&world);
    let left: Vec<String> = world.nodes.keys().filter(|n| **n != name).cloned().collect();
    let session = world.session(&name).await;
    session
        .update(|record| record.unfit = "no descriptors left".to_owned())
        .await;
    assert!(world.until("untagged", &left.join(" ")).await <= Duration::from_millis(100));
    session.update(|record| record.unfit.clear()).await;
    assert!(world.until("untagged", "a b c").await <= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn an_operators_weight_counts_at_once() {
    let world = three().await;
    world.intent("b", |intent| intent.weight = Some(8)).await;
    sleep(CALM).await;
    let held = crate::catalog::shares(
        &world.catalog.loads(),
        [(&Group::of(""), &world.table("untagged").await.unwrap())],
    );
    let monitors = |name: &str| held[&Some(id(name))].monitors;
    assert!(
        monitors("b") > 220 && monitors("a") < 40 && monitors("c") < 40,
        "{held:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_director_that_leaves_plans_without_itself_and_gives_the_office_to_another() {
    let mut world = three().await;
    let name = director_of(&world);
    let left: Vec<String> = world.nodes.keys().filter(|n| **n != name).cloned().collect();
    let session = world.session(&name).await;
    session.update(|record| record.leaving = true).await;
    assert!(world.until("untagged", &left.join(" ")).await <= Duration::from_millis(100));
    sleep(Duration::from_millis(100)).await;
    assert!(left.contains(&world.director().await.unwrap()), "another directs");
    sleep(Duration::from_secs(1)).await;
    assert!(
        left.contains(&world.director().await.unwrap()),
        "and it does not take the office back"
    );
    session.close().await.unwrap();
    world.kill(&name);
    sleep(CALM).await;
    assert_eq!(world.said(&format!("member {name} has left")), 1);
    world.check_seats().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_is_out_of_level_for_two_minutes_is_levelled_a_part_a_minute() {
    let world = World::of("a b").await;
    world.monitor("first", "");
    world.until("untagged", "a b").await;
    // Monitors whose slots are all with one of them.
    let table = world.table("untagged").await.unwrap();
    let judge = |name: &str| {
        let slot = crate::store::records::slot(name);
        table.runs[table.runs.partition_point(|run| run.last < slot)]
            .judge
            .clone()
    };
    let names: Vec<String> = (0..2000)
        .map(|n| format!("m{n}"))
        .filter(|name| judge(name) == Some(id("a")))
        .collect();
    for name in &names {
        world.monitor(name, "");
    }
    let of_a = async |world: &World| {
        let table = world.table("untagged").await.unwrap();
        crate::catalog::shares(&world.catalog.loads(), [(&Group::of(""), &table)])[&Some(id("a"))].monitors
    };
    let all = of_a(&world).await;
    sleep(Duration::from_secs(119)).await;
    assert_eq!(of_a(&world).await, all);
    sleep(Duration::from_secs(20)).await;
    let then = of_a(&world).await;
    assert!(then < all && then > all - ALL / 5, "{then} of {all}");
    sleep(Duration::from_secs(900)).await;
    let (end, fair) = (of_a(&world).await, names.len() / 2);
    assert!(end <= fair * 5 / 4 + 2, "{end}, fair is {fair}");
    assert!(world.said("out of level") >= 1);
}
