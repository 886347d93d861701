//! A file's text, and the lines of it that problems point to.

use std::sync::{Arc, OnceLock};

use super::mask::mask_line;
use super::yaml::{MAX_FILE_BYTES, Mark};
use crate::model::Place;

/// Of a longer line only the beginning is shown.
const SHOWN_CHARS: usize = 200;

/// The text of one file. Not for logs: it may hold secrets.
pub struct Source {
    file: Arc<str>,
    text: String,
    starts: OnceLock<Vec<usize>>,
}

impl Source {
    /// A text and the path under which people know it.
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>, text: String) -> Self {
        Self {
            file: file.into(),
            text,
            starts: OnceLock::new(),
        }
    }

    /// The path.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of a mark, with its line: without secrets, without control characters, cut to a length that fits a terminal.
    #[must_use]
    pub fn place(&self, mark: Mark) -> Place {
        let starts = self.starts.get_or_init(|| line_starts(&self.text));
        let line = mark.line as usize;
        let start = starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = starts.get(line).copied().unwrap_or(self.text.len());
        let text = self.text[start..end].trim_end_matches(['\n', '\r']);
        // One character more than is shown would do, but a secret's name must not be cut in two.
        let text: String = text
            .chars()
            .take(SHOWN_CHARS)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Place {
            file: Arc::clone(&self.file),
            line,
            column: mark.column as usize,
            text: mask_line(text.trim_start_matches('\u{feff}')).into(),
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect()
}

/// Why bytes are no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotText {
    pub(super) mark: Mark,
    pub(super) message: String,
    /// What could be read, for showing the line.
    pub(super) lossy: String,
}

/// Bytes as text: UTF-8, or UTF-16 with its mark, as the original took them.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    let sixteen = |from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..]
            .chunks_exact(2)
            .map(|pair| from([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).map_err(|err| NotText {
            mark: Mark::START,
            message: format!("the file is no valid UTF-16: {err}"),
            lossy: String::new(),
        })
    };
    match bytes.as_slice() {
        [0xFF, 0xFE, ..] => return sixteen(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => return sixteen(u16::from_be_bytes),
        _ => {}
    }
    String::from_utf8(bytes).map_err(|err| {
        let good = err.utf8_error().valid_up_to();
        let lossy = String::from_utf8_lossy(err.as_bytes()).into_owned();
        let before = &lossy[..good];
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        NotText {
            mark: Mark {
                line: narrow(before.matches('\n').count() + 1),
                column: narrow(before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1),
            },
            message: "the file is not UTF-8".to_owned(),
            lossy,
        }
    })
}

/// What is said of a file above [`MAX_FILE_BYTES`].
pub(super) fn too_large() -> String {
    format!("the file is larger than {} MB", MAX_FILE_BYTES >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, line: u32, column: u32) -> Place {
        Source::new("f.yaml", text.to_owned()).place(Mark { line, column })
    }

    #[test]
    fn a_place_shows_its_line_without_secrets_and_control_characters() {
        assert_eq!(&*place("a: 1\r\n\tb: \u{1b}[31m\ntoken: x", 2, 1).text, " b:  [31m");
        assert_eq!(&*place("a: 1\ntoken: xy", 2, 1).text, "token: **");
        assert_eq!(&*place("a: 1\n", 9, 1).text, "");
        assert_eq!(place(&"x".repeat(10_000), 1, 1).text.len(), SHOWN_CHARS);
    }

    #[test]
    fn bytes_are_utf_8_or_marked_utf_16() {
        assert_eq!(decode(b"\xff\xfea\0:\0".to_vec()).unwrap(), "a:");
        assert_eq!(decode(b"\xfe\xff\0a\0:".to_vec()).unwrap(), "a:");
        let err = decode(b"a: 1\nb: \xc3\xa4\xe9\n".to_vec()).unwrap_err();
        assert_eq!(err.mark, Mark { line: 2, column: 5 });
    }
}
