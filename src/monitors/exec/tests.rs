//! With real processes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout};

use super::Exec;
use crate::model::{MASK, Outcome, Phase, Reason, Severity, Verdict};
use crate::monitors::test_kit::{AMPLE, cx, fact, found_problems, monitor, once, open_descriptors, run};

/// Enough for `sh` to start on a busy machine; the run is over after it.
const SHORT: Duration = Duration::from_millis(500);

async fn check(own: Value) -> Verdict {
    once("exec", own, AMPLE).await
}

async fn sh(script: &str) -> Verdict {
    check(json!({"command": "sh", "args": ["-c", script]})).await
}

async fn nagios(script: &str) -> Verdict {
    check(json!({"command": "sh", "args": ["-c", script], "format": "nagios"})).await
}

/// A named pipe that processes hold open. Its end is the event that the last of them is gone.
struct Witness {
    _directory: tempfile::TempDir,
    path: String,
    reader: pipe::Receiver,
}

impl Witness {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alive");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let reader = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        Self {
            path: path.to_str().unwrap().to_owned(),
            reader,
            _directory: directory,
        }
    }

    /// What they wrote, once nobody holds it any more.
    async fn last_words(mut self) -> String {
        let mut words = String::new();
        timeout(AMPLE, self.reader.read_to_string(&mut words))
            .await
            .expect("a process is left over")
            .unwrap();
        words
    }
}

