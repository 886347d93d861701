//! What a copy says of itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::store::backend::{Change, Entry, Revision};
use crate::store::records::{FORMAT, StoreRecord};
use crate::store::{StoreError, decode, encode, keys};

/// The mark of a copy: goes along with everything that is written into it, and so is never newer or older than the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    /// [`FORMAT`].
    pub(super) v: u32,
    /// The id of the store that this is a copy of.
    pub(super) store: Option<String>,
    /// A whole list was taken once.
    pub(super) complete: bool,
    /// All of that store up to this revision is in the copy.
    pub(super) at: Revision,
    /// Of this member's own commits beyond that, those that are in the copy, too, since it last stood in.
    pub(super) beyond: BTreeSet<Revision>,
    /// It is that store at that revision, no more and no less: a watch may go on from there.
    pub(super) exact: bool,
    /// It holds changes of its own.
    pub(super) dirty: bool,
    /// All revisions of its own that it has given out are up to here.
    pub(super) own: Revision,
}

impl Default for Mark {
    fn default() -> Self {
        Self {
            v: FORMAT,
            store: None,
            complete: false,
            at: Revision(0),
            beyond: BTreeSet::new(),
            exact: false,
            dirty: false,
            own: Revision(0),
        }
    }
}

impl Mark {
    /// The mark in a copy's entry. One that cannot be read says nothing: all is compared anew then.
    pub(super) fn read(entry: Option<&Entry>) -> Self {
        let read = entry.map(decode::<Self>).transpose();
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, "the copy of the store is compared anew");
            None
        })
        .map(|mark| mark.value)
        .unwrap_or_default()
    }

    /// The mark as a change that is made at `at`.
    pub(super) fn written(&self, at: Revision) -> Result<Change, StoreError> {
        Ok(Change::Put(Entry {
            key: keys::standin(),
            value: encode(self)?,
            born: at,
            rev: at,
            lease: None,
        }))
    }
}

/// The id in the entry `cluster/store`, if that is what this is.
pub(super) fn store_id(entry: &Entry) -> Option<String> {
    if entry.key != keys::store() {
        return None;
    }
    decode::<StoreRecord>(entry).ok().map(|record| record.value.id)
}
