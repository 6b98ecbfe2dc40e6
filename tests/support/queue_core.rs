//! A model of SQS: what the service does to messages, as a state machine without I/O or a clock.
//!
//! It has every behaviour that harms a careless consumer: the visibility timeout runs from the
//! receive, every receive returns a new handle, deleting with an older one succeeds *without
//! deleting*, no message stays hidden beyond twelve hours, batches fail by entry, receives count
//! towards the dead-letter queue. The time is passed in, so that a paused clock and the real one
//! drive the same code, and all randomness comes from one seed.
//!
//! Choices that AWS does not document are stated at the function. Standard queues only:
//! CloudTrail's notifications do not use FIFO queues.

mod error;
mod handle;
mod queue;
mod transitions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use error::QueueError;
pub use handle::ReceiptHandle;
pub use queue::{Counts, MessageState, StoredMessage};

use super::clock::Millis;
use queue::QueueState;

/// Twelve hours: the longest time a message can be hidden, from its receive and over all
/// extensions.
pub const MAX_VISIBILITY: Millis = 12 * 60 * 60 * 1000;

/// The account of all queues and buckets (AWS's documentation account).
pub const ACCOUNT: &str = "111122223333";

/// The region of all queues and buckets.
pub const REGION: &str = "us-east-1";

/// A queue's settings. The defaults are AWS's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `VisibilityTimeout`.
    pub visibility: Millis,
    /// `DelaySeconds`.
    pub delay: Millis,
    /// `ReceiveMessageWaitTimeSeconds`.
    pub receive_wait: Millis,
    /// `MessageRetentionPeriod`; `None`: unlimited.
    pub retention: Option<Millis>,
    /// `RedrivePolicy`.
    pub redrive: Option<Redrive>,
    /// `Policy`: stored and returned, never enforced.
    pub policy: Option<String>,
    /// The most messages in flight at once.
    pub max_in_flight: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility: 30_000,
            delay: 0,
            receive_wait: 0,
            retention: Some(4 * 24 * 60 * 60 * 1000),
            redrive: None,
            policy: None,
            max_in_flight: 120_000,
        }
    }
}

/// `RedrivePolicy`: where a message is moved once it was received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Name of the dead-letter queue.
    pub dead_letter: String,
    /// `maxReceiveCount`: the receive after so many moves the message instead.
    pub max_receive_count: u32,
}

/// Seeded faults, mostly probabilities in `0.0..=1.0`; all are within what SQS documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// One entry of a batch call fails on AWS's side, without effect on its message.
    pub entry_failure: f64,
    /// A received message is hidden for less than requested: it is delivered twice.
    pub duplicate_delivery: f64,
    /// A delete returns success and the message is redelivered.
    pub lost_delete: f64,
    /// A receive returns fewer messages than are visible.
    pub short_receive: f64,
    /// A sent message arrives as two messages: the sender retried after a lost response.
    pub sent_twice: f64,
    /// A sent message becomes visible up to this many milliseconds late.
    pub late_by: Millis,
    /// Messages are received in a random order instead of the order of arrival.
    pub shuffled: bool,
}

/// A received message.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub handle: String,
    pub body: Arc<str>,
    pub attributes: Option<serde_json::Value>,
    pub receive_count: u32,
    pub sent: Millis,
    pub first_received: Millis,
    /// The queue it was dead-lettered from.
    pub source: Option<String>,
}

/// Counts over all queues, for assertions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub sent: u64,
    pub received: u64,
    /// Receives of a message that had been received before.
    pub received_again: u64,
    pub deleted: u64,
    /// Deletes that succeeded without deleting, because the handle was not the latest.
    pub stale_deletes: u64,
    pub redriven: u64,
    pub expired: u64,
}

/// All queues of an account.
#[derive(Debug)]
pub struct Queues {
    queues: BTreeMap<String, QueueState>,
    next_message: u64,
    rng: fastrand::Rng,
    /// The faults from now on.
    pub faults: Faults,
    /// The counts so far.
    pub tally: Tally,
}

/// The result of each entry of a batch, by the entry's id, in the order asked.
pub type BatchResult<T> = Vec<(String, Result<T, QueueError>)>;

