//! Problems for people, with the line and a caret, and for programs, as JSON.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Style};
use serde::{Deserialize, Serialize};

use crate::model::{Place, Problem, Severity};

/// Whether escape sequences for colours may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Yes: a terminal.
    On,
    /// No: a file, a pipe, `NO_COLOR`.
    Off,
}

/// All problems, each with its line if it has one:
///
/// ```text
/// configs/a.yaml:4:5: error: monitor web: `interval`: 'interval' must be > 0s
///   4 |     interval: 0
///     |     ^ write for example `interval: 10s`
/// ```
#[must_use]
pub fn render(problems: &[Problem], colour: Colour) -> String {
    let mut out = String::new();
    for problem in problems {
        render_one(&mut out, problem, colour);
    }
    out
}

fn render_one(out: &mut String, problem: &Problem, colour: Colour) {
    let paint = |style: Style| if colour == Colour::On { style } else { Style::new() };
    let (word, style) = match problem.severity {
        Severity::Error => ("error", Style::new().red().bold()),
        Severity::Warning => ("warning", Style::new().yellow().bold()),
    };
    if let Some(place) = &problem.place {
        let at = format!("{}:{}:{}:", visible(&place.file), place.line, place.column);
        let _ = write!(out, "{} ", at.style(paint(Style::new().bold())));
    }
    let _ = write!(out, "{} ", format_args!("{word}:").style(paint(style)));
    if !problem.entry.is_empty() {
        let _ = write!(out, "{}: ", visible(&problem.entry));
    }
    if !problem.field.is_empty() {
        let _ = write!(out, "`{}`: ", visible(&problem.field));
    }
    let _ = writeln!(out, "{}", visible(&problem.message));
    let fix = visible(&problem.fix);
    let line = problem.place.as_ref().filter(|place| !place.text.trim().is_empty());
    match line {
        Some(place) => render_line(out, place, &fix, paint(style), paint(Style::new().dimmed())),
        None if fix.is_empty() => {}
        None => {
            let _ = writeln!(out, "  {} {fix}", "=".style(paint(Style::new().dimmed())));
        }
    }
}

fn render_line(out: &mut String, place: &Place, fix: &str, caret: Style, dim: Style) {
    let number = place.line.to_string();
    let bar = "|".style(dim);
    let _ = writeln!(out, "  {} {bar} {}", number.style(dim), visible(&place.text));
    let blank = " ".repeat(number.len());
    // Of long lines only the beginning is shown: no caret beyond it.
    if place.column <= place.text.chars().count() + 1 {
        let indent = " ".repeat(place.column.saturating_sub(1));
        let text = format!("^ {fix}");
        let _ = writeln!(out, "  {blank} {bar} {indent}{}", text.trim_end().style(caret));
    } else if !fix.is_empty() {
        let _ = writeln!(out, "  {blank} {bar} {}", fix.style(caret));
    }
}

/// Without characters that would change how a terminal shows what follows.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// How many there are, as the last line: `2 errors, 1 warning`. Empty if there are none.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let count = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let parts = [count(errors, "error"), count(problems.len() - errors, "warning")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A problem as the API gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProblemJson {
    /// `error` or `warning`.
    pub severity: SeverityJson,
    /// The file, if it came from one.
    pub file: Option<String>,
    /// 1-based.
    pub line: Option<usize>,
    /// 1-based, in characters.
    pub column: Option<usize>,
    /// `monitor web`; empty when a whole file is meant.
    pub entry: String,
    /// Path below the entry; empty when the entry is meant.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub fix: String,
}

/// A severity in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SeverityJson {
    /// The entry cannot be used.
    Error,
    /// The entry is used.
    Warning,
}

impl From<&Problem> for ProblemJson {
    fn from(problem: &Problem) -> Self {
        let place = problem.place.as_ref();
        Self {
            severity: match problem.severity {
                Severity::Error => SeverityJson::Error,
                Severity::Warning => SeverityJson::Warning,
            },
            file: place.map(|place| place.file.to_string()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            entry: problem.entry.clone(),
            field: problem.field.clone(),
            message: problem.message.clone(),
            fix: problem.fix.clone(),
        }
    }
}

impl From<ProblemJson> for Problem {
    /// The line itself does not travel.
    fn from(json: ProblemJson) -> Self {
        let place = json.file.map(|file| Place {
            file: file.into(),
            line: json.line.unwrap_or(1),
            column: json.column.unwrap_or(1),
            text: "".into(),
        });
        Self {
            severity: match json.severity {
                SeverityJson::Error => Severity::Error,
                SeverityJson::Warning => Severity::Warning,
            },
            place,
            entry: json.entry,
            field: json.field,
            message: json.message,
            fix: json.fix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem() -> Problem {
        let place = Place {
            file: "a.yaml".into(),
            line: 12,
            column: 5,
            text: "    interval: 0".into(),
        };
        Problem {
            place: Some(place),
            ..Problem::error("interval", "'interval' must be > 0s", "write `interval: 10s`").of("monitor web")
        }
    }

    #[test]
    fn a_problem_shows_its_line_and_a_caret_with_the_fix() {
        let expected = "\
a.yaml:12:5: error: monitor web: `interval`: 'interval' must be > 0s
  12 |     interval: 0
     |     ^ write `interval: 10s`
";
        assert_eq!(render(&[problem()], Colour::Off), expected);
    }

    #[test]
    fn colours_only_add_to_the_text() {
        let coloured = render(&[problem()], Colour::On);
        assert_ne!(coloured, render(&[problem()], Colour::Off));
        assert!(coloured.contains("\u{1b}["));
    }

    #[test]
    fn without_a_line_the_fix_follows_alone() {
        let text = render(&[Problem::warning("", "x\u{1b}[2J", "do y")], Colour::Off);
        assert_eq!(text, "warning: x\u{fffd}[2J\n  = do y\n");
        assert_eq!(render(&[Problem::error("", "x", "")], Colour::Off), "error: x\n");
    }

    #[test]
    fn they_are_counted() {
        let problems = [problem(), problem(), Problem::warning("", "", "")];
        assert_eq!(summary(&problems), "2 errors, 1 warning");
        assert_eq!(summary(&[]), "");
    }

    #[test]
    fn json_has_the_shape_of_the_api_and_comes_back() {
        let json = serde_json::to_value(ProblemJson::from(&problem())).unwrap();
        let expected = json!({
            "severity": "error", "file": "a.yaml", "line": 12, "column": 5, "entry": "monitor web",
            "field": "interval", "message": "'interval' must be > 0s", "fix": "write `interval: 10s`"
        });
        assert_eq!(json, expected);
        let back = Problem::from(serde_json::from_value::<ProblemJson>(json).unwrap());
        assert_eq!(back.to_string(), problem().to_string());
    }
}
