//! Pure: which loop hangs, and what follows from it.
//!
//! A silence is the sum of the steps from look to look, each counted up to [`STEP`]: a process that was stopped as a whole (by a signal, with its
//! machine, for want of processor time) finds one such step between two looks, however long it was, and its loops have the time of a turn before they count as hung.

use std::time::Duration;

/// Of the time since the last look so much counts, at most.
pub(super) const STEP: Duration = Duration::from_secs(1);
/// After so many lease times of silence the process ends: one until the lease is given up, and two for the loop to come back.
const ENDS_AFTER: u32 = 3;

/// What a look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Found {
    /// All loops turn.
    #[default]
    Fine,
    /// That one has not turned for a lease time: the lease is to be given up.
    Hangs(usize),
    /// It has not turned for two more: the process is to end.
    Ends(usize),
}

/// What is known of each loop, by its number.
#[derive(Debug, Default)]
pub(super) struct Rule {
    loops: Vec<Known>,
    looked: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    turns: u64,
    silent: Duration,
}

impl Rule {
    /// Looks, at a moment since some beginning, how often each loop has turned. Of several that hang it names the one that is silent longest.
    pub(super) fn look(&mut self, now: Duration, lease: Duration, turns: &[u64]) -> Found {
        let since = self.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked));
        self.looked = Some(now);
        self.loops.resize(turns.len(), Known::default());
        for (known, turns) in self.loops.iter_mut().zip(turns) {
            known.silent = match known.turns == *turns {
                true => known.silent + since.min(STEP),
                false => Duration::ZERO,
            };
            known.turns = *turns;
        }
        let all = self.loops.iter().enumerate();
        match all.max_by_key(|(_, known)| known.silent) {
            Some((which, known)) if known.silent >= lease * ENDS_AFTER => Found::Ends(which),
            Some((which, known)) if known.silent >= lease => Found::Hangs(which),
            _ => Found::Fine,
        }
    }

    /// How long each has not turned.
    pub(super) fn silent(&self) -> impl Iterator<Item = Duration> {
        self.loops.iter().map(|known| known.silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(6);
    const S: fn(u64) -> Duration = Duration::from_secs;

    /// What each second finds, in runs: two loops, of which the second turns in those seconds that it shall.
    fn found(seconds: std::ops::Range<u64>, turns: impl Fn(u64) -> bool) -> Vec<(u64, Found)> {
        let (mut rule, mut turned) = (Rule::default(), 0);
        let mut all: Vec<(u64, Found)> = Vec::new();
        for second in seconds {
            turned += u64::from(turns(second));
            let found = rule.look(S(second), LEASE, &[second + 1, turned]);
            if all.last().is_none_or(|(_, last)| *last != found) {
                all.push((second, found));
            }
        }
        all
    }

    #[test]
    fn a_loop_that_does_not_turn_costs_the_lease_after_one_lease_time_and_the_process_after_three() {
        let never = found(0..30, |_| false);
        assert_eq!(never, [(0, Found::Fine), (6, Found::Hangs(1)), (18, Found::Ends(1))]);
        let until = found(0..40, |second| second <= 10);
        assert_eq!(until, [(0, Found::Fine), (16, Found::Hangs(1)), (28, Found::Ends(1))]);
    }

    #[test]
    fn one_turn_and_all_is_well() {
        let late = found(0..100, |second| second % 6 == 0);
        assert_eq!(late, [(0, Found::Fine)], "it turns once in a lease time");
        let back = found(0..20, |second| second == 17);
        assert_eq!(back, [(0, Found::Fine), (6, Found::Hangs(1)), (17, Found::Fine)]);
    }

    #[test]
    fn a_process_that_was_paused_as_a_whole_has_the_time_of_a_turn_when_it_wakes() {
        let mut rule = Rule::default();
        assert_eq!(rule.look(S(0), LEASE, &[1, 1]), Found::Fine);
        // It may be that the watch wakes first, again and again.
        for wakes in 1..5 {
            assert_eq!(rule.look(S(3600 * wakes), LEASE, &[1, 1]), Found::Fine);
        }
        assert_eq!(rule.look(S(20_000), LEASE, &[2, 2]), Found::Fine);
        assert!(rule.silent().all(|silent| silent.is_zero()));
    }

    #[test]
    fn of_several_the_one_that_is_silent_longest_is_named() {
        let mut rule = Rule::default();
        for second in 0..7 {
            rule.look(S(second), LEASE, &[second.min(2), 0, second]);
        }
        assert_eq!(rule.look(S(7), LEASE, &[2, 0, 7]), Found::Hangs(1));
        // One more is watched from its first look on.
        assert_eq!(rule.look(S(8), LEASE, &[3, 1, 8, 0]), Found::Fine);
    }
}
