//! Several members among faults by chance: they die, stop, pause, come back, are drained; the line of one of them to the store is dead, slow, lossy or deaf; leases
//! are lost; the store itself is full; targets flap; operators edit. `NINEVOLT_STORM=10000` runs that many schedules more, `NINEVOLT_STORM_SEED=17` one again.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::check;
use super::crew::Crew;
use super::member::Member;
use super::schedules::{Course, Schedule, TARGETS, schedules};
use super::stage::{Target, stage};
use super::world::World;
use crate::model::{Dur, MemberId, WallMs};
use crate::store::records::{FORMAT, IntentRecord};
use crate::store::{Answer, Chances, Op, StoreError, encode, keys};

const MEMBERS: &[&str] = &["a", "b", "c"];
/// With a key each: who is told anew by another member joins the incident that is there.
const ALERTERS: &[&str] = &["a1", "a3"];
const MONITORS: usize = 12;

schedules! {
    Storm, 100 each:
    whatever_befalls_members_everything_is_judged_by_one_and_told_one: 0;
    whatever_befalls_members_everything_is_judged_by_one_and_told_two: 1;
    whatever_befalls_members_everything_is_judged_by_one_and_told_three: 2;
    whatever_befalls_members_everything_is_judged_by_one_and_told_four: 3;
}

/// What ends by itself, of the member of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Dead(usize),
    Paused(usize),
    Line(usize),
    Drained(usize),
    /// Of nobody: the store itself takes nothing.
    Full,
    /// It is not there for anybody.
    Stopped,
    /// Nor time for leases; with it they all go.
    Frozen,
    /// This one and the next do not hear one another.
    Apart(usize),
}

struct Storm {
    course: Course<Fault>,
    crew: Crew,
}

fn name(n: usize) -> String {
    format!("m{n}")
}

impl Schedule for Storm {
    type Fault = Fault;
    const SEED: &str = "NINEVOLT_STORM_SEED";
    const MORE: &str = "NINEVOLT_STORM";
    const STEPS: usize = 20;
    const PAUSES: &[u64] = &[50, 1_000, 4_000, 10_000];

    async fn begin(mut course: Course<Fault>) -> Self {
        let world = World::new();
        for name in ALERTERS {
            world.put_alerter(name, "pager").await;
        }
        for n in 0..MONITORS {
            let spec = spec(&mut course.rng);
            world.put_monitor(&name(n), spec).await;
        }
        let crew = Crew::with_copies(world, MEMBERS).await;
        Self { course, crew }
    }

    fn course(&mut self) -> &mut Course<Fault> {
        &mut self.course
    }

    fn world(&self) -> &World {
        &self.crew.world
    }

    fn members(&mut self) -> Vec<(String, &mut Member)> {
        self.crew.members_mut()
    }

    async fn well(&self, all_are_up: bool) -> Result<(), String> {
        check::one_judges_each_and_everybody_knows(&self.crew).await?;
        match all_are_up {
            true => check::nothing_is_recorded(&self.crew.world).await,
            false => Ok(()),
        }
    }

