//! What happens in the moment of a turn, and on the copy after it.

use std::task::Poll;

use futures_util::poll;
use tokio::time::Instant;

use super::*;
use crate::model::{AlerterName, MonitorName};
use crate::store::follow::Followed;
use crate::store::{Guard, StoreError};

#[tokio::test(start_paused = true)]
async fn everything_is_there_with_its_revisions_and_goes_on_from_the_copy() {
    let bed = Bed::new().await;
    put(&bed.store, "kept", "1").await;
    bed.quiet().await;
    let before = bed.there().await.1;
    bed.cut_off().await;
    let entry = bed.store.get(&key("kept")).await.unwrap().unwrap();
    assert_eq!(Some(&entry), before.get(&key("kept")));
    let update = Commit {
        guards: vec![Guard::Rev(key("kept"), entry.rev)],
        ops: vec![Op::Put(key("kept"), value("2"), None)],
    };
    assert!(bed.store.commit(update).await.revision() > Some(LOCAL));
    let lease = bed.store.grant(Duration::from_secs(10)).await.unwrap();
    assert!(
        bed.store
            .commit(commit(Op::Put(key("leased"), value(""), Some(lease.id))))
            .await
            .revision()
            .is_some()
    );
    sleep(Duration::from_secs(60)).await;
    assert_eq!(text_of(&bed.store, "leased").await, None, "its leases end");
    assert_eq!(text_of(&bed.store, "kept").await.as_deref(), Some("2"));
    assert_eq!(bed.there().await.1, before, "and the shared store knows nothing of it");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_answered_and_not_yet_watched_is_in_the_copy() {
    let bed = Bed::new().await;
    put(&bed.store, "old", "1").await;
    put(&bed.store, "gone", "1").await;
    bed.quiet().await;
    bed.faults.set_watches_stalled(true);
    put(&bed.store, "old", "2").await;
    put(&bed.store, "new", "1").await;
    delete(&bed.store, "gone").await;
    put(&bed.store, "brief", "1").await;
    delete(&bed.store, "brief").await;
    put(&bed.store, "again", "1").await;
    delete(&bed.store, "again").await;
    put(&bed.store, "again", "2").await;
    let there = bed.there().await.1;
    let at = bed.standin.stands().at;
    bed.cut_off().await;
    assert_eq!(bed.here().await, there, "with all their revisions");
    assert_eq!(bed.standin.stands().at, at, "what others did since is not there");
}

#[tokio::test(start_paused = true)]
async fn what_the_watch_brought_and_nobody_wrote_yet_is_in_the_copy() {
    let bed = Bed::new().await;
    bed.quiet().await;
    put(&bed.shared, "a", "1").await;
    // Less than it is collected for.
    sleep(Duration::from_millis(100)).await;
    assert_eq!(text_of(&bed.standin.copy(), "a").await, None);
    bed.cut_off().await;
    assert_eq!(text_of(&bed.store, "a").await.as_deref(), Some("1"));
    assert_eq!(bed.standin.stands().at, bed.there().await.0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_somebody_else_deleted_is_not_brought_back_by_an_older_commit() {
    let bed = Bed::new().await;
    bed.quiet().await;
    // The watch brings both at once; the answer of the first is in any case older.
    put(&bed.store, "a", "1").await;
    delete(&bed.shared, "a").await;
    sleep(Duration::from_millis(100)).await;
    bed.cut_off().await;
    assert_eq!(text_of(&bed.store, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn no_revision_of_the_copy_is_one_of_the_shared_store_nor_one_of_an_earlier_outage() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.cut_off().await;
    let first = put(&bed.store, "a", "1").await;
    assert!(first > LOCAL);
    bed.reconnect().await;
    let between = put(&bed.store, "a", "2").await;
    assert!(between < LOCAL);
    bed.quiet().await;
    bed.cut_off().await;
    let guard = |rev| Commit {
        guards: vec![Guard::Rev(key("a"), rev)],
        ops: vec![Op::Put(key("a"), value("stale"), None)],
    };
    let second = put(&bed.store, "a", "3").await;
    assert!(second > first, "{second} after {first}");
    assert!(matches!(bed.store.commit(guard(first)).await, Outcome::Refused(_)));
    assert!(matches!(bed.store.commit(guard(between)).await, Outcome::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_the_copy_that_ends_takes_nothing_that_hangs_on_one_of_the_shared_store() {
    let bed = Bed::new().await;
    let foreign = bed.store.grant(Duration::from_secs(3600)).await.unwrap().id;
    let leased = |name: &str, lease| commit(Op::Put(key(name), value(""), Some(lease)));
    bed.store.commit(leased("foreign", foreign)).await;
    bed.quiet().await;
    bed.cut_off().await;
    let own = bed.store.grant(Duration::from_secs(5)).await.unwrap().id;
    bed.store.commit(leased("own", own)).await;
    sleep(Duration::from_secs(7200)).await;
    assert_eq!(text_of(&bed.store, "own").await, None);
    assert!(text_of(&bed.store, "foreign").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn calls_on_their_way_to_the_shared_store_are_answered_at_once() {
    let bed = Bed::new().await;
    bed.quiet().await;
    let (standin, store) = (bed.standin.clone(), bed.store.clone());
    let backend: Arc<dyn crate::store::Backend> = standin.clone();
    bed.faults.set_delay(Duration::from_secs(3600));
    let (lease, config, all) = (crate::store::LeaseId(1), keys::config(), keys::all());
    let mut put = std::pin::pin!(store.commit(commit(Op::Put(key("a"), value("1"), None))));
    let mut get = std::pin::pin!(store.get(&config));
    let mut watch = std::pin::pin!(backend.watch(&all, Revision(0)));
    let mut grant = std::pin::pin!(backend.grant(Duration::from_secs(1)));
    let mut keep = std::pin::pin!(backend.keep_alive(lease));
    let mut revoke = std::pin::pin!(backend.revoke(lease));
    assert!(poll!(&mut put).is_pending() && poll!(&mut get).is_pending() && poll!(&mut watch).is_pending());
    assert!(poll!(&mut grant).is_pending() && poll!(&mut keep).is_pending() && poll!(&mut revoke).is_pending());
    let began = Instant::now();
    standin.stand_in().await.unwrap();
    assert!(matches!(put.await, Outcome::Unknown(StoreError::Unavailable(_))));
    assert!(matches!(get.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(watch.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(grant.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(keep.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(revoke.await, Err(StoreError::Unavailable(_))));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_commit_settles_it_against_the_copy() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.faults.set_delay(Duration::from_secs(3600));
    let create = Commit {
        guards: vec![Guard::Absent(key("a"))],
        ops: vec![Op::Put(key("a"), value("1"), None)],
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut settled = std::pin::pin!(bed.store.settle(&[], create, deadline));
    assert!(poll!(&mut settled).is_pending());
    bed.standin.stand_in().await.unwrap();
    assert!(settled.await.revision() > Some(LOCAL));
    assert_eq!(text_of(&bed.store, "a").await.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn watches_end_with_each_turn_and_followers_list_again() {
    let bed = Bed::new().await;
    put(&bed.store, "a", "1").await;
    bed.quiet().await;
    let mut follow = bed.store.follow(&Key::new("told/"));
    let snapshot = |followed| match followed {
        Followed::Snapshot { entries, .. } => entries,
        Followed::Changes(batch) => panic!("{batch:?}"),
    };
    let first = snapshot(follow.next().await);
    let at_once = Duration::from_secs(1);
    bed.cut_off().await;
    let second = tokio::time::timeout(at_once, follow.next()).await.unwrap();
    assert_eq!(snapshot(second), first, "the same entries, with the same revisions");
    put(&bed.store, "a", "2").await;
    assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.at > LOCAL));
    bed.reconnect().await;
    let third = tokio::time::timeout(at_once, follow.next()).await.unwrap();
    assert_eq!(snapshot(third), first, "what was local is not there");
    put(&bed.shared, "b", "1").await;
    assert!(matches!(follow.next().await, Followed::Changes(batch) if batch.at < LOCAL));
}

#[tokio::test(start_paused = true)]
async fn neither_lists_nor_watches_go_on_across_a_turn() {
    let bed = Bed::new().await;
    let at = put(&bed.store, "a", "1").await;
    bed.quiet().await;
    let backend: Arc<dyn crate::store::Backend> = bed.standin.clone();
    bed.cut_off().await;
    let here = put(&bed.store, "b", "1").await;
    let all = keys::all();
    assert_eq!(backend.watch(&all, at).await.err(), Some(StoreError::Compacted(at)));
    assert_eq!(
        backend.list(&all, Some((at, key("a")))).await,
        Err(StoreError::Compacted(at))
    );
    bed.reconnect().await;
    assert_eq!(backend.watch(&all, here).await.err(), Some(StoreError::Compacted(here)));
    assert_eq!(
        backend.list(&all, Some((here, key("a")))).await,
        Err(StoreError::Compacted(here))
    );
}

#[tokio::test(start_paused = true)]
async fn what_only_the_shared_store_may_hold_is_refused_and_all_else_in_the_call_is_made() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.cut_off().await;
    let definition = commit(Op::Put(Key::new("monitor/m"), value("{}"), None));
    let told = |name: &str| commit(Op::Put(key(name), value("1"), None));
    let outcomes = bed.store.commit_all(&[], vec![told("a"), definition, told("b")]).await;
    let [
        Outcome::Done(_),
        Outcome::Failed(StoreError::Unavailable(why)),
        Outcome::Done(_),
    ] = &outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert!(why.contains("cut off from the store"), "{why}");
    assert_eq!(bed.store.get(&Key::new("monitor/m")).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_mark_of_the_copy_is_nobody_elses_to_see() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.cut_off().await;
    let (_, entries) = bed.store.list(&keys::all()).await.unwrap();
    assert!(
        entries.iter().all(|entry| !entry.key.as_str().starts_with("standin/")),
        "{entries:?}"
    );
    assert!(bed.copy.peek(&keys::standin()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_cannot_be_written_does_not_stand_in() {
    let bed = Bed::new().await;
    put(&bed.store, "a", "1").await;
    bed.quiet().await;
    bed.faults.set_watches_stalled(true);
    put(&bed.store, "a", "2").await;
    bed.disk.set_full(true);
    assert!(matches!(bed.standin.stand_in().await, Err(StoreError::Full(_))));
    assert_eq!(bed.standin.face(), Face::Through);
    assert!(!bed.standin.stands().dirty);
    assert_eq!(
        put(&bed.store, "b", "1").await,
        bed.there().await.0,
        "the shared store is still shown"
    );
    bed.disk.set_full(false);
    bed.standin.stand_in().await.unwrap();
    assert_eq!(
        text_of(&bed.store, "a").await.as_deref(),
        Some("2"),
        "nothing was forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_given_up_in_the_middle_leaves_the_face_as_it_was() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.disk.set_delay(Duration::from_secs(5));
    {
        let mut turn = std::pin::pin!(bed.standin.stand_in());
        assert!(matches!(poll!(&mut turn), Poll::Pending));
        let a = key("a");
        let mut waits = std::pin::pin!(bed.store.get(&a));
        assert!(poll!(&mut waits).is_pending(), "it turns");
    }
    bed.disk.set_delay(Duration::ZERO);
    assert_eq!(bed.standin.face(), Face::Through);
    assert!(put(&bed.store, "a", "1").await < LOCAL);
    bed.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn turning_twice_is_turning_once() {
    let bed = Bed::new().await;
    bed.quiet().await;
    let mut faces = bed.standin.faces();
    bed.cut_off().await;
    put(&bed.store, "a", "1").await;
    bed.standin.stand_in().await.unwrap();
    assert_eq!(text_of(&bed.store, "a").await.as_deref(), Some("1"));
    assert_eq!(*faces.borrow_and_update(), Face::Copy);
    bed.reconnect().await;
    assert!(bed.standin.turn_back().await.is_none());
    assert_eq!(*faces.borrow_and_update(), Face::Through);
    bed.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_way_back_does_not_need_room_on_the_disk() {
    let mut bed = Bed::new().await;
    bed.quiet().await;
    bed.cut_off().await;
    put(&bed.store, "a", "1").await;
    bed.disk.set_full(true);
    bed.reconnect().await;
    assert_eq!(text_of(&bed.store, "a").await, None);
    bed.restart().await;
    assert_eq!(bed.standin.face(), Face::Copy, "the mark could not be taken back");
    bed.disk.set_full(false);
    bed.standin.turn_back().await.unwrap().done().await;
    bed.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn how_the_shared_store_is_comes_from_it_and_compaction_goes_to_it() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.cut_off().await;
    assert!(bed.store.status().await.is_ok());
    assert!(bed.store.compact(Revision(1)).await.is_ok());
    assert_eq!(bed.store.shared_at(), bed.line.shared_at());
}

fn only_mine() -> Works {
    Arc::new(|alerter| alerter.as_str() == "mine")
}

/// What a judge puts.
async fn wants(store: &Store, alerter: &str, monitor: &str) {
    let (alerter, monitor) = (
        AlerterName::parse(alerter).unwrap(),
        MonitorName::parse(monitor).unwrap(),
    );
    let put = Op::Put(keys::outbox_entry(&alerter, &monitor), value("{}"), None);
    assert!(store.commit(commit(put)).await.revision().is_some());
}

#[tokio::test(start_paused = true)]
async fn on_the_copy_what_is_for_another_members_alerter_is_set_aside_also_what_was_there_before() {
    let mut bed = Bed::new().await;
    bed.standin.works(only_mine());
    bed.quiet().await;
    wants(&bed.shared, "mine", "web").await;
    wants(&bed.shared, "pager", "web").await;
    sleep(Duration::from_secs(5)).await;
    // Not in the copy yet.
    wants(&bed.store, "pager", "db").await;
    bed.cut_off().await;
    let of = async |bed: &Bed, prefix: &str| -> Vec<String> {
        let (_, entries) = bed.store.list(&Key::new(prefix)).await.unwrap();
        entries.iter().map(|entry| entry.key.to_string()).collect()
    };
    assert_eq!(of(&bed, "outbox/").await, ["outbox/mine/web"]);
    assert_eq!(of(&bed, "sent/").await, ["sent/pager/db", "sent/pager/web"]);
    wants(&bed.store, "pager", "new").await;
    wants(&bed.store, "mine", "new").await;
    bed.restart().await;
    bed.standin.works(only_mine());
    wants(&bed.store, "pager", "newer").await;
    assert_eq!(of(&bed, "outbox/").await, ["outbox/mine/new", "outbox/mine/web"]);
    let sent = ["sent/pager/db", "sent/pager/new", "sent/pager/newer", "sent/pager/web"];
    assert_eq!(of(&bed, "sent/").await, sent);
    // Back for a moment: what was set aside in this outage is not in the next one, however far the copy was compared.
    bed.reconnect().await;
    bed.cut_off().await;
    let sent = of(&bed, "sent/").await;
    assert!(!sent.iter().any(|key| key.contains("new")), "{sent:?}");
    bed.reconnect().await;
    bed.quiet().await;
}
