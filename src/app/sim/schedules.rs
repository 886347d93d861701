//! Schedules of things that happen by chance, the same for a seed: the driver of [`super::chaos`] and [`super::storm`].
//!
//! A seed that fails is printed with all that was done. `NINEVOLT_SEED=17` (the name is [`Schedule::SEED`]) runs that schedule again, some times over,
//! because what happens in one and the same instant is the runtime's to order; `NINEVOLT_SOAK=100000` ([`Schedule::MORE`]) runs that many more.

use std::fmt::{Debug, Display};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use super::check;
use super::member::Member;
use super::stage::{Target, stage};
use super::world::{World, target};
use crate::store::keys;

/// Times that a given seed is run.
const AGAIN: u64 = 20;
/// The first seed of a soak: none that an ordinary test runs.
const SOAK: u64 = 1_000_000;
/// All must be well within this time after the last fault: longer than the longest backoff, and than a member that was often lost waits.
const SETTLED: Duration = Duration::from_secs(3600);
/// How often it is looked whether all is well.
const LOOK: Duration = Duration::from_secs(7);

/// What monitors ask, in every schedule.
pub(super) const TARGETS: &[&str] = &["t0", "t1", "t2"];

/// A kind of schedule: what may happen in it.
pub(super) trait Schedule: Sized {
    /// A fault that ends by itself.
    type Fault: Debug + Copy + PartialEq;
    /// The variable that names a seed to run again.
    const SEED: &str;
    /// The variable that says how many more to run.
    const MORE: &str;
    /// Things that happen.
    const STEPS: usize;
    /// Pauses between them are shorter than one of these, in milliseconds.
    const PAUSES: &[u64];

    /// The world before anything happens.
    async fn begin(course: Course<Self::Fault>) -> Self;
    /// What has happened.
    fn course(&mut self) -> &mut Course<Self::Fault>;
    /// The world of it.
    fn world(&self) -> &World;
    /// Who runs in it.
    fn members(&mut self) -> Vec<(String, &mut Member)>;

    /// Something happens.
    async fn step(&mut self);
    /// A fault is over.
    async fn end(&mut self, fault: Self::Fault);
    /// What was broken for good is mended; no fault is left.
    async fn mend(&mut self) {}
    /// With targets as they are for a while now, and nothing in the way: whether all is as it should be, and if not, what is wrong.
    async fn well(&self, all_are_up: bool) -> Result<(), String>;
    /// Whether what was recorded and told is sound, when nothing is open any more.
    async fn sound(&self) -> Result<(), String> {
        check::the_history_is_sound(self.world()).await
    }

    /// Lets time pass, and faults end.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some((at, fault)) = self.course().next_end(until) {
            sleep_until(at).await;
            self.course().note(format!("no longer {fault:?}"));
            self.end(fault).await;
        }
        sleep_until(until).await;
        self.must_live();
    }

    /// No part of a process has ended by itself.
    fn must_live(&mut self) {
        let ended = self.members().into_iter().find_map(|(_, member)| member.ended());
        if let Some(ended) = ended {
            panic!("seed {}: {ended}", self.course().seed);
        }
    }

    /// Waits until all is well.
    async fn settle(&mut self, all_are_up: bool) {
        self.course()
            .note(format!("— is all well, with all targets up: {all_are_up}?"));
        let deadline = Instant::now() + SETTLED;
        loop {
            sleep(LOOK).await;
            self.must_live();
            match self.well(all_are_up).await {
                Ok(()) => return,
                Err(what) if Instant::now() > deadline => self.fail(&what).await,
                Err(_) => {}
            }
        }
    }

    /// Ends the test, with all that is known.
    async fn fail(&mut self, what: &str) -> ! {
        let mut known = Vec::new();
        let mut store = self.world().list(&keys::all()).await;
        store.retain(|entry| !keys::events().covers(&entry.key));
        for entry in store {
            let value = String::from_utf8_lossy(&entry.value);
            known.push(format!("{} = {value} (revision {})", entry.key, entry.rev));
        }
        for (name, member) in self.members() {
            let events = member.events.newest_first();
            known.extend(
                events
                    .iter()
                    .rev()
                    .map(|event| format!("{name}: {} {}", event.at, event.message)),
            );
        }
        known.extend(stage(|stage| {
            let heard = stage.fars.iter();
            heard
                .map(|(name, far)| format!("{name} heard {:#?}", far.lines()))
                .collect::<Vec<_>>()
        }));
        self.course().log.extend(known);
        panic!("seed {}: {what}", self.course().seed);
    }
}

