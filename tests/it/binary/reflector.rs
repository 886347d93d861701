//! Probes by hand, octet for octet from the figures of RFC 8762 and RFC 8972, against the real reflector. Nothing here uses our own codec.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::world::{AMPLE, Server, World, binary, wait_for};

/// From 1900 to 1970, in seconds.
const NTP: u64 = 2_208_988_800;

/// A server, and where it answers probes.
pub(super) fn reflecting(world: &World, more: &[&str]) -> (Server, Vec<SocketAddr>) {
    let server = world.start_with(more);
    let listening = more
        .iter()
        .filter(|arg| arg.contains(":0"))
        .flat_map(|arg| arg.split(','))
        .count();
    let at = wait_for("the reflectors to say where they listen", || {
        let log = world.log.all();
        let said = log
            .iter()
            .filter_map(|line| line.strip_prefix("probes are answered on "));
        let at: Vec<SocketAddr> = said
            .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
            .collect();
        (at.len() == listening).then_some(at)
    });
    (server, at)
}

/// A socket that hears only what comes from that very address.
fn sender(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(
        if to.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            "::1".parse().unwrap()
        },
        0,
    ))
    .unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(AMPLE)).unwrap();
    socket
}

fn ask(socket: &UdpSocket, packet: &[u8]) -> Vec<u8> {
    socket.send(packet).unwrap();
    let mut answer = vec![0; 10_000];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

#[expect(clippy::disallowed_methods, reason = "the clock that the other process has, too")]
fn seconds_of_1900() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + NTP
}

