//! What this process uses, for metrics: processor time, memory, descriptors.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

/// What this process uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// User and system time.
    pub(super) cpu_seconds: Option<f64>,
    /// Resident memory.
    pub(super) resident_bytes: Option<f64>,
    /// Open descriptors.
    pub(super) open_fds: Option<f64>,
    /// How many it may open.
    pub(super) max_fds: Option<f64>,
}

/// The size of a page where it is not asked for: true of all machines that we are built for.
const PAGE: f64 = 4096.0;

impl Usage {
    /// Looks. What this system does not tell is absent.
    pub(super) fn now() -> Self {
        let cpu = getrusage(UsageWho::RUSAGE_SELF).ok().map(|usage| {
            let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            seconds(usage.user_time()) + seconds(usage.system_time())
        });
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let resident = pages.and_then(|pages| pages.split_whitespace().nth(1)?.parse::<f64>().ok());
        // One of them is the directory itself.
        let fds = std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|fds| fds.count().saturating_sub(1) as f64);
        let most = getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft as f64);
        Self {
            cpu_seconds: cpu,
            resident_bytes: resident.map(|pages| pages * PAGE),
            open_fds: fds,
            max_fds: most,
        }
    }
}
