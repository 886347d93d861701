//! The elected one: keeps a table for every placement group in use. It holds no rule; [`pace`] says when to plan and with whom, [`plan`] how.
//!
//! A table is written under the term and the revision of the table before: a director that was paused and wakes up can change nothing. One that
//! cannot plan gives the office back and stays out of elections for a while; its checks go on.

mod compact;
#[cfg(test)]
mod director_tests;
mod leftovers;
pub mod pace;
pub mod plan;
pub mod prune;
mod say;
mod sight;
mod write;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, Loads};
use crate::cluster::Rights;
use crate::cluster::abstain::Abstain;
use crate::events::Events;
use crate::model::{Group, WallMs};
use crate::store::{LeaseId, Session, Store, Term};
use pace::{Decision, Moment, Pace};
use plan::{Class, Input, Member, Moves, Place, Planned};
use say::Say;
use sight::Sight;
use write::Written;

/// Changes that come together are planned together.
const SETTLE: Duration = Duration::from_millis(20);
/// Wait after the store took nothing.
const AGAIN: Duration = Duration::from_secs(1);
/// Plans in a row, at most, before others are heard again: a plan may take several, by the bound on seats in a commit.
const IN_A_ROW: usize = 200;
/// A director that cannot plan stays out of elections for so long, doubled each time.
const STAYS_OUT: Duration = Duration::from_secs(60);
/// And for so long at most.
const STAYS_OUT_AT_MOST: Duration = Duration::from_secs(3600);
/// A director that leaves does not stand again.
const FOR_GOOD: Duration = Duration::from_secs(30 * 86_400);

/// What plans: [`plan::plan`], but in tests.
pub type Planner = fn(&Input<'_>) -> Planned;

/// The loop. Runs in every member and sleeps in all but one.
pub struct Director {
    /// The store.
    pub store: Store,
    /// Which groups are in use, and how much work they are.
    pub catalog: Catalog,
    /// Whether this member directs.
    pub rights: watch::Receiver<Rights>,
    /// For telling people.
    pub events: Events,
    /// For staying out of elections.
    pub abstain: Abstain,
    /// Nobody else can be here: the store is this member's own. It waits for nobody.
    pub alone: bool,
    /// The rule.
    pub planner: Planner,
}

/// How a term ended for its director.
enum Ended {
    /// The process stops.
    Stopped,
    /// The right is gone.
    Lost,
    /// The rule panicked.
    Panicked,
    /// This member leaves, and the plan is without it.
    Left,
}

/// One term of this member.
struct Office {
    session: Arc<Session>,
    term: Term,
    pace: Pace,
    sight: Sight,
    say: Say,
    /// The number of the next tables.
    n: u64,
    /// There are slots that nobody may hold.
    orphans: bool,
}

impl Director {
    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let began = Instant::now();
        let mut joined: Option<(LeaseId, Moment)> = None;
        let mut panics = 0;
        let mut abstention = self.abstain.listen();
        loop {
            let Rights { session, term } = self.rights.borrow_and_update().clone();
            if let Some(session) = &session
                && joined.is_none_or(|(lease, _)| lease != session.lease())
            {
                joined = Some((session.lease(), began.elapsed()));
            }
            if let (Some(session), Some(term), Some((_, joined))) = (session, term, joined) {
                let office = Office {
                    pace: Pace::new(joined, session.ttl(), self.alone),
                    sight: Sight::new(&self.store),
                    say: Say::new(self.events.clone(), session.member()),
                    session: session.clone(),
                    term,
                    n: 0,
                    orphans: false,
                };
                let out = match self.direct(office, began, &mut panics, &stop).await {
                    Ended::Stopped => return,
                    Ended::Lost => continue,
                    Ended::Left => FOR_GOOD,
                    Ended::Panicked => {
                        panics += 1;
                        (STAYS_OUT * 2u32.saturating_pow(panics - 1)).min(STAYS_OUT_AT_MOST)
                    }
                };
                // First, so that the election does not give it back at once.
                self.abstain.stay_out(out);
                tracing::info!(
                    seconds = out.as_secs(),
                    "this member resigns as director, and stays out of elections"
                );
                let resigned = session.resign(term).await;
                tracing::debug!(?resigned, "resigned");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.rights.changed() => if changed.is_err() { return },
                () = abstention.over() => {}
            }
        }
    }

    /// Directs for as long as the right lasts.
    async fn direct(
        &mut self,
        mut office: Office,
        began: Instant,
        panics: &mut u32,
        stop: &CancellationToken,
    ) -> Ended {
        let mut definitions = self.catalog.watch();
        let mut wake = Instant::now();
        // Groups of which nothing is known yet would look as if nobody needed them.
        tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            changed = self.rights.changed() => return if changed.is_err() { Ended::Stopped } else { Ended::Lost },
            () = self.catalog.loaded() => {}
        }
        loop {
            let whole = office.sight.is_whole();
            let mut only_definitions = true;
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                changed = self.rights.changed() => match changed {
                    Err(_) => return Ended::Stopped,
                    Ok(()) if !self.is_still(&office) => return Ended::Lost,
                    Ok(()) => continue,
                },
                () = office.sight.next() => only_definitions = false,
                changed = definitions.changed(), if whole => if changed.is_err() { return Ended::Stopped },
                () = sleep_until(wake), if whole => only_definitions = false,
            }
            let settled = Instant::now() + SETTLE;
            while timeout_at(settled, office.sight.next()).await.is_ok() {
                only_definitions = false;
            }
            definitions.mark_unchanged();
            if only_definitions && !office.is_wanted_by(&self.catalog.loads()) {
                continue;
            }
            wake = Instant::now() + AGAIN;
            if !office.sight.is_whole() || !office.sight.members().contains_key(office.session.member()) {
                // Whoever does not even know of itself knows of nobody: what it sees is older than the term, or the session is lost.
                continue;
            }
            match stop.run_until_cancelled(self.round(&mut office, began)).await {
                None => return Ended::Stopped,
                Some(Round::Done(next)) => {
                    *panics = 0;
                    wake = began + next;
                }
                Some(Round::Again) => {}
                Some(Round::Ended(ended)) => return ended,
            }
        }
    }

    /// Whether the right is the one that this office was taken by.
    fn is_still(&mut self, office: &Office) -> bool {
        let rights = self.rights.borrow_and_update();
        let lease = rights.session.as_ref().map(|session| session.lease());
        rights.term == Some(office.term) && lease == Some(office.session.lease())
    }

    /// Plans and writes until there is nothing to do now.
    async fn round(&self, office: &mut Office, began: Instant) -> Round {
        office.say.unreadable(office.sight.take_untold());
        let news = office
            .pace
            .see(began.elapsed(), &office.sight.seen(), &office.sight.holders());
        office.say.news(&news);
        for _ in 0..IN_A_ROW {
            let now = began.elapsed();
            let Decision { classes, moves, wake } = office.pace.decide(now);
            let leaving = classes.get(office.session.member()) == Some(&Class::Leaves) && classes.len() > 1;
            let loads = self.catalog.loads();
            let input = office.input(&loads, classes, moves.clone());
            let Ok(planned) = catch_unwind(AssertUnwindSafe(|| (self.planner)(&input))) else {
                office.say.cannot_plan();
                return Round::Ended(Ended::Panicked);
            };
            office.n += u64::from(!planned.changes.is_empty());
            if planned.changes.is_empty() && matches!(moves, Moves::Level { .. }) {
                tracing::debug!(fullest = planned.fullest, "nothing that moves would make it more level");
            }
            match write::write(&self.store, office.term, &mut office.sight, &planned.changes).await {
                Written::All => {}
                Written::Stale => continue,
                Written::TermOver => return Round::Again,
                Written::Trouble(error) => {
                    tracing::warn!(error, "cannot write tables, trying on");
                    return Round::Again;
                }
            }
            office.say.planned(&planned, &moves);
            if planned.more {
                continue;
            }
            office.orphans = !planned.orphans.is_empty();
            office.say.orphans(&self.catalog, &planned.orphans);
            office.say.stuck(&planned.stuck);
            office.pace.done(now, &moves, planned.fullest);
            if moves != Moves::Must {
                continue;
            }
            office.say.settled();
            if leaving {
                return Round::Ended(Ended::Left);
            }
            return Round::Done(wake);
        }
        Round::Again
    }
}

