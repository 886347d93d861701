//! Pure: one lane per alerter and monitor. Inputs in (the entry changed, a commit was settled, an attempt ended), one action at a
//! time out; time, jitter and everything around it are parameters.
//!
//! *Guarantees*: before an attempt the store knows that one may be made (unless it takes no commits, and then only what it already
//! holds is told); each step waits for the settled outcome of the one before; what was told is remembered until it is recorded.
//! *Caveat*: a far end without a key hears twice if this process dies between its answer and the record; that is marked in the text.

#[cfg(test)]
mod model_tests;
mod next;
mod results;

pub(crate) use results::{backoff, clamp};

use std::sync::Arc;
use std::time::Duration;

use crate::model::{AlerterName, EpisodeId, Status, WallMs};
use crate::store::Revision;
use crate::store::records::{At, OutboxEntry, Told, ToldState};

use super::limits::ATTEMPT_DEADLINE;

/// An instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Now {
    /// Time since the notifier began: what waits are counted in.
    pub(crate) mono: Duration,
    /// Wall time: for records, silences, and to shorten waits that began before this process did.
    pub(crate) wall: WallMs,
}

/// What a lane has to know of its surroundings at each look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    /// The alerter's definition; `None` if there is none that can be used.
    pub(crate) alerter: Option<AlerterNow>,
    /// Whether a silence mutes this monitor.
    pub(crate) muted: bool,
    /// Whether a delivery may begin, as far as other members are concerned.
    pub(crate) may_tell: bool,
    /// Whether one may begin, as far as the others of this member are.
    pub(crate) granted: bool,
    /// Whether the alerter as a whole is paused, because its far end fails.
    pub(crate) paused: bool,
    /// Whether the store takes commits.
    pub(crate) store: StoreNow,
}

/// What matters of an alerter's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlerterNow {
    /// The revision that wrote it.
    pub(crate) rev: Revision,
    /// Whether the far end recognises a repetition.
    pub(crate) has_key: bool,
    /// Whether it was removed: it still tells the end of what it told of, and nothing else.
    pub(crate) retired: bool,
}

/// Whether the store takes commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreNow {
    /// As far as known.
    Open,
    /// It did not take the last one.
    Shut {
        /// When to try again.
        until: Duration,
        /// For so long already that what it holds is told without it.
        long: bool,
    },
}

/// What the lane wants done. After [`Action::Commit`], [`Action::Read`] and [`Action::Attempt`] it wants nothing until it has the result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Make this commit; then [`Lane::committed`].
    Commit(Write),
    /// Read both keys; then [`Lane::read`].
    Read,
    /// Wants to deliver; look again with [`Around::granted`].
    Ready,
    /// Try once; then [`Lane::attempted`], or [`Lane::not_attempted`].
    Attempt(Box<Message>),
    /// Nothing to do until then, or until an input.
    Wait(Option<Duration>),
    /// Nothing wanted and nothing told: forget the lane.
    Gone,
}

/// One commit about `told` and the outbox entry of this lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// Only if the record of what was told stands at this revision (0: is not there): a member that was without the store may have
    /// written down what it told meanwhile.
    pub(crate) base: Revision,
    /// What to make of that record.
    pub(crate) told: Option<Option<Told>>,
    /// Only if the entry stands at this revision. With every record that is new: that it is *absent* may be true again later, and
    /// a copy without answer would then come true too; a revision never is.
    pub(crate) while_entry: Option<Revision>,
    /// Delete the entry, if it stands at this revision.
    pub(crate) drop: Option<Revision>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Settled {
    /// Made, at this revision.
    Done(Revision),
    /// Surely not made, and will not be.
    NotMade,
    /// A guard of its own did not hold.
    Refused,
    /// Nobody knows; it may still be made later.
    Unknown,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// The entry that it is made of.
    pub(crate) entry: Arc<OutboxEntry>,
    /// The episode that it is about: for the end of an older one not that of the entry.
    pub(crate) episode: EpisodeId,
    /// Number of the change.
    pub(crate) seq: u32,
    /// What to tell: `ok` for a resolve.
    pub(crate) status: Status,
    /// What was told before, or what the entry says it was.
    pub(crate) from: Status,
    /// What the far end returned for the first message of the episode.
    pub(crate) reference: Option<String>,
    /// An earlier attempt of this very message may have arrived, and the far end would not notice.
    pub(crate) possibly_repeated: bool,
    /// Number of this attempt, from 1.
    pub(crate) attempt: u32,
}

/// Something worth telling an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    /// It was told.
    Sent {
        /// The episode.
        episode: EpisodeId,
        /// The change.
        seq: u32,
        /// What was told.
        status: Status,
        /// Attempts that it took.
        attempts: u32,
        /// The far end's answer.
        response: String,
    },
    /// It will not be told.
    GivenUp {
        /// The episode.
        episode: EpisodeId,
        /// The change.
        seq: u32,
        /// What was to be told.
        status: Status,
        /// Why.
        why: GaveUp,
        /// Attempts that were made.
        attempts: u32,
        /// The last error.
        error: String,
    },
}

