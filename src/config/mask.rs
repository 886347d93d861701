//! Secrets in definitions: hidden wherever a definition is shown, put back where a masked one comes in again.

use serde_json::Value;

use super::keys::Keys;
use super::kinds::Kinds;
use crate::model::{MASK, Problem};

/// Ends of names that hold a secret in whatever kind, compared without case and marks.
const SECRET_ENDINGS: &[&str] = &[
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "routingkey",
    "servicekey",
    "integrationkey",
    "authorization",
    "cookie",
    "credentials",
    "bearer",
];

/// Whether a key of that name holds a secret, whatever the kind.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    SECRET_ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

/// Whose definition it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `monitor:`
    Monitor,
    /// `alerter:`
    Alerter,
}

impl Section {
    /// `monitor` or `alerter`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Alerter => "alerter",
        }
    }
}

/// A definition without its secrets, also one that does not parse.
#[must_use]
pub fn mask(section: Section, spec: &Value) -> Value {
    mask_with(Kinds::built_in(), section, spec)
}

/// As [`mask`], with these kinds.
#[must_use]
pub fn mask_with(kinds: &Kinds, section: Section, spec: &Value) -> Value {
    mask_below(spec, kinds.keys_of(section, spec), section)
}

fn mask_below(value: &Value, keys: Option<&Keys>, section: Section) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let below = keys.and_then(|keys| keys.below(key));
                // The URL of an incoming webhook lets everybody write to it. A known kind says itself whether its URL is one.
                let url = section == Section::Alerter && below.is_none() && key.eq_ignore_ascii_case("url");
                let secret = url || is_secret_name(key) || below.is_some_and(Keys::is_secret);
                let value = if secret {
                    hide(value)
                } else {
                    mask_below(value, below, section)
                };
                (key.clone(), value)
            })
            .collect(),
        Value::Array(items) => {
            let below = keys.and_then(Keys::items);
            let hidden = below.is_some_and(Keys::is_secret);
            let item = |item| {
                if hidden {
                    hide(item)
                } else {
                    mask_below(item, below, section)
                }
            };
            items.iter().map(item).collect()
        }
        Value::String(text) => mask_url(text).map_or_else(|| value.clone(), Value::String),
        other => other.clone(),
    }
}

/// A URL without the password in it; `None` where there is none.
fn mask_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let (user, _) = authority.rsplit_once('@')?.0.split_once(':')?;
    let after = &rest[authority.rfind('@')?..];
    Some(format!("{scheme}://{user}:{MASK}{after}"))
}

/// Nothing stays nothing, so that one sees that there is no secret.
fn hide(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::String(text) if text.is_empty() => value.clone(),
        Value::Array(items) => items.iter().map(hide).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), hide(value))).collect(),
        _ => MASK.into(),
    }
}

/// Puts the stored secrets back where `new` has the mask. An error for each mask that stands for nothing stored.
pub fn unmask(new: &mut Value, stored: Option<&Value>) -> Vec<Problem> {
    let mut found = Vec::new();
    unmask_below(new, stored, "", &mut found);
    found
}

fn unmask_below(new: &mut Value, stored: Option<&Value>, path: &str, found: &mut Vec<Problem>) {
    match new {
        // A URL that was shown with its password masked.
        Value::String(text)
            if let Some(Value::String(secret)) = stored
                && mask_url(secret).as_ref() == Some(text) =>
        {
            text.clone_from(secret);
        }
        Value::String(text) if text == MASK => match stored {
            Some(secret) if secret != MASK => *new = secret.clone(),
            _ => found.push(Problem::error(
                path,
                "is masked, and nothing is stored that the mask could stand for",
                "write the secret itself",
            )),
        },
        Value::Object(map) => {
            for (key, value) in map {
                let below = stored.and_then(Value::as_object).and_then(|stored| {
                    let any_case = || stored.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v);
                    stored.get(key).or_else(any_case)
                });
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                unmask_below(value, below, &path, found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                let below = stored.and_then(|stored| stored.get(at));
                unmask_below(item, below, &format!("{path}[{at}]"), found);
            }
        }
        _ => {}
    }
}

