//! What the machine allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::manager::lane::Limits;

/// Descriptors that are not for checks: store, API, logs, alerters.
const RESERVED: u64 = 256;

/// Raises the limit of descriptors as far as this process may: each check in flight needs one or two.
pub(super) fn raise_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, hard, "cannot raise the limit of descriptors");
    }
}

/// Permits of one of `lanes` lanes: half of the descriptors in all, half of these for monitors that fail, half for one kind.
pub(super) fn per_lane(lanes: usize) -> Limits {
    let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    let all = usize::try_from(descriptors.saturating_sub(RESERVED) / 2)
        .unwrap_or(usize::MAX)
        .min(100_000);
    let in_flight = (all / lanes.max(1)).max(16);
    Limits {
        in_flight,
        failing: (in_flight / 2).max(8),
        per_kind: (in_flight / 2).max(8),
    }
}

/// Lanes where nobody says how many: one for every two cores. A lane makes tens of thousands of checks a second, and the fewer there are, the more runs
/// share a wake-up (a fifth less processor time for 1,000 checks a second on two cores); the other cores are for store, API, alerters and others.
pub(super) fn lanes() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// The share of the work that a host of this size takes.
pub(super) fn weight() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// The name of this host.
pub(super) fn hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "unknown".to_owned())
}
