//! The queue core as certrelay's own [`Queue`], for the simulation: no HTTP, tokio's (paused) clock.

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
    /// The queue called `name`, whose messages are hidden for `visibility` at each receive; an empty
    /// receive takes twenty seconds, the longest long poll there is.
    pub fn new(sqs: Arc<Sqs>, name: &str, visibility: Duration) -> Self {
        Self { sqs, name: name.to_owned(), visibility, wait: Duration::from_secs(20) }
    }

    /// Answers for every entry, in the order asked, as a batch call does.
    fn batch<E>(
        &self,
        entries: Vec<E>,
        mut each: impl FnMut(&mut Queues, E, u64) -> Result<(), QueueError>,
    ) -> Result<Vec<Entry>, Error> {
        let named = entries.into_iter().enumerate().map(|(n, entry)| (n.to_string(), entry));
        let answers = self
            .sqs
            .with(|core, now| core.batch(named.collect(), |core, entry| each(core, entry, now)))
            .map_err(|refused| error(&refused))?;
        Ok(answers.into_iter().map(|(_, answer)| answer.map_err(entry_error)).collect())
    }
}

impl Queue for MemoryQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(async move {
            let asked = Instant::now();
            let visibility = Some(to_millis(self.visibility));
            let ask = Receive { max, visibility, wait: Some(self.wait) };
            let received =
                self.sqs.receive(&self.name, ask).await.map_err(|refused| error(&refused))?;
            over_the_wire().await;
            Ok(received.into_iter().map(|message| as_message(message, asked)).collect())
        })
    }

    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            over_the_wire().await;
            let answer = self.batch(batch, |core, (handle, timeout), now| {
                // SQS counts in whole seconds.
                core.change_visibility(&self.name, &handle, timeout.as_secs() * 1000, now)
            });
            over_the_wire().await;
            answer
        })
    }

    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            over_the_wire().await;
            let delete =
                |core: &mut Queues, handle: Handle, now| core.delete(&self.name, &handle, now);
            let answer = self.batch(batch, delete);
            over_the_wire().await;
            answer
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A point where a simulated crash can fall: before the call took effect, and before its answer.
async fn over_the_wire() {
    tokio::task::yield_now().await;
}

fn as_message(message: Received, received_at: Instant) -> Message {
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

fn entry_error(refused: QueueError) -> EntryError {
    if refused.sender_fault() {
        EntryError::Lost(error(&refused))
    } else {
        EntryError::Transient(error(&refused))
    }
}

fn error(error: &QueueError) -> Error {
    Error::new(Code::SqsError, format!("{error} ({})", error.code()))
}
