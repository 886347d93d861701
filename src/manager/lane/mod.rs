//! A lane: one thread that owns a part of the monitors, their schedule and their runs.
//!
//! Monitors are dealt to lanes by hash. A lane shares nothing that is hot: its wheel, its connections and its checks live on one thread with
//! its own runtime, so a run never wakes another core. What it finds out goes to each monitor's [`Live`](crate::catalog::Live) cell and,
//! on a change of status only, to the recorder.

mod broken;
mod sums;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use super::command::{Command, Taken};

use sums::{EARLY, began, in_nanos, left_out, may_be_early, nanos, on_grid};

use super::alarm::Alarm;
use super::clock::{Clock, to_ms};
use super::ending::close;
use super::recorder::{Change, Recorder};
use super::runner;
use super::stats::LaneStats;
use crate::catalog::MonitorEntry;
use crate::cluster::tenures::Right;
use crate::config::definition::MonitorDef;
use crate::events::Events;
use crate::feed::{Feed, Signal};
use crate::model::{Closed, MonitorName, Outcome, Verdict, WallMs};
use crate::monitors::CheckCx;
use crate::schedule::{Grid, Skip, Wheel, first_delay, name_hash, slew};
use crate::state::{Judged, Policy};
use crate::tasks::Tasks;

/// Commands that wait for a lane, at most; senders wait when it is full.
pub const INBOX: usize = 1_024;
/// Commands taken in before the schedule is looked at again.
const BURST: usize = 256;
/// Due times farther away than this are looked at again on the way: the wall clock is right for years, the monotonic one for days.
const FAR: Duration = Duration::from_secs(30 * 86_400);

/// A monitor that another member ran, and nobody remembers when, is run within this time.
const UNKNOWN: Duration = Duration::from_secs(60);

/// Limits of one lane.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Checks in flight.
    pub in_flight: usize,
    /// Of these, for monitors whose last run did not pass: hung targets must not starve the healthy.
    pub failing: usize,
    /// Of these, of one kind.
    pub per_kind: usize,
}

struct Job {
    entry: Arc<MonitorEntry>,
    right: Arc<Right>,
    hash: u64,
    interval: Duration,
    in_flight: bool,
    /// The last run did not pass.
    failing: bool,
    /// Off the grid so far: the first run comes when it can.
    first: bool,
    /// Due at this wall time (Unix nanoseconds), too far away for the wheel: it wakes us to look at the wall clock again, not to run.
    far: Option<i128>,
    /// A step of it panicked: it is not run.
    broken: bool,
}

impl Job {
    /// Made anew each time: a remainder costs less than 32 bytes of every monitor.
    fn grid(&self) -> Grid {
        Grid::new(self.hash, self.interval)
    }
}

struct Done {
    slot: u32,
    entry: Arc<MonitorEntry>,
    due: WallMs,
    failing: bool,
    verdict: Verdict,
    took: Duration,
    asked: Option<oneshot::Sender<(Verdict, Duration)>>,
}

/// Everything that one lane owns.
pub struct Lane {
    clock: Clock,
    wheel: Wheel,
    jobs: Vec<Option<Job>>,
    free: Vec<u32>,
    by_name: HashMap<MonitorName, u32>,
    tasks: Tasks<Done>,
    limits: Limits,
    in_flight: usize,
    failing_in_flight: usize,
    kind_in_flight: HashMap<&'static str, usize>,
    cx: Arc<CheckCx>,
    recorder: Recorder,
    stats: Arc<LaneStats>,
    events: Events,
    feed: Feed,
    popped: Vec<(u64, u32)>,
}

impl Lane {
    /// A lane without monitors.
    #[must_use]
    pub fn new(
        clock: Clock,
        limits: Limits,
        cx: Arc<CheckCx>,
        recorder: Recorder,
        stats: Arc<LaneStats>,
        events: Events,
        feed: Feed,
    ) -> Self {
        Self {
            clock,
            wheel: Wheel::new(),
            jobs: Vec::new(),
            free: Vec::new(),
            by_name: HashMap::new(),
            tasks: Tasks::child_of(&CancellationToken::new()),
            limits,
            in_flight: 0,
            failing_in_flight: 0,
            kind_in_flight: HashMap::new(),
            cx,
            recorder,
            stats,
            events,
            feed,
            popped: Vec::new(),
        }
    }

