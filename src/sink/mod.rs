//! Room 6: Kafka, Splunk HEC, stdout and files. Each answers one [`Outcome`] per event.
//!
//! A sink is a cheap handle plus its driver. Handing over moves the events into the driver, so
//! that dropping the caller never cancels a request that other messages share; the driver batches by
//! group commit (what arrives while a request is in flight goes out with the next one) and renders
//! to the sink's format. A sink never writes a dead letter and never decides about a message.
//!
//! To add one: a file here, and a line in [`build`].

mod answers;
mod backoff;
mod driver;
mod file;
mod handle;
mod http_client;
mod kafka;
mod lines;
mod splunk;
mod status;
mod stdout;
mod stop;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;

use crate::config::{OutputFormat, SinkConfig, SinkKind};
use crate::error::{Error, Outcome};
use crate::event::Event;
use crate::telemetry::Metrics;

pub use stop::Stop;

/// Where events go. See the module for the contract.
pub trait Sink: Send + Sync + 'static {
    /// Takes over `events` and answers one outcome for each, in order. The future may be dropped:
    /// what was handed over is still sent, only the answer is lost (and that reads as `Retry`).
    fn deliver(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>>;

    /// What the operator sees of it at `/readyz`.
    fn state(&self) -> SinkState;
}

/// How a sink is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkState {
    /// No event was sent there yet.
    Unverified,
    /// The last request was answered well.
    Up,
    /// Requests fail in a way that time may heal; they are retried.
    Degraded(Error),
    /// Nothing is sent until an operator acts (a refused token, a missing topic); it resumes by itself.
    Paused(Error),
}

/// How an event becomes bytes: [`crate::format::render`], but in the sinks' own tests.
type Render = fn(&Event, OutputFormat, &mut Vec<u8>);

/// A sink and the task that does its work, to be spawned by the pipeline.
pub struct Built {
    /// The sink's name in the configuration.
    pub name: String,
    /// `false`: best effort, never holds a message.
    pub required: bool,
    /// The handle.
    pub sink: Arc<dyn Sink>,
    /// Runs until `stop` is said *and* everything handed over has been answered, or until its deadline.
    pub driver: BoxFuture<'static, ()>,
}

/// Makes the sink that `config` describes. Opens files and creates clients; connects to nothing yet. `aws` are the
/// credentials of a sink that logs in with AWS's ([`SinkConfig::aws_login`]).
///
/// # Errors
/// What could not be created, with the sink's name and setting.
pub fn build(
    config: &SinkConfig,
    aws: Option<SharedCredentialsProvider>,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Result<Built, Error> {
    match &config.kind {
        SinkKind::Kafka(kafka) => kafka::build(config, kafka, aws, metrics, stop),
        SinkKind::SplunkHec(splunk) => splunk::build(config, splunk, metrics, stop),
        SinkKind::Stdout(stdout) => Ok(stdout::build(config, stdout, metrics, stop)),
        SinkKind::File(file) => file::build(config, file, metrics, stop),
    }
}

/// What Kafka's client says against one of its options, without the value: it may be a secret.
///
/// # Errors
/// It knows no such option, or does not take the value.
pub fn kafka_option(name: &str, value: &str) -> Result<(), String> {
    kafka::option(name, value)
}

/// What only a sink's own client can say about its settings together: connects to nothing and reads no secret.
///
/// # Errors
/// The setting that would not be taken.
pub fn check(config: &SinkConfig) -> Result<(), Error> {
    match &config.kind {
        SinkKind::Kafka(own) => kafka::check(config, own),
        SinkKind::SplunkHec(_) | SinkKind::Stdout(_) | SinkKind::File(_) => Ok(()),
    }
}

/// Which endpoints of a sink must answer well when it is tried. Brokers of a cluster answer for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Events would be delivered: to those that are there.
    Any,
    /// Nothing is wrong.
    All,
}

/// Tries the destination that `config` describes without sending an event, for `check --connect` and at the start. With
/// its secrets as they are now: AWS is asked again for those that were refused, or whose time has come.
///
/// # Errors
/// Why events would not be accepted: no answer, a refused login, a missing topic.
pub async fn probe(
    config: &SinkConfig,
    aws: Option<SharedCredentialsProvider>,
    wanted: Wanted,
) -> Result<(), Error> {
    for (_, secret) in config.secrets() {
        if let Err(error) = secret.renew().await {
            // What was read before may still be good.
            tracing::warn!(sink = config.name, code = error.code.as_str(), "{}", error.text);
        }
    }
    let found = match &config.kind {
        SinkKind::Kafka(own) => kafka::probe(config, own, aws).await,
        SinkKind::SplunkHec(own) => splunk::probe(config, own, wanted).await,
        SinkKind::Stdout(_) | SinkKind::File(_) => Ok(()),
    };
    if found.is_err() {
        // It may be one of them: the next try asks again.
        config.secrets().into_iter().for_each(|(_, secret)| secret.expire());
    }
    found
}
