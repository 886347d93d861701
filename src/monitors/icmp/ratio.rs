//! A part of a whole, as people write it.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// From 0 to 1. Reads `5%`, `"0.05"` and `0.05`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct Ratio(pub(super) f64);

impl Ratio {
    fn read(text: &str) -> Option<Self> {
        let ratio = match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim_end().parse::<f64>().ok()? / 100.0,
            None => text.trim().parse().ok()?,
        };
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded, or 0.07 would be 7.000000000000001 %.
        write!(f, "{} %", (self.0 * 1e4).round() / 100.0)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Ratio;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part such as `5%` or 0.05, from 0 to 1")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ratio, E> {
                Ratio::read(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_f64<E: de::Error>(self, ratio: f64) -> Result<Ratio, E> {
                if (0.0..=1.0).contains(&ratio) {
                    return Ok(Ratio(ratio));
                }
                Err(E::invalid_value(de::Unexpected::Float(ratio), &self))
            }
            fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Ratio, E> {
                match whole {
                    0 => Ok(Ratio(0.0)),
                    1 => Ok(Ratio(1.0)),
                    // 5 could be meant as 5 %.
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(whole), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Ratio {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ratio".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["string", "number"], "description": "`5%` or 0.05"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Option<f64> {
        serde_json::from_value::<Ratio>(value).ok().map(|ratio| ratio.0)
    }

    #[test]
    fn percent_signs_and_parts_of_one_are_read() {
        for (value, ratio) in [
            (json!("5%"), 0.05),
            (json!("5 %"), 0.05),
            (json!(0.5), 0.5),
            (json!("0.5"), 0.5),
            (json!(1), 1.0),
        ] {
            assert_eq!(read(value.clone()), Some(ratio), "{value}");
        }
        assert_eq!(Ratio(0.07).to_string(), "7 %");
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for value in [
            json!(5),
            json!(-1),
            json!(1.5),
            json!("101%"),
            json!("-1%"),
            json!("NaN"),
            json!("x"),
            json!(null),
        ] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
    }
}
