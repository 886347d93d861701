//! Texts that fit into one datagram: the longest give way first, and what is cut says so.

use async_snmp::{Value, VarBind};

use crate::alerters::text::one_line;

/// Room for all that is bound to a message. With the largest header there is, the whole stays within [`super::message::MAX_DATAGRAM`].
pub(super) const ROOM: usize = 1_080;
/// Longest text, in bytes.
pub(super) const MAX_TEXT: usize = 512;
/// Longest name, in bytes: as long as names of monitors can be.
pub(super) const MAX_NAME: usize = 255;
/// Names keep as much even where texts have to give way: they are what messages are told apart by.
const NAME_KEEPS: usize = 64;
/// Shows that something was cut.
const CUT: &str = "…";

/// How many bytes each text may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share(usize);

impl Share {
    /// Something to read.
    pub(super) fn text(self, text: &str) -> Value {
        Value::from(cut(text, self.0.min(MAX_TEXT)))
    }

    /// Something to tell apart by.
    pub(super) fn name(self, name: &str) -> Value {
        Value::from(cut(name, self.0.clamp(NAME_KEEPS, MAX_NAME)))
    }
}

/// What is bound, with the largest share for each text with which all of it fits.
pub(super) fn fitted(bind: impl Fn(Share) -> Vec<VarBind>) -> Vec<VarBind> {
    let fits = |share| bind(Share(share)).iter().map(VarBind::encoded_size).sum::<usize>() <= ROOM;
    let (mut fitting, mut too_large) = (0, MAX_TEXT + 1);
    while too_large - fitting > 1 {
        let middle = fitting.midpoint(too_large);
        if fits(middle) {
            fitting = middle;
        } else {
            too_large = middle;
        }
    }
    bind(Share(fitting))
}

/// At most `max` bytes on one line. No room for the mark is no room for a text.
fn cut(text: &str, max: usize) -> String {
    let text = one_line(text);
    if text.len() <= max {
        return text;
    }
    match max.checked_sub(CUT.len()) {
        None => String::new(),
        Some(keep) => format!("{}{CUT}", &text[..text.floor_char_boundary(keep)]),
    }
}

/// With nothing cut but what is too long by itself.
#[cfg(test)]
pub(super) fn whole<T>(bind: impl FnOnce(Share) -> T) -> T {
    bind(Share(MAX_TEXT))
}

#[cfg(test)]
mod tests {
    use async_snmp::oid;

    use super::*;

    fn lengths(texts: &[&str]) -> Vec<usize> {
        let bound = fitted(|share| {
            let texts = texts.iter().map(|text| share.text(text));
            texts.map(|value| VarBind::new(oid!(1, 3, 6, 1), value)).collect()
        });
        assert!(bound.iter().map(VarBind::encoded_size).sum::<usize>() <= ROOM);
        bound.iter().map(|b| b.value.as_bytes().unwrap().len()).collect()
    }

    #[test]
    fn what_fits_is_whole() {
        assert_eq!(lengths(&["short", &"x".repeat(500), ""]), [5, 500, 0]);
    }

    #[test]
    fn the_longest_give_way_and_the_short_ones_stay_whole() {
        let long = "x".repeat(5_000);
        assert_eq!(lengths(&[&long])[0], MAX_TEXT);
        let lengths = lengths(&[&long, "short", &long, &long, &"x".repeat(100)]);
        assert_eq!((lengths[1], lengths[4]), (5, 100));
        assert_eq!((lengths[0], lengths[0]), (lengths[2], lengths[3]));
        assert!((280..330).contains(&lengths[0]), "{lengths:?}");
    }

    #[test]
    fn what_is_cut_ends_in_an_ellipsis_and_between_characters() {
        assert_eq!(cut("öööö", 8), "öööö");
        assert_eq!(cut("ööööö", 8), "öö…");
        assert_eq!(cut("abcdef", 5), "ab…");
        assert_eq!(cut("abcdef", 3), "…");
        assert_eq!(cut("abcdef", 2), "");
        assert_eq!(cut("two\nlines", 20), "two lines");
    }

    #[test]
    fn a_name_keeps_more_than_a_text() {
        let name = "n".repeat(300);
        let length = |value: Value| value.as_bytes().unwrap().len();
        assert_eq!(length(Share(10).name(&name)), 64);
        assert_eq!(length(Share(100).name(&name)), 100);
        assert_eq!(length(Share(512).name(&name)), 255);
        assert_eq!(length(Share(10).text(&name)), 10);
    }
}
