//! Every order of events there is, within bounds: one judge, one lane, one far end that keeps incidents, one store whose answers get lost.
//!
//! Breadth first over the real functions, so that a violation comes with the shortest way to it.

#[cfg(test)]
#[path = "model_mutants.rs"]
mod mutants;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use super::super::limits::ATTEMPT_DEADLINE;
use super::*;
use crate::alerters::{DeliveryError, Receipt, Retry};
use crate::store::records::FORMAT;

/// How often what may happen.
#[derive(Clone, Copy)]
struct Bounds {
    changes: u8,
    crashes: u8,
    lost_commits: u8,
    failures: u8,
    shut: bool,
    silences: u8,
    /// How often somebody else tells something without the store.
    elsewhere: u8,
    /// How often it may not tell for a while.
    withheld: u8,
    wrong: Wrong,
}

/// What is made wrong on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// What a dead notifier sent is taken however late it comes.
    NoFence,
    /// No answer is taken for a refusal.
    UnknownIsRefused,
    /// That something is being sent is not written down.
    NoIntent,
    /// What was told elsewhere is not written down.
    NotSaid,
    /// A commit that leaves the record as it is does not ask whether it still is what was known.
    NoBase,
    /// It begins an attempt although it may not.
    NotWithheld,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
    ShutLong,
}

/// Everything. `far` is what is open there; the rest of it is only counted.
#[derive(Debug, Clone)]
struct World {
    changes: u8,
    status: Status,
    episode: i64,
    seq: u32,
    entry: Option<At<OutboxEntry>>,
    told: Option<At<Told>>,
    rev: u64,
    unseen: bool,
    lane: Lane,
    commit: Option<Write>,
    reading: bool,
    attempt: Option<Message>,
    late: Vec<Write>,
    /// An attempt of the member that worked the alerter before, and until when it may arrive.
    leftover: Option<(Message, Duration)>,
    now: Now,
    far: bool,
    /// Of the open episodes: whether something may have arrived since the last end that did.
    may_have_arrived: bool,
    messages: Vec<(Change, u8)>,
    crashes: u8,
    lost_commits: u8,
    failures: u8,
    uncertain: u8,
    gate: Gate,
    muted: bool,
    silences: u8,
    elsewhere: u8,
    may_tell: bool,
    withheld: u8,
    violation: Option<&'static str>,
}

type Brief = (bool, bool, Change, WallMs, bool, u32);

fn brief(told: &Told) -> Brief {
    let change = (told.episode, told.seq, told.status);
    let (sending, given_up) = (told.state == ToldState::Sending, told.state == ToldState::GivenUp);
    (sending, given_up, change, told.at, told.arrived, told.attempts)
}

type Short = (Revision, Option<Option<Brief>>, Option<Revision>, Option<Revision>);

fn short(write: &Write) -> Short {
    let told = write.told.as_ref().map(|told| told.as_ref().map(brief));
    (write.base, told, write.while_entry, write.drop)
}

fn told_of((episode, seq, status): Change, at: WallMs) -> Told {
    Told {
        v: FORMAT,
        state: ToldState::Told,
        episode,
        seq,
        status,
        at,
        attempts: 1,
        reference: None,
        arrived: true,
        response: String::new(),
        fallbacks: Vec::new(),
    }
}

fn start() -> World {
    let now = Now {
        mono: Duration::ZERO,
        wall: WallMs(1_000_000),
    };
    World {
        changes: 0,
        status: Status::Ok,
        episode: 0,
        seq: 0,
        entry: None,
        told: None,
        rev: 1,
        unseen: false,
        lane: Lane::load(None, None, Revision(1), now),
        commit: None,
        reading: false,
        attempt: None,
        late: Vec::new(),
        leftover: None,
        now,
        far: false,
        may_have_arrived: false,
        messages: Vec::new(),
        crashes: 0,
        lost_commits: 0,
        failures: 0,
        uncertain: 0,
        gate: Gate::Open,
        muted: false,
        silences: 0,
        elsewhere: 0,
        may_tell: true,
        withheld: 0,
        violation: None,
    }
}

