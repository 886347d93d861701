//! What a copy holds, and what it takes while it stands in. Pure.

use crate::store::backend::{Commit, Key, Op};

/// Too much, and of no use to a member that is alone.
const NOT_MIRRORED: &[&str] = &["event/", "past/", "soft/", "standin/", "cluster/restoring"];
/// What operators write, and what says which store it is: written while cut off it would be lost, or stand against what others wrote. That a
/// retired alerter owes nothing any more may be written: whoever finds it still there afterwards removes it again.
const ONLY_SHARED: &[&str] = &["monitor/", "alerter/", "silence/", "cluster/intent/"];
const ONLY_SHARED_KEYS: &[&str] = &["config", "cluster/store", "cluster/restoring"];

/// Whether a key of the shared store is in its copy too.
pub(super) fn mirrored(key: &Key) -> bool {
    !NOT_MIRRORED.iter().any(|prefix| key.as_str().starts_with(prefix))
}

/// Whether a commit may be made in a copy.
pub(super) fn allowed(commit: &Commit) -> bool {
    let only_shared =
        |key: &str| ONLY_SHARED.iter().any(|prefix| key.starts_with(prefix)) || ONLY_SHARED_KEYS.contains(&key);
    !commit.ops.iter().map(Op::key).any(|key| only_shared(key.as_str()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{AlerterName, EpisodeId, MemberId, MonitorName};
    use crate::store::keys;

    /// One of every key there is: whether it is in the copy, and whether it may be written there.
    #[test]
    fn every_key_has_its_place() {
        let (monitor, alerter) = (MonitorName::parse("m").unwrap(), AlerterName::parse("a").unwrap());
        let me = MemberId::parse("me").unwrap();
        for (key, copied, written) in [
            (keys::store(), true, false),
            (keys::restoring(), false, false),
            (keys::config(), true, false),
            (keys::monitor(&monitor), true, false),
            (keys::alerter(&alerter), true, false),
            (keys::silence("s"), true, false),
            (keys::intent(&me), true, false),
            (keys::retired_alerter(&alerter), true, true),
            (keys::member(&me), true, true),
            (keys::director(), true, true),
            (keys::table("g"), true, true),
            (keys::seat("g", &me), true, true),
            (keys::checkpoint(&monitor), true, true),
            (keys::outbox_entry(&alerter, &monitor), true, true),
            (keys::told(&alerter, &monitor), true, true),
            (keys::past(&monitor, EpisodeId(1)), false, true),
            (keys::soft(&me), false, true),
            (keys::event("e"), false, true),
            (keys::sent_entry(&alerter, &monitor), true, true),
            (keys::ended_entry(&alerter, &monitor), true, true),
            (keys::standin(), false, true),
        ] {
            assert_eq!(mirrored(&key), copied, "{key}");
            let put = Op::Put(key.clone(), Bytes::new(), None);
            for op in [put, Op::Delete(key.clone())] {
                let with = |op| Commit {
                    guards: Vec::new(),
                    ops: vec![Op::Delete(keys::director()), op],
                };
                assert_eq!(allowed(&with(op)), written, "{key}");
            }
        }
    }
}
