//! What a reflector answers and what not, by packets that are made here.

use proptest::prelude::*;

use super::*;
use crate::mesh::wire::LARGEST;
use crate::model::Secret;

/// 21 Nov 2026 01:02:03.5 UTC.
const NOW: Nanos = Nanos(1_795_222_923_500_000_000);
const SECOND: Duration = Duration::from_secs(1);
const OURS: u16 = 8862;

fn networks(texts: &[&str]) -> Networks {
    Networks::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn policy() -> Policy {
    Policy {
        networks: networks(&["10.0.0.0/8", "2001:db8::/32"]),
        key: None,
        per_source: Rate(1_000),
        in_all: Rate(10_000),
    }
}

fn key() -> Key {
    Key::new(&Secret::new("a key that both have")).unwrap()
}

/// A reflector, and a clock beside it.
struct Bed {
    rules: Reflecting,
    now: Duration,
    from: SocketAddr,
    mode: Mode,
    key: Option<Key>,
}

impl Bed {
    fn new(policy: Policy) -> Self {
        let key = policy.key.clone();
        Self {
            rules: Reflecting::new(policy, OURS),
            now: Duration::ZERO,
            from: "10.1.2.3:40000".parse().unwrap(),
            mode: if key.is_some() { Mode::Authenticated } else { Mode::Open },
            key,
        }
    }

    fn open() -> Self {
        Self::new(policy())
    }

    fn arrival(&self) -> Arrival {
        Arrival {
            from: self.from,
            to: "10.0.0.1".parse().unwrap(),
            at: NOW.plus(self.now),
            hop_limit: 61,
            cut_off: false,
        }
    }

    /// The request with this number, sent now.
    fn request(&self, sequence: u32) -> Request {
        Request {
            sequence,
            sent: Timestamp::of(NOW.plus(self.now), Format::Ntp),
            estimate: ErrorEstimate(0x8101),
            session: 0,
        }
    }

    fn packet(&self, request: &Request) -> Vec<u8> {
        let mut packet = vec![0; self.mode.base()];
        request.write(self.mode, &mut packet);
        if let Some(key) = &self.key {
            key.sign(&mut packet);
        }
        packet
    }

    /// What comes back for some octets.
    fn reflect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
        let admitted = self.rules.admit(&self.arrival(), self.now, packet)?;
        let mut answer = packet.to_vec();
        let sent = NOW.plus(self.now + Duration::from_micros(30));
        self.rules.answer(admitted, sent, ErrorEstimate(0x8202), &mut answer);
        Ok(answer)
    }

    /// Sends the request with this number and reads what comes back.
    fn ask(&mut self, sequence: u32) -> Result<Reflection, Refusal> {
        let packet = self.packet(&self.request(sequence));
        let answer = self.reflect(&packet)?;
        Ok(Reflection::read(self.mode, &answer).unwrap())
    }

    /// The numbers that the reflector gives to these of the sender.
    fn numbers(&mut self, sequences: &[u32]) -> Vec<Result<u32, Refusal>> {
        let mut ask = |sequence: &u32| self.ask(*sequence).map(|reflection| reflection.sequence);
        sequences.iter().map(&mut ask).collect()
    }
}

#[test]
fn a_reflection_carries_the_request_both_times_and_the_hops() {
    let mut bed = Bed::open();
    let reflection = bed.ask(77).unwrap();
    assert_eq!(reflection.request, bed.request(77));
    assert_eq!(reflection.received, Timestamp::of(NOW, Format::Ntp));
    assert_eq!(
        reflection.sent,
        Timestamp::of(NOW.plus(Duration::from_micros(30)), Format::Ntp)
    );
    assert_eq!((reflection.sequence, reflection.hop_limit), (0, 61));
    assert_eq!(reflection.estimate, ErrorEstimate(0x8202));
}

