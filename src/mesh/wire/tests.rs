//! The bytes are those of the RFCs' figures, written by hand; and no bytes at all are too strange.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::Secret;

/// 21 Nov 2026 01:02:03.5 UTC.
const NOW: Nanos = Nanos(1_795_222_923_500_000_000);

fn key() -> Key {
    Key::new(&Secret::new("sixteen octets, or more")).unwrap()
}

#[test]
fn a_request_is_that_of_figure_1_of_rfc_8972() {
    let request = Request {
        sequence: 0x0102_0304,
        sent: Timestamp(0x0506_0708_090a_0b0c),
        estimate: ErrorEstimate(0x0d0e),
        session: 0x0f10,
    };
    let mut packet = [0xff; 46];
    request.write(Mode::Open, &mut packet);
    let head: Vec<u8> = (1..=16).collect();
    assert_eq!(packet[..16], head);
    assert_eq!(packet[16..44], [0; 28]);
    assert_eq!(packet[44..], [0xff; 2], "what is behind it is not ours");
    assert_eq!(Request::read(Mode::Open, &packet), Some(request));
}

#[test]
fn an_authenticated_reflection_has_its_fields_in_blocks_of_16() {
    let request = Request {
        sequence: 7,
        sent: Timestamp(0x1111_1111_1111_1111),
        estimate: ErrorEstimate(0x2222),
        session: 0x3333,
    };
    let reflection = Reflection {
        sequence: 9,
        sent: Timestamp(0x4444_4444_4444_4444),
        estimate: ErrorEstimate(0x5555),
        received: Timestamp(0x6666_6666_6666_6666),
        request,
        hop_limit: 0x77,
    };
    let mut packet = [0xff; 112];
    reflection.write(Mode::Authenticated, &mut packet);
    let mut expected = [0; 112];
    expected[3] = 9;
    expected[16..24].fill(0x44);
    expected[24..26].fill(0x55);
    expected[26..28].fill(0x33);
    expected[32..40].fill(0x66);
    expected[51] = 7;
    expected[64..72].fill(0x11);
    expected[72..74].fill(0x22);
    expected[80] = 0x77;
    assert_eq!(packet, expected);
    assert_eq!(Reflection::read(Mode::Authenticated, &packet), Some(reflection));
}

#[test]
fn a_proof_is_the_first_half_of_hmac_sha_256_over_96_octets() {
    let key = Key::new(&Secret::new("0123456789abcdef")).unwrap();
    let mut packet: Vec<u8> = vec![b'a'; 96];
    packet.resize(120, 0);
    key.sign(&mut packet);
    assert_eq!(packet[96..112], HMAC_OF_96_A);
    assert_eq!(packet[112..], [0; 8]);
    assert!(key.signed(&packet));
}

/// `printf 'a%.0s' {1..96} | openssl dgst -sha256 -hmac 0123456789abcdef`, its first 16 octets.
const HMAC_OF_96_A: [u8; 16] = [
    0x86, 0x69, 0xc3, 0x50, 0x7c, 0x7f, 0x0f, 0x2e, 0xe0, 0x2d, 0xba, 0xab, 0x00, 0xde, 0xdf, 0xc7,
];

#[test]
fn any_octet_under_the_proof_counts_and_none_behind_it() {
    let mut packet = [7; 130];
    key().sign(&mut packet);
    for at in 0..112 {
        packet[at] ^= 1;
        assert!(!key().signed(&packet), "octet {at}");
        packet[at] ^= 1;
    }
    packet[112] ^= 1;
    assert!(key().signed(&packet));
    assert!(!key().signed(&packet[..111]));
    let other = Key::new(&Secret::new("another key, as long")).unwrap();
    assert!(!other.signed(&packet));
    assert_eq!(Key::new(&Secret::new("too short")).map(|_| ()), Err(KeyError));
}

#[test]
fn padding_of_twamp_light_is_no_session_identifier() {
    let mut packet = [0; 41];
    packet[14..16].fill(0xab);
    assert_eq!(Request::read(Mode::Open, &packet).unwrap().session, 0xabab);
    packet[30] = 1;
    assert_eq!(Request::read(Mode::Open, &packet).unwrap().session, 0);
    assert_eq!(Request::read(Mode::Open, &packet[..40]), None);
    let mut packet = [1; 112];
    packet[26..28].fill(0xab);
    assert_eq!(Request::read(Mode::Authenticated, &packet).unwrap().session, 0xabab);
    assert_eq!(Request::read(Mode::Authenticated, &packet[..111]), None);
}

#[test]
fn timestamps_are_those_of_ntp_and_of_ptp() {
    // Half a second is the highest bit of 32.
    assert_eq!(
        Timestamp::of(NOW, Format::Ntp),
        Timestamp((1_795_222_923 + 2_208_988_800) << 32 | 0x8000_0000)
    );
    assert_eq!(
        Timestamp::of(NOW, Format::Ptp),
        Timestamp(1_795_222_923 << 32 | 500_000_000)
    );
}

