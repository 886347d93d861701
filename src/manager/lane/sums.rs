//! Sums with times: when a monitor is due, by how much it may come early, what was left out.

use std::time::Duration;

use super::Job;
use crate::model::WallMs;
use crate::results::Sample;
use crate::schedule::FINE;

/// A lane that is awake takes along what comes next: on an idle machine waking up costs several times as much as a check.
/// A run begins this much early at most, and never more than a thousandth of its interval.
pub(super) const EARLY: Duration = Duration::from_millis(10);

pub(super) fn may_be_early(interval: Duration) -> Duration {
    EARLY.min(interval / 1000)
}

/// How long until a job is due by the grid, at least `after` from now. Fine intervals keep their own pace.
pub(super) fn on_grid(job: &Job, wall: i128, after: Duration) -> Duration {
    if job.interval < FINE {
        return job.interval;
    }
    let wait = job.grid().until_next(wall);
    if wait < after {
        wait.saturating_add(job.interval)
    } else {
        wait
    }
}

/// When a run began, in Unix nanoseconds.
pub(super) fn began(run: &Sample) -> i128 {
    in_nanos(run.at) - i128::from(run.took_us) * 1_000
}

pub(super) fn in_nanos(at: WallMs) -> i128 {
    i128::from(at.0) * 1_000_000
}

/// Whether a run came due since the last one, and was not made.
pub(super) fn left_out(job: &Job, ran: i128, wall: i128) -> bool {
    job.interval >= FINE && job.grid().left_out(ran, wall)
}

pub(super) fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}
