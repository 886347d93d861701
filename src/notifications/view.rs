//! What the pipeline shows to others: states, counters, the last messages; of the alerters that this member works. Written by the worker, read by anybody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::deliver;
use super::lane::{GaveUp, Standing};
use super::limits::SENT_KEPT;
use super::message::{Notice, Sender};
use crate::alerters::{DeliveryError, Receipt, Retry};
use crate::config::definition::AlerterDef;
use crate::model::{AlerterName, EpisodeId, MonitorName, Status, WallMs};
use crate::silences::SilenceSet;

pub(crate) type LaneKey = (AlerterName, MonitorName);

/// How far one message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotificationState {
    /// It waits for its turn, its next attempt, or the store.
    Pending,
    /// An attempt is on its way.
    Sending,
    /// A silence mutes it.
    Muted,
    /// It will not be told.
    GivenUp,
    /// It was told.
    Sent,
}

impl NotificationState {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Muted => "muted",
            Self::GivenUp => "given-up",
            Self::Sent => "sent",
        }
    }
}

/// One message, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationItem {
    /// As [`Notification::key`](crate::model::Notification::key).
    pub key: String,
    /// To whom.
    pub alerter: AlerterName,
    /// About what.
    pub monitor: MonitorName,
    /// The episode.
    pub episode: EpisodeId,
    /// The change.
    pub seq: u32,
    /// What: `ok` for a resolve.
    pub status: Status,
    /// How far.
    pub state: NotificationState,
    /// When the change happened; of what was sent, when that was.
    pub at: WallMs,
    /// Attempts so far.
    pub attempts: u32,
    /// The last error; of what was sent, nothing.
    pub error: Option<String>,
    /// What the far end answered, of what was sent.
    pub response: Option<String>,
    /// When it is tried again, if it waits for that.
    pub next_attempt: Option<WallMs>,
    /// The silence that mutes it, and until when.
    pub muted_by: Option<(String, WallMs)>,
}

/// The last answer of an alerter's far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDelivery {
    /// When.
    pub at: WallMs,
    /// Whether it took the message.
    pub ok: bool,
    /// What it said.
    pub message: String,
}

/// What is known of one alerter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlerterFacts {
    /// Whether it is worked by this member. If not, what waits and is open there is known elsewhere, and only what was counted here while it
    /// was stands below.
    pub here: bool,
    /// Messages that wait, muted ones too.
    pub pending: usize,
    /// Incidents that it was told of and that are still open.
    pub told_open: usize,
    /// Messages that were given up and are still wanted.
    pub given_up: usize,
    /// The last answer.
    pub last_delivery: Option<LastDelivery>,
    /// Attempts by result: `sent`, `refused`, `later`, `failed`, `unreachable`.
    pub attempts: BTreeMap<&'static str, u64>,
    /// Messages given up, by reason.
    pub gave_up: BTreeMap<&'static str, u64>,
    /// Messages of other alerters that were given up, by whether this one was told of them in their place: `told`, `refused`.
    pub in_place: BTreeMap<&'static str, u64>,
}

/// How many messages are in each state now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting.
    pub pending: usize,
    /// On their way.
    pub sending: usize,
    /// Muted by a silence.
    pub muted: usize,
    /// Given up and still wanted.
    pub given_up: usize,
    /// Incidents that somebody was told of and that are still open.
    pub told_open: usize,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<LaneKey, (Standing, Option<NotificationItem>)>,
    sent: VecDeque<NotificationItem>,
    alerters: BTreeMap<AlerterName, AlerterFacts>,
    defined: BTreeSet<AlerterName>,
    here: BTreeSet<AlerterName>,
    silences: Arc<SilenceSet>,
    without_store: u64,
}

/// A cheap handle to what the notifier shows.
#[derive(Clone)]
pub struct NotifierView {
    state: Arc<Mutex<State>>,
    sender: Sender,
    http: reqwest::Client,
}

impl std::fmt::Debug for NotifierView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotifierView").finish_non_exhaustive()
    }
}

impl NotifierView {
    pub(crate) fn new(sender: Sender, http: reqwest::Client) -> Self {
        Self {
            state: Arc::default(),
            sender,
            http,
        }
    }

    /// What is pending, muted, on its way or given up, in order of alerter and monitor; then what was sent, newest first.
    #[must_use]
    pub fn items(&self) -> Vec<NotificationItem> {
        let state = self.state.lock();
        let open = state.lanes.values().filter_map(|(_, item)| item.clone());
        open.chain(state.sent.iter().rev().cloned()).collect()
    }

