//! Exports librdkafka's statistics as metrics: the fill level of its queue, and each broker's
//! connections.
//!
//! A report has several hundred values; these are the ones that the sink's own metrics lack. A
//! broker's label is its id in the cluster; the number of labels is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;

use crate::telemetry::{BySink, BySinkAndBroker, Metrics};

/// Maximum brokers with their own label; further ones are `other`.
const MAX_BROKERS: usize = 64;

/// The part of librdkafka's report that is used. Source: librdkafka, STATISTICS.md.
#[derive(Debug, Deserialize)]
struct Report {
    msg_cnt: i64,
    msg_size: i64,
    #[serde(default)]
    brokers: BTreeMap<String, Broker>,
}

#[derive(Debug, Deserialize)]
struct Broker {
    nodeid: i64,
    nodename: String,
    txerrs: u64,
    req_timeouts: u64,
    #[serde(default)]
    connects: u64,
    rtt: Option<Window>,
}

/// A rolling window.
#[derive(Debug, Deserialize)]
struct Window {
    /// Microseconds.
    avg: u64,
    cnt: u64,
}

/// The last report of one producer: its counters start at zero with each producer, ours do not.
pub(super) struct Statistics {
    sink: String,
    metrics: Arc<Metrics>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By broker: connects, send errors, timeouts.
    counts: BTreeMap<String, [u64; 3]>,
    labels: BTreeSet<String>,
}

impl Statistics {
    /// For one producer.
    pub(super) fn new(sink: &str, metrics: &Arc<Metrics>) -> Self {
        Self { sink: sink.to_owned(), metrics: metrics.clone(), seen: Mutex::default() }
    }

    /// Updates the metrics from a report. One that cannot be parsed is ignored: no event depends on
    /// it.
    pub(super) fn update(&self, json: &[u8]) {
        match serde_json::from_slice::<Report>(json) {
            Ok(report) => self.apply(&report),
            Err(error) => {
                tracing::debug!(sink = self.sink, %error, "librdkafka statistics not parsed");
            }
        }
    }

    fn apply(&self, report: &Report) {
        let sink = BySink::new(&self.sink);
        self.metrics.kafka_queue_records.get_or_create(&sink).set(report.msg_cnt);
        self.metrics.kafka_queue_bytes.get_or_create(&sink).set(report.msg_size);
        let mut seen = self.seen.lock();
        let mut responding = BTreeSet::new();
        // A broker that was never connected to has only a name.
        for broker in report.brokers.values().filter(|broker| broker.connects > 0) {
            let label = seen.label_of(broker);
            let by = BySinkAndBroker { sink: self.sink.clone(), broker: label.clone() };
            let last = seen.counts.entry(broker.nodename.clone()).or_default();
            let counts = [
                (&self.metrics.kafka_broker_connects, broker.connects),
                (&self.metrics.kafka_broker_send_errors, broker.txerrs),
                (&self.metrics.kafka_broker_timeouts, broker.req_timeouts),
            ];
            for ((metric, count), last) in counts.into_iter().zip(last) {
                metric.get_or_create(&by).inc_by(count.saturating_sub(*last));
                *last = count;
            }
            if let Some(rtt) = broker.rtt.as_ref().filter(|rtt| rtt.cnt > 0) {
                let seconds = rtt.avg as f64 / 1e6;
                self.metrics.kafka_broker_rtt.get_or_create(&by).set(seconds);
                responding.insert(label);
            }
        }
        // An old round trip time is not a current one.
        for silent in seen.labels.difference(&responding) {
            let by = BySinkAndBroker { sink: self.sink.clone(), broker: silent.clone() };
            self.metrics.kafka_broker_rtt.remove(&by);
        }
    }
}

impl Seen {
    fn label_of(&mut self, broker: &Broker) -> String {
        let label = match broker.nodeid {
            id @ 0.. => id.to_string(),
            _ => "bootstrap".to_owned(),
        };
        if self.labels.len() >= MAX_BROKERS && !self.labels.contains(&label) {
            return "other".to_owned();
        }
        self.labels.insert(label.clone());
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(id: i64, connects: u64, rtt: u64) -> String {
        format!(
            r#""b{id}:9092/{id}": {{ "name": "x", "nodeid": {id}, "nodename": "b{id}:9092", "txerrs": 2,
            "req_timeouts": 1, "connects": {connects}, "rtt": {{ "avg": {rtt}, "cnt": {rtt} }} }}"#
        )
    }

    fn report(brokers: &[String]) -> String {
        let brokers = brokers.join(", ");
        format!(r#"{{ "msg_cnt": 7, "msg_size": 4096, "other": [], "brokers": {{ {brokers} }} }}"#)
    }

    fn statistics() -> (Statistics, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        (Statistics::new("lake", &metrics), metrics)
    }

    #[test]
    fn counters_continue_across_producers() {
        let (first, metrics) = statistics();
        for connects in [3, 5] {
            first.update(report(&[broker(1, connects, 1500)]).as_bytes());
        }
        Statistics::new("lake", &metrics).update(report(&[broker(1, 1, 2500)]).as_bytes());
        let text = metrics.encode();
        for line in [
            r#"certrelay_kafka_queue_records{sink="lake"} 7"#,
            r#"certrelay_kafka_queue_bytes{sink="lake"} 4096"#,
            r#"certrelay_kafka_broker_connects_total{sink="lake",broker="1"} 6"#,
            r#"certrelay_kafka_broker_send_errors_total{sink="lake",broker="1"} 4"#,
            r#"certrelay_kafka_broker_timeouts_total{sink="lake",broker="1"} 2"#,
            r#"certrelay_kafka_broker_rtt_seconds{sink="lake",broker="1"} 0.0025"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_silent_or_unused_broker_has_no_round_trip_time() {
        let (statistics, metrics) = statistics();
        statistics.update(report(&[broker(1, 1, 1500), broker(2, 0, 0)]).as_bytes());
        assert!(!metrics.encode().contains(r#"broker="2""#));
        statistics.update(report(&[broker(1, 1, 0)]).as_bytes());
        assert!(!metrics.encode().contains("kafka_broker_rtt_seconds{"), "{}", metrics.encode());
    }

    #[test]
    fn labels_are_bounded() {
        let (statistics, metrics) = statistics();
        let brokers: Vec<String> = (-1..200).map(|id| broker(id, 1, 10)).collect();
        statistics.update(report(&brokers).as_bytes());
        let text = metrics.encode();
        let labels = text.lines().filter(|line| line.contains("kafka_broker_connects_total{"));
        assert_eq!(labels.count(), MAX_BROKERS + 1);
        assert!(text.contains(r#"broker="bootstrap""#) && text.contains(r#"broker="other""#));
    }

    #[test]
    fn an_invalid_report_is_ignored() {
        let (statistics, metrics) = statistics();
        statistics.update(b"{");
        assert!(!metrics.encode().contains(r#"sink="lake""#));
    }
}
