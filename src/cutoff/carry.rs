//! What a member that returns has to write into the store of what it did without it. Pure: two pictures in, commits out.
//!
//! Of a monitor that stayed ours nobody else can have written anything. So how it stands on the copy is how it has to stand in the store, whatever of it came to be there
//! and when; nothing has to be known of single changes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::learn::{Learned, learn};
use crate::model::{AlerterName, Closed, Group, MemberId, MonitorName, Status, WallMs};
use crate::store::records::{Checkpoint, FORMAT, OutboxEntry, Past, Table, Told};
use crate::store::{Commit, Entry, Guard, Key, Op, Revision, decode, encode, keys};

/// What one side holds of monitors that fail or failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Picture(BTreeMap<MonitorName, Held>);

/// What it holds of one of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    checkpoint: Option<Entry>,
    outbox: BTreeMap<AlerterName, Entry>,
    told: BTreeMap<AlerterName, Entry>,
    ended: BTreeMap<AlerterName, Entry>,
    past: Vec<Entry>,
}

/// Nothing.
static NOTHING: Held = Held {
    checkpoint: None,
    outbox: BTreeMap::new(),
    told: BTreeMap::new(),
    ended: BTreeMap::new(),
    past: Vec::new(),
};

/// What tells our own changes on the copy from those of others in the store.
#[derive(Debug, Clone)]
pub(super) struct Since {
    /// The newest revision of the store that the copy is of.
    pub(super) at: Revision,
    /// Our own commits beyond that which it has, too.
    pub(super) beyond: BTreeSet<Revision>,
    /// What was changed here this time has revisions beyond this one.
    pub(super) own: Revision,
    /// The store went back to this revision, if it did.
    pub(super) back: Option<Revision>,
}

impl Since {
    fn changed_here(&self, entry: &Entry) -> bool {
        entry.rev > self.own
    }

    /// It was in the store, which went back to before that.
    fn was_lost(&self, entry: &Entry) -> bool {
        self.back.is_some_and(|back| entry.rev > back)
    }

    /// What we knew, and what is not here any more, was removed here.
    fn known(&self, there: &Entry) -> bool {
        there.rev <= self.at || self.beyond.contains(&there.rev)
    }
}

impl Picture {
    /// Takes an entry of any of these sorts; others are not looked at.
    pub(super) fn add(&mut self, entry: Entry) {
        let key = &entry.key;
        if let Some((_, monitor)) = keys::past_of(key) {
            self.0.entry(monitor).or_default().past.push(entry);
            return;
        }
        if keys::checkpoints().covers(key) {
            let monitor = keys::last_segment(key).and_then(|name| MonitorName::parse(&name).ok());
            if let Some(monitor) = monitor {
                self.0.entry(monitor).or_default().checkpoint = Some(entry);
            }
            return;
        }
        let Some((alerter, monitor)) = keys::alerter_and_monitor(key) else {
            return;
        };
        // What is below `sent/` is for another member's alerter, and newer than what was to be told here in its place.
        if keys::sent().covers(key) {
            let key = keys::outbox_entry(&alerter, &monitor);
            let held = self.0.entry(monitor).or_default();
            held.outbox.insert(alerter, Entry { key, ..entry });
        } else if keys::outbox().covers(key) {
            self.0
                .entry(monitor)
                .or_default()
                .outbox
                .entry(alerter)
                .or_insert(entry);
        } else if keys::told_all().covers(key) {
            self.0.entry(monitor).or_default().told.insert(alerter, entry);
        } else if keys::ended().covers(key) {
            self.0.entry(monitor).or_default().ended.insert(alerter, entry);
        }
    }

    /// Alerters that anything was told of a monitor.
    pub(super) fn told_of(&self, monitor: &MonitorName) -> impl Iterator<Item = &AlerterName> {
        self.held(monitor).told.keys()
    }

    /// Keys of the episodes that are closed, or may have to be.
    pub(super) fn pasts(&self) -> Vec<Key> {
        let closed = self.0.values().flat_map(|held| &held.past).map(|past| past.key.clone());
        let open = self.0.iter().filter_map(|(monitor, held)| {
            let checkpoint = decode::<Checkpoint>(held.checkpoint.as_ref()?).ok()?;
            Some(keys::past(monitor, checkpoint.value.episode))
        });
        closed.chain(open).collect()
    }

    /// The group that a monitor was judged in, as its open episode says.
    pub(super) fn group(&self, monitor: &MonitorName) -> Option<Group> {
        let checkpoint = self.held(monitor).checkpoint.as_ref()?;
        Some(Group::named(&decode::<Checkpoint>(checkpoint).ok()?.value.group))
    }

