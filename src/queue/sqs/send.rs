//! What certrelay sends: dead letters, and the notifications of a backfill.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::SqsQueue;
use crate::error::Error;
use crate::queue::{Entry, MAX_BATCH};

/// The most bytes of one message, and of one batch together.
/// Source: Amazon SQS Developer Guide, "Amazon SQS message quotas".
pub const MAX_BODY: usize = 1 << 20;

impl SqsQueue {
    /// Sends one message, durable when it answers `Ok`.
    ///
    /// # Errors
    /// SQS did not take it, or did not say so.
    pub async fn send(&self, body: &str) -> Result<(), Error> {
        let request = self.client.send_message().queue_url(&self.url).message_body(writable(body));
        request.send().await.map(drop).map_err(|error| self.failed("SendMessage", &error))
    }

    /// Sends up to ten messages of together at most [`MAX_BODY`] bytes; each has its own answer.
    ///
    /// # Errors
    /// The call as a whole failed; what was sent is not known.
    pub async fn send_batch(&self, bodies: &[String]) -> Result<Vec<Entry>, Error> {
        debug_assert!(bodies.len() <= MAX_BATCH);
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (index, body) in bodies.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(writable(body));
            request = request.entries(entry.build().map_err(|error| self.unbuilt(&error))?);
        }
        let output = request.send().await.map_err(|e| self.failed("SendMessageBatch", &e))?;
        let done = output.successful.iter().map(|entry| entry.id.as_str());
        Ok(self.in_order(bodies.len(), done, &output.failed))
    }
}

/// JSON as SQS takes it: the two characters that it refuses and JSON does not escape by itself.
/// Source: Amazon SQS API Reference, `SendMessage`, "`MessageBody`".
fn writable(body: &str) -> String {
    body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_refuses_is_escaped_and_reads_the_same() {
        let text = serde_json::to_string("a\u{fffe}b\u{ffff}c\u{1}").unwrap();
        let sent = writable(&text);
        assert!(!sent.contains(['\u{fffe}', '\u{ffff}', '\u{1}']));
        assert_eq!(serde_json::from_str::<String>(&sent).unwrap(), "a\u{fffe}b\u{ffff}c\u{1}");
    }
}
