//! What lanes want recorded, and read again: many lanes, few calls.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{error, warn};

use super::super::lane::{Settled, Write};
use super::super::limits::{COMMITS_AT_ONCE, READS_AT_ONCE, STORE_PATIENCE};
use super::super::view::LaneKey;
use super::{Done, Worker};
use crate::cluster::tenures::Holding;
use crate::model::{AlerterName, EpisodeId, Status, WallMs};
use crate::store::records::{At, FORMAT, OutboxEntry, Told, ToldState};
use crate::store::{Commit, Entry, Guard, Op, Outcome, Refusal, Revision, Store, StoreError, decode, encode, keys};

/// One commit that is wanted.
#[derive(Clone)]
pub(super) enum Job {
    /// Of a lane.
    Lane(LaneKey, Write),
    /// The removal of a removed alerter's last definition, if it is of this revision.
    Retired(AlerterName, Revision),
}

impl Job {
    pub(super) fn alerter(&self) -> &AlerterName {
        match self {
            Self::Lane((alerter, _), _) | Self::Retired(alerter, _) => alerter,
        }
    }
}

/// What became of a batch of them.
pub(super) struct Made {
    /// Each with the stint of its alerter that it is of.
    jobs: Vec<(Job, u64)>,
    outcomes: Vec<Outcome>,
    /// Whose guards they were sent with.
    holding: Holding,
    began: Duration,
}

/// How both keys of a lane stand.
pub(super) struct Stands {
    told: Option<At<Told>>,
    entry: Option<At<OutboxEntry>>,
    at: Revision,
}

impl Worker {
    pub(super) fn start_commits(&mut self) {
        let Some(holding) = self.proof() else {
            return self.return_jobs();
        };
        if self.committing || self.jobs.is_empty() {
            return;
        }
        // Guards and posts are of one and the same table: by a newer one's guards a commit about an alerter that it took away would pass.
        let (holding, guards) = (holding.clone(), holding.tenure().guards());
        let (store, began) = (self.options.store.clone(), self.started.elapsed());
        let n = self.jobs.len().min(COMMITS_AT_ONCE);
        let stint = |job: Job| {
            let desk = self.desks.get(job.alerter()).filter(|desk| desk.is_here());
            desk.map(|desk| (job, desk.stint))
        };
        let jobs: Vec<_> = self.jobs.drain(..n).filter_map(stint).collect();
        self.committing = true;
        self.tasks.spawn(async move {
            let commits = jobs.iter().map(|(job, _)| commit_of(job)).collect::<Vec<_>>();
            let n = commits.len();
            let outcomes = timeout(STORE_PATIENCE, store.commit_all(&guards, commits)).await;
            let outcomes = outcomes.unwrap_or_else(|_| {
                let error = StoreError::Unavailable(format!("no answer within {} s", STORE_PATIENCE.as_secs()));
                vec![Outcome::Unknown(error); n]
            });
            Done::Committed(Made {
                jobs,
                outcomes,
                holding,
                began,
            })
        });
    }

