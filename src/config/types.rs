//! The checked configuration: every value is in range and every name resolves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::accounts::Refreshed;

use super::diagnostic::Diagnostic;
use super::kafka::{KafkaAuth, KafkaConfig};
use super::mapping::Mapping;
use super::secret::{AwsSecret, Secret, Tls};
use super::source::{Role, SourceConfig, is_account_id};
use super::when::{Network, Pattern, When};
use crate::error::Error;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it was read: a path, `env:NAME` or `s3://…`.
    pub location: String,
    /// SHA-256 of its text, hexadecimal: which configuration a task runs.
    pub sha256: String,
    /// `[[source]]`, at least one.
    pub sources: Vec<SourceConfig>,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// `[decode]`.
    pub decode: Decode,
    /// `[events]`: which records are selected.
    pub events: Vec<EventRule>,
    /// `[events]`, `[privacy]` and `[format]`: how events are read and rendered.
    pub options: EventOptions,
    /// `[accounts]`: the names of the organisation's accounts.
    pub accounts: Option<Refreshed>,
    /// `[credential_reports]`: IAM's credential reports.
    pub credential_reports: Option<Refreshed>,
    /// `[aws]`.
    pub aws: Aws,
    /// `[[route]]`, in order, ending in a catch-all.
    pub routes: Vec<RouteConfig>,
    /// `[sink.NAME]`, each used by a route.
    pub sinks: Vec<SinkConfig>,
    /// `[dead_letter]`.
    pub dead_letter: DeadLetterConfig,
    /// `[alerts]`.
    pub alerts: Alerts,
    /// `[http]`; absent: no listener.
    pub http: Option<SocketAddr>,
    /// `[log]`.
    pub log: LogConfig,
    /// What works and should be reviewed; `run` logs them, `check` prints them.
    pub warnings: Vec<Diagnostic>,
}

/// Parts of `delivery.memory_limit`, of which one is for the queues of all Kafka sinks together.
const QUEUE_PART: u64 = 4;

impl Config {
    /// Returns the bytes of `delivery.memory_limit` for objects and events in flight: what Kafka's
    /// queues leave of it, and at least half.
    #[must_use]
    pub fn memory_for_objects(&self) -> u64 {
        let queues = self.sinks.iter().filter_map(|sink| match &sink.kind {
            SinkKind::Kafka(kafka) if kafka.shares_memory() => Some(kafka.queue),
            _ => None,
        });
        let memory = self.delivery.memory_limit;
        memory - queues.sum::<u64>().min(memory / 2)
    }

    /// Returns the secrets in AWS Secrets Manager, each once.
    #[must_use]
    pub fn aws_secrets(&self) -> Vec<&Arc<AwsSecret>> {
        let mut found: Vec<&Arc<AwsSecret>> = Vec::new();
        for (_, secret) in self.sinks.iter().flat_map(SinkConfig::secrets) {
            if let Secret::Aws(secret) = secret
                && !found.iter().any(|seen| Arc::ptr_eq(seen, secret))
            {
                found.push(secret);
            }
        }
        found
    }
}

/// Gives each Kafka sink an equal share of a quarter of `memory`, and never too little for its
/// records.
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

/// `[delivery]`: the bounds of everything in flight.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Messages that are fetched and decoded at once.
    pub max_concurrent_messages: usize,
    /// Messages that wait for sinks.
    pub max_in_flight_messages: usize,
    /// Resident bytes for objects and events in flight.
    pub memory_limit: u64,
    /// Time to finish after SIGTERM; less than the container's stop timeout.
    pub shutdown_grace_period: Duration,
    /// How long a final outcome is remembered.
    pub dedup_window: Duration,
    /// Visibility timeout requested at each receive and extension.
    pub visibility_timeout: Duration,
    /// How long a message waits for its sinks before it is released.
    pub delivery_timeout: Duration,
}

/// `[decode]`: the limits of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decode {
    /// Uncompressed bytes of one object.
    pub max_decompressed: u64,
    /// Bytes of one record.
    pub max_record: u64,
    /// Records of one object.
    pub max_records: u64,
    /// Nested objects and lists of a record, the two around it included; at most 62.
    pub max_nesting: u32,
    /// Uncompressed ÷ compressed bytes, checked after the first MiB.
    pub max_ratio: u64,
    /// Validate the JSON of every record, not only of candidates.
    pub strict: bool,
    /// SHA-256 of the uncompressed document.
    pub hash: bool,
}

/// One entry of `[events] include`, groups expanded: events of this source with a matching name.
#[derive(Debug, Clone)]
pub struct EventRule {
    /// `eventSource`, exactly.
    pub source: String,
    /// `eventName`: a name or a glob.
    pub name: Pattern,
}

/// Output format of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// OCSF API Activity (class 6003), in the version of [`EventOptions::ocsf`].
    Ocsf,
    /// Elastic Common Schema 9.x.
    Ecs,
    /// Splunk's Common Information Model, data model Change: one flat object.
    Cim,
    /// Exactly the record.
    Raw,
}

