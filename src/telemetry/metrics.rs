//! What is counted. Names are documented in `docs/operations.md`; a tidy test compares.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Label set of counters by sink.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySink {
    /// Name under `[sink.*]`.
    pub sink: String,
}

/// Label set of counters by sink and reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySinkAndReason {
    /// Name under `[sink.*]`.
    pub sink: String,
    /// A [`Why`](crate::outcome::Why)'s code.
    pub reason: String,
}

/// Label set of counters by reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    /// A [`Why`](crate::outcome::Why)'s code.
    pub reason: String,
}

/// All metrics of a process. Cheap to share; a fresh one per test.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests or batches a sink made that failed, by reason.
    pub sink_errors: Family<BySinkAndReason, Counter>,
    /// Bytes sent to a sink, as serialised.
    pub sink_bytes: Family<BySink, Counter>,
    /// Events handed over to a sink and not answered yet.
    pub sink_pending: Family<BySink, Gauge>,
}

impl Metrics {
    /// Fresh counters.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("certrelay");
        let sink_errors = Family::default();
        let sink_bytes = Family::default();
        let sink_pending = Family::default();
        registry.register(
            "sink_errors",
            "Failed requests of a sink, by reason",
            sink_errors.clone(),
        );
        registry.register("sink_bytes", "Bytes sent to a sink", sink_bytes.clone());
        registry.register(
            "sink_pending_events",
            "Events handed over and not answered",
            sink_pending.clone(),
        );
        Self { registry, sink_errors, sink_bytes, sink_pending }
    }

    /// The Prometheus text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .unwrap_or_else(|_| text.clear());
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
