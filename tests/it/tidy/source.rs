//! The crate's own source as the rules see it: per file the lines that ship, and the lines that only tests have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file of the crate.
pub(super) struct File {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    /// Lines of the whole file.
    pub(super) lines: Vec<String>,
    /// For each line whether only tests have it.
    pub(super) test: Vec<bool>,
}

impl File {
    /// Lines that ship, without comments: number from 1, and text.
    pub(super) fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered(false)
    }

    /// Lines that only tests have, without comments.
    pub(super) fn tested(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered(true)
    }

    fn numbered(&self, test: bool) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().zip(&self.test).enumerate();
        lines
            .filter(move |(_, (_, is_test))| **is_test == test)
            .map(|(i, (line, _))| (i + 1, without_comment(line)))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    /// Path below `src/`, without `.rs` and `/mod`: `store/embedded/engine`, `store`.
    pub(super) fn module(&self) -> String {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let below = below.strip_suffix(".rs").unwrap_or(below);
        below.strip_suffix("/mod").unwrap_or(below).to_owned()
    }
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    // A comment behind code; `://` of an address has no space before it.
    line.split_once(" // ").map_or(line, |(code, _)| code)
}

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder of the repository, in order.
pub(super) fn files(folder: &str) -> Vec<File> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    let mut read: Vec<File> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            File {
                path: path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(),
                test: test_lines(&lines),
                lines,
            }
        })
        .collect();
    read.sort_by(|a, b| a.path.cmp(&b.path));
    let of_tests: Vec<String> = read.iter().flat_map(test_modules).collect();
    for file in &mut read {
        let module = file.path.strip_suffix(".rs").unwrap_or(&file.path);
        let module = module.strip_suffix("/mod").unwrap_or(module);
        let inside = |of: &String| module == of || module.starts_with(&format!("{of}/"));
        if folder != "src" || of_tests.iter().any(inside) {
            file.test.iter_mut().for_each(|t| *t = true);
        }
    }
    read
}

/// All files below a folder, but not what is built or downloaded.
pub(super) fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    let not_ours: BTreeSet<&str> = ["target", "node_modules", "dist", ".git", "data", "shots"].into();
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if not_ours.contains(name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// Marks every item that stands below a `#[cfg(test)]`; rustfmt closes an item in the column in which it opened.
fn test_lines(lines: &[String]) -> Vec<bool> {
    let mut test = vec![false; lines.len()];
    let mut i = 0;
    while i < lines.len() {
        let indent = lines[i].len() - lines[i].trim_start().len();
        if !lines[i].trim_start().starts_with("#[cfg(test)]") {
            i += 1;
            continue;
        }
        let end = item_end(lines, i, indent);
        test[i..=end].iter_mut().for_each(|t| *t = true);
        i = end + 1;
    }
    test
}

fn item_end(lines: &[String], attribute: usize, indent: usize) -> usize {
    let mut first = attribute + 1;
    while first < lines.len()
        && (lines[first].trim_start().starts_with("#[") || lines[first].trim_start().starts_with("//"))
    {
        first += 1;
    }
    let closes = format!("{}}}", " ".repeat(indent));
    let opens_block = |line: &str| line.trim_end().ends_with('{');
    if first < lines.len() && !opens_block(&lines[first]) && lines[first].trim_end().ends_with([';', '}', ',']) {
        return first;
    }
    (first..lines.len())
        .find(|i| lines[*i].starts_with(&closes))
        .unwrap_or(lines.len() - 1)
}

/// Files that are declared below a `#[cfg(test)]`, as paths without `.rs`.
fn test_modules(file: &File) -> Vec<String> {
    let path = file.path.strip_suffix(".rs").unwrap_or(&file.path);
    let folder = match path.strip_suffix("/mod").or(path.strip_suffix("/lib")) {
        Some(folder) => folder,
        None => path,
    };
    let declared = file.tested().filter_map(|(_, line)| {
        let words: Vec<&str> = line.trim().trim_end_matches(';').split(' ').collect();
        let at = words.iter().position(|w| *w == "mod")?;
        line.trim_end()
            .ends_with(';')
            .then(|| format!("{folder}/{}", words[at + 1]))
    });
    declared.collect()
}
