//! Tells operators that members go on without the store, and when they have it again: through the alerters that are marked `fallback`.
//!
//! One message at the beginning and one at the end, by one of the members that hear one another, each tried until it arrives. *Guarantees*: whoever told the beginning
//! tells the end, after a restart, too. *Caveats*: members that do not hear one another each tell, and so does the next one when the one that told is gone; the
//! incident's key is the cluster's, so a far end that keeps incidents keeps one. They do not go by way of the outbox: of a store that is away nobody is the judge.

mod rules;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::asking::Rounds;
use super::round::Says;
use super::rules::State;
use super::standing::Standing;
use crate::alerters::{DeliveryError, Retry};
use crate::catalog::Catalog;
use crate::cluster::Tables;
use crate::events::{EventKind, Events};
use crate::model::{AlerterName, Group, MemberId, Status, WallMs};
use crate::notifications::{Notice, NotifierView};
use crate::tasks::Tasks;
use rules::{Course, Step, details, is_first, sentence};

/// What it is about, in messages and keys.
const ABOUT: &str = "store";
/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);
/// Wait after a first attempt that did not work; twice as long each time.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest such wait.
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// What it works with.
pub struct Notices {
    /// How this member stands.
    pub standing: Standing,
    /// What the others say.
    pub rounds: Rounds,
    /// Which alerters there are, and which monitors.
    pub catalog: Catalog,
    /// Who judges which.
    pub tables: Tables,
    /// This member.
    pub me: MemberId,
    /// The way to far ends.
    pub notifier: NotifierView,
    /// For telling people.
    pub events: Events,
    /// What was told, for the next process.
    pub noted: Noted,
}

/// What was begun to be told, for as long as its end is not. Kept beside the copy of the store, of which nothing is left when its end is told.
#[derive(Debug, Clone, Default)]
pub struct Noted(Option<PathBuf>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    since: WallMs,
    alerters: Vec<AlerterName>,
}

impl Noted {
    /// In that file.
    #[must_use]
    pub fn at(file: PathBuf) -> Self {
        Self(Some(file))
    }

    fn read(&self) -> Option<Note> {
        let text = std::fs::read(self.0.as_ref()?).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Not synced: after a power loss one end may be told that was told, or none.
    fn write(&self, note: &Note) {
        let Some(file) = &self.0 else { return };
        let written = match (note.alerters.is_empty(), serde_json::to_vec(note)) {
            (false, Ok(text)) => std::fs::write(file, text),
            _ => std::fs::remove_file(file),
        };
        if let Err(error) = written.or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }) {
            tracing::warn!(%error, "cannot note what fallback alerters were told");
        }
    }
}

/// One alerter that is told.
#[derive(Debug, Default)]
struct Told {
    /// What is to be told of the beginning; `None` once it is.
    begin: Option<Notice>,
    /// An attempt was made: it may have arrived, and its end is to be told.
    begun: bool,
    end: Option<Notice>,
    failures: u32,
    not_before: Option<Instant>,
    busy: bool,
}

/// What became of an attempt: of which message, and how it went.
type Attempt = (AlerterName, Status, Result<(), DeliveryError>);

