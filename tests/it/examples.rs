//! What is shipped for reading and copying: it loads, it is commented, and what the program writes about itself is what stands here.
//!
//! `NINEVOLT_BLESS=1 cargo test --test it examples` writes the files that are made from the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ninevolt::config::definition::Strictness;
use ninevolt::config::files;
use ninevolt::config::kinds::Kinds;
use ninevolt::{alerters, monitors};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file with what it should hold, or writes it when asked to.
fn compare(path: &Path, wanted: &str) {
    if std::env::var_os("NINEVOLT_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, wanted).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not what the program says; run `make bless` and read the difference",
        path.display()
    );
}

/// All files of a folder that end so, in order.
fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn one_file_per_kind_holds_its_registered_example() {
    let folder = root().join("configs/kinds");
    let mut wanted = Vec::new();
    for (family, name, summary, example) in monitors::KINDS
        .iter()
        .map(|k| ("monitors", k.name, k.summary, k.example))
        .chain(
            alerters::KINDS
                .iter()
                .map(|k| ("alerters", k.name, k.summary, k.example)),
        )
    {
        let path = folder.join(family).join(format!("{name}.yaml"));
        let head = "Made by `make bless` from the program's own example; all keys are in docs/reference.md.";
        compare(&path, &format!("# {summary}\n# {head}\n\n{}\n", example.trim_end()));
        wanted.push(path);
    }
    wanted.sort();
    assert_eq!(
        files_in(&folder, ".yaml"),
        wanted,
        "a file of a kind that is not there (any more)"
    );
}

#[test]
fn every_shipped_file_loads_without_a_word_and_is_commented() {
    for folder in ["configs/demo", "configs/kinds"] {
        let loaded = files::load(&root().join(folder), Kinds::built_in(), Strictness::Strict).unwrap();
        assert_eq!(loaded.problems, [], "{folder}");
        assert_eq!(loaded.broken, [] as [String; 0], "{folder}");
        assert_eq!(loaded.dangling(&|_| false), [], "{folder}");
        assert!(!loaded.monitors.is_empty(), "{folder}");
        for path in files_in(&root().join(folder), ".yaml") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("# "), "{} begins with no comment", path.display());
        }
    }
}

#[test]
fn the_demo_shows_every_kind_of_monitor_and_one_failure() {
    let loaded = files::load(&root().join("configs/demo"), Kinds::built_in(), Strictness::Strict).unwrap();
    for kind in monitors::KINDS {
        let shown = loaded.monitors.values().any(|entry| entry.spec["type"] == kind.name);
        assert!(shown, "the demo has no {} monitor", kind.name);
    }
    assert!(loaded.monitors.contains_key("demo-fails-on-purpose"));
    assert!(loaded.monitors.keys().all(|name| name.starts_with("demo-")));
}

#[test]
fn the_reference_is_what_the_program_says() {
    let said = Command::new(env!("CARGO_BIN_EXE_9volt"))
        .args(["generate", "reference"])
        .output()
        .unwrap();
    assert!(said.status.success());
    compare(
        &root().join("docs/reference.md"),
        &String::from_utf8(said.stdout).unwrap(),
    );
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut documents = files_in(&root().join("docs"), ".md");
    documents.extend(files_in(&root().join("configs"), ".md"));
    documents.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root().join(name)));
    let mut dead = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            let target = &rest[..rest.find(')').unwrap_or(0)];
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") {
                continue;
            }
            if !document.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

#[test]
fn what_the_documents_name_of_the_repository_is_there() {
    let folders = [
        "src/",
        "tests/",
        "configs/",
        "docs/",
        "scripts/",
        "ui/",
        "contrib/",
        "examples/",
    ];
    let mut dead = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "docs/store.md", "docs/compatibility.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for code in text.split('`').skip(1).step_by(2) {
            let names_a_file =
                folders.iter().any(|f| code.starts_with(f)) && !code.contains([' ', '<', '*', '{', '\n']);
            if names_a_file && code != "ui/dist" && code != "ui/dist/" && !root().join(code).exists() {
                dead.push(format!("{document}: `{code}`"));
            }
        }
    }
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}
