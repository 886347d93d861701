//! What is wrong with something an operator wrote, and how to mend it.

use std::fmt;
use std::sync::Arc;

/// Whether the entry can still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The entry cannot be used.
    Error,
    /// The entry is used, but is probably not what was meant.
    Warning,
}

/// Where in a file: 1-based line and column, and the line itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path as the operator gave it.
    pub file: Arc<str>,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// The line's text.
    pub text: Arc<str>,
}

/// One thing that is wrong. All problems of all files are collected and shown together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether the entry can still be used.
    pub severity: Severity,
    /// Where it stands, when it came from a file.
    pub place: Option<Place>,
    /// `monitor web`, `alerter ops`; empty when the whole file is meant.
    pub entry: String,
    /// Path of the field below the entry, dotted (`headers.accept`); empty when the entry itself is meant.
    pub field: String,
    /// What is wrong, with the value.
    pub message: String,
    /// What to do about it; may be empty when the message says it.
    pub fix: String,
}

impl Problem {
    /// An error about a field of an entry that is not known to stand in a file.
    #[must_use]
    pub fn error(field: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: None,
            entry: String::new(),
            field: field.into(),
            message: message.into(),
            fix: fix.into(),
        }
    }

    /// A warning likewise.
    #[must_use]
    pub fn warning(field: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(field, message, fix)
        }
    }

    /// The same problem, said of an entry (`monitor web`).
    #[must_use]
    pub fn of(mut self, entry: impl Into<String>) -> Self {
        self.entry = entry.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}:{}: ", place.file, place.line, place.column)?;
        }
        f.write_str(match self.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
        })?;
        if !self.entry.is_empty() {
            write!(f, "{}: ", self.entry)?;
        }
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if !self.fix.is_empty() {
            write!(f, "; {}", self.fix)?;
        }
        Ok(())
    }
}
