//! What is written on returning: one monitor, one alerter, and both sides in every way in which they can differ.

use bytes::Bytes;

use super::*;
use crate::model::EpisodeId;
use crate::store::LOCAL;
use crate::store::records::{SLOTS, SlotRun, ToldState};

/// The copy is of the store's revision 100.
static AT: &Since = &Since {
    at: Revision(100),
    beyond: BTreeSet::new(),
    own: LOCAL,
    back: None,
};
const NOW: WallMs = WallMs(5_000);

fn web() -> MonitorName {
    MonitorName::parse("web").unwrap()
}

fn ops() -> AlerterName {
    AlerterName::parse("ops").unwrap()
}

fn entry(key: Key, rev: u64, value: impl Into<Bytes>) -> Entry {
    Entry {
        key,
        value: value.into(),
        born: Revision(rev),
        rev: Revision(rev),
        lease: None,
    }
}

/// Written here, without the store.
fn here(key: Key, value: impl Into<Bytes>) -> Entry {
    entry(key, LOCAL.0 + 7, value)
}

fn told_of(episode: i64, seq: u32) -> Bytes {
    let told = Told {
        v: FORMAT,
        state: ToldState::Told,
        episode: EpisodeId(episode),
        seq,
        status: Status::Critical,
        at: NOW,
        attempts: 1,
        reference: None,
        arrived: true,
        response: String::new(),
        fallbacks: Vec::new(),
    };
    encode(&told).unwrap()
}

fn open(episode: i64) -> Bytes {
    let checkpoint = Checkpoint {
        v: FORMAT,
        group: "untagged".to_owned(),
        kind: "tcp".to_owned(),
        status: Status::Critical,
        since: WallMs(episode),
        failures: 3,
        hard: 3,
        episode: EpisodeId(episode),
        seq: 1,
        trail: Vec::new(),
        alerters: vec![ops()],
        measured: 0,
        message: "refused".to_owned(),
    };
    encode(&checkpoint).unwrap()
}

fn told_key() -> Key {
    keys::told(&ops(), &web())
}

fn outbox_key() -> Key {
    keys::outbox_entry(&ops(), &web())
}

fn picture(entries: Vec<Entry>) -> Picture {
    let mut picture = Picture::default();
    entries.into_iter().for_each(|entry| picture.add(entry));
    picture
}

fn kept_of(here: Vec<Entry>, there: Vec<Entry>) -> Option<Commit> {
    kept(&web(), &picture(here), &picture(there), AT, NOW)
}

fn lost_of(here: Vec<Entry>, there: Vec<Entry>) -> Option<Commit> {
    lost(&web(), &picture(here), &picture(there), AT, (Closed::Moved, NOW))
}

#[test]
fn what_did_not_change_is_not_written() {
    let both = || {
        vec![
            entry(keys::checkpoint(&web()), 7, open(1)),
            entry(told_key(), 8, told_of(1, 1)),
        ]
    };
    assert_eq!(kept_of(both(), both()), None);
    assert_eq!(lost_of(both(), both()), None);
    assert!(!picture(both()).is_changed(&web(), AT));
}

#[test]
fn an_episode_that_was_opened_and_told_here_is_written_on_the_revisions_that_are_there() {
    let mine = vec![
        here(keys::checkpoint(&web()), open(1)),
        here(outbox_key(), "entry"),
        here(told_key(), told_of(1, 1)),
    ];
    let commit = kept_of(mine, Vec::new()).unwrap();
    let guards = [
        Guard::Rev(keys::checkpoint(&web()), Revision(0)),
        Guard::Rev(told_key(), Revision(0)),
    ];
    assert_eq!((commit.guards, commit.ops.len()), (guards.to_vec(), 3));
}

/// The copy is of the store's revision 100; the store went back to 60.
fn kept_of_restored(here: Vec<Entry>, there: Vec<Entry>) -> Vec<Op> {
    let since = Since {
        at: Revision(60),
        back: Some(Revision(60)),
        ..AT.clone()
    };
    let commit = kept(&web(), &picture(here), &picture(there), &since, NOW);
    commit.map(|commit| commit.ops).unwrap_or_default()
}

