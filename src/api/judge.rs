//! Whether a definition may be stored through the API.

use serde_json::Value;

use super::error::ApiError;
use super::parts::ApiState;
use crate::config::definition::{self, MonitorDef, Strictness};
use crate::config::kinds::Kinds;
use crate::config::mask::{Section, unmask};
use crate::model::{Problem, Severity};

/// The kind that runs commands of whoever may define it.
const RUNS_COMMANDS: &str = "exec";

/// Puts the stored secrets in where the definition has masks; the masks that stand for nothing.
pub(super) fn unmasked(section: Section, name: &str, spec: &mut Value, stored: Option<&Value>) -> Vec<Problem> {
    let entry = format!("{} {name}", section.name());
    unmask(spec, stored)
        .into_iter()
        .map(|problem| problem.of(entry.as_str()))
        .collect()
}

/// Judges one definition, with the problems found so far; the warnings.
///
/// # Errors
/// 422 with all problems, 403 for a command that the API may not define.
pub(super) fn judge(
    api: &ApiState,
    section: Section,
    name: &str,
    spec: &Value,
    stored: Option<&Value>,
    mut problems: Vec<Problem>,
) -> Result<Vec<Problem>, ApiError> {
    if section == Section::Monitor {
        may_run(api, name, spec, stored)?;
    }
    problems.extend(Kinds::built_in().judge(section, name, spec, Strictness::Lenient).0);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(ApiError::invalid(
            format!("the definition of '{name}' has errors"),
            problems,
        ));
    }
    Ok(problems)
}

/// Refuses a command that is not stored already. Whoever may edit thresholds may not thereby run anything new.
///
/// # Errors
/// 403.
pub(super) fn may_run(api: &ApiState, name: &str, spec: &Value, stored: Option<&Value>) -> Result<(), ApiError> {
    if api.options.allow_exec_from_api || !runs_commands(spec) {
        return Ok(());
    }
    let measured = |spec: &Value| {
        definition::monitor(name, spec)
            .value
            .map(|def: MonitorDef| def.measured)
    };
    let known = stored.filter(|stored| runs_commands(stored)).and_then(measured);
    if known.is_some() && known == measured(spec) {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "'{name}' would run a command; this server takes such checks from its own files only. \
         Start it with --allow-exec-from-api to change that"
    )))
}

/// Any key that could be read as the type: more than one of them is nobody's honest mistake.
fn runs_commands(spec: &Value) -> bool {
    let keys = spec.as_object().into_iter().flatten();
    keys.filter(|(key, _)| key.eq_ignore_ascii_case("type"))
        .any(|(_, kind)| {
            kind.as_str()
                .is_some_and(|kind| kind.eq_ignore_ascii_case(RUNS_COMMANDS))
        })
}

/// Warnings about alerters that a monitor names and that do not exist.
pub(super) fn strangers(api: &ApiState, name: &str, spec: &Value) -> Vec<Problem> {
    let Some(def) = definition::monitor(name, spec).value else {
        return Vec::new();
    };
    let lists = [
        ("warning-alerter", &def.settings.warning_alerter),
        ("critical-alerter", &def.settings.critical_alerter),
    ];
    let named = lists
        .into_iter()
        .flat_map(|(field, list)| list.iter().map(move |alerter| (field, alerter)));
    named
        .filter(|(_, alerter)| api.catalog.alerter(alerter.as_str()).is_none())
        .map(|(field, alerter)| {
            let message = format!("monitor `{name}` names the alerter `{alerter}`, which does not exist");
            Problem::warning(field, message, "define it, or nobody is told").of(format!("monitor {name}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_is_found_however_the_type_is_written() {
        for (spec, runs) in [
            (json!({"type": "exec"}), true),
            (json!({"TYPE": "exec"}), true),
            (json!({"type": "tcp", "Type": "exec"}), true),
            (json!({"type": "tcp", "command": "x"}), false),
            (json!(["exec"]), false),
        ] {
            assert_eq!(runs_commands(&spec), runs, "{spec}");
        }
    }
}
