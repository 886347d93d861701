//! Pure: verdicts in, transitions out. Thresholds, counters, episodes. No I/O, no clock.
//!
//! The rules are the original's: consecutive failures against two thresholds, one transition per change of status, and with no threshold
//! set the first failure is critical. New are `degraded` (reaches `warning` at most) and `unknown` (counts for nothing).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Closed, EpisodeId, Outcome, Status, TrailEntry, WallMs};

/// Lines of trail that an episode keeps.
pub const TRAIL: usize = 8;
/// Longest message kept in a trail or checkpoint, in bytes.
pub const MAX_MESSAGE: usize = 600;
/// A monitor without a known verdict for this many intervals is unwatched…
pub const UNWATCHED_INTERVALS: u32 = 3;
/// …but not before this time has passed.
pub const UNWATCHED_AT_LEAST: Duration = Duration::from_secs(30);

/// Thresholds of one monitor, in consecutive failed runs; 0 = not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Runs until `warning`.
    pub warning: u32,
    /// Runs until `critical`.
    pub critical: u32,
}

/// One run, as the judge sees it.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// When the run was due (the id of the episode, if this is its first failure).
    pub due: WallMs,
    /// When it ended.
    pub at: WallMs,
    /// How it ended.
    pub outcome: Outcome,
    /// For people.
    pub message: &'a str,
}

/// One stretch of not-ok.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Due time of the first failed run.
    pub id: EpisodeId,
    /// Number of the last change in it.
    pub seq: u32,
    /// Worst status so far.
    pub worst: Status,
    /// Message of the last failed run.
    pub message: String,
    /// The last changes, oldest first.
    pub trail: Vec<TrailEntry>,
}

/// What is known of one monitor between runs. Small: there is one per monitor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// The status.
    pub status: Status,
    /// Since when (`pending`: 0).
    pub since: WallMs,
    /// Consecutive runs that did not pass (unknown ones do not count).
    pub failures: u32,
    /// The failures since the last degraded run: what `critical` counts.
    pub hard: u32,
    /// Due time of the first of these.
    pub first_failed: Option<EpisodeId>,
    /// Open while the status is bad. Boxed: most monitors have none.
    pub episode: Option<Box<Episode>>,
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: Status,
    /// After.
    pub to: Status,
    /// When.
    pub at: WallMs,
    /// Failed runs in a row (at the end: of the whole episode).
    pub count: u32,
    /// The episode as it stands after the change (at the end: as it ended). `None` only for `pending` → `ok`.
    pub episode: Option<Episode>,
    /// Set when this ends the episode.
    pub closed: Option<Closed>,
}

impl Health {
    /// Takes one verdict. `Some` when the status changed.
    pub fn step(&mut self, run: Judged<'_>, policy: Policy) -> Option<Transition> {
        match run.outcome {
            Outcome::Unknown => return None,
            Outcome::Pass => return self.pass(run.at),
            Outcome::Degraded => {
                self.failures = self.failures.saturating_add(1);
                self.hard = 0;
            }
            Outcome::Fail => {
                self.failures = self.failures.saturating_add(1);
                self.hard = self.hard.saturating_add(1);
            }
        }
        let first = *self.first_failed.get_or_insert(EpisodeId(run.due.0));
        if let Some(episode) = &mut self.episode {
            cut(run.message).clone_into(&mut episode.message);
        }
        let next = self.reached(policy)?;
        if next == self.status {
            return None;
        }
        Some(self.enter(next, first, run.at, run.message))
    }

    /// The status that the counters ask for; `None` while no threshold is reached.
    fn reached(&self, policy: Policy) -> Option<Status> {
        if self.hard >= policy.critical.max(1) {
            return Some(Status::Critical);
        }
        if self.failures >= policy.warning.max(1) && (policy.warning > 0 || policy.critical > 0 || self.hard == 0) {
            return Some(Status::Warning);
        }
        None
    }

