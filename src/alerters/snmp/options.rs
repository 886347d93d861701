//! What is wrong with the options, said when they are loaded.

use async_snmp::{Oid, oid};
use serde::Deserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer};

use super::engine::EngineId;
use super::{Profile, Snmp, Version};
use crate::alerters::lenient;
use crate::model::{Problem, Secret};

/// Shortest password of a user (RFC 3414, section 11.2).
const MIN_PASSWORD: usize = 8;
/// Longest name of a user (RFC 3414, section 2.4).
const MAX_USER: usize = 32;
/// Longest community and context: with them a message still fits into a datagram.
const MAX_COMMUNITY: usize = 128;
const MAX_CONTEXT: usize = 64;
/// Longest arc, in bytes as it is sent: it stands in the name of every object.
const MAX_ARC: usize = 16;

/// One of some words, in any case; a bare number (`version: 3`) is one too.
pub(super) fn choice<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let Some(word) = lenient::text(deserializer)? else {
        return Ok(None);
    };
    let word = word.to_ascii_lowercase();
    let word: StrDeserializer<'_, Error> = word.as_str().into_deserializer();
    T::deserialize(word).map(Some).map_err(D::Error::custom)
}

impl Snmp {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.receiver_problems();
        problems.extend(self.version_problems());
        problems.extend(self.user_problems());
        if let Err(wrong) = self.arc() {
            problems.push(Problem::error(
                "enterprise",
                wrong,
                "write for example `1.3.6.1.4.1.32473.9`",
            ));
        }
        problems.extend(self.effects());
        problems
    }

    fn receiver_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match self.host.as_deref() {
            None => problems.push(Problem::error(
                "host",
                "`host` must be present in options",
                "name the receiver, for example `traps.example.org`",
            )),
            Some(host) if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@[]".contains(c)) => {
                problems.push(Problem::error(
                    "host",
                    "is neither a name nor an address",
                    "write only the name or the address; `port` is an option of its own",
                ));
            }
            Some(_) => {}
        }
        if self.port == Some(0) {
            problems.push(Problem::error("port", "there is no port 0", "162 is the usual one"));
        }
        if self.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            problems.push(Problem::error(
                "timeout",
                "nobody answers in no time",
                "write for example `5s`",
            ));
        }
        problems
    }

    fn version_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self
            .community
            .as_ref()
            .is_some_and(|c| c.reveal().len() > MAX_COMMUNITY)
        {
            let wrong = format!("is longer than {MAX_COMMUNITY} bytes");
            problems.push(Problem::error("community", wrong, "choose a shorter one"));
        }
        if self.context.as_ref().is_some_and(|c| c.len() > MAX_CONTEXT) {
            let wrong = format!("is longer than {MAX_CONTEXT} bytes");
            problems.push(Problem::error("context", wrong, "choose a shorter one"));
        }
        if let Some(Err(wrong)) = self.engine_id.as_deref().map(EngineId::parse) {
            problems.push(Problem::error(
                "engine-id",
                wrong,
                "write for example \"0x80007ed90439766f6c74\"",
            ));
        }
        if self.version() == Version::V3 {
            let length = self.user.as_deref().unwrap_or_default().len();
            if length == 0 {
                problems.push(Problem::error(
                    "user",
                    "`user` must be present with version 3",
                    "name the user that the receiver knows",
                ));
            } else if length > MAX_USER {
                let wrong = format!("is longer than {MAX_USER} bytes");
                problems.push(Problem::error("user", wrong, "choose a shorter one"));
            }
        }
        problems
    }

    fn user_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let passwords = [
            ("auth", self.auth_protocol.is_some(), &self.auth_password),
            ("privacy", self.privacy_protocol.is_some(), &self.privacy_password),
        ];
        for (what, protocol, password) in passwords {
            let field = format!("{what}-password");
            match password.as_ref().map(Secret::reveal) {
                Some(password) if password.len() < MIN_PASSWORD => problems.push(Problem::error(
                    field,
                    format!("is shorter than {MIN_PASSWORD} characters"),
                    "receivers do not take shorter ones either",
                )),
                None if protocol => problems.push(Problem::error(
                    field.clone(),
                    format!("`{field}` must be present if `{what}-protocol` is set"),
                    format!("add it, or remove `{what}-protocol`"),
                )),
                _ => {}
            }
        }
        if self.privacy_password.is_some() && self.auth_password.is_none() {
            problems.push(Problem::error(
                "auth-password",
                "`auth-password` must be present if `privacy-password` is set",
                "add it: what is encrypted is signed, too",
            ));
        }
        problems
    }

    /// What is set and changes nothing.
    fn effects(&self) -> Vec<Problem> {
        let (v2c, peerpair) = (self.version() == Version::V2c, self.profile == Some(Profile::Peerpair));
        let of_v3 = "has an effect with version 3 only";
        let without_effect = [
            (
                "community",
                self.community.is_some() && !v2c,
                "has an effect with version 2c only",
            ),
            ("user", self.user.is_some() && v2c, of_v3),
            ("auth-password", self.auth_password.is_some() && v2c, of_v3),
            ("privacy-password", self.privacy_password.is_some() && v2c, of_v3),
            ("context", self.context.is_some() && v2c, of_v3),
            ("engine-id", self.engine_id.is_some() && v2c, of_v3),
            (
                "engine-id",
                self.engine_id.is_some() && !v2c && self.inform,
                "has no effect on informs: the receiver's own engine counts",
            ),
            (
                "timeout",
                self.timeout.is_some() && !self.inform,
                "has an effect on informs only",
            ),
            (
                "enterprise",
                self.enterprise.is_some() && peerpair,
                "has no effect: peerpair's traps have an arc of their own",
            ),
        ];
        let without_effect = without_effect.into_iter().filter(|(_, so, _)| *so);
        without_effect
            .map(|(field, _, why)| Problem::warning(field, why, "remove it"))
            .collect()
    }

    /// Where the MIB of profile 9volt is.
    pub(super) fn arc(&self) -> Result<Oid, String> {
        let Some(text) = self.enterprise.as_deref() else {
            return Ok(default_arc());
        };
        let wrong = || format!("`{text}` is no object identifier below 1.3.6.1");
        let arc = Oid::parse(text).map_err(|_| wrong())?;
        let internet = oid!(1, 3, 6, 1);
        if !arc.starts_with(&internet) || arc.len() <= internet.len() + 1 {
            return Err(wrong());
        }
        match arc.to_ber() {
            Ok(bytes) if bytes.len() <= MAX_ARC => Ok(arc),
            _ => Err(format!("`{text}` has more than {MAX_ARC} bytes")),
        }
    }

    /// The engine that is the authority for our traps.
    pub(super) fn engine(&self, cluster: &str) -> Result<EngineId, String> {
        match self.engine_id.as_deref() {
            Some(text) => EngineId::parse(text),
            None => Ok(EngineId::of(cluster)),
        }
    }
}

/// Below the number that RFC 5612 reserves for examples: nobody has registered one for 9volt.
fn default_arc() -> Oid {
    oid!(1, 3, 6, 1, 4, 1, 32473, 9)
}
