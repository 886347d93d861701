//! The loop: sees how things are, asks the rules what follows, and does it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::asking::Rounds;
use super::courier::Courier;
use super::deciding::Asked;
use super::newest::lose;
use super::returning::{Back, NotBack, Returning};
use super::rules::{Course, Puts, Records, Return, Seen, State, Telling};
use super::standing::Standing;
use crate::catalog::Catalog;
use crate::cluster::abstain::Abstain;
use crate::cluster::tenures::Tenures;
use crate::cluster::{Footing, Rights, Tables, alone};
use crate::events::{EventKind, Events};
use crate::model::{Group, MonitorName, WallMs};
use crate::notifications::MayTell;
use crate::store::records::MemberRecord;
use crate::store::{
    Commit, Face, Finding, Lost, Op, Outcome, Session, SessionError, Standin, Store, StoreError, Unproved, encode,
    keys, seat_value,
};
use crate::tasks::Tasks;
use crate::watchdog::Watchdog;

/// From one look to the next, where nothing happens between.
const LOOK: Duration = Duration::from_millis(250);
/// From one attempt to reach the store to the next.
const PROBE: Duration = Duration::from_secs(1);
/// Time for one of them.
const PROBED_WITHIN: Duration = Duration::from_secs(2);
/// Wait after an attempt to return that did not work.
const RETURN_AGAIN: Duration = Duration::from_secs(2);
/// The longest such wait: it doubles for as long as it is the same that is in the way.
const RETURN_AGAIN_AT_MOST: Duration = Duration::from_secs(8);
/// How long notifiers wait for the other members to have written what they did without the store.
const SETTLE: Duration = Duration::from_secs(10);
/// A director that cannot write a plan leaves that to others, and does not stand again before it stands on its copy.
const STAYS_OUT: Duration = Duration::from_secs(5);
/// Lease time on the copy: nobody else looks.
const ALONE: Duration = Duration::from_secs(60);

/// What this loop works with.
pub struct CutOff {
    /// The view of the store that it switches.
    pub standin: Arc<Standin>,
    /// The same, as all others see it.
    pub store: Store,
    /// What this member says of itself.
    pub record: MemberRecord,
    /// Lease time of a session that is opened on returning.
    pub ttl: Duration,
    /// Definitions: in which slot a monitor is.
    pub catalog: Catalog,
    /// The session of now.
    pub rights: watch::Receiver<Rights>,
    /// Where it says on what the member stands.
    pub footing: watch::Sender<Footing>,
    /// Where it says what may be told.
    pub may_tell: watch::Sender<MayTell>,
    /// The tables as they are known here.
    pub tables: Tables,
    /// What they give this member.
    pub tenures: Tenures,
    /// The other members.
    pub rounds: Rounds,
    /// Whether anybody outside can be reached, while that is wanted.
    pub passes: watch::Receiver<bool>,
    /// Where it says that it is.
    pub wants_test: watch::Sender<bool>,
    /// How long an isolated member is silent; none: for ever.
    pub isolated_after: Option<Duration>,
    /// Where it shows how it stands.
    pub standing: Standing,
    /// For telling people.
    pub events: Events,
    /// Knows what other members told for this one.
    pub courier: Arc<Courier>,
    /// When the oldest change was sent that the store has not answered.
    pub unanswered: Arc<dyn Fn() -> Option<Instant> + Send + Sync>,
    /// For staying out of elections.
    pub abstain: Abstain,
    /// Whether what runs here turns. While it does not, this member has no session to stand on, and wants none: others are to take over.
    pub watchdog: Watchdog,
    /// What operators say is to become of a strange store.
    pub asked: mpsc::Receiver<Asked>,
}

/// A session on the copy: the right to go on with what was given before.
///
/// # Errors
/// The copy takes nothing.
pub async fn alone(copy: &Store, record: &MemberRecord) -> Result<Arc<Session>, SessionError> {
    let session = Session::open(copy, record.clone(), ALONE).await?;
    let seat = keys::seat(Group::notify().as_str(), &record.id);
    let commit = Commit {
        guards: vec![session.guard()],
        ops: vec![Op::Put(seat, seat_value(alone::STAMP), None)],
    };
    match copy.commit(commit).await {
        Outcome::Done(_) => Ok(Arc::new(session)),
        other => Err(StoreError::Unavailable(format!("the copy takes nothing: {other:?}")).into()),
    }
}

