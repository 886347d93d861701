//! One watch: a stream of its own, whole revisions, signs of life, and an end that is said when it can no longer promise completeness.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::proto::{PbEvent, PbWatchResponse};
use etcd_client::{WatchOptions, WatchStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::endpoints::{Endpoints, Line, Repeat};
use super::failure::{judge, refusal};
use super::space::{Space, number, revision};
use super::{LARGEST_ANSWER, REQUEST};
use crate::store::backend::{Batch, Change, Key, Revision, StoreError, WATCH_PROGRESS};

/// How often etcd is asked for a sign of life.
const ASK: Duration = Duration::from_millis(WATCH_PROGRESS.as_millis() as u64 / 2);
/// A stream that gave none for this long is dead, whatever its connection says.
const SILENCE: Duration = WATCH_PROGRESS.saturating_mul(2);
/// Batches that wait for the reader; then etcd waits.
const QUEUE: usize = 64;

type Sender = mpsc::Sender<Result<Batch, StoreError>>;

/// A watch that etcd has confirmed.
pub(super) struct Watch {
    stream: WatchStream,
    revisions: Revisions,
    endpoints: Arc<Endpoints>,
    at: usize,
    url: String,
}

impl Watch {
    /// Opens a stream and waits for etcd's word that it watches.
    pub(super) async fn open(
        endpoints: &Arc<Endpoints>,
        space: &Space,
        prefix: &Key,
        after: Revision,
    ) -> Result<(Self, Option<Batch>), StoreError> {
        let (start, end) = space.range(prefix);
        let mut options = WatchOptions::new()
            .with_start_revision(number(Revision(after.0.saturating_add(1))))
            .with_fragment();
        if let Some(end) = end {
            options = options.with_range(end);
        }
        let request = |client: etcd_client::Client| {
            let (start, options) = (start.clone(), options.clone());
            async move {
                let mut watching = client.watch_client().max_decoding_message_size(LARGEST_ANSWER);
                let mut stream = watching.watch(start, Some(options)).await?;
                let first = stream.message().await?;
                Ok((stream, first))
            }
        };
        let (at, (stream, first)) = endpoints
            .call(Line::Watches, Repeat::Harmless, REQUEST, request)
            .await
            .map_err(|failure| failure.error)?;
        let url = endpoints.url(at).to_owned();
        let Some(first) = first else {
            return Err(StoreError::Unavailable(format!("`{url}` ended the watch at once")));
        };
        let revisions = Revisions::new(space.clone(), after);
        if let Some(error) = revisions.end(&first.0, &url) {
            // To some versions an old token looks like a missing right.
            endpoints.forget_watcher(at);
            return Err(error);
        }
        let sign = Some(revisions.sign_of_life(&first.0)).filter(|sign| sign.at < after);
        let watch = Self {
            stream,
            revisions,
            endpoints: endpoints.clone(),
            at,
            url,
        };
        Ok((watch, sign))
    }

    /// A channel for what it says. Where the store has not reached what was asked for, that is its first word: it was wiped or restored.
    pub(super) fn channel(sign: Option<Batch>) -> (Sender, mpsc::Receiver<Result<Batch, StoreError>>) {
        let (to, changes) = mpsc::channel(QUEUE);
        if let Some(sign) = sign {
            // There is room: it is empty.
            let _ = to.try_send(Ok(sign));
        }
        (to, changes)
    }

    /// Passes changes on until the reader goes or the stream ends.
    pub(super) async fn run(mut self, to: Sender) {
        let mut ask = interval_at(Instant::now() + ASK, ASK);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let error = loop {
            tokio::select! {
                () = to.closed() => return,
                answer = self.stream.message() => {
                    let answer = match answer {
                        Ok(Some(answer)) => answer.0,
                        Ok(None) => break self.lost("ended the watch"),
                        Err(error) => {
                            self.endpoints.leave(self.at);
                            break judge(&error, &self.url).error;
                        }
                    };
                    if let Some(error) = self.revisions.end(&answer, &self.url) {
                        break error;
                    }
                    for batch in self.revisions.take(answer) {
                        if to.send(Ok(batch)).await.is_err() {
                            return;
                        }
                    }
                    heard = Instant::now();
                }
                _ = ask.tick() => {
                    if heard.elapsed() > SILENCE {
                        break self.lost("is silent");
                    }
                    if self.stream.request_progress().await.is_err() {
                        break self.lost("has closed the watch");
                    }
                }
            }
        };
        // A reader that is gone does not need to know.
        let _ = to.send(Err(error)).await;
    }

    /// The stream is gone; the next one is opened elsewhere.
    fn lost(&self, why: &str) -> StoreError {
        self.endpoints.leave(self.at);
        StoreError::Unavailable(format!("`{}` {why}", self.url))
    }
}

/// Answers of a watch in, whole revisions out. Pure.
#[derive(Debug)]
struct Revisions {
    space: Space,
    /// All up to here has been said.
    said: Revision,
    /// Of an answer whose other fragments are still to come.
    waiting: Vec<PbEvent>,
}

impl Revisions {
    fn new(space: Space, after: Revision) -> Self {
        Self {
            space,
            said: after,
            waiting: Vec::new(),
        }
    }

    /// Why etcd ends the watch, if it does.
    fn end(&self, answer: &PbWatchResponse, url: &str) -> Option<StoreError> {
        if answer.compact_revision > 0 {
            return Some(StoreError::Compacted(self.said));
        }
        if !answer.canceled {
            return None;
        }
        let text = format!("`{url}` ends the watch: {}", answer.cancel_reason);
        Some(refusal(&answer.cancel_reason, &text).unwrap_or(StoreError::Unavailable(text)))
    }

    /// Not the revision that etcd names, unless it is one before what was said (then the store has gone back): some versions name it before they
    /// have sent all changes up to it.
    fn sign_of_life(&self, answer: &PbWatchResponse) -> Batch {
        let newest = answer
            .header
            .as_ref()
            .map_or(self.said, |header| revision(header.revision));
        Batch {
            at: newest.min(self.said),
            changes: Vec::new(),
        }
    }

    fn take(&mut self, answer: PbWatchResponse) -> Vec<Batch> {
        if answer.events.is_empty() && !answer.fragment && self.waiting.is_empty() {
            return vec![self.sign_of_life(&answer)];
        }
        if answer.events.is_empty() && !self.waiting.is_empty() && answer.watch_id < 0 {
            // A sign of life between two fragments.
            return Vec::new();
        }
        self.waiting.extend(answer.events);
        if answer.fragment {
            return Vec::new();
        }
        let mut batches: Vec<Batch> = Vec::new();
        for event in std::mem::take(&mut self.waiting) {
            let (deleted, Some(kv)) = (event.r#type != 0, event.kv) else {
                continue;
            };
            let at = revision(kv.mod_revision);
            if at <= self.said {
                continue;
            }
            let change = if deleted {
                self.space.strip(&kv.key).map(Change::Deleted)
            } else {
                self.space.entry(kv).map(Change::Put)
            };
            let Some(change) = change else { continue };
            match batches.last_mut() {
                Some(batch) if batch.at == at => batch.changes.push(change),
                _ => batches.push(Batch {
                    at,
                    changes: vec![change],
                }),
            }
        }
        self.said = batches.last().map_or(self.said, |batch| batch.at);
        batches
    }
}

#[cfg(test)]
mod tests {
    use etcd_client::proto::{PbKeyValue, PbResponseHeader};
    use proptest::prelude::*;

    use super::*;

    fn revisions(after: u64) -> Revisions {
        Revisions::new(Space::new("/9volt/".to_owned()), Revision(after))
    }

    fn event(rev: i64, name: &str) -> PbEvent {
        PbEvent {
            kv: Some(PbKeyValue {
                key: format!("/9volt/silence/{name}").into_bytes(),
                create_revision: rev,
                mod_revision: rev,
                version: 1,
                value: b"x".to_vec(),
                lease: 0,
            }),
            ..PbEvent::default()
        }
    }

    fn answer(newest: i64, events: Vec<PbEvent>, fragment: bool) -> PbWatchResponse {
        PbWatchResponse {
            header: Some(PbResponseHeader {
                revision: newest,
                ..PbResponseHeader::default()
            }),
            events,
            fragment,
            ..PbWatchResponse::default()
        }
    }

    fn progress(newest: i64) -> PbWatchResponse {
        PbWatchResponse {
            watch_id: -1,
            ..answer(newest, Vec::new(), false)
        }
    }

    #[test]
    fn a_revision_in_fragments_is_said_when_it_is_whole() {
        let mut revisions = revisions(4);
        assert!(revisions.take(answer(5, vec![event(5, "a")], true)).is_empty());
        assert!(
            revisions.take(progress(5)).is_empty(),
            "in between it is no sign that all was said"
        );
        assert!(revisions.take(answer(5, vec![event(5, "b")], true)).is_empty());
        let batches = revisions.take(answer(5, vec![event(5, "c"), event(6, "d")], false));
        let sizes: Vec<_> = batches.iter().map(|batch| (batch.at.0, batch.changes.len())).collect();
        assert_eq!(sizes, [(5, 3), (6, 1)]);
    }

    #[test]
    fn a_sign_of_life_promises_no_more_than_was_said() {
        let mut revisions = revisions(4);
        let sign = |at| {
            vec![Batch {
                at: Revision(at),
                changes: Vec::new(),
            }]
        };
        assert_eq!(revisions.take(progress(9)), sign(4));
        revisions.take(answer(9, vec![event(7, "a")], false));
        assert_eq!(revisions.take(progress(9)), sign(7));
        assert_eq!(revisions.take(progress(3)), sign(3), "a store that went back says so");
    }

    #[test]
    fn the_end_says_why() {
        let revisions = revisions(4);
        let ended = |reason: &str, compacted| PbWatchResponse {
            canceled: true,
            cancel_reason: reason.to_owned(),
            compact_revision: compacted,
            ..PbWatchResponse::default()
        };
        assert_eq!(
            revisions.end(&ended("", 9), "a"),
            Some(StoreError::Compacted(Revision(4)))
        );
        let denied = revisions.end(
            &ended(
                "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
                0,
            ),
            "a",
        );
        assert!(matches!(denied, Some(StoreError::Denied(_))));
        assert!(matches!(
            revisions.end(&ended("etcdserver: no leader", 0), "a"),
            Some(StoreError::Unavailable(_))
        ));
        assert_eq!(revisions.end(&answer(5, vec![event(5, "a")], false), "a"), None);
    }

    #[test]
    fn what_is_no_key_of_ours_is_left_out() {
        let mut foreign = event(5, "a");
        if let Some(kv) = &mut foreign.kv {
            kv.key = b"/9volt/\xff".to_vec();
        }
        let batches = revisions(4).take(answer(5, vec![foreign, event(5, "b"), PbEvent::default()], false));
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].changes.len(), 1);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_revisions_come_out(
            sizes in prop::collection::vec(1_usize..5, 1..12),
            cuts in prop::collection::vec(any::<bool>(), 60),
        ) {
            let revs = sizes.iter().enumerate().flat_map(|(n, size)| std::iter::repeat_n(n as i64 + 5, *size));
            let events: Vec<PbEvent> = revs.enumerate().map(|(n, rev)| event(rev, &n.to_string())).collect();
            let mut whole = revisions(4).take(answer(99, events.clone(), false));
            let (mut revisions, mut said, mut part) = (revisions(4), Vec::new(), Vec::new());
            let last = events.len() - 1;
            for (n, event) in events.into_iter().enumerate() {
                part.push(event);
                if n == last || cuts[n] {
                    said.extend(revisions.take(answer(99, std::mem::take(&mut part), n != last)));
                }
            }
            prop_assert_eq!(&said, &whole);
            whole.dedup_by_key(|batch| batch.at);
            prop_assert_eq!(said.len(), sizes.len());
        }
    }
}
