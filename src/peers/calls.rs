//! What members may ask one another: a closed list. No call carries a definition, a command or an address; where one is about a monitor, it
//! names it, and the asked member looks at its own copy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wire::{AskError, Refused, Why};
use crate::catalog::Carried;
use crate::model::{AlerterName, EpisodeId, MemberId, MonitorName, Slots, Status, WallMs};
use crate::schedule::{Lateness, Ledger};
use crate::store::records::{OutboxEntry, Table, Told};

/// Which calls draw on which budget: a storm of one sort leaves the others alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Few and small, and the cluster waits for them.
    Cluster,
    /// For pages and lists.
    Reading,
    /// Runs of checks, as long as these take.
    Running,
}

/// A question of the closed list, and what it is answered by.
pub trait Question: Into<Call> + Send {
    /// The answer.
    type Answer: TryFrom<Answer, Error = AskError> + Send;
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($question:ty) -> $answer:ty, $word:literal, $sort:ident;)*) => {
        /// A question.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(tag = "call", content = "about")]
        pub enum Call {
            $($(#[$doc])* #[serde(rename = $word)] $name($question),)*
        }

        /// An answer.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(tag = "call", content = "is")]
        pub enum Answer {
            $($(#[$doc])* #[serde(rename = $word)] $name($answer),)*
        }

        impl Call {
            /// The words of all calls.
            pub(super) const WORDS: &[&str] = &[$($word),*];

            /// The word that this call has on the wire and in metrics.
            #[must_use]
            pub fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)* }
            }

            pub(super) fn sort(&self) -> Sort {
                match self { $(Self::$name(_) => Sort::$sort,)* }
            }
        }

        $(
            impl From<$question> for Call {
                fn from(question: $question) -> Self {
                    Self::$name(question)
                }
            }

            impl TryFrom<Answer> for $answer {
                type Error = AskError;
                fn try_from(answer: Answer) -> Result<Self, AskError> {
                    match answer {
                        Answer::$name(answer) => Ok(answer),
                        _ => Err(AskError::Garbled("the answer is to another question".to_owned())),
                    }
                }
            }

            impl From<$answer> for Answer {
                fn from(answer: $answer) -> Self {
                    Self::$name(answer)
                }
            }

            impl Question for $question {
                type Answer = $answer;
            }
        )*
    };
}

calls! {
    /// Who are you?
    Hello(HelloQuestion) -> HelloAnswer, "hello", Cluster;
    /// Have you the store?
    Store(StoreQuestion) -> StoreAnswer, "store", Cluster;
    /// Tell your alerters this, for there is no store to leave it in.
    Tell(TellQuestion) -> TellAnswer, "tell", Cluster;
    /// What do you know of the monitors in these slots, which are mine now?
    HandOver(HandOverQuestion) -> HandOverAnswer, "hand-over", Cluster;
    /// A part of the list of states.
    States(StatesQuestion) -> StatesAnswer, "states", Reading;
    /// Everything that is known of one monitor.
    State(StateQuestion) -> StateAnswer, "state", Reading;
    /// Numbers.
    Counts(CountsQuestion) -> CountsAnswer, "counts", Reading;
    /// A part of the list of messages.
    Notifications(NotificationsQuestion) -> NotificationsAnswer, "notifications", Reading;
    /// What is known of the alerters.
    Alerters(AlertersQuestion) -> AlertersAnswer, "alerters", Reading;
    /// What has changed since I asked last.
    Changes(ChangesQuestion) -> ChangesAnswer, "changes", Reading;
    /// Run this monitor once, now.
    Run(RunQuestion) -> RunAnswer, "run", Running;
}

/// Who are you?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloQuestion {}

/// This I am.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAnswer {
    /// The member.
    pub member: MemberId,
    /// SHA-256 of its identity, in hex: tells whether two processes share a data directory without saying the identity.
    pub identity: String,
    /// The process.
    pub boot: String,
    /// Its host.
    pub hostname: String,
    /// Its number there.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// Its clock.
    pub now: WallMs,
}

/// Have you the store?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreQuestion {
    /// Groups whose tables are wanted whole.
    #[serde(default)]
    pub tables: Vec<String>,
}

