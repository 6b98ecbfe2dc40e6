//! What is counted. Every name here is explained in `docs/operations.md`; a tidy test compares.
//!
//! Two identities hold after quiescence, and a test proves both. Per object: `records_read =
//! filtered + bad + duplicate + discarded + routed`. Per sink: `sink_routed = delivered +
//! dead_lettered + dropped`. `failed` is no part of it: it counts tries, and each such pair comes again.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Label: a sink's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySink {
    /// Name under `[sink.*]`.
    pub sink: String,
}

impl BySink {
    /// The label of the sink `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { sink: name.to_owned() }
    }
}

/// Labels: a sink's name, and the code of a [`Error`](crate::error::Error).
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySinkAndReason {
    /// Name under `[sink.*]`.
    pub sink: String,
    /// The code.
    pub reason: String,
}

/// Labels: a sink's name, and a Kafka broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySinkAndBroker {
    /// Name under `[sink.*]`.
    pub sink: String,
    /// Its id in the cluster, `bootstrap` before that is known, or `other` beyond the first 64.
    pub broker: String,
}

/// Label: an AWS account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByAccount {
    /// Its 12 digits, or `other` beyond the first thousand.
    pub account: String,
}

/// Label: the code of a [`Error`](crate::error::Error).
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    /// The code.
    pub reason: String,
}

impl ByReason {
    /// The label of `code`.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self { reason: code.to_owned() }
    }
}

/// Label: how a message was completed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByResult {
    /// `deleted`, `released`, `lease_lost` or `ack_failed`.
    pub result: String,
}

impl ByResult {
    /// Returns the label of `result`.
    #[must_use]
    pub fn new(result: &str) -> Self {
        Self { result: result.to_owned() }
    }
}

/// Label: a route's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByRoute {
    /// `[[route]] name`.
    pub route: String,
}

type Counted<L> = Family<L, Counter>;
/// A number with a fraction.
type Fraction = Gauge<f64, AtomicU64>;
type Lag = Family<BySink, Histogram, fn() -> Histogram>;

/// Seconds from the call to its delivery: CloudTrail itself takes minutes.
fn lag_buckets() -> Histogram {
    Histogram::new([1.0, 5.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 86_400.0])
}

/// All metrics of a process. Cheap to share; a fresh one per test.
#[derive(Debug)]
#[expect(missing_docs, reason = "the registry's help text below is the documentation")]
pub struct Metrics {
    registry: Registry,
    pub messages_received: Counter,
    pub messages_completed: Counted<ByResult>,
    pub messages_retried: Counted<ByReason>,
    pub messages_ignored: Counted<ByReason>,
    pub messages_panicked: Counter,
    pub receive_errors: Counted<ByReason>,
    pub objects_read: Counter,
    pub objects_skipped: Counted<ByReason>,
    pub objects_failed: Counted<ByReason>,
    pub object_bytes: Counter,
    pub digest_files: Counted<ByAccount>,
    pub records_read: Counter,
    pub eventbridge_records: Counter,
    pub records_filtered: Counter,
    pub records_invalid: Counter,
    pub events_duplicate: Counter,
    /// Of the fast lane: an auditor asks for those that no file ever confirmed.
    pub events_confirmed: Counter,
    pub events_discarded: Counter,
    pub events_routed: Counter,
    pub route_matched: Counted<ByRoute>,
    pub dead_letters: Counted<ByReason>,
    pub dead_letter_errors: Counter,
    pub sink_routed: Counted<BySink>,
    pub sink_delivered: Counted<BySink>,
    pub sink_dead_lettered: Counted<BySink>,
    pub sink_dropped: Counted<BySink>,
    pub sink_retried: Counted<BySink>,
    pub sink_errors: Counted<BySinkAndReason>,
    pub sink_bytes: Counted<BySink>,
    pub sink_pending: Family<BySink, Gauge>,
    pub delivery_lag: Lag,
    pub kafka_producers: Counted<BySink>,
    pub kafka_queue_records: Family<BySink, Gauge>,
    pub kafka_queue_bytes: Family<BySink, Gauge>,
    pub kafka_broker_rtt: Family<BySinkAndBroker, Fraction>,
    pub kafka_broker_connects: Counted<BySinkAndBroker>,
    pub kafka_broker_send_errors: Counted<BySinkAndBroker>,
    pub kafka_broker_timeouts: Counted<BySinkAndBroker>,
    pub oldest_message_age: Gauge,
    pub messages_processing: Gauge,
    pub messages_in_flight: Gauge,
    pub memory_reserved: Gauge,
    pub dedup_entries: Gauge,
    pub enrichment_errors: Counted<ByReason>,
}

/// Registers a metric and hands it back, so that name, help and field stand in one line.
macro_rules! register {
    ($registry:ident, $name:literal, $help:literal) => {{
        let metric = Default::default();
        register!($registry, $name, $help, metric)
    }};
    ($registry:ident, $name:literal, $help:literal, $metric:expr) => {{
        let metric = $metric;
        $registry.register($name, $help, Clone::clone(&metric));
        metric
    }};
}

