//! The copy while the shared store is there, and over restarts.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::store::Backend;
use crate::store::backend::PAGE;
use crate::store::embedded::{TestDisk, on_test_disk};

async fn fill(store: &Store, names: impl IntoIterator<Item = String>) {
    let commits = names
        .into_iter()
        .map(|name| commit(Op::Put(key(&name), value("x"), None)));
    let outcomes = store.bulk(commits.collect(), |_| {}).await;
    assert!(outcomes.iter().all(|outcome| outcome.revision().is_some()));
}

#[tokio::test(start_paused = true)]
async fn everything_is_copied_but_what_is_of_no_use_alone() {
    let bed = Bed::new().await;
    for name in ["monitor/m", "config", "plan/g/table", "event/e", "past/1-m", "soft/me"] {
        bed.shared
            .commit(commit(Op::Put(Key::new(name), value(name), None)))
            .await;
    }
    bed.quiet().await;
    let here: Vec<String> = bed.here().await.into_keys().map(|key| key.to_string()).collect();
    assert_eq!(here, ["cluster/store", "config", "monitor/m", "plan/g/table"]);
    bed.shared
        .commit(commit(Op::Put(Key::new("event/f"), value("f"), None)))
        .await;
    bed.quiet().await;
    assert_eq!(bed.here().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_whole_list_makes_a_copy_complete_and_nothing_less() {
    let mut bed = Bed::new().await;
    bed.tasks = Tasks::child_of(&CancellationToken::new());
    fill(&bed.shared, (0..PAGE * 2).map(|n| format!("{n:06}"))).await;
    assert!(!bed.standin.stands().complete);
    // The first page takes 100 ms, and so does each that follows.
    bed.faults.set_delay(Duration::from_millis(100));
    bed.restart().await;
    sleep(Duration::from_millis(250)).await;
    assert!(bed.here().await.len() >= PAGE / 2, "on its way");
    assert!(!bed.standin.stands().complete);
    bed.restart().await;
    assert!(
        !bed.standin.stands().complete,
        "half a list is none, also after a restart"
    );
    bed.quiet().await;
    assert!(bed.standin.stands().complete);
    bed.restart().await;
    assert!(bed.standin.stands().complete, "it is known after a restart");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_exact_goes_on_with_a_watch_and_a_list_is_taken_only_where_it_has_to_be() {
    let mut bed = Bed::new().await;
    fill(&bed.shared, (0..10).map(|n| n.to_string())).await;
    bed.quiet().await;
    let copy = bed.standin.copy();
    let lost = commit(Op::Delete(key("5")));
    // As if it had been lost: a list would find it, a watch does not.
    copy.commit(lost.clone()).await;
    bed.restart().await;
    put(&bed.shared, "10", "x").await;
    sleep(QUIET).await;
    assert_eq!(text_of(&copy, "10").await.as_deref(), Some("x"));
    assert_eq!(text_of(&copy, "5").await, None, "no list was taken");
    bed.faults.drop_watches();
    put(&bed.shared, "11", "x").await;
    sleep(QUIET).await;
    assert_eq!(text_of(&copy, "11").await.as_deref(), Some("x"));
    assert_eq!(text_of(&copy, "5").await, None, "nor for a watch that ended");
    bed.faults.set_watches_stalled(true);
    put(&bed.shared, "12", "x").await;
    sleep(QUIET).await;
    bed.faults.set_watches_stalled(false);
    sleep(QUIET).await;
    assert_eq!(text_of(&copy, "12").await.as_deref(), Some("x"));
    assert_eq!(text_of(&copy, "5").await, None, "nor for one that was silent");
    bed.tasks = Tasks::child_of(&CancellationToken::new());
    put(&bed.shared, "13", "x").await;
    bed.faults.compact();
    bed.restart().await;
    bed.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn neither_another_store_nor_one_without_an_id_is_copied_over_the_one_that_was() {
    let mut bed = Bed::new().await;
    put(&bed.shared, "a", "1").await;
    bed.quiet().await;
    let known = bed.standin.stands().store.unwrap();
    assert_eq!(known, bed.shared.identity().await.unwrap().id);
    // Wiped: it begins at revision 0 and has no id.
    let (other, faults) = in_memory();
    (bed.shared, bed.line, bed.faults) = (other.clone(), other, faults);
    bed.restart().await;
    sleep(QUIET).await;
    assert_eq!(
        text_of(&bed.standin.copy(), "a").await.as_deref(),
        Some("1"),
        "what may be all there is stays"
    );
    bed.shared.identity().await.unwrap();
    put(&bed.shared, "b", "1").await;
    sleep(QUIET).await;
    assert_eq!(bed.standin.stands().store, Some(known));
    assert_eq!(text_of(&bed.standin.copy(), "b").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_went_back_is_listed_again_once_it_is_gone_on_with() {
    let mut bed = Bed::new().await;
    put(&bed.shared, "a", "1").await;
    put(&bed.shared, "b", "1").await;
    let said = bed.shared.get(&keys::store()).await.unwrap().unwrap().value;
    let id = bed.shared.identity().await.unwrap().id;
    bed.quiet().await;
    let (other, faults) = in_memory();
    other.commit(commit(Op::Put(keys::store(), said, None))).await;
    (bed.shared, bed.line, bed.faults) = (other.clone(), other, faults);
    bed.restart().await;
    sleep(QUIET).await;
    assert_eq!(bed.standin.found(), Some(Finding::Back(Revision(1))));
    assert_eq!(text_of(&bed.standin.copy(), "b").await.as_deref(), Some("1"));
    assert!(bed.store.get(&key("b")).await.is_err(), "nothing is taken from it yet");
    bed.disk.set_full(true);
    bed.restart().await;
    bed.standin.goes_back(&id, Revision(1));
    sleep(QUIET).await;
    assert_eq!(
        bed.standin.stands().at,
        Revision(0),
        "of these revisions nothing is known"
    );
    bed.disk.set_full(false);
    bed.restart().await;
    bed.standin.goes_back(&id, Revision(1));
    // Soon it is past the revision of the copy, and only who looked before that knows.
    sleep(Duration::from_secs(1)).await;
    for n in 0..10 {
        put(&bed.shared, &n.to_string(), "1").await;
    }
    bed.quiet().await;
    // What it answered before it went back says nothing about it now.
    bed.faults.set_watches_stalled(true);
    put(&bed.store, "c", "1").await;
    bed.cut_off().await;
    assert_eq!(text_of(&bed.store, "c").await.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_dirty_copy_survives_restarts_stands_in_at_once_and_is_not_written_over() {
    let mut bed = Bed::new().await;
    bed.quiet().await;
    bed.cut_off().await;
    let rev = put(&bed.store, "local", "1").await;
    bed.restart().await;
    assert_eq!(bed.standin.face(), Face::Copy);
    assert!(bed.standin.stands().dirty);
    bed.faults.set_unavailable(false);
    put(&bed.shared, "shared", "1").await;
    sleep(QUIET).await;
    assert_eq!(bed.store.get(&key("local")).await.unwrap().unwrap().rev, rev);
    assert_eq!(text_of(&bed.store, "shared").await, None);
    assert!(put(&bed.store, "more", "1").await > rev);
    bed.standin.turn_back().await.unwrap().done().await;
    assert!(!bed.standin.stands().dirty);
    bed.quiet().await;
    bed.restart().await;
    assert_eq!(bed.standin.face(), Face::Through);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_never_was_whole_is_not_begun_with_and_is_written_over() {
    let mut bed = Bed::new().await;
    bed.cut_off().await;
    let rev = put(&bed.store, "local", "1").await;
    assert!(!bed.standin.stands().complete);
    bed.restart().await;
    assert_eq!(bed.standin.face(), Face::Through);
    bed.faults.set_unavailable(false);
    bed.quiet().await;
    let stands = bed.standin.stands();
    assert!(stands.complete && !stands.dirty);
    bed.cut_off().await;
    assert_eq!(text_of(&bed.store, "local").await, None);
    assert!(
        put(&bed.store, "local", "2").await > rev,
        "no revision means two things"
    );
}

#[tokio::test(start_paused = true)]
async fn local_changes_are_dropped_whole() {
    let bed = Bed::new().await;
    put(&bed.shared, "changed", "1").await;
    put(&bed.shared, "deleted", "1").await;
    bed.quiet().await;
    bed.cut_off().await;
    put(&bed.store, "changed", "2").await;
    delete(&bed.store, "deleted").await;
    bed.store
        .commit(commit(Op::Put(Key::new("past/1-m"), value("local"), None)))
        .await;
    let lease = bed.store.grant(Duration::from_secs(3600)).await.unwrap().id;
    bed.store
        .commit(commit(Op::Put(key("leased"), value("local"), Some(lease))))
        .await;
    bed.reconnect().await;
    bed.quiet().await;
    sleep(Duration::from_secs(7200)).await;
    bed.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_again_before_the_copy_was_compared_still_leaves_what_was_answered() {
    let bed = Bed::new().await;
    put(&bed.shared, "a", "1").await;
    bed.quiet().await;
    bed.cut_off().await;
    put(&bed.store, "a", "local").await;
    bed.faults.set_unavailable(false);
    bed.standin.turn_back().await.unwrap().done().await;
    let rev = put(&bed.store, "a", "3").await;
    bed.cut_off().await;
    assert!(bed.standin.stands().complete);
    let entry = bed.store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.rev), (value("3"), rev));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_out() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.disk.set_full(true);
    put(&bed.shared, "a", "1").await;
    sleep(QUIET).await;
    assert_eq!(text_of(&bed.standin.copy(), "a").await, None);
    put(&bed.shared, "b", "1").await;
    bed.disk.set_full(false);
    bed.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_is_asked_to_stop_writes_what_it_knows() {
    let mut bed = Bed::new().await;
    bed.quiet().await;
    put(&bed.shared, "a", "1").await;
    sleep(Duration::from_millis(10)).await;
    let tasks = std::mem::replace(&mut bed.tasks, Tasks::child_of(&CancellationToken::new()));
    assert!(tasks.shut_down(Duration::from_millis(10)).await);
    assert_eq!(text_of(&bed.standin.copy(), "a").await.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_changes_costs_a_sync_a_second_and_a_quiet_store_none() {
    let (shared, _faults) = in_memory();
    shared.identity().await.unwrap();
    let disk = TestDisk::new(Vec::new());
    let (_store, standin) = over(&shared, on_test_disk(&disk), Mark::default(), Revision(0));
    let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(standin.clone().mirror(tasks.stop().clone()));
    sleep(Duration::from_secs(10)).await;
    let before = disk.sync_count();
    for n in 0..1000 {
        put(&shared, &(n % 50).to_string(), &n.to_string()).await;
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_secs(5)).await;
    let syncs = disk.sync_count() - before;
    assert!((1..=14).contains(&syncs), "{syncs} for ten seconds of changes");
    assert_eq!(text_of(&standin.copy(), "49").await.as_deref(), Some("999"));
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(disk.sync_count() - before, syncs);
}

#[tokio::test(start_paused = true)]
async fn a_power_loss_leaves_a_copy_that_is_true_of_some_moment_and_becomes_exact() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (shared, faults) = in_memory();
        shared.identity().await.unwrap();
        let disk = TestDisk::new(Vec::new());
        let (store, standin) = over(&shared, on_test_disk(&disk), Mark::default(), Revision(0));
        let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
        tasks.spawn(standin.clone().mirror(tasks.stop().clone()));
        for n in 0..rng.usize(1..200) {
            put(&store, &(n % 20).to_string(), &n.to_string()).await;
            sleep(Duration::from_millis(rng.u64(0..100))).await;
        }
        let cut_off = rng.bool();
        let mut local = None;
        if cut_off {
            standin.stand_in().await.unwrap();
            local = Some(put(&store, "local", "1").await);
        }
        let there = shared.list(&keys::all()).await.unwrap().1;
        let image = disk.after_power_loss(&mut rng);
        tasks.shut_down(Duration::ZERO).await;
        let copy = on_test_disk(&TestDisk::new(image));
        let mark = Mark::read(copy.list(&keys::standin(), None).await.unwrap().entries.first());
        assert_eq!(mark.dirty, cut_off, "seed {seed}");
        let (store, standin) = over(&shared, copy, mark, Revision(0));
        if let Some(local) = local {
            assert_eq!(
                store.get(&key("local")).await.unwrap().map(|entry| entry.rev),
                Some(local)
            );
            for entry in &there {
                assert_eq!(
                    store.get(&entry.key).await.unwrap().as_ref(),
                    Some(entry),
                    "seed {seed}"
                );
            }
            standin.turn_back().await.unwrap().done().await;
        } else if rng.bool() {
            faults.compact();
        }
        let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
        tasks.spawn(standin.clone().mirror(tasks.stop().clone()));
        sleep(QUIET).await;
        let mut here = standin.copy().list(&keys::all()).await.unwrap().1;
        here.retain(|entry| entry.key != keys::standin());
        assert_eq!(here, there, "seed {seed}");
    }
}

#[tokio::test]
async fn in_a_directory_it_is_the_owners_alone_and_is_there_after_a_restart() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("copy");
    let (shared, _faults) = in_memory();
    let id = shared.identity().await.unwrap().id;
    put(&shared, "a", "1").await;
    let (store, standin) = open_standin(&shared, &at).await.unwrap();
    let watching = standin.catch_up(&standin.turns.standing().await).await.unwrap();
    standin.stand_in().await.unwrap();
    assert_eq!(text_of(&store, "a").await.as_deref(), Some("1"));
    for file in std::fs::read_dir(&at).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(open_standin(&shared, &at).await.is_err(), "one process at a time");
    drop((store, standin, watching));
    let (store, standin) = open_standin(&shared, &at).await.unwrap();
    let stands = standin.stands();
    assert!(
        stands.complete && stands.dirty && stands.store == Some(id),
        "{stands:?}"
    );
    assert_eq!(standin.face(), Face::Copy);
    assert_eq!(text_of(&store, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_damaged_copy_is_moved_aside_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (shared, _faults) = in_memory();
    shared.identity().await.unwrap();
    put(&shared, "a", "1").await;
    let asides = || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.contains("damaged")).collect();
        names.sort();
        names
    };
    let mut before = Vec::new();
    for n in 0..2 {
        let (store, standin) = open_standin(&shared, dir.path()).await.unwrap();
        assert_eq!(standin.damaged().is_some(), n > 0);
        let watching = standin.catch_up(&standin.turns.standing().await).await.unwrap();
        assert!(standin.stands().complete);
        drop((store, standin, watching));
        let file = dir.path().join("store.redb");
        let whole = std::fs::metadata(&file).unwrap().len();
        std::fs::write(&file, vec![b'x'; usize::try_from(whole).unwrap()]).unwrap();
        // One that is aside is enough.
        before = asides();
        assert!(before.len() <= 1, "{before:?}");
    }
    let (_, standin) = open_standin(&shared, dir.path()).await.unwrap();
    assert_eq!((standin.stands().complete, standin.face()), (false, Face::Through));
    let aside = standin.damaged().unwrap();
    assert!(std::fs::read(aside).unwrap().starts_with(b"xxx"));
    assert_eq!(asides().len(), 1);
    assert_ne!(asides(), before);
}

/// Lists of several pages, that begin anew in the middle, under a member that writes all the time: whenever it turns to its copy, all that it was told
/// to be made is there, and nothing else.
#[tokio::test(start_paused = true)]
async fn what_was_answered_is_in_the_copy_whenever_it_turns() {
    const KEYS: usize = PAGE * 2 + 500;
    for seed in 0..12 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bed = Bed::new().await;
        fill(&bed.shared, (0..KEYS).step_by(2).map(|n| format!("{n:06}"))).await;
        fill(&bed.shared, (0..KEYS).skip(1).step_by(2).map(|n| format!("{n:06}"))).await;
        bed.quiet().await;
        bed.faults.set_delay(Duration::from_millis(50));
        bed.faults.set_watch_delay(Duration::from_millis(rng.u64(0..300)));
        let writing = Arc::new(AtomicBool::new(true));
        let (store, on) = (bed.store.clone(), writing.clone());
        let mut own = fastrand::Rng::with_seed(seed);
        bed.tasks.spawn(async move {
            while on.load(SeqCst) {
                let name = format!("{:06}", own.usize(0..KEYS));
                let op = match own.bool() {
                    true => Op::Put(key(&name), value("own"), None),
                    false => Op::Delete(key(&name)),
                };
                store.commit(commit(op)).await;
            }
        });
        for _ in 0..rng.usize(1..5) {
            match rng.u8(0..3) {
                0 => bed.faults.compact(),
                1 => {
                    bed.faults.compact();
                    bed.faults.drop_watches();
                }
                _ => bed.faults.drop_watches(),
            }
            sleep(Duration::from_millis(rng.u64(0..600))).await;
        }
        // The answers of what is on its way are still waited for; nobody writes more.
        writing.store(false, SeqCst);
        sleep(Duration::from_millis(60)).await;
        bed.cut_off().await;
        let (_, there) = bed.there().await;
        let here = bed.here().await;
        assert!(here == there, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_own_commits_is_bounded_and_what_is_dropped_is_counted() {
    let bed = Bed::new().await;
    bed.quiet().await;
    bed.faults.set_watches_stalled(true);
    let large = "x".repeat(4_000);
    for n in 0..3_000 {
        put(&bed.store, &n.to_string(), &large).await;
    }
    let forgotten = bed.standin.stands().forgotten;
    assert!((500..1_500).contains(&forgotten), "{forgotten}");
    bed.cut_off().await;
    assert_eq!(text_of(&bed.store, "0").await, None, "the oldest went first");
    assert!(text_of(&bed.store, "2999").await.is_some());
}
