//! Tests of the plan.

use serde_json::{Value, json};

use super::*;
use crate::config::sync::Counts;
use crate::config::testing::kinds;
use crate::model::{AlerterName, MASK, MonitorName, WallMs};
use crate::store::backend::{Guard, Key, Op};
use crate::store::keys;

fn web(interval: &str) -> Value {
    json!({"type": "tiny", "host": "h", "interval": interval})
}

fn local(monitors: &[(&str, Value, &str)]) -> Local {
    let entries = monitors.iter().map(|(name, spec, file)| {
        let entry = LocalEntry {
            spec: spec.clone(),
            file: (*file).to_owned(),
            valid: true,
        };
        ((*name).to_owned(), entry)
    });
    Local {
        monitors: entries.collect(),
        ..Local::default()
    }
}

fn stored_as(key: Key, spec: Value, origin: &str, rev: u64) -> StoredEntry {
    StoredEntry {
        spec,
        origin: origin.to_owned(),
        key,
        rev: Revision(rev),
        record: "record".into(),
    }
}

fn stored(monitors: &[(&str, Value, &str)]) -> Stored {
    let entries = monitors.iter().zip(1..).map(|((name, spec, origin), rev)| {
        let key = keys::monitor(&MonitorName::parse(name).unwrap());
        ((*name).to_owned(), stored_as(key, spec.clone(), origin, rev))
    });
    Stored {
        monitors: entries.collect(),
        ..Stored::default()
    }
}

fn planned(local: &Local, stored: &Stored, options: Options) -> Planned {
    plan(local, stored, options, &kinds())
}

#[test]
fn what_differs_is_written_and_what_is_equal_is_not() {
    let local = local(&[
        ("new", web("1s"), "a.yaml"),
        ("other", web("2s"), "a.yaml"),
        ("same", web("3s"), "a.yaml"),
    ]);
    let stored = stored(&[
        ("other", web("5s"), "cfg:a.yaml"),
        (
            "same",
            json!({"interval": "3s", "host": "h", "type": "tiny"}),
            "cfg:a.yaml",
        ),
    ]);
    let Planned { plan, steps } = planned(&local, &stored, Options::default());
    assert_eq!(plan.monitor.added, ["new"]);
    assert_eq!(plan.monitor.changed[0].name, "other");
    assert_eq!(plan.monitor.changed[0].fields[0].field, "interval");
    assert_eq!(
        (plan.monitor.unchanged, plan.monitor.pushed(), plan.monitor.skipped()),
        (1, 2, 1)
    );
    assert_eq!(
        steps.iter().map(|s| (s.name.as_str(), s.rev.0)).collect::<Vec<_>>(),
        [("new", 0), ("other", 1)]
    );
    let replace = Options {
        replace: true,
        ..Options::default()
    };
    assert_eq!(planned(&local, &stored, replace).plan.monitor.replaced, ["same"]);
}

#[test]
fn what_no_file_holds_is_removed_unless_nosync() {
    let local = local(&[("a", web("1s"), "a.yaml")]);
    let stored = stored(&[("a", web("1s"), "cfg:a.yaml"), ("b", web("1s"), "api")]);
    assert_eq!(planned(&local, &stored, Options::default()).plan.monitor.removed, ["b"]);
    let nosync = Options {
        nosync: true,
        ..Options::default()
    };
    let Planned { plan, steps } = planned(&local, &stored, nosync);
    assert!(plan.monitor.removed.is_empty() && steps.is_empty());
}

#[test]
fn entries_of_a_broken_file_stay_and_so_do_those_that_might_be_in_it() {
    let mut local = local(&[("a", web("1s"), "a.yaml")]);
    let stored = stored(&[
        ("a", web("1s"), "cfg:a.yaml"),
        ("of-broken", web("1s"), "cfg:b.yaml"),
        ("of-broken-dir", web("1s"), "cfg:sub/c.yaml"),
        ("of-good", web("1s"), "cfg:gone.yaml"),
        ("of-nobody", web("1s"), "api"),
    ]);
    local.broken = vec!["b.yaml".to_owned(), "sub/".to_owned()];
    let plan = planned(&local, &stored, Options::default()).plan;
    assert_eq!(plan.monitor.removed, ["of-good"]);
    let kept: Vec<_> = plan.monitor.kept.iter().map(|kept| kept.name.as_str()).collect();
    assert_eq!(kept, ["of-broken", "of-broken-dir", "of-nobody"]);
    local.broken.clear();
    let yes = Options {
        yes: true,
        ..Options::default()
    };
    assert_eq!(planned(&local, &stored, yes).plan.monitor.removed.len(), 4);
}