    /// Runs until `stop`, or until nobody can send commands any more. Runs in flight then have `grace` to end; their verdicts still count.
    pub async fn run(
        mut self,
        mut alarm: Alarm,
        mut inbox: mpsc::Receiver<Command>,
        stop: CancellationToken,
        grace: Duration,
    ) {
        let mut burst = Vec::with_capacity(BURST);
        loop {
            let next = self.wheel.next_due().map(|due| self.clock.instant(due));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.tasks.next() => {
                    self.ended(ended);
                    while let Some(ended) = self.tasks.try_next() {
                        self.ended(ended);
                    }
                }
                () = wait(&mut alarm, next) => {}
                taken = inbox.recv_many(&mut burst, BURST) => {
                    if taken == 0 {
                        break;
                    }
                    for command in burst.drain(..) {
                        self.obey(command);
                    }
                }
            }
            self.fire();
        }
        let deadline = tokio::time::Instant::now() + grace;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.tasks.next()).await {
            self.ended(ended);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Put {
                entry,
                right,
                taken,
                arriving,
            } => self.step(&entry.clone(), |lane| lane.put(entry, right, taken, arriving)),
            Command::Remove { entry, why, taken } => self.step(&entry, |lane| lane.remove(&entry, why, taken)),
            Command::Ask { entry, reply } => self.ask(entry, reply),
        }
    }

    fn put(&mut self, entry: Arc<MonitorEntry>, right: Arc<Right>, taken: Option<Box<Taken>>, arriving: usize) {
        let Some(def) = entry.def() else { return };
        let (interval, measured) = (def.settings.interval.0, def.measured);
        let now = self.clock.now();
        // On phase, as it ran elsewhere; but what nobody remembers to have run lately is not waited for so long.
        let mut in_step = None;
        let mut ran = None;
        if let Some(mut taken) = taken {
            if let Some(results) = taken.moved.take() {
                // Who ran it does not say when: it did until the table was made.
                let half = i128::try_from(interval.as_nanos() / 2).unwrap_or(0);
                ran = taken.given.map(|given| in_nanos(given) - half);
                in_step = Some(if results.is_some() { Duration::MAX } else { UNKNOWN });
                if let Some(results) = results {
                    ran = results.samples().next_back().map(|last| began(&last)).or(ran);
                    entry.live().lock().results = results;
                }
            }
            self.take_over(&entry, &right, *taken, measured);
        }
        if let Some(&slot) = self.by_name.get(&entry.name) {
            let Some(job) = self.jobs[slot as usize].as_mut() else {
                return;
            };
            let before = std::mem::replace(&mut job.entry, entry.clone());
            let mended = std::mem::take(&mut job.broken);
            entry.live().lock().broken = false;
            job.right = right.clone();
            let measured_before = before.measured();
            if measured_before != Some(measured) {
                job.failing = false;
                let at = self.clock.wall_ms();
                close(&self.recorder, &self.feed, &entry, &right, at, Closed::Edited);
            } else {
                self.recorder.edited(entry.clone(), right);
            }
            let Some(job) = self.jobs[slot as usize].as_mut() else {
                return;
            };
            if job.interval != interval {
                job.interval = interval;
                self.place(slot, now, Duration::ZERO);
            } else if mended || measured_before != Some(measured) {
                // What is measured is new, or was not run at all: the operator waits for its first verdict.
                self.first(slot, now, arriving);
            }
            return;
        }
        // An episode of an earlier process, or of another judge: its definition may have been edited since.
        self.recorder.edited(entry.clone(), right.clone());
        let hash = name_hash(entry.name.as_str());
        let failing = {
            let mut live = entry.live().lock();
            live.known_at = Some(self.clock.wall_ms());
            live.left = None;
            live.broken = false;
            live.health.failures > 0
        };
        let job = Job {
            hash,
            interval,
            right,
            in_flight: false,
            failing,
            first: true,
            far: None,
            broken: false,
            entry: entry.clone(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.jobs.push(None);
            u32::try_from(self.jobs.len() - 1).unwrap_or(u32::MAX)
        });
        self.jobs[slot as usize] = Some(job);
        self.by_name.insert(entry.name.clone(), slot);
        self.stats.set_monitors(self.by_name.len());
        self.first(slot, now, arriving);
        if let Some(at_most) = in_step
            && let Some(job) = self.jobs[slot as usize].as_mut()
            && on_grid(job, self.clock.wall(), Duration::ZERO) <= at_most
            // What came due between its last run there and now is not missed: it runs soon, then in step.
            && !ran.is_some_and(|ran| left_out(job, ran, self.clock.wall()))
        {
            self.place(slot, now, Duration::ZERO);
        }
    }

    /// Goes on from where somebody else was. An episode of something else that was measured ends.
    fn take_over(&mut self, entry: &Arc<MonitorEntry>, right: &Arc<Right>, taken: Taken, measured: u64) {
        self.recorder.taken_over(&entry.name, taken.recorded);
        entry.live().lock().health = taken.health;
        if taken.measured.is_some_and(|before| before != measured) {
            let at = self.clock.wall_ms();
            close(&self.recorder, &self.feed, entry, right, at, Closed::Edited);
        }
    }

    /// The first run comes soon, spread so that many at once are no herd.
    fn first(&mut self, slot: u32, now: u64, arriving: usize) {
        let Some(job) = self.jobs[slot as usize].as_mut() else {
            return;
        };
        job.first = true;
        let wait = first_delay(job.hash, arriving, job.interval);
        Self::set(&mut self.wheel, &self.clock, job, slot, now, wait);
    }

    /// Places an entry on the grid by the wall clock, at least `after` from now.
    fn place(&mut self, slot: u32, now: u64, after: Duration) {
        let Some(job) = self.jobs[slot as usize].as_mut() else {
            return;
        };
        job.first = false;
        let wait = on_grid(job, self.clock.wall(), after);
        Self::set(&mut self.wheel, &self.clock, job, slot, now, wait);
    }

    /// Sets the next due time; one that is too far away is kept by the wall clock.
    fn set(wheel: &mut Wheel, clock: &Clock, job: &mut Job, slot: u32, now: u64, wait: Duration) {
        let wall = clock.wall();
        job.far = (wait > FAR).then(|| wall + i128::try_from(wait.as_nanos()).unwrap_or(i128::MAX));
        wheel.set(slot, now.saturating_add(nanos(wait.min(FAR))));
        job.entry.live().lock().next_due = Some(to_ms(wall).plus(wait));
    }

    fn remove(&mut self, entry: &Arc<MonitorEntry>, mut why: Option<Closed>, taken: Option<(Arc<Right>, Box<Taken>)>) {
        let mut right = None;
        if let Some(slot) = self.by_name.remove(&entry.name) {
            self.wheel.remove(slot);
            // Its run in flight, if any, ends by itself; the verdict finds no job and is dropped. The slot is free for others only then.
            let Some(job) = self.jobs[slot as usize].take() else {
                return;
            };
            if !job.in_flight {
                self.free.push(slot);
            }
            self.stats.set_monitors(self.by_name.len());
            let mut live = job.entry.live().lock();
            live.next_due = None;
            live.known_at = None;
            live.broken = false;
            drop(live);
            let measured = MonitorEntry::measured;
            if why.is_none() && measured(&job.entry) != measured(entry) {
                // Moved away by an edit of what is measured. Whoever judges it next closes the episode too, if somebody does: one of them is first.
                why = Some(Closed::Edited);
            }
            right = Some(job.right);
        }
        if let Some((by, taken)) = taken {
            self.recorder.taken_over(&entry.name, taken.recorded);
            entry.live().lock().health = taken.health;
            right = Some(by);
        }
        let Some(right) = right else { return };
        match why {
            Some(why) => close(&self.recorder, &self.feed, entry, &right, self.clock.wall_ms(), why),
            None => {
                // What is known of it is the next judge's to say.
                self.recorder.taken_over(&entry.name, None);
                let mut live = entry.live().lock();
                let before = std::mem::take(&mut live.health);
                if before.failures > 0 {
                    // Whoever judges it now counts on, and what is written down here is over.
                    self.recorder.soft_changed();
                }
                live.left = Some(Box::new((self.clock.wall_ms(), before)));
            }
        }
    }

    fn ask(&mut self, entry: Arc<MonitorEntry>, reply: oneshot::Sender<(Verdict, Duration)>) {
        self.start(u32::MAX, entry, WallMs::default(), false, Some(reply));
    }

    /// Starts what is due, and what soon will be.
    fn fire(&mut self) {
        let now = self.clock.now();
        let mut popped = std::mem::take(&mut self.popped);
        self.wheel.pop_due(now.saturating_add(nanos(EARLY)), &mut popped);
        if !popped.is_empty() {
            let wall = self.clock.wall();
            for (due, slot) in popped.drain(..) {
                let Some(entry) = self.jobs[slot as usize].as_ref().map(|job| job.entry.clone()) else {
                    continue;
                };
                self.step(&entry, |lane| lane.due(slot, due, now, wall));
            }
        }
        self.popped = popped;
    }

    fn due(&mut self, slot: u32, due: u64, now: u64, wall: i128) {
        let Some(job) = self.jobs[slot as usize].as_mut() else {
            return;
        };
        let skip = if job.in_flight {
            Some(Skip::InFlight)
        } else if self.in_flight >= self.limits.in_flight
            || (job.failing && self.failing_in_flight >= self.limits.failing)
            || job.entry.def().is_some_and(|def| {
                self.kind_in_flight
                    .get(def.kind.name)
                    .is_some_and(|n| *n >= self.limits.per_kind)
            })
        {
            Some(Skip::NoPermit)
        } else {
            None
        };
        let early = Duration::from_nanos(due.saturating_sub(now));
        if !early.is_zero() && (early > may_be_early(job.interval) || job.far.is_some() || skip.is_some()) {
            return self.wheel.set(slot, due);
        }
        if let Some(at) = job.far {
            let wait = Duration::from_nanos(u64::try_from(at - wall).unwrap_or(0));
            return Self::set(&mut self.wheel, &self.clock, job, slot, now, wait);
        }
        let late = Duration::from_nanos(now.saturating_sub(due));
        let due_wall = wall + i128::from(due) - i128::from(now);
        let distance = job.grid().distance(due_wall);
        let mut next = if std::mem::take(&mut job.first) {
            // From where the first run came the second goes to the grid; one that would follow at once is left out.
            now.saturating_add(nanos(on_grid(job, wall, job.interval / 2)))
        } else {
            due.saturating_add(slew(job.interval, distance))
        };
        let mut behind = 0;
        if next <= now {
            let step = nanos(job.interval).max(1);
            behind = (now - next) / step + 1;
            next = next.saturating_add(step.saturating_mul(behind));
        }
        Self::set(
            &mut self.wheel,
            &self.clock,
            job,
            slot,
            now,
            Duration::from_nanos(next - now),
        );
        {
            let mut live = job.entry.live().lock();
            if behind > 0 {
                live.ledger.skip(Skip::Behind, behind);
            }
            match skip {
                Some(why) => live.ledger.skip(why, 1),
                None => live.ledger.ran(late, job.interval),
            }
        }
        self.stats.account(skip, behind, late, job.interval);
        if skip.is_none() {
            job.in_flight = true;
            // Two members on the same phase name an episode alike: the due time is read off the grid where we are on it.
            let on_grid = distance.unsigned_abs() <= job.interval.as_nanos() / 100;
            let due = to_ms(if on_grid { due_wall - distance } else { due_wall });
            let (entry, failing) = (job.entry.clone(), job.failing);
            self.start(slot, entry, due, failing, None);
        }
    }

    fn start(
        &mut self,
        slot: u32,
        entry: Arc<MonitorEntry>,
        due: WallMs,
        failing: bool,
        asked: Option<oneshot::Sender<(Verdict, Duration)>>,
    ) {
        let Some(def) = entry.def() else { return };
        self.in_flight += 1;
        self.failing_in_flight += usize::from(failing);
        *self.kind_in_flight.entry(def.kind.name).or_default() += 1;
        let cx = self.cx.clone();
        self.tasks.spawn(async move {
            let (verdict, took) = match entry.def() {
                Some(def) => runner::run(def, &cx).await,
                None => (Verdict::pass(), Duration::ZERO),
            };
            Done {
                slot,
                entry,
                due,
                failing,
                verdict,
                took,
                asked,
            }
        });
    }

    fn ended(&mut self, ended: Result<Done, tokio::task::JoinError>) {
        // The runner catches a check's panic and nobody aborts a run: an error here is a defect, and costs one permit.
        let Ok(done) = ended else {
            tracing::error!("a run was lost");
            return;
        };
        self.in_flight -= 1;
        self.failing_in_flight -= usize::from(done.failing);
        if let Some(n) = done
            .entry
            .def()
            .and_then(|def| self.kind_in_flight.get_mut(def.kind.name))
        {
            *n -= 1;
        }
        if let Some(reply) = done.asked {
            // Whoever asked may have gone away; the answer is then nobody's.
            let _ = reply.send((done.verdict, done.took));
            return;
        }
        let same = |entry: &MonitorEntry| Arc::ptr_eq(entry.live(), done.entry.live());
        match self.jobs.get_mut(done.slot as usize) {
            Some(Some(job)) if same(&job.entry) => {
                job.in_flight = false;
                let (now, ran) = (job.entry.measured(), done.entry.measured());
                // A run belongs to the definition it was made under; if that measured something else, its verdict says nothing now.
                if now == ran && !job.broken {
                    if done.verdict.outcome != Outcome::Unknown {
                        job.failing = done.verdict.outcome != Outcome::Pass;
                    }
                    let (entry, right) = (job.entry.clone(), job.right.clone());
                    self.step(&entry, |lane| {
                        lane.judge(&entry, right, done.due, done.verdict, done.took)
                    });
                }
            }
            Some(None) => self.free.push(done.slot),
            _ => {}
        }
    }

    fn judge(&self, entry: &Arc<MonitorEntry>, right: Arc<Right>, due: WallMs, verdict: Verdict, took: Duration) {
        let Some(MonitorDef { settings, .. }) = entry.def() else {
            return;
        };
        let at = self.clock.wall_ms();
        let policy = Policy {
            warning: settings.warning_threshold,
            critical: settings.critical_threshold,
        };
        self.stats.verdict(verdict.outcome);
        let mut live = entry.live().lock();
        if verdict.outcome != Outcome::Unknown {
            live.known_at = Some(at);
        }
        let soft_before = live.health.failures;
        let run = Judged {
            due,
            at,
            outcome: verdict.outcome,
            message: &verdict.message,
        };
        // On a copy: should the step panic, the monitor stands as it did.
        let mut health = live.health.clone();
        let transition = health.step(run, policy);
        live.health = health;
        if let Some(transition) = &transition {
            live.results.changed(transition, &verdict.message);
        }
        let sample = live.results.add(at, took, verdict);
        let soft = soft_before != live.health.failures && live.health.episode.is_none();
        let health = transition.as_ref().map(|_| live.health.clone());
        drop(live);
        if soft {
            self.recorder.soft_changed();
        }
        if let (Some(transition), Some(health)) = (transition, health) {
            self.recorder.changed(Change {
                entry: entry.clone(),
                right,
                transition,
                health,
            });
            self.feed.tell(|| Signal::State(entry.name.clone()));
        }
        self.feed.tell(|| Signal::Run(entry.name.clone(), sample));
    }
}

async fn wait(alarm: &mut Alarm, next: Option<tokio::time::Instant>) {
    match next {
        Some(at) => alarm.until(at).await,
        None => std::future::pending().await,
    }
}
