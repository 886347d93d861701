//! Pure: what an alerter is given, made of what a lane wants told.

use super::lane::Message;
use super::limits::{DIGEST_LINE, DIGEST_LINES};
use crate::model::{AlerterName, Closed, DigestLine, EpisodeId, MonitorName, Notification, Status, WallMs};
use crate::store::keys;

/// What is the same in all messages of a member.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// This member.
    pub(crate) member: String,
    /// Where people reach this server.
    pub(crate) base_url: Option<String>,
}

/// Something about the cluster that an operator is to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub about: About,
    /// Not ok, or `ok` when it is over.
    pub status: Status,
    /// When it began.
    pub since: WallMs,
    /// When this was found.
    pub at: WallMs,
    /// What happened, without a full stop.
    pub sentence: String,
    /// What else there is to know.
    pub details: String,
    /// An earlier attempt may have arrived.
    pub possibly_repeated: bool,
    /// It is told while this member has no store.
    pub without_store: bool,
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The store. It is the cluster's and no member's, so that of several that cannot hear one another each joins the incident that is open.
    Store,
    /// Messages that were given up. They have no end of their own, so each notice is an incident of its own, for whoever has seen to it to close: one that joins an
    /// open one would wake nobody.
    Undelivered {
        /// What the first of them is known by.
        first: String,
    },
}

impl About {
    /// In a word, in the place of a monitor's name.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Undelivered { .. } => "alerts",
        }
    }

    const fn page(&self) -> &'static str {
        match self {
            Self::Store => "cluster",
            Self::Undelivered { .. } => "notifications",
        }
    }
}

impl Sender {
    /// One message.
    pub(crate) fn notification(&self, alerter: &AlerterName, monitor: &MonitorName, message: &Message) -> Notification {
        let entry = &message.entry;
        let of_entry = message.episode == entry.episode;
        let displaced = entry.displaced.as_ref().filter(|end| end.episode == message.episode);
        Notification {
            key: format!(
                "{}/{monitor}/{}/{}/{alerter}",
                self.cluster, message.episode, message.seq
            ),
            incident_key: format!("{}/{monitor}", self.cluster),
            cluster: self.cluster.clone(),
            alerter: alerter.clone(),
            monitor: monitor.clone(),
            kind: entry.kind.clone(),
            episode: message.episode,
            seq: message.seq,
            status: message.status,
            from: message.from,
            closed: if of_entry {
                entry.closed
            } else {
                Some(displaced.map_or(Closed::Recovered, |end| end.closed))
            },
            since: if of_entry {
                entry.since
            } else {
                WallMs(message.episode.0)
            },
            at: if of_entry {
                entry.at
            } else {
                displaced.map_or(entry.since, |end| end.at)
            },
            count: if of_entry {
                entry.count
            } else {
                displaced.map_or(0, |end| end.count)
            },
            description: entry.description.clone(),
            details: if of_entry {
                entry.message.clone()
            } else {
                displaced.map(|end| end.message.clone()).unwrap_or_default()
            },
            tags: entry.tags.clone(),
            trail: if of_entry { entry.trail.clone() } else { Vec::new() },
            link: self.link(monitor),
            runbook: Some(entry.runbook.clone()).filter(|runbook| !runbook.is_empty()),
            member: self.member.clone(),
            reference: message.reference.clone(),
            possibly_repeated: message.possibly_repeated,
            without_store: false,
            notice: None,
            test: false,
            digest: Vec::new(),
        }
    }

    /// Many messages as one, worst first. An alerter that knows nothing of digests still says all of it.
    pub(crate) fn digest(&self, mut messages: Vec<Notification>) -> Option<Notification> {
        messages.sort_by(|a, b| (b.status, &a.monitor).cmp(&(a.status, &b.monitor)));
        let digest: Vec<_> = messages
            .iter()
            .map(|note| DigestLine {
                monitor: note.monitor.clone(),
                status: note.status,
                details: note.details.clone(),
                link: note.link.clone(),
            })
            .collect();
        let possibly_repeated = messages.iter().any(|note| note.possibly_repeated);
        let monitor = MonitorName::parse(&format!("{} monitors", digest.len()));
        let first = messages.into_iter().next()?;
        Some(Notification {
            key: format!("{}/digest", first.key),
            monitor: monitor.unwrap_or_else(|_| first.monitor.clone()),
            kind: "digest".to_owned(),
            closed: None,
            description: String::new(),
            details: listing(digest.iter().map(digest_line)),
            tags: Vec::new(),
            trail: Vec::new(),
            link: self.page("notifications"),
            runbook: None,
            reference: None,
            possibly_repeated,
            digest,
            ..first
        })
    }

