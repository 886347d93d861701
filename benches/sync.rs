//! Configuration as code: a directory of ten thousand monitors into the embedded store, twice.

use std::fmt::Write as _;
use std::path::Path;

use ninevolt::config::definition::Strictness;
use ninevolt::config::files;
use ninevolt::config::kinds::Kinds;
use ninevolt::config::sync::{Author, Options, apply_loaded};
use ninevolt::model::WallMs;
use tokio::time::Instant;

use crate::definitions::{What, name};
use crate::support::{Selection, Table, cpu};
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
    write(dir.path(), &target);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let (first, second) = runtime
        .expect("a runtime")
        .block_on(async { (sync(dir.path(), data.path()).await, sync(dir.path(), data.path()).await) });
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

/// What `9volt cfg` does: load, plan, apply, with opening and closing the store. Wall clock and processor time.
async fn sync(dir: &Path, data: &Path) -> (f64, f64) {
    let (begun, used) = (Instant::now(), cpu());
    let kinds = Kinds::built_in();
    let loaded = files::load(dir, kinds, Strictness::Lenient).expect("readable");
    eprintln!("  loaded after {:.2} s", begun.elapsed().as_secs_f64());
    let store = ninevolt::store::open_embedded(data).await.expect("a store");
    store.identity().await.expect("an identity");
    let author = Author {
        by: "bench".to_owned(),
        at: WallMs::now(),
    };
    let report = apply_loaded(&store, kinds, &loaded, Options::default(), &author, |_, _| {}).await;
    let report = report.expect("a report");
    drop(store);
    let took = (begun.elapsed().as_secs_f64(), (cpu() - used).as_secs_f64());
    let (pushed, skipped) = (report.pushed.monitor, report.skipped.monitor);
    assert!(report.errors.is_empty() && pushed + skipped == MONITORS, "{report:?}");
    eprintln!("  {pushed} written, {skipped} equal");
    took
}

fn write(dir: &Path, target: &Target) {
    for file in 0..MONITORS / PER_FILE {
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
