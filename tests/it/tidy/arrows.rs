//! Which module may name which other one. `ARCHITECTURE.md` draws it; this is what holds.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{File, files};

/// Module (or a part of one, which then has a row of its own), and all that it may name of this crate.
#[rustfmt::skip]
const MAY_USE: &[(&str, &[&str])] = &[
    // Nouns.
    ("model", &[]),
    // Pure rules.
    ("state", &["model"]),
    ("schedule", &[]),
    ("silences", &["model"]),
    ("results", &["model", "state"]),
    // Telling inside the process: bounded memories and a broadcast.
    ("feed", &["model", "results"]),
    ("events", &["feed", "model"]),
    ("watchdog", &["events", "model"]),
    // Edges: the only ones that touch the world.
    ("tasks", &[]),
    ("telemetry", &[]),
    ("monitors", &["model"]),
    ("alerters", &["model"]),
    ("store", &["model", "schedule", "silences", "tasks"]),
    ("mesh", &["model", "schedule"]),
    // Users' files. How large a definition may be is the store's to say, and `sync` brings the store in line with files.
    ("config", &["alerters", "model", "monitors"]),
    ("config/advice", &["model", "store"]),
    ("config/sync", &["model", "store"]),
    // Loops: they own tasks and hold few rules.
    ("catalog", &["config", "feed", "model", "monitors", "results", "schedule", "state", "store"]),
    ("peers", &["catalog", "model", "schedule", "store", "tasks"]),
    ("cluster", &["events", "model", "store", "watchdog"]),
    ("cutoff", &["alerters", "catalog", "cluster", "events", "model", "notifications", "peers", "store", "tasks", "watchdog"]),
    ("director", &["catalog", "cluster", "events", "model", "store"]),
    ("manager", &["catalog", "cluster", "config", "events", "feed", "model", "monitors", "results", "schedule", "state", "store", "tasks"]),
    ("notifications", &["alerters", "cluster", "config", "model", "silences", "store", "tasks"]),
    ("api", &[
        "alerters", "catalog", "cluster", "config", "cutoff", "events", "feed", "manager", "mesh", "model", "monitors", "notifications", "peers",
        "results", "schedule", "silences", "state", "store", "tasks", "watchdog",
    ]),
    // The one place that puts them together, and the one that prints.
    ("app", &[
        "alerters", "api", "catalog", "cluster", "config", "cutoff", "director", "events", "feed", "manager", "mesh", "model", "monitors",
        "notifications", "peers", "results", "store", "tasks", "telemetry", "watchdog",
    ]),
    // `manager` for its runner: `9volt check` runs a check exactly as a member does.
    ("cli", &["alerters", "app", "config", "manager", "mesh", "model", "monitors", "store", "telemetry"]),
];

#[test]
fn arrows_between_modules_point_down() {
    let mut complaints = Vec::new();
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in files("src") {
        let module = file.module();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let Some((row, allowed)) = row(&module) else {
            complaints.push(format!("{}: `{module}` has no row in MAY_USE", file.path));
            continue;
        };
        for (line, named) in named(&file) {
            if top(&module) == named {
                continue;
            }
            if !allowed.contains(&named.as_str()) {
                complaints.push(format!("{}:{line}: `{row}` may not name `{named}`", file.path));
            }
            used.entry(row).or_default().insert(named);
        }
    }
    for (row, allowed) in MAY_USE {
        for arrow in *allowed {
            if !used.get(row).is_some_and(|u| u.contains(*arrow)) {
                complaints.push(format!(
                    "MAY_USE: `{row}` does not use `{arrow}` (any more): take it out"
                ));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn no_two_modules_lean_on_each_other() {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (row, allowed) in MAY_USE {
        below.entry(top(row)).or_default().extend(allowed.iter().copied());
    }
    // Take away what leans on nothing that is left, until nothing is left or what is left is a circle.
    while !below.is_empty() {
        let free: Vec<&str> = below
            .iter()
            .filter(|(row, on)| !on.iter().any(|o| o != *row && below.contains_key(o)))
            .map(|(row, _)| *row)
            .collect();
        assert!(!free.is_empty(), "a circle among {below:?}");
        below.retain(|row, _| !free.contains(row));
    }
}

/// The row that fits best: the longest.
fn row(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    let fits = |row: &str| module == row || module.starts_with(&format!("{row}/"));
    let mut rows: Vec<_> = MAY_USE.iter().filter(|(row, _)| fits(row)).copied().collect();
    rows.sort_by_key(|(row, _)| row.len());
    rows.pop()
}

fn top(module: &str) -> &str {
    module.split('/').next().unwrap_or(module)
}

/// Every module of this crate that a file names, with the line.
fn named(file: &File) -> Vec<(usize, String)> {
    let mut text = String::new();
    let mut starts = Vec::new();
    for (number, line) in file.shipped() {
        starts.push((text.len(), number));
        text.push_str(line);
        text.push('\n');
    }
    let line_of = |at: usize| starts[starts.partition_point(|(start, _)| *start <= at) - 1].1;
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        for name in firsts(rest) {
            found.push((line_of(at), name));
        }
    }
    found
}

/// First names of a path: one, or several where a group follows.
fn firsts(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(&group[start..i]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(&group[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

#[test]
fn names_in_groups_are_seen() {
    assert_eq!(firsts("model::Dur;"), ["model"]);
    assert_eq!(
        firsts("{alerters, monitors::{dns, http}, model as m};"),
        ["alerters", "monitors", "model"]
    );
}
