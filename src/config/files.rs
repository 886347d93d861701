//! A directory of files into definitions, with all problems of all files.
//!
//! As the original: recursive in lexical order, hidden directories too, names that end in exactly `.yaml`, symbolic links to directories not
//! followed, the first of two definitions of a name wins. Other than it: `DIR` itself may be a link, and what cannot be read is
//! remembered as broken, so that nobody takes its entries for removed.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::definition::Strictness;
use super::keys::suggest;
use super::kinds::Kinds;
use super::mask::Section;
use super::references;
use super::source::{self, Source};
use super::yaml::{self, Complaint, MAX_FILE_BYTES, Mark, Node, NodeKind};
use crate::model::{Problem, Severity};

/// Files in one directory tree, at most.
pub const MAX_FILES: usize = 100_000;

/// Why a directory could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not there.
    #[error("No such file or directory '{0}'")]
    Missing(String),
    /// It is something else.
    #[error("'{0}' does not appear to be a directory")]
    NotADirectory(String),
    /// It cannot be read.
    #[error("cannot read '{0}': {1}")]
    Unreadable(String, std::io::Error),
    /// More than [`MAX_FILES`].
    #[error("'{0}' holds more than {MAX_FILES} files")]
    TooMany(String),
}

/// One definition as it stands in a file.
#[derive(Clone, PartialEq)]
pub struct LoadedEntry {
    /// What the user wrote.
    pub spec: Value,
    /// The file, relative to the directory.
    pub file: Arc<str>,
    /// Where in it.
    pub place: Mark,
    /// Whether it may be stored: it has no error.
    pub valid: bool,
}

/// A directory's definitions.
#[derive(Default)]
pub struct Loaded {
    /// Monitors by name, the invalid ones too.
    pub monitors: BTreeMap<String, LoadedEntry>,
    /// Alerters by name, the invalid ones too.
    pub alerters: BTreeMap<String, LoadedEntry>,
    /// All problems of all files, in the order of the files and their lines.
    pub problems: Vec<Problem>,
    /// Files that could not be read, relative to the directory; a directory that could not be read ends in `/`. What came from them earlier
    /// must not be taken for removed.
    pub broken: Vec<String>,
    /// Files that hold definitions.
    pub files: usize,
    sources: BTreeMap<Arc<str>, Source>,
}

impl std::fmt::Debug for Loaded {
    /// Numbers only: the definitions hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("files", &self.files)
            .field("monitors", &self.monitors.len())
            .field("alerters", &self.alerters.len())
            .field("problems", &self.problems.len())
            .finish_non_exhaustive()
    }
}

impl Loaded {
    /// Whether there is an error among the problems.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Warnings about alerters that monitors name and that are neither here nor `known` elsewhere.
    #[must_use]
    pub fn dangling(&self, known: &dyn Fn(&str) -> bool) -> Vec<Problem> {
        let exists = |name: &str| self.alerters.contains_key(name) || known(name);
        let names = self.alerters.keys().map(String::as_str);
        let mut by_file: BTreeMap<&Arc<str>, Vec<(&str, Problem)>> = BTreeMap::new();
        for (name, entry) in &self.monitors {
            for problem in references::dangling(name, &entry.spec, &exists, names.clone()) {
                by_file.entry(&entry.file).or_default().push((name, problem));
            }
        }
        // Trees are not kept: places are only needed here, and rarely.
        let placed = by_file.into_iter().flat_map(|(file, problems)| {
            let source = self.sources.get(file);
            let root = source.and_then(|source| yaml::parse(source.text()).root);
            problems.into_iter().map(move |(name, mut problem)| {
                let entry = root.as_ref().and_then(|root| child(child(root, "monitor")?.1, name));
                problem.place = source
                    .zip(entry)
                    .map(|(source, (mark, node))| source.place(node.find(&problem.field).unwrap_or(mark)));
                problem
            })
        });
        placed.collect()
    }

    /// The entries of one section.
    #[must_use]
    pub fn entries(&self, section: Section) -> &BTreeMap<String, LoadedEntry> {
        match section {
            Section::Monitor => &self.monitors,
            Section::Alerter => &self.alerters,
        }
    }

    fn entries_mut(&mut self, section: Section) -> &mut BTreeMap<String, LoadedEntry> {
        match section {
            Section::Monitor => &mut self.monitors,
            Section::Alerter => &mut self.alerters,
        }
    }
}

fn child<'a>(map: &'a Node, name: &str) -> Option<(Mark, &'a Node)> {
    let entry = map.entries()?.iter().find(|(key, _)| key.text == name)?;
    Some((entry.0.mark, &entry.1))
}

