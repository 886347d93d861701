//! Thousands of checks that fail at once leave nothing behind.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::test_kit::{Peer, parse, refusing, run};
use super::{CheckCx, CheckOptions};
use crate::model::Outcome;
use crate::tasks::Tasks;

/// Set in the process that counts: descriptors of tests that run beside this one would spoil the count.
const ALONE: &str = "NINEVOLT_TEST_ALONE";
const CHECKS: usize = 2_000;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn two_thousand_failing_checks_leave_no_descriptor_and_no_task() {
    if std::env::var_os(ALONE).is_none() {
        let name = "monitors::leak_tests::two_thousand_failing_checks_leave_no_descriptor_and_no_task";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(fail_all_at_once());
}

async fn fail_all_at_once() {
    // Few descriptors on purpose: running out of them is one of the failures.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 1_500, 4_096);
    let (_socket, refusing) = refusing();
    let before = descriptors();
    let (silent, resetting) = (Peer::silent().await, Peer::hanging_up(true).await);
    let cx = std::sync::Arc::new(CheckCx::new(CheckOptions::default()));
    let mut checks = Tasks::child_of(&tokio_util::sync::CancellationToken::new());
    for i in 0..CHECKS {
        let port = [refusing, silent.port(), resetting.port()][i % 3];
        let own = json!({"host": "127.0.0.1", "port": port, "expect": "never"});
        let (monitor, _) = match i % 2 {
            0 => parse("tcp", own),
            _ => {
                let mut own = own;
                own["keep-alive"] = json!(true);
                own["ssl"] = json!(i % 4 == 1);
                parse("http", own)
            }
        };
        let cx = std::sync::Arc::clone(&cx);
        checks.spawn(async move { run(&cx, monitor.as_ref(), Duration::from_millis(200)).await.outcome });
    }
    let mut outcomes = [0_usize; 2];
    while let Some(outcome) = checks.next().await {
        match outcome.unwrap() {
            Outcome::Fail => outcomes[0] += 1,
            Outcome::Unknown => outcomes[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outcomes.iter().sum::<usize>(), CHECKS);
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
    drop((silent, resetting));
    // The peers' own side closes as soon as their aborted tasks have been dropped, which takes a few turns.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(descriptors(), before);
    assert_eq!(cx.kept().len(), 0);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}
