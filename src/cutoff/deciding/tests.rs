//! Decisions over stores in memory.

use serde_json::json;

use super::*;
use crate::model::{AlerterName, EpisodeId, Group, MonitorName};
use crate::store::records::{SLOTS, SlotRun, Table};
use crate::store::{Faults, LOCAL, Memory, in_memory, standin_in_memory};

/// A member that stands on its copy; the store that it was of is gone.
struct Bed {
    there: Store,
    faults: Faults,
    standin: Arc<Standin>,
    known: StoreRecord,
}

fn member(name: &str) -> MemberId {
    MemberId::parse(name).unwrap()
}

fn monitor(name: &str) -> Key {
    keys::monitor(&MonitorName::parse(name).unwrap())
}

fn put(key: &Key, value: &str) -> Op {
    Op::Put(key.clone(), bytes::Bytes::copy_from_slice(value.as_bytes()), None)
}

async fn write(store: &Store, op: Op) {
    let commit = Commit {
        guards: Vec::new(),
        ops: vec![op],
    };
    assert!(store.commit(commit).await.revision().is_some());
}

fn table() -> Table {
    Table {
        v: FORMAT,
        epoch: "7-1".to_owned(),
        at: WallMs(0),
        why: String::new(),
        runs: vec![SlotRun {
            first: 0,
            last: SLOTS - 1,
            judge: Some(member("me")),
            since: "7-1".to_owned(),
            runners: Vec::new(),
        }],
        stamps: [(member("me"), "7-1".to_owned())].into(),
    }
}

impl Bed {
    async fn new() -> Self {
        let (there, faults) = in_memory();
        let known = there.identity().await.unwrap();
        for n in 0..200 {
            write(&there, put(&monitor(&n.to_string()), &n.to_string())).await;
        }
        write(&there, put(&keys::alerter(&AlerterName::parse("ops").unwrap()), "{}")).await;
        let notify = Group::notify();
        write(
            &there,
            Op::Put(keys::table(notify.as_str()), encode(&table()).unwrap(), None),
        )
        .await;
        write(&there, put(&keys::seat(notify.as_str(), &member("me")), "7-1")).await;
        let lease = there.grant(Duration::from_secs(60)).await.unwrap().id;
        write(&there, Op::Put(keys::member(&member("me")), "{}".into(), Some(lease))).await;
        let (copy, _) = Memory::new();
        let (store, standin) = standin_in_memory(&there, &copy);
        let mut tasks: crate::tasks::Tasks = crate::tasks::Tasks::child_of(&tokio_util::sync::CancellationToken::new());
        let stop = tasks.stop().clone();
        tasks.spawn(standin.clone().mirror(stop));
        tokio::time::sleep(Duration::from_secs(5)).await;
        standin.stand_in().await.unwrap();
        // What it does alone.
        write(&store, put(&keys::seat(notify.as_str(), &member("me")), "alone")).await;
        write(
            &store,
            put(
                &keys::told(&AlerterName::parse("ops").unwrap(), &MonitorName::parse("web").unwrap()),
                "told here",
            ),
        )
        .await;
        faults.wipe();
        assert!(matches!(standin.look().await.unwrap(), Finding::Strange(_)));
        Self {
            there,
            faults,
            standin,
            known,
        }
    }

    async fn make(&self, decision: Decision) -> Result<Decided, Undecided> {
        make(&self.standin, &member("me"), decision).await
    }

    async fn holds(&self) -> Vec<(String, String)> {
        let (_, entries) = self.there.list(&keys::all()).await.unwrap();
        let text = |entry: Entry| {
            (
                entry.key.to_string(),
                String::from_utf8_lossy(&entry.value).into_owned(),
            )
        };
        entries.into_iter().map(text).collect()
    }

