//! Everything that a copy holds, back into a store that has lost it.
//!
//! Whoever does it holds a claim, which hangs on a lease: one at a time, and who dies leaves nothing behind but what was written, which the next one goes on with. The
//! store gets the id that all know in the last commit, so nobody takes it for whole before.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{Claim, Decided, SETTLE, Undecided, meanwhile, said};
use crate::model::{MemberId, WallMs};
use crate::store::records::{FORMAT, StoreRecord, Table};
use crate::store::transfer::{Export, travels};
use crate::store::{
    Commit, Entry, Guard, Key, LeaseId, Op, Outcome, Revision, Store, StoreError, decode, encode, keys, seat_value,
};

/// Time after which somebody else may go on.
const CLAIMED: Duration = Duration::from_secs(30);
/// Attempts at the last commit: somebody may begin to use the store meanwhile, and give it another id.
const ATTEMPTS: usize = 5;

/// Makes the store hold what the copy does, and be the known one.
pub(super) async fn restore(
    there: &Store,
    copy: &Store,
    known: &StoreRecord,
    rev: Revision,
    me: &MemberId,
) -> Result<Decided, Undecided> {
    let lease = there.grant(CLAIMED).await?.id;
    let claim = Claim {
        v: FORMAT,
        member: me.clone(),
        at: WallMs::now(),
    };
    let commit = Commit {
        guards: vec![Guard::Rev(keys::store(), rev), Guard::Absent(keys::restoring())],
        ops: vec![Op::Put(keys::restoring(), encode(&claim)?, Some(lease))],
    };
    let restored = match there.settle(&[], commit, Instant::now() + SETTLE).await {
        Outcome::Done(_) => tokio::select! {
            restored = write(there, copy, known, Guard::Lease(keys::restoring(), lease)) => restored,
            never = keep(there, lease) => match never {},
        },
        Outcome::Refused(_) => Err(meanwhile(there).await),
        Outcome::Failed(error) | Outcome::Unknown(error) => Err(error.into()),
    };
    // It ends by itself if this does not come through.
    let _ = there.revoke(lease).await;
    restored
}

/// Keeps the claim, as far as the store answers: if it is lost the commits are refused.
async fn keep(there: &Store, lease: LeaseId) -> Infallible {
    loop {
        sleep(CLAIMED / 3).await;
        if let Err(error) = there.keep_alive(lease).await {
            tracing::warn!(%error, "cannot keep the claim to write the copy back");
        }
    }
}

async fn write(there: &Store, copy: &Store, known: &StoreRecord, claim: Guard) -> Result<Decided, Undecided> {
    let (_, entries) = there.list(&keys::all()).await?;
    let changes = changes(wanted(copy).await?, entries, &claim);
    let removed = changes
        .iter()
        .filter(|change| matches!(change.ops[..], [Op::Delete(_)]))
        .count();
    let written = changes.len() - removed;
    tracing::info!(written, removed, "writing the copy back into the store");
    for outcome in there.bulk(changes, |_| {}).await {
        match outcome {
            Outcome::Done(_) => {}
            Outcome::Refused(_) => return Err(meanwhile(there).await),
            Outcome::Failed(error) | Outcome::Unknown(error) => return Err(error.into()),
        }
    }
    for _ in 0..ATTEMPTS {
        let (rev, found) = said(there).await?;
        // Who began to use it meanwhile goes along.
        let record = match &found {
            Some(found) if found.id != known.id => known.following(found),
            _ => known.clone(),
        };
        let commit = Commit {
            guards: vec![claim.clone(), Guard::Rev(keys::store(), rev)],
            ops: vec![
                Op::Put(keys::store(), encode(&record)?, None),
                Op::Delete(keys::restoring()),
            ],
        };
        match there.settle(&[], commit, Instant::now() + SETTLE).await {
            Outcome::Done(_) => {
                return Ok(Decided {
                    store: record.id,
                    written,
                    removed,
                });
            }
            Outcome::Refused(_) => {}
            Outcome::Failed(error) | Outcome::Unknown(error) => return Err(error.into()),
        }
    }
    Err(meanwhile(there).await)
}

/// All that the store is to hold: what a copy has of it, and the plan with the rights that it gives, so that nothing moves.
pub(super) async fn wanted(copy: &Store) -> Result<BTreeMap<Key, Bytes>, StoreError> {
    let records = Export::of(copy).all().await?;
    let mut wanted: BTreeMap<Key, Bytes> = records.into_iter().map(|record| (record.key, record.value)).collect();
    let (_, plans) = copy.list(&keys::plans()).await?;
    wanted.extend(plan(plans));
    Ok(wanted)
}

/// Tables, and the seats that they give. On a copy the seat of its member is another one.
fn plan(entries: Vec<Entry>) -> Vec<(Key, Bytes)> {
    let mut records = Vec::new();
    for entry in entries {
        let Some(group) = keys::group(&entry.key) else { continue };
        // One that cannot be read gives nothing to anybody; the director makes another.
        if let Ok(table) = decode::<Table>(&entry) {
            let stamps = table.value.stamps.iter();
            records.extend(stamps.map(|(member, stamp)| (keys::seat(&group, member), seat_value(stamp))));
            records.push((entry.key, entry.value));
        }
    }
    records
}

/// Whether a copy says what there is of a key: not of what it does not hold, nor of what hangs on a lease.
fn is_known_of(entry: &Entry) -> bool {
    let key = &entry.key;
    let elsewhere = [keys::pasts(), keys::softs()];
    let copied = travels(key) && !elsewhere.iter().any(|prefix| prefix.covers(key));
    entry.lease.is_none() && (copied || keys::plans().covers(key))
}

/// What makes a store hold what is wanted, each change only while the claim holds.
pub(super) fn changes(wanted: BTreeMap<Key, Bytes>, there: Vec<Entry>, claim: &Guard) -> Vec<Commit> {
    let named: BTreeSet<Key> = wanted.keys().cloned().collect();
    let there: BTreeMap<Key, Entry> = there.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
    let change = |key: &Key, op: Op| Commit {
        guards: vec![claim.clone(), Guard::Rev(key.clone(), super::rev(there.get(key)))],
        ops: vec![op],
    };
    let puts = wanted.into_iter().filter(|(key, value)| {
        let known = there.get(key);
        known.is_none_or(|entry| entry.value != *value || entry.lease.is_some())
    });
    let puts = puts.map(|(key, value)| change(&key, Op::Put(key.clone(), value, None)));
    let gone = there
        .values()
        .filter(|entry| is_known_of(entry) && !named.contains(&entry.key));
    let gone = gone.map(|entry| change(&entry.key, Op::Delete(entry.key.clone())));
    puts.chain(gone).collect()
}
