//! Everything that a store holds and another one can use: to a file, from a file, from store to store.
//!
//! What belongs to the store itself stays behind: its id, who is here and who directs, the tables (a table's epoch is of the store's own
//! revisions), and whatever else hangs on a lease, as events do. Revisions are not carried over; nothing that is carried names one.

mod file;
mod import;
#[cfg(test)]
mod tests;

use super::backend::{Entry, Key, Revision};
use super::{Pages, Store, StoreError, keys};

pub use file::{Checked, Damage, FileError, Header, check, write_header, write_record, write_trailer};
pub use import::{How, Imported, Refused, import};

/// What is carried over: a key and its value, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: bytes::Bytes,
}

/// Keys that belong to one store.
const STAYS: [&str; 8] = [
    "cluster/store",
    "cluster/restoring",
    "cluster/director",
    "cluster/members/",
    "plan/",
    "event/",
    "ended/",
    "standin/",
];
/// Longest key that is taken from a file.
const MAX_KEY: usize = 2 * 1024;

/// Whether a key is carried over.
#[must_use]
pub fn travels(key: &Key) -> bool {
    let stays = |prefix: &str| Key::new(prefix).covers(key);
    !STAYS.iter().any(|prefix| stays(prefix))
}

/// Where it belongs in a store that all have: in the copy of one member, what is for another member's alerter is set aside.
fn shared(key: Key) -> Key {
    let sent = keys::sent()
        .covers(&key)
        .then(|| keys::alerter_and_monitor(&key))
        .flatten();
    sent.map_or(key, |(alerter, monitor)| keys::outbox_entry(&alerter, &monitor))
}

/// The key of that text, if it could be one that is carried over.
fn key(text: &str) -> Option<Key> {
    let sound = !text.is_empty() && text.len() <= MAX_KEY && !text.contains("//") && !text.ends_with('/');
    let key = Key::new(text);
    (sound && !text.chars().any(char::is_control) && travels(&key)).then_some(key)
}

/// How many ranks there are.
const RANKS: usize = 8;

/// In which order records are written: what was told before what is to be told, so that a server that sees the first half tells nothing again;
/// definitions before the state of what they define.
fn rank(key: &Key) -> usize {
    match key.as_str().split('/').next() {
        Some("config") => 0,
        Some("silence" | "ack" | "maintenance" | "cluster") => 1,
        Some("told") => 2,
        Some("checkpoint" | "past" | "soft") => 3,
        Some("outbox") => 4,
        Some("alerter" | "retired") => 5,
        Some("monitor") => 6,
        _ => 7,
    }
}

/// All that is carried over, a page at a time, of one revision.
#[derive(Debug)]
pub struct Export {
    pages: Pages,
}

/// A page of an [`Export`].
#[derive(Debug)]
pub struct Part {
    /// The revision that all of it is read at.
    pub at: Revision,
    /// What is carried over.
    pub records: Vec<Record>,
}

impl Export {
    /// From the beginning.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self {
            pages: store.pages(&keys::all()),
        }
    }

    /// The next page; none: that was all.
    ///
    /// # Errors
    /// [`StoreError::Compacted`]: it took too long. Whatever else the store says.
    pub async fn next(&mut self) -> Result<Option<Part>, StoreError> {
        let Some(page) = self.pages.next().await.transpose()? else {
            return Ok(None);
        };
        let mine = |entry: &Entry| entry.lease.is_none() && travels(&entry.key);
        let records = page.entries.into_iter().filter(mine).map(|entry| Record {
            key: shared(entry.key),
            value: entry.value,
        });
        Ok(Some(Part {
            at: page.at,
            records: records.collect(),
        }))
    }

    /// All of it at once.
    ///
    /// # Errors
    /// As [`Export::next`].
    pub async fn all(mut self) -> Result<Vec<Record>, StoreError> {
        let mut all = Vec::new();
        while let Some(part) = self.next().await? {
            all.extend(part.records);
        }
        Ok(all)
    }
}
