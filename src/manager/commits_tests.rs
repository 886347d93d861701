//! What a change writes, read back from the commit.

use serde_json::json;

use super::*;
use crate::cluster::tenures::Right;
use crate::config::definition::Read;
use crate::config::definition::Strictness;
use crate::config::kinds::Kinds;
use crate::model::Group;
use crate::model::Outcome;
use crate::state::{Judged, Policy};

const NOW: Policy = Policy {
    warning: 0,
    critical: 0,
};

fn entry(critical: &[&str]) -> Arc<MonitorEntry> {
    let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "critical-alerter": critical});
    let read = Kinds::built_in().read_monitor("web", &spec, Strictness::Lenient);
    let name = MonitorName::parse("web").unwrap();
    Arc::new(MonitorEntry::new(name, Revision(7), WallMs(0), read))
}

/// What is pending after these runs (`x` fails, `.` passes), one a second from `from` on, and what was pending is let go of before.
fn pending(entry: &Arc<MonitorEntry>, health: &mut Health, from: i64, runs: &str) -> Pending {
    let mut pending = Pending {
        entry: entry.clone(),
        definition: entry.rev,
        right: Arc::new(Right {
            group: entry.group().unwrap_or_else(|| Group::of("")),
            since: "1-1".to_owned(),
            inherited: false,
        }),
        health: Health::default(),
        transitions: Vec::new(),
        anew: false,
    };
    for (i, run) in runs.chars().enumerate() {
        let at = WallMs(from + 1_000 * i64::try_from(i).unwrap());
        let outcome = if run == 'x' { Outcome::Fail } else { Outcome::Pass };
        let judged = Judged {
            due: at,
            at,
            outcome,
            message: "down",
        };
        pending.extend(health.step(judged, NOW));
    }
    pending.health = health.clone();
    pending
}

/// Operations, and guards other than those that every commit has.
fn written(planned: Option<&Planned>) -> String {
    let Some((commit, _)) = planned else {
        return String::new();
    };
    let mut words: Vec<_> = commit
        .ops
        .iter()
        .map(|op| match op {
            Op::Delete(key) => format!("-{key}"),
            Op::Put(key, value, _) => {
                let value: serde_json::Value = serde_json::from_slice(value).unwrap();
                let status = value
                    .get("status")
                    .or(value.get("worst"))
                    .and_then(|status| status.as_str());
                format!("{key}={}", status.unwrap_or_default())
            }
        })
        .collect();
    words.sort();
    words.extend(commit.guards.iter().filter_map(|guard| match guard {
        Guard::Absent(key) => Some(format!("!{key}")),
        _ => None,
    }));
    words.join(" ")
}

fn recorded(planned: Option<Planned>, rev: u64) -> Recorded {
    let after = planned.and_then(|(_, after)| after).unwrap_or_default();
    Recorded {
        rev: Revision(rev),
        ..after
    }
}

#[test]
fn an_episode_is_opened_unless_it_is_over_and_closed_with_its_past() {
    let (entry, mut health) = (entry(&["a", "b"]), Health::default());
    let opening = commit(&pending(&entry, &mut health, 5_000, "x"), &Recorded::default()).unwrap();
    assert_eq!(
        written(opening.as_ref()),
        "checkpoint/web=critical outbox/a/web=critical outbox/b/web=critical !past/000000000005000-web"
    );
    let known = recorded(opening, 9);
    let closing = commit(&pending(&entry, &mut health, 9_000, "."), &known).unwrap();
    assert_eq!(
        written(closing.as_ref()),
        "-checkpoint/web outbox/a/web=ok outbox/b/web=ok past/000000000005000-web=critical"
    );
    assert_eq!(recorded(closing, 0), Recorded::default());
}

#[test]
fn what_began_and_ended_unrecorded_is_past_and_told_to_nobody() {
    let (entry, mut health) = (entry(&["a"]), Health::default());
    let both = commit(&pending(&entry, &mut health, 5_000, "x."), &Recorded::default()).unwrap();
    assert_eq!(written(both.as_ref()), "past/000000000005000-web=critical");
}

