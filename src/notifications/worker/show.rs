//! Tells the view and the operator what lanes do.

use tracing::{info, warn};

use super::super::lane::{Happened, Lane, Now, Standing};
use super::super::view::{LaneKey, NotificationItem, NotificationState};
use super::super::{GaveUp, NotifierEvent};
use super::{Worker, muted};
use crate::model::{EpisodeId, Status, WallMs};

impl Worker {
    /// Passes on what happened in a lane, and notes whether others are to be told of it.
    pub(super) fn report(&mut self, key: &LaneKey) {
        self.owe(key);
        let Some(slot) = self.lanes.get_mut(key) else { return };
        let happened = slot.lane.take_happened();
        let (alerter, monitor) = key;
        for happened in happened {
            match happened {
                Happened::Sent {
                    episode,
                    seq,
                    status,
                    attempts,
                    response,
                } => {
                    info!(%alerter, %monitor, %status, seq, attempts, "told");
                    let mut item = self.item(key, (episode, seq, status), NotificationState::Sent, WallMs::now());
                    item.attempts = attempts;
                    item.response = Some(response);
                    self.view.sent(item);
                    (self.options.events)(NotifierEvent::Sent {
                        alerter: alerter.clone(),
                        monitor: monitor.clone(),
                        status,
                    });
                }
                Happened::GivenUp {
                    seq,
                    status,
                    why,
                    attempts,
                    error,
                    ..
                } => self.gave_up(key, (seq, status), why, attempts, error),
            }
        }
    }

    fn gave_up(
        &self,
        (alerter, monitor): &LaneKey,
        (seq, status): (u32, Status),
        why: GaveUp,
        attempts: u32,
        error: String,
    ) {
        warn!(%alerter, %monitor, %status, seq, attempts, why = why.as_str(), error, "given up");
        self.view.gave_up(alerter, why);
        (self.options.events)(NotifierEvent::GivenUp {
            alerter: alerter.clone(),
            monitor: monitor.clone(),
            status,
            why,
            error,
        });
    }

    /// Shows how a lane stands.
    pub(super) fn show(&self, key: &LaneKey, now: Now) {
        let lane = self.lanes.get(key).map(|slot| &slot.lane);
        self.view.show(key, lane.and_then(|lane| self.shown(key, lane, now)));
    }

    fn shown(&self, key: &LaneKey, lane: &Lane, now: Now) -> Option<(Standing, Option<NotificationItem>)> {
        let muted_by = muted(&self.silences, key, lane, now);
        let standing = lane.standing(muted_by.is_some())?;
        let state = match standing {
            Standing::Pending => NotificationState::Pending,
            Standing::Sending => NotificationState::Sending,
            Standing::Muted => NotificationState::Muted,
            Standing::GivenUp => NotificationState::GivenUp,
            // An open incident that its alerter knows of is no message.
            Standing::Told => return Some((standing, None)),
        };
        let told = lane.told();
        let (change, at) = match (lane.wanted(), told) {
            (Some(wanted), _) => ((wanted.episode, wanted.seq, wanted.status), wanted.at),
            (None, Some(told)) => ((told.episode, told.seq, told.status), told.at),
            (None, None) => return None,
        };
        let mut item = self.item(key, change, state, at);
        item.attempts = match standing {
            Standing::GivenUp => told.map_or(0, |told| told.attempts),
            _ => lane.attempts(),
        };
        item.error = lane.error().map(str::to_owned);
        item.next_attempt = lane
            .next_attempt(now)
            .map(|at| now.wall.plus(at.saturating_sub(now.mono)));
        item.muted_by = muted_by.filter(|_| standing == Standing::Muted);
        Some((standing, Some(item)))
    }

    fn item(
        &self,
        (alerter, monitor): &LaneKey,
        (episode, seq, status): (EpisodeId, u32, Status),
        state: NotificationState,
        at: WallMs,
    ) -> NotificationItem {
        NotificationItem {
            key: format!("{}/{monitor}/{episode}/{seq}/{alerter}", self.sender.cluster),
            alerter: alerter.clone(),
            monitor: monitor.clone(),
            episode,
            seq,
            status,
            state,
            at,
            attempts: 0,
            error: None,
            response: None,
            next_attempt: None,
            muted_by: None,
        }
    }
}
