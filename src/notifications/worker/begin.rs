//! Beginning to work the alerters: what was told, what is wanted, one lane for each; and what is left of alerters that were removed.

use std::collections::HashMap;

use futures_util::FutureExt;
use tokio::time::sleep;
use tracing::warn;

use super::super::lane::{Lane, Now};
use super::super::limits::{LIST_AGAIN, TENURE_RECHECK};
use super::super::view::LaneKey;
use super::commits::{Job, told_in};
use super::feeds::Feeds;
use super::{Grant, Slot, Worker};
use crate::model::AlerterName;
use crate::store::records::{At, OutboxEntry, Told};
use crate::store::{Entry, Followed, Revision, keys};

/// What was told and what is wanted.
type Pair = (Option<At<Told>>, Option<At<OutboxEntry>>);

impl Worker {
    /// Waits for the right to work, then learns how everything stands.
    pub(super) async fn begin(&mut self, feeds: &mut Feeds) {
        if std::mem::take(&mut self.lost) {
            // Whoever knows of a new right may be a moment behind the store.
            sleep(TENURE_RECHECK).await;
        }
        let tenure = loop {
            match (self.options.tenure)() {
                Some(tenure) => break tenure,
                None => sleep(TENURE_RECHECK).await,
            }
        };
        // First the entries, then what was told: nobody but us writes the latter, so it cannot be too old.
        let mut outbox = self.options.store.follow(&keys::outbox());
        let (at, entries) = loop {
            if let Followed::Snapshot { at, entries } = outbox.next().await {
                break (at, entries);
            }
        };
        let told = self.list_told().await;
        // What has been said meanwhile of alerters is older than what these entries say.
        feeds.outbox = None;
        while let Some(news) = feeds.next().now_or_never() {
            self.take(news);
        }
        feeds.outbox = Some(outbox);
        self.outbox_at = at;
        self.tenure = Some(tenure);
        self.gate.answered();
        self.fill(&told, &entries, at);
        self.sweep();
    }

    async fn list_told(&self) -> Vec<Entry> {
        let mut reported = false;
        loop {
            match self.options.store.list(&keys::told_all()).await {
                Ok((_, entries)) => return entries,
                Err(error) => {
                    if !std::mem::replace(&mut reported, true) {
                        warn!(%error, "cannot read what was told, trying again until it works");
                    }
                    sleep(LIST_AGAIN).await;
                }
            }
        }
    }

    fn fill(&mut self, told: &[Entry], entries: &[Entry], at: Revision) {
        // Lanes want again what they wanted; nobody else wants these.
        self.jobs.retain(|job| matches!(job, Job::Retired(..)));
        self.to_read.clear();
        self.batches.clear();
        self.timers.clear();
        (self.in_flight, self.reading, self.committing) = (0, 0, false);
        self.desks.values_mut().for_each(super::Desk::clear);
        let now = self.now();
        let mut all: HashMap<LaneKey, Pair> = HashMap::new();
        // What this process has told and could not record is not forgotten.
        for key in self.lanes.keys() {
            all.insert(key.clone(), (None, None));
        }
        for entry in told {
            if let Some(key) = keys::alerter_and_monitor(&entry.key) {
                all.entry(key).or_default().0 = Some(self.decoded(entry).unwrap_or_else(|| told_in(entry)));
            }
        }
        for entry in entries {
            if let (Some(key), Some(record)) = (keys::alerter_and_monitor(&entry.key), self.decoded(entry)) {
                all.entry(key).or_default().1 = Some(record);
            }
        }
        for (key, (told, entry)) in all {
            let slot = self.lanes.entry(key).or_insert_with(|| Slot {
                lane: Lane::load(None, None, Revision(0), now),
                timer: None,
                grant: Grant::No,
            });
            (slot.timer, slot.grant) = (None, Grant::No);
            slot.lane.reload(told, entry, at, now);
        }
    }

    /// Removes the last definitions of alerters of which nothing is left to resolve.
    pub(super) fn tidy_retired(&mut self) {
        if self.tenure.is_none() {
            return;
        }
        let over: Vec<AlerterName> = self
            .desks
            .iter()
            .filter(|(name, desk)| {
                desk.retired.is_some() && (desk.is_back() || !self.lanes.keys().any(|key| key.0 == **name))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            let retired = self.desks.get_mut(&name).and_then(|desk| desk.retired.take());
            if let Some(retired) = retired.filter(|retired| retired.stored) {
                self.jobs.push_back(Job::Retired(name, retired.known.rev));
            }
        }
    }

    /// Gives up what could not be resolved with an alerter that was removed long ago.
    pub(super) fn expire_retired(&mut self, now: Now) {
        let desks = &self.desks;
        for (key, slot) in &mut self.lanes {
            let expired = desks.get(&key.0).is_some_and(|desk| {
                desk.current.is_none() && desk.retired.as_ref().is_some_and(|retired| now.mono >= retired.until)
            });
            if expired && !slot.lane.busy() {
                slot.lane.abandon();
            }
        }
    }
}
