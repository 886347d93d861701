//! What is known of a monitor, on its way from the member that knows it to one that asks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LiveState;
use crate::model::{Verdict, WallMs};
use crate::results::{Changed, Results, Sample};
use crate::schedule::Ledger;
use crate::state::Health;

/// A copy of a [`LiveState`], or of the newest part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Status, counters, open episode.
    pub health: Health,
    /// When the last verdict other than unknown came, or watching began.
    pub known_at: Option<WallMs>,
    /// When it is due next.
    pub next_due: Option<WallMs>,
    /// The last runs, oldest first.
    pub samples: Vec<Sample>,
    /// The last run in full.
    pub last: Option<(WallMs, Verdict)>,
    /// Messages of runs that did not pass, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<(WallMs, Arc<str>)>,
    /// Changes of status, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
    /// The account of runs.
    pub ledger: Ledger,
    /// That it is unwatched has been said.
    #[serde(default)]
    pub unwatched_told: bool,
    /// A step of it panicked: it is not run.
    #[serde(default)]
    pub broken: bool,
}

impl Carried {
    /// Everything.
    #[must_use]
    pub fn whole(live: &LiveState) -> Self {
        Self {
            messages: live.results.messages().cloned().collect(),
            changes: live.results.changes().cloned().collect(),
            last: live.results.last().cloned(),
            health: live.health.clone(),
            ..Self::recent(live, usize::MAX)
        }
    }

    /// What a list shows: the last `samples` runs, and of the last one what it said if it did not pass.
    #[must_use]
    pub fn recent(live: &LiveState, samples: usize) -> Self {
        let all = live.results.samples();
        let left_out = all.len().saturating_sub(samples);
        let said = |(at, verdict): &(WallMs, Verdict)| {
            let said = Verdict {
                message: verdict.message.clone(),
                reason: verdict.reason,
                outcome: verdict.outcome,
                ..Verdict::pass()
            };
            (*at, said)
        };
        let mut health = live.health.clone();
        if let Some(episode) = &mut health.episode {
            // A list does not show it.
            episode.trail.clear();
            episode.message.clear();
        }
        Self {
            health,
            known_at: live.known_at,
            next_due: live.next_due,
            samples: all.skip(left_out).collect(),
            last: live.results.last().map(said),
            messages: Vec::new(),
            changes: Vec::new(),
            ledger: live.ledger,
            unwatched_told: live.unwatched_told,
            broken: live.broken,
        }
    }

    /// The state that it is a copy of.
    #[must_use]
    pub fn into_live(self) -> LiveState {
        LiveState {
            health: self.health,
            results: Results::restored(self.samples, self.messages, self.changes, self.last),
            ledger: self.ledger,
            known_at: self.known_at,
            next_due: self.next_due,
            unwatched_told: self.unwatched_told,
            broken: self.broken,
            left: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Outcome, Phase, Reason};
    use crate::state::{Judged, Policy};

    #[test]
    fn a_state_arrives_as_it_was_sent() {
        let mut live = LiveState::default();
        for i in 0..90 {
            let mut verdict = Verdict::fail(Reason::CertificateExpiry, format!("day {i}"));
            verdict.phases.add(Phase::Tls, Duration::from_millis(3));
            verdict.fact("ssl_earliest_cert_expiry", 12.5);
            let judged = Judged {
                due: WallMs(i),
                at: WallMs(i),
                outcome: Outcome::Fail,
                message: &verdict.message,
            };
            if let Some(transition) = live.health.step(
                judged,
                Policy {
                    warning: 2,
                    critical: 5,
                },
            ) {
                live.results.changed(&transition, &verdict.message);
            }
            live.results.add(WallMs(i), Duration::from_millis(7), verdict);
        }
        let sent = Carried::whole(&live);
        let json = serde_json::to_string(&sent).unwrap();
        let arrived: Carried = serde_json::from_str(&json).unwrap();
        assert_eq!(arrived, sent);
        assert_eq!(Carried::whole(&arrived.into_live()), sent);

        // A reason that only a later version knows.
        let later = json.replace("certificate-expiry", "moon-phase");
        let later: Carried = serde_json::from_str(&later).unwrap();
        assert_eq!((later.samples.len(), later.samples[0].reason), (60, None));

        let recent = Carried::recent(&live, 3);
        let at: Vec<i64> = recent.samples.iter().map(|sample| sample.at.0).collect();
        assert_eq!(at, [87, 88, 89]);
        let (_, said) = recent.last.unwrap();
        assert_eq!((said.message.as_str(), said.facts.len()), ("day 89", 0));
    }
}
