//! A lane with the clock paused: hours of schedule in milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::clock::Clock;
use super::lane::{Command, INBOX, Lane, Limits, Taken};
use super::recorder::Recorder;
use super::stats::LaneStats;
use crate::catalog::MonitorEntry;
use crate::cluster::tenures::Right;
use crate::model::Group;

use crate::config::definition::Strictness;
use crate::config::kinds::Kinds;
use crate::events::Events;
use crate::feed::Feed;
use crate::model::{Closed, Dur, EpisodeId, MemberId, MonitorName, Outcome, Reason, Status, Verdict, WallMs};
use crate::monitors::{CheckCx, CheckOptions, Kind, Monitor, Run};
use crate::results::Results;
use crate::schedule::{Grid, name_hash};
use crate::state::{Episode, Health};
use crate::store::Revision;
use crate::tasks::Tasks;

/// Answers as its definition says, after as long as it says; notes when it ran.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Scripted {
    /// `pass`, `fail`, `unknown`, `hang` or `panic`.
    answer: String,
    /// How long a run takes.
    #[serde(default)]
    takes: Dur,
}

thread_local! {
    static RUNS: Mutex<Vec<(String, Instant)>> = const { Mutex::new(Vec::new()) };
}

impl Monitor for Scripted {
    const KIND: &'static str = "scripted";
    const SUMMARY: &'static str = "Does what a test says.";
    const EXAMPLE: &'static str = "";
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(3);

    fn target(&self) -> String {
        self.answer.clone()
    }

    async fn check(&self, _: &CheckCx, run: &Run<'_>) -> Verdict {
        RUNS.with(|runs| runs.lock().push((run.monitor.to_string(), Instant::now())));
        sleep(self.takes.0).await;
        match self.answer.as_str() {
            "pass" => Verdict::pass(),
            "fail" => Verdict::fail(Reason::Refused, "down"),
            "unknown" => Verdict::unknown(Reason::Network, "no route"),
            "hang" => std::future::pending().await,
            _ => panic!("asked to"),
        }
    }
}

static KINDS: &[Kind] = &[Kind::of::<Scripted>()];

struct Bench {
    inbox: mpsc::Sender<Command>,
    stats: Arc<LaneStats>,
    recorder: Recorder,
    events: Events,
    step: Arc<AtomicI64>,
    stop: CancellationToken,
    tasks: Tasks,
}

const PLENTY: Limits = Limits {
    in_flight: 1000,
    failing: 1000,
    per_kind: 1000,
};

fn right() -> Arc<Right> {
    let (group, since) = (Group::of(""), "1-1".to_owned());
    let inherited = false;
    Arc::new(Right {
        group,
        since,
        inherited,
    })
}

impl Bench {
    fn new(limits: Limits) -> Self {
        RUNS.with(|runs| runs.lock().clear());
        let (clock, step) = Clock::simulated(WallMs(1_800_000_000_000));
        let (inbox, commands) = mpsc::channel(INBOX);
        let (stats, recorder) = (Arc::new(LaneStats::default()), Recorder::new());
        let cx = Arc::new(CheckCx::new(CheckOptions::default()));
        let (events, _) = Events::new(MemberId::parse("m").unwrap(), Feed::default());
        let lane = Lane::new(
            clock,
            limits,
            cx,
            recorder.clone(),
            stats.clone(),
            events.clone(),
            Feed::default(),
        );
        let stop = CancellationToken::new();
        let mut tasks = Tasks::child_of(&stop);
        tasks.spawn(lane.run(Alarm::Runtime, commands, stop.clone(), Duration::from_secs(1)));
        Self {
            inbox,
            stats,
            recorder,
            events,
            step,
            stop,
            tasks,
        }
    }

    async fn put(&self, entry: &Arc<MonitorEntry>) {
        self.inbox
            .send(Command::Put {
                entry: entry.clone(),
                right: right(),
                taken: None,
                arriving: 1,
            })
            .await
            .ok();
        sleep(Duration::from_millis(1)).await;
    }

    async fn remove(&self, entry: &Arc<MonitorEntry>, why: Option<Closed>) {
        let entry = entry.clone();
        self.inbox
            .send(Command::Remove {
                entry,
                why,
                taken: None,
            })
            .await
            .ok();
        sleep(Duration::from_millis(1)).await;
    }

    /// The transitions that were handed to the recorder, as text.
    fn recorded(&self) -> String {
        let taken = self.recorder.take_all();
        let text = taken.iter().flat_map(|p| p.transitions.iter()).map(|t| {
            format!(
                "{}>{}{}",
                t.from,
                t.to,
                t.closed.map_or(String::new(), |c| format!(":{}", c.as_str()))
            )
        });
        text.collect::<Vec<_>>().join(" ")
    }

