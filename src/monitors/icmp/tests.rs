//! With real packets on the loopback. Where this process may open neither kind of socket, the answer that says so is what is tested.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};

use super::Icmp;
use super::judge::judge;
use super::socket::{Mark, Pinger};
use super::tally::Counted;
use crate::model::{Outcome, Phase, Phases, Reason, Verdict};
use crate::monitors::test_kit::{AMPLE, cx, fact, found_problems, monitor, once, open_descriptors, run};

/// Whether the system lets this process ping.
fn allowed() -> bool {
    [Type::DGRAM, Type::RAW]
        .into_iter()
        .any(|kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4)).is_ok())
}

/// Runs a check and, where it is not allowed to ping, asserts that it says so.
async fn ping(own: Value, timeout: Duration) -> Option<Verdict> {
    let verdict = once("icmp", own, timeout).await;
    if allowed() {
        return Some(verdict);
    }
    assert_eq!(
        (verdict.outcome, verdict.reason),
        (Outcome::Unknown, Some(Reason::Permission)),
        "{verdict:?}"
    );
    assert!(verdict.message.contains("net.ipv4.ping_group_range"));
    None
}

#[tokio::test]
async fn the_loopback_answers_over_ipv4_and_ipv6() {
    for host in ["127.0.0.1", "::1", "[::1]", "localhost"] {
        let Some(verdict) = ping(json!({"host": host, "packet-interval": "1ms"}), AMPLE).await else {
            continue;
        };
        assert_eq!(verdict.outcome, Outcome::Pass, "{host}: {verdict:?}");
        assert_eq!(fact(&verdict, "icmp_loss_ratio"), Some(0.0));
        assert_eq!(fact(&verdict, "icmp_reply_hop_limit"), Some(64.0));
        let rtt = |which| fact(&verdict, &format!("icmp_rtt_{which}_seconds")).unwrap();
        assert!(0.0 < rtt("min") && rtt("min") <= rtt("median") && rtt("median") <= rtt("max"));
        let median = verdict.phases.get(Phase::FirstByte).unwrap().as_secs_f64();
        assert!((median - rtt("median")).abs() < 2e-6, "{median} {}", rtt("median"));
        assert_eq!(verdict.phases.get(Phase::Resolve).is_some(), host == "localhost");
    }
}

#[tokio::test]
async fn every_size_of_payload_comes_back() {
    for size in [0, 1, 15, 16, 1472, 9000, 65_507] {
        for host in ["127.0.0.1", "::1"] {
            let own = json!({"host": host, "count": 1, "payload-size": size});
            if let Some(verdict) = ping(own, AMPLE).await {
                assert_eq!(verdict.outcome, Outcome::Pass, "{size} to {host}: {verdict:?}");
            }
        }
    }
}

#[tokio::test]
async fn one_family_can_be_asked_for() {
    let own = |host, family| json!({"host": host, "count": 1, "address-family": family});
    if let Some(verdict) = ping(own("127.0.0.1", "ip4"), AMPLE).await {
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    }
    let verdict = once("icmp", own("127.0.0.1", "ip6"), AMPLE).await;
    assert_eq!(verdict.reason, Some(Reason::Resolve), "{verdict:?}");
}

#[tokio::test]
async fn a_round_trip_over_the_limit_is_degraded_or_failed() {
    let own = |key: &str| json!({"host": "127.0.0.1", "count": 1, key: "1ns"});
    if let Some(verdict) = ping(own("rtt-warning"), AMPLE).await {
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Degraded, Some(Reason::Slow))
        );
    }
    if let Some(verdict) = ping(own("rtt-critical"), AMPLE).await {
        assert_eq!((verdict.outcome, verdict.reason), (Outcome::Fail, Some(Reason::Slow)));
        assert!(
            verdict
                .message
                .starts_with("127.0.0.1 is slow: the median of its round trips is "),
            "{}",
            verdict.message
        );
    }
}

#[tokio::test]
async fn many_pings_at_once_do_not_take_each_others_replies() {
    let monitor = monitor(
        "icmp",
        json!({"host": "127.0.0.1", "count": 20, "packet-interval": "1ms"}),
    );
    let cx = cx();
    let before = open_descriptors();
    for _ in 0..4 {
        let batch = (0..50).map(|_| run(&cx, monitor.as_ref(), AMPLE));
        for verdict in futures_util::future::join_all(batch).await {
            if allowed() {
                assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
                assert_eq!(fact(&verdict, "icmp_loss_ratio"), Some(0.0));
            }
        }
    }
    assert!(open_descriptors() < before + 100);
}

#[tokio::test]
async fn a_run_that_is_too_short_for_all_packets_judges_those_that_went_out() {
    let own = json!({"host": "127.0.0.1", "count": 3, "packet-interval": "1s"});
    if let Some(verdict) = ping(own, Duration::from_millis(200)).await {
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    }
}

/// The loopback answers for these addresses, but from its own: nothing that is heard is a reply of the target.
#[tokio::test]
async fn silence_ends_at_the_deadline_and_replies_from_elsewhere_are_not_counted() {
    for host in ["0.0.0.0", "::"] {
        let begun = tokio::time::Instant::now();
        let own = json!({"host": host, "count": 2, "packet-interval": "1ms"});
        if let Some(verdict) = ping(own, Duration::from_millis(150)).await {
            assert_eq!(
                (verdict.outcome, verdict.reason),
                (Outcome::Fail, Some(Reason::Loss)),
                "{verdict:?}"
            );
            assert_eq!(
                verdict.message,
                format!("no reply from {host} to 2 echo requests within 150ms")
            );
            assert_eq!(fact(&verdict, "icmp_loss_ratio"), Some(1.0));
            assert_eq!(verdict.phases.iter().count(), 0);
            assert!(begun.elapsed() >= Duration::from_millis(150));
        }
    }
}

