//! One attempt at producing a batch: records are queued, their delivery reports awaited, and judged
//! one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::client::{self, ActiveProducer, Client};
use super::client_context::Cause;
use super::errors::{self, code_of, is_of_record};
use super::registry::{self, Registry};
use super::reports::{Batch, Report};
use crate::config::{KafkaConfig, KafkaKey, Mapping, OutputFormat};
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::sink::types::{BuildContext, Render};
use crate::telemetry::BySink;

/// The delay before a retry on a full queue that contains no record of ours.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// Everything that an attempt needs.
pub(super) struct KafkaSink {
    pub(super) topic: Mapping,
    pub(super) client: Client,
    name: String,
    key: KafkaKey,
    format: OutputFormat,
    render: Render,
    registry: Option<Registry>,
    bytes: Counter,
}

/// An event with its topic, and its schema's id if a registry is used.
#[derive(Clone, Copy)]
struct Record<'e> {
    event: &'e Event,
    topic: &'e str,
    schema: Option<u32>,
}

impl KafkaSink {
    /// # Errors
    /// As [`Client::new`].
    pub(super) fn new(
        context: &BuildContext<'_>,
        settings: &KafkaConfig,
        render: Render,
    ) -> Result<Self, Error> {
        let BuildContext { config, aws, metrics, .. } = context;
        let registry = settings.registry.as_ref();
        Ok(Self {
            topic: settings.topic.clone(),
            client: Client::new(&config.name, settings, aws.clone(), metrics)?,
            name: config.name.clone(),
            key: settings.key,
            format: config.format,
            render,
            registry: registry.map(|own| Registry::new(&config.name, own, config.format)),
            bytes: metrics.sink_bytes.get_or_create(&BySink::new(&config.name)).clone(),
        })
    }

    /// Produces events and returns one outcome for each. `first_alone`: the others follow only if
    /// the first one does not fail with an error that needs an operator.
    ///
    /// # Errors
    /// No producer can be created: no record was sent.
    pub(super) async fn deliver(
        &self,
        events: &[Arc<Event>],
        first_alone: bool,
    ) -> Result<Vec<Outcome>, Error> {
        let producer = self.client.active().await?;
        let records = self.records(events).await;
        let ready: Vec<Record<'_>> = records.iter().flatten().copied().collect();
        let mut reports = match first_alone {
            true => self.produce_first_alone(&producer, &ready).await,
            false => self.produce(&producer, &ready).await,
        };
        self.isolate(&producer, &ready, &mut reports).await;
        let mut rejected_client = None;
        let produced = ready.iter().zip(reports).map(|(record, report)| {
            let Err(code) = report else { return Outcome::Delivered };
            let cause = producer.cause_of(code);
            if errors::needs_new_producer(cause.code) {
                rejected_client = Some(cause.code);
            }
            self.outcome_of(record.topic, &cause)
        });
        let produced: Vec<Outcome> = produced.collect();
        if let Some(code) = rejected_client {
            client::secrets_rejected(&self.client.settings, errors::is_authentication(code));
        }
        let failed = produced.iter().any(|outcome| matches!(outcome, Outcome::Retry(_)));
        if failed && (rejected_client.is_some() || producer.fatal().is_some()) {
            // A fatal error is final; a new producer authenticates with the secrets as they are
            // then.
            self.client.discard(&producer);
        } else if !failed {
            producer.callbacks.clear_last_error();
        }
        self.client.release(producer);
        let mut produced = produced.into_iter();
        let outcomes = records.into_iter().map(|record| match record {
            Ok(_) => produced.next().unwrap_or_else(no_report),
            Err(error) => Outcome::Retry(error),
        });
        Ok(outcomes.collect())
    }

