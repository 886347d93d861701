//! What is kept of a definition that others run: enough to place it, to list it and to mute it. There may be a million of these.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::definition::MonitorDef;
use crate::monitors::Kind;

/// Combinations beyond which it is looked whether all are in use.
const MANY: usize = 1_024;

/// What a definition says of itself, without what only its runs need.
#[derive(Clone)]
pub(super) struct Outline {
    pub(super) common: Arc<Common>,
    pub(super) description: Box<str>,
    pub(super) measured: u64,
}

impl Outline {
    pub(super) fn of(def: &MonitorDef, shared: &Shared) -> Self {
        let settings = &def.settings;
        Self {
            common: shared.one(Common {
                kind: def.kind,
                interval: settings.interval.0,
                member_tag: settings.member_tag.clone(),
                tags: settings.tags.clone(),
                disabled: settings.disable,
            }),
            description: settings.description.as_str().into(),
            measured: def.measured,
        }
    }
}

/// What many definitions say alike: kept once.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Common {
    pub(super) kind: &'static Kind,
    pub(super) interval: Duration,
    pub(super) member_tag: String,
    pub(super) tags: Vec<String>,
    pub(super) disabled: bool,
}

/// The combinations in use.
#[derive(Default)]
pub(super) struct Shared(Mutex<(HashSet<Arc<Common>>, usize)>);

impl Shared {
    fn one(&self, common: Common) -> Arc<Common> {
        let (all, many) = &mut *self.0.lock();
        if let Some(known) = all.get(&common) {
            return known.clone();
        }
        if all.len() >= (*many).max(MANY) {
            all.retain(|common| Arc::strong_count(common) > 1);
            *many = all.len() * 2;
        }
        let common = Arc::new(common);
        all.insert(common.clone());
        common
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
        assert_eq!(size_of::<crate::catalog::MonitorEntry>(), 80);
    }

    #[test]
    fn what_many_have_in_common_is_kept_once_and_goes_with_the_last() {
        let shared = Shared::default();
        let [a, b] = [1, 2].map(|n| outline(&shared, n, &["prod", "web"]));
        assert!(Arc::ptr_eq(&a.common, &b.common));
        assert_eq!(
            (&*b.description, b.common.member_tag.as_str(), b.common.interval),
            ("number 2", "eu", Duration::from_secs(10))
        );
        for n in 0..MANY * 5 {
            outline(&shared, n, &[&n.to_string()]);
        }
        let all = shared.0.lock().0.len();
        assert!((1..=MANY).contains(&all), "{all}");
        assert!(Arc::ptr_eq(&a.common, &outline(&shared, 3, &["prod", "web"]).common));
    }
}
