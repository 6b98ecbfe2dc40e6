//! The Kafka sink: an idempotent producer whose every delivery report is awaited.
//!
//! `topic_queues` separates the topics of a sink, `produce` makes one attempt, `client` owns the
//! producer and replaces it, `probe` reads the brokers' first responses in a child process,
//! `client_context` receives librdkafka's callbacks, `reports` collects delivery reports,
//! `statistics` exports metrics, `settings` maps the configuration to librdkafka's properties,
//! `errors` maps its error codes, `iam` is Amazon MSK's login and `registry` the schema registry.

mod client;
mod client_context;
mod errors;
mod iam;
mod probe;
mod produce;
mod registry;
mod reports;
mod settings;
mod statistics;
#[cfg(test)]
#[path = "../../../tests/edges/kafka/mod.rs"]
mod tests;
mod topic_queues;

use std::process::ExitCode;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;
use rdkafka::config::ClientConfig;

use super::types::{BuildContext, Built, ProbeScope, SinkType};
use crate::config::{KafkaAuth, KafkaConfig, SinkConfig};
use crate::error::Error;
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
            let iam = client::iam(&config.name, self, aws)?;
            let timeout = self.timeout.min(PROBE_TIMEOUT);
            probe::topics(&config.name, self, iam.as_deref(), timeout).await?;
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

/// Makes probes run in a process of their own: this program, with a subcommand that calls
/// [`probe_main`].
pub(super) fn isolate_probes() {
    probe::isolate();
}

/// Runs one probe.
pub(super) fn probe_main() -> ExitCode {
    probe::main()
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
