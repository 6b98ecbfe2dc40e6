//! What of an event becomes a record's key and headers.

use rdkafka::message::{Header, OwnedHeaders};

use crate::config::{KafkaKey, OutputFormat};
use crate::event::Event;

/// The key. An event without a target is keyed by its account, one without an account by its id.
pub(super) fn key(event: &Event, key: KafkaKey) -> &str {
    let account = || event.fields.account.as_deref().unwrap_or(&event.id);
    match key {
        KafkaKey::Account => account(),
        KafkaKey::EventId => &event.id,
        KafkaKey::TargetArn => event.fields.target.as_deref().unwrap_or_else(account),
    }
}

/// Facts of ours beside the payload, so that a consumer can fold duplicates and choose without parsing it.
pub(super) fn headers(event: &Event, format: OutputFormat) -> OwnedHeaders {
    let schema_version = match (format, event.options.ocsf) {
        (OutputFormat::Ocsf, version) => Some(version.as_str()),
        (OutputFormat::Ecs | OutputFormat::Cim | OutputFormat::Raw, _) => None,
    };
    let pairs = [
        ("event_id", Some(event.id.as_str())),
        ("event_name", Some(event.fields.name.as_str())),
        ("format", Some(format.as_str())),
        ("content_type", Some("application/json")),
        ("schema_version", schema_version),
        ("channel", Some(event.channel.as_str())),
        ("file_sha256", event.file_sha256.as_deref()),
    ];
    let said = pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
    said.fold(OwnedHeaders::new_with_capacity(pairs.len()), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    })
}
