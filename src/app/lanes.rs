//! The threads that run checks.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Ended, GRACE, ServerOptions, limits};
use crate::events::Events;
use crate::feed::Feed;
use crate::manager::Lanes;
use crate::manager::alarm::Alarm;
use crate::manager::clock::Clock;
use crate::manager::lane::{self, Lane};
use crate::manager::recorder::Recorder;
use crate::manager::stats::LaneStats;
use crate::monitors::{CheckCx, CheckOptions};
use crate::tasks::Tasks;
use crate::telemetry;
use crate::watchdog::Watchdog;

/// Starts as many as are asked for, each with a runtime of its own.
///
/// # Errors
/// The system gives no more of them.
pub(super) fn start(
    options: &ServerOptions,
    events: &Events,
    feed: &Feed,
    tasks: &mut Tasks<Ended>,
    recorder: &Recorder,
    watchdog: &Watchdog,
) -> anyhow::Result<Lanes> {
    let n = options.lanes.map_or_else(limits::lanes, NonZeroUsize::get);
    let limits = limits::per_lane(n);
    let clock = Clock::system();
    let mut handles = Vec::with_capacity(n);
    for number in 0..n {
        let (inbox, commands) = mpsc::channel(lane::INBOX);
        let stats = Arc::new(LaneStats::default());
        handles.push((inbox, stats.clone()));
        let cx = Arc::new(CheckCx::new(CheckOptions {
            user_agent: Some(format!("9volt/{}", telemetry::VERSION)),
            ..CheckOptions::default()
        }));
        let lane = Lane::new(
            clock.clone(),
            limits,
            cx,
            recorder.clone(),
            stats,
            events.clone(),
            feed.clone(),
        );
        let (token, pulse) = (tasks.stop().clone(), watchdog.pulse(format!("lane {number}")));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        tasks.spawn_blocking(move || {
            // For who looks at threads: `top -H`. Nothing depends on it.
            let _ = nix::sys::prctl::set_name(c"lane");
            runtime.block_on(async move { pulse.over(lane.run(Alarm::sharp(), commands, token, GRACE)).await });
            tracing::debug!(number, "lane ended");
            Ended::Quietly("lane")
        });
    }
    Ok(Lanes::new(handles))
}