#[test]
fn what_is_sent_in_a_session_is_counted_from_zero() {
    let mut bed = Bed::open();
    // Two are lost on the way there: what was sent back has no gap.
    assert_eq!(bed.numbers(&[0, 1, 4, 5]), [Ok(0), Ok(1), Ok(2), Ok(3)]);
    bed.from.set_port(40001);
    assert_eq!(bed.numbers(&[9]), [Ok(0)], "another flow is another session");
    let request = Request {
        session: 7,
        ..bed.request(10)
    };
    let packet = bed.packet(&request);
    let answer = Reflection::read(Mode::Open, &bed.reflect(&packet).unwrap()).unwrap();
    assert_eq!(
        (answer.sequence, answer.request.session),
        (0, 7),
        "and so is another identifier"
    );
    assert_eq!(bed.rules.sessions(), 3);
}

#[test]
fn a_packet_is_answered_once_also_when_others_overtook_it() {
    let mut bed = Bed::open();
    let late = bed.packet(&bed.request(1));
    assert_eq!(
        bed.numbers(&[0, 2, 2, 3]),
        [Ok(0), Ok(1), Err(Refusal::Repeated), Ok(2)]
    );
    bed.now += SECOND;
    assert_eq!(bed.numbers(&[4]), [Ok(3)]);
    assert!(bed.reflect(&late).is_ok());
    assert_eq!(bed.reflect(&late), Err(Refusal::Repeated));
    assert_eq!(bed.numbers(&[5]), [Ok(5)]);
}

#[test]
fn numbers_of_a_sender_may_begin_anew_by_themselves() {
    let mut bed = Bed::open();
    assert_eq!(
        bed.numbers(&[u32::MAX - 1, u32::MAX, 0, 1]),
        [Ok(0), Ok(1), Ok(2), Ok(3)]
    );
    assert_eq!(bed.numbers(&[u32::MAX]), [Err(Refusal::Repeated)]);
}

#[test]
fn a_sender_that_starts_anew_begins_a_new_session() {
    let mut bed = Bed::open();
    let old = bed.packet(&bed.request(1));
    assert_eq!(bed.numbers(&[0, 1, 2]).last(), Some(&Ok(2)));
    bed.now += SECOND;
    assert_eq!(bed.numbers(&[0, 1]), [Ok(0), Ok(1)]);
    // What was sent before it did is not answered.
    assert_eq!(bed.reflect(&old), Err(Refusal::Repeated));
    // A clock that was set back, as that of a router that was switched off: after a rest it counts as new.
    bed.now += sessions::IDLE;
    assert!(bed.reflect(&old).is_ok());
}

#[test]
fn an_answer_is_as_long_as_the_request_and_gives_back_what_was_behind_it() {
    let mut bed = Bed::open();
    for (sequence, length) in [(0, 41), (1, 43), (2, 44), (3, 45), (4, 1_400), (5, LARGEST)] {
        let mut packet = bed.packet(&bed.request(sequence));
        packet.resize(length, 0x5a);
        let answer = bed.reflect(&packet).unwrap();
        assert_eq!(answer.len(), length);
        assert!(answer.iter().skip(44).all(|octet| *octet == 0x5a));
        assert_eq!(
            Reflection::read(Mode::Open, &answer).unwrap().request.sequence,
            sequence
        );
    }
    for length in [0, 1, 14, 40] {
        assert_eq!(bed.reflect(&vec![0; length]), Err(Refusal::Short));
    }
    let cut_off = Arrival {
        cut_off: true,
        ..bed.arrival()
    };
    assert_eq!(
        bed.rules.admit(&cut_off, bed.now, &[0; LARGEST]),
        Err(Refusal::Oversize)
    );
}

#[test]
fn a_sender_of_twamp_light_is_one_session_whatever_it_pads_with() {
    let mut bed = Bed::open();
    for sequence in 0..4 {
        let mut packet = bed.packet(&bed.request(sequence));
        let padding = &mut packet[14..];
        for (i, octet) in padding.iter_mut().enumerate() {
            *octet = (0x9d + 31 * i as u32 * (sequence + 1)) as u8;
        }
        let answer = Reflection::read(Mode::Open, &bed.reflect(&packet).unwrap()).unwrap();
        assert_eq!((answer.sequence, answer.request.session), (sequence, 0));
    }
    assert_eq!(bed.rules.sessions(), 1);
}

