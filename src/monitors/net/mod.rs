//! The network edge that kinds share: names to addresses, connections, TLS, and what their errors mean.

mod certificate;
mod connect;
mod failure;
mod lookup;
mod open;
mod pool;
mod resolve;
mod stream;
mod text;
mod tls;
mod trace;
mod verifier;

pub(super) use certificate::ExpiryLimits;
pub(super) use connect::{AddressFamily, Endpoint, Host};
pub(super) use failure::Failure;
pub(super) use lookup::addresses;
pub(super) use open::{Opened, Way, open};
pub(super) use pool::Pool;
pub(super) use resolve::Resolver;
pub(super) use stream::Stream;
pub(super) use text::excerpt;
pub(super) use tls::{Peer, Tls, TlsKeys, TlsRoots};
pub(super) use trace::{Trace, waiting_for};
