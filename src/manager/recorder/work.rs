//! The work of the recorder: from what was handed in to what the store holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::super::commits::{self, Pending, Recorded};
use super::{Recorder, Waiting};
use crate::catalog::{Catalog, MonitorEntry};
use crate::cluster::tenures::{Holding, Tenures};
use crate::events::{EventKind, Events};
use crate::feed::{Feed, Signal};
use crate::model::{Group, MonitorName, Status, WallMs};
use crate::state::Transition;
use crate::store::records::{Checkpoint, slot};
use crate::store::{Commit, Op, Outcome, Refusal, Revision, Store, StoreError, decode, keys};

/// A monitor that was not quiet commits at most this often.
const QUIET: Duration = Duration::from_secs(1);
/// Monitors in one batch.
const BATCH: usize = 60;
/// How long an answer is waited for before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wait after a store that takes nothing.
const RETRY: Duration = Duration::from_millis(500);
/// The same while stopping, when the time is short.
const RETRY_ENDING: Duration = Duration::from_millis(50);

impl Recorder {
    /// Records until `stop`; then what can be recorded within `grace`.
    pub async fn run(self, shell: Shell, stop: CancellationToken, grace: Duration) {
        let mut news = shell.tenures.news();
        let mut work = Work {
            recorder: self,
            shell,
            recorded: HashMap::new(),
            last_commit: HashMap::new(),
            in_doubt: BTreeMap::new(),
        };
        let mut end: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if end.is_none() && stop.is_cancelled() {
                end = Some(now + grace);
            }
            if end.is_some_and(|end| now > end) {
                tracing::warn!(monitors = work.recorder.pending(), "stopped with unrecorded changes");
                return;
            }
            let pursued = work.pursue().await;
            let (batch, wait) = work.take_batch(now, end.is_some());
            let idle = batch.is_empty() && pursued.is_none();
            if idle && end.is_some() {
                return;
            }
            let recorded = work.send(batch).await;
            if idle {
                let wait = now + wait.unwrap_or(Duration::from_secs(3600));
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = work.recorder.inner.wake.notified() => {}
                    () = news.changed() => {}
                    () = tokio::time::sleep_until(wait) => {}
                }
            } else if !(recorded || pursued == Some(true)) {
                tokio::time::sleep(if end.is_some() { RETRY_ENDING } else { RETRY }).await;
            }
        }
    }
}

/// What the work needs.
pub struct Shell {
    /// Where to record.
    pub store: Store,
    /// By which right.
    pub tenures: Tenures,
    /// To look up newer definitions.
    pub catalog: Catalog,
    /// To tell people.
    pub events: Events,
    /// To tell pages.
    pub feed: Feed,
}

struct Work {
    recorder: Recorder,
    shell: Shell,
    /// What the store holds of monitors with an open episode.
    recorded: HashMap<MonitorName, Recorded>,
    last_commit: HashMap<MonitorName, Instant>,
    /// Sent, and nobody knows what became of it. Nothing else is sent for these monitors.
    in_doubt: BTreeMap<MonitorName, Sent>,
}

/// A commit on its way.
struct Sent {
    name: MonitorName,
    pending: Pending,
    commit: Commit,
    after: Option<Recorded>,
    /// When it was sent first.
    since: Instant,
    /// An earlier copy of it may have been made.
    in_doubt: bool,
}

impl Work {
    /// Forgets what was under way of monitors that were taken over or given up. To be called before anything is sent.
    fn take_over(&mut self, waiting: &mut Waiting) {
        if waiting.taken_over.is_empty() {
            return;
        }
        for (name, recorded) in waiting.taken_over.drain() {
            self.in_doubt.remove(&name);
            waiting.sent.remove(&name);
            match recorded {
                Some(recorded) => self.recorded.insert(name, recorded),
                None => self.recorded.remove(&name),
            };
        }
        self.count_doubts();
        if waiting.pending.is_empty() && self.in_doubt.is_empty() {
            // Nothing is left that the store did not take.
            self.works();
        }
    }

