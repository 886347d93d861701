//! Placement groups: monitors with equal placement needs are dealt to members together.

use std::borrow::Cow;
use std::sync::Arc;

/// A placement group, by name: `untagged`, or `tag-<member tag>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(Arc<str>);

/// Alerters have a group of their own, for which every member is eligible.
const NOTIFY: &str = "notify";
const UNTAGGED: &str = "untagged";
const TAG: &str = "tag-";

impl Group {
    /// The group of monitors with that member tag (empty = none).
    #[must_use]
    pub fn of(member_tag: &str) -> Self {
        Self(Self::name(member_tag).into())
    }

    /// The name of that group.
    #[must_use]
    pub fn name(member_tag: &str) -> Cow<'static, str> {
        if member_tag.is_empty() {
            Cow::Borrowed(UNTAGGED)
        } else {
            Cow::Owned(format!("{TAG}{member_tag}"))
        }
    }

    /// The group of alerters.
    #[must_use]
    pub fn notify() -> Self {
        Self(NOTIFY.into())
    }

    /// The group of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a member with these tags may hold its slots: the original's rule, untagged monitors run on untagged members only.
    #[must_use]
    pub fn takes(&self, member_tags: &[String]) -> bool {
        match self.0.strip_prefix(TAG) {
            Some(tag) => member_tags.iter().any(|t| t == tag),
            None => self.0.as_ref() == NOTIFY || member_tags.is_empty(),
        }
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untagged_monitors_run_on_untagged_members_only() {
        let tags = |tags: &[&str]| tags.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(Group::of("").takes(&[]));
        assert!(!Group::of("").takes(&tags(&["eu"])));
        assert!(Group::of("eu").takes(&tags(&["us", "eu"])));
        assert!(!Group::of("eu").takes(&[]));
        assert!(Group::notify().takes(&tags(&["eu"])) && Group::notify().takes(&[]));
    }
}
