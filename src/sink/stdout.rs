//! The stdout sink.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Built;
use crate::config::{SinkConfig, StdoutConfig};
use crate::telemetry::Metrics;

/// Makes the sink.
pub(super) fn build(
    _config: &SinkConfig,
    _own: &StdoutConfig,
    _metrics: &Arc<Metrics>,
    _stop: CancellationToken,
) -> Built {
    todo!("sink helper")
}
