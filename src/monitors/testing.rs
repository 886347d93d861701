//! What the tests of all kinds need: one run of a definition, and counts of what may leak.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{CheckCx, CheckOptions, DynMonitor, Run, kind};
use crate::model::{Fact, MonitorName, MonitorSettings, Problem, Verdict};

/// Longer than any check of a test takes.
pub(crate) const AMPLE: Duration = Duration::from_secs(30);

/// Settings as the loader hands them to a kind.
pub(crate) fn settings() -> MonitorSettings {
    serde_json::from_value(json!({"type": "any", "interval": "1m"})).unwrap()
}

/// The problems that a kind finds in `own`.
pub(crate) fn problems(kind_name: &str, own: Value) -> Vec<Problem> {
    match (kind(kind_name).unwrap().parse)(own, &settings()) {
        Ok((_, problems)) => problems,
        Err(problem) => vec![problem],
    }
}

/// A monitor that has no problems.
pub(crate) fn monitor(kind_name: &str, own: Value) -> Box<dyn DynMonitor> {
    let (monitor, problems) = (kind(kind_name).unwrap().parse)(own, &settings()).unwrap();
    assert_eq!(problems, []);
    monitor
}

/// One run with this long to live.
pub(crate) async fn run_within(kind_name: &str, own: Value, timeout: Duration) -> Verdict {
    run(monitor(kind_name, own).as_ref(), timeout).await
}

/// One run of a monitor that exists already.
pub(crate) async fn run(monitor: &dyn DynMonitor, timeout: Duration) -> Verdict {
    let cx = CheckCx::new(CheckOptions::default());
    let name = MonitorName::parse("under-test").unwrap();
    let deadline = Instant::now() + timeout;
    let run = Run {
        monitor: &name,
        deadline,
        timeout,
    };
    monitor.check(&cx, &run).await
}

/// The value of a fact.
pub(crate) fn fact(verdict: &Verdict, name: &str) -> Option<f64> {
    verdict
        .facts
        .iter()
        .find(|Fact { name: found, .. }| found == name)
        .map(|fact| fact.value)
}

/// Open descriptors of this process. Other tests run beside: a leak shows as growth by as many as there were runs.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
