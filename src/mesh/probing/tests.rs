//! A network that loses, delays, doubles and reorders, and knows what it did, between a flow and a reflector whose clock is another one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::mesh::reflecting::{Arrival, Networks, Policy, Rate, Reflecting};
use crate::mesh::wire::{ErrorEstimate, Format, Mode, Nanos, Reflection, Request, Timestamp};

/// 21 Nov 2026 01:02:03.5 UTC.
const START: Nanos = Nanos(1_795_222_923_500_000_000);
const TIMEOUT: Duration = Duration::from_millis(50);
const INTERVAL: u64 = 10_000_000;
/// What the reflector keeps each packet for.
const RESIDENCE: u64 = 70_000;

fn ours() -> ErrorEstimate {
    ErrorEstimate::new(true, Format::Ntp, Duration::from_millis(2))
}

fn theirs() -> ErrorEstimate {
    ErrorEstimate::new(true, Format::Ntp, Duration::from_millis(3))
}

/// Who answers.
enum Far {
    /// Ours: once to each request, by its own numbers.
    Ours(Box<Reflecting>),
    /// As the RFC has it: to whatever comes, by its own numbers.
    Plain(u32),
    /// By the sender's numbers.
    Stateless,
}

impl Far {
    fn ours() -> Self {
        let policy = Policy {
            networks: Networks::default(),
            key: None,
            per_source: Rate(1_000_000),
            in_all: Rate(1_000_000),
        };
        Self::Ours(Box::new(Reflecting::new(policy, 8862)))
    }

    /// What is sent back for a packet that came at `at` by the reflector's clock.
    fn reflect(&mut self, packet: &[u8], at: Nanos, now: u64) -> Option<Vec<u8>> {
        let sent = at.plus(Duration::from_nanos(RESIDENCE));
        let request = Request::read(Mode::Open, packet).unwrap();
        let mut answer = packet.to_vec();
        let sequence = match self {
            Self::Ours(rules) => {
                let arrival = Arrival {
                    from: "127.0.0.1:40000".parse().unwrap(),
                    to: "127.0.0.1".parse().unwrap(),
                    at,
                    hop_limit: 64,
                    cut_off: false,
                };
                let admitted = rules.admit(&arrival, Duration::from_nanos(now), packet).ok()?;
                rules.answer(admitted, sent, theirs(), &mut answer);
                return Some(answer);
            }
            Self::Plain(next) => {
                *next += 1;
                *next - 1
            }
            Self::Stateless => request.sequence,
        };
        let reflection = Reflection {
            sequence,
            sent: Timestamp::of(sent, Format::Ntp),
            estimate: theirs(),
            received: Timestamp::of(at, Format::Ntp),
            request,
            hop_limit: 64,
        };
        reflection.write(Mode::Open, &mut answer);
        Some(answer)
    }
}

/// What becomes of a probe: when each of its copies arrives there, in nanoseconds, and of each answer here; none: it is lost.
#[derive(Debug, Clone, Default)]
struct Luck {
    there: Vec<u64>,
    back: Vec<u64>,
}

/// What the network did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Truth {
    counts: Counts,
    lost: Lost,
    round_trips: BTreeSet<u64>,
    forward: BTreeSet<i64>,
    backward: BTreeSet<i64>,
}

