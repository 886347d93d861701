//! Rules do no I/O, read no clock and spawn nothing: time and data come in as parameters. And no test waits for time to pass.

use super::source::{File, files};

/// Modules that are rules only.
const PURE: &[&str] = &[
    "model",
    "state",
    "schedule",
    "silences",
    "results",
    "director/plan",
    "notifications/dedup",
    "notifications/message",
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
const EXCEPT: &[(&str, &str, &str)] = &[(
    "model/time",
    "SystemTime::now",
    "the one place that reads the wall clock, for shells; no rule calls it",
)];

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

/// Sleeps in tests that are right: file, and why.
const MAY_SLEEP: &[(&str, &str)] = &[
    (
        "src/store/embedded/tests.rs",
        "a hook of the contract suite, which runs on a paused clock",
    ),
    (
        "src/store/memory.rs",
        "a hook of the contract suite, which runs on a paused clock",
    ),
];

#[test]
fn no_test_waits_for_time_to_pass() {
    let mut complaints = Vec::new();
    for file in files("src").iter().chain(&files("tests")) {
        if MAY_SLEEP.iter().any(|(path, _)| file.path == *path) || file.path.contains("tidy/") {
            continue;
        }
        for (number, line) in file.tested() {
            if line.contains("sleep(") && !clock_is_paused(file, number) {
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

/// Whether the test around a line runs on a paused clock, where a sleep only moves the clock.
fn clock_is_paused(file: &File, line: usize) -> bool {
    for above in file.lines[..line - 1].iter().rev() {
        let above = above.trim();
        if above.contains("start_paused = true") || above.contains("tokio::time::pause()") {
            return true;
        }
        if above.starts_with("#[tokio::test") || above.starts_with("#[test]") {
            return false;
        }
    }
    false
}
