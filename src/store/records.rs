//! What is persisted, with its format number `v`. JSON; unknown fields are ignored, so that an older member reads a newer record.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::backend::Revision;
use crate::model::{AlerterName, Closed, EpisodeId, MemberId, MonitorName, Status, TrailEntry, WallMs};

/// The record format that this program writes.
pub const FORMAT: u32 = 1;
/// Largest definition, in bytes of its record.
pub const MAX_DEFINITION: usize = 256 * 1024;
/// Largest checkpoint, outbox entry, told and past record; reasons are cut to fit.
pub const MAX_STATE: usize = 8 * 1024;
/// Lines of a trail that are kept.
pub const TRAIL: usize = 8;
/// Slots of a placement group.
pub const SLOTS: u16 = 4096;

/// The slot of a monitor or alerter within its group.
#[must_use]
pub fn slot(name: &str) -> u16 {
    (crate::schedule::name_hash(name) % u64::from(SLOTS)) as u16
}

/// `monitor/<name>` and `alerter/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Definition {
    /// [`FORMAT`].
    pub v: u32,
    /// Where it comes from: `api`, or `cfg:` and the file, relative to the directory that was given.
    pub origin: String,
    /// Who wrote it, as far as known.
    #[serde(default)]
    pub by: String,
    /// When.
    pub at: WallMs,
    /// What the user wrote, as JSON.
    pub spec: Box<RawValue>,
}

/// `checkpoint/<monitor>`: exists only while the status is not ok.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// [`FORMAT`].
    pub v: u32,
    /// Placement group of the monitor.
    pub group: String,
    /// Kind of the monitor, for what is told should its definition be gone.
    pub kind: String,
    /// `warning` or `critical`.
    pub status: Status,
    /// When the episode began (its first failed run).
    pub since: WallMs,
    /// Consecutive runs that did not pass.
    pub failures: u32,
    /// The failures among them since the last degraded run: what `critical` is counted by.
    pub hard: u32,
    /// The episode.
    pub episode: EpisodeId,
    /// Number of the last change in it.
    pub seq: u32,
    /// The last changes.
    pub trail: Vec<TrailEntry>,
    /// Who has been addressed in this episode, and will be told of its end.
    pub alerters: Vec<AlerterName>,
    /// Fingerprint of what is measured: another one closes the episode as edited.
    pub measured: u64,
    /// Message of the last failed run.
    pub message: String,
}

/// `outbox/<alerter>/<monitor>`: the latest that this alerter should know. Complete, because the monitor may be gone when it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// [`FORMAT`].
    pub v: u32,
    /// The episode.
    pub episode: EpisodeId,
    /// Number of the change.
    pub seq: u32,
    /// What it is now; `ok` asks for a resolve.
    pub status: Status,
    /// What it was before this change.
    pub from: Status,
    /// For a resolve: why.
    #[serde(default)]
    pub closed: Option<Closed>,
    /// When the episode began.
    pub since: WallMs,
    /// When this change happened.
    pub at: WallMs,
    /// Consecutive failed runs (at a resolve: of the whole episode).
    pub count: u32,
    /// Message of the failed run.
    pub message: String,
    /// The last changes.
    pub trail: Vec<TrailEntry>,
    /// Kind of the monitor.
    pub kind: String,
    /// Its description.
    pub description: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its runbook.
    #[serde(default)]
    pub runbook: String,
    /// The end of the episode before, where this took the place of that news: who was told of its begin is told how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displaced: Option<Displaced>,
}

impl OutboxEntry {
    /// Of which nothing is known but what it is now.
    #[must_use]
    pub fn bare(episode: EpisodeId, seq: u32, status: Status, now: WallMs) -> Self {
        Self {
            v: FORMAT,
            episode,
            seq,
            status,
            from: status,
            closed: None,
            since: WallMs(episode.0),
            at: now,
            count: 0,
            message: String::new(),
            trail: Vec::new(),
            kind: String::new(),
            description: String::new(),
            tags: Vec::new(),
            runbook: String::new(),
            displaced: None,
        }
    }
}

/// The end of an episode that nobody was told of before the next one began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    /// The episode.
    pub episode: EpisodeId,
    /// Why it ended.
    pub closed: Closed,
    /// When it ended.
    pub at: WallMs,
    /// Failed runs in it.
    pub count: u32,
    /// Message of its last failed run.
    pub message: String,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToldState {
    /// An attempt may have been made; whoever finds this after a fail-over does not know.
    Sending,
    /// The far end took it.
    Told,
    /// Given up, visibly.
    GivenUp,
}

