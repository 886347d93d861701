//! What a count of echoes means for a check. Pure.

use std::time::Duration;

use super::Icmp;
use super::tally::Counted;
use crate::model::{Dur, Phase, Phases, Reason, Verdict};

/// Percentile that phases and facts call the median.
const MEDIAN: u8 = 50;

/// Judges a run: failures first (loss, then round trips), then what is only slow or lossy.
pub(super) fn judge(
    icmp: &Icmp,
    counted: &Counted,
    trouble: Option<&str>,
    timeout: Duration,
    phases: &mut Phases,
) -> Verdict {
    let mut verdict = judge_counted(icmp, counted, trouble, timeout);
    verdict.fact("icmp_loss_ratio", counted.loss());
    let seconds = |took: Duration| took.as_secs_f64();
    if let (Some(min), Some(median), Some(max)) = (
        counted.round_trips.first(),
        counted.percentile(MEDIAN),
        counted.round_trips.last(),
    ) {
        phases.add(Phase::FirstByte, median);
        verdict.fact("icmp_rtt_min_seconds", seconds(*min));
        verdict.fact("icmp_rtt_median_seconds", seconds(median));
        verdict.fact("icmp_rtt_max_seconds", seconds(*max));
    }
    verdict
}

fn judge_counted(icmp: &Icmp, counted: &Counted, trouble: Option<&str>, timeout: Duration) -> Verdict {
    let host = &icmp.host;
    let (sent, loss) = (counted.sent, counted.loss());
    let why = trouble.map(|why| format!(": {why}")).unwrap_or_default();
    if counted.round_trips.is_empty() {
        return match trouble {
            Some(why) => Verdict::fail(Reason::Unreachable, format!("{host} cannot be reached: {why}")),
            None => Verdict::fail(
                Reason::Loss,
                format!("no reply from {host} to {sent} echo requests within {}", Dur(timeout)),
            ),
        };
    }
    let lost = |limit: super::Ratio| {
        let (lost, percent) = (sent - counted.round_trips.len(), loss * 100.0);
        format!("{host} lost {lost} of {sent} packets ({percent:.0} %), the limit is {limit}{why}")
    };
    // There is a reply, so there is a round trip of every rank.
    let round_trip = counted.percentile(icmp.rtt_percentile).unwrap_or_default();
    let slow = |limit: Dur| {
        let of = match icmp.rtt_percentile {
            MEDIAN => "the median".to_owned(),
            percentile => format!("percentile {percentile}"),
        };
        format!(
            "{host} is slow: {of} of its round trips is {}, the limit is {limit}",
            Dur(round_trip)
        )
    };
    if loss >= icmp.loss_critical.0 {
        return Verdict::fail(Reason::Loss, lost(icmp.loss_critical));
    }
    if let Some(limit) = icmp.rtt_critical.filter(|limit| round_trip > limit.0) {
        return Verdict::fail(Reason::Slow, slow(limit));
    }
    if let Some(limit) = icmp.loss_warning.filter(|limit| loss >= limit.0) {
        return Verdict::degraded(Reason::Loss, lost(limit));
    }
    if let Some(limit) = icmp.rtt_warning.filter(|limit| round_trip > limit.0) {
        return Verdict::degraded(Reason::Slow, slow(limit));
    }
    Verdict::pass()
}
