//! Failures that are not yet a status: written down as one small record per member, so that a restart goes on counting.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::recorder::Recorder;
use crate::catalog::Catalog;
use crate::cluster::Rights;
use crate::model::{EpisodeId, MemberId, WallMs};
use crate::schedule::name_hash;
use crate::state::Health;
use crate::store::records::{FORMAT, MAX_STATE, Soft, SoftRecord};
use crate::store::{Commit, Guard, Key, Op, Revision, Session, Store, encode, keys};

/// Written at most this often, and only if it changed.
const EVERY: Duration = Duration::from_secs(5);
/// Soft failures in one record, newest first: what fits into a record of [`MAX_STATE`].
const MOST: usize = MAX_STATE / 96;

/// Writes the record until `stop`, and once more at the end.
pub async fn run(
    store: Store,
    member: MemberId,
    rights: watch::Receiver<Rights>,
    catalog: Catalog,
    recorder: Recorder,
    stop: CancellationToken,
) {
    let key = keys::soft(&member);
    // Not known until the store is asked.
    let mut rev = None;
    let mut under = None;
    loop {
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        // Without a session, and where the store does not take it: another try in five seconds, by how things stand then.
        let session = rights.borrow().session.clone();
        let lease = session.as_ref().map(|session| session.lease()).or(under);
        // What was written under another session may stand in another store: in the copy, or in what the copy is of.
        if std::mem::replace(&mut under, lease) != lease && rev.take().is_some() {
            recorder.soft_changed();
        }
        if recorder.take_soft_changed() {
            rev = match session {
                Some(session) => write(&store, &session, &key, rev, &catalog).await,
                None => None,
            };
            if rev.is_none() {
                recorder.soft_changed();
            }
        }
        if stopped {
            return;
        }
    }
}

/// Writes it once; the revision of what was written.
async fn write(
    store: &Store,
    session: &Session,
    key: &Key,
    rev: Option<Revision>,
    catalog: &Catalog,
) -> Option<Revision> {
    let rev = match rev {
        Some(rev) => rev,
        None => store.get(key).await.ok()?.map_or(Revision(0), |entry| entry.rev),
    };
    let record = SoftRecord {
        v: FORMAT,
        monitors: collect(catalog),
    };
    let commit = Commit {
        guards: vec![session.guard(), Guard::Rev(key.clone(), rev)],
        ops: vec![Op::Put(key.clone(), encode(&record).ok()?, None)],
    };
    store.commit(commit).await.revision()
}

fn collect(catalog: &Catalog) -> Vec<Soft> {
    let mut soft: Vec<_> = catalog
        .monitors()
        .iter()
        .filter_map(|entry| {
            let live = entry.known()?.lock();
            let health = &live.health;
            // Whoever runs it counts.
            live.known_at?;
            let first = health
                .first_failed
                .filter(|_| health.episode.is_none() && health.failures > 0)?;
            let measured = entry.measured()?;
            let due = live.results.samples().last().map_or(WallMs(first.0), |s| s.at);
            Some(Soft {
                hash: name_hash(entry.name.as_str()),
                failures: health.failures,
                hard: health.hard,
                first,
                due,
                measured,
            })
        })
        .collect();
    soft.sort_unstable_by_key(|s| std::cmp::Reverse(s.due));
    soft.truncate(MOST);
    soft
}

/// The soft failures that an earlier process or another member left.
#[derive(Debug, Default)]
pub struct LeftSoft(HashMap<u64, Soft>);

impl LeftSoft {
    /// As they were written by one more member. Of two counts of a monitor the newer one holds.
    pub fn add(&mut self, record: SoftRecord) {
        for soft in record.monitors {
            let newer = self.0.get(&soft.hash).is_none_or(|known| known.due < soft.due);
            if newer {
                self.0.insert(soft.hash, soft);
            }
        }
    }

    /// Whether it left none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes on counting where the earlier process stopped, if its last failed run was this monitor's previous or last but one, and of what
    /// is measured now.
    pub fn apply(&mut self, name: &str, measured: u64, interval: Duration, now: WallMs, health: &mut Health) {
        let Some(soft) = self.0.remove(&name_hash(name)) else {
            return;
        };
        let recent = now.since(soft.due) <= interval.saturating_mul(2).saturating_add(Duration::from_secs(1));
        if recent && soft.measured == measured && health.failures == 0 && health.episode.is_none() {
            health.failures = soft.failures;
            health.hard = soft.hard;
            health.first_failed = Some(EpisodeId(soft.first.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(due: i64) -> LeftSoft {
        let soft = Soft {
            hash: name_hash("web"),
            failures: 2,
            hard: 1,
            first: EpisodeId(5),
            due: WallMs(due),
            measured: 7,
        };
        let mut left = LeftSoft::default();
        left.add(SoftRecord {
            v: FORMAT,
            monitors: vec![soft],
        });
        left
    }

    #[test]
    fn a_count_goes_on_only_if_the_last_failed_run_was_recent() {
        let ten = Duration::from_secs(10);
        let mut health = Health::default();
        left(100_000).apply("web", 7, ten, WallMs(115_000), &mut health);
        assert_eq!(
            (health.failures, health.hard, health.first_failed),
            (2, 1, Some(EpisodeId(5)))
        );
        let mut health = Health::default();
        left(100_000).apply("web", 7, ten, WallMs(135_000), &mut health);
        assert_eq!(health, Health::default());
        left(100_000).apply("other", 7, ten, WallMs(100_001), &mut health);
        assert_eq!(health, Health::default());
        left(100_000).apply("web", 8, ten, WallMs(100_001), &mut health);
        assert_eq!(health, Health::default(), "something else is measured now");
    }
}
