//! Whether this member may begin a delivery: what keeps two members from telling the same while they do not see one another's records.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::model::MonitorName;

/// Whether a delivery may begin. Looked at in the last moment before each attempt; what may not begin waits until this changes.
#[derive(Clone)]
pub enum MayTell {
    /// Until then: so long nobody else can have been given what is ours. Said anew with each proof that the store still knows us.
    Until(Instant),
    /// Always: there is nobody else, or nobody else can.
    Yes,
    /// Not now.
    No,
    /// About these monitors only.
    Of(Arc<dyn Fn(&MonitorName) -> bool + Send + Sync>),
}

impl MayTell {
    /// Whether a delivery about this monitor may begin.
    #[must_use]
    pub fn allows(&self, monitor: &MonitorName, now: Instant) -> bool {
        match self {
            Self::Until(end) => now < *end,
            Self::Yes => true,
            Self::No => false,
            Self::Of(of) => of(monitor),
        }
    }
}

impl fmt::Debug for MayTell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Until(_) => "Until",
            Self::Yes => "Yes",
            Self::No => "No",
            Self::Of(_) => "Of",
        })
    }
}
