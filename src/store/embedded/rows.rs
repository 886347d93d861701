//! The tables of the database, and a store's rows inside one of its transactions.

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::store::backend::{Batch, Change, Entry, Key, LeaseId, PAGE, Page, Revision, StoreError};
use crate::store::commit::Rows;

/// Layout of this file.
pub(super) const LAYOUT: u64 = 1;
/// Bytes of one page of a list, about.
const PAGE_BYTES: usize = 4 << 20;

/// Key → born, rev, lease (0: none), value.
const ENTRIES: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("entries");
/// Lease → milliseconds that it lives without a keep-alive.
const LEASES: TableDefinition<'static, i64, u64> = TableDefinition::new("leases");
/// What hangs on a lease.
const LEASED: TableDefinition<'static, (i64, &str), ()> = TableDefinition::new("leased");
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

const REVISION: &str = "revision";
const GRANTED: &str = "granted";
const LAYOUT_KEY: &str = "layout";
const HEAD: usize = 24;

/// What an error of the database means to who uses the store.
pub(super) fn explain(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) => super::disk::explain(&error),
        redb::Error::Corrupted(why) => StoreError::Damaged(why),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn pack(entry: &Entry) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEAD + entry.value.len());
    row.extend(entry.born.0.to_le_bytes());
    row.extend(entry.rev.0.to_le_bytes());
    row.extend(entry.lease.map_or(0, |lease| lease.0).to_le_bytes());
    row.extend(&entry.value);
    row
}

fn unpack(key: Key, row: &[u8]) -> Result<Entry, StoreError> {
    let damaged = || StoreError::Damaged(format!("row of `{key}` is too short"));
    let (born, rest) = row.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (rev, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (lease, value) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    let lease = i64::from_le_bytes(*lease);
    Ok(Entry {
        key,
        value: Bytes::copy_from_slice(value),
        born: Revision(u64::from_le_bytes(*born)),
        rev: Revision(u64::from_le_bytes(*rev)),
        lease: (lease != 0).then_some(LeaseId(lease)),
    })
}

/// The rows inside one writing transaction.
pub(super) struct Writing<'t> {
    entries: Table<'t, &'static str, &'static [u8]>,
    leases: Table<'t, i64, u64>,
    leased: Table<'t, (i64, &'static str), ()>,
    meta: Table<'t, &'static str, u64>,
    full: Option<StoreError>,
}

impl<'t> Writing<'t> {
    /// Opens the tables. `full`: puts and grants are refused with this.
    pub(super) fn new(tx: &'t WriteTransaction, full: Option<StoreError>) -> Result<Self, StoreError> {
        Ok(Self {
            entries: tx.open_table(ENTRIES).map_err(explain)?,
            leases: tx.open_table(LEASES).map_err(explain)?,
            leased: tx.open_table(LEASED).map_err(explain)?,
            meta: tx.open_table(META).map_err(explain)?,
            full,
        })
    }

    fn meta(&self, name: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.meta.get(name).map_err(explain)?.map(|value| value.value()))
    }

    fn set_meta(&mut self, name: &str, value: u64) -> Result<(), StoreError> {
        self.meta.insert(name, value).map_err(explain)?;
        Ok(())
    }

    /// Marks a new file.
    pub(super) fn set_layout(&mut self) -> Result<(), StoreError> {
        self.set_meta(LAYOUT_KEY, LAYOUT)
    }

    pub(super) fn revision(&self) -> Result<Revision, StoreError> {
        Ok(Revision(self.meta(REVISION)?.unwrap_or(0)))
    }

    pub(super) fn set_revision(&mut self, revision: Revision) -> Result<(), StoreError> {
        self.set_meta(REVISION, revision.0)
    }

    pub(super) fn grant(&mut self, millis: u64) -> Result<LeaseId, StoreError> {
        self.room()?;
        let id = self.meta(GRANTED)?.unwrap_or(0) + 1;
        self.set_meta(GRANTED, id)?;
        let id = i64::try_from(id).map_err(|_| StoreError::Damaged("lease counter".to_owned()))?;
        self.leases.insert(id, millis).map_err(explain)?;
        Ok(LeaseId(id))
    }

    /// No lease of ours gets a number up to this one.
    pub(super) fn raise_leases(&mut self, to: Revision) -> Result<(), StoreError> {
        let granted = self.meta(GRANTED)?.unwrap_or(0);
        self.set_meta(GRANTED, granted.max(to.0))
    }

    /// Makes changes as they are, revisions, leases and all.
    pub(super) fn replicate(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            let before = self.entry(change.key())?;
            match (change, before) {
                (Change::Put(entry), before) => self.put(entry, before.as_ref())?,
                (Change::Deleted(_), Some(before)) => self.delete(&before)?,
                (Change::Deleted(_), None) => {}
            }
        }
        Ok(())
    }

    /// Ends a lease and removes what hangs on it, at one revision. Whether there was such a lease.
    pub(super) fn end(
        &mut self,
        lease: LeaseId,
        newest: &mut Revision,
        batches: &mut Vec<Batch>,
    ) -> Result<bool, StoreError> {
        if self.leases.remove(lease.0).map_err(explain)?.is_none() {
            return Ok(false);
        }
        let mut keys = Vec::new();
        for row in self.leased.range((lease.0, "")..).map_err(explain)? {
            let (row, _) = row.map_err(explain)?;
            let (of, key) = row.value();
            if of != lease.0 {
                break;
            }
            keys.push(Key::new(key));
        }
        if keys.is_empty() {
            return Ok(true);
        }
        *newest = Revision(newest.0 + 1);
        for key in &keys {
            self.leased.remove((lease.0, key.as_str())).map_err(explain)?;
            self.entries.remove(key.as_str()).map_err(explain)?;
        }
        batches.push(Batch {
            at: *newest,
            changes: keys.into_iter().map(Change::Deleted).collect(),
        });
        Ok(true)
    }
}

