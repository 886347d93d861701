//! Flags and variables: what counts, and what is said of a wrong one.

use std::net::TcpListener;
use std::process::Command;

use super::world::binary;

/// Exit code and all that was said.
fn end(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

#[test]
fn a_variable_that_is_set_to_nothing_counts_as_not_set() {
    let (code, said) = end(binary().args(["cfg", "/nowhere"]).envs([
        ("NINEV_DEBUG", ""),
        ("NINEV_SERVER", ""),
        ("NINEV_DATA_DIR", ""),
    ]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("No such file or directory '/nowhere'"), "{said}");
}

#[test]
fn a_password_of_the_wrong_form_is_refused_and_not_shown() {
    let (code, said) = end(binary().arg("server").env("NINEV_ETCD_USERPASS", "hunter2"));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("username:password") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn a_self_test_needs_a_port_and_a_silence_a_length() {
    let (code, said) = end(binary().args(["server", "--self-test", "10.0.0.1:443,gateway"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("`gateway` is no place to connect to"), "{said}");
    let (code, said) = end(binary().arg("server").env("NINEV_ISOLATED_AFTER", "sometimes"));
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("or `never`"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (code, said) = end(binary()
        .args([
            "server",
            "--listen",
            &taken.local_addr().unwrap().to_string(),
            "--data-dir",
        ])
        .arg(dir.path()));
    assert_eq!(code, 1, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(said.matches("in use").count(), 1, "{said}");
}

#[test]
fn cfg_opens_a_data_directory_only_when_the_command_line_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let configs = dir.path().join("configs");
    let data = dir.path().join("data");
    std::fs::create_dir(&configs).unwrap();
    std::fs::write(
        configs.join("a.yaml"),
        "monitor:\n  m: {type: exec, command: echo, interval: 10s, critical-alerter: [opps]}\n",
    )
    .unwrap();
    // The variable is the server's, and the server runs: it is asked.
    let nobody = "http://127.0.0.1:1";
    let (code, said) = end(binary()
        .arg("cfg")
        .arg(&configs)
        .args(["--server", nobody])
        .env("NINEV_DATA_DIR", &data));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("127.0.0.1:1") && !data.exists(), "{said}");

    let named = || {
        let mut cfg = binary();
        cfg.arg("cfg").arg(&configs).arg("--data-dir").arg(&data);
        cfg
    };
    let (code, said) = end(named().arg("--dryrun"));
    assert!(code == 0 && said.contains("monitor") && !data.exists(), "{code} {said}");

    let (code, said) = end(&mut named());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("pushed 1 monitor"), "{said}");
    // What only the store can tell is told too, with its line.
    assert!(
        said.contains("a.yaml:2:") && said.contains("names the alerter `opps`"),
        "{said}"
    );

    let both = ["--server", nobody, "--data-dir"];
    let (code, said) = end(binary().arg("cfg").arg(&configs).args(both).arg(&data));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("either --server or --data-dir"), "{said}");
}
