//! What no file of the repository says.

use super::source::{root, walk};

/// Words put together here, so that this file does not say them either; and why not.
const NEVER: &[(&str, &str)] = &[
    (
        concat!("crates", ".io"),
        "hosts of package registries are the package managers' business",
    ),
    (
        concat!("registry.", "npmjs"),
        "hosts of package registries are the package managers' business",
    ),
    (
        concat!("static.", "rust-lang"),
        "hosts of package registries are the package managers' business",
    ),
    (concat!("work/", "shared"), "a path of one machine"),
    (concat!("work/", "brief"), "a path of one machine"),
    (concat!("to", "do!("), "finish it, or leave it out"),
    (concat!("FIX", "ME"), "finish it, or leave it out"),
    (concat!("<<<<", "<<<"), "a merge was not finished"),
];

/// Files that others write.
const NOT_OURS: &[&str] = &["Cargo.lock", "LICENSE", "ui/package-lock.json"];

#[test]
fn no_file_says_what_none_should() {
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    let mut complaints = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for (word, why) in NEVER.iter().filter(|(word, _)| line.contains(word)) {
                complaints.push(format!("{name}:{}: `{word}`: {why}", number + 1));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn scripts_are_strict_and_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let mut scripts = vec![root().join(".ci/run")];
    walk(&root().join("scripts"), &mut scripts);
    for script in scripts {
        let text = std::fs::read_to_string(&script).unwrap();
        let mode = std::fs::metadata(&script).unwrap().permissions().mode();
        assert!(mode & 0o111 != 0, "{} cannot be run", script.display());
        assert!(
            text.contains("set -euo pipefail"),
            "{} goes on after errors",
            script.display()
        );
    }
}
