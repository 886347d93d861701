//! Which keys an object may have, taken from the JSON schema of what it is read into.

use serde_json::{Map, Value};

use crate::model::Problem;

/// References are followed this deep: a schema may refer to itself.
const MAX_SCHEMA_DEPTH: usize = 8;
/// From this similarity on, a key is offered as what was probably meant.
const SIMILAR: f64 = 0.82;

/// The keys below one place of a definition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys {
    fields: Vec<(String, Keys)>,
    required: Vec<String>,
    /// What stands below keys that are not declared, where such keys are allowed.
    others: Option<Box<Keys>>,
    /// What stands in a list here.
    items: Option<Box<Keys>>,
    /// No other keys than the declared ones, even where none is declared.
    closed: bool,
    /// The value is a secret.
    secret: bool,
}

impl Keys {
    /// The keys that a schema declares.
    #[must_use]
    pub fn of(schema: &schemars::Schema) -> Self {
        let root = schema.as_value();
        let mut keys = Self::default();
        keys.take(root, root, MAX_SCHEMA_DEPTH);
        keys
    }

    fn take(&mut self, schema: &Value, root: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let below = |schema: &Value| {
            let mut keys = Self::default();
            keys.take(schema, root, depth);
            keys
        };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str)
            && let Some(target) = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
        {
            self.take(target, root, depth);
        }
        for union in ["anyOf", "oneOf", "allOf"] {
            for part in schema.get(union).and_then(Value::as_array).into_iter().flatten() {
                self.take(part, root, depth);
            }
        }
        for (name, field) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            self.fields.push((name.clone(), below(field)));
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            self.required.extend(name.as_str().map(str::to_owned));
        }
        match schema.get("additionalProperties") {
            None => {}
            Some(Value::Bool(false)) => self.closed = true,
            Some(others) => self.others = Some(Box::new(below(others))),
        }
        if let Some(items) = schema.get("items") {
            self.items = Some(Box::new(below(items)));
        }
        self.secret |= schema.get("writeOnly") == Some(&Value::Bool(true))
            || schema.get("format").and_then(Value::as_str) == Some("password");
    }

    /// Both sets of keys together.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.fields.extend(more.fields);
        self.required.extend(more.required);
        self.others = self.others.or(more.others);
        self
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &str, field: Self) -> Self {
        self.fields.push((name.to_owned(), field));
        self
    }

    /// The declared field of that name: exact, else in any case.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<(&str, &Self)> {
        let exact = self.fields.iter().find(|(name, _)| name == key);
        exact
            .or_else(|| self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)))
            .map(|(name, keys)| (name.as_str(), keys))
    }

    /// What stands below that key, declared or not.
    #[must_use]
    pub fn below(&self, key: &str) -> Option<&Self> {
        self.field(key).map(|(_, keys)| keys).or(self.others.as_deref())
    }

    /// What stands in a list here.
    #[must_use]
    pub fn items(&self) -> Option<&Self> {
        self.items.as_deref()
    }

    /// The declared names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// The names that have to be there.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.required.iter().map(String::as_str)
    }

    /// Whether the value is a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// Whether the field of that path (`options.token`, `headers.accept`, `tags[0]`) is a secret or lies within one.
    #[must_use]
    pub fn is_secret_at(&self, path: &str) -> bool {
        let mut keys = self;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let below = if part.ends_with(']') {
                keys.items()
            } else {
                keys.below(part)
            };
            let Some(below) = below else {
                return false;
            };
            if below.secret {
                return true;
            }
            keys = below;
        }
        self.secret
    }
}

/// What is said of a key that nobody knows.
pub(crate) type UnknownKey<'a> = &'a dyn Fn(&str, &Keys) -> String;

/// The value with its keys spelled as declared, without those that are null or unknown, all the way down. Says what it left out.
///
/// `fix` makes the advice for an unknown key.
pub(crate) fn canonical(value: Value, keys: &Keys, path: &str, fix: UnknownKey<'_>, found: &mut Vec<Problem>) -> Value {
    match value {
        Value::Object(map) if keys.closed || !keys.fields.is_empty() || keys.others.is_some() => {
            Value::Object(canonical_map(map, keys, path, fix, found))
        }
        Value::Array(items) => match keys.items() {
            Some(below) => items
                .into_iter()
                .enumerate()
                .map(|(at, item)| canonical(item, below, &format!("{path}[{at}]"), fix, found))
                .collect(),
            None => Value::Array(items),
        },
        other => other,
    }
}

