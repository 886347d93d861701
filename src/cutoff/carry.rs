//! What a member that returns has to write into the store of what it did without it. Pure: two pictures in, commits out.
//!
//! Of a monitor that stayed ours nobody else can have written anything. So how it stands on the copy is how it has to stand in the store, whatever of it came to be there
//! and when; nothing has to be known of single changes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::model::{AlerterName, Closed, Group, MemberId, MonitorName, Status, WallMs};
use crate::store::records::{Checkpoint, OutboxEntry, Table, Told, ToldElsewhere};
use crate::store::{Commit, Entry, Guard, Key, LOCAL, Op, Revision, decode, encode, keys};

/// What one side holds of monitors that fail or failed.
#[derive(Debug, Default)]
pub(super) struct Picture(BTreeMap<MonitorName, Held>);

/// What it holds of one of them.
#[derive(Debug, Default)]
pub(super) struct Held {
    checkpoint: Option<Entry>,
    outbox: BTreeMap<AlerterName, Entry>,
    told: BTreeMap<AlerterName, Entry>,
    past: Vec<Entry>,
}

/// Nothing.
static NOTHING: Held = Held {
    checkpoint: None,
    outbox: BTreeMap::new(),
    told: BTreeMap::new(),
    past: Vec::new(),
};

/// What tells our own changes on the copy from those of others in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    /// The newest revision of the store that the copy is of.
    pub(super) at: Revision,
}

impl Since {
    fn changed_here(entry: &Entry) -> bool {
        entry.rev >= LOCAL
    }

    /// What we knew, and what is not here any more, was removed here.
    fn known(self, there: &Entry) -> bool {
        there.rev <= self.at
    }
}

