//! What a lane does next.

use std::time::Duration;

use super::super::dedup::{Ending, Step, Telling, decide};
use super::super::limits::GIVE_UP_AFTER;
use super::{Action, AlerterNow, Around, Busy, GaveUp, Happened, Knows, Lane, Message, Now, StoreNow, Write};
use crate::model::Status;
use crate::store::Revision;
use crate::store::records::{FORMAT, OutboxEntry, Told, ToldState};

impl Lane {
    /// What to do now. Time passes only between calls.
    pub(crate) fn next(&mut self, now: Now, around: Around) -> Action {
        if self.busy != Busy::No {
            return Action::Wait(None);
        }
        let (shut_until, without_store) = match around.store {
            StoreNow::Open => (None, false),
            StoreNow::Shut { until, long } => (Some(until), long),
        };
        loop {
            if self.dirty() {
                match shut_until {
                    None if self.must_read => {
                        self.busy = Busy::Reading;
                        return Action::Read;
                    }
                    None => {
                        let write = self.in_doubt.clone().unwrap_or_else(|| self.write());
                        self.busy = Busy::Committing(write.clone());
                        return Action::Commit(write);
                    }
                    // What is known has to be recorded before the next step, unless the store is away for too long.
                    Some(until) if !without_store => return Action::Wait(Some(until)),
                    Some(_) => {}
                }
            }
            let edited = self.edited_since_given_up(&around);
            let step = decide(self.wanted().map(AsRef::as_ref), self.effective(), edited, now.wall);
            match step {
                Step::Rest(_) => {
                    if self.forget_unsent() {
                        continue;
                    }
                    return self.rest(now, shut_until);
                }
                Step::Drop(why) => {
                    self.forget_unsent();
                    if !why.keeps_told() {
                        self.mind = None;
                    }
                    self.finish_entry();
                }
                Step::Tell(_) | Step::Resolve(_) => {
                    if let Some(action) = self.deliver(step, now, &around, shut_until) {
                        return action;
                    }
                }
            }
        }
    }

    /// One look at something that is to be told; `None`: something changed, look again.
    fn deliver(&mut self, step: Step, now: Now, around: &Around, shut_until: Option<Duration>) -> Option<Action> {
        let wanted = self.wanted().cloned()?;
        let target = self.target(step, &wanted, now);
        self.begin_change(&target);
        let usable = |alerter: &AlerterNow| !alerter.retired || matches!(step, Step::Resolve(_));
        let Some(alerter) = around.alerter.filter(usable) else {
            let under = around.alerter.map_or(Revision(0), |alerter| alerter.rev);
            let error = "there is no usable alerter of this name";
            self.give_up(target, GaveUp::Orphaned, error, under, now);
            return None;
        };
        let record_at = shut_until.filter(|_| self.dirty());
        let wait = |until: Option<Duration>| Some(Action::Wait(earlier(until, record_at)));
        // A silence keeps people from hearing of new trouble; the end of what they were told of is told in any case, because
        // the incident is open there.
        if around.muted && matches!(step, Step::Tell(_)) {
            self.was_muted = true;
            self.due_until = None;
            return wait(None);
        }
        if self.due_until.is_none() {
            let anew = self.was_muted || matches!(step, Step::Tell(Telling::Edited) | Step::Resolve(Ending::Edited));
            let age = if anew {
                Duration::ZERO
            } else {
                now.wall.since(wanted.at).min(GIVE_UP_AFTER)
            };
            // Wall time only shortens the wait; monotonic time began with this process, so the end is kept, not the begin.
            self.due_until = Some(now.mono + (GIVE_UP_AFTER - age));
        }
        if self.due_until.is_some_and(|at| now.mono >= at) && (self.attempts > 0 || around.paused) {
            let error = self
                .error
                .clone()
                .unwrap_or_else(|| "no attempt was possible".to_owned());
            self.give_up(target, GaveUp::Deadline, &error, alerter.rev, now);
            return None;
        }
        let not_before = self.not_before.max(self.settling_until);
        if now.mono < not_before {
            return wait(Some(not_before));
        }
        if !around.may_tell {
            return wait(None);
        }
        if !around.granted {
            return Some(Action::Ready);
        }
        if !self.is_sending(&target) {
            let before = self.effective().cloned();
            self.ends = before.as_ref().map(|told| told.status).filter(|status| status.is_bad());
            // It was given up when an attempt of it may have arrived.
            self.repeat = before.as_ref().is_some_and(|told| {
                told.state == ToldState::GivenUp
                    && told.arrived
                    && (told.episode, told.seq, told.status) == (target.episode, target.seq, target.status)
            });
            self.mind = Some(target);
            self.unsent = Some(before);
            return None;
        }
        Some(self.attempt(alerter.has_key))
    }

    fn attempt(&mut self, has_key: bool) -> Action {
        let (Some(wanted), Some(told)) = (&self.wanted, &self.mind) else {
            return Action::Wait(None);
        };
        let message = Message {
            entry: wanted.value.clone(),
            episode: told.episode,
            seq: told.seq,
            status: told.status,
            from: match (self.ends, wanted.value.from) {
                (Some(ends), _) if told.episode != wanted.value.episode => ends,
                (_, from) if told.status.is_bad() || from.is_bad() => from,
                // The end of another episode, begun by an earlier process: what it was is no longer known.
                _ => Status::Critical,
            },
            reference: told.reference.clone(),
            possibly_repeated: self.repeat && !has_key,
            attempt: self.attempts + 1,
        };
        self.busy = Busy::Attempting { entry: wanted.rev };
        Action::Attempt(Box::new(message))
    }