    fn count_doubts(&self) {
        let in_doubt = u64::try_from(self.in_doubt.len()).unwrap_or(u64::MAX);
        self.recorder.inner.in_doubt.store(in_doubt, Relaxed);
        *self.recorder.inner.unanswered.lock() = self.in_doubt.values().map(|sent| sent.since).min();
    }

    /// The next batch: of one group, whose right is held; and how long until there may be more.
    fn take_batch(&mut self, now: Instant, ending: bool) -> (Vec<Sent>, Option<Duration>) {
        self.last_commit.retain(|_, at| now.duration_since(*at) < QUIET);
        let mut batch: Vec<Sent> = Vec::new();
        let mut wait: Option<Duration> = None;
        let mut names = Vec::new();
        let mut over = Vec::new();
        let recorder = self.recorder.clone();
        let mut waiting = recorder.inner.waiting.lock();
        self.take_over(&mut waiting);
        let mut holding: Option<(&Group, Holding)> = None;
        for (name, pending) in &waiting.pending {
            if self.in_doubt.contains_key(name) {
                continue;
            }
            if let Some(at) = self.last_commit.get(name).filter(|_| !ending) {
                let left = QUIET.saturating_sub(now.duration_since(*at));
                wait = Some(wait.map_or(left, |w| w.min(left)));
                continue;
            }
            let group = &pending.right.group;
            if holding.is_none() {
                holding = self.shell.tenures.holding(group).map(|holding| (group, holding));
            }
            let held = match &holding {
                Some((of, holding)) if *of == group => holds(holding, pending),
                // The next batch's, if it is held.
                _ if self.shell.tenures.right(group, name.as_str()).as_ref() == Some(&pending.right) => continue,
                _ => false,
            };
            if held {
                names.push(name.clone());
            } else {
                over.push(name.clone());
            }
            if names.len() == BATCH {
                break;
            }
        }
        for name in over {
            // A table took it away; what is to be said of it is said by whoever it was given to.
            waiting.pending.remove(&name);
            self.recorded.remove(&name);
        }
        for name in names {
            let Some(pending) = waiting.pending.remove(&name) else {
                continue;
            };
            let recorded = self.recorded.get(&name).cloned().unwrap_or_default();
            match commits::commit(&pending, &recorded) {
                Ok(Some((commit, after))) => {
                    self.last_commit.insert(name.clone(), now);
                    waiting.sent.insert(name.clone());
                    batch.push(Sent {
                        name,
                        pending,
                        commit,
                        after,
                        since: now,
                        in_doubt: false,
                    });
                }
                Ok(None) => {}
                Err(error) => self.give_up(&name, &error),
            }
        }
        (batch, wait)
    }

    /// Sends again what nobody knows the outcome of. `None`: there is nothing of that; else whether something came of it.
    async fn pursue(&mut self) -> Option<bool> {
        if self.in_doubt.is_empty() {
            return None;
        }
        let recorder = self.recorder.clone();
        self.take_over(&mut recorder.inner.waiting.lock());
        let group = self
            .in_doubt
            .values()
            .next()
            .map(|sent| sent.pending.right.group.clone());
        let same = self
            .in_doubt
            .values()
            .filter(|sent| Some(&sent.pending.right.group) == group.as_ref());
        let names: Vec<_> = same.take(BATCH).map(|sent| sent.name.clone()).collect();
        let batch = names.iter().filter_map(|name| self.in_doubt.remove(name)).collect();
        Some(self.send(batch).await)
    }