    /// A message that says that it is a test.
    pub(crate) fn test(&self, alerter: &AlerterName, monitor: MonitorName, now: WallMs) -> Notification {
        Notification {
            key: format!("{}/test/{}/{alerter}", self.cluster, now.0),
            // Its own incident: a test never joins or closes a real one.
            incident_key: format!("{}/test/{alerter}/{}", self.cluster, now.0),
            cluster: self.cluster.clone(),
            alerter: alerter.clone(),
            monitor,
            kind: "test".to_owned(),
            episode: EpisodeId(now.0),
            seq: 1,
            status: Status::Warning,
            from: Status::Ok,
            closed: None,
            since: now,
            at: now,
            count: 1,
            description: "A test message; nothing is wrong.".to_owned(),
            details: format!("Sent on request by {} to see whether `{alerter}` works", self.member),
            tags: Vec::new(),
            trail: Vec::new(),
            link: self.page("alerters"),
            runbook: None,
            member: self.member.clone(),
            reference: None,
            possibly_repeated: false,
            without_store: false,
            notice: None,
            test: true,
            digest: Vec::new(),
        }
    }

    /// A message about the cluster.
    pub(crate) fn notice(&self, alerter: &AlerterName, monitor: MonitorName, notice: &Notice) -> Notification {
        let seq = if notice.status.is_bad() { 1 } else { 2 };
        // A name of a monitor has no slash: this incident is no monitor's.
        let mut incident_key = format!("{}/notice/{}", self.cluster, notice.about.word());
        if let About::Undelivered { first } = &notice.about {
            incident_key = format!("{incident_key}/{first}");
        }
        Notification {
            key: format!("{incident_key}/{}/{seq}/{alerter}", notice.since.0),
            incident_key,
            cluster: self.cluster.clone(),
            alerter: alerter.clone(),
            monitor,
            kind: "9volt".to_owned(),
            episode: EpisodeId(notice.since.0),
            seq,
            status: notice.status,
            from: if notice.status.is_bad() {
                Status::Ok
            } else {
                Status::Critical
            },
            closed: (!notice.status.is_bad()).then_some(Closed::Recovered),
            since: notice.since,
            at: notice.at,
            count: 0,
            description: String::new(),
            details: notice.details.clone(),
            tags: Vec::new(),
            trail: Vec::new(),
            link: self.page(notice.about.page()),
            runbook: None,
            member: self.member.clone(),
            reference: None,
            possibly_repeated: notice.possibly_repeated,
            without_store: notice.without_store,
            notice: Some(notice.sentence.clone()),
            test: false,
            digest: Vec::new(),
        }
    }

    fn link(&self, monitor: &MonitorName) -> Option<String> {
        self.page(&format!("monitors/{}", keys::segment(monitor.as_str())))
    }

    fn page(&self, path: &str) -> Option<String> {
        let base = self.base_url.as_ref()?;
        Some(format!("{}/ui/{path}", base.trim_end_matches('/')))
    }
}

fn digest_line(line: &DigestLine) -> String {
    let short = short(&line.details);
    let word = if line.status.is_bad() {
        line.status.as_str()
    } else {
        "resolved"
    };
    let colon = if short.is_empty() { "" } else { ": " };
    format!("{word} {}{colon}{short}", line.monitor)
}

/// The first line of a text, as much of it as fits into a line with others.
pub(super) fn short(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    &first[..first.floor_char_boundary(DIGEST_LINE)]
}

/// As many lines as people read; the rest is counted.
pub(super) fn listing(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(DIGEST_LINES);
    let mut lines: Vec<_> = lines.take(DIGEST_LINES).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
