//! `icmp`: sends echo requests and looks at what comes back, and how fast.

mod judge;
mod packet;
mod ratio;
mod socket;
mod tally;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::ratio::Ratio;
use self::socket::{Event, Mark, Pinger};
use self::tally::Tally;
use super::net::{AddressFamily, Failure, Host, addresses};
use super::{CheckCx, Monitor, Run};
use crate::model::{Dur, MonitorSettings, Phases, Problem, Reason, Verdict};

/// The most packets of one run.
const MAX_COUNT: u16 = 1000;
/// The largest payload that an IPv4 packet holds.
const MAX_PAYLOAD_BYTES: u16 = 65_507;
/// Packets are never closer together than this.
const MIN_PACKET_INTERVAL: Dur = Dur::from_millis(1);
/// Bytes at the beginning of the payload that are random in every run.
const NONCE_BYTES: usize = 16;
/// Stray packets and reports that one run looks at, for every packet that it sends.
const MAX_NOISE_PER_PACKET: u32 = 1000;

/// Sends ICMP echo requests and checks loss and round-trip times.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Icmp {
    /// The host to ping: a name or an address, IPv4 or IPv6.
    #[serde(default)]
    #[schemars(required)]
    host: String,
    /// Echo requests of one run, up to 1000.
    #[serde(default = "default_count")]
    count: u16,
    /// Time between two requests. All of them have to go out before `timeout`, which covers the whole run.
    #[serde(default = "default_packet_interval")]
    packet_interval: Dur,
    /// Bytes behind the ICMP header, up to 65507.
    #[serde(default = "default_payload_size")]
    payload_size: u16,
    /// Degraded when this part of the packets is lost, or more: `20%` or 0.2.
    #[serde(default)]
    loss_warning: Option<Ratio>,
    /// Failed when this part of the packets is lost, or more.
    #[serde(default = "default_loss_critical")]
    loss_critical: Ratio,
    /// Degraded when the round trip takes longer.
    #[serde(default)]
    rtt_warning: Option<Dur>,
    /// Failed when the round trip takes longer.
    #[serde(default)]
    rtt_critical: Option<Dur>,
    /// Which round trip the limits are for: 50 is the median, 100 the longest.
    #[serde(default = "default_rtt_percentile")]
    rtt_percentile: u8,
    /// Ping this kind of address only. Default: the first address that works.
    #[serde(default)]
    address_family: Option<AddressFamily>,
}

fn default_count() -> u16 {
    3
}

fn default_packet_interval() -> Dur {
    Dur::from_millis(200)
}

fn default_payload_size() -> u16 {
    56
}

fn default_loss_critical() -> Ratio {
    Ratio(1.0)
}

fn default_rtt_percentile() -> u8 {
    50
}

/// What a run heard, beside the count.
struct Heard {
    tally: Tally,
    hop_limit: Option<u8>,
    trouble: Option<String>,
}

impl Icmp {
    /// Random identifier and nonce: nobody else's reply, and no reply of an earlier run, looks like ours.
    fn mark(&self) -> Result<Mark, Failure> {
        let unavailable = |err: getrandom::Error| Failure::new(Reason::Resources, format!("no random numbers: {err}"));
        let id = getrandom::u32().map_err(unavailable)?.to_be_bytes();
        let mut payload: Vec<u8> = (0..=u8::MAX).cycle().take(self.payload_size.into()).collect();
        let nonce = payload.len().min(NONCE_BYTES);
        getrandom::fill(&mut payload[..nonce]).map_err(unavailable)?;
        Ok(Mark {
            id: u16::from_be_bytes([id[0], id[1]]),
            payload,
        })
    }

