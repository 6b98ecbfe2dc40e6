//! All metrics. Every name here is explained in `docs/operations.md`; a tidy test compares.
//!
//! When nothing is in flight, record counts reconcile, and a test proves it. Per object:
//! `records_read = filtered + invalid + duplicate + discarded + routed`. Per sink:
//! `sink_routed = delivered + dead_lettered + dropped`; `sink_retried` is not part of it, because
//! those events are delivered later.

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
    /// Returns the label of the sink `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { sink: name.to_owned() }
    }
}

/// Labels: a sink's name, and the code of an [`Error`](crate::error::Error).
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
    /// Its id in the cluster, `bootstrap` before the id is known, or `other` beyond the first 64.
    pub broker: String,
}

/// Label: an AWS account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByAccount {
    /// Its 12 digits, or `other` beyond the first thousand.
    pub account: String,
}

/// Label: the code of an [`Error`](crate::error::Error), or another reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    /// The code.
    pub reason: String,
}

impl ByReason {
    /// Returns the label of `reason`.
    #[must_use]
    pub fn new(reason: &str) -> Self {
        Self { reason: reason.to_owned() }
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

type Counters<L> = Family<L, Counter>;
type FloatGauge = Gauge<f64, AtomicU64>;
type Histograms = Family<BySink, Histogram, fn() -> Histogram>;

/// Buckets in seconds: CloudTrail itself takes minutes.
fn lag_buckets() -> Histogram {
    Histogram::new([1.0, 5.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 86_400.0])
}

/// Declares [`Metrics`]: a field, its type and its name; the doc comment is the help text.
macro_rules! metrics {
    ($(#[doc = $help:literal] $field:ident: $type:ty = register!($name:literal),)*) => {
        /// All metrics of a process.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// Time from the AWS API call to the delivery of its event, by sink.
            pub delivery_lag: Histograms,
            $(#[doc = $help] pub $field: $type,)*
        }

        impl Metrics {
            /// Creates and registers all metrics, at zero.
            #[must_use]
            pub fn new() -> Self {
                let mut registry = Registry::with_prefix("certrelay");
                let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
                registry.register("build", "Version of certrelay", build);
                let delivery_lag: Histograms = Family::new_with_constructor(lag_buckets);
                registry.register_with_unit(
                    "delivery_lag",
                    "Time from the AWS API call to the delivery of its event, by sink",
                    Unit::Seconds,
                    delivery_lag.clone(),
                );
                $(
                    let $field = <$type>::default();
                    registry.register($name, $help.trim_start(), $field.clone());
                )*
                Self { registry, delivery_lag, $($field,)* }
            }
        }
    };
}

metrics! {
    /// Messages received
    messages_received: Counter = register!("messages_received"),
    /// Messages completed, by result: deleted, released, lease_lost, unsettled
    messages_completed: Counters<ByResult> = register!("messages_completed"),
    /// Messages released for another attempt, by reason
    messages_retried: Counters<ByReason> = register!("messages_retried"),
    /// Messages deleted because they announce no object, by reason
    messages_ignored: Counters<ByReason> = register!("messages_ignored"),
    /// Messages whose processing panicked; they are redelivered
    messages_panicked: Counter = register!("messages_panicked"),
    /// Failed ReceiveMessage calls, by reason
    receive_errors: Counters<ByReason> = register!("receive_errors"),
    /// Objects read completely and verified
    objects_read: Counter = register!("objects_read"),
    /// Objects skipped by their key, by reason
    objects_skipped: Counters<ByReason> = register!("objects_skipped"),
    /// Objects that could not be read, by reason
    objects_failed: Counters<ByReason> = register!("objects_failed"),
    /// Stored bytes of the objects read
    object_bytes: Counter = register!("object_bytes"),
    /// CloudTrail digest files announced, by account; they are not downloaded
    digest_files: Counters<ByAccount> = register!("digest_files"),
    /// Records read, from objects and EventBridge events
    records_read: Counter = register!("records_read"),
    /// Records read from EventBridge events
    eventbridge_records: Counter = register!("eventbridge_records"),
    /// Records that no event selection matches
    records_filtered: Counter = register!("records_filtered"),
    /// Records that could not be parsed; each is dead-lettered
    records_invalid: Counter = register!("records_invalid"),
    /// Selected records already delivered to, or in flight to, all their sinks
    events_duplicate: Counter = register!("events_duplicate"),
    /// Events of the EventBridge channel confirmed by their log file
    events_confirmed: Counter = register!("events_confirmed"),
    /// Selected records discarded by their route
    events_discarded: Counter = register!("events_discarded"),
    /// Selected records routed to at least one sink
    events_routed: Counter = register!("events_routed"),
    /// Events matched, by route
    route_matched: Counters<ByRoute> = register!("route_matched"),
    /// Dead letters written, by reason
    dead_letters: Counters<ByReason> = register!("dead_letters"),
    /// Failed writes of dead letters; their messages are released
    dead_letter_errors: Counter = register!("dead_letter_errors"),
    /// Events routed, by sink; each is counted once
    sink_routed: Counters<BySink> = register!("sink_routed"),
    /// Events delivered, by sink
    sink_delivered: Counters<BySink> = register!("sink_delivered"),
    /// Events rejected and dead-lettered, by sink
    sink_dead_lettered: Counters<BySink> = register!("sink_dead_lettered"),
    /// Events dropped, by best-effort sink
    sink_dropped: Counters<BySink> = register!("sink_dropped"),
    /// Deliveries that failed and are retried, by sink; their messages are released
    sink_retried: Counters<BySink> = register!("sink_retried"),
    /// Failed requests, by sink and reason
    sink_errors: Counters<BySinkAndReason> = register!("sink_errors"),
    /// Serialised bytes sent, before compression, by sink
    sink_bytes: Counters<BySink> = register!("sink_bytes"),
    /// Events in flight, by sink
    sink_pending: Family<BySink, Gauge> = register!("sink_pending_events"),
    /// Producers created: the first, and one after each fatal error, failed login or new secret
    kafka_producers: Counters<BySink> = register!("kafka_producers"),
    /// Records in librdkafka's queue or in flight
    kafka_queue_records: Family<BySink, Gauge> = register!("kafka_queue_records"),
    /// Bytes of the records in librdkafka's queue or in flight
    kafka_queue_bytes: Family<BySink, Gauge> = register!("kafka_queue_bytes"),
    /// Average round-trip time of requests in the last 15 s, by broker
    kafka_broker_rtt: Family<BySinkAndBroker, FloatGauge> = register!("kafka_broker_rtt_seconds"),
    /// Connection attempts, by broker
    kafka_broker_connects: Counters<BySinkAndBroker> = register!("kafka_broker_connects"),
    /// Requests that could not be sent, by broker
    kafka_broker_send_errors: Counters<BySinkAndBroker> = register!("kafka_broker_send_errors"),
    /// Requests that timed out, by broker
    kafka_broker_timeouts: Counters<BySinkAndBroker> = register!("kafka_broker_timeouts"),
    /// Age of the oldest message in flight, since it was sent; 0 if none
    oldest_message_age: Gauge = register!("oldest_message_age_seconds"),
    /// Messages being fetched and decoded
    messages_processing: Gauge = register!("messages_processing"),
    /// Messages received and not yet deleted or released
    messages_in_flight: Gauge = register!("messages_in_flight"),
    /// Bytes reserved for objects and events in flight
    memory_reserved: Gauge = register!("memory_reserved_bytes"),
    /// Failed reads of accounts tables and credential reports, by reason
    enrichment_errors: Counters<ByReason> = register!("enrichment_errors"),
    /// Entries of the dedup cache, one per event and sink
    dedup_entries: Gauge = register!("dedup_entries"),
}

impl Metrics {
    /// Returns all metrics in the OpenMetrics text format.
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
    fn the_text_format_has_names_labels_and_values() {
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
