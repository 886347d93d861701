//! Whom this member talks to: the members that it knows, each with the fingerprint that proves it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use super::fingerprint::Fingerprint;
use crate::model::MemberId;
use crate::store::records::MemberRecord;
use crate::store::{Change, Entry, Followed, Key, Store, decode, keys};

/// Members that are gone and still answered when they ask whether the store is there, the newest.
const LAPSED: usize = 256;

/// How a fingerprint stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A member.
    Member(MemberId),
    /// Was one: its record is gone, most likely because it cannot reach the store. It may ask for nothing but that.
    Lapsed(MemberId),
}

/// The members. A cheap handle; clones share the content.
#[derive(Clone, Default)]
pub struct Directory(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    members: BTreeMap<MemberId, Arc<MemberRecord>>,
    by_fingerprint: HashMap<Fingerprint, MemberId>,
    lapsed: VecDeque<(Fingerprint, MemberId)>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.read().members.keys()).finish()
    }
}

impl Directory {
    /// A member's record.
    #[must_use]
    pub fn get(&self, id: &MemberId) -> Option<Arc<MemberRecord>> {
        self.0.read().members.get(id).cloned()
    }

    /// All members, by id.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<MemberRecord>> {
        self.0.read().members.values().cloned().collect()
    }

    /// Whose fingerprint this is.
    #[must_use]
    pub fn who(&self, fingerprint: &Fingerprint) -> Option<Standing> {
        let known = self.0.read();
        if let Some(member) = known.by_fingerprint.get(fingerprint) {
            return Some(Standing::Member(member.clone()));
        }
        let lapsed = known.lapsed.iter().find(|(of, _)| of == fingerprint);
        lapsed.map(|(_, member)| Standing::Lapsed(member.clone()))
    }

    /// Takes a whole member list in the place of what was known.
    pub fn replace(&self, members: impl IntoIterator<Item = MemberRecord>) {
        // Before the lock: whoever makes the list may want to look into the old one.
        let members: Vec<_> = members.into_iter().collect();
        let mut known = self.0.write();
        let mut gone = std::mem::take(&mut known.members);
        for record in members {
            gone.remove(&record.id);
            known.members.insert(record.id.clone(), Arc::new(record));
        }
        for record in gone.values() {
            known.lapse(record);
        }
        known.index();
    }

    /// Takes one record.
    pub fn put(&self, record: MemberRecord) {
        let mut known = self.0.write();
        known.members.insert(record.id.clone(), Arc::new(record));
        known.index();
    }

    /// A member's record is gone.
    pub fn remove(&self, id: &MemberId) {
        let mut known = self.0.write();
        if let Some(record) = known.members.remove(id) {
            known.lapse(&record);
        }
        known.index();
    }
}

impl Known {
    fn lapse(&mut self, record: &MemberRecord) {
        let Ok(fingerprint) = record.fingerprint.parse() else {
            return;
        };
        // Who said that it leaves has no store to ask for.
        if record.leaving {
            return;
        }
        self.lapsed.push_back((fingerprint, record.id.clone()));
        if self.lapsed.len() > LAPSED {
            self.lapsed.pop_front();
        }
    }

    /// There are tens of members, and they change once in a while: made anew each time.
    fn index(&mut self) {
        self.by_fingerprint = self
            .members
            .values()
            .filter_map(|record| Some((record.fingerprint.parse().ok()?, record.id.clone())))
            .collect();
        // An id that came back with another certificate is not the one that lapsed.
        let members = &self.members;
        self.lapsed.retain(|(_, member)| !members.contains_key(member));
    }
}

/// Keeps the directory as the store has the members, until `stop`. While the store is away, the list that was known last holds.
pub async fn follow(store: Store, directory: Directory, stop: CancellationToken) {
    let mut members = store.follow(&keys::members());
    while let Some(followed) = stop.run_until_cancelled(members.next()).await {
        take(&directory, followed);
    }
}

fn take(directory: &Directory, followed: Followed) {
    match followed {
        Followed::Snapshot { entries, .. } => directory.replace(entries.iter().filter_map(|entry| {
            // One that cannot be read takes nothing away.
            record(entry).or_else(|| Some(directory.get(&id(&entry.key)?)?.as_ref().clone()))
        })),
        Followed::Changes(batch) => {
            for change in &batch.changes {
                match change {
                    Change::Put(entry) => {
                        if let Some(record) = record(entry) {
                            directory.put(record);
                        }
                    }
                    Change::Deleted(key) => {
                        if let Some(id) = id(key) {
                            directory.remove(&id);
                        }
                    }
                }
            }
        }
    }
}