    /// How many messages are in each state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (standing, _) in self.state.lock().lanes.values() {
            *match standing {
                Standing::Pending => &mut counts.pending,
                Standing::Sending => &mut counts.sending,
                Standing::Muted => &mut counts.muted,
                Standing::GivenUp => &mut counts.given_up,
                Standing::Told => &mut counts.told_open,
            } += 1;
        }
        counts
    }

    /// What is known of each alerter that was ever used or is defined.
    #[must_use]
    pub fn alerters(&self) -> BTreeMap<AlerterName, AlerterFacts> {
        let state = self.state.lock();
        let mut all = state.alerters.clone();
        for name in &state.defined {
            all.entry(name.clone()).or_default();
        }
        for ((alerter, _), (standing, _)) in &state.lanes {
            let facts = all.entry(alerter.clone()).or_default();
            *match standing {
                Standing::Pending | Standing::Sending | Standing::Muted => &mut facts.pending,
                Standing::GivenUp => &mut facts.given_up,
                Standing::Told => &mut facts.told_open,
            } += 1;
        }
        for (name, facts) in &mut all {
            facts.here = state.here.contains(name);
        }
        all
    }

    /// Whether this member works an alerter: whoever asks for more of one that it does not has to ask another member.
    #[must_use]
    pub fn works(&self, alerter: &AlerterName) -> bool {
        self.state.lock().here.contains(alerter)
    }

    /// Messages that were told although the store could not record that first.
    #[must_use]
    pub fn told_without_store(&self) -> u64 {
        self.state.lock().without_store
    }

    /// The silences as the notifier knows them.
    #[must_use]
    pub fn silences(&self) -> Arc<SilenceSet> {
        self.state.lock().silences.clone()
    }

    /// Sends a marked test message by this definition, outside of the outbox.
    ///
    /// # Errors
    /// What the far end said, or why it could not be asked.
    pub async fn send_test(&self, definition: &AlerterDef) -> Result<Receipt, DeliveryError> {
        // Any name does: the message says that it is a test, and its keys are its own.
        let monitor = MonitorName::parse("test").map_err(|error| DeliveryError::never(error.to_string()))?;
        let note = self.sender.test(&definition.name, monitor, WallMs::now());
        let result = deliver(definition.alerter.clone(), self.http.clone(), note).await;
        self.attempted(&definition.name, &result, WallMs::now());
        result
    }

    /// Tells something about the cluster by this definition, outside of the outbox: one attempt, with its deadline.
    ///
    /// # Errors
    /// What the far end said, or why it could not be asked.
    pub async fn send_notice(&self, definition: &AlerterDef, notice: &Notice) -> Result<Receipt, DeliveryError> {
        let about = MonitorName::parse(notice.about.word()).map_err(|error| DeliveryError::never(error.to_string()))?;
        let note = self.sender.notice(&definition.name, about, notice);
        let result = deliver(definition.alerter.clone(), self.http.clone(), note).await;
        self.attempted(&definition.name, &result, WallMs::now());
        result
    }

    pub(crate) fn show(&self, key: &LaneKey, shown: Option<(Standing, Option<NotificationItem>)>) {
        let mut state = self.state.lock();
        match shown {
            Some(shown) => state.lanes.insert(key.clone(), shown),
            None => state.lanes.remove(key),
        };
    }

    pub(crate) fn set_here(&self, name: &AlerterName, here: bool) {
        let set = &mut self.state.lock().here;
        if here {
            set.insert(name.clone());
        } else {
            set.remove(name);
        }
    }

    pub(crate) fn sent(&self, item: NotificationItem) {
        let sent = &mut self.state.lock().sent;
        if sent.len() >= SENT_KEPT {
            sent.pop_front();
        }
        sent.push_back(item);
    }

    pub(crate) fn attempted(&self, alerter: &AlerterName, result: &Result<Receipt, DeliveryError>, at: WallMs) {
        let (word, message) = match result {
            Ok(receipt) => ("sent", &receipt.response),
            Err(error) => (
                match error.retry {
                    Retry::Never => "refused",
                    Retry::After(_) => "later",
                    Retry::Soon => "failed",
                    Retry::Unreachable => "unreachable",
                },
                &error.message,
            ),
        };
        let mut state = self.state.lock();
        let facts = state.alerters.entry(alerter.clone()).or_default();
        *facts.attempts.entry(word).or_default() += 1;
        facts.last_delivery = Some(LastDelivery {
            at,
            ok: result.is_ok(),
            message: message.clone(),
        });
    }

    pub(crate) fn gave_up(&self, alerter: &AlerterName, why: GaveUp) {
        let mut state = self.state.lock();
        let facts = state.alerters.entry(alerter.clone()).or_default();
        *facts.gave_up.entry(why.as_str()).or_default() += 1;
    }

    pub(crate) fn in_place(&self, fallback: &AlerterName, word: &'static str, messages: usize) {
        let mut state = self.state.lock();
        let facts = state.alerters.entry(fallback.clone()).or_default();
        *facts.in_place.entry(word).or_default() += messages as u64;
    }

    pub(crate) fn told_one_without_store(&self) {
        self.state.lock().without_store += 1;
    }

    pub(crate) fn set_silences(&self, silences: SilenceSet) {
        self.state.lock().silences = Arc::new(silences);
    }

    pub(crate) fn set_defined(&self, name: &AlerterName, defined: bool) {
        let mut state = self.state.lock();
        if defined {
            state.defined.insert(name.clone());
            return;
        }
        state.defined.remove(name);
        // What was counted of an alerter that is gone would be kept for every name that ever was.
        if !state.lanes.keys().any(|(alerter, _)| alerter == name) {
            state.alerters.remove(name);
        }
    }
}
