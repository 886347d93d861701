//! The shell around the lanes: brings them news, does what they want, bounds how much at once.

mod arrivals;
mod commits;
mod deliveries;
mod desk;
mod fallback;
mod feeds;
mod retired;
mod rights;
mod show;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::gate::Gate;
use super::lane::{Action, Around, Lane, Now};
use super::limits::{ATTEMPT_DEADLINE, GRACE, MUTE_RECHECK};
use super::message::Sender;
use super::view::LaneKey;
use super::{NotifierOptions, NotifierView};
use crate::cluster::tenures::{Holding, News as RightsNews};
use crate::model::{AlerterName, WallMs};
use crate::silences::SilenceSet;
use crate::store::{Revision, keys};
use crate::tasks::Tasks;
use arrivals::Arrived;
use commits::{Job, Made, Stands};
use deliveries::{Batch, Delivered};
use desk::Desk;
use fallback::{Fallbacks, InPlace};
use feeds::Feeds;

/// A lane with what the shell keeps about it.
struct Slot {
    lane: Lane,
    timer: Option<Duration>,
    grant: Grant,
}

/// The permit that a lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    No,
    Alone,
    /// Together with others, for one digest.
    Batch(u64),
}

/// What a task of the worker brings back.
enum Done {
    Committed(Made),
    Arrived(Arrived),
    /// Both keys of a lane, for whoever worked its alerter then.
    Read(LaneKey, u64, Option<Box<Stands>>),
    Delivered(Delivered),
    InPlace(InPlace),
}

/// Why [`Worker::serve`] ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Asked,
    /// Begin anew: the store went back, or a task was lost.
    Anew,
}

pub(super) struct Worker {
    options: NotifierOptions,
    view: NotifierView,
    sender: Sender,
    started: Instant,
    tasks: Tasks<Done>,
    lanes: HashMap<LaneKey, Slot>,
    timers: BTreeSet<(Duration, LaneKey)>,
    desks: BTreeMap<AlerterName, Desk>,
    /// The alerter that was served last.
    turn: Option<AlerterName>,
    in_flight: usize,
    batches: HashMap<u64, Batch>,
    last_batch: u64,
    /// Lanes that would tell something and may not.
    withheld: HashSet<LaneKey>,
    fallbacks: Fallbacks,
    silences: SilenceSet,
    sweep_at: Duration,
    gate: Gate,
    rights: RightsNews,
    /// What the newest table gives us. Every alerter whose post is not [`desk::Post::Away`] is held by it, by the very right of its post: whatever is
    /// committed by its guards is ours to commit.
    holding: Option<Holding>,
    /// The store has refused it: a newer table, or a newer session, is on its way to us.
    refused: bool,
    anew: bool,
    last_stint: u64,
    /// Given to us, and to be read.
    to_arrive: BTreeSet<AlerterName>,
    /// Some are being read.
    arriving: bool,
    arrivals_fail: bool,
    /// Not before.
    arrive_at: Duration,
    jobs: VecDeque<Job>,
    /// Definitions of removed alerters that could not be removed; the next sweep tries again.
    to_retire: Vec<(AlerterName, Revision)>,
    committing: bool,
    to_read: VecDeque<LaneKey>,
    reading: usize,
    /// Newest revision that the outbox was seen at.
    outbox_at: Revision,
    /// It is followed: nothing that comes after a list of it is missed.
    outbox_known: bool,
}

