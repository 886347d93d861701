//! Pure: what is remembered of a monitor's runs, bounded. Lives in the memory of the member that made them; never in the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Outcome, Phases, Reason, Status, Verdict, WallMs};
use crate::state::{self, Transition};

/// Samples kept per monitor: ten minutes at ten seconds. At 40 bytes each this is most of what a running monitor costs.
pub const SAMPLES: usize = 60;
/// Messages of runs that did not pass, kept per monitor.
pub const MESSAGES: usize = 10;
/// Changes of status kept per monitor.
pub const CHANGES: usize = 20;

/// One run, small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it ended.
    pub at: WallMs,
    /// How long it took, in microseconds.
    pub took_us: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// Where the time went.
    pub phases: Phases,
}

impl Sample {
    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_micros(self.took_us.into())
    }
}

/// A change of status, remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// When.
    pub at: WallMs,
    /// Before.
    pub from: Status,
    /// After.
    pub to: Status,
    /// The run's message.
    pub message: Arc<str>,
}

/// The last runs of one monitor.
#[derive(Debug, Clone, Default)]
pub struct Results {
    samples: VecDeque<Sample>,
    messages: VecDeque<(WallMs, Arc<str>)>,
    changes: VecDeque<Changed>,
    last: Option<Box<(WallMs, Verdict)>>,
}

impl Results {
    /// Takes in a run.
    pub fn add(&mut self, at: WallMs, took: Duration, verdict: Verdict) -> Sample {
        let sample = Sample {
            at,
            took_us: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
            outcome: verdict.outcome,
            reason: verdict.reason,
            phases: verdict.phases,
        };
        push(&mut self.samples, SAMPLES, sample);
        if verdict.outcome != Outcome::Pass {
            let text = state::cut(&verdict.message);
            // A target that fails the same way for hours shares one text.
            let text = match self.messages.back() {
                Some((_, last)) if last.as_ref() == text => last.clone(),
                _ => text.into(),
            };
            push(&mut self.messages, MESSAGES, (at, text));
        }
        match &mut self.last {
            Some(last) => **last = (at, verdict),
            None => self.last = Some(Box::new((at, verdict))),
        }
        sample
    }

    /// Remembers a change of status.
    pub fn changed(&mut self, transition: &Transition, message: &str) {
        let message = match state::cut(message) {
            // Of these there is one for all.
            "" => Arc::default(),
            text => text.into(),
        };
        let changed = Changed {
            at: transition.at,
            from: transition.from,
            to: transition.to,
            message,
        };
        push(&mut self.changes, CHANGES, changed);
    }

    /// Oldest first.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> + ExactSizeIterator {
        self.samples.iter()
    }

    /// Oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &Changed> {
        self.changes.iter()
    }

    /// The last run in full, and when it ended.
    #[must_use]
    pub fn last(&self) -> Option<&(WallMs, Verdict)> {
        self.last.as_deref()
    }

    /// The message of the run that ended then, if it is remembered.
    #[must_use]
    pub fn message_at(&self, at: WallMs) -> Option<&str> {
        self.messages
            .iter()
            .rev()
            .find(|(when, _)| *when == at)
            .map(|(_, text)| text.as_ref())
    }
}

fn push<T>(ring: &mut VecDeque<T>, most: usize, item: T) {
    if ring.len() >= most {
        ring.pop_front();
    } else if ring.len() == ring.capacity() {
        // The first growth of a queue would be to four: most monitors have one change of status, and idle ones one sample.
        ring.reserve_exact(ring.len().clamp(1, most - ring.len()));
    }
    ring.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_stays_small() {
        assert!(size_of::<Sample>() <= 40);
    }

    #[test]
    fn rings_are_bounded_and_keep_the_newest() {
        let mut results = Results::default();
        for i in 0..200 {
            let verdict = if i % 2 == 0 {
                Verdict::pass()
            } else {
                Verdict::fail(Reason::Refused, "refused")
            };
            results.add(WallMs(i), Duration::from_millis(1), verdict);
        }
        assert_eq!(results.samples().len(), SAMPLES);
        assert_eq!(results.samples().last().map(|s| s.at), Some(WallMs(199)));
        assert_eq!(results.message_at(WallMs(199)), Some("refused"));
        assert_eq!(results.message_at(WallMs(198)), None);
        assert_eq!(results.last().map(|(at, _)| *at), Some(WallMs(199)));
    }
}
