//! Logs a queue's own attributes once at start-up: a redrive policy that one outage exhausts is
//! better known on the first day than after the first outage.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Code;
use crate::queue::Queue;

/// Nothing waits for the check; it only must not last for ever.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Logs the queue's attributes and what is wrong with them. A missing permission to read them is a
/// warning.
pub(crate) async fn log_attributes(queue: Arc<dyn Queue>) {
    let attributes = tokio::time::timeout(TIMEOUT, queue.attributes());
    let Ok(result) = attributes.await else { return };
    let name = queue.name();
    match result {
        Ok(None) => {}
        Ok(Some(attributes)) => {
            let redrive = attributes.redrive.as_ref();
            tracing::info!(
                queue = name,
                visibility_timeout_seconds =
                    attributes.visibility_timeout.map(|time| time.as_secs()),
                retention_seconds = attributes.retention.map(|time| time.as_secs()),
                max_receive_count = redrive.map(|redrive| redrive.max_receive_count),
                dead_letter_queue = redrive.map(|redrive| redrive.dead_letter_arn.as_str()),
                "queue attributes"
            );
            for warning in attributes.warnings() {
                let code = Code::QueueSettings.as_str();
                tracing::warn!(
                    queue = name,
                    code,
                    warning,
                    "queue attributes put messages at risk"
                );
            }
        }
        Err(error) => {
            let denied = error.code == Code::SqsAccessDenied;
            tracing::warn!(
                queue = name,
                code = error.code.as_str(),
                error = error.text,
                help = denied.then_some("allow sqs:GetQueueAttributes"),
                "queue attributes unavailable, redrive policy not checked"
            );
        }
    }
}