fn number(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// Sequence number, a timestamp, an error estimate, an identifier, and 28 zeros.
fn open(sequence: u8) -> [u8; 44] {
    let mut packet = [0; 44];
    packet[3] = sequence;
    packet[4..12].copy_from_slice(&[0xe9, 0x4c, 0xa1, sequence, 0x12, 0x34, 0x56, 0x78]);
    packet[12..14].copy_from_slice(&[0x81, 0x05]);
    packet[14..16].copy_from_slice(&[0xbe, 0xef]);
    packet
}

/// The same in blocks of 16, with a proof over the first six.
fn authenticated(sequence: u8, key: &[u8]) -> [u8; 112] {
    let mut packet = [0; 112];
    packet[3] = sequence;
    packet[16..24].copy_from_slice(&[0xe9, 0x4c, 0xa1, sequence, 0x12, 0x34, 0x56, 0x78]);
    packet[24..26].copy_from_slice(&[0x81, 0x05]);
    packet[26..28].copy_from_slice(&[0xbe, 0xef]);
    let proof = proof(&packet[..96], key);
    packet[96..].copy_from_slice(&proof);
    packet
}

fn proof(octets: &[u8], key: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(octets);
    mac.finalize().into_bytes()[..16].to_vec()
}

/// A number of the reflector, summed over the lines that say all this.
fn count(server: &Server, name: &str, label: &str) -> u64 {
    let metrics = server.get("/metrics");
    let lines = metrics.as_str().unwrap().lines();
    let of = lines.filter(|line| line.starts_with(name) && line.contains(label));
    of.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

fn answered(server: &Server) -> u64 {
    count(server, "ninevolt_reflector_answered_total", "")
}

fn sessions(server: &Server) -> u64 {
    count(server, "ninevolt_reflector_sessions{", "")
}

fn dropped(server: &Server, reason: &str) -> u64 {
    count(
        server,
        "ninevolt_reflector_dropped_total",
        &format!("reason=\"{reason}\""),
    )
}

#[test]
fn an_open_probe_is_answered_field_by_field_over_both_protocols() {
    let world = World::empty();
    let (server, at) = reflecting(&world, &["--reflector-listen", "127.0.0.1:0,[::1]:0"]);
    for to in at {
        let socket = sender(to);
        let before = seconds_of_1900();
        for sequence in 0..3 {
            // Two are lost on their way, as it were: what is answered has no gap.
            let request = open(sequence * 2);
            let answer = ask(&socket, &request);
            assert_eq!(answer.len(), 44);
            assert_eq!(number(&answer[0..4]), u64::from(sequence), "its own number");
            let (sent, received) = (number(&answer[4..12]), number(&answer[16..24]));
            assert!(received <= sent, "{received:x} {sent:x}");
            let (first, last) = (received >> 32, sent >> 32);
            assert!(before <= first && last <= seconds_of_1900(), "{before} {first} {last}");
            assert!(answer[13] != 0, "a multiplier of the error");
            assert_eq!(answer[14..16], [0xbe, 0xef], "the identifier");
            assert_eq!(answer[24..28], request[0..4], "the sender's number");
            assert_eq!(answer[28..36], request[4..12], "its timestamp");
            assert_eq!(answer[36..38], request[12..14], "its error estimate");
            assert_eq!(answer[38..40], [0, 0]);
            assert_eq!(answer[40], 64, "the hops that it had left");
            assert_eq!(answer[41..], [0; 3]);
        }
    }
    assert_eq!(answered(&server), 6);
    assert_eq!(sessions(&server), 2);
    assert!(server.terminate().success());
}

#[test]
fn an_authenticated_probe_is_answered_with_a_proof_and_a_forged_one_is_not() {
    let world = World::empty();
    let key = b"a key of 20 letters.";
    let file = world.dir.path().join("key");
    std::fs::write(&file, [key.as_slice(), b"\n"].concat()).unwrap();
    let file = file.to_str().unwrap();
    let flags = ["--reflector-listen", "127.0.0.1:0", "--reflector-key-file", file];
    let (server, at) = reflecting(&world, &flags);
    let socket = sender(at[0]);
    socket.send(&authenticated(0, b"a key of somebody...")).unwrap();
    socket.send(&open(0)).unwrap();
    let request = authenticated(1, key);
    let answer = ask(&socket, &request);
    assert_eq!(answer.len(), 112);
    assert_eq!(answer[96..], proof(&answer[..96], key));
    assert_eq!(number(&answer[0..4]), 0);
    assert!(number(&answer[32..40]) <= number(&answer[16..24]));
    assert_eq!(answer[26..28], [0xbe, 0xef]);
    assert_eq!(answer[48..52], request[0..4]);
    assert_eq!(answer[64..72], request[16..24]);
    assert_eq!(answer[72..74], request[24..26]);
    assert_eq!(answer[80], 64);
    for zeros in [4..16, 28..32, 40..48, 52..64, 74..80, 81..96] {
        assert!(answer[zeros].iter().all(|octet| *octet == 0));
    }
    assert_eq!((dropped(&server, "forged"), dropped(&server, "short")), (1, 1));
    // Caught on the wire and sent again: no second answer, and the next number is the next.
    socket.send(&request).unwrap();
    assert_eq!(number(&ask(&socket, &authenticated(2, key))[0..4]), 1);
    assert_eq!(dropped(&server, "repeated"), 1);
    assert!(
        world.log.all().iter().all(|line| !line.contains("a key of 20")),
        "the key is in the log"
    );
}

#[test]
fn garbage_oversize_replays_and_reflections_are_counted_and_disturb_nobody() {
    let world = World::empty();
    let (server, at) = reflecting(&world, &["--reflector-listen", "127.0.0.1:0"]);
    let (socket, bad) = (sender(at[0]), sender(at[0]));
    let replay = open(0);
    ask(&bad, &replay);
    let reflection = ask(&bad, &open(1));
    for round in 0u8..100 {
        for length in [0, 1, 13, 14, 40] {
            bad.send(&vec![round; length]).unwrap();
        }
        bad.send(&vec![round; 9_001]).unwrap();
        bad.send(&vec![round; 60_000]).unwrap();
        bad.send(&replay).unwrap();
        bad.send(&reflection).unwrap();
        // The queue is empty again before the next round.
        let answer = ask(&socket, &open(round));
        assert_eq!(number(&answer[0..4]), u64::from(round));
    }
    for (reason, n) in [
        ("short", 500),
        ("oversize", 200),
        ("repeated", 100),
        ("reflection", 100),
        ("stranger", 0),
    ] {
        assert_eq!(dropped(&server, reason), n, "{reason}");
    }
    assert_eq!(answered(&server), 102);
    assert_eq!(sessions(&server), 2);
    // A large one is given back as it is, and nothing came for what was dropped.
    let mut large = vec![0x5a; 9_000];
    large[..44].copy_from_slice(&open(100));
    let answer = ask(&socket, &large);
    assert_eq!(answer[44..], large[44..]);
    bad.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert!(bad.recv(&mut [0; 100]).is_err());
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked_and_strangers_get_none() {
    let world = World::empty();
    let (server, at) = reflecting(
        &world,
        &["--reflector-listen", "0.0.0.0:0", "--reflector-allow", "192.0.2.0/24"],
    );
    let port = at[0].port();
    // The socket hears nothing from any other address.
    let socket = sender(SocketAddr::from(([127, 0, 0, 2], port)));
    assert_eq!(ask(&socket, &open(0)).len(), 44);
    // 41 octets, as TWAMP light sends them at least to be answered alike.
    assert_eq!(ask(&socket, &open(1)[..41]).len(), 41);
    assert_eq!(dropped(&server, "stranger"), 0);
}

#[test]
fn what_the_flags_of_the_reflector_cannot_mean_is_said() {
    let short = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&short, "too short\n").unwrap();
    let short = short.path().to_str().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flags, expected) in [
        (
            &["--reflector-listen", "localhost:862"][..],
            "`localhost:862` is no address",
        ),
        (&["--reflector-allow", "10.0.0.0/33"], "`10.0.0.0/33` is no network"),
        (&["--reflector-key-file", short], "16 octets or more"),
        (&["--reflector-key-file", "/nowhere"], "/nowhere"),
        (&["--reflector-listen", &taken], "--reflector-listen"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = binary()
            .args(["server", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(flags)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected) && !said.contains("too short"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
