//! Clusters, loads and sequences of events by chance.

use proptest::prelude::*;

use super::*;

/// A cluster of untagged members.
fn flat() -> impl Strategy<Value = World> {
    let weights = prop::collection::vec(1..4u32, 2..9);
    (weights, 0..6000usize, any::<u64>()).prop_map(|(weights, n, seed)| {
        let mut world = World::default();
        for (i, weight) in weights.into_iter().enumerate() {
            world.join(&format!("m{i}"), &[], weight);
        }
        world.monitors("", n, seed);
        world
    })
}

/// A cluster with tags, several groups, and what happens to its members.
fn mixed() -> impl Strategy<Value = (World, Vec<(usize, u8)>)> {
    let tags = prop::collection::vec(0..5usize, 2..10);
    let happens = prop::collection::vec((0..10usize, 0..9u8), 1..12);
    (tags, 0..1500usize, any::<u64>(), happens).prop_map(|(tags, n, seed, happens)| {
        let mut world = World::default();
        for (i, tags) in tags.into_iter().enumerate() {
            let tags: &[&str] = [&[][..], &["eu"], &["us"], &["eu", "us"], &["eu", "db"]][tags];
            world.join(&format!("m{i}"), tags, 1 + i as u32 % 3);
        }
        for (i, tag) in ["", "eu", "us", "db"].into_iter().enumerate() {
            world.monitors(tag, n >> i, seed + i as u64);
        }
        (world, happens)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every slot has one eligible judge, stamps and since follow their rules, and a second plan changes nothing, whatever happens.
    #[test]
    fn every_plan_is_sound_and_the_next_one_changes_nothing((mut world, happens) in mixed()) {
        world.plan(Moves::Must);
        for (who, what) in happens {
            let name = format!("m{who}");
            let known = world.members.contains_key(name.as_str());
            let mut moves = Moves::Must;
            match what {
                0 if world.members.len() > 1 => drop(world.members.remove(name.as_str())),
                1 | 2 if !known => {
                    world.join(&name, &[["eu"], ["us"]][usize::from(what) - 1], 1);
                    moves = fill(&[&name]);
                }
                3..=7 if known => {
                    let class = [Class::Full, Class::Keeps, Class::Waits, Class::Gives, Class::Leaves][usize::from(what) - 3];
                    world.class(&name, class);
                    if class == Class::Full {
                        moves = fill(&[&name]);
                    }
                }
                8 => moves = Moves::Level { most: 200 },
                _ => {}
            }
            world.plan(moves);
            let again = world.plan(Moves::Must);
            prop_assert!(again.changes.is_empty(), "{:?}", again.changes.iter().map(|c| (&c.group, &c.moves)).collect::<Vec<_>>());
        }
    }

    /// Within a tenth and one slot.
    #[test]
    fn a_new_plan_is_level_by_weight_and_load(mut world in flat()) {
        world.plan(Moves::Must);
        world.check_level(0.1);
        // Monitors to come will be, too.
        let width: u32 = world.members.values().map(|member| member.weight).sum();
        for member in world.members.values() {
            let fair = f64::from(SLOTS) * f64::from(member.weight) / f64::from(width);
            let has = world.slots("notify")[member.id.as_str()] as f64;
            prop_assert!((has - fair).abs() <= 2.0, "{}: {has} of {fair}", member.id);
        }
    }

    /// A death moves nothing but what the dead one had, and what is left is level.
    #[test]
    fn a_death_moves_only_what_the_dead_one_had(mut world in flat()) {
        world.plan(Moves::Must);
        let before = world.tables.clone();
        world.members.remove("m0");
        world.plan(Moves::Must);
        for (was, _, _) in world.moved(&before) {
            prop_assert_eq!(was, Some(id("m0")));
        }
        world.check_level(0.1);
    }

    /// A join moves the newcomer's share and no more than two hundredths above, only to it, and what comes out is level.
    #[test]
    fn a_join_moves_only_the_newcomers_share(mut world in flat(), weight in 1..4u32) {
        world.plan(Moves::Must);
        let before = world.tables.clone();
        world.join("new", &[], weight);
        prop_assert!(world.plan(Moves::Must).changes.is_empty(), "nothing moves to it that has a judge");
        world.plan(fill(&["new"]));
        let moved = world.moved(&before);
        let work: f64 = world.held().values().sum();
        let width: f64 = world.members.values().map(|m| f64::from(m.weight)).sum();
        let share = f64::from(weight) / width;
        for (_, to, _) in &moved {
            prop_assert_eq!(to, &Some(id("new")));
        }
        let load: f64 = moved.iter().map(|(_, _, load)| load).sum();
        prop_assert!(load <= (work * share).max(0.0) * 1.02 + 1.0, "{load} of {work}, share {share}");
        world.check_level(0.1);
        // By slots too: its share, or as large a part as it takes of those in which something runs (many light ones, where a few are heavy): the empty ones go along.
        let loaded = world.loads.values().map(|loads| loads.slots().count()).sum::<usize>().max(1);
        let taken = moved.iter().filter(|(_, _, load)| *load > 0.0).count();
        let part = share.max(taken as f64 / loaded as f64);
        let slots = before.len() as f64 * f64::from(SLOTS) * part;
        prop_assert!(moved.len() as f64 <= slots * 1.35 + 2.0, "{} slots, part {part}", moved.len());
    }

    /// Work that changes a little moves nothing; work that is out of level is levelled within the bound on moves.
    #[test]
    fn levelling_moves_a_bounded_part_and_makes_it_better(mut world in flat(), seed in any::<u64>()) {
        world.plan(Moves::Must);
        world.monitors("", 500, seed);
        prop_assert!(world.plan(Moves::Must).changes.is_empty());
        // All of the work of the upper half of the slots is gone.
        let mut half = GroupLoads::default();
        for (slot, load) in world.loads[&Group::of("")].slots().filter(|(slot, _)| *slot < SLOTS / 2) {
            half.add(slot, load.load, "tcp");
        }
        world.loads.insert(Group::of(""), half);
        let uneven = world.plan(Moves::Must).fullest;
        let before = world.tables.clone();
        let planned = world.plan(Moves::Level { most: 204 });
        prop_assert!(world.moved(&before).len() <= 204);
        prop_assert!(planned.fullest <= uneven);
        for _ in 0..40 {
            world.plan(Moves::Level { most: 204 });
        }
        world.check_level(0.15);
    }
}