/// Sends a probe with each luck, and three more with good luck; says what happened and what the flow says of it.
fn run(mut far: Far, offset: i64, lucks: &[Luck]) -> (Truth, Flow) {
    let good = Luck {
        there: vec![1_000_000],
        back: vec![1_000_000],
    };
    // Far enough behind: nothing overtakes them any more.
    let rest = 100;
    let lucks: Vec<(u64, Luck)> = lucks.iter().cloned().zip(0..).map(|(luck, i)| (i, luck)).collect();
    let last = lucks.len() as u64 + rest;
    let all: Vec<(u64, Luck)> = lucks
        .into_iter()
        .chain((last..last + 3).map(|i| (i, good.clone())))
        .collect();

    let mut truth = Truth::default();
    let mut flow = Flow::new(7, TIMEOUT);
    let mut arrivals: BTreeMap<(u64, usize), (usize, u64, Vec<u8>)> = BTreeMap::new();
    // What is sent, and comes there, in the order of time.
    let mut there: BTreeMap<(u64, usize), usize> = BTreeMap::new();
    for (n, (slot, luck)) in all.iter().enumerate() {
        for (copy, delay) in luck.there.iter().enumerate() {
            there.insert((slot * INTERVAL + delay, n * 8 + copy), n);
        }
    }
    // Requests do not depend on answers: they are made first, as `send` would make them, and sent again in the loop below.
    let sent_at = |slot: u64| START.plus(Duration::from_nanos(slot * INTERVAL));
    let request = |n: usize| {
        let mut packet = vec![0; 44];
        let request = Request {
            sequence: n as u32,
            sent: Timestamp::of(sent_at(all[n].0), Format::Ntp),
            estimate: ours(),
            session: 7,
        };
        request.write(Mode::Open, &mut packet);
        packet
    };
    let mut came = BTreeSet::new();
    for ((at, id), n) in there {
        came.insert(n);
        let clock = Nanos(START.0 + at as i64 + offset);
        let Some(answer) = far.reflect(&request(n), clock, at) else {
            continue;
        };
        for (copy, delay) in all[n].1.back.iter().enumerate() {
            arrivals.insert((at + RESIDENCE + delay, id * 8 + copy), (n, at, answer.clone()));
        }
    }
    let mut answered: BTreeMap<usize, ()> = BTreeMap::new();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut highest = None;
    let mut receive = |flow: &mut Flow, truth: &mut Truth, until: u64| {
        while let Some(((at, _), (n, reached, packet))) = arrivals.next_if(|((at, _), _)| *at < until) {
            let sent = all[n].0 * INTERVAL;
            let reflection = Reflection::read(Mode::Open, &packet).unwrap();
            let now = Duration::from_nanos(at);
            let said = flow.receive(&reflection, START.plus(now), now);
            let delays = if answered.insert(n, ()).is_some() {
                truth.counts.duplicates += 1;
                assert_eq!(said, Answer::Duplicate);
                continue;
            } else if at - sent >= TIMEOUT.as_nanos() as u64 {
                truth.counts.late += 1;
                let Answer::Late(delays) = said else { panic!("{said:?}") };
                delays
            } else {
                truth.counts.received += 1;
                let Answer::Received(delays) = said else {
                    panic!("{said:?}")
                };
                delays
            };
            truth.counts.reordered += u64::from(highest.is_some_and(|highest| n < highest));
            highest = highest.max(Some(n));
            let (forward, backward) = (reached - sent, at - reached - RESIDENCE);
            assert_eq!(delays.round_trip, Duration::from_nanos(forward + backward));
            assert_eq!(delays.residence, Duration::from_nanos(RESIDENCE));
            assert_eq!(delays.forward.nanos, forward as i64 + offset);
            assert_eq!(delays.backward.nanos, backward as i64 - offset);
            assert!(delays.forward.synchronized && delays.forward.error >= Duration::from_millis(5));
        }
    };
    for (n, (slot, _)) in all.iter().enumerate() {
        let now = slot * INTERVAL;
        receive(&mut flow, &mut truth, now);
        let made = flow.send(sent_at(*slot), ours(), Duration::from_nanos(now));
        assert_eq!(made.sequence as usize, n);
    }
    receive(&mut flow, &mut truth, u64::MAX);
    flow.expire(Duration::from_secs(1_000_000));
    truth.counts.sent = all.len() as u64;
    for (n, _) in all.iter().enumerate() {
        match (came.contains(&n), answered.contains_key(&n)) {
            (_, true) => {}
            (true, false) => truth.lost.backward += 1,
            (false, _) => truth.lost.forward += 1,
        }
    }
    truth.counts.lost = truth.lost.forward + truth.lost.backward;
    (truth, flow)
}

fn some(delays: &[u64]) -> Vec<u64> {
    delays.iter().map(|ms| ms * 1_000_000).collect()
}

fn luck(there: &[u64], back: &[u64]) -> Luck {
    Luck {
        there: some(there),
        back: some(back),
    }
}