    /// Whether it was judged here, for a while at least: what was opened here has to be ended, by whatever table it was given up.
    pub(super) fn was_judged(&self, monitor: &MonitorName, since: &Since) -> bool {
        let held = self.held(monitor);
        let changed = |entry: &Entry| since.changed_here(entry);
        held.checkpoint.iter().chain(&held.past).any(changed)
    }

    /// Whether anything of a monitor was changed here.
    pub(super) fn is_changed(&self, monitor: &MonitorName, since: &Since) -> bool {
        let held = self.held(monitor);
        let told = held.outbox.values().chain(held.told.values());
        held.checkpoint
            .iter()
            .chain(&held.past)
            .chain(told)
            .any(|entry| since.changed_here(entry))
    }

    fn held(&self, monitor: &MonitorName) -> &Held {
        self.0.get(monitor).unwrap_or(&NOTHING)
    }
}

/// All monitors of which either side holds anything.
pub(super) fn monitors<'a>(here: &'a Picture, there: &'a Picture) -> BTreeSet<&'a MonitorName> {
    here.0.keys().chain(there.0.keys()).collect()
}

/// Whether a slot stayed ours: both tables give it to us, by the same epoch.
pub(super) fn is_kept(here: Option<&Table>, there: Option<&Table>, slot: u16, me: &MemberId) -> bool {
    let given = |table: Option<&Table>| {
        let run = table?.run(slot)?;
        (run.judge.as_ref() == Some(me)).then(|| run.since.clone())
    };
    given(here).is_some_and(|since| given(there) == Some(since))
}

/// How a monitor has to stand in the store that stayed ours: checkpoint, what alerters should know and were told, closed episodes. `None`: it stands so already.
///
/// What alerters were told from here is written whoever works them: it is a fact, and whoever works them reads it before the next message. In an outbox entry it would be lost with
/// the judge's next change.
///
/// A process that was killed may have recorded more than its copy has: what it opened is over then, and who was told of it is told so.
pub(super) fn kept(
    monitor: &MonitorName,
    here: &Picture,
    there: &Picture,
    since: &Since,
    now: WallMs,
) -> Option<Commit> {
    let (here, there) = (here.held(monitor), there.held(monitor));
    let mut commit = Commit::default();
    let key = keys::checkpoint(monitor);
    commit
        .guards
        .push(Guard::Rev(key.clone(), rev(there.checkpoint.as_ref())));
    commit
        .ops
        .extend(difference(&key, here.checkpoint.as_ref(), there.checkpoint.as_ref()));
    for alerter in here.alerters(there) {
        let key = keys::outbox_entry(alerter, monitor);
        let (entry, known) = (here.outbox.get(alerter), there.outbox.get(alerter));
        let unseen = there.told_unseen(here, alerter, since);
        commit.ops.extend(match (entry, unseen) {
            (None, _) if there.ends_unseen(here, alerter, since) => None,
            (None, Some(told)) => end_of(&told, Closed::Moved, now).map(|end| Op::Put(key, end, None)),
            _ => difference(&key, entry, known),
        });
        add_told(&mut commit, alerter, monitor, (here, there), since);
    }
    commit.ops.extend(here.past_ops(there));
    commit.ops.extend(there.unseen(here, monitor, since, now));
    (!commit.ops.is_empty()).then_some(commit)
}

/// What is to be said of a monitor that is another member's by now, where anything of it had changed here: whom we told of what, so that it is told how it ends; and an episode that we opened is
/// over: by what, and when.
pub(super) fn lost(
    monitor: &MonitorName,
    here: &Picture,
    there: &Picture,
    since: &Since,
    (closed, now): (Closed, WallMs),
) -> Option<Commit> {
    let (here, there) = (here.held(monitor), there.held(monitor));
    let mut commit = Commit::default();
    let open = there.open();
    for alerter in here.alerters(there) {
        let told = add_told(&mut commit, alerter, monitor, (here, there), since);
        // It was told of an end, and whoever judges it now goes on with what has not ended there.
        let forgets = |op: &Op| matches!(op, Op::Delete(key) if keys::told_all().covers(key));
        if commit.ops.last().is_some_and(forgets)
            && let Some(open) = open.as_ref().filter(|open| open.alerters.contains(alerter))
            && !there.outbox.contains_key(alerter)
        {
            let key = keys::outbox_entry(alerter, monitor);
            commit.guards.push(Guard::Absent(key.clone()));
            let checkpoint = Guard::Rev(keys::checkpoint(monitor), rev(there.checkpoint.as_ref()));
            if !commit.guards.contains(&checkpoint) {
                commit.guards.push(checkpoint);
            }
            commit
                .ops
                .extend(again(open, now).map(|again| Op::Put(key, again, None)));
        }
        // Nothing else would bring it to anybody's mind, unless whoever judges it says so at the end of what it knows of.
        if let Some(told) = told.filter(|told| told.status.is_bad())
            && !there.outbox.contains_key(alerter)
            && !there.addresses(alerter)
        {
            let key = keys::outbox_entry(alerter, monitor);
            if let Some(end) = end_of(&told, closed, now) {
                commit.guards.push(Guard::Absent(key.clone()));
                commit.ops.push(Op::Put(key, end, None));
            }
        }
    }
    let goes_on = open.map(|open| keys::past(monitor, open.episode));
    let ended = here.past_ops(there).filter(|op| Some(op.key()) != goes_on.as_ref());
    commit.ops.extend(ended);
    commit.ops.extend(here.given_up(monitor, there, since, (closed, now)));
    let opened = commit.ops.iter().filter(|op| keys::pasts().covers(op.key()));
    let absent: Vec<_> = opened.map(|op| Guard::Absent(op.key().clone())).collect();
    commit.guards.extend(absent);
    (!commit.ops.is_empty()).then_some(commit)
}

