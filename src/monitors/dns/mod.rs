//! `dns`: asks one server one question and looks at the answer.

mod answer;
mod exchange;
mod judge;
mod names;
#[cfg(test)]
mod tests;
mod text;

use std::net::SocketAddr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::net::{Failure, Host, addresses};
use super::pattern::Pattern;
use super::{CheckCx, Monitor, Run};
use crate::model::{Dur, MonitorSettings, Phases, Problem, Reason, Verdict};

/// Where DNS servers listen.
const DEFAULT_PORT: u16 = 53;

/// Asks a DNS server and checks response code, number, time and content of its answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Dns {
    /// The DNS server to ask: a name or an address, IPv4 or IPv6.
    #[serde(default)]
    #[schemars(required)]
    host: String,
    /// Port of the server; 53 when absent or 0.
    #[serde(default)]
    port: u16,
    /// The name to ask for.
    #[serde(default)]
    #[schemars(required)]
    dns_target: String,
    /// Record type, in any case: `A`, `AAAA`, `MX`, `TXT`, `SOA`, `ANY` …; `TYPE123` for one without a name.
    #[serde(default = "default_record_type")]
    dns_record_type: String,
    /// Fail when the exchange took longer.
    #[serde(default)]
    dns_max_time: Option<Dur>,
    /// Exact number of answer records; 0 does not count them (but there has to be one). Above 1, all of them have to match `expect`.
    #[serde(default)]
    dns_expected_count: u32,
    /// Response code that the server has to give: `NOERROR`, `NXDOMAIN`, `REFUSED` …
    #[serde(default = "default_rcode")]
    dns_rcode: String,
    /// `auto` asks over UDP and again over TCP when the answer does not fit; `udp` takes what fits; `tcp` asks over TCP at once.
    #[serde(default)]
    dns_transport: Transport,
    /// Regular expression for the text of a record: `name.<TAB>ttl<TAB>class<TAB>type<TAB>data`, for example `IN\s+MX\s+10 mail\.`.
    #[serde(default)]
    expect: Option<Pattern>,
}

/// How to ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Transport {
    #[default]
    Auto,
    Udp,
    Tcp,
}

fn default_record_type() -> String {
    "A".to_owned()
}

fn default_rcode() -> String {
    "NOERROR".to_owned()
}

impl Dns {
    fn port(&self) -> u16 {
        if self.port == 0 { DEFAULT_PORT } else { self.port }
    }

    /// The server as messages name it: with its port only where that is not the usual one.
    fn server(&self) -> String {
        if self.port() == DEFAULT_PORT {
            return self.host.clone();
        }
        match Host::parse(&self.host) {
            Ok(host) => format!("{host}:{}", self.port()),
            Err(_) => format!("{}:{}", self.host, self.port()),
        }
    }

    /// Fully qualified, whether or not it ends with a dot; names in other scripts in their ASCII form.
    fn name(&self) -> Result<Name, String> {
        let mut name = Name::from_str_relaxed(&self.dns_target).map_err(|err| err.to_string())?;
        name.set_fqdn(true);
        Ok(name)
    }

    fn record_type(&self) -> Result<RecordType, String> {
        let text = if self.dns_record_type.is_empty() {
            "A"
        } else {
            &self.dns_record_type
        };
        names::record_type(text).ok_or_else(|| format!("Unknown record type: {text}"))
    }

    fn query(&self) -> Result<Message, String> {
        // The id is random.
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(self.name()?, self.record_type()?));
        Ok(query)
    }

    async fn ask(&self, cx: &CheckCx, run: &Run<'_>, phases: &mut Phases) -> Result<Verdict, Failure> {
        let query = self.query().map_err(|why| Failure::new(Reason::Protocol, why))?;
        let host = Host::parse(&self.host).map_err(|why| Failure::new(Reason::Resolve, why))?;
        let addresses = addresses(cx, &host, run, phases).await?;
        let mut last = None;
        for address in addresses {
            let server = SocketAddr::new(address, self.port());
            let begun = Instant::now();
            match exchange::ask(server, &query, self.dns_transport, run, phases).await {
                Ok(answer) => return Ok(judge::judge(self, &answer, begun.elapsed())),
                Err(failure) => {
                    // Another address of the same server may have a way or a listener; a silent one has used up the time.
                    let next = matches!(failure.reason, Reason::Network | Reason::Unreachable | Reason::Refused);
                    last = Some(failure);
                    if !next {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(Reason::Resolve, format!("{} has no address", self.host))))
    }
}

impl Monitor for Dns {
    const KIND: &'static str = "dns";
    const SUMMARY: &'static str =
        "Asks a DNS server and checks response code, number, time and content of the records it answers.";
    const EXAMPLE: &'static str = include_str!("example.yaml");
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(2);

    fn validate(&self, _: &MonitorSettings) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(why) = Host::parse(&self.host) {
            problems.push(Problem::error(
                "host",
                why,
                "name the DNS server to ask, for example `host: 192.0.2.53`",
            ));
        }
        if self.dns_target.is_empty() {
            problems.push(Problem::error(
                "dns-target",
                "No DNS target configured!",
                "give the name to ask for, for example `dns-target: www.example.com`",
            ));
        } else if let Err(why) = self.name() {
            problems.push(Problem::error(
                "dns-target",
                format!("`{}` is no domain name: {why}", self.dns_target),
                "labels have at most 63 characters, names at most 255",
            ));
        }
        match self.record_type() {
            Err(why) => problems.push(Problem::error(
                "dns-record-type",
                why,
                "use a name such as A, AAAA, MX, TXT or SOA, or TYPE with a number",
            )),
            Ok(RecordType::AXFR | RecordType::IXFR) => problems.push(Problem::error(
                "dns-record-type",
                "a zone transfer is no question with one answer",
                "check the zone's SOA instead",
            )),
            Ok(_) => {}
        }
        if names::rcode(&self.dns_rcode).is_none() {
            problems.push(Problem::error(
                "dns-rcode",
                format!("`{}` is no response code", self.dns_rcode),
                "use NOERROR, NXDOMAIN, SERVFAIL, REFUSED …, or RCODE with a number",
            ));
        }
        problems.extend(self.expect.as_ref().and_then(|expect| expect.problem("expect")));
        problems
    }

    fn target(&self) -> String {
        let record_type = self.dns_record_type.to_ascii_uppercase();
        format!("{record_type} {} @{}", self.dns_target, self.server())
    }

    async fn check(&self, cx: &CheckCx, run: &Run<'_>) -> Verdict {
        let mut phases = Phases::default();
        let asked = self.ask(cx, run, &mut phases).await;
        let succeeded = asked.is_ok();
        let mut verdict = asked.unwrap_or_else(Failure::verdict).with_phases(phases);
        verdict.fact("dns_query_succeeded", f64::from(u8::from(succeeded)));
        verdict
    }
}
