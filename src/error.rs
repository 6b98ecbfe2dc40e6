//! Errors, and the policy that they decide: what is retried, rejected, deleted and dead-lettered.
//!
//! Every module reports in these types and none branches on an error's text, so that the policy can
//! be read here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::escape::escape;

/// Longest time for which a released message is hidden: a lasting fault is retried four times an
/// hour.
pub const MAX_RELEASE: Duration = Duration::from_secs(15 * 60);

/// Defines an enum whose variants are labels of metrics: `ALL` and `as_str`.
macro_rules! labels {
    ($(#[$about:meta])* $vis:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $label:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every variant, in the order of the declaration.
            $vis const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the label.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}
pub(crate) use labels;

/// Defines [`Code`] with its labels; `operator` marks those that no retry cures.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $label:literal $($operator:ident)?;)*) => {
        labels! {
        /// What kind of failure an [`Error`] is.
        ///
        /// The label is a public word: metric label, log field and index of the runbook in
        /// `docs/delivery.md`. It is `snake_case`, stable, and of low cardinality.
        pub enum Code { $($(#[$doc])* $variant = $label,)* }
        }

        impl Code {
            /// Returns whether an operator has to act: retries alone never succeed.
            #[must_use]
            pub const fn needs_operator(self) -> bool {
                match self { $(Self::$variant => codes!(@ $($operator)?),)* }
            }
        }
    };
    (@ operator) => { true };
    (@) => { false };
}

codes! {
    // Queue.
    /// The service answered that the queue does not exist.
    SqsNoSuchQueue "sqs_no_such_queue" operator;
    /// The role lacks a right at the queue.
    SqsAccessDenied "sqs_access_denied" operator;
    /// The role lacks a right at the queue's KMS key.
    SqsKmsDenied "sqs_kms_denied" operator;
    /// No AWS credentials, or SQS rejects them.
    SqsCredentials "sqs_credentials" operator;
    /// SQS throttled the call.
    SqsThrottled "sqs_throttled";
    /// SQS did not answer in time.
    SqsTimeout "sqs_timeout";
    /// No connection to SQS.
    SqsUnreachable "sqs_unreachable";
    /// Any other failure of SQS.
    SqsError "sqs_error";
    /// A batch answer omitted the entry.
    SqsNoAnswer "sqs_no_answer";
    /// A queue call did not complete in time.
    QueueTimeout "queue_timeout";
    /// A queue call ended without an answer for the entry.
    QueueNoAnswer "queue_no_answer";
    /// The receipt handle is no longer valid.
    LeaseLost "lease_lost";
    /// The process ended before the message was acknowledged.
    AcknowledgerStopped "acknowledger_stopped";
    /// The queue's attributes put messages at risk.
    QueueSettings "queue_settings" operator;
    /// A folder source cannot be read.
    DirectoryUnreadable "directory_unreadable" operator;

    // Message.
    /// The body is no notification of any known format.
    UnreadableMessage "unreadable_message";
    /// An EventBridge event at a source that does not accept them.
    EventbridgeNotEnabled "eventbridge_not_enabled" operator;
    /// A required sink did not answer within `delivery_timeout`.
    DeliveryTimeout "delivery_timeout";
    /// The delivery task ended without an answer.
    DeliveryLost "delivery_lost";
    /// The process is shutting down.
    Stopping "stopping";
    /// Nothing of a source was fetched for a long time.
    AllFiltered "all_filtered" operator;

    // Object and record.
    /// 404, or the version is a delete marker.
    ObjectMissing "object_missing";
    /// 403 from S3.
    ObjectForbidden "object_forbidden" operator;
    /// KMS refused to decrypt.
    KmsDenied "kms_denied" operator;
    /// The object is in an archive storage class.
    ObjectArchived "object_archived";
    /// 412: the object changed since its notification or the first read.
    ObjectChanged "object_changed";
    /// Bucket, key or version cannot be requested from S3.
    ObjectNameInvalid "object_name_invalid";
    /// S3 throttled the call.
    S3Throttled "s3_throttled";
    /// 5xx from S3.
    S3ServerError "s3_server_error";
    /// S3 did not answer in time.
    S3Timeout "s3_timeout";
    /// The body ended before its announced length.
    ShortBody "short_body";
    /// No AWS credentials, or S3 rejects them.
    S3Credentials "s3_credentials" operator;
    /// Any other failure of S3.
    S3Other "s3_other";
    /// The bucket is not in the source's `buckets`.
    BucketNotAllowed "bucket_not_allowed";
    /// A message names a local file.
    NotAnObject "not_an_object";
    /// The object has no bytes.
    EmptyObject "empty_object";
    /// The gzip stream is damaged.
    CorruptGzip "corrupt_gzip";
    /// The JSON document is damaged.
    CorruptJson "corrupt_json";
    /// The object is sound and no CloudTrail log file.
    NotCloudtrail "not_cloudtrail";
    /// A limit of `[decode]` was exceeded.
    OverLimit "over_limit";
    /// A record that cannot be read.
    InvalidRecord "invalid_record";

    // Configuration and start-up.
    /// Bad usage of the command line.
    Usage "usage" operator;
    /// The configuration cannot be fetched or read.
    ConfigurationUnreadable "configuration_unreadable" operator;
    /// The accounts table cannot be read.
    AccountsUnreadable "accounts_unreadable" operator;
    /// The accounts table has invalid rows.
    AccountsInvalid "accounts_invalid" operator;
    /// A credential report cannot be read.
    CredentialReportUnreadable "credential_report_unreadable" operator;
    /// `AWS_CA_BUNDLE` is unusable.
    CaBundle "ca_bundle" operator;
    /// An endpoint is configured twice with different values.
    EndpointConflict "endpoint_conflict" operator;
    /// A secret cannot be read.
    SecretUnreadable "secret_unreadable" operator;
    /// `[log] level` is no filter.
    LogLevel "log_level" operator;
    /// The logger cannot be started.
    LogStart "log_start";
    /// The admin address cannot be bound, or accepts no connection.
    HttpListen "http_listen" operator;
    /// Signal handlers cannot be installed.
    Signals "signals";
    /// The async runtime cannot be started.
    Runtime "runtime";
    /// A driver task ended unexpectedly.
    DriverFailed "driver_failed";
    /// `check --connect`: a folder source cannot be listed.
    Directory "directory" operator;

    // Jobs.
    /// The job was interrupted before its end.
    Interrupted "interrupted";
    /// A bucket cannot be listed.
    ListFailed "list_failed" operator;
    /// No CloudTrail folder below the prefix.
    NothingFound "nothing_found" operator;
    /// The `--resume` file is unusable.
    ResumeFile "resume_file" operator;
    /// The configuration has no source with a queue.
    NoQueue "no_queue" operator;
    /// No source may read what the dead letter names.
    NoSource "no_source" operator;
    /// The cause of the dead letter still exists.
    StillRejected "still_rejected";
    /// A dead letter cannot be written.
    DeadLetterFailed "dead_letter_failed" operator;
    /// A dead letter cannot be read.
    DeadLetterUnreadable "dead_letter_unreadable" operator;
    /// No dead letters at the places named.
    NoDeadLetters "no_dead_letters" operator;
    /// A folder or prefix of dead letters cannot be listed.
    DeadLettersNotListed "dead_letters_not_listed" operator;
    /// A delivered dead letter cannot be deleted.
    DeadLetterNotDeleted "dead_letter_not_deleted" operator;

    // All sinks.
    /// A setting that only the sink's client can judge.
    SinkConfiguration "sink_configuration" operator;
    /// A sink broke its own contract: a defect.
    SinkInternal "sink_internal";
    /// A sink has not responded for so long that an operator is called.
    SinkNoAnswer "sink_no_answer";
    /// The destination rejects every event.
    SinkRejectsAll "sink_rejects_all" operator;
    /// The sink's driver is stopping.
    SinkStopped "sink_stopped";
    /// A file sink cannot open, write, rotate or sync its file.
    FileFailed "file_failed";
    /// Standard output cannot be written.
    StdoutFailed "stdout_failed";
    /// The reader of standard output is gone.
    StdoutClosed "stdout_closed";

    // HTTP.
    /// The server refuses the login.
    HttpAuth "http_auth" operator;
    /// The server does not know the path or the method.
    HttpEndpoint "http_endpoint" operator;
    /// The server redirects, which is not followed.
    HttpRedirect "http_redirect" operator;
    /// TLS failed.
    HttpTls "http_tls" operator;
    /// No connection, or it broke.
    HttpConnect "http_connect";
    /// No response in time.
    HttpTimeout "http_timeout";
    /// The server is busy or failed.
    HttpUnavailable "http_unavailable";
    /// The server rejects this event.
    HttpRejected "http_rejected";
    /// The event is larger than the server, or `max_batch_bytes`, allows.
    HttpTooLarge "http_too_large";

    // Splunk HEC.
    /// The token is invalid, disabled or missing.
    SplunkToken "splunk_token" operator;
    /// The token may not write to the index.
    SplunkIndex "splunk_index" operator;
    /// HEC rejects the channel.
    SplunkChannel "splunk_channel" operator;
    /// Indexer acknowledgement is off for the token.
    SplunkAckDisabled "splunk_ack_disabled" operator;
    /// Authorisation by query string is off.
    SplunkQueryAuth "splunk_query_auth" operator;
    /// The endpoint is not HEC.
    SplunkEndpoint "splunk_endpoint" operator;
    /// The endpoint redirects.
    SplunkRedirect "splunk_redirect" operator;
    /// TLS failed.
    SplunkTls "splunk_tls" operator;
    /// The event carries no data.
    SplunkNoData "splunk_no_data";
    /// The event's format is invalid.
    SplunkDataFormat "splunk_data_format";
    /// The `event` field is missing or blank.
    SplunkEventMissing "splunk_event_missing";
    /// The indexed fields are invalid.
    SplunkIndexedFields "splunk_indexed_fields";
    /// The record is no JSON that Splunk could index.
    SplunkNotJson "splunk_not_json";
    /// The request is larger than HEC accepts.
    SplunkTooLarge "splunk_too_large";
    /// HEC is busy.
    SplunkBusy "splunk_busy";
    /// HEC answered with an internal error.
    SplunkInternal "splunk_internal";
    /// HEC reports that it is unhealthy.
    SplunkUnhealthy "splunk_unhealthy";
    /// HEC is shutting down.
    SplunkShuttingDown "splunk_shutting_down";
    /// 5xx without a code of HEC.
    SplunkUnavailable "splunk_unavailable";
    /// No connection.
    SplunkConnect "splunk_connect";
    /// No answer in time.
    SplunkTimeout "splunk_timeout";
    /// The connection broke.
    SplunkTransport "splunk_transport";
    /// The acknowledgement did not arrive.
    SplunkAckLost "splunk_ack_lost";

    // Kafka.
    /// The topic does not exist or is invalid.
    KafkaTopic "kafka_topic" operator;
    /// Authentication or authorisation failed.
    KafkaAuth "kafka_auth" operator;
    /// No AWS credentials to log in to MSK.
    KafkaCredentials "kafka_credentials" operator;
    /// TLS failed.
    KafkaTls "kafka_tls" operator;
    /// The brokers refuse what the settings ask for.
    KafkaConfiguration "kafka_configuration" operator;
    /// The record is too large.
    KafkaTooLarge "kafka_too_large";
    /// The broker rejects the record.
    KafkaInvalidRecord "kafka_invalid_record";
    /// No answer in time.
    KafkaTimeout "kafka_timeout";
    /// No connection to a broker.
    KafkaTransport "kafka_transport";
    /// Fewer replicas in sync than `min.insync.replicas`.
    KafkaReplicas "kafka_replicas";
    /// The producer failed fatally and is replaced.
    KafkaFatal "kafka_fatal";
    /// A broker's response would end the process.
    KafkaProtocol "kafka_protocol" operator;
    /// Any other failure of librdkafka.
    KafkaError "kafka_error";
    /// The schema registry failed.
    KafkaRegistry "kafka_registry";
    /// TLS to the schema registry failed.
    KafkaRegistryTls "kafka_registry_tls" operator;
    /// The schema registry rejects the login.
    KafkaRegistryAuth "kafka_registry_auth" operator;
    /// The schema registry rejects the schema.
    KafkaSchema "kafka_schema" operator;
    /// The schema is not registered and `register` is false.
    KafkaSchemaAbsent "kafka_schema_absent" operator;
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: its code, a sentence for the operator, and the error that caused it.
///
/// The sentence states what failed and where, and what to do next. Neither it nor the source holds
/// a secret. Two errors are equal if their code and sentence are.
#[derive(Debug, Clone)]
pub struct Error {
    /// What kind of failure it is; the only part that code may branch on.
    pub code: Code,
    /// The sentence.
    pub text: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error without a source.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: sentence(&text.into()), source: None }
    }

    /// Creates an error caused by `source`, whose chain of causes is appended to `text`.
    pub fn caused(
        code: Code,
        text: impl fmt::Display,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let text = sentence(&format!("{text}: {}", causes(&source)));
        Self { code, text, source: Some(Arc::new(source)) }
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.text) == (other.code, &other.text)
    }
}

impl Eq for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.text, self.code)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Returns `text` as one line without control characters: it may quote a response, a key or a file
/// name. A shortage of descriptors is named, whichever client reports it: the system's text is all
/// that they have in common.
fn sentence(text: &str) -> String {
    let advice = "; out of file descriptors; raise `nofile`";
    let is_shortage = text.contains("Too many open files") && !text.contains(advice);
    format!("{}{}", escape(text), if is_shortage { advice } else { "" })
}

