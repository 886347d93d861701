//! The order of the start: an episode that the last process left is taken over before its monitor runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::arrivals::{Found, stand_in};
use super::lane::{Command, INBOX};
use super::recorder::Recorder;
use super::stats::LaneStats;
use super::{Lanes, Manager};
use crate::catalog::loader::Changed;
use crate::catalog::{Catalog, MonitorEntry};
use crate::cluster::Tables;
use crate::cluster::tenures::{Holding, Tenures};
use crate::config::definition::Strictness;
use crate::config::kinds::Kinds;
use crate::events::Events;
use crate::feed::Feed;
use crate::model::{Group, MemberId, MonitorName, Status, WallMs};
use crate::store::records::{FORMAT, MemberRecord, SLOTS, SlotRun, Table};
use crate::store::{Commit, Op, Revision, Session, Store, encode, in_memory, keys};
use crate::tasks::Tasks;

async fn holding(store: &Store, group: &Group) -> Holding {
    let member = MemberId::parse("a").unwrap();
    let record = MemberRecord::new(member.clone(), "disk", "boot");
    let session = Session::open(store, record, Duration::from_secs(60)).await.unwrap();
    let all = SlotRun {
        first: 0,
        last: SLOTS - 1,
        judge: Some(member.clone()),
        since: "1-1".to_owned(),
        runners: Vec::new(),
    };
    let table = Table {
        v: FORMAT,
        epoch: "1-1".to_owned(),
        at: WallMs(0),
        why: String::new(),
        runs: vec![all],
        stamps: [(member, "boot".to_owned())].into(),
    };
    Holding::of(&session, group, &table, None, true).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_right_that_comes_before_the_definitions_runs_nothing_that_still_has_to_be_taken_over() {
    let (store, _faults) = in_memory();
    let untagged = Group::of("");
    let spec = json!({"type": "tcp", "host": "localhost", "port": 1, "interval": "10s"});
    let read = Kinds::built_in().read_monitor("web", &spec, Strictness::Lenient);
    let mut left = stand_in(&[]);
    left.measured = read.value.as_ref().unwrap().measured;
    let name = MonitorName::parse("web").unwrap();
    let put = Op::Put(keys::checkpoint(&name), encode(&left).unwrap(), None);
    let made = store
        .commit(Commit {
            ops: vec![put],
            ..Commit::default()
        })
        .await;
    assert!(made.revision().is_some());
    let entry = Arc::new(MonitorEntry::new(name.clone(), Revision(1), WallMs(0), read));

    let (inbox, mut commands) = mpsc::channel(INBOX);
    let (to_manager, changes) = mpsc::channel(1);
    let (catalog, tenures) = (Catalog::default(), Tenures::default());
    let manager = Manager {
        kinds: Kinds::built_in(),
        catalog: catalog.clone(),
        lanes: Lanes::new(vec![(inbox, Arc::new(LaneStats::default()))]),
        recorder: Recorder::new(),
        me: MemberId::parse("a").unwrap(),
        tenures: tenures.clone(),
        tables: Tables::default(),
        before: None,
        events: Events::new(MemberId::parse("a").unwrap(), Feed::default()).0,
        store: store.clone(),
        alive: None,
    };
    let stop = CancellationToken::new();
    let mut tasks = Tasks::child_of(&stop);
    tasks.spawn(manager.run(changes, stop.clone()));
    tokio::time::sleep(Duration::from_millis(1)).await;

    // The loader fills the catalog, and has not yet said so.
    catalog.put_monitor(entry.clone());
    tenures.set(HashMap::from([(untagged.clone(), holding(&store, &untagged).await)]));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(commands.try_recv().is_err(), "it runs without its episode");

    let changed = Changed {
        put: vec![entry],
        first: true,
        ..Changed::default()
    };
    to_manager.send(changed).await.ok().unwrap();
    let Some(Command::Put { taken: Some(taken), .. }) = commands.recv().await else {
        panic!("it does not run, or without its episode")
    };
    assert_eq!(taken.health.status, Status::Critical);
    assert_eq!(
        taken.health.episode.as_ref().map(|episode| episode.id),
        Some(left.episode)
    );
}

#[test]
fn what_another_judged_and_says_nothing_of_is_ok_from_now_on_unless_it_may_never_have_run_there() {
    let spec = json!({"type": "tcp", "host": "localhost", "port": 1, "interval": "10s"});
    let written_at = |at| {
        let read = Kinds::built_in().read_monitor("web", &spec, Strictness::Lenient);
        MonitorEntry::new(MonitorName::parse("web").unwrap(), Revision(1), WallMs(at), read)
    };
    let moved = |entry: &MonitorEntry, given| {
        let taken = Found::default().moved(entry, None, given, WallMs(70_000));
        (taken.health.status, taken.health.since)
    };
    let ok = (Status::Ok, WallMs(70_000));
    assert_eq!(moved(&written_at(5_000), Some(WallMs(69_000))), ok);
    assert_eq!(
        moved(&written_at(5_000), None),
        ok,
        "nobody knows since when it is here"
    );
    // Its judge died before it was written.
    let lately = moved(&written_at(65_000), Some(WallMs(69_000)));
    assert_eq!(lately, (Status::Pending, WallMs(0)));
}
