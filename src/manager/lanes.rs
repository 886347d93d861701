//! The lanes of a member, for those who want to tell or ask them something.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::lane::Command;
use super::stats::LaneStats;
use crate::catalog::MonitorEntry;
use crate::model::{MonitorName, Outcome, Reason, Verdict};
use crate::schedule::{Lateness, Ledger, name_hash};

/// The lanes, for those who want to ask them something.
#[derive(Clone)]
pub struct Lanes {
    inboxes: Arc<[mpsc::Sender<Command>]>,
    stats: Arc<[Arc<LaneStats>]>,
}

impl Lanes {
    /// Handles of running lanes.
    #[must_use]
    pub fn new(lanes: Vec<(mpsc::Sender<Command>, Arc<LaneStats>)>) -> Self {
        let (inboxes, stats): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();
        Self {
            inboxes: inboxes.into(),
            stats: stats.into(),
        }
    }

    fn of(&self, name: &MonitorName) -> &mpsc::Sender<Command> {
        // Bits that the wheel's phase does not use much: the modulus of the interval takes the low ones.
        let lane = (name_hash(name.as_str()) >> 40) as usize % self.inboxes.len();
        &self.inboxes[lane]
    }

    pub(super) async fn send(&self, name: &MonitorName, command: Command) {
        // A lane that is gone has ended the whole process's run; the app notices and stops.
        let _ = self.of(name).send(command).await;
    }

    /// Runs a monitor's check once, now. It is a question: status and results stay as they are.
    pub async fn ask(&self, entry: Arc<MonitorEntry>) -> (Verdict, Duration) {
        let (reply, answer) = oneshot::channel();
        let name = entry.name.clone();
        self.send(&name, Command::Ask { entry, reply }).await;
        answer.await.unwrap_or_else(|_| {
            (
                Verdict::unknown(Reason::Resources, "the server is stopping"),
                Duration::ZERO,
            )
        })
    }

    /// The account of all lanes, how late runs began, and verdicts by outcome.
    #[must_use]
    pub fn totals(&self) -> (Ledger, Lateness, [(Outcome, u64); 4]) {
        let (mut ledger, mut lateness) = (Ledger::default(), Lateness::default());
        let mut outcomes = [Outcome::Pass, Outcome::Degraded, Outcome::Fail, Outcome::Unknown].map(|o| (o, 0));
        for stats in self.stats.iter() {
            let (l, late) = stats.read();
            ledger.add(&l);
            lateness.add(&late);
            for (outcome, n) in &mut outcomes {
                *n += stats.verdicts(*outcome);
            }
        }
        (ledger, lateness, outcomes)
    }

    /// Monitors that run here.
    #[must_use]
    pub fn monitors(&self) -> usize {
        self.stats.iter().map(|s| s.monitors()).sum()
    }

    /// Steps of monitors that panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.stats.iter().map(|stats| stats.panics()).sum()
    }

    pub(super) fn missed(&self, name: &MonitorName, runs: u64) {
        let lane = (name_hash(name.as_str()) >> 40) as usize % self.stats.len();
        self.stats[lane].missed(runs);
    }
}
