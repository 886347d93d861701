//! Opens a TCP connection; on request speaks TLS, sends something and waits for an answer.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::content::{Content, Mismatch};
use super::net::{
    AddressFamily, Endpoint, ExpiryLimits, Failure, Host, Opened, Peer, Stream, Tls, TlsKeys, Trace, Way, excerpt,
    open, waiting_for,
};
use super::{CheckCx, Monitor, Run};
use crate::model::{Dur, MonitorSettings, Phase, Problem, Reason, Verdict};

/// When a definition names no `read-timeout` or `write-timeout`.
const DEFAULT_IO_TIMEOUT: Duration = Duration::from_secs(2);
/// When a definition names no `read-size`.
const DEFAULT_READ_SIZE: u32 = 4_096;
/// Largest `read-size`: what one check may hold in memory.
const MAX_READ_SIZE: u32 = 16 << 20;
/// First buffer of a read; most banners fit.
const FIRST_READ: usize = 512;

/// The keys as written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct TcpKeys {
    /// Name or address (IPv4 or IPv6) to connect to.
    #[serde(default)]
    host: String,
    /// Port to connect to.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65535))]
    port: i64,
    /// Bytes to send once connected, as written.
    #[serde(default)]
    send: String,
    /// Text that the answer has to contain. Reading goes on until it does.
    #[serde(default)]
    expect: String,
    /// Regular expression that the answer has to match. Reading goes on until it does.
    #[serde(default)]
    expect_regex: String,
    /// Longest wait for the expected answer. Default: 2s.
    #[serde(default)]
    read_timeout: Option<Dur>,
    /// Longest time that sending may take. Default: 2s.
    #[serde(default)]
    write_timeout: Option<Dur>,
    /// Most bytes that are read. Default: 4096.
    #[serde(default)]
    #[schemars(range(min = 1, max = 16_777_216))]
    read_size: i64,
    /// Speak TLS.
    #[serde(default)]
    ssl: bool,
    /// TLS settings, when the defaults do not fit.
    #[serde(default)]
    tls: Option<TlsKeys>,
    /// Degraded when a certificate of the chain has less time left than this.
    #[serde(default)]
    certificate_expiry_warning: Option<Dur>,
    /// Failed when a certificate of the chain has less time left than this.
    #[serde(default)]
    certificate_expiry_critical: Option<Dur>,
    /// Use only addresses of this family. Default: both, IPv6 first.
    #[serde(default)]
    address_family: Option<AddressFamily>,
    /// Degraded when a run that works takes longer than this.
    #[serde(default)]
    slow: Option<Dur>,
}

/// One configured check, read once into what a run needs.
#[derive(Deserialize)]
#[serde(from = "TcpKeys")]
pub(super) struct Tcp {
    /// `None` when a problem below is an error.
    plan: Option<Box<Plan>>,
    problems: Vec<Problem>,
    read_timeout: Option<Dur>,
    write_timeout: Option<Dur>,
}

impl JsonSchema for Tcp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        TcpKeys::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        TcpKeys::json_schema(generator)
    }
}

struct Plan {
    to: Endpoint,
    send: Box<[u8]>,
    content: Content,
    read: Duration,
    write: Duration,
    read_size: usize,
    ssl: bool,
    tls: Option<Box<Tls>>,
    limits: ExpiryLimits,
    family: Option<AddressFamily>,
    slow: Option<Dur>,
}

impl From<TcpKeys> for Tcp {
    fn from(keys: TcpKeys) -> Self {
        let mut problems = Vec::new();
        let (read_timeout, write_timeout) = (keys.read_timeout, keys.write_timeout);
        let plan = Plan::new(keys, &mut problems).map(Box::new);
        Self {
            plan,
            problems,
            read_timeout,
            write_timeout,
        }
    }
}

impl Plan {
    fn new(keys: TcpKeys, problems: &mut Vec<Problem>) -> Option<Self> {
        let host = Host::parse(&keys.host)
            .map_err(|message| problems.push(Problem::error("host", message, "")))
            .ok();
        let port = match u16::try_from(keys.port) {
            Ok(0) => {
                problems.push(Problem::error(
                    "port",
                    "'port' is required",
                    "write for example `port: 22`",
                ));
                None
            }
            Ok(port) => Some(port),
            Err(_) => {
                problems.push(Problem::error("port", "'port' must be between 0 and 65535", ""));
                None
            }
        };
        let content = Content::new(&keys.expect, "", &keys.expect_regex)
            .map_err(|problem| problems.push(problem))
            .ok();
        let read_size = match u32::try_from(keys.read_size) {
            Ok(0) => DEFAULT_READ_SIZE,
            Ok(size) if size <= MAX_READ_SIZE => size,
            Ok(size) => {
                let message = format!("{size} bytes are more than one check may hold; {MAX_READ_SIZE} are used");
                problems.push(Problem::warning("read-size", message, ""));
                MAX_READ_SIZE
            }
            Err(_) => {
                problems.push(Problem::error("read-size", "'read-size' cannot be negative", ""));
                DEFAULT_READ_SIZE
            }
        };
        if let (Some(family), Some(Host::Ip(ip))) = (keys.address_family, &host)
            && !family.admits(*ip)
        {
            let message = format!("{ip} is no address of this family");
            problems.push(Problem::error("address-family", message, ""));
        }
        let tls = keys.tls.map(|keys| {
            let (tls, found) = Tls::new(keys);
            problems.extend(found);
            Box::new(tls)
        });
        if problems.iter().any(|p| p.severity == crate::model::Severity::Error) {
            return None;
        }
        Some(Self {
            to: Endpoint {
                host: host?,
                port: port?,
            },
            send: keys.send.into_bytes().into(),
            content: content?,
            read: keys.read_timeout.map_or(DEFAULT_IO_TIMEOUT, |d| d.0),
            write: keys.write_timeout.map_or(DEFAULT_IO_TIMEOUT, |d| d.0),
            read_size: read_size as usize,
            ssl: keys.ssl,
            tls,
            limits: ExpiryLimits {
                warning: keys.certificate_expiry_warning,
                critical: keys.certificate_expiry_critical,
            },
            family: keys.address_family,
            slow: keys.slow,
        })
    }

