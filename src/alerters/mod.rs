//! Where it can be told: one file or folder per kind, one row per kind in [`KINDS`].
//!
//! To add a kind: one new file here, its `mod` line and its row. Nothing else, in any folder. What several kinds share is in
//! `text` (the words), `lenient` (reading options) and `http` (one POST of JSON and what its status means).

mod email;
mod http;
mod kind;
mod lenient;
mod log;
mod pagerduty;
mod slack;
mod snmp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;

pub use kind::{Alerter, DeliveryCx, DeliveryError, DynAlerter, Kind, Receipt, Retry};

/// Every kind of alerter there is.
pub static KINDS: &[Kind] = &[
    Kind::of::<slack::Slack>(),
    Kind::of::<pagerduty::PagerDuty>(),
    Kind::of::<email::Email>(),
    Kind::of::<snmp::Snmp>(),
    Kind::of::<log::Log>(),
];

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
