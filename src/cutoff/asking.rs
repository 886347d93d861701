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
/// A verdict may be acted upon for so long after its round began: until the next one is there, and a second. Whoever is stopped and wakes asks anew before it tells anybody anything.
const GOOD_FOR: Duration = Duration::from_secs(5);

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
    good_until: Option<Instant>,
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

    /// Until when that may be acted upon.
    #[must_use]
    pub fn good_until(&self) -> Option<Instant> {
        self.0.known.lock().good_until
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

    /// Those that tell operators of the trouble they are in.
    #[must_use]
    pub fn notifying(&self) -> Vec<MemberId> {
        let others = self.0.ask.others();
        self.0.known.lock().hearing.notifying(&others, Instant::now())
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
        let good_until = Instant::now() + GOOD_FOR;
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
                known.good_until = Some(good_until);
                drop(known);
                self.0.verdict.send_replace(Some(Verdict::Elsewhere));
            }
        }
        let verdict = {
            let mut known = self.0.known.lock();
            known.good_until = Some(good_until);
            known.hearing.verdict(&others, Instant::now())
        };
        self.0.verdict.send_replace(Some(verdict));
    }

    async fn ask<'a>(&self, member: &'a MemberId) -> (&'a MemberId, Result<StoreAnswer, AskError>) {
        let tables = self.0.known.lock().newest.to_ask(member);
        (member, self.0.ask.ask(member, StoreQuestion { tables }, WITHIN).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WallMs;
    use crate::store::records::{FORMAT, SLOTS, SlotRun};
    use crate::tasks::Tasks;

    /// Members by script: how long each takes, and what it says.
    #[derive(Default)]
    struct Script {
        members: Mutex<BTreeMap<MemberId, (Duration, Option<StoreAnswer>)>>,
        /// The tables that each question asked for.
        asked: Mutex<Vec<Vec<String>>>,
    }

    #[async_trait::async_trait]
    impl AskStore for Script {
        fn others(&self) -> Vec<MemberId> {
            self.members.lock().keys().cloned().collect()
        }

        async fn ask(
            &self,
            member: &MemberId,
            question: StoreQuestion,
            within: Duration,
        ) -> Result<StoreAnswer, AskError> {
            let (takes, answer) = self.members.lock()[member].clone();
            self.asked.lock().push(question.tables);
            tokio::time::sleep(takes.min(within)).await;
            answer.filter(|_| takes <= within).ok_or(AskError::Late)
        }
    }

    impl Script {
        fn says(&self, member: &str, takes_ms: u64, answer: Option<StoreAnswer>) {
            self.members
                .lock()
                .insert(id(member), (Duration::from_millis(takes_ms), answer));
        }
    }

    fn id(name: &str) -> MemberId {
        MemberId::parse(name).unwrap()
    }

    fn answer(store: bool) -> Option<StoreAnswer> {
        Some(StoreAnswer {
            store,
            epochs: BTreeMap::new(),
            tables: BTreeMap::new(),
            heard: Vec::new(),
            settling: false,
            notifies: false,
        })
    }

    /// Rounds over a script, and the hand that starts and stops them.
    fn bed() -> (Arc<Script>, Rounds, watch::Sender<bool>, Tasks) {
        let script = Arc::new(Script::default());
        let rounds = Rounds::new(script.clone(), Tables::default());
        let (wanted, asking) = (watch::Sender::new(false), rounds.clone());
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        let (listen, token) = (wanted.subscribe(), tasks.stop().clone());
        tasks.spawn(async move { asking.run(listen, token).await });
        (script, rounds, wanted, tasks)
    }

    /// Lets time pass, and says what is to be assumed then.
    async fn after(rounds: &Rounds, ms: u64) -> Option<Verdict> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        rounds.verdict()
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_ends_when_all_have_answered_or_are_late_and_another_begins_two_seconds_after_the_one_before() {
        let (script, rounds, wanted, _tasks) = bed();
        script.says("b", 700, answer(false));
        assert_eq!(after(&rounds, 5_000).await, None, "nobody wants to know");
        wanted.send_replace(true);
        assert_eq!(after(&rounds, 699).await, None);
        assert_eq!(after(&rounds, 2).await, Some(Verdict::Nowhere));
        assert_eq!(rounds.said()[&id("b")], Says::Store(false, None));
        assert_eq!(rounds.heard().len(), 1);
        script.says("c", 0, None);
        assert_eq!(
            after(&rounds, 1_298).await,
            Some(Verdict::Nowhere),
            "the next round has not begun"
        );
        assert_eq!(after(&rounds, 800).await, Some(Verdict::Unsure));
        assert!(!rounds.settled_elsewhere());
        // Nobody wants to know any more: what was heard is of another time when somebody does again.
        wanted.send_replace(false);
        assert_eq!(after(&rounds, 1).await, None);
        assert!(rounds.heard().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn that_somebody_has_the_store_is_said_before_the_others_have_answered() {
        let (script, rounds, wanted, _tasks) = bed();
        script.says("b", 10, answer(true));
        script.says("c", 60_000, None);
        wanted.send_replace(true);
        assert_eq!(after(&rounds, 11).await, Some(Verdict::Elsewhere));
        // It loses it, too; a first round of that leaves nothing to doubt, since it says so itself.
        script.says("b", 10, answer(false));
        script.says("c", 20, answer(false));
        assert_eq!(after(&rounds, 2_020).await, Some(Verdict::Nowhere));
        assert!(rounds.settled_elsewhere());
        script.says("b", 10, answer(true));
        script.says("c", 60_000, None);
        assert_eq!(after(&rounds, 2_000).await, Some(Verdict::Elsewhere));
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_is_newer_than_ours_is_asked_for_in_the_next_round() {
        let (script, rounds, wanted, _tasks) = bed();
        let run = SlotRun {
            first: 0,
            last: SLOTS - 1,
            judge: Some(id("b")),
            since: "7-1".to_owned(),
            runners: Vec::new(),
        };
        let table = Table {
            v: FORMAT,
            epoch: "7-1".to_owned(),
            at: WallMs(0),
            why: String::new(),
            runs: vec![run],
            stamps: BTreeMap::new(),
        };
        let mut knows = answer(true).unwrap();
        knows.epochs.insert("untagged".to_owned(), "7-1".to_owned());
        script.says("b", 0, Some(knows.clone()));
        wanted.send_replace(true);
        after(&rounds, 1).await;
        assert!(rounds.newest().is_empty());
        knows.tables.insert("untagged".to_owned(), table.clone());
        script.says("b", 0, Some(knows));
        after(&rounds, 2_000).await;
        assert_eq!(rounds.newest().into_values().collect::<Vec<_>>(), [table]);
        after(&rounds, 2_000).await;
        let wanted: Vec<_> = script.asked.lock().iter().map(Vec::len).collect();
        assert_eq!(wanted, [0, 1, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_without_others_is_alone() {
        let (_script, rounds, wanted, _tasks) = bed();
        wanted.send_replace(true);
        assert_eq!(after(&rounds, 1).await, Some(Verdict::Alone));
        assert!(rounds.settled_elsewhere());
    }
}