    /// Time for sending and for the answer, where there is something to send or to expect.
    fn talking(&self) -> Duration {
        let write = if self.send.is_empty() {
            Duration::ZERO
        } else {
            self.write
        };
        let read = if self.content.is_empty() {
            Duration::ZERO
        } else {
            self.read
        };
        write.saturating_add(read)
    }

    async fn run(&self, cx: &CheckCx, run: &Run<'_>, trace: &mut Trace, opened: &mut Opened) -> Result<(), Failure> {
        // A short interval shortens the whole run; opening then gets at least half of it.
        let opening = run.timeout.saturating_sub(self.talking()).max(run.timeout / 2);
        let way = Way {
            family: self.family,
            ssl: self.ssl,
            tls: self.tls.as_deref(),
            peer: Peer::Configured,
            alpn: &[],
        };
        let deadline = trace.since() + opening;
        let opened = timeout_at(run.deadline.min(deadline), open(cx, &self.to, way, trace, opened)).await;
        let mut stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(failure)) => return Err(failure.context(format_args!("Unable to open connection to {}", self.to))),
            Err(_) => {
                let message = format!(
                    "Unable to open connection to {}: {} within {}",
                    self.to,
                    waiting_for(trace.current()),
                    Dur(opening)
                );
                return Err(Failure::new(Reason::Timeout, message));
            }
        };
        if self.send.is_empty() && self.content.is_empty() {
            stream.say_goodbye();
            return Ok(());
        }
        trace.step(Phase::FirstByte);
        if !self.send.is_empty() {
            self.send(run, trace, &mut stream).await?;
        }
        if !self.content.is_empty() {
            self.receive(run, trace, &mut stream).await?;
        }
        stream.say_goodbye();
        Ok(())
    }

    async fn send(&self, run: &Run<'_>, trace: &Trace, stream: &mut Stream) -> Result<(), Failure> {
        let sending = async {
            stream.write_all(&self.send).await?;
            stream.flush().await
        };
        let now = trace.since();
        let wait = self.write.min(run.deadline.saturating_duration_since(now));
        let sent = match timeout_at(now + wait, sending).await {
            Ok(sent) => sent.map_err(|err| Failure::of_io(&err)),
            Err(_) => Err(Failure::new(
                Reason::Timeout,
                format!("not taken within {}", shown(wait)),
            )),
        };
        sent.map_err(|failure| {
            failure.context(format_args!(
                "Unable to send initial TCP data ({})",
                excerpt(&self.send)
            ))
        })
    }

    /// Reads until the expectation is met, the peer is done, the buffer is full, or time is out.
    async fn receive(&self, run: &Run<'_>, trace: &mut Trace, stream: &mut Stream) -> Result<(), Failure> {
        let now = Instant::now();
        let wait = self.read.min(run.deadline.saturating_duration_since(now));
        let mut seen = Vec::with_capacity(FIRST_READ.min(self.read_size));
        let reading = async {
            loop {
                if seen.len() == seen.capacity() {
                    let more = seen.len().min(self.read_size - seen.len());
                    seen.reserve_exact(more);
                }
                let room = (seen.capacity()).min(self.read_size) - seen.len();
                let n = (&mut *stream).take(room as u64).read_buf(&mut seen).await?;
                if n == 0 {
                    return Ok(Ended::PeerDone);
                }
                if self.content.mismatch(&seen).is_none() {
                    return Ok(Ended::Met);
                }
                if seen.len() >= self.read_size {
                    return Ok(Ended::Full);
                }
                if trace.current() == Phase::FirstByte {
                    trace.step(Phase::Transfer);
                }
            }
        };
        let ended: std::io::Result<Ended> = match timeout_at(now + wait, reading).await {
            Ok(ended) => ended,
            Err(_) => Ok(Ended::TimeOut),
        };
        match ended {
            Ok(Ended::Met) => Ok(()),
            Ok(Ended::TimeOut) if seen.is_empty() => Err(Failure::new(
                Reason::Timeout,
                format!("Read timeout (after {}): no answer", shown(wait)),
            )),
            Ok(Ended::PeerDone) if seen.is_empty() => Err(Failure::new(
                Reason::Closed,
                "Unrecognized read error: connection closed without an answer",
            )),
            Ok(ended) => Err(self.mismatch(&seen, ended, wait)),
            Err(err) => Err(Failure::of_io(&err).context("Unrecognized read error")),
        }
    }

    fn mismatch(&self, seen: &[u8], ended: Ended, wait: Duration) -> Failure {
        let (verb, wanted) = match self.content.mismatch(seen) {
            Some(wanted @ Mismatch::Regex(_)) => ("match expected regex", wanted.to_string()),
            Some(wanted) => ("contain expected substring", wanted.to_string()),
            None => ("fit", String::new()),
        };
        let end = match ended {
            Ended::TimeOut => format!("; nothing else within {}", shown(wait)),
            Ended::Full => format!("; stopped after {} bytes", seen.len()),
            Ended::PeerDone | Ended::Met => String::new(),
        };
        let recv = excerpt(seen);
        Failure::new(
            Reason::Content,
            format!("Received data does not {verb} (Recv: [{recv}] Expected: [{wanted}]){end}"),
        )
    }
}