impl Worker {
    pub(super) fn new(options: NotifierOptions, view: NotifierView) -> Self {
        Self {
            sender: Sender {
                cluster: options.cluster.clone(),
                member: options.member.to_string(),
                base_url: options.base_url.clone(),
            },
            rights: options.tenures.news(),
            options,
            view,
            started: Instant::now(),
            // Deliveries in flight are not told to stop: they are given time.
            tasks: Tasks::child_of(&CancellationToken::new()),
            lanes: HashMap::new(),
            timers: BTreeSet::new(),
            desks: BTreeMap::new(),
            turn: None,
            in_flight: 0,
            batches: HashMap::new(),
            last_batch: 0,
            withheld: HashSet::new(),
            fallbacks: Fallbacks::default(),
            silences: SilenceSet::default(),
            sweep_at: Duration::ZERO,
            gate: Gate::default(),
            holding: None,
            refused: false,
            anew: false,
            last_stint: 0,
            to_arrive: BTreeSet::new(),
            arriving: false,
            arrivals_fail: false,
            arrive_at: Duration::ZERO,
            jobs: VecDeque::new(),
            to_retire: Vec::new(),
            committing: false,
            to_read: VecDeque::new(),
            reading: 0,
            outbox_at: Revision(0),
            outbox_known: false,
        }
    }

    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let mut feeds = Feeds::new(&self.options.store);
        // Nothing is told before it is known who there is and what is silenced.
        if stop.run_until_cancelled(self.know(&mut feeds)).await.is_none() {
            return;
        }
        self.take_rights();
        while self.serve(&mut feeds, stop).await == Ended::Anew {
            // Nothing is to be recorded on top of what is not known any more; what attempts have shown is kept.
            self.refused = true;
            self.drain(ATTEMPT_DEADLINE + GRACE).await;
            (self.refused, self.anew) = (false, false);
            (feeds.outbox, self.outbox_known, self.outbox_at) = (None, false, Revision(0));
            self.forget_all();
            self.gate.answered();
            self.take_rights();
        }
        self.drain(GRACE).await;
    }

    async fn serve(&mut self, feeds: &mut Feeds, stop: &CancellationToken) -> Ended {
        loop {
            if self.rights.changed().now_or_never().is_some() {
                self.take_rights();
            }
            self.follow_outbox(feeds);
            self.tidy_retired();
            self.grant();
            self.start_arrivals();
            self.start_reads();
            self.start_commits();
            if self.anew {
                return Ended::Anew;
            }
            let wake = self.started + self.next_wake();
            tokio::select! {
                () = stop.cancelled() => return Ended::Asked,
                () = self.rights.changed() => self.take_rights(),
                Ok(()) = self.options.may_tell.changed() => self.look_at_withheld(),
                Some(done) = self.tasks.next() => {
                    if matches!(done, Ok(Done::Arrived(_))) {
                        // What has been said meanwhile of alerters is older than what was read of them.
                        while let Some(news) = feeds.next().now_or_never() {
                            self.take(news);
                        }
                    }
                    self.done(done);
                }
                news = feeds.next() => self.take(news),
                () = sleep_until(wake) => self.tick(),
            }
        }
    }

    /// Follows the outbox while any of it is ours.
    fn follow_outbox(&mut self, feeds: &mut Feeds) {
        if self.holding.is_some() == feeds.outbox.is_some() {
            return;
        }
        self.outbox_known = false;
        feeds.outbox = self
            .holding
            .is_some()
            .then(|| self.options.store.follow(&keys::outbox()));
    }

    /// Lets what is in flight end and be recorded; begins nothing.
    async fn drain(&mut self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        loop {
            self.start_reads();
            self.start_commits();
            if self.tasks.len() <= usize::from(self.arriving) {
                return;
            }
            match timeout_at(deadline, self.tasks.next()).await {
                Ok(Some(done)) => self.done(done),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn done(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Committed(made)) => self.committed(made),
            Ok(Done::Arrived(arrived)) => self.arrived(arrived),
            Ok(Done::Read(key, stint, stands)) => self.was_read(&key, stint, stands),
            Ok(Done::Delivered(delivered)) => self.delivered(delivered),
            Ok(Done::InPlace(told)) => self.told_in_place(told),
            Err(panic) => {
                // Whose it was is not known; beginning anew asks the store about everybody.
                error!(%panic, "a task of the notifier ended badly");
                self.anew = true;
            }
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: self.started.elapsed(),
            wall: WallMs::now(),
        }
    }

    fn next_wake(&self) -> Duration {
        let timer = self.timers.first().map(|(at, _)| *at);
        let now = self.started.elapsed();
        let pauses = self.desks.values().filter(|desk| !desk.ready.is_empty());
        let pause = pauses.filter_map(|desk| desk.pace.paused_until(now)).min();
        let arrive = (self.outbox_known && !self.arriving && !self.to_arrive.is_empty()).then_some(self.arrive_at);
        [timer, pause, arrive]
            .into_iter()
            .flatten()
            .fold(self.sweep_at.min(self.fallbacks.wake()), Duration::min)
    }

    /// Time has passed.
    fn tick(&mut self) {
        let now = self.now();
        while self.timers.first().is_some_and(|(at, _)| *at <= now.mono) {
            if let Some((_, key)) = self.timers.pop_first() {
                self.look(&key);
            }
        }
        if now.mono >= self.sweep_at {
            self.sweep();
        }
        if now.mono >= self.fallbacks.wake() {
            self.tell_fallbacks();
        }
    }

    /// Looks at every lane: a silence began or ended, a wall clock was set, a queue was long.
    fn sweep(&mut self) {
        let now = self.now();
        let change = self.silences.next_change(now.wall).map(|at| at.since(now.wall));
        self.sweep_at = now.mono + change.map_or(MUTE_RECHECK, |wait| wait.min(MUTE_RECHECK));
        self.expire_retired(now);
        let again = std::mem::take(&mut self.to_retire).into_iter();
        self.jobs.extend(again.map(|(name, rev)| Job::Retired(name, rev)));
        self.look_at_all();
    }

    fn look_at_all(&mut self) {
        let keys: Vec<_> = self.lanes.keys().cloned().collect();
        for key in keys {
            self.look(&key);
        }
    }

    /// What was withheld may perhaps be told now.
    fn look_at_withheld(&mut self) {
        for key in std::mem::take(&mut self.withheld) {
            self.look(&key);
        }
    }

    /// Does what a lane wants.
    fn look(&mut self, key: &LaneKey) {
        let now = self.now();
        let store = self.gate.now(now.mono);
        let waits = self.proof().is_none();
        let Some(slot) = self.lanes.get_mut(key) else { return };
        if let Some(at) = slot.timer.take() {
            self.timers.remove(&(at, key.clone()));
        }
        if slot.lane.busy() {
            return;
        }
        let Some(desk) = self.desks.get_mut(&key.0) else { return };
        if waits || !desk.is_here() {
            // Looked at again when it may do something.
            self.report(key);
            return self.show(key, now);
        }
        let may_tell = self.options.may_tell.borrow().allows(&key.1, Instant::now());
        if !may_tell && slot.lane.wanted().is_some() {
            self.withheld.insert(key.clone());
        }
        let around = Around {
            may_tell,
            alerter: desk.alerter_now(),
            muted: muted(&self.silences, key, &slot.lane, now).is_some(),
            granted: slot.grant != Grant::No,
            paused: desk.pace.failing(),
            store,
        };
        let action = slot.lane.next(now, around);
        let grant = slot.grant;
        match action {
            Action::Commit(write) => self.jobs.push_back(Job::Lane(key.clone(), write)),
            Action::Read => self.to_read.push_back(key.clone()),
            Action::Attempt(message) => self.attempt(key, *message, grant),
            Action::Ready => {
                desk.enqueue(&key.1);
                self.release(key);
            }
            Action::Wait(until) => {
                if let Some(until) = until.filter(|until| *until > now.mono) {
                    slot.timer = Some(until);
                    self.timers.insert((until, key.clone()));
                }
                self.release(key);
            }
            Action::Gone => {
                self.release(key);
                self.report(key);
                self.lanes.remove(key);
            }
        }
        self.report(key);
        self.show(key, now);
    }
}

/// The silence that mutes what a lane wants to tell, and until when.
fn muted(silences: &SilenceSet, key: &LaneKey, lane: &Lane, now: Now) -> Option<(String, WallMs)> {
    let wanted = lane.wanted().filter(|wanted| wanted.status.is_bad())?;
    let (id, until) = silences.muted_by(key.1.as_str(), &wanted.tags, &wanted.kind, now.wall)?;
    Some((id.to_owned(), until))
}