    async fn pinger(&self, cx: &CheckCx, run: &Run<'_>, phases: &mut Phases) -> Result<Pinger, Failure> {
        let host = Host::parse(&self.host).map_err(|why| Failure::new(Reason::Resolve, why))?;
        let found = addresses(cx, &host, run, phases).await?;
        let mut last = Failure::new(
            Reason::Resolve,
            format!("{} has no address of the asked family", self.host),
        );
        for ip in found {
            if self.address_family.is_some_and(|family| !family.admits(ip)) {
                continue;
            }
            match Pinger::open(ip, self.mark()?) {
                Ok(pinger) => return Ok(pinger),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Sends all packets and hears what there is to hear, until all is known or the time is over.
    async fn ping(&self, pinger: &mut Pinger, run: &Run<'_>) -> Result<Heard, Failure> {
        let mut heard = Heard {
            tally: Tally::new(self.count),
            hop_limit: None,
            trouble: None,
        };
        let mut noise = 0;
        let mut next_at = Instant::now();
        while !heard.tally.is_complete() {
            let next = heard.tally.next();
            let wake = next.map_or(run.deadline, |_| next_at.min(run.deadline));
            tokio::select! {
                event = pinger.receive() => match event? {
                    Event::Reply { sequence, hop_limit } => {
                        if heard.tally.answered(sequence, Instant::now()) {
                            heard.hop_limit = hop_limit;
                        }
                    }
                    Event::Refused { sequence, why } => {
                        heard.tally.refused(sequence);
                        heard.trouble = Some(why);
                    }
                    Event::Noise => {
                        noise += 1;
                        if noise > MAX_NOISE_PER_PACKET * u32::from(self.count) {
                            return Err(Failure::new(Reason::Resources, format!("too many stray packets while pinging {}", self.host)));
                        }
                    }
                },
                () = sleep_until(wake) => match next {
                    Some(number) if Instant::now() < run.deadline => {
                        let at = Instant::now();
                        // A send waits only while the socket's buffer is full.
                        match timeout_at(run.deadline, pinger.send(number)).await {
                            Ok(sent) => sent?,
                            Err(_) => break,
                        }
                        heard.tally.sent(at);
                        next_at = at + self.packet_interval.0;
                    }
                    _ => break,
                },
            }
        }
        Ok(heard)
    }
}

impl Monitor for Icmp {
    const KIND: &'static str = "icmp";
    const SUMMARY: &'static str = "Pings a host and checks how many packets are lost and how long they take.";
    const EXAMPLE: &'static str = include_str!("example.yaml");
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(3);

    fn validate(&self, settings: &MonitorSettings) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, message: String, fix: &str| problems.push(Problem::error(field, message, fix));
        if let Err(why) = Host::parse(&self.host) {
            wrong("host", why, "name the host to ping, for example `host: 192.0.2.1`");
        }
        if !(1..=MAX_COUNT).contains(&self.count) {
            wrong(
                "count",
                format!("{} packets cannot be sent", self.count),
                "send 1 to 1000",
            );
        }
        if self.payload_size > MAX_PAYLOAD_BYTES {
            wrong(
                "payload-size",
                format!("{} bytes do not fit into a packet", self.payload_size),
                "65507 is the most",
            );
        }
        if self.packet_interval < MIN_PACKET_INTERVAL {
            wrong(
                "packet-interval",
                format!("{} is too short", self.packet_interval),
                "1ms is the least",
            );
        }
        let sending = self
            .packet_interval
            .0
            .saturating_mul(u32::from(self.count.saturating_sub(1)));
        let timeout = settings.timeout.unwrap_or(Self::DEFAULT_TIMEOUT);
        if sending >= timeout.0 {
            wrong(
                "packet-interval",
                format!(
                    "sending {} packets takes {}, and the run is over after {timeout}",
                    self.count,
                    Dur(sending)
                ),
                "send fewer, send them closer together, or set a longer `timeout`",
            );
        }
        if !(1..=100).contains(&self.rtt_percentile) {
            wrong(
                "rtt-percentile",
                format!("{} is no percentile", self.rtt_percentile),
                "use 1 to 100",
            );
        }
        if self.loss_critical.0 <= 0.0 {
            wrong(
                "loss-critical",
                "a run without loss would fail".to_owned(),
                "set it above 0",
            );
        }
        if let Some(warning) = self.loss_warning {
            if warning.0 <= 0.0 {
                wrong(
                    "loss-warning",
                    "a run without loss would be degraded".to_owned(),
                    "set it above 0",
                );
            }
            if warning > self.loss_critical {
                wrong(
                    "loss-warning",
                    format!("{warning} is more than `loss-critical` ({})", self.loss_critical),
                    "the warning comes first",
                );
            }
        }
        if let (Some(warning), Some(critical)) = (self.rtt_warning, self.rtt_critical)
            && warning > critical
        {
            wrong(
                "rtt-warning",
                format!("{warning} is more than `rtt-critical` ({critical})"),
                "the warning comes first",
            );
        }
        problems
    }

    fn target(&self) -> String {
        format!("ping {}", self.host)
    }

    async fn check(&self, cx: &CheckCx, run: &Run<'_>) -> Verdict {
        let mut phases = Phases::default();
        let heard = match self.pinger(cx, run, &mut phases).await {
            Ok(mut pinger) => self.ping(&mut pinger, run).await,
            Err(failure) => Err(failure),
        };
        let verdict = match heard {
            Err(failure) => failure.verdict(),
            Ok(heard) => {
                let counted = heard.tally.result();
                let mut verdict = judge::judge(self, &counted, heard.trouble.as_deref(), run.timeout, &mut phases);
                if let Some(hops) = heard.hop_limit {
                    verdict.fact("icmp_reply_hop_limit", f64::from(hops));
                }
                verdict
            }
        };
        verdict.with_phases(phases)
    }
}
