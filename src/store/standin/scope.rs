//! What a copy holds, and what it takes while it stands in. Pure.

use crate::store::backend::{Commit, Key, Op};

/// Too much, and of no use to a member that is alone.
const NOT_MIRRORED: &[&str] = &["event/", "past/", "soft/", "standin/"];
/// What operators write, and what says which store it is: written while cut off it would be lost, or stand against what others wrote.
const NOT_WRITTEN: &[&str] = &["monitor/", "alerter/", "retired/", "silence/", "cluster/intent/"];
const NOT_WRITTEN_KEYS: &[&str] = &["config", "cluster/store"];

/// Whether a key of the shared store is in its copy too.
pub(super) fn mirrored(key: &Key) -> bool {
    !NOT_MIRRORED.iter().any(|prefix| key.as_str().starts_with(prefix))
}

/// Whether a commit may be made in a copy.
pub(super) fn allowed(commit: &Commit) -> bool {
    let operators = |key: &str| {
        NOT_WRITTEN.iter().any(|prefix| key.starts_with(prefix)) || NOT_WRITTEN_KEYS.iter().any(|other| key == *other)
    };
    !commit.ops.iter().map(Op::key).any(|key| operators(key.as_str()))
}
