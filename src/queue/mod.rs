//! Room 1: SQS as transport. Receive, hold the lease, settle; nothing here knows of S3.
//!
//! The promise is that doing nothing is safe: a message that is dropped, panicked over or abandoned
//! is redelivered by the queue. Deleting one takes an explicit [`Settlement::Delete`].
//!
//! [`Settlement::Delete`]: crate::error::Settlement::Delete

mod directory;
mod facts;
mod lease;
mod region;
mod settle;
mod sqs;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::error::Error;

pub use directory::{DirectoryQueue, looks_like_a_log};
pub use facts::{QueueAttributes, Redrive, warnings};
pub use lease::{Lease, VisibilityExtender, VisibilitySettings};
pub use region::region_of;
pub use settle::Acknowledger;
pub use sqs::{MAX_BODY, SqsQueue};

/// SQS takes at most ten entries in a receive, delete or change-visibility call.
/// Source: Amazon SQS API Reference, `ReceiveMessage`, `DeleteMessageBatch`.
pub const MAX_BATCH: usize = 10;

/// One queue, in our own types. All calls are batched; the result holds one entry per entry asked, in order.
pub trait Queue: Send + Sync + 'static {
    /// Waits up to the long-poll time for at most `max` (1..=10) messages. An empty answer is normal.
    ///
    /// # Errors
    /// The call as a whole failed: access denied, no such queue, network. Nothing was received.
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>>;

    /// Sets the time each message stays hidden, counted from now; zero makes it visible at once.
    ///
    /// # Errors
    /// The call as a whole failed; every entry is as it was, as far as is known.
    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>>;

    /// Deletes each message. SQS answers success for a stale handle without deleting, so success
    /// is no proof: consumers downstream must fold duplicates by event id.
    ///
    /// # Errors
    /// The call as a whole failed; every entry is as it was, as far as is known.
    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>>;

    /// What the queue says of its own settings; `None` where there are none to ask for.
    ///
    /// # Errors
    /// The call failed, mostly for want of a permission that nothing else needs.
    fn attributes(&self) -> BoxFuture<'_, Result<Option<QueueAttributes>, Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// How the operator knows this queue: its URL, or its folder.
    fn name(&self) -> &str;
}

/// The answer for one entry of a batch call.
pub type Entry = Result<(), EntryError>;

/// Why one entry of a batch call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryError {
    /// The lease is gone (`ReceiptHandleIsInvalid`, `MessageNotInflight`, the 12 h cap): stop asking.
    Lost(Error),
    /// Worth asking again.
    Transient(Error),
}

/// SQS's receipt handle: names one receive of one message, for the calls that renew or end it.
pub type Handle = Arc<str>;

/// The right to settle one received message, spent exactly once by [`Acknowledger::settle`].
///
/// Not `Clone`: whoever holds it is the only one who can delete or release the message.
#[derive(Debug)]
pub struct Receipt {
    pub(super) handle: Handle,
}

impl Receipt {
    /// A receipt for the receive that `handle` names; only queues make these.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The handle, for the lease that is renewed while the receipt is held.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Arc::clone(&self.handle)
    }
}

/// A received message: it has a slot in the work gate and a live lease, or it was never received.
#[derive(Debug)]
pub struct Message {
    /// The queue's own id of the message, stable over receives.
    pub id: String,
    /// The body as sent: a notification, still to be understood.
    pub body: String,
    /// The right to settle it.
    pub receipt: Receipt,
    /// `ApproximateReceiveCount`, this receive included; 1 where the queue does not say.
    pub receive_count: u32,
    /// `SentTimestamp`: when it entered the queue.
    pub sent: Option<std::time::SystemTime>,
    /// `ApproximateFirstReceiveTimestamp`: when somebody first began to work on it.
    pub first_received: Option<std::time::SystemTime>,
    /// When the call that received it was made: its lease has run at least since then.
    pub received_at: Instant,
}
