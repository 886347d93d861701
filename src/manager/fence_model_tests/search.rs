//! Breadth first.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::kit::Kit;
use super::step::{Event, Steps, World, start};
use super::{Bounds, Wrong};

/// What there is.
pub(super) struct Found {
    pub(super) states: usize,
    /// What went wrong, each with the shortest way to it.
    pub(super) wrong: BTreeMap<&'static str, Vec<String>>,
}

/// All states, or those up to the first of `until`.
pub(super) fn explore(bounds: Bounds, wrong: Wrong, until: Option<&str>) -> Found {
    let (mut kit, tables, rows) = Kit::new(wrong.stamp_stays);
    let first = start(tables, rows);
    let mut worlds: Vec<(World, usize, Event)> = vec![(first.clone(), 0, ("begin", 0))];
    let mut seen: HashSet<World> = HashSet::from([first]);
    let mut verdicts = HashMap::new();
    let mut found = BTreeMap::new();
    let mut at = 0;
    while at < worlds.len() && !until.is_some_and(|until| found.contains_key(until)) {
        let mut steps = Steps {
            kit: &mut kit,
            bounds,
            wrong,
            next: Vec::new(),
            found: Vec::new(),
            verdicts: &mut verdicts,
        };
        let world = worlds[at].0.clone();
        steps.after(&world);
        for (what, last) in steps.found {
            found.entry(what).or_insert_with(|| way(&worlds, at, last));
        }
        for (event, next) in steps.next {
            if seen.insert(next.clone()) {
                worlds.push((next, at, event));
            }
        }
        at += 1;
    }
    Found {
        states: worlds.len(),
        wrong: found,
    }
}

fn way(worlds: &[(World, usize, Event)], mut at: usize, last: Event) -> Vec<String> {
    let mut way = vec![last];
    while at != 0 {
        let (_, before, event) = worlds[at];
        way.push(event);
        at = before;
    }
    way.iter().rev().map(|(what, whom)| format!("{what} {whom}")).collect()
}
