//! Pure: what a change of one monitor writes, as one commit. Checkpoint, closed episodes and one outbox entry per alerter, together or not at all.

use std::sync::Arc;

use super::route::route;
use crate::catalog::MonitorEntry;
use crate::model::{AlerterName, Closed, Group, MonitorName, MonitorSettings, Status, WallMs};
use crate::state::{Episode, Health, Transition};
use crate::store::records::{Checkpoint, Displaced, FORMAT, OutboxEntry, Past};
use crate::store::{Commit, Guard, Op, Revision, StoreError, encode, keys};

/// Changes of one monitor that may wait for their commit; more are folded together, the newest kept.
pub(super) const WAITING: usize = 16;

/// What is to be recorded of one monitor: everything since its last commit.
pub(super) struct Pending {
    /// The definition that the judge acted on.
    pub entry: Arc<MonitorEntry>,
    /// How it stands now.
    pub health: Health,
    /// The changes since the last commit, oldest first; empty when only the definition changed.
    pub transitions: Vec<Transition>,
    /// Set when the definition is gone: the guard is then that it is not there.
    pub deleted: bool,
}

/// What the store holds of one monitor, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Revision of its checkpoint; 0 = none.
    pub rev: Revision,
    /// Who was addressed in the open episode.
    pub addressed: Vec<AlerterName>,
}

/// A commit, and who is addressed once it is made (`None`: no episode is open then).
pub(super) type Planned = (Commit, Option<Vec<AlerterName>>);

/// What records a change. `None`: nothing to write.
///
/// # Errors
/// A record that cannot be written as JSON: a defect.
pub(super) fn commit(pending: &Pending, recorded: &Recorded) -> Result<Option<Planned>, StoreError> {
    let Some(def) = &pending.entry.def else { return Ok(None) };
    let name = &pending.entry.name;
    let about = About {
        name,
        kind: def.kind.name,
        settings: Some(&def.settings),
    };
    let definition = if pending.deleted {
        Revision(0)
    } else {
        pending.entry.rev
    };
    let mut commit = Commit {
        guards: vec![
            Guard::Rev(keys::monitor(name), definition),
            Guard::Rev(keys::checkpoint(name), recorded.rev),
        ],
        ops: Vec::new(),
    };
    // The episode that the store knows may have ended, and others may have begun and ended, before the present one.
    let mut addressed = recorded.addressed.clone();
    let mut ends: Vec<(AlerterName, Displaced)> = Vec::new();
    for ended in pending.transitions.iter().filter(|t| t.closed.is_some()) {
        let (Some(episode), Some(closed)) = (&ended.episode, ended.closed) else {
            continue;
        };
        let past = about.past(episode, ended, closed, &addressed);
        commit.ops.push(Op::Put(
            keys::past(past.until, name, past.episode),
            encode(&past)?,
            None,
        ));
        for alerter in std::mem::take(&mut addressed) {
            let entry = about.end(episode, ended.from, ended.at, ended.count, closed);
            put_once(&mut commit, keys::outbox_entry(&alerter, name), encode(&entry)?);
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
    let entered: Vec<Status> = entered_now(&pending.transitions);
    let mut after = None;
    if let Some(episode) = &pending.health.episode {
        let routed = route(&addressed, &def.settings, &entered, pending.health.status);
        let from = pending.transitions.last().map_or(pending.health.status, |t| t.from);
        let (at, count) = (pending.health.since, pending.health.failures);
        for alerter in &routed.release {
            let entry = about.end(episode, pending.health.status, at, count, Closed::Edited);
            put_once(&mut commit, keys::outbox_entry(alerter, name), encode(&entry)?);
        }
        for alerter in &routed.tell {
            let mut entry = about.outbox(episode, from, pending.health.status, at, count);
            // This takes the place of news that nobody has heard: it brings them along.
            entry.displaced = ends.iter().find(|(to, _)| to == alerter).map(|(_, end)| end.clone());
            put_once(&mut commit, keys::outbox_entry(alerter, name), encode(&entry)?);
        }
        if pending.transitions.is_empty() && routed.tell.is_empty() && routed.release.is_empty() {
            return Ok(None);
        }
        let checkpoint = Checkpoint {
            v: FORMAT,
            group: Group::of(&def.settings.member_tag).as_str().to_owned(),
            kind: def.kind.name.to_owned(),
            status: pending.health.status,
            since: pending.health.since,
            failures: pending.health.failures,
            hard: pending.health.hard,
            episode: episode.id,
            seq: episode.seq,
            trail: episode.trail.clone(),
            alerters: routed.addressed.clone(),
            measured: def.measured,
            message: episode.message.clone(),
        };
        commit
            .ops
            .push(Op::Put(keys::checkpoint(name), encode(&checkpoint)?, None));
        after = Some(routed.addressed);
    } else if recorded.rev != Revision(0) {
        commit.ops.push(Op::Delete(keys::checkpoint(name)));
    }
    Ok((!commit.ops.is_empty()).then_some((commit, after)))
}

/// Ends an episode whose monitor has no definition any more: found in the store at the start.
///
/// # Errors
/// As [`commit`].
pub(super) fn close_orphan(
    name: &MonitorName,
    rev: Revision,
    left: &Checkpoint,
    at: WallMs,
) -> Result<Commit, StoreError> {
    let about = About {
        name,
        kind: &left.kind,
        settings: None,
    };
    let (_, health) = restore(rev, left);
    let mut commit = Commit {
        guards: vec![
            Guard::Rev(keys::monitor(name), Revision(0)),
            Guard::Rev(keys::checkpoint(name), rev),
        ],
        ops: vec![Op::Delete(keys::checkpoint(name))],
    };
    let mut health = health;
    let Some(ended) = health.close(at, Closed::Deleted) else {
        return Ok(commit);
    };
    let Some(episode) = &ended.episode else {
        return Ok(commit);
    };
    let past = about.past(episode, &ended, Closed::Deleted, &left.alerters);
    commit
        .ops
        .push(Op::Put(keys::past(at, name, past.episode), encode(&past)?, None));
    for alerter in &left.alerters {
        let entry = about.end(episode, ended.from, at, ended.count, Closed::Deleted);
        put_once(&mut commit, keys::outbox_entry(alerter, name), encode(&entry)?);
    }
    Ok(commit)
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
            told: false,
            displaced: None,
        }
    }
}
