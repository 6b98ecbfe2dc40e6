//! What makes two records the same event.

use sha2::{Digest, Sha256};

/// The ledger's key: eventID, recipient account, name and time together, hashed. A forged `eventID`
/// on another record is another key and suppresses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey([u8; 16]);

impl std::fmt::Display for EventKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl EventKey {
    /// The key of these parts; each is framed by its length, so that no two splits collide.
    #[must_use]
    pub fn new(parts: [&str; 4]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }
}