impl World {
    /// All that tells two worlds apart. Taken apart field by field, so that the compiler asks about a new one.
    fn key(&self) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let h = &mut hasher;
        let Self {
            changes,
            status,
            episode,
            seq,
            entry,
            told,
            rev,
            unseen,
            lane,
            commit,
            reading,
            attempt,
            late,
            leftover,
            now,
            far,
            ..
        } = self;
        leftover
            .as_ref()
            .map(|(m, until)| (m.episode, m.seq, m.status, until))
            .hash(h);
        (changes, status, episode, seq, rev, unseen, reading, now, far).hash(h);
        (
            self.may_have_arrived,
            &self.messages,
            self.crashes,
            self.lost_commits,
            self.failures,
        )
            .hash(h);
        (
            self.uncertain,
            self.gate as u8,
            self.muted,
            self.silences,
            self.elsewhere,
            self.may_tell,
            self.withheld,
            self.violation,
        )
            .hash(h);
        entry.as_ref().map(|e| e.rev).hash(h);
        told.as_ref().map(|t| (t.rev, brief(&t.value))).hash(h);
        commit.as_ref().map(short).hash(h);
        late.iter().map(short).collect::<Vec<_>>().hash(h);
        attempt
            .as_ref()
            .map(|m| (m.episode, m.seq, m.status, m.possibly_repeated))
            .hash(h);
        let Lane {
            wanted,
            seen,
            stored,
            stored_rev,
            mind,
            unsent,
            repeat,
            unrecorded,
            done_with,
            must_read,
            in_doubt,
            busy,
            current,
            attempts,
            not_before,
            due_until,
            ends,
            error: _,
            settling_until,
            was_muted,
            given_up_under,
            happened: _,
        } = lane;
        (
            wanted.as_ref().map(|w| w.rev),
            seen,
            stored_rev,
            repeat,
            unrecorded,
            done_with,
            must_read,
        )
            .hash(h);
        (stored.as_ref().map(brief), mind.as_ref().map(brief)).hash(h);
        (
            unsent.as_ref().map(|t| t.as_ref().map(brief)),
            in_doubt.as_ref().map(short),
        )
            .hash(h);
        match busy {
            Busy::No => 0.hash(h),
            Busy::Committing(write) => (1, short(write)).hash(h),
            Busy::Reading => 2.hash(h),
            Busy::Attempting { entry } => (3, entry).hash(h),
        }
        (
            current,
            attempts,
            not_before,
            due_until,
            ends,
            settling_until,
            was_muted,
            given_up_under,
        )
            .hash(h);
        hasher.digest128()
    }

    /// The judge says so.
    fn change(&mut self, status: Status) {
        if status.is_bad() && !self.status.is_bad() {
            self.episode += 1;
            self.seq = 0;
        }
        self.seq += 1;
        self.changes += 1;
        let from = std::mem::replace(&mut self.status, status);
        self.put_entry((EpisodeId(self.episode), self.seq, status), from);
    }

    /// Another member, or this one, told what the judge says, without the store, and all of that is written down afterwards. Until this one has
    /// heard of it, it may not tell.
    fn told_without_store(&mut self, status: Status, wrong: Wrong) {
        self.may_tell = false;
        self.change(status);
        let told = (EpisodeId(self.episode), self.seq, status);
        self.told_elsewhere(told);
        if wrong != Wrong::NotSaid {
            self.entry = None;
            self.put_told(status.is_bad().then(|| told_of(told, self.now.wall)));
        }
    }

    /// Another member judged, too, and told of an episode of its own. It says so, and that it is over.
    fn claimed(&mut self, episode: EpisodeId, wrong: Wrong) {
        let told = (episode, 1, Status::Critical);
        self.told_elsewhere(told);
        let record = match &self.told {
            _ if wrong == Wrong::NotSaid => return,
            None => told_of(told, self.now.wall),
            // What is open there already will be ended.
            Some(known) if known.value.state == ToldState::Told => return,
            Some(known) => Told {
                arrived: true,
                ..known.value.clone()
            },
        };
        self.put_told(Some(record));
        if self.entry.is_none() {
            self.put_entry((episode, 2, Status::Ok), Status::Critical);
        }
    }

    fn told_elsewhere(&mut self, told: Change) {
        self.elsewhere += 1;
        self.unseen = true;
        self.heard(told);
    }

    fn put_told(&mut self, told: Option<Told>) {
        self.rev += 1;
        let rev = Revision(self.rev);
        self.told = told.map(|value| At { rev, value });
    }

    fn put_entry(&mut self, (episode, seq, status): Change, from: Status) {
        self.rev += 1;
        let entry = OutboxEntry {
            from,
            ..OutboxEntry::bare(episode, seq, status, self.now.wall)
        };
        self.entry = Some(At {
            rev: Revision(self.rev),
            value: entry,
        });
        self.unseen = true;
    }

    /// As the store does it. `None`: refused.
    fn apply(&mut self, write: &Write, wrong: Wrong) -> Option<Revision> {
        let rev_of = |rev: Option<Revision>| rev.unwrap_or(Revision(0));
        let told_ok =
            write.base == rev_of(self.told.as_ref().map(|t| t.rev)) || (wrong == Wrong::NoBase && write.told.is_none());
        let entry_ok = write
            .drop
            .or(write.while_entry)
            .is_none_or(|rev| rev == rev_of(self.entry.as_ref().map(|e| e.rev)));
        if !told_ok || !entry_ok {
            return None;
        }
        let sending = matches!(&write.told, Some(Some(told)) if told.state == ToldState::Sending);
        if wrong == Wrong::NoIntent && sending {
            return Some(rev_of(self.told.as_ref().map(|t| t.rev)));
        }
        self.rev += 1;
        let rev = Revision(self.rev);
        if let Some(told) = &write.told {
            self.told = told.clone().map(|value| At { rev, value });
        }
        if write.drop.is_some() {
            self.entry = None;
        }
        Some(rev)
    }

    /// The session of the notifier is over: what it sent late is refused.
    fn dies(&mut self, wrong: Wrong) {
        if wrong != Wrong::NoFence {
            self.late.clear();
        }
    }

    fn around(&self, wrong: Wrong) -> Around {
        Around {
            may_tell: self.may_tell || wrong == Wrong::NotWithheld,
            alerter: Some(AlerterNow {
                rev: Revision(1),
                has_key: true,
                retired: false,
            }),
            muted: self.muted,
            granted: true,
            paused: false,
            store: match self.gate {
                Gate::Open => StoreNow::Open,
                gate => StoreNow::Shut {
                    until: self.now.mono + Duration::from_secs(1),
                    long: gate == Gate::ShutLong,
                },
            },
        }
    }

    /// What reaches the far end.
    fn arrive(&mut self, message: &Message) {
        let bad = message.status.is_bad();
        let change = (message.episode, message.seq, message.status);
        let again = self.messages.iter().any(|(known, _)| *known == change);
        let any = |bad| {
            let of = |(e, _, status): &Change| *e == message.episode && status.is_bad() == bad;
            self.messages.iter().any(|(change, _)| of(change))
        };
        let open = self.may_have_arrived || (any(true) && !any(false));
        // A commit that comes late and looks like another member's word may cost one that was not needed.
        let doubtful = self.crashes > 0 || (self.lost_commits > 0 && self.elsewhere > 0);
        if !bad && !open && !again && !doubtful {
            self.violation = Some("a resolve to someone who was not told");
        }
        self.heard(change);
    }

    fn heard(&mut self, change: Change) {
        self.far = change.2.is_bad();
        self.may_have_arrived = self.far;
        match self.messages.iter_mut().find(|(known, _)| *known == change) {
            Some((_, n)) => *n += 1,
            None => self.messages.push((change, 1)),
        }
        // An end that was told elsewhere is told again where an attempt may have arrived after it, or where yet another member told.
        let elsewhere = self.failures.min(self.elsewhere) + self.elsewhere.saturating_sub(1);
        let allowed = 1 + self.crashes + self.uncertain + elsewhere;
        if self.messages.iter().any(|(_, n)| *n > allowed) {
            self.violation = Some("twice, and neither a death nor a lost answer");
        }
    }

    fn fail(&mut self, retry: Retry) {
        self.failures += 1;
        self.lane.attempted(
            &Err(DeliveryError {
                retry,
                message: String::new(),
            }),
            Revision(1),
            0.5,
            self.now,
        );
    }
}

