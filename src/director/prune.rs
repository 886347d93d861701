//! Keeps what only grows within bounds: closed episodes, silences that are over, what is left of members and groups, and the history of a shared store.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use tokio::sync::watch;

use super::leftovers::Leftovers;
use crate::catalog::Catalog;
use crate::cluster::Rights;
use crate::model::WallMs;
use crate::store::records::SilenceRecord;
use crate::store::{Commit, Entry, Guard, Op, Store, StoreError, Term, decode, keys};

/// Closed episodes that are kept, the newest.
pub const PASTS: usize = 20_000;
/// How long a silence is shown after its end.
pub const SILENCES: Duration = Duration::from_secs(7 * 86_400);
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(600);

/// Prunes while this member directs, until `stop`.
pub async fn run(store: Store, catalog: Catalog, rights: watch::Receiver<Rights>, stop: CancellationToken) {
    let history = super::compact::run(store.clone(), rights.clone(), stop.clone());
    tokio::join!(records(store, catalog, rights, stop), history);
}

async fn records(store: Store, catalog: Catalog, rights: watch::Receiver<Rights>, stop: CancellationToken) {
    let mut leftovers = Leftovers::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(term) = rights.borrow().term else {
            leftovers = Leftovers::default();
            continue;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = catalog.loaded() => {}
        }
        match once(&store, &catalog, term, &mut leftovers, WallMs::now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "pruned"),
            Err(error) => tracing::warn!(%error, "cannot prune"),
        }
    }
}

/// Removes what is too much; how many records that was.
async fn once(
    store: &Store,
    catalog: &Catalog,
    term: Term,
    leftovers: &mut Leftovers,
    now: WallMs,
) -> Result<usize, StoreError> {
    let mut commits = leftovers.look(store, catalog, term).await?;
    // Keys of episodes sort by the time they began: the oldest come first.
    let (_, pasts) = store.list(&keys::pasts()).await?;
    let excess = pasts.len().saturating_sub(PASTS);
    commits.extend(pasts[..excess].iter().map(|entry| remove(term, entry)));
    let (_, silences) = store.list(&keys::silences()).await?;
    let over = |entry: &&Entry| decode::<SilenceRecord>(entry).is_ok_and(|at| now.since(at.value.until) > SILENCES);
    commits.extend(silences.iter().filter(over).map(|entry| remove(term, entry)));
    let outcomes = store.bulk(commits, |_| {}).await;
    Ok(outcomes.iter().filter(|outcome| outcome.revision().is_some()).count())
}

fn remove(term: Term, entry: &Entry) -> Commit {
    Commit {
        guards: vec![term.guard(), Guard::Rev(entry.key.clone(), entry.rev)],
        ops: vec![Op::Delete(entry.key.clone())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EpisodeId, MemberId, MonitorName};
    use crate::store::records::{FORMAT, MemberRecord};
    use crate::store::{Session, encode, in_memory};

    fn member() -> MemberRecord {
        MemberRecord::new(MemberId::parse("m").unwrap(), "disk", "boot")
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_episodes_and_the_fresh_silences_stay() {
        let (store, _faults) = in_memory();
        let session = Session::open(&store, member(), Duration::from_secs(6)).await.unwrap();
        let term = session.campaign().await.unwrap().unwrap();
        let name = MonitorName::parse("web").unwrap();
        let put = |key| Commit {
            guards: vec![],
            ops: vec![Op::Put(key, bytes::Bytes::from_static(b"{}"), None)],
        };
        let pasts = (0..PASTS as i64 + 3)
            .map(|i| put(keys::past(&name, EpisodeId(i))))
            .collect();
        store.bulk(pasts, |_| {}).await;
        let now = WallMs(1_800_000_000_000);
        for (id, ago) in [("old", SILENCES * 2), ("fresh", Duration::from_secs(60))] {
            let record = SilenceRecord {
                v: FORMAT,
                matchers: vec![],
                from: WallMs(0),
                until: now.minus(ago),
                author: String::new(),
                comment: String::new(),
                at: WallMs(0),
            };
            let op = Op::Put(keys::silence(id), encode(&record).unwrap(), None);
            store
                .commit(Commit {
                    guards: vec![],
                    ops: vec![op],
                })
                .await;
        }
        let (catalog, mut leftovers) = (Catalog::default(), Leftovers::default());
        assert_eq!(once(&store, &catalog, term, &mut leftovers, now).await.unwrap(), 4);
        let (_, left) = store.list(&keys::pasts()).await.unwrap();
        assert_eq!(left.len(), PASTS);
        assert_eq!(left[0].key, keys::past(&name, EpisodeId(3)));
        assert!(store.get(&keys::silence("fresh")).await.unwrap().is_some());
        assert!(store.get(&keys::silence("old")).await.unwrap().is_none());
        assert_eq!(once(&store, &catalog, term, &mut leftovers, now).await.unwrap(), 0);
    }
}
