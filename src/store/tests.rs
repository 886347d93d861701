//! The typed handle over stores that misbehave, and all stores against one model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::commit::{BATCH_BYTES, BATCH_COMMITS, BATCH_OPS, bytes_of, waves};
use super::*;
use crate::model::{MonitorName, WallMs};

fn key(n: u8) -> Key {
    keys::silence(&n.to_string())
}

fn text(value: &str) -> Bytes {
    Bytes::copy_from_slice(value.as_bytes())
}

fn create(n: u8, value: &str) -> Commit {
    Commit {
        guards: vec![Guard::Rev(key(n), Revision(0))],
        ops: vec![Op::Put(key(n), text(value), None)],
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_found_to_be_done_and_not_sent_again() {
    let (store, faults) = in_memory();
    faults.answers([Answer::LostAfterwards]);
    assert_eq!(
        store.settle(&[], create(1, "a"), soon()).await,
        Outcome::Done(Revision(1))
    );
    assert_eq!(faults.commit_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_never_arrived_is_sent_again() {
    let (store, faults) = in_memory();
    faults.answers([Answer::LostBefore, Answer::LostBefore]);
    assert_eq!(
        store.settle(&[], create(1, "a"), soon()).await,
        Outcome::Done(Revision(1))
    );
    assert_eq!(faults.commit_calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_arrives_late_is_made_once_and_known_to_be() {
    for late in [10, 40, 60, 100, 160, 400] {
        let (store, faults) = in_memory();
        faults.answers([
            Answer::LostAndMadeLater(Duration::from_millis(late)),
            Answer::LostBefore,
        ]);
        let settled = store.settle(&[], create(1, "a"), soon()).await;
        assert_eq!(settled, Outcome::Done(Revision(1)), "late by {late} ms");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(
            store.get(&key(1)).await.unwrap().unwrap().rev,
            Revision(1),
            "late by {late} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_commit_that_somebody_overtook_is_refused() {
    let (store, faults) = in_memory();
    faults.answers([Answer::LostBefore, Answer::LostBefore]);
    let other = async {
        sleep(Duration::from_millis(10)).await;
        store.commit(create(1, "other")).await
    };
    let (settled, other) = tokio::join!(store.settle(&[], create(1, "mine"), soon()), other);
    assert!(other.revision().is_some());
    assert_eq!(settled, Outcome::Refused(Refusal::Own));
}

#[tokio::test(start_paused = true)]
async fn settling_ends_at_its_deadline_as_unknown() {
    let (store, faults) = in_memory();
    faults.stop();
    let began = Instant::now();
    assert!(matches!(
        store.settle(&[], create(1, "a"), soon()).await,
        Outcome::Unknown(_)
    ));
    assert!(began.elapsed() <= Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn bulk_gets_everything_through_whatever_answers_are_lost() {
    for seed in 0..20 {
        let (store, faults) = in_memory();
        let chances = Chances {
            lost_afterwards: 20,
            lost_before: 20,
            made_later: 20,
        };
        faults.by_chance(seed, chances);
        let mut last = 0;
        let outcomes = store
            .bulk((0..250).map(|n| create(n, "a")).collect(), |n| last = n)
            .await;
        assert!(
            outcomes.iter().all(|o| o.revision().is_some()),
            "seed {seed}: {outcomes:?}"
        );
        assert_eq!(last, 250);
        sleep(Duration::from_secs(10)).await;
        let (at, entries) = store.list(&keys::silences()).await.unwrap();
        assert_eq!(
            (at, entries.len()),
            (Revision(250), 250),
            "seed {seed}: each was made once"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_sees_what_an_earlier_one_of_the_same_call_wrote() {
    let (store, _faults) = in_memory();
    let second = Commit {
        guards: vec![Guard::Is(key(1), text("a"))],
        ops: vec![Op::Put(key(1), text("b"), None)],
    };
    let outcomes = store
        .commit_all(&[], vec![create(1, "a"), create(2, "x"), second])
        .await;
    assert!(outcomes.iter().all(|o| o.revision().is_some()), "{outcomes:?}");
    assert_eq!(store.get(&key(1)).await.unwrap().unwrap().value, text("b"));
}

#[tokio::test(start_paused = true)]
async fn one_commit_that_is_not_allowed_does_not_spoil_its_call() {
    let (store, _faults) = in_memory();
    let monitor = MonitorName::parse("m").unwrap();
    let huge = Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(keys::checkpoint(&monitor), Bytes::from(vec![0; 9_000]), None)],
    };
    let outcomes = store.commit_all(&[], vec![create(1, "a"), huge, create(2, "b")]).await;
    let [
        Outcome::Done(_),
        Outcome::Failed(StoreError::Invalid(why)),
        Outcome::Done(_),
    ] = &outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert!(why.contains("checkpoint/m") && why.contains("8192"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_store_has_one_identity_and_settings_from_the_first_time_on() {
    let (store, faults) = in_memory();
    faults.answers([Answer::LostAfterwards]);
    let identity = store.identity().await.unwrap();
    assert_eq!(store.identity().await.unwrap(), identity);
    assert_eq!(store.settings().await.unwrap().value, ClusterSettings::default());
    let entry = store.get(&keys::config()).await.unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
    assert!(json.get("HeartbeatInterval").is_some(), "{json}");
}

#[tokio::test(start_paused = true)]
async fn a_store_of_a_newer_format_is_refused() {
    let (store, _faults) = in_memory();
    let newer = StoreRecord {
        format: FORMAT + 1,
        ..StoreRecord::new("x")
    };
    let commit = Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(keys::store(), encode(&newer).unwrap(), None)],
    };
    store.commit(commit).await;
    assert!(matches!(store.identity().await, Err(StoreError::Denied(_))));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_named_without_its_content() {
    let (store, _faults) = in_memory();
    let commit = Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(keys::config(), text("\"hunter2\""), None)],
    };
    store.commit(commit).await;
    let error = store.settings().await.unwrap_err().to_string();
    assert!(error.contains("`config`") && !error.contains("hunter2"), "{error}");
    assert!(store.read::<WallMs>(&keys::store()).await.unwrap().is_none());
}

/// A guard, told by what it should find out about a key.
#[derive(Debug, Clone)]
enum Ask {
    Absent,
    Rev,
    RevZero,
    RevOther,
    Born,
    BornOther,
    Is(u8),
    Lease(usize),
}

#[derive(Debug, Clone)]
enum Step {
    /// Shared guards and commits; commit `n` touches keys `2n` and `2n + 1` only.
    Call(Vec<(u8, Ask)>, Vec<Vec<(bool, Ask)>>, Vec<Vec<Change3>>),
    Grant,
    Revoke(usize),
}

/// What a commit does to one of its two keys.
type Change3 = Option<(u8, Option<usize>)>;

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        1 => Just(Ask::Absent),
        3 => Just(Ask::Rev),
        1 => Just(Ask::RevZero),
        1 => Just(Ask::RevOther),
        2 => Just(Ask::Born),
        1 => Just(Ask::BornOther),
        1 => (0..3_u8).prop_map(Ask::Is),
        1 => (0..3_usize).prop_map(Ask::Lease),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop::option::weighted(0.7, (0..3_u8, prop::option::weighted(0.3, 0..3_usize)));
    let ops = prop::collection::vec(change, 0..3);
    let guards = prop::collection::vec((any::<bool>(), ask()), 0..2);
    let call = (
        prop::collection::vec((0..6_u8, ask()), 0..2),
        prop::collection::vec(guards, 3),
        prop::collection::vec(ops, 1..4),
    );
    prop_oneof![
        8 => call.prop_map(|(shared, guards, ops)| Step::Call(shared, guards, ops)),
        1 => Just(Step::Grant),
        1 => (0..3_usize).prop_map(Step::Revoke),
    ]
}

/// What a store should be, as simply as it can be said.
#[derive(Default)]
struct Model {
    rows: BTreeMap<Key, Entry>,
    rev: u64,
    /// Leases in the order in which they were granted, and whether they live.
    leases: Vec<(LeaseId, bool)>,
}

impl Model {
    fn guard(&self, key: Key, ask: &Ask) -> Guard {
        let entry = self.rows.get(&key);
        let (rev, born) = entry.map_or((Revision(0), Revision(0)), |e| (e.rev, e.born));
        match ask {
            Ask::Absent => Guard::Absent(key),
            Ask::Rev => Guard::Rev(key, rev),
            Ask::RevZero => Guard::Rev(key, Revision(0)),
            Ask::RevOther => Guard::Rev(key, Revision(rev.0 + 1)),
            Ask::Born => Guard::Born(key, born),
            Ask::BornOther => Guard::Born(key, Revision(born.0 + 1)),
            Ask::Is(value) => Guard::Is(key, Bytes::from(vec![*value])),
            Ask::Lease(n) => Guard::Lease(key, self.lease(*n)),
        }
    }

    fn lease(&self, n: usize) -> LeaseId {
        self.leases.get(n).map_or(LeaseId(999_999), |(id, _)| *id)
    }

    /// What a step calls the store with.
    fn call(
        &self,
        shared: &[(u8, Ask)],
        guards: &[Vec<(bool, Ask)>],
        ops: &[Vec<Change3>],
    ) -> (Vec<Guard>, Vec<Commit>) {
        let shared = shared.iter().map(|(n, ask)| self.guard(key(*n), ask)).collect();
        let commits = (0_u8..)
            .zip(ops.iter().zip(guards))
            .map(|(n, (ops, guards))| Commit {
                guards: guards
                    .iter()
                    .map(|(second, ask)| self.guard(key(2 * n + u8::from(*second)), ask))
                    .collect(),
                ops: (0_u8..)
                    .zip(ops)
                    .map(|(m, change)| match change {
                        None => Op::Delete(key(2 * n + m)),
                        Some((value, lease)) => Op::Put(
                            key(2 * n + m),
                            Bytes::from(vec![*value]),
                            lease.map(|lease| self.lease(lease)),
                        ),
                    })
                    .collect(),
            })
            .collect();
        (shared, commits)
    }

    fn lives(&self, lease: LeaseId) -> bool {
        self.leases.iter().any(|(known, lives)| *known == lease && *lives)
    }

    fn holds(&self, guard: &Guard) -> bool {
        let entry = self.rows.get(guard.key());
        match (guard, entry) {
            (Guard::Absent(_), None) => true,
            (Guard::Rev(_, r) | Guard::Born(_, r), None) => r.0 == 0,
            (Guard::Rev(_, r), Some(e)) => e.rev == *r,
            (Guard::Born(_, r), Some(e)) => e.born == *r,
            (Guard::Is(_, v), Some(e)) => e.value == *v,
            (Guard::Lease(_, l), Some(e)) => e.lease == Some(*l),
            _ => false,
        }
    }

    fn make(&mut self, commit: &Commit) -> Outcome {
        if !commit.guards.iter().all(|guard| self.holds(guard)) {
            return Outcome::Refused(Refusal::Own);
        }
        if commit
            .ops
            .iter()
            .any(|op| matches!(op, Op::Put(_, _, Some(lease)) if !self.lives(*lease)))
        {
            return Outcome::Failed(StoreError::NoLease);
        }
        let at = Revision(self.rev + 1);
        let mut changed = false;
        for op in &commit.ops {
            match op.clone() {
                Op::Put(key, value, lease) => {
                    let born = self.rows.get(&key).map_or(at, |e| e.born);
                    self.rows.insert(
                        key.clone(),
                        Entry {
                            key,
                            value,
                            born,
                            rev: at,
                            lease,
                        },
                    );
                    changed = true;
                }
                Op::Delete(key) => changed |= self.rows.remove(&key).is_some(),
            }
        }
        self.rev += u64::from(changed);
        Outcome::Done(Revision(self.rev))
    }

    fn end(&mut self, id: LeaseId) {
        let before = self.rows.len();
        self.rows.retain(|_, entry| entry.lease != Some(id));
        self.rev += u64::from(self.rows.len() < before);
    }
}

async fn like_the_model(store: Arc<dyn Backend>, steps: &[Step]) {
    let mut model = Model::default();
    let mut watch = store.watch(&keys::all(), Revision(0)).await.unwrap();
    for step in steps {
        match step {
            Step::Grant => {
                let lease = store.grant(Duration::from_secs(3600)).await.unwrap();
                model.leases.push((lease.id, true));
            }
            Step::Revoke(n) => {
                let id = model.lease(*n);
                let lived = model.leases.get_mut(*n).is_some_and(|(_, lives)| std::mem::take(lives));
                assert_eq!(store.revoke(id).await.is_ok(), lived);
                if lived {
                    model.end(id);
                }
            }
            Step::Call(shared, guards, ops) => {
                let (shared, commits) = model.call(shared, guards, ops);
                let expected: Vec<Outcome> = if shared.iter().all(|guard| model.holds(guard)) {
                    commits.iter().map(|commit| model.make(commit)).collect()
                } else {
                    vec![Outcome::Refused(Refusal::Shared); commits.len()]
                };
                assert_eq!(store.commit_all(&shared, commits).await, expected);
            }
        }
        let page = store.list(&keys::all(), None).await.unwrap();
        assert_eq!(page.at, Revision(model.rev));
        assert!(
            page.entries.iter().eq(model.rows.values()),
            "{:?} {:?}",
            page.entries,
            model.rows
        );
    }
    // Who only watched has the same picture, and saw every revision.
    let mut picture = BTreeMap::new();
    for at in 1..=model.rev {
        let batch = watch.recv().await.unwrap().unwrap();
        assert_eq!(batch.at, Revision(at));
        for change in batch.changes {
            match change {
                Change::Put(entry) => picture.insert(entry.key.clone(), entry),
                Change::Deleted(key) => picture.remove(&key),
            };
        }
    }
    assert_eq!(picture, model.rows);
}

/// The same where a store counts revisions as it likes, and others write to it: the model takes them from its outcomes.
async fn like_the_model_in_its_own_revisions(store: Arc<dyn Backend>, steps: &[Step]) {
    let start = store.list(&keys::all(), None).await.unwrap().at;
    let mut model = Model {
        rev: start.0,
        ..Model::default()
    };
    let mut watch = store.watch(&keys::all(), start).await.unwrap();
    for step in steps {
        match step {
            Step::Grant => {
                let lease = store.grant(Duration::from_secs(3600)).await.unwrap();
                model.leases.push((lease.id, true));
            }
            Step::Revoke(n) => {
                let id = model.lease(*n);
                let lived = model.leases.get_mut(*n).is_some_and(|(_, lives)| std::mem::take(lives));
                assert_eq!(store.revoke(id).await.is_ok(), lived);
                if lived {
                    model.end(id);
                }
            }
            Step::Call(shared, guards, ops) => {
                let (mut shared, commits) = model.call(shared, guards, ops);
                let gone = |op: &Op| matches!(op, Op::Put(_, _, Some(lease)) if !model.lives(*lease));
                if commits.iter().flat_map(|commit| &commit.ops).any(gone) {
                    // The others may then be made one after another, and the shared guards look at what the first one wrote.
                    shared.clear();
                }
                let held = shared.iter().all(|guard| model.holds(guard));
                let outcomes = store.commit_all(&shared, commits.clone()).await;
                assert_eq!(outcomes.len(), commits.len());
                for (commit, outcome) in commits.iter().zip(outcomes) {
                    let before = model.rows.clone();
                    if let Outcome::Done(rev) = &outcome {
                        model.rev = rev.0 - 1;
                    }
                    let expected = if held {
                        model.make(commit)
                    } else {
                        Outcome::Refused(Refusal::Shared)
                    };
                    let same = match (&expected, &outcome) {
                        // Nothing was there to change: any revision will do.
                        (Outcome::Done(_), Outcome::Done(_)) if before == model.rows => true,
                        (expected, outcome) => expected == outcome,
                    };
                    assert!(same, "{commit:?}: {outcome:?}, and not {expected:?}");
                }
            }
        }
        let page = store.list(&keys::all(), None).await.unwrap();
        assert!(
            page.entries.iter().eq(model.rows.values()),
            "{:?} {:?}",
            page.entries,
            model.rows
        );
        assert!(page.entries.iter().all(|entry| entry.rev <= page.at));
    }
    let mut picture = BTreeMap::new();
    let mut at = start;
    while picture != model.rows {
        let batch = watch.recv().await.unwrap().unwrap();
        assert!(batch.changes.is_empty() || batch.at > at, "{batch:?} after {at}");
        at = batch.at;
        for change in batch.changes {
            match change {
                Change::Put(entry) => picture.insert(entry.key.clone(), entry),
                Change::Deleted(key) => picture.remove(&key),
            };
        }
    }
}

#[test]
fn real_etcd_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_etcd, below) = runtime.block_on(etcd::on_real_etcd());
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    };
    let case = std::cell::Cell::new(0);
    let ran = proptest::test_runner::TestRunner::new(config).run(&prop::collection::vec(step(), 1..25), |steps| {
        case.set(case.get() + 1);
        let prefix = format!("case{}", case.get());
        runtime.block_on(async { like_the_model_in_its_own_revisions(below(&prefix), &steps).await });
        Ok(())
    });
    ran.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_store_does_what_the_model_does(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            like_the_model(Memory::new().0, &steps).await;
            like_the_model(embedded::on_test_disk(&embedded::TestDisk::new(Vec::new())), &steps).await;
        });
    }

    #[test]
    fn batches_keep_their_bounds_their_order_and_every_commit(
        sizes in prop::collection::vec((0..90_usize, 0..30_000_usize, 0..400_u16), 0..150)
    ) {
        let commits: Vec<Commit> = sizes
            .iter()
            .map(|(ops, bytes, first)| Commit {
                guards: Vec::new(),
                ops: (0..*ops)
                    .map(|n| Op::Put(keys::silence(&format!("{first}-{n}")), Bytes::from(vec![0; *bytes]), None))
                    .collect(),
            })
            .collect();
        let cut = waves(commits.clone());
        for wave in &cut {
            let mut written = std::collections::HashSet::new();
            for batch in wave {
                prop_assert!(batch.len() == 1 || batch.len() <= BATCH_COMMITS);
                prop_assert!(batch.len() == 1 || batch.iter().map(bytes_of).sum::<usize>() <= BATCH_BYTES);
                prop_assert!(batch.len() == 1 || batch.iter().all(|commit| commit.ops.len() <= BATCH_OPS));
                for op in batch.iter().flat_map(|commit| &commit.ops) {
                    prop_assert!(written.insert(op.key().clone()));
                }
            }
        }
        prop_assert_eq!(cut.into_iter().flatten().flatten().collect::<Vec<_>>(), commits);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_says_why_until_it_takes_something() {
    let (store, faults) = in_memory();
    let put = || Commit {
        guards: Vec::new(),
        ops: vec![Op::Put(keys::config(), Bytes::from_static(b"{}"), None)],
    };
    assert!(matches!(store.commit(put()).await, Outcome::Done(_)));
    assert_eq!(store.trouble(), None);
    faults.set_full(true);
    assert!(matches!(store.commit(put()).await, Outcome::Failed(_)));
    assert!(matches!(store.trouble(), Some(StoreError::Full(_))));
    faults.set_full(false);
    assert!(matches!(store.commit(put()).await, Outcome::Done(_)));
    assert_eq!(store.trouble(), None);
}
