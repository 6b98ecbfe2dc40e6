//! The Kafka sink: an idempotent producer whose every delivery report is awaited.
//!
//! `topic_queues` separates the topics of a sink, `produce` makes one attempt, `client` owns the
//! producer and replaces it, `client_context` receives librdkafka's callbacks, `reports` collects
//! delivery reports, `statistics` exports metrics, `settings` maps the configuration to
//! librdkafka's properties, `errors` maps its error codes, `iam` is Amazon MSK's login and
//! `registry` the schema registry.

mod client;
mod client_context;
mod errors;
mod iam;
mod produce;
mod registry;
mod reports;
mod settings;
mod statistics;
#[cfg(test)]
#[path = "../../../tests/edges/kafka/mod.rs"]
mod tests;
mod topic_queues;

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::types::{BuildContext, Built, ProbeScope, SinkType};
use crate::config::{KafkaAuth, KafkaConfig, SinkConfig};
use crate::error::{Code, Error};
use client_context::ClientCallbacks;
use iam::Iam;
use produce::KafkaSink;
use registry::Registry;

/// Maximum time that brokers have to respond to a probe: the end of the process waits for it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

impl SinkType for KafkaConfig {
    /// # Errors
    /// librdkafka rejects the settings, or the password cannot be read.
    fn build(&self, context: BuildContext<'_>) -> Result<Built, Error> {
        let kafka = KafkaSink::new(&context, self, crate::format::render)?;
        let iam = kafka.client.iam.clone();
        let mut built = topic_queues::start(context, kafka);
        if let Some(iam) = iam {
            let driver = built.driver;
            built.driver = Box::pin(async move {
                tokio::select! {
                    biased;
                    () = driver => {}
                    () = iam.keep_fresh() => {}
                }
            });
        }
        Ok(built)
    }

    /// Checks that librdkafka accepts the options together, without authentication and TLS: their
    /// files and secrets may only exist where the service runs.
    fn check(&self, config: &SinkConfig) -> Result<(), Error> {
        let bare = KafkaConfig { auth: KafkaAuth::None, tls: None, ..self.clone() };
        client::check_settings(&config.name, &bare)
    }

    /// Checks the topics and the schema registry, without writing anything.
    fn probe<'a>(
        &'a self,
        config: &'a SinkConfig,
        aws: Option<SharedCredentialsProvider>,
        _scope: ProbeScope,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            probe_topics(&config.name, self, client::iam(&config.name, self, aws)?).await?;
            if let Some(registry) = &self.registry {
                let registry = Registry::new(&config.name, registry, config.format);
                for topic in self.topic.texts() {
                    registry.probe(topic).await?;
                }
            }
            Ok(())
        })
    }
}

/// Checks one option of librdkafka.
///
/// # Errors
/// librdkafka's message, without the value.
pub(super) fn option(name: &str, value: &str) -> Result<(), String> {
    let mut alone = ClientConfig::new();
    alone.set(name, value);
    alone.create_native_config().map(drop).map_err(|error| client::message_of(&error))
}

/// Requests the metadata of every topic that the sink may write to. As a consumer: brokers may
/// create a topic that a producer asks for.
///
/// # Errors
/// No broker responds, authentication fails (the password is then read again before the next
/// probe), or a topic does not exist.
async fn probe_topics(
    sink: &str,
    settings: &KafkaConfig,
    iam: Option<Arc<Iam>>,
) -> Result<(), Error> {
    if let Some(iam) = &iam {
        iam.ready().await?;
    }
    let properties = settings::connection(sink, settings)?;
    let callbacks = ClientCallbacks::new(sink, iam);
    let timeout = settings.timeout.min(PROBE_TIMEOUT);
    let topics: Vec<String> = settings.topic.texts().into_iter().map(str::to_owned).collect();
    let sink = sink.to_owned();
    let probe = tokio::task::spawn_blocking(move || {
        let Err((topics, code)) = request_metadata(&properties, &callbacks, &topics, timeout)
        else {
            return Ok(());
        };
        let cause = callbacks.explain(code);
        let text = format!("sink.{sink}: Kafka topic {topics}: {}", cause.text);
        Err((cause.code, Error::new(errors::code_of(cause.code), text)))
    });
    let result = probe
        .await
        .map_err(|panic| Error::caused(Code::SinkInternal, "the probe of Kafka failed", panic))?;
    result.map_err(|(code, error)| {
        client::secrets_rejected(settings, code);
        error
    })
}

/// Requests topic metadata; blocks. The error is the topics without metadata and the reason.
fn request_metadata(
    properties: &ClientConfig,
    callbacks: &ClientCallbacks,
    topics: &[String],
    timeout: Duration,
) -> Result<(), (String, RDKafkaErrorCode)> {
    let all = |error: KafkaError| (topics.join(", "), errors::kafka_code(&error));
    let consumer: BaseConsumer<ClientCallbacks> =
        BaseConsumer::from_config_and_context(properties, callbacks.clone()).map_err(all)?;
    // librdkafka requests an OAuth token, and reports the reason of a failure, only when it is
    // polled.
    let _ = consumer.poll(Duration::ZERO);
    let mut failed: Option<(Vec<&str>, RDKafkaErrorCode)> = None;
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), timeout);
        let _ = consumer.poll(Duration::ZERO);
        let metadata = metadata.map_err(all)?;
        let error = metadata.topics().first().and_then(|topic| topic.error());
        if let Some(code) = error.map(RDKafkaErrorCode::from) {
            failed.get_or_insert_with(|| (Vec::new(), code)).0.push(topic);
        }
    }
    failed.map_or(Ok(()), |(topics, code)| Err((topics.join(", "), code)))
}
