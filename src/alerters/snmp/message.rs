//! The bytes of a trap. The library encodes them; whose clock signs a v3 trap is decided here.

use async_snmp::message::{CommunityMessage, MsgFlags, MsgGlobalData, ScopedPdu, V3Message};
use async_snmp::pdu::NotificationPdu;
use async_snmp::v3::UsmSecurityParams;
use async_snmp::v3::auth::authenticate_message;
use async_snmp::{Community, MessageSize, Version};
use bytes::Bytes;

use super::Told;
use super::engine::{Clock, EngineId};
use super::security::Keys;

/// Longest message: what goes over Ethernet in one piece.
pub(super) const MAX_DATAGRAM: usize = 1_472;

/// Why a message cannot be made. Nothing but another definition helps.
pub(super) type Unsayable = Box<dyn std::error::Error + Send + Sync>;

/// A trap that a community is enough for.
pub(super) fn trap_v2c(community: Community, id: i32, uptime: u32, told: Told) -> Result<Vec<u8>, Unsayable> {
    let pdu = NotificationPdu::trap_v2(Version::V2c, id, uptime, &told.event, told.bindings)?;
    bounded(CommunityMessage::v2c(community, pdu)?.encode()?.to_vec())
}

/// A trap of a user, whose authority is our own engine.
pub(super) fn trap_v3(
    keys: &Keys,
    engine: &EngineId,
    clock: Clock,
    id: i32,
    uptime: u32,
    told: Told,
) -> Result<Vec<u8>, Unsayable> {
    let user = &keys.user;
    let Clock { boots, seconds } = clock;
    let derived = user.derive_keys(engine.bytes())?;
    let id_bytes = Bytes::copy_from_slice(engine.bytes());
    let pdu = NotificationPdu::trap_v2(Version::V3, id, uptime, &told.event, told.bindings)?;
    let scoped = ScopedPdu::new(id_bytes.clone(), user.configured_context_name().clone(), pdu);

    // Nobody may answer, so the flags ask for no report.
    let flags = MsgFlags::new(user.security_level(), false);
    let header = MsgGlobalData::new(id, MessageSize::new(MAX_DATAGRAM)?, flags)?;
    let mut params = UsmSecurityParams::new(id_bytes, boots, seconds, user.username().clone())?;
    if let Some(key) = &derived.auth_key {
        params = params.with_auth_placeholder(key.mac_len())?;
    }
    let message = match &derived.priv_key {
        Some(key) => {
            let (hidden, salt) = key.encrypt_aes(&scoped.encode_to_bytes()?, boots, seconds, &keys.salts.0)?;
            params = params.with_priv_params(salt)?;
            V3Message::new_with_opaque_encrypted_scoped_pdu(header, params.encode()?, hidden)?
        }
        None => V3Message::new(header, params.encode()?, scoped)?,
    };
    let mut bytes = message.encode()?.to_vec();
    if let Some(key) = &derived.auth_key {
        let (at, length) =
            UsmSecurityParams::find_auth_params_offset(&bytes).ok_or("it has no place for a signature")?;
        authenticate_message(key, &mut bytes, at, length)?;
    }
    bounded(bytes)
}

fn bounded(bytes: Vec<u8>) -> Result<Vec<u8>, Unsayable> {
    if bytes.len() > MAX_DATAGRAM {
        let length = bytes.len();
        return Err(format!("it has {length} bytes, but {MAX_DATAGRAM} fit into a datagram").into());
    }
    Ok(bytes)
}
