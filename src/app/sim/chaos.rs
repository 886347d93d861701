//! One member among faults by chance: kills, edits, flapping targets, a store and far ends that misbehave in every way they can. `NINEVOLT_SOAK=100000` runs
//! that many schedules more, `NINEVOLT_SEED=17` one again.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::check;
use super::member::Member;
use super::schedules::{Course, Schedule, TARGETS, schedules};
use super::stage::{Answer as FarAnswer, Target, stage};
use super::world::{World, alerter, answers, monitor, target};
use crate::alerters::Retry;
use crate::model::WallMs;
use crate::store::{Answer, Chances, Memory, Op, keys};

const MONITORS: &[&str] = &["m0", "m1", "m2", "m3"];
const ALERTERS: &[&str] = &["a0", "a1", "a2", "a3"];

schedules! {
    Chaos, 150 each:
    whatever_goes_wrong_nothing_is_lost_and_nothing_repeated_one: 0;
    whatever_goes_wrong_nothing_is_lost_and_nothing_repeated_two: 1;
    whatever_goes_wrong_nothing_is_lost_and_nothing_repeated_three: 2;
    whatever_goes_wrong_nothing_is_lost_and_nothing_repeated_four: 3;
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
    course: Course<Fault>,
    world: World,
    begun_before: u64,
}

impl Schedule for Chaos {
    type Fault = Fault;
    const SEED: &str = "NINEVOLT_SEED";
    const MORE: &str = "NINEVOLT_SOAK";
    const STEPS: usize = 24;
    const PAUSES: &[u64] = &[50, 500, 3_000, 3_000];

    async fn begin(course: Course<Fault>) -> Self {
        let mut chaos = Self {
            course,
            world: World::new(),
            begun_before: 0,
        };
        // As over etcd, and as over the embedded store.
        chaos.world.disk = (chaos.course.seed % 2 == 1).then(|| Memory::new().0);
        let copied = chaos.world.disk.is_some();
        chaos
            .course
            .note(format!("the member has a copy of the store: {copied}"));
        for name in ALERTERS {
            chaos.put_alerter(name).await;
        }
        for name in MONITORS {
            let spec = chaos.spec();
            chaos.world.put_monitor(name, spec).await;
        }
        chaos.start().await;
        chaos
    }

    fn course(&mut self) -> &mut Course<Fault> {
        &mut self.course
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn members(&mut self) -> Vec<(String, &mut Member)> {
        let member = self.world.member.as_mut();
        member.map(|member| ("m".to_owned(), member)).into_iter().collect()
    }

    async fn end(&mut self, fault: Fault) {
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
                    self.course.end_after(fault, Duration::from_secs(3));
                }
            }
            Fault::Far(i) => answers(ALERTERS[i], FarAnswer::Taken),
        }
    }

    async fn mend(&mut self) {
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
    }

    async fn well(&self, all_are_up: bool) -> Result<(), String> {
        match all_are_up {
            true => check::nothing_is_left(&self.world).await,
            false => check::everybody_knows(&self.world).await,
        }
    }

    async fn sound(&self) -> Result<(), String> {
        check::the_history_is_sound(&self.world).await?;
        check::the_account_is_right(&self.world, self.begun_before)
    }

    async fn step(&mut self) {
        match self.course.rng.u8(0..20) {
            0..=4 => {
                let name = self.course.one(TARGETS);
                let to = *self
                    .course
                    .one(&[Target::Up, Target::Down, Target::Down, Target::Unknown, Target::Hangs]);
                self.course.turn(name, to);
            }
            5 => self.flap().await,
            6..=8 => self.kill().await,
            9..=12 => self.misbehave(),
            13..=16 => self.edit().await,
            17 => self.edit_alerter().await,
            18 => {
                let i = self.course.rng.usize(0..ALERTERS.len());
                if self.course.begin(Fault::Far(i), 20_000) {
                    let answer = *self.course.one(&[
                        FarAnswer::Hangs,
                        FarAnswer::TakenAndDenied,
                        FarAnswer::Fails(Retry::Soon),
                        FarAnswer::Fails(Retry::Never),
                        FarAnswer::Fails(Retry::Unreachable),
                        FarAnswer::Fails(Retry::After(Duration::from_secs(5))),
                    ]);
                    self.course.note(format!("{} answers {answer:?}", ALERTERS[i]));
                    answers(ALERTERS[i], answer);
                }
            }
            _ => {
                if self.course.begin(Fault::Silence, 15_000) {
                    let name = *self.course.one(&["m0", "m*", "m1"]);
                    let until = WallMs::now().plus(Duration::from_millis(self.course.rng.u64(0..20_000)));
                    self.world.silence("s", name, until).await;
                }
            }
        }
    }
}

impl Chaos {
    async fn start(&mut self) {
        self.begun_before = stage(|stage| stage.runs.values().map(|(runs, _)| runs).sum());
        match self.world.try_start().await {
            Ok(()) => self.course.note("started"),
            Err(error) => {
                self.course.note(format!("cannot start: {error}"));
                self.course.end_after(Fault::Dead, Duration::from_secs(1));
            }
        }
    }

    async fn flap(&mut self) {
        let name = self.course.one(TARGETS);
        self.course.note(format!("{name} flaps"));
        for _ in 0..self.course.rng.u8(1..8) {
            target(name, Target::Down);
            self.pass_some(1_500).await;
            target(name, Target::Up);
            self.pass_some(1_500).await;
        }
    }

    async fn pass_some(&mut self, most: u64) {
        let time = self.course.some(most);
        self.pass(time).await;
    }