    fn enter(&mut self, to: Status, first: EpisodeId, at: WallMs, message: &str) -> Transition {
        let from = std::mem::replace(&mut self.status, to);
        self.since = at;
        let episode = self.episode.get_or_insert_with(|| {
            Box::new(Episode {
                id: first,
                seq: 0,
                worst: to,
                message: String::new(),
                trail: Vec::new(),
            })
        });
        episode.seq += 1;
        episode.worst = episode.worst.max(to);
        cut(message).clone_into(&mut episode.message);
        push_trail(
            &mut episode.trail,
            TrailEntry {
                at,
                status: to,
                message: cut(message).to_owned(),
            },
        );
        Transition {
            from,
            to,
            at,
            count: self.failures,
            episode: Some((**episode).clone()),
            closed: None,
        }
    }

    fn pass(&mut self, at: WallMs) -> Option<Transition> {
        if self.episode.is_some() {
            return self.close(at, Closed::Recovered);
        }
        self.clear_counters();
        if self.status == Status::Pending {
            self.status = Status::Ok;
            self.since = at;
            return Some(Transition {
                from: Status::Pending,
                to: Status::Ok,
                at,
                count: 0,
                episode: None,
                closed: None,
            });
        }
        None
    }

    /// Ends the open episode, if there is one: by recovery, or because the definition no longer stands for it.
    /// After anything but a recovery the monitor is `pending` again.
    pub fn close(&mut self, at: WallMs, closed: Closed) -> Option<Transition> {
        let count = self.failures;
        self.clear_counters();
        let mut episode = *self.episode.take()?;
        let from = self.status;
        self.status = if closed == Closed::Recovered {
            Status::Ok
        } else {
            Status::Pending
        };
        self.since = at;
        episode.seq += 1;
        push_trail(
            &mut episode.trail,
            TrailEntry {
                at,
                status: Status::Ok,
                message: closed.as_str().to_owned(),
            },
        );
        Some(Transition {
            from,
            to: Status::Ok,
            at,
            count,
            episode: Some(episode),
            closed: Some(closed),
        })
    }

    fn clear_counters(&mut self) {
        self.failures = 0;
        self.hard = 0;
        self.first_failed = None;
    }

    /// When the open episode began.
    #[must_use]
    pub fn episode_since(&self) -> Option<WallMs> {
        self.episode.as_ref().map(|episode| WallMs(episode.id.0))
    }
}

/// Whether a monitor is unwatched: no verdict but unknown for three intervals, at least 30 s.
#[must_use]
pub fn unwatched(without_verdict: Duration, interval: Duration) -> bool {
    without_verdict > interval.saturating_mul(UNWATCHED_INTERVALS).max(UNWATCHED_AT_LEAST)
}

/// A message cut to [`MAX_MESSAGE`] bytes at a character.
#[must_use]
pub fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE)]
}

