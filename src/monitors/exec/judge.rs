//! What an exit code and an output mean for a plain command. Pure.

use std::process::ExitStatus;

use nix::sys::signal::Signal;

use super::Exec;
use super::process::Output;
use crate::model::{MASK, Reason, Verdict};

/// Characters of output that a message shows.
const MAX_SHOWN_OUTPUT_CHARS: usize = 1000;
/// Shorter values of `env` are not masked in output: they would be found everywhere.
const MIN_MASKED_BYTES: usize = 4;

/// Judges a command: signal, exit code, output; the first that does not hold decides.
pub(super) fn plain(exec: &Exec, status: ExitStatus, output: &Output) -> Verdict {
    let shown = exec.shown();
    let Some(code) = status.code() else {
        return Verdict::fail(
            Reason::Status,
            format!(
                "Command '{shown}' was {}. Output: {}",
                killed(status),
                output_shown(exec, output)
            ),
        );
    };
    if i64::from(code) != exec.return_code {
        let expected = exec.return_code;
        return Verdict::fail(
            Reason::Status,
            if code == 0 {
                format!("Command '{shown}' exited with a '0' return code, expected '{expected}'")
            } else {
                format!(
                    "Command '{shown}' exited with '{code}', expected '{expected}'. Output: {}",
                    output_shown(exec, output)
                )
            },
        );
    }
    unexpected_content(exec, output).unwrap_or_else(Verdict::pass)
}

/// The failure, where the output is not what `expect` and `expect-regex` ask for.
pub(super) fn unexpected_content(exec: &Exec, output: &Output) -> Option<Verdict> {
    let text = output.text();
    let expected = if !text.contains(&exec.expect) {
        &exec.expect
    } else if let Some(regex) = exec.expect_regex.as_ref().filter(|regex| !regex.is_match(&text)) {
        regex.as_str()
    } else {
        return None;
    };
    Some(Verdict::fail(
        Reason::Content,
        format!(
            "Command '{}' output does not contain expected output. Expected: {expected} Output: {}",
            exec.shown(),
            output_shown(exec, output)
        ),
    ))
}

/// `killed by signal 11 (SIGSEGV)`.
pub(super) fn killed(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let Some(number) = status.signal() else {
        return format!("ended in a way that is not known ({status})");
    };
    let name = Signal::try_from(number).map_or("a real-time signal", Signal::as_str);
    let core = if status.core_dumped() { ", core dumped" } else { "" };
    format!("killed by signal {number} ({name}{core})")
}

fn output_shown(exec: &Exec, output: &Output) -> String {
    printable(&masked(exec, &output.text()), MAX_SHOWN_OUTPUT_CHARS)
}

/// Text of the command without the secrets that it was given.
pub(super) fn masked(exec: &Exec, text: &str) -> String {
    let mut text = text.to_owned();
    for secret in exec.env.values().map(crate::model::Secret::reveal) {
        if secret.len() >= MIN_MASKED_BYTES && text.contains(secret) {
            text = text.replace(secret, MASK);
        }
    }
    text
}

/// On one line, without control characters, not longer than so many characters.
pub(super) fn printable(text: &str, most: usize) -> String {
    let text = text.trim_end();
    let mut out = String::with_capacity(text.len().min(most));
    let mut chars = text.chars();
    for c in chars.by_ref().take(most) {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}
