//! `9volt probe` against the reflector of a real server, and against one that is made here and does what a network does.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use serde_json::Value;

use super::reflector::reflecting;
use super::world::{World, binary};

fn probe(to: SocketAddr, more: &[&str]) -> Command {
    let mut probe = binary();
    probe.arg("probe").arg(to.to_string()).args(more);
    probe
}

fn found(command: &mut Command) -> (Option<i32>, Value) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), found)
}

#[test]
fn what_a_real_reflector_answers_is_received_in_either_mode_and_protocol() {
    let world = World::empty();
    let key = world.dir.path().join("key");
    std::fs::write(&key, "a key of 20 letters.\n").unwrap();
    let key = key.to_str().unwrap();
    for more in [&[][..], &["--key-file", key]] {
        let world = World::empty();
        let mut flags = vec!["--reflector-listen", "127.0.0.1:0,[::1]:0"];
        if !more.is_empty() {
            flags.extend(["--reflector-key-file", key]);
        }
        let (_server, at) = reflecting(&world, &flags);
        for to in at {
            let (code, found) = found(probe(to, more).args([
                "--json",
                "--count",
                "20",
                "--interval",
                "2ms",
                "--flows",
                "3",
                "--timeout",
                "30s",
            ]));
            assert_eq!(
                (code, &found["sent"], &found["received"]),
                (Some(0), &60.into(), &60.into()),
                "{found}"
            );
            for none in ["lost", "late", "duplicates", "strangers", "unsent", "clock_set"] {
                assert_eq!(found[none], 0, "{none}: {found}");
            }
            let seconds = |of: &str, which: &str| found[of][which].as_f64().unwrap();
            let (least, most) = (
                seconds("round_trip_seconds", "least"),
                seconds("round_trip_seconds", "longest"),
            );
            assert!(
                0.0 < least && least <= seconds("round_trip_seconds", "p50") && most < 30.0,
                "{found}"
            );
            assert!(seconds("reflector_seconds", "p50") > 0.0, "{found}");
            // It is one clock: what it takes there and back adds up to the round trip.
            let ways = seconds("forward_seconds", "least") + seconds("backward_seconds", "least");
            assert!(0.0 < ways && ways <= most + 1e-6, "{found}");
            assert!(seconds("forward_seconds", "error") > 0.0, "{found}");
        }
        if !more.is_empty() {
            let (code, found) =
                found(probe(reflected(&world), &[]).args(["--json", "--count", "2", "--timeout", "100ms"]));
            assert_eq!(
                (code, &found["lost"]),
                (Some(1), &2.into()),
                "open probes where a key is wanted: {found}"
            );
        }
    }
}

/// The first address that the server of this world answers on.
fn reflected(world: &World) -> SocketAddr {
    let log = world.log.all();
    let said = log
        .iter()
        .find_map(|line| line.strip_prefix("probes are answered on "))
        .unwrap();
    said.split(' ').next().unwrap().parse().unwrap()
}

/// Answers by hand, octet for octet: number, times, and what the sender sent.
fn answer(number: u8, request: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; 44];
    answer[3] = number;
    // Both times are the sender's, as if its clock were ours: what counts here is what is lost.
    answer[4..14].copy_from_slice(&request[4..14]);
    answer[11] |= number;
    answer[16..24].copy_from_slice(&request[4..12]);
    answer[24..28].copy_from_slice(&request[0..4]);
    answer[28..38].copy_from_slice(&request[4..14]);
    answer[40] = 64;
    answer
}

#[test]
fn lost_there_lost_back_late_and_doubled_are_told_apart() {
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = far.local_addr().unwrap();
    let network = std::thread::spawn(move || {
        let (mut number, mut held) = (0, Vec::new());
        for n in 0u8..10 {
            let mut request = [0; 100];
            let (length, from) = far.recv_from(&mut request).unwrap();
            assert_eq!((length, &request[..4]), (44, &[0, 0, 0, n][..]));
            if n == 1 {
                // Lost on its way there: nobody numbers it.
                continue;
            }
            let answer = answer(number, &request);
            number += 1;
            match n {
                2 => held = answer,
                // Lost on its way back.
                3 => {}
                5 => {
                    far.send_to(&answer, from).unwrap();
                    far.send_to(&answer, from).unwrap();
                    far.send_to(b"no answer", from).unwrap();
                }
                // More than the timeout after it was sent.
                8 => {
                    far.send_to(&answer, from).unwrap();
                    far.send_to(&held, from).unwrap();
                }
                _ => {
                    far.send_to(&answer, from).unwrap();
                }
            }
        }
    });
    let (code, found) = found(
        probe(
            to,
            &["--json", "--count", "10", "--interval", "100ms", "--timeout", "400ms"],
        )
        .args(["--flows", "1"]),
    );
    network.join().unwrap();
    for (what, n) in [
        ("sent", 10),
        ("received", 7),
        ("late", 1),
        ("lost", 2),
        ("lost_forward", 1),
        ("lost_backward", 1),
        ("lost_unknown", 0),
        ("duplicates", 1),
        ("reordered", 1),
        ("strangers", 1),
    ] {
        assert_eq!(found[what], n, "{what}: {found}");
    }
    assert_eq!(code, Some(0));
}

#[test]
fn what_cannot_be_probed_is_said() {
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    for (flags, expected) in [
        (&["--size", "43"][..], "44 to 9000"),
        (&["--size", "9001"], "44 to 9000"),
        (&["--interval", "1us"], "is the least"),
        (&["--key-file", "/nowhere"], "/nowhere"),
    ] {
        let output = probe(nobody, flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let nowhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut probe = probe(
        nowhere.local_addr().unwrap(),
        &["--count", "3", "--interval", "1ms", "--timeout", "50ms"],
    );
    let output = probe.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("lost 3") && said.contains("3 on one of them"), "{said}");
}
