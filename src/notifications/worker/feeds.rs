//! What the store says, brought to the lanes.

use std::collections::HashSet;
use std::future::pending;

use tracing::warn;

use super::super::NotifierEvent;
use super::super::lane::Lane;
use super::super::limits::GIVE_UP_AFTER;
use super::super::view::LaneKey;
use super::desk::{Known, Post, Retired};
use super::{Grant, Slot, Worker};
use crate::model::AlerterName;
use crate::silences::{Silence, SilenceSet};
use crate::store::records::{At, Definition, OutboxEntry, SilenceRecord};
use crate::store::{Change, Entry, Follow, Followed, Key, Revision, Store, decode, keys};

/// The parts of the store that are followed.
pub(super) struct Feeds {
    silences: Follow,
    alerters: Follow,
    retired: Follow,
    /// Followed while any of it is ours.
    pub(super) outbox: Option<Follow>,
}

/// One of them said something.
pub(super) enum News {
    Silences(Followed),
    Alerters(Followed),
    Retired(Followed),
    Outbox(Followed),
}

impl Feeds {
    pub(super) fn new(store: &Store) -> Self {
        Self {
            silences: store.follow(&keys::silences()),
            alerters: store.follow(&keys::alerters()),
            retired: store.follow(&keys::retired_alerters()),
            outbox: None,
        }
    }

    /// The next news. Cancel-safe, as each of them is. What says whom to tell comes before what is to be told: an alerter and a monitor that
    /// were written together are seen in that order.
    pub(super) async fn next(&mut self) -> News {
        let Self {
            silences,
            alerters,
            retired,
            outbox,
        } = self;
        let outbox = async {
            match outbox {
                Some(outbox) => outbox.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            news = alerters.next() => News::Alerters(news),
            news = retired.next() => News::Retired(news),
            news = silences.next() => News::Silences(news),
            news = outbox => News::Outbox(news),
        }
    }

    /// The first word of all three that have to be known before anything is told.
    pub(super) async fn first(&mut self) -> [News; 3] {
        [
            News::Silences(self.silences.next().await),
            News::Alerters(self.alerters.next().await),
            News::Retired(self.retired.next().await),
        ]
    }
}

impl Worker {
    /// Learns who there is and what is silenced.
    pub(super) async fn know(&mut self, feeds: &mut Feeds) {
        for news in feeds.first().await {
            self.take(news);
        }
    }

    pub(super) fn take(&mut self, news: News) {
        match news {
            News::Silences(news) => self.silences_changed(news),
            News::Alerters(news) => self.definitions_changed(news, false),
            News::Retired(news) => self.definitions_changed(news, true),
            News::Outbox(news) => self.outbox_changed(news),
        }
    }

    fn silences_changed(&mut self, news: Followed) {
        let changes = match news {
            Followed::Snapshot { entries, .. } => {
                self.silences = SilenceSet::default();
                entries.into_iter().map(Change::Put).collect()
            }
            Followed::Changes(batch) => batch.changes,
        };
        for change in changes {
            let Some(id) = keys::last_segment(change.key()) else {
                continue;
            };
            // A silence that is written anew and cannot be read must not go on muting what the old one did.
            self.silences.remove(&id);
            let Change::Put(entry) = change else { continue };
            let Some(record) = self.decoded::<SilenceRecord>(&entry) else {
                continue;
            };
            let record = record.value;
            match Silence::read(
                id,
                &record.matchers,
                record.from,
                record.until,
                record.author,
                record.comment,
            ) {
                Ok(silence) => self.silences.put(silence),
                Err(problems) => {
                    let problem = problems.first().map(ToString::to_string).unwrap_or_default();
                    warn!(key = %entry.key, problem, "a silence cannot be used");
                }
            }
        }
        self.view.set_silences(self.silences.clone());
        self.sweep();
    }

