//! Names and ids. A name is checked once, when it is parsed, and is safe everywhere after that.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name, in bytes after percent-encoding: it has to fit into one segment of a store key.
pub const MAX_NAME_BYTES: usize = 253;

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The empty string.
    #[error("a name cannot be empty")]
    Empty,
    /// `.` and `..` vanish from URLs on their way through browsers and proxies.
    #[error("a name cannot be `{0}`: browsers and proxies remove it from URLs")]
    Dots(String),
    /// A slash would be a path separator in URLs.
    #[error("a name cannot contain `/`: it separates the parts of a URL; use `-` or `.` instead")]
    Slash,
    /// Line breaks, NUL and the like.
    #[error("a name cannot contain control characters (found U+{0:04X})")]
    Control(u32),
    /// Longer than [`MAX_NAME_BYTES`] once percent-encoded.
    #[error("a name can be {MAX_NAME_BYTES} bytes long at most, percent-encoded; this one has {0}")]
    TooLong(usize),
}

fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots(name.to_owned()));
    }
    if name.contains('/') {
        return Err(NameError::Slash);
    }
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        return Err(NameError::Control(c.into()));
    }
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        .map(str::len)
        .sum::<usize>();
    // Unreserved marks stay as they are in keys; counting them as three bytes would refuse names that fit.
    let marks = name.bytes().filter(|b| matches!(b, b'-' | b'.' | b'_' | b'~')).count();
    let length = encoded - 2 * marks;
    if length > MAX_NAME_BYTES {
        return Err(NameError::TooLong(length));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] says what is wrong with it.
            pub fn parse(name: &str) -> Result<Self, NameError> {
                check_name(name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::parse(&name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

name_type! {
    /// The identity of a monitor: key in YAML, segment of its store key, `check` in the original's state.
    MonitorName
}
name_type! {
    /// The identity of an alerter.
    AlerterName
}
name_type! {
    /// A running server. Stable over restarts of the same data directory.
    MemberId
}

/// One stretch of not-ok of one monitor: the due time of its first failed run, in Unix milliseconds.
///
/// Two members that run a monitor on the same phase agree on it without talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpisodeId(pub i64);

impl fmt::Display for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_operators_use_are_accepted() {
        for name in [
            "web",
            "web front page",
            "größe",
            "🔥",
            "_hidden",
            "a.b-c_d~e",
            "x?y&z",
            "...",
        ] {
            assert_eq!(MonitorName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_break_urls_or_keys_are_refused_with_the_reason() {
        assert_eq!(MonitorName::parse(""), Err(NameError::Empty));
        assert_eq!(MonitorName::parse(".."), Err(NameError::Dots("..".into())));
        assert_eq!(MonitorName::parse("a/b"), Err(NameError::Slash));
        assert_eq!(MonitorName::parse("a\0b"), Err(NameError::Control(0)));
        assert_eq!(MonitorName::parse(&"x".repeat(300)), Err(NameError::TooLong(300)));
    }

    #[test]
    fn length_counts_encoded_bytes() {
        assert!(MonitorName::parse(&"-".repeat(253)).is_ok());
        assert_eq!(MonitorName::parse(&"🔥".repeat(22)), Err(NameError::TooLong(22 * 12)));
    }
}