/// Why something is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GaveUp {
    /// The far end will refuse it again.
    Refused,
    /// It did not work for a day.
    Deadline,
    /// There is no usable alerter of this name.
    Orphaned,
    /// The alerter was removed, and this was not resolved in time.
    Retired,
}

impl GaveUp {
    /// The word used in metrics and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Deadline => "deadline",
            Self::Orphaned => "no-alerter",
            Self::Retired => "retired",
        }
    }
}

/// How a lane stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It will be told.
    Pending,
    /// A delivery has begun.
    Sending,
    /// A silence mutes it.
    Muted,
    /// It was given up.
    GivenUp,
    /// An incident is open there, and nothing else is to be told.
    Told,
}

/// What one change is known by.
pub(crate) type Change = (EpisodeId, u32, Status);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Busy {
    No,
    Committing(Write),
    Reading,
    Attempting { entry: Revision },
}

/// What only this process can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Knows {
    /// How an attempt ended.
    Attempt,
    /// That none was made.
    NoAttempt,
    /// Which fallback alerters were told of what was given up.
    Fallbacks,
}

/// One alerter's view of one monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lane {
    wanted: Option<At<Arc<OutboxEntry>>>,
    /// The newest revision at which the entry is known; what is older is not news.
    seen: Revision,
    /// The record as it last stood in the store.
    stored: Option<Told>,
    stored_rev: Revision,
    /// What this process knows. The store is brought up to it.
    mind: Option<Told>,
    /// `mind` says *sending*, and surely no attempt was made since it said this.
    unsent: Option<Option<Told>>,
    /// An attempt of the change that `mind` is sending may have arrived.
    repeat: bool,
    /// `mind` holds what only this process can know: how an attempt ended, or that none was made.
    unrecorded: Option<Knows>,
    /// The entry of this revision is done with.
    done_with: Option<Revision>,
    must_read: bool,
    /// It may have been made, or may be made later: sent again as it is until that is known. Anything else in its place, and it
    /// could still come true afterwards.
    in_doubt: Option<Write>,
    busy: Busy,
    /// The change that the next five are about.
    current: Option<Change>,
    attempts: u32,
    not_before: Duration,
    /// When it is given up.
    due_until: Option<Duration>,
    /// What it is the end of.
    ends: Option<Status>,
    error: Option<String>,
    /// An attempt of an earlier process may still be on its way.
    settling_until: Duration,
    was_muted: bool,
    /// The alerter's definition that was given up under.
    given_up_under: Option<Revision>,
    happened: Vec<Happened>,
}

impl Lane {
    /// A lane as the store has it. An earlier process may have died while sending: that attempt is given its time.
    #[must_use]
    pub(crate) fn load(told: Option<At<Told>>, entry: Option<At<OutboxEntry>>, at: Revision, now: Now) -> Self {
        let sending = told.as_ref().filter(|told| told.value.state == ToldState::Sending);
        let settling_until = sending.map_or(Duration::ZERO, |told| {
            // A stored time may only shorten the wait: one from the future says nothing.
            now.mono + ATTEMPT_DEADLINE.saturating_sub(now.wall.since(told.value.at))
        });
        let given_up_under = told
            .as_ref()
            .filter(|told| told.value.state == ToldState::GivenUp)
            .map(|told| told.rev);
        Self {
            repeat: sending.is_some(),
            stored_rev: told.as_ref().map_or(Revision(0), |told| told.rev),
            stored: told.as_ref().map(|told| told.value.clone()),
            mind: told.map(|told| told.value),
            wanted: entry.map(arc),
            seen: at,
            unsent: None,
            unrecorded: None,
            done_with: None,
            must_read: false,
            in_doubt: None,
            busy: Busy::No,
            current: None,
            attempts: 0,
            not_before: Duration::ZERO,
            due_until: None,
            ends: None,
            error: None,
            settling_until,
            was_muted: false,
            given_up_under,
            happened: Vec::new(),
        }
    }

    /// Another member had it before, and its last attempt may be on its way still. What its clock wrote says when its first one began, not
    /// the last: a whole attempt's time from now.
    #[must_use]
    pub(crate) fn taken_over(mut self, now: Now) -> Self {
        if self.repeat {
            self.settling_until = now.mono + ATTEMPT_DEADLINE;
        }
        self
    }

    /// As the store has it, after this process may have missed something; what an attempt has shown and nobody recorded is kept.
    pub(crate) fn reload(&mut self, told: Option<At<Told>>, entry: Option<At<OutboxEntry>>, at: Revision, now: Now) {
        if self.unrecorded.is_none() && self.unsent.is_none() {
            let happened = std::mem::take(&mut self.happened);
            *self = Self::load(told, entry, at, now);
            self.happened = happened;
            return;
        }
        // Commits of an earlier right to work are refused from now on, and revisions may count anew.
        let doubt = self.in_doubt.take().and_then(|write| write.told);
        if doubt
            .as_ref()
            .is_some_and(|made| made.as_ref() == told.as_ref().map(|told| &told.value))
        {
            self.stored = doubt.flatten();
        }
        self.seen = Revision(0);
        self.read(told, entry, at);
        self.seen = at;
    }

