//! What the API answers from, put together by the app.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::health::Health;
use super::others::Others;
use super::overview::Measured;
use super::session::AccessTokens;
use super::stream::Clients;
use crate::catalog::{Catalog, MonitorEntry, loader};
use crate::cluster::Tables;
use crate::config::kinds::Kinds;
use crate::cutoff::Deciding;
use crate::events::Events;
use crate::feed::Feed;
use crate::manager::Lanes;
use crate::manager::recorder::Recorder;
use crate::mesh::reflector::Counts;
use crate::model::{MemberId, WallMs};
use crate::notifications::NotifierView;
use crate::store::{Store, StoreError, keys};
use crate::watchdog::Watchdog;

/// The member that judges a monitor; `None`: nobody may (an orphan).
pub type OwnerView = Arc<dyn Fn(&MonitorEntry) -> Option<MemberId> + Send + Sync>;

/// Everything that the API answers from.
pub struct Parts {
    /// All definitions.
    pub catalog: Catalog,
    /// The lanes, for run now and the account of runs.
    pub lanes: Lanes,
    /// What is not recorded yet, and whether the store takes anything.
    pub recorder: Recorder,
    /// Things worth telling a person.
    pub events: Events,
    /// What changes.
    pub feed: Feed,
    /// Everything that is written down.
    pub store: Store,
    /// What the notifier shows: messages, alerters, silences.
    pub notifier: NotifierView,
    /// Who judges what.
    pub owner: OwnerView,
    /// The other members; nothing where this one is alone.
    pub others: Option<Others>,
    /// Who judged what before.
    pub tables: Tables,
    /// How this member is.
    pub health: Health,
    /// Whether what runs here turns.
    pub watchdog: Watchdog,
    /// What became of probes that came here, by the address that they came to.
    pub reflected: Vec<(SocketAddr, Arc<Counts>)>,
    /// For saying what becomes of a store that is another one than before; nothing where no copy is kept.
    pub deciding: Option<Deciding>,
    /// Who this member is.
    pub member: MemberInfo,
    /// Settings.
    pub options: Options,
}

/// Who this member is.
#[derive(Debug, Clone)]
pub struct MemberInfo {
    /// Its id.
    pub id: MemberId,
    /// Host name.
    pub hostname: String,
    /// Version of the program (`0.1.0`).
    pub version: String,
    /// Short commit hash of the program, `N/A` where it is not known.
    pub commit: String,
    /// When the process started.
    pub started: WallMs,
    /// Where the API listens.
    pub listen: String,
}

/// Settings of the API.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Tokens that let in; none: everybody is let in.
    pub access_tokens: AccessTokens,
    /// Whether checks that run commands may be defined through the API.
    pub allow_exec_from_api: bool,
    /// First part of the key forms `/<prefix>/monitor/<name>`, without slashes.
    pub prefix: String,
    /// Serve the page from this directory instead of the embedded one, for working on it.
    pub page_dir: Option<PathBuf>,
}

/// A cheap handle to it.
#[derive(Clone)]
pub struct ApiState {
    inner: Arc<Inner>,
    stop: CancellationToken,
}

pub(super) struct Inner {
    parts: Parts,
    pub(super) measured: Measured,
    pub(super) clients: Clients,
    changes: Changes,
}

impl ApiState {
    /// A handle.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let inner = Inner {
            parts,
            measured: Measured::new(),
            clients: Clients::default(),
            changes: Changes::default(),
        };
        Self {
            inner: Arc::new(inner),
            stop: CancellationToken::new(),
        }
    }

    /// The same, whose streams end when `stop` is cancelled.
    #[must_use]
    pub fn until(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// A monitor as it can run, also one that others run; `None` if it was edited or removed just now.
    pub(super) async fn whole(&self, entry: Arc<MonitorEntry>) -> Result<Option<Arc<MonitorEntry>>, StoreError> {
        if entry.def().is_some() {
            return Ok(Some(entry));
        }
        let record = self.store.get(&keys::monitor(&entry.name)).await?;
        let record = record.filter(|record| record.rev == entry.rev);
        let whole = |record| loader::read(Kinds::built_in(), entry.name.clone(), &record);
        Ok(record.map(whole).map(Arc::new))
    }

    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(super) fn measured(&self) -> &Measured {
        &self.inner.measured
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.inner.clients
    }
}

impl std::ops::Deref for ApiState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.inner.parts
    }
}