/// Returns an error and its causes in one line: clients nest the cause that matters.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
/// Returns the first cause of type `T` in the chain of `error`, itself included.
pub(crate) fn find_cause<'e, T: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e T> {
    std::iter::successors(Some(error), |cause| cause.source())
        .find_map(|cause| cause.downcast_ref())
}

/// The outcome of one event at one sink.
///
/// A problem of the destination is never a problem of the event: expired tokens, missing topics,
/// TLS faults and timeouts are `Retry`. Only an event that can never be accepted is `Rejected`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it: durable by the sink's own definition (acks=all, HEC code 0, fsync …).
    Delivered,
    /// This event can never be accepted by this sink; the pipeline dead-letters it.
    Rejected(Error),
    /// Not accepted now. The event itself is sound and will be sent again.
    Retry(Error),
}

/// The disposition of a part of a message (a record, an object), and of the whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Everything is final: delivered, dead-lettered, discarded, or there was nothing to deliver.
    Done,
    /// Something can never be processed and the queue's own redrive policy is to move it.
    Poison(Error),
    /// Something may still succeed later.
    Retry(Error),
}

impl Disposition {
    /// Returns the disposition of two parts together: the worse one. `Retry` outranks `Poison`,
    /// because while anything may still succeed the message must not be moved to a dead-letter
    /// queue.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Poison(_) => 1,
            Self::Retry(_) => 2,
        }
    }

    /// Returns what is done with the message. `jitter` is a random number in `0.0..=1.0`.
    #[must_use]
    pub fn settlement(&self, receive_count: u32, jitter: f64) -> Settlement {
        match self {
            Self::Done => Settlement::Delete,
            Self::Poison(_) | Self::Retry(_) => {
                Settlement::Release { after: backoff(receive_count, jitter) }
            }
        }
    }
}