#[test]
fn what_was_told_since_the_state_that_a_store_was_restored_from_is_told_to_it() {
    let told = |rev, episode, seq| entry(told_key(), rev, told_of(episode, seq));
    let put = |episode, seq| Op::Put(told_key(), told_of(episode, seq), None);
    // It has begun since, or gone on since, or another one has.
    assert_eq!(kept_of_restored(vec![told(80, 1, 1)], vec![]), [put(1, 1)]);
    assert_eq!(
        kept_of_restored(vec![told(80, 1, 2)], vec![told(50, 1, 1)]),
        [put(1, 2)]
    );
    assert_eq!(
        kept_of_restored(vec![told(80, 2, 1)], vec![told(50, 1, 9)]),
        [put(2, 1)]
    );
    // It was before that, and somebody has gone on meanwhile.
    assert_eq!(kept_of_restored(vec![told(50, 1, 1)], vec![]), []);
    assert_eq!(kept_of_restored(vec![told(80, 1, 1)], vec![told(65, 1, 2)]), []);
    // It has ended since.
    assert_eq!(kept_of_restored(vec![], vec![told(50, 1, 1)]), [Op::Delete(told_key())]);
    // A store that did not go back has all that was told before.
    assert_eq!(kept_of(vec![told(80, 1, 1)], vec![]), None);
}

#[test]
fn an_episode_that_ended_here_is_removed_there_and_past_once() {
    let past = || here(keys::past(&web(), EpisodeId(1)), "past");
    let there = vec![
        entry(keys::checkpoint(&web()), 50, open(1)),
        entry(told_key(), 51, told_of(1, 1)),
    ];
    let commit = kept_of(vec![past()], there.clone()).unwrap();
    let expected = [
        Op::Delete(keys::checkpoint(&web())),
        Op::Delete(told_key()),
        Op::Put(past().key, Bytes::from_static(b"past"), None),
    ];
    assert_eq!(commit.ops, expected);
    assert_eq!(commit.guards[1], Guard::Rev(told_key(), Revision(51)));
    // The commit that got no answer before the store went away may have come through.
    let known = [there, vec![entry(past().key, 60, "past")]].concat();
    assert_eq!(kept_of(vec![past()], known).unwrap().ops, expected[..2]);
}

#[test]
fn what_another_member_told_meanwhile_is_not_taken_for_our_own() {
    // Written by whoever works the alerter after our copy was made.
    let mine = || vec![here(told_key(), told_of(1, 2))];
    assert_eq!(
        kept_of(mine(), vec![entry(told_key(), 120, told_of(1, 3))]),
        None,
        "theirs is newer"
    );
    assert_eq!(
        kept_of(mine(), vec![entry(told_key(), 120, told_of(9, 1))]),
        None,
        "another episode"
    );
    assert!(
        kept_of(mine(), vec![entry(told_key(), 120, told_of(1, 1))]).is_some(),
        "ours is newer"
    );
    assert!(
        kept_of(mine(), vec![entry(told_key(), 90, told_of(9, 1))]).is_some(),
        "we knew theirs"
    );
}

#[test]
fn what_a_process_of_ours_recorded_and_its_copy_does_not_have_is_over_and_told_so() {
    let there = || {
        vec![
            entry(keys::checkpoint(&web()), 120, open(1)),
            entry(told_key(), 121, told_of(1, 1)),
        ]
    };
    let keys_of = |commit: Commit| commit.ops.iter().map(|op| op.key().clone()).collect::<Vec<_>>();
    let past = keys::past(&web(), EpisodeId(1));
    let all = [keys::checkpoint(&web()), outbox_key(), past.clone()];
    assert_eq!(keys_of(kept_of(Vec::new(), there()).unwrap()), all);
    // It has opened another one since: whoever is told of that is told the end of the other first.
    let mine = vec![here(keys::checkpoint(&web()), open(9)), here(outbox_key(), "entry")];
    assert_eq!(keys_of(kept_of(mine, there()).unwrap()), all);
    // The same one.
    let mine = vec![here(keys::checkpoint(&web()), open(1)), here(outbox_key(), "entry")];
    assert!(!keys_of(kept_of(mine, there()).unwrap()).contains(&past));
}

#[test]
fn an_end_that_a_process_of_ours_asked_for_and_its_copy_does_not_have_stays_to_be_told() {
    let end = || OutboxEntry {
        closed: Some(Closed::Edited),
        ..OutboxEntry::bare(EpisodeId(2), 3, Status::Ok, NOW)
    };
    let there = |rev| vec![entry(outbox_key(), rev, encode(&end()).unwrap())];
    assert_eq!(kept_of(vec![], there(120)), None);
    let ended_here = vec![here(keys::past(&web(), EpisodeId(2)), Bytes::from_static(b"{}"))];
    let ops = kept_of(ended_here, there(120)).unwrap().ops;
    assert_eq!(ops.len(), 1, "the past only: {ops:?}");
    // What the copy had is gone because it was told.
    assert_eq!(kept_of(vec![], there(90)).unwrap().ops, [Op::Delete(outbox_key())]);
    // What goes on here has not ended.
    let open_here = vec![here(keys::checkpoint(&web()), open(2))];
    let ops = kept_of(open_here, there(120)).unwrap().ops;
    assert!(ops.contains(&Op::Delete(outbox_key())), "{ops:?}");
}

