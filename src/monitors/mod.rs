//! What can be checked: one file per kind, one row per kind in [`KINDS`].
//!
//! From the row follow parsing, validation, `9volt check`, the API's list of kinds, the page's form, the reference page, metric labels
//! and the meta-tests below. To add a kind: one new file here, its `mod` line and its row. Nothing else, in any folder.

mod content;
mod context;
mod kind;
#[cfg(test)]
mod leak_tests;
#[cfg(test)]
mod meta_tests;
mod net;
mod pattern;
mod slow;
#[cfg(test)]
mod test_kit;

mod dns;
mod exec;
mod http;
mod icmp;
mod tcp;
#[cfg(test)]
mod tcp_tests;

pub use context::{CheckCx, CheckOptions};
pub use kind::{DynMonitor, Kind, Monitor, Run};
use slow::slow;

/// Every kind of monitor there is.
pub static KINDS: &[Kind] = &[
    Kind::of::<dns::Dns>(),
    Kind::of::<exec::Exec>(),
    Kind::of::<http::Http>(),
    Kind::of::<icmp::Icmp>(),
    Kind::of::<tcp::Tcp>(),
];

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
