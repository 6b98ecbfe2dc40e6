//! A look at the topic before the first event: a typo shows at the start, not at the first certificate.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::ears::Ears;
use super::errors::{blame, code_of};
use super::iam::Iam;
use super::{secrets, settings};
use crate::config::KafkaConfig;
use crate::error::{Code, Error};

/// How long brokers have to answer, at most: the end of the process waits for the question.
const LONGEST: Duration = Duration::from_secs(5);

/// Asks the brokers for every topic that the sink may write to. As a consumer: a producer that asks for a topic may
/// have it created.
///
/// # Errors
/// The brokers do not answer, refuse the login (then the password is another one at the next try), or know no such topic.
pub(super) async fn topics(
    sink: &str,
    own: &KafkaConfig,
    iam: Option<Arc<Iam>>,
) -> Result<(), Error> {
    if let Some(iam) = &iam {
        iam.ready().await?;
    }
    let properties = settings::of_connection(sink, own)?;
    let ears = Ears::new(sink, iam);
    let patience = own.timeout.min(LONGEST);
    let topics: Vec<String> = own.topic.texts().into_iter().map(str::to_owned).collect();
    let sink = sink.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let Err((topics, code)) = ask(&properties, &ears, &topics, patience) else { return Ok(()) };
        let cause = ears.explain(code);
        let text = format!("sink.{sink}: Kafka topic {topics}: {}", cause.text);
        Err((cause.code, Error::new(blame(cause.code).1, text)))
    });
    let asked = asked.await.map_err(|fault| {
        Error::new(Code::SinkInternal, format!("the look at Kafka failed: {fault}"))
    })?;
    asked.map_err(|(code, error)| {
        secrets::refuse(own, code);
        error
    })
}

/// Blocks. The topics that an answer is missing or bad for, and why.
fn ask(
    properties: &ClientConfig,
    ears: &Ears,
    topics: &[String],
    patience: Duration,
) -> Result<(), (String, RDKafkaErrorCode)> {
    let consumer: Result<BaseConsumer<Ears>, KafkaError> =
        BaseConsumer::from_config_and_context(properties, ears.clone());
    let consumer = consumer.map_err(|fault| (topics.join(", "), code_of(&fault)))?;
    // librdkafka asks for a login's token, and tells the reasons of a failure, only when it is polled.
    let _ = consumer.poll(Duration::ZERO);
    let mut bad: Option<(Vec<&str>, RDKafkaErrorCode)> = None;
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), patience);
        let _ = consumer.poll(Duration::ZERO);
        let metadata = metadata.map_err(|fault| (topics.join(", "), code_of(&fault)))?;
        let answer = metadata.topics().first().and_then(|topic| topic.error());
        if let Some(code) = answer.map(RDKafkaErrorCode::from) {
            bad.get_or_insert_with(|| (Vec::new(), code)).0.push(topic);
        }
    }
    bad.map_or(Ok(()), |(topics, code)| Err((topics.join(", "), code)))
}
