//! A member whose clock is wrong, and is set while it runs.

use std::path::{Path, PathBuf};

use super::super::world::now;
use super::crew::{Crew, SECOND, Scene};

/// By how much its clock is wrong: `libfaketime` reads it from a file, every second. The steady clock is left as it is, as by a real step.
fn with_clock(wrong: &Path) -> Vec<String> {
    [
        "env".to_owned(),
        format!("LD_PRELOAD={}", library().display()),
        format!("FAKETIME_TIMESTAMP_FILE={}", wrong.display()),
        "FAKETIME_CACHE_DURATION=1".to_owned(),
        "DONT_FAKE_MONOTONIC=1".to_owned(),
    ]
    .to_vec()
}

/// It has a directory below that of this architecture.
fn library() -> PathBuf {
    let below = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = below.map(|dir| dir.path().join("faketime/libfaketimeMT.so.1"));
    found
        .find(|path| path.exists())
        .expect("libfaketime (Debian: faketime)")
}

#[test]
fn a_clock_that_is_an_hour_off_and_steps_by_hours_costs_no_run_and_repeats_nothing() {
    let mut scene = Scene::here(1);
    let wrong = scene.dir.path().join("clock");
    let set = |by: &str| {
        std::fs::write(wrong.with_extension("new"), by).unwrap();
        std::fs::rename(wrong.with_extension("new"), &wrong).unwrap();
    };
    set("+3600");
    scene.stations.get_mut("m2").unwrap().place.via = with_clock(&wrong);
    let crew = Crew::gather(scene, 9, SECOND);
    let before = crew.judges();
    let [its, other] = [crew.one_of("m2"), crew.one_of("m1")];
    for name in [&its, &other] {
        crew.target.fail(name);
        crew.wait_told(name, &["critical"]);
    }
    // It is off, or this would show nothing.
    let told = crew.told();
    let apart = told.first(&its).duration_since(told.first(&other));
    assert!(apart.as_secs() > 3000, "{apart}");
    for step in ["-3600", "+7200", "+0"] {
        let (at, ran) = (now(), crew.target.counts());
        set(step);
        crew.run_again(5);
        let whole = at.elapsed().as_secs() as usize + 2;
        for (name, before) in ran {
            let more = crew.target.counts()[&name] - before;
            assert!(more <= whole, "{name} ran {more} times in {whole} s");
        }
    }
    crew.target.mend(&its);
    crew.target.mend(&other);
    crew.wait_told(&its, &["critical", "recovered"]);
    crew.wait_told(&other, &["critical", "recovered"]);
    crew.told().nothing_twice();
    assert_eq!(crew.judges(), before);
    crew.no_run_missed();
}
