//! The kinds that definitions are read with, and the keys that each allows.

use std::sync::LazyLock;

use serde_json::Value;

use super::keys::Keys;
use super::mask::Section;
use crate::model::{AlerterSettings, MonitorSettings};
use crate::{alerters, monitors};

/// A kind and all keys of its definitions.
pub(crate) struct Row<K: 'static> {
    pub(crate) kind: &'static K,
    pub(crate) keys: Keys,
}

/// Kinds of monitors and alerters. Schemas are worked out once, here, not per definition.
pub struct Kinds {
    pub(crate) monitors: Vec<Row<monitors::Kind>>,
    pub(crate) alerters: Vec<Row<alerters::Kind>>,
    pub(crate) monitor_settings: Keys,
    alerter_settings: Keys,
}

impl Kinds {
    /// A kinds of these kinds.
    #[must_use]
    pub fn new(monitors: &'static [monitors::Kind], alerters: &'static [alerters::Kind]) -> Self {
        let monitor_settings = Keys::of(&schemars::schema_for!(MonitorSettings));
        let alerter_settings = Keys::of(&schemars::schema_for!(AlerterSettings));
        Self {
            monitors: monitors
                .iter()
                .map(|kind| Row {
                    kind,
                    keys: monitor_settings.clone().and(Keys::of(&(kind.schema)())),
                })
                .collect(),
            alerters: alerters
                .iter()
                .map(|kind| Row {
                    kind,
                    keys: alerter_settings.clone().with("options", Keys::of(&(kind.schema)())),
                })
                .collect(),
            monitor_settings,
            alerter_settings,
        }
    }

    /// All kinds of this program.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Kinds> = LazyLock::new(|| Kinds::new(monitors::KINDS, alerters::KINDS));
        &BUILT_IN
    }

    pub(crate) fn monitor(&self, kind: &str) -> Option<&Row<monitors::Kind>> {
        self.monitors.iter().find(|row| row.kind.name == kind)
    }

    pub(crate) fn alerter(&self, kind: &str) -> Option<&Row<alerters::Kind>> {
        self.alerters.iter().find(|row| row.kind.name == kind)
    }

    /// The keys of a definition by its `type`; the shared ones where that is unknown.
    pub(crate) fn keys_of(&self, section: Section, spec: &Value) -> Option<&Keys> {
        let kind = kind_of(spec).and_then(Value::as_str);
        match section {
            Section::Monitor => kind
                .and_then(|kind| self.monitor(kind))
                .map_or(Some(&self.monitor_settings), |row| Some(&row.keys)),
            Section::Alerter => kind
                .and_then(|kind| self.alerter(kind))
                .map_or(Some(&self.alerter_settings), |row| Some(&row.keys)),
        }
    }

    /// Kinds of monitor other than `kind` that have a key of that name.
    pub(crate) fn kinds_with(&self, key: &str, kind: &str) -> Vec<&'static str> {
        self.monitors
            .iter()
            .filter(|row| row.kind.name != kind && row.keys.field(key).is_some())
            .map(|row| row.kind.name)
            .collect()
    }
}

/// The value of `type`, in any case, an exact one first.
pub(crate) fn kind_of(spec: &Value) -> Option<&Value> {
    let map = spec.as_object()?;
    map.get("type").or_else(|| {
        map.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("type"))
            .map(|(_, value)| value)
    })
}
