//! `exec`: runs a command and looks at how it ended and what it printed.

mod judge;
mod nagios;
mod perfdata;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};

use self::process::Ended;
use super::net::Failure;
use super::pattern::Pattern;
use super::{CheckCx, Monitor, Run};
use crate::model::{Dur, MonitorSettings, Phases, Problem, Reason, Secret, Verdict};

/// Bytes of output kept when the definition does not say.
const DEFAULT_MAX_OUTPUT: u32 = 8 * 1024;
/// The most that a definition may ask to keep.
const MOST_MAX_OUTPUT: u32 = 1024 * 1024;
/// Characters of the command line that messages and lists show.
const MAX_SHOWN_COMMAND_CHARS: usize = 200;

/// Runs a command and checks its exit code and its output.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Exec {
    /// The program: a path, or a name that is looked up in `PATH`. It is started directly, without a shell.
    #[serde(default)]
    #[schemars(required)]
    command: String,
    /// Its arguments, each as it is. They are visible to everybody; put secrets into `env`.
    #[serde(default)]
    args: Vec<String>,
    /// Exit code that it has to end with.
    #[serde(default)]
    return_code: i64,
    /// Text that its output (standard output and standard error, as they come) has to contain.
    #[serde(default)]
    expect: String,
    /// Regular expression that has to be found in its output.
    #[serde(default)]
    expect_regex: Option<Pattern>,
    /// Variables added to its environment. The values are treated as secrets: they are never shown.
    #[serde(default, deserialize_with = "texts")]
    env: BTreeMap<String, Secret>,
    /// `true` starts it with the variables of `env` only, instead of adding them to those of this process.
    #[serde(default)]
    clear_env: bool,
    /// Directory to run it in. Default: that of this process.
    #[serde(default)]
    directory: String,
    /// Text for its standard input. Default: none, which reads as empty.
    #[serde(default)]
    stdin: Option<String>,
    /// `plain` compares the exit code with `return-code`; `nagios` reads exit code, first line and performance data as those of a Nagios plug-in.
    #[serde(default)]
    format: Format,
    /// Bytes of output that are kept for `expect` and for messages. The rest is read, counted and dropped.
    #[serde(default = "default_max_output")]
    max_output: u32,
}

/// How to read what a command says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Plain,
    Nagios,
}

fn default_max_output() -> u32 {
    DEFAULT_MAX_OUTPUT
}

/// Reads values that have to be text, without repeating a value that is not in the error: it may be a password made of digits.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Secret>, D::Error> {
    let all = BTreeMap::<String, serde_json::Value>::deserialize(from)?;
    all.into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => Ok((name, Secret::new(text))),
            _ => Err(D::Error::custom(format!(
                "the value of `{name}` has to be text; put it in quotes"
            ))),
        })
        .collect()
}

impl Exec {
    /// The command line as messages show it.
    fn shown(&self) -> String {
        let mut shown = self.command.clone();
        for arg in &self.args {
            shown.push(' ');
            shown.push_str(arg);
        }
        judge::printable(&shown, MAX_SHOWN_COMMAND_CHARS)
    }
}

impl Monitor for Exec {
    const KIND: &'static str = "exec";
    const SUMMARY: &'static str =
        "Runs a command without a shell and checks its exit code and output; understands Nagios plug-ins.";
    const EXAMPLE: &'static str = include_str!("example.yaml");
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(3);
    const COST_MICROS: u32 = 85;

    fn validate(&self, _: &MonitorSettings) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.command.is_empty() {
            problems.push(Problem::error(
                "command",
                "'command' cannot be blank",
                "name a program, for example `command: /usr/lib/nagios/plugins/check_load`",
            ));
        }
        let nul = |text: &str| text.contains('\0');
        if nul(&self.command) || nul(&self.directory) || self.args.iter().any(|arg| nul(arg)) {
            problems.push(Problem::error(
                "command",
                "command, arguments and directory cannot contain NUL bytes",
                "pass such bytes through `stdin`",
            ));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || nul(value.reveal()) {
                problems.push(Problem::error(
                    format!("env.{name}"),
                    "this is no environment variable",
                    "names are not empty and have no `=`; neither names nor values have NUL bytes",
                ));
            }
        }
        if !(0..=255).contains(&self.return_code) {
            problems.push(Problem::warning(
                "return-code",
                format!("no process ends with {}", self.return_code),
                "exit codes go from 0 to 255",
            ));
        }
        if self.format == Format::Nagios && self.return_code != 0 {
            problems.push(Problem::warning(
                "return-code",
                "a Nagios plug-in's exit code is its state, `return-code` is not looked at",
                "leave it out, or leave out `format: nagios`",
            ));
        }
        if self.max_output > MOST_MAX_OUTPUT {
            problems.push(Problem::error(
                "max-output",
                format!("{} bytes are too much to keep of every run", self.max_output),
                format!("{MOST_MAX_OUTPUT} is the most"),
            ));
        }
        problems.extend(
            self.expect_regex
                .as_ref()
                .and_then(|regex| regex.problem("expect-regex")),
        );
        problems
    }

    fn target(&self) -> String {
        self.shown()
    }

    async fn check(&self, _: &CheckCx, run: &Run<'_>) -> Verdict {
        let mut phases = Phases::default();
        let verdict = match process::run(self, run, &mut phases).await {
            Err(failure) => Failure::verdict(failure),
            Ok(Ended::TimedOut) => Verdict::fail(
                Reason::Timeout,
                format!("Command '{}' exceeded run timeout ({})", self.shown(), Dur(run.timeout)),
            ),
            Ok(Ended::Exited { status, output }) => {
                let mut verdict = match self.format {
                    Format::Plain => judge::plain(self, status, &output),
                    Format::Nagios => nagios::judge(self, status, &output),
                };
                if let Some(code) = status.code() {
                    verdict.fact("exec_exit_code", f64::from(code));
                }
                verdict.fact("exec_output_bytes", output.bytes());
                verdict
            }
        };
        verdict.with_phases(phases)
    }
}