/// Loads a directory. Blocking.
///
/// # Errors
/// Only where there is no directory to read; what is wrong within it is among the problems.
pub fn load(dir: &Path, kinds: &Kinds, strictness: Strictness) -> Result<Loaded, LoadError> {
    let shown = dir.display().to_string();
    let metadata = dir.metadata().map_err(|err| match err.kind() {
        std::io::ErrorKind::NotFound => LoadError::Missing(shown.clone()),
        _ => LoadError::Unreadable(shown.clone(), err),
    })?;
    if !metadata.is_dir() {
        return Err(LoadError::NotADirectory(shown));
    }
    std::fs::read_dir(dir).map_err(|err| LoadError::Unreadable(shown.clone(), err))?;
    let mut loader = Loader::new(kinds, strictness);
    let mut found = Vec::new();
    loader.walk(dir, Path::new(""), &mut found);
    if found.len() > MAX_FILES {
        return Err(LoadError::TooMany(shown));
    }
    found.sort();
    for relative in once_each(dir, found) {
        loader.file(&dir.join(&relative), &relative.to_string_lossy());
    }
    Ok(loader.loaded)
}

/// Loads one file. Blocking.
///
/// # Errors
/// Where there is no file to read; what is wrong within it is among the problems.
pub fn load_file(path: &Path, kinds: &Kinds, strictness: Strictness) -> Result<Loaded, LoadError> {
    let shown = path.display().to_string();
    if !path.exists() {
        return Err(LoadError::Missing(shown));
    }
    let mut loader = Loader::new(kinds, strictness);
    loader.file(path, &shown);
    Ok(loader.loaded)
}

/// Loads a text as if it were a file of that name.
#[must_use]
pub fn load_text(file: &str, text: &str, kinds: &Kinds, strictness: Strictness) -> Loaded {
    let mut loader = Loader::new(kinds, strictness);
    loader.text(file, Source::new(file, text.to_owned()));
    loader.loaded
}

/// Each file once, however many names it has. Configuration volumes hold every file twice: in a directory `..<date>` and as a link into it; the
/// link has the name that stays.
fn once_each(dir: &Path, found: Vec<PathBuf>) -> Vec<PathBuf> {
    let passing = |path: &Path| {
        path.components()
            .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b".."))
    };
    let mut kept: HashMap<(u64, u64), usize> = HashMap::new();
    let mut out: Vec<Option<PathBuf>> = Vec::with_capacity(found.len());
    for path in found {
        let id = dir
            .join(&path)
            .metadata()
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino()));
        if let Some(at) = id.and_then(|id| kept.get(&id).copied()) {
            if passing(&path) || !out[at].as_deref().is_some_and(passing) {
                continue;
            }
            out[at] = None;
        }
        if let Some(id) = id {
            kept.insert(id, out.len());
        }
        out.push(Some(path));
    }
    out.into_iter().flatten().collect()
}

struct Loader<'a> {
    kinds: &'a Kinds,
    strictness: Strictness,
    loaded: Loaded,
}

impl<'a> Loader<'a> {
    fn new(kinds: &'a Kinds, strictness: Strictness) -> Self {
        Self {
            kinds,
            strictness,
            loaded: Loaded::default(),
        }
    }

