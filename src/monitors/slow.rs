//! The soft limit that every kind with phases can have.

use std::time::Duration;

use crate::model::{Dur, Phases, Reason, Verdict};

/// `Degraded` when a run that works took longer than this.
pub(super) fn slow(limit: Option<Dur>, phases: &Phases) -> Option<Verdict> {
    let limit = limit?;
    let took: Duration = phases.iter().map(|(_, took)| took).sum();
    (took > limit.0).then(|| Verdict::degraded(Reason::Slow, format!("took {}, wanted at most {limit}", Dur(took))))
}