impl Rows for Writing<'_> {
    fn entry(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        match self.entries.get(key.as_str()).map_err(explain)? {
            Some(row) => unpack(key.clone(), row.value()).map(Some),
            None => Ok(None),
        }
    }

    fn lives(&self, lease: LeaseId) -> Result<bool, StoreError> {
        Ok(self.leases.get(lease.0).map_err(explain)?.is_some())
    }

    fn room(&self) -> Result<(), StoreError> {
        self.full.clone().map_or(Ok(()), Err)
    }

    fn put(&mut self, entry: &Entry, before: Option<&Entry>) -> Result<(), StoreError> {
        let key = entry.key.as_str();
        let old = before.and_then(|before| before.lease);
        if let Some(old) = old.filter(|old| Some(*old) != entry.lease) {
            self.leased.remove((old.0, key)).map_err(explain)?;
        }
        if let Some(lease) = entry.lease.filter(|lease| Some(*lease) != old) {
            self.leased.insert((lease.0, key), ()).map_err(explain)?;
        }
        self.entries.insert(key, pack(entry).as_slice()).map_err(explain)?;
        Ok(())
    }

    fn delete(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let key = entry.key.as_str();
        if let Some(lease) = entry.lease {
            self.leased.remove((lease.0, key)).map_err(explain)?;
        }
        self.entries.remove(key).map_err(explain)?;
        Ok(())
    }
}

/// The layout of the file; `None` if it is new.
pub(super) fn layout(tx: &ReadTransaction) -> Result<Option<u64>, StoreError> {
    match tx.open_table(META) {
        Ok(meta) => Ok(meta.get(LAYOUT_KEY).map_err(explain)?.map(|value| value.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(explain(error)),
    }
}

/// All leases, with their milliseconds.
pub(super) fn leases(tx: &ReadTransaction) -> Result<Vec<(LeaseId, u64)>, StoreError> {
    let table = tx.open_table(LEASES).map_err(explain)?;
    let mut all = Vec::new();
    for row in table.iter().map_err(explain)? {
        let (id, millis) = row.map_err(explain)?;
        all.push((LeaseId(id.value()), millis.value()));
    }
    Ok(all)
}

/// The revision that a reading transaction sees.
pub(super) fn revision(tx: &ReadTransaction) -> Result<Revision, StoreError> {
    let meta = tx.open_table(META).map_err(explain)?;
    let revision = meta.get(REVISION).map_err(explain)?;
    Ok(Revision(revision.map_or(0, |value| value.value())))
}

/// One page of what a reading transaction sees below `prefix`, after `last`.
pub(super) fn page(tx: &ReadTransaction, prefix: &Key, last: Option<&Key>) -> Result<Page, StoreError> {
    use std::ops::Bound;
    let at = revision(tx)?;
    let table = tx.open_table(ENTRIES).map_err(explain)?;
    let from = match last {
        Some(last) => Bound::Excluded(last.as_str()),
        None => Bound::Included(prefix.as_str()),
    };
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for row in table.range::<&str>((from, Bound::Unbounded)).map_err(explain)? {
        let (key, row) = row.map_err(explain)?;
        let key = Key::new(key.value());
        if !prefix.covers(&key) {
            break;
        }
        if entries.len() == PAGE || bytes > PAGE_BYTES {
            return Ok(Page {
                at,
                entries,
                more: true,
            });
        }
        let entry = unpack(key, row.value())?;
        bytes += entry.value.len();
        entries.push(entry);
    }
    Ok(Page {
        at,
        entries,
        more: false,
    })
}
