//! Why a server does not start.

use std::path::PathBuf;

use crate::cluster::identity::IdentityError;
use crate::model::MemberId;
use crate::peers::CredentialsError;
use crate::store::{EtcdError, OpenError, SessionError, StoreError};

/// Why a server does not start. One line each, said before anything is running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {why}{hint}")]
    Listen {
        /// The address.
        listen: String,
        /// Why. No `source`: whoever prints the chain would say it twice.
        why: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was said about etcd cannot be meant.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// This member has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// This member has no key for talking to others.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The member's id is taken.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A copy of the data directory is in use.
    #[error(
        "member `{member}` runs already, from a copy of this data directory: process {pid} on host `{hostname}`; stop that one, or remove member.json and peer.pem here to be another member"
    )]
    Twin {
        /// The member.
        member: MemberId,
        /// Where the other process runs.
        hostname: String,
        /// Its number there.
        pid: u32,
    },
    /// The directory of definitions cannot be read.
    #[error("--configs {dir}: {why}", dir = .dir.display())]
    Configs {
        /// The directory.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// Something that a machine of ours always has is missing.
    #[error("cannot start: {0}")]
    Machine(String),
}
