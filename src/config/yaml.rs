//! YAML text into a tree that knows where every key and value stands. The only file that names the parser.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};

use super::scalar;
use crate::model::Severity;

/// Largest file, in bytes. A hundred thousand monitors have about 20 MB.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// Values in one file, at most.
pub const MAX_NODES: usize = 5_000_000;
/// What aliases may repeat in all, in values and units of [`WEIGHT_BYTES`]: a few lines of aliases can stand for terabytes.
pub const MAX_REPEATED: usize = 1_000_000;
/// Text of this length weighs as much as one more value.
const WEIGHT_BYTES: usize = 64;
/// Deepest nesting, aliases resolved. JSON readers stop at 128, and a definition is wrapped in a record.
pub const MAX_DEPTH: usize = 64;

/// 1-based line and column, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl Mark {
    /// The beginning of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl From<&Marker> for Mark {
    fn from(marker: &Marker) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: narrow(marker.line().max(1)),
            column: narrow(marker.col().saturating_add(1)),
        }
    }
}

/// A value and where it begins.
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// What it is.
    pub kind: NodeKind,
}

/// What a value is.
pub enum NodeKind {
    /// Text, number, boolean or null.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file, no key twice.
    Map(Vec<(Key, Node)>),
    /// A value with an anchor, or an alias of one.
    Shared(Rc<Node>),
}

/// A key and where it stands.
#[derive(Debug)]
pub struct Key {
    /// Its text, after the rules for scalars (`on` is `true`).
    pub text: String,
    /// Where it begins.
    pub mark: Mark,
}

/// Something wrong with the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// An error leaves no tree.
    pub severity: Severity,
    /// Where.
    pub mark: Mark,
    /// What.
    pub message: String,
    /// What to do about it; may be empty.
    pub fix: String,
}

impl Complaint {
    fn error(mark: Mark, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            mark,
            message: message.into(),
            fix: fix.into(),
        }
    }

    fn warning(mark: Mark, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(mark, message, fix)
        }
    }
}

/// The first document of a text.
#[derive(Default)]
pub struct Parsed {
    /// Its value; `None` where there is none, or after an error.
    pub root: Option<Node>,
    /// Errors (at most one: nothing after it can be trusted) and warnings.
    pub complaints: Vec<Complaint>,
}

impl Parsed {
    /// Whether the text is no YAML, or more than we take.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.complaints.iter().any(|c| c.severity == Severity::Error)
    }
}

impl Node {
    /// The value behind anchors and aliases.
    #[must_use]
    pub fn bare(&self) -> &Self {
        let mut node = self;
        while let NodeKind::Shared(inner) = &node.kind {
            node = inner;
        }
        node
    }

    /// The entries, if it is a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Key, Self)]> {
        match &self.bare().kind {
            NodeKind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// As JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            NodeKind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.text.clone(), node.value()))
                    .collect::<Map<_, _>>(),
            ),
            NodeKind::Shared(node) => node.value(),
        }
    }

    /// Where the field of that path stands: its key in a map, itself in a list. `headers.accept`, `tags[0]`; keys in any case.
    /// The deepest part that exists, if not all does; `None` if not even the first.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Mark> {
        let mut node = self.bare();
        let mut rest = path;
        let mut found = None;
        while !rest.is_empty() {
            let step = match &node.kind {
                NodeKind::Map(entries) => entries
                    .iter()
                    .filter_map(|(key, node)| Some((key, node, after_key(rest, &key.text)?)))
                    // A key may itself hold a dot: the longest that fits is meant. An exact one goes before one in other case.
                    .max_by_key(|(key, ..)| (key.text.len(), rest.starts_with(&key.text)))
                    .map(|(key, node, rest)| (key.mark, node, rest)),
                NodeKind::List(items) => after_index(rest).and_then(|(index, rest)| {
                    let item = items.get(index)?;
                    Some((item.mark, item, rest))
                }),
                _ => None,
            };
            let Some((mark, next, after)) = step else {
                break;
            };
            found = Some(mark);
            node = next.bare();
            rest = after;
        }
        found
    }
}

fn after_key<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let head = path.get(..key.len())?;
    let rest = &path[key.len()..];
    if key.is_empty() || !head.eq_ignore_ascii_case(key) {
        return None;
    }
    match rest.as_bytes().first() {
        None | Some(b'[') => Some(rest),
        Some(b'.') => Some(&rest[1..]),
        Some(_) => None,
    }
}

fn after_index(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = match path.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => path.split_at(path.find(['.', '[']).unwrap_or(path.len())),
    };
    Some((index.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

/// Reads the first document of a text.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    if let Some(complaint) = control_character(text) {
        return Parsed {
            root: None,
            complaints: vec![complaint],
        };
    }
    let mut builder = Builder::default();
    match builder.run(text) {
        Ok(root) => Parsed {
            root,
            complaints: builder.complaints,
        },
        Err(complaint) => {
            builder.complaints.push(complaint);
            Parsed {
                root: None,
                complaints: builder.complaints,
            }
        }
    }
}

