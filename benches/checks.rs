//! Processor time per check, of each kind: through a lane at a steady rate, and one after the other as fast as it goes; beside a bare loop.

use std::sync::Arc;
use std::time::Duration;

use ninevolt::cluster::tenures::Right;
use ninevolt::events::Events;
use ninevolt::feed::Feed;
use ninevolt::manager::alarm::Alarm;
use ninevolt::manager::clock::Clock;
use ninevolt::manager::lane::{self, Command, Lane, Limits};
use ninevolt::manager::recorder::Recorder;
use ninevolt::manager::runner;
use ninevolt::manager::stats::LaneStats;
use ninevolt::model::{Group, MemberId, Outcome};
use ninevolt::monitors::{CheckCx, CheckOptions};
use ninevolt::schedule::{Lateness, Ledger, name_hash};
use ninevolt::tasks::Tasks;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bare::{Bare, Kept};
use crate::definitions::{What, name};
use crate::support::{Selection, Table, cpu, median, micros};
use crate::target::Target;

/// Ours and bare take turns this often; the median of their ratios counts, so that a busy moment of the machine does not.
const ROUNDS: usize = 3;
/// Checks under way at a time in a closed loop.
const WORKERS: usize = 16;
/// One steady run; the rate is far from what a core can do. exec is much dearer.
const STEADY: Duration = Duration::from_secs(5);
const RATE: usize = 1_000;
const RATE_EXEC: usize = 100;
/// Interval of the monitors in a steady run, in seconds.
const INTERVAL: usize = 10;

const LIMITS: Limits = Limits {
    in_flight: 2_000,
    failing: 1_000,
    per_kind: 1_000,
};

pub(crate) fn run(selection: &Selection, table: &mut Table) {
    let target = Target::start();
    let kinds = [
        (What::TcpOpen, "1.3 × bare"),
        (What::TcpExpect, "1.3 × bare"),
        (What::Http, "1.3 × bare reqwest"),
        (What::HttpKept, "25 µs"),
        (What::Exec, "ratio"),
    ];
    for (what, bar) in kinds {
        if selection.has(&format!("steady-{}", what.name())) {
            let rate = if what == What::Exec { RATE_EXEC } else { RATE };
            let compared = compare(
                || steady(what, &target, rate * INTERVAL, "10s").cpu_each,
                || bare_steady(bare(what, &target), rate),
            );
            report(
                table,
                &format!("{} at {rate} a second", what.name()),
                what,
                bar,
                compared,
            );
        }
        if selection.has(&format!("closed-{}", what.name())) {
            let n = if what == What::Exec { 1_000 } else { 20_000 };
            let compared = compare(|| closed(what, &target, n), || bare_closed(&bare(what, &target), n));
            report(table, &format!("{} in a closed loop", what.name()), what, bar, compared);
        }
    }
    if selection.has("lateness") {
        let seen = steady(What::TcpExpect, &target, RATE * INTERVAL, "10s");
        let (p50, p99) = (seen.late(0.5), seen.late(0.99));
        let met = p50 < 1.0 && p99 < 10.0 && seen.ledger.skipped() == 0;
        let measured = format!("p50 {p50:.2} ms, p99 {p99:.2} ms, {} skipped", seen.ledger.skipped());
        table.row(
            "lateness of one lane, 1,000 tcp checks/s",
            "p50 < 1 ms, p99 < 10 ms, 0 skipped",
            measured,
            Some(met),
        );
    }
    if selection.has("1ms") {
        let seen = steady(What::TcpOpen, &target, 1, "1ms");
        let rate = seen.ledger.ran as f64 / STEADY.as_secs_f64();
        let measured = format!("{rate:.0} a second, {} skipped", seen.ledger.skipped());
        table.row(
            "a 1 ms interval tcp monitor",
            "≥ 950 runs a second",
            measured,
            Some(rate >= 950.0),
        );
    }
}

struct Compared {
    ours: f64,
    bare: f64,
    ratio: f64,
}

fn compare(mut ours: impl FnMut() -> f64, mut bare: impl FnMut() -> f64) -> Compared {
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (ours(), bare())).collect();
    Compared {
        ours: median(rounds.iter().map(|r| r.0).collect()),
        bare: median(rounds.iter().map(|r| r.1).collect()),
        ratio: median(rounds.iter().map(|r| r.0 / r.1).collect()),
    }
}

fn report(table: &mut Table, title: &str, what: What, bar: &str, compared: Compared) {
    let Compared { ours, bare, ratio } = compared;
    let met = match what {
        What::Exec => None,
        What::HttpKept => Some(ours <= 25.0),
        _ => Some(ratio <= 1.3),
    };
    table.row(
        title,
        bar,
        format!("{ours:.1} µs, bare {bare:.1} µs: {ratio:.2} ×"),
        met,
    );
}