/// What an alerter that stayed ours was told of a monitor that was never ours to judge.
pub(super) fn told(
    alerter: &AlerterName,
    monitor: &MonitorName,
    here: &Picture,
    there: &Picture,
    since: &Since,
) -> Option<Commit> {
    let mut commit = Commit::default();
    add_told(
        &mut commit,
        alerter,
        monitor,
        (here.held(monitor), there.held(monitor)),
        since,
    );
    (!commit.ops.is_empty()).then_some(commit)
}

/// Adds what an alerter was told of a monitor from here; returns that.
fn add_told(
    commit: &mut Commit,
    alerter: &AlerterName,
    monitor: &MonitorName,
    (here, there): (&Held, &Held),
    since: &Since,
) -> Option<Told> {
    let key = keys::told(alerter, monitor);
    let (mine, known) = (here.told.get(alerter), there.told.get(alerter));
    let record = |entry: Option<&Entry>| decode::<Told>(entry?).ok().map(|at| at.value);
    let told = record(mine);
    let op = match (mine, known) {
        (Some(mine), _) if since.changed_here(mine) => {
            let told = told.as_ref()?;
            // Whoever works the alerter may have gone on meanwhile.
            let learned = match known.filter(|known| !since.known(known)) {
                None => Learned::Is(told.clone()),
                other => learn(record(other).as_ref(), told),
            };
            let Learned::Is(record) = learned else { return None };
            let value = encode(&record).ok()?;
            if known.is_some_and(|known| known.value == value) {
                return None;
            }
            Op::Put(key.clone(), value, None)
        }
        // The store has forgotten it: that one was told has to be in it as that of the episode is.
        (Some(mine), _) if since.was_lost(mine) && is_later(told.as_ref()?, record(known).as_ref()) => {
            Op::Put(key.clone(), mine.value.clone(), None)
        }
        // It was known, and is not here any more: its end was told.
        (None, Some(known)) if since.known(known) || here.has_ended(alerter, known) => Op::Delete(key.clone()),
        _ => return None,
    };
    commit.guards.push(Guard::Rev(key, rev(known)));
    commit.ops.push(op);
    told
}

/// Whether what was told of a monitor comes after something else that was, if anything was.
fn is_later(told: &Told, other: Option<&Told>) -> bool {
    let place = |told: &Told| (told.episode, told.seq);
    other.is_none_or(|other| place(told) > place(other))
}

impl Held {
    /// All alerters that either side has anything about.
    fn alerters<'a>(&'a self, there: &'a Self) -> BTreeSet<&'a AlerterName> {
        let sets = [&self.outbox, &there.outbox, &self.told, &there.told];
        sets.into_iter().flat_map(BTreeMap::keys).collect()
    }

    /// Whether an alerter is told of the open episode, and will be of its end.
    fn addresses(&self, alerter: &AlerterName) -> bool {
        self.open().is_some_and(|open| open.alerters.contains(alerter))
    }

    /// The open episode.
    fn open(&self) -> Option<Checkpoint> {
        let open = decode::<Checkpoint>(self.checkpoint.as_ref()?);
        open.ok().map(|at| at.value)
    }

    /// Episodes that were closed here, and are not in the past there: a commit without answer may have come through.
    fn past_ops(&self, there: &Self) -> impl Iterator<Item = Op> {
        let new = self
            .past
            .iter()
            .filter(|past| there.past.iter().all(|known| known.key != past.key));
        new.map(|past| Op::Put(past.key.clone(), past.value.clone(), None))
    }

