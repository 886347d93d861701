//! The user of SNMPv3, and the keys made of the passwords.

use async_snmp::v3::{CryptoResult, MasterKeys, SaltCounter, UsmConfig};
use async_snmp::{Community, PrivProtocol};

use super::{AuthProtocol, COMMUNITY, PrivacyProtocol, Snmp, Version};
use crate::alerters::kind::DeliveryError;

/// What signs and encrypts.
#[derive(Debug)]
pub(super) struct Keys {
    pub user: UsmConfig,
    /// No two messages may be encrypted from the same start.
    pub salts: Salts,
}

/// Begins at random.
pub(super) struct Salts(pub SaltCounter);

impl std::fmt::Debug for Salts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salts")
    }
}

impl Snmp {
    pub(super) fn version(&self) -> Version {
        self.version.unwrap_or(Version::V2c)
    }

    pub(super) fn community(&self) -> Community {
        let community = self.community.as_ref().map_or(COMMUNITY, |c| c.reveal());
        Community::new(community.to_owned())
    }

    /// What a request to a receiver is sent with.
    pub(super) fn auth(&self) -> Result<async_snmp::Auth, DeliveryError> {
        Ok(match self.version() {
            Version::V2c => async_snmp::Auth::v2c(self.community()),
            Version::V3 => self.keys()?.user.clone().into(),
        })
    }

    pub(super) fn keys(&self) -> Result<&Keys, DeliveryError> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys);
        }
        if self.privacy_password.is_some() && self.auth_password.is_none() {
            // Said when it was loaded, too. Never less than what was asked for.
            return Err(DeliveryError::never(
                "`privacy-password` is set, but `auth-password` is not",
            ));
        }
        let salts = SaltCounter::new().map_err(|err| DeliveryError::soon(err.to_string()))?;
        let user = self
            .usm()
            .map_err(|err| DeliveryError::never(format!("no keys can be made: {err}")))?;
        Ok(self.keys.get_or_init(|| Keys {
            user,
            salts: Salts(salts),
        }))
    }

    fn usm(&self) -> CryptoResult<UsmConfig> {
        let user = UsmConfig::new(self.user.clone().unwrap_or_default())
            .context_name(self.context.clone().unwrap_or_default());
        let Some(password) = &self.auth_password else {
            return Ok(user);
        };
        let protocol = self.auth_protocol.unwrap_or(AuthProtocol::Sha256).known_as();
        let mut keys = MasterKeys::new(protocol, password.reveal().as_bytes())?;
        if let Some(password) = &self.privacy_password {
            let protocol = self.privacy_protocol.unwrap_or(PrivacyProtocol::Aes128).known_as();
            keys = keys.with_privacy(protocol, password.reveal().as_bytes())?;
        }
        user.with_master_keys(keys)
    }
}

impl AuthProtocol {
    fn known_as(self) -> async_snmp::AuthProtocol {
        use async_snmp::AuthProtocol as Known;
        match self {
            Self::Sha1 => Known::Sha1,
            Self::Sha224 => Known::Sha224,
            Self::Sha256 => Known::Sha256,
            Self::Sha384 => Known::Sha384,
            Self::Sha512 => Known::Sha512,
        }
    }
}

impl PrivacyProtocol {
    fn known_as(self) -> PrivProtocol {
        match self {
            Self::Aes128 => PrivProtocol::Aes128,
            Self::Aes192 => PrivProtocol::Aes192Blumenthal,
            Self::Aes256 => PrivProtocol::Aes256Blumenthal,
            Self::Aes192Cisco => PrivProtocol::Aes192Reeder,
            Self::Aes256Cisco => PrivProtocol::Aes256Reeder,
        }
    }
}
