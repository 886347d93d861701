//! Schedules of faults by chance, the same for a seed: kills, edits, flapping targets, a store and far ends that misbehave in every way they can.
//!
//! `NINEVOLT_SOAK=100000` runs that many more. A seed that fails is printed with all that was done; `NINEVOLT_SEED=17` runs that schedule
//! again, some times over, because what happens in one and the same instant is the runtime's to order.

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::check;
use super::stage::{Answer as FarAnswer, Target, stage};
use super::world::{World, alerter, answers, monitor, target};
use crate::alerters::Retry;
use crate::model::WallMs;
use crate::store::{Answer, Chances, Op, keys};

/// Schedules of one ordinary test; there are as many tests as may run side by side.
const SCHEDULES: u64 = 100;
/// Times that a given seed is run.
const AGAIN: u64 = 20;
/// Things that happen in one schedule.
const STEPS: usize = 24;
/// All must be well within this time after the last fault: longer than the longest backoff.
const SETTLED: Duration = Duration::from_secs(3600);

const MONITORS: &[&str] = &["m0", "m1", "m2", "m3"];
const TARGETS: &[&str] = &["t0", "t1", "t2"];
const ALERTERS: &[&str] = &["a0", "a1", "a2", "a3"];

macro_rules! schedules {
    ($($name:ident: $part:literal;)*) => {
        $(#[test]
        fn $name() {
            run($part * SCHEDULES..($part + 1) * SCHEDULES);
        })*
    };
}

schedules! {
    whatever_goes_wrong_nothing_is_lost_and_nothing_repeated_one: 0;
    whatever_goes_wrong_nothing_is_lost_and_nothing_repeated_two: 1;
    whatever_goes_wrong_nothing_is_lost_and_nothing_repeated_three: 2;
}

#[test]
fn soak() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("NINEVOLT_SEED") {
        for _ in 0..AGAIN {
            run(seed..seed + 1);
        }
    }
    let first = 1_000_000;
    run(first..first + number("NINEVOLT_SOAK").unwrap_or(0));
}

fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true);
        runtime.build().unwrap().block_on(async {
            let mut chaos = Chaos::new(seed);
            chaos.run().await;
        });
    }
}

/// A fault that ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Dead,
    Away,
    Stopped,
    Frozen,
    Full,
    Slow,
    LateWatches,
    StalledWatches,
    Lossy,
    Silence,
    Far(usize),
}

struct Chaos {
    seed: u64,
    rng: Rng,
    world: World,
    began: Instant,
    faults: Vec<(Instant, Fault)>,
    begun_before: u64,
    log: Vec<String>,
    done: bool,
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if !self.done {
            eprintln!("seed {} failed; NINEVOLT_SEED={} runs it again:", self.seed, self.seed);
            for line in &self.log {
                eprintln!("  {line}");
            }
        }
    }
}

impl Chaos {
    fn new(seed: u64) -> Self {
        fastrand::seed(seed);
        Self {
            seed,
            rng: Rng::with_seed(seed),
            world: World::new(),
            began: Instant::now(),
            faults: Vec::new(),
            begun_before: 0,
            log: Vec::new(),
            done: false,
        }
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        self.log
            .push(format!("{:8.3} {what}", self.began.elapsed().as_secs_f64()));
    }

    async fn run(&mut self) {
        for name in ALERTERS {
            self.put_alerter(name).await;
        }
        for name in MONITORS {
            let spec = self.spec();
            self.world.put_monitor(name, spec).await;
        }
        self.start().await;
        for _ in 0..STEPS {
            self.step().await;
            let pause = match self.rng.u8(0..4) {
                0 => self.rng.u64(0..50),
                1 => self.rng.u64(0..500),
                _ => self.rng.u64(0..3_000),
            };
            self.pass(Duration::from_millis(pause)).await;
        }
        self.heal().await;
        for name in TARGETS {
            let to = if self.rng.bool() { Target::Down } else { Target::Up };
            self.turn(name, to);
        }
        self.settle("everybody knows").await;
        for name in TARGETS {
            self.turn(name, Target::Up);
        }
        self.settle("nothing is left").await;
        let sound = check::the_history_is_sound(&self.world).await;
        let account = check::the_account_is_right(&self.world, self.begun_before);
        if let Err(what) = sound.and(account) {
            self.fail(&what).await;
        }
        self.done = true;
    }