fn canonical_map(
    map: Map<String, Value>,
    keys: &Keys,
    path: &str,
    fix: UnknownKey<'_>,
    found: &mut Vec<Problem>,
) -> Map<String, Value> {
    let mut out = Map::with_capacity(map.len());
    let mut exact: Vec<String> = Vec::new();
    for (key, value) in map {
        let here = || {
            if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            }
        };
        let (name, below) = match (keys.field(&key), keys.others.as_deref()) {
            (Some((name, below)), _) => (name, below),
            (None, Some(others)) => (key.as_str(), others),
            (None, None) => {
                found.push(Problem::warning(here(), "unknown key; it is ignored", fix(&key, keys)));
                continue;
            }
        };
        if value.is_null() && keys.field(&key).is_some() {
            continue;
        }
        if out.contains_key(name) {
            let beaten = exact.iter().any(|seen| seen == name);
            let which = if beaten {
                "this one is ignored"
            } else {
                "this one counts"
            };
            let message = format!("'{name}' is set twice, in different cases; {which}");
            found.push(Problem::warning(here(), message, "remove one of the two"));
            if beaten {
                continue;
            }
        }
        if key == name {
            exact.push(key.clone());
        }
        let inner = match &value {
            Value::Object(_) | Value::Array(_) => here(),
            _ => String::new(),
        };
        let value = canonical(value, below, &inner, fix, found);
        out.insert(name.to_owned(), value);
    }
    out
}

/// The candidate that `word` probably means.
pub(crate) fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', ' ', '.'], "-");
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &plain(candidate)), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use crate::model::Secret;

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Sample {
        status_code: u16,
        headers: Option<std::collections::BTreeMap<String, String>>,
        tls: Option<Tls>,
        token: Option<Secret>,
        hops: Vec<Tls>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Tls {
        server_name: String,
        key: Option<Secret>,
    }

    fn keys() -> Keys {
        Keys::of(&schemars::schema_for!(Sample))
    }

    fn read(value: Value) -> (Value, Vec<(String, String)>) {
        let mut found = Vec::new();
        let fix = |key: &str, keys: &Keys| suggest(key, keys.names()).unwrap_or("").to_owned();
        let value = canonical(value, &keys(), "", &fix, &mut found);
        (value, found.into_iter().map(|p| (p.field, p.fix)).collect())
    }

    #[test]
    fn keys_in_any_case_become_the_declared_ones_at_every_level() {
        let (value, found) =
            read(json!({"Status-Code": 1, "TLS": {"SERVER-NAME": "x"}, "hops": [{"Server-Name": "y"}]}));
        assert_eq!(
            value,
            json!({"status-code": 1, "tls": {"server-name": "x"}, "hops": [{"server-name": "y"}]})
        );
        assert_eq!(found, []);
    }

    #[test]
    fn free_maps_keep_their_keys() {
        let (value, found) = read(json!({"headers": {"X-Any": "1", "accept": "x"}}));
        assert_eq!(value, json!({"headers": {"X-Any": "1", "accept": "x"}}));
        assert_eq!(found, []);
    }

    #[test]
    fn an_exact_key_goes_before_one_in_other_case() {
        for order in [
            json!({"status-code": 1, "Status-Code": 2}),
            json!({"Status-Code": 2, "status-code": 1}),
        ] {
            let (value, found) = read(order);
            assert_eq!(value, json!({"status-code": 1}));
            assert_eq!(found.len(), 1);
        }
    }

    #[test]
    fn unknown_keys_are_left_out_with_a_suggestion() {
        let (value, found) = read(json!({"statuscode": 1, "tls": {"servername": "x"}, "zzz": null, "token": null}));
        assert_eq!(value, json!({"tls": {}}));
        let told = |field: &str, fix: &str| (field.to_owned(), fix.to_owned());
        assert_eq!(
            found,
            [
                told("statuscode", "status-code"),
                told("tls.servername", "server-name"),
                told("zzz", "")
            ]
        );
    }

    #[test]
    fn secrets_are_known_by_their_path() {
        assert!(keys().is_secret_at("token"));
        assert!(keys().is_secret_at("hops[1].key"));
        assert!(keys().is_secret_at("tls.KEY"));
        assert!(!keys().is_secret_at("tls.server-name"));
        assert!(!keys().is_secret_at("nothing.here"));
    }
}