    /// Commits a batch of one group. `false` when the store took nothing.
    async fn send(&mut self, mut batch: Vec<Sent>) -> bool {
        let Some(first) = batch.first() else { return false };
        let recorder = self.recorder.clone();
        let holding = self.shell.tenures.holding(&first.pending.right.group);
        // Guards and slots of one and the same table: by the next one's guard a change of a slot that it took away would pass.
        batch.retain(|sent| {
            let held = holding.as_ref().is_some_and(|holding| holds(holding, &sent.pending));
            if !held {
                self.recorded.remove(&sent.name);
            }
            held
        });
        let outcomes = match holding {
            Some(holding) => {
                let guards = holding.tenure().guards();
                let commits = batch.iter().map(|sent| sent.commit.clone()).collect();
                timeout(PATIENCE, self.shell.store.commit_all(&guards, commits)).await
            }
            None => Ok(Vec::new()),
        };
        let outcomes = outcomes.unwrap_or_else(|_| {
            let error = StoreError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()));
            vec![Outcome::Unknown(error); batch.len()]
        });
        let mut took = false;
        for (sent, outcome) in batch.into_iter().zip(outcomes) {
            took |= self.settled(sent, outcome).await;
        }
        let doubtful = |name: &MonitorName| self.in_doubt.contains_key(name);
        recorder.inner.waiting.lock().sent.retain(doubtful);
        self.count_doubts();
        took
    }

    async fn settled(&mut self, sent: Sent, outcome: Outcome) -> bool {
        if self.recorder.inner.waiting.lock().taken_over.contains_key(&sent.name) {
            // Taken over or given up while this was on its way: what came of it was read then, or is the next judge's to read.
            return true;
        }
        match outcome {
            Outcome::Done(rev) => self.done(sent, rev),
            Outcome::Refused(refusal) if sent.in_doubt => match made(&self.shell.store, &sent).await {
                Ok(Some(rev)) => self.done(sent, rev),
                // None of its copies was made, and none will be, by the same guards.
                Ok(None) => return self.refused(sent, refusal).await,
                Err(error) => return self.doubt(sent, &error),
            },
            Outcome::Refused(refusal) => return self.refused(sent, refusal).await,
            Outcome::Failed(error @ StoreError::Invalid(_)) => self.give_up(&sent.name, &error),
            Outcome::Failed(error) if !sent.in_doubt => {
                self.in_trouble(&error);
                self.recorder.put_back(sent.name, sent.pending);
                return false;
            }
            Outcome::Failed(error) | Outcome::Unknown(error) => return self.doubt(sent, &error),
        }
        true
    }

    fn done(&mut self, sent: Sent, rev: Revision) {
        self.works();
        self.recorder.inner.commits.fetch_add(1, Relaxed);
        self.tell(&sent.pending);
        match sent.after {
            Some(after) => self.recorded.insert(sent.name, Recorded { rev, ..after }),
            None => self.recorded.remove(&sent.name),
        };
    }

    fn doubt(&mut self, sent: Sent, error: &StoreError) -> bool {
        self.in_trouble(error);
        let in_doubt = true;
        self.in_doubt.insert(sent.name.clone(), Sent { in_doubt, ..sent });
        false
    }

    async fn refused(&mut self, sent: Sent, refusal: Refusal) -> bool {
        self.works();
        let Sent { name, mut pending, .. } = sent;
        if refusal == Refusal::Own
            && let Err(error) = self.reload(&name, &mut pending).await
        {
            tracing::warn!(monitor = %name, %error, "cannot read what a refused change builds on");
        }
        // By the shared right: the tables, once read, say whether this is still ours to record.
        self.recorder.put_back(name, pending);
        // What it waits for comes from elsewhere, and takes a moment.
        false
    }

    /// A commit was refused by its own guards: what it builds on has changed. Looks, so that what still holds is recorded anew.
    async fn reload(&mut self, name: &MonitorName, pending: &mut Pending) -> Result<(), StoreError> {
        let opened = !self.recorded.contains_key(name);
        match self.shell.store.get(&keys::checkpoint(name)).await? {
            Some(entry) => match decode::<Checkpoint>(&entry) {
                Ok(at) => {
                    let (recorded, _) = commits::restore(at.rev, &at.value);
                    self.recorded.insert(name.clone(), recorded);
                }
                Err(error) => {
                    tracing::warn!(%error, "a checkpoint is written over");
                    self.recorded.entry(name.clone()).or_default().rev = entry.rev;
                }
            },
            None => drop(self.recorded.remove(name)),
        }
        let there = self.shell.store.get(&keys::monitor(name)).await?;
        let newest = there.map_or(Revision(0), |entry| entry.rev);
        if newest == pending.definition {
            // Then the past is what refused it; and as no copy of this commit was made, that is another episode's.
            pending.anew = opened && !self.recorded.contains_key(name);
            return Ok(());
        }
        if newest == Revision(0) && pending.health.episode.is_none() {
            // Gone, and its episode over: that holds whatever ended it.
            pending.definition = newest;
            return Ok(());
        }
        let Some(known) = self
            .shell
            .catalog
            .monitor(name.as_str())
            .filter(|known| known.rev == newest)
        else {
            // Gone, or not read yet: whoever judges will say what becomes of the episode.
            return Ok(());
        };
        let measured = |entry: &MonitorEntry| entry.measured();
        if !known.readable() {
            // It cannot be read: the older definition stands for it.
            pending.definition = newest;
        } else if pending.health.episode.is_none() || measured(&known) == measured(&pending.entry) {
            pending.definition = newest;
            // Of one that was moved away only an outline may be left; what ended is told by the definition that it was judged by.
            if !known.is_outline() {
                pending.entry = known;
            }
        }
        // Else something else is measured now: the lane, when it takes the new definition, ends the episode of this one.
        Ok(())
    }

    fn in_trouble(&self, error: &StoreError) {
        let text = error.to_string();
        let first = self.recorder.inner.trouble.lock().replace(text.clone()).is_none();
        if first {
            tracing::error!(
                error = text,
                "the store does not take changes; checks go on, changes are kept in memory"
            );
            let text = format!("the store does not take changes: {text}; checks go on");
            self.shell.events.record(EventKind::Error, WallMs::now(), None, text);
        }
    }

    fn works(&self) {
        if self.recorder.inner.trouble.lock().take().is_some() {
            tracing::info!("the store takes changes again");
        }
    }

    /// What no store would take is not tried again: it would stand in the way of what comes after it.
    fn give_up(&self, name: &MonitorName, error: &StoreError) {
        tracing::error!(monitor = %name, %error, "a change cannot be recorded");
        let text = format!("a change of {name} cannot be recorded, nobody is told of it: {error}");
        self.shell
            .events
            .record(EventKind::Error, WallMs::now(), Some(name), text);
    }

    fn tell(&self, pending: &Pending) {
        let name = &pending.entry.name;
        for t in &pending.transitions {
            let text = describe(name, t);
            if t.from == Status::Pending && t.to == Status::Ok {
                continue;
            }
            tracing::info!(monitor = %name, from = %t.from, to = %t.to, runs = t.count, "status changed");
            self.shell.events.record(EventKind::Status, t.at, Some(name), text);
        }
        self.shell.feed.tell(|| Signal::Incident(name.clone()));
    }
}