/// `told/<alerter>/<monitor>`: what it was told last. Stays until the end of the episode was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// [`FORMAT`].
    pub v: u32,
    /// How far.
    pub state: ToldState,
    /// The episode.
    pub episode: EpisodeId,
    /// Number of the change that was told (or is being told).
    pub seq: u32,
    /// Its status.
    pub status: Status,
    /// When this record was written.
    pub at: WallMs,
    /// Attempts so far for this change.
    #[serde(default)]
    pub attempts: u32,
    /// What the far end returned for the first message of the episode.
    #[serde(default)]
    pub reference: Option<String>,
    /// Something of this episode has certainly or possibly arrived: its end must be told.
    #[serde(default)]
    pub arrived: bool,
    /// Last error, or the far end's answer.
    #[serde(default)]
    pub response: String,
    /// Given up: the fallback alerters that were told of it (or refused to be).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<AlerterName>,
}

/// `past/<episode>-<monitor>`: a closed episode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// [`FORMAT`].
    pub v: u32,
    /// The monitor.
    pub monitor: MonitorName,
    /// Its kind.
    pub kind: String,
    /// The episode.
    pub episode: EpisodeId,
    /// Worst status in it.
    pub worst: Status,
    /// When it began.
    pub since: WallMs,
    /// When it ended.
    pub until: WallMs,
    /// Why it ended.
    pub closed: Closed,
    /// Failed runs in it.
    pub count: u32,
    /// Message of the last failed run.
    pub message: String,
    /// The last changes.
    pub trail: Vec<TrailEntry>,
    /// Who was addressed.
    pub alerters: Vec<AlerterName>,
}

/// `silence/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRecord {
    /// [`FORMAT`].
    pub v: u32,
    /// All have to match.
    pub matchers: Vec<crate::silences::MatcherSpec>,
    /// From when.
    pub from: WallMs,
    /// Until when.
    pub until: WallMs,
    /// Who asked for it.
    #[serde(default)]
    pub author: String,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// When it was written.
    pub at: WallMs,
}

/// `event/<ms>-<member>-<n>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// [`FORMAT`].
    pub v: u32,
    /// `error`, `warning`, `api` as the original; `status`, `alert`, `member`, `config`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    pub message: String,
    /// When.
    pub at: WallMs,
    /// Who says so.
    pub member: MemberId,
    /// The monitor it is about.
    #[serde(default)]
    pub monitor: Option<MonitorName>,
}

/// `cluster/members/<id>`: on the session's lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// [`FORMAT`].
    pub v: u32,
    /// The member.
    pub id: MemberId,
    /// Random, kept in the data directory: the same over restarts.
    pub identity: String,
    /// Random, of this process.
    pub boot: String,
    /// Host name.
    pub hostname: String,
    /// Where its API listens.
    pub listen: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// When the process started.
    pub started: WallMs,
    /// It is about to go.
    #[serde(default)]
    pub leaving: bool,
    /// Where other members reach it (`host:port`); empty: nowhere, it runs alone.
    #[serde(default)]
    pub peer: String,
    /// SHA-256 of the certificate that it shows there, in hex; empty: none.
    #[serde(default)]
    pub fingerprint: String,
    /// Its share of the work, against those of the others. The embedded store's only member does everything whatever this says.
    #[serde(default = "one")]
    pub weight: u32,
    /// Kinds of monitor that it can run; empty: all. An older version lists fewer than a newer one.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Why it should be given nothing; empty: it is fit.
    #[serde(default)]
    pub unfit: String,
}

fn one() -> u32 {
    1
}

impl MemberRecord {
    /// Of a process that has said nothing yet but who it is.
    #[must_use]
    pub fn new(id: MemberId, identity: &str, boot: &str) -> Self {
        Self {
            v: FORMAT,
            id,
            identity: identity.to_owned(),
            boot: boot.to_owned(),
            hostname: String::new(),
            listen: String::new(),
            tags: Vec::new(),
            version: String::new(),
            started: WallMs(0),
            leaving: false,
            peer: String::new(),
            fingerprint: String::new(),
            weight: one(),
            kinds: Vec::new(),
            unfit: String::new(),
        }
    }
}

/// `cluster/intent/<id>`: what an operator wants of a member. Outlives the member's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentRecord {
    /// [`FORMAT`].
    pub v: u32,
    /// It is given nothing more.
    #[serde(default)]
    pub cordon: bool,
    /// It is given nothing more, and what it has goes to others.
    #[serde(default)]
    pub drain: bool,
    /// Takes the place of the weight that the member names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Who asked for it.
    #[serde(default)]
    pub by: String,
    /// When.
    pub at: WallMs,
}

