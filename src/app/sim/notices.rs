//! Operators are told, through the alerters that are marked for it, that members go on without the store.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::crew::Crew;
use super::stage::{Answer, Heard, Target, stage};
use super::world::{World, alerter, answers, definition, heard, probe, target, until};
use crate::alerters::Retry;
use crate::cutoff::State;
use crate::store::{Op, keys};

const S: Duration = Duration::from_secs(1);
const BOTH: [&str; 2] = ["store critical", "store ok"];

/// Members with an alerter of that kind that is told, another that is not, and a few monitors.
async fn members(names: &[&str], kind: &str) -> Crew {
    let world = World::new();
    world.put_alerter("ops", "chat").await;
    let spec = json!({"type": kind, "fallback": true, "options": {"far": "duty"}});
    let put = Op::Put(keys::alerter(&alerter("duty")), definition(&spec), None);
    assert!(world.write(vec![put]).await);
    for n in 0..30 {
        world
            .put_monitor(&format!("other-{n}"), probe(json!({"target": "up"})))
            .await;
    }
    let crew = Crew::with_copies(world, names).await;
    until!(crew.shares().iter().sum::<usize>() == 30 && crew.shares().iter().all(|n| *n > 0));
    // The copies are written a moment later.
    sleep(S * 3).await;
    crew
}

fn told() -> Vec<Heard> {
    stage(|stage| stage.fars["duty"].heard.clone())
}