    fn walk(&mut self, dir: &Path, below: &Path, found: &mut Vec<PathBuf>) {
        let path = dir.join(below);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(err) => {
                self.file_problem(&path, Severity::Error, format!("cannot read the directory: {err}"), "");
                self.loaded.broken.push(format!("{}/", below.to_string_lossy()));
                return;
            }
        };
        for entry in entries.flatten() {
            if found.len() > MAX_FILES {
                return;
            }
            let name = entry.file_name();
            let relative = below.join(&name);
            // Of the entry itself: a link to a directory is not followed.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.walk(dir, &relative, found);
                continue;
            }
            let name = name.to_string_lossy();
            if name.ends_with(".yaml") {
                found.push(relative);
            } else if [".yml", ".yaml"]
                .iter()
                .any(|end| name.to_ascii_lowercase().ends_with(end))
            {
                let fix = "rename it if it holds definitions";
                self.file_problem(
                    &dir.join(&relative),
                    Severity::Warning,
                    "only names that end in `.yaml` are read",
                    fix,
                );
            }
        }
    }

    fn file_problem(&mut self, path: &Path, severity: Severity, message: impl Into<String>, fix: &str) {
        let place = Source::new(path.display().to_string(), String::new()).place(Mark::START);
        self.loaded.problems.push(Problem {
            severity,
            place: Some(place),
            entry: String::new(),
            field: String::new(),
            message: message.into(),
            fix: fix.to_owned(),
        });
    }

    fn file(&mut self, path: &Path, relative: &str) {
        let refuse = |loader: &mut Self, message: String, fix: &str| {
            loader.file_problem(path, Severity::Error, message, fix);
            loader.loaded.broken.push(relative.to_owned());
        };
        let bytes = match read(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return refuse(self, source::too_large(), "split it"),
            Err(err) => return refuse(self, format!("cannot read the file: {err}"), ""),
        };
        let shown = path.display().to_string();
        match source::decode(bytes) {
            Ok(text) => self.text(relative, Source::new(shown, text)),
            Err(not) => {
                let source = Source::new(shown, not.lossy);
                self.problem(&source, Severity::Error, not.mark, not.message, "save it as UTF-8");
                self.loaded.broken.push(relative.to_owned());
            }
        }
    }

    fn problem(&mut self, source: &Source, severity: Severity, mark: Mark, message: impl Into<String>, fix: &str) {
        self.loaded.problems.push(Problem {
            severity,
            place: Some(source.place(mark)),
            entry: String::new(),
            field: String::new(),
            message: message.into(),
            fix: fix.to_owned(),
        });
    }

    fn text(&mut self, relative: &str, source: Source) {
        let first = self.loaded.problems.len();
        let parsed = yaml::parse(source.text());
        let failed = parsed.failed();
        for Complaint {
            severity,
            mark,
            message,
            fix,
        } in parsed.complaints
        {
            self.problem(&source, severity, mark, message, &fix);
        }
        let relative: Arc<str> = relative.into();
        if failed {
            self.loaded.broken.push(relative.to_string());
        } else {
            self.document(&source, &relative, parsed.root.as_ref());
        }
        let at = |problem: &Problem| problem.place.as_ref().map(|place| (place.line, place.column));
        self.loaded.problems[first..].sort_by_key(at);
        self.loaded.sources.insert(relative, source);
    }

    fn document(&mut self, source: &Source, relative: &Arc<str>, root: Option<&Node>) {
        let Some(root) = root else {
            let (message, fix) = if source.text().is_empty() {
                // As a full disk or an editor in mid-write leaves it.
                self.loaded.broken.push(relative.to_string());
                (
                    "the file is empty; what came from it earlier stays",
                    "remove the file if it is no longer wanted",
                )
            } else {
                ("the file holds no definitions; it is skipped", "")
            };
            return self.problem(source, Severity::Warning, Mark::START, message, fix);
        };
        let Some(entries) = root.entries() else {
            // A list is some other tool's file; a lone text is what is left of a map that broke off.
            if !matches!(root.bare().kind, NodeKind::List(_)) {
                self.loaded.broken.push(relative.to_string());
            }
            let message = "the top level is no map; the file is skipped";
            let fix = "definitions stand below `monitor:` and `alerter:`";
            return self.problem(source, Severity::Warning, root.mark, message, fix);
        };
        let unknown = match self.strictness {
            Strictness::Lenient => Severity::Warning,
            Strictness::Strict => Severity::Error,
        };
        let section = |key: &str| {
            [Section::Monitor, Section::Alerter]
                .into_iter()
                .find(|s| s.name() == key)
        };
        let ours = entries.iter().any(|(key, _)| section(&key.text).is_some());
        self.loaded.files += usize::from(ours);
        for (key, node) in entries {
            if let Some(section) = section(&key.text) {
                self.section(source, relative, section, key.mark, node);
            } else if let Some(close) = suggest(&key.text, ["monitor", "alerter"]) {
                let message = format!(
                    "unknown key `{}` at the top level; what stands below it is not read",
                    key.text
                );
                self.problem(source, unknown, key.mark, message, &format!("did you mean `{close}`?"));
                self.loaded.broken.push(relative.to_string());
            } else if ours && node.entries().is_none() {
                // The original skipped the whole file for this; its definitions are worth more than the rule.
                let message = format!("unknown key `{}` at the top level; it is ignored", key.text);
                self.problem(source, unknown, key.mark, message, "remove it");
            }
        }
    }

    fn section(&mut self, source: &Source, relative: &Arc<str>, section: Section, mark: Mark, node: &Node) {
        let entries = match (node.entries(), &node.bare().kind) {
            (Some(entries), _) => entries,
            (None, NodeKind::Scalar(Value::Null)) => return,
            (None, _) => {
                self.loaded.broken.push(relative.to_string());
                let message = format!("`{}:` holds no map of names", section.name());
                let fix = "write each definition below its name";
                return self.problem(source, Severity::Error, mark, message, fix);
            }
        };
        for (key, node) in entries {
            if let Some(first) = self.loaded.entries(section).get(&key.text) {
                let file = self.loaded.sources.get(&first.file).map_or(source, |s| s).file();
                let message = format!(
                    "{} `{}` is already defined in {file}:{}; this one is skipped",
                    section.name(),
                    key.text,
                    first.place.line
                );
                self.problem(
                    source,
                    Severity::Warning,
                    key.mark,
                    message,
                    "remove one of the two, or rename it",
                );
                continue;
            }
            let spec = node.value();
            let (problems, valid) = self.read(section, &key.text, &spec);
            for mut problem in problems {
                problem.place = Some(source.place(node.find(&problem.field).unwrap_or(key.mark)));
                self.loaded.problems.push(problem);
            }
            let entry = LoadedEntry {
                spec,
                file: Arc::clone(relative),
                place: key.mark,
                valid,
            };
            self.loaded.entries_mut(section).insert(key.text.clone(), entry);
        }
    }

    fn read(&self, section: Section, name: &str, spec: &Value) -> (Vec<Problem>, bool) {
        self.kinds.judge(section, name, spec, self.strictness)
    }
}

/// The bytes of a regular file; `None` above [`MAX_FILE_BYTES`].
fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        // Opening a pipe would wait for somebody to write to it.
        return Err(std::io::Error::other("it is no regular file"));
    }
    let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    if metadata.len() > most {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= MAX_FILE_BYTES).then_some(bytes))
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
