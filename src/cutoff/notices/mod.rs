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
use crate::alerters::{DeliveryError, Receipt};
use crate::catalog::Catalog;
use crate::cluster::Tables;
use crate::events::{EventKind, Events};
use crate::model::{AlerterName, Group, MemberId, Status, WallMs};
use crate::notifications::{About, Notice, NotifierView, Tried, Trying};
use crate::tasks::Tasks;
use rules::{Course, Step, details, is_first, sentence};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);

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
    trying: Trying,
}

/// What became of an attempt: of which message, and how it went.
type Attempt = (AlerterName, Status, Result<Receipt, DeliveryError>);

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
                        all.values_mut().for_each(|told| told.trying.lost());
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
                    all.retain(|_, told| told.begun || told.trying.busy());
                    for told in all.values_mut() {
                        told.end = Some(ends(since));
                        told.trying.anew();
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
            about: About::Store,
            status: Status::Critical,
            since,
            at: WallMs::now(),
            sentence: sentence(trouble).to_owned(),
            details: details(trouble, &self.standing.because(), &away, monitors.len()),
            possibly_repeated: false,
            without_store: true,
        }
    }

    /// Begins what is to be tried now.
    fn attempt(&self, all: &mut BTreeMap<AlerterName, Told>, since: WallMs, attempts: &mut Tasks<Attempt>) {
        let now = Instant::now();
        let mut begun = false;
        for (name, told) in all.iter_mut() {
            let notice = told.end.clone().or_else(|| told.begin.clone());
            let Some(notice) = notice.filter(|_| told.trying.may_begin(now)) else {
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
            told.begun = true;
            told.trying.begin();
            let (name, notifier) = (name.clone(), self.notifier.clone());
            attempts.spawn(async move {
                let sent = notifier.send_notice(&def, &notice).await;
                (name, notice.status, sent)
            });
        }
        if begun {
            self.note(all, since);
        }
    }

    fn attempted(&self, all: &mut BTreeMap<AlerterName, Told>, since: WallMs, (name, status, sent): Attempt) {
        let Some(told) = all.get_mut(&name) else { return };
        let word = if status.is_bad() { "cannot be used" } else { "is back" };
        let text = match (told.trying.ended(&sent, Instant::now()), &sent) {
            (Tried::Again { may_have_arrived }, sent) => {
                for notice in [&mut told.begin, &mut told.end].into_iter().flatten() {
                    notice.possibly_repeated |= may_have_arrived && notice.status == status;
                }
                let error = sent.as_ref().err().map(ToString::to_string);
                tracing::warn!(alerter = %name, error, "cannot tell a fallback alerter, trying on");
                return;
            }
            (_, Ok(_)) => format!("told {name} that the store {word}"),
            (_, Err(error)) => format!("gave up telling {name} that the store {word}: {error}"),
        };
        match sent {
            Ok(_) => tracing::info!("{text}"),
            Err(_) => tracing::error!("{text}"),
        }
        self.events.record(EventKind::Alert, WallMs::now(), None, text);
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
        about: About::Store,
        status: Status::Ok,
        since,
        at: WallMs::now(),
        sentence: "The store is back, and what happened meanwhile is in it".to_owned(),
        details: String::new(),
        possibly_repeated: false,
        without_store: false,
    }
}