    /// An episode that was opened here, and that whoever judges the monitor now knows nothing of.
    fn given_up(
        &self,
        monitor: &MonitorName,
        there: &Self,
        since: &Since,
        (closed, now): (Closed, WallMs),
    ) -> Option<Op> {
        let mine = self.checkpoint.as_ref().filter(|mine| since.changed_here(mine))?;
        let episode = |entry: &Entry| decode::<Checkpoint>(entry).ok().map(|at| at.value);
        let mine = episode(mine)?;
        if there
            .checkpoint
            .as_ref()
            .and_then(episode)
            .is_some_and(|other| other.episode == mine.episode)
        {
            return None;
        }
        // An attempt to return that did not get to its end may have said so.
        let past = keys::past(monitor, mine.episode);
        if there.past.iter().any(|known| known.key == past) {
            return None;
        }
        over(monitor, mine, closed, now)
    }

    /// An episode in the store that we opened, and know neither to be open nor how it ended.
    fn unseen(&self, here: &Self, monitor: &MonitorName, since: &Since, now: WallMs) -> Option<Op> {
        let theirs = self.checkpoint.as_ref().filter(|theirs| !since.known(theirs))?;
        let episode = |entry: &Entry| decode::<Checkpoint>(entry).ok().map(|at| at.value);
        let theirs = episode(theirs)?;
        let past = keys::past(monitor, theirs.episode);
        let ended = here.past.iter().any(|known| known.key == past);
        let open = here.checkpoint.as_ref().and_then(episode);
        if ended || open.is_some_and(|mine| mine.episode == theirs.episode) {
            return None;
        }
        over(monitor, theirs, Closed::Moved, now)
    }

    /// What an alerter was told by a process of ours that is dead, and that nobody here knows of.
    fn told_unseen(&self, here: &Self, alerter: &AlerterName, since: &Since) -> Option<Told> {
        let unseen = |told: &&Entry| !since.known(told) && !here.has_ended(alerter, told);
        let told = self.told.get(alerter).filter(unseen)?;
        let told = decode::<Told>(told).ok()?.value;
        (told.status.is_bad() && !here.told.contains_key(alerter)).then_some(told)
    }

    /// Whether a process of ours that is dead asked for an end to be told that is still to come, and nothing goes on here that it would be wrong about.
    fn ends_unseen(&self, here: &Self, alerter: &AlerterName, since: &Since) -> bool {
        let unseen = self.outbox.get(alerter).filter(|entry| !since.known(entry));
        let ends = unseen.and_then(|entry| decode::<OutboxEntry>(entry).ok()?.value.closed);
        ends.is_some() && !here.addresses(alerter)
    }

    /// Whether the alerter was told from here that this has ended.
    fn has_ended(&self, alerter: &AlerterName, told: &Entry) -> bool {
        let episode = |entry: &Entry| decode::<Told>(entry).ok().map(|at| at.value.episode);
        let ended = self.ended.get(alerter).and_then(episode);
        ended.is_some() && ended == episode(told)
    }
}

/// The end of an episode that nobody goes on with.
fn over(monitor: &MonitorName, of: Checkpoint, closed: Closed, now: WallMs) -> Option<Op> {
    let past = Past {
        v: FORMAT,
        monitor: monitor.clone(),
        kind: of.kind,
        episode: of.episode,
        worst: of.status,
        since: of.since,
        until: now,
        closed,
        count: of.failures,
        message: of.message,
        trail: of.trail,
        alerters: of.alerters,
    };
    Some(Op::Put(keys::past(monitor, of.episode), encode(&past).ok()?, None))
}

/// Asks for the end of what was told.
fn end_of(told: &Told, closed: Closed, now: WallMs) -> Option<Bytes> {
    let end = OutboxEntry {
        closed: Some(closed),
        ..OutboxEntry::bare(told.episode, told.seq.saturating_add(1), Status::Ok, now)
    };
    encode(&end).ok()
}

/// Asks for what is open to be told, once more.
fn again(open: &Checkpoint, now: WallMs) -> Option<Bytes> {
    let entry = OutboxEntry {
        count: open.failures,
        message: open.message.clone(),
        trail: open.trail.clone(),
        kind: open.kind.clone(),
        ..OutboxEntry::bare(open.episode, open.seq, open.status, now)
    };
    encode(&entry).ok()
}

fn rev(entry: Option<&Entry>) -> Revision {
    entry.map_or(Revision(0), |entry| entry.rev)
}

fn difference(key: &Key, here: Option<&Entry>, there: Option<&Entry>) -> Option<Op> {
    match (here, there) {
        (Some(here), Some(there)) if here.value == there.value => None,
        (None, None) => None,
        (Some(here), _) => Some(Op::Put(key.clone(), here.value.clone(), None)),
        (None, Some(_)) => Some(Op::Delete(key.clone())),
    }
}

#[cfg(test)]
#[path = "carry_tests.rs"]
mod tests;
