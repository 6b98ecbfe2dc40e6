//! The values of settings that have a choice, as they are written.

use super::kafka::{KafkaKey, SubjectName};
use super::mapping::MappingKey;
use super::setting::Words;
use super::source::FaultPolicy;
use super::types::{HttpBody, OcsfVersion, OutputFormat, SinkType, SplunkMode};

pub(super) const POLICIES: Words<FaultPolicy> =
    &[("retry", FaultPolicy::Retry), ("dead_letter", FaultPolicy::DeadLetter)];
pub(super) const FORMATS: Words<OutputFormat> = &[
    ("ocsf", OutputFormat::Ocsf),
    ("ecs", OutputFormat::Ecs),
    ("cim", OutputFormat::Cim),
    ("raw", OutputFormat::Raw),
];
pub(super) const SINK_TYPES: Words<SinkType> = &[
    ("kafka", SinkType::Kafka),
    ("splunk_hec", SinkType::SplunkHec),
    ("http", SinkType::Http),
    ("stdout", SinkType::Stdout),
    ("file", SinkType::File),
];
pub(super) const KAFKA_KEYS: Words<KafkaKey> = &[
    ("account", KafkaKey::Account),
    ("event_id", KafkaKey::EventId),
    ("target_arn", KafkaKey::TargetArn),
];
pub(super) const SUBJECTS: Words<SubjectName> = &[
    ("topic", SubjectName::Topic),
    ("record", SubjectName::Record),
    ("topic_record", SubjectName::TopicRecord),
];
pub(super) const MAPPING_KEYS: Words<MappingKey> = &[
    ("account", MappingKey::Account),
    ("ou", MappingKey::Ou),
    ("event", MappingKey::Event),
    ("severity", MappingKey::Severity),
];
pub(super) const HTTP_BODIES: Words<HttpBody> =
    &[("ndjson", HttpBody::Ndjson), ("event", HttpBody::Event)];
pub(super) const MODES: Words<SplunkMode> =
    &[("events", SplunkMode::Events), ("records", SplunkMode::Records)];
pub(super) const OCSF_VERSIONS: Words<OcsfVersion> =
    &[("1.8.0", OcsfVersion::V1_8), ("1.5.0", OcsfVersion::V1_5)];
pub(super) const LOG_FORMATS: Words<bool> = &[("json", true), ("text", false)];
