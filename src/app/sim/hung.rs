//! Members of which a part hangs while another keeps their lease.

use tokio::time::sleep;

use super::crew::Crew;
use super::stage::Target;
use super::without::{S, runs, sharing};
use super::world::{all_heard, heard, target, until};
use crate::cutoff::State;

fn hangs(crew: &Crew, name: &str) -> u64 {
    let loops = crew.member(name).watchdog.loops().into_iter();
    loops.map(|turning| turning.hangs).sum()
}

/// Nothing is open, and nothing was told twice.
async fn all_is_well(crew: &Crew, web: &str) {
    target("t", Target::Up);
    let lines = ["critical", "ok"].map(|status| format!("{web} {status}"));
    until!(heard("ops") == lines);
    sleep(S * 60).await;
    assert_eq!(heard("ops"), lines, "{:?}", all_heard());
    until!(super::check::nothing_is_recorded(&crew.world).await.is_ok());
    assert_eq!(super::check::the_history_is_sound(&crew.world).await, Ok(()));
}

/// The schedule of `a` hangs until the process ends, and another one begins.
async fn hangs_for_good(copies: bool) {
    let (mut crew, web) = sharing(&["a", "b", "c"], copies).await;
    crew.member("a").schedule.pause();
    target("t", Target::Down);
    // Not run by anybody for a lease time, but for no longer.
    sleep(S * 5).await;
    let before = runs(&web);
    sleep(S * 4).await;
    assert!(runs(&web) > before, "nobody runs it");
    until!(heard("ops") == [format!("{web} critical")]);
    if copies {
        until!(crew.state("a") == State::CutOff);
    }
    let ended = |crew: &mut Crew| {
        crew.members_mut()
            .into_iter()
            .find_map(|(name, m)| Some((name, m.ended()?)))
    };
    sleep(S * 4).await;
    assert_eq!(ended(&mut crew), None, "too early");
    sleep(S * 8).await;
    let (name, why) = ended(&mut crew).unwrap();
    assert!(
        name == "a" && why.contains("watchdog") && why.contains("`lane "),
        "{name}: {why}"
    );
    crew.kill("a");
    sleep(S * 10).await;
    crew.start("a").await;
    until!(crew.shares().iter().all(|n| *n > 5));
    all_is_well(&crew, &web).await;
}

#[tokio::test(start_paused = true)]
async fn others_take_over_from_a_member_whose_schedule_hangs_and_it_ends() {
    hangs_for_good(false).await;
}

#[tokio::test(start_paused = true)]
async fn so_they_do_where_members_have_copies_of_the_store() {
    hangs_for_good(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_turns_again_in_time_gets_its_share_back() {
    for copies in [false, true] {
        let (mut crew, web) = sharing(&["a", "b"], copies).await;
        target("t", Target::Down);
        until!(heard("ops").len() == 1);
        crew.member("a").schedule.pause();
        sleep(S * 12).await;
        assert_eq!(hangs(&crew, "a"), 2, "two lanes");
        until!(crew.judges(&web) == ["b"]);
        crew.member("a").schedule.go_on();
        until!(crew.shares().iter().all(|n| *n > 5));
        until!(crew.state("a") == State::Joined);
        assert!(crew.members_mut().into_iter().all(|(_, m)| m.ended().is_none()));
        all_is_well(&crew, &web).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_as_a_whole_does_not_hang() {
    for pause in [S * 5, S * 3600] {
        let (mut crew, web) = sharing(&["a", "b"], true).await;
        target("t", Target::Down);
        until!(heard("ops").len() == 1);
        crew.set_paused("a", true);
        sleep(pause).await;
        crew.set_paused("a", false);
        sleep(S * 30).await;
        assert_eq!(hangs(&crew, "a") + hangs(&crew, "b"), 0);
        assert!(crew.members_mut().into_iter().all(|(_, m)| m.ended().is_none()));
        until!(crew.state("a") == State::Joined);
        all_is_well(&crew, &web).await;
    }
}