fn bare(what: What, target: &Target) -> Bare {
    let all = 0..8;
    match what {
        What::TcpOpen => Bare::TcpOpen(all.map(|n| target.tcp(n)).collect()),
        What::TcpExpect => Bare::TcpExpect(all.map(|n| target.tcp(n)).collect()),
        What::Http => Bare::http(all.map(|n| format!("http://{}/", target.http(n))).collect()),
        What::HttpKept => Bare::Kept(all.map(|n| target.http(n)).collect()),
        What::Exec => Bare::Exec,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn context() -> Arc<CheckCx> {
    Arc::new(CheckCx::new(CheckOptions::default()))
}

/// What a lane did during one steady run.
struct Steady {
    cpu_each: f64,
    ledger: Ledger,
    lateness: Lateness,
}

impl Steady {
    fn late(&self, q: f64) -> f64 {
        self.lateness.quantile(q).map_or(0.0, |late| late.as_secs_f64() * 1e3)
    }
}

/// A lane on a thread of its own, as the server has it, with `n` monitors.
fn steady(what: What, target: &Target, n: usize, interval: &str) -> Steady {
    let (inbox, commands) = mpsc::channel(lane::INBOX);
    let stats = Arc::new(LaneStats::default());
    let stop = CancellationToken::new();
    let thread = {
        let (stats, stop) = (stats.clone(), stop.clone());
        std::thread::spawn(move || {
            let lane = Lane::new(
                Clock::system(),
                LIMITS,
                context(),
                Recorder::new(),
                stats,
                Events::new(MemberId::parse("bench").expect("a name"), Feed::default()).0,
                Feed::default(),
            );
            runtime().block_on(async { lane.run(Alarm::sharp(), commands, stop, Duration::from_secs(1)).await });
        })
    };
    let right = Arc::new(Right {
        group: Group::of(""),
        since: "1-1".to_owned(),
        inherited: false,
    });
    for i in 0..n {
        let entry = what.entry(target, i, interval);
        inbox
            .blocking_send(Command::Put {
                entry,
                right: right.clone(),
                taken: None,
                arriving: n,
            })
            .unwrap_or_else(|_| panic!("the lane has ended"));
    }
    // First runs come at 2,000 a second, and are spread otherwise than the others.
    std::thread::sleep(Duration::from_millis(2_500) + Duration::from_micros(n as u64 * 500));
    let (before, _) = stats.read();
    let used = cpu();
    std::thread::sleep(STEADY);
    let used = cpu() - used;
    let (after, lateness) = stats.read();
    stop.cancel();
    thread.join().expect("the lane ends");
    let bad = stats.verdicts(Outcome::Fail) + stats.verdicts(Outcome::Unknown);
    if bad > 0 {
        eprintln!("  {bad} of {} checks did not pass", after.ran);
    }
    let ledger = Ledger {
        ran: after.ran - before.ran,
        late: after.late - before.late,
        skipped: std::array::from_fn(|i| after.skipped[i] - before.skipped[i]),
        missed: 0,
    };
    Steady {
        cpu_each: micros(used, ledger.ran),
        ledger,
        lateness,
    }
}

/// The same arrivals as a lane has them: `rate` checks a second, spread by hash.
fn bare_steady(bare: Bare, rate: usize) -> f64 {
    let mut phases: Vec<Duration> = (0..rate)
        .map(|i| Duration::from_nanos(name_hash(&name(What::TcpOpen, i)) % 1_000_000_000))
        .collect();
    phases.sort_unstable();
    let bare = Arc::new(bare);
    // A kept connection belongs to one monitor, as ours do.
    let kept: Arc<[tokio::sync::Mutex<Kept>]> = (0..rate).map(|_| tokio::sync::Mutex::default()).collect();
    runtime().block_on(async {
        let mut tasks: Tasks<()> = Tasks::child_of(&CancellationToken::new());
        let begun = Instant::now();
        let (mut made, mut used) = (0, cpu());
        for second in 0..=STEADY.as_secs() {
            if second == 1 {
                (made, used) = (0, cpu());
            }
            for (i, phase) in phases.iter().enumerate() {
                tokio::time::sleep_until(begun + Duration::from_secs(second) + *phase).await;
                while tasks.try_next().is_some() {}
                let (bare, kept) = (bare.clone(), kept.clone());
                tasks.spawn(async move { bare.check(i, &mut *kept[i].lock().await).await });
                made += 1;
            }
        }
        while tasks.next().await.is_some() {}
        micros(cpu() - used, made)
    })
}

/// `n` checks as fast as they go, a few at a time, through the runner.
fn closed(what: What, target: &Target, n: usize) -> f64 {
    let entries: Arc<[_]> = (0..WORKERS).map(|i| what.entry(target, i, "10s")).collect();
    let cx = context();
    runtime().block_on(async {
        let used = cpu();
        let mut workers: Tasks<()> = Tasks::child_of(&CancellationToken::new());
        for worker in 0..WORKERS {
            let (entries, cx) = (entries.clone(), cx.clone());
            workers.spawn(async move {
                let def = entries[worker].def().expect("a definition");
                for _ in 0..n / WORKERS {
                    let (verdict, _) = runner::run(def, &cx).await;
                    assert_eq!(verdict.outcome, Outcome::Pass, "{}", verdict.message);
                }
            });
        }
        while workers.next().await.is_some_and(|ended| ended.is_ok()) {}
        micros(cpu() - used, n as u64)
    })
}

fn bare_closed(bare: &Bare, n: usize) -> f64 {
    runtime().block_on(async {
        let used = cpu();
        let workers = (0..WORKERS).map(|worker| async move {
            let mut kept = Kept::default();
            for _ in 0..n / WORKERS {
                bare.check(worker, &mut kept).await;
            }
        });
        futures_util::future::join_all(workers).await;
        micros(cpu() - used, n as u64)
    })
}
