//! `9volt probe`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{DONE, PROBLEMS, ProbeArgs, block_on, print, reflector};
use crate::mesh::prober::{Plan, Report, probe};
use crate::mesh::probing::{Histogram, OneWay};
use crate::mesh::wire::{LARGEST, Mode, PORT};
use crate::model::Dur;

/// The shortest interval of a flow: what one sends is answered within a reflector's budget of 10,000 a second.
const SHORTEST: Duration = Duration::from_micros(100);

pub(super) fn run(args: &ProbeArgs) -> anyhow::Result<u8> {
    let key = args.key_file.as_deref().map(reflector::key).transpose()?;
    let mode = if key.is_some() { Mode::Authenticated } else { Mode::Open };
    let size = args.size.unwrap_or_else(|| mode.base());
    anyhow::ensure!(
        (mode.base()..=LARGEST).contains(&size),
        "--size: a probe has {} to {LARGEST} octets",
        mode.base()
    );
    anyhow::ensure!(
        args.interval.0 >= SHORTEST,
        "--interval: {} is the least",
        Dur(SHORTEST)
    );
    block_on(async {
        let plan = Plan {
            target: target(&args.target).await?,
            flows: args.flows,
            count: args.count,
            interval: args.interval.0,
            timeout: args.timeout.0,
            size,
            key,
        };
        let stop = CancellationToken::new();
        let measuring = probe(&plan, &stop);
        tokio::pin!(measuring);
        let report = tokio::select! {
            report = &mut measuring => report,
            // What is known until then is told.
            _ = tokio::signal::ctrl_c() => {
                stop.cancel();
                measuring.await
            }
        };
        let report = report.with_context(|| format!("cannot probe {}", plan.target))?;
        print(&if args.json {
            json(&plan, &report)
        } else {
            text(&plan, &report)
        });
        let answered = report.counts.received + report.counts.late;
        Ok(if answered > 0 { DONE } else { PROBLEMS })
    })?
}

/// `host`, `host:port`, `address`, `[address]:port`.
async fn target(text: &str) -> anyhow::Result<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let with_port = if text.contains(':') {
        text.to_owned()
    } else {
        format!("{text}:{PORT}")
    };
    let mut found = tokio::net::lookup_host(&with_port)
        .await
        .with_context(|| text.to_owned())?;
    found.next().with_context(|| format!("{text} has no address"))
}

fn text(plan: &Plan, report: &Report) -> String {
    let (counts, lost, summary) = (&report.counts, &report.lost, &report.summary);
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    let flows = if plan.flows == 1 {
        "one flow".to_owned()
    } else {
        format!("{} flows", plan.flows)
    };
    line(format!("{} to {}, {flows}", several(counts.sent, "probe"), plan.target));
    line(format!(
        "  answered    {}, late {}, lost {}",
        counts.received, counts.late, counts.lost
    ));
    if counts.lost > 0 {
        let ways = format!("{} on the way there, {} on the way back", lost.forward, lost.backward);
        line(format!("  lost        {ways}, {} on one of them", lost.unknown));
    }
    for (n, what) in [
        (counts.duplicates, "came more than once"),
        (counts.reordered, "overtaken"),
        (counts.strangers, "packets that were no answers"),
        (counts.stepped, "on their way while the clock of this machine was set"),
        (report.left_out, "left out: this machine was busy"),
        (report.unsent, "not taken by this machine, and among the lost"),
    ] {
        if n > 0 {
            line(format!("  {n:<11} {what}"));
        }
    }
    for (name, histogram) in [("round trip", &summary.round_trip), ("  reflector", &summary.residence)] {
        if let Some(percentiles) = percentiles(histogram) {
            let all = percentiles.map(|(name, took)| format!("{name} {took:?}"));
            line(format!("  {name:<11} {}", all.join(", ")));
        }
    }
    for (name, way) in [("there", summary.forward), ("back", summary.backward)] {
        if let Some(mean) = way.mean() {
            let (least, mean, most) = (signed(way.least), signed(mean), signed(way.most));
            line(format!(
                "  {name:<11} least {least}, mean {mean}, longest {most}; {}",
                clocks(&way)
            ));
        }
    }
    out
}

fn several(n: u64, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

fn percentiles(histogram: &Histogram) -> Option<[(&'static str, Duration); 5]> {
    Some([
        ("least", histogram.least()?),
        ("p50", histogram.percentile(50.0)?),
        ("p90", histogram.percentile(90.0)?),
        ("p99", histogram.percentile(99.0)?),
        ("longest", histogram.most()?),
    ])
}

fn signed(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{:?}", Duration::from_nanos(nanos.unsigned_abs()))
}

fn clocks(way: &OneWay) -> String {
    if way.synchronized {
        format!("by clocks that differ by {:?} at most", way.error)
    } else {
        "by clocks that nobody keeps right: only changes of it mean something".to_owned()
    }
}

fn json(plan: &Plan, report: &Report) -> String {
    let (counts, lost, summary) = (&report.counts, &report.lost, &report.summary);
    let histogram = |histogram: &Histogram| {
        let all = percentiles(histogram)?;
        let seconds = all.map(|(name, took)| (name.to_owned(), json!(took.as_secs_f64())));
        Some(serde_json::Value::Object(seconds.into_iter().collect()))
    };
    let seconds = |nanos: i64| nanos as f64 / 1e9;
    let way = |way: &OneWay| {
        way.mean().map(|mean| {
            json!({
                "least": seconds(way.least), "mean": seconds(mean), "longest": seconds(way.most),
                "error": way.error.as_secs_f64(), "synchronized": way.synchronized,
            })
        })
    };
    let found = json!({
        "target": plan.target.to_string(),
        "flows": plan.flows,
        "sent": counts.sent,
        "received": counts.received,
        "late": counts.late,
        "lost": counts.lost,
        "lost_forward": lost.forward,
        "lost_backward": lost.backward,
        "lost_unknown": lost.unknown,
        "duplicates": counts.duplicates,
        "reordered": counts.reordered,
        "strangers": counts.strangers,
        "clock_set": counts.stepped,
        "left_out": report.left_out,
        "unsent": report.unsent,
        "round_trip_seconds": histogram(&summary.round_trip),
        "reflector_seconds": histogram(&summary.residence),
        "forward_seconds": way(&summary.forward),
        "backward_seconds": way(&summary.backward),
    });
    format!("{found}\n")
}
