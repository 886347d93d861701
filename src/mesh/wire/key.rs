//! What authenticated packets are signed with.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Mode;
use super::fields;
use crate::model::Secret;

/// Octets that the proof covers; it stands behind them.
const COVERED: usize = 96;
/// Octets of the proof: the first half of the digest.
const PROOF: usize = 16;
/// The shortest key, in octets: as long as the proof.
const SHORTEST: usize = 16;

/// A key that sender and reflector share: HMAC-SHA-256, cut to 128 bits.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has {SHORTEST} octets or more")]
pub struct KeyError;

impl Key {
    /// The key whose octets are those of the text.
    ///
    /// # Errors
    /// It is too short.
    pub fn new(secret: &Secret) -> Result<Self, KeyError> {
        let octets = secret.reveal().as_bytes();
        if octets.len() < SHORTEST {
            return Err(KeyError);
        }
        Hmac::new_from_slice(octets).map(Self).map_err(|_| KeyError)
    }

    /// Signs a packet of the authenticated mode; a shorter one stays as it is.
    pub fn sign(&self, packet: &mut [u8]) {
        if packet.len() < Mode::Authenticated.base() {
            return;
        }
        let digest = self.0.clone().chain_update(&packet[..COVERED]).finalize().into_bytes();
        if let Some(proof) = fields::read::<PROOF>(&digest, 0) {
            fields::write(packet, COVERED, proof);
        }
    }

    /// Whether whoever made the packet has the key. Takes the same time whichever octet is wrong.
    #[must_use]
    pub fn signed(&self, packet: &[u8]) -> bool {
        let Some(proof) = fields::read::<PROOF>(packet, COVERED) else {
            return false;
        };
        let mac = self.0.clone().chain_update(&packet[..COVERED]);
        mac.verify_truncated_left(&proof).is_ok()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}