#[test]
fn only_allowed_networks_and_this_machine_are_answered() {
    let mut bed = Bed::open();
    for (from, answered) in [
        ("10.255.0.1:40000", true),
        ("11.0.0.1:40000", false),
        ("127.0.0.1:40000", true),
        ("[::1]:40000", true),
        ("[2001:db8:1::1]:40000", true),
        ("[2001:db9::1]:40000", false),
        ("0.0.0.0:0", false),
    ] {
        bed.from = from.parse().unwrap();
        let expected = if answered { Ok(0) } else { Err(Refusal::Stranger) };
        assert_eq!(bed.numbers(&[0]), [expected], "{from}");
    }
    assert_eq!(networks(&["192.0.2.1"]), networks(&["192.0.2.1/32"]));
    for wrong in ["", "10.0.0.0/33", "all", "10.0.0.0-10.0.0.9"] {
        assert!(Networks::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
    }
}

#[test]
fn a_reflector_is_never_answered() {
    let mut bed = Bed::open();
    for port in [PORT, OURS, 0] {
        bed.from.set_port(port);
        assert_eq!(bed.numbers(&[0]), [Err(Refusal::Reflector)], "{port}");
    }
}

#[test]
fn one_forged_packet_between_two_reflectors_ends_at_the_next() {
    for key in [None, Some(key())] {
        let with_key = || {
            Bed::new(Policy {
                key: key.clone(),
                ..policy()
            })
        };
        // Ports that neither knows of the other.
        let (mut here, mut there) = (with_key(), with_key());
        there.from = "10.0.0.1:9999".parse().unwrap();
        let forged = here.packet(&here.request(0));
        let reflected = here.reflect(&forged).unwrap();
        assert_eq!(there.reflect(&reflected), Err(Refusal::Reflection));
    }
}

#[test]
fn with_a_key_only_what_is_signed_with_it_is_answered() {
    let mut bed = Bed::new(Policy {
        key: Some(key()),
        ..policy()
    });
    let packet = bed.packet(&bed.request(0));
    let answer = bed.reflect(&packet).unwrap();
    assert!(key().signed(&answer));
    assert_eq!(bed.reflect(&packet), Err(Refusal::Repeated));
    let mut forged = bed.packet(&bed.request(1));
    forged[3] ^= 2;
    assert_eq!(bed.reflect(&forged), Err(Refusal::Forged));
    assert_eq!(bed.reflect(&packet[..44]), Err(Refusal::Short), "an open one");
    assert_eq!(bed.reflect(&[0; 112]), Err(Refusal::Forged));
}

#[test]
fn a_source_is_answered_within_its_budget_and_does_not_use_up_that_of_others() {
    let mut bed = Bed::new(Policy {
        per_source: Rate(3),
        ..policy()
    });
    let over = Err(Refusal::Budget);
    assert_eq!(bed.numbers(&[0, 1, 2, 3]), [Ok(0), Ok(1), Ok(2), over]);
    bed.from.set_port(40001);
    assert_eq!(bed.numbers(&[0]), [over], "another port is the same source");
    bed.from.set_ip("10.1.2.4".parse().unwrap());
    assert_eq!(bed.numbers(&[0]), [Ok(0)]);
    bed.from = "10.1.2.3:40000".parse().unwrap();
    bed.now += SECOND / 2;
    // What was not answered was not counted: the sender sees it as lost on the way there.
    assert_eq!(bed.numbers(&[4, 5]), [Ok(3), over]);
}

#[test]
fn a_host_of_ipv6_is_one_source_whatever_address_it_takes() {
    let mut bed = Bed::new(Policy {
        per_source: Rate(1),
        ..policy()
    });
    bed.from = "[2001:db8::1]:40000".parse().unwrap();
    assert_eq!(bed.numbers(&[0]), [Ok(0)]);
    bed.from = "[2001:db8::2:3]:40000".parse().unwrap();
    assert_eq!(bed.numbers(&[0]), [Err(Refusal::Budget)]);
    bed.from = "[2001:db8:0:1::1]:40000".parse().unwrap();
    assert_eq!(bed.numbers(&[0]), [Ok(0)]);
}

#[test]
fn all_together_are_answered_within_one_budget() {
    let mut bed = Bed::new(Policy {
        in_all: Rate(5),
        ..policy()
    });
    let mut answered = 0;
    for host in 1..=20 {
        bed.from.set_ip([10, 0, 0, host].into());
        answered += usize::from(bed.ask(0).is_ok());
    }
    assert_eq!(answered, 5);
}

#[test]
fn what_is_sent_again_by_somebody_else_does_not_use_up_the_budget() {
    let mut bed = Bed::new(Policy {
        key: Some(key()),
        per_source: Rate(10),
        ..policy()
    });
    let caught = bed.packet(&bed.request(0));
    assert!(bed.reflect(&caught).is_ok());
    for _ in 0..100 {
        assert_eq!(bed.reflect(&caught), Err(Refusal::Repeated));
        assert_eq!(bed.reflect(&[9; 112]), Err(Refusal::Forged));
    }
    assert_eq!(bed.numbers(&[1, 2]), [Ok(1), Ok(2)]);
}

#[test]
fn when_there_are_too_many_sessions_those_in_use_stay() {
    let rate = Rate(u32::MAX);
    let mut bed = Bed::new(Policy {
        per_source: rate,
        in_all: rate,
        ..policy()
    });
    assert_eq!(bed.numbers(&[0]), [Ok(0)]);
    bed.now += sessions::IDLE;
    let most = u32::try_from(sessions::MOST).unwrap();
    let flood = |bed: &mut Bed, from: u32, to: u32| {
        let answered = (from..to).filter(|i| {
            let session = u16::try_from(i % 65_536).unwrap();
            bed.from = SocketAddr::new([10, 9, 9, 9].into(), 40_000 + u16::try_from(i / 65_536).unwrap());
            let packet = bed.packet(&Request {
                session,
                ..bed.request(0)
            });
            bed.reflect(&packet).is_ok()
        });
        answered.count()
    };
    assert_eq!(flood(&mut bed, 0, most - 1), sessions::MOST - 1);
    assert_eq!(bed.rules.sessions(), sessions::MOST);
    // The first one is idle: it goes, once, and then nothing is.
    assert_eq!(flood(&mut bed, most, most + 100), 1);
    assert_eq!((bed.rules.sessions(), bed.rules.forgotten()), (sessions::MOST, 1));
    bed.from.set_port(50_000);
    assert_eq!(bed.numbers(&[0]), [Err(Refusal::Full)]);
    bed.now += sessions::IDLE;
    assert_eq!(flood(&mut bed, most + 100, most + 101), 1);
    assert_eq!(bed.rules.sessions(), 1);
}

#[test]
fn refusals_are_counted_in_the_order_of_their_list() {
    for (i, refusal) in Refusal::ALL.into_iter().enumerate() {
        assert_eq!(refusal as usize, i);
    }
}

proptest! {
    #[test]
    fn no_bytes_from_anywhere_panic_or_are_answered_with_more(
        packets in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..150), 0u64..5_000), 1..50),
        with_key: bool,
    ) {
        let mut bed = Bed::new(Policy { key: with_key.then(key), ..policy() });
        for (port, mut packet, later) in packets {
            bed.from.set_port(port);
            bed.now += Duration::from_millis(later);
            if let (Some(key), true) = (&bed.key, later % 2 == 0) {
                key.sign(&mut packet);
            }
            if let Ok(answer) = bed.reflect(&packet) {
                prop_assert_eq!(answer.len(), packet.len());
            }
        }
    }

    #[test]
    fn each_request_is_answered_once_in_whatever_order_and_number_it_comes(
        order in proptest::collection::vec(0u32..40, 1..200),
    ) {
        let mut bed = Bed::open();
        let packets: Vec<Vec<u8>> = (0..40).map(|sequence| {
            bed.now = Duration::from_millis(u64::from(sequence));
            bed.packet(&bed.request(sequence))
        }).collect();
        let mut answered = std::collections::BTreeSet::new();
        for sequence in order {
            let answer = bed.reflect(&packets[sequence as usize]);
            if answered.insert(sequence) {
                let number = Reflection::read(Mode::Open, &answer.unwrap()).unwrap().sequence;
                prop_assert_eq!(number as usize, answered.len() - 1);
            } else {
                prop_assert_eq!(answer, Err(Refusal::Repeated));
            }
        }
    }
}
