//! Probes of the network over loopback: how many one core sends, reflects and matches, and what we add to a round trip.

use std::time::Duration;

use ninevolt::mesh::prober::{Plan, Report, probe};
use ninevolt::mesh::reflecting::{Networks, Policy, Rate};
use ninevolt::mesh::reflector::Reflector;
use ninevolt::mesh::socket::{Local, Socket};
use ninevolt::mesh::wire::{ErrorEstimate, Key, Mode, Request, Timestamp};
use ninevolt::model::Secret;
use tokio_util::sync::CancellationToken;

use crate::support::{Selection, Table, cpu, resident};

pub(crate) fn run(selection: &Selection, table: &mut Table) {
    let key = Key::new(&Secret::new("a key of 20 letters.")).expect("a key");
    if selection.has("network-flood") {
        let (rate, said, grown) = flood(&key);
        table.note(
            "noise, forged and replayed probes a second that are counted and not answered",
            format!("{rate:.0} ({said:?}, memory {grown:+} KiB)"),
        );
    }
    for (name, what, key) in [
        ("network-open", "open", None),
        ("network-authenticated", "authenticated", Some(key)),
    ] {
        if selection.has(name) {
            let (report, rate) = throughput(key);
            table.row(
                &format!("{what} probes a second sent, reflected and matched, of one core"),
                ">= 100,000",
                format!(
                    "{rate:.0} ({} of {} received)",
                    report.counts.received, report.counts.sent
                ),
                Some(rate >= 100_000.0 && report.counts.lost == 0),
            );
        }
    }
    if selection.has("network-error") {
        let report = error();
        let at = |percent| report.summary.round_trip.percentile(percent).unwrap_or(Duration::MAX);
        let (p50, p99) = (at(50.0), at(99.0));
        table.row(
            "round trip over loopback, 1,000 probes a second: all of it is ours and the kernel's",
            "p50 < 10 µs, p99 < 50 µs",
            format!("p50 {p50:?}, p99 {p99:?}"),
            Some(p50 < Duration::from_micros(10) && p99 < Duration::from_micros(50)),
        );
    }
}

/// A third each of noise, of packets with a wrong proof, and of one that was answered before.
fn flood(key: &Key) -> (f64, Vec<(&'static str, u64)>, i64) {
    const PACKETS: usize = 3_000_000;
    let reflector = reflector(Some(key.clone()));
    let (to, counts) = (reflector.address(), reflector.counts());
    let stop = CancellationToken::new();
    let token = stop.clone();
    let reflecting = std::thread::spawn(move || runtime().block_on(reflector.run(token)));
    let mut replayed = [0; 112];
    let request = Request {
        sequence: 0,
        sent: Timestamp(1),
        estimate: ErrorEstimate(1),
        session: 0,
    };
    request.write(Mode::Authenticated, &mut replayed);
    key.sign(&mut replayed);
    let mut forged = replayed;
    forged[0] ^= 1;
    let noise: [u8; 64] = std::array::from_fn(|i| i as u8);
    let (me, began) = (std::process::id(), tokio::time::Instant::now());
    let before = resident(me);
    runtime().block_on(async {
        let from = Socket::of(Socket::bind(([127, 0, 0, 1], 0).into()).expect("a port")).expect("a socket");
        let kinds: [&[u8]; 3] = [&noise, &forged, &replayed];
        let burst: Vec<_> = kinds
            .iter()
            .cycle()
            .take(30)
            .map(|octets| (to, Local::any(to), *octets))
            .collect();
        for _ in 0..PACKETS / burst.len() {
            from.send(&burst);
        }
    });
    let took = began.elapsed();
    stop.cancel();
    reflecting.join().expect("a thread").expect("a reflector");
    let mut said = vec![("answered", counts.answered()), ("sessions", counts.sessions())];
    said.extend(
        counts
            .refused()
            .map(|(refusal, n)| (refusal.as_str(), n))
            .filter(|(_, n)| *n > 0),
    );
    let refused: u64 = counts.refused().map(|(_, n)| n).sum();
    let grown = resident(me).cast_signed() - before.cast_signed();
    (refused as f64 / took.as_secs_f64(), said, grown / 1024)
}

fn reflector(key: Option<Key>) -> Reflector {
    let policy = Policy {
        networks: Networks::default(),
        key,
        per_source: Rate(u32::MAX),
        in_all: Rate(u32::MAX),
    };
    Reflector::bind(([127, 0, 0, 1], 0).into(), policy).expect("a port")
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// Sender and reflector on one thread; probes by its processor time.
fn throughput(key: Option<Key>) -> (Report, f64) {
    let reflector = reflector(key.clone());
    let plan = Plan {
        target: reflector.address(),
        flows: 8,
        count: 100_000,
        interval: Duration::from_micros(60),
        timeout: Duration::from_secs(1),
        size: 44,
        key,
    };
    let stop = CancellationToken::new();
    let used = cpu();
    let report = runtime().block_on(async {
        let measuring = async {
            let report = probe(&plan, &stop).await;
            stop.cancel();
            report
        };
        let (reflected, report) = tokio::join!(reflector.run(stop.clone()), measuring);
        reflected.expect("a reflector");
        report.expect("a report")
    });
    let rate = report.counts.received as f64 / (cpu() - used).as_secs_f64();
    (report, rate)
}

/// Sender and reflector on a thread each, as they are in two processes.
fn error() -> Report {
    let reflector = reflector(None);
    let plan = Plan {
        target: reflector.address(),
        flows: 1,
        count: 5_000,
        interval: Duration::from_millis(1),
        timeout: Duration::from_secs(1),
        size: 44,
        key: None,
    };
    let stop = CancellationToken::new();
    let token = stop.clone();
    let reflecting = std::thread::spawn(move || runtime().block_on(reflector.run(token)));
    let report = runtime().block_on(probe(&plan, &stop));
    stop.cancel();
    reflecting.join().expect("a thread").expect("a reflector");
    report.expect("a report")
}