/// Whether the table that this is of still gives the monitor to us by the right that it was judged by.
fn holds(holding: &Holding, pending: &Pending) -> bool {
    holding.right(slot(pending.entry.name.as_str())) == Some(&pending.right)
}

/// Whether a copy of this commit was made, and at which revision. Its outbox entries say nothing: the notifier may have dealt with them
/// since. Checkpoint and past are the judge's alone.
async fn made(store: &Store, sent: &Sent) -> Result<Option<Revision>, StoreError> {
    let mut rev = Revision(0);
    let outbox = keys::outbox();
    for op in sent.commit.ops.iter().filter(|op| !outbox.covers(op.key())) {
        match (op, store.get(op.key()).await?) {
            (Op::Put(key, value, _), Some(entry)) if entry.value == *value => {
                if *key == keys::checkpoint(&sent.name) {
                    rev = entry.rev;
                }
            }
            (Op::Delete(_), None) => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(rev))
}

fn describe(name: &MonitorName, t: &Transition) -> String {
    let message = t.episode.as_ref().map_or("", |e| e.message.as_str());
    match t.closed {
        Some(closed) => format!(
            "{name} is ok again ({}) after {} from {}",
            closed.as_str(),
            runs(t.count),
            t.from
        ),
        None => format!(
            "{name} went from {} to {} after {}: {message}",
            t.from,
            t.to,
            runs(t.count)
        ),
    }
}

fn runs(n: u32) -> String {
    if n == 1 {
        "1 failed run".to_owned()
    } else {
        format!("{n} failed runs")
    }
}