#[test]
fn an_invalid_entry_is_neither_pushed_nor_removed() {
    let mut local = local(&[("a", Value::Null, "a.yaml")]);
    local.monitors.get_mut("a").unwrap().valid = false;
    let Planned { plan, steps } = planned(&local, &stored(&[("a", web("1s"), "cfg:a.yaml")]), Options::default());
    assert_eq!(plan.monitor.invalid, ["a"]);
    assert!(steps.is_empty());
}

#[test]
fn an_entry_that_moves_to_another_file_follows_it() {
    // Else it would be taken for removed when its new file cannot be read.
    let local = local(&[("a", web("1s"), "b.yaml")]);
    let Planned { plan, steps } = planned(&local, &stored(&[("a", web("1s"), "cfg:a.yaml")]), Options::default());
    assert_eq!(
        (plan.monitor.moved.as_slice(), plan.monitor.skipped()),
        (["a".to_owned()].as_slice(), 1)
    );
    assert!(matches!(&steps[0].action, Action::Put { origin, .. } if origin == "cfg:b.yaml"));
}

#[test]
fn wiping_and_removing_more_than_half_need_a_yes() {
    let two = stored(&[("a", web("1s"), "cfg:a.yaml"), ("b", web("1s"), "cfg:a.yaml")]);
    let refused = |local: &Local, options| planned(local, &two, options).plan.refusal;
    assert!(
        refused(&Local::default(), Options::default())
            .unwrap()
            .contains("no definitions")
    );
    assert!(
        refused(
            &Local::default(),
            Options {
                yes: true,
                ..Options::default()
            }
        )
        .is_none()
    );
    assert!(
        refused(
            &Local::default(),
            Options {
                nosync: true,
                ..Options::default()
            }
        )
        .is_none()
    );
    assert!(refused(&local(&[("a", web("1s"), "a.yaml")]), Options::default()).is_none());
    assert!(
        refused(&local(&[("c", web("1s"), "a.yaml")]), Options::default())
            .unwrap()
            .contains("more than half")
    );
    assert!(
        planned(&Local::default(), &Stored::default(), Options::default())
            .plan
            .refusal
            .is_none()
    );
}

#[test]
fn secrets_do_not_get_into_the_plan() {
    let ops = |token: &str| json!({"type": "pager", "options": {"token": token}});
    let mut local = Local::default();
    let entry = LocalEntry {
        spec: ops("new-secret"),
        file: "a.yaml".to_owned(),
        valid: true,
    };
    local.alerters.insert("ops".to_owned(), entry);
    let mut stored = Stored::default();
    let key = keys::alerter(&AlerterName::parse("ops").unwrap());
    stored
        .alerters
        .insert("ops".to_owned(), stored_as(key, ops("old-secret"), "api", 1));
    let plan = planned(&local, &stored, Options::default()).plan;
    assert_eq!(plan.alerter.changed[0].fields[0].to, Some(MASK.into()));
    let json = serde_json::to_string(&plan).unwrap();
    assert!(!json.contains("-secret"), "{json}");
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

#[test]
fn commits_hold_only_on_what_was_seen_and_a_removed_alerter_is_retired() {
    let mut stored = stored(&[("gone", web("1s"), "api")]);
    let key = keys::alerter(&AlerterName::parse("ops").unwrap());
    stored
        .alerters
        .insert("ops".to_owned(), stored_as(key.clone(), Value::Null, "api", 7));
    stored.retired.insert("ops".to_owned(), Revision(3));
    let local = local(&[("new", web("1s"), "a.yaml")]);
    let yes = Options {
        yes: true,
        ..Options::default()
    };
    let steps = planned(&local, &stored, yes).steps;
    let commits = super::super::commits(&steps, "me", WallMs(5)).unwrap();
    let new = keys::monitor(&MonitorName::parse("new").unwrap());
    assert_eq!(commits[0].guards, [Guard::Rev(new, Revision(0))]);
    let Op::Put(_, record, None) = &commits[0].ops[0] else {
        panic!("a put")
    };
    let record: Value = serde_json::from_slice(record).unwrap();
    assert_eq!(
        record,
        json!({"v": 1, "origin": "cfg:a.yaml", "by": "me", "at": 5, "spec": web("1s")})
    );
    let gone = keys::monitor(&MonitorName::parse("gone").unwrap());
    assert_eq!(commits[1].ops, [Op::Delete(gone)]);
    let retired = keys::retired_alerter(&AlerterName::parse("ops").unwrap());
    assert_eq!(
        commits[2].guards,
        [
            Guard::Rev(key.clone(), Revision(7)),
            Guard::Rev(retired.clone(), Revision(3))
        ]
    );
    assert_eq!(
        commits[2].ops,
        [Op::Delete(key), Op::Put(retired, "record".into(), None)]
    );
}

#[test]
fn counts_are_per_section() {
    assert_eq!(
        local(&[("a", web("1s"), "a.yaml")]).counts(),
        Counts { monitor: 1, alerter: 0 }
    );
}
