//! What is in the way of a start is said in one line, before anything runs.

use std::net::TcpListener;
use std::process::Output;

use super::world::{Target, World, binary, server, wait_for, web};

/// Runs to its end; its complaint, which has to be one line.
fn refused(output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(output.stdout.is_empty());
    said
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = server(&data, None)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .output()
        .unwrap();
    let said = refused(&output, 1);
    assert!(said.contains(&port.to_string()) && said.contains("--listen"), "{said}");
    assert_eq!(said.matches("in use").count(), 1, "{said}");
    assert!(!data.exists(), "something was begun");
}

#[test]
fn a_data_directory_of_another_process_is_refused() {
    let target = Target::start("good");
    let world = World::of(&target);
    let first = world.start();
    let said = refused(&server(&world.data(), None).output().unwrap(), 1);
    assert!(said.contains(&*world.data().to_string_lossy()), "{said}");
    assert!(said.contains("in use by another"), "{said}");
    // The first one did not notice.
    first.wait_status("web", "ok");
}

#[test]
fn a_data_directory_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let said = refused(&server(&file, None).output().unwrap(), 1);
    assert!(said.contains(&*file.to_string_lossy()), "{said}");
}

#[test]
fn definitions_that_cannot_be_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let said = refused(&server(&dir.path().join("data"), Some(&missing)).output().unwrap(), 1);
    assert!(said.contains(&*missing.to_string_lossy()), "{said}");
}

#[test]
fn a_listen_address_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = server(dir.path(), None).args(["--listen", "nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--listen") && said.contains("nowhere"), "{said}");
}

#[test]
fn what_cannot_be_meant_about_etcd_is_refused_without_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [(&[&str], &str); 5] = [
        (&["-e", "http://root:hunter2@127.0.0.1:1"], "--etcd-userpass"),
        (&["-e", "127.0.0.1:1", "-U", "hunter2"], "username:password"),
        (&["-e", "127.0.0.1:1", "--etcd-ca", "/missing.pem"], "/missing.pem"),
        (&["-e", "127.0.0.1:1", "--etcd-cert", "/missing.pem"], "together"),
        (&["-e", "127.0.0.1:1", "-p", "/"], "prefix"),
    ];
    for (args, says) in rows {
        let said = refused(&server(dir.path(), None).args(args).output().unwrap(), 1);
        assert!(said.contains(says) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn the_start_says_where_its_state_is_kept() {
    let world = World::empty();
    let _server = world.start();
    let data = world.data();
    world
        .log
        .wait(0, "the data directory", |line| line.contains(&*data.to_string_lossy()));
}

#[test]
fn secrets_are_in_no_log_line_and_no_answer() {
    const SECRET: &str = "xoxb-very-secret-4711";
    let target = Target::start("good");
    let world = World::of(&target);
    let slack = format!(
        "alerter:\n  chat: {{type: slack, options: {{token: {SECRET}, channel: c, base-url: 'http://127.0.0.1:9'}}}}\n  \
         hook: {{type: slack, options: {{url: 'http://127.0.0.1:9/{SECRET}'}}}}\n"
    );
    world.write("chat.yaml", &slack);
    let mut spec = web(&target);
    spec["bearer-token"] = SECRET.into();
    spec["critical-alerter"] = serde_json::json!(["console", "chat", "hook"]);
    world.define("web.yaml", &[("web", spec)]);
    let server = world.start_with(&["--debug", "--access-tokens", ""]);
    server.wait_status("web", "ok");
    target.say("bad");
    world.wait_told(&["web critical"]);
    for alerter in ["chat", "hook"] {
        wait_for("an attempt at the other alerters", || {
            let tried = server.get(&format!("/api/v1/notification?alerter={alerter}"));
            tried["items"][0]["error"].is_string().then_some(())
        });
    }
    for path in [
        "monitor/web",
        "state/web",
        "state",
        "alerters",
        "alerter",
        "event",
        "events",
        "notification",
        "kinds",
    ] {
        let answer = server.get(&format!("/api/v1/{path}")).to_string();
        assert!(!answer.contains(SECRET), "{path}: {answer}");
    }
    let told: Vec<_> = world.alerts().iter().map(ToString::to_string).collect();
    for line in world.log.all().iter().chain(&told) {
        assert!(!line.contains(SECRET), "{line}");
    }
}

#[test]
fn the_version_is_printed_with_both_flags() {
    for flag in ["-v", "--version"] {
        let output = binary().arg(flag).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.starts_with(env!("CARGO_PKG_VERSION")) && said.contains(" - "),
            "{said}"
        );
    }
}