impl Notices {
    /// Tells until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let note = self.noted.read();
        let mut course = note.as_ref().map_or_else(Course::default, |_| Course::told());
        let mut since = note.as_ref().map_or(WallMs(0), |note| note.since);
        let before = note.into_iter().flat_map(|note| note.alerters);
        let told = |begun| Told {
            begun,
            ..Told::default()
        };
        let mut all: BTreeMap<AlerterName, Told> = before.map(|name| (name, told(true))).collect();
        let mut attempts: Tasks<Attempt> = Tasks::child_of(&stop);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK) => {}
                Some(ended) = attempts.next() => match ended {
                    Ok(attempt) => self.attempted(&mut all, since, attempt),
                    Err(panic) => {
                        tracing::error!(%panic, "an attempt to tell a fallback alerter ended badly");
                        all.values_mut().for_each(|told| told.busy = false);
                    }
                },
            }
            let (stood, trouble) = (self.standing.now(), self.standing.trouble());
            let first = is_first(&self.me, &self.rounds.notifying());
            match course.look(Instant::now(), stood.state, trouble, first) {
                Step::Nothing => {}
                Step::Tell(trouble) => {
                    since = stood.since;
                    let notice = self.begins(trouble, since);
                    for name in self.fallback() {
                        all.entry(name).or_default().begin = Some(notice.clone());
                    }
                }
                Step::Over => {
                    all.retain(|_, told| told.begun || told.busy);
                    for told in all.values_mut() {
                        (told.end, told.failures, told.not_before) = (Some(ends(since)), 0, None);
                    }
                }
            }
            self.attempt(&mut all, since, &mut attempts);
        }
    }

    /// The alerters that are told.
    fn fallback(&self) -> Vec<AlerterName> {
        let alerters = self.catalog.alerters().into_iter();
        let fallback = alerters.filter(|entry| entry.def.as_ref().is_some_and(|def| def.settings.fallback));
        fallback.map(|entry| entry.name.clone()).collect()
    }

    fn begins(&self, trouble: State, since: WallMs) -> Notice {
        let said = self.standing.said().into_iter();
        let mut away: BTreeMap<MemberId, usize> = said
            .filter_map(|(member, says)| matches!(says, Says::Nothing(_)).then_some((member, 0)))
            .collect();
        let monitors = self.catalog.monitors();
        for entry in &monitors {
            let judge = entry
                .slot()
                .and_then(|(group, slot)| self.tables.judge(&Group::named(&group), slot));
            if let Some(n) = judge.and_then(|judge| away.get_mut(&judge)) {
                *n += 1;
            }
        }
        let away: Vec<_> = away.into_iter().collect();
        Notice {
            about: ABOUT,
            status: Status::Critical,
            since,
            at: WallMs::now(),
            sentence: sentence(trouble).to_owned(),
            details: details(trouble, &self.standing.because(), &away, monitors.len()),
            possibly_repeated: false,
        }
    }

    /// Begins what is to be tried now.
    fn attempt(&self, all: &mut BTreeMap<AlerterName, Told>, since: WallMs, attempts: &mut Tasks<Attempt>) {
        let now = Instant::now();
        let mut begun = false;
        for (name, told) in all.iter_mut() {
            let waits = told.busy || told.not_before.is_some_and(|until| now < until);
            let Some(notice) = told.end.clone().or_else(|| told.begin.clone()).filter(|_| !waits) else {
                continue;
            };
            let Some(def) = self.catalog.alerter(name.as_str()).and_then(|entry| entry.def.clone()) else {
                // It is gone: nobody is left who could be told.
                (told.begin, told.end, told.begun) = (None, None, false);
                continue;
            };
            let notice = Notice {
                possibly_repeated: notice.possibly_repeated && !def.alerter.has_key(),
                ..notice
            };
            begun |= !told.begun;
            (told.busy, told.begun) = (true, true);
            let (name, notifier) = (name.clone(), self.notifier.clone());
            attempts.spawn(async move {
                let sent = notifier.send_notice(&def, &notice).await;
                (name, notice.status, sent.map(drop))
            });
        }
        if begun {
            self.note(all, since);
        }
    }

    fn attempted(&self, all: &mut BTreeMap<AlerterName, Told>, since: WallMs, (name, status, sent): Attempt) {
        let Some(told) = all.get_mut(&name) else { return };
        told.busy = false;
        let word = if status.is_bad() { "cannot be used" } else { "is back" };
        let text = match &sent {
            Ok(()) => format!("told {name} that the store {word}"),
            Err(error) if error.retry == Retry::Never => {
                format!("gave up telling {name} that the store {word}: {error}")
            }
            Err(error) => {
                let wait = AGAIN.saturating_mul(1 << told.failures.min(16)).min(AGAIN_AT_MOST);
                let wait = match error.retry {
                    Retry::After(asked) => asked.clamp(AGAIN, AGAIN_AT_MOST),
                    _ => wait,
                };
                told.failures = told.failures.saturating_add(1);
                told.not_before = Some(Instant::now() + wait);
                // Of an answer that did not come nobody knows what it was to.
                let repeated = error.retry == Retry::Soon;
                for notice in [&mut told.begin, &mut told.end].into_iter().flatten() {
                    notice.possibly_repeated |= repeated && notice.status == status;
                }
                tracing::warn!(alerter = %name, %error, "cannot tell a fallback alerter, trying on");
                return;
            }
        };
        match sent {
            Ok(()) => tracing::info!("{text}"),
            Err(_) => tracing::error!("{text}"),
        }
        self.events.record(EventKind::Alert, WallMs::now(), None, text);
        (told.failures, told.not_before) = (0, None);
        // Of what was refused nothing is open.
        match status.is_bad() && sent.is_ok() {
            true => told.begin = None,
            false => drop(all.remove(&name)),
        }
        self.note(all, since);
    }

    fn note(&self, all: &BTreeMap<AlerterName, Told>, since: WallMs) {
        let begun = all.iter().filter(|(_, told)| told.begun);
        let alerters = begun.map(|(name, _)| name.clone()).collect();
        self.noted.write(&Note { since, alerters });
    }
}

fn ends(since: WallMs) -> Notice {
    Notice {
        about: ABOUT,
        status: Status::Ok,
        since,
        at: WallMs::now(),
        sentence: "The store is back, and what happened meanwhile is in it".to_owned(),
        details: String::new(),
        possibly_repeated: false,
    }
}
