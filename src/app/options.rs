//! What a server can be asked for.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::ReflectorOptions;
use crate::model::{MemberId, Secret};
use crate::store::EtcdOptions;

/// What `server` was asked for.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Address of API and page.
    pub listen: String,
    /// Tags of this member.
    pub tags: Vec<String>,
    /// Tokens that open the API.
    pub access_tokens: Vec<Secret>,
    /// Where state is kept.
    pub data_dir: PathBuf,
    /// The store of the cluster; without it, one of our own in the data directory.
    pub etcd: Option<EtcdOptions>,
    /// End rather than wait when the store does not answer at the start.
    pub require_store: bool,
    /// A directory to keep the store in line with.
    pub configs: Option<PathBuf>,
    /// Id of this member.
    pub member_id: Option<MemberId>,
    /// Where people reach this server.
    pub base_url: Option<String>,
    /// Whether the API may create exec monitors.
    pub allow_exec_from_api: bool,
    /// Share of the work, against those of other members.
    pub weight: Option<u32>,
    /// Threads that run checks.
    pub lanes: Option<NonZeroUsize>,
    /// Name of the cluster (the store's prefix).
    pub cluster: String,
    /// Serve the page from the source tree.
    pub debug_ui: bool,
    /// Where other members talk to this one, on a shared store; next to the API if nothing is said.
    pub peer_listen: Option<String>,
    /// The address that they are told, where they cannot reach that one.
    pub advertise: Option<String>,
    /// Places (`host:port`) one of which can be reached where this member is not cut off from everything; empty: those of the alerters.
    pub self_test: Vec<String>,
    /// How long a member that cannot know who has the store tells nobody; none: for ever.
    pub isolated_after: Option<Duration>,
    /// Who answers probes of the network.
    pub reflector: ReflectorOptions,
}
