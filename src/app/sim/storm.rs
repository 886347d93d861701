//! Schedules of faults by chance for several members, the same for a seed: members die, stop, come back, are drained; the line of one of them to the
//! store is dead, slow, lossy or deaf; leases are lost; targets flap; operators edit. `NINEVOLT_STORM=10000` runs that many more, `NINEVOLT_STORM_SEED=17` one
//! again, some times over.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::check;
use super::crew::Crew;
use super::stage::{Target, stage};
use super::world::{World, target};
use crate::model::{Dur, MemberId, WallMs};
use crate::store::records::{FORMAT, IntentRecord};
use crate::store::{Answer, Chances, Op, encode, keys};

/// Schedules of one ordinary test; there are as many tests as may run side by side.
const SCHEDULES: u64 = 60;
const AGAIN: u64 = 20;
const STEPS: usize = 20;
/// All must be well within this time after the last fault: longer than the longest backoff, and than a member that was often lost waits.
const SETTLED: Duration = Duration::from_secs(3600);

const MEMBERS: &[&str] = &["a", "b", "c"];
const TARGETS: &[&str] = &["t0", "t1", "t2"];
/// With a key each: who is told anew by another member joins the incident that is there.
const ALERTERS: &[&str] = &["a1", "a3"];
const MONITORS: usize = 12;

macro_rules! schedules {
    ($($name:ident: $part:literal;)*) => {
        $(#[test]
        fn $name() {
            run($part * SCHEDULES..($part + 1) * SCHEDULES);
        })*
    };
}

schedules! {
    whatever_befalls_members_everything_is_judged_by_one_and_told_one: 0;
    whatever_befalls_members_everything_is_judged_by_one_and_told_two: 1;
}

#[test]
fn soak() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("NINEVOLT_STORM_SEED") {
        for _ in 0..AGAIN {
            run(seed..seed + 1);
        }
    }
    let first = 1_000_000;
    run(first..first + number("NINEVOLT_STORM").unwrap_or(0));
}

fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true);
        runtime.build().unwrap().block_on(async {
            Storm::new(seed).await.run().await;
        });
    }
}

/// What ends by itself, of the member of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Dead(usize),
    Line(usize),
    Drained(usize),
}

struct Storm {
    seed: u64,
    rng: Rng,
    crew: Crew,
    began: Instant,
    faults: Vec<(Instant, Fault)>,
    log: Vec<String>,
    done: bool,
}

impl Drop for Storm {
    fn drop(&mut self) {
        if !self.done {
            eprintln!(
                "seed {} failed; NINEVOLT_STORM_SEED={} runs it again:",
                self.seed, self.seed
            );
            for line in &self.log {
                eprintln!("  {line}");
            }
        }
    }
}

fn name(n: usize) -> String {
    format!("m{n}")
}

impl Storm {
    async fn new(seed: u64) -> Self {
        fastrand::seed(seed);
        let world = World::new();
        for name in ALERTERS {
            world.put_alerter(name, "pager").await;
        }
        let mut rng = Rng::with_seed(seed);
        for n in 0..MONITORS {
            let spec = spec(&mut rng);
            world.put_monitor(&name(n), spec).await;
        }
        let began = Instant::now();
        Self {
            seed,
            rng,
            crew: Crew::of(world, MEMBERS).await,
            began,
            faults: Vec::new(),
            log: Vec::new(),
            done: false,
        }
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        self.log
            .push(format!("{:8.3} {what}", self.began.elapsed().as_secs_f64()));
    }

    async fn run(mut self) {
        for _ in 0..STEPS {
            self.step().await;
            let most = *self.one(&[50, 1_000, 4_000, 10_000]);
            let pause = Duration::from_millis(self.rng.u64(0..most));
            self.pass(pause).await;
        }
        while !self.faults.is_empty() {
            self.pass(Duration::from_secs(1)).await;
        }
        for name in TARGETS {
            let to = if self.rng.bool() { Target::Down } else { Target::Up };
            self.turn(name, to);
        }
        self.settle(false).await;
        for name in TARGETS {
            self.turn(name, Target::Up);
        }
        self.settle(true).await;
        if let Err(what) = check::the_history_is_sound(&self.crew.world).await {
            self.fail(&what).await;
        }
        self.done = true;
    }

    async fn settle(&mut self, all_is_up: bool) {
        self.note(format!("— settled, all up: {all_is_up}?"));
        let deadline = Instant::now() + SETTLED;
        loop {
            sleep(Duration::from_secs(7)).await;
            let well = match check::one_judges_each_and_everybody_knows(&self.crew).await {
                Ok(()) if all_is_up => check::nothing_is_recorded(&self.crew.world).await,
                well => well,
            };
            match well {
                Ok(()) => return,
                Err(what) if Instant::now() > deadline => self.fail(&what).await,
                Err(_) => {}
            }
        }
    }

    async fn fail(&mut self, what: &str) {
        let mut store = self.crew.world.list(&keys::all()).await;
        store.retain(|entry| !keys::events().covers(&entry.key));
        for entry in store {
            let value = String::from_utf8_lossy(&entry.value).into_owned();
            self.log
                .push(format!("{} = {value} (revision {})", entry.key, entry.rev));
        }
        for member in self.crew.running() {
            let events = self.crew.member(&member).events.newest_first();
            for event in events.iter().rev() {
                self.log.push(format!("{member}: {} {}", event.at, event.message));
            }
        }
        panic!("seed {}: {what}", self.seed);
    }

