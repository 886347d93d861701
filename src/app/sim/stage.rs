//! What is around a member: targets that answer as a test says, and far ends that remember what they heard.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::alerters::{self, Alerter, DeliveryCx, DeliveryError, Receipt, Retry};
use crate::config::kinds::Kinds;
use crate::model::{Dur, EpisodeId, Notification, Reason, Verdict, WallMs};
use crate::monitors::{self, CheckCx, Monitor, Run};

/// How a target answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Target {
    #[default]
    Up,
    Down,
    /// The check cannot be made.
    Unknown,
    /// Answers only after the check's own time is over.
    Hangs,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Answer {
    #[default]
    Taken,
    /// It is taken, and the answer says that it is not.
    TakenAndDenied,
    Fails(Retry),
    Hangs,
}

/// One thing that a far end heard.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) at: WallMs,
    pub(super) note: Notification,
    /// Which attempt it was, from 0.
    pub(super) attempt: usize,
}

/// One attempt to tell a far end something, whatever became of it.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) monitor: String,
    pub(super) episode: EpisodeId,
    pub(super) bad: bool,
}

#[derive(Debug, Default)]
pub(super) struct FarEnd {
    pub(super) answer: Answer,
    pub(super) takes: Duration,
    pub(super) attempts: Vec<Attempt>,
    pub(super) heard: Vec<Heard>,
    /// Keys of the incidents that are open there.
    pub(super) open: BTreeSet<String>,
}

impl FarEnd {
    /// `web critical`, `web ok` …, as heard.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |heard: &Heard| format!("{} {}", heard.note.monitor, heard.note.status);
        self.heard.iter().map(line).collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) targets: BTreeMap<String, Target>,
    pub(super) fars: BTreeMap<String, FarEnd>,
    /// Runs that were begun, by monitor, and when the last one was.
    pub(super) runs: BTreeMap<String, (u64, Instant)>,
    /// Alerter and monitor of what was told although the store could not record that it would be.
    pub(super) without_store: BTreeSet<(String, String)>,
    /// When processes were begun, or lost their session.
    pub(super) begun: Vec<WallMs>,
    /// When members were back in the store, after a time on their copy of it.
    pub(super) turned_back: Vec<WallMs>,
    /// Alerter and monitor of ends that were given up.
    pub(super) ends_given_up: BTreeSet<(String, String)>,
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::default();
}

/// The stage of this thread. The whole simulation runs on one.
pub(super) fn stage<T>(f: impl FnOnce(&mut Stage) -> T) -> T {
    STAGE.with_borrow_mut(f)
}

/// The kinds that definitions are read with here.
pub(super) fn kinds() -> &'static Kinds {
    static KINDS: LazyLock<Kinds> = LazyLock::new(|| Kinds::new(MONITORS, ALERTERS));
    &KINDS
}

static MONITORS: &[monitors::Kind] = &[monitors::Kind::of::<Probe>()];
static ALERTERS: &[alerters::Kind] = &[alerters::Kind::of::<Chat>(), alerters::Kind::of::<Pager>()];

/// Asks a target of the stage.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Probe {
    /// Its name.
    target: String,
    /// How long a run takes.
    #[serde(default)]
    takes: Dur,
    /// What a run that fails says.
    #[serde(default)]
    says: String,
}

impl Monitor for Probe {
    const KIND: &'static str = "probe";
    const SUMMARY: &'static str = "Asks a target of the stage.";
    const EXAMPLE: &'static str = "";
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(2);

    fn target(&self) -> String {
        self.target.clone()
    }

    async fn check(&self, _: &CheckCx, run: &Run<'_>) -> Verdict {
        let target = stage(|stage| {
            let runs = stage.runs.entry(run.monitor.to_string());
            let runs = runs.or_insert((0, Instant::now()));
            *runs = (runs.0 + 1, Instant::now());
            stage.targets.get(&self.target).copied().unwrap_or_default()
        });
        sleep(self.takes.0).await;
        match target {
            Target::Up => Verdict::pass(),
            Target::Down if self.says.is_empty() => Verdict::fail(Reason::Refused, "connection refused"),
            Target::Down => Verdict::fail(Reason::Refused, self.says.clone()),
            Target::Unknown => Verdict::unknown(Reason::Network, "no route"),
            Target::Hangs => std::future::pending().await,
        }
    }
}

/// A far end that shows whatever it is given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chat {
    /// Its name.
    far: String,
}

/// A far end that keeps incidents by their key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pager {
    /// Its name.
    far: String,
}

impl Alerter for Chat {
    const KIND: &'static str = "chat";
    const SUMMARY: &'static str = "";
    const EXAMPLE: &'static str = "";
    const HAS_KEY: bool = false;

    async fn deliver(&self, _: &DeliveryCx, note: &Notification) -> Result<Receipt, DeliveryError> {
        hear(&self.far, note).await
    }
}

impl Alerter for Pager {
    const KIND: &'static str = "pager";
    const SUMMARY: &'static str = "";
    const EXAMPLE: &'static str = "";
    const HAS_KEY: bool = true;

    async fn deliver(&self, _: &DeliveryCx, note: &Notification) -> Result<Receipt, DeliveryError> {
        hear(&self.far, note).await
    }
}

async fn hear(far: &str, note: &Notification) -> Result<Receipt, DeliveryError> {
    let (answer, takes, attempt) = stage(|stage| {
        let far = stage.fars.entry(far.to_owned()).or_default();
        far.attempts.push(Attempt {
            monitor: note.monitor.to_string(),
            episode: note.episode,
            bad: note.status.is_bad(),
        });
        (far.answer, far.takes, far.attempts.len() - 1)
    });
    sleep(takes / 2).await;
    if matches!(answer, Answer::Taken | Answer::TakenAndDenied) {
        stage(|stage| {
            let far = stage.fars.entry(far.to_owned()).or_default();
            far.heard.push(Heard {
                at: WallMs::now(),
                note: note.clone(),
                attempt,
            });
            if note.is_resolve() {
                far.open.remove(&note.incident_key);
            } else {
                far.open.insert(note.incident_key.clone());
            }
        });
    }
    sleep(takes / 2).await;
    match answer {
        Answer::Taken => Ok(Receipt {
            response: "taken".to_owned(),
            reference: Some(format!("ref-{}", note.seq)),
        }),
        Answer::TakenAndDenied => Err(DeliveryError::soon("denied, although taken")),
        Answer::Fails(retry) => Err(DeliveryError {
            retry,
            message: "as told".to_owned(),
        }),
        Answer::Hangs => std::future::pending().await,
    }
}
