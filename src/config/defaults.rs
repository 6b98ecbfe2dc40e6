//! What a knob is when nothing is said: the one place, for the reader, `scan` and the tests that hold
//! `config/certrelay.toml` and `docs/configuration.md` to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{
    Decode, Delivery, EventRule, GROUPS, KafkaKey, LogConfig, OutputFormat, Pattern, SplunkMode,
};

impl Default for Delivery {
    fn default() -> Self {
        Self {
            work: 64,
            unacknowledged: 1000,
            memory: 64 << 20,
            // Fargate kills at most 120 s after SIGTERM; the rest is for releasing what is left.
            drain: Duration::from_secs(100),
            ledger: Duration::from_secs(3600),
            visibility: Duration::from_secs(120),
            patience: Duration::from_secs(11 * 3600),
        }
    }
}

impl Default for Decode {
    fn default() -> Self {
        Self {
            max_decompressed: 2 << 30,
            // CloudTrail cuts fields so that a record stays under 256 KiB.
            max_record: 4 << 20,
            // Log files are 5 to 15; gzip cannot do more than 1032.
            max_ratio: 200,
            max_nesting: 62,
            max_records: 5_000_000,
            strict: false,
            hash: false,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { json: true, level: "info".to_owned() }
    }
}

impl EventRule {
    /// Both groups: every IAM certificate event.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        GROUPS.iter().flat_map(|(_, source, names)| Self::exactly(source, names)).collect()
    }

    /// A rule a name; names of ours need no escaping.
    pub(super) fn exactly(source: &str, names: &[&str]) -> Vec<Self> {
        let rule = |name: &&str| {
            let name = Pattern::new(name).ok()?;
            Some(Self { source: source.to_owned(), name })
        };
        names.iter().filter_map(rule).collect()
    }
}

/// `[sink.*] format`, but for `splunk_hec` in mode `only`.
pub(super) const FORMAT: OutputFormat = OutputFormat::Ocsf;
/// `[http] listen`.
pub(super) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9600);
/// `[sink.*] (kafka) key`.
pub(super) const KAFKA_KEY: KafkaKey = KafkaKey::Account;
/// `[sink.*] (kafka) timeout`: shorter than the drain; our own retries own the rest.
pub(super) const KAFKA_TIMEOUT: Duration = Duration::from_secs(60);
/// `[sink.*] (splunk_hec) format` in mode `beside`: what Splunk's own searches and data models read.
pub(super) const SPLUNK_FORMAT: OutputFormat = OutputFormat::Cim;
/// `[sink.*] (splunk_hec) mode`.
pub(super) const SPLUNK_MODE: SplunkMode = SplunkMode::Events;
/// `[sink.*] (splunk_hec) max_batch_bytes`: what Splunk recommends for Cloud.
pub(super) const SPLUNK_BATCH: u64 = 1_000_000;
/// `[sink.*] (splunk_hec) timeout`: longer than Splunk's own pauses, which else make duplicates.
pub(super) const SPLUNK_TIMEOUT: Duration = Duration::from_secs(60);
/// `refresh` of a secret that AWS keeps: a refusal has it read at once, whatever the time.
pub(super) const SECRET_REFRESH: Duration = Duration::from_secs(300);
/// `[sink.*] (file) rotate.keep`.
pub(super) const ROTATED_FILES: u64 = 10;
/// `[accounts]` and `[posture] refresh`: IAM makes a new credential report every four hours at most.
pub(super) const REFRESH: Duration = Duration::from_secs(3600);
/// `[dead_letter] directory` of a configuration that reads folders only.
pub(super) const DEAD_LETTERS: &str = "dead-letters";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_selection_is_the_twelve_certificate_events() {
        let rules = EventRule::defaults();
        assert_eq!(rules.len(), 12);
        assert!(rules.iter().any(|rule| rule.name.matches("DeleteSigningCertificate")));
        assert!(!rules.iter().any(|rule| rule.name.matches("DeleteUser")));
    }
}
