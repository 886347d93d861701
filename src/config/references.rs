//! Monitors that name alerters which exist nowhere: nobody would be told, and nobody would notice.

use serde_json::Value;

use super::keys::suggest;
use crate::model::{AlerterName, Problem};

const LISTS: &[&str] = &["warning-alerter", "critical-alerter"];

/// The alerters that a monitor's definition names, each with the path of where it does.
pub(super) fn of(spec: &Value) -> impl Iterator<Item = (String, &str)> {
    let lists = spec.as_object().into_iter().flatten();
    lists
        .filter(|(key, _)| LISTS.iter().any(|list| list.eq_ignore_ascii_case(key)))
        .flat_map(|(key, list)| {
            let names = list.as_array().into_iter().flatten().enumerate();
            names.filter_map(move |(at, name)| Some((format!("{key}[{at}]"), name.as_str()?)))
        })
}

/// A warning for each alerter that a monitor names and that does not exist.
pub(super) fn dangling<'a>(
    monitor: &str,
    spec: &Value,
    exists: &dyn Fn(&str) -> bool,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Problem> {
    of(spec)
        // An impossible name is an error already.
        .filter(|(_, name)| AlerterName::parse(name).is_ok() && !exists(name))
        .map(|(field, name)| {
            let fix = match suggest(name, known.clone()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("define `{name}` below `alerter:`"),
            };
            let message = format!("names the alerter `{name}`, which does not exist");
            Problem::warning(field, message, fix).of(format!("monitor {monitor}"))
        })
        .collect()
}