impl OutputFormat {
    /// Returns its name in the configuration, in headers and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ocsf => "ocsf",
            Self::Ecs => "ecs",
            Self::Cim => "cim",
            Self::Raw => "raw",
        }
    }
}

/// `[format.ocsf] version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OcsfVersion {
    /// 1.8.0.
    #[default]
    V1_8,
    /// 1.5.0, as in AWS's own mapping and Security Lake.
    V1_5,
}

impl OcsfVersion {
    /// Returns it as OCSF writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_8 => "1.8.0",
            Self::V1_5 => "1.5.0",
        }
    }
}

/// How events are read and rendered: `[events]`, `[labels]`, `[privacy]`, `[format]` and one limit
/// of `[decode]`. By default no principal is expected and no network is known.
#[derive(Debug, Clone)]
pub struct EventOptions {
    /// `privacy.keep_pem`: certificates stay in the event. Private keys never do.
    pub keep_pem: bool,
    /// `events.expected_principals`: ARNs of roles and users, or globs of them, that are expected
    /// to change certificates. Matched on the role's own ARN; lowers a severity, never hides a
    /// finding.
    pub expected_principals: Vec<Pattern>,
    /// `events.known_networks`: networks that calls are expected from; empty: any.
    pub known_networks: Vec<Network>,
    /// `format.ocsf.version`.
    pub ocsf: OcsfVersion,
    /// `[labels]`: labels that every event carries.
    pub labels: BTreeMap<String, String>,
    /// `decode.max_values`: JSON values of a record.
    pub max_values: usize,
}

impl EventOptions {
    /// Returns warnings about what is allowed and probably not meant: a wildcard for the account
    /// lets a role of the same name in any account pass as expected.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let patterns =
            self.expected_principals.iter().filter(|pattern| !names_one_account(pattern));
        patterns
            .map(|pattern| {
                format!(
                    "events.expected_principals: {:?} does not name one account; a principal of any account may match",
                    pattern.as_str()
                )
            })
            .collect()
    }
}

/// Returns whether a principal's pattern has one account, without wildcards.
pub(super) fn names_one_account(principal: &Pattern) -> bool {
    let account = principal.as_str().split(':').nth(4);
    account.is_some_and(is_account_id)
}

/// `[aws]`: settings of all AWS clients. Credentials and region come from the default chain.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    /// Endpoint of S3, instead of AWS's own (then with path-style addressing).
    pub s3_endpoint: Option<Url>,
    /// Endpoint of SQS, instead of AWS's own.
    pub sqs_endpoint: Option<Url>,
    /// Endpoint of Secrets Manager, instead of AWS's own.
    pub secretsmanager_endpoint: Option<Url>,
}

/// `[[route]]`.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// Unique, for metrics and `explain`.
    pub name: String,
    /// Which events; by default all.
    pub when: When,
    /// The sinks; empty for `"discard"`.
    pub targets: Vec<RouteTarget>,
    /// `continue = true`: later routes are tried, too.
    pub continues: bool,
}

/// One sink of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteTarget {
    /// The [`SinkConfig::name`] that the event is sent to.
    pub sink: String,
    /// Its name under `[sink.*]`: an event goes to each of these at most once, whatever the topic.
    pub configured: String,
}

impl RouteTarget {
    /// Returns the sink as it is configured.
    #[must_use]
    pub fn new(sink: &str) -> Self {
        Self { sink: sink.to_owned(), configured: sink.to_owned() }
    }
}

/// `[sink.NAME]`.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// NAME; or `NAME:TOPIC`, `NAME:INDEX` for the same sink with a route's own topic or index.
    pub name: String,
    /// `false`: best effort; no message waits for it.
    pub required: bool,
    /// Output format.
    pub format: OutputFormat,
    /// Destination.
    pub kind: SinkKind,
}

/// `type = …` and its settings.
#[derive(Debug, Clone)]
pub enum SinkKind {
    /// `kafka`.
    Kafka(KafkaConfig),
    /// `splunk_hec`.
    SplunkHec(SplunkConfig),
    /// `stdout`.
    Stdout(StdoutConfig),
    /// `http`.
    Http(HttpConfig),
    /// `file`.
    File(FileConfig),
}

impl SinkConfig {
    /// Returns the secrets of this sink, each with the setting that names it.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match &self.kind {
            SinkKind::SplunkHec(hec) => {
                std::iter::once(("token", &hec.token)).chain(hec.tls.named_secrets()).collect()
            }
            SinkKind::Kafka(kafka) => kafka.secrets(),
            SinkKind::Http(http) => http.secrets().collect(),
            SinkKind::Stdout(_) | SinkKind::File(_) => Vec::new(),
        }
    }

    /// Reads every secret once, so that an unreadable one is reported with its sink and setting.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn read_secrets(&self) -> Result<(), Error> {
        self.secrets().into_iter().try_for_each(|(setting, secret)| {
            secret.read().map(drop).map_err(|mut error| {
                error.text = format!("sink.{}.{setting}: {}", self.name, error.text);
                error
            })
        })
    }

    /// Returns its settings that may differ from event to event.
    #[must_use]
    pub fn mappings(&self) -> Vec<&Mapping> {
        match &self.kind {
            SinkKind::SplunkHec(hec) => {
                let all = [&hec.index, &hec.source, &hec.sourcetype, &hec.host];
                all.into_iter().flatten().collect()
            }
            SinkKind::Kafka(kafka) => vec![&kafka.topic],
            SinkKind::Http(_) | SinkKind::Stdout(_) | SinkKind::File(_) => Vec::new(),
        }
    }

    /// Returns the region and role of a sink that authenticates with AWS credentials.
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

