//! Logs, metrics and health endpoints.

mod health;
mod log;
mod metrics;

pub use health::Health;
pub(crate) use health::{SourceHealth, serve};
pub use log::{escape, init};
pub use metrics::{
    ByAccount, ByReason, ByRoute, BySink, BySinkAndBroker, BySinkAndReason, Metrics,
};
