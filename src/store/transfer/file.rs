//! The file: a header, a line of JSON for each record, and a last line that says how many there were, so that a file that was cut off is
//! known by it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, Read as _, Seek, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Key, RANKS, Record, key, rank};
use crate::model::WallMs;
use crate::store::backend::{MAX_COMMIT_BYTES, Revision};

/// The format of the file that this program writes.
const FILE_FORMAT: u32 = 1;
/// Longest line: the largest commit, with every byte escaped.
const MAX_LINE: u64 = 6 * MAX_COMMIT_BYTES as u64;
/// Damaged lines that are named.
const NAMED: usize = 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What this file is: always [`Header::KIND`].
    #[serde(rename = "9volt")]
    pub kind: String,
    /// The format of this file.
    pub format: u32,
    /// The format of the records in it.
    pub records: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// The store that they are from.
    pub store: String,
    /// The revision that they were read at.
    pub revision: Revision,
    /// When, for people.
    pub time: String,
}

impl Header {
    /// What [`Header::kind`] has to be.
    pub const KIND: &'static str = "store-export";

    /// Of an export that begins now.
    #[must_use]
    pub fn new(store: String, revision: Revision, time: WallMs) -> Self {
        Self {
            kind: Self::KIND.to_owned(),
            format: FILE_FORMAT,
            records: crate::store::records::FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store,
            revision,
            time: time.rfc3339(),
        }
    }
}

/// One record. Values that are JSON stand in the file as they stand in the store; others as text.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    key: std::borrow::Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct Trailer {
    end: usize,
}

fn line<T: Serialize>(to: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}

/// Writes the first line.
///
/// # Errors
/// The file's.
pub fn write_header(to: &mut dyn Write, header: &Header) -> io::Result<()> {
    line(to, header)
}

/// Writes one record; `false`: it is not text and nothing of ours, and was left out.
///
/// # Errors
/// The file's.
pub fn write_record(to: &mut dyn Write, record: &Record) -> io::Result<bool> {
    let Ok(text) = std::str::from_utf8(&record.value) else {
        return Ok(false);
    };
    let raw = serde_json::from_str::<&RawValue>(text);
    // Space around it is no part of a raw value, and a line is not to be broken.
    let whole = raw.ok().filter(|raw| raw.get() == text && !text.contains(['\n', '\r']));
    let of = Line {
        key: record.key.as_str().into(),
        value: whole,
        text: whole.is_none().then(|| text.to_owned()),
    };
    line(to, &of)?;
    Ok(true)
}

/// Writes the last line.
///
/// # Errors
/// The file's.
pub fn write_trailer(to: &mut dyn Write, records: usize) -> io::Result<()> {
    line(to, &Trailer { end: records })
}

/// Why a file is not taken at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is something else.
    #[error("this is no export of a store: its first line does not say so")]
    Strange,
    /// A newer version wrote it.
    #[error(
        "this export has format {file}, with records of format {records}; this version reads up to {FILE_FORMAT} and {}",
        crate::store::records::FORMAT
    )]
    Newer {
        /// The file's.
        file: u32,
        /// The records'.
        records: u32,
    },
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Damage {
    /// Which.
    pub line: usize,
    /// Why. Never a part of the line: it may hold secrets.
    pub why: String,
}

/// A file of which every line was looked at, and that can be gone over again for what it holds: it is never whole in memory.
#[derive(Debug)]
pub struct Checked<F> {
    /// Its first line.
    pub header: Header,
    /// Damaged lines; so many are named, and how many more there are.
    pub damage: (Vec<Damage>, usize),
    /// How many records it holds.
    pub records: usize,
    lines: Lines<F>,
    /// Where the records of each rank stand: between the first and the last of them.
    parts: [Option<Part>; RANKS],
    prints: Prints,
    keys: HashSet<u128>,
}

/// A part of a file: whole lines.
#[derive(Debug, Clone, Copy)]
struct Part {
    from: Place,
    to: Place,
}

/// Between two lines: bytes and lines before.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    bytes: u64,
    lines: usize,
}

/// Lines one after the other, none of them longer than [`MAX_LINE`].
#[derive(Debug)]
struct Lines<F> {
    from: F,
    at: Place,
    text: Vec<u8>,
}

impl<F: BufRead> Lines<F> {
    fn next(&mut self) -> io::Result<bool> {
        self.text.clear();
        let read = (&mut self.from).take(MAX_LINE).read_until(b'\n', &mut self.text)?;
        self.at.bytes += read as u64;
        self.at.lines += usize::from(read > 0);
        Ok(read > 0)
    }
}

