//! `type = "kafka"`, checked: where to, how to log in, what partitions a topic, and the registry beside it.

use std::time::Duration;

use url::Url;

use super::{Config, Mapping, Role, Secret, SinkConfig, SinkKind, Tls};

/// `type = "kafka"`.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `bootstrap.servers`, host:port each.
    pub brokers: Vec<String>,
    /// Topic; names of the configuration's, never one of an event.
    pub topic: Mapping,
    /// How to log in.
    pub auth: KafkaAuth,
    /// TLS, where brokers speak it.
    pub tls: Option<Tls>,
    /// What the key of a Kafka record is.
    pub key: KafkaKey,
    /// Where schemas are registered; then values carry the id of theirs.
    pub registry: Option<RegistryConfig>,
    /// Other librdkafka properties, passed through but for those that are ours.
    pub options: Vec<(String, String)>,
    /// How long librdkafka tries before it answers; our own retries own the rest.
    pub timeout: Duration,
    /// Bytes of records that wait in librdkafka: this sink's share of `delivery.memory`.
    pub queue: u64,
}

/// Parts of `delivery.memory`, of which one is for the queues of all Kafka sinks together.
const QUEUE_PART: u64 = 4;

/// librdkafka's own queue setting: who writes it in `options` has a memory of their own in mind.
const QUEUE_OPTION: &str = "queue.buffering.max.kbytes";

/// What librdkafka takes for the largest record where nothing is said. Source: librdkafka, CONFIGURATION.md.
const LARGEST_RECORD: u64 = 1_000_000;

impl KafkaConfig {
    /// What it takes to make a client: the brokers' password and what TLS needs.
    pub fn client_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.auth.password().into_iter().chain(self.tls.iter().flat_map(Tls::secrets))
    }

    /// All of its secrets, the registry's included, each with its setting.
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

    /// Whether its queue is a part of `delivery.memory`, or one that `options` ask for.
    fn shares_memory(&self) -> bool {
        !self.options.iter().any(|(key, _)| key == QUEUE_OPTION)
    }

    /// A queue with no room for two records of the largest size could not hold one while another is on its way.
    fn least_queue(&self) -> u64 {
        let sizes = self
            .options
            .iter()
            .filter(|(key, _)| matches!(key.as_str(), "message.max.bytes" | "batch.size"));
        let largest = sizes.filter_map(|(_, bytes)| bytes.parse().ok()).max().unwrap_or(0);
        LARGEST_RECORD.max(largest).saturating_mul(2)
    }
}

/// Gives each Kafka sink its share of a quarter of `memory`: the same for all, and never too little for its records.
pub(super) fn share_memory(sinks: &mut [SinkConfig], memory: u64) {
    let mut sharing: Vec<&mut KafkaConfig> = sinks
        .iter_mut()
        .filter_map(|sink| match &mut sink.kind {
            SinkKind::Kafka(kafka) if kafka.shares_memory() => Some(kafka),
            _ => None,
        })
        .collect();
    let share = memory / QUEUE_PART / (sharing.len() as u64).max(1);
    for kafka in &mut sharing {
        kafka.queue = share.max(kafka.least_queue());
    }
}

impl Config {
    /// Bytes of `delivery.memory` for objects and held events: what Kafka's queues leave of it, and at least half.
    #[must_use]
    pub fn memory_for_objects(&self) -> u64 {
        let queues = self.sinks.iter().filter_map(|sink| match &sink.kind {
            SinkKind::Kafka(kafka) if kafka.shares_memory() => Some(kafka.queue),
            _ => None,
        });
        let memory = self.delivery.memory;
        memory - queues.sum::<u64>().min(memory / 2)
    }
}

/// What partitions a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaKey {
    /// `recipientAccountId`: one account's events stay in one partition.
    Account,
    /// `eventID`: spread evenly.
    EventId,
    /// ARN of what the call acts on: one certificate's events stay in order. The account where there is none.
    TargetArn,
}

/// `auth = { mechanism = … }`.
#[derive(Debug, Clone)]
pub enum KafkaAuth {
    /// No SASL.
    None,
    /// SASL with a name and a password.
    Sasl {
        /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`, as librdkafka spells it.
        mechanism: &'static str,
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// Amazon MSK's IAM login, over SASL/OAUTHBEARER; always with TLS.
    AwsMskIam {
        /// The cluster's region, as written or from the brokers' names.
        region: String,
        /// Whose rights to log in with; absent: the process's own.
        role: Option<Role>,
    },
}

impl KafkaAuth {
    /// The password, where the login has one.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Self::Sasl { password, .. } => Some(password),
            Self::None | Self::AwsMskIam { .. } => None,
        }
    }
}

impl SinkConfig {
    /// The region and role of a sink that logs in with AWS credentials.
    #[must_use]
    pub fn aws_login(&self) -> Option<(&str, Option<&Role>)> {
        match &self.kind {
            SinkKind::Kafka(KafkaConfig {
                auth: KafkaAuth::AwsMskIam { region, role }, ..
            }) => Some((region, role.as_ref())),
            _ => None,
        }
    }
}

/// `schema_registry = { … }`: a registry that speaks Confluent's HTTP interface.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Base URL.
    pub url: Url,
    /// What a schema is called there.
    pub subject: SubjectName,
    /// HTTP basic authentication: user and password.
    pub login: Option<(String, Secret)>,
    /// TLS.
    pub tls: Tls,
    /// Register a schema that is not there; otherwise somebody else has to.
    pub register: bool,
}

/// How a subject is named: Confluent's three strategies. A record's name is its format, `certrelay.ocsf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectName {
    /// `TOPIC-value`.
    Topic,
    /// `certrelay.FORMAT`.
    Record,
    /// `TOPIC-certrelay.FORMAT`.
    TopicRecord,
}
