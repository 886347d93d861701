//! What the director looks at: members, what operators want of them, and the tables as they stand.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::pace::Seen;
use crate::model::{Group, MemberId};
use crate::store::records::{IntentRecord, MemberRecord, Table, epoch_order};
use crate::store::{Change, Entry, Follow, Followed, Key, Revision, Store, decode, keys};

/// A table and the revision that wrote it. One that cannot be read is none, with a revision.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) rev: Revision,
    pub(super) table: Option<Table>,
}

/// A picture of a part of the store.
struct Picture {
    follow: Follow,
    known: bool,
}

impl Picture {
    fn of(store: &Store, prefix: &Key) -> Self {
        Self {
            follow: store.follow(prefix),
            known: false,
        }
    }
}

/// The picture of all of it.
pub(super) struct Sight {
    pictures: [Picture; 3],
    members: BTreeMap<MemberId, MemberRecord>,
    intents: BTreeMap<MemberId, IntentRecord>,
    tables: BTreeMap<Group, Standing>,
    /// What could not be read: key, and the revision that wrote it. Told once.
    unreadable: BTreeSet<(String, Revision)>,
    untold: Vec<String>,
}

impl Sight {
    pub(super) fn new(store: &Store) -> Self {
        Self {
            pictures: [keys::members(), keys::intents(), keys::plans()].map(|prefix| Picture::of(store, &prefix)),
            members: BTreeMap::new(),
            intents: BTreeMap::new(),
            tables: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            untold: Vec::new(),
        }
    }

    /// Takes in the next change. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let [members, intents, plans] = &mut self.pictures;
        let (at, followed) = tokio::select! {
            followed = members.follow.next() => (0, followed),
            followed = intents.follow.next() => (1, followed),
            followed = plans.follow.next() => (2, followed),
        };
        self.pictures[at].known = true;
        match followed {
            Followed::Snapshot { entries, .. } => {
                let there: BTreeSet<String> = entries.iter().map(|entry| entry.key.to_string()).collect();
                let id = |id: &MemberId, key: fn(&MemberId) -> Key| there.contains(key(id).as_str());
                match at {
                    0 => self.members.retain(|member, _| id(member, keys::member)),
                    1 => self.intents.retain(|member, _| id(member, keys::intent)),
                    _ => self
                        .tables
                        .retain(|group, _| there.contains(keys::table(group.as_str()).as_str())),
                }
                entries.iter().for_each(|entry| self.put(at, entry));
            }
            Followed::Changes(batch) => {
                for change in &batch.changes {
                    match change {
                        Change::Put(entry) => self.put(at, entry),
                        Change::Deleted(key) => self.gone(at, key),
                    }
                }
            }
        }
    }

    /// Whether everything has been looked at once.
    pub(super) fn is_whole(&self) -> bool {
        self.pictures.iter().all(|picture| picture.known)
    }

    fn put(&mut self, at: usize, entry: &Entry) {
        if at == 2 {
            if let Some(group) = keys::group(&entry.key) {
                self.standing(&Group::named(&group), Some(entry));
            }
            return;
        }
        let id = keys::last_segment(&entry.key).and_then(|id| MemberId::parse(&id).ok());
        let Some(id) = id else {
            return self.cannot_read(entry, "is no member's name");
        };
        // What was known before holds where the new one cannot be read.
        if at == 0 {
            match self.read::<MemberRecord>(entry) {
                Some(record) if record.id == id => drop(self.members.insert(id, record)),
                Some(_) => self.cannot_read(entry, "names another member"),
                None => {}
            }
        } else if let Some(record) = self.read(entry) {
            self.intents.insert(id, record);
        }
    }

    fn gone(&mut self, at: usize, key: &Key) {
        if at == 2 {
            if let Some(group) = keys::group(key) {
                self.tables.remove(&Group::named(&group));
            }
        } else if let Some(id) = keys::last_segment(key) {
            let _ = match at {
                0 => self.members.remove(id.as_str()).is_some(),
                _ => self.intents.remove(id.as_str()).is_some(),
            };
        }
    }

    fn read<T: DeserializeOwned>(&mut self, entry: &Entry) -> Option<T> {
        match decode::<T>(entry) {
            Ok(at) => Some(at.value),
            Err(error) => {
                self.cannot_read(entry, &error.to_string());
                None
            }
        }
    }

    fn cannot_read(&mut self, entry: &Entry, why: &str) {
        if self.unreadable.insert((entry.key.to_string(), entry.rev)) {
            self.untold.push(format!("`{}` is left out: {why}", entry.key));
        }
    }

    /// A table as it was read. Older news than what is known is passed over: it is the echo of a write.
    pub(super) fn standing(&mut self, group: &Group, entry: Option<&Entry>) {
        let Some(entry) = entry else {
            self.tables.remove(group);
            return;
        };
        if self.tables.get(group).is_some_and(|known| entry.rev <= known.rev) {
            return;
        }
        let table = self.read(entry);
        let rev = entry.rev;
        self.tables.insert(group.clone(), Standing { rev, table });
    }

    /// A table as it was written.
    pub(super) fn wrote(&mut self, group: Group, rev: Revision, table: Table) {
        let table = Some(table);
        self.tables.insert(group, Standing { rev, table });
    }

    pub(super) fn tables(&self) -> &BTreeMap<Group, Standing> {
        &self.tables
    }

    /// The place of the latest epoch that any table has.
    pub(super) fn latest_epoch(&self) -> Option<(u64, u64)> {
        let tables = self.tables.values().filter_map(|standing| standing.table.as_ref());
        tables.filter_map(|table| epoch_order(&table.epoch)).max()
    }

    pub(super) fn members(&self) -> &BTreeMap<MemberId, MemberRecord> {
        &self.members
    }

    /// What cannot be read, since the last time somebody asked.
    pub(super) fn take_untold(&mut self) -> Vec<String> {
        std::mem::take(&mut self.untold)
    }

    /// The weight that counts: the operator's, else the member's own.
    pub(super) fn weight(&self, record: &MemberRecord) -> u32 {
        let intent = self.intents.get(&record.id);
        intent.and_then(|intent| intent.weight).unwrap_or(record.weight)
    }

    /// Members as far as it matters when to plan.
    pub(super) fn seen(&self) -> BTreeMap<MemberId, Seen> {
        let seen = |record: &MemberRecord| {
            let intent = self.intents.get(&record.id);
            Seen {
                leaving: record.leaving,
                unfit: !record.unfit.is_empty(),
                drain: intent.is_some_and(|intent| intent.drain),
                cordon: intent.is_some_and(|intent| intent.cordon),
                weight: self.weight(record),
            }
        };
        self.members
            .iter()
            .map(|(id, record)| (id.clone(), seen(record)))
            .collect()
    }

    /// Whoever a table names.
    pub(super) fn holders(&self) -> BTreeSet<MemberId> {
        let tables = self.tables.values().filter_map(|standing| standing.table.as_ref());
        // Whoever judges has a stamp in a table of ours; another one may say less.
        let named = tables.flat_map(|table| {
            let judges = table.runs.iter().filter_map(|run| run.judge.as_ref());
            table.stamps.keys().chain(judges)
        });
        let mut holders = BTreeSet::new();
        for id in named {
            if !holders.contains(id) {
                holders.insert(id.clone());
            }
        }
        holders
    }
}
