//! Tests of loading directories, with small kinds.

use std::fs;

use super::*;
use crate::config::testing::kinds;

const GOOD: &str = "monitor:\n  web: {type: tiny, host: h, interval: 10s}\n";

fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn loaded(dir: &tempfile::TempDir) -> Loaded {
    load(dir.path(), &kinds(), Strictness::Lenient).unwrap()
}

/// Problems without the directory's own path.
fn said(dir: &tempfile::TempDir) -> Vec<String> {
    let prefix = format!("{}/", dir.path().display());
    loaded(dir)
        .problems
        .iter()
        .map(|p| p.to_string().replace(&prefix, ""))
        .collect()
}

fn named(name: &str) -> String {
    GOOD.replace("web", name)
}

#[test]
fn a_directory_is_read_as_the_original_read_it() {
    let dir = dir(&[
        ("a/x.yaml", &named("a")),
        ("a.yaml", &named("b")),
        (".hidden/deep/er/y.yaml", &named("c")),
        ("z.YAML", &named("no1")),
        ("z.yml", &named("no2")),
        ("readme.md", "# monitor:"),
        ("other.yaml", "foo: bar\n"),
    ]);
    let loaded = loaded(&dir);
    assert_eq!(loaded.monitors.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(loaded.files, 3);
    assert_eq!(&*loaded.monitors["a"].file, "a/x.yaml");
    assert_eq!(loaded.problems.len(), 2, "{:?}", loaded.problems);
    assert!(
        loaded
            .problems
            .iter()
            .all(|p| p.message.contains("only names that end in `.yaml`"))
    );
    assert_eq!(loaded.broken, Vec::<String>::new());
}

#[test]
fn the_first_of_two_definitions_wins_and_both_places_are_named() {
    let dir = dir(&[
        ("1.yaml", GOOD),
        ("2.yaml", "# again\nmonitor:\n  web: {type: nonsense}\n"),
    ]);
    assert_eq!(loaded(&dir).monitors["web"].spec["type"], "tiny");
    let said = said(&dir);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("2.yaml:3:3: warning: monitor `web` is already defined in 1.yaml:2; this one is skipped"),
        "{said:?}"
    );
}

#[test]
fn what_cannot_be_read_is_broken_and_the_rest_is_loaded() {
    let dir = dir(&[
        ("1-quote.yaml", "monitor:\n  x: 'y\n"),
        ("2-empty.yaml", ""),
        ("3-latin.yaml", GOOD),
        ("4-text.yaml", "monito"),
        ("5-list.yaml", "- hosts: all\n"),
        ("6-comment.yaml", "# all off\n"),
        ("7-section.yaml", "monitor: [web]\n"),
        ("8-near.yaml", "monitors:\n  web: {}\n"),
        ("9-good.yaml", &format!("{GOOD}foo: bar\nx-templates: {{}}\nalerter:\n")),
    ]);
    fs::write(dir.path().join("3-latin.yaml"), b"monitor:\n  caf\xe9: {}\n").unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("0-gone.yaml")).unwrap();
    let loaded = loaded(&dir);
    assert_eq!(loaded.monitors.keys().collect::<Vec<_>>(), ["web"]);
    let broken = [
        "0-gone.yaml",
        "1-quote.yaml",
        "2-empty.yaml",
        "3-latin.yaml",
        "4-text.yaml",
        "7-section.yaml",
        "8-near.yaml",
    ];
    assert_eq!(loaded.broken, broken);
    let said = said(&dir);
    for (said, start) in said.iter().zip([
        "0-gone.yaml:1:1: error: cannot read the file",
        "1-quote.yaml:2:6: error: a quote is opened here",
        "2-empty.yaml:1:1: warning: the file is empty",
        "3-latin.yaml:2:6: error: the file is not UTF-8",
        "4-text.yaml:1:1: warning: the top level is no map",
        "5-list.yaml:1:1: warning: the top level is no map",
        "6-comment.yaml:1:1: warning: the file holds no definitions",
        "7-section.yaml:1:1: error: `monitor:` holds no map of names",
        "8-near.yaml:1:1: warning: unknown key `monitors` at the top level; what stands below it is not read; did you mean `monitor`?",
        "9-good.yaml:3:1: warning: unknown key `foo` at the top level",
    ]) {
        assert!(said.starts_with(start), "{said}\n{start}");
    }
    assert_eq!(said.len(), 10);
}