/// The first character that no text file holds. The parser would take a NUL for the end and lose what follows.
fn control_character(text: &str) -> Option<Complaint> {
    let at = text
        .bytes()
        .position(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r'))?;
    let byte = text.as_bytes()[at];
    Some(Complaint::error(
        mark_of(text, at),
        format!("a control character (U+{byte:04X}) cannot stand in YAML"),
        "remove it, or write it as an escape within double quotes",
    ))
}

/// The line and column of a byte.
fn mark_of(text: &str, at: usize) -> Mark {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    Mark {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

/// What a finished value weighs with everything that it repeats, and how deep it is.
#[derive(Debug, Clone, Copy)]
struct Size {
    weight: usize,
    depth: usize,
}

enum Open {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

struct Frame {
    mark: Mark,
    anchor: usize,
    size: Size,
    open: Open,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Rc<Node>, Size)>,
    nodes: usize,
    repeated: usize,
    root: Option<Node>,
    complaints: Vec<Complaint>,
}

impl Builder {
    fn run(&mut self, text: &str) -> Result<Option<Node>, Complaint> {
        let mut options = granit_parser::options! {
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        let mut events = Parser::new_from_str_with_options(text, options);
        let mut read_to = 0;
        while let Some(event) = events.next_event() {
            let (event, span) = event.map_err(|err| explain(&err, text, read_to))?;
            read_to = span.end.byte_offset().unwrap_or(read_to);
            let mark = Mark::from(&span.start);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(&text, style, anchor, tag.as_deref(), mark)?;
                }
                Event::SequenceStart(_, anchor, _) => self.begin(mark, anchor, Open::List(Vec::new()))?,
                Event::MappingStart(_, anchor, _) => self.begin(mark, anchor, Open::Map(Vec::new(), None))?,
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Alias(id) => self.alias(id, mark)?,
                Event::DocumentEnd => break,
                _ => {}
            }
        }
        self.look_past_the_end(events.next_event());
        Ok(self.root.take())
    }

    /// The original read the first document only, and so do we, but not silently.
    fn look_past_the_end(&mut self, next: Option<Result<(Event<'_>, Span), ScanError>>) {
        let mark = match &next {
            None | Some(Ok((Event::StreamEnd, _))) => return,
            Some(Ok((_, span))) => Mark::from(&span.start),
            Some(Err(err)) => Mark::from(err.marker()),
        };
        self.complaints.push(Complaint::warning(
            mark,
            "only the first document of a file is read; what follows is ignored",
            "put it into a file of its own",
        ));
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        mark: Mark,
    ) -> Result<(), Complaint> {
        let size = Size {
            weight: 1 + text.len() / WEIGHT_BYTES,
            depth: 1,
        };
        let node = Node {
            mark,
            kind: NodeKind::Scalar(scalar_value(text, style, tag)),
        };
        self.place(node, anchor, size)
    }

    fn begin(&mut self, mark: Mark, anchor: usize, open: Open) -> Result<(), Complaint> {
        if let Some(Frame {
            open: Open::Map(_, None),
            ..
        }) = self.stack.last()
        {
            return Err(no_key(mark));
        }
        self.stack.push(Frame {
            mark,
            anchor,
            size: Size { weight: 1, depth: 1 },
            open,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Complaint> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let kind = match frame.open {
            Open::List(items) => NodeKind::List(items),
            Open::Map(entries, _) => NodeKind::Map(self.last_of_each(entries)),
        };
        let node = Node { mark: frame.mark, kind };
        self.place(node, frame.anchor, frame.size)
    }

    fn alias(&mut self, id: usize, mark: Mark) -> Result<(), Complaint> {
        let Some((node, size)) = self.anchors.get(&id) else {
            return Err(Complaint::error(mark, "an alias within its own anchor never ends", ""));
        };
        let (node, size) = (
            Node {
                mark: node.mark,
                kind: NodeKind::Shared(Rc::clone(node)),
            },
            *size,
        );
        self.repeated = self.repeated.saturating_add(size.weight);
        if self.repeated > MAX_REPEATED {
            return Err(Complaint::error(
                mark,
                format!("the aliases of this file repeat more than {MAX_REPEATED} values"),
                "write fewer or smaller aliases, or split the file",
            ));
        }
        self.place(node, 0, size)
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: Node, anchor: usize, size: Size) -> Result<(), Complaint> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Complaint::error(
                node.mark,
                format!("a file can hold {MAX_NODES} values at most"),
                "split it",
            ));
        }
        let node = if anchor == 0 {
            node
        } else {
            let mark = node.mark;
            let shared = Rc::new(node);
            self.anchors.insert(anchor, (Rc::clone(&shared), size));
            Node {
                mark,
                kind: NodeKind::Shared(shared),
            }
        };
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.size.weight = frame.size.weight.saturating_add(size.weight);
        frame.size.depth = frame.size.depth.max(size.depth + 1);
        if frame.size.depth > MAX_DEPTH {
            return Err(Complaint::error(
                node.mark,
                format!("nested deeper than {MAX_DEPTH} levels"),
                "",
            ));
        }
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map(entries, key) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(as_key(&node)?),
            },
        }
        Ok(())
    }

    /// Of keys that stand twice the last one counts, as in the original; here with a warning.
    fn last_of_each(&mut self, entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
        let mut last = HashMap::with_capacity(entries.len());
        for (at, (key, _)) in entries.iter().enumerate() {
            if let Some(before) = last.insert(key.text.as_str(), at) {
                let line = entries[before].0.mark.line;
                self.complaints.push(Complaint::warning(
                    key.mark,
                    format!(
                        "`{}` is already set in line {line}; this one replaces it",
                        shown(&key.text)
                    ),
                    "remove one of the two",
                ));
            }
        }
        if last.len() == entries.len() {
            return entries;
        }
        let mut keep = vec![false; entries.len()];
        for at in last.into_values() {
            keep[at] = true;
        }
        entries
            .into_iter()
            .zip(keep)
            .filter_map(|(entry, keep)| keep.then_some(entry))
            .collect()
    }
}

