//! A message about one change of one monitor, to one alerter.

use super::{AlerterName, Closed, EpisodeId, MonitorName, Status, WallMs};

/// One line of what happened in an episode.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrailEntry {
    /// When.
    pub at: WallMs,
    /// What the status became.
    pub status: Status,
    /// The run's message.
    pub message: String,
}

/// What an alerter is asked to tell. Self-contained: an alerter reads nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// `<cluster>/<monitor>/<episode>/<seq>/<alerter>`: the same text for every attempt, for recognising a repetition.
    pub key: String,
    /// `<cluster>/<monitor>`: the key of the incident at services that keep incidents, so that a double joins the open one.
    pub incident_key: String,
    /// Name of the cluster (its store prefix).
    pub cluster: String,
    /// The alerter that is asked.
    pub alerter: AlerterName,
    /// The monitor that it is about.
    pub monitor: MonitorName,
    /// Kind of the monitor (`http`).
    pub kind: String,
    /// Episode and change within it.
    pub episode: EpisodeId,
    /// Number of the change within the episode, from 1.
    pub seq: u32,
    /// The status now: `warning`, `critical`, or `ok` for a resolve.
    pub status: Status,
    /// Status before; for a resolve, what it recovered from.
    pub from: Status,
    /// For a resolve: why the episode ended.
    pub closed: Option<Closed>,
    /// When the episode began.
    pub since: WallMs,
    /// When this change happened.
    pub at: WallMs,
    /// Consecutive failed runs so far (for a resolve: in the whole episode).
    pub count: u32,
    /// `description` of the monitor.
    pub description: String,
    /// Message of the failed run (for a resolve: of the last failed run).
    pub details: String,
    /// `tags` of the monitor.
    pub tags: Vec<String>,
    /// The last changes of the episode, oldest first.
    pub trail: Vec<TrailEntry>,
    /// Page of this monitor, where the server knows its own address.
    pub link: Option<String>,
    /// `runbook` of the monitor.
    pub runbook: Option<String>,
    /// Which member says so.
    pub member: String,
    /// What the far end returned for the first message of this episode (a Slack `ts`, a Message-ID): for threads.
    pub reference: Option<String>,
    /// An earlier attempt may have arrived; said in the text where the far end has no key of its own.
    pub possibly_repeated: bool,
    /// It is told while this member has no store to record it in; said in the text, with who says so.
    pub without_store: bool,
    /// It is not about a monitor but about the cluster: what it says in place of a sentence about checks.
    pub notice: Option<String>,
    /// A test message that an operator asked for; marked as such.
    pub test: bool,
    /// Not empty: this is a digest of so many messages, worst first; the fields above are those of the first.
    pub digest: Vec<DigestLine>,
}

/// One message of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestLine {
    /// The monitor.
    pub monitor: MonitorName,
    /// Its status now.
    pub status: Status,
    /// Message of the failed run.
    pub details: String,
    /// Page of this monitor, where the server knows its own address.
    pub link: Option<String>,
}

impl Notification {
    /// Whether this says that it is over.
    #[must_use]
    pub fn is_resolve(&self) -> bool {
        !self.status.is_bad()
    }

    /// `CRITICAL`, `WARNING` or `RESOLVED`.
    #[must_use]
    pub fn headline_word(&self) -> &'static str {
        match self.status {
            Status::Critical => "CRITICAL",
            Status::Warning => "WARNING",
            Status::Ok | Status::Pending => "RESOLVED",
        }
    }

    /// The original's sentence: `Check has entered into warning state after 1 checks`,
    /// `Check has recovered from critical after 53 checks`; for other endings, why.
    #[must_use]
    pub fn sentence(&self) -> String {
        if !self.digest.is_empty() {
            return self.digest_sentence();
        }
        if let Some(notice) = &self.notice {
            return notice.clone();
        }
        match self.closed {
            Some(Closed::Edited) => format!("Check was edited while {}; the incident is closed", self.from),
            Some(Closed::Disabled) => format!("Check was disabled while {}; the incident is closed", self.from),
            Some(Closed::Deleted) => format!("Check was deleted while {}; the incident is closed", self.from),
            // The end of an episode that an older process told of: nobody counted to its end.
            _ if self.is_resolve() && self.count == 0 => format!("Check has recovered from {}", self.from),
            _ if self.is_resolve() => format!("Check has recovered from {} after {} checks", self.from, self.count),
            _ => format!(
                "Check has entered into {} state after {} checks",
                self.status, self.count
            ),
        }
    }
    /// `31 changes: 20 critical, 8 warning, 3 resolved`.
    fn digest_sentence(&self) -> String {
        let of = |wanted: &dyn Fn(Status) -> bool| self.digest.iter().filter(|line| wanted(line.status)).count();
        let parts = [
            (of(&|status| status == Status::Critical), "critical"),
            (of(&|status| status == Status::Warning), "warning"),
            (of(&|status| !status.is_bad()), "resolved"),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{n} {word}"))
            .collect();
        format!("{} changes at once: {}", self.digest.len(), parts.join(", "))
    }
}
