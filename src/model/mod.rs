//! The nouns: what the rest of the program talks about. No I/O, no clock (except [`WallMs::now`], for the shells), no rules
//! beyond each type's own invariants.

mod dur;
mod group;
mod ids;
mod notification;
mod problem;
mod read;
mod secret;
mod settings;
mod slots;
mod status;
mod time;
mod verdict;

pub use dur::{Dur, DurError};
pub use group::Group;
pub use ids::{AlerterName, EpisodeId, MAX_NAME_BYTES, MemberId, MonitorName, NameError};
pub use notification::{DigestLine, Notification, TrailEntry};
pub use problem::{Place, Problem, Severity};
pub use read::read_field_by_field;
pub use secret::{MASK, Secret};
pub use settings::{AlerterSettings, MonitorSettings};
pub use slots::Slots;
pub use status::{Closed, Outcome, Status};
pub use time::WallMs;
#[cfg(test)]
pub(crate) use time::simulated as time_simulated;
pub use verdict::{Fact, Phase, Phases, Reason, Verdict, known_reason};
