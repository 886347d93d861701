//! Rules do no I/O, read no clock and spawn nothing: time and data come in as parameters. And no test waits for time to pass.

use super::source::{File, files};

/// Modules that are rules only.
const PURE: &[&str] = &[
    "model",
    "state",
    "schedule",
    "silences",
    "results",
    "alerters/snmp/engine",
    "alerters/snmp/message",
    "alerters/snmp/mib",
    "alerters/snmp/peerpair",
    "alerters/snmp/texts",
    "catalog/loads",
    "cluster/past",
    "cutoff/courier/errand",
    "cutoff/courier/taking",
    "cutoff/learn",
    "cutoff/newest",
    "cutoff/notices/rules",
    "cutoff/round",
    "cutoff/rules",
    "director/pace",
    "director/plan",
    "store/packed",
    "store/standin/finding",
    "store/standin/known",
    "store/standin/scope",
    "notifications/dedup",
    "notifications/gate",
    "notifications/lane",
    "notifications/message",
    "notifications/pace",
    "notifications/trying",
    "notifications/undelivered",
    "config/sync/diff",
    "config/sync/plan",
    "manager/commits",
    "peers/calls",
    "peers/wire",
    "manager/route",
    "mesh/probing",
    "mesh/reflecting",
    "mesh/wire",
    "watchdog/rules",
];

/// What a rule does not do.
const IMPURE: &[&str] = &[
    "tokio::time",
    "tokio::spawn",
    "tokio::task",
    "tokio::net",
    "tokio::fs",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "std::env",
    "SystemTime::now",
    "Instant::now",
    "WallMs::now",
    "Timestamp::now",
    "fastrand",
    "tracing::",
];

/// Exceptions: module, what, why.
const EXCEPT: &[(&str, &str, &str)] = &[
    (
        "model/time",
        "SystemTime::now",
        "the one place that reads the wall clock, for shells; no rule calls it",
    ),
    (
        "cutoff/round",
        "tokio::time",
        "the type of a moment, as sessions and lines name theirs",
    ),
    (
        "cutoff/notices/rules",
        "tokio::time",
        "the type of a moment, as the rules of states have theirs",
    ),
    (
        "notifications/trying",
        "tokio::time",
        "the type of a moment, as the shells that use it have theirs",
    ),
    (
        "cutoff/rules",
        "tokio::time",
        "the type of a moment, as sessions and lines name theirs",
    ),
];

#[test]
fn rules_do_no_io_read_no_clock_and_spawn_nothing() {
    let mut complaints = Vec::new();
    for file in files("src") {
        let module = file.module();
        let pure = PURE
            .iter()
            .any(|p| module == *p || module.starts_with(&format!("{p}/")));
        if !pure {
            continue;
        }
        for (number, line) in file.shipped() {
            for what in IMPURE.iter().filter(|w| line.contains(**w)) {
                if !EXCEPT.iter().any(|(m, w, _)| *m == module && w == what) {
                    complaints.push(format!("{}:{number}: `{what}` in a rule", file.path));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Where the clock cannot be paused, and why.
const REAL_TIME: &[(&str, &str)] = &[(
    "src/store/etcd/tests/",
    "real etcd is another process: its leases end by its own clock, and it says to nobody that it has started",
)];

#[test]
fn no_test_waits_for_time_to_pass() {
    let mut complaints = Vec::new();
    let all: Vec<File> = files("src").into_iter().chain(files("tests")).collect();
    let paused = |file: &&File| !REAL_TIME.iter().any(|(path, _)| file.path.starts_with(path));
    for file in all.iter().filter(|file| !file.path.contains("tidy/")).filter(paused) {
        for (number, line) in file.tested().filter(|(_, line)| line.contains("sleep(")) {
            let paused = match around(file, number) {
                Around::PausedTest => true,
                Around::Test => false,
                // What tests share may sleep where they pause the clock.
                Around::Helper => all.iter().any(|other| folder(other) == folder(file) && pauses(other)),
            };
            if !paused {
                complaints.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "pause the clock (`start_paused = true`), or await what you wait for:\n{}",
        complaints.join("\n")
    );
}

/// What a line of test code stands in.
enum Around {
    PausedTest,
    Test,
    Helper,
}

fn around(file: &File, line: usize) -> Around {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let mut inner = indent(&file.lines[line - 1]);
    let mut at = line - 1;
    while at > 0 {
        at -= 1;
        let text = &file.lines[at];
        if text.trim().is_empty() || indent(text) >= inner {
            continue;
        }
        inner = indent(text);
        if !text.trim_start().starts_with("async fn ") && !text.trim_start().starts_with("fn ") {
            continue;
        }
        let attributes = file.lines[..at]
            .iter()
            .rev()
            .take_while(|l| l.trim_start().starts_with("#["));
        let attributes: Vec<&String> = attributes.collect();
        if attributes.iter().any(|a| a.contains("start_paused = true")) {
            return Around::PausedTest;
        }
        if attributes
            .iter()
            .any(|a| a.contains("#[test]") || a.contains("#[tokio::test"))
        {
            return Around::Test;
        }
        return Around::Helper;
    }
    Around::Helper
}

fn pauses(file: &File) -> bool {
    file.lines.iter().any(|line| line.contains("start_paused = true"))
}

fn folder(file: &File) -> &str {
    file.path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
