//! Pure: what is due when. No I/O, no clock, no spawn.
//!
//! Due times are k × interval + phase in Unix time, the phase a stable hash of the name. Wall time only *places* an entry; from there it
//! runs on the monotonic clock, slewed by at most 1 % of the interval per run. A clock that steps neither stops, skips nor bursts anything.

mod due;
mod ledger;
mod wheel;

pub use due::{FINE, FIRST_RUNS_PER_SECOND, Grid, first_delay, name_hash, slew};
pub use ledger::{Lateness, Ledger, Skip, late_after};
pub use wheel::Wheel;