enum Round {
    /// Nothing to do until something happens, or this.
    Done(Moment),
    /// It has to be tried again in a moment.
    Again,
    Ended(Ended),
}

impl Office {
    /// Whether definitions alone make another plan: a group is new, a slot may need what its judge cannot run, or there is an orphan to be named.
    /// All else that they change is only how much work there is, and that is looked at now and then.
    fn is_wanted_by(&self, loads: &Loads) -> bool {
        let tables = self.sight.tables();
        let has_table = |group: &Group| tables.get(group).is_some_and(|standing| standing.table.is_some());
        let picky = self.sight.members().values().any(|record| !record.kinds.is_empty());
        self.orphans || picky || !loads.keys().all(has_table)
    }

    fn input<'a>(
        &'a self,
        loads: &'a Loads,
        classes: std::collections::BTreeMap<crate::model::MemberId, Class>,
        moves: Moves,
    ) -> Input<'a> {
        let mut groups: BTreeSet<&Group> = loads.keys().chain(self.sight.tables().keys()).collect();
        let notify = Group::notify();
        groups.insert(&notify);
        let place = |group: &Group| Place {
            group: group.clone(),
            loads: loads.get(group).map(Arc::as_ref),
            before: self
                .sight
                .tables()
                .get(group)
                .and_then(|standing| standing.table.as_ref()),
        };
        let places: Vec<Place<'a>> = groups.into_iter().map(place).collect();
        let member = |(id, class)| {
            let record = self.sight.members().get(&id);
            Member {
                weight: record.map_or(1, |record| self.sight.weight(record)),
                tags: record.map(|record| record.tags.clone()).unwrap_or_default(),
                kinds: record.map(|record| record.kinds.clone()).unwrap_or_default(),
                id,
                class,
            }
        };
        let moves = match moves {
            // A part of all slots there are.
            Moves::Level { most } => Moves::Level {
                most: most.saturating_mul(places.len()),
            },
            other => other,
        };
        Input {
            members: classes.into_iter().map(member).collect(),
            places,
            moves,
            epoch: self.term.epoch(self.n, self.sight.latest_epoch()),
            at: WallMs::now(),
            why: self.say.why(),
        }
    }
}