#[test]
fn an_alerter_that_we_work_is_recorded_for_monitors_of_others() {
    let (mine, theirs) = (picture(vec![here(told_key(), told_of(1, 2))]), picture(Vec::new()));
    let commit = told(&ops(), &web(), &mine, &theirs, AT).unwrap();
    assert_eq!(commit.guards, [Guard::Rev(told_key(), Revision(0))]);
    assert_eq!(told(&ops(), &web(), &theirs, &theirs, AT), None);
}

#[test]
fn whoever_was_told_from_here_of_a_monitor_that_is_lost_is_told_its_end() {
    let mine = || vec![here(told_key(), told_of(1, 2)), here(keys::checkpoint(&web()), open(1))];
    let commit = lost_of(mine(), Vec::new()).unwrap();
    let keys_of = |commit: &Commit| commit.ops.iter().map(|op| op.key().clone()).collect::<Vec<_>>();
    let past = keys::past(&web(), EpisodeId(1));
    assert_eq!(keys_of(&commit), [told_key(), outbox_key(), past.clone()]);
    let guards = [
        Guard::Rev(told_key(), Revision(0)),
        Guard::Absent(outbox_key()),
        Guard::Absent(past.clone()),
    ];
    assert_eq!(commit.guards, guards);
    // Who judges it now has an episode of its own to tell of: what it says next ends ours first.
    let commit = lost_of(
        mine(),
        vec![
            entry(outbox_key(), 130, "entry"),
            entry(keys::checkpoint(&web()), 130, open(9)),
        ],
    );
    assert_eq!(keys_of(&commit.unwrap()), [told_key(), past]);
    // It went on with ours.
    let commit = lost_of(
        mine(),
        vec![
            entry(outbox_key(), 130, "entry"),
            entry(keys::checkpoint(&web()), 90, open(1)),
        ],
    );
    assert_eq!(keys_of(&commit.unwrap()), [told_key()]);
}

#[test]
fn what_ended_here_and_goes_on_at_its_new_judge_is_told_again_and_is_not_past() {
    let past = here(keys::past(&web(), EpisodeId(1)), "past");
    let told = entry(told_key(), 90, told_of(1, 1));
    let checkpoint = entry(keys::checkpoint(&web()), 130, open(1));
    let commit = lost_of(vec![past], vec![told, checkpoint]).unwrap();
    let guards = [
        Guard::Rev(told_key(), Revision(90)),
        Guard::Absent(outbox_key()),
        Guard::Rev(keys::checkpoint(&web()), Revision(130)),
    ];
    assert_eq!(commit.guards, guards);
    let [Op::Delete(told), Op::Put(entry, value, None)] = commit.ops.as_slice() else {
        panic!("{:?}", commit.ops);
    };
    assert_eq!((told, entry), (&told_key(), &outbox_key()));
    let wanted: OutboxEntry = serde_json::from_slice(value).unwrap();
    assert_eq!((wanted.episode, wanted.status), (EpisodeId(1), Status::Critical));
}

#[test]
fn a_slot_is_kept_that_both_tables_give_by_the_same_epoch() {
    let me = MemberId::parse("me").unwrap();
    let table = |judge: Option<&MemberId>, since: &str| Table {
        v: FORMAT,
        epoch: since.to_owned(),
        at: NOW,
        why: String::new(),
        runs: vec![SlotRun {
            first: 0,
            last: SLOTS - 1,
            judge: judge.cloned(),
            since: since.to_owned(),
            runners: Vec::new(),
        }],
        stamps: BTreeMap::new(),
    };
    let (mine, again, nobodys) = (table(Some(&me), "3-1"), table(Some(&me), "4-1"), table(None, "3-1"));
    assert!(is_kept(Some(&mine), Some(&mine), 9, &me));
    for there in [Some(&again), Some(&nobodys), None] {
        assert!(!is_kept(Some(&mine), there, 9, &me));
    }
}
