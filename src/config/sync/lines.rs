//! What `cfg` says: the original's lines, with its words, and the plan.

use std::fmt::Write as _;
use std::path::Path;

use owo_colors::{OwoColorize as _, Style};
use serde_json::Value;

use super::{Changed, Counts, FieldChange, Options, Plan, Report};
use crate::config::mask::Section;
use crate::config::report::{Colour, visible};

/// A value in a diff, at most this long.
const SHOWN: usize = 80;

/// The lines before the work begins.
#[must_use]
pub fn preamble(dir: &Path, found: Counts) -> Vec<String> {
    vec![
        format!("Fetching all 9volt configuration files in '{}'", dir.display()),
        "Parsing 9volt config files".to_owned(),
        format!(
            "Found {} alerter configs and {} monitor configs",
            found.alerter, found.monitor
        ),
    ]
}

/// The lines after it.
#[must_use]
pub fn lines(report: &Report, options: Options) -> Vec<String> {
    let count = |counts: Counts| {
        format!(
            "{} monitor config(s) and {} alerter config(s)",
            counts.monitor, counts.alerter
        )
    };
    let done = |party: &str, verb: &str, counts: Counts| {
        if options.dryrun {
            format!("DRYRUN: Would have {verb} {}", count(counts))
        } else {
            format!("{party}Successfully {verb} {}", count(counts))
        }
    };
    let mut out = Vec::new();
    if options.dryrun || report.applied {
        out.push(done(":party: ", "pushed", report.pushed));
        if !options.replace {
            out.push(done("", "skipped replacing", report.skipped));
        }
        if !options.nosync {
            out.push(done("", "removed", report.removed));
        }
    }
    let kept = report.plan.monitor.kept.len() + report.plan.alerter.kept.len();
    if kept > 0 {
        out.push(format!(
            "Kept {kept} config(s) that no file holds, because a file could not be read"
        ));
    }
    let invalid = report.plan.monitor.invalid.len() + report.plan.alerter.invalid.len();
    if invalid > 0 {
        out.push(format!(
            "Left out {invalid} config(s) with errors; what is stored under their names stays"
        ));
    }
    if let Some(refusal) = &report.plan.refusal {
        out.push(format!(
            "Refused: {refusal}; nothing was changed. Pass --yes if that is wanted"
        ));
    }
    if !report.errors.is_empty() {
        out.push(format!(
            "Encountered {} errors: [{}]",
            report.errors.len(),
            report.errors.join("; ")
        ));
    }
    out
}

/// The plan, a line for each change, and one for each field that differs.
#[must_use]
pub fn render_plan(plan: &Plan, colour: Colour) -> String {
    let mut out = String::new();
    let mut line = |style: Style, text: String| {
        let style = if colour == Colour::On { style } else { Style::new() };
        let _ = writeln!(out, "{}", visible(&text).style(style));
    };
    let (green, yellow, red, dim) = (
        Style::new().green(),
        Style::new().yellow(),
        Style::new().red(),
        Style::new().dimmed(),
    );
    for section in [Section::Alerter, Section::Monitor] {
        let word = section.name();
        let part = plan.section(section);
        for name in &part.added {
            line(green, format!("+ {word} {name}"));
        }
        for Changed { name, fields } in &part.changed {
            line(yellow, format!("~ {word} {name}"));
            for field in fields {
                line(Style::new(), format!("    {}", describe(field)));
            }
        }
        for name in &part.replaced {
            line(dim, format!("= {word} {name} (equal, written again)"));
        }
        for name in &part.removed {
            line(red, format!("- {word} {name}"));
        }
        for kept in &part.kept {
            line(yellow, format!("! {word} {} stays: {}", kept.name, kept.why));
        }
        for name in &part.invalid {
            line(red, format!("! {word} {name} has errors and is left out"));
        }
    }
    out
}

fn describe(change: &FieldChange) -> String {
    let field = &change.field;
    match (&change.from, &change.to) {
        (Some(from), Some(to)) if from == to => format!("{field}: changed (secret)"),
        (Some(from), Some(to)) => format!("{field}: {} → {}", shown(from), shown(to)),
        (None, Some(to)) => format!("{field}: added {}", shown(to)),
        (Some(from), None) => format!("{field}: removed {}", shown(from)),
        (None, None) => field.clone(),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}
