//! Lets a shared store forget its history, but for the last hour of it: what watches begin from is younger, and etcd keeps all of it otherwise.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::cluster::Rights;
use crate::store::{Revision, Store, StoreError};

/// How often it is done.
const EVERY: Duration = Duration::from_secs(300);
/// History that is kept.
const KEPT: Duration = Duration::from_secs(3600);

/// Compacts while this member directs, until `stop`. A director that has just come knows no revision of an hour ago, and waits.
pub(super) async fn run(store: Store, rights: watch::Receiver<Rights>, stop: CancellationToken) {
    if store.shared_at().is_none() {
        // One's own store keeps what it wants.
        return stop.cancelled().await;
    }
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let directs = rights.borrow().term.is_some();
        match once(&store, &mut seen, Instant::now(), directs).await {
            Ok(None) => {}
            Ok(Some(upto)) => tracing::debug!(%upto, "history before this revision is forgotten"),
            Err(error) => tracing::warn!(%error, "the store's history cannot be compacted"),
        }
    }
}

/// Looks at the store's revision, and compacts to that of an hour ago; which that was.
async fn once(store: &Store, seen: &mut Seen, now: Instant, directs: bool) -> Result<Option<Revision>, StoreError> {
    // Everybody looks, so that the next director knows how old revisions are.
    let at = store.status().await?.at;
    let Some(upto) = seen.note(now, at).filter(|_| directs) else {
        return Ok(None);
    };
    match store.compact(upto).await {
        Ok(()) => Ok(Some(upto)),
        // Nothing has happened since, or somebody else has done it.
        Err(StoreError::Compacted(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Revisions of the last hour.
#[derive(Debug, Default)]
struct Seen(VecDeque<(Instant, Revision)>);

impl Seen {
    /// Takes note of a revision; the newest one that is an hour old, if there is one.
    fn note(&mut self, now: Instant, at: Revision) -> Option<Revision> {
        if self.0.back().is_some_and(|(_, last)| at < *last) {
            // A store that went back is another history.
            self.0.clear();
        }
        self.0.push_back((now, at));
        let mut upto = None;
        while let Some((_, at)) = self
            .0
            .front()
            .filter(|(seen, _)| now.duration_since(*seen) >= KEPT)
            .copied()
        {
            upto = Some(at);
            self.0.pop_front();
        }
        upto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn history_is_kept_for_an_hour_and_forgotten_by_whoever_has_seen_it_that_long() {
        let began = Instant::now();
        let mut seen = Seen::default();
        let mut forgotten = Vec::new();
        for n in 0..15u64 {
            let now = began + EVERY * n as u32;
            forgotten.extend(seen.note(now, Revision(100 * n)).map(|upto| (n, upto.0)));
        }
        assert_eq!(forgotten, [(12, 0), (13, 100), (14, 200)]);
        assert!(seen.0.len() <= 13);
        // It went back: nothing of before counts.
        assert_eq!(seen.note(began + EVERY * 15, Revision(5)), None);
        assert_eq!(seen.note(began + EVERY * 26, Revision(6)), None);
        assert_eq!(seen.note(began + EVERY * 27, Revision(7)), Some(Revision(5)));
    }
}