    pub(super) fn committed(&mut self, made: Made) {
        self.committing = false;
        let now = self.now();
        let failure = made.outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Unknown(error) | Outcome::Failed(error) => Some(error.clone()),
            Outcome::Done(_) | Outcome::Refused(_) => None,
        });
        match failure {
            Some(error) => {
                let healthy = self.gate.failed(made.began, fastrand::f64(), now.mono);
                if healthy {
                    warn!(%error, "the store does not take what was told");
                }
            }
            None => self.gate.answered(),
        }
        let failed = self.gate.failing();
        let refused = made.outcomes.contains(&Outcome::Refused(Refusal::Shared));
        // The newer table, or session, may be known by now.
        self.refused |= refused && self.holding.as_ref() == Some(&made.holding);
        for ((job, stint), outcome) in made.jobs.into_iter().zip(made.outcomes) {
            let settled = match outcome {
                Outcome::Done(rev) => Settled::Done(rev),
                Outcome::Refused(Refusal::Own) => Settled::Refused,
                Outcome::Refused(Refusal::Shared) => Settled::NotMade,
                Outcome::Unknown(_) => Settled::Unknown,
                Outcome::Failed(reason) => {
                    if let StoreError::Invalid(reason) = reason {
                        error!(reason, "a commit of the notifier is not allowed; this is a defect");
                    }
                    Settled::NotMade
                }
            };
            // Of another post: nobody's any more.
            if self.stint(job.alerter()) == Some(stint) {
                self.settled(job, settled);
            }
        }
        if failed {
            // Whoever is in line would only wait for the same answer.
            self.return_jobs();
        }
    }

    pub(super) fn stint(&self, alerter: &AlerterName) -> Option<u64> {
        self.desks.get(alerter).map(|desk| desk.stint)
    }

    fn return_jobs(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            self.settled(job, Settled::NotMade);
        }
    }

    fn settled(&mut self, job: Job, settled: Settled) {
        match job {
            Job::Lane(key, _) => {
                if let Some(slot) = self.lanes.get_mut(&key) {
                    slot.lane.committed(settled);
                }
                self.look(&key);
            }
            Job::Retired(name, rev) => match settled {
                // Refused: it was written anew, and the feed says so.
                Settled::Done(_) | Settled::Refused => {}
                Settled::NotMade | Settled::Unknown => self.to_retire.push((name, rev)),
            },
        }
    }

    pub(super) fn start_reads(&mut self) {
        while self.reading < READS_AT_ONCE {
            let Some(key) = self.to_read.pop_front() else { return };
            let Some(stint) = self.stint(&key.0) else { continue };
            self.reading += 1;
            let store = self.options.store.clone();
            self.tasks.spawn(async move {
                let stands = timeout(STORE_PATIENCE, read(&store, &key)).await;
                Done::Read(key, stint, stands.ok().and_then(Result::ok).map(Box::new))
            });
        }
    }

    pub(super) fn was_read(&mut self, key: &LaneKey, stint: u64, stands: Option<Box<Stands>>) {
        self.reading = self.reading.saturating_sub(1);
        if self.stint(&key.0) != Some(stint) {
            return;
        }
        let now = self.now();
        if stands.is_none() {
            self.gate.failed(now.mono, fastrand::f64(), now.mono);
        }
        if let Some(slot) = self.lanes.get_mut(key) {
            match stands {
                Some(stands) => slot.lane.read(stands.told, stands.entry, stands.at),
                None => slot.lane.not_read(),
            }
        }
        self.look(key);
    }
}

fn commit_of(job: &Job) -> Commit {
    let mut commit = Commit::default();
    match job {
        Job::Lane((alerter, monitor), write) => {
            let told_key = keys::told(alerter, monitor);
            let entry_key = keys::outbox_entry(alerter, monitor);
            commit.guards.push(Guard::Rev(told_key.clone(), write.base));
            if let Some(told) = &write.told {
                // A record of plain fields always has a JSON form; without one there would be nothing to write.
                match told.as_ref().map(encode).transpose() {
                    Ok(Some(value)) => commit.ops.push(Op::Put(told_key, value, None)),
                    Ok(None) => commit.ops.push(Op::Delete(told_key)),
                    Err(error) => error!(%error, "a record cannot be written"),
                }
            }
            if let Some(rev) = write.drop.or(write.while_entry) {
                commit.guards.push(Guard::Rev(entry_key.clone(), rev));
            }
            if write.drop.is_some() {
                commit.ops.push(Op::Delete(entry_key));
            }
        }
        Job::Retired(name, rev) => {
            let key = keys::retired_alerter(name);
            commit.guards.push(Guard::Rev(key.clone(), *rev));
            commit.ops.push(Op::Delete(key));
        }
    }
    commit
}

async fn read(store: &Store, (alerter, monitor): &LaneKey) -> Result<Stands, StoreError> {
    let (_, told) = store.list(&keys::told(alerter, monitor)).await?;
    let (at, entry) = store.list(&keys::outbox_entry(alerter, monitor)).await?;
    Ok(Stands {
        told: told
            .first()
            .map(|entry| decode(entry).unwrap_or_else(|_| told_in(entry))),
        entry: entry.first().and_then(|entry| decode(entry).ok()),
        at,
    })
}

/// A record of what was told that cannot be read: something may be open there, so its end is told before anything else.
pub(super) fn told_in(damaged: &Entry) -> At<Told> {
    let value = Told {
        v: FORMAT,
        state: ToldState::Sending,
        episode: EpisodeId(0),
        seq: 0,
        status: Status::Critical,
        at: WallMs(0),
        attempts: 0,
        reference: None,
        arrived: true,
        response: String::new(),
        fallbacks: Vec::new(),
    };
    At {
        rev: damaged.rev,
        value,
    }
}