/// What something that was tried showed.
enum Found {
    /// What a strange store says of itself.
    Looked,
    /// What an operator said is done, or cannot be.
    Decided,
    Read(Result<(), Unproved>),
    Put(bool),
    Returned(Result<Back, NotBack>),
    Resigned,
}

/// What is known between two looks.
struct Known {
    course: Course,
    /// The session in the store, while the member stands on the copy.
    before: Option<Arc<Session>>,
    /// The session that it came back with, until it is said to be that of the member.
    new: Option<Arc<Session>>,
    /// It was in the store once in the life of this process.
    joined: bool,
    read: bool,
    puts: Puts,
    returned: Return,
    /// Notifiers wait until then for the others.
    settling: Option<Instant>,
    trying: Tasks<Found>,
    /// An attempt to return is under way.
    returning: bool,
    /// What an operator said is being done.
    deciding: bool,
    /// Not before: the next attempt to reach the store.
    probe_at: Instant,
    /// Nor to return to it: a store that answers and lets nobody in is not asked all the time.
    return_at: Instant,
    return_wait: Duration,
    telling: Telling,
    said: String,
}

impl CutOff {
    /// Runs until `stop`. `Err` when another process has taken this member's place.
    ///
    /// # Errors
    /// [`Lost::TakenOver`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), Lost> {
        let asks = watch::Sender::new(false);
        let rounds = self.rounds.clone();
        let mirror = self.standin.clone().mirror(stop.clone());
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            lost = self.looks(&asks, &stop) => lost,
            () = rounds.run(asks.subscribe(), stop.clone()) => Ok(()),
            () = mirror => Ok(()),
        }
    }

    async fn looks(mut self, asks: &watch::Sender<bool>, stop: &CancellationToken) -> Result<(), Lost> {
        let now = Instant::now();
        let begins = match self.standin.face() {
            Face::Through => State::Joined,
            Face::Copy => State::Doubtful,
        };
        let mut known = Known {
            course: Course::new(begins, now),
            before: None,
            new: None,
            joined: begins == State::Joined,
            read: false,
            puts: Puts::Unanswered,
            returned: Return::UnderWay,
            settling: None,
            trying: Tasks::child_of(stop),
            returning: false,
            deciding: false,
            probe_at: now,
            return_at: now,
            return_wait: RETURN_AGAIN,
            telling: Telling::No,
            said: String::new(),
        };
        let mut verdicts = self.rounds.verdicts();
        loop {
            self.look(&mut known).await;
            let state = known.course.state();
            want(asks, state.asks() || known.settling.is_some());
            want(
                &self.wants_test,
                matches!(state, State::Doubtful | State::Outage | State::Isolated),
            );
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = verdicts.changed() => {}
                _ = self.rights.changed() => {}
                Some(asked) = self.asked.recv() => self.decide(&mut known, asked),
                Some(found) = known.trying.next() => match found {
                    Ok(found) => self.found(&mut known, found).await?,
                    Err(panic) => {
                        tracing::error!(%panic, "an attempt to reach the store ended badly");
                        known.returning = false;
                        known.returned = Return::Failed;
                        (known.returning, known.deciding) = (false, false);
                    }
                },
            }
        }
    }

    /// One look, and all that follows from it.
    async fn look(&mut self, known: &mut Known) {
        let is_new = |session: &Arc<Session>| known.new.as_ref().is_some_and(|new| Arc::ptr_eq(new, session));
        if self.rights.borrow().session.as_ref().is_some_and(is_new) {
            known.new = None;
        }
        let mut seen = self.seen(known);
        while let Some(state) = known.course.step(&seen) {
            self.entered(known, state);
            seen = self.seen(known);
        }
        let state = known.course.state();
        // An attempt to return turns back at its end, and is heard of in a moment.
        if state.records() == Records::Here && self.standin.face() == Face::Through && !known.returning {
            self.stand_in(known).await;
        }
        if matches!(state, State::CutOff | State::Outage | State::Isolated) {
            self.go_by_newest(known.joined).await;
        }
        if known
            .settling
            .is_some_and(|until| seen.now >= until || self.rounds.settled_elsewhere())
        {
            known.settling = None;
        }
        let telling = self.tells(known, &seen);
        // Which slots are nobody's, and for how long an answer is good, changes without any change of state.
        if telling != known.telling || matches!(telling, Telling::OfUnjudged | Telling::Yes) {
            known.telling = telling;
            self.let_tell(telling);
        }
        self.standing.set(state, self.why(known));
        self.standing.set_trouble(state.is_notable(telling).then_some(state));
        self.try_things(known, &seen);
    }

    fn seen(&self, known: &Known) -> Seen {
        let now = Instant::now();
        let hangs = self.watchdog.hung().is_some();
        let session = match self.standin.face() {
            _ if hangs => None,
            Face::Through => known.new.clone().or_else(|| self.rights.borrow().session.clone()),
            Face::Copy => known.before.clone(),
        };
        let trouble = match self.standin.face() {
            // Elections go past what the member sees: with nothing else to write they are what a full store refuses.
            Face::Through => self
                .store
                .trouble()
                .or_else(|| self.standin.outer().trouble().filter(StoreError::takes_nothing)),
            Face::Copy => None,
        };
        let puts = match (&trouble, self.standin.face()) {
            (Some(trouble), _) if trouble.takes_nothing() => Puts::Refused,
            (_, Face::Through) => (self.unanswered)().map_or(known.puts, Puts::Waiting),
            (_, Face::Copy) => known.puts,
        };
        let found = self.standin.found();
        Seen {
            now,
            proof: session.as_ref().map(|session| session.proof()),
            ttl: session.as_ref().map_or(self.ttl, |session| session.ttl()),
            failed: trouble.is_some(),
            // One that went back, or follows the one that is known, was read: what it is has to be settled on returning.
            read: (known.read && !hangs) || matches!(found, Some(Finding::Back(_) | Finding::Follows(_))),
            puts,
            strange: matches!(found, Some(Finding::Strange(_))),
            round: self.rounds.verdict(),
            self_test: *self.passes.borrow(),
            isolated_after: self.isolated_after,
            returned: known.returned,
        }
    }

    fn entered(&self, known: &mut Known, state: State) {
        known.read = false;
        known.puts = Puts::Unanswered;
        known.returned = Return::UnderWay;
        let why = self.standing.because();
        match state {
            State::Joined | State::Doubtful => tracing::info!(state = state.as_str(), why, "{}", state.means()),
            _ => {
                tracing::warn!(state = state.as_str(), why, "{}", state.means());
                let text = format!("member {} is {}: {}", self.record.id, state.as_str(), state.means());
                self.events.record(EventKind::Warning, WallMs::now(), None, text);
            }
        }
    }

    /// To the copy, with a session there.
    async fn stand_in(&mut self, known: &mut Known) {
        self.resign(known);
        // Of a moment ago, and not yet known to all: what these have is then that of the copy.
        let before = known.new.take().or_else(|| self.rights.borrow().session.clone());
        // What the copy holds is of this moment; a session there, before anybody acts on it.
        let stood = match self.standin.stand_in().await {
            Ok(()) => alone(&self.standin.copy(), &self.record)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match stood {
            Ok(session) => {
                known.before = before;
                known.said.clear();
                self.footing.send_replace(Footing::Copy(session));
            }
            Err(error) if error != known.said => {
                tracing::error!(
                    error,
                    "cannot go on from the copy on disk, trying on; changes are kept in memory"
                );
                known.said = error;
            }
            Err(_) => {}
        }
    }

    /// Whoever directs with a lease that it keeps, and cannot write a plan, is in the way of those who can.
    fn resign(&self, known: &mut Known) {
        let Rights { session, term } = self.rights.borrow().clone();
        if let (Some(session), Some(term), State::StoreFull) = (session, term, known.course.state()) {
            // First, so that the election does not give it back at once.
            self.abstain.stay_out(STAYS_OUT);
            known.trying.spawn(async move {
                let resigned = session.resign(term).await;
                tracing::debug!(?resigned, "resigned");
                Found::Resigned
            });
        }
    }

    /// Goes by newer tables that others know. Lets go what they give to others; a process that began without the store knows nothing that could be newer than its
    /// copy, which may be of last week, and takes them as they are.
    async fn go_by_newest(&self, joined: bool) {
        let copy = self.standin.copy();
        let notify = Group::notify();
        let mine = self.tables.all();
        for (group, newest) in self.rounds.newest() {
            let left = match mine.get(&group) {
                _ if !joined => newest,
                Some(table) if group != notify => lose(table, &newest, &self.record.id),
                _ => continue,
            };
            if mine.get(&group) == Some(&left) {
                continue;
            }
            let Ok(value) = encode(&left) else { continue };
            let commit = Commit {
                guards: Vec::new(),
                ops: vec![Op::Put(keys::table(group.as_str()), value, None)],
            };
            copy.commit(commit).await;
        }
    }

    /// Why it is as it is, for people, as far as it is not the others who say so.
    fn why(&self, known: &Known) -> String {
        match self.standin.found() {
            Some(found @ Finding::Strange(_)) => found.to_string(),
            _ => known.said.clone(),
        }
    }

    /// Which deliveries may begin now.
    fn tells(&self, known: &Known, seen: &Seen) -> Telling {
        // Until the copy is there nothing is recorded by which it could be known what was told.
        let nowhere = known.course.state().records() == Records::Here && self.standin.face() == Face::Through;
        if nowhere || known.settling.is_some() {
            return Telling::No;
        }
        known.course.tells(seen)
    }

    fn let_tell(&self, telling: Telling) {
        self.may_tell.send_replace(match telling {
            Telling::Until(until) => MayTell::Until(until),
            // Somebody may have the store since then: a process that was stopped knows nothing of it.
            Telling::Yes => self.rounds.good_until().map_or(MayTell::No, MayTell::Until),
            Telling::No => MayTell::No,
            Telling::OfUnjudged => MayTell::Of(self.unjudged()),
        });
    }

    /// Whether the newest table that anybody knows gives a monitor to nobody at all.
    fn unjudged(&self) -> Arc<dyn Fn(&MonitorName) -> bool + Send + Sync> {
        let (catalog, rounds) = (self.catalog.clone(), self.rounds.clone());
        Arc::new(move |monitor| {
            let Some(entry) = catalog.monitor(monitor.as_str()) else {
                return false;
            };
            let Some((group, slot)) = entry.slot() else {
                return false;
            };
            if rounds.good_until().is_none_or(|until| Instant::now() >= until) {
                return false;
            }
            let newest = rounds.newest();
            let table = newest.get(&Group::named(&group));
            // Without a newer one it is ours, and somebody who has the store may give it away at any moment.
            table
                .and_then(|table| table.run(slot))
                .is_some_and(|run| run.judge.is_none())
        })
    }

    /// Begins what is to be tried now. None of it is waited for: that somebody has the store has to be heard meanwhile.
    fn try_things(&self, known: &mut Known, seen: &Seen) {
        let state = known.course.state();
        if self.watchdog.hung().is_some() {
            // Each of these would prove the lease, or ask for another one.
            return;
        }
        if state == State::Returning {
            if !known.returning && seen.now >= known.return_at {
                known.returning = true;
                let returning = Returning {
                    standin: self.standin.clone(),
                    record: self.record.clone(),
                    ttl: self.ttl,
                    catalog: self.catalog.clone(),
                    tenures: self.tenures.clone(),
                    before: known.before.clone(),
                    courier: self.courier.clone(),
                };
                known
                    .trying
                    .spawn(async move { Found::Returned(returning.run().await) });
            }
            return;
        }
        if state == State::Strange && seen.now >= known.probe_at {
            known.probe_at = seen.now + PROBE;
            let standin = self.standin.clone();
            known.trying.spawn(async move {
                // What it is now is kept where it is asked.
                let _ = timeout(PROBED_WITHIN, standin.look()).await;
                Found::Looked
            });
        }
        let away = matches!(
            state,
            State::Doubtful | State::Outage | State::CutOff | State::Isolated | State::StoreFull
        );
        // What is read leads to an attempt to return; but in a full store it is what keeps the lease.
        let waits = state != State::StoreFull && seen.now < known.return_at;
        if away && !waits && self.standin.face() == Face::Copy && seen.now >= known.probe_at {
            known.probe_at = seen.now + PROBE;
            self.probe(known, state);
        }
    }

    fn probe(&self, known: &mut Known, state: State) {
        let (outer, key) = (self.standin.outer(), keys::member(&self.record.id));
        let before = known.before.clone();
        let full = state == State::StoreFull;
        known.trying.spawn(async move {
            // With the session of before: should it live, it goes on living.
            let read = match &before {
                Some(session) => timeout(PROBED_WITHIN, session.prove()).await,
                None => {
                    timeout(PROBED_WITHIN, async {
                        outer.get(&key).await.map(drop).map_err(Unproved::Store)
                    })
                    .await
                }
            };
            let silent = || Unproved::Store(StoreError::Unavailable("no answer in time".to_owned()));
            let read = read.unwrap_or_else(|_| Err(silent()));
            match &before {
                Some(session) if full && read.is_ok() => {
                    let large = timeout(PROBED_WITHIN, session.try_large()).await;
                    let put = match large {
                        Ok(Outcome::Refused(_)) => timeout(PROBED_WITHIN, session.touch(&outer)).await.ok(),
                        _ => None,
                    };
                    Found::Put(put.is_some_and(|outcome| outcome.revision().is_some()))
                }
                _ => Found::Read(read),
            }
        });
    }

    async fn found(&mut self, known: &mut Known, found: Found) -> Result<(), Lost> {
        match found {
            Found::Looked => {}
            Found::Decided => known.deciding = false,
            Found::Read(Ok(()) | Err(Unproved::Lost(Lost::Lease))) => known.read = true,
            Found::Read(Err(Unproved::Lost(lost))) => return Err(lost),
            Found::Read(Err(Unproved::Store(_))) => {}
            Found::Put(made) => known.puts = if made { Puts::Taken } else { Puts::Refused },
            Found::Resigned => {}
            Found::Returned(Ok(back)) => {
                known.returning = false;
                self.back(known, back);
            }
            Found::Returned(Err(why)) => {
                known.returning = false;
                known.returned = Return::Failed;
                match why {
                    NotBack::Lost(lost) => return Err(lost),
                    // Known to whoever asks the store anything.
                    NotBack::Strange => {}
                    NotBack::Again(why) => self.not_back(known, why),
                }
            }
        }
        Ok(())
    }

    /// Does what an operator says; one thing at a time.
    fn decide(&self, known: &mut Known, asked: Asked) {
        let state = known.course.state();
        if state != State::Strange {
            return asked.refuse(state);
        }
        if std::mem::replace(&mut known.deciding, true) {
            return drop(asked);
        }
        let (standin, me) = (self.standin.clone(), self.record.id.clone());
        known.trying.spawn(async move {
            asked.make(&standin, &me).await;
            Found::Decided
        });
    }

    fn not_back(&self, known: &mut Known, why: String) {
        known.return_wait = match why == known.said {
            true => (known.return_wait * 2).min(RETURN_AGAIN_AT_MOST),
            false => RETURN_AGAIN,
        };
        known.return_at = Instant::now() + known.return_wait;
        if why != known.said {
            tracing::warn!(why, "not back in the store yet");
            known.said = why;
        }
    }

    /// All that was done is in the store: from here on it is what everybody sees.
    fn back(&mut self, known: &mut Known, back: Back) {
        tracing::info!(
            same_session = back.same,
            written = back.written,
            lost = back.lost,
            "back in the store"
        );
        if back.restored {
            let text =
                "the store was restored from an older state: definitions, silences and settings are as they were then";
            self.events.record(EventKind::Warning, WallMs::now(), None, text);
        }
        let text = match back.another {
            true => format!(
                "member {} goes on with another store than the one before",
                self.record.id
            ),
            false => format!(
                "member {} is back in the store: {} monitors had changed, {} of them are another member's now",
                self.record.id,
                back.written + back.lost,
                back.lost
            ),
        };
        self.events.record(EventKind::Member, WallMs::now(), None, text);
        known.new = Some(back.session.clone());
        self.footing.send_replace(Footing::Shared(back.session));
        known.before = None;
        known.joined = true;
        known.said.clear();
        known.returned = Return::Done;
        known.settling = Some(Instant::now() + SETTLE);
    }
}

fn want(of: &watch::Sender<bool>, wanted: bool) {
    of.send_if_modified(|now| std::mem::replace(now, wanted) != wanted);
}
