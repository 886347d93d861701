//! The rules by themselves: the schedule's wheel, one step of a status, one result remembered.

use std::hint::black_box;
use std::time::Duration;

use ninevolt::model::{Outcome, Verdict, WallMs};
use ninevolt::results::Results;
use ninevolt::schedule::{Wheel, name_hash};
use ninevolt::state::{Health, Judged, Policy};

use crate::support::{Selection, Table, cpu};

pub(crate) fn run(selection: &Selection, table: &mut Table) {
    if selection.has("pure-wheel") {
        let each = wheel(1_000_000);
        table.note(
            "wheel, 1,000,000 entries of 10 to 60 s",
            format!("{each:.0} ns a firing"),
        );
    }
    if selection.has("pure-state") {
        table.note("one verdict through the thresholds", format!("{:.0} ns", step()));
        table.note("one verdict into the results", format!("{:.0} ns", remember()));
    }
}

/// Virtual time in steps of a millisecond, two minutes of it.
fn wheel(n: u32) -> f64 {
    let interval = |item: u32| (10_000 + name_hash(&item.to_string()) % 50_000) * 1_000_000;
    let intervals: Vec<u64> = (0..n).map(interval).collect();
    let mut wheel = Wheel::new();
    for item in 0..n {
        wheel.set(item, name_hash(&format!("phase {item}")) % intervals[item as usize]);
    }
    let mut due = Vec::new();
    let mut fired = 0u64;
    let used = cpu();
    let mut now = 0;
    while now < 120_000_000_000 {
        now += 1_000_000;
        wheel.pop_due(now, &mut due);
        for (at, item) in due.drain(..) {
            fired += 1;
            wheel.set(item, at + intervals[item as usize]);
        }
    }
    (cpu() - used).as_secs_f64() * 1e9 / fired as f64
}

const STEPS: u32 = 2_000_000;

fn step() -> f64 {
    let mut health = Health::default();
    let policy = Policy {
        warning: 1,
        critical: 3,
    };
    let used = cpu();
    for i in 0..STEPS {
        let at = WallMs(i64::from(i));
        // A failed run now and then, as a real target has them.
        let (outcome, message) = if i % 64 == 0 {
            (Outcome::Fail, "refused")
        } else {
            (Outcome::Pass, "")
        };
        let run = Judged {
            due: at,
            at,
            outcome,
            message,
        };
        black_box(health.step(run, policy));
    }
    (cpu() - used).as_secs_f64() * 1e9 / f64::from(STEPS)
}

fn remember() -> f64 {
    let mut results = Results::default();
    let used = cpu();
    for i in 0..STEPS {
        let mut verdict = Verdict::pass();
        verdict.fact("ip_protocol", 4.0);
        black_box(results.add(WallMs(i64::from(i)), Duration::from_micros(300), verdict));
    }
    (cpu() - used).as_secs_f64() * 1e9 / f64::from(STEPS)
}
