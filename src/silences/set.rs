//! All silences there are.

use std::collections::BTreeMap;

use super::Silence;
use crate::model::WallMs;

/// All silences there are, by id.
#[derive(Debug, Clone, Default)]
pub struct SilenceSet(BTreeMap<String, Silence>);

impl SilenceSet {
    /// Adds a silence, or replaces the one of its id.
    pub fn put(&mut self, silence: Silence) {
        self.0.insert(silence.id.clone(), silence);
    }

    /// Removes one.
    pub fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Those that there are, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.0.values()
    }

    /// The silence that mutes this monitor now, and until when; of several the one that lasts longest.
    #[must_use]
    pub fn muted_by(&self, name: &str, tags: &[String], kind: &str, now: WallMs) -> Option<(&str, WallMs)> {
        self.iter()
            .filter(|silence| silence.active(now) && silence.matches(name, tags, kind))
            .map(|silence| (silence.until, silence.id.as_str()))
            .max()
            .map(|(until, id)| (id, until))
    }

    /// The next instant at which a silence begins or ends.
    #[must_use]
    pub fn next_change(&self, now: WallMs) -> Option<WallMs> {
        self.iter()
            .flat_map(|silence| [silence.from, silence.until])
            .filter(|at| *at > now)
            .min()
    }
}