/// Looks at a whole file. Nothing of it is kept but where what stands.
///
/// # Errors
/// [`FileError`]; what is wrong with single lines is in [`Checked::damage`].
pub fn check<F: BufRead + Seek>(from: F) -> Result<Checked<F>, FileError> {
    let mut lines = Lines {
        from,
        at: Place::default(),
        text: Vec::new(),
    };
    lines.next()?;
    let first: serde_json::Value = serde_json::from_slice(&lines.text).map_err(|_| FileError::Strange)?;
    let number = |name: &str| first.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    if first.get("9volt").and_then(serde_json::Value::as_str) != Some(Header::KIND) {
        return Err(FileError::Strange);
    }
    // Before the rest of it is looked at: in a newer one it may be something else.
    let (file, records) = (number("format"), number("records"));
    if file > u64::from(FILE_FORMAT) || records > u64::from(crate::store::records::FORMAT) {
        let narrow = |n| u32::try_from(n).unwrap_or(u32::MAX);
        return Err(FileError::Newer {
            file: narrow(file),
            records: narrow(records),
        });
    }
    let header: Header = serde_json::from_value(first).map_err(|_| FileError::Strange)?;
    let mut checked = Checked {
        header,
        damage: (Vec::new(), 0),
        records: 0,
        lines,
        parts: [None; RANKS],
        prints: Prints::default(),
        keys: HashSet::new(),
    };
    let mut end = None;
    loop {
        let from = checked.lines.at;
        if !checked.lines.next()? {
            break;
        }
        if let Err(why) = checked.line(from, &mut end) {
            checked.damaged(checked.lines.at.lines, why);
        }
    }
    let (lines, records) = (checked.lines.at.lines, checked.records);
    match end {
        None => checked.damaged(lines + 1, "the file ends early".to_owned()),
        Some(end) if end != records => {
            checked.damaged(lines, format!("it should end after {end} records and has {records}"));
        }
        Some(_) => {}
    }
    Ok(checked)
}

impl<F: BufRead + Seek> Checked<F> {
    fn damaged(&mut self, line: usize, why: String) {
        let (named, more) = &mut self.damage;
        if named.len() < NAMED {
            named.push(Damage { line, why });
        } else {
            *more += 1;
        }
    }

    /// The line that was read last, which began there.
    fn line(&mut self, from: Place, end: &mut Option<usize>) -> Result<(), String> {
        if end.is_some() {
            return Err("something comes after the end".to_owned());
        }
        if let Ok(trailer) = serde_json::from_slice::<Trailer>(&self.lines.text) {
            *end = Some(trailer.end);
            return Ok(());
        }
        self.records += 1;
        let record = record(&self.lines.text)?;
        if !self.keys.insert(self.prints.of(record.key.as_str().as_bytes())) {
            return Err("its key is in the file twice".to_owned());
        }
        let to = self.lines.at;
        if let Some(part) = self.parts.get_mut(rank(&record.key)) {
            part.get_or_insert(Part { from, to }).to = to;
        }
        Ok(())
    }

    /// Whether it holds this key.
    pub(super) fn holds(&self, key: &Key) -> bool {
        self.keys.contains(&self.prints.of(key.as_str().as_bytes()))
    }

    #[cfg(test)]
    pub(super) fn changes_to(&mut self, from: F) {
        self.lines.from = from;
    }

    /// What values are compared by.
    pub(super) fn prints(&self) -> &Prints {
        &self.prints
    }

    /// Goes over the records of one rank.
    pub(super) fn of_rank(&mut self, rank: usize) -> io::Result<OfRank<'_, F>> {
        let place = Place::default();
        let part = self
            .parts
            .get(rank)
            .copied()
            .flatten()
            .unwrap_or(Part { from: place, to: place });
        self.lines.from.seek(io::SeekFrom::Start(part.from.bytes))?;
        self.lines.at = part.from;
        Ok(OfRank {
            lines: &mut self.lines,
            prints: &self.prints,
            to: part.to,
            rank,
        })
    }
}

/// The records of one rank, in the order of the file.
pub(super) struct OfRank<'a, F> {
    lines: &'a mut Lines<F>,
    /// As [`Checked::prints`].
    pub(super) prints: &'a Prints,
    to: Place,
    rank: usize,
}

impl<F: BufRead> OfRank<'_, F> {
    /// The next one; none: that was all.
    ///
    /// # Errors
    /// The file's, also where it is another one than the one that was checked.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        while self.lines.at.bytes < self.to.bytes {
            let read = self.lines.next()?;
            let line = self.lines.at.lines;
            let changed = |_| io::Error::other(format!("line {line}: the file was changed while it was read"));
            if !read {
                return Err(changed(String::new()));
            }
            let record = record(&self.lines.text).map_err(changed)?;
            if rank(&record.key) == self.rank {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

fn record(text: &[u8]) -> Result<Record, String> {
    let read: Line<'_> =
        serde_json::from_slice(text).map_err(|error| format!("this is no record (column {})", error.column()))?;
    let key = key(&read.key).ok_or("this is no key of a record that can be imported")?;
    let value = match (read.value, read.text) {
        (Some(value), None) => value.get().to_owned(),
        (None, Some(text)) => text,
        _ => return Err("a record has either a value or a text".to_owned()),
    };
    Ok(Record {
        key,
        value: value.into(),
    })
}

/// What stands for bytes that are too many to keep: nobody who writes a file can make two that are the same.
#[derive(Debug, Default)]
pub(super) struct Prints(RandomState, RandomState);

impl Prints {
    pub(super) fn of(&self, bytes: &[u8]) -> u128 {
        u128::from(self.0.hash_one(bytes)) << 64 | u128::from(self.1.hash_one(bytes))
    }
}
