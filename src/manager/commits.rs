//! Pure: what a change of one monitor writes, as one commit. Checkpoint, closed episodes and one outbox entry per alerter, together or not at all.

use std::sync::Arc;

use super::fit::fit;
use super::route::route;
use crate::catalog::MonitorEntry;
use crate::cluster::tenures::Right;
use crate::model::{AlerterName, Closed, MonitorName, MonitorSettings, Status, WallMs};
use crate::state::{Episode, Health, Transition};
use crate::store::records::{Checkpoint, Displaced, FORMAT, OutboxEntry, Past};
use crate::store::{Commit, Guard, Op, Revision, StoreError, keys};

/// Changes of one monitor that may wait for their commit; more are folded together.
pub(super) const WAITING: usize = 16;

/// What is to be recorded of one monitor: everything since its last commit.
#[derive(Clone)]
pub(super) struct Pending {
    /// The definition that the judge acted on.
    pub entry: Arc<MonitorEntry>,
    /// The revision of the definition that the commit is about; 0 when it is gone.
    pub definition: Revision,
    /// By which right it was judged.
    pub right: Arc<Right>,
    /// How it stands now.
    pub health: Health,
    /// The changes since the last commit, oldest first; empty when only the definition changed.
    pub transitions: Vec<Transition>,
    /// An earlier episode has the same id: a wall clock went back. This one is recorded all the same.
    pub anew: bool,
}

impl Pending {
    /// Adds changes that came later. More than may wait are folded: ends of episodes stay longest, because nothing else tells of those.
    pub(super) fn extend(&mut self, later: impl IntoIterator<Item = Transition>) {
        self.transitions.extend(later);
        while self.transitions.len() > WAITING {
            let inner = self.transitions.iter().position(|t| t.closed.is_none());
            // The first is the end of the episode that the store knows, which somebody may have been told of.
            self.transitions.remove(inner.unwrap_or(1));
        }
    }
}

/// What the store holds of one monitor, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Revision of its checkpoint; 0 = none.
    pub rev: Revision,
    /// Who was addressed in the open episode.
    pub addressed: Vec<AlerterName>,
    /// The kind of the monitor then.
    pub kind: String,
}

/// A commit, and what the store holds once it is made, but for the revision (`None`: no episode is open then).
pub(super) type Planned = (Commit, Option<Recorded>);

/// What records a change. `None`: nothing to write.
///
/// # Errors
/// A record that cannot be written as JSON: a defect.
pub(super) fn commit(pending: &Pending, recorded: &Recorded) -> Result<Option<Planned>, StoreError> {
    let name = &pending.entry.name;
    // Without a definition, or with one that cannot be read, only ends are recorded.
    let def = pending.entry.def();
    let about = About {
        name,
        kind: def.map_or(recorded.kind.as_str(), |def| def.kind.name),
        settings: def.map(|def| &def.settings),
    };
    let mut commit = Commit {
        guards: vec![
            Guard::Rev(keys::monitor(name), pending.definition),
            Guard::Rev(keys::checkpoint(name), recorded.rev),
        ],
        ops: Vec::new(),
    };
    // The episode that the store knows may have ended, and others may have begun and ended, before the present one.
    let mut addressed = recorded.addressed.clone();
    let mut ends: Vec<(AlerterName, Displaced)> = Vec::new();
    for ended in &pending.transitions {
        let (Some(episode), Some(closed)) = (&ended.episode, ended.closed) else {
            continue;
        };
        let past = about.past(episode, ended, closed, &addressed);
        put_once(&mut commit, keys::past(name, past.episode), fit(&past)?);
        for alerter in std::mem::take(&mut addressed) {
            let entry = about.end(episode, ended.from, ended.at, ended.count, closed);
            put_once(&mut commit, keys::outbox_entry(&alerter, name), fit(&entry)?);
            let displaced = Displaced {
                episode: episode.id,
                closed,
                at: ended.at,
                count: ended.count,
                message: entry.message,
            };
            ends.push((alerter, displaced));
        }
    }
    let (Some(episode), Some(def)) = (&pending.health.episode, def) else {
        if pending.health.episode.is_none() && recorded.rev != Revision(0) {
            commit.ops.push(Op::Delete(keys::checkpoint(name)));
        }
        return Ok((!commit.ops.is_empty()).then_some((commit, None)));
    };
    let health = &pending.health;
    let entered: Vec<Status> = entered_now(&pending.transitions);
    let routed = route(&addressed, &def.settings, &entered, health.status);
    if pending.transitions.is_empty() && routed.tell.is_empty() && routed.release.is_empty() {
        return Ok(None);
    }
    let from = pending.transitions.last().map_or(health.status, |t| t.from);
    for alerter in &routed.release {
        // To it this is one more change: under the number of the last one it would pass for a repetition of that.
        let entry = OutboxEntry {
            seq: episode.seq + 1,
            ..about.end(episode, health.status, health.since, health.failures, Closed::Edited)
        };
        put_once(&mut commit, keys::outbox_entry(alerter, name), fit(&entry)?);
    }
    for alerter in &routed.tell {
        let mut entry = about.outbox(episode, from, health.status, health.since, health.failures);
        // This takes the place of news that nobody has heard: it brings them along.
        entry.displaced = ends.iter().find(|(to, _)| to == alerter).map(|(_, end)| end.clone());
        put_once(&mut commit, keys::outbox_entry(alerter, name), fit(&entry)?);
    }
    if recorded.rev == Revision(0) && !pending.anew {
        // That there is no checkpoint may be true again later; that this episode is not over yet never is.
        commit.guards.push(Guard::Absent(keys::past(name, episode.id)));
    }
    let checkpoint = Checkpoint {
        v: FORMAT,
        group: pending.right.group.as_str().to_owned(),
        kind: def.kind.name.to_owned(),
        status: health.status,
        since: health.since,
        failures: health.failures,
        hard: health.hard,
        episode: episode.id,
        seq: episode.seq,
        trail: episode.trail.clone(),
        alerters: routed.addressed.clone(),
        measured: def.measured,
        message: episode.message.clone(),
    };
    put_once(&mut commit, keys::checkpoint(name), fit(&checkpoint)?);
    let after = Recorded {
        rev: Revision(0),
        addressed: routed.addressed,
        kind: checkpoint.kind,
    };
    Ok(Some((commit, Some(after))))
}

