//! Where it can be told: one file per kind, one row per kind in [`KINDS`].
//!
//! To add a kind: one new file here, its `mod` line and its row. Nothing else, in any folder.

mod kind;

pub use kind::{Alerter, DeliveryCx, DeliveryError, DynAlerter, Kind, Receipt, Retry};

/// Every kind of alerter there is.
pub static KINDS: &[Kind] = &[];

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
