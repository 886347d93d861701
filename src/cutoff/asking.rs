//! Asking the others whether they have the store, round after round, for as long as it matters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::newest::Newest;
use super::round::{Hearing, Says, Verdict};
use crate::cluster::Tables;
use crate::model::{Group, MemberId};
use crate::peers::calls::{Heard, StoreAnswer, StoreQuestion};
use crate::peers::{AskError, Peers};
use crate::store::records::Table;

/// From one round to the next.
pub const EVERY: Duration = Duration::from_secs(2);
/// Time for an answer: the asked member looks for the store first.
const WITHIN: Duration = Duration::from_secs(1);

/// The other members, for asking them.
#[async_trait::async_trait]
pub trait AskStore: Send + Sync + 'static {
    /// All of the member list but this one.
    fn others(&self) -> Vec<MemberId>;

    /// Asks one of them.
    ///
    /// # Errors
    /// Why there is no answer; within the time that was given, whatever happens.
    async fn ask(&self, member: &MemberId, question: StoreQuestion, within: Duration) -> Result<StoreAnswer, AskError>;
}

#[async_trait::async_trait]
impl AskStore for Peers {
    fn others(&self) -> Vec<MemberId> {
        Self::others(self)
    }

    async fn ask(&self, member: &MemberId, question: StoreQuestion, within: Duration) -> Result<StoreAnswer, AskError> {
        Self::ask(self, member, question, within).await
    }
}

/// What the rounds say. A cheap handle; clones share the content.
#[derive(Clone)]
pub struct Rounds(Arc<Inner>);

struct Inner {
    ask: Arc<dyn AskStore>,
    tables: Tables,
    known: Mutex<Known>,
    verdict: watch::Sender<Option<Verdict>>,
}

#[derive(Debug, Default)]
struct Known {
    hearing: Hearing,
    newest: Newest,
}

impl std::fmt::Debug for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rounds")
            .field("verdict", &self.verdict())
            .finish_non_exhaustive()
    }
}

impl Rounds {
    /// Asks nobody yet. `tables`: those that this member acts on.
    #[must_use]
    pub fn new(ask: Arc<dyn AskStore>, tables: Tables) -> Self {
        Self(Arc::new(Inner {
            ask,
            tables,
            known: Mutex::default(),
            verdict: watch::Sender::new(None),
        }))
    }

    /// What the last round leaves to assume; none while nobody is asked, and until the first round is over.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        *self.0.verdict.borrow()
    }

    /// The verdicts as they come. That somebody has the store comes before the round is over.
    #[must_use]
    pub fn verdicts(&self) -> watch::Receiver<Option<Verdict>> {
        self.0.verdict.subscribe()
    }

    /// What is known of each other member.
    #[must_use]
    pub fn said(&self) -> BTreeMap<MemberId, Says> {
        let others = self.0.ask.others();
        self.0.known.lock().hearing.said(&others, Instant::now())
    }

    /// What to tell others of what was heard lately.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.0.known.lock().hearing.heard(Instant::now())
    }

    /// Whether every other member of the list has said that all it recorded is in the store.
    #[must_use]
    pub fn settled_elsewhere(&self) -> bool {
        let others = self.0.ask.others();
        self.0.known.lock().hearing.settled(&others, Instant::now())
    }

    /// The tables that others know and that are newer than those that this member acts on.
    #[must_use]
    pub fn newest(&self) -> BTreeMap<Group, Table> {
        self.0.known.lock().newest.tables().clone()
    }

    /// Asks round after round while that is `wanted`, and forgets everything when it is not, until `stop`.
    pub async fn run(&self, mut wanted: watch::Receiver<bool>, stop: CancellationToken) {
        let asking = async {
            while wanted.wait_for(|wanted| *wanted).await.is_ok() {
                tokio::select! {
                    _ = wanted.wait_for(|wanted| !wanted) => {}
                    () = self.rounds() => {}
                }
                *self.0.known.lock() = Known::default();
                self.0.verdict.send_replace(None);
            }
        };
        stop.run_until_cancelled(asking).await;
    }

    async fn rounds(&self) {
        let mut rounds = interval(EVERY);
        // After a stall the next one is enough.
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.round().await;
        }
    }

    async fn round(&self) {
        let others = self.0.ask.others();
        let mut answers: FuturesUnordered<_> = others.iter().map(|member| self.ask(member)).collect();
        while let Some((member, answer)) = answers.next().await {
            let mut known = self.0.known.lock();
            match answer {
                Ok(answer) => {
                    known.newest.answered(member, &answer, &self.0.tables.epochs());
                    known.hearing.answered(member, &answer, Instant::now());
                }
                Err(error) => {
                    known.newest.silent(member);
                    known.hearing.silent(member, error.to_string());
                }
            }
            known.hearing.forget_strangers(&others);
            // This one does not wait for those that are late.
            if known.hearing.verdict(&others, Instant::now()) == Verdict::Elsewhere {
                drop(known);
                self.0.verdict.send_replace(Some(Verdict::Elsewhere));
            }
        }
        let verdict = self.0.known.lock().hearing.verdict(&others, Instant::now());
        self.0.verdict.send_replace(Some(verdict));
    }

    async fn ask<'a>(&self, member: &'a MemberId) -> (&'a MemberId, Result<StoreAnswer, AskError>) {
        let tables = self.0.known.lock().newest.to_ask(member);
        (member, self.0.ask.ask(member, StoreQuestion { tables }, WITHIN).await)
    }
}