    /// Lets time pass, and faults end.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(i) = (0..self.faults.len())
            .filter(|i| self.faults[*i].0 <= until)
            .min_by_key(|i| self.faults[*i].0)
        {
            let (at, fault) = self.faults.swap_remove(i);
            tokio::time::sleep_until(at).await;
            self.end(fault).await;
        }
        tokio::time::sleep_until(until).await;
    }

    fn begin(&mut self, fault: Fault, most: u64) -> bool {
        if self.faults.iter().any(|(_, active)| *active == fault) {
            return false;
        }
        let lasts = Duration::from_millis(self.rng.u64(0..most));
        self.note(format!("{fault:?} for {lasts:?}"));
        self.faults.push((Instant::now() + lasts, fault));
        true
    }

    async fn end(&mut self, fault: Fault) {
        self.note(format!("no longer {fault:?}"));
        match fault {
            Fault::Dead(n) => {
                if let Err(error) = self.crew.try_start(MEMBERS[n]).await {
                    self.note(format!("cannot start: {error}"));
                    self.faults.push((Instant::now() + Duration::from_secs(1), fault));
                }
            }
            Fault::Line(n) => {
                let line = self.crew.line(MEMBERS[n]);
                line.set_unavailable(false);
                line.set_delay(Duration::ZERO);
                line.set_watch_delay(Duration::ZERO);
                line.set_watches_stalled(false);
                line.none_by_chance();
            }
            Fault::Drained(n) => {
                let undrain = Op::Delete(keys::intent(&MemberId::parse(MEMBERS[n]).unwrap()));
                assert!(self.crew.world.write(vec![undrain]).await);
            }
        }
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.usize(0..of.len())]
    }

    fn turn(&mut self, name: &str, to: Target) {
        self.note(format!("{name} is {to:?}"));
        target(name, to);
    }

    async fn step(&mut self) {
        let n = self.rng.usize(0..MEMBERS.len());
        let member = MEMBERS[n];
        let runs = self.crew.running().iter().any(|name| name == member);
        match self.rng.u8(0..14) {
            0..=3 => {
                let name = *self.one(TARGETS);
                let to = *self.one(&[Target::Up, Target::Down, Target::Down, Target::Hangs]);
                self.turn(name, to);
            }
            4..=5 if runs => {
                self.note(format!("{member} is killed"));
                self.crew.kill(member);
                let most = *self.one(&[1, 3_000, 30_000]);
                self.begin(Fault::Dead(n), most);
            }
            6 if runs => {
                self.note(format!("{member} is stopped"));
                self.crew.stop(member).await;
                let most = *self.one(&[1, 3_000, 30_000]);
                self.begin(Fault::Dead(n), most);
            }
            7..=9 => self.misbehave(n),
            10 if runs => {
                let rights = self.crew.member(member).rights.borrow().clone();
                if let Some(session) = rights.session {
                    self.note(format!("{member} loses its lease"));
                    stage(|stage| stage.begun.push(WallMs::now()));
                    self.crew.world.faults.lose_lease(session.lease());
                }
            }
            11 if self.begin(Fault::Drained(n), 30_000) => {
                let intent = IntentRecord {
                    v: FORMAT,
                    drain: true,
                    cordon: false,
                    weight: None,
                    by: String::new(),
                    at: WallMs::now(),
                };
                let key = keys::intent(&MemberId::parse(member).unwrap());
                let drain = Op::Put(key, encode(&intent).unwrap(), None);
                assert!(self.crew.world.write(vec![drain]).await);
            }
            _ => {
                let name = name(self.rng.usize(0..MONITORS));
                let spec = spec(&mut self.rng);
                self.note(format!("{name} is edited: {spec}"));
                assert!(self.crew.world.put_monitor(&name, spec).await);
            }
        }
    }

    /// Something is wrong between one member and the store.
    fn misbehave(&mut self, n: usize) {
        if !self.begin(Fault::Line(n), 25_000) {
            return;
        }
        let (what, seed) = (self.rng.u8(0..6), self.seed);
        let delay = Duration::from_millis(self.rng.u64(1..1_500));
        let mut chance = || self.rng.u8(0..30);
        let chances = Chances {
            lost_afterwards: chance(),
            lost_before: chance(),
            made_later: chance(),
        };
        let line = self.crew.line(MEMBERS[n]);
        match what {
            0 | 1 => line.set_unavailable(true),
            2 => line.set_delay(delay),
            3 => line.set_watch_delay(delay * 3),
            4 => line.set_watches_stalled(true),
            _ => line.by_chance(seed, chances),
        }
        if what == 5 {
            line.answers(vec![Answer::LostAfterwards; 2]);
        }
        self.note(format!("line {what}"));
    }
}

/// A definition by chance.
fn spec(rng: &mut Rng) -> Value {
    let warning = rng.u32(0..3);
    let interval = ["500ms", "1s", "2s", "5s"][rng.usize(0..4)];
    json!({
        "type": "probe",
        "target": TARGETS[rng.usize(0..TARGETS.len())],
        "interval": interval,
        "timeout": Dur::from_millis(200).to_string(),
        "warning-threshold": warning,
        "critical-threshold": if warning == 0 { 0 } else { warning + rng.u32(0..3) },
        "warning-alerter": [ALERTERS[rng.usize(0..2)]],
        "critical-alerter": [ALERTERS[rng.usize(0..2)], ALERTERS[rng.usize(0..2)]],
    })
}
