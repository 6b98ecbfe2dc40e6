//! What the log tells of work: one line at the start, and one every five minutes, so that "is it
//! working" and "since when not" are answered by the log alone.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::pipeline::message::MessageHandler;
use crate::telemetry::{BySink, Metrics};

/// How often activity is logged.
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Totals since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Totals {
    messages: u64,
    objects: u64,
    records: u64,
    events: u64,
    /// In the order of the configuration.
    delivered: Vec<u64>,
    dead_lettered: u64,
}

impl Totals {
    fn of(metrics: &Metrics, sinks: &[&str]) -> Self {
        let of_sinks = |counters: &Family<BySink, Counter>| -> Vec<u64> {
            sinks.iter().map(|sink| counters.get_or_create(&BySink::new(sink)).get()).collect()
        };
        Self {
            messages: metrics.messages_received.get(),
            objects: metrics.objects_read.get(),
            records: metrics.records_read.get(),
            events: metrics.events_routed.get(),
            delivered: of_sinks(&metrics.sink_delivered),
            dead_lettered: of_sinks(&metrics.sink_dead_lettered).iter().sum(),
        }
    }
}

/// Returns `soc=12 lake=12`: what each sink was delivered between two totals.
fn delivered(sinks: &[&str], before: &Totals, now: &Totals) -> String {
    let mut text = String::new();
    for (index, sink) in sinks.iter().enumerate() {
        let count = |totals: &Totals| totals.delivered.get(index).copied().unwrap_or_default();
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{sink}={}", count(now) - count(before));
    }
    text
}

/// Logs activity until it is dropped.
pub(super) async fn log(handler: Arc<MessageHandler>) {
    let observers = &handler.objects.observers;
    let entries = &handler.objects.dispatcher.sinks.entries;
    let sinks: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let mut before = Totals::of(&observers.metrics, &sinks);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = Totals::of(&observers.metrics, &sinks);
        let in_use = handler.limits.in_use();
        tracing::info!(
            interval_seconds = INTERVAL.as_secs(),
            messages = now.messages - before.messages,
            objects = now.objects - before.objects,
            records = now.records - before.records,
            events = now.events - before.events,
            delivered = delivered(&sinks, &before, &now),
            dead_lettered = now.dead_lettered - before.dead_lettered,
            in_flight = in_use.in_flight,
            oldest_message_age_seconds =
                observers.in_flight.oldest(SystemTime::from((observers.now)())),
            "activity"
        );
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_what_was_done_since_the_line_before() {
        let metrics = Metrics::new();
        let sinks = ["soc", "lake"];
        metrics.sink_delivered.get_or_create(&BySink::new("soc")).inc_by(5);
        let before = Totals::of(&metrics, &sinks);
        metrics.sink_delivered.get_or_create(&BySink::new("soc")).inc_by(2);
        metrics.sink_delivered.get_or_create(&BySink::new("lake")).inc();
        metrics.sink_dead_lettered.get_or_create(&BySink::new("lake")).inc();
        metrics.objects_read.inc_by(3);
        let now = Totals::of(&metrics, &sinks);
        assert_eq!(delivered(&sinks, &before, &now), "soc=2 lake=1");
        assert_eq!((now.objects, now.dead_lettered), (3, 1));
    }
}