#[test]
fn a_timestamp_after_the_end_of_ntps_era_is_read_by_the_clock_at_hand() {
    // 1 Jan 2037.
    let later = Nanos(2_114_380_800_000_000_001);
    let stamp = Timestamp::of(later, Format::Ntp);
    assert!(
        stamp.seconds() < Timestamp::of(NOW, Format::Ntp).seconds(),
        "begins anew in 2036"
    );
    assert_eq!(stamp.time(Format::Ntp, later), later);
    assert_eq!(stamp.time(Format::Ntp, NOW), later);
    assert!(stamp.is_after(Timestamp::of(NOW, Format::Ntp)));
}

#[test]
fn an_error_estimate_is_multiplier_times_two_to_the_scale() {
    let of = |error| ErrorEstimate::new(true, Format::Ntp, error);
    // 1 s = 128 × 2^(25 - 32).
    assert_eq!(of(Duration::from_secs(1)), ErrorEstimate(0x8000 | 25 << 8 | 0x80));
    assert_eq!(of(Duration::ZERO).0 & 0xff, 1, "never a multiplier of none");
    assert_eq!(of(Duration::MAX).0, 0xbfff);
    let ptp = ErrorEstimate::new(false, Format::Ptp, Duration::from_millis(1));
    assert!(!ptp.is_synchronized() && ptp.format() == Format::Ptp);
}

#[test]
fn a_reflection_is_told_from_a_request() {
    let request = Request {
        sequence: 1,
        sent: Timestamp::of(NOW, Format::Ntp),
        estimate: ErrorEstimate(1),
        session: 0,
    };
    for mode in [Mode::Open, Mode::Authenticated] {
        let mut packet = [0; 112];
        request.write(mode, &mut packet);
        assert!(!is_reflection(mode, &packet));
        // A clock that was never set is no reason to take a request for one.
        Request {
            sent: Timestamp(3 << 32),
            ..request
        }
        .write(mode, &mut packet);
        assert!(!is_reflection(mode, &packet));
        let reflection = Reflection {
            sequence: 1,
            sent: Timestamp::of(NOW.plus(Duration::from_secs(2)), Format::Ntp),
            estimate: ErrorEstimate(1),
            received: Timestamp::of(NOW, Format::Ntp),
            request,
            hop_limit: 64,
        };
        reflection.write(mode, &mut packet);
        assert!(is_reflection(mode, &packet));
    }
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Open), Just(Mode::Authenticated)]
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Ntp), Just(Format::Ptp)]
}

prop_compose! {
    fn requests()(sequence: u32, sent: u64, estimate: u16, session: u16) -> Request {
        Request { sequence, sent: Timestamp(sent), estimate: ErrorEstimate(estimate), session }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(mode in modes(), mut packet in proptest::collection::vec(any::<u8>(), 0..200)) {
        let request = Request::read(mode, &packet);
        prop_assert_eq!(request.is_some(), packet.len() >= mode.shortest());
        prop_assert_eq!(Reflection::read(mode, &packet).is_some(), request.is_some());
        let _ = (is_reflection(mode, &packet), key().signed(&packet));
        let length = packet.len();
        if let Some(reflection) = Reflection::read(mode, &packet) {
            reflection.write(mode, &mut packet);
            prop_assert_eq!(Reflection::read(mode, &packet), Some(reflection));
        }
        Request { sequence: 1, sent: Timestamp(2), estimate: ErrorEstimate(3), session: 4 }.write(mode, &mut packet);
        key().sign(&mut packet);
        prop_assert_eq!(packet.len(), length);
    }

    #[test]
    fn a_packet_is_read_as_it_was_written(mode in modes(), request in requests(), sequence: u32, sent: u64, received: u64, hop_limit: u8, more in 0usize..40) {
        let mut packet = vec![0xee; mode.base() + more];
        request.write(mode, &mut packet);
        prop_assert_eq!(Request::read(mode, &packet), Some(request));
        let reflection = Reflection {
            sequence, sent: Timestamp(sent), estimate: request.estimate, received: Timestamp(received), request, hop_limit,
        };
        reflection.write(mode, &mut packet);
        key().sign(&mut packet);
        prop_assert_eq!(Reflection::read(mode, &packet), Some(reflection));
        prop_assert!(mode == Mode::Open || key().signed(&packet));
    }

    #[test]
    fn a_time_is_read_as_it_was_written(format in formats(), time in 0i64..4_000_000_000_000_000_000, off in -1_000_000_000_000_000_000i64..1_000_000_000_000_000_000) {
        let time = Nanos(time);
        prop_assert_eq!(Timestamp::of(time, format).time(format, Nanos(time.0 + off)), time);
    }

    #[test]
    fn any_timestamp_has_a_time(format in formats(), bits: u64, near: i64) {
        let _ = Timestamp(bits).time(format, Nanos(near));
        let _ = Timestamp::of(Nanos(near), format);
    }

    #[test]
    fn an_error_is_never_understated_and_by_one_part_in_128_at_most_overstated(nanos in 0u64..1_000_000_000_000_000) {
        let error = Duration::from_nanos(nanos);
        let said = ErrorEstimate::new(true, Format::Ntp, error).error();
        prop_assert!(said >= error, "{said:?}");
        prop_assert!(said <= error + error / 127 + Duration::from_nanos(1), "{said:?}");
    }

    #[test]
    fn any_estimate_has_an_error(bits: u16) {
        let _ = ErrorEstimate(bits).error();
    }
}
