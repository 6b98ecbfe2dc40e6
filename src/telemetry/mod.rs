//! Logs, metrics, health: what the operator sees.

mod metrics;

pub use metrics::{BySink, BySinkAndReason, Metrics};
