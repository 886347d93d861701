//! Without the store: who tells what another member's alerter should know. `cutoff::courier` has the rules.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::crew::Crew;
use super::stage::{Target, stage};
use super::world::{World, all_heard, heard, probe, target, until};
use crate::cutoff::State;
use crate::model::{Group, Status};
use crate::store::records::slot;

const S: Duration = Duration::from_secs(1);

/// A monitor that runs on `a`, and an alerter that `b` works; the store is away.
struct Bed {
    crew: Crew,
    web: String,
    pager: String,
}

impl Bed {
    async fn new(names: &[&str]) -> Self {
        let world = World::new();
        for n in 0..30 {
            let spec = probe(json!({"target": "up"}));
            world.put_monitor(&format!("other-{n}"), spec).await;
        }
        world.put_alerter("ops", "chat").await;
        let crew = Crew::with_copies(world, names).await;
        until!(crew.shares().iter().sum::<usize>() == 30 && crew.shares().iter().all(|n| *n > 0));
        let notify = crew.member("b").tenures.holding(&Group::notify()).unwrap();
        let mut names = (0..).map(|n| format!("pager-{n}"));
        let pager = names.find(|name| notify.right(slot(name)).is_some()).unwrap();
        crew.world.put_alerter(&pager, "pager").await;
        let web = crew.name_on("a", "web").to_string();
        let spec = probe(json!({"critical-alerter": [pager]}));
        crew.world.put_monitor(&web, spec).await;
        until!(crew.status(&web) == Some(Status::Ok));
        // The copies are written a moment later.
        sleep(S * 3).await;
        Self { crew, web, pager }
    }

    async fn lose_the_store(&self) {
        self.crew.world.faults.stop();
        until!(
            self.crew
                .running()
                .iter()
                .all(|name| self.crew.state(name) == State::Outage)
        );
    }

    fn heard(&self, statuses: &[&str]) -> bool {
        let lines: Vec<_> = statuses.iter().map(|status| format!("{} {status}", self.web)).collect();
        heard(&self.pager) == lines
    }

    /// Who told each of them.
    fn told_by(&self) -> Vec<String> {
        let far = |name: &str| {
            stage(|stage| {
                stage.fars[name]
                    .heard
                    .iter()
                    .map(|heard| heard.note.member.clone())
                    .collect()
            })
        };
        far(&self.pager)
    }

