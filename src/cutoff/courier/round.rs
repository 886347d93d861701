//! What the courier does in one outage.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::learn::{Learned, learn};
use super::errand::{Errand, Whom};
use super::taker;
use super::taking::{ended, tells};
use super::{Courier, Pair, WITHIN};
use crate::model::{Group, MemberId};
use crate::peers::calls::{TELL_AT_MOST, TELL_BYTES, TellAnswer, TellQuestion, ToTell};
use crate::peers::weight;
use crate::store::records::{MAX_STATE, OutboxEntry, Told};
use crate::store::{
    At, Change, Commit, Entry, Followed, Guard, Key, Op, Outcome, Revision, Store, StoreError, decode, encode, keys,
};
use crate::tasks::Tasks;

/// From one look to the next, at least, however much there is to do.
const PACE: Duration = Duration::from_millis(50);

/// One thing that is asked for, and of which entry.
struct Asked {
    pair: Pair,
    entry: At<OutboxEntry>,
    told: Option<At<Told>>,
}

/// What a member answered, if it did.
pub(super) struct Answered {
    member: MemberId,
    asked: Vec<Asked>,
    answer: Option<TellAnswer>,
}

/// The time of one outage.
pub(super) struct Round<'a> {
    courier: &'a Courier,
    pub(super) copy: Store,
    began: Instant,
    errands: BTreeMap<Pair, Errand>,
    pub(super) asking: Tasks<Answered>,
    /// Members that are being asked.
    busy: HashSet<MemberId>,
}

impl<'a> Round<'a> {
    pub(super) fn new(courier: &'a Courier) -> Self {
        Self {
            courier,
            copy: courier.standin.copy(),
            began: Instant::now(),
            errands: BTreeMap::new(),
            asking: Tasks::child_of(&CancellationToken::new()),
            busy: HashSet::new(),
        }
    }

    /// When to look again.
    pub(super) fn wake(&self) -> Instant {
        let due = self.errands.values().map(Errand::due).min();
        let due = due.map_or(self.began + Duration::from_secs(3600), |due| self.began + due);
        due.max(Instant::now() + PACE)
    }

    /// Whoever was asked is asked again.
    pub(super) fn forget_questions(&mut self) {
        self.busy.clear();
    }

    /// Takes what `sent/` says.
    pub(super) fn take(&mut self, news: Followed) {
        let changes = match news {
            Followed::Snapshot { entries, .. } => {
                let there: HashSet<Pair> = entries
                    .iter()
                    .filter_map(|e| keys::alerter_and_monitor(&e.key))
                    .collect();
                self.errands.retain(|pair, _| there.contains(pair));
                entries.into_iter().map(Change::Put).collect()
            }
            Followed::Changes(batch) => batch.changes,
        };
        for change in changes {
            let Some(pair) = keys::alerter_and_monitor(change.key()) else {
                continue;
            };
            match change {
                Change::Deleted(_) => drop(self.errands.remove(&pair)),
                Change::Put(entry) => self.put(pair, &entry),
            }
        }
    }

