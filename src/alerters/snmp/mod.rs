//! SNMP notifications: traps and informs, by SNMPv2c and SNMPv3. `docs/snmp.md` describes them for operators.

mod engine;
mod message;
mod mib;
mod options;
mod peerpair;
mod security;
#[cfg(test)]
mod tests;
mod texts;
mod way;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::Duration;

use async_snmp::{Oid, Value, VarBind, oid};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::kind::{Alerter, DeliveryCx, DeliveryError, Receipt};
use super::lenient;
use crate::model::{Dur, Notification, Problem, Secret, WallMs};

/// Where receivers of notifications listen, by registration.
const PORT: u16 = 162;
/// The community that senders and receivers begin with.
const COMMUNITY: &str = "public";
/// Wait for each answer of a receiver of informs.
const TIMEOUT: Dur = Dur(Duration::from_secs(5));

/// Traps and informs to an SNMP notification receiver.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Snmp {
    /// The receiver: a name or an address, IPv4 or IPv6.
    #[serde(default, deserialize_with = "lenient::text")]
    host: Option<String>,
    /// Its UDP port. Default: 162.
    #[serde(default)]
    port: Option<u16>,
    /// Protocol version. Default: `2c`.
    #[serde(default, deserialize_with = "options::choice")]
    version: Option<Version>,
    /// With version 2c: the community. Default: `public`.
    #[serde(default, deserialize_with = "lenient::secret")]
    community: Option<Secret>,
    /// With version 3: the user.
    #[serde(default, deserialize_with = "lenient::text")]
    user: Option<String>,
    /// What signs messages. Default: `sha-256` where there is an `auth-password`.
    #[serde(default, deserialize_with = "options::choice")]
    auth_protocol: Option<AuthProtocol>,
    /// Password that signs messages, 8 characters or more. Default: they are not signed.
    #[serde(default, deserialize_with = "lenient::secret")]
    auth_password: Option<Secret>,
    /// What encrypts messages. Default: `aes-128` where there is a `privacy-password`.
    #[serde(default, deserialize_with = "options::choice")]
    privacy_protocol: Option<PrivacyProtocol>,
    /// Password that encrypts messages, 8 characters or more; needs `auth-password`. Default: they are not encrypted.
    #[serde(default, deserialize_with = "lenient::secret")]
    privacy_password: Option<Secret>,
    /// Engine id of the sender of version 3 traps, in hexadecimal and in quotes. Default: made of the cluster's name, so it is the same on all members and after every start.
    #[serde(default)]
    engine_id: Option<String>,
    /// With version 3: the context. Default: the empty one.
    #[serde(default, deserialize_with = "lenient::text")]
    context: Option<String>,
    /// Informs, which the receiver acknowledges, instead of traps, which nobody does. Default: `false`.
    #[serde(default, deserialize_with = "lenient::boolean")]
    inform: bool,
    /// Longest wait for each answer to an inform. Default: 5s.
    #[serde(default)]
    timeout: Option<Dur>,
    /// What is in a message: `9volt` (docs/mibs/NINEVOLT-MIB.txt), or `peerpair` for receivers that know peerpair's traps. Default: `9volt`.
    #[serde(default, deserialize_with = "options::choice")]
    profile: Option<Profile>,
    /// Where the MIB of profile 9volt is: an arc of your own instead of the one for examples. Default: `1.3.6.1.4.1.32473.9`.
    #[serde(default, deserialize_with = "lenient::text")]
    enterprise: Option<String>,
    /// Address of this machine to send from. Default: the system's choice.
    #[serde(default)]
    local_address: Option<IpAddr>,
    /// An IPv4 address to name as the sender (`snmpTrapAddress`), where messages come through translation or relays. Default: none is named.
    #[serde(default)]
    agent_address: Option<Ipv4Addr>,
    /// When this definition was loaded: `sysUpTime` counts from here.
    #[serde(skip, default = "Instant::now")]
    loaded: Instant,
    /// Made from the passwords at the first use; it takes some milliseconds.
    #[serde(skip)]
    keys: OnceLock<security::Keys>,
}

/// Versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
enum Version {
    /// A community stands for a password, readable.
    #[serde(rename = "2c")]
    V2c,
    /// Users; messages can be signed and encrypted.
    #[serde(rename = "3")]
    V3,
}

/// What signs messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
enum AuthProtocol {
    /// HMAC-SHA-1-96, for receivers that know nothing better.
    #[serde(rename = "sha-1", alias = "sha1", alias = "sha")]
    Sha1,
    /// HMAC-SHA-224-128.
    #[serde(rename = "sha-224", alias = "sha224")]
    Sha224,
    /// HMAC-SHA-256-192.
    #[serde(rename = "sha-256", alias = "sha256")]
    Sha256,
    /// HMAC-SHA-384-256.
    #[serde(rename = "sha-384", alias = "sha384")]
    Sha384,
    /// HMAC-SHA-512-384.
    #[serde(rename = "sha-512", alias = "sha512")]
    Sha512,
}

