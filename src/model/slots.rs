//! Sets of slots: what a member judges, or is asked about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Group;

/// Slots by placement group, as stretches `(first, last)`, both inclusive, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slots(BTreeMap<String, Vec<(u16, u16)>>);

impl Slots {
    /// Adds a stretch behind those that the group has.
    pub fn add(&mut self, group: &Group, first: u16, last: u16) {
        let stretches = self.0.entry(group.as_str().to_owned()).or_default();
        match stretches.last_mut() {
            Some(before) if before.1.checked_add(1) == Some(first) => before.1 = last,
            _ => stretches.push((first, last)),
        }
    }

    /// All that are in one of several sets, which have none in common.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all: BTreeMap<String, Vec<(u16, u16)>> = BTreeMap::new();
        for (group, stretches) in sets.into_iter().flat_map(|set| &set.0) {
            all.entry(group.clone()).or_default().extend(stretches);
        }
        all.values_mut().for_each(|stretches| stretches.sort_unstable());
        Self(all)
    }

    /// Whether a slot is among them. What came from elsewhere may be out of order: then a slot may be missed, and nothing else happens.
    #[must_use]
    pub fn contains(&self, group: &str, slot: u16) -> bool {
        let Some(stretches) = self.0.get(group) else {
            return false;
        };
        let at = stretches.partition_point(|(_, last)| *last < slot);
        stretches.get(at).is_some_and(|(first, _)| *first <= slot)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_the_stretches_that_were_added_and_joins_neighbours() {
        let mut slots = Slots::default();
        let group = Group::of("");
        for (first, last) in [(0, 9), (10, 19), (100, 100), (u16::MAX, u16::MAX)] {
            slots.add(&group, first, last);
        }
        assert_eq!(
            serde_json::to_string(&slots).unwrap(),
            r#"{"untagged":[[0,19],[100,100],[65535,65535]]}"#
        );
        for (slot, held) in [
            (0, true),
            (19, true),
            (20, false),
            (99, false),
            (100, true),
            (101, false),
        ] {
            assert_eq!(slots.contains(group.as_str(), slot), held, "{slot}");
        }
        assert!(!slots.contains("tag-eu", 0));
    }

    #[test]
    fn a_union_holds_what_its_parts_hold() {
        let group = Group::of("");
        let mut parts = [Slots::default(), Slots::default()];
        for (part, first, last) in [(0, 0, 9), (1, 10, 19), (0, 20, 29), (1, 40, 49)] {
            parts[part].add(&group, first, last);
        }
        let all = Slots::union(&parts);
        for slot in 0..60 {
            let held = parts.iter().any(|part| part.contains(group.as_str(), slot));
            assert_eq!(all.contains(group.as_str(), slot), held, "{slot}");
        }
    }
}
