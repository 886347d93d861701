//! Taking an alerter over: what it was told and what is wanted, then one lane for each.
//!
//! Read after the table that gives it was seen. By that table nobody else can record anything of it any more, so what is read is the last
//! word; whoever had it before may only have an attempt on its way, and for that a lane waits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::timeout;
use tracing::{debug, warn};

use super::super::lane::{Lane, Now};
use super::super::limits::{LIST_AGAIN, LIST_PATIENCE, SINGLY};
use super::super::view::LaneKey;
use super::commits::told_in;
use super::desk::Post;
use super::{Done, Grant, Slot, Worker};
use crate::model::AlerterName;
use crate::store::records::{At, OutboxEntry, Told};
use crate::store::{Entry, Key, Revision, Store, StoreError, keys};

/// What was told and what is wanted.
type Pair = (Option<At<Told>>, Option<At<OutboxEntry>>);

/// What became of reading some alerters.
pub(super) struct Arrived {
    /// Those that were read, and in which of their posts.
    stints: BTreeMap<AlerterName, u64>,
    /// Newest revision that had been seen when the reading began.
    seen: Revision,
    found: Result<Found, String>,
}

#[derive(Default)]
struct Found {
    told: Vec<Entry>,
    outbox: Vec<Entry>,
    /// The revision that an outbox was read at.
    at: HashMap<AlerterName, Revision>,
}

impl Worker {
    /// Reads what waits to be read, all of it together.
    pub(super) fn start_arrivals(&mut self) {
        if self.arriving || !self.outbox_known || self.to_arrive.is_empty() || self.started.elapsed() < self.arrive_at {
            return;
        }
        let names = std::mem::take(&mut self.to_arrive).into_iter();
        let stints = names.filter_map(|name| self.desks.get(&name).map(|desk| (name, desk.stint)));
        let stints: BTreeMap<_, _> = stints.collect();
        self.arriving = true;
        let (store, seen) = (self.options.store.clone(), self.outbox_at);
        self.tasks.spawn(async move {
            let found = match timeout(LIST_PATIENCE, find(&store, &stints)).await {
                Ok(found) => found.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", LIST_PATIENCE.as_secs())),
            };
            Done::Arrived(Arrived { stints, seen, found })
        });
    }

    pub(super) fn arrived(&mut self, arrived: Arrived) {
        self.arriving = false;
        let mut stints = arrived.stints;
        // What was given away meanwhile, or is to be read again, is not meant any more.
        stints.retain(|name, stint| self.desks.get(name).is_some_and(|desk| desk.stint == *stint));
        let found = match arrived.found {
            Ok(found) => found,
            Err(error) => {
                if !std::mem::replace(&mut self.arrivals_fail, true) {
                    warn!(error, "cannot read what was told, trying again until it works");
                }
                self.arrive_at = self.started.elapsed() + LIST_AGAIN;
                self.to_arrive.extend(stints.into_keys());
                return;
            }
        };
        self.arrivals_fail = false;
        if found.at.values().any(|at| *at < arrived.seen) {
            // Revisions count anew: nothing that is known by one still holds.
            self.anew = true;
            return;
        }
        self.fill(&stints.into_keys().collect(), &found);
    }

    fn fill(&mut self, names: &BTreeSet<AlerterName>, found: &Found) {
        let now = self.now();
        let mut all: HashMap<LaneKey, Pair> = HashMap::new();
        // What this process has told and could not record is not forgotten.
        for key in self.lanes.keys().filter(|key| names.contains(&key.0)) {
            all.insert(key.clone(), (None, None));
        }
        let segments: BTreeSet<String> = names.iter().map(|name| keys::segment(name.as_str())).collect();
        let ours = |entry: &&Entry| keys::alerter_segment(&entry.key).is_some_and(|name| segments.contains(name));
        for entry in found.told.iter().filter(ours) {
            if let Some(key) = keys::alerter_and_monitor(&entry.key) {
                all.entry(key).or_default().0 = Some(self.decoded(entry).unwrap_or_else(|| told_in(entry)));
            }
        }
        for entry in found.outbox.iter().filter(ours) {
            if let (Some(key), Some(record)) = (keys::alerter_and_monitor(&entry.key), self.decoded(entry)) {
                all.entry(key).or_default().1 = Some(record);
            }
        }
        let mut changes = Vec::new();
        let mut own = BTreeSet::new();
        for name in names {
            let Some(desk) = self.desks.get_mut(name) else { continue };
            desk.read_at = found.at.get(name).copied().unwrap_or_default();
            let Post::Arriving {
                right,
                own: mine,
                changes: news,
            } = std::mem::take(&mut desk.post)
            else {
                continue;
            };
            debug!(alerter = %name, since = right.since, "told from here");
            desk.post = Post::Here(right);
            changes.extend(news.into_values());
            own.extend(mine.then_some(name));
        }
        let lanes: Vec<_> = all.keys().cloned().collect();
        for (key, (told, entry)) in all {
            let at = self.desks.get(&key.0).map_or(Revision(0), |desk| desk.read_at);
            self.load(key.clone(), (told, entry), at, now, own.contains(&key.0));
        }
        for (at, change) in changes {
            self.entry_news(change, at);
        }
        for key in lanes {
            self.look(&key);
        }
    }

    fn load(&mut self, key: LaneKey, (told, entry): Pair, at: Revision, now: Now, own: bool) {
        if let Some(slot) = self.lanes.get_mut(&key) {
            slot.lane.reload(told, entry, at, now);
            return;
        }
        let lane = Lane::load(told, entry, at, now);
        let lane = if own { lane } else { lane.taken_over(now) };
        let (timer, grant) = (None, Grant::No);
        self.lanes.insert(key, Slot { lane, timer, grant });
    }

    /// Whether an outbox entry is of an alerter that is ours, or about to be.
    pub(super) fn is_given(&mut self, segment: &str) -> bool {
        let name = keys::unsegment(segment).and_then(|name| AlerterName::parse(&name).ok());
        let Some(name) = name.filter(|name| self.right(name).is_some()) else {
            return false;
        };
        self.desk_of(&name);
        true
    }
}

/// First the entries, then what was told: nobody but us writes the latter, so it cannot be too old.
async fn find(store: &Store, names: &BTreeMap<AlerterName, u64>) -> Result<Found, StoreError> {
    let mut found = Found::default();
    if names.len() > SINGLY {
        let (at, entries) = store.list(&keys::outbox()).await?;
        found.outbox = entries;
        found.at = names.keys().map(|name| (name.clone(), at)).collect();
        found.told = store.list(&keys::told_all()).await?.1;
        return Ok(found);
    }
    let list = async |key: Key| store.list(&key).await;
    for name in names.keys() {
        let (at, entries) = list(keys::outbox_of(name)).await?;
        found.outbox.extend(entries);
        found.at.insert(name.clone(), at);
        found.told.extend(list(keys::told_of(name)).await?.1);
    }
    Ok(found)
}