/// What was told without the store of a monitor that is another member's by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) alerter: AlerterName,
    pub(super) monitor: MonitorName,
    pub(super) told: ToldElsewhere,
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
        if keys::outbox().covers(key) {
            self.0.entry(monitor).or_default().outbox.insert(alerter, entry);
        } else if keys::told_all().covers(key) {
            self.0.entry(monitor).or_default().told.insert(alerter, entry);
        }
    }

    /// Keys of the closed episodes.
    pub(super) fn pasts(&self) -> impl Iterator<Item = &Key> {
        self.0.values().flat_map(|held| &held.past).map(|past| &past.key)
    }

    /// The group that a monitor was judged in, as its open episode says.
    pub(super) fn group(&self, monitor: &MonitorName) -> Option<Group> {
        let checkpoint = self.held(monitor).checkpoint.as_ref()?;
        Some(Group::named(&decode::<Checkpoint>(checkpoint).ok()?.value.group))
    }

    /// Whether anything of a monitor was changed here.
    pub(super) fn is_changed(&self, monitor: &MonitorName) -> bool {
        let held = self.held(monitor);
        let told = held.outbox.values().chain(held.told.values());
        held.checkpoint
            .iter()
            .chain(&held.past)
            .chain(told)
            .any(Since::changed_here)
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
pub(super) fn kept(here: Option<&Table>, there: Option<&Table>, slot: u16, me: &MemberId) -> bool {
    let given = |table: Option<&Table>| {
        let run = table?.run(slot)?;
        (run.judge.as_ref() == Some(me)).then(|| run.since.clone())
    };
    given(here).is_some_and(|since| given(there) == Some(since))
}

/// How a monitor of ours has to stand in the store: checkpoint, what alerters should know, closed episodes. `ours`: whether we work an alerter; whoever works another
/// one is told in the entry what was told of it from here. `None`: it stands so already.
pub(super) fn judged(
    monitor: &MonitorName,
    here: &Picture,
    there: &Picture,
    since: Since,
    ours: impl Fn(&AlerterName) -> bool,
    now: WallMs,
) -> Option<Commit> {
    let (here, there) = (here.held(monitor), there.held(monitor));
    let key = keys::checkpoint(monitor);
    let mut ops: Vec<Op> = difference(&key, here.checkpoint.as_ref(), there.checkpoint.as_ref())
        .into_iter()
        .collect();
    for alerter in here.alerters(there) {
        let key = keys::outbox_entry(alerter, monitor);
        let (entry, known) = (here.outbox.get(alerter), there.outbox.get(alerter));
        let told = if ours(alerter) {
            None
        } else {
            here.told_here(there, alerter, since)
        };
        match told {
            Some(told) => ops.extend(with_told(entry, told, now).map(|entry| Op::Put(key, entry, None))),
            None => ops.extend(difference(&key, entry, known)),
        }
    }
    let closed = here
        .past
        .iter()
        .filter(|past| there.past.iter().all(|known| known.key != past.key));
    ops.extend(closed.map(|past| Op::Put(past.key.clone(), past.value.clone(), None)));
    if ops.is_empty() {
        return None;
    }
    let rev = there.checkpoint.as_ref().map_or(Revision(0), |entry| entry.rev);
    Some(Commit {
        guards: vec![Guard::Rev(key, rev)],
        ops,
    })
}

/// What alerters that stayed ours were told of a monitor, one commit each.
pub(super) fn told(
    monitor: &MonitorName,
    here: &Picture,
    there: &Picture,
    ours: impl Fn(&AlerterName) -> bool,
) -> Vec<Commit> {
    let (here, there) = (here.held(monitor), there.held(monitor));
    let alerters: BTreeSet<_> = here.told.keys().chain(there.told.keys()).collect();
    let ours = alerters.into_iter().filter(|alerter| ours(alerter));
    ours.filter_map(|alerter| {
        let key = keys::told(alerter, monitor);
        let known = there.told.get(alerter);
        let op = difference(&key, here.told.get(alerter), known)?;
        let rev = known.map_or(Revision(0), |entry| entry.rev);
        Some(Commit {
            guards: vec![Guard::Rev(key, rev)],
            ops: vec![op],
        })
    })
    .collect()
}

/// What was told from here of a monitor that is another member's by now, and what that one should know.
pub(super) fn claims(monitor: &MonitorName, here: &Picture, there: &Picture, since: Since) -> Vec<Claim> {
    let (here, there) = (here.held(monitor), there.held(monitor));
    let told = |alerter: &AlerterName| {
        Some(Claim {
            told: here.told_here(there, alerter, since)?,
            alerter: alerter.clone(),
            monitor: monitor.clone(),
        })
    };
    here.alerters(there).into_iter().filter_map(told).collect()
}

impl Held {
    /// All alerters that either side has anything about.
    fn alerters<'a>(&'a self, there: &'a Self) -> BTreeSet<&'a AlerterName> {
        let sets = [&self.outbox, &there.outbox, &self.told, &there.told];
        sets.into_iter().flat_map(BTreeMap::keys).collect()
    }

    /// What an alerter was told from here while the store was away, if anything.
    fn told_here(&self, there: &Self, alerter: &AlerterName, since: Since) -> Option<ToldElsewhere> {
        match (self.told.get(alerter), there.told.get(alerter)) {
            (Some(told), _) if Since::changed_here(told) => {
                let told = decode::<Told>(told).ok()?.value;
                Some(ToldElsewhere {
                    episode: told.episode,
                    seq: told.seq,
                    status: told.status,
                })
            }
            // It was known, and is not here any more: its end was told.
            (None, Some(recorded)) if since.known(recorded) => {
                let told = decode::<Told>(recorded).ok()?.value;
                Some(ToldElsewhere {
                    episode: told.episode,
                    seq: told.seq.saturating_add(1),
                    status: Status::Ok,
                })
            }
            _ => None,
        }
    }
}

fn difference(key: &Key, here: Option<&Entry>, there: Option<&Entry>) -> Option<Op> {
    match (here, there) {
        (Some(here), Some(there)) if here.value == there.value => None,
        (None, None) => None,
        (Some(here), _) => Some(Op::Put(key.clone(), here.value.clone(), None)),
        (None, Some(_)) => Some(Op::Delete(key.clone())),
    }
}

/// What an alerter should know that another member works, with what it was told from here.
fn with_told(entry: Option<&Entry>, told: ToldElsewhere, now: WallMs) -> Option<Bytes> {
    let entry = entry.and_then(|entry| decode::<OutboxEntry>(entry).ok());
    // In place of an entry that is gone because all of it was told: nothing of this one is to be.
    let all_told = || OutboxEntry {
        closed: (told.status == Status::Ok).then_some(Closed::Recovered),
        ..OutboxEntry::bare(told.episode, told.seq, told.status, now)
    };
    let mut entry = entry.map_or_else(all_told, |at| at.value);
    entry.was_told(told);
    encode(&entry).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EpisodeId;
    use crate::store::records::{FORMAT, SLOTS, SlotRun, ToldState};

    const AT: Since = Since { at: Revision(100) };
    const NOW: WallMs = WallMs(5_000);

    fn web() -> MonitorName {
        MonitorName::parse("web").unwrap()
    }

    fn ops() -> AlerterName {
        AlerterName::parse("ops").unwrap()
    }

    fn entry(key: Key, rev: u64, value: impl Into<Bytes>) -> Entry {
        Entry {
            key,
            value: value.into(),
            born: Revision(rev),
            rev: Revision(rev),
            lease: None,
        }
    }

    fn told_record(seq: u32) -> Bytes {
        let told = Told {
            v: FORMAT,
            state: ToldState::Told,
            episode: EpisodeId(1),
            seq,
            status: Status::Critical,
            at: NOW,
            attempts: 1,
            reference: None,
            arrived: true,
            response: String::new(),
        };
        encode(&told).unwrap()
    }

    fn picture(entries: Vec<Entry>) -> Picture {
        let mut picture = Picture::default();
        entries.into_iter().for_each(|entry| picture.add(entry));
        picture
    }

    fn judged_by(ours: bool, here: Vec<Entry>, there: Vec<Entry>) -> Option<Commit> {
        judged(&web(), &picture(here), &picture(there), AT, |_| ours, NOW)
    }

    fn told_in_entry(commit: Option<Commit>) -> Option<(ToldElsewhere, Status)> {
        let op = commit?.ops.into_iter().find(|op| keys::outbox().covers(op.key()))?;
        let Op::Put(_, value, _) = op else { return None };
        let entry: OutboxEntry = serde_json::from_slice(&value).unwrap();
        Some((entry.told?, entry.status))
    }

    #[test]
    fn what_did_not_change_is_not_written() {
        let both = || {
            vec![
                entry(keys::checkpoint(&web()), 7, "c"),
                entry(keys::told(&ops(), &web()), 8, "t"),
            ]
        };
        assert_eq!(judged_by(true, both(), both()), None);
        assert!(told(&web(), &picture(both()), &picture(both()), |_| true).is_empty());
    }

    #[test]
    fn an_episode_that_was_opened_here_is_written_with_the_revisions_that_are_there() {
        let here = vec![
            entry(keys::checkpoint(&web()), LOCAL.0 + 3, "open"),
            entry(keys::outbox_entry(&ops(), &web()), LOCAL.0 + 3, "e"),
        ];
        let commit = judged_by(true, here, Vec::new()).unwrap();
        assert_eq!(commit.guards, [Guard::Rev(keys::checkpoint(&web()), Revision(0))]);
        assert_eq!(commit.ops.len(), 2);
    }

    #[test]
    fn an_episode_that_ended_here_is_removed_there_and_past_once() {
        let past = || entry(keys::past(&web(), EpisodeId(1)), LOCAL.0 + 9, "past");
        let there = vec![entry(keys::checkpoint(&web()), 50, "open")];
        let commit = judged_by(true, vec![past()], there.clone()).unwrap();
        assert_eq!(commit.guards, [Guard::Rev(keys::checkpoint(&web()), Revision(50))]);
        let expected = [
            Op::Delete(keys::checkpoint(&web())),
            Op::Put(keys::past(&web(), EpisodeId(1)), Bytes::from_static(b"past"), None),
        ];
        assert_eq!(commit.ops, expected);
        // The commit that got no answer before the store went away may have come through.
        let known = [there, vec![entry(past().key, 60, "past")]].concat();
        assert_eq!(judged_by(true, vec![past()], known).unwrap().ops, expected[..1]);
    }

    #[test]
    fn whoever_works_an_alerter_is_told_what_was_told_from_here() {
        let here = vec![entry(keys::told(&ops(), &web()), LOCAL.0 + 2, told_record(3))];
        let of = |seq, status| ToldElsewhere {
            episode: EpisodeId(1),
            seq,
            status,
        };
        let told = told_in_entry(judged_by(false, here, Vec::new()));
        assert_eq!(
            told,
            Some((of(3, Status::Critical), Status::Critical)),
            "all of it is told"
        );
        // Its end was told here: nothing is left of it but what the store remembers.
        let there = vec![entry(keys::told(&ops(), &web()), 90, told_record(3))];
        let ended = told_in_entry(judged_by(false, Vec::new(), there));
        assert_eq!(ended, Some((of(4, Status::Ok), Status::Ok)));
    }

    #[test]
    fn what_another_member_told_meanwhile_is_not_taken_for_our_own() {
        // Written by whoever works the alerter after our copy was made.
        let there = vec![entry(keys::told(&ops(), &web()), 120, told_record(3))];
        assert_eq!(judged_by(false, Vec::new(), there), None);
    }

    #[test]
    fn what_an_alerter_of_ours_was_told_is_recorded() {
        let here = picture(vec![entry(keys::told(&ops(), &web()), LOCAL.0 + 2, "new")]);
        let there = picture(vec![entry(keys::told(&ops(), &web()), 90, "old")]);
        let commits = told(&web(), &here, &there, |_| true);
        assert_eq!(
            commits[0].guards,
            [Guard::Rev(keys::told(&ops(), &web()), Revision(90))]
        );
        assert!(told(&web(), &here, &there, |_| false).is_empty(), "not ours to record");
    }

    #[test]
    fn what_was_told_of_a_monitor_that_is_lost_is_claimed() {
        let here = picture(vec![entry(keys::told(&ops(), &web()), LOCAL.0 + 2, told_record(2))]);
        let claims = claims(&web(), &here, &Picture::default(), AT);
        assert_eq!(claims.len(), 1);
        assert_eq!((claims[0].told.seq, claims[0].told.status), (2, Status::Critical));
        assert!(here.is_changed(&web()));
        let untouched = picture(vec![entry(keys::told(&ops(), &web()), 90, told_record(2))]);
        assert!(super::claims(&web(), &untouched, &untouched, AT).is_empty() && !untouched.is_changed(&web()));
    }

    #[test]
    fn a_slot_is_kept_that_both_tables_give_by_the_same_epoch() {
        let me = MemberId::parse("me").unwrap();
        let table = |judge: Option<&MemberId>, since: &str| Table {
            v: FORMAT,
            epoch: since.to_owned(),
            at: NOW,
            why: String::new(),
            runs: vec![SlotRun {
                first: 0,
                last: SLOTS - 1,
                judge: judge.cloned(),
                since: since.to_owned(),
                runners: Vec::new(),
            }],
            stamps: BTreeMap::new(),
        };
        let (mine, again, nobodys) = (table(Some(&me), "3-1"), table(Some(&me), "4-1"), table(None, "3-1"));
        assert!(kept(Some(&mine), Some(&mine), 9, &me));
        for there in [Some(&again), Some(&nobodys), None] {
            assert!(!kept(Some(&mine), there, 9, &me));
        }
    }
}