#[tokio::test]
async fn a_command_that_ends_well_and_prints_what_is_expected_passes() {
    let verdict = check(json!({"command": "echo", "args": ["hello", "world"], "expect": "world"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(fact(&verdict, "exec_exit_code"), Some(0.0));
    assert_eq!(fact(&verdict, "exec_output_bytes"), Some(12.0));
    let phases: Vec<_> = verdict.phases.iter().map(|(phase, _)| phase).collect();
    assert_eq!(phases, [Phase::Connect, Phase::FirstByte]);
}

#[tokio::test]
async fn arguments_reach_the_command_as_they_are() {
    let verdict = check(json!({"command": "echo", "args": ["$HOME; echo *", "|"], "expect": "$HOME; echo * |"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
}

#[tokio::test]
async fn standard_output_and_standard_error_are_one_text_in_order() {
    let script = "echo one; echo two >&2; echo three";
    let verdict = check(json!({"command": "sh", "args": ["-c", script], "expect": "one\ntwo\nthree\n"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
}

#[tokio::test]
async fn another_exit_code_fails_with_the_originals_words() {
    let verdict = sh("echo a; echo b; exit 1").await;
    assert_eq!((verdict.outcome, verdict.reason), (Outcome::Fail, Some(Reason::Status)));
    assert_eq!(
        verdict.message,
        r"Command 'sh -c echo a; echo b; exit 1' exited with '1', expected '0'. Output: a\nb"
    );
    let verdict = check(json!({"command": "true", "return-code": 3})).await;
    assert_eq!(
        verdict.message,
        "Command 'true' exited with a '0' return code, expected '3'"
    );
}

#[tokio::test]
async fn output_is_looked_at_even_when_the_expected_code_is_not_zero() {
    let own = |expect| json!({"command": "sh", "args": ["-c", "echo no; exit 2"], "return-code": 2, "expect": expect});
    assert_eq!(check(own("no")).await.outcome, Outcome::Pass);
    let verdict = check(own("yes")).await;
    assert_eq!(verdict.reason, Some(Reason::Content));
    assert_eq!(
        verdict.message,
        "Command 'sh -c echo no; exit 2' output does not contain expected output. Expected: yes Output: no"
    );
}

#[tokio::test]
async fn output_can_be_expected_by_a_regular_expression() {
    let own = |regex| json!({"command": "echo", "args": ["load 0.5"], "expect-regex": regex});
    assert_eq!(check(own(r"load \d")).await.outcome, Outcome::Pass);
    assert_eq!(check(own(r"load \s")).await.reason, Some(Reason::Content));
}

#[tokio::test]
async fn a_command_that_does_not_end_is_killed_with_all_that_it_started() {
    let witness = Witness::new();
    let script = format!("(echo ready; exec sleep 1000) > {} & wait", witness.path);
    let begun = Instant::now();
    let verdict = once("exec", json!({"command": "sh", "args": ["-c", script]}), SHORT).await;
    assert_eq!(
        (verdict.outcome, verdict.reason),
        (Outcome::Fail, Some(Reason::Timeout))
    );
    assert!(
        verdict.message.ends_with("exceeded run timeout (500ms)"),
        "{}",
        verdict.message
    );
    assert!(begun.elapsed() < AMPLE);
    assert_eq!(witness.last_words().await, "ready\n");
}

#[tokio::test]
async fn the_group_is_asked_before_it_is_killed() {
    let witness = Witness::new();
    let script = format!(
        "exec > {}; trap 'echo asked; exit' TERM; echo ready; sleep 1000 & wait",
        witness.path
    );
    // Two seconds, for the longest grace.
    let own = json!({"command": "sh", "args": ["-c", script]});
    let verdict = once("exec", own, Duration::from_secs(2)).await;
    assert_eq!(verdict.reason, Some(Reason::Timeout));
    assert_eq!(witness.last_words().await, "ready\nasked\n");
}

#[tokio::test]
async fn who_does_not_listen_to_the_request_is_killed() {
    let witness = Witness::new();
    let script = format!("exec > {}; trap '' TERM; echo ready; sleep 1000", witness.path);
    let verdict = once("exec", json!({"command": "sh", "args": ["-c", script]}), SHORT).await;
    assert_eq!(verdict.reason, Some(Reason::Timeout));
    assert_eq!(witness.last_words().await, "ready\n");
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_the_check() {
    let witness = Witness::new();
    let script = format!("echo ready > {0}; sleep 1000 3> {0} & echo done", witness.path);
    let verdict = check(json!({"command": "sh", "args": ["-c", script], "expect": "done"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(witness.last_words().await, "ready\n");
}

#[tokio::test]
async fn a_grandchild_that_left_the_group_does_not_hold_the_check_either() {
    let begun = Instant::now();
    let verdict = sh("setsid sleep 3 & echo done").await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_run_that_is_cancelled_takes_its_processes_with_it() {
    let witness = Witness::new();
    let script = format!("(echo ready; exec sleep 1000) > {} & wait", witness.path);
    let cancelled = timeout(SHORT, check(json!({"command": "sh", "args": ["-c", script]}))).await;
    assert!(cancelled.is_err());
    assert_eq!(witness.last_words().await, "ready\n");
}

#[tokio::test]
async fn endless_output_ends_at_the_deadline() {
    let verdict = once("exec", json!({"command": "yes"}), Duration::from_millis(100)).await;
    assert_eq!(verdict.reason, Some(Reason::Timeout), "{verdict:?}");
}

#[tokio::test]
async fn a_command_that_cannot_be_started_is_the_definitions_fault() {
    let directory = tempfile::tempdir().unwrap();
    let plain_file = directory.path().join("plain");
    std::fs::write(&plain_file, "").unwrap();
    std::fs::set_permissions(&plain_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (own, word) in [
        (json!({"command": "/no/such/program"}), "127"),
        (json!({"command": "no-such-program-in-path"}), "127"),
        (json!({"command": "no-such-program", "clear-env": true}), "127"),
        (json!({"command": plain_file.to_str().unwrap()}), "126"),
        (
            json!({"command": "true", "directory": "/no/such/directory"}),
            "directory '/no/such/directory'",
        ),
    ] {
        let verdict = check(own.clone()).await;
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Fail, Some(Reason::Command)),
            "{own}"
        );
        assert!(
            verdict.message.starts_with("Unexpected error during command '"),
            "{}",
            verdict.message
        );
        assert!(verdict.message.contains(word), "{}", verdict.message);
    }
}

#[tokio::test]
async fn death_by_a_signal_is_named() {
    let verdict = sh("echo before; kill -SEGV $$").await;
    assert_eq!((verdict.outcome, verdict.reason), (Outcome::Fail, Some(Reason::Status)));
    assert!(
        verdict.message.contains("was killed by signal 11 (SIGSEGV"),
        "{}",
        verdict.message
    );
    assert!(verdict.message.ends_with("Output: before"), "{}", verdict.message);
    let verdict = nagios("kill -KILL $$").await;
    assert_eq!(
        (verdict.outcome, verdict.reason),
        (Outcome::Unknown, Some(Reason::PlugIn))
    );
    assert!(
        verdict.message.contains("was killed by signal 9 (SIGKILL)"),
        "{}",
        verdict.message
    );
}

#[tokio::test]
async fn variables_are_added_to_the_environment_or_replace_it() {
    let own = |clear| json!({"command": "/usr/bin/env", "env": {"ADDED": "value"}, "clear-env": clear, "expect-regex": "(?m)^PATH="});
    assert_eq!(check(own(false)).await.outcome, Outcome::Pass);
    assert_eq!(check(own(true)).await.reason, Some(Reason::Content));
    let added = json!({"command": "env", "env": {"ADDED": "value"}, "clear-env": true, "expect": "ADDED=value\n"});
    assert_eq!(check(added).await.outcome, Outcome::Pass);
}

#[tokio::test]
async fn values_of_variables_are_shown_nowhere() {
    let own = json!({"command": "env", "env": {"TOKEN": "hunter2"}, "return-code": 1});
    let exec: Exec = serde_json::from_value(own).unwrap();
    assert!(!format!("{exec:?}").contains("hunter2"));
    let own = json!({"command": "env", "env": {"TOKEN": "hunter2"}, "clear-env": true, "expect": "nothing like it"});
    let verdict = check(own).await;
    assert!(
        verdict.message.contains(&format!("TOKEN={MASK}")),
        "{}",
        verdict.message
    );
    let own =
        json!({"command": "sh", "args": ["-c", "echo OK $TOKEN"], "env": {"TOKEN": "hunter2"}, "format": "nagios"});
    assert_eq!(check(own).await.message, format!("OK {MASK}"));
    let not_text = found_problems("exec", json!({"command": "env", "env": {"TOKEN": 12345}}));
    assert!(
        not_text[0].message.contains("`TOKEN`") && !not_text[0].message.contains("12345"),
        "{not_text:?}"
    );
}

#[tokio::test]
async fn plug_ins_print_numbers_with_points() {
    let own = json!({"command": "sh", "args": ["-c", "echo numeric=$LC_NUMERIC all=$LC_ALL."], "format": "nagios", "expect": "numeric=C all=."});
    assert_eq!(check(own).await.outcome, Outcome::Pass);
}

#[tokio::test]
async fn a_command_can_have_a_directory_and_an_input() {
    let verdict = check(json!({"command": "pwd", "directory": "/usr", "expect": "/usr\n"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    let verdict = check(json!({"command": "cat", "stdin": "some text", "expect": "some text"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    // Without an input, what reads it finds its end at once.
    let verdict = check(json!({"command": "cat"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
}

#[tokio::test]
async fn input_that_does_not_fit_into_a_pipe_is_no_obstacle() {
    let text = "x".repeat(1_000_000);
    let verdict = check(json!({"command": "cat", "stdin": text})).await;
    assert_eq!(
        fact(&verdict, "exec_output_bytes"),
        Some(1_000_000.0),
        "{:?}",
        verdict.reason
    );
    let unread = check(json!({"command": "true", "stdin": text})).await;
    assert_eq!(unread.outcome, Outcome::Pass, "{unread:?}");
}

#[tokio::test]
async fn output_beyond_the_limit_is_counted_and_dropped() {
    let script = "echo start; head -c 1000000 /dev/zero; echo end; exit 1";
    let verdict = check(json!({"command": "sh", "args": ["-c", script], "max-output": 6})).await;
    assert_eq!(fact(&verdict, "exec_output_bytes"), Some(1_000_010.0));
    assert!(verdict.message.ends_with("Output: start"), "{}", verdict.message);
    let wanted = json!({"command": "sh", "args": ["-c", script], "max-output": 6, "return-code": 1, "expect": "end"});
    assert_eq!(check(wanted).await.reason, Some(Reason::Content));
}

#[tokio::test]
async fn a_message_shows_a_bounded_part_of_hostile_output_on_one_line() {
    let verdict = sh("printf '\\033[2J\\r\\n'; head -c 5000 /dev/urandom; exit 1").await;
    assert!(!verdict.message.chars().any(char::is_control), "{:?}", verdict.message);
    assert!(verdict.message.len() < 20_000);
}

#[tokio::test]
async fn the_exit_code_of_a_plug_in_is_its_state() {
    for (code, outcome, reason) in [
        (0, Outcome::Pass, None),
        (1, Outcome::Degraded, Some(Reason::Status)),
        (2, Outcome::Fail, Some(Reason::Status)),
        (3, Outcome::Unknown, Some(Reason::PlugIn)),
    ] {
        let verdict = nagios(&format!("echo 'STATE: text | a=1'; exit {code}")).await;
        assert_eq!((verdict.outcome, verdict.reason), (outcome, reason), "{code}");
        assert_eq!(verdict.message, "STATE: text");
        assert_eq!(fact(&verdict, "perfdata_a"), Some(1.0));
    }
    for (code, word) in [
        (4, "no plug-in state"),
        (126, "not executable"),
        (127, "does not exist"),
        (255, "'255'"),
    ] {
        let verdict = nagios(&format!("exit {code}")).await;
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Unknown, Some(Reason::PlugIn)),
            "{code}"
        );
        assert!(verdict.message.contains(word), "{}", verdict.message);
        assert!(verdict.message.ends_with("(no output)"), "{}", verdict.message);
    }
}

#[tokio::test]
async fn a_plug_in_that_does_not_end_fails_like_any_command() {
    let own = json!({"command": "sleep", "args": ["1000"], "format": "nagios"});
    let verdict = once("exec", own, Duration::from_millis(100)).await;
    assert_eq!(
        (verdict.outcome, verdict.reason),
        (Outcome::Fail, Some(Reason::Timeout))
    );
    assert_eq!(verdict.message, "Command 'sleep 1000' exceeded run timeout (100ms)");
}

/// Children of this process that have ended and were not reaped.
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        std::fs::read_to_string(Path::new(&path).join("stat")).ok()
    });
    stats
        .filter(|stat| {
            // Behind the name in parentheses: state, parent.
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            fields.next() == Some("Z") && fields.next() == Some(&own)
        })
        .count()
}

#[tokio::test]
async fn thousands_of_runs_that_fail_leak_neither_descriptors_nor_processes() {
    const EACH: usize = 700;
    let failing = [
        (monitor("exec", json!({"command": "false"})), AMPLE, Reason::Status),
        (
            monitor("exec", json!({"command": "/no/such/program"})),
            AMPLE,
            Reason::Command,
        ),
        (
            monitor("exec", json!({"command": "sleep", "args": ["1000"], "stdin": "x"})),
            Duration::from_millis(50),
            Reason::Timeout,
        ),
    ];
    let cx = cx();
    let before = open_descriptors();
    for (monitor, limit, reason) in &failing {
        for _ in 0..EACH / 35 {
            let batch = (0..35).map(|_| run(&cx, monitor.as_ref(), *limit));
            for verdict in futures_util::future::join_all(batch).await {
                assert_eq!(verdict.reason, Some(*reason), "{}", verdict.message);
            }
        }
    }
    assert!(
        open_descriptors() < before + EACH / 2,
        "{before} descriptors, now {}",
        open_descriptors()
    );
    assert!(zombies() < EACH / 10, "{} zombies", zombies());
}

#[test]
fn every_problem_names_its_field() {
    let fields = |own| {
        found_problems("exec", own)
            .into_iter()
            .map(|p| p.field)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found_problems("exec", json!({}))[0].message,
        "'command' cannot be blank"
    );
    assert_eq!(fields(json!({"command": "a\0b"})), ["command"]);
    assert_eq!(fields(json!({"command": "a", "env": {"A=B": "c"}})), ["env.A=B"]);
    assert_eq!(
        fields(json!({"command": "a", "expect-regex": "(", "max-output": 9_999_999})),
        ["max-output", "expect-regex"]
    );
    assert_eq!(fields(json!({"command": "a", "args": [1]})), ["args[0]"]);
    let odd = found_problems("exec", json!({"command": "a", "return-code": 256}));
    assert_eq!(
        (odd[0].severity, odd[0].field.as_str()),
        (Severity::Warning, "return-code")
    );
}

#[test]
fn the_target_is_the_command_line() {
    assert_eq!(
        monitor("exec", json!({"command": "echo", "args": ["a", "b\nc"]})).target(),
        r"echo a b\nc"
    );
}