/// What has happened in a schedule, and what is to end. One that is dropped before its end says so.
pub(super) struct Course<F> {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    again: &'static str,
    began: Instant,
    faults: Vec<(Instant, F)>,
    log: Vec<String>,
    done: bool,
}

impl<F> Drop for Course<F> {
    fn drop(&mut self) {
        if !self.done {
            eprintln!("seed {0} failed; {1}={0} runs it again:", self.seed, self.again);
            for line in &self.log {
                eprintln!("  {line}");
            }
        }
    }
}

impl<F: Debug + Copy + PartialEq> Course<F> {
    fn new(seed: u64, again: &'static str) -> Self {
        fastrand::seed(seed);
        Self {
            seed,
            rng: Rng::with_seed(seed),
            again,
            began: Instant::now(),
            faults: Vec::new(),
            log: Vec::new(),
            done: false,
        }
    }

    /// Something that happened.
    pub(super) fn note(&mut self, what: impl Display) {
        let at = self.began.elapsed().as_secs_f64();
        self.log.push(format!("{at:8.3} {what}"));
    }

    /// One of them.
    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.usize(0..of.len())]
    }

    /// A time shorter than this, in milliseconds.
    pub(super) fn some(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.rng.u64(0..most))
    }

    /// Whether a fault is on that is like this.
    pub(super) fn suffers(&self, like: impl Fn(F) -> bool) -> bool {
        self.faults.iter().any(|(_, fault)| like(*fault))
    }

    /// A fault begins that ends within so many milliseconds. `false` if it is on already.
    pub(super) fn begin(&mut self, fault: F, most: u64) -> bool {
        if self.suffers(|on| on == fault) {
            return false;
        }
        let lasts = self.some(most);
        self.note(format!("{fault:?} for {lasts:?}"));
        self.end_after(fault, lasts);
        true
    }

    /// A fault is to end after this.
    pub(super) fn end_after(&mut self, fault: F, time: Duration) {
        self.faults.push((Instant::now() + time, fault));
    }

    fn next_end(&mut self, until: Instant) -> Option<(Instant, F)> {
        let over = self.faults.iter().enumerate().filter(|(_, (at, _))| *at <= until);
        let (next, _) = over.min_by_key(|(_, (at, _))| *at)?;
        Some(self.faults.swap_remove(next))
    }

    /// A target is so from now on.
    pub(super) fn turn(&mut self, name: &str, to: Target) {
        self.note(format!("{name} is {to:?}"));
        target(name, to);
    }
}

/// Runs the schedules of these seeds, one after the other.
pub(super) fn run<S: Schedule>(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true);
        runtime.build().unwrap().block_on(one::<S>(seed));
    }
}

/// What the variables ask for.
pub(super) fn soak<S: Schedule>() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number(S::SEED) {
        for _ in 0..AGAIN {
            run::<S>(seed..seed + 1);
        }
    }
    run::<S>(SOAK..SOAK + number(S::MORE).unwrap_or(0));
}

async fn one<S: Schedule>(seed: u64) {
    let mut schedule = S::begin(Course::new(seed, S::SEED)).await;
    for _ in 0..S::STEPS {
        schedule.step().await;
        let course = schedule.course();
        let most = *course.one(S::PAUSES);
        let pause = course.some(most);
        schedule.pass(pause).await;
    }
    while schedule.course().suffers(|_| true) {
        schedule.pass(Duration::from_secs(1)).await;
    }
    schedule.mend().await;
    for name in TARGETS {
        let to = *schedule.course().one(&[Target::Up, Target::Down]);
        schedule.course().turn(name, to);
    }
    schedule.settle(false).await;
    for name in TARGETS {
        schedule.course().turn(name, Target::Up);
    }
    schedule.settle(true).await;
    if let Err(what) = schedule.sound().await {
        schedule.fail(&what).await;
    }
    let course = schedule.course();
    course.done = true;
    if std::env::var_os("NINEVOLT_SIM_TIMES").is_some() {
        eprintln!("seed {seed}: {:?} of simulated time", course.began.elapsed());
    }
}

/// Ordinary tests of a kind of schedule: a name for each, `$each` seeds apiece, so that they run side by side; and its soak.
macro_rules! schedules {
    ($kind:ty, $each:literal each: $($name:ident: $part:literal;)*) => {
        $(#[test]
        fn $name() {
            $crate::app::sim::schedules::run::<$kind>($part * $each..($part + 1) * $each);
        })*

        #[test]
        fn soak() {
            $crate::app::sim::schedules::soak::<$kind>();
        }
    };
}
pub(super) use schedules;