async fn all_joined(crew: &Crew) {
    until!(crew.running().iter().all(|name| crew.state(name) == State::Joined));
    sleep(S * 60).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_by_one_of_all_and_so_is_its_end() {
    let crew = members(&["a", "b", "c"], "chat").await;
    crew.world.faults.stop();
    until!(heard("duty") == BOTH[..1]);
    sleep(S * 600).await;
    assert_eq!(heard("duty"), BOTH[..1]);
    crew.world.faults.start();
    until!(heard("duty") == BOTH);
    all_joined(&crew).await;
    assert_eq!(heard("duty"), BOTH);
    assert!(heard("ops").is_empty());
    let [begin, end] = &told()[..] else { unreachable!() };
    assert_eq!(begin.note.sentence(), "No member has the store");
    assert!(
        begin
            .note
            .details
            .contains("Of 30 monitors none is run by a member that nobody can reach.")
    );
    assert!(begin.note.without_store && !end.note.without_store && end.note.is_resolve());
    assert_eq!(
        (&begin.note.member, &end.note.member),
        (&"a".to_owned(), &"a".to_owned())
    );
    assert_eq!(begin.note.incident_key, end.note.incident_key);
    assert_eq!(end.note.since, begin.note.since);
}

#[tokio::test(start_paused = true)]
async fn what_passes_at_once_wakes_nobody() {
    let crew = members(&["a", "b"], "chat").await;
    for seconds in [3, 10, 12] {
        crew.world.faults.stop();
        sleep(S * seconds).await;
        crew.world.faults.start();
        all_joined(&crew).await;
    }
    assert!(heard("duty").is_empty(), "{:?}", heard("duty"));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_can_ask_nobody_tells_when_its_silence_is_over_and_names_whom_it_cannot_reach() {
    let crew = members(&["a", "b"], "pager").await;
    let theirs = crew.member("b").lanes.monitors();
    // Both lose the store, and one another: each tells of the same incident.
    crew.hub.cut("a", "b", true);
    crew.world.faults.stop();
    sleep(S * 60).await;
    assert!(heard("duty").is_empty(), "too early");
    until!(heard("duty").len() == 2);
    let said = told();
    let by_a = said.iter().find(|heard| heard.note.member == "a").unwrap();
    let wanted = format!("{theirs} of 30 monitors are run by members that nobody here can reach: b ({theirs}).");
    assert!(by_a.note.details.contains(&wanted), "{}", by_a.note.details);
    let keys = stage(|stage| stage.fars["duty"].open.clone());
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["main/notice/store"]);
    crew.hub.cut("a", "b", false);
    crew.world.faults.start();
    all_joined(&crew).await;
    assert_eq!(heard("duty").len(), 4);
    assert!(stage(|stage| stage.fars["duty"].open.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_full_store_and_a_strange_one_are_told_once_each() {
    let crew = members(&["a", "b"], "chat").await;
    let web = crew.name_on("a", "web").to_string();
    target("t", Target::Down);
    crew.world.put_monitor(&web, probe(json!({}))).await;
    until!(heard("ops").len() == 1);
    sleep(S * 5).await;
    crew.world.faults.set_full(true);
    target("t", Target::Up);
    until!(heard("duty") == BOTH[..1]);
    assert_eq!(told()[0].note.sentence(), "The store takes nothing");
    sleep(S * 300).await;
    assert_eq!(heard("duty"), BOTH[..1]);
    crew.world.faults.set_full(false);
    until!(heard("duty") == BOTH);
    all_joined(&crew).await;
    crew.world.faults.stop();
    sleep(S * 9).await;
    crew.world.wipe();
    crew.world.faults.start();
    until!(crew.running().iter().all(|name| crew.state(name) == State::Strange));
    sleep(S * 300).await;
    assert_eq!(heard("duty").len(), 3);
    assert_eq!(told()[2].note.sentence(), "The store is not the one that was known");
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_does_not_answer_is_tried_until_it_does() {
    let crew = members(&["a", "b"], "chat").await;
    answers("duty", Answer::Fails(Retry::Soon));
    crew.world.faults.stop();
    sleep(S * 300).await;
    let tried = || stage(|stage| stage.fars["duty"].attempts.len());
    assert!((5..20).contains(&tried()), "{}", tried());
    answers("duty", Answer::Taken);
    until!(heard("duty") == BOTH[..1]);
    assert!(told()[0].note.possibly_repeated);
    answers("duty", Answer::Fails(Retry::Never));
    crew.world.faults.start();
    all_joined(&crew).await;
    let before = tried();
    sleep(S * 600).await;
    assert_eq!(
        (tried(), heard("duty")),
        (before, vec![BOTH[0].to_owned()]),
        "refused is refused"
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_alerter_refuses_is_told_in_its_place_with_and_without_the_store_and_nobody_repeats_it() {
    let mut crew = members(&["a", "b"], "chat").await;
    answers("ops", Answer::Fails(Retry::Never));
    let [with, without] = ["with", "without"].map(|name| crew.name_on("a", name).to_string());
    for (name, target_of) in [(&with, "t"), (&without, "u")] {
        target(target_of, Target::Up);
        crew.world.put_monitor(name, probe(json!({"target": target_of}))).await;
    }
    target("t", Target::Down);
    until!(heard("duty") == ["alerts critical"]);
    crew.world.faults.stop();
    until!(heard("duty").len() == 2);
    target("u", Target::Down);
    until!(heard("duty").len() == 3);
    assert_eq!(heard("duty")[1..], ["store critical", "alerts critical"]);
    sleep(S * 600).await;
    crew.world.faults.start();
    until!(heard("duty").len() == 4);
    all_joined(&crew).await;
    // Whoever works the alerter now finds who was told.
    for member in ["a", "b"] {
        crew.kill(member);
        sleep(S * 300).await;
        crew.start(member).await;
        all_joined(&crew).await;
    }
    sleep(S * 3600).await;
    assert_eq!(heard("duty").len(), 4, "{:?}", heard("duty"));
    let said: Vec<_> = told().iter().map(|heard| heard.note.sentence()).collect();
    assert_eq!(said[0], format!("ops could not be told that {with} is critical"));
    assert_eq!(said[2], format!("ops could not be told that {without} is critical"));
    let marks: Vec<_> = told().iter().map(|heard| heard.note.without_store).collect();
    assert_eq!(marks, [false, true, true, false]);
}