/// Every state that may come after this one, with the name of the event.
fn successors(world: &World, bounds: Bounds) -> Vec<(&'static str, World)> {
    let unanswered = match bounds.wrong {
        Wrong::UnknownIsRefused => Settled::Refused,
        _ => Settled::Unknown,
    };
    let mut out = Vec::new();
    let mut go = |name, change: &dyn Fn(&mut World)| {
        let mut next = world.clone();
        change(&mut next);
        next.lane.take_happened();
        out.push((name, next));
    };
    if world.changes < bounds.changes {
        for (name, status) in [
            ("critical", Status::Critical),
            ("warning", Status::Warning),
            ("ok", Status::Ok),
        ] {
            if status != world.status {
                go(name, &|w| w.change(status));
            }
        }
    }
    let recorded = world.lane.unrecorded.is_none();
    let telling = world.attempt.is_some() || world.leftover.is_some() || !recorded;
    if world.elsewhere < bounds.elsewhere && !telling {
        let status = match world.status {
            Status::Ok => Status::Critical,
            _ => Status::Ok,
        };
        go("told without the store", &|w| {
            w.told_without_store(status, bounds.wrong)
        });
        let by = 50 + i64::from(world.elsewhere);
        let (older, newer) = (EpisodeId(-by), EpisodeId(by));
        go("told of an older episode elsewhere", &|w| {
            w.claimed(older, bounds.wrong)
        });
        go("told of a newer episode elsewhere", &|w| w.claimed(newer, bounds.wrong));
    }
    if world.may_tell && world.withheld < bounds.withheld {
        go("it may not tell", &|w| {
            w.may_tell = false;
            w.withheld += 1;
        });
    }
    if !world.may_tell && !world.unseen {
        go("it may tell again", &|w| w.may_tell = true);
    }
    if world.unseen {
        go("the watch says so", &|w| {
            w.unseen = false;
            w.lane.entry_changed(w.entry.clone(), Revision(w.rev));
        });
    }
    if world.crashes < bounds.crashes {
        go("the notifier dies, another begins", &|w| {
            w.crashes += 1;
            w.dies(bounds.wrong);
            (w.commit, w.attempt, w.reading, w.unseen) = (None, None, false, false);
            w.lane = Lane::load(w.told.clone(), w.entry.clone(), Revision(w.rev), w.now);
        });
        if world.attempt.is_some() {
            go("the far end hears, the notifier dies", &|w| {
                if let Some(message) = w.attempt.take() {
                    w.arrive(&message);
                }
                w.crashes += 1;
                w.dies(bounds.wrong);
                (w.commit, w.reading, w.unseen) = (None, false, false);
                w.lane = Lane::load(w.told.clone(), w.entry.clone(), Revision(w.rev), w.now);
            });
        }
    }
    if world.crashes < bounds.crashes && world.attempt.is_some() && world.leftover.is_none() {
        go("another member takes over, the attempt is on its way", &|w| {
            w.crashes += 1;
            w.dies(bounds.wrong);
            w.leftover = w.attempt.take().map(|message| (message, w.now.mono + ATTEMPT_DEADLINE));
            (w.commit, w.reading, w.unseen) = (None, false, false);
            w.lane = Lane::load(w.told.clone(), w.entry.clone(), Revision(w.rev), w.now).taken_over(w.now);
        });
    }
    if world.leftover.is_some() {
        go("the attempt of the one before arrives", &|w| {
            if let Some((message, _)) = w.leftover.take() {
                w.arrive(&message);
            }
        });
    }
    for n in 0..world.late.len() {
        go("a late commit arrives", &|w| {
            let write = w.late.remove(n);
            w.apply(&write, bounds.wrong);
        });
    }
    if bounds.shut {
        match world.gate {
            Gate::Open if world.failures == 0 && world.silences == 0 => go("the store shuts", &|w| {
                w.gate = Gate::Shut;
                w.silences = 100;
            }),
            Gate::Open => {}
            Gate::Shut => go("it stays shut for long", &|w| w.gate = Gate::ShutLong),
            Gate::ShutLong => go("the store opens", &|w| w.gate = Gate::Open),
        }
    }
    if world.silences < bounds.silences || world.muted {
        go("a silence begins or ends", &|w| {
            w.muted = !w.muted;
            w.silences += 1;
        });
    }
    if let Some(write) = &world.commit {
        if world.gate == Gate::Open {
            go("committed", &|w| {
                w.commit = None;
                let settled = w.apply(write, bounds.wrong).map_or(Settled::Refused, Settled::Done);
                w.lane.committed(settled);
            });
        } else {
            go("not committed", &|w| {
                w.commit = None;
                w.lane.committed(Settled::NotMade);
            });
        }
        if world.lost_commits < bounds.lost_commits {
            go("committed, no answer", &|w| {
                w.commit = None;
                w.lost_commits += 1;
                w.apply(write, bounds.wrong);
                w.lane.committed(unanswered);
            });
            go("no answer, will be committed late", &|w| {
                w.commit = None;
                w.lost_commits += 1;
                w.late.push(write.clone());
                w.lane.committed(unanswered);
            });
        }
    } else if world.reading {
        go("read", &|w| {
            w.reading = false;
            w.lane.read(w.told.clone(), w.entry.clone(), Revision(w.rev));
        });
    } else if let Some(message) = &world.attempt {
        if !world.may_tell {
            go("not begun after all", &|w| {
                w.attempt = None;
                w.lane.not_attempted();
            });
        }
        go("told", &|w| {
            w.attempt = None;
            w.arrive(message);
            w.lane.attempted(&Ok(Receipt::default()), Revision(1), 0.5, w.now);
        });
        if world.failures < bounds.failures {
            go("no connection", &|w| {
                w.attempt = None;
                w.fail(Retry::Unreachable);
            });
            go("told, no answer", &|w| {
                w.attempt = None;
                w.arrive(message);
                w.uncertain += 1;
                w.fail(Retry::Soon);
            });
            go("not told, no answer", &|w| {
                w.attempt = None;
                w.may_have_arrived |= message.status.is_bad();
                w.fail(Retry::Soon);
            });
        }
    } else {
        let mut next = world.clone();
        let around = next.around(bounds.wrong);
        match next.lane.next(next.now, around) {
            Action::Commit(write) => next.commit = Some(write),
            Action::Read => next.reading = true,
            Action::Attempt(message) => {
                if !next.may_tell {
                    next.violation = Some("told although it may not");
                }
                next.attempt = Some(*message);
            }
            Action::Ready => next.violation = Some("not ready although it may"),
            Action::Wait(Some(until)) if next.gate == Gate::Open && until - next.now.mono <= 2 * ATTEMPT_DEADLINE => {
                next.now.wall = next.now.wall.plus(until - next.now.mono);
                next.now.mono = until;
                next.leftover.take_if(|(_, at_most)| *at_most <= until);
            }
            Action::Wait(_) | Action::Gone => {}
        }
        if next.key() != world.key() {
            out.push(("looks", next));
        }
    }
    out
}

