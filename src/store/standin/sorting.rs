//! Pure: whose the entries of an outbox are, while a member stands in.
//!
//! In the shared store whoever works an alerter finds what every judge has put. In a copy there is nobody else: what is for another member's
//! alerter is set aside there, below `sent/`, for whoever brings it to that member.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::{AlerterName, MonitorName};
use crate::store::backend::{Change, Commit, Entry, Key, Op};
use crate::store::keys;
use crate::store::records::Told;

/// Whether this member works an alerter, as far as it knows.
pub type Works = Arc<dyn Fn(&AlerterName) -> bool + Send + Sync>;

/// A commit, as the copy takes it. Of a pair, what a judge puts last is all that there is to tell, wherever the one before was put: whose an alerter is may have become known
/// between the two.
pub(super) fn sorted(mut commit: Commit, works: &Works) -> Commit {
    let mut more = Vec::new();
    for op in &mut commit.ops {
        let Op::Put(key, value, _) = op else { continue };
        if keys::told_all().covers(key) {
            more.extend(ending(key, value));
        }
        // A judge puts what an alerter should know, whatever is there. Whoever looks at what is there works the alerter.
        if commit.guards.iter().any(|guard| guard.key() == key) {
            continue;
        }
        let Some((alerter, monitor)) = of_outbox(key) else {
            continue;
        };
        let sent = keys::sent_entry(&alerter, &monitor);
        if works(&alerter) {
            more.push(Op::Delete(sent));
        } else {
            *key = sent;
        }
    }
    commit.ops.extend(more);
    commit
}

/// Once an end is told nothing says so: its record is gone then. In the copy that it is about to be told is kept apart, until something else is told.
fn ending(told: &Key, value: &Bytes) -> Option<Op> {
    let (alerter, monitor) = keys::alerter_and_monitor(told)?;
    let key = keys::ended_entry(&alerter, &monitor);
    let record: Told = serde_json::from_slice(value).ok()?;
    Some(match record.status.is_bad() {
        true => Op::Delete(key),
        false => Op::Put(key, value.clone(), None),
    })
}

/// What a turn to the copy makes of the outbox of the shared store, and of what an earlier turn left aside.
pub(super) fn set_aside(
    outbox: impl IntoIterator<Item = Entry>,
    left: impl IntoIterator<Item = Entry>,
    works: &Works,
) -> Vec<Change> {
    let left = left.into_iter().map(|old| (old.key.clone(), Change::Deleted(old.key)));
    let mut aside: BTreeMap<Key, Change> = left.collect();
    for entry in outbox {
        if let Some((alerter, monitor)) = of_outbox(&entry.key).filter(|(alerter, _)| !works(alerter)) {
            let key = keys::sent_entry(&alerter, &monitor);
            aside.insert(entry.key.clone(), Change::Deleted(entry.key.clone()));
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
    use super::*;
    use crate::store::backend::{Guard, Revision};

    fn mine() -> Works {
        Arc::new(|alerter| alerter.as_str() == "mine")
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
        let (own, aside) = keys_of("mine", "web");
        let (others, sent) = keys_of("others", "web");
        let put = |key: &Key| Op::Put(key.clone(), Bytes::new(), None);
        let commit = |guards, ops| Commit { guards, ops };
        let ops = vec![
            put(&own),
            put(&others),
            put(&keys::config()),
            Op::Delete(others.clone()),
        ];
        let expected = vec![
            put(&own),
            put(&sent),
            put(&keys::config()),
            Op::Delete(others.clone()),
            Op::Delete(aside),
        ];
        assert_eq!(sorted(commit(Vec::new(), ops), &mine()), commit(Vec::new(), expected));
        // The notifier, that tells it here after all.
        let told = commit(vec![Guard::Rev(others.clone(), Revision(7))], vec![put(&others)]);
        assert_eq!(sorted(told.clone(), &mine()), told);
    }

    #[test]
    fn a_turn_sets_aside_what_is_for_others_and_forgets_an_earlier_turn() {
        let entry = |key: Key| Entry {
            key,
            value: Bytes::from_static(b"{}"),
            born: Revision(3),
            rev: Revision(5),
            lease: None,
        };
        let (own, _) = keys_of("mine", "web");
        let (others, sent) = keys_of("others", "web");
        let (_, left) = keys_of("others", "db");
        let outbox = [own, others.clone()].map(entry);
        let changes = set_aside(outbox, [entry(left.clone()), entry(sent.clone())], &mine());
        let expected = [Change::Deleted(others), Change::Deleted(left), Change::Put(entry(sent))];
        assert_eq!(changes, expected);
    }
}
