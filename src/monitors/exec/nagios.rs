//! The contract of Nagios plug-ins: exit code, first line, performance data. Pure.

use std::process::ExitStatus;

use super::process::Output;
use super::{Exec, judge, perfdata};
use crate::model::{Reason, Verdict};

/// Characters of a plug-in's first line that a message shows.
const MAX_SHOWN_CHARS: usize = 1000;

/// Judges a plug-in. Everything but 0 to 3 is unknown: it is the plug-in that is broken, not what it watches.
pub(super) fn judge(exec: &Exec, status: ExitStatus, output: &Output) -> Verdict {
    let text = output.text();
    let said = Said::read(&text);
    let line = judge::printable(&judge::masked(exec, said.line), MAX_SHOWN_CHARS);
    let (command, line) = (
        exec.shown(),
        if line.is_empty() {
            "(no output)".to_owned()
        } else {
            line
        },
    );
    let mut verdict = match status.code() {
        Some(0) => judge::unexpected_content(exec, output).unwrap_or_else(|| Verdict {
            message: line,
            ..Verdict::pass()
        }),
        Some(1) => Verdict::degraded(Reason::Status, line),
        Some(2) => Verdict::fail(Reason::Status, line),
        Some(3) => Verdict::unknown(Reason::PlugIn, line),
        Some(126) => Verdict::unknown(
            Reason::PlugIn,
            format!("Command '{command}' ran something that is not executable (126): {line}"),
        ),
        Some(127) => Verdict::unknown(
            Reason::PlugIn,
            format!("Command '{command}' ran something that does not exist (127): {line}"),
        ),
        Some(code) => Verdict::unknown(
            Reason::PlugIn,
            format!("Command '{command}' exited with '{code}', which is no plug-in state (0 to 3): {line}"),
        ),
        None => Verdict::unknown(
            Reason::PlugIn,
            format!("Command '{command}' was {}: {line}", judge::killed(status)),
        ),
    };
    for (name, value) in perfdata::facts(&said.perfdata) {
        verdict.fact(name, value);
    }
    verdict
}

/// A plug-in's output, taken apart.
#[derive(Debug, PartialEq)]
struct Said<'a> {
    /// Its first line, up to the first `|`.
    line: &'a str,
    /// Performance data: the rest of the first line, and all that follows a `|` on a later line.
    perfdata: Vec<&'a str>,
}

impl<'a> Said<'a> {
    fn read(text: &'a str) -> Self {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let (line, behind) = first.split_once('|').unwrap_or((first, ""));
        let mut perfdata = vec![behind];
        // The long text ends at the second pipe; after it there is nothing but performance data.
        let mut in_long_text = true;
        for line in lines {
            if !in_long_text {
                perfdata.push(line);
            } else if let Some((_, behind)) = line.split_once('|') {
                perfdata.push(behind);
                in_long_text = false;
            }
        }
        perfdata.retain(|part| !part.trim().is_empty());
        Self {
            line: line.trim(),
            perfdata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_message_and_performance_data_is_gathered_from_all_lines() {
        let said = Said::read("DISK OK - fine | /=1MB\nlong text\nmore | /var=2MB\n/home=3MB\n");
        assert_eq!(said.line, "DISK OK - fine");
        assert_eq!(said.perfdata, [" /=1MB", " /var=2MB", "/home=3MB"]);
    }

    #[test]
    fn output_may_be_missing_or_have_no_performance_data() {
        assert_eq!(Said::read("").line, "");
        let said = Said::read("OK\nlong\ntext");
        assert_eq!((said.line, said.perfdata.len()), ("OK", 0));
    }
}
