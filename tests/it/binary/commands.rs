//! Commands beside `server`: what they print, and how they end.

use std::path::Path;
use std::process::Output;

use serde_json::json;

use super::world::{Server, Target, World, binary, web, web_with};

fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = binary().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn check(dir: &Path, spec: serde_json::Value) -> (i32, String) {
    let file = dir.join("check.yaml");
    std::fs::write(&file, json!({"monitor": {"web": spec}}).to_string()).unwrap();
    let (code, out, err) = run(&["check", file.to_str().unwrap()]);
    assert_eq!(err, "");
    (code, out)
}

#[test]
fn check_ends_by_verdict_and_explains_it() {
    let mut target = Target::start("good");
    let dir = tempfile::tempdir().unwrap();
    let (code, said) = check(dir.path(), web(&target));
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("pass") && said.contains("connect"), "{said}");

    let (code, said) = check(dir.path(), web_with(&target, json!({"slow": "1ns"})));
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("degraded"), "{said}");

    target.say("bad");
    let (code, said) = check(dir.path(), web(&target));
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("fail") && said.contains("good"), "{said}");

    target.die();
    let (code, said) = check(dir.path(), web(&target));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn check_asks_a_server_for_a_monitor_by_name() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    let url = format!("http://{}", server.address);
    let (code, out, err) = run(&["check", "web", "--server", &url]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("pass"), "{out}");
    let (code, out, err) = run(&["check", "nobody", "--server", &url]);
    assert_eq!(code, 3, "what could not be tried is unknown: {out}{err}");
    assert!(err.contains("nobody"), "{err}");
}

#[test]
fn check_of_a_file_with_an_error_shows_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yaml");
    std::fs::write(&file, "monitor:\n  web:\n    type: htp\n    interval: 10s\n").unwrap();
    let (code, _, err) = run(&["check", file.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(err.contains("bad.yaml:3:") && err.contains("http"), "{err}");
}

fn cfg(server: &Server, dir: &Path, more: &[&str]) -> (i32, String) {
    let url = format!("http://{}", server.address);
    let mut args = vec!["cfg", dir.to_str().unwrap(), "--server", &url];
    args.extend(more);
    let (code, out, err) = run(&args);
    (code, format!("{out}{err}"))
}

#[test]
fn cfg_plans_applies_and_ends_by_outcome() {
    let target = Target::start("good");
    let world = World::of(&target);
    let empty = World::empty();
    // A server that keeps in line with nothing; the directory of `world` is pushed to it.
    let server = empty.start();
    let dir = world.configs();

    let (code, said) = cfg(&server, &dir, &["--dryrun"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        server.ask("GET", "/api/v1/state/web", None).0,
        404,
        "a dry run changed something"
    );

    let (code, said) = cfg(&server, &dir, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Found 2 alerter configs and 1 monitor configs"), "{said}");
    server.wait_status("web", "ok");

    let (code, said) = cfg(&server, &dir, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("pushed 0 monitor configs") || said.contains("pushed 0"),
        "{said}"
    );

    // A file that does not parse: what it defined stays, the rest is applied, and the end says so.
    world.define("more.yaml", &[("more", web(&target))]);
    world.write("web.yaml", "monitor: {web: [");
    let (code, said) = cfg(&server, &dir, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("web.yaml"), "{said}");
    server.wait_status("more", "ok");
    server.wait_status("web", "ok");

    // An empty directory would remove everything.
    let nothing = tempfile::tempdir().unwrap();
    let (code, said) = cfg(&server, nothing.path(), &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--yes"), "{said}");
    server.wait_status("web", "ok");
    let (code, said) = cfg(&server, nothing.path(), &["--yes"]);
    assert_eq!(code, 0, "{said}");
    super::world::wait_for("web to be removed", || {
        (server.ask("GET", "/api/v1/state/web", None).0 == 404).then_some(())
    });
}

#[test]
fn cfg_without_a_server_says_whom_it_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = run(&[
        "cfg",
        dir.path().to_str().unwrap(),
        "--yes",
        "--server",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("127.0.0.1:1"), "{err}");
}

#[test]
fn silences_are_added_listed_and_removed() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    let url = format!("http://{}", server.address);
    let (code, out, err) = run(&[
        "silence",
        "add",
        "name=web",
        "--duration",
        "2h",
        "-c",
        "moving",
        "--server",
        &url,
    ]);
    assert_eq!(code, 0, "{out}{err}");
    let id = server.get("/api/v1/silence")["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (code, out, err) = run(&["silence", "list", "--server", &url]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains(&id) && out.contains("moving") && out.contains("web"),
        "{out}"
    );
    let (code, out, err) = run(&["silence", "remove", &id, "--server", &url]);
    assert_eq!(code, 0, "{out}{err}");
    let (_, out, _) = run(&["silence", "list", "--server", &url]);
    assert!(!out.contains(&id), "{out}");
}

#[test]
fn members_are_listed_drained_and_weighed() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    let url = format!("http://{}", server.address);
    let member = |args: &[&str]| run(&[&["member"], args, &["--server", &url]].concat());
    let (code, out, err) = member(&["list"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("MEMBER") && out.contains("director"), "{out}");
    let id = server.get("/api/v1/member")["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let judges = server.get("/api/v1/monitor/web/judges");
    assert_eq!(judges["items"][0]["member"], id);
    // Nobody else may hold anything, so that all of it stays.
    let (code, _, err) = member(&["drain", &id, "--wait", "--timeout", "300ms", "--by", "ann"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("nobody else may hold"), "{err}");
    let (_, out, _) = member(&["show", &id]);
    assert!(out.contains("drained") && out.contains("by ann"), "{out}");
    for args in [
        &["undrain", &id][..],
        &["cordon", &id],
        &["uncordon", &id],
        &["weight", &id, "3"],
    ] {
        let (code, out, err) = member(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
    }
    // Its own again: one for each core.
    let (_, out, _) = member(&["weight", &id]);
    let cores = std::thread::available_parallelism().unwrap();
    assert!(out.contains(&format!("weight {cores}")), "{out}");
    let (code, _, err) = member(&["remove", &id]);
    assert!(code == 1 && err.contains("lives"), "{err}");
    let (code, _, err) = member(&["drain", "nobody"]);
    assert!(code == 1 && err.contains("nobody"), "{err}");
}

#[test]
fn alerters_are_listed_and_tried() {
    let target = Target::start("good");
    let world = World::of(&target);
    let server = world.start();
    server.wait_status("web", "ok");
    let url = format!("http://{}", server.address);
    let (code, out, err) = run(&["alerter", "list", "--server", &url]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("console") && out.contains("log"), "{out}");
    let (code, out, err) = run(&["alerter", "test", "console", "--server", &url]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("standard output"), "{out}");
    let (code, out, err) = run(&["alerter", "test", "nobody", "--server", &url]);
    assert_ne!(code, 0, "{out}{err}");
}

#[test]
fn the_binary_writes_its_own_manual_and_completions() {
    let (code, man, _) = run(&["generate", "man"]);
    assert_eq!(code, 0);
    assert!(man.contains(".TH 9volt") && man.contains("etcd"), "{man}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(&["generate", "completions", shell]);
        assert_eq!(code, 0);
        assert!(out.contains("9volt"), "{shell}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_one_as_the_original_does() {
    assert_eq!(run(&[]).0, 1);
    let (code, _, err) = run(&["server", "--lissten", ":1"]);
    assert_eq!(code, 1);
    assert!(err.contains("--lissten") && err.contains("--listen"), "{err}");
}
