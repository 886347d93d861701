//! Who gets what, as the tables say it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::catalog::{Live, MonitorEntry};
use crate::config::definition::Strictness;
use crate::config::kinds::Kinds;
use crate::feed::Feed;
use crate::store::{Session, in_memory};
use crate::tasks::Tasks;

const TTL: Duration = Duration::from_secs(600);

fn record(id: &str, tags: &[&str]) -> MemberRecord {
    MemberRecord {
        tags: tags.iter().map(ToString::to_string).collect(),
        ..MemberRecord::new(MemberId::parse(id).unwrap(), id, "1")
    }
}

struct Bench {
    store: Store,
    session: Arc<Session>,
    catalog: Catalog,
    events: Events,
    _rights: watch::Sender<Rights>,
    _tasks: Tasks,
}

/// Member `a` with these tags, which directs.
async fn directing(tags: &[&str]) -> Bench {
    let (store, _faults) = in_memory();
    let session = Arc::new(Session::open(&store, record("a", tags), TTL).await.unwrap());
    let term = session.campaign().await.unwrap();
    let rights = Rights {
        session: Some(session.clone()),
        term,
    };
    let (rights, rights_now) = watch::channel(rights);
    let (catalog, events) = (
        Catalog::default(),
        Events::new(session.member().clone(), Feed::default()).0,
    );
    let director = Director {
        store: store.clone(),
        catalog: catalog.clone(),
        rights: rights_now,
        events: events.clone(),
    };
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(director.run(CancellationToken::new()));
    Bench {
        store,
        session,
        catalog,
        events,
        _rights: rights,
        _tasks: tasks,
    }
}

impl Bench {
    fn monitor(&self, name: &str, tag: &str) {
        let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "member-tag": tag});
        let read = Kinds::built_in().read_monitor(name, &spec, Strictness::Lenient);
        self.catalog.put_monitor(Arc::new(MonitorEntry {
            name: MonitorName::parse(name).unwrap(),
            rev: Revision(1),
            def: read.value,
            problems: read.problems,
            live: Arc::new(Live::default()),
        }));
    }

    /// Who judges in a group: names in order, `-` for nobody; nothing where there is no table.
    async fn judges(&self, group: &str) -> String {
        sleep(Duration::from_secs(1)).await;
        let table = self.store.read::<Table>(&keys::table(group)).await.unwrap();
        let runs = table.map(|at| at.value.runs).unwrap_or_default();
        let judges: BTreeSet<_> = runs
            .iter()
            .map(|run| run.judge.as_ref().map_or("-", MemberId::as_str))
            .collect();
        judges.into_iter().collect::<Vec<_>>().join(" ")
    }

    fn said(&self, what: &str) -> usize {
        self.events
            .newest_first()
            .iter()
            .filter(|event| event.message.contains(what))
            .count()
    }
}

#[tokio::test(start_paused = true)]
async fn every_group_in_use_gets_a_table_and_alerters_one_of_their_own() {
    let bench = directing(&[]).await;
    assert_eq!(bench.judges("notify").await, "a");
    assert_eq!(bench.judges("untagged").await, "");
    bench.monitor("web", "");
    assert_eq!(bench.judges("untagged").await, "a");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_about_to_go_keeps_what_nobody_else_may_hold_and_gives_the_rest() {
    let bench = directing(&[]).await;
    bench.monitor("web", "");
    bench.monitor("eu", "eu");
    assert_eq!(bench.judges("untagged").await, "a");
    bench.session.update(|record| record.leaving = true).await;
    assert_eq!(bench.judges("untagged").await, "a");
    assert_eq!(bench.said("check web"), 0);
    let _other = Session::open(&bench.store, record("b", &[]), TTL).await.unwrap();
    assert_eq!(bench.judges("untagged").await, "b");
    assert_eq!(bench.judges("tag-eu").await, "-");
}

#[tokio::test(start_paused = true)]
async fn orphans_are_named_once_each_and_again_after_they_had_somebody() {
    let bench = directing(&["eu"]).await;
    bench.monitor("web", "");
    assert_eq!(bench.judges("untagged").await, "-");
    bench.monitor("db", "");
    assert_eq!(bench.judges("untagged").await, "-");
    assert_eq!((bench.said("check web"), bench.said("check db")), (1, 1));
    let other = Session::open(&bench.store, record("b", &[]), TTL).await.unwrap();
    assert_eq!(bench.judges("untagged").await, "b");
    other.close().await.unwrap();
    assert_eq!(bench.judges("untagged").await, "-");
    assert_eq!(bench.said("check web"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_lost_plans_nothing_and_names_no_orphans() {
    let bench = directing(&[]).await;
    bench.monitor("web", "");
    assert_eq!(bench.judges("untagged").await, "a");
    // The director does not know of its loss yet; the list of members does.
    bench.session.close().await.unwrap();
    assert_eq!(bench.judges("untagged").await, "a");
    assert_eq!(bench.said("unable to find"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_left_out() {
    let bench = directing(&[]).await;
    bench.monitor("web", "");
    let member = keys::member(&MemberId::parse("broken").unwrap());
    for key in [member, keys::table("untagged")] {
        let ops = vec![Op::Put(key, Bytes::from("{"), None)];
        let guards = Vec::new();
        assert!(matches!(
            bench.store.commit(Commit { guards, ops }).await,
            Outcome::Done(_)
        ));
    }
    bench.monitor("db", "");
    assert_eq!(bench.judges("untagged").await, "a");
}
