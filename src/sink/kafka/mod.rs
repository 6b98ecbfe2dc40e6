//! The Kafka sink: an idempotent producer whose every delivery report is awaited.
//!
//! `settings` maps the configuration to librdkafka's properties, `client` owns the producer and replaces one that
//! is beyond repair, `ears` hears what it says, `reports` gathers what it reports, `statistics` counts it; `lanes` keeps the topics of a sink out of each
//! other's way; `record` says what of an event becomes key and headers, `errors` what a failure means. `iam` and
//! `token` are Amazon MSK's login, `registry` the schemas'.

mod client;
mod ears;
mod errors;
mod iam;
mod lanes;
mod probe;
mod record;
mod registry;
mod reports;
mod secrets;
mod settings;
mod statistics;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use prometheus_client::metrics::counter::Counter;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::BaseRecord;

use super::handle::Sent;
use super::{Built, Render, Stop};
use crate::config::{KafkaAuth, KafkaConfig, KafkaKey, Mapping, OutputFormat, SinkConfig};
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::telemetry::{BySink, Metrics};
use client::{Client, Live};
use ears::Cause;
use errors::Blame;
use registry::Registry;
use reports::{Batch, Report};

/// How long a full queue is left alone if nothing of ours is in it.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// Makes the sink.
///
/// # Errors
/// librdkafka refuses the settings, or the password cannot be read.
pub(super) fn build(
    config: &SinkConfig,
    own: &KafkaConfig,
    aws: Option<SharedCredentialsProvider>,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Result<Built, Error> {
    let kafka = Kafka::new(config, own, aws, metrics, crate::format::render)?;
    let iam = kafka.client.iam();
    let mut built = lanes::start(config, kafka, metrics, stop);
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

/// Asks librdkafka whether it takes one option.
///
/// # Errors
/// Its own words, without the value.
pub(super) fn option(name: &str, value: &str) -> Result<(), String> {
    let mut alone = ClientConfig::new();
    alone.set(name, value);
    alone.create_native_config().map(drop).map_err(|fault| client::refusal(&fault))
}

/// Asks librdkafka whether it takes the options together; of the login and TLS nothing is read, which may be elsewhere.
///
/// # Errors
/// It refuses one, or two together.
pub(super) fn check(config: &SinkConfig, own: &KafkaConfig) -> Result<(), Error> {
    let bare = KafkaConfig { auth: KafkaAuth::None, tls: None, ..own.clone() };
    client::try_settings(&config.name, &bare)
}

/// Tries the topics, and the registry, without writing anything.
///
/// # Errors
/// Why events would not be accepted.
pub(super) async fn probe(
    config: &SinkConfig,
    own: &KafkaConfig,
    aws: Option<SharedCredentialsProvider>,
) -> Result<(), Error> {
    probe::topics(&config.name, own, client::iam(&config.name, own, aws)?).await?;
    if let Some(registry) = &own.registry {
        let registry = Registry::new(&config.name, registry, config.format);
        for topic in own.topic.texts() {
            registry.probe(topic).await?;
        }
    }
    Ok(())
}

/// Everything that one try needs.
struct Kafka {
    name: String,
    topic: Mapping,
    key: KafkaKey,
    format: OutputFormat,
    render: Render,
    client: Client,
    registry: Option<Registry>,
    sent_bytes: Counter,
}

/// An event, where it goes, and what is written before it.
#[derive(Clone, Copy)]
struct Addressed<'e> {
    event: &'e Event,
    topic: &'e str,
    schema: Option<u32>,
}

impl Kafka {
    fn new(
        config: &SinkConfig,
        own: &KafkaConfig,
        aws: Option<SharedCredentialsProvider>,
        metrics: &Arc<Metrics>,
        render: Render,
    ) -> Result<Self, Error> {
        Ok(Self {
            name: config.name.clone(),
            topic: own.topic.clone(),
            key: own.key,
            format: config.format,
            render,
            client: Client::new(&config.name, own, aws, metrics)?,
            registry: own
                .registry
                .as_ref()
                .map(|registry| Registry::new(&config.name, registry, config.format)),
            sent_bytes: metrics.sink_bytes.get_or_create(&BySink::new(&config.name)).clone(),
        })
    }

    /// Queues every record, then awaits every report: never one after the other.
    async fn produce(&self, live: &Live, events: &[Addressed<'_>]) -> Vec<Report> {
        let batch = live.open(events.len());
        let mut payload = Vec::new();
        for (at, event) in events.iter().enumerate() {
            self.write(*event, &mut payload);
            if let Err(code) = self.queue(live, *event, &payload, &batch, at).await {
                batch.report(at, Err(code));
            }
        }
        batch.all().await
    }

    /// A record's value.
    fn write(&self, Addressed { event, schema, .. }: Addressed<'_>, payload: &mut Vec<u8>) {
        payload.clear();
        payload.extend(schema.map(registry::prefix).into_iter().flatten());
        (self.render)(event, self.format, payload);
        self.sent_bytes.inc_by(payload.len() as u64);
    }

    /// Gives a record to librdkafka, which copies it. A full queue is no failure: it has room again when a report comes in.
    async fn queue(
        &self,
        live: &Live,
        Addressed { event, topic, .. }: Addressed<'_>,
        payload: &[u8],
        batch: &Batch,
        at: usize,
    ) -> Report {
        let mut record = BaseRecord::with_opaque_to(topic, batch.record(at))
            .key(record::key(event, self.key))
            .payload(payload)
            .headers(record::headers(event, self.format));
        loop {
            match live.producer().send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    if !batch.another(at).await {
                        tokio::time::sleep(QUEUE_FULL).await;
                    }
                }
                Err((fault, _)) => return Err(errors::code_of(&fault)),
            }
        }
    }

    /// Sends each record that a broker blamed once more, alone: brokers judge batches, and a batch that is too
    /// large, or has one invalid record, takes innocent neighbours down with it.
    async fn isolate(&self, live: &Live, events: &[Addressed<'_>], reports: &mut [Report]) {
        for (at, report) in reports.iter_mut().enumerate() {
            if matches!(report, Err(code) if errors::blame(*code).0 == Blame::Record) {
                let alone = self.produce(live, &events[at..=at]).await;
                *report = alone.into_iter().next().unwrap_or(Err(RDKafkaErrorCode::Unknown));
            }
        }
    }

    /// Where each event goes; or why it cannot be written now.
    async fn address<'e>(&'e self, events: &'e [Arc<Event>]) -> Vec<Result<Addressed<'e>, Error>> {
        let mut schemas: BTreeMap<&str, Result<Option<u32>, Error>> = BTreeMap::new();
        let mut addressed = Vec::with_capacity(events.len());
        for event in events {
            let topic = event.choose(&self.topic);
            if !schemas.contains_key(topic) {
                let schema = match &self.registry {
                    Some(registry) => registry.id(topic).await.map(Some),
                    None => Ok(None),
                };
                schemas.insert(topic, schema);
            }
            let schema = schemas.get(topic).cloned().unwrap_or(Ok(None));
            addressed.push(schema.map(|schema| Addressed { event, topic, schema }));
        }
        addressed
    }

    /// Produces the first record, and the others only if no operator has to act on its topic before.
    async fn produce_behind_the_first(&self, live: &Live, events: &[Addressed<'_>]) -> Vec<Report> {
        let (first, others) = events.split_at(events.len().min(1));
        let mut reports = self.produce(live, first).await;
        match reports.first().copied() {
            Some(Err(code)) if errors::blame(live.cause_of(code).code).0 == Blame::Operator => {
                reports.resize(events.len(), Err(code));
            }
            _ => reports.extend(self.produce(live, others).await),
        }
        reports
    }

    async fn deliver(&self, events: &[Arc<Event>], held: bool) -> Result<Sent, Error> {
        let live = self.client.live().await?;
        let addressed = self.address(events).await;
        let ready: Vec<Addressed<'_>> = addressed.iter().flatten().copied().collect();
        let mut reports = match held {
            true => self.produce_behind_the_first(&live, &ready).await,
            false => self.produce(&live, &ready).await,
        };
        self.isolate(&live, &ready, &mut reports).await;
        let (mut failed, mut of_operator, mut of_client) = (false, false, None);
        let mut judged = ready.iter().zip(reports).map(|(at, report)| {
            let Err(code) = report else { return Outcome::Delivered };
            let cause = live.cause_of(code);
            if errors::is_of_the_client(cause.code) {
                of_client = Some(cause.code);
            }
            let (outcome, operator) = self.judge(at.topic, &cause);
            failed |= matches!(outcome, Outcome::Retry(_));
            of_operator |= operator;
            outcome
        });
        let mut paused = false;
        let unanswered =
            || Outcome::Retry(Error::new(Code::SinkInternal, "a record was not answered"));
        let outcomes = addressed.iter().map(|addressed| match addressed {
            Ok(_) => judged.next().unwrap_or_else(unanswered),
            Err(error) => {
                paused |= registry::needs_operator(error);
                Outcome::Retry(error.clone())
            }
        });
        let outcomes = outcomes.collect();
        drop(judged);
        if let Some(code) = of_client {
            self.client.refuse_secrets(code);
        }
        if failed && (of_client.is_some() || live.fatal().is_some()) {
            // A fatal error never heals; a login is made anew with the secrets as they are then.
            self.client.discard(&live);
        } else if !failed {
            live.forget_trouble();
        }
        self.client.release(live);
        Ok(Sent { outcomes, late: Vec::new(), wait: None, paused: paused || of_operator })
    }

    /// The outcome of a failure, and whether an operator has to act.
    fn judge(&self, topic: &str, cause: &Cause) -> (Outcome, bool) {
        let (blame, reason) = errors::blame(cause.code);
        let text = format!("sink.{}: Kafka topic {topic}: {}", self.name, cause.text);
        let error = Error::new(reason, text);
        match blame {
            Blame::Record => (Outcome::Rejected(error), false),
            Blame::Operator => (Outcome::Retry(error), true),
            Blame::Time => (Outcome::Retry(error), false),
        }
    }
}
