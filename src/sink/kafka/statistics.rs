//! librdkafka's statistics as metrics: how full its queue is, and how each broker is doing.
//!
//! Of the several hundred numbers of a report these tell an operator what the sink's own metrics do not. A broker is
//! named by its id in the cluster, and no more than a bounded number of brokers have a name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::telemetry::{BySink, BySinkAndBroker, Metrics};

/// Most brokers with a label of their own; those beyond are `other`.
const MOST_BROKERS: usize = 64;

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

/// What one producer has reported so far: its counts start at zero with each producer, ours do not.
pub(super) struct Statistics {
    sink: String,
    metrics: Arc<Metrics>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    counts: BTreeMap<String, Counts>,
    labels: BTreeSet<String>,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    connects: u64,
    errors: u64,
    timeouts: u64,
}

impl Statistics {
    /// For one producer.
    pub(super) fn new(sink: &str, metrics: &Arc<Metrics>) -> Self {
        Self { sink: sink.to_owned(), metrics: metrics.clone(), seen: Mutex::default() }
    }

    /// Takes a report in. One that cannot be read changes nothing: it is of no use to events.
    pub(super) fn take(&self, json: &[u8]) {
        match serde_json::from_slice::<Report>(json) {
            Ok(report) => self.apply(&report),
            Err(fault) => {
                tracing::debug!(
                    sink = self.sink,
                    "librdkafka's statistics cannot be read: {fault}"
                );
            }
        }
    }

    fn apply(&self, report: &Report) {
        let sink = BySink::new(&self.sink);
        self.metrics.kafka_queue_records.get_or_create(&sink).set(report.msg_cnt);
        self.metrics.kafka_queue_bytes.get_or_create(&sink).set(report.msg_size);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answering = BTreeSet::new();
        // A broker that was never connected to is only known by name.
        for broker in report.brokers.values().filter(|broker| broker.connects > 0) {
            let label = seen.label_of(broker);
            let by = BySinkAndBroker { sink: self.sink.clone(), broker: label.clone() };
            let last = seen.counts.entry(broker.nodename.clone()).or_default();
            let grown = |now: u64, last: u64| now.saturating_sub(last);
            let metrics = &self.metrics;
            let connects = metrics.kafka_broker_connects.get_or_create(&by);
            connects.inc_by(grown(broker.connects, last.connects));
            let errors = metrics.kafka_broker_send_errors.get_or_create(&by);
            errors.inc_by(grown(broker.txerrs, last.errors));
            let timeouts = metrics.kafka_broker_timeouts.get_or_create(&by);
            timeouts.inc_by(grown(broker.req_timeouts, last.timeouts));
            *last = Counts {
                connects: broker.connects,
                errors: broker.txerrs,
                timeouts: broker.req_timeouts,
            };
            if let Some(rtt) = broker.rtt.as_ref().filter(|rtt| rtt.cnt > 0) {
                let seconds = rtt.avg as f64 / 1e6;
                self.metrics.kafka_broker_rtt.get_or_create(&by).set(seconds);
                answering.insert(label);
            }
        }
        // A round trip of ten minutes ago says nothing about now.
        for silent in seen.labels.difference(&answering) {
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
        if self.labels.len() >= MOST_BROKERS && !self.labels.contains(&label) {
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
    fn counts_grow_by_what_is_new_and_start_again_with_a_new_producer() {
        let (first, metrics) = statistics();
        for connects in [3, 5] {
            first.take(report(&[broker(1, connects, 1500)]).as_bytes());
        }
        Statistics::new("lake", &metrics).take(report(&[broker(1, 1, 2500)]).as_bytes());
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
    fn a_broker_that_is_silent_or_was_never_asked_has_no_round_trip() {
        let (statistics, metrics) = statistics();
        statistics.take(report(&[broker(1, 1, 1500), broker(2, 0, 0)]).as_bytes());
        assert!(!metrics.encode().contains(r#"broker="2""#));
        statistics.take(report(&[broker(1, 1, 0)]).as_bytes());
        assert!(!metrics.encode().contains("kafka_broker_rtt_seconds{"), "{}", metrics.encode());
    }

    #[test]
    fn labels_are_bounded() {
        let (statistics, metrics) = statistics();
        let brokers: Vec<String> = (-1..200).map(|id| broker(id, 1, 10)).collect();
        statistics.take(report(&brokers).as_bytes());
        let text = metrics.encode();
        let labels = text.lines().filter(|line| line.contains("kafka_broker_connects_total{"));
        assert_eq!(labels.count(), MOST_BROKERS + 1);
        assert!(text.contains(r#"broker="bootstrap""#) && text.contains(r#"broker="other""#));
    }

    #[test]
    fn what_is_no_report_changes_nothing() {
        let (statistics, metrics) = statistics();
        statistics.take(b"{");
        assert!(!metrics.encode().contains(r#"sink="lake""#));
    }
}
