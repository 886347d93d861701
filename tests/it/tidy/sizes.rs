//! One idea per file. A file that is longer than a person holds in mind says why it is.

use super::source::{File, files, root, walk};

/// Longest file without a reason.
const LONG: usize = 600;
/// Longest file at all.
const TOO_LONG: usize = 1200;

/// Longer files, and why.
const REASONS: &[(&str, &str)] = &[
    (
        "src/monitors/http/tests.rs",
        "one test per promise of the kind with most keys, over one small server",
    ),
    (
        "src/notifications/lane/model_tests.rs",
        "every order of events of one lane, explored; the world and its rules belong together",
    ),
    (
        "src/store/contract.rs",
        "the one suite that every store has to pass, read in one go",
    ),
    ("ui/e2e/mock.mjs", "a whole server in memory for the page's own tests"),
];

#[test]
fn a_long_file_has_a_reason() {
    let mut complaints = Vec::new();
    let mut long = Vec::new();
    for folder in ["src", "tests", "examples", "benches"] {
        if root().join(folder).exists() {
            long.extend(
                files(folder)
                    .into_iter()
                    .map(|File { path, lines, .. }| (path, lines.len())),
            );
        }
    }
    let mut page = Vec::new();
    walk(&root().join("ui"), &mut page);
    for path in page {
        let code = ["ts", "tsx", "mjs", "css"].map(std::ffi::OsStr::new);
        if path.extension().is_some_and(|e| code.contains(&e)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            long.push((path, text.lines().count()));
        }
    }
    long.retain(|(_, lines)| *lines > LONG);
    for (path, lines) in &long {
        let reason = REASONS.iter().find(|(p, _)| p == path);
        println!("{path}: {lines} lines: {}", reason.map_or("no reason", |(_, why)| why));
        if reason.is_none() || *lines > TOO_LONG {
            complaints.push(format!(
                "{path}: {lines} lines; split it by idea, or say in REASONS why not"
            ));
        }
    }
    for (path, _) in REASONS {
        if !long.iter().any(|(p, _)| p == path) {
            complaints.push(format!("{path} is not long (any more): take it out of REASONS"));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
