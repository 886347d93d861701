//! A store that answers and takes nothing: checks and alerts go on from copies, and the lease is kept.

use tokio::time::{Instant, sleep};

use super::stage::Target;
use super::without::{S, all_is_well, lines, members};
use super::world::{all_heard, heard, target, until};
use crate::cutoff::State;
use crate::model::Status;

/// What is larger than a few packets is lost; keep-alives and reads are not, and neither is a small put.
const LARGE: usize = 600;

#[tokio::test(start_paused = true)]
async fn a_full_store_stops_neither_checks_nor_alerts() {
    let (crew, web) = members(&["a", "b"]).await;
    let shares = crew.shares();
    crew.world.faults.set_full(true);
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    until!(crew.state("a") == State::StoreFull);
    sleep(S * 120).await;
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    crew.world.faults.set_full(false);
    all_is_well(&crew).await;
    assert_eq!(crew.shares(), shares);
    assert_eq!(heard("ops").len(), 2);
    assert_eq!(crew.world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_writes_get_no_answer_tells_from_its_copy_and_only_once() {
    let (crew, web) = members(&["a", "b", "c"]).await;
    let directs = |name: &str| crew.member(name).rights.borrow().term.is_some();
    let shares = crew.shares();
    assert!(directs("a"));
    crew.line("a").set_loses_beyond(Some(LARGE));
    target("t", Target::Down);
    until!(crew.state("a") == State::StoreFull);
    let until = Instant::now();
    until!(heard("ops") == lines(&web, &["critical"]));
    assert!(until.elapsed() < S * 10);
    // The others have the store, and the plan is theirs to make; but nobody took over, by the lease that is kept.
    until!(["b", "c"].into_iter().any(directs));
    sleep(S * 300).await;
    assert_eq!(crew.state("a"), State::StoreFull);
    assert_eq!([crew.state("b"), crew.state("c")], [State::Joined; 2]);
    assert_eq!(crew.shares(), shares);
    assert_eq!(heard("ops").len(), 1, "{:?}", all_heard());
    crew.line("a").set_loses_beyond(None);
    until!(crew.state("a") == State::Joined);
    target("t", Target::Up);
    all_is_well(&crew).await;
    assert_eq!(heard("ops"), lines(&web, &["critical", "ok"]));
    assert_eq!(crew.shares(), shares);
}

#[tokio::test(start_paused = true)]
async fn where_nobodys_writes_are_answered_everybody_goes_on_and_tells() {
    let (crew, web) = members(&["a", "b"]).await;
    let shares = crew.shares();
    let all = |beyond| ["a", "b"].map(|name| crew.line(name).set_loses_beyond(beyond));
    all(Some(0));
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 300).await;
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    all(None);
    all_is_well(&crew).await;
    assert_eq!(heard("ops").len(), 2, "{:?}", all_heard());
    assert_eq!(crew.shares(), shares);
    assert_eq!(crew.world.pasts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_for_reading_only_stops_neither_checks_nor_alerts() {
    let (crew, web) = members(&["a", "b"]).await;
    let all = |only| ["a", "b"].map(|name| crew.line(name).set_read_only(only));
    all(true);
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    until!(crew.state("a") == State::StoreFull);
    sleep(S * 120).await;
    target("t", Target::Up);
    until!(heard("ops") == lines(&web, &["critical", "ok"]));
    all(false);
    all_is_well(&crew).await;
    assert_eq!(heard("ops").len(), 2, "{:?}", all_heard());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_restarts_while_the_store_is_full_goes_on_from_its_copy() {
    let (mut crew, web) = members(&["a", "b"]).await;
    crew.world.faults.set_full(true);
    crew.kill("a");
    crew.start("a").await;
    until!(crew.status(&web) == Some(Status::Ok));
    target("t", Target::Down);
    until!(heard("ops") == lines(&web, &["critical"]));
    sleep(S * 600).await;
    let events = crew.member("a").events.newest_first();
    let said = events.iter().filter(|event| event.message.contains("is returning"));
    assert!(said.count() < 100, "{events:?}");
    crew.world.faults.set_full(false);
    until!(crew.state("a") == State::Joined);
    target("t", Target::Up);
    all_is_well(&crew).await;
    // It had lost its lease: with room in the store the director, which is back first, may have given its monitors to another.
    let heard = heard("ops");
    assert!(
        heard.chunks(2).all(|pair| *pair == *lines(&web, &["critical", "ok"])),
        "{heard:?}"
    );
}
