//! `type = "kafka"`, checked: brokers, authentication, record key, schema registry.

use std::time::Duration;

use url::Url;

use super::mapping::Mapping;
use super::secret::{Secret, Tls};
use super::source::Role;

/// `type = "kafka"`.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `bootstrap.servers`, host:port each.
    pub brokers: Vec<String>,
    /// Topic; always a name of the configuration, never one of an event.
    pub topic: Mapping,
    /// SASL authentication.
    pub auth: KafkaAuth,
    /// TLS; absent: plain text.
    pub tls: Option<Tls>,
    /// The key of a Kafka record.
    pub key: KafkaKey,
    /// Where schemas are registered; values then begin with the id of their schema.
    pub registry: Option<RegistryConfig>,
    /// Other librdkafka properties; those that certrelay sets itself are errors.
    pub options: Vec<(String, String)>,
    /// How long librdkafka retries before it reports a failure; the driver then retries.
    pub timeout: Duration,
    /// Bytes of records queued in librdkafka: this sink's share of `delivery.memory_limit`.
    pub queue: u64,
}

/// librdkafka's own queue setting; written in `options`, it is used instead of the share.
const QUEUE_OPTION: &str = "queue.buffering.max.kbytes";

/// Default `message.max.bytes`. Source: librdkafka, CONFIGURATION.md.
const LARGEST_RECORD: u64 = 1_000_000;

impl KafkaConfig {
    /// Returns the secrets of a client: the brokers' password and those of TLS.
    pub fn client_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.auth.password().into_iter().chain(self.tls.iter().flat_map(Tls::secrets))
    }

    /// Returns all secrets, the registry's included, each with its setting.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let password = self.auth.password().map(|password| ("auth.password", password));
        let tls = self.tls.iter().flat_map(Tls::named_secrets);
        let of_registry = self.registry.iter().flat_map(|registry| {
            let password = registry.login.as_ref().map(|(_, password)| password);
            password.into_iter().chain(registry.tls.secrets())
        });
        let of_registry = of_registry.map(|secret| ("schema_registry", secret));
        password.into_iter().chain(tls).chain(of_registry).collect()
    }

    /// Returns whether its queue is a share of `delivery.memory_limit`, not set in `options`.
    pub(super) fn shares_memory(&self) -> bool {
        !self.options.iter().any(|(key, _)| key == QUEUE_OPTION)
    }

    /// Returns the bytes of two records of the largest size: with less, none could be queued while
    /// another is sent.
    pub(super) fn least_queue(&self) -> u64 {
        let sizes = self
            .options
            .iter()
            .filter(|(key, _)| matches!(key.as_str(), "message.max.bytes" | "batch.size"));
        let largest = sizes.filter_map(|(_, bytes)| bytes.parse().ok()).max().unwrap_or(0);
        LARGEST_RECORD.max(largest).saturating_mul(2)
    }
}

/// The record key, which decides the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaKey {
    /// `recipientAccountId`: one account's events stay in one partition.
    Account,
    /// `eventID`: spread evenly.
    EventId,
    /// ARN of what the call acts on: one certificate's events stay in order. The account, if there
    /// is none.
    TargetArn,
}

/// `auth = { mechanism = … }`.
#[derive(Debug, Clone)]
pub enum KafkaAuth {
    /// No SASL.
    None,
    /// SASL with a user name and a password.
    Sasl {
        /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`, as librdkafka spells it.
        mechanism: &'static str,
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// IAM authentication of Amazon MSK, over SASL/OAUTHBEARER; always with TLS.
    AwsMskIam {
        /// The cluster's region, as written or from the brokers' names.
        region: String,
        /// The role to authenticate as; absent: the process's credentials.
        role: Option<Role>,
    },
}

impl KafkaAuth {
    /// Returns the password, if the mechanism has one.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Self::Sasl { password, .. } => Some(password),
            Self::None | Self::AwsMskIam { .. } => None,
        }
    }
}

/// `schema_registry = { … }`: a registry with Confluent's HTTP interface.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Base URL.
    pub url: Url,
    /// Subject of a schema.
    pub subject: SubjectName,
    /// HTTP basic authentication: user and password.
    pub login: Option<(String, Secret)>,
    /// TLS.
    pub tls: Tls,
    /// Registers a schema that is absent; otherwise somebody else has to.
    pub register: bool,
}

/// How a subject is named: Confluent's three strategies. A record's name is its format,
/// `certrelay.ocsf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectName {
    /// `TOPIC-value`.
    Topic,
    /// `certrelay.FORMAT`.
    Record,
    /// `TOPIC-certrelay.FORMAT`.
    TopicRecord,
}
