//! Reading options as people write them: the original had strings only, YAML makes numbers and booleans of bare words.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::model::Secret;

/// A text that may also stand as a bare number or boolean (`channel: 123`).
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
                Ok(Text(text))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A text that may be absent. Empty means absent, as in the original.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<Text>::deserialize(deserializer)?;
    Ok(text.map(|t| t.0).filter(|t| !t.is_empty()))
}

/// A secret that may be absent.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    // The error of a wrong shape must not quote what stands there: it might be the secret.
    let text = text(deserializer).map_err(|_| de::Error::custom("must be a text"))?;
    Ok(text.map(Secret::new))
}

/// A boolean that may stand as a text (`"true"`), as the options of the original had to.
pub(super) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match text(deserializer)?.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "no" | "off" | "n") => Ok(false),
        Some("true" | "yes" | "on" | "y") => Ok(true),
        Some(other) => Err(de::Error::custom(format!("`{other}` is neither true nor false"))),
    }
}

/// One text, or a list of texts.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany {
        Many(Vec<Text>),
        One(Text),
    }
    Ok(match Option::<OneOrMany>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(text)) => vec![text.0],
        Some(OneOrMany::Many(texts)) => texts.into_iter().map(|t| t.0).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    struct Options {
        #[serde(default, deserialize_with = "text")]
        channel: Option<String>,
        #[serde(default, deserialize_with = "secret")]
        token: Option<Secret>,
        #[serde(default, deserialize_with = "boolean")]
        flag: bool,
        #[serde(default, deserialize_with = "texts")]
        to: Vec<String>,
    }

    fn read(value: serde_json::Value) -> Options {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn bare_numbers_and_booleans_are_texts() {
        let read = read(json!({"channel": 12, "token": 34, "flag": "yes", "to": ["a", 5]}));
        assert_eq!(read.channel.as_deref(), Some("12"));
        assert_eq!(read.token.unwrap().reveal(), "34");
        assert!(read.flag);
        assert_eq!(read.to, ["a", "5"]);
    }

    #[test]
    fn null_and_empty_are_absent() {
        let read = read(json!({"channel": "", "token": null, "flag": null, "to": null}));
        assert_eq!(read.channel, None);
        assert_eq!(read.token, None);
        assert!(!read.flag);
        assert!(read.to.is_empty());
    }

    #[test]
    fn a_secret_of_the_wrong_shape_is_not_quoted() {
        let err = serde_json::from_value::<Options>(json!({"token": {"hunter2": 1}})).unwrap_err();
        assert!(!err.to_string().contains("hunter2"), "{err}");
        assert!(err.to_string().contains("must be a text"), "{err}");
    }
}