impl Queues {
    /// Creates an account without queues; `seed` determines all randomness.
    pub fn new(seed: u64) -> Self {
        Self {
            queues: BTreeMap::new(),
            next_message: 1,
            rng: fastrand::Rng::with_seed(seed),
            faults: Faults::default(),
            tally: Tally::default(),
        }
    }

    /// Creates a queue; one that exists keeps its messages and its settings, as on AWS.
    pub fn create(&mut self, name: &str, settings: Settings, now: Millis) {
        let tag = u32::try_from(self.queues.len()).unwrap_or(u32::MAX);
        self.queues.entry(name.to_owned()).or_insert_with(|| QueueState::new(tag, now, settings));
    }

    /// The names of all queues.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// A queue's settings, for reading and changing.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn settings(&mut self, queue: &str) -> Result<&mut Settings, QueueError> {
        Ok(&mut self.queue(queue)?.settings)
    }

    /// When the queue was created.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn created(&mut self, queue: &str) -> Result<Millis, QueueError> {
        Ok(self.queue(queue)?.created)
    }

    /// Sends one message, visible after `delay` (the queue's own if `None`), and returns its id.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, or a delay beyond 15 minutes.
    pub fn send(
        &mut self,
        queue: &str,
        body: impl Into<Arc<str>>,
        attributes: Option<serde_json::Value>,
        delay: Option<Millis>,
        now: Millis,
    ) -> Result<String, QueueError> {
        let delay = delay.map_or_else(|| self.queue(queue).map(|q| q.settings.delay), Ok)?;
        if delay > 15 * 60 * 1000 {
            return Err(invalid(delay / 1000, "DelaySeconds", "Must be between 0 and 900."));
        }
        let body = body.into();
        if self.chance(self.faults.sent_twice) {
            self.enqueue(queue, Arc::clone(&body), attributes.clone(), delay, now)?;
        }
        self.enqueue(queue, body, attributes, delay, now)
    }

    /// Receives at most `max` (1..=10) messages and hides them for `visibility` (the queue's own if
    /// `None`).
    ///
    /// A message that was received `maxReceiveCount` times is moved to the dead-letter queue
    /// instead; it keeps its id, its receive count and the time it was sent (AWS documents the
    /// last).
    ///
    /// # Errors
    /// `QueueDoesNotExist`; `InvalidParameterValue` out of range; `OverLimit` in flight.
    pub fn receive(
        &mut self,
        queue: &str,
        max: usize,
        visibility: Option<Millis>,
        now: Millis,
    ) -> Result<Vec<Received>, QueueError> {
        if !(1..=10).contains(&max) {
            return Err(invalid(
                max,
                "MaxNumberOfMessages",
                "Must be between 1 and 10, if provided.",
            ));
        }
        self.pass_time(queue, now)?;
        let queue_state = self.queue(queue)?;
        let visibility = visibility.unwrap_or(queue_state.settings.visibility);
        if visibility > MAX_VISIBILITY {
            return Err(visibility_range(visibility));
        }
        if queue_state.in_flight() >= queue_state.settings.max_in_flight {
            return Err(QueueError::OverLimit);
        }
        let max = if self.chance(self.faults.short_receive) { self.rng.usize(0..max) } else { max };
        let mut received = Vec::with_capacity(max);
        while received.len() < max {
            let Some(message) = self.queue(queue)?.first_ready() else { break };
            if !self.redrive(queue, message)? {
                received.extend(self.deliver(queue, message, visibility, now)?);
            }
        }
        Ok(received)
    }

    /// Hides the message for `timeout` counted from now; zero makes it visible at once.
    ///
    /// Not documented, and chosen to be strict: a handle that is not the latest, and one whose
    /// message is deleted, return the error that AWS returns for "not available".
    ///
    /// # Errors
    /// `ReceiptHandleIsInvalid` for garbage; `MessageNotInflight` when the visibility time ended;
    /// `InvalidParameterValue` beyond twelve hours in total, or for a message that the handle no
    /// longer owns.
    pub fn change_visibility(
        &mut self,
        queue: &str,
        handle: &str,
        timeout: Millis,
        now: Millis,
    ) -> Result<(), QueueError> {
        self.pass_time(queue, now)?;
        let handle_text = handle;
        let handle = self.genuine(queue, handle)?;
        if timeout > MAX_VISIBILITY {
            return Err(visibility_range(timeout));
        }
        let (queue_state, shuffle) = self.queue_and_shuffle(queue)?;
        let current = queue_state.get(handle.message).filter(|m| m.receive_count == handle.receive);
        let Some(stored) = current else {
            let reason =
                "Message does not exist or is not available for visibility timeout change.";
            return Err(invalid(handle_text, "ReceiptHandle", reason));
        };
        let MessageState::InFlight { received, .. } = stored.state else {
            return Err(QueueError::MessageNotInflight);
        };
        if now.saturating_sub(received).saturating_add(timeout) > MAX_VISIBILITY {
            let reason =
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
            return Err(invalid(timeout / 1000, "VisibilityTimeout", reason));
        }
        if timeout == 0 {
            queue_state.make_ready(handle.message, shuffle);
        } else {
            queue_state.hide(handle.message, now + timeout, received);
        }
        Ok(())
    }

    /// Deletes the message if `handle` is its latest; with an older handle it succeeds without
    /// deleting ("the request succeeds, but the message will not be deleted", `DeleteMessage`).
    ///
    /// # Errors
    /// `ReceiptHandleIsInvalid` for garbage.
    pub fn delete(&mut self, queue: &str, handle: &str, now: Millis) -> Result<(), QueueError> {
        self.pass_time(queue, now)?;
        let handle = self.genuine(queue, handle)?;
        let lost = self.chance(self.faults.lost_delete);
        let queue_state = self.queue(queue)?;
        let latest =
            queue_state.get(handle.message).is_some_and(|m| m.receive_count == handle.receive);
        if latest && !lost {
            queue_state.remove(handle.message);
            self.tally.deleted += 1;
        } else if !latest {
            self.tally.stale_deletes += 1;
        }
        Ok(())
    }

    /// Runs `each` on every entry of a batch, after the checks that reject the whole call.
    ///
    /// # Errors
    /// An empty batch, more than ten entries, ids that are malformed or not distinct.
    pub fn batch<E, T>(
        &mut self,
        entries: Vec<(String, E)>,
        mut each: impl FnMut(&mut Self, E) -> Result<T, QueueError>,
    ) -> Result<BatchResult<T>, QueueError> {
        if entries.is_empty() {
            return Err(QueueError::EmptyBatchRequest);
        }
        if entries.len() > 10 {
            return Err(QueueError::TooManyEntriesInBatchRequest);
        }
        let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !entries.iter().all(|(id, _)| (1..=80).contains(&id.len()) && id.chars().all(is_valid)) {
            return Err(QueueError::InvalidBatchEntryId);
        }
        if entries.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len() != entries.len() {
            return Err(QueueError::BatchEntryIdsNotDistinct);
        }
        let result = |(id, entry)| {
            let failed = self.chance(self.faults.entry_failure);
            (id, if failed { Err(QueueError::InternalError) } else { each(self, entry) })
        };
        Ok(entries.into_iter().map(result).collect())
    }

    /// Deletes every message.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn purge(&mut self, queue: &str) -> Result<(), QueueError> {
        let queue_state = self.queue(queue)?;
        *queue_state =
            QueueState::new(queue_state.tag, queue_state.created, queue_state.settings.clone());
        Ok(())
    }

    /// Counts the messages by state, at `now`.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn counts(&mut self, queue: &str, now: Millis) -> Result<Counts, QueueError> {
        self.pass_time(queue, now)?;
        Ok(self.queue(queue)?.counts())
    }

    /// Every message of a queue, in the order of sending, without receiving any; for assertions.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn peek(&mut self, queue: &str) -> Result<Vec<StoredMessage>, QueueError> {
        Ok(self.queue(queue)?.iter().cloned().collect())
    }

    /// When the next hidden message of `queue` becomes visible: a long poll need not check before.
    pub fn next_visible(&self, queue: &str) -> Option<Millis> {
        self.queues.get(queue)?.next_visible()
    }
}

fn visibility_range(timeout: Millis) -> QueueError {
    invalid(timeout / 1000, "VisibilityTimeout", "Must be between 0 and 43200.")
}

/// AWS's error text for an invalid parameter.
fn invalid(value: impl std::fmt::Display, parameter: &str, reason: &str) -> QueueError {
    let text = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
    QueueError::InvalidParameterValue(text)
}
