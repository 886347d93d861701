//! The file: a header, a line of JSON for each record, and a last line that says how many there were, so that a file that was cut off is
//! known by it.

use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Record, key};
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

/// A file that was read.
#[derive(Debug)]
pub struct Read {
    /// Its first line.
    pub header: Header,
    /// What it holds, if nothing is damaged.
    pub records: Vec<Record>,
    /// Damaged lines; so many are named, and how many more there are.
    pub damage: (Vec<Damage>, usize),
}

/// Reads a whole file.
///
/// # Errors
/// [`FileError`].
pub fn read(from: &mut dyn BufRead) -> Result<Read, FileError> {
    let mut text = Vec::new();
    let mut next = |text: &mut Vec<u8>| -> io::Result<bool> {
        text.clear();
        Ok((&mut *from).take(MAX_LINE).read_until(b'\n', text)? > 0)
    };
    next(&mut text)?;
    let first: serde_json::Value = serde_json::from_slice(&text).map_err(|_| FileError::Strange)?;
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
    let mut read = Reading::default();
    let mut n = 1;
    while next(&mut text)? {
        n += 1;
        if let Err(why) = read.line(&text) {
            read.damaged(n, why);
        }
    }
    match read.end {
        None => read.damaged(n + 1, "the file ends early".to_owned()),
        Some(end) if end != read.lines => {
            read.damaged(n, format!("it should end after {end} records and has {}", read.lines));
        }
        Some(_) => {}
    }
    Ok(Read {
        header,
        records: read.records,
        damage: (read.damage, read.more),
    })
}

#[derive(Default)]
struct Reading {
    records: Vec<Record>,
    keys: std::collections::HashSet<super::Key>,
    lines: usize,
    end: Option<usize>,
    damage: Vec<Damage>,
    more: usize,
}

impl Reading {
    fn damaged(&mut self, line: usize, why: String) {
        if self.damage.len() < NAMED {
            self.damage.push(Damage { line, why });
        } else {
            self.more += 1;
        }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), String> {
        if self.end.is_some() {
            return Err("something comes after the end".to_owned());
        }
        if let Ok(trailer) = serde_json::from_slice::<Trailer>(text) {
            self.end = Some(trailer.end);
            return Ok(());
        }
        self.lines += 1;
        let read: Line<'_> =
            serde_json::from_slice(text).map_err(|error| format!("this is no record (column {})", error.column()))?;
        let key = key(&read.key).ok_or("this is no key of a record that can be imported")?;
        let value = match (read.value, read.text) {
            (Some(value), None) => value.get().to_owned(),
            (None, Some(text)) => text,
            _ => return Err("a record has either a value or a text".to_owned()),
        };
        if !self.keys.insert(key.clone()) {
            return Err("its key is in the file twice".to_owned());
        }
        self.records.push(Record {
            key,
            value: value.into(),
        });
        Ok(())
    }
}
