//! Two processes with one id.

use std::path::Path;

use super::super::etcd::Etcd;
use super::super::world::{World, server};

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
