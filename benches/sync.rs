//! Configuration as code: a directory of ten thousand monitors into the embedded store, twice.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use tokio::time::Instant;

use crate::definitions::{What, name};
use crate::support::{Selection, Table, cpu_of_children};
use crate::target::Target;

const MONITORS: usize = 10_000;
/// As teams have them: one file each.
const PER_FILE: usize = 100;

pub(crate) fn run(selection: &Selection, table: &mut Table) {
    if !selection.has("cfg") {
        return;
    }
    let target = Target::start();
    let (dir, data) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    write(dir.path(), &target, MONITORS);
    let embedded = ["--data-dir", data.path().to_str().expect("UTF-8")];
    let (first, second) = (sync(dir.path(), &embedded), sync(dir.path(), &embedded));
    let row = |(took, used): (f64, f64)| format!("{took:.2} s ({used:.2} s processor)");
    table.row(
        "cfg of 10,000 monitors, first run",
        "< 2 s",
        row(first),
        Some(first.0 < 2.0),
    );
    table.row(
        "cfg of 10,000 monitors, second run",
        "< 1 s",
        row(second),
        Some(second.0 < 1.0),
    );
}

/// `9volt cfg`, the command: wall clock, and processor time of the process.
pub(crate) fn sync(dir: &Path, store: &[&str]) -> (f64, f64) {
    let (begun, used) = (Instant::now(), cpu_of_children());
    let output = Command::new(env!("CARGO_BIN_EXE_9volt"))
        .arg("cfg")
        .arg(dir)
        .args(store)
        .env_remove("NINEV_ETCD_MEMBERS")
        .output()
        .expect("it starts");
    let took = (begun.elapsed().as_secs_f64(), (cpu_of_children() - used).as_secs_f64());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

/// A directory of so many monitors of the mix.
pub(crate) fn write(dir: &Path, target: &Target, monitors: usize) {
    for file in 0..monitors / PER_FILE {
        let mut text = "monitor:\n".to_owned();
        for n in (file * PER_FILE..).take(PER_FILE) {
            let what = What::of_the_mix(n);
            let _ = writeln!(text, "  {}:", name(what, n));
            let spec = what.spec(target, n, "10s");
            for (key, value) in spec.as_object().expect("a map") {
                let _ = writeln!(text, "    {key}: {value}");
            }
        }
        std::fs::write(dir.join(format!("team-{file:03}.yaml")), text).expect("written");
    }
}