/// What encrypts messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
enum PrivacyProtocol {
    /// With a key of 128 bits, the one that is standardised.
    #[serde(rename = "aes-128", alias = "aes128", alias = "aes")]
    Aes128,
    /// With 192 bits, made longer as net-snmp does.
    #[serde(rename = "aes-192", alias = "aes192")]
    Aes192,
    /// With 256 bits, made longer as net-snmp does.
    #[serde(rename = "aes-256", alias = "aes256")]
    Aes256,
    /// With 192 bits, made longer as Cisco does.
    #[serde(rename = "aes-192-cisco", alias = "aes192-cisco")]
    Aes192Cisco,
    /// With 256 bits, made longer as Cisco does.
    #[serde(rename = "aes-256-cisco", alias = "aes256-cisco")]
    Aes256Cisco,
}

/// What is in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
enum Profile {
    /// All objects of our MIB.
    #[serde(rename = "9volt")]
    Ninevolt,
    /// The traps of peerpair.
    #[serde(rename = "peerpair")]
    Peerpair,
}

/// What a message is about and what it says: the value of `snmpTrapOID.0`, and what follows it.
#[derive(Debug, PartialEq)]
struct Told {
    event: Oid,
    bindings: Vec<VarBind>,
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
struct Speaker<'a> {
    /// Name of this machine.
    host: &'a str,
    /// The address that the message comes from.
    address: IpAddr,
}

impl Alerter for Snmp {
    const KIND: &'static str = "snmp";
    const SUMMARY: &'static str = "Sends SNMP traps or informs (v2c, v3) to a notification receiver.";
    const EXAMPLE: &'static str = include_str!("example.yaml");
    // Alarm managers keep one alarm per cluster and monitor from what is bound to the message: a repetition joins it.
    // Many changes told as one would leave each of those alarms as it was.
    const HAS_KEY: bool = true;

    fn validate(&self) -> Vec<Problem> {
        self.problems()
    }

    async fn deliver(&self, cx: &DeliveryCx, note: &Notification) -> Result<Receipt, DeliveryError> {
        let host = self.host.as_deref().unwrap_or_default();
        let port = self.port.unwrap_or(PORT);
        let way = way::Way::find(cx.deadline, host, port, self.local_address).await?;
        let name = nix::unistd::gethostname().unwrap_or_default();
        let speaker = Speaker {
            host: &name.to_string_lossy(),
            address: way.local,
        };
        let told = self.told(note, speaker)?;
        let uptime = hundredths(self.loaded.elapsed());
        let response = if self.inform {
            let auth = self.auth()?;
            let timeout = self.timeout.unwrap_or(TIMEOUT).0;
            way.inform(cx.deadline, auth, timeout, uptime, told).await?
        } else {
            let (bytes, engine) = self.trap(note, uptime, told)?;
            way.trap(cx.deadline, &bytes).await?;
            let engine = engine.map(|id| format!(" by engine {id}")).unwrap_or_default();
            format!(
                "trap of {} bytes sent to {}{engine}; nobody acknowledges a trap",
                bytes.len(),
                way.peer
            )
        };
        Ok(Receipt {
            response,
            reference: None,
        })
    }
}

impl Snmp {
    fn told(&self, note: &Notification, speaker: Speaker<'_>) -> Result<Told, DeliveryError> {
        let mut told = match self.profile.unwrap_or(Profile::Ninevolt) {
            Profile::Ninevolt => mib::told(&self.arc().map_err(DeliveryError::never)?, note, speaker),
            Profile::Peerpair => peerpair::told(note, speaker),
        };
        if let Some(address) = self.agent_address {
            // SNMP-COMMUNITY-MIB::snmpTrapAddress.0
            let name = oid!(1, 3, 6, 1, 6, 3, 18, 1, 3, 0);
            told.bindings
                .push(VarBind::new(name, Value::IpAddress(address.octets())));
        }
        Ok(told)
    }

    /// A whole datagram, and the engine that signed it, where one did.
    fn trap(
        &self,
        note: &Notification,
        uptime: u32,
        told: Told,
    ) -> Result<(Vec<u8>, Option<engine::EngineId>), DeliveryError> {
        // Nobody answers, so these numbers tell messages apart in captures, no more.
        let id = fastrand::i32(1..);
        let unsayable = |err| DeliveryError::never(format!("the message cannot be made: {err}"));
        if self.version() == Version::V2c {
            let bytes = message::trap_v2c(self.community(), id, uptime, told).map_err(unsayable)?;
            return Ok((bytes, None));
        }
        let engine = self.engine(&note.cluster).map_err(DeliveryError::never)?;
        let clock = engine::Clock::at(WallMs::now());
        let bytes = message::trap_v3(self.keys()?, &engine, clock, id, uptime, told).map_err(unsayable)?;
        Ok((bytes, Some(engine)))
    }
}

/// `sysUpTime` begins again at zero after 497 days, as it does everywhere.
fn hundredths(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_millis() / 10 % (u128::from(u32::MAX) + 1)).unwrap_or(u32::MAX)
}