/// The word of `type = …`.
#[derive(Clone, Copy)]
pub(super) enum SinkType {
    Kafka,
    SplunkHec,
    Http,
    Stdout,
    File,
}

/// `type = "http"`.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where events are posted.
    pub url: Url,
    /// The whole `Authorization` header.
    pub authorization: Option<Secret>,
    /// Key of the signature header.
    pub signing_key: Option<Secret>,
    /// What a request carries.
    pub body: HttpBody,
    /// Bytes of one request, at most.
    pub max_batch_bytes: usize,
    /// Timeout of one request, response included.
    pub timeout: Duration,
    /// TLS.
    pub tls: Tls,
}

impl HttpConfig {
    /// Returns its secrets, each with the setting that names it.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        let own = [("authorization", &self.authorization), ("signing_key", &self.signing_key)];
        let own = own.into_iter().filter_map(|(name, secret)| Some((name, secret.as_ref()?)));
        own.chain(self.tls.named_secrets())
    }
}

/// What one request of an HTTP sink carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpBody {
    /// Events, one a line.
    Ndjson,
    /// One event.
    Event,
}

/// `type = "splunk_hec"`.
#[derive(Debug, Clone)]
pub struct SplunkConfig {
    /// Base URLs, `https://host:8088`, with a gateway's path if there is one.
    pub endpoints: Vec<Url>,
    /// HEC token.
    pub token: Secret,
    /// What is sent.
    pub mode: SplunkMode,
    /// `index`; absent: the token's default.
    pub index: Option<Mapping>,
    /// `source`; absent: the event's origin.
    pub source: Option<Mapping>,
    /// `sourcetype`; absent: the mode's.
    pub sourcetype: Option<Mapping>,
    /// `host`; absent: the account id.
    pub host: Option<Mapping>,
    /// Indexer acknowledgement.
    pub ack: bool,
    /// TLS.
    pub tls: Tls,
    /// Serialised, uncompressed bytes of one request, at most.
    pub max_batch_bytes: usize,
    /// Timeout of one request, response included.
    pub timeout: Duration,
}

/// What Splunk is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplunkMode {
    /// Our events, sourcetype `certrelay:event`, to join with the raw feed on eventID.
    Events,
    /// Raw records as `aws:cloudtrail`, so that the Splunk add-on works unchanged.
    Records,
}

/// `type = "stdout"`: one event per line.
#[derive(Debug, Clone, Default)]
pub struct StdoutConfig {}

/// `type = "file"`: one event per line, appended.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
    /// `fsync` before an event is delivered.
    pub fsync: bool,
    /// When a new file is started; absent: never.
    pub rotate: Option<Rotation>,
}

/// `rotate = { … }`: at least one of `size` and `age`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Largest size of a file; a single batch that is larger has a file of its own.
    pub size: Option<u64>,
    /// Period of a file, counted from the epoch in UTC.
    pub age: Option<Duration>,
    /// Rotated files that are kept; older ones are deleted.
    pub keep: usize,
}

/// `[alerts]`: when an operator is called.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// How long events may wait for a required sink that delivers nothing.
    pub sink_after: Duration,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// One JSON object per line, or text for people.
    pub json: bool,
    /// A `tracing` filter: `info`, `certrelay=debug,warn` …
    pub level: String,
}

/// `[dead_letter]`: where messages, objects, records and events go that can never be processed.
#[derive(Debug, Clone)]
pub enum DeadLetterConfig {
    /// A dead letter is written, and its message deleted.
    Write {
        /// Where to.
        location: DeadLetterLocation,
        /// Include the bytes of invalid records, not only references.
        keep_bytes: bool,
    },
    /// The message is released until the queue's redrive policy moves it. An event that a sink
    /// rejects blocks its message.
    Redrive,
}

/// Where dead letters are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterLocation {
    /// A folder, one JSON file each; created if absent.
    Directory(PathBuf),
    /// One object each, below `prefix` and their day.
    S3 {
        /// Bucket.
        bucket: String,
        /// Empty, or ending in `/`.
        prefix: String,
        /// Account that must own the bucket.
        expected_owner: Option<String>,
    },
    /// One message each.
    Sqs {
        /// The queue's URL.
        queue_url: Url,
        /// Its region, from the URL; absent: the environment's.
        region: Option<String>,
    },
}
