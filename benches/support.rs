//! What measuring needs: processor time and memory of processes, a table, the choice of what to run.

use std::fmt;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// User and system time of this process so far; not of its children.
pub(crate) fn cpu() -> Duration {
    used(UsageWho::RUSAGE_SELF)
}

/// The same of all children that have ended.
pub(crate) fn cpu_of_children() -> Duration {
    used(UsageWho::RUSAGE_CHILDREN)
}

fn used(who: UsageWho) -> Duration {
    let usage = getrusage(who).expect("getrusage");
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0))
    };
    of(usage.user_time()) + of(usage.system_time())
}

/// User and system time of another process so far, all its threads; not of its children.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    // The name in brackets may contain anything.
    let (_, fields) = stat.rsplit_once(')').expect("a stat line");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("ticks"))
        .sum();
    // 100 a second on every Linux that user programs see.
    Duration::from_millis(ticks * 10)
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// A size that the kernel knows of a process.
pub(crate) fn status_bytes(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("kB");
    kib * 1024
}

pub(crate) fn micros(total: Duration, n: u64) -> f64 {
    total.as_secs_f64() * 1e6 / n.max(1) as f64
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Which measurements were asked for; none named means all.
pub(crate) struct Selection(Vec<String>);

impl Selection {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let chosen = self.0.is_empty() || self.0.iter().any(|part| name.starts_with(part.as_str()));
        if chosen {
            eprintln!("measuring {name} …");
        }
        chosen
    }

    /// What takes long is measured only when it is named.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.0.iter().any(|part| part == name)
    }
}

/// One measurement.
struct Row {
    what: String,
    bar: String,
    measured: String,
    verdict: &'static str,
}

/// What was measured, printed as Markdown.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// A measurement with a bar: `Some(true)` when it is met.
    pub(crate) fn row(&mut self, what: &str, bar: &str, measured: String, met: Option<bool>) {
        let verdict = match met {
            Some(true) => "ok",
            Some(false) => "missed",
            None => "",
        };
        eprintln!("  {what}: {measured}  [{bar}] {verdict}");
        self.0.push(Row {
            what: what.to_owned(),
            bar: bar.to_owned(),
            measured,
            verdict,
        });
    }

    /// A measurement without a bar.
    pub(crate) fn note(&mut self, what: &str, measured: String) {
        self.row(what, "", measured, None);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&Row) -> &str| {
            self.0
                .iter()
                .map(|row| of(row).chars().count())
                .max()
                .unwrap_or(0)
                .max(8)
        };
        let (a, b, c) = (width(|r| &r.what), width(|r| &r.bar), width(|r| &r.measured));
        writeln!(f, "| {:a$} | {:b$} | {:c$} |        |", "what", "bar", "measured")?;
        writeln!(f, "| {:-<a$} | {:-<b$} | {:-<c$} | ------ |", "", "", "")?;
        for row in &self.0 {
            writeln!(
                f,
                "| {:a$} | {:b$} | {:c$} | {:6} |",
                row.what, row.bar, row.measured, row.verdict
            )?;
        }
        Ok(())
    }
}
