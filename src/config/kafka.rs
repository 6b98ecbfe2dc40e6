//! `type = "kafka"`, checked: where to, how to log in, what partitions a topic, and the registry beside it.

use std::time::Duration;

use url::Url;

use super::{Mapping, Role, Secret, SinkConfig, SinkKind, Tls};

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
}

impl KafkaConfig {
    /// The brokers' password and the registry's, as far as there are any.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Secret> {
        let registry = self.registry.as_ref().and_then(|registry| registry.login.as_ref());
        let of_registry = registry.map(|(_, password)| password);
        self.auth.password().into_iter().chain(of_registry).collect()
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