    /// What `told` says while this step is being made.
    fn target(&self, step: Step, wanted: &OutboxEntry, now: Now) -> Told {
        let before = self.effective();
        let (episode, seq, status) = match (step, before) {
            // The end of another episode has no number of its own: it is the one after the last that was told.
            (Step::Resolve(_), Some(told)) if told.episode != wanted.episode => {
                let seq = if told.status.is_bad() { told.seq + 1 } else { told.seq };
                (told.episode, seq, Status::Ok)
            }
            (Step::Resolve(_), _) => (wanted.episode, wanted.seq, Status::Ok),
            _ => (wanted.episode, wanted.seq, wanted.status),
        };
        // After an end that may have been told, the same episode begins anew.
        let same = before.filter(|told| told.episode == episode && (told.status.is_bad() || !status.is_bad()));
        // The end of an older one was given up: that incident is open still, and this one joins it.
        let joins =
            before.is_some_and(|told| told.state == ToldState::GivenUp && !told.status.is_bad() && told.arrived);
        Told {
            v: FORMAT,
            state: ToldState::Sending,
            episode,
            seq,
            status,
            at: now.wall,
            attempts: 0,
            reference: same.and_then(|told| told.reference.clone()),
            arrived: joins || same.is_some_and(|told| told.arrived || told.state != ToldState::GivenUp),
            response: String::new(),
            // Of the very same message nobody is told in its place a second time.
            fallbacks: before
                .filter(|told| (told.episode, told.seq, told.status) == (episode, seq, status))
                .map(|told| told.fallbacks.clone())
                .unwrap_or_default(),
        }
    }

    /// What to think was told: a *sending* that was surely not followed by an attempt says nothing.
    fn effective(&self) -> Option<&Told> {
        match &self.unsent {
            Some(before) => before.as_ref(),
            None => self.mind.as_ref(),
        }
    }

    fn is_sending(&self, target: &Told) -> bool {
        self.mind.as_ref().is_some_and(|told| {
            told.state == ToldState::Sending
                && (told.episode, told.seq, told.status) == (target.episode, target.seq, target.status)
        })
    }

    /// Counters and waits belong to one change; the next one begins anew.
    fn begin_change(&mut self, target: &Told) {
        let change = Some((target.episode, target.seq, target.status));
        if self.current != change {
            self.current = change;
            self.attempts = 0;
            self.not_before = Duration::ZERO;
            self.due_until = None;
            self.error = None;
        }
    }

    pub(super) fn give_up(&mut self, target: Told, why: GaveUp, error: &str, under: Revision, now: Now) {
        self.happened.push(Happened::GivenUp {
            episode: target.episode,
            seq: target.seq,
            status: target.status,
            why,
            attempts: self.attempts,
            error: error.to_owned(),
        });
        self.mind = Some(Told {
            state: ToldState::GivenUp,
            at: now.wall,
            attempts: self.attempts,
            arrived: target.arrived || (self.repeat && self.is_sending(&target)),
            response: error.to_owned(),
            ..target
        });
        self.unsent = None;
        self.unrecorded = Some(Knows::Attempt);
        self.repeat = false;
        self.current = None;
        self.given_up_under = Some(under);
    }

    /// Takes back the intent to send, if surely nothing was sent.
    fn forget_unsent(&mut self) -> bool {
        let Some(before) = self.unsent.take() else {
            return false;
        };
        self.mind = before;
        self.unrecorded.get_or_insert(Knows::NoAttempt);
        self.dirty()
    }

    fn finish_entry(&mut self) {
        self.done_with = self.wanted.as_ref().map(|wanted| wanted.rev);
    }

    fn edited_since_given_up(&self, around: &Around) -> bool {
        let newer = |under| around.alerter.is_some_and(|alerter| alerter.rev > under);
        self.given_up_under.is_some_and(newer)
    }

    fn rest(&mut self, now: Now, shut_until: Option<Duration>) -> Action {
        self.current = None;
        if self.dirty() {
            return Action::Wait(shut_until);
        }
        match (self.wanted(), &self.mind) {
            (None, None) => Action::Gone,
            // An end that was given up is kept for a while, in case the alerter is mended.
            (Some(wanted), Some(_)) if !wanted.status.is_bad() => {
                let age = now.wall.since(wanted.at).min(GIVE_UP_AFTER);
                Action::Wait(Some(now.mono + (GIVE_UP_AFTER - age)))
            }
            _ => Action::Wait(None),
        }
    }

    fn write(&self) -> Write {
        let told = (self.mind != self.stored).then(|| self.mind.clone());
        let creates = told.is_some() && self.stored_rev == Revision(0);
        Write {
            base: self.stored_rev,
            told,
            while_entry: self.wanted.as_ref().map(|wanted| wanted.rev).filter(|_| creates),
            drop: self.drops(),
        }
    }
}

fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
