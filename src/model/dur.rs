//! Durations as operators write them: the original's syntax (Go's `ParseDuration`), plus `d`, `w`, `y`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration from a definition or a flag: not negative, at most 292 years (as Go's).
///
/// Reads `1h30m`, `1.5s`, `100µs`, `2d`, `1w`, `1y` (365 days), `0`, and integers as nanoseconds. Prints as Go does (`1m0s`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dur(pub Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurError {
    /// Nothing there.
    #[error("a duration cannot be empty; write for example `10s`")]
    Empty,
    /// Below zero.
    #[error("a duration cannot be negative (`{0}`)")]
    Negative(String),
    /// Digits without a unit.
    #[error("`{0}` has no unit; write for example `{0}s`")]
    NoUnit(String),
    /// A unit nobody knows.
    #[error("`{unit}` in `{text}` is no unit of time; use ns, us, ms, s, m, h, d, w or y")]
    BadUnit {
        /// The whole text.
        text: String,
        /// The part that is not known.
        unit: String,
    },
    /// Not of the form number, unit, number, unit …
    #[error("`{0}` is no duration; write for example `10s` or `1h30m`")]
    Syntax(String),
    /// More than 292 years.
    #[error("`{0}` is too long; 292 years is the most")]
    TooLong(String),
}

/// Nanoseconds per unit, longest unit names first where one begins like another.
const UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("y", 31_536_000_000_000_000),
];

/// The longest duration in nanoseconds: what Go's signed 64 bits hold.
const MAX_NANOS: u128 = i64::MAX as u128;

impl Dur {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Nanoseconds, as the original's JSON has them.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl std::str::FromStr for Dur {
    type Err = DurError;

    fn from_str(text: &str) -> Result<Self, DurError> {
        let whole = || text.chars().take(64).collect::<String>();
        if text.is_empty() {
            return Err(DurError::Empty);
        }
        if text.starts_with('-') {
            return Err(DurError::Negative(whole()));
        }
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(DurError::Syntax(whole()));
        }
        let mut nanos: u128 = 0;
        while !rest.is_empty() {
            let number_len = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let (number, after) = rest.split_at(number_len);
            let unit_len = after
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(unit_len);
            let (int, frac) = number.split_once('.').unwrap_or((number, ""));
            if (int.is_empty() && frac.is_empty()) || frac.contains('.') {
                return Err(DurError::Syntax(whole()));
            }
            if unit.is_empty() {
                return Err(DurError::NoUnit(whole()));
            }
            let Some((_, per)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(DurError::BadUnit {
                    text: whole(),
                    unit: unit.chars().take(16).collect(),
                });
            };
            let too_long = || DurError::TooLong(whole());
            let int: u128 = if int.is_empty() {
                0
            } else {
                int.parse().map_err(|_| too_long())?
            };
            nanos = int
                .checked_mul(*per)
                .and_then(|n| n.checked_add(nanos))
                .ok_or_else(too_long)?;
            // Digits beyond the 18th are below a nanosecond for every unit.
            let frac = &frac[..frac.len().min(18)];
            if !frac.is_empty() {
                let digits: u128 = frac.parse().map_err(|_| DurError::Syntax(whole()))?;
                nanos += digits * per / 10u128.pow(u32::try_from(frac.len()).unwrap_or(18));
            }
            if nanos > MAX_NANOS {
                return Err(too_long());
            }
            rest = after;
        }
        Ok(Self(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))))
    }
}

impl fmt::Display for Dur {
    /// As Go's `Duration.String`: `1m0s`, `1h0m0s`, `1.5s`, `500ms`, `100µs`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if nanos < 1_000 {
            return write!(f, "{nanos}ns");
        }
        if nanos < 1_000_000 {
            return write!(f, "{}µs", decimal(nanos, 1_000));
        }
        if nanos < 1_000_000_000 {
            return write!(f, "{}ms", decimal(nanos, 1_000_000));
        }
        let (minutes, nanos) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", decimal(nanos, 1_000_000_000))
    }
}

/// `nanos / per` as a decimal number without trailing zeros.
fn decimal(nanos: u128, per: u128) -> String {
    let (int, frac) = (nanos / per, nanos % per);
    if frac == 0 {
        return int.to_string();
    }
    let width = per.ilog10() as usize;
    format!("{int}.{frac:0width$}").trim_end_matches('0').to_owned()
}

impl Serialize for Dur {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dur {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Dur;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `10s`, or a whole number of nanoseconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Dur, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Dur, E> {
                if u128::from(nanos) > MAX_NANOS {
                    return Err(E::custom(DurError::TooLong(nanos.to_string())));
                }
                Ok(Dur(Duration::from_nanos(nanos)))
            }
            fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Dur, E> {
                match u64::try_from(nanos) {
                    Ok(nanos) => self.visit_u64(nanos),
                    Err(_) => Err(E::custom(DurError::Negative(nanos.to_string()))),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Dur {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "integer"],
            "format": "duration",
            "description": "`10s`, `1m30s`, `500ms`, `2d`; a bare integer is nanoseconds",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, printed: &str) {
        assert_eq!(
            text.parse::<Dur>().map(|d| d.to_string()).as_deref(),
            Ok(printed),
            "{text}"
        );
    }

    #[test]
    fn reads_what_go_reads_and_prints_as_go_prints() {
        for (text, printed) in [
            ("10s", "10s"),
            ("1m", "1m0s"),
            ("60s", "1m0s"),
            ("1h", "1h0m0s"),
            ("1h30m", "1h30m0s"),
            ("1.5h", "1h30m0s"),
            ("1.5s", "1.5s"),
            (".5s", "500ms"),
            ("500ms", "500ms"),
            ("100us", "100µs"),
            ("100µs", "100µs"),
            ("100μs", "100µs"),
            ("7ns", "7ns"),
            ("0", "0s"),
            ("0s", "0s"),
            ("+5s", "5s"),
        ] {
            check(text, printed);
        }
    }

    #[test]
    fn reads_days_weeks_and_years() {
        check("1d", "24h0m0s");
        check("1w", "168h0m0s");
        check("1y", "8760h0m0s");
        check("1d12h", "36h0m0s");
    }

    #[test]
    fn refuses_what_is_no_duration_and_says_why() {
        assert_eq!("".parse::<Dur>(), Err(DurError::Empty));
        assert_eq!("-5s".parse::<Dur>(), Err(DurError::Negative("-5s".into())));
        assert_eq!("10".parse::<Dur>(), Err(DurError::NoUnit("10".into())));
        assert_eq!("300y".parse::<Dur>(), Err(DurError::TooLong("300y".into())));
        assert!(matches!("10 s".parse::<Dur>(), Err(DurError::BadUnit { .. })));
        assert!(matches!("zzz".parse::<Dur>(), Err(DurError::Syntax(_))));
        assert!(matches!("1.2.3s".parse::<Dur>(), Err(DurError::Syntax(_))));
    }

    #[test]
    fn json_integers_are_nanoseconds() {
        assert_eq!(serde_json::from_str::<Dur>("1000000000").unwrap(), Dur::from_secs(1));
        assert!(serde_json::from_str::<Dur>("-1").is_err());
        assert!(serde_json::from_str::<Dur>("1.5").is_err());
        assert!(serde_json::from_str::<Dur>("null").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(nanos in 0..u64::try_from(MAX_NANOS).unwrap()) {
            let dur = Dur(Duration::from_nanos(nanos));
            prop_assert_eq!(dur.to_string().parse::<Dur>(), Ok(dur));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<Dur>();
        }
    }
}