/// A stretch of slots and who judges it. Runners are the judge itself unless listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRun {
    /// First slot.
    pub first: u16,
    /// Last slot, inclusive.
    pub last: u16,
    /// Who judges; nobody may = orphans.
    pub judge: Option<MemberId>,
    /// The epoch that gave it.
    pub since: String,
    /// Who makes the checks, if not the judge alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runners: Vec<MemberId>,
}

/// `plan/<group>/table`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "super::packed::Packed", try_from = "super::packed::Packed")]
pub struct Table {
    /// [`FORMAT`].
    pub v: u32,
    /// `<term>-<n>`, never used twice.
    pub epoch: String,
    /// When it was made, by the director's clock: for people.
    pub at: WallMs,
    /// Why it was made: for people.
    pub why: String,
    /// All slots, in order, without gaps.
    pub runs: Vec<SlotRun>,
    /// Per member the stamp that its seat has to hold for its commits to be accepted.
    pub stamps: std::collections::BTreeMap<MemberId, String>,
}

/// The place of an epoch `<term>-<n>` in time: later ones are greater. None, which is before all: nobody wrote that.
#[must_use]
pub fn epoch_order(epoch: &str) -> Option<(u64, u64)> {
    let (term, n) = epoch.split_once('-')?;
    Some((term.parse().ok()?, n.parse().ok()?))
}

impl Table {
    /// The run that a slot is in; none: the table does not say.
    #[must_use]
    pub fn run(&self, slot: u16) -> Option<&SlotRun> {
        let run = self.runs.get(self.runs.partition_point(|run| run.last < slot))?;
        (run.first <= slot).then_some(run)
    }
}

/// A soft failure: not yet a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Soft {
    /// Stable hash of the monitor's name.
    pub hash: u64,
    /// Consecutive runs that did not pass.
    pub failures: u32,
    /// As [`Checkpoint::hard`].
    pub hard: u32,
    /// Due time of the first failed run: the episode's id, should it become one.
    pub first: EpisodeId,
    /// Due time of the last failed run.
    pub due: WallMs,
    /// Fingerprint of what is measured: the count of another definition is not gone on with.
    #[serde(default)]
    pub measured: u64,
}

/// `soft/<member>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftRecord {
    /// [`FORMAT`].
    pub v: u32,
    /// Those with failures.
    pub monitors: Vec<Soft>,
}

/// `cluster/store`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRecord {
    /// Random id.
    pub id: String,
    /// The record format that everybody here reads.
    pub format: u32,
    /// Ids of the stores that it came in place of, by the word of an operator, the last one first: whoever knew one of these goes on with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
}

/// Stores before it that a store names, at most: members that were away for longer than that have to be told by hand.
const FOLLOWS: usize = 8;

impl StoreRecord {
    /// Of a store that came in place of no other.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            format: FORMAT,
            follows: Vec::new(),
        }
    }

    /// The same store, in place of another one.
    #[must_use]
    pub fn following(&self, other: &Self) -> Self {
        let mut follows: Vec<String> = Vec::new();
        for id in [&other.id].into_iter().chain(&other.follows).chain(&self.follows) {
            if *id != self.id && !follows.contains(id) && follows.len() < FOLLOWS {
                follows.push(id.clone());
            }
        }
        Self {
            follows,
            ..self.clone()
        }
    }
}

/// `config`: cluster settings, with the original's names and defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ClusterSettings {
    /// How often a member says that it lives.
    pub heartbeat_interval: crate::model::Dur,
    /// How long it may be silent: the lease time.
    pub heartbeat_timeout: crate::model::Dur,
    /// Kept from the original; samples are no longer dumped to the store.
    pub state_dump_interval: crate::model::Dur,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        use crate::model::Dur;
        Self {
            heartbeat_interval: Dur::from_secs(3),
            heartbeat_timeout: Dur::from_secs(6),
            state_dump_interval: Dur::from_secs(10),
        }
    }
}

/// A record and the revision that wrote it: what a guard needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The revision.
    pub rev: Revision,
    /// The record.
    pub value: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_compared_as_numbers() {
        assert!(epoch_order("10-2") > epoch_order("9-30"));
        assert!(epoch_order("9-30") > epoch_order("9-4"));
        assert!(epoch_order("0-0") > epoch_order("nonsense"));
        assert_eq!(epoch_order("9-"), epoch_order(""));
    }
}
