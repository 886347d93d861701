//! One definition (a JSON value) into settings and a check, whatever it came from: a file, the API, the store.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::alerters::{self, DynAlerter};
use crate::model::{AlerterName, AlerterSettings, MonitorName, MonitorSettings, Problem};
use crate::monitors::{self, DynMonitor};

/// A monitor that can run.
pub struct MonitorDef {
    /// Its name.
    pub name: MonitorName,
    /// What all kinds share.
    pub settings: MonitorSettings,
    /// Its kind.
    pub kind: &'static monitors::Kind,
    /// What it does.
    pub check: Box<dyn DynMonitor>,
    /// Longest time of one run: the kind's budget for the timeout, clamped so that a run ends before the next is due.
    pub budget: Duration,
    /// Stable fingerprint of what is measured (kind, the kind's own keys, member tag). Thresholds, alerters, interval, timeout, tags and texts are not
    /// part of it: editing them does not close an episode.
    pub measured: u64,
}

/// An alerter that can tell.
pub struct AlerterDef {
    /// Its name.
    pub name: AlerterName,
    /// What all kinds share.
    pub settings: AlerterSettings,
    /// Its kind.
    pub kind: &'static alerters::Kind,
    /// What it does.
    pub alerter: Arc<dyn DynAlerter>,
}

/// What reading gave: a value unless there is an error among the problems.
pub struct Read<T> {
    /// Usable.
    pub value: Option<T>,
    /// Errors and warnings. `entry` is set (`monitor web`), `place` is not.
    pub problems: Vec<Problem>,
}

/// Reads a monitor.
#[must_use]
pub fn monitor(_name: &str, _spec: &serde_json::Value) -> Read<MonitorDef> {
    Read {
        value: None,
        problems: Vec::new(),
    }
}

/// Reads an alerter.
#[must_use]
pub fn alerter(_name: &str, _spec: &serde_json::Value) -> Read<AlerterDef> {
    Read {
        value: None,
        problems: Vec::new(),
    }
}
