//! What is kept of a definition that others run: enough to place it, to list it and to mute it. There may be a million of these.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::definition::MonitorDef;
use crate::monitors::Kind;

/// Labels beyond which it is looked whether all are in use.
const MANY: usize = 1_024;

/// What a definition says of itself, without what only its runs need.
#[derive(Clone)]
pub(super) struct Outline {
    pub(super) kind: &'static Kind,
    pub(super) labels: Arc<Labels>,
    pub(super) description: Box<str>,
    /// Nanoseconds.
    interval: u64,
    pub(super) measured: u64,
}

impl Outline {
    pub(super) fn of(def: &MonitorDef, shared: &Shared) -> Self {
        let settings = &def.settings;
        Self {
            kind: def.kind,
            labels: shared.one(Labels {
                member_tag: settings.member_tag.clone(),
                tags: settings.tags.clone(),
                disabled: settings.disable,
            }),
            description: settings.description.as_str().into(),
            interval: u64::try_from(settings.interval.0.as_nanos()).unwrap_or(u64::MAX),
            measured: def.measured,
        }
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }
}

/// What many definitions say alike: kept once.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Labels {
    pub(super) member_tag: String,
    pub(super) tags: Vec<String>,
    pub(super) disabled: bool,
}

/// The labels in use.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<(HashSet<Arc<Labels>>, usize)>);

impl Shared {
    fn one(&self, labels: Labels) -> Arc<Labels> {
        let (all, many) = &mut *self.0.lock();
        if let Some(known) = all.get(&labels) {
            return known.clone();
        }
        if all.len() >= (*many).max(MANY) {
            all.retain(|labels| Arc::strong_count(labels) > 1);
            *many = all.len() * 2;
        }
        let labels = Arc::new(labels);
        all.insert(labels.clone());
        labels
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::definition;

    fn outline(shared: &Shared, n: usize, tags: &[&str]) -> Outline {
        let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "description": format!("number {n}"),
            "tags": tags, "member-tag": "eu"});
        Outline::of(&definition::monitor("m", &spec).value.unwrap(), shared)
    }

    #[test]
    fn an_entry_with_an_outline_stays_small() {
        assert_eq!(size_of::<crate::catalog::MonitorEntry>(), 96);
    }

    #[test]
    fn labels_that_many_have_are_kept_once_and_go_with_the_last() {
        let shared = Shared::default();
        let [a, b] = [1, 2].map(|n| outline(&shared, n, &["prod", "web"]));
        assert!(Arc::ptr_eq(&a.labels, &b.labels));
        assert_eq!(
            (&*b.description, b.labels.member_tag.as_str(), b.interval()),
            ("number 2", "eu", Duration::from_secs(10))
        );
        for n in 0..MANY * 5 {
            outline(&shared, n, &[&n.to_string()]);
        }
        let all = shared.0.lock().0.len();
        assert!((1..=MANY).contains(&all), "{all}");
        assert!(Arc::ptr_eq(&a.labels, &outline(&shared, 3, &["prod", "web"]).labels));
    }
}
