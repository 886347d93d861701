//! Two processes with one id.

use std::path::Path;

use nix::sys::signal::Signal;

use super::super::etcd::Etcd;
use super::super::world::{World, server};
use super::crew::{Crew, SECOND};
use super::told::Told;

/// What a server says that does not start.
fn refused(data: &Path, args: &[&str]) -> String {
    let output = server(data, None).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_id_that_is_taken_is_refused_and_a_copied_data_directory_too_naming_who_has_it() {
    let world = World::empty();
    let etcd = Etcd::start(world.dir.path());
    let args = ["-e", &etcd.endpoint, "--member-id", "m1"];
    let first = world.start_with(&args);
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();

    let other = tempfile::tempdir().unwrap();
    let said = refused(other.path(), &args);
    assert!(said.contains("m1") && said.contains(&host), "{said}");
    assert!(said.contains(&first.address.to_string()), "{said}");

    let copy = tempfile::tempdir().unwrap();
    for file in ["member.json", "peer.pem"] {
        std::fs::copy(world.data().join(file), copy.path().join(file)).unwrap();
    }
    let said = refused(copy.path(), &args);
    assert!(said.contains("m1") && said.contains(&host), "{said}");
    assert!(said.contains(&first.pid().to_string()), "{said}");
    // Neither took anything from it.
    assert_eq!(first.get("/api/v1/cluster")["Director"]["MemberID"], "m1");
    // Gone as if it had been killed, it comes back at once: from the copy as well.
    first.kill();
    let back = World::empty();
    std::fs::create_dir(back.data()).unwrap();
    for file in ["member.json", "peer.pem"] {
        std::fs::copy(copy.path().join(file), back.data().join(file)).unwrap();
    }
    assert_eq!(back.start_with(&args).ask("GET", "/status/check", None).0, 200);
}

#[test]
fn a_process_that_sleeps_while_its_place_is_taken_by_a_copy_ends_when_it_wakes_and_nothing_moves() {
    let mut crew = Crew::start(1, 9, SECOND);
    let id = crew.director();
    let fails = crew.one_of(id);
    crew.target.fail(&fails);
    crew.wait_told(&fails, &["critical"]);
    crew.told().nothing_twice();
    let before = crew.judges();
    crew.signal(id, Signal::SIGSTOP);
    let sleeper = crew.members.remove(id).unwrap();
    // Of a process that sleeps the lock is still held; whoever copies its data directory has none.
    let copy = World::empty();
    std::fs::create_dir(copy.data()).unwrap();
    for file in ["member.json", "peer.pem"] {
        std::fs::copy(crew.worlds[id].data().join(file), copy.data().join(file)).unwrap();
    }
    let asleep = crew.worlds.insert(id, copy).unwrap();
    crew.join(id);
    assert_eq!(crew.judges(), before);
    // It has been recovered from, and another has begun, of which the sleeper knows nothing.
    crew.target.mend(&fails);
    crew.wait_told_with(&[&asleep], &fails, &["critical", "recovered"]);
    crew.target.fail(&fails);
    crew.wait_told_with(&[&asleep], &fails, &["critical", "recovered", "critical"]);
    sleeper.signal(Signal::SIGCONT);
    let ended = sleeper.ended();
    let said = asleep.log.all().join("\n");
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("taken"), "{said}");
    crew.run_again(3);
    crew.target.mend(&fails);
    crew.wait_told_with(&[&asleep], &fails, &["critical", "recovered", "critical", "recovered"]);
    crew.run_again(2);
    crew.recorded();
    Told::of(crew.worlds.values().chain([&asleep])).nothing_twice();
    assert_eq!(crew.judges(), before);
    crew.no_gap_after_a_death();
}