/// In whole milliseconds where that says enough: a wait that a deadline cut has a long tail of digits.
fn shown(wait: Duration) -> Dur {
    let millis = wait.as_millis();
    u64::try_from(millis)
        .ok()
        .filter(|ms| *ms > 0)
        .map_or(Dur(wait), Dur::from_millis)
}

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Met,
    PeerDone,
    Full,
    TimeOut,
}

impl Monitor for Tcp {
    const KIND: &'static str = "tcp";
    const SUMMARY: &'static str =
        "Opens a TCP connection, with or without TLS, and on request sends bytes and waits for an answer.";
    const EXAMPLE: &'static str = r#"# Connects to the port; the server's greeting has to contain "SSH".
monitor:
  ssh:
    type: tcp
    description: SSH answers
    host: 127.0.0.1
    port: 22
    interval: 10s
    # Time to connect. Sending and receiving have their own, 2s each.
    timeout: 4s
    # send: "HELO monitor.example\r\n"
    expect: SSH
    # expect-regex: "^SSH-2\\.0-"
    # read-timeout: 2s
    # ssl: true
    # certificate-expiry-warning: 14d
    warning-threshold: 1
    critical-threshold: 3
"#;
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(4);
    const COST_MICROS: u32 = 15;

    fn validate(&self, settings: &MonitorSettings) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        let interval = settings.interval;
        for (field, timeout) in [
            ("read-timeout", self.read_timeout),
            ("write-timeout", self.write_timeout),
        ] {
            if let Some(timeout) = timeout.filter(|timeout| *timeout >= interval) {
                let message = format!("'{field}' ({timeout}) cannot equal or exceed 'interval' ({interval})");
                problems.push(Problem::error(field, message, ""));
            }
        }
        // Only what was written counts: defaults are shortened to fit, never refused.
        let written = [settings.timeout, self.read_timeout, self.write_timeout];
        let total = written
            .iter()
            .flatten()
            .fold(Duration::ZERO, |sum, dur| sum.saturating_add(dur.0));
        if written.iter().flatten().count() > 1 && total >= interval.0 {
            let total = Dur(total);
            let message = format!("Total timeout duration ({total}) cannot equal or exceed 'interval' ({interval})");
            problems.push(Problem::error("timeout", message, ""));
        }
        problems
    }

    fn budget(&self, timeout: Duration) -> Duration {
        let talking = self.plan.as_ref().map_or(Duration::ZERO, |plan| plan.talking());
        timeout.saturating_add(talking)
    }

    fn target(&self) -> String {
        self.plan
            .as_ref()
            .map_or_else(|| "tcp".to_owned(), |plan| format!("tcp://{}", plan.to))
    }

    async fn check(&self, cx: &CheckCx, run: &Run<'_>) -> Verdict {
        let Some(plan) = &self.plan else {
            return Verdict::unknown(Reason::Protocol, "the definition is not valid");
        };
        let mut trace = Trace::begin(Phase::Connect);
        let mut opened = Opened::default();
        let result = plan.run(cx, run, &mut trace, &mut opened).await;
        let by_regex = matches!(&result, Err(failure) if failure.reason == Reason::Content);
        let phases = trace.finish();
        let mut verdict = match result {
            Err(failure) => failure.verdict(),
            Ok(()) => plan
                .limits
                .judge(opened.expires)
                .or_else(|| super::slow(plan.slow, &phases))
                .unwrap_or_else(Verdict::pass),
        };
        verdict.phases = phases;
        // Kept until the next run: no more room than there are facts.
        let facts = [opened.ip.is_some(), opened.expires.is_some(), plan.content.has_regex()];
        verdict
            .facts
            .reserve_exact(facts.iter().filter(|known| **known).count());
        opened.facts(&mut verdict);
        if plan.content.has_regex() {
            verdict.fact("failed_due_to_regex", f64::from(u8::from(by_regex)));
        }
        verdict
    }
}
