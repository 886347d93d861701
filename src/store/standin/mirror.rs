//! Keeps the copy as the shared store is, while that is what is shown: a list that is compared page by page, then what the watch brings.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::known::Waits;
use super::mark::{Mark, store_id};
use super::scope::mirrored;
use super::turn::Standing;
use super::{Face, Standin};
use crate::store::backend::{Batch, Change, Entry, Key, Page, Revision, StoreError};
use crate::store::follow::{Ended, Patience, Watching};
use crate::store::keys;

/// What the watch brings is collected for this long: one sync for all of it.
const COLLECT: Duration = Duration::from_secs(1);
/// The same for a revision in which nothing changed that is mirrored: only so that the next start need not begin too far back.
const COLLECT_REVISIONS: Duration = Duration::from_secs(60);

impl Standin {
    /// Keeps the copy as the shared store is, whenever the face is [`Face::Through`], until it is asked to stop.
    pub async fn mirror(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let standing = self.turns.standing().await;
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    if let Err(error) = self.write_waiting(&standing).await {
                        warn!(%error, "the copy of the store misses the last changes");
                    }
                    return;
                }
                () = standing.until.cancelled() => {}
                () = self.keep_up(&standing), if standing.face == Face::Through => {}
            }
        }
    }

    async fn keep_up(&self, standing: &Standing) {
        let mut patience = Patience::new();
        let mut reported = false;
        loop {
            match self.catch_up(standing).await {
                Ok(watching) => {
                    if std::mem::take(&mut reported) {
                        info!("the copy of the store is kept again");
                    }
                    patience = Patience::new();
                    match self.go_on(watching, standing).await {
                        Ok(reason) => info!(%reason, "looking again what the store holds, for the copy"),
                        Err(error) => {
                            reported = true;
                            warn!(%error, "cannot write the copy of the store, trying again until it works");
                        }
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut reported, true) {
                        warn!(%error, "cannot copy the store, trying again until it works");
                    }
                }
            }
            patience.wait().await;
        }
    }

    /// Makes the copy what the shared store is, by as little as will do, and watches from there.
    pub(super) async fn catch_up(&self, standing: &Standing) -> Result<Watching, StoreError> {
        self.write_waiting(standing).await?;
        let page = self.outer.backend.list(&keys::store(), None).await?;
        let id = page.entries.first().and_then(store_id);
        let mark = self.mark.lock().clone();
        if mark.exact && page.at >= mark.at {
            match Watching::open(&self.outer, &keys::all(), mark.at).await {
                Err(StoreError::Compacted(_)) => debug!(at = %mark.at, "the history since the copy is gone"),
                opened => return opened,
            }
        }
        let at = self.compare(id, standing).await?;
        Watching::open(&self.outer, &keys::all(), at).await
    }

    /// Reads the watch until it ends, and says why it did.
    async fn go_on(&self, mut watching: Watching, standing: &Standing) -> Result<Ended, StoreError> {
        let mut due: Option<Instant> = None;
        loop {
            let next = tokio::select! {
                biased;
                () = async {
                    match due {
                        Some(due) => sleep_until(due).await,
                        None => std::future::pending().await,
                    }
                } => None,
                next = watching.next() => Some(next),
            };
            let (waits, now) = match next {
                None => (Waits::Due, Instant::now()),
                Some(Ok(batch)) if self.is_of_another(&batch) => {
                    // What the copy holds may be all there is.
                    self.familiar.doubt();
                    self.mark.lock().exact = false;
                    return Ok(Ended::Gap("it says that it is another store".to_owned()));
                }
                Some(Ok(batch)) => {
                    let mut known = self.known.lock();
                    standing.still()?;
                    self.familiar.was_at(batch.at);
                    (known.watched(batch), Instant::now())
                }
                Some(Err(ended)) => {
                    if matches!(ended, Ended::Gap(_)) {
                        self.mark.lock().exact = false;
                    }
                    return Ok(ended);
                }
            };
            let collect = match waits {
                Waits::Due => {
                    self.write_waiting(standing).await?;
                    due = None;
                    continue;
                }
                Waits::Changes => COLLECT,
                Waits::Revision => COLLECT_REVISIONS,
            };
            due = Some(due.map_or(now + collect, |due| due.min(now + collect)));
        }
    }

    /// Whether with these changes it is no longer the store that the copy is of.
    fn is_of_another(&self, batch: &Batch) -> bool {
        let of = batch.changes.iter().find(|change| *change.key() == keys::store());
        of.is_some_and(|change| {
            let id = match change {
                Change::Put(entry) => store_id(entry),
                Change::Deleted(_) => None,
            };
            id != self.mark.lock().store
        })
    }

    /// Writes what the watch brought.
    async fn write_waiting(&self, standing: &Standing) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        if standing.face == Face::Copy || standing.still().is_err() {
            return Ok(());
        }
        let (at, changes) = {
            let known = self.known.lock();
            (known.seen(), known.waiting())
        };
        let mark = self.mark.lock().clone();
        if changes.is_empty() && (at == mark.at || !mark.exact) {
            return Ok(());
        }
        self.write(at, changes, Mark { at, ..mark }).await?;
        self.known.lock().written();
        Ok(())
    }

    /// Makes the copy like a list of the shared store, whose id this is. Neither is ever in memory as a whole; only what differs is written.
    async fn compare(&self, id: Option<String>, standing: &Standing) -> Result<Revision, StoreError> {
        info!("comparing the copy of the store with all of it");
        let mut pages = self.outer.pages(&keys::all());
        let (mut at, mut from) = (Revision(0), None);
        while let Some(page) = pages.next().await {
            let page = page?;
            if from.is_none() {
                at = page.at;
                self.known.lock().list_begins(at);
                let mut mark = self.mark.lock();
                if at < mark.at {
                    // It was restored: what was known of those revisions is not true of these.
                    mark.at = Revision(0);
                    mark.beyond.clear();
                }
            }
            from = self.compare_page(page, from, id.as_ref(), standing).await?;
        }
        Ok(at)
    }

    /// One page of a list, and what the copy has between the keys `from` and the page's last, which is returned.
    async fn compare_page(
        &self,
        page: Page,
        mut from: Option<Key>,
        id: Option<&String>,
        standing: &Standing,
    ) -> Result<Option<Key>, StoreError> {
        let upto = page.entries.last().filter(|_| page.more).map(|entry| entry.key.clone());
        let mut theirs = page.entries;
        theirs.retain(|entry| mirrored(&entry.key));
        loop {
            let mut ours = self.replica.after(from.as_ref()).await?;
            let last = ours.entries.last().filter(|_| ours.more).map(|entry| entry.key.clone());
            ours.entries.retain(|entry| entry.key != keys::standin());
            let end = nearer(upto.clone(), last);
            let changes = difference(
                part(&ours.entries, from.as_ref(), end.as_ref()),
                part(&theirs, from.as_ref(), end.as_ref()),
            );
            self.write_compared(page.at, end.clone(), changes, id, standing).await?;
            if end == upto {
                return Ok(end);
            }
            from = end;
        }
    }

    /// Writes what differs up to a key; without one it was the last of the list.
    async fn write_compared(
        &self,
        at: Revision,
        upto: Option<Key>,
        changes: Vec<Change>,
        id: Option<&String>,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        standing.still()?;
        let mark = self.mark.lock().clone();
        let (store, same) = (id.cloned(), mark.store.as_ref() == id);
        let Some(upto) = upto else {
            let mark = Mark {
                store,
                complete: true,
                exact: true,
                at,
                beyond: BTreeSet::new(),
                ..mark
            };
            self.write(at, changes, mark).await?;
            self.known.lock().listed_all(at);
            return Ok(());
        };
        if !changes.is_empty() {
            let mark = Mark {
                store,
                complete: mark.complete && same,
                exact: false,
                ..mark
            };
            self.write(at, changes, mark).await?;
        }
        self.known.lock().listed(at, upto);
        Ok(())
    }
}

