//! Pure: whose the entries of an outbox are, while a member stands in.
//!
//! In the shared store whoever works an alerter finds what every judge has put. In a copy there is nobody else: what is for another member's
//! alerter is set aside there, below `sent/`, for whoever brings it to that member; what is about another member's monitor is that one's to bring.

use std::collections::BTreeMap;

use crate::model::{AlerterName, MonitorName};
use crate::store::backend::{Change, Commit, Entry, Key, Op};
use crate::store::keys;

/// What is this member's, as far as it knows.
pub trait Sorting: Send + Sync {
    /// Whether it works this alerter.
    fn works(&self, alerter: &AlerterName) -> bool;

    /// Whether it judges this monitor.
    fn judges(&self, monitor: &MonitorName) -> bool;
}

/// A commit, as the copy takes it.
pub(super) fn sorted(mut commit: Commit, sorting: &dyn Sorting) -> Commit {
    let guards = &commit.guards;
    for op in &mut commit.ops {
        // A judge puts what an alerter should know, whatever is there. Whoever looks at what is there works the alerter.
        if let Op::Put(key, ..) = op
            && !guards.iter().any(|guard| guard.key() == key)
            && let Some((alerter, monitor)) = of_outbox(key).filter(|(alerter, _)| !sorting.works(alerter))
        {
            *key = keys::sent_entry(&alerter, &monitor);
        }
    }
    commit
}

/// What a turn to the copy makes of the outbox of the shared store, and of what an earlier turn left aside.
pub(super) fn set_aside(
    outbox: impl IntoIterator<Item = Entry>,
    left: impl IntoIterator<Item = Entry>,
    sorting: &dyn Sorting,
) -> Vec<Change> {
    let mut aside: BTreeMap<Key, Change> = BTreeMap::new();
    for old in left {
        aside.insert(old.key.clone(), Change::Deleted(old.key));
    }
    for entry in outbox {
        let Some((alerter, monitor)) = of_outbox(&entry.key).filter(|(alerter, _)| !sorting.works(alerter)) else {
            continue;
        };
        aside.insert(entry.key.clone(), Change::Deleted(entry.key.clone()));
        if sorting.judges(&monitor) {
            let key = keys::sent_entry(&alerter, &monitor);
            aside.insert(key.clone(), Change::Put(Entry { key, ..entry }));
        }
    }
    aside.into_values().collect()
}

fn of_outbox(key: &Key) -> Option<(AlerterName, MonitorName)> {
    keys::outbox().covers(key).then(|| keys::alerter_and_monitor(key))?
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::backend::{Guard, Revision};

    /// Works `mine`, judges `my-*`.
    struct Mine;

    impl Sorting for Mine {
        fn works(&self, alerter: &AlerterName) -> bool {
            alerter.as_str() == "mine"
        }

        fn judges(&self, monitor: &MonitorName) -> bool {
            monitor.as_str().starts_with("my-")
        }
    }

    fn keys_of(alerter: &str, monitor: &str) -> (Key, Key) {
        let (alerter, monitor) = (
            AlerterName::parse(alerter).unwrap(),
            MonitorName::parse(monitor).unwrap(),
        );
        (
            keys::outbox_entry(&alerter, &monitor),
            keys::sent_entry(&alerter, &monitor),
        )
    }

    #[test]
    fn what_a_judge_puts_for_another_members_alerter_is_set_aside_and_nothing_else_is() {
        let (mine, _) = keys_of("mine", "my-web");
        let (others, sent) = keys_of("others", "my-web");
        let put = |key: &Key| Op::Put(key.clone(), Bytes::new(), None);
        let commit = |guards, ops| Commit { guards, ops };
        let ops = vec![
            put(&mine),
            put(&others),
            put(&keys::config()),
            Op::Delete(others.clone()),
        ];
        let expected = vec![put(&mine), put(&sent), put(&keys::config()), Op::Delete(others.clone())];
        assert_eq!(sorted(commit(Vec::new(), ops), &Mine), commit(Vec::new(), expected));
        // The notifier, that tells it here after all.
        let told = commit(vec![Guard::Rev(others.clone(), Revision(7))], vec![put(&others)]);
        assert_eq!(sorted(told.clone(), &Mine), told);
    }

    #[test]
    fn a_turn_sets_aside_what_is_for_others_hides_what_is_not_ours_and_forgets_an_earlier_turn() {
        let entry = |key: Key| Entry {
            key,
            value: Bytes::from_static(b"{}"),
            born: Revision(3),
            rev: Revision(5),
            lease: None,
        };
        let (mine, _) = keys_of("mine", "my-web");
        let (others, sent) = keys_of("others", "my-web");
        let (hidden, _) = keys_of("others", "web");
        let (_, left) = keys_of("others", "my-db");
        let outbox = [mine, others.clone(), hidden.clone()].map(entry);
        let changes = set_aside(outbox, [entry(left.clone()), entry(sent.clone())], &Mine);
        assert_eq!(
            changes,
            [
                Change::Deleted(others),
                Change::Deleted(hidden),
                Change::Deleted(left),
                Change::Put(entry(sent)),
            ]
        );
    }
}