/// A line of a file for showing: what follows a key that holds a secret becomes asterisks, as many as there were characters, so that columns stay.
#[must_use]
pub fn mask_line(line: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let secret_from = line.match_indices(':').find_map(|(colon, _)| {
        let before = line[..colon].trim_end_matches([' ', '"', '\'']);
        let start = before
            .rfind(|c| !word(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let name = &before[start..];
        let value = line[colon + 1..].trim_start_matches([' ', '"', '\'']);
        let url = name.eq_ignore_ascii_case("url") && value.get(..4).is_some_and(|v| v.eq_ignore_ascii_case("http"));
        (url || is_secret_name(name)).then_some(colon + 1)
    });
    let Some(from) = secret_from else {
        return line.to_owned();
    };
    let hidden = line[from..].chars().map(|c| if c.is_whitespace() { c } else { '*' });
    line[..from].chars().chain(hidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn well_known_names_are_masked_in_any_definition() {
        let spec = json!({
            "type": "nobody-knows", "description": "token ring",
            "options": {"Token": "t", "url": "https://hooks/secret", "channel": "ops", "passWord": 123, "username": "u", "api_key": ""},
            "headers": {"Authorization": "Basic x", "X-Api-Key": "y", "accept": "z"}, "access-tokens": [1]
        });
        assert_eq!(
            mask(Section::Alerter, &spec),
            json!({
                "type": "nobody-knows", "description": "token ring",
                "options": {"Token": MASK, "url": MASK, "channel": "ops", "passWord": MASK, "username": "u", "api_key": ""},
                "headers": {"Authorization": MASK, "X-Api-Key": MASK, "accept": "z"}, "access-tokens": [1]
            })
        );
        assert_eq!(
            mask(Section::Monitor, &json!({"url": "/health"})),
            json!({"url": "/health"})
        );
        assert_eq!(mask(Section::Monitor, &Value::Null), Value::Null);
    }

    #[test]
    fn a_masked_definition_comes_back_with_the_stored_secrets() {
        let stored = json!({"options": {"token": "t", "channel": "ops"}, "list": ["a", "b"]});
        let mut new = json!({"options": {"Token": MASK, "channel": "dev"}, "list": ["c", MASK]});
        assert_eq!(unmask(&mut new, Some(&stored)), []);
        assert_eq!(
            new,
            json!({"options": {"Token": "t", "channel": "dev"}, "list": ["c", "b"]})
        );
    }

    #[test]
    fn passwords_in_urls_are_masked_and_come_back() {
        let stored =
            json!({"url": "https://me:p@ss@host/a?b=c@d", "other": "mailto:a@b", "plain": "http://host/x:y@z"});
        let masked = mask(Section::Monitor, &stored);
        let expected = json!({"url": format!("https://me:{MASK}@host/a?b=c@d"), "other": "mailto:a@b", "plain": "http://host/x:y@z"});
        assert_eq!(masked, expected);
        let mut back = masked;
        assert_eq!(unmask(&mut back, Some(&stored)), []);
        assert_eq!(back, stored);
    }

    #[test]
    fn a_mask_for_nothing_is_an_error_and_never_stored_as_the_secret() {
        let mut new = json!({"options": {"token": MASK}});
        let found = unmask(&mut new, None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "options.token");
        assert_eq!(unmask(&mut new, Some(&json!({"options": {"token": MASK}}))).len(), 1);
    }

    #[test]
    fn lines_are_shown_without_their_secrets_and_columns_stay() {
        for (line, shown) in [
            ("    token: abc def", "    token: *** ***"),
            (
                "  ops: {options: {'Token' : \"ab\", x: 1}}",
                "  ops: {options: {'Token' : ***** ** ***",
            ),
            ("  url: https://hooks/x", "  url: ***************"),
            ("  url: /health", "  url: /health"),
            ("  description: a token", "  description: a token"),
            ("ä: ü, password: é", "ä: ü, password: *"),
        ] {
            assert_eq!(mask_line(line), shown);
        }
    }
}
