//! SQS as transport: receive messages, extend their visibility, acknowledge them. Knows nothing of
//! S3.
//!
//! Doing nothing is safe: a message that is dropped, panicked over or abandoned is redelivered by
//! the queue. Deleting one takes an explicit
//! [`Settlement::Delete`](crate::error::Settlement::Delete).

mod acknowledge;
mod attributes;
mod batcher;
mod directory;
mod sqs;
mod visibility;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::error::Error;

pub(crate) use acknowledge::Acknowledger;
pub use attributes::{QueueAttributes, Redrive};
pub(crate) use directory::{DirectoryQueue, is_log_file_name};
pub(crate) use sqs::{MAX_BODY, SqsQueue};
pub(crate) use visibility::{VisibilityExtender, VisibilitySettings};

/// Most entries of a receive, delete or change-visibility call.
/// Source: Amazon SQS API Reference, `ReceiveMessage`, `DeleteMessageBatch`.
pub(crate) const MAX_BATCH: usize = 10;

/// One queue. All calls are batched; the result has one entry per entry asked, in order.
pub trait Queue: Send + Sync + 'static {
    /// Waits up to the long-poll time for at most `max` (1..=10) messages; may return none.
    ///
    /// # Errors
    /// The call as a whole failed: access denied, no such queue, network. Nothing was received.
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>>;

    /// Hides each message for a time that counts from now; zero makes it visible at once.
    ///
    /// # Errors
    /// The call as a whole failed; every entry is as it was, as far as is known.
    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>>;

    /// Deletes each message. SQS responds with success to a stale handle without deleting, so
    /// success is no proof: consumers downstream must fold duplicates by event id.
    ///
    /// # Errors
    /// The call as a whole failed; every entry is as it was, as far as is known.
    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>>;

    /// Returns the queue's own settings; `None` for a queue that has none.
    ///
    /// # Errors
    /// The call failed, mostly for want of a permission that nothing else needs.
    fn attributes(&self) -> BoxFuture<'_, Result<Option<QueueAttributes>, Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// The name that the operator knows: the queue's URL, or the folder's path.
    fn name(&self) -> &str;
}

/// The result of one entry of a batch call.
pub type Entry = Result<(), EntryError>;

/// Why one entry of a batch call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryError {
    /// The message is no longer ours (`ReceiptHandleIsInvalid`, `MessageNotInflight`, the 12 h
    /// cap): another attempt cannot succeed.
    Lost(Error),
    /// Another attempt may succeed.
    Transient(Error),
}

/// SQS's receipt handle: names one receive of one message.
pub type Handle = Arc<str>;

/// The right to acknowledge one received message, spent by `Acknowledger::settle`.
///
/// Not `Clone`: its owner is the only one who can delete or release the message.
#[derive(Debug)]
pub struct Receipt {
    handle: Handle,
}

impl Receipt {
    /// Creates a receipt for the receive that `handle` names; only queues do.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Returns the handle, for extending the message's visibility.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Arc::clone(&self.handle)
    }
}

/// A received message.
#[derive(Debug)]
pub struct Message {
    /// The queue's own id of the message, stable over receives.
    pub id: String,
    /// The body as sent: an unparsed notification.
    pub body: String,
    /// The right to acknowledge it.
    pub receipt: Receipt,
    /// `ApproximateReceiveCount`, this receive included; 1 if the queue has no count.
    pub receive_count: u32,
    /// `SentTimestamp`: when it entered the queue.
    pub sent: Option<SystemTime>,
    /// `ApproximateFirstReceiveTimestamp`: when any consumer received it first.
    pub first_received: Option<SystemTime>,
    /// When the call that received it was made: its visibility timeout runs at least since then.
    pub received_at: Instant,
}
