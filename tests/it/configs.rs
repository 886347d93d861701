//! Users' files from end to end: each file in `tests/invalid/` breaks one rule and says in its first lines what it is told; what the original
//! accepted loads unchanged.
//!
//! `BLESS=1 cargo test --test it configs` writes what is said into the files, for reading the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ninevolt::config::definition::Strictness;
use ninevolt::config::files::{self, Loaded};
use ninevolt::config::kinds::Kinds;
use ninevolt::config::sync::{self, Author, End, Options};
use ninevolt::model::{Severity, WallMs};
use ninevolt::{alerters, monitors, store};

const EXPECT: &str = "# expect: ";

fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn load(path: &Path, strictness: Strictness) -> Loaded {
    files::load_file(path, Kinds::built_in(), strictness).unwrap()
}

/// What is said about a file, without its path.
fn said(path: &Path) -> Vec<String> {
    let head = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let strict = head
        .lines()
        .take_while(|line| line.starts_with('#'))
        .any(|line| line == "# strict");
    let loaded = load(
        path,
        if strict {
            Strictness::Strict
        } else {
            Strictness::Lenient
        },
    );
    let dangling = loaded.dangling(&|_| false);
    let prefix = format!("{}:", path.display());
    // Another kind is no reason to touch these files.
    let monitors: Vec<_> = monitors::KINDS.iter().map(|kind| kind.name).collect();
    let alerters: Vec<_> = alerters::KINDS.iter().map(|kind| kind.name).collect();
    let (monitors, alerters) = (monitors.join(", "), alerters.join(", "));
    let problems = loaded.problems.iter().chain(&dangling);
    problems
        .map(|problem| {
            problem
                .to_string()
                .replace(&prefix, "")
                .replace(&monitors, "<kinds>")
                .replace(&alerters, "<kinds>")
        })
        .collect()
}

fn expected(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let comments = text.lines().take_while(|line| line.starts_with('#'));
    comments
        .filter_map(|line| line.strip_prefix(EXPECT))
        .map(str::to_owned)
        .collect()
}

/// Puts what is said into the first lines of a file. Line numbers in it count those lines too, hence twice.
fn bless(path: &Path) {
    for _ in 0..2 {
        let bytes = fs::read(path).unwrap();
        let lines = bytes.split_inclusive(|b| *b == b'\n');
        let body: Vec<u8> = lines
            .filter(|line| !line.starts_with(EXPECT.trim_end().as_bytes()))
            .flatten()
            .copied()
            .collect();
        let said = said(path);
        let said = if said.is_empty() {
            vec!["nothing".to_owned()]
        } else {
            said
        };
        let head: String = said.iter().map(|said| format!("{EXPECT}{said}\n")).collect();
        fs::write(path, [head.as_bytes(), &body].concat()).unwrap();
    }
}

#[test]
fn every_broken_rule_is_told_in_the_words_that_its_file_expects() {
    let mut files: Vec<_> = fs::read_dir(dir("invalid"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() > 60, "only {} files", files.len());
    let mut wrong = BTreeMap::new();
    for path in files {
        if std::env::var_os("BLESS").is_some() {
            bless(&path);
        }
        let (expected, said) = (expected(&fs::read(&path).unwrap()), said(&path));
        assert!(!expected.is_empty(), "{} expects nothing", path.display());
        if expected != said {
            wrong.insert(path, (expected, said));
        }
    }
    assert!(wrong.is_empty(), "expected, said: {wrong:#?}");
}

#[test]
fn a_huge_file_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge.yaml");
    // Sparse: takes no room on the disk.
    fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    assert_eq!(said(&path), ["1:1: error: the file is larger than 64 MB; split it"]);
}

#[test]
fn names_that_only_look_odd_are_fine() {
    let text = "monitor:\n  web front page: &m {type: tcp, host: localhost, port: 22, interval: 10s}\n  🔥: *m\n  ...: *m\n  größe: *m\n  _hidden: *m\n";
    let loaded = files::load_text("f.yaml", text, Kinds::built_in(), Strictness::Strict);
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.monitors.len(), 5);
}

#[test]
fn the_dialect_of_the_original_loads_without_a_word() {
    let loaded = load(&dir("fixtures/dialect.yaml"), Strictness::Strict);
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.dangling(&|_| false), []);
    let names: Vec<_> = loaded.monitors.keys().map(String::as_str).collect();
    assert_eq!(names, ["123", "again", "resolve", "script", "ssh", "true", "web"]);
    assert_eq!(loaded.alerters.len(), 3);
}

#[test]
fn the_example_of_every_kind_loads_without_a_word() {
    let examples = monitors::KINDS.iter().map(|kind| (kind.name, kind.example));
    for (kind, example) in examples.chain(alerters::KINDS.iter().map(|kind| (kind.name, kind.example))) {
        let loaded = files::load_text(kind, example, Kinds::built_in(), Strictness::Strict);
        assert_eq!(loaded.problems, [], "{kind}");
        let entries: Vec<_> = loaded.monitors.values().chain(loaded.alerters.values()).collect();
        assert!(
            entries.iter().any(|entry| entry.spec["type"] == kind),
            "{kind} is not in its example"
        );
    }
}

#[tokio::test]
async fn the_example_of_the_original_gives_the_counts_of_the_original() {
    let loaded = load(&dir("fixtures/original-example1.yaml"), Strictness::Strict);
    let errors: Vec<_> = loaded
        .problems
        .iter()
        .filter(|p| p.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // `auth: plain | md5` is not refused: the original found out only when it fired.
    assert_eq!(loaded.problems.len(), 1, "{:#?}", loaded.problems);
    let (store, _faults) = store::in_memory();
    let author = Author {
        by: "test".to_owned(),
        at: WallMs(0),
    };
    let options = Options::default();
    for (pushed, skipped) in [((10, 4), (0, 0)), ((0, 0), (10, 4))] {
        let report = sync::apply_loaded(&store, Kinds::built_in(), &loaded, options, &author, |_, _| {})
            .await
            .unwrap();
        assert_eq!(report.end(), End::Done);
        let count = |verb: &str, (monitors, alerters): (usize, usize)| {
            format!("Successfully {verb} {monitors} monitor config(s) and {alerters} alerter config(s)")
        };
        let said: Vec<_> = sync::preamble(Path::new("d"), report.found)
            .into_iter()
            .skip(2)
            .chain(sync::lines(&report, options))
            .collect();
        assert_eq!(
            said,
            [
                "Found 4 alerter configs and 10 monitor configs".to_owned(),
                format!(":party: {}", count("pushed", pushed)),
                count("skipped replacing", skipped),
                count("removed", (0, 0)),
            ]
        );
    }
}
