//! Events and configurations for the sinks' own tests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::types::{BuildContext, Built, Sink, SinkState, Stop};
use crate::cloudtrail::{Origin, Record};
use crate::config::{OutputFormat, SinkConfig, SinkKind, StdoutConfig};
use crate::error::{Error, Outcome};
use crate::event::{Arrival, Channel, Event};
use crate::telemetry::Metrics;

/// Longer than any sink here needs to stop.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// An event with this `eventID`, one second after the other.
pub(super) fn event(n: usize) -> Arc<Event> {
    event_with(&format!("event-{n}"), "")
}

/// An event with this `eventID` and a record that carries `padding`.
pub(super) fn event_with(id: &str, padding: &str) -> Arc<Event> {
    let text = format!(
        r#"{{"eventID":"{id}","eventName":"UploadServerCertificate","eventSource":"iam.amazonaws.com","eventTime":"2026-09-21T14:13:20Z","recipientAccountId":"111122223333","awsRegion":"us-east-1","p":"{padding}"}}"#
    );
    event_of(text)
}

/// An event with this record.
pub(super) fn event_of(record: impl Into<Bytes>) -> Arc<Event> {
    let origin = Origin::Object {
        bucket: "audit-logs".to_owned(),
        key: "AWSLogs/file.json.gz".to_owned(),
        version: None,
        index: 3,
    };
    let seen = OffsetDateTime::UNIX_EPOCH;
    let arrival = Arrival { origin, channel: Channel::S3, seen, delivered: None };
    let record = Record { bytes: record.into(), index: 3, offset: 12 };
    Arc::new(Event::read(record, arrival).expect("a record"))
}

/// Renders the record's own bytes in every format, so that output can be compared with input.
pub(super) fn render_record(event: &Event, _format: OutputFormat, out: &mut Vec<u8>) {
    out.extend_from_slice(&event.record().bytes);
}

/// A sink of this name and kind.
pub(super) fn config(name: &str, kind: SinkKind) -> SinkConfig {
    SinkConfig { name: name.to_owned(), required: true, format: OutputFormat::Raw, kind }
}

/// Any sink.
pub(super) fn any_config() -> SinkConfig {
    config("any", SinkKind::Stdout(StdoutConfig::default()))
}

/// A sink whose driver runs until it is stopped.
pub(super) struct Running {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) stop: Stop,
    pub(super) metrics: Arc<Metrics>,
    tasks: tokio::task::JoinSet<()>,
    driver: tokio::task::AbortHandle,
}

impl Running {
    /// Starts the sink that `build` creates.
    pub(super) fn start(
        config: &SinkConfig,
        build: impl FnOnce(BuildContext<'_>) -> Built,
    ) -> Self {
        let (metrics, stop) = (Arc::new(Metrics::new()), Stop::default());
        let stopped = stop.clone();
        let built = build(BuildContext { config, aws: None, metrics: &metrics, stop: stopped });
        let mut tasks = tokio::task::JoinSet::new();
        let driver = tasks.spawn(built.driver);
        Self { sink: built.sink, stop, metrics, tasks, driver }
    }

    /// Delivers events.
    pub(super) async fn deliver(&self, events: Vec<Arc<Event>>) -> Vec<Outcome> {
        self.sink.deliver(events).await
    }

    /// Delivers events while `meanwhile` runs; returns the outcomes and its result.
    pub(super) async fn deliver_while<T>(
        &self,
        events: Vec<Arc<Event>>,
        meanwhile: impl Future<Output = T>,
    ) -> (Vec<Outcome>, T) {
        futures_util::future::join(self.sink.deliver(events), meanwhile).await
    }

    /// Polls until the sink fails: the causes are on sockets and other threads.
    pub(super) async fn failure(&self) -> Error {
        loop {
            match self.sink.state() {
                SinkState::Unverified | SinkState::Up => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                SinkState::Degraded(error) | SinkState::Paused(error) => return error,
            }
        }
    }

    /// Returns whether the driver has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.driver.is_finished()
    }

    /// Stops the driver and waits at most a minute for its end.
    pub(super) async fn finish(mut self) {
        self.stop.by(Instant::now() + HOUR);
        let ended = tokio::time::timeout(Duration::from_secs(60), self.tasks.join_next()).await;
        ended.expect("the driver ends after stop").expect("one task").expect("no panic");
    }
}
