//! What came of a lane's actions.

use std::time::Duration;

use super::super::limits::{FIRST_BACKOFF, LONGEST_BACKOFF, MAX_REFERENCE, MAX_RESPONSE};
use super::{Busy, GaveUp, Happened, Knows, Lane, Now, Settled};
use crate::alerters::{DeliveryError, Receipt, Retry};
use crate::model::WallMs;
use crate::store::Revision;
use crate::store::records::{At, OutboxEntry, Told, ToldState};

impl Lane {
    /// What became of the commit.
    pub(crate) fn committed(&mut self, settled: Settled) {
        let Busy::Committing(write) = std::mem::replace(&mut self.busy, Busy::No) else {
            return;
        };
        match settled {
            Settled::Done(rev) => {
                self.in_doubt = None;
                if let Some(told) = write.told {
                    self.stored_rev = if told.is_some() { rev } else { Revision(0) };
                    self.stored = told;
                    self.unrecorded.take_if(|_| self.mind == self.stored);
                }
                if let Some(dropped) = write.drop {
                    if self.wanted.as_ref().is_some_and(|wanted| wanted.rev == dropped) {
                        self.wanted = None;
                    }
                    self.done_with = None;
                    self.seen = self.seen.max(rev);
                }
            }
            // Of this copy; one that was sent before stays in doubt.
            Settled::NotMade => {}
            // Perhaps by an earlier copy of it: what is read says so.
            Settled::Refused => self.must_read = true,
            Settled::Unknown => {
                self.in_doubt = Some(write);
                self.must_read = true;
            }
        }
    }

    /// How both keys stand; `at` is the revision that they were read at.
    pub(crate) fn read(&mut self, told: Option<At<Told>>, entry: Option<At<OutboxEntry>>, at: Revision) {
        self.busy = Busy::No;
        self.must_read = false;
        self.stored_rev = told.as_ref().map_or(Revision(0), |told| told.rev);
        let before = std::mem::replace(&mut self.stored, told.map(|told| told.value));
        let made = self
            .in_doubt
            .as_ref()
            .is_some_and(|write| write.told.as_ref() == Some(&self.stored));
        let foreign = self.stored != before && !made;
        let entry_rev = entry.as_ref().map_or(Revision(0), |entry| entry.rev);
        // While its guards hold it can still be made; once they do not, they never will again.
        let stored_rev = self.stored_rev;
        self.in_doubt.take_if(|write| {
            let entry = write.drop.or(write.while_entry);
            write.base != stored_rev || entry.is_some_and(|rev| rev != entry_rev)
        });
        if self.in_doubt.is_some() {
            // It will be sent again, so it stands as if it was made.
        } else if self.unrecorded == Some(Knows::Attempt) || (self.unrecorded.is_some() && !foreign) {
            // It is newer than whatever stands there.
            self.unrecorded.take_if(|_| self.mind == self.stored);
        } else if self.mind != self.stored || foreign {
            self.mind = self.stored.clone();
            (self.unrecorded, self.done_with) = (None, None);
            // Of what another member told, whatever was begun here says nothing.
            self.unsent.take_if(|before| foreign || *before == self.stored);
            self.repeat =
                self.unsent.is_none() && self.mind.as_ref().is_some_and(|told| told.state == ToldState::Sending);
            let given_up = self.mind.as_ref().is_some_and(|told| told.state == ToldState::GivenUp);
            self.given_up_under = given_up.then_some(self.given_up_under.unwrap_or(self.stored_rev));
        }
        let rev = entry.as_ref().map_or(at, |entry| entry.rev);
        if rev >= self.seen {
            self.seen = rev;
            self.wanted = entry.map(super::arc);
        }
    }

    /// The keys could not be read.
    pub(crate) fn not_read(&mut self) {
        self.busy = Busy::No;
    }

    /// How the attempt ended. `jitter` from 0 to 1 spreads those that failed together; `under` is the definition that it was made with.
    pub(crate) fn attempted(
        &mut self,
        result: &Result<Receipt, DeliveryError>,
        under: Revision,
        jitter: f64,
        now: Now,
    ) {
        let Busy::Attempting { entry } = std::mem::replace(&mut self.busy, Busy::No) else {
            return;
        };
        self.attempts += 1;
        match result {
            Ok(receipt) => self.arrived(receipt, entry, now.wall),
            Err(error) => self.failed(error, under, jitter, now),
        }
    }

    /// In the last moment it was not begun after all.
    pub(crate) fn not_attempted(&mut self) {
        if let Busy::Attempting { .. } = self.busy {
            self.busy = Busy::No;
        }
    }

    fn arrived(&mut self, receipt: &Receipt, entry: Revision, at: WallMs) {
        let Some(told) = self.mind.take() else { return };
        let response = cut(&receipt.response, MAX_RESPONSE);
        self.happened.push(Happened::Sent {
            episode: told.episode,
            seq: told.seq,
            status: told.status,
            attempts: self.attempts,
            response: response.clone(),
        });
        let bad = told.status.is_bad();
        if bad {
            self.mind = Some(Told {
                state: ToldState::Told,
                at,
                attempts: self.attempts,
                arrived: true,
                response,
                reference: told
                    .reference
                    .or_else(|| receipt.reference.as_deref().map(|text| cut(text, MAX_REFERENCE))),
                fallbacks: Vec::new(),
                ..told
            });
        }
        // Of an older episode the end was told; the entry asks for more, unless it asks for an end too.
        if let Some(wanted) = self.wanted.as_ref().filter(|wanted| wanted.rev == entry)
            && bad == wanted.value.status.is_bad()
        {
            self.done_with = Some(entry);
        }
        self.unsent = None;
        self.unrecorded = Some(Knows::Attempt);
        self.repeat = false;
        self.current = None;
        self.error = None;
        self.given_up_under = None;
    }

    fn failed(&mut self, error: &DeliveryError, under: Revision, jitter: f64, now: Now) {
        let message = cut(&error.message, MAX_RESPONSE);
        let wait = match error.retry {
            Retry::Never => {
                if let Some(told) = self.mind.clone() {
                    self.give_up(told, GaveUp::Refused, &message, under, now);
                }
                return;
            }
            Retry::After(wait) => clamp(wait),
            Retry::Unreachable => backoff(self.attempts, jitter),
            Retry::Soon => {
                // It may have arrived: from here on its end has to be told.
                self.unsent = None;
                self.repeat = true;
                self.unrecorded = (self.mind != self.stored).then_some(Knows::Attempt);
                backoff(self.attempts, jitter)
            }
        };
        self.not_before = now.mono + wait;
        self.error = Some(message);
    }
}

/// The wait after the `n`th failure in a row: doubles, spread by a quarter either way.
#[must_use]
pub(crate) fn backoff(n: u32, jitter: f64) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << n.saturating_sub(1).min(16));
    clamp(
        doubled
            .min(LONGEST_BACKOFF)
            .mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0),
    )
}

/// A wait that somebody else asks for, kept within our own bounds.
#[must_use]
pub(crate) fn clamp(wait: Duration) -> Duration {
    wait.clamp(FIRST_BACKOFF, LONGEST_BACKOFF)
}

fn cut(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max)].to_owned()
}
