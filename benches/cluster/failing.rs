//! Ten thousand monitors that fail within a second: until it is all recorded, and how late others begin meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use ninevolt::model::AlerterName;
use ninevolt::store::records::{Definition, FORMAT};
use ninevolt::store::{Change, Commit, Followed, Op, encode, keys};
use serde_json::json;
use tokio::time::Instant;

use super::{Crew, core};
use crate::definitions::{What, name, stored};
use crate::server::Server;
use crate::support::Table;
use crate::target::Target;

/// Each every second: what breaks now has failed all of them a second later.
const MONITORS: usize = 10_000;
/// Lateness is looked at for so long.
const AFTER: Duration = Duration::from_secs(5);
const AMPLE: Duration = Duration::from_secs(60);

pub(super) fn run(table: &mut Table) {
    let mut target = Target::start();
    let definition = |n| {
        let mut spec = What::TcpExpect.spec(&target, n, "1s");
        // One change of status each.
        spec["warning-threshold"] = 0.into();
        spec["critical-threshold"] = 1.into();
        spec["critical-alerter"] = json!(["people"]);
        stored(&name(What::TcpExpect, n), &spec)
    };
    let definitions = (0..MONITORS).map(definition).chain([alerter("people")]);
    let crew = Crew::start(definitions.collect());
    crew.ran();
    std::thread::sleep(Duration::from_secs(10));
    let lateness = |server: &Server| buckets(&server.metrics());
    let quiet = crew.members.each_ref().map(lateness);
    std::thread::sleep(AFTER);
    let before = crew.members.each_ref().map(lateness);
    let recorded = crew.etcd.runtime.block_on(async {
        let mut checkpoints = crew.etcd.store.follow(&keys::checkpoints());
        assert!(matches!(checkpoints.next().await, Followed::Snapshot { entries, .. } if entries.is_empty()));
        target.fail(1_000);
        let begun = Instant::now();
        let mut open = HashSet::new();
        while open.len() < MONITORS {
            let next = tokio::time::timeout(AMPLE, checkpoints.next()).await;
            let Followed::Changes(batch) = next.expect("further checkpoints") else {
                panic!("the watch fell behind");
            };
            open.extend(batch.changes.into_iter().filter_map(|change| match change {
                Change::Put(entry) => Some(entry.key),
                Change::Deleted(_) => None,
            }));
        }
        begun.elapsed()
    });
    std::thread::sleep(AFTER.saturating_sub(recorded));
    let after = crew.members.each_ref().map(lateness);
    table.row(
        "10,000 monitors fail within a second: all recorded, from the fault on",
        "≤ 2 s",
        format!("{:.2} s", recorded.as_secs_f64()),
        Some(recorded <= Duration::from_secs(2)),
    );
    let worst = |from: &[Buckets; 3], to: &[Buckets; 3]| {
        let each = from.iter().zip(to).map(|(from, to)| p99(from, to));
        each.fold(0.0, f64::max) * 1e3
    };
    let late = worst(&before, &after);
    table.row(
        "the same: lateness of the member that was the latest",
        "p99 < 50 ms",
        format!(
            "p99 up to {late:.1} ms; before the fault {:.1} ms",
            worst(&quiet, &before)
        ),
        Some(late < 50.0),
    );
    table.note("of a core, a bare loop had meanwhile", format!("{:.2}", core()));
}

fn alerter(name: &str) -> Commit {
    let definition = Definition {
        v: FORMAT,
        origin: "bench".to_owned(),
        by: String::new(),
        at: ninevolt::model::WallMs::now(),
        spec: serde_json::value::to_raw_value(&json!({"type": "log"})).expect("JSON"),
    };
    let key = keys::alerter(&AlerterName::parse(name).expect("a name"));
    Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(key, encode(&definition).expect("JSON"), None)],
    }
}

/// Runs by how late they began: upper bound in microseconds, and how many were not later.
type Buckets = BTreeMap<u64, f64>;

fn buckets(metrics: &str) -> Buckets {
    let bucket = |line: &str| {
        let rest = line.strip_prefix("ninevolt_run_lateness_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        let micros = match bound {
            "+Inf" => u64::MAX,
            bound => (bound.parse::<f64>().ok()? * 1e6) as u64,
        };
        Some((micros, count.parse().ok()?))
    };
    metrics.lines().filter_map(bucket).collect()
}

/// The bound in seconds that 99 of 100 runs between the two did not exceed.
fn p99(from: &Buckets, to: &Buckets) -> f64 {
    let counts: Vec<_> = to
        .iter()
        .map(|(bound, n)| (*bound, n - from.get(bound).unwrap_or(&0.0)))
        .collect();
    let all = counts.last().map_or(0.0, |(_, n)| *n);
    let bound = counts
        .iter()
        .find(|(_, n)| *n >= all * 0.99)
        .map_or(u64::MAX, |(bound, _)| *bound);
    bound as f64 / 1e6
}