    async fn settle(&mut self, what: &str) {
        self.note(format!("— {what}?"));
        let deadline = Instant::now() + SETTLED;
        loop {
            sleep(Duration::from_secs(7)).await;
            self.alive();
            let well = match what {
                "nothing is left" => check::nothing_is_left(&self.world).await,
                _ => check::everybody_knows(&self.world).await,
            };
            match well {
                Ok(()) => return,
                Err(what) if Instant::now() > deadline => self.fail(&what).await,
                Err(_) => {}
            }
        }
    }

    async fn fail(&mut self, what: &str) {
        let mut store = self.world.list(&keys::all()).await;
        store.retain(|entry| !keys::events().covers(&entry.key));
        for entry in store {
            let value = String::from_utf8_lossy(&entry.value).into_owned();
            self.log
                .push(format!("{} = {value} (revision {})", entry.key, entry.rev));
        }
        let events = self.world.member.as_ref().map(|member| member.events.newest_first());
        for event in events.unwrap_or_default().iter().rev() {
            self.log.push(format!("{} {}", event.at, event.message));
        }
        let heard = stage(|stage| {
            format!(
                "{:#?}",
                stage
                    .fars
                    .iter()
                    .map(|(n, f)| (n.clone(), f.lines()))
                    .collect::<Vec<_>>()
            )
        });
        self.log.push(heard);
        panic!("seed {}: {what}", self.seed);
    }

    /// No part of the process has ended by itself.
    fn alive(&mut self) {
        if let Some(ended) = self.world.member.as_mut().and_then(super::member::Member::ended) {
            panic!("seed {}: {ended}", self.seed);
        }
    }

    async fn start(&mut self) {
        self.begun_before = stage(|stage| stage.runs.values().map(|(runs, _)| runs).sum());
        match self.world.try_start().await {
            Ok(()) => self.note("started"),
            Err(error) => {
                self.note(format!("cannot start: {error}"));
                self.faults.push((Instant::now() + Duration::from_secs(1), Fault::Dead));
            }
        }
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
        self.alive();
    }

    async fn pass_some(&mut self, milliseconds: std::ops::Range<u64>) {
        let time = Duration::from_millis(self.rng.u64(milliseconds));
        self.pass(time).await;
    }

    async fn heal(&mut self) {
        while !self.faults.is_empty() {
            self.pass(Duration::from_secs(1)).await;
        }
        for name in ALERTERS {
            self.put_alerter(name).await;
        }
        for name in MONITORS {
            // What cannot be read would not be run by a process that starts.
            if let Some(entry) = self.world.store.get(&keys::monitor(&monitor(name))).await.unwrap()
                && !String::from_utf8_lossy(&entry.value).contains("\"target\":\"t")
            {
                let spec = self.spec();
                self.world.put_monitor(name, spec).await;
            }
        }
        self.note("healed");
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
        let faults = &self.world.faults;
        match fault {
            Fault::Dead => self.start().await,
            Fault::Away => faults.set_unavailable(false),
            Fault::Stopped => faults.start(),
            Fault::Frozen => {
                // With it all leases go.
                stage(|stage| stage.begun.push(WallMs::now()));
                faults.wake();
            }
            Fault::Full => faults.set_full(false),
            Fault::Slow => faults.set_delay(Duration::ZERO),
            Fault::LateWatches => faults.set_watch_delay(Duration::ZERO),
            Fault::StalledWatches => faults.set_watches_stalled(false),
            Fault::Lossy => faults.none_by_chance(),
            Fault::Silence => {
                let silence = Op::Delete(keys::silence("s"));
                if !self.world.write(vec![silence]).await {
                    self.faults.push((Instant::now() + Duration::from_secs(3), fault));
                }
            }
            Fault::Far(i) => answers(ALERTERS[i], FarAnswer::Taken),
        }
    }