/// A key as it is shown in a message.
fn shown(key: &str) -> String {
    const MOST: usize = 80;
    if key.chars().count() <= MOST {
        return key.to_owned();
    }
    key.chars().take(MOST).chain(['…']).collect()
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let wanted = tag.map(|tag| tag.core_suffix().unwrap_or(""));
    match wanted {
        Some("int" | "float") => scalar::number(text).map_or_else(|| text.into(), Value::Number),
        Some("bool") => scalar::boolean(text).map_or_else(|| text.into(), Value::Bool),
        Some("null") => Value::Null,
        Some(_) => text.into(),
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => text.into(),
    }
}

fn as_key(node: &Node) -> Result<Key, Complaint> {
    let text = match &node.bare().kind {
        NodeKind::Scalar(Value::String(text)) => text.clone(),
        NodeKind::Scalar(value) => value.to_string(),
        _ => return Err(no_key(node.mark)),
    };
    Ok(Key { text, mark: node.mark })
}

fn no_key(mark: Mark) -> Complaint {
    Complaint::error(
        mark,
        "a list or a map cannot be a key",
        "quote the key if it is meant as text",
    )
}

/// The parser's error in the words of somebody who writes a file. What stood before the byte `read_to` was fine.
fn explain(err: &ScanError, text: &str, read_to: usize) -> Complaint {
    let mut mark = Mark::from(err.marker());
    let (message, fix) = match err.kind() {
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => (
            "a tab stands where only spaces can indent".to_owned(),
            "indent with spaces",
        ),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            // The parser stops where the text can no longer go on; the mistake is where it began.
            if let Some(at) = text.get(read_to..).and_then(|rest| rest.find(['\'', '"'])) {
                mark = mark_of(text, read_to + at);
            }
            (
                "a quote is opened here and not closed".to_owned(),
                "close it on the same line",
            )
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => (
            "text follows the closing quote".to_owned(),
            "write a quote within single quotes twice (`''`), or use double quotes around",
        ),
        ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "text follows the closing quote".to_owned(),
            "write a quote within double quotes as `\\\"`, or use single quotes around",
        ),
        ErrorKind::UnknownQuotedScalarEscape => (
            "an escape after `\\` that YAML does not know".to_owned(),
            "double the backslash, or use single quotes",
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::InvalidIndentation => (
            "this line does not fit to the lines above".to_owned(),
            "indent it like the entries that it belongs to",
        ),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a `key: value` cannot begin here".to_owned(),
            "check the indentation, and quote a text that holds `: `",
        ),
        ErrorKind::SimpleKeyExpected => (
            "this line is no `key: value`".to_owned(),
            "add the `:` after the key, and check the indentation",
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("a value cannot begin with `{character}`"),
            "put the text into quotes",
        ),
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("a `{open}` is opened here and never closed"), "close it")
        }
        ErrorKind::RecursionLimitExceeded => (format!("nested deeper than {MAX_DEPTH} levels"), ""),
        ErrorKind::UnknownAnchor => (
            "an alias names an anchor that is not set before it".to_owned(),
            "quote a text that begins with `*`",
        ),
        _ => (err.info(), "check the indentation and the quotes around it"),
    };
    Complaint::error(mark, message, fix)
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