    async fn kill(&mut self) {
        if self.world.member.is_none() {
            return;
        }
        match self.course.rng.u8(0..6) {
            0 => {
                self.course.note("planned stop");
                self.world.stop().await;
            }
            1 => {
                for _ in 0..2 {
                    self.course.note("killed");
                    self.world.kill();
                    self.start().await;
                    self.pass_some(300).await;
                    if self.world.member.is_none() {
                        return;
                    }
                }
                self.course.note("killed");
                self.world.kill();
            }
            _ => {
                self.course.note("killed");
                self.world.kill();
            }
        }
        let most = *self.course.one(&[1, 1_000, 15_000]);
        self.course.begin(Fault::Dead, most);
    }

    fn misbehave(&mut self) {
        let away = [Fault::Away, Fault::Stopped, Fault::Frozen];
        match self.course.rng.u8(0..12) {
            i @ 0..=2 => {
                // One at a time: they share a switch.
                if !self.course.suffers(|fault| away.contains(&fault))
                    && self.course.begin(away[usize::from(i)], 15_000)
                {
                    match away[usize::from(i)] {
                        Fault::Away => self.world.faults.set_unavailable(true),
                        Fault::Stopped => self.world.faults.stop(),
                        _ => self.world.faults.freeze(),
                    }
                }
            }
            3 if self.course.begin(Fault::Full, 15_000) => self.world.faults.set_full(true),
            4 if self.course.begin(Fault::Slow, 10_000) => {
                let delay = Duration::from_millis(self.course.rng.u64(1..700));
                self.world.faults.set_delay(delay);
            }
            5 if self.course.begin(Fault::LateWatches, 10_000) => {
                let delay = Duration::from_millis(self.course.rng.u64(1..3_000));
                self.world.faults.set_watch_delay(delay);
            }
            6 if self.course.begin(Fault::StalledWatches, 20_000) => self.world.faults.set_watches_stalled(true),
            7 => {
                self.course.note("watches dropped");
                self.world.faults.drop_watches();
            }
            8 => {
                self.course.note("compacted");
                self.world.faults.compact();
            }
            9 => {
                let rights = self.world.member.as_ref().map(|member| member.rights.borrow().clone());
                if let Some(session) = rights.and_then(|rights| rights.session) {
                    self.course.note("lease lost");
                    stage(|stage| stage.begun.push(WallMs::now()));
                    self.world.faults.lose_lease(session.lease());
                }
            }
            10 if self.course.begin(Fault::Lossy, 15_000) => {
                let mut chance = || self.course.rng.u8(0..30);
                let chances = Chances {
                    lost_afterwards: chance(),
                    lost_before: chance(),
                    made_later: chance(),
                };
                self.world.faults.by_chance(self.course.seed, chances);
            }
            _ => {
                let later = Duration::from_millis(self.course.rng.u64(0..20_000));
                let answer = self
                    .course
                    .one(&[
                        Answer::LostAfterwards,
                        Answer::LostBefore,
                        Answer::LostAndMadeLater(later),
                    ])
                    .clone();
                self.course.note(format!("{answer:?}"));
                let n = self.course.rng.usize(1..4);
                self.world.faults.answers(vec![answer; n]);
            }
        }
    }

    /// A definition by chance.
    fn spec(&mut self) -> Value {
        let warning = self.course.rng.u32(0..3);
        json!({
            "type": "probe",
            "target": self.course.one(TARGETS),
            "interval": self.course.one(&["250ms", "1s", "2s", "5s"]),
            "timeout": "200ms",
            "takes": self.course.one(&["0s", "10ms", "150ms"]),
            "warning-threshold": warning,
            "critical-threshold": if warning == 0 { 0 } else { warning + self.course.rng.u32(0..3) },
            "warning-alerter": [self.course.one(ALERTERS)],
            "critical-alerter": [self.course.one(ALERTERS), self.course.one(ALERTERS)],
            "tags": [self.course.one(&["x", "y"])],
        })
    }

    async fn edit(&mut self) {
        let name = *self.course.one(MONITORS);
        let key = keys::monitor(&monitor(name));
        let what = self.course.rng.u8(0..10);
        let made = match what {
            0 => self.world.remove_monitor(name).await,
            1 => {
                let (removed, spec) = (self.world.remove_monitor(name).await, self.spec());
                removed && self.world.put_monitor(name, spec).await
            }
            2 => {
                let broken = *self
                    .course
                    .one(&["{", "{\"v\":1,\"origin\":\"\",\"at\":0,\"spec\":{\"type\":\"probe\"}}"]);
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
                let target = known.and_then(|known| Some(known.def()?.check.target()));
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
        self.course.note(format!("edit {what} of {name}: {made}"));
    }

    async fn put_alerter(&mut self, name: &str) -> bool {
        let kind = if check::KEYED.contains(&name) { "pager" } else { "chat" };
        self.world.put_alerter(name, kind).await
    }

    async fn edit_alerter(&mut self) {
        let name = *self.course.one(ALERTERS);
        let what = self.course.rng.u8(0..4);
        let made = match what {
            0 => self.world.remove_alerter(name).await,
            1 => self.world.remove_alerter(name).await && self.put_alerter(name).await,
            2 => {
                let broken = Op::Put(keys::alerter(&alerter(name)), Bytes::from("{"), None);
                self.world.write(vec![broken]).await
            }
            _ => self.put_alerter(name).await,
        };
        self.course.note(format!("edit {what} of alerter {name}: {made}"));
    }
}