impl Metrics {
    /// Fresh counters.
    #[must_use]
    #[rustfmt::skip] // a table: one metric a line
    pub fn new() -> Self {
        let mut r = Registry::with_prefix("certrelay");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        r.register("build", "Which certrelay this is", build);
        let delivery_lag: Lag = Family::new_with_constructor(lag_buckets);
        r.register_with_unit(
            "delivery_lag",
            "From the API call to its delivery",
            Unit::Seconds,
            delivery_lag.clone(),
        );
        Self {
            messages_received: register!(r, "messages_received", "Messages received from the queues"),
            messages_completed: register!(r, "messages_completed", "Messages completed, by result: deleted, released, lease_lost, ack_failed"),
            messages_retried: register!(r, "messages_retried", "Messages released for a later attempt, by reason"),
            messages_ignored: register!(r, "messages_ignored", "Messages that announce nothing to fetch, by kind"),
            messages_panicked: register!(r, "messages_panicked", "Messages whose handling panicked; they are redelivered"),
            receive_errors: register!(r, "receive_errors", "Failed ReceiveMessage calls, by reason"),
            objects_read: register!(r, "objects_read", "Objects read to their end, checks passed"),
            objects_skipped: register!(r, "objects_skipped", "Objects not fetched because their key says there is nothing for us, by reason"),
            objects_failed: register!(r, "objects_failed", "Objects that could not be read, by reason"),
            object_bytes: register!(r, "object_bytes", "Stored bytes of the objects read"),
            digest_files: register!(r, "digest_files", "CloudTrail digest files announced, by account: a sign of life without a download"),
            records_read: register!(r, "records_read", "Records in the objects read, and inline records"),
            eventbridge_records: register!(r, "eventbridge_records", "Records received in EventBridge events"),
            records_filtered: register!(r, "records_filtered", "Records that no event selection names"),
            records_invalid: register!(r, "records_invalid", "Records that could not be read; each is dead-lettered"),
            events_duplicate: register!(r, "events_duplicate", "Selected records already at, or on their way to, all their sinks"),
            events_confirmed: register!(r, "events_confirmed", "Events of the fast lane whose log file has arrived since"),
            events_discarded: register!(r, "events_discarded", "Selected records whose route says discard"),
            events_routed: register!(r, "events_routed", "Selected records handed to at least one sink"),
            route_matched: register!(r, "route_matched", "Events by the route that took them"),
            dead_letters: register!(r, "dead_letters", "Dead letters written, by reason"),
            dead_letter_errors: register!(r, "dead_letter_errors", "Dead letters that could not be written; their messages are kept"),
            sink_routed: register!(r, "sink_routed", "Events routed to a sink, each counted once"),
            sink_delivered: register!(r, "sink_delivered", "Events a sink has accepted"),
            sink_dead_lettered: register!(r, "sink_dead_lettered", "Events a sink refused for good and the dead letter has"),
            sink_dropped: register!(r, "sink_dropped", "Events dropped at a best-effort sink"),
            sink_retried: register!(r, "sink_retried", "Deliveries given up for now; their messages are released"),
            sink_errors: register!(r, "sink_errors", "Failed requests of a sink, by reason"),
            sink_bytes: register!(r, "sink_bytes", "Serialised bytes sent to a sink, before compression"),
            sink_pending: register!(r, "sink_pending_events", "Events handed over to a sink and not answered"),
            delivery_lag,
            kafka_producers: register!(r, "kafka_producers", "Producers made: one, and another after a fatal error, a refused login, or a change of secrets"),
            kafka_queue_records: register!(r, "kafka_queue_records", "Records in librdkafka's queue, and on their way"),
            kafka_queue_bytes: register!(r, "kafka_queue_bytes", "Bytes of those records"),
            kafka_broker_rtt: register!(r, "kafka_broker_rtt_seconds", "Round trip of requests to a broker, on average of the last 15 s"),
            kafka_broker_connects: register!(r, "kafka_broker_connects", "Connections tried to a broker"),
            kafka_broker_send_errors: register!(r, "kafka_broker_send_errors", "Requests that could not be sent to a broker"),
            kafka_broker_timeouts: register!(r, "kafka_broker_timeouts", "Requests that a broker did not answer in time"),
            oldest_message_age: register!(r, "oldest_message_age_seconds", "Since the oldest message in hand was sent; 0: none"),
            messages_processing: register!(r, "messages_processing", "Messages being fetched and decoded"),
            messages_in_flight: register!(r, "messages_in_flight", "Messages received and not settled"),
            memory_reserved: register!(r, "memory_reserved_bytes", "Bytes reserved for objects and held events"),
            enrichment_errors: register!(r, "enrichment_errors", "Tables of accounts and credential reports that could not be used, by reason"),
            dedup_entries: register!(r, "dedup_entries", "Pairs of event and sink remembered"),
            registry: r,
        }
    }

    /// The Prometheus text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_names_what_was_counted() {
        let metrics = Metrics::new();
        metrics.sink_delivered.get_or_create(&BySink::new("soc")).inc();
        metrics.delivery_lag.get_or_create(&BySink::new("soc")).observe(42.0);
        let text = metrics.encode();
        assert!(text.contains("certrelay_sink_delivered_total{sink=\"soc\"} 1"), "{text}");
        assert!(
            text.contains("certrelay_delivery_lag_seconds_bucket{le=\"60.0\",sink=\"soc\"} 1"),
            "{text}"
        );
        let build = concat!("certrelay_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1");
        assert!(text.contains(build), "{text}");
    }
}