    /// Returns each event's record, or why it cannot be produced now.
    async fn records<'e>(&'e self, events: &'e [Arc<Event>]) -> Vec<Result<Record<'e>, Error>> {
        let mut schemas: BTreeMap<&str, Result<Option<u32>, Error>> = BTreeMap::new();
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let topic = event.choose(&self.topic);
            let schema = match (schemas.get(topic), &self.registry) {
                (Some(known), _) => known.clone(),
                (None, None) => Ok(None),
                (None, Some(registry)) => {
                    let id = registry.id(topic).await.map(Some);
                    schemas.insert(topic, id.clone());
                    id
                }
            };
            records.push(schema.map(|schema| Record { event, topic, schema }));
        }
        records
    }

    /// Queues every record, then awaits every report.
    async fn produce(&self, producer: &ActiveProducer, records: &[Record<'_>]) -> Vec<Report> {
        let batch = producer.callbacks.reports.open(records.len());
        let mut payload = Vec::new();
        for (at, record) in records.iter().enumerate() {
            self.write(*record, &mut payload);
            if let Err(code) = self.enqueue(producer, *record, &payload, &batch, at).await {
                batch.report(at, Err(code));
            }
        }
        batch.all().await
    }

    /// Produces the first record, and the others only if its topic does not need an operator.
    async fn produce_first_alone(
        &self,
        producer: &ActiveProducer,
        records: &[Record<'_>],
    ) -> Vec<Report> {
        let (first, others) = records.split_at(records.len().min(1));
        let mut reports = self.produce(producer, first).await;
        match reports.first().copied() {
            Some(Err(code)) if code_of(producer.cause_of(code).code).needs_operator() => {
                reports.resize(records.len(), Err(code));
            }
            _ => reports.extend(self.produce(producer, others).await),
        }
        reports
    }

    /// Writes a record's value.
    fn write(&self, Record { event, schema, .. }: Record<'_>, payload: &mut Vec<u8>) {
        payload.clear();
        payload.extend(schema.map(registry::prefix).into_iter().flatten());
        (self.render)(event, self.format, payload);
        self.bytes.inc_by(payload.len() as u64);
    }

    /// Queues a record in librdkafka, which copies it. A full queue is no failure: a report frees
    /// space.
    async fn enqueue(
        &self,
        producer: &ActiveProducer,
        Record { event, topic, .. }: Record<'_>,
        payload: &[u8],
        batch: &Batch,
        at: usize,
    ) -> Report {
        let mut record = BaseRecord::with_opaque_to(topic, batch.opaque(at))
            .key(key_of(event, self.key))
            .payload(payload)
            .headers(headers_of(event, self.format));
        loop {
            match producer.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    if !batch.another(at).await {
                        tokio::time::sleep(QUEUE_FULL).await;
                    }
                }
                Err((error, _)) => return Err(errors::kafka_code(&error)),
            }
        }
    }

    /// Sends each record that a broker rejected once more, alone: brokers judge batches, so that
    /// one record that is too large or invalid fails its neighbours too.
    async fn isolate(
        &self,
        producer: &ActiveProducer,
        records: &[Record<'_>],
        reports: &mut [Report],
    ) {
        for (at, report) in reports.iter_mut().enumerate() {
            if matches!(report, Err(code) if is_of_record(code_of(*code))) {
                let alone = self.produce(producer, &records[at..=at]).await;
                *report = alone.into_iter().next().unwrap_or(Err(RDKafkaErrorCode::Unknown));
            }
        }
    }

    /// Returns the outcome of a failure.
    fn outcome_of(&self, topic: &str, cause: &Cause) -> Outcome {
        let code = code_of(cause.code);
        let text = format!("sink.{}: Kafka topic {topic}: {}", self.name, cause.text);
        let error = Error::new(code, text);
        if is_of_record(code) { Outcome::Rejected(error) } else { Outcome::Retry(error) }
    }
}

fn no_report() -> Outcome {
    Outcome::Retry(Error::new(Code::SinkInternal, "a record got no delivery report"))
}

/// Returns the key. An event without a target has its account as key, one without an account its
/// id.
fn key_of(event: &Event, key: KafkaKey) -> &str {
    let account = || event.fields.account.as_deref().unwrap_or(&event.id);
    match key {
        KafkaKey::Account => account(),
        KafkaKey::EventId => &event.id,
        KafkaKey::TargetArn => event.fields.target.as_deref().unwrap_or_else(account),
    }
}

/// Returns the headers, so that a consumer can deduplicate and filter without parsing the payload.
fn headers_of(event: &Event, format: OutputFormat) -> OwnedHeaders {
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
    let present = pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
    present.fold(OwnedHeaders::new_with_capacity(pairs.len()), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    })
}