    async fn step(&mut self) {
        let n = self.course.rng.usize(0..MEMBERS.len());
        let member = MEMBERS[n];
        let runs = self.crew.is_active(member);
        match self.course.rng.u8(0..22) {
            0..=3 => {
                let name = *self.course.one(TARGETS);
                let to = *self
                    .course
                    .one(&[Target::Up, Target::Down, Target::Down, Target::Hangs]);
                self.course.turn(name, to);
            }
            4..=5 if runs => {
                self.course.note(format!("{member} is killed"));
                self.crew.kill(member);
                let most = *self.course.one(&[1, 3_000, 30_000]);
                self.course.begin(Fault::Dead(n), most);
            }
            6 if runs => {
                self.course.note(format!("{member} is stopped"));
                self.crew.stop(member).await;
                let most = *self.course.one(&[1, 3_000, 30_000]);
                self.course.begin(Fault::Dead(n), most);
            }
            7..=9 => self.misbehave(n),
            10 if runs => {
                let rights = self.crew.member(member).rights.borrow().clone();
                if let Some(session) = rights.session {
                    self.course.note(format!("{member} loses its lease"));
                    stage(|stage| stage.begun.push(WallMs::now()));
                    self.crew.world.faults.lose_lease(session.lease());
                }
            }
            11 if runs => {
                let most = *self.course.one(&[1_000, 5_000, 30_000]);
                self.course.begin(Fault::Paused(n), most);
                self.crew.set_paused(member, true);
            }
            12 if self.course.begin(Fault::Full, 8_000) => self.crew.world.faults.set_full(true),
            15 if !self.store_is_away() && self.course.begin(Fault::Stopped, 40_000) => self.crew.world.faults.stop(),
            16 if !self.store_is_away() && self.course.begin(Fault::Frozen, 20_000) => self.crew.world.faults.freeze(),
            17..=18 if self.course.begin(Fault::Apart(n), 60_000) => self.part(n, true),
            13 => {
                self.course.note("compacted, and watches dropped");
                self.crew.world.faults.compact();
                self.crew.line(member).drop_watches();
            }
            14 if self.course.begin(Fault::Drained(n), 30_000) => {
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
                let drained = self.crew.world.write(vec![drain]).await;
                self.course.note(format!("{member} is drained: {drained}"));
            }
            _ => {
                let name = name(self.course.rng.usize(0..MONITORS));
                let spec = spec(&mut self.course.rng);
                let edited = self.crew.world.put_monitor(&name, spec.clone()).await;
                self.course.note(format!("{name} is edited: {edited}, {spec}"));
            }
        }
    }

    async fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Dead(n) => {
                if let Err(error) = self.crew.try_start(MEMBERS[n]).await {
                    self.course.note(format!("cannot start: {error}"));
                    self.course.end_after(fault, Duration::from_secs(1));
                }
            }
            // One that was killed meanwhile is another process by now, or none.
            Fault::Paused(n) => self.crew.set_paused(MEMBERS[n], false),
            Fault::Full => self.crew.world.faults.set_full(false),
            Fault::Stopped => self.crew.world.faults.start(),
            Fault::Frozen => {
                stage(|stage| stage.begun.push(WallMs::now()));
                self.crew.world.faults.wake();
            }
            Fault::Apart(n) => self.part(n, false),
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
                if !self.crew.world.write(vec![undrain]).await {
                    // The store is away.
                    self.course.end_after(fault, Duration::from_secs(1));
                }
            }
        }
    }
}

impl Storm {
    fn store_is_away(&self) -> bool {
        self.course
            .suffers(|fault| matches!(fault, Fault::Stopped | Fault::Frozen))
    }

    fn part(&self, n: usize, apart: bool) {
        let next = (n + 1) % MEMBERS.len();
        self.crew.hub.cut(MEMBERS[n], MEMBERS[next], apart);
    }

    /// Something is wrong between one member and the store.
    fn misbehave(&mut self, n: usize) {
        if !self.course.begin(Fault::Line(n), 25_000) {
            return;
        }
        let (what, seed) = (self.course.rng.u8(0..7), self.course.seed);
        let delay = Duration::from_millis(self.course.rng.u64(1..1_500));
        let mut chance = || self.course.rng.u8(0..30);
        let chances = Chances {
            lost_afterwards: chance(),
            lost_before: chance(),
            made_later: chance(),
        };
        let lost = vec![
            Answer::LostAfterwards,
            Answer::LostBefore,
            Answer::LostAndMadeLater(delay * 10),
            Answer::Failed(StoreError::Unavailable("told to be".to_owned())),
        ];
        let line = self.crew.line(MEMBERS[n]);
        match what {
            0 | 1 => line.set_unavailable(true),
            2 => line.set_delay(delay),
            3 => line.set_watch_delay(delay * 3),
            4 => line.set_watches_stalled(true),
            5 => line.by_chance(seed, chances),
            _ => line.answers(lost),
        }
        self.course.note(format!("line {what}"));
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