fn id(key: &Key) -> Option<MemberId> {
    MemberId::parse(&keys::last_segment(key)?).ok()
}

fn record(entry: &Entry) -> Option<MemberRecord> {
    match decode::<MemberRecord>(entry) {
        // A record under a key of another member would lend that one's name to a stranger's certificate.
        Ok(at) if Some(&at.value.id) == id(&entry.key).as_ref() => Some(at.value),
        Ok(at) => {
            tracing::warn!(key = %entry.key, member = %at.value.id, "a member record under a foreign key is left out");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "a member record cannot be read; what was known before holds");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, Revision, encode};

    fn member(id: &str, certificate: &str) -> MemberRecord {
        MemberRecord {
            fingerprint: Fingerprint::of(certificate.as_bytes()).to_string(),
            peer: "127.0.0.1:1".into(),
            ..MemberRecord::new(MemberId::parse(id).unwrap(), "i", "b")
        }
    }

    fn entry(key: &str, record: &MemberRecord) -> Entry {
        Entry {
            key: keys::member(&MemberId::parse(key).unwrap()),
            value: encode(record).unwrap(),
            rev: Revision(1),
            born: Revision(1),
            lease: None,
        }
    }

    fn standing(directory: &Directory, certificate: &str) -> String {
        match directory.who(&Fingerprint::of(certificate.as_bytes())) {
            Some(Standing::Member(id)) => format!("member {id}"),
            Some(Standing::Lapsed(id)) => format!("lapsed {id}"),
            None => "stranger".into(),
        }
    }

    #[test]
    fn a_fingerprint_counts_for_as_long_as_its_record_is_there() {
        let directory = Directory::default();
        directory.replace([member("a", "cert-a"), member("b", "cert-b")]);
        assert_eq!(standing(&directory, "cert-a"), "member a");
        assert_eq!(standing(&directory, "cert-c"), "stranger");
        directory.remove(&MemberId::parse("a").unwrap());
        assert_eq!(standing(&directory, "cert-a"), "lapsed a");
        assert_eq!(standing(&directory, "cert-b"), "member b");
        // It is back with another certificate: nobody is known by the old one.
        directory.put(member("a", "cert-a2"));
        assert_eq!(standing(&directory, "cert-a"), "stranger");
        assert_eq!(standing(&directory, "cert-a2"), "member a");
        let leaving = MemberRecord {
            leaving: true,
            ..member("b", "cert-b")
        };
        directory.put(leaving);
        directory.replace([]);
        assert_eq!(standing(&directory, "cert-b"), "stranger");
    }

    #[test]
    fn a_record_that_cannot_be_read_or_stands_under_a_foreign_key_gives_and_takes_nothing() {
        let directory = Directory::default();
        directory.replace([member("a", "cert-a")]);
        let damaged = Entry {
            value: "{".into(),
            ..entry("a", &member("a", "x"))
        };
        let foreign = entry("b", &member("a", "cert-evil"));
        take(
            &directory,
            Followed::Snapshot {
                at: Revision(1),
                entries: vec![damaged.clone(), foreign.clone()],
            },
        );
        assert_eq!(standing(&directory, "cert-a"), "member a");
        assert_eq!(standing(&directory, "cert-evil"), "stranger");
        let changes = vec![Change::Put(damaged), Change::Put(foreign)];
        take(
            &directory,
            Followed::Changes(Batch {
                at: Revision(2),
                changes,
            }),
        );
        assert_eq!(standing(&directory, "cert-a"), "member a");
        assert_eq!(directory.all().len(), 1);
    }

    #[tokio::test]
    async fn the_directory_follows_the_store() {
        let (store, _faults) = crate::store::in_memory();
        let directory = Directory::default();
        let stop = CancellationToken::new();
        let mut tasks = crate::tasks::Tasks::child_of(&stop);
        tasks.spawn(follow(store.clone(), directory.clone(), tasks.stop().clone()));
        let session = crate::store::Session::open(&store, member("a", "cert-a"), std::time::Duration::from_secs(60))
            .await
            .unwrap();
        while standing(&directory, "cert-a") != "member a" {
            tokio::task::yield_now().await;
        }
        session.close().await.unwrap();
        while standing(&directory, "cert-a") != "lapsed a" {
            tokio::task::yield_now().await;
        }
        assert!(tasks.shut_down(std::time::Duration::from_secs(1)).await);
    }
}
