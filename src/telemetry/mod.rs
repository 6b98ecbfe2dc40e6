//! Logs, metrics, health: what the operator sees.

mod metrics;

pub use metrics::Metrics;
