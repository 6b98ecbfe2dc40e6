//! The kafka sink.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Built;
use crate::config::{KafkaConfig, SinkConfig};
use crate::outcome::Why;
use crate::telemetry::Metrics;

/// Makes the sink.
pub(super) fn build(
    _config: &SinkConfig,
    _own: &KafkaConfig,
    _metrics: &Arc<Metrics>,
    _stop: CancellationToken,
) -> Result<Built, Why> {
    todo!("sink helper")
}