    /// The entry was written (or deleted) by the revision `at`.
    pub(crate) fn entry_changed(&mut self, entry: Option<At<OutboxEntry>>, at: Revision) {
        if at > self.seen {
            self.seen = at;
            self.wanted = entry.map(arc);
        }
    }

    /// The alerter was removed long ago: whatever is open there stays so.
    pub(crate) fn abandon(&mut self) {
        if let Some(told) = self.mind.take() {
            self.happened.push(Happened::GivenUp {
                episode: told.episode,
                seq: told.seq,
                status: told.status,
                why: GaveUp::Retired,
                attempts: self.attempts,
                error: "the alerter was removed; this was not resolved in time".to_owned(),
            });
        }
        self.unsent = None;
        self.done_with = self.wanted.as_ref().map(|wanted| wanted.rev);
    }

    /// What happened since the last call.
    pub(crate) fn take_happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// The entry that is wanted, unless it is done with.
    #[must_use]
    pub(crate) fn wanted(&self) -> Option<&Arc<OutboxEntry>> {
        self.wanted
            .as_ref()
            .filter(|wanted| self.done_with != Some(wanted.rev))
            .map(|wanted| &wanted.value)
    }

    /// What this process knows was told.
    #[must_use]
    pub(crate) fn told(&self) -> Option<&Told> {
        self.mind.as_ref()
    }

    /// What is wanted and was given up, if the store knows that it was: what is recorded first is told in its place.
    #[must_use]
    pub(crate) fn undelivered(&self) -> Option<(&OutboxEntry, &Told)> {
        let given_up = |told: &&Told| told.state == ToldState::GivenUp;
        let recorded = self.stored.as_ref().filter(given_up)?;
        let told = self.mind.as_ref().filter(given_up)?;
        let wanted = self.wanted()?;
        (change_of(recorded) == change_of(told)).then_some((wanted, told))
    }

    /// A fallback alerter was told that this change was given up. `all`: the fallback alerters there are; others are not remembered.
    pub(crate) fn fallback_told(&mut self, change: Change, fallback: &AlerterName, all: &[AlerterName]) {
        let Some(told) = self.mind.as_mut() else { return };
        if told.state != ToldState::GivenUp || change_of(told) != change || told.fallbacks.contains(fallback) {
            return;
        }
        told.fallbacks.retain(|name| all.contains(name));
        told.fallbacks.push(fallback.clone());
        self.unrecorded.get_or_insert(Knows::Fallbacks);
    }

    /// Whether something is known that the store has not taken yet.
    #[must_use]
    pub(crate) fn dirty(&self) -> bool {
        self.must_read || self.in_doubt.is_some() || self.mind != self.stored || self.drops().is_some()
    }

    /// Whether an action of it is on its way.
    #[must_use]
    pub(crate) fn busy(&self) -> bool {
        self.busy != Busy::No
    }

    /// Attempts made for the change that is being told.
    #[must_use]
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The last error of the change that is being told.
    #[must_use]
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref().or_else(|| {
            let told = self.mind.as_ref()?;
            (told.state == ToldState::GivenUp).then_some(told.response.as_str())
        })
    }

    /// When the next attempt may be made, if it waits for that.
    #[must_use]
    pub(crate) fn next_attempt(&self, now: Now) -> Option<Duration> {
        let at = self.not_before.max(self.settling_until);
        (self.wanted().is_some() && at > now.mono).then_some(at)
    }

    /// How it stands, for people; `None` if nothing is to be seen.
    #[must_use]
    pub(crate) fn standing(&self, muted: bool) -> Option<Standing> {
        let given_up = self.mind.as_ref().is_some_and(|told| told.state == ToldState::GivenUp);
        match (self.wanted(), &self.mind) {
            _ if given_up && self.current.is_none() => Some(Standing::GivenUp),
            (None, None) => None,
            (None, Some(_)) => Some(Standing::Told),
            _ if matches!(self.busy, Busy::Attempting { .. }) => Some(Standing::Sending),
            (Some(wanted), _) if muted && wanted.status.is_bad() => Some(Standing::Muted),
            (Some(_), _) => Some(Standing::Pending),
        }
    }

    /// What the store is to be told of, if anything.
    fn drops(&self) -> Option<Revision> {
        let wanted = self.wanted.as_ref()?;
        self.done_with.filter(|rev| *rev == wanted.rev)
    }
}

/// The change that a record is about.
pub(crate) fn change_of(told: &Told) -> Change {
    (told.episode, told.seq, told.status)
}

fn arc(entry: At<OutboxEntry>) -> At<Arc<OutboxEntry>> {
    At {
        rev: entry.rev,
        value: Arc::new(entry.value),
    }
}