/// What is done with a received message, exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Delete it: every event in it is final at every required sink.
    Delete,
    /// Make it visible again after this long (0: at once). SQS counts every receive.
    Release {
        /// How long the queue hides the message from every consumer.
        after: Duration,
    },
}

/// Returns how long a message is hidden before its next attempt: doubling from 10 s with the number
/// of receives, capped at [`MAX_RELEASE`], and spread by `jitter` (`0.0..=1.0`) over the upper half
/// so that a thousand messages failed by one outage do not return in one second.
#[must_use]
pub fn backoff(receive_count: u32, jitter: f64) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(7);
    let full = Duration::from_secs(10 << doublings).min(MAX_RELEASE);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poison() -> Disposition {
        Disposition::Poison(Error::new(Code::CorruptGzip, "x"))
    }
    fn retry() -> Disposition {
        Disposition::Retry(Error::new(Code::S3Throttled, "y"))
    }

    #[test]
    fn retry_outranks_poison_in_either_order() {
        assert_eq!(poison().and(retry()), retry());
        assert_eq!(retry().and(poison()), retry());
        assert_eq!(Disposition::Done.and(poison()), poison());
        assert_eq!(Disposition::Done.and(Disposition::Done), Disposition::Done);
    }

    #[test]
    fn only_done_deletes() {
        assert_eq!(Disposition::Done.settlement(1, 0.5), Settlement::Delete);
        for disposition in [poison(), retry()] {
            assert!(matches!(disposition.settlement(1, 0.5), Settlement::Release { .. }));
        }
    }

    #[test]
    fn texts_have_no_control_characters_and_name_a_shortage_of_descriptors() {
        let error = Error::new(Code::SplunkInternal, "HEC: \u{1b}[2J\u{202e}x\r\n");
        assert_eq!(error.text, r"HEC: \u{1b}[2J\u{202e}x\u{d}\u{a}");
        for number in [23, 24] {
            let cause = std::io::Error::from_raw_os_error(number);
            let nested = Error::caused(Code::S3Other, "cannot get a", cause);
            assert!(nested.text.ends_with("; out of file descriptors; raise `nofile`"), "{nested}");
            let again = Error::new(Code::S3Other, format!("b: {}", nested.text));
            assert_eq!(again.text.matches("nofile").count(), 1, "{again}");
        }
    }

    #[test]
    fn backoff_doubles_and_is_capped() {
        let at = |n| backoff(n, 1.0).as_secs();
        assert_eq!([at(0), at(1), at(2), at(3), at(4)], [10, 10, 20, 40, 80]);
        assert_eq!(backoff(u32::MAX, 1.0), MAX_RELEASE);
        assert_eq!(backoff(1, 0.0), Duration::from_secs(5));
        assert_eq!(backoff(1, f64::INFINITY), Duration::from_secs(10));
    }
}
