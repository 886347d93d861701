//! `9volt store`, and `cfg DIR --etcd-v2`: how they end and what they say.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::world::{Target, World, binary};

fn store(args: &[&str], data: &Path) -> (i32, String) {
    let output = binary()
        .arg("store")
        .args(args)
        .arg("--data-dir")
        .arg(data)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn a_store_goes_to_a_file_and_into_another_store_and_a_server_on_that_one_goes_on() {
    let target = Target::start("good");
    let world = World::of(&target);
    let member = world.start();
    member.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    let file = world.dir.path().join("export");
    let file = file.to_str().unwrap();
    let (code, said) = store(&["export", file], &world.data());
    assert_eq!(code, 1, "its server runs: {said}");
    assert!(
        said.contains("in use by another") && !Path::new(file).exists(),
        "{said}"
    );
    assert!(member.terminate().success());

    let (code, said) = store(&["export", file], &world.data());
    assert_eq!(code, 0, "{said}");
    assert_eq!(Path::new(file).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (code, said) = store(&["export", file], &world.data());
    assert_eq!(code, 1, "a file that is there is left as it is: {said}");

    let other = World::empty();
    let (code, said) = store(&["export", file], &other.data());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no store in"), "{said}");
    let (code, said) = store(&["import", file], &other.data());
    assert_eq!(code, 0, "{said}");
    let (code, said) = store(&["import", file], &other.data());
    assert_eq!(code, 2, "{said}");
    assert!(said.lines().count() == 1 && said.contains("--merge"), "{said}");
    let (code, said) = store(&["import", file, "--replace"], &other.data());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("imported 0 records"), "{said}");
    let piped = World::empty();
    let through = binary()
        .args(["store", "import", "-", "--data-dir"])
        .arg(piped.data())
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert_eq!(through.status.code(), Some(0), "{through:?}");
    let (code, said) = store(&["import", file, "--replace"], &piped.data());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("imported 0 records"), "{said}");
    let third = World::empty();
    let to = third.data();
    let (code, said) = store(&["copy", "--to-data-dir", to.to_str().unwrap()], &other.data());
    assert_eq!(code, 0, "{said}");

    // What was told is known there: it is not told again, and its end is.
    target.say("good");
    let member = third.start_with(&[]);
    member.wait_status("web", "ok");
    third.wait_told(&["web ok recovered"]);
}

#[test]
fn a_damaged_file_is_refused_by_line_and_a_newer_one_as_a_whole() {
    let world = World::empty();
    let file = world.dir.path().join("file");
    let header = r#"{"9volt":"store-export","format":1,"records":1,"version":"x","store":"","revision":1,"time":"2026-01-01T00:00:00Z"}"#;
    std::fs::write(&file, format!("{header}\n{{\"key\":\"monitor/x\"}}\n{{\"end\":1}}\n")).unwrap();
    let name = file.to_str().unwrap();
    let (code, said) = store(&["import", name], &world.data());
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("line 2: ") && said.contains("nothing was imported"),
        "{said}"
    );
    std::fs::write(&file, header.replace("\"format\":1", "\"format\":2")).unwrap();
    let (code, said) = store(&["import", name], &world.data());
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("format 2"), "{said}");
}

#[test]
fn what_the_original_keeps_is_asked_for_only_where_an_etcd_is_named() {
    let world = World::empty();
    let dir = world.dir.path().join("import");
    let dir = dir.to_str().unwrap();
    let run = |more: &[&str]| {
        let output = binary().args(["cfg", dir]).args(more).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["--etcd-v2", "http://127.0.0.1:1"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("etcd at http://127.0.0.1:1"), "{said}");
    assert!(!Path::new(dir).exists(), "nothing is made where nothing was read");
    let (code, said) = run(&["--etcd-v2", "http://127.0.0.1:1", "--replace"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("cannot be used with"), "{said}");
}
