//! What a failure of Kafka means. Pure.
//!
//! librdkafka calls some of these "permanent". Only a record's own size and content are; a topic that is missing or
//! an ACL that was forgotten are an operator's to mend, and then the record goes through.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Who has to change for a record to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The record; or, if it was sent with others, one of them.
    Record,
    /// The settings, here or at the cluster.
    Operator,
    /// Nobody: the cluster is not there, or busy.
    Time,
}

/// librdkafka's code for a failure.
pub(super) fn code_of(fault: &KafkaError) -> Code {
    fault.rdkafka_error_code().unwrap_or(Code::Unknown)
}

/// Who is to blame for `code`, and the stable reason. What is not known to be final is retried.
pub(super) fn blame(code: Code) -> (Blame, &'static str) {
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            (Blame::Record, "kafka_too_large")
        }
        Code::InvalidRecord | Code::InvalidDifferentRecord => {
            (Blame::Record, "kafka_invalid_record")
        }
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::InvalidTopic => (Blame::Operator, "kafka_topic"),
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled => (Blame::Operator, "kafka_auth"),
        Code::SSL => (Blame::Operator, "kafka_tls"),
        Code::InvalidRequiredAcks
        | Code::InvalidTimestamp
        | Code::InvalidConfig
        | Code::PolicyViolation
        | Code::UnsupportedCompressionType
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedFeature
        | Code::UnsupportedVersion => (Blame::Operator, "kafka_setting"),
        Code::MessageTimedOut
        | Code::TimedOutQueue
        | Code::OperationTimedOut
        | Code::RequestTimedOut => (Blame::Time, "kafka_timeout"),
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::NetworkException => (Blame::Time, "kafka_transport"),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend | Code::ISRInsufficient => {
            (Blame::Time, "kafka_replicas")
        }
        Code::Fatal
        | Code::Fenced
        | Code::OutOfOrderSequenceNumber
        | Code::PurgeQueue
        | Code::PurgeInflight => (Blame::Time, "kafka_fatal"),
        _ => (Blame::Time, "kafka_error"),
    }
}

/// Whether it is the login that was refused, not a right that it lacks.
pub(super) fn is_login(code: Code) -> bool {
    matches!(code, Code::SaslAuthenticationFailed | Code::Authentication)
}

/// Whether a new producer, with its secrets and files as they are then, may do better. For a topic that is missing or
/// a right to it, it would not: librdkafka asks for such topics again every second by itself (`rd_kafka_topic_scan_all`),
/// and the producer is other topics', too.
pub(super) fn is_of_the_client(code: Code) -> bool {
    is_login(code) || code == Code::SSL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_size_and_content_are_the_records_own_fault() {
        for code in [Code::MessageSizeTooLarge, Code::MessageBatchTooLarge, Code::InvalidRecord] {
            assert_eq!(blame(code).0, Blame::Record, "{code:?}");
        }
        let permanent_to_librdkafka = [
            Code::UnknownTopicOrPartition,
            Code::TopicAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::InvalidRequiredAcks,
        ];
        for code in permanent_to_librdkafka {
            assert_eq!(blame(code).0, Blame::Operator, "{code:?}");
        }
        for code in [Code::InvalidMessage, Code::MessageTimedOut, Code::Fatal, Code::Unknown] {
            assert_eq!(blame(code).0, Blame::Time, "{code:?}");
        }
    }
}