#[test]
fn what_is_lost_there_and_what_is_lost_back_is_told_apart() {
    let lucks = [
        luck(&[1], &[1]),
        luck(&[], &[]),
        luck(&[1], &[]),
        luck(&[], &[]),
        luck(&[1], &[1]),
    ];
    for far in [Far::ours(), Far::Plain(0)] {
        let (_, flow) = run(far, 0, &lucks);
        assert_eq!(
            flow.lost(),
            Lost {
                forward: 2,
                backward: 1,
                unknown: 0
            }
        );
    }
    let (_, flow) = run(Far::Stateless, 0, &lucks);
    assert_eq!(
        flow.lost(),
        Lost {
            forward: 0,
            backward: 0,
            unknown: 3
        },
        "nobody counted"
    );
}

#[test]
fn numbers_that_go_on_from_an_earlier_session_are_no_loss() {
    let (_, flow) = run(
        Far::Plain(1_000),
        0,
        &[luck(&[1], &[1]), luck(&[1], &[]), luck(&[], &[])],
    );
    assert_eq!(
        flow.lost(),
        Lost {
            forward: 1,
            backward: 1,
            unknown: 0
        }
    );
}

#[test]
fn late_is_not_lost() {
    let mut flow = Flow::new(0, TIMEOUT);
    let request = flow.send(START, ours(), Duration::ZERO);
    let later = TIMEOUT + Duration::from_millis(1);
    flow.expire(later);
    assert_eq!((flow.counts().lost, flow.waits()), (1, false));
    let reflection = Reflection {
        sequence: 0,
        sent: Timestamp::of(START, Format::Ntp),
        estimate: theirs(),
        received: Timestamp::of(START, Format::Ntp),
        request,
        hop_limit: 0,
    };
    assert!(matches!(
        flow.receive(&reflection, START.plus(later), later),
        Answer::Late(_)
    ));
    let counts = flow.counts();
    assert_eq!((counts.lost, counts.late, counts.received), (0, 1, 0));
    // Nor is one a second time, or one to what was never sent.
    assert_eq!(flow.receive(&reflection, START.plus(later), later), Answer::Duplicate);
    for wrong in [
        Request { sequence: 1, ..request },
        Request {
            sequence: u32::MAX,
            ..request
        },
        Request {
            sent: Timestamp(request.sent.0 + 1),
            ..request
        },
    ] {
        let forged = Reflection {
            request: wrong,
            ..reflection
        };
        assert_eq!(flow.receive(&forged, START.plus(later), later), Answer::Stranger);
    }
    assert_eq!(flow.counts().strangers, 3);
}

#[test]
fn a_reflector_that_starts_anew_does_not_make_losses() {
    let mut flow = Flow::new(0, TIMEOUT);
    let mut next = 0;
    for n in 0..100u64 {
        let now = Duration::from_millis(n * 10);
        let at = START.plus(now);
        let request = flow.send(at, ours(), now);
        if n == 40 {
            next = 0;
        }
        // One of ten is lost on its way back.
        next += 1;
        if n % 10 == 5 {
            continue;
        }
        let reflection = Reflection {
            sequence: next - 1,
            sent: Timestamp::of(at, Format::Ntp),
            estimate: theirs(),
            received: Timestamp::of(at, Format::Ntp),
            request,
            hop_limit: 0,
        };
        flow.receive(&reflection, at, now);
    }
    flow.expire(Duration::from_secs(100));
    assert_eq!(
        flow.lost(),
        Lost {
            forward: 0,
            backward: 10,
            unknown: 0
        }
    );
}

#[test]
fn a_clock_that_is_set_meanwhile_does_not_make_a_round_trip() {
    let mut flow = Flow::new(0, TIMEOUT);
    for (n, step) in [-3_600_000_000_000i64, 3_600_000_000_000].into_iter().enumerate() {
        let now = Duration::from_secs(n as u64);
        let request = flow.send(START.plus(now), ours(), now);
        let reflection = Reflection {
            sequence: n as u32,
            sent: Timestamp::of(Nanos(START.0 + 300), Format::Ntp),
            estimate: theirs(),
            received: Timestamp::of(START, Format::Ntp),
            request,
            hop_limit: 0,
        };
        let took = Duration::from_micros(50);
        let at = Nanos(START.plus(now + took).0 + step);
        let Answer::Received(delays) = flow.receive(&reflection, at, now + took) else {
            panic!("not received")
        };
        assert!(delays.stepped);
        assert_eq!(delays.round_trip, took - Duration::from_nanos(300));
    }
    assert_eq!(flow.counts().stepped, 2);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut flow = Flow::new(0, Duration::from_secs(1_000_000));
    for n in 0..300_000u64 {
        flow.send(START, ours(), Duration::from_nanos(n));
    }
    let counts = flow.counts();
    assert_eq!((counts.sent, counts.lost), (300_000, 300_000 - (1 << 18)));
}