    fn definitions_changed(&mut self, news: Followed, retired: bool) {
        let changes = match news {
            Followed::Snapshot { entries, .. } => {
                let there: HashSet<Key> = entries.iter().map(|entry| entry.key.clone()).collect();
                let known = self.desks.iter().filter(|(_, desk)| {
                    if retired {
                        desk.retired.is_some()
                    } else {
                        desk.current.is_some()
                    }
                });
                let key_of = if retired { keys::retired_alerter } else { keys::alerter };
                let gone = known.map(|(name, _)| key_of(name)).filter(|key| !there.contains(key));
                let gone: Vec<_> = gone.map(Change::Deleted).collect();
                entries.into_iter().map(Change::Put).chain(gone).collect()
            }
            Followed::Changes(batch) => batch.changes,
        };
        for change in changes {
            let name = keys::last_segment(change.key()).and_then(|name| AlerterName::parse(&name).ok());
            let Some(name) = name else { continue };
            let written = match &change {
                Change::Put(entry) => Some((entry.rev, self.decoded::<Definition>(entry))),
                Change::Deleted(_) => None,
            };
            // Counted from when this process hears of a removal: what is written down is only when the definition was.
            let until = self.now().mono + GIVE_UP_AFTER;
            let known = written.map(|(rev, record)| {
                let def = record
                    .as_ref()
                    .and_then(|record| (self.options.read)(&name, &record.value));
                Known { rev, def }
            });
            let desk = self.desk_of(&name);
            match (retired, known) {
                (true, Some(known)) => {
                    desk.retired = Some(Retired {
                        known,
                        until,
                        stored: true,
                        removing: false,
                    });
                }
                (true, None) => desk.retired = None,
                (false, Some(known)) => desk.current = Some(known),
                (false, None) => desk.retire(until),
            }
            if !retired {
                desk.pace.forget();
                let defined = desk.current.as_ref().is_some_and(|known| known.def.is_some());
                self.view.set_defined(&name, defined);
            }
            let lanes: Vec<_> = self.lanes.keys().filter(|key| key.0 == name).cloned().collect();
            for key in lanes {
                self.look(&key);
            }
        }
        if !retired {
            self.find_fallbacks();
        }
    }

    fn outbox_changed(&mut self, news: Followed) {
        match news {
            Followed::Snapshot { at, entries } => self.outbox_listed(at, entries),
            Followed::Changes(batch) => {
                self.outbox_at = batch.at;
                for change in batch.changes {
                    if keys::alerter_segment(change.key()).is_some_and(|name| self.is_given(name)) {
                        self.entry_news(change, batch.at);
                    }
                }
            }
        }
    }

    fn outbox_listed(&mut self, at: Revision, mut entries: Vec<Entry>) {
        if at < self.outbox_at {
            // Revisions count anew: nothing that is known by one still holds.
            self.anew = true;
            return;
        }
        self.outbox_at = at;
        self.outbox_known = true;
        self.arrive_again();
        // In key order, so that a hundred thousand entries of another member's alerter cost one look.
        let mut last = (String::new(), false);
        entries.retain(|entry| {
            let Some(name) = keys::alerter_segment(&entry.key) else {
                return false;
            };
            if name != last.0 {
                last = (name.to_owned(), self.is_given(name));
            }
            last.1
        });
        let there: HashSet<Key> = entries.iter().map(|entry| entry.key.clone()).collect();
        for entry in entries {
            // One that is yet to be read is read with the others of its alerter.
            if keys::alerter_and_monitor(&entry.key).is_some_and(|key| self.is_here(&key.0)) {
                self.entry_news(Change::Put(entry), at);
            }
        }
        let waiting = self.lanes.iter().filter(|(_, slot)| slot.lane.wanted().is_some());
        let gone: Vec<_> = waiting
            .map(|(key, _)| key.clone())
            .filter(|key| self.is_here(&key.0) && !there.contains(&keys::outbox_entry(&key.0, &key.1)))
            .collect();
        for key in gone {
            self.entry_changed(key, None, at);
        }
    }

    /// An entry of an alerter that was given to us was written or deleted, by the revision `at` or before.
    pub(super) fn entry_news(&mut self, change: Change, at: Revision) {
        let Some(key) = keys::alerter_and_monitor(change.key()) else {
            return;
        };
        let Some(desk) = self.desks.get_mut(&key.0) else { return };
        match &mut desk.post {
            Post::Away => return,
            Post::Arriving { changes, .. } => {
                changes.insert(change.key().clone(), (at, change));
                return;
            }
            Post::Here(_) => {}
        }
        match change {
            Change::Put(entry) if entry.rev <= desk.read_at => {}
            Change::Put(entry) => {
                if let Some(record) = self.decoded::<OutboxEntry>(&entry) {
                    self.entry_changed(key, Some(record), entry.rev);
                }
            }
            Change::Deleted(_) => self.entry_changed(key, None, at),
        }
    }

    fn entry_changed(&mut self, key: LaneKey, entry: Option<At<OutboxEntry>>, at: Revision) {
        if !self.lanes.contains_key(&key) {
            if entry.is_none() {
                return;
            }
            let lane = Lane::load(None, None, Revision(0), self.now());
            let (timer, grant) = (None, Grant::No);
            self.lanes.insert(key.clone(), Slot { lane, timer, grant });
        }
        if let Some(slot) = self.lanes.get_mut(&key) {
            slot.lane.entry_changed(entry, at);
        }
        self.look(&key);
    }

    /// A record, if it can be read. One bad record stops nobody else.
    pub(super) fn decoded<T: serde::de::DeserializeOwned>(&self, entry: &Entry) -> Option<At<T>> {
        decode(entry)
            .inspect_err(|error| {
                warn!(%error, "a record cannot be read");
                (self.options.events)(NotifierEvent::Damaged {
                    key: entry.key.to_string(),
                });
            })
            .ok()
    }
}
