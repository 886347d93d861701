//! Pure: what is remembered of a monitor's runs, bounded. Lives in the memory of the member that made them; never in the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Outcome, Phase, Phases, Reason, Status, Verdict, WallMs, known_reason};
use crate::state::{self, Transition};

/// Samples kept per monitor: ten minutes at ten seconds. At 20 bytes each this is half of what a running monitor costs.
pub const SAMPLES: usize = 60;
/// Messages of runs that did not pass, kept per monitor.
pub const MESSAGES: usize = 10;
/// Changes of status kept per monitor.
pub const CHANGES: usize = 20;

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it ended.
    pub at: WallMs,
    /// How long it took, in microseconds.
    pub took_us: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass.
    #[serde(default, deserialize_with = "known_reason")]
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

/// A sample as it is kept: times to three significant digits, which is more than a chart shows.
#[derive(Debug, Clone, Copy)]
struct Packed {
    /// Unix milliseconds, 48 bits of them, the highest first.
    at: [u16; 3],
    took: Micros,
    phases: [Micros; Phase::ALL.len()],
    outcome: Outcome,
    reason: Option<Reason>,
}

impl From<Sample> for Packed {
    fn from(sample: Sample) -> Self {
        let at = u64::try_from(sample.at.0).unwrap_or(0);
        Self {
            at: [32, 16, 0].map(|shift| (at >> shift) as u16),
            took: Micros::new(sample.took_us),
            // What did not happen is 0; what did takes a microsecond at least.
            phases: Phase::ALL.map(|phase| Micros::of(sample.phases.get(phase).unwrap_or_default())),
            outcome: sample.outcome,
            reason: sample.reason,
        }
    }
}

impl From<Packed> for Sample {
    fn from(packed: Packed) -> Self {
        let at = packed.at.iter().fold(0, |at, part| at << 16 | i64::from(*part));
        let mut phases = Phases::default();
        for (phase, took) in Phase::ALL
            .into_iter()
            .zip(packed.phases)
            .filter(|(_, took)| took.get() > 0)
        {
            phases.add(phase, Duration::from_micros(took.get().into()));
        }
        Self {
            at: WallMs(at),
            took_us: packed.took.get(),
            outcome: packed.outcome,
            reason: packed.reason,
            phases,
        }
    }
}

/// Microseconds in two bytes: a number below 4,096, and how often ten times that.
#[derive(Debug, Clone, Copy)]
struct Micros(u16);

impl Micros {
    const DIGITS: u32 = 12;

    fn new(us: u32) -> Self {
        let (mut number, mut tens) = (us, 0);
        while number >> Self::DIGITS > 0 {
            number = number / 10 + u32::from(number % 10 >= 5);
            tens += 1;
        }
        Self((tens << Self::DIGITS | number) as u16)
    }

    fn of(took: Duration) -> Self {
        Self::new(u32::try_from(took.as_micros()).unwrap_or(u32::MAX))
    }

    fn get(self) -> u32 {
        let (number, tens) = (u32::from(self.0) & ((1 << Self::DIGITS) - 1), self.0 >> Self::DIGITS);
        number.saturating_mul(10u32.saturating_pow(tens.into()))
    }
}

/// A change of status, remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    samples: VecDeque<Packed>,
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
        push(&mut self.samples, SAMPLES, Packed::from(sample));
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

    /// As another member remembers it; what is more than is kept here is left out, the oldest first.
    #[must_use]
    pub fn restored(
        samples: Vec<Sample>,
        messages: Vec<(WallMs, Arc<str>)>,
        changes: Vec<Changed>,
        last: Option<(WallMs, Verdict)>,
    ) -> Self {
        fn newest<T>(mut all: Vec<T>, most: usize) -> VecDeque<T> {
            all.drain(..all.len().saturating_sub(most));
            all.into()
        }
        Self {
            samples: newest(samples, SAMPLES).into_iter().map(Packed::from).collect(),
            messages: newest(messages, MESSAGES),
            changes: newest(changes, CHANGES),
            last: last.map(Box::new),
        }
    }

    /// Messages of runs that did not pass, oldest first.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &(WallMs, Arc<str>)> {
        self.messages.iter()
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
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = Sample> + ExactSizeIterator {
        self.samples.iter().map(|packed| Sample::from(*packed))
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
    use proptest::prelude::*;

    #[test]
    fn a_sample_stays_small() {
        assert_eq!(size_of::<Packed>(), 20);
    }

    proptest! {
        #[test]
        fn a_sample_is_kept_to_three_digits(at in 0..4_000_000_000_000i64, took_us: u32, connect in 1u32..) {
            let mut phases = Phases::default();
            phases.add(Phase::Connect, Duration::from_micros(connect.into()));
            let (outcome, reason) = (Outcome::Fail, Some(Reason::Closed));
            let kept = Sample::from(Packed::from(Sample { at: WallMs(at), took_us, outcome, reason, phases }));
            let near = |kept: u32, was: u32| f64::from(kept.abs_diff(was)) <= f64::from(was) * 0.0015;
            prop_assert!(near(kept.took_us, took_us), "{} {took_us}", kept.took_us);
            let connected = kept.phases.get(Phase::Connect).map(|d| d.as_micros() as u32).unwrap();
            prop_assert!(near(connected, connect), "{connected} {connect}");
            prop_assert_eq!((kept.at, kept.outcome, kept.reason), (WallMs(at), outcome, reason));
            prop_assert_eq!(kept.phases.iter().count(), 1);
        }
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