/// The first of two ends; none is the end of everything.
fn nearer(one: Option<Key>, other: Option<Key>) -> Option<Key> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The entries after one key and up to another, of some in key order.
fn part<'a>(entries: &'a [Entry], from: Option<&Key>, upto: Option<&Key>) -> &'a [Entry] {
    let start = from.map_or(0, |from| entries.partition_point(|entry| entry.key <= *from));
    let end = upto.map_or(entries.len(), |upto| {
        entries.partition_point(|entry| entry.key <= *upto)
    });
    entries.get(start..end).unwrap_or_default()
}

/// What makes the old entries the new ones; both are in key order.
fn difference(old: &[Entry], new: &[Entry]) -> Vec<Change> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.key.cmp(&new.key),
        };
        let before = old.next_if(|_| order.is_le());
        let after = new.next_if(|_| order.is_ge());
        match (before, after) {
            (Some(before), None) => changes.push(Change::Deleted(before.key.clone())),
            (before, Some(after)) if before != Some(after) => changes.push(Change::Put(after.clone())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn entries(of: &BTreeMap<u8, u8>) -> Vec<Entry> {
        let entry = |(n, rev): (&u8, &u8)| Entry {
            key: keys::silence(&format!("{n:03}")),
            value: Bytes::new(),
            born: Revision(0),
            rev: Revision(u64::from(*rev)),
            lease: None,
        };
        of.iter().map(entry).collect()
    }

    proptest! {
        #[test]
        fn the_difference_makes_one_the_other_and_says_nothing_of_what_is_equal(
            old in prop::collection::btree_map(0..30_u8, 0..3_u8, 0..20),
            new in prop::collection::btree_map(0..30_u8, 0..3_u8, 0..20),
        ) {
            let (old, new) = (entries(&old), entries(&new));
            let changes = difference(&old, &new);
            let mut made: BTreeMap<Key, Entry> = old.iter().map(|entry| (entry.key.clone(), entry.clone())).collect();
            for change in changes {
                let changed = match change {
                    Change::Put(entry) => made.insert(entry.key.clone(), entry.clone()) != Some(entry),
                    Change::Deleted(key) => made.remove(&key).is_some(),
                };
                prop_assert!(changed);
            }
            prop_assert!(made.values().eq(&new));
        }

        #[test]
        fn parts_that_follow_one_another_are_the_whole(
            all in prop::collection::btree_map(0..30_u8, 0..3_u8, 0..20),
            cuts in prop::collection::btree_set(0..30_u8, 0..5),
        ) {
            let all = entries(&all);
            let cuts = cuts.into_iter().map(|n| Some(keys::silence(&format!("{n:03}"))));
            let (mut from, mut parts) = (None, Vec::new());
            for upto in cuts.chain([None]) {
                parts.extend_from_slice(part(&all, from.as_ref(), upto.as_ref()));
                from = upto;
            }
            prop_assert_eq!(parts, all);
        }
    }
}
