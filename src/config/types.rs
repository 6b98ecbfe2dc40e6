//! The checked configuration: every value here is in range and every name in it resolves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{
    DeadLetterConfig, KafkaConfig, Mapping, Network, Pattern, Problem, Refreshed, Secret,
    SourceConfig, When, is_account_id,
};

/// Everything that `run` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[[source]]`, at least one.
    pub sources: Vec<SourceConfig>,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// `[decode]`.
    pub decode: Decode,
    /// `[events]`: which records are ours.
    pub events: Vec<EventRule>,
    /// `[events]`, `[privacy]` and `[format]`: how events are read and rendered.
    pub options: EventOptions,
    /// `[accounts]`: what the organisation calls its accounts.
    pub accounts: Option<Refreshed>,
    /// `[posture]`: IAM's credential reports.
    pub posture: Option<Refreshed>,
    /// `[aws]`.
    pub aws: Aws,
    /// `[[route]]`, in order, ending in a catch-all.
    pub routes: Vec<RouteConfig>,
    /// `[sink.NAME]`, each used by a route.
    pub sinks: Vec<SinkConfig>,
    /// `[dead_letter]`.
    pub dead_letter: DeadLetterConfig,
    /// `[http]`; absent: no listener.
    pub http: Option<SocketAddr>,
    /// `[log]`.
    pub log: LogConfig,
    /// What works and should be looked at; `run` logs them, `check` shows them.
    pub warnings: Vec<Problem>,
}

/// `[delivery]`: the bounds of everything in flight.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Messages being fetched and decoded at once.
    pub work: usize,
    /// Messages waiting for sinks.
    pub unacknowledged: usize,
    /// Resident bytes for objects and held events.
    pub memory: u64,
    /// Time for finishing after SIGTERM; less than the container's stop timeout.
    pub drain: Duration,
    /// How long a final outcome is remembered.
    pub ledger: Duration,
    /// Lease asked of the queue at each receive and renewal.
    pub visibility: Duration,
    /// How long a message waits for its sinks before it is released for a later attempt.
    pub patience: Duration,
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
    /// Brackets open at once, those around the records included; at most 62.
    pub max_nesting: u32,
    /// Uncompressed ÷ stored bytes, looked at after the first MiB.
    pub max_ratio: u64,
    /// Parse every record, not only candidates.
    pub strict: bool,
    /// SHA-256 of the uncompressed document.
    pub hash: bool,
}

/// One line of `[events] include`, groups already spelled out: events of this source with such a name.
#[derive(Debug, Clone)]
pub struct EventRule {
    /// `eventSource`, exactly.
    pub source: String,
    /// `eventName`: a name or a glob.
    pub name: Pattern,
}

/// What an event is rendered to.
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
    /// The name in the configuration, in headers and on the command line.
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
    /// 1.5.0, as AWS's own mapping and Security Lake have it.
    V1_5,
}

impl OcsfVersion {
    /// As OCSF writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_8 => "1.8.0",
            Self::V1_5 => "1.5.0",
        }
    }
}

/// What the operator may say about how events are read: `[events]`, `[privacy]` and `[format]`. The
/// default changes nothing and expects nobody.
#[derive(Debug, Clone, Default)]
pub struct EventOptions {
    /// `privacy.keep_pem`: certificates stay in the event. Private keys never do.
    pub keep_pem: bool,
    /// `events.expected_principals`: ARNs of roles and users, or globs of them, that are expected to
    /// change certificates. Matched on the role's own ARN; lowers a finding, never hides it.
    pub expected_principals: Vec<Pattern>,
    /// `events.known_networks`: where calls are expected from; empty: anywhere.
    pub known_networks: Vec<Network>,
    /// `format.ocsf.version`.
    pub ocsf: OcsfVersion,
    /// `[labels]`: what every event carries besides.
    pub labels: BTreeMap<String, String>,
}

