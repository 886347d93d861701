//! Our keys below the prefix, and back.

use crate::store::backend::{Entry, Key, LeaseId, Revision};

/// Everything below one prefix of etcd.
#[derive(Debug, Clone)]
pub(super) struct Space(String);

impl Space {
    /// `top` begins and ends with `/`.
    pub(super) fn new(top: String) -> Self {
        Self(top)
    }

    pub(super) fn top(&self) -> &str {
        &self.0
    }

    /// A key as etcd knows it.
    pub(super) fn full(&self, key: &Key) -> Vec<u8> {
        let mut full = Vec::with_capacity(self.0.len() + key.as_str().len());
        full.extend_from_slice(self.0.as_bytes());
        full.extend_from_slice(key.as_str().as_bytes());
        full
    }

    /// A key of etcd's as we know it; none if it is not below the prefix, or no text.
    pub(super) fn strip(&self, full: &[u8]) -> Option<Key> {
        let rest = full.strip_prefix(self.0.as_bytes())?;
        std::str::from_utf8(rest).ok().map(Key::new)
    }

    /// What a list or watch of `prefix` asks for: the first key, and where it ends if it is not that one key alone.
    pub(super) fn range(&self, prefix: &Key) -> (Vec<u8>, Option<Vec<u8>>) {
        let start = self.full(prefix);
        if !prefix.as_str().is_empty() && !prefix.as_str().ends_with('/') {
            return (start, None);
        }
        // It ends in a slash; all that is below comes before the next byte after that.
        let mut end = start.clone();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        (start, Some(end))
    }

    /// An entry as we know it. What no key of ours could be is left out, and said.
    pub(super) fn entry(&self, kv: etcd_client::proto::PbKeyValue) -> Option<Entry> {
        let Some(key) = self.strip(&kv.key) else {
            tracing::warn!(key = %kv.key.escape_ascii(), "a foreign key is left out");
            return None;
        };
        Some(Entry {
            key,
            value: kv.value.into(),
            born: revision(kv.create_revision),
            rev: revision(kv.mod_revision),
            lease: (kv.lease != 0).then_some(LeaseId(kv.lease)),
        })
    }
}

/// The key right after a key.
pub(super) fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

pub(super) fn revision(of_etcd: i64) -> Revision {
    Revision(of_etcd.try_into().unwrap_or(0))
}

/// A revision as etcd counts. One that it could never have becomes the largest: no key was written by it.
pub(super) fn number(revision: Revision) -> i64 {
    revision.0.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use etcd_client::proto::PbKeyValue;
    use proptest::prelude::*;

    use super::*;

    fn space(top: &str) -> Space {
        Space::new(top.to_owned())
    }

    fn covers(range: &(Vec<u8>, Option<Vec<u8>>), key: &[u8]) -> bool {
        match &range.1 {
            Some(end) => *range.0 <= *key && *key < **end,
            None => *range.0 == *key,
        }
    }

    #[test]
    fn keys_come_back_as_they_went() {
        let space = space("/9volt/");
        let key = Key::new("monitor/a%2Fb");
        assert_eq!(space.full(&key), b"/9volt/monitor/a%2Fb");
        assert_eq!(space.strip(b"/9volt/monitor/a%2Fb"), Some(key));
        assert_eq!(space.strip(b"/9volts/monitor/a"), None);
        assert_eq!(space.strip(b"/9volt/monitor/\xff"), None);
    }

    #[test]
    fn an_entry_that_is_not_ours_is_left_out() {
        let space = space("/9volt/");
        let kv = |key: &[u8]| PbKeyValue {
            key: key.to_vec(),
            create_revision: 3,
            mod_revision: 7,
            version: 2,
            value: b"x".to_vec(),
            lease: 0,
        };
        let entry = space.entry(kv(b"/9volt/config")).unwrap();
        assert_eq!((entry.born, entry.rev, entry.lease), (Revision(3), Revision(7), None));
        assert!(space.entry(kv(b"/9volt/\xff\xfe")).is_none());
    }

    proptest! {
        #[test]
        fn a_range_covers_what_its_prefix_covers_and_nothing_of_another_prefix(
            prefix in "(|[a-c]{1,3}/?([a-c]{1,2}/?)?)",
            key in "[a-c]{1,3}(/[a-c]{1,3}){0,2}",
        ) {
            let (ours, theirs) = (space("/a/"), space("/ab/"));
            let (prefix, key) = (Key::new(prefix), Key::new(key));
            let range = ours.range(&prefix);
            prop_assert_eq!(covers(&range, &ours.full(&key)), prefix.covers(&key));
            prop_assert!(!covers(&range, &theirs.full(&key)));
        }
    }
}
