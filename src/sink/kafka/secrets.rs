//! Whether a client's secrets are still those that it was made with.

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::config::KafkaConfig;

/// A hash of all secrets of a client, which tells that one of them changed and nothing else.
pub(super) type Fingerprint = [u8; 32];

/// Of the secrets as they can be read now; `None` where one cannot be read: then nothing is known to have changed.
pub(super) fn fingerprint(own: &KafkaConfig) -> Option<Fingerprint> {
    let mut hash = Sha256::new();
    for secret in own.client_secrets() {
        let value = secret.read().ok()?;
        hash.update((value.expose_secret().len() as u64).to_le_bytes());
        hash.update(value.expose_secret());
    }
    Some(hash.finalize().into())
}
