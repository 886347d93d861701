//! What this member answers to others: one match over all calls, each answered by the part that knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use crate::catalog::{Carried, Catalog};
use crate::cluster::Tables;
use crate::cutoff::{Rounds, Standing, Taker};
use crate::model::{MemberId, WallMs};
use crate::peers::calls::{
    Answer, Answers, Call, HandOverAnswer, HandOverQuestion, HandedOver, HelloAnswer, StoreAnswer, StoreQuestion,
};
use crate::peers::{Refused, weight};
use crate::store::records::{MemberRecord, Table, epoch_order};
use crate::store::{Store, keys};

/// The store is asked at most this often, however many ask whether it is there.
const STORE_KEPT: Duration = Duration::from_secs(1);
/// A store that has not answered within this time is not there.
const STORE_WITHIN: Duration = Duration::from_millis(700);
/// Monitors of one answer, at most.
const HANDED: usize = 2_000;
/// An answer that has grown to so many bytes ends, and says where to go on.
const HANDED_BYTES: usize = 1 << 20;

/// Answers by what the parts know.
pub(super) struct Answering {
    /// What this member says of itself.
    pub(super) record: MemberRecord,
    /// What runs here.
    pub(super) catalog: Catalog,
    /// For lists and pages.
    pub(super) pages: Arc<dyn Answers>,
    /// Who judges what, as far as it is known here.
    pub(super) tables: Tables,
    /// Takes what others bring for this member's alerters, where it can stand in for the store.
    pub(super) taker: Option<Taker>,
    /// Whether the store is there.
    pub(super) seen: Seen,
    /// How this member stands to it.
    pub(super) standing: Standing,
    /// What it heard of others.
    pub(super) rounds: Rounds,
}

#[async_trait::async_trait]
impl Answers for Answering {
    async fn answer(&self, asker: &MemberId, call: Call) -> Result<Answer, Refused> {
        match call {
            Call::Hello(_) => Ok(hello(&self.record).into()),
            Call::Store(question) => Ok(self.store(&question).await.into()),
            Call::Tell(question) => match &self.taker {
                Some(taker) => Ok(taker.tell(&question).await?.into()),
                None => Err(Refused::unsupported("tell")),
            },
            Call::HandOver(question) => Ok(hand_over(&self.catalog, &question).into()),
            other => self.pages.answer(asker, other).await,
        }
    }
}

fn hello(record: &MemberRecord) -> HelloAnswer {
    let identity = Sha256::digest(record.identity.as_bytes());
    HelloAnswer {
        member: record.id.clone(),
        identity: identity.iter().map(|byte| format!("{byte:02x}")).collect(),
        boot: record.boot.clone(),
        hostname: record.hostname.clone(),
        pid: std::process::id(),
        version: record.version.clone(),
        now: WallMs::now(),
    }
}

impl Answering {
    async fn store(&self, question: &StoreQuestion) -> StoreAnswer {
        let state = self.standing.state();
        let store = state.has_what_it_reads() && self.seen.now().await;
        // What this member only heard of is as good to others.
        let known = self.rounds.newest().into_iter().chain(self.tables.all());
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for (group, table) in known {
            let newer = |there: &Table| epoch_order(&table.epoch) > epoch_order(&there.epoch);
            if tables.get(group.as_str()).is_none_or(newer) {
                tables.insert(group.as_str().to_owned(), table);
            }
        }
        let epochs = tables.iter().map(|(group, table)| (group.clone(), table.epoch.clone()));
        StoreAnswer {
            store,
            epochs: epochs.collect(),
            tables: {
                tables.retain(|group, _| question.tables.contains(group));
                tables
            },
            heard: self.rounds.heard(),
            settling: state.settles(),
            notifies: self.standing.trouble().is_some(),
        }
    }
}