    async fn all_is_well(&self) {
        self.crew.world.faults.start();
        until!(
            self.crew
                .running()
                .iter()
                .all(|name| self.crew.state(name) == State::Joined)
        );
        sleep(S * 30).await;
        until!(super::check::nothing_is_recorded(&self.crew.world).await.is_ok());
        assert_eq!(super::check::the_history_is_sound(&self.crew.world).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_works_the_alerter_tells_and_says_that_it_has_no_store() {
    let bed = Bed::new(&["a", "b"]).await;
    bed.lose_the_store().await;
    target("t", Target::Down);
    until!(bed.heard(&["critical"]));
    sleep(S * 60).await;
    target("t", Target::Up);
    until!(bed.heard(&["critical", "ok"]));
    assert_eq!(bed.told_by(), ["b", "b"]);
    assert!(stage(|stage| stage.fars[&bed.pager]
        .heard
        .iter()
        .all(|heard| heard.note.without_store)));
    bed.all_is_well().await;
    assert!(bed.heard(&["critical", "ok"]), "{:?}", all_heard());
}

#[tokio::test(start_paused = true)]
async fn what_was_told_before_the_store_went_is_ended_by_whoever_told_it() {
    let bed = Bed::new(&["a", "b"]).await;
    target("t", Target::Down);
    until!(bed.heard(&["critical"]));
    sleep(S * 5).await;
    bed.lose_the_store().await;
    target("t", Target::Up);
    until!(bed.heard(&["critical", "ok"]));
    bed.all_is_well().await;
    assert_eq!(bed.told_by(), ["b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_gone_is_not_waited_for_and_what_it_told_is_ended_here() {
    let mut bed = Bed::new(&["a", "b"]).await;
    bed.lose_the_store().await;
    target("t", Target::Down);
    until!(bed.heard(&["critical"]));
    sleep(S * 5).await;
    bed.crew.kill("b");
    // Nobody knows now who has the store: a minute of silence.
    until!(bed.crew.state("a") == State::Isolated);
    target("t", Target::Up);
    until!(bed.heard(&["critical", "ok"]));
    assert_eq!(bed.told_by(), ["b", "a"]);
    // It comes back, and hears that all of it is over.
    bed.crew.start("b").await;
    sleep(S * 60).await;
    assert!(bed.heard(&["critical", "ok"]), "{:?} {:?}", all_heard(), bed.told_by());
    bed.all_is_well().await;
    assert!(bed.heard(&["critical", "ok"]), "{:?}", all_heard());
}

#[tokio::test(start_paused = true)]
async fn what_was_told_here_meanwhile_is_ended_by_a_worker_that_is_back() {
    let mut bed = Bed::new(&["a", "b"]).await;
    bed.lose_the_store().await;
    bed.crew.kill("b");
    until!(bed.crew.state("a") == State::Isolated);
    target("t", Target::Down);
    until!(bed.heard(&["critical"]));
    bed.crew.start("b").await;
    until!(bed.crew.state("a") == State::Outage);
    sleep(S * 30).await;
    assert!(bed.heard(&["critical"]), "{:?}", all_heard());
    target("t", Target::Up);
    until!(bed.heard(&["critical", "ok"]));
    assert_eq!(bed.told_by(), ["a", "b"]);
    bed.all_is_well().await;
    assert!(bed.heard(&["critical", "ok"]), "{:?}", all_heard());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_paused_learns_what_was_told_meanwhile() {
    let mut bed = Bed::new(&["a", "b"]).await;
    bed.lose_the_store().await;
    bed.crew.set_paused("b", true);
    bed.crew.hub.cut("a", "b", true);
    target("t", Target::Down);
    until!(bed.heard(&["critical"]));
    target("t", Target::Up);
    until!(bed.heard(&["critical", "ok"]));
    assert_eq!(bed.told_by(), ["a", "a"]);
    bed.crew.set_paused("b", false);
    bed.crew.hub.cut("a", "b", false);
    sleep(S * 60).await;
    bed.all_is_well().await;
    assert!(bed.heard(&["critical", "ok"]), "{:?}", all_heard());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_killed_in_the_middle_finds_in_its_copy_what_to_ask_for() {
    let mut bed = Bed::new(&["a", "b"]).await;
    bed.lose_the_store().await;
    target("t", Target::Down);
    until!(bed.heard(&["critical"]));
    bed.crew.kill("a");
    bed.crew.kill("b");
    bed.crew.start("b").await;
    bed.crew.start("a").await;
    sleep(S * 60).await;
    assert!(bed.heard(&["critical"]), "{:?}", all_heard());
    target("t", Target::Up);
    until!(bed.heard(&["critical", "ok"]));
    bed.all_is_well().await;
    assert!(bed.heard(&["critical", "ok"]), "{:?}", all_heard());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_in_the_middle_repeats_nothing() {
    for pause in [0, 100, 400, 1_000, 2_500] {
        let bed = Bed::new(&["a", "b"]).await;
        bed.lose_the_store().await;
        target("t", Target::Down);
        sleep(Duration::from_millis(1_000 + pause)).await;
        bed.crew.world.faults.start();
        until!(bed.heard(&["critical"]));
        sleep(S * 30).await;
        bed.lose_the_store().await;
        target("t", Target::Up);
        sleep(Duration::from_millis(1_000 + pause)).await;
        bed.all_is_well().await;
        assert!(bed.heard(&["critical", "ok"]), "{pause} ms: {:?}", all_heard());
    }
}
