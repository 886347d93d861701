//! What was asked and answered, counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts by call and result; words of closed sets, so there are not many. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Stats(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    asked: BTreeMap<(&'static str, &'static str), u64>,
    answered: BTreeMap<(&'static str, &'static str), u64>,
    turned_away: u64,
}

/// One count: call, result, how often.
pub type Count = (&'static str, &'static str, u64);

fn list(counts: &BTreeMap<(&'static str, &'static str), u64>) -> Vec<Count> {
    counts.iter().map(|((call, result), n)| (*call, *result, *n)).collect()
}

impl Stats {
    pub(super) fn asked(&self, call: &'static str, result: &'static str) {
        *self.0.lock().asked.entry((call, result)).or_default() += 1;
    }

    pub(super) fn answered(&self, call: &'static str, result: &'static str) {
        *self.0.lock().answered.entry((call, result)).or_default() += 1;
    }

    pub(super) fn turned_away(&self) {
        self.0.lock().turned_away += 1;
    }

    /// Questions to others, by call and what came of them.
    #[must_use]
    pub fn questions(&self) -> Vec<Count> {
        list(&self.0.lock().asked)
    }

    /// Questions of others, by call and what came of them.
    #[must_use]
    pub fn answers(&self) -> Vec<Count> {
        list(&self.0.lock().answered)
    }

    /// Connections that got no further than the handshake: strangers, and whatever is no TLS.
    #[must_use]
    pub fn strangers(&self) -> u64 {
        self.0.lock().turned_away
    }
}