#[tokio::test]
async fn replies_to_somebody_else_are_not_counted() {
    let marks = [1, 2].map(|id| Mark {
        id,
        payload: vec![u8::try_from(id).unwrap(); 16],
    });
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let [other, ours] = marks.clone().map(|mark| Pinger::open(ip, mark));
        let (Ok(mut other), Ok(mut ours)) = (other, ours) else {
            assert!(!allowed());
            continue;
        };
        other.send(7).await.unwrap();
        ours.send(8).await.unwrap();
        let replied = |event| match event {
            super::Event::Reply { sequence, .. } => Some(sequence),
            _ => None,
        };
        for (pinger, sequence) in [(&mut other, 7), (&mut ours, 8)] {
            let heard = loop {
                if let Some(heard) = replied(tokio::time::timeout(AMPLE, pinger.receive()).await.unwrap().unwrap()) {
                    break heard;
                }
            };
            assert_eq!(heard, sequence);
        }
        let more = tokio::time::timeout(Duration::from_millis(20), ours.receive()).await;
        assert!(!matches!(more, Ok(Ok(super::Event::Reply { .. }))), "{more:?}");
    }
}

fn judged(own: Value, sent: usize, round_trips_ms: &[u64], trouble: Option<&str>) -> Verdict {
    let icmp: Icmp = serde_json::from_value(own).unwrap();
    let counted = Counted {
        sent,
        round_trips: round_trips_ms.iter().map(|ms| Duration::from_millis(*ms)).collect(),
    };
    judge(&icmp, &counted, trouble, Duration::from_secs(3), &mut Phases::default())
}

#[test]
fn silence_is_loss_and_a_report_of_trouble_is_unreachable() {
    let silent = judged(json!({"host": "h"}), 3, &[], None);
    assert_eq!((silent.outcome, silent.reason), (Outcome::Fail, Some(Reason::Loss)));
    assert_eq!(silent.message, "no reply from h to 3 echo requests within 3s");
    assert_eq!(fact(&silent, "icmp_loss_ratio"), Some(1.0));
    assert_eq!(fact(&silent, "icmp_rtt_median_seconds"), None);
    let told = judged(json!({"host": "h"}), 3, &[], Some("host unreachable, says 192.0.2.1"));
    assert_eq!((told.outcome, told.reason), (Outcome::Fail, Some(Reason::Unreachable)));
    assert_eq!(told.message, "h cannot be reached: host unreachable, says 192.0.2.1");
}

#[test]
fn loss_has_two_limits() {
    let own = || json!({"host": "h", "loss-warning": "20%", "loss-critical": 0.5});
    assert_eq!(judged(own(), 10, &[1; 9], None).outcome, Outcome::Pass);
    let degraded = judged(own(), 10, &[1; 8], None);
    assert_eq!(
        (degraded.outcome, degraded.reason),
        (Outcome::Degraded, Some(Reason::Loss))
    );
    assert_eq!(degraded.message, "h lost 2 of 10 packets (20 %), the limit is 20 %");
    assert_eq!(judged(own(), 10, &[1; 5], None).outcome, Outcome::Fail);
    // By default only the loss of everything is a failure.
    assert_eq!(judged(json!({"host": "h"}), 10, &[1], None).outcome, Outcome::Pass);
}

#[test]
fn the_limits_of_round_trips_are_for_the_chosen_one() {
    let own = |percentile: u8| json!({"host": "h", "rtt-warning": "10ms", "rtt-critical": "50ms", "rtt-percentile": percentile});
    assert_eq!(judged(own(50), 3, &[1, 9, 99], None).outcome, Outcome::Pass);
    assert_eq!(judged(own(50), 3, &[1, 20, 99], None).outcome, Outcome::Degraded);
    let longest = judged(own(100), 3, &[1, 9, 99], None);
    assert_eq!((longest.outcome, longest.reason), (Outcome::Fail, Some(Reason::Slow)));
    assert_eq!(
        longest.message,
        "h is slow: percentile 100 of its round trips is 99ms, the limit is 50ms"
    );
}

#[test]
fn every_problem_names_its_field() {
    let fields = |own| {
        found_problems("icmp", own)
            .into_iter()
            .map(|p| p.field)
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(json!({})), ["host"]);
    assert_eq!(fields(json!({"host": "h", "count": 0})), ["count"]);
    assert_eq!(
        fields(json!({"host": "h", "count": 1001, "packet-interval": "1ms"})),
        ["count"]
    );
    assert_eq!(
        fields(json!({"host": "h", "packet-interval": "1500ms"})),
        ["packet-interval"]
    );
    assert_eq!(fields(json!({"host": "h", "packet-interval": 0})), ["packet-interval"]);
    assert_eq!(fields(json!({"host": "h", "payload-size": 65_508})), ["payload-size"]);
    assert_eq!(fields(json!({"host": "h", "rtt-percentile": 0})), ["rtt-percentile"]);
    assert_eq!(
        fields(json!({"host": "h", "loss-warning": "50%", "loss-critical": "20%"})),
        ["loss-warning"]
    );
    assert_eq!(fields(json!({"host": "h", "loss-critical": 0})), ["loss-critical"]);
    assert_eq!(
        fields(json!({"host": "h", "rtt-warning": "2s", "rtt-critical": "1s"})),
        ["rtt-warning"]
    );
    assert_eq!(fields(json!({"host": "h", "loss-critical": 20})), ["loss-critical"]);
}