    async fn end(self) {
        self.stop.cancel();
        assert!(self.tasks.shut_down(Duration::from_secs(5)).await);
    }
}

fn runs_of(name: &str) -> Vec<Instant> {
    RUNS.with(|runs| {
        runs.lock()
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, at)| *at)
            .collect()
    })
}

fn entry(name: &str, before: Option<&MonitorEntry>, spec: serde_json::Value) -> Arc<MonitorEntry> {
    let mut whole = json!({"type": "scripted", "interval": "10s"});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let read = Kinds::new(KINDS, &[]).read_monitor(name, &whole, Strictness::Lenient);
    assert!(read.value.is_some(), "{:?}", read.problems);
    let entry = MonitorEntry::new(MonitorName::parse(name).unwrap(), Revision(1), WallMs(0), read);
    Arc::new(match before {
        Some(before) => entry.known_as(before),
        None => entry,
    })
}

#[tokio::test(start_paused = true)]
async fn stepping_the_wall_clock_by_an_hour_either_way_neither_stops_nor_bursts_nor_skips() {
    let bench = Bench::new(PLENTY);
    let web = entry("web", None, json!({"answer": "pass"}));
    bench.put(&web).await;
    sleep(Duration::from_secs(100)).await;
    for step in [3_600_000, -3_600_000, 3_607_500, -4_000_123] {
        bench.step.fetch_add(step, Relaxed);
        sleep(Duration::from_secs(300)).await;
    }
    let runs = runs_of("web");
    let gaps: Vec<_> = runs
        .windows(2)
        .map(|w| w[1].duration_since(w[0]).as_secs_f64())
        .collect();
    assert!(
        (5.0..15.0).contains(&gaps[0]),
        "from the first run to the grid: {gaps:?}"
    );
    assert!(gaps.iter().skip(1).all(|gap| (9.89..=10.11).contains(gap)), "{gaps:?}");
    let ledger = web.live().lock().ledger;
    assert_eq!((ledger.skipped(), ledger.late), (0, 0));
    assert!((125..=135).contains(&ledger.ran), "{ledger:?}");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_monitor_runs_at_once_and_then_on_its_phase() {
    let bench = Bench::new(PLENTY);
    let began = Instant::now();
    bench.put(&entry("web", None, json!({"answer": "pass"}))).await;
    assert!(runs_of("web")[0].duration_since(began) <= Duration::from_millis(5));
    bench.end().await;
}

/// Ran for the last time so long before it comes here, if that is known, or was given here then; how long until it runs here.
async fn after_a_move(ago: Duration, known: bool) -> Duration {
    let bench = Bench::new(PLENTY);
    let entry = entry("web", None, json!({"answer": "pass", "interval": "10s"}));
    // Due at this phase: as if the clock now were in the middle of an interval.
    let grid = Grid::new(name_hash("web"), Duration::from_secs(10));
    let to_middle = grid.until_next(1_800_000_000_000 * 1_000_000) + Duration::from_secs(5);
    sleep(to_middle).await;
    let mut results = Results::default();
    let at = WallMs(WallMs(1_800_000_000_000).plus(to_middle).0 - ago.as_millis() as i64);
    results.add(at, Duration::ZERO, Verdict::pass());
    let taken = Box::new(Taken {
        moved: Some(known.then_some(results)),
        given: Some(at),
        ..Taken::default()
    });
    let began = Instant::now();
    let put = Command::Put {
        entry,
        right: right(),
        taken: Some(taken),
        arriving: 1,
    };
    bench.inbox.send(put).await.ok();
    sleep(Duration::from_secs(9)).await;
    let first = runs_of("web")[0];
    bench.end().await;
    first.duration_since(began)
}

#[tokio::test(start_paused = true)]
async fn what_came_due_while_a_monitor_moved_here_is_made_up_for_and_nothing_else() {
    let (soon, in_step) = (Duration::from_millis(50), Duration::from_secs(5));
    let waits = async |ago: u64, known: bool| after_a_move(Duration::from_secs(ago), known).await;
    assert!(waits(5, true).await.abs_diff(in_step) < soon);
    assert!(waits(15, true).await < soon);
    // Nobody says when it ran: it did until the table was made, a moment before or after it was due.
    assert!(waits(4, false).await.abs_diff(in_step) < soon);
    assert!(waits(6, false).await < soon);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_comes_due_while_one_is_under_way_is_skipped_and_counted() {
    let bench = Bench::new(PLENTY);
    let slow = entry(
        "slow",
        None,
        json!({"answer": "pass", "interval": "1s", "timeout": "900ms", "takes": "850ms"}),
    );
    bench.put(&slow).await;
    sleep(Duration::from_secs(20)).await;
    let ledger = slow.live().lock().ledger;
    assert_eq!(ledger.due(), ledger.ran + ledger.skipped());
    assert!(ledger.ran >= 19 && ledger.skipped() <= 1, "{ledger:?}");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hung_check_ends_at_its_deadline_and_a_panicking_one_is_unknown() {
    let bench = Bench::new(PLENTY);
    let hung = entry("hung", None, json!({"answer": "hang", "timeout": "2s"}));
    let broken = entry("broken", None, json!({"answer": "panic"}));
    bench.put(&hung).await;
    bench.put(&broken).await;
    sleep(Duration::from_secs(5)).await;
    let last = |entry: &MonitorEntry| entry.live().lock().results.last().map(|(_, v)| (v.outcome, v.reason));
    assert_eq!(last(&hung), Some((Outcome::Fail, Some(Reason::Timeout))));
    assert_eq!(last(&broken), Some((Outcome::Unknown, Some(Reason::Panic))));
    assert_eq!(
        broken.live().lock().health.status,
        Status::Pending,
        "our own fault is not the target's"
    );
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_monitor_of_which_a_step_panics_is_left_out_until_it_is_edited_and_the_others_run_on() {
    let bench = Bench::new(PLENTY);
    // There is no end of it that could be counted.
    let endless = Episode {
        id: EpisodeId(1),
        seq: u32::MAX,
        worst: Status::Critical,
        message: String::new(),
        trail: Vec::new(),
    };
    let health = Health {
        status: Status::Critical,
        failures: 1,
        episode: Some(Box::new(endless)),
        ..Health::default()
    };
    let taken = Taken {
        health: health.clone(),
        ..Taken::default()
    };
    let doomed = entry("doomed", None, json!({"answer": "pass"}));
    let put = Command::Put {
        entry: doomed.clone(),
        right: right(),
        taken: Some(Box::new(taken)),
        arriving: 1,
    };
    bench.inbox.send(put).await.ok();
    bench.put(&entry("web", None, json!({"answer": "pass"}))).await;
    sleep(Duration::from_secs(95)).await;
    assert_eq!((runs_of("doomed").len(), bench.stats.panics()), (1, 1));
    assert!(runs_of("web").len() >= 10);
    let state = |entry: &MonitorEntry| {
        let live = entry.live().lock();
        (live.broken, live.next_due.is_some(), live.health.clone())
    };
    assert_eq!(state(&doomed), (true, false, health), "as it stood");
    let said: Vec<_> = bench.events.newest_first();
    assert_eq!((said.len(), said[0].kind.as_str()), (1, "error"));
    assert!(said[0].message.starts_with("doomed is broken: "), "{}", said[0].message);

    // An edit is a new attempt, which here ends like the first.
    let edited = entry("doomed", Some(&doomed), json!({"answer": "pass", "tags": ["x"]}));
    bench.put(&edited).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((runs_of("doomed").len(), bench.stats.panics()), (2, 2));
    // Whoever runs it next, it is not broken there before that is seen.
    bench.remove(&edited, None).await;
    assert!(!state(&edited).0);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_what_is_measured_closes_the_episode_and_an_edit_of_judgement_does_not() {
    let bench = Bench::new(PLENTY);
    let web = entry("web", None, json!({"answer": "fail"}));
    bench.put(&web).await;
    assert_eq!(bench.recorded(), "pending>critical");
    let judged = entry(
        "web",
        Some(&web),
        json!({"answer": "fail", "critical-threshold": 5, "tags": ["x"]}),
    );
    bench.put(&judged).await;
    assert_eq!(
        bench.recorded(),
        "",
        "handed in for its alerters, without a change of status"
    );
    assert_eq!(web.live().lock().health.status, Status::Critical);
    let measured = entry("web", Some(&web), json!({"answer": "pass", "critical-threshold": 5}));
    bench.put(&measured).await;
    assert_eq!(bench.recorded(), "critical>ok:edited pending>ok");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn disabling_and_deleting_close_the_episode_and_moving_away_does_not() {
    let bench = Bench::new(PLENTY);
    for (name, why, expected) in [
        ("a", Some(Closed::Disabled), "critical>ok:disabled"),
        ("b", Some(Closed::Deleted), "critical>ok:deleted"),
        ("c", None, ""),
    ] {
        let monitor = entry(name, None, json!({"answer": "fail"}));
        bench.put(&monitor).await;
        assert_eq!(bench.recorded(), "pending>critical");
        bench.remove(&monitor, why).await;
        assert_eq!(bench.recorded(), expected);
        let before = runs_of(name).len();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(runs_of(name).len(), before, "{name} runs on");
    }
    assert_eq!(bench.stats.monitors(), 0);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_verdict_of_the_definition_before_is_dropped() {
    let bench = Bench::new(PLENTY);
    let slow = entry("web", None, json!({"answer": "fail", "takes": "1s"}));
    bench.put(&slow).await;
    let edited = entry("web", Some(&slow), json!({"answer": "pass"}));
    bench.put(&edited).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        bench.recorded(),
        "pending>ok",
        "the failing run of the old definition says nothing"
    );
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_permit_a_run_is_skipped_with_that_reason_and_failing_monitors_cannot_take_all() {
    let bench = Bench::new(Limits {
        in_flight: 4,
        failing: 2,
        per_kind: 100,
    });
    let hung: Vec<_> = (0..8)
        .map(|i| entry(&format!("hung-{i}"), None, json!({"answer": "hang", "timeout": "9s"})))
        .collect();
    for monitor in &hung {
        bench.put(monitor).await;
    }
    sleep(Duration::from_secs(60)).await;
    let fine = entry("fine", None, json!({"answer": "pass", "interval": "1s"}));
    bench.put(&fine).await;
    sleep(Duration::from_secs(30)).await;
    let ledger = fine.live().lock().ledger;
    assert!(
        ledger.ran >= 29 && ledger.skipped() == 0,
        "healthy monitors run although others hang: {ledger:?}"
    );
    let skipped: u64 = hung.iter().map(|m| m.live().lock().ledger.skipped[1]).sum();
    assert!(skipped > 0);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_changes_neither_status_nor_results() {
    let bench = Bench::new(PLENTY);
    let web = entry("web", None, json!({"answer": "fail"}));
    let (reply, answer) = oneshot::channel();
    bench
        .inbox
        .send(Command::Ask {
            entry: web.clone(),
            reply,
        })
        .await
        .ok();
    let (verdict, _) = answer.await.unwrap();
    assert_eq!(verdict.outcome, Outcome::Fail);
    {
        let live = web.live().lock();
        assert_eq!(
            (live.health.status, live.results.samples().len(), live.ledger.due()),
            (Status::Pending, 0, 0)
        );
    }
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_years_waits_without_running() {
    let bench = Bench::new(PLENTY);
    let rare = entry(
        "rare",
        None,
        json!({"answer": "pass", "interval": "2y", "timeout": "1s"}),
    );
    bench.put(&rare).await;
    assert_eq!(runs_of("rare").len(), 1, "the first run comes soon");
    sleep(Duration::from_secs(300 * 86_400)).await;
    assert_eq!(runs_of("rare").len(), 1);
    sleep(Duration::from_secs(3 * 365 * 86_400)).await;
    let runs = runs_of("rare");
    assert!(runs.len() >= 2, "{}", runs.len());
    let days = runs[1].duration_since(runs[0]).as_secs() / 86_400;
    assert!((365..=1095).contains(&days), "{days}");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn runs_that_are_nearly_due_go_along_with_one_that_is() {
    const MONITORS: usize = 300;
    let bench = Bench::new(PLENTY);
    for i in 0..MONITORS {
        let entry = entry(&format!("web-{i}"), None, json!({"answer": "pass"}));
        bench.put(&entry).await;
    }
    sleep(Duration::from_secs(30)).await;
    RUNS.with(|runs| runs.lock().clear());
    sleep(Duration::from_secs(100)).await;
    let mut began: Vec<_> = RUNS.with(|runs| runs.lock().iter().map(|(_, at)| *at).collect());
    assert!((MONITORS * 10).abs_diff(began.len()) <= MONITORS, "{}", began.len());
    let runs = began.len();
    began.sort_unstable();
    began.dedup();
    assert!(began.len() * 10 < runs * 9, "{} wakings for {runs} runs", began.len());
    for i in 0..MONITORS {
        let runs = runs_of(&format!("web-{i}"));
        let gaps = runs.windows(2).map(|w| w[1].duration_since(w[0]).as_millis());
        assert!(
            gaps.clone().all(|gap| (9_985..=10_015).contains(&gap)),
            "{:?}",
            gaps.collect::<Vec<_>>()
        );
    }
    assert_eq!(bench.stats.read().0.skipped(), 0);
    bench.end().await;
}