fn lucks() -> impl Strategy<Value = Vec<Luck>> {
    let way = || {
        prop_oneof![
            1 => Just(vec![]),
            6 => (1u64..8).prop_map(|ms| vec![ms * 1_000_000]),
            2 => (1u64..60_000).prop_map(|us| vec![us * 1_000]),
            1 => ((1u64..60_000), (1u64..60_000)).prop_map(|(a, b)| vec![a * 1_000, b * 1_000]),
        ]
    };
    proptest::collection::vec((way(), way()).prop_map(|(there, back)| Luck { there, back }), 0..120)
}

proptest! {
    #[test]
    fn every_count_is_what_the_network_did(lucks in lucks(), offset in -5_000_000_000i64..5_000_000_000, plain: bool) {
        let (truth, flow) = run(if plain { Far::Plain(0) } else { Far::ours() }, offset, &lucks);
        prop_assert_eq!(flow.counts(), truth.counts);
        let lost = flow.lost();
        if lost.unknown == 0 && !plain {
            prop_assert_eq!(lost, truth.lost);
        } else if !plain {
            // Only where nothing shows that the reflector counts.
            prop_assert_eq!(truth.lost.forward, 0);
        }
        prop_assert_eq!(lost.forward + lost.backward + lost.unknown, truth.counts.lost);
    }

    #[test]
    fn whatever_a_reflector_says_the_counts_add_up(
        answers in proptest::collection::vec((0u64..30, any::<u32>(), any::<u64>(), any::<u64>(), any::<u16>(), 0u64..100_000), 0..100),
    ) {
        let mut flow = Flow::new(0, TIMEOUT);
        let requests: Vec<Request> = (0..30).map(|n| flow.send(START, ours(), Duration::from_millis(n))).collect();
        for (n, sequence, sent, received, estimate, now) in answers {
            let reflection = Reflection {
                sequence,
                sent: Timestamp(sent),
                estimate: ErrorEstimate(estimate),
                received: Timestamp(received),
                request: requests[n as usize],
                hop_limit: 0,
            };
            let now = Duration::from_millis(now);
            let mut summary = Summary::default();
            if let Answer::Received(delays) | Answer::Late(delays) = flow.receive(&reflection, START.plus(now), now) {
                summary.add(&delays);
            }
        }
        flow.expire(Duration::from_secs(1_000));
        let (counts, lost) = (flow.counts(), flow.lost());
        prop_assert_eq!(counts.received + counts.late + counts.lost, counts.sent);
        prop_assert_eq!(lost.forward + lost.backward + lost.unknown, counts.lost);
        prop_assert!(!flow.waits());
    }

    #[test]
    fn a_percentile_is_right_within_a_64th(mut nanos in proptest::collection::vec(0u64..u64::MAX / 2, 1..200), percent in 0.0f64..=100.0) {
        let mut histogram = Histogram::default();
        for nanos in &nanos {
            histogram.add(Duration::from_nanos(*nanos));
        }
        nanos.sort_unstable();
        let rank = ((nanos.len() as f64 * percent / 100.0).ceil() as usize).max(1);
        let exact = nanos[rank - 1];
        let said = u64::try_from(histogram.percentile(percent).unwrap().as_nanos()).unwrap();
        prop_assert!(said >= exact && said - exact <= exact / 64, "{said} for {exact}");
        prop_assert_eq!(histogram.least(), Some(Duration::from_nanos(nanos[0])));
        prop_assert_eq!(histogram.most(), nanos.last().copied().map(Duration::from_nanos));
    }
}
