//! Logs, metrics and health endpoints.

mod health;
mod http;
mod log;
mod log_throttle;
mod metrics;

pub use health::Health;
pub(crate) use health::{SinkHealth, SourceHealth};
pub(crate) use http::serve;
pub use log::init;
pub(crate) use log_throttle::{LogThrottle, REMINDER_INTERVAL};
pub use metrics::{
    ByAccount, ByReason, ByResult, ByRoute, BySink, BySinkAndBroker, BySinkAndReason, Metrics,
};