#[test]
fn every_problem_has_its_place_and_line() {
    let dir = dir(&[(
        "a.yaml",
        "monitor:\n  web:\n    type: tiny\n    interval: 0\n    Tags: [a, 5]\n  a/b: ~\n  bare: 5\nalerter:\n  ops:\n    type: pager\n    options:\n      token: 123456\n",
    )]);
    let said = said(&dir);
    let expected = [
        "a.yaml:2:3: error: monitor web: `host`: 'host' is missing",
        "a.yaml:4:5: error: monitor web: `interval`: 'interval' must be > 0s",
        "a.yaml:5:15: error: monitor web: `tags[1]`: is the number 5; a text is expected; put it into quotes: `\"5\"`",
        "a.yaml:6:3: error: monitor a/b: a name cannot contain `/`",
        "a.yaml:6:3: error: monitor a/b: is empty; a map of keys is expected",
        "a.yaml:7:3: error: monitor bare: is a number; a map of keys is expected",
        "a.yaml:12:7: error: alerter ops: `options.token`: is a number; a text is expected",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, start) in said.iter().zip(expected) {
        assert!(said.starts_with(start), "{said}\n{start}");
    }
    let loaded = loaded(&dir);
    assert!(
        loaded
            .monitors
            .values()
            .chain(loaded.alerters.values())
            .all(|entry| !entry.valid)
    );
    assert!(
        loaded.problems.iter().all(|p| !format!("{p:?}").contains("123456")),
        "{:?}",
        loaded.problems
    );
    assert_eq!(&*loaded.problems[1].place.as_ref().unwrap().text, "    interval: 0");
}

#[test]
fn alerters_that_exist_nowhere_are_named_with_the_place() {
    let dir = dir(&[(
        "a.yaml",
        "monitor:\n  web:\n    {type: tiny, host: h, interval: 10s, warning-alerter: [ops],\n     critical-alerter: [ops, stored, ops-mial]}\nalerter:\n  ops-mail: {type: pager, options: {token: t}}\n  ops: {type: pager, options: {token: t}}\n",
    )]);
    let problems = loaded(&dir).dangling(&|name| name == "stored");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let place = problems[0].place.as_ref().unwrap();
    assert_eq!((place.line, place.column), (4, 38));
    assert_eq!(
        problems[0].message,
        "names the alerter `ops-mial`, which does not exist"
    );
    assert_eq!(problems[0].fix, "did you mean `ops-mail`?");
}

#[test]
fn links_are_followed_to_files_and_at_the_top_only() {
    let outer = dir(&[
        ("real/a.yaml", GOOD),
        ("elsewhere/b.yaml", &named("b")),
        ("elsewhere/sub/c.yaml", &named("c")),
    ]);
    let real = outer.path().join("real");
    std::os::unix::fs::symlink("../elsewhere/b.yaml", real.join("b.yaml")).unwrap();
    std::os::unix::fs::symlink("../elsewhere/sub", real.join("sub")).unwrap();
    std::os::unix::fs::symlink("real", outer.path().join("link")).unwrap();
    let loaded = load(&outer.path().join("link"), &kinds(), Strictness::Lenient).unwrap();
    assert_eq!(loaded.monitors.keys().collect::<Vec<_>>(), ["b", "web"]);
    assert_eq!(loaded.problems, []);
}

#[test]
fn a_configuration_volume_holds_each_file_once_under_the_name_that_stays() {
    let dir = dir(&[("..2026_11_20/a.yaml", GOOD)]);
    std::os::unix::fs::symlink("..2026_11_20", dir.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    let loaded = loaded(&dir);
    assert_eq!(&*loaded.monitors["web"].file, "a.yaml");
    assert_eq!(loaded.problems, []);
}

#[test]
fn what_is_no_directory_is_refused_in_the_words_of_the_original() {
    let dir = dir(&[("a.yaml", GOOD)]);
    let said = |path: &str| {
        load(&dir.path().join(path), &kinds(), Strictness::Lenient)
            .unwrap_err()
            .to_string()
    };
    assert!(said("gone").starts_with("No such file or directory '"));
    assert!(said("a.yaml").ends_with("a.yaml' does not appear to be a directory"));
    assert!(
        load_file(&dir.path().join("a.yaml"), &kinds(), Strictness::Lenient)
            .unwrap()
            .monitors["web"]
            .valid
    );
}

#[test]
fn a_pipe_or_a_huge_file_does_not_stop_the_loader() {
    let dir = dir(&[("good.yaml", GOOD)]);
    nix::unistd::mkfifo(&dir.path().join("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Sparse: takes no room on the disk.
    fs::File::create(dir.path().join("huge.yaml"))
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let loaded = loaded(&dir);
    assert_eq!(loaded.monitors.len(), 1);
    assert_eq!(loaded.broken, ["huge.yaml", "pipe.yaml"]);
}

proptest::proptest! {
    #[test]
    fn no_text_panics_the_loader(
        text in "(monitor:|alerter:|\n|  |[a-z]{1,4}: |type: (tiny|pager|x)\n|interval: [0-9]{0,3}[a-z]?\n|options:|[-\\[\\]{},:&*!|>'\"]|\\PC){0,40}",
    ) {
        let loaded = load_text("f.yaml", &text, &kinds(), Strictness::Strict);
        let _ = loaded.dangling(&|_| false);
    }
}
