//! What a sender of probes knows: what it sent, what came back and how long that took, what was lost and on which way. Pure: packets and times in, numbers
//! out. A [`Flow`] is one session, from one source port.

mod delays;
mod flow;
mod histogram;
mod summary;
#[cfg(test)]
mod tests;
mod ways;

pub use delays::{Delays, Hop};
pub use flow::{Answer, Counts, Flow};
pub use histogram::Histogram;
pub use summary::{OneWay, Summary};
pub use ways::Lost;
