//! What all members have told, and what must hold of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::world::World;

pub(super) struct Told(Vec<Value>);

impl Told {
    /// In the order in which it was told.
    pub(super) fn of<'a>(worlds: impl Iterator<Item = &'a World>) -> Self {
        let mut all: Vec<_> = worlds.flat_map(World::timed_alerts).collect();
        all.sort_by_key(|(at, _)| *at);
        Self(all.into_iter().map(|(_, alert)| alert).collect())
    }

    /// `critical`, or how it was closed.
    pub(super) fn of_monitor(&self, monitor: &str) -> Vec<&str> {
        let its = self.0.iter().filter(|alert| alert["monitor"] == monitor);
        its.map(what).collect()
    }

    /// The same to one alerter.
    pub(super) fn to(&self, alerter: &str, monitor: &str) -> Vec<&str> {
        let its = |alert: &&Value| alert["monitor"] == monitor && alert["alerter"] == alerter;
        self.0.iter().filter(its).map(what).collect()
    }

    /// When the first of it happened, by the clock of who judged it.
    pub(super) fn first(&self, monitor: &str) -> jiff::Timestamp {
        let first = self.0.iter().find(|alert| alert["monitor"] == monitor);
        first.unwrap()["at"].as_str().unwrap().parse().unwrap()
    }

    pub(super) fn monitors(&self) -> Vec<&str> {
        let mut monitors: Vec<&str> = self.0.iter().map(|alert| alert["monitor"].as_str().unwrap()).collect();
        monitors.sort_unstable();
        monitors.dedup();
        monitors
    }

    /// Incidents of which an alerter was told, and not yet of their end.
    pub(super) fn open(&self) -> Vec<String> {
        let told = self.by_incident().into_iter();
        told.filter(|(_, told)| !told.last().unwrap().1)
            .map(|(of, _)| of)
            .collect()
    }

    /// Nothing more was said of an incident once its end was told.
    pub(super) fn each_ends_once(&self) {
        for (incident, told) in self.by_incident() {
            let ends = told.iter().filter(|(_, end)| *end).count();
            let last = told.last().unwrap().1;
            assert!(ends == usize::from(last), "{incident}: {told:?}");
        }
    }

    /// What was said of each incident to each alerter, and whether it was the end.
    fn by_incident(&self) -> BTreeMap<String, Vec<(&str, bool)>> {
        let mut incidents: BTreeMap<String, Vec<(&str, bool)>> = BTreeMap::new();
        for alert in &self.0 {
            let of = format!("{}/{}/{}", alert["alerter"], alert["monitor"], alert["episode"]);
            incidents
                .entry(of)
                .or_default()
                .push((what(alert), alert["status"] == "ok"));
        }
        incidents
    }

    /// No key came twice. A member that dies between telling and recording is the one reason to tell again, and it is said in the message; nobody is
    /// killed there in these tests.
    pub(super) fn nothing_twice(&self) {
        self.nothing_twice_but(None);
    }

    /// The same but of one monitor.
    pub(super) fn nothing_twice_but(&self, but: Option<&str>) {
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        for alert in self.0.iter().filter(|alert| alert["monitor"].as_str() != but) {
            assert_eq!(alert["possibly_repeated"], false, "{alert}");
            *keys.entry(alert["key"].as_str().unwrap()).or_default() += 1;
        }
        keys.retain(|_, times| *times > 1);
        assert!(keys.is_empty(), "told more than once: {keys:?}");
    }
}

fn what(alert: &Value) -> &str {
    alert["closed"].as_str().or(alert["status"].as_str()).unwrap()
}
