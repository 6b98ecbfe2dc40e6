//! Whether a client's secrets are still those that it was made with, and which of them a failure blames.

use rdkafka::error::RDKafkaErrorCode;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::errors::is_login;
use crate::config::{KafkaConfig, Secret};

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

/// The brokers refused the password, or TLS failed, for which there are several to blame.
pub(super) fn refuse(own: &KafkaConfig, code: RDKafkaErrorCode) {
    match own.auth.password() {
        Some(password) if is_login(code) => password.reject(),
        _ => own.client_secrets().for_each(Secret::expire),
    }
}
