//! A running sink from a configuration as an operator writes it, and events for it.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::config::{self, Config};
use certrelay::error::{Error, Outcome};
use certrelay::event::{Arrival, Channel, Event};
use certrelay::sink::{self, ProbeScope, Sink, SinkState, Stop};
use certrelay::telemetry::Metrics;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::tier;

/// A sink whose driver runs.
pub(crate) struct Running {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) metrics: Arc<Metrics>,
    stop: Stop,
    tasks: JoinSet<()>,
}

/// Starts a sink of type `kafka` with these lines; paths are relative to the project's folder.
pub(crate) fn run(lines: &str) -> Running {
    run_with(lines, None)
}

/// As [`run`], with AWS credentials.
pub(crate) fn run_with(lines: &str, aws: Option<SharedCredentialsProvider>) -> Running {
    start(&parsed(&whole(lines)), aws)
}

/// Probes such a sink as `check --connect` does.
pub(crate) async fn probe(
    lines: &str,
    aws: Option<SharedCredentialsProvider>,
) -> Result<(), Error> {
    sink::probe(&parsed(&whole(lines)).sinks[0], aws, ProbeScope::AllEndpoints).await
}

/// Parses a whole configuration; paths are relative to the project's folder.
pub(crate) fn parsed(text: &str) -> Config {
    config::parse("test", text, tier::project()).unwrap_or_else(|e| panic!("{e:#?}"))
}

fn whole(lines: &str) -> String {
    format!(
        r#"
        [[source]]
        directory = "examples"

        [[route]]
        name = "all"
        sinks = ["lake"]

        [sink.lake]
        type = "kafka"
        timeout = "3 s"
        options."topic.metadata.propagation.max.ms" = 1000
        options."reconnect.backoff.max.ms" = 500
        options."socket.timeout.ms" = 2500
        options."socket.connection.setup.timeout.ms" = 2500
        {lines}
        "#
    )
}

/// Starts the first sink of a configuration.
pub(crate) fn start(config: &Config, aws: Option<SharedCredentialsProvider>) -> Running {
    let stop = Stop::default();
    let metrics = Arc::new(Metrics::new());
    let built = sink::build(&config.sinks[0], aws, &metrics, stop.clone()).expect("a sink");
    let mut tasks = JoinSet::new();
    tasks.spawn(built.driver);
    Running { sink: built.sink, metrics, stop, tasks }
}

impl Running {
    pub(crate) async fn finish(mut self) {
        self.stop.by(Instant::now() + Duration::from_secs(3600));
        while self.tasks.join_next().await.is_some() {}
    }

    /// Delivers events while `meanwhile` runs; returns the outcomes and its result.
    pub(crate) async fn deliver_while<T>(
        &self,
        events: Vec<Arc<Event>>,
        meanwhile: impl Future<Output = T>,
    ) -> (Vec<Outcome>, T) {
        futures_util::future::join(self.sink.deliver(events), meanwhile).await
    }

    /// Polls until the sink fails.
    pub(crate) async fn failure(&self) -> Error {
        loop {
            match self.sink.state() {
                SinkState::Unverified | SinkState::Up => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                SinkState::Degraded(error) | SinkState::Paused(error) => return error,
            }
        }
    }

    /// Polls until so many more requests have failed.
    pub(crate) async fn failures(&self, more: u64) {
        let before = self.failed();
        while self.failed() < before + more {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the number of producers created so far.
    pub(crate) fn producers(&self) -> u64 {
        let text = self.metrics.encode();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("certrelay_kafka_producers_total{sink=\"lake\"} "));
        line.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    fn failed(&self) -> u64 {
        let text = self.metrics.encode();
        let lines = text.lines().filter(|line| line.starts_with("certrelay_sink_errors_total{"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

/// Returns an event with this id and so many incompressible bytes: brokers measure compressed
/// batches.
pub(crate) fn event(id: &str, padding: usize) -> Arc<Event> {
    let noise: String = (0..padding).map(|_| fastrand::alphanumeric()).collect();
    let text = format!(
        r#"{{"eventID":"{id}","eventName":"UploadServerCertificate","eventSource":"iam.amazonaws.com","eventTime":"2026-09-21T14:13:20Z","recipientAccountId":"111122223333","awsRegion":"us-east-1","note":"{noise}"}}"#
    );
    let origin = Origin::Message { message_id: "m".to_owned() };
    let seen = OffsetDateTime::UNIX_EPOCH;
    let arrival = Arrival { origin, channel: Channel::EventBridge, seen, delivered: None };
    let record = Record { bytes: Bytes::from(text), index: 0, offset: 0 };
    Arc::new(Event::read(record, arrival).expect("a record"))
}

/// `event-000` and so on.
pub(crate) fn events(count: usize) -> Vec<Arc<Event>> {
    (0..count).map(|n| event(&format!("event-{n:03}"), 200)).collect()
}

/// Their ids.
pub(crate) fn all_ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("event-{n:03}")).collect()
}
