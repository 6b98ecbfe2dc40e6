//! The file sink.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Built;
use crate::config::{FileConfig, SinkConfig};
use crate::outcome::Why;
use crate::telemetry::Metrics;

/// Makes the sink.
pub(super) fn build(
    _config: &SinkConfig,
    _own: &FileConfig,
    _metrics: &Arc<Metrics>,
    _stop: CancellationToken,
) -> Result<Built, Why> {
    todo!("sink helper")
}
