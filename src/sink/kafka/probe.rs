//! A look at the topic before the first event: a typo shows at the start, not at the first certificate.

use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::Ears;
use super::errors::blame;
use super::settings;
use crate::config::KafkaConfig;
use crate::outcome::Why;

/// How long brokers have to answer, at most: the end of the process waits for the question.
const LONGEST: Duration = Duration::from_secs(5);

impl ConsumerContext for Ears {}

/// Asks the brokers for the topic. As a consumer: a producer that asks for a topic may have it created.
///
/// # Errors
/// The brokers do not answer, refuse the login, or know no such topic.
pub(in crate::sink) async fn probe(sink: &str, own: &KafkaConfig) -> Result<(), Why> {
    let properties = settings::of_connection(sink, own)?;
    let ears = Ears::new(sink);
    let patience = own.timeout.min(LONGEST);
    let (sink, topic) = (sink.to_owned(), own.topic.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: Result<BaseConsumer<Ears>, KafkaError> =
            BaseConsumer::from_config_and_context(&properties, ears.clone());
        let found = consumer.and_then(|consumer| {
            // Its events, the reasons of a failure among them, are heard only while it is polled.
            let metadata = consumer.fetch_metadata(Some(&topic), patience);
            let _ = consumer.poll(Duration::ZERO);
            metadata.map(|metadata| {
                let topic = metadata.topics().first();
                topic.and_then(|topic| topic.error().map(RDKafkaErrorCode::from))
            })
        });
        let code = match found {
            Ok(None) => return Ok(()),
            Ok(Some(code)) => code,
            Err(fault) => fault.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
        };
        let cause = ears.explain(code);
        let text = format!("sink.{sink}: Kafka topic {topic}: {}", cause.text);
        Err(Why::new(blame(cause.code).1, text))
    });
    asked
        .await
        .map_err(|fault| Why::new("sink_fault", format!("the look at Kafka failed: {fault}")))?
}
