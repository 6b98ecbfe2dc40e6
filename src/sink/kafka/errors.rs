//! The meaning of librdkafka's error codes. Pure.
//!
//! librdkafka calls some of these "permanent". Only those about a record's own size and content
//! are: after an operator has created a missing topic or added a missing ACL, the record is
//! accepted.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as KafkaCode};

use crate::error::Code;

/// Returns librdkafka's code of an error.
pub(super) fn kafka_code(error: &KafkaError) -> KafkaCode {
    error.rdkafka_error_code().unwrap_or(KafkaCode::Unknown)
}

/// Maps librdkafka's code to ours, which decides what follows: [`is_of_record`] rejects the record,
/// [`Code::needs_operator`] pauses the sink, anything else is retried.
pub(super) fn code_of(code: KafkaCode) -> Code {
    match code {
        KafkaCode::MessageSizeTooLarge
        | KafkaCode::MessageBatchTooLarge
        | KafkaCode::InvalidMessageSize => Code::KafkaTooLarge,
        KafkaCode::InvalidRecord | KafkaCode::InvalidDifferentRecord => Code::KafkaInvalidRecord,
        KafkaCode::UnknownTopic
        | KafkaCode::UnknownTopicOrPartition
        | KafkaCode::UnknownPartition
        | KafkaCode::InvalidTopic => Code::KafkaTopic,
        KafkaCode::TopicAuthorizationFailed
        | KafkaCode::ClusterAuthorizationFailed
        | KafkaCode::SaslAuthenticationFailed
        | KafkaCode::Authentication
        | KafkaCode::UnsupportedSASLMechanism
        | KafkaCode::IllegalSASLState
        | KafkaCode::SecurityDisabled => Code::KafkaAuth,
        KafkaCode::SSL => Code::KafkaTls,
        KafkaCode::InvalidRequiredAcks
        | KafkaCode::InvalidTimestamp
        | KafkaCode::InvalidConfig
        | KafkaCode::PolicyViolation
        | KafkaCode::UnsupportedCompressionType
        | KafkaCode::UnsupportedForMessageFormat
        | KafkaCode::UnsupportedFeature
        | KafkaCode::UnsupportedVersion => Code::KafkaConfiguration,
        KafkaCode::MessageTimedOut
        | KafkaCode::TimedOutQueue
        | KafkaCode::OperationTimedOut
        | KafkaCode::RequestTimedOut => Code::KafkaTimeout,
        KafkaCode::BrokerTransportFailure
        | KafkaCode::AllBrokersDown
        | KafkaCode::Resolve
        | KafkaCode::NetworkException => Code::KafkaTransport,
        KafkaCode::NotEnoughReplicas
        | KafkaCode::NotEnoughReplicasAfterAppend
        | KafkaCode::ISRInsufficient => Code::KafkaReplicas,
        KafkaCode::Fatal
        | KafkaCode::Fenced
        | KafkaCode::OutOfOrderSequenceNumber
        | KafkaCode::PurgeQueue
        | KafkaCode::PurgeInflight => Code::KafkaFatal,
        _ => Code::KafkaError,
    }
}

/// Returns whether the record is at fault; or, if it was sent with others, one of them.
pub(super) fn is_of_record(code: Code) -> bool {
    matches!(code, Code::KafkaTooLarge | Code::KafkaInvalidRecord)
}

/// Returns whether authentication failed, as opposed to authorization.
pub(super) fn is_authentication(code: KafkaCode) -> bool {
    matches!(code, KafkaCode::SaslAuthenticationFailed | KafkaCode::Authentication)
}

/// Returns whether a new producer, which reads its secrets and files again, may succeed. It does
/// not help with a missing topic or ACL: librdkafka refreshes such topics every second by itself
/// (`rd_kafka_topic_scan_all`), and other topics share the producer.
pub(super) fn needs_new_producer(code: KafkaCode) -> bool {
    is_authentication(code) || code == KafkaCode::SSL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_size_and_content_are_errors_of_the_record() {
        for code in [
            KafkaCode::MessageSizeTooLarge,
            KafkaCode::MessageBatchTooLarge,
            KafkaCode::InvalidRecord,
        ] {
            assert!(is_of_record(code_of(code)), "{code:?}");
        }
        let permanent_to_librdkafka = [
            KafkaCode::UnknownTopicOrPartition,
            KafkaCode::TopicAuthorizationFailed,
            KafkaCode::ClusterAuthorizationFailed,
            KafkaCode::InvalidRequiredAcks,
        ];
        for code in permanent_to_librdkafka.map(code_of) {
            assert!(code.needs_operator() && !is_of_record(code), "{code:?}");
        }
        let temporary = [
            KafkaCode::InvalidMessage,
            KafkaCode::MessageTimedOut,
            KafkaCode::Fatal,
            KafkaCode::Unknown,
        ];
        for code in temporary.map(code_of) {
            assert!(!code.needs_operator() && !is_of_record(code), "{code:?}");
        }
    }
}
