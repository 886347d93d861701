//! The rules that all monitors share, in the original's order and with its words where it had any.

use std::time::Duration;

use serde_json::{Map, Value};

use super::advice::explain;
use super::keys::Keys;
use crate::model::{Dur, MonitorSettings, Problem, Severity, read_field_by_field};
use crate::monitors::DynMonitor;

/// The shortest interval: the schedule counts in milliseconds.
pub(super) const MIN_INTERVAL: Dur = Dur::from_millis(1);
/// Without an explicit timeout a run may take this share of the interval, so that it ends before the next is due.
const CLAMP: (u32, u32) = (9, 10);
/// Ports that exist.
const MAX_PORT: u64 = 65_535;

/// Settings that stand in where the real ones are wrong, so that the rest of a definition can be looked at.
pub(super) fn stand_in() -> MonitorSettings {
    MonitorSettings {
        kind: String::new(),
        description: String::new(),
        interval: Dur::from_secs(365 * 86_400),
        timeout: None,
        disable: false,
        tags: Vec::new(),
        member_tag: String::new(),
        warning_threshold: 0,
        critical_threshold: 0,
        warning_alerter: Vec::new(),
        critical_alerter: Vec::new(),
        runbook: String::new(),
    }
}

/// Reads the shared keys and says all that is wrong with them. `None` if anything is.
pub(super) fn settings(
    mut shared: Map<String, Value>,
    keys: &Keys,
    found: &mut Vec<Problem>,
) -> Option<MonitorSettings> {
    let before = found.len();
    shared.entry("type").or_insert_with(|| "".into());
    let mut timed = true;
    if !shared.contains_key("interval") {
        timed = false;
        found.push(Problem::error(
            "interval",
            "'interval' must be > 0s; it is missing",
            "add for example `interval: 10s`",
        ));
    }
    let mut thresholds = true;
    for key in ["warning-threshold", "critical-threshold"] {
        if let Some(number) = shared.get(key).and_then(Value::as_f64)
            && number < 0.0
        {
            thresholds = false;
            found.push(Problem::error(key, format!("'{key}' must be larger or equal to 0"), ""));
            shared.shift_remove(key);
        }
    }
    let settings = read(shared, keys, &mut timed, &mut thresholds, found)?;
    if timed {
        times(&settings, found);
    }
    if thresholds && settings.warning_threshold > settings.critical_threshold {
        found.push(Problem::error(
            "warning-threshold",
            format!(
                "'warning-threshold' ({}) cannot be larger than 'critical-threshold' ({})",
                settings.warning_threshold, settings.critical_threshold
            ),
            "a monitor gets worse from warning to critical; set `critical-threshold` too",
        ));
    }
    if !settings.runbook.is_empty() {
        runbook(&settings.runbook, found);
    }
    let failed = found[before..]
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    (!failed).then_some(settings)
}

/// Field by field: one that does not fit is said and taken out, so that the others are read too.
fn read(
    mut shared: Map<String, Value>,
    keys: &Keys,
    timed: &mut bool,
    thresholds: &mut bool,
    found: &mut Vec<Problem>,
) -> Option<MonitorSettings> {
    shared.entry("interval").or_insert_with(|| "1h".into());
    loop {
        let problem = match read_field_by_field(Value::Object(shared.clone())) {
            Ok(settings) => return Some(settings),
            Err(problem) => problem,
        };
        let whole = Value::Object(shared.clone());
        let problem = explain(problem, &whole, keys);
        let top = problem.field.split(['.', '[']).next().unwrap_or_default().to_owned();
        match top.as_str() {
            "interval" | "timeout" => *timed = false,
            "warning-threshold" | "critical-threshold" => *thresholds = false,
            _ => {}
        }
        // What is no text is said as an unknown kind.
        if top != "type" {
            found.push(problem);
        }
        shared.shift_remove(&top)?;
        match top.as_str() {
            "interval" => drop(shared.insert(top, "1h".into())),
            "type" => drop(shared.insert(top, "".into())),
            _ => {}
        }
    }
}

fn times(settings: &MonitorSettings, found: &mut Vec<Problem>) {
    let interval = settings.interval;
    if interval == Dur::default() {
        found.push(Problem::error(
            "interval",
            "'interval' must be > 0s",
            "write for example `interval: 10s`",
        ));
        return;
    }
    if interval < MIN_INTERVAL {
        let message = format!("'interval' ({interval}) must be at least {MIN_INTERVAL}");
        let fix = "a bare number is nanoseconds; write the unit, for example `10s`";
        found.push(Problem::error("interval", message, fix));
        return;
    }
    if let Some(timeout) = settings.timeout
        && timeout >= interval
    {
        let message = format!("'timeout' ({timeout}) cannot equal or exceed 'interval' ({interval})");
        found.push(Problem::error(
            "timeout",
            message,
            "shorten the timeout, or lengthen the interval",
        ));
    }
}

fn runbook(text: &str, found: &mut Vec<Problem>) {
    let web = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !web {
        found.push(Problem::error(
            "runbook",
            "'runbook' must be the URL of a page",
            "write it in full, for example `https://wiki.example.com/web`",
        ));
    }
}

/// The port of whatever kind has one: numbers that are none get the original's words instead of those of a number type.
pub(super) fn port(own: &mut Map<String, Value>, found: &mut Vec<Problem>) {
    if let Some(Value::Number(number)) = own.get("port")
        && number.as_u64().is_none_or(|port| port > MAX_PORT)
    {
        let message = format!("'port' must be between 0 and {MAX_PORT}; it is {number}");
        found.push(Problem::error("port", message, ""));
        // Some port, so that the kind does not call it missing as well.
        own.insert("port".to_owned(), 1.into());
    }
}

/// How long a run may take.
///
/// An explicit timeout counts as it is (it is shorter than the interval, or there was an error); the kind's default is cut to nine tenths of
/// the interval. What the kind makes of it (tcp adds its read and write timeouts) is cut likewise: a run always ends before the next is due.
pub(super) fn budget(settings: &MonitorSettings, default: Dur, check: &dyn DynMonitor) -> Duration {
    let most = settings.interval.0 / CLAMP.1 * CLAMP.0;
    // 0 means not set, as in the original.
    let explicit = settings.timeout.filter(|timeout| *timeout != Dur::default());
    let (timeout, most) = match explicit {
        Some(timeout) => (timeout.0, most.max(timeout.0)),
        None => (default.0.min(most), most),
    };
    check.budget(timeout).min(most)
}
