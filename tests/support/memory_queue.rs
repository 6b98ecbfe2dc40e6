//! The SQS model as certrelay's own [`Queue`], for the simulation: no HTTP, tokio's (paused) clock.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use certrelay::error::{Code, Error};
use certrelay::queue::{Entry, EntryError, Handle, Message, Queue, Receipt};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::clock::to_millis;
use super::queue_core::{QueueError, Queues, Received};
use super::sqs::{Receive, Sqs};

/// One queue of an [`Sqs`], as the pipeline sees it.
pub struct MemoryQueue {
    sqs: Arc<Sqs>,
    name: String,
    visibility: Duration,
    wait: Duration,
}

impl MemoryQueue {
    /// Creates a client of the queue `name`, whose messages are hidden for `visibility` at each
    /// receive; an empty receive takes twenty seconds, the longest long poll.
    pub fn new(sqs: Arc<Sqs>, name: &str, visibility: Duration) -> Self {
        Self { sqs, name: name.to_owned(), visibility, wait: Duration::from_secs(20) }
    }

    /// Runs a batch call: a result for every entry, in the order asked.
    fn batch<E>(
        &self,
        entries: Vec<E>,
        mut each: impl FnMut(&mut Queues, E, u64) -> Result<(), QueueError>,
    ) -> Result<Vec<Entry>, Error> {
        let named = entries.into_iter().enumerate().map(|(n, entry)| (n.to_string(), entry));
        let results = self
            .sqs
            .with(|core, now| core.batch(named.collect(), |core, entry| each(core, entry, now)))
            .map_err(|error| to_error(&error))?;
        Ok(results.into_iter().map(|(_, result)| result.map_err(entry_error)).collect())
    }
}

impl Queue for MemoryQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(async move {
            let received_at = Instant::now();
            let visibility = Some(to_millis(self.visibility));
            let request = Receive { max, visibility, wait: Some(self.wait) };
            let received =
                self.sqs.receive(&self.name, request).await.map_err(|error| to_error(&error))?;
            crash_point().await;
            Ok(received.into_iter().map(|message| to_message(message, received_at)).collect())
        })
    }

    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            crash_point().await;
            let results = self.batch(batch, |core, (handle, timeout), now| {
                // SQS counts in whole seconds.
                core.change_visibility(&self.name, &handle, timeout.as_secs() * 1000, now)
            });
            crash_point().await;
            results
        })
    }

    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            crash_point().await;
            let delete =
                |core: &mut Queues, handle: Handle, now| core.delete(&self.name, &handle, now);
            let results = self.batch(batch, delete);
            crash_point().await;
            results
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Where a simulated crash can occur: before the call takes effect, and before its response.
async fn crash_point() {
    tokio::task::yield_now().await;
}

fn to_message(message: Received, received_at: Instant) -> Message {
    Message {
        id: message.id,
        body: message.body.to_string(),
        receipt: Receipt::new(message.handle.into()),
        receive_count: message.receive_count,
        sent: Some(UNIX_EPOCH + Duration::from_millis(message.sent)),
        first_received: None,
        received_at,
    }
}

fn entry_error(error: QueueError) -> EntryError {
    if error.sender_fault() {
        EntryError::Lost(to_error(&error))
    } else {
        EntryError::Transient(to_error(&error))
    }
}

fn to_error(error: &QueueError) -> Error {
    Error::new(Code::SqsError, format!("{error} ({})", error.code()))
}