    fn put(&mut self, pair: Pair, entry: &Entry) {
        let entry = match decode::<OutboxEntry>(entry) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::warn!(%error, "what another member's alerter should know cannot be read");
                return;
            }
        };
        match self.errands.get_mut(&pair) {
            Some(errand) if errand.entry.rev == entry.rev => {}
            Some(errand) => errand.changed(entry),
            None => drop(self.errands.insert(pair, Errand::new(entry))),
        }
    }

    /// Sees to what is due: what is told here is put into the outbox, of the rest one question goes to each member.
    pub(super) async fn look(&mut self) {
        // Before the tables are read nobody's alerters are anybody's.
        if !self.courier.tables.epochs().contains_key(&Group::notify()) {
            return;
        }
        let now = self.began.elapsed();
        let due = self.errands.iter().filter(|(_, errand)| errand.due() <= now);
        let due: Vec<Pair> = due.map(|(pair, _)| pair.clone()).collect();
        let mut here = Vec::new();
        let mut there: HashMap<MemberId, Questions> = HashMap::new();
        for pair in due {
            let worker = self.courier.worker(&pair.0);
            let full = |member: &MemberId| there.get(member).is_some_and(Questions::full);
            let waits = worker
                .as_ref()
                .is_some_and(|member| self.busy.contains(member) || full(member));
            let Some(errand) = self.errands.get_mut(&pair).filter(|_| !waits) else {
                continue;
            };
            errand.ask(now);
            if !self.courier.judges(&pair.1) {
                continue;
            }
            let stands = match stands(&self.copy, &pair).await {
                Ok(stands) => stands,
                Err(error) => {
                    tracing::warn!(%error, "cannot read what was told");
                    continue;
                }
            };
            let whom = errand.whom(worker.is_none(), stands.begun, now);
            let asked = || Asked {
                pair: pair.clone(),
                entry: errand.entry.clone(),
                told: stands.told.clone(),
            };
            if whom != Whom::There {
                here.push(asked());
            }
            if let Some(member) = worker.filter(|_| whom != Whom::Here) {
                let ended = errand.ended_here().then(|| ended(&errand.entry.value));
                there.entry(member).or_default().push(asked(), ended);
            }
        }
        self.tell_here(here).await;
        for (member, questions) in there {
            self.tell_there(member, questions);
        }
    }

    async fn tell_here(&mut self, asked: Vec<Asked>) {
        if asked.is_empty() {
            return;
        }
        let items: Vec<ToTell> = asked.iter().map(|asked| to_tell(asked, None)).collect();
        // The judge may say something else at this moment.
        let still = asked
            .iter()
            .map(|asked| Guard::Rev(sent_of(&asked.pair), asked.entry.rev));
        let told = match taker::take(&self.copy, &items, &mut HashMap::new(), &still.collect::<Vec<_>>()).await {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(%error, "cannot note what is to be told");
                return;
            }
        };
        let mut alone = Vec::new();
        for (asked, told) in asked.into_iter().zip(told) {
            if let Some(errand) = self.errands.get_mut(&asked.pair) {
                let all = told.as_ref().is_some_and(|told| tells(told, &asked.entry.value));
                errand.told_here(all);
            }
            // What another member works is done once that one knows.
            if self.courier.worker(&asked.pair.0).is_none() {
                alone.push((asked, told));
            }
        }
        self.done(alone).await;
    }

    fn tell_there(&mut self, member: MemberId, questions: Questions) {
        self.busy.insert(member.clone());
        let Questions { asked, entries, .. } = questions;
        let ask = self.courier.ask.clone();
        self.asking.spawn(async move {
            let answer = ask.tell(&member, TellQuestion { entries }, WITHIN).await;
            let answer = match answer {
                Ok(answer) if answer.told.len() == asked.len() => Some(answer),
                Ok(_) => None,
                Err(error) => {
                    tracing::debug!(%member, %error, "whoever works an alerter does not answer");
                    None
                }
            };
            Answered { member, asked, answer }
        });
    }

    /// An answer, or that there is none.
    pub(super) async fn answered(&mut self, answered: Answered) {
        self.busy.remove(&answered.member);
        // Who has the store takes nothing from somebody who has not.
        let takes = answered.answer.as_ref().is_some_and(|answer| !answer.store);
        for asked in &answered.asked {
            if let Some(errand) = self.errands.get_mut(&asked.pair) {
                match takes {
                    true => errand.answered(),
                    false => errand.silent(),
                }
            }
        }
        if let Some(answer) = answered.answer {
            self.done(answered.asked.into_iter().zip(answer.told).collect()).await;
        }
    }

    /// Likewise, where nothing is asked a second time, and nobody who is silent.
    pub(super) async fn answered_once(&mut self, answered: Answered) {
        match answered.answer {
            Some(_) => answered
                .asked
                .iter()
                .for_each(|asked| drop(self.errands.remove(&asked.pair))),
            None => {
                let courier = self.courier;
                self.errands
                    .retain(|pair, _| courier.worker(&pair.0).as_ref() != Some(&answered.member));
            }
        }
        self.answered(answered).await;
    }

    /// Takes over what was told of these; what is told to its end is done.
    async fn done(&mut self, told: Vec<(Asked, Option<Told>)>) {
        let commits: Vec<Commit> = told
            .iter()
            .filter_map(|(asked, told)| noted(asked, told.as_ref()?))
            .collect();
        if commits.is_empty() {
            return;
        }
        // What is refused has changed meanwhile, and is asked about again.
        for outcome in self.copy.commit_all(&[], commits).await {
            if let Outcome::Unknown(error) | Outcome::Failed(error) = outcome {
                tracing::warn!(%error, "cannot note what was told");
            }
        }
    }
}

/// What one member is asked.
#[derive(Default)]
struct Questions {
    asked: Vec<Asked>,
    entries: Vec<ToTell>,
    bytes: usize,
}

impl Questions {
    fn full(&self) -> bool {
        self.entries.len() >= TELL_AT_MOST || self.bytes + 2 * MAX_STATE > TELL_BYTES
    }

    /// `ended`: in place of a record that is gone.
    fn push(&mut self, asked: Asked, ended: Option<Told>) {
        let known = asked.told.as_ref().map(|told| told.value.clone());
        let entry = to_tell(&asked, known.or(ended));
        self.bytes += weight(&entry);
        self.asked.push(asked);
        self.entries.push(entry);
    }
}

/// How a pair stands here.
struct Stands {
    told: Option<At<Told>>,
    /// This member is about to tell something of it.
    begun: bool,
}

async fn stands(copy: &Store, (alerter, monitor): &Pair) -> Result<Stands, StoreError> {
    let told = match copy.read::<Told>(&keys::told(alerter, monitor)).await {
        // The notifier takes it for something that may be open, and ends it.
        Err(StoreError::Damaged(_)) => None,
        told => told?,
    };
    let begun = copy.get(&keys::outbox_entry(alerter, monitor)).await?.is_some();
    Ok(Stands { told, begun })
}

fn sent_of((alerter, monitor): &Pair) -> Key {
    keys::sent_entry(alerter, monitor)
}

fn to_tell(asked: &Asked, told: Option<Told>) -> ToTell {
    let (alerter, monitor) = asked.pair.clone();
    ToTell {
        alerter,
        monitor,
        entry: asked.entry.value.clone(),
        told,
    }
}

/// The commit that notes what was told of an entry.
fn noted(asked: &Asked, told: &Told) -> Option<Commit> {
    let (alerter, monitor) = &asked.pair;
    let (told_key, sent_key) = (keys::told(alerter, monitor), sent_of(&asked.pair));
    let known = asked.told.as_ref();
    let mut commit = Commit::default();
    match learn(known.map(|known| &known.value), told) {
        Learned::Stays => {}
        Learned::Is(told) => commit.ops.push(Op::Put(told_key.clone(), encode(&told).ok()?, None)),
        Learned::Gone => commit.ops.push(Op::Delete(told_key.clone())),
    }
    if tells(told, &asked.entry.value) {
        commit.ops.push(Op::Delete(sent_key.clone()));
    }
    commit
        .guards
        .push(Guard::Rev(told_key, known.map_or(Revision(0), |known| known.rev)));
    commit.guards.push(Guard::Rev(sent_key, asked.entry.rev));
    (!commit.ops.is_empty()).then_some(commit)
}
