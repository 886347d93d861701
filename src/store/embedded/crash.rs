//! `kill -9`: a child process, this test binary again, acknowledges commits and dies at any time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::future::join_all;

use super::*;
use crate::store::backend::Op;

/// Names the directory to the child. Without it, it writes a little and ends.
const DIR: &str = "NINEVOLT_CRASH_TEST_DIR";
/// Writers of the child at the same time.
const WRITERS: usize = 5;
const ROUNDS: usize = 6;

fn key(writer: usize, n: usize) -> Key {
    Key::new(format!("silence/{writer}-{n:06}"))
}

fn value(writer: usize, n: usize) -> bytes::Bytes {
    bytes::Bytes::from(format!("{writer} {n} ").repeat(20 + n % 50))
}

/// One writer: commits one after the other from where it was, and says so when each is acknowledged.
async fn write(store: &Embedded, writer: usize, commits: usize) {
    let prefix = Key::new("silence/");
    let there = store.list(&prefix, None).await.unwrap().entries;
    let from = there
        .iter()
        .filter(|e| e.key.as_str().starts_with(&format!("silence/{writer}-")))
        .count();
    for n in from..from.saturating_add(commits) {
        let commit = Commit {
            guards: vec![Guard::Absent(key(writer, n))],
            ops: vec![Op::Put(key(writer, n), value(writer, n), None)],
        };
        let outcome = store.commit_all(&[], vec![commit]).await.remove(0);
        assert!(outcome.revision().is_some(), "{outcome:?}");
        // Not `println!`: that waits in a buffer of the test harness.
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nack {writer} {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn writers_go_on_where_they_were() {
    let (dir, commits) = match std::env::var_os(DIR) {
        Some(dir) => (std::path::PathBuf::from(dir), usize::MAX),
        None => (tempfile::tempdir().unwrap().keep(), 3),
    };
    let store = Embedded::open(&dir).await.unwrap();
    join_all((0..WRITERS).map(|writer| write(&store, writer, commits))).await;
    assert_eq!(store.list(&Key::new("silence/"), None).await.unwrap().at, Revision(15));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Runs the child, kills it after so many acknowledgements, returns how many it gave to each writer's commits in the end.
fn run_and_kill(dir: &Path, after: usize) -> Vec<(usize, usize)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::embedded::crash::writers_go_on_where_they_were",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // To the end of the pipe: what was said before it died counts.
    for line in lines {
        let line = line.unwrap();
        let mut words = line.split(' ');
        if let (Some("ack"), Some(writer), Some(n)) = (words.next(), words.next(), words.next()) {
            acknowledged.push((writer.parse().unwrap(), n.parse().unwrap()));
            if acknowledged.len() == after {
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(acknowledged.len() >= after, "the child ended by itself");
    acknowledged
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let (at, after) = (dir.path().to_owned(), fastrand::usize(1..120));
        let child = blocking(move || Ok(run_and_kill(&at, after)));
        acknowledged.extend(child.await.unwrap());
        let store = Embedded::open(dir.path()).await.unwrap();
        let there = store.list(&Key::new("silence/"), None).await.unwrap().entries;
        let there: std::collections::BTreeMap<_, _> = there.into_iter().map(|e| (e.key, e.value)).collect();
        for (writer, n) in &acknowledged {
            assert_eq!(
                there.get(&key(*writer, *n)),
                Some(&value(*writer, *n)),
                "round {round}, killed after {after}"
            );
        }
        assert!(
            there.len() <= acknowledged.len() + WRITERS * (round + 1),
            "at most one more of each writer and round"
        );
    }
}