    async fn step(&mut self) {
        match self.rng.u8(0..20) {
            0..=4 => {
                let name = self.one(TARGETS);
                let to = *self.one(&[Target::Up, Target::Down, Target::Down, Target::Unknown, Target::Hangs]);
                self.turn(name, to);
            }
            5 => self.flap().await,
            6..=8 => self.kill().await,
            9..=12 => self.misbehave(),
            13..=16 => self.edit().await,
            17 => self.edit_alerter().await,
            18 => {
                let i = self.rng.usize(0..ALERTERS.len());
                if self.begin(Fault::Far(i), 20_000) {
                    let answer = *self.one(&[
                        FarAnswer::Hangs,
                        FarAnswer::TakenAndDenied,
                        FarAnswer::Fails(Retry::Soon),
                        FarAnswer::Fails(Retry::Never),
                        FarAnswer::Fails(Retry::Unreachable),
                        FarAnswer::Fails(Retry::After(Duration::from_secs(5))),
                    ]);
                    self.note(format!("{} answers {answer:?}", ALERTERS[i]));
                    answers(ALERTERS[i], answer);
                }
            }
            _ => {
                if self.begin(Fault::Silence, 15_000) {
                    let name = *self.one(&["m0", "m*", "m1"]);
                    let until = WallMs::now().plus(Duration::from_millis(self.rng.u64(0..20_000)));
                    self.world.silence("s", name, until).await;
                }
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

    async fn flap(&mut self) {
        let name = self.one(TARGETS);
        self.note(format!("{name} flaps"));
        for _ in 0..self.rng.u8(1..8) {
            target(name, Target::Down);
            self.pass_some(50..1_500).await;
            target(name, Target::Up);
            self.pass_some(50..1_500).await;
        }
    }

    async fn kill(&mut self) {
        if self.world.member.is_none() {
            return;
        }
        match self.rng.u8(0..6) {
            0 => {
                self.note("planned stop");
                self.world.stop().await;
            }
            1 => {
                for _ in 0..2 {
                    self.note("killed");
                    self.world.kill();
                    self.start().await;
                    self.pass_some(0..300).await;
                    if self.world.member.is_none() {
                        return;
                    }
                }
                self.note("killed");
                self.world.kill();
            }
            _ => {
                self.note("killed");
                self.world.kill();
            }
        }
        let most = *self.one(&[1, 1_000, 15_000]);
        self.begin(Fault::Dead, most);
    }

    fn misbehave(&mut self) {
        let away = [Fault::Away, Fault::Stopped, Fault::Frozen];
        match self.rng.u8(0..12) {
            i @ 0..=2 => {
                // One at a time: they share a switch.
                if !self.faults.iter().any(|(_, fault)| away.contains(fault))
                    && self.begin(away[usize::from(i)], 15_000)
                {
                    match away[usize::from(i)] {
                        Fault::Away => self.world.faults.set_unavailable(true),
                        Fault::Stopped => self.world.faults.stop(),
                        _ => self.world.faults.freeze(),
                    }
                }
            }
            3 if self.begin(Fault::Full, 15_000) => self.world.faults.set_full(true),
            4 if self.begin(Fault::Slow, 10_000) => {
                let delay = Duration::from_millis(self.rng.u64(1..700));
                self.world.faults.set_delay(delay);
            }
            5 if self.begin(Fault::LateWatches, 10_000) => {
                let delay = Duration::from_millis(self.rng.u64(1..3_000));
                self.world.faults.set_watch_delay(delay);
            }
            6 if self.begin(Fault::StalledWatches, 20_000) => self.world.faults.set_watches_stalled(true),
            7 => {
                self.note("watches dropped");
                self.world.faults.drop_watches();
            }
            8 => {
                self.note("compacted");
                self.world.faults.compact();
            }
            9 => {
                let rights = self.world.member.as_ref().map(|member| member.rights.borrow().clone());
                if let Some(session) = rights.and_then(|rights| rights.session) {
                    self.note("lease lost");
                    stage(|stage| stage.begun.push(WallMs::now()));
                    self.world.faults.lose_lease(session.lease());
                }
            }
            10 if self.begin(Fault::Lossy, 15_000) => {
                let mut chance = || self.rng.u8(0..30);
                let chances = Chances {
                    lost_afterwards: chance(),
                    lost_before: chance(),
                    made_later: chance(),
                };
                self.world.faults.by_chance(self.seed, chances);
            }
            _ => {
                let later = Duration::from_millis(self.rng.u64(0..20_000));
                let answer = self
                    .one(&[
                        Answer::LostAfterwards,
                        Answer::LostBefore,
                        Answer::LostAndMadeLater(later),
                    ])
                    .clone();
                self.note(format!("{answer:?}"));
                let n = self.rng.usize(1..4);
                self.world.faults.answers(vec![answer; n]);
            }
        }
    }

    /// A definition by chance.
    fn spec(&mut self) -> Value {
        let warning = self.rng.u32(0..3);
        json!({
            "type": "probe",
            "target": self.one(TARGETS),
            "interval": self.one(&["250ms", "1s", "2s", "5s"]),
            "timeout": "200ms",
            "takes": self.one(&["0s", "10ms", "150ms"]),
            "warning-threshold": warning,
            "critical-threshold": if warning == 0 { 0 } else { warning + self.rng.u32(0..3) },
            "warning-alerter": [self.one(ALERTERS)],
            "critical-alerter": [self.one(ALERTERS), self.one(ALERTERS)],
            "tags": [self.one(&["x", "y"])],
        })
    }

    async fn edit(&mut self) {
        let name = *self.one(MONITORS);
        let key = keys::monitor(&monitor(name));
        let what = self.rng.u8(0..10);
        let made = match what {
            0 => self.world.remove_monitor(name).await,
            1 => {
                let (removed, spec) = (self.world.remove_monitor(name).await, self.spec());
                removed && self.world.put_monitor(name, spec).await
            }
            2 => {
                let broken = *self.one(&["{", "{\"v\":1,\"origin\":\"\",\"at\":0,\"spec\":{\"type\":\"probe\"}}"]);
                self.world.write(vec![Op::Put(key, Bytes::from(broken), None)]).await
            }
            3 => {
                let mut spec = self.spec();
                spec["disable"] = json!(true);
                self.world.put_monitor(name, spec).await
            }
            4 => {
                let mut spec = self.spec();
                spec["member-tag"] = json!("nowhere");
                self.world.put_monitor(name, spec).await
            }
            5..=7 => {
                // What is measured stays; who is told and by what rule does not.
                let known = self
                    .world
                    .member
                    .as_ref()
                    .and_then(|member| member.catalog.monitor(name));
                let target = known.and_then(|known| Some(known.def.as_ref()?.check.target()));
                let mut spec = self.spec();
                if let Some(target) = target {
                    spec["target"] = json!(target);
                    spec["takes"] = json!("0s");
                }
                self.world.put_monitor(name, spec).await
            }
            _ => {
                let spec = self.spec();
                self.world.put_monitor(name, spec).await
            }
        };
        self.note(format!("edit {what} of {name}: {made}"));
    }

    async fn put_alerter(&mut self, name: &str) -> bool {
        let kind = if check::KEYED.contains(&name) { "pager" } else { "chat" };
        self.world.put_alerter(name, kind).await
    }

    async fn edit_alerter(&mut self) {
        let name = *self.one(ALERTERS);
        let what = self.rng.u8(0..4);
        let made = match what {
            0 => self.world.remove_alerter(name).await,
            1 => self.world.remove_alerter(name).await && self.put_alerter(name).await,
            2 => {
                let broken = Op::Put(keys::alerter(&alerter(name)), Bytes::from("{"), None);
                self.world.write(vec![broken]).await
            }
            _ => self.put_alerter(name).await,
        };
        self.note(format!("edit {what} of alerter {name}: {made}"));
    }
}
