//! What an unquoted YAML scalar means in the dialect of the original: YAML 1.1 as its Go library read it.

use serde_json::{Number, Value};

/// Floats up to here are whole numbers when they have no fraction: above, neighbours are more than one apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of an unquoted, untagged scalar.
///
/// `y`, `yes`, `on` and `true` in any case are true, `~` and nothing are null, `010` and `0o10` are eight, `1_000` is a thousand,
/// `1e3` too, and a date becomes its RFC 3339 text. What is nothing of this is text.
#[must_use]
pub fn resolve(text: &str) -> Value {
    match text.as_bytes().first() {
        None => Value::Null,
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text)
            .map(Value::Number)
            .or_else(|| timestamp(text).map(Value::String))
            .unwrap_or_else(|| text.into()),
        Some(_) if is_null(text) => Value::Null,
        Some(_) => boolean(text).map_or_else(|| text.into(), Value::Bool),
    }
}

/// Whether the text is one of the spellings of null.
#[must_use]
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The YAML 1.1 booleans, in any case.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    let any = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if any(&["y", "yes", "on", "true"]) {
        Some(true)
    } else if any(&["n", "no", "off", "false"]) {
        Some(false)
    } else {
        None
    }
}

/// Whole and decimal numbers; a float without a fraction is a whole number, as it was once the original had made JSON of it.
#[must_use]
pub fn number(text: &str) -> Option<Number> {
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits))
}

fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let based = |prefix: &str| {
        digits
            .get(..2)
            .filter(|p| p.eq_ignore_ascii_case(prefix))
            .map(|_| &digits[2..])
    };
    let (base, digits) = if let Some(rest) = based("0x") {
        (16, rest)
    } else if let Some(rest) = based("0o") {
        (8, rest)
    } else if let Some(rest) = based("0b") {
        (2, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    // The parser of the standard library takes a sign of its own.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        0i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else {
        Some(magnitude.into())
    }
}

fn float(text: &str) -> Option<Number> {
    if !text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    let value: f64 = text.parse().ok().filter(|v: &f64| v.is_finite())?;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within the exact range")]
        return Some((value as i64).into());
    }
    Number::from_f64(value)
}

/// `2016-01-02`, `2016-01-02 03:04:05.5 +1`, `2016-01-02T03:04:05Z` as RFC 3339.
fn timestamp(text: &str) -> Option<String> {
    let (year, rest) = text.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    let (day, rest) = digits(rest, 2)?;
    let (year, month, day) = (fixed(year, 4, 4)?, fixed(month, 1, 2)?, fixed(day, 1, 2)?);
    let date = jiff::civil::Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()?;
    if rest.is_empty() {
        // A lone date needs all its digits, else it is text.
        return (text.len() == 10).then(|| format!("{date}T00:00:00Z"));
    }
    let rest = match rest.as_bytes()[0] {
        b'T' | b't' => &rest[1..],
        b' ' | b'\t' => rest.trim_start_matches([' ', '\t']),
        _ => return None,
    };
    let (hour, rest) = digits(rest, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (hour, minute, second) = (fixed(hour, 1, 2)?, fixed(minute, 2, 2)?, fixed(second, 2, 2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest, 9)?,
        None => ("", rest),
    };
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let zone = zone(rest.trim_start_matches([' ', '\t']))?;
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}{zone}"))
}

fn zone(text: &str) -> Option<String> {
    if text.is_empty() || text == "Z" {
        return Some("Z".to_owned());
    }
    let sign = &text[..1];
    if sign != "+" && sign != "-" {
        return None;
    }
    let (hours, rest) = digits(&text[1..], 2)?;
    let hours = fixed(hours, 1, 2)?;
    let minutes = match rest.strip_prefix(':') {
        Some(minutes) => fixed(minutes, 2, 2)?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    Some(format!("{sign}{hours:02}:{minutes:02}"))
}

/// The digits at the beginning, at most `most`, and what follows.
fn digits(text: &str, most: usize) -> Option<(&str, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    text.split_at_checked(length)
}

fn fixed(text: &str, least: usize, most: usize) -> Option<u32> {
    ((least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn words_of_yaml_1_1_are_booleans_in_any_case() {
        for word in ["y", "Y", "yes", "YES", "on", "On", "true", "TRUE"] {
            assert_eq!(resolve(word), json!(true), "{word}");
        }
        for word in ["n", "N", "no", "NO", "off", "oFF", "false"] {
            assert_eq!(resolve(word), json!(false), "{word}");
        }
        assert_eq!(resolve("yesterday"), json!("yesterday"));
    }

    #[test]
    fn numbers_have_the_bases_of_go() {
        for (text, number) in [
            ("0", 0),
            ("010", 8),
            ("0o10", 8),
            ("0x10", 16),
            ("0b101", 5),
            ("08", 8),
            ("1_000", 1000),
            ("-5", -5),
            ("+5", 5),
            ("1e3", 1000),
            ("1.0", 1),
        ] {
            assert_eq!(resolve(text), json!(number), "{text}");
        }
        assert_eq!(resolve("1.5"), json!(1.5));
        assert_eq!(resolve(".5"), json!(0.5));
        assert_eq!(resolve("18446744073709551615"), json!(u64::MAX));
    }

    #[test]
    fn what_only_begins_like_a_number_is_text() {
        for text in [
            "10s", "1.2.3.4", "-", "+", ".", "...", "0x", "0xzz", "12:30:45", "1e400", "-inf", "+-5", "5 m", ".inf",
        ] {
            assert_eq!(resolve(text), json!(text), "{text}");
        }
    }

    #[test]
    fn nulls_and_dates() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(resolve(text), Value::Null, "{text}");
        }
        assert_eq!(resolve("nULL"), json!("nULL"));
        assert_eq!(resolve("2016-01-02"), json!("2016-01-02T00:00:00Z"));
        assert_eq!(resolve("2016-1-2"), json!("2016-1-2"));
        assert_eq!(
            resolve("2001-12-14t21:59:43.10-05:00"),
            json!("2001-12-14T21:59:43.1-05:00")
        );
        assert_eq!(resolve("2001-12-14 21:59:43 +5"), json!("2001-12-14T21:59:43+05:00"));
        assert_eq!(resolve("2016-13-45"), json!("2016-13-45"));
    }

    proptest! {
        #[test]
        fn no_scalar_panics(text in "\\PC*", numberish in "[-+0-9xob_.:eETtZ ]{0,30}") {
            let _ = resolve(&text);
            let _ = resolve(&numberish);
        }
    }
}