/// Whether a member has the store, by a new linearizable read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreAnswer {
    /// It has.
    pub store: bool,
    /// Epoch of each group's table, as this member knows it.
    pub epochs: BTreeMap<String, String>,
    /// The tables that were asked for, as far as it has them.
    #[serde(default)]
    pub tables: BTreeMap<String, Table>,
    /// What it heard from others lately, or through them.
    #[serde(default)]
    pub heard: Vec<Heard>,
    /// It has recorded what the store does not have yet: it is without the store, or returning to it.
    #[serde(default)]
    pub settling: bool,
    /// It is in trouble of which an operator is to be told, and tells of it if nobody comes before it.
    #[serde(default)]
    pub notifies: bool,
}

/// Entries in one such question, at most.
pub const TELL_AT_MOST: usize = 100;
/// Bytes of one such question, about, at most.
pub const TELL_BYTES: usize = 192 * 1024;

/// Tell your alerters this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellQuestion {
    /// What, each for one alerter.
    pub entries: Vec<ToTell>,
}

/// What one alerter should know of one monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToTell {
    /// The alerter.
    pub alerter: AlerterName,
    /// The monitor.
    pub monitor: MonitorName,
    /// What it should know.
    pub entry: OutboxEntry,
    /// What it was told of it, as far as the asking member knows; status ok: the end was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

/// What became of it so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellAnswer {
    /// This member has the store: it takes nothing from somebody who has not.
    pub store: bool,
    /// What each alerter was told, in order; status ok: the end was told.
    #[serde(default)]
    pub told: Vec<Option<Told>>,
}

/// What one member heard of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Of whom.
    pub member: MemberId,
    /// Whether that one has the store.
    pub store: bool,
    /// How long ago that was, in milliseconds: clocks of two members are never compared.
    pub ago_ms: u64,
}

/// What do you know of the monitors in these slots?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOverQuestion {
    /// The slots.
    pub slots: Slots,
    /// Go on after this monitor.
    #[serde(default)]
    pub after: Option<MonitorName>,
    /// Last runs wanted of each monitor; none are needed to judge on.
    #[serde(default)]
    pub samples: usize,
}

/// A part of it, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandOverAnswer {
    /// The monitors that ran there.
    pub monitors: Vec<HandedOver>,
    /// There is more: ask again, after this one.
    pub next: Option<MonitorName>,
}

/// One monitor, handed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandedOver {
    /// The monitor.
    pub name: MonitorName,
    /// Fingerprint of what was measured: of another one nothing here counts.
    pub measured: u64,
    /// What is known of it. `next_due` is the run after the last one that was made.
    pub state: Carried,
}

/// Where an item stands in its list: ascending, ties by text.
pub type Rank = (i64, String);

/// A part of the list of states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatesQuestion {
    /// The slots to answer for: those that the asking member believes the asked one to judge. What lies elsewhere is not looked at, so that
    /// every monitor is counted once, however the slots move meanwhile.
    pub slots: Slots,
    /// Filters and order, as in the query of the API.
    pub query: String,
    /// Go on after this rank.
    #[serde(default)]
    pub after: Option<Rank>,
    /// Rows wanted, at most.
    pub limit: usize,
    /// Only ranks are wanted: for whoever skips rows.
    #[serde(default)]
    pub slim: bool,
    /// The last runs of each are wanted, too.
    #[serde(default)]
    pub spark: bool,
}

/// Some states, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatesAnswer {
    /// The rows.
    pub rows: Vec<StateRow>,
    /// There are more behind these.
    pub more: bool,
    /// All that match, whatever was asked to go on after.
    pub total: usize,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateRow {
    /// What it is sorted by; ties by name.
    pub key: i64,
    /// The monitor.
    pub name: MonitorName,
    /// How it is; nothing where only ranks were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Carried>,
    /// Nobody could say anything about it for a while. Said by the member that judges it, by its clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwatched: bool,
    /// It does not run there: what is told is the last that was recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recorded: bool,
}

/// Everything that is known of one monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateQuestion {
    /// The monitor.
    pub name: MonitorName,
}

/// It.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateAnswer {
    /// Nothing, if it does not run there.
    pub state: Option<Carried>,
    /// Nobody could say anything about it for a while.
    #[serde(default)]
    pub unwatched: bool,
}

/// Numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsQuestion {
    /// The slots to count, as in [`StatesQuestion`].
    pub slots: Slots,
}

/// Monitors by what they are, and what the member does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CountsAnswer {
    /// The monitors in the slots that were asked about.
    pub monitors: MonitorCounts,
    /// Messages that wait or are on their way.
    pub pending: usize,
    /// Messages given up and still wanted.
    pub given_up: usize,
    /// The account of all runs.
    pub ledger: Ledger,
    /// How late they began.
    pub lateness: Lateness,
    /// Runs per second lately.
    pub rate: f64,
    /// What its process did; nothing from a member of an older version.
    #[serde(default)]
    pub process: Box<ProcessCounts>,
}

