//! Logs, metrics and health endpoints.

mod health;
mod log;
mod log_throttle;
mod metrics;

pub use health::Health;
pub(crate) use health::{SourceHealth, serve};
pub use log::init;
pub(crate) use log_throttle::LogThrottle;
pub use metrics::{
    ByAccount, ByReason, ByResult, ByRoute, BySink, BySinkAndBroker, BySinkAndReason, Metrics,
};