/// What has to hold when nothing more happens.
fn at_rest(world: &World) -> Option<&'static str> {
    let quiet = world.commit.is_none()
        && !world.reading
        && world.attempt.is_none()
        && world.late.is_empty()
        && !world.unseen
        && world.may_tell
        && world.gate == Gate::Open;
    if !quiet {
        return None;
    }
    let bad = world.status.is_bad();
    if world.muted && bad {
        return None;
    }
    if world.far != bad {
        return Some("the far end is wrong for ever");
    }
    if world.entry.is_some() {
        return Some("an entry is left for ever");
    }
    let told = world.told.as_ref().map(|told| &told.value);
    if told.is_some_and(|told| told.state != ToldState::Told) || told.is_some() != bad {
        return Some("the record is wrong for ever");
    }
    None
}

/// The number of states; panics with the shortest way to a violation.
fn explore(bounds: Bounds) -> usize {
    search(bounds).unwrap_or_else(|violation| panic!("{violation}"))
}

/// The number of states, or the shortest way to a violation.
fn search(bounds: Bounds) -> Result<usize, String> {
    let first = start();
    let mut before: HashMap<u128, (u128, &'static str)> = HashMap::new();
    let mut seen = HashSet::from([first.key()]);
    let mut queue = VecDeque::from([first]);
    while let Some(world) = queue.pop_front() {
        let next = successors(&world, bounds);
        let stuck = next.iter().all(|(name, _)| {
            *name != "looks"
                && (name.starts_with("a silence")
                    || name.starts_with("the notifier dies")
                    || *name == "it may not tell"
                    || is_change(name))
        });
        let violation = world.violation.or_else(|| if stuck { at_rest(&world) } else { None });
        if let Some(violation) = violation {
            let mut way = Vec::new();
            let mut at = world.key();
            while let Some((from, name)) = before.get(&at) {
                way.push(*name);
                at = *from;
            }
            way.reverse();
            return Err(format!("{violation}: {}\n{world:?}", way.join(" | ")));
        }
        for (name, successor) in next {
            let key = successor.key();
            if seen.insert(key) {
                before.insert(key, (world.key(), name));
                queue.push_back(successor);
            }
        }
    }
    Ok(seen.len())
}

fn is_change(name: &str) -> bool {
    matches!(name, "critical" | "warning" | "ok") || name.starts_with("told without") || name.starts_with("told of")
}

const NOTHING: Bounds = Bounds {
    changes: 3,
    crashes: 0,
    lost_commits: 0,
    failures: 0,
    shut: false,
    silences: 0,
    elsewhere: 0,
    withheld: 0,
    wrong: Wrong::Nothing,
};

#[test]
fn whoever_dies_when_the_far_end_is_right_in_the_end() {
    let states = explore(Bounds {
        changes: 3,
        crashes: 2,
        ..NOTHING
    });
    assert!(states > 3_000, "{states} states are too few to mean anything");
}

#[test]
fn whatever_answer_of_the_store_is_lost_nothing_is_told_twice_or_forgotten() {
    let states = explore(Bounds {
        lost_commits: 2,
        changes: 2,
        ..NOTHING
    });
    assert!(states > 3_000, "{states} states are too few to mean anything");
}

#[test]
fn deaths_lost_answers_and_failures_together() {
    let states = explore(Bounds {
        changes: 2,
        crashes: 1,
        lost_commits: 1,
        failures: 1,
        ..NOTHING
    });
    assert!(states > 3_000, "{states} states are too few to mean anything");
}

#[test]
fn failed_attempts_and_silences() {
    let states = explore(Bounds {
        changes: 2,
        failures: 2,
        silences: 1,
        ..NOTHING
    });
    assert!(states > 3_000, "{states} states are too few to mean anything");
}

#[test]
fn a_store_that_takes_nothing_for_long_makes_nobody_hear_twice_or_never() {
    let states = explore(Bounds {
        changes: 2,
        shut: true,
        failures: 1,
        lost_commits: 1,
        ..NOTHING
    });
    assert!(states > 2_000, "{states} states are too few to mean anything");
}

#[test]
fn what_is_told_elsewhere_is_neither_told_again_nor_left_open() {
    let states = explore(Bounds {
        changes: 2,
        elsewhere: 2,
        ..NOTHING
    });
    assert!(states > 2_000, "{states} states are too few to mean anything");
}

#[test]
fn what_is_told_elsewhere_survives_deaths_lost_answers_and_failures() {
    for (crashes, lost_commits, failures) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        let states = explore(Bounds {
            changes: 2,
            elsewhere: 1,
            crashes,
            lost_commits,
            failures,
            ..NOTHING
        });
        assert!(states > 2_000, "{states} states are too few to mean anything");
    }
}

#[test]
fn what_may_not_be_told_for_a_while_waits_for_that() {
    let states = explore(Bounds {
        changes: 2,
        withheld: 1,
        failures: 1,
        shut: true,
        ..NOTHING
    });
    assert!(states > 2_000, "{states} states are too few to mean anything");
}
