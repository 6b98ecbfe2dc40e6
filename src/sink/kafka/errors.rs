//! What a failure of Kafka means. Pure.
//!
//! librdkafka calls some of these "permanent". Only a record's own size and content are; a topic that is missing or
//! an ACL that was forgotten are an operator's to mend, and then the record goes through.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as KafkaCode};

use crate::error::Code;

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
pub(super) fn code_of(fault: &KafkaError) -> KafkaCode {
    fault.rdkafka_error_code().unwrap_or(KafkaCode::Unknown)
}

/// Who is to blame for `code`, and the stable reason. What is not known to be final is retried.
pub(super) fn blame(code: KafkaCode) -> (Blame, Code) {
    match code {
        KafkaCode::MessageSizeTooLarge
        | KafkaCode::MessageBatchTooLarge
        | KafkaCode::InvalidMessageSize => (Blame::Record, Code::KafkaTooLarge),
        KafkaCode::InvalidRecord | KafkaCode::InvalidDifferentRecord => {
            (Blame::Record, Code::KafkaInvalidRecord)
        }
        KafkaCode::UnknownTopic
        | KafkaCode::UnknownTopicOrPartition
        | KafkaCode::UnknownPartition
        | KafkaCode::InvalidTopic => (Blame::Operator, Code::KafkaTopic),
        KafkaCode::TopicAuthorizationFailed
        | KafkaCode::ClusterAuthorizationFailed
        | KafkaCode::SaslAuthenticationFailed
        | KafkaCode::Authentication
        | KafkaCode::UnsupportedSASLMechanism
        | KafkaCode::IllegalSASLState
        | KafkaCode::SecurityDisabled => (Blame::Operator, Code::KafkaAuth),
        KafkaCode::SSL => (Blame::Operator, Code::KafkaTls),
        KafkaCode::InvalidRequiredAcks
        | KafkaCode::InvalidTimestamp
        | KafkaCode::InvalidConfig
        | KafkaCode::PolicyViolation
        | KafkaCode::UnsupportedCompressionType
        | KafkaCode::UnsupportedForMessageFormat
        | KafkaCode::UnsupportedFeature
        | KafkaCode::UnsupportedVersion => (Blame::Operator, Code::KafkaConfiguration),
        KafkaCode::MessageTimedOut
        | KafkaCode::TimedOutQueue
        | KafkaCode::OperationTimedOut
        | KafkaCode::RequestTimedOut => (Blame::Time, Code::KafkaTimeout),
        KafkaCode::BrokerTransportFailure
        | KafkaCode::AllBrokersDown
        | KafkaCode::Resolve
        | KafkaCode::NetworkException => (Blame::Time, Code::KafkaTransport),
        KafkaCode::NotEnoughReplicas
        | KafkaCode::NotEnoughReplicasAfterAppend
        | KafkaCode::ISRInsufficient => (Blame::Time, Code::KafkaReplicas),
        KafkaCode::Fatal
        | KafkaCode::Fenced
        | KafkaCode::OutOfOrderSequenceNumber
        | KafkaCode::PurgeQueue
        | KafkaCode::PurgeInflight => (Blame::Time, Code::KafkaFatal),
        _ => (Blame::Time, Code::KafkaError),
    }
}

/// Whether it is the login that was refused, not a right that it lacks.
pub(super) fn is_login(code: KafkaCode) -> bool {
    matches!(code, KafkaCode::SaslAuthenticationFailed | KafkaCode::Authentication)
}

/// Whether a new producer, with its secrets and files as they are then, may do better. For a topic that is missing or
/// a right to it, it would not: librdkafka asks for such topics again every second by itself (`rd_kafka_topic_scan_all`),
/// and the producer is other topics', too.
pub(super) fn is_of_the_client(code: KafkaCode) -> bool {
    is_login(code) || code == KafkaCode::SSL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_size_and_content_are_the_records_own_fault() {
        for code in [
            KafkaCode::MessageSizeTooLarge,
            KafkaCode::MessageBatchTooLarge,
            KafkaCode::InvalidRecord,
        ] {
            assert_eq!(blame(code).0, Blame::Record, "{code:?}");
        }
        let permanent_to_librdkafka = [
            KafkaCode::UnknownTopicOrPartition,
            KafkaCode::TopicAuthorizationFailed,
            KafkaCode::ClusterAuthorizationFailed,
            KafkaCode::InvalidRequiredAcks,
        ];
        for code in permanent_to_librdkafka {
            assert_eq!(blame(code).0, Blame::Operator, "{code:?}");
        }
        for code in [
            KafkaCode::InvalidMessage,
            KafkaCode::MessageTimedOut,
            KafkaCode::Fatal,
            KafkaCode::Unknown,
        ] {
            assert_eq!(blame(code).0, Blame::Time, "{code:?}");
        }
    }
}