/// What the process of a member did since its start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ProcessCounts {
    /// Monitors that run there.
    pub scheduled: usize,
    /// Runs that ended, by the word for how.
    pub runs: BTreeMap<String, u64>,
    /// Changes recorded.
    pub commits: u64,
    /// Monitors with changes that are not recorded yet.
    pub commits_pending: usize,
    /// User and system time, in seconds; nothing where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// Resident memory, in bytes; nothing where the system does not tell.
    pub resident_bytes: Option<f64>,
}

/// Monitors by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorCounts {
    /// All.
    pub total: usize,
    /// Status ok.
    pub ok: usize,
    /// Status warning.
    pub warning: usize,
    /// Status critical.
    pub critical: usize,
    /// Not judged yet.
    pub pending: usize,
    /// Switched off.
    pub disabled: usize,
    /// Nobody can say anything about them.
    pub unwatched: usize,
    /// A silence mutes them.
    pub silenced: usize,
    /// No member may run them.
    pub orphaned: usize,
    /// Their definition has errors.
    pub invalid: usize,
    /// Left out there, because a step of them panicked.
    #[serde(default)]
    pub broken: usize,
    /// They do not run there (any more, or yet): counted by what was recorded last.
    #[serde(default)]
    pub unreachable: usize,
    /// Incidents that are open.
    pub open: usize,
}

/// A part of the list of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationsQuestion {
    /// Filters, as in the query of the API.
    pub query: String,
    /// Go on after this rank.
    #[serde(default)]
    pub after: Option<Rank>,
    /// Rows wanted, at most.
    pub limit: usize,
}

/// Some messages, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationsAnswer {
    /// The rows.
    pub rows: Vec<NotificationRow>,
    /// There are more behind these.
    pub more: bool,
    /// All that match.
    pub total: usize,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRow {
    /// The key.
    pub key: String,
    /// To whom.
    pub alerter: String,
    /// About what.
    pub monitor: MonitorName,
    /// The episode.
    pub episode: EpisodeId,
    /// What it says.
    pub status: Status,
    /// How far it is: one of the API's words.
    pub state: String,
    /// When.
    pub at: WallMs,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last one said.
    #[serde(default)]
    pub error: Option<String>,
    /// When the next one is made.
    #[serde(default)]
    pub next_attempt: Option<WallMs>,
    /// The silence that mutes it.
    #[serde(default)]
    pub muted_by: Option<String>,
}

/// What is known of the alerters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertersQuestion {}

/// By name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertersAnswer {
    /// The alerters.
    pub alerters: BTreeMap<String, AlerterRow>,
}

/// What one member knows of one alerter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlerterRow {
    /// Messages that wait.
    pub pending: usize,
    /// Incidents that it was told of and that are open.
    pub told_open: usize,
    /// Messages given up and still wanted.
    pub given_up: usize,
    /// The last answer of its far end: when, whether it took the message, what it said.
    #[serde(default)]
    pub last: Option<(WallMs, bool, String)>,
}

/// What has changed since I asked last?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesQuestion {
    /// The number in the last answer; nothing at the first time.
    #[serde(default)]
    pub since: Option<u64>,
}

/// This has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesAnswer {
    /// To be sent with the next question.
    pub at: u64,
    /// More than is remembered: everything may have changed.
    pub many: bool,
    /// Monitors whose status changed.
    #[serde(default)]
    pub states: Vec<MonitorName>,
    /// Monitors about which somebody was told.
    #[serde(default)]
    pub notifications: Vec<MonitorName>,
}

/// Run this monitor once, now. It is a question: status and history stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQuestion {
    /// The monitor.
    pub name: MonitorName,
}

/// What the run said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunAnswer {
    /// It.
    pub verdict: crate::model::Verdict,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// Answers questions. Given by the app; one for all calls, so that the compiler sees that none is left out.
#[async_trait::async_trait]
pub trait Answers: Send + Sync + 'static {
    /// Answers a member's question.
    ///
    /// # Errors
    /// Why there is no answer; [`Refused::unsupported`] for a call that this member does not know.
    async fn answer(&self, asker: &MemberId, call: Call) -> Result<Answer, Refused>;
}

impl Refused {
    /// This member does not know the call.
    #[must_use]
    pub fn unsupported(word: &str) -> Self {
        Self::new(Why::Unsupported, format!("`{word}` is not known here"))
    }
}
