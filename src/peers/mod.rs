//! Members talking to one another: questions of a closed list over mutual TLS, on a port of their own.
//!
//! The store is the root of trust: each member makes itself a key, publishes the fingerprint of its certificate in its member record, and
//! accepts exactly the fingerprints of the member list that it knows. No shared secret, no authority, no clock; so it works through an outage of
//! the store, and through a restart in one.

pub mod calls;
mod client;
mod credentials;
pub mod directory;
mod fingerprint;
mod line;
mod server;
mod stats;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use calls::{Answer, Answers, Call, Question};
pub use client::Peers;
pub use credentials::{Credentials, CredentialsError};
pub use directory::Directory;
pub use fingerprint::Fingerprint;
pub use server::Listener;
pub use stats::{Count, Stats};
pub use wire::{AskError, Gathered, Refused, Why, weight};

/// Where questions go. The number is that of the way of talking; what can be said changes by calls and fields that the other may not know.
const PATH: &str = "/peer/v1";
