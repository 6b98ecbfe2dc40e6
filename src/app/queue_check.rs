//! What a queue says of itself, told once at start: a redrive policy that one outage exhausts is better
//! heard of on the first day than after the first outage.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Code;
use crate::queue::{Queue, warnings};

/// Nothing waits for this; it only must not go on for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Logs the queue's settings and what is wrong with them. Not being allowed to ask is no fault.
pub(crate) async fn look_at(queue: Arc<dyn Queue>) {
    let asked = tokio::time::timeout(PATIENCE, queue.attributes());
    let Ok(answer) = asked.await else { return };
    let name = queue.name();
    match answer {
        Ok(None) => {}
        Ok(Some(facts)) => {
            let redrive = facts.redrive.as_ref();
            tracing::info!(
                queue = name,
                visibility_seconds = facts.visibility.map(|time| time.as_secs()),
                retention_seconds = facts.retention.map(|time| time.as_secs()),
                max_receive_count = redrive.map(|redrive| redrive.max_receive_count),
                dead_letter_queue = redrive.map(|redrive| redrive.dead_letter_arn.as_str()),
                "the queue's own settings"
            );
            for warning in warnings(&facts) {
                tracing::warn!(queue = name, code = Code::QueueSettings.as_str(), "{warning}");
            }
        }
        Err(error) => {
            let advice = match error.code {
                Code::SqsAccessDenied => "; allow sqs:GetQueueAttributes",
                _ => "",
            };
            tracing::warn!(
                queue = name,
                code = error.code.as_str(),
                "the queue's settings are not known, so nothing can be said about its redrive \
                 policy{advice}: {error}"
            );
        }
    }
}
