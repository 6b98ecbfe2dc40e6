//! Sinks: Kafka, Splunk HEC, HTTP, stdout and files. Each returns one
//! [`Outcome`](crate::error::Outcome) per event.
//!
//! A sink is a cheap handle plus its driver. `deliver` moves the events into the driver, so that
//! dropping the caller never cancels a request that other messages share; the driver batches by
//! group commit (what arrives while a request is in flight goes out with the next one) and renders
//! to the sink's format. A sink never writes a dead letter and never decides about a message.
//!
//! To add a sink type: one file here that implements `SinkType` for its settings, its `mod` line,
//! and its line in `sink_type`.

mod backoff;
mod driver;
mod file;
mod http;
mod http_client;
mod kafka;
mod lines;
mod secrets;
mod splunk;
mod stdout;
#[cfg(test)]
#[path = "../../tests/edges/sinks.rs"]
mod testing;
mod tls;
mod types;

use std::process::ExitCode;
use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;

use crate::config::{Secret, SinkConfig, SinkKind};
use crate::error::Error;
use crate::telemetry::Metrics;
use types::{BuildContext, SinkType};

pub use types::{Built, ProbeScope, Sink, SinkState, Stop};

/// Returns the implementation of a sink's type.
fn sink_type(config: &SinkConfig) -> &dyn SinkType {
    match &config.kind {
        SinkKind::Kafka(settings) => settings,
        SinkKind::SplunkHec(settings) => settings,
        SinkKind::Stdout(settings) => settings,
        SinkKind::Http(settings) => settings,
        SinkKind::File(settings) => settings,
    }
}

/// Creates the sink that `config` describes. Opens files and creates clients; connects to nothing
/// yet. `aws` are the credentials of a sink that logs in with AWS credentials
/// ([`SinkConfig::aws_login`]).
///
/// # Errors
/// What cannot be created, with the sink's name and setting.
pub fn build(
    config: &SinkConfig,
    aws: Option<SharedCredentialsProvider>,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Result<Built, Error> {
    sink_type(config).build(BuildContext { config, aws, metrics, stop })
}

/// Checks one option of librdkafka.
///
/// # Errors
/// librdkafka's message about an unknown option or an invalid value, without the value: it may be a
/// secret.
pub fn kafka_option(name: &str, value: &str) -> Result<(), String> {
    kafka::option(name, value)
}

/// Makes the probes of Kafka run in a process of their own, which a broker's response may end: this
/// program, with a subcommand that calls [`kafka_probe`].
pub fn isolate_kafka_probes() {
    kafka::isolate_probes();
}

/// Runs the probe of Kafka that stdin describes, and prints its result on stdout.
#[must_use]
pub fn kafka_probe() -> ExitCode {
    kafka::probe_main()
}

/// Checks what only a sink's client library can judge: connects to nothing and reads no secret.
///
/// # Errors
/// A setting that the client library rejects.
pub fn check(config: &SinkConfig) -> Result<(), Error> {
    sink_type(config).check(config)
}

/// Checks the destination that `config` describes without sending an event, for `check --connect`
/// and at start-up. Secrets that were rejected or are due are first read again from AWS.
///
/// # Errors
/// Why events would not be accepted: no response, authentication denied, a missing topic.
pub async fn probe(
    config: &SinkConfig,
    aws: Option<SharedCredentialsProvider>,
    scope: ProbeScope,
) -> Result<(), Error> {
    let all: Vec<&Secret> = config.secrets().into_iter().map(|(_, secret)| secret).collect();
    secrets::renew(&config.name, all.clone()).await;
    let result = sink_type(config).probe(config, aws, scope).await;
    if result.is_err() {
        // A secret may be the cause: the next probe reads it again.
        all.into_iter().for_each(Secret::expire);
    }
    result
}
