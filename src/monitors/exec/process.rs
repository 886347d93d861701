//! A process with everything it starts: begun, read, ended. Nothing of it outlives the run, except what left its process group.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Exec, Format};
use crate::model::{Phase, Phases, Reason};
use crate::monitors::Run;
use crate::monitors::net::Failure;

/// Longest time between asking the group to end and killing it; a tenth of a run that is short. It is a part of the run's own time.
const GRACE: Duration = Duration::from_millis(200);
/// How long output is awaited after the command itself has ended, when something that it started still holds the pipe.
const STRAGGLERS: Duration = Duration::from_millis(100);
/// Bytes read at once.
const CHUNK_BYTES: usize = 4096;

/// How a run of the command ended.
pub(super) enum Ended {
    /// By itself (or by a signal that was not ours).
    Exited { status: ExitStatus, output: Output },
    /// Killed at its deadline.
    TimedOut,
}

/// The first bytes of what a command printed, and how many there were in all.
#[derive(Debug, Default)]
pub(super) struct Output {
    kept: Vec<u8>,
    seen: u64,
}

impl Output {
    fn take(&mut self, bytes: &[u8], most: usize) {
        self.seen += bytes.len() as u64;
        let room = most.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What was kept. Bytes that are no UTF-8 are replaced.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.kept)
    }

    /// Bytes printed in all, as a fact.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 9 PB of output")]
    pub(super) fn bytes(&self) -> f64 {
        self.seen as f64
    }
}

/// Runs the command until it ends or its time is over.
pub(super) async fn run(exec: &Exec, run: &Run<'_>, phases: &mut Phases) -> Result<Ended, Failure> {
    let begun = Instant::now();
    let started = start(exec);
    phases.add(Phase::Connect, begun.elapsed());
    let (mut group, mut pipe) = match started {
        Ok(started) => started,
        Err(err) => return Err(not_started(exec, &err).await),
    };
    let begun = Instant::now();
    let ended = follow(exec, run, &mut group, &mut pipe).await;
    phases.add(Phase::FirstByte, begun.elapsed());
    ended.map_err(|err| {
        Failure::of_io(&err).context(format_args!(
            "Unexpected error during command '{}' execution",
            exec.shown()
        ))
    })
}

/// One pipe for both streams keeps their order. It is registered before there is a child, so that running out of descriptors leaves none behind.
fn start(exec: &Exec) -> io::Result<(Group, pipe::Receiver)> {
    let (reader, writer) = io::pipe()?;
    let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut command = Command::new(&exec.command);
    command
        .args(&exec.args)
        .stdin(if exec.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(writer.try_clone()?)
        .stderr(writer)
        // A group of its own, led by the child. Nothing is run between fork and exec, so that posix_spawn can be used.
        .process_group(0)
        .kill_on_drop(true);
    if exec.clear_env {
        command.env_clear();
    }
    if exec.format == Format::Nagios {
        decimal_points(&mut command, exec.clear_env);
    }
    for (name, value) in &exec.env {
        command.env(name, value.reveal());
    }
    if !exec.directory.is_empty() {
        command.current_dir(&exec.directory);
    }
    let child = command.spawn()?;
    // The command owns our writing ends of the pipe; it ends here, or the pipe never would.
    Ok((Group::led_by(child), reader))
}

/// Performance data is written with decimal points. `LC_ALL` would win over `LC_NUMERIC`, so it is turned into `LANG`.
fn decimal_points(command: &mut Command, cleared: bool) {
    command.env("LC_NUMERIC", "C");
    if !cleared && let Some(all) = std::env::var_os("LC_ALL") {
        command.env_remove("LC_ALL").env("LANG", all);
    }
}

async fn follow(exec: &Exec, run: &Run<'_>, group: &mut Group, pipe: &mut pipe::Receiver) -> io::Result<Ended> {
    let grace = GRACE.min(run.timeout / 10);
    let mut output = Output::default();
    let mut chunk = [0; CHUNK_BYTES];
    let mut status = None;
    let mut open = true;
    let stdin = group.child.stdin.take();
    let mut feeding = stdin.is_some();
    let feed = feed(stdin, exec.stdin.as_deref().unwrap_or_default());
    let over = sleep_until(run.deadline - grace);
    tokio::pin!(feed, over);
    while status.is_none() || open {
        tokio::select! {
            read = pipe.read(&mut chunk), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(n) => output.take(&chunk[..n], exec.max_output as usize),
            },
            exited = group.child.wait(), if status.is_none() => {
                status = Some(exited?);
                feeding = false;
                let soon = Instant::now() + STRAGGLERS;
                if soon < over.deadline() {
                    over.as_mut().reset(soon);
                }
            },
            () = &mut feed, if feeding => feeding = false,
            () = &mut over => break,
        }
    }
    match status {
        Some(status) => {
            if open {
                group.signal(Signal::SIGKILL);
            }
            group.over = true;
            Ok(Ended::Exited { status, output })
        }
        None => {
            group.end(run.deadline, grace).await;
            Ok(Ended::TimedOut)
        }
    }
}