#[test]
fn a_new_episode_takes_the_place_of_the_end_of_the_one_before_and_brings_it_along() {
    let (entry, mut health) = (entry(&["a"]), Health::default());
    let opening = commit(&pending(&entry, &mut health, 5_000, "x"), &Recorded::default()).unwrap();
    let known = recorded(opening, 9);
    let next = commit(&pending(&entry, &mut health, 9_000, ".x"), &known).unwrap();
    assert_eq!(
        written(next.as_ref()),
        "checkpoint/web=critical outbox/a/web=critical past/000000000005000-web=critical"
    );
}

#[test]
fn the_end_for_a_removed_alerter_has_a_number_of_its_own() {
    let (named, mut health) = (entry(&["a", "b"]), Health::default());
    let opening = commit(&pending(&named, &mut health, 5_000, "x"), &Recorded::default()).unwrap();
    let seq_of = |planned: &Option<Planned>, alerter: &str| {
        let ops = &planned.as_ref().unwrap().0.ops;
        let its = ops.iter().find_map(|op| match op {
            Op::Put(key, value, _) if key.to_string() == format!("outbox/{alerter}/web") => Some(value),
            _ => None,
        });
        let value: serde_json::Value = serde_json::from_slice(its.unwrap()).unwrap();
        (
            value["status"].as_str().unwrap().to_owned(),
            value["seq"].as_u64().unwrap(),
        )
    };
    assert_eq!(seq_of(&opening, "b"), ("critical".to_owned(), 1));
    let edited = commit(&pending(&entry(&["a"]), &mut health, 9_000, ""), &recorded(opening, 9)).unwrap();
    assert_eq!(written(edited.as_ref()), "checkpoint/web=critical outbox/b/web=ok");
    assert_eq!(seq_of(&edited, "b"), ("ok".to_owned(), 2));
}

#[test]
fn more_changes_than_may_wait_are_folded_and_ends_are_kept_longest() {
    let (entry, mut health) = (entry(&["a"]), Health::default());
    let many = pending(&entry, &mut health, 5_000, &".x".repeat(WAITING));
    assert_eq!(many.transitions.len(), WAITING);
    let ends = many.transitions.iter().filter(|t| t.closed.is_some()).count();
    assert!(ends >= WAITING - 1, "{ends}");
    let planned = commit(&many, &Recorded::default()).unwrap();
    assert!(written(planned.as_ref()).contains("outbox/a/web=critical"));
}

#[test]
fn an_end_is_recorded_without_a_definition_and_by_what_the_store_knew() {
    let (entry, mut health) = (entry(&["a"]), Health::default());
    let opening = commit(&pending(&entry, &mut health, 5_000, "x"), &Recorded::default()).unwrap();
    let known = recorded(opening, 9);
    let mut end = pending(&entry, &mut health, 9_000, "");
    end.extend(health.close(WallMs(10_000), Closed::Deleted));
    end.health = health;
    end.definition = Revision(0);
    let nothing = Read {
        value: None,
        problems: Vec::new(),
    };
    end.entry = Arc::new(MonitorEntry::new(entry.name.clone(), Revision(0), WallMs(0), nothing));
    let planned = commit(&end, &known).unwrap();
    assert_eq!(
        written(planned.as_ref()),
        "-checkpoint/web outbox/a/web=ok past/000000000005000-web=critical"
    );
    let (commit, _) = planned.unwrap();
    assert!(
        commit
            .guards
            .contains(&Guard::Rev(keys::monitor(&entry.name), Revision(0)))
    );
    let Some(Op::Put(_, past, _)) = commit.ops.iter().find(|op| keys::pasts().covers(op.key())) else {
        panic!("no past");
    };
    assert_eq!(serde_json::from_slice::<Past>(past).unwrap().kind, "tcp");
}

#[test]
fn nothing_new_to_anybody_is_not_written() {
    let (entry, mut health) = (entry(&["a"]), Health::default());
    assert_eq!(
        written(
            commit(&pending(&entry, &mut health, 0, "."), &Recorded::default())
                .unwrap()
                .as_ref()
        ),
        ""
    );
    let opening = commit(&pending(&entry, &mut health, 5_000, "x"), &Recorded::default()).unwrap();
    let known = recorded(opening, 9);
    assert_eq!(
        written(
            commit(&pending(&entry, &mut health, 9_000, "xx"), &known)
                .unwrap()
                .as_ref()
        ),
        ""
    );
}