fn push_trail(trail: &mut Vec<TrailEntry>, entry: TrailEntry) {
    if trail.len() >= TRAIL {
        // The first line says how it began and is kept; what is dropped is the oldest after it.
        trail.remove(1);
    }
    trail.push(entry);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs a sequence of outcomes (`.` pass, `x` fail, `d` degraded, `?` unknown), one a second, and writes the transitions.
    fn check(policy: (u32, u32), runs: &str, expected: &str) {
        let mut health = Health::default();
        let mut seen = Vec::new();
        for (i, c) in runs.chars().enumerate() {
            let outcome = match c {
                '.' => Outcome::Pass,
                'x' => Outcome::Fail,
                'd' => Outcome::Degraded,
                _ => Outcome::Unknown,
            };
            let at = WallMs(1000 * (i as i64 + 1));
            let run = Judged {
                due: at,
                at,
                outcome,
                message: "m",
            };
            if let Some(t) = health.step(
                run,
                Policy {
                    warning: policy.0,
                    critical: policy.1,
                },
            ) {
                let seq = t.episode.as_ref().map_or(0, |e| e.seq);
                seen.push(format!("{}>{}@{}#{}n{}", t.from, t.to, i + 1, seq, t.count));
            }
        }
        assert_eq!(seen.join(" "), expected, "{policy:?} {runs}");
    }

    #[test]
    fn thresholds_count_consecutive_failures() {
        check(
            (1, 3),
            ".xxxx.",
            "pending>ok@1#0n0 ok>warning@2#1n1 warning>critical@4#2n3 critical>ok@6#3n4",
        );
        check((2, 4), "x.xx.x", "pending>ok@2#0n0 ok>warning@4#1n2 warning>ok@5#2n2");
    }

    #[test]
    fn with_no_threshold_the_first_failure_is_critical() {
        check((0, 0), "xx.", "pending>critical@1#1n1 critical>ok@3#2n2");
    }

    #[test]
    fn equal_thresholds_skip_warning() {
        check((2, 2), ".xx", "pending>ok@1#0n0 ok>critical@3#1n2");
    }

    #[test]
    fn a_missing_warning_threshold_warns_at_once_as_the_original_does() {
        check(
            (0, 3),
            ".xxx",
            "pending>ok@1#0n0 ok>warning@2#1n1 warning>critical@4#2n3",
        );
    }

    #[test]
    fn degraded_reaches_warning_and_never_critical() {
        check((0, 0), "ddd.", "pending>warning@1#1n1 warning>ok@4#2n3");
        check(
            (1, 3),
            "xxxd",
            "pending>warning@1#1n1 warning>critical@3#2n3 critical>warning@4#3n4",
        );
    }

    #[test]
    fn unknown_changes_nothing() {
        check(
            (1, 3),
            ".x??xx?.",
            "pending>ok@1#0n0 ok>warning@2#1n1 warning>critical@6#2n3 critical>ok@8#3n3",
        );
        check((1, 3), "???", "");
    }

    #[test]
    fn closing_for_an_edit_ends_the_episode_and_starts_over() {
        let mut health = Health::default();
        let policy = Policy {
            warning: 0,
            critical: 0,
        };
        assert_eq!(health.close(WallMs(1), Closed::Edited), None);
        let run = Judged {
            due: WallMs(5),
            at: WallMs(6),
            outcome: Outcome::Fail,
            message: "down",
        };
        assert!(health.step(run, policy).is_some());
        let end = health.close(WallMs(9), Closed::Edited).unwrap();
        assert_eq!(
            (end.from, end.to, end.closed),
            (Status::Critical, Status::Ok, Some(Closed::Edited))
        );
        assert_eq!(
            health,
            Health {
                status: Status::Pending,
                since: WallMs(9),
                ..Health::default()
            }
        );
    }

    #[test]
    fn an_episode_is_named_by_the_due_time_of_its_first_failure() {
        let mut health = Health::default();
        let policy = Policy {
            warning: 3,
            critical: 3,
        };
        for due in [10, 20, 30] {
            let run = Judged {
                due: WallMs(due),
                at: WallMs(due + 1),
                outcome: Outcome::Fail,
                message: "",
            };
            if let Some(t) = health.step(run, policy) {
                assert_eq!(t.episode.unwrap().id, EpisodeId(10));
                return;
            }
        }
        panic!("no transition");
    }

    #[test]
    fn unwatched_needs_three_intervals_and_thirty_seconds() {
        let s = Duration::from_secs;
        assert!(!unwatched(s(29), s(1)));
        assert!(unwatched(s(31), s(1)));
        assert!(!unwatched(s(179), s(60)));
        assert!(unwatched(s(181), s(60)));
    }

    proptest! {
        /// Whatever comes: transitions chain, an episode is open exactly while the status is bad, bounds hold.
        #[test]
        fn the_machine_is_consistent(
            runs in proptest::collection::vec(0u8..4, 0..200),
            warning in 0u32..4,
            more in 0u32..4,
        ) {
            let policy = Policy { warning, critical: warning + more };
            let mut health = Health::default();
            let mut last = Status::Pending;
            for (i, r) in runs.into_iter().enumerate() {
                let outcome = [Outcome::Pass, Outcome::Fail, Outcome::Degraded, Outcome::Unknown][r as usize];
                let at = WallMs(i as i64);
                if let Some(t) = health.step(Judged { due: at, at, outcome, message: "m" }, policy) {
                    prop_assert_eq!(t.from, last);
                    prop_assert_ne!(t.from, t.to);
                    last = t.to;
                }
                prop_assert_eq!(health.status, last);
                prop_assert_eq!(health.episode.is_some(), last.is_bad());
                prop_assert!(health.episode.as_ref().is_none_or(|e| e.trail.len() <= TRAIL));
                prop_assert!(health.hard <= health.failures);
            }
        }
    }
}