/// Whether the shared store is there, never a copy that stands in for it: by a new read of this member's own record, shared by all who ask within a second.
pub(super) struct Seen {
    store: Store,
    member: MemberId,
    last: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

impl Seen {
    pub(super) fn new(store: Store, member: MemberId) -> Self {
        Self {
            store,
            member,
            last: tokio::sync::Mutex::default(),
        }
    }

    async fn now(&self) -> bool {
        let now = Instant::now();
        // Locked while asking: whoever comes meanwhile takes the same answer.
        let mut last = self.last.lock().await;
        if let Some((at, there)) = *last
            && now.duration_since(at) < STORE_KEPT
        {
            return there;
        }
        let key = keys::member(&self.member);
        let there = matches!(timeout(STORE_WITHIN, self.store.get(&key)).await, Ok(Ok(_)));
        *last = Some((now, there));
        there
    }
}

/// What is known of the monitors in these slots that run here, or ran here.
fn hand_over(catalog: &Catalog, question: &HandOverQuestion) -> HandOverAnswer {
    let mut monitors = Vec::new();
    let (mut bytes, mut next) = (0, None);
    let entries = catalog.monitors();
    let first = question
        .after
        .as_ref()
        .map_or(0, |after| entries.partition_point(|entry| entry.name <= *after));
    for entry in &entries[first..] {
        let Some((live, (group, slot))) = entry.known().zip(entry.slot()) else {
            continue;
        };
        if !question.slots.contains(&group, slot) {
            continue;
        }
        let live = live.lock();
        // Without a single run there is nothing to hand over.
        if live.results.samples().len() == 0 {
            continue;
        }
        let state = Carried {
            health: live.left.as_ref().map_or(&live.health, |left| &left.1).clone(),
            ..Carried::recent(&live, question.samples.max(1))
        };
        drop(live);
        if monitors.len() >= HANDED || bytes > HANDED_BYTES {
            next = monitors.last().map(|last: &HandedOver| last.name.clone());
            break;
        }
        let handed = HandedOver {
            name: entry.name.clone(),
            measured: entry.measured().unwrap_or_default(),
            state,
        };
        bytes += weight(&handed);
        monitors.push(handed);
    }
    HandOverAnswer { monitors, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::MonitorEntry;
    use crate::config::definition;
    use crate::cutoff::{AskStore, State};
    use crate::model::{MonitorName, Reason, Slots, Verdict};
    use crate::peers::AskError;
    use crate::peers::calls::{AlertersQuestion, HelloQuestion};
    use crate::state::{Judged, Policy};
    use crate::store::Revision;

    fn entry(name: &str, fails: u32) -> Arc<MonitorEntry> {
        let spec = serde_json::json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s"});
        let read = definition::monitor(name, &spec);
        let entry = MonitorEntry::new(MonitorName::parse(name).unwrap(), Revision(1), WallMs(0), read);
        let mut live = entry.live().lock();
        for i in 0..fails {
            let at = WallMs(1_000 * i64::from(i));
            let verdict = Verdict::fail(Reason::Refused, "refused");
            let run = Judged {
                due: at,
                at,
                outcome: verdict.outcome,
                message: &verdict.message,
            };
            live.health.step(
                run,
                Policy {
                    warning: 0,
                    critical: 3,
                },
            );
            live.results.add(at, Duration::from_millis(1), verdict);
        }
        drop(live);
        Arc::new(entry)
    }

    #[test]
    fn what_is_known_of_the_slots_asked_about_is_handed_over_in_parts() {
        let catalog = Catalog::default();
        for i in 0..HANDED + 5 {
            catalog.put_monitor(entry(&format!("m{i:05}"), 2));
        }
        catalog.put_monitor(entry("never-ran", 0));
        catalog.put_monitor(entry("zzz", 4));
        let mut slots = Slots::default();
        slots.add(&crate::model::Group::of(""), 0, crate::store::records::SLOTS - 1);
        let mut question = HandOverQuestion {
            slots,
            after: None,
            samples: 0,
        };
        let mut all = Vec::new();
        loop {
            let answer = hand_over(&catalog, &question);
            all.extend(answer.monitors);
            question.after = answer.next;
            if question.after.is_none() {
                break;
            }
        }
        assert_eq!(all.len(), HANDED + 6);
        assert_eq!((all[0].state.health.failures, all[0].state.samples.len()), (2, 1));
        let failing = all.last().unwrap();
        assert_eq!(failing.name.as_str(), "zzz");
        // The episode goes on where it was, with its trail.
        let episode = failing.state.health.episode.as_ref().unwrap();
        assert_eq!((episode.trail.len(), failing.state.health.failures), (2, 4));
        assert!(catalog.monitor("zzz").unwrap().measured() == Some(failing.measured));

        question.slots = Slots::default();
        assert!(hand_over(&catalog, &question).monitors.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_is_asked_once_a_second_however_many_ask() {
        let (store, faults) = crate::store::in_memory();
        let seen = Seen::new(store, MemberId::parse("m").unwrap());
        assert!(seen.now().await);
        faults.set_unavailable(true);
        assert!(seen.now().await);
        tokio::time::advance(STORE_KEPT).await;
        assert!(!seen.now().await);
        faults.set_unavailable(false);
        assert!(!seen.now().await);
        tokio::time::advance(STORE_KEPT).await;
        assert!(seen.now().await);
    }

    /// Knows nothing of pages.
    struct NoPages;

    #[async_trait::async_trait]
    impl Answers for NoPages {
        async fn answer(&self, _: &MemberId, call: Call) -> Result<Answer, Refused> {
            Err(Refused::unsupported(call.word()))
        }
    }

    /// Has no others.
    struct Nobody;

    #[async_trait::async_trait]
    impl AskStore for Nobody {
        fn others(&self) -> Vec<MemberId> {
            Vec::new()
        }

        async fn ask(&self, _: &MemberId, _: StoreQuestion, _: Duration) -> Result<StoreAnswer, AskError> {
            Err(AskError::NotListed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_is_answered_by_the_part_that_knows() {
        let (store, faults) = crate::store::in_memory();
        let me = MemberId::parse("m").unwrap();
        let answering = Answering {
            record: MemberRecord::new(me.clone(), "secret", "boot-1"),
            catalog: Catalog::default(),
            pages: Arc::new(NoPages),
            tables: Tables::default(),
            seen: Seen::new(store, me.clone()),
            taker: None,
            standing: Standing::new(None),
            rounds: Rounds::new(Arc::new(Nobody), Tables::default()),
        };
        let Ok(Answer::Hello(hello)) = answering.answer(&me, HelloQuestion {}.into()).await else {
            panic!("no hello");
        };
        assert_eq!((&hello.member, hello.boot.as_str()), (&me, "boot-1"));
        // Who has the same data directory knows this; nobody learns the identity from it.
        assert_eq!(hello.identity.len(), 64);
        assert!(!hello.identity.contains("secret"));
        let there = async || match answering.answer(&me, StoreQuestion::default().into()).await {
            Ok(Answer::Store(answer)) => (answer.store, answer.settling),
            other => panic!("{other:?}"),
        };
        assert_eq!(there().await, (true, false));
        // One that takes nothing, or is another one, is read in vain; and what was recorded meanwhile is not in it.
        for state in [State::StoreFull, State::Strange] {
            answering.standing.set(state, "");
            assert_eq!(there().await, (false, true));
        }
        answering.standing.set(State::Returning, "");
        assert_eq!(there().await, (true, true));
        answering.standing.set(State::Doubtful, "");
        faults.set_unavailable(true);
        tokio::time::advance(STORE_KEPT).await;
        assert_eq!(there().await, (false, false));
        let other = answering.answer(&me, AlertersQuestion {}.into()).await;
        assert_eq!(other.unwrap_err().why, crate::peers::Why::Unsupported);
    }
}
