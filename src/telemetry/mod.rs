//! Logs, metrics and health: what the operator sees.

mod health;
mod log;
mod metrics;

pub use health::{Health, SourceHealth, serve};
pub use log::{escape, init};
pub use metrics::{
    ByAccount, ByReason, ByResult, ByRoute, BySink, BySinkAndBroker, BySinkAndReason, Metrics,
};