/// A checkpoint that was read from the store, as the recorder and the judge keep it.
#[must_use]
pub fn restore(rev: Revision, checkpoint: &Checkpoint) -> (Recorded, Health) {
    let worst = checkpoint
        .trail
        .iter()
        .map(|t| t.status)
        .max()
        .unwrap_or(checkpoint.status)
        .max(checkpoint.status);
    let episode = Episode {
        id: checkpoint.episode,
        seq: checkpoint.seq,
        worst,
        message: checkpoint.message.clone(),
        trail: checkpoint.trail.clone(),
    };
    let health = Health {
        status: checkpoint.status,
        since: checkpoint.since,
        failures: checkpoint.failures,
        hard: checkpoint.hard,
        first_failed: Some(checkpoint.episode),
        episode: Some(Box::new(episode)),
    };
    (
        Recorded {
            rev,
            addressed: checkpoint.alerters.clone(),
            kind: checkpoint.kind.clone(),
        },
        health,
    )
}

/// The statuses entered in the present episode since the last commit.
fn entered_now(transitions: &[Transition]) -> Vec<Status> {
    let begin = transitions
        .iter()
        .rposition(|t| t.closed.is_some())
        .map_or(0, |i| i + 1);
    transitions[begin..]
        .iter()
        .map(|t| t.to)
        .filter(|s| s.is_bad())
        .collect()
}

/// Puts a key; a later put of the same commit replaces an earlier one, because a commit may hold a key once.
fn put_once(commit: &mut Commit, key: crate::store::Key, value: bytes::Bytes) {
    commit.ops.retain(|op| op.key() != &key);
    commit.ops.push(Op::Put(key, value, None));
}

struct About<'a> {
    name: &'a MonitorName,
    kind: &'a str,
    /// Absent where the definition is gone.
    settings: Option<&'a MonitorSettings>,
}

impl About<'_> {
    fn past(&self, episode: &Episode, ended: &Transition, closed: Closed, addressed: &[AlerterName]) -> Past {
        Past {
            v: FORMAT,
            monitor: self.name.clone(),
            kind: self.kind.to_owned(),
            episode: episode.id,
            worst: episode.worst,
            since: WallMs(episode.id.0),
            until: ended.at,
            closed,
            count: ended.count,
            message: episode.message.clone(),
            trail: episode.trail.clone(),
            alerters: addressed.to_vec(),
        }
    }

    fn end(&self, episode: &Episode, from: Status, at: WallMs, count: u32, closed: Closed) -> OutboxEntry {
        OutboxEntry {
            closed: Some(closed),
            ..self.outbox(episode, from, Status::Ok, at, count)
        }
    }

    fn outbox(&self, episode: &Episode, from: Status, status: Status, at: WallMs, count: u32) -> OutboxEntry {
        let text = |of: fn(&MonitorSettings) -> &String| self.settings.map(of).cloned().unwrap_or_default();
        OutboxEntry {
            v: FORMAT,
            episode: episode.id,
            seq: episode.seq,
            status,
            from,
            closed: None,
            since: WallMs(episode.id.0),
            at,
            count,
            message: episode.message.clone(),
            trail: episode.trail.clone(),
            kind: self.kind.to_owned(),
            description: text(|s| &s.description),
            tags: self.settings.map(|s| s.tags.clone()).unwrap_or_default(),
            runbook: text(|s| &s.runbook),
            displaced: None,
        }
    }
}

#[cfg(test)]
#[path = "commits_tests.rs"]
mod tests;