/// Writes the command's input and closes it. A command that does not want all of it is no error.
async fn feed(stdin: Option<ChildStdin>, text: &str) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(text.as_bytes()).await;
    }
}

/// A child and its process group. Dropping it (a run that is cancelled) kills the group; tokio reaps the child.
struct Group {
    child: Child,
    id: Option<Pid>,
    over: bool,
}

impl Group {
    fn led_by(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Self { child, id, over: false }
    }

    /// Sends a signal to everybody in the group.
    ///
    /// The id cannot belong to somebody else: it stays taken while the child is not reaped or a member is left, and after the
    /// child's end the group is signalled within [`STRAGGLERS`], long before process ids come round again.
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // An error means that nobody is left, which is what was wanted.
            let _ = killpg(id, signal);
        }
    }

    /// Asks, waits, kills, reaps, all before `deadline`. What cannot die (a process stuck in the kernel) is reaped by tokio later.
    async fn end(&mut self, deadline: Instant, grace: Duration) {
        self.signal(Signal::SIGTERM);
        let _ = timeout_at(deadline - grace / 4, self.child.wait()).await;
        self.signal(Signal::SIGKILL);
        let _ = timeout_at(deadline, self.child.wait()).await;
        self.over = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.over {
            self.signal(Signal::SIGKILL);
        }
    }
}

/// Why nothing was started: the definition is wrong, or we have run out of something.
async fn not_started(exec: &Exec, err: &io::Error) -> Failure {
    let shown = exec.shown();
    let what = format!("Unexpected error during command '{shown}' execution: {err}");
    match err.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => Failure::new(Reason::Resources, what),
        _ if !exec.directory.is_empty() && !is_directory(&exec.directory).await => Failure::new(
            Reason::Command,
            format!(
                "{what} (directory '{}' does not exist or cannot be entered)",
                exec.directory
            ),
        ),
        Some(Errno::ENOENT) => Failure::new(
            Reason::Command,
            format!(
                "{what} (not found, 127 to a shell: neither the command nor the interpreter that it names may be missing)"
            ),
        ),
        Some(Errno::EACCES | Errno::ENOEXEC) => {
            Failure::new(Reason::Command, format!("{what} (not executable, 126 to a shell)"))
        }
        _ => Failure::new(Reason::Command, what),
    }
}

async fn is_directory(path: &str) -> bool {
    tokio::fs::metadata(path).await.is_ok_and(|found| found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    #[tokio::test]
    async fn running_out_of_something_is_unknown_and_says_nothing_about_the_target() {
        let exec: Exec = serde_json::from_str(r#"{"command": "true", "directory": "/no/such/directory"}"#).unwrap();
        for errno in [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE] {
            let verdict = not_started(&exec, &errno.into()).await.verdict();
            assert_eq!(
                (verdict.outcome, verdict.reason),
                (Outcome::Unknown, Some(Reason::Resources)),
                "{errno}"
            );
        }
    }

    #[test]
    fn output_keeps_its_beginning_and_counts_the_rest() {
        let mut output = Output::default();
        for chunk in [&b"abc"[..], b"def", b"ghi"] {
            output.take(chunk, 5);
        }
        assert_eq!(output.text(), "abcde");
        assert!((output.bytes() - 9.0).abs() < f64::EPSILON);
    }
}