impl EventOptions {
    /// What is allowed and probably not meant: a wildcard for the account lets a role of the same
    /// name in anybody's account pass as expected.
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

/// Whether a principal's pattern is of one account, written out.
pub(super) fn names_one_account(principal: &Pattern) -> bool {
    let account = principal.as_str().split(':').nth(4);
    account.is_some_and(is_account_id)
}

/// `[aws]`: what all AWS clients share. Credentials and region come from the default chain.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    /// Endpoint of S3 instead of AWS's own (then with path-style addressing).
    pub s3_endpoint: Option<Url>,
    /// Endpoint of SQS instead of AWS's own.
    pub sqs_endpoint: Option<Url>,
    /// Endpoint of Secrets Manager instead of AWS's own.
    pub secretsmanager_endpoint: Option<Url>,
}

/// `[[route]]`.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// Unique, for metrics and `explain`.
    pub name: String,
    /// Which events; everything, if nothing was said.
    pub when: When,
    /// Where to; empty is `discard`, written out.
    pub targets: Vec<RouteTarget>,
    /// `continue = true`: later routes are asked too.
    pub goes_on: bool,
}

/// One sink of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteTarget {
    /// The [`SinkConfig::name`] that the event is handed to.
    pub sink: String,
    /// Its name under `[sink.*]`: an event goes to each of these at most once, whatever the topic.
    pub of: String,
}

impl RouteTarget {
    /// The sink as it is configured.
    #[must_use]
    pub fn new(sink: &str) -> Self {
        Self { sink: sink.to_owned(), of: sink.to_owned() }
    }
}

/// `[sink.NAME]`.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// NAME; or `NAME:TOPIC`, `NAME:INDEX` for the same sink with what a route says of its own.
    pub name: String,
    /// `false`: best effort, never holds a message.
    pub required: bool,
    /// What is sent.
    pub format: OutputFormat,
    /// Where to.
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
    /// `file`.
    File(FileConfig),
}

/// TLS towards a destination. What is PEM lies where a secret can lie; `ca_file = "path"` is a file like any other.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The authorities to trust instead of the system's.
    pub ca: Option<Secret>,
    /// Our certificate chain; with `key`.
    pub cert: Option<Secret>,
    /// Its key.
    pub key: Option<Secret>,
    /// No verification at all; warned about at every start.
    pub insecure: bool,
}

impl Tls {
    /// What has to be read.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.named_secrets().map(|(_, secret)| secret)
    }

    /// As [`secrets`](Self::secrets), each with its setting.
    pub fn named_secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        let named = [
            ("tls.ca", "tls.ca_file", &self.ca),
            ("tls.client_cert", "tls.cert_file", &self.cert),
            ("tls.client_key", "tls.key_file", &self.key),
        ];
        named.into_iter().filter_map(|(setting, of_a_file, secret)| match secret.as_ref()? {
            secret @ Secret::File { .. } => Some((of_a_file, secret)),
            secret => Some((setting, secret)),
        })
    }
}

/// `type = "splunk_hec"`.
#[derive(Debug, Clone)]
pub struct SplunkConfig {
    /// Base URLs, `https://host:8088`.
    pub endpoints: Vec<Url>,
    /// HEC token.
    pub token: Secret,
    /// Beside an existing CloudTrail feed, or the only one.
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
    /// Most serialised, uncompressed bytes of one request.
    pub max_batch_bytes: usize,
    /// Time for one request, answer included.
    pub timeout: Duration,
}

/// What Splunk is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplunkMode {
    /// Our event, sourcetype `certrelay:event`, to join with the raw feed on eventID.
    Events,
    /// Raw records as `aws:cloudtrail`, so that the Splunk add-on works unchanged.
    Records,
}

/// `type = "stdout"`: one event a line.
#[derive(Debug, Clone, Default)]
pub struct StdoutConfig {}

/// `type = "file"`: one event a line, appended.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// Where.
    pub path: PathBuf,
    /// `fsync` before an event counts as delivered.
    pub fsync: bool,
    /// When a new file is begun; absent: never.
    pub rotate: Option<Rotation>,
}

/// `rotate = { … }`: at least one of `size` and `age`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file is not filled beyond this; a single batch that is larger has a file of its own.
    pub size: Option<u64>,
    /// A file holds what was written in one period of this length, counted from the epoch in UTC.
    pub age: Option<Duration>,
    /// Files that were moved aside and are kept; older ones are removed.
    pub keep: usize,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// One JSON object a line, or text for people.
    pub json: bool,
    /// A `tracing` filter: `info`, `certrelay=debug,warn` …
    pub level: String,
}