    fn found(&self) -> Option<Finding> {
        self.standin.found()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_restored_is_what_was_there_but_for_what_hung_on_leases_and_with_what_was_done_here() {
    let bed = Bed::new().await;
    let past = keys::past(&MonitorName::parse("web").unwrap(), EpisodeId(1));
    write(&bed.there, put(&monitor("1"), "other")).await;
    write(&bed.there, put(&monitor("stranger"), "{}")).await;
    write(&bed.there, put(&past, "{}")).await;
    let decided = bed.make(Decision::Restore).await.unwrap();
    assert_eq!(decided.store, bed.known.id);
    assert_eq!((decided.written, decided.removed), (200 + 1 + 2 + 1, 1));
    let holds = bed.holds().await;
    let value = |key: &str| {
        holds
            .iter()
            .find(|(there, _)| there == key)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(value("monitor/1"), Some("1"));
    assert_eq!(value("monitor/stranger"), None);
    // Of what the copy does not hold it says nothing.
    assert_eq!(value(past.as_str()), Some("{}"));
    assert_eq!(value("told/ops/web"), Some("told here"));
    assert_eq!(
        value("plan/notify/seat/me"),
        Some("7-1"),
        "not the seat that it has on its copy"
    );
    for key in ["cluster/members/me", "cluster/restoring", "standin/copy"] {
        assert_eq!(value(key), None, "{key}");
    }
    assert_eq!(bed.there.identity().await.unwrap(), bed.known);
    assert!(matches!(bed.found(), Some(Finding::Back(at)) if at < LOCAL) || bed.found().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_ends_in_the_middle_is_gone_on_with_and_until_then_the_store_is_strange() {
    let bed = Bed::new().await;
    // The claim and the first batches come through.
    bed.faults
        .answers([crate::store::Answer::Given, crate::store::Answer::Given]);
    bed.faults.answers(std::iter::repeat_n(
        crate::store::Answer::Failed(StoreError::Unavailable("gone".to_owned())),
        9,
    ));
    let failed = bed.make(Decision::Restore).await.unwrap_err();
    assert!(matches!(failed, Undecided::Store(_)), "{failed}");
    bed.faults.none_by_chance();
    let half = bed.holds().await.len();
    assert!((1..200).contains(&half), "{half}");
    assert!(matches!(bed.standin.look().await.unwrap(), Finding::Strange(_)));
    let decided = bed.make(Decision::Restore).await.unwrap();
    assert!(decided.written < 204, "what is there is not written again");
    assert_eq!(bed.there.identity().await.unwrap(), bed.known);
}

#[tokio::test(start_paused = true)]
async fn while_one_restores_nobody_else_does_anything_and_who_dies_is_waited_for() {
    let bed = Bed::new().await;
    let lease = bed.there.grant(Duration::from_secs(30)).await.unwrap().id;
    let claim = json!({"v": 1, "member": "other", "at": 0});
    write(
        &bed.there,
        Op::Put(keys::restoring(), claim.to_string().into(), Some(lease)),
    )
    .await;
    for decision in [Decision::Restore, Decision::Adopt] {
        let Err(Undecided::Meanwhile(why)) = bed.make(decision).await else {
            panic!("done");
        };
        assert!(why.contains("member other is writing"), "{why}");
    }
    assert_eq!(bed.holds().await.len(), 1);
    tokio::time::sleep(Duration::from_secs(31)).await;
    bed.make(Decision::Restore).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_the_claim_writes_nothing_more() {
    let bed = Bed::new().await;
    let lease = bed.there.grant(Duration::from_secs(30)).await.unwrap().id;
    let claim = Guard::Lease(keys::restoring(), lease);
    let changes = restoring::changes(
        restoring::wanted(&bed.standin.copy()).await.unwrap(),
        Vec::new(),
        &claim,
    );
    let outcomes = bed.there.bulk(changes, |_| {}).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused(_))));
    assert!(bed.holds().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_empty_store_that_is_adopted_gets_an_id_and_one_that_is_in_use_keeps_its_own() {
    let bed = Bed::new().await;
    let adopted = bed.make(Decision::Adopt).await.unwrap();
    let record = bed.there.identity().await.unwrap();
    assert_eq!(record.id, adopted.store);
    assert_eq!(record.follows, [bed.known.id.as_str()]);
    assert_eq!(bed.found(), Some(Finding::Follows(record)));

    let bed = Bed::new().await;
    let theirs = bed.there.identity().await.unwrap();
    let adopted = bed.make(Decision::Adopt).await.unwrap();
    assert_eq!(adopted.store, theirs.id);
    assert_eq!(bed.there.identity().await.unwrap().follows, [bed.known.id.as_str()]);
    // Another operator is late.
    for decision in [Decision::Restore, Decision::Adopt] {
        let Err(Undecided::Meanwhile(why)) = bed.make(decision).await else {
            panic!("done");
        };
        assert!(why.contains("adopted in place of the one before"), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_known_store_with_less_in_it_becomes_another_one_when_it_is_adopted() {
    let bed = Bed::new().await;
    let record = encode(&bed.known).unwrap();
    write(&bed.there, Op::Put(keys::store(), record, None)).await;
    let refused = bed.make(Decision::Adopt).await.unwrap_err();
    assert!(
        matches!(refused, Undecided::Meanwhile(_)),
        "whoever returns looks how much it lacks: {refused}"
    );
    let entry = bed.there.get(&keys::store()).await.unwrap();
    bed.standin.lacks(entry, "it lacks most".to_owned());
    let adopted = bed.make(Decision::Adopt).await.unwrap();
    assert_ne!(adopted.store, bed.known.id);
    assert_eq!(bed.there.identity().await.unwrap().follows, [bed.known.id.as_str()]);
}

#[tokio::test(start_paused = true)]
async fn whoever_uses_a_store_that_is_restored_goes_along() {
    let bed = Bed::new().await;
    let theirs = bed.there.identity().await.unwrap();
    bed.make(Decision::Restore).await.unwrap();
    let record = bed.there.identity().await.unwrap();
    assert_eq!((record.id, record.follows), (bed.known.id.clone(), vec![theirs.id]));
}

#[tokio::test(start_paused = true)]
async fn a_store_of_a_newer_format_is_left_alone() {
    let bed = Bed::new().await;
    let newer = StoreRecord {
        format: FORMAT + 1,
        ..StoreRecord::new("newer")
    };
    write(&bed.there, Op::Put(keys::store(), encode(&newer).unwrap(), None)).await;
    for decision in [Decision::Restore, Decision::Adopt] {
        let error = bed.make(decision).await.unwrap_err();
        assert!(matches!(error, Undecided::Store(StoreError::Denied(_))), "{error}");
    }
    assert_eq!(bed.holds().await.len(), 1);
}
