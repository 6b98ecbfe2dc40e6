//! An honest SQS: what the service does to messages, as a state machine without I/O or a clock.
//!
//! Honest means that what hurts a careless consumer hurts it here too: the visibility clock runs from
//! the receive, every receive gives a new handle, deleting with an older one succeeds *without
//! deleting*, twelve hours are the end of every lease, batches fail by entry, receives count towards
//! the dead-letter queue. The time is passed in, so a paused clock and the real one drive the same
//! code, and everything random comes from one seed.
//!
//! Where AWS does not document a behaviour the choice is said at the function. Standard queues only:
//! CloudTrail's notifications do not come through FIFO queues.

mod error;
mod handle;
mod moves;
mod one;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use error::QueueError;
pub use handle::ReceiptHandle;
pub use one::{Counts, Place, Stored};

use super::clock::Millis;
use one::OneQueue;

/// Twelve hours: the longest a message can be hidden, from its receive and over all extensions.
pub const MAX_VISIBILITY: Millis = 12 * 60 * 60 * 1000;

/// The account all queues and buckets belong to (AWS's documentation account).
pub const ACCOUNT: &str = "111122223333";

/// The region all queues and buckets are in.
pub const REGION: &str = "us-east-1";

/// What a queue was created with. The defaults are AWS's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `VisibilityTimeout`.
    pub visibility: Millis,
    /// `DelaySeconds`.
    pub delay: Millis,
    /// `ReceiveMessageWaitTimeSeconds`.
    pub receive_wait: Millis,
    /// `MessageRetentionPeriod`; `None` keeps messages for ever.
    pub retention: Option<Millis>,
    /// `RedrivePolicy`.
    pub redrive: Option<Redrive>,
    /// `Policy`, kept and given back, never enforced.
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

/// Where a message goes once it was received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Name of the dead-letter queue.
    pub dead_letter: String,
    /// `maxReceiveCount`: after so many receives the next one moves it instead.
    pub max_receive_count: u32,
}

/// Seeded misbehaviour, mostly probabilities in `0.0..=1.0`; all of it is within what SQS allows itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// One entry of a batch call fails on AWS's side and nothing happened to its message.
    pub entry_failure: f64,
    /// A received message is hidden for less than asked: it is delivered twice.
    pub duplicate_delivery: f64,
    /// A delete answers success and the message comes back.
    pub lost_delete: f64,
    /// A receive answers fewer messages than there are.
    pub short_receive: f64,
    /// A sent message arrives twice, as two messages: whoever sends may not know that it had sent.
    pub sent_twice: f64,
    /// A sent message becomes visible up to so many milliseconds late.
    pub late_by: Millis,
    /// Messages are received in a random order instead of the order of arrival.
    pub shuffled: bool,
}

/// One message as received.
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

/// What happened so far, over all queues: tests assert on these.
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
    queues: BTreeMap<String, OneQueue>,
    next_message: u64,
    rng: fastrand::Rng,
    /// Misbehaviour from now on.
    pub faults: Faults,
    /// What happened so far.
    pub tally: Tally,
}

/// The answer for each entry of a batch, by the entry's id, in the order asked.
pub type BatchResult<T> = Vec<(String, Result<T, QueueError>)>;

impl Queues {
    /// No queues yet; all randomness comes from `seed`.
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
        self.queues.entry(name.to_owned()).or_insert_with(|| OneQueue::new(tag, now, settings));
    }

    /// Names of all queues.
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

    /// Receives at most `max` (1..=10) messages and hides them for `visibility` (the queue's own if `None`).
    ///
    /// A message that was received `maxReceiveCount` times is moved to the dead-letter queue instead;
    /// it keeps its id, its receive count and the time it was sent (AWS documents the last).
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
        let one = self.queue(queue)?;
        let visibility = visibility.unwrap_or(one.settings.visibility);
        if visibility > MAX_VISIBILITY {
            return Err(visibility_range(visibility));
        }
        if one.in_flight() >= one.settings.max_in_flight {
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
    /// message is deleted, answer what AWS answers for "not available".
    ///
    /// # Errors
    /// `ReceiptHandleIsInvalid` for garbage; `MessageNotInflight` when the visibility time ended;
    /// `InvalidParameterValue` beyond twelve hours in total, or for a message no longer ours.
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
        let (one, shuffle) = self.queue_and_shuffle(queue)?;
        let current = one.get(handle.message).filter(|m| m.receive_count == handle.receive);
        let Some(stored) = current else {
            let reason =
                "Message does not exist or is not available for visibility timeout change.";
            return Err(invalid(handle_text, "ReceiptHandle", reason));
        };
        let Place::InFlight { received, .. } = stored.place else {
            return Err(QueueError::MessageNotInflight);
        };
        if now.saturating_sub(received).saturating_add(timeout) > MAX_VISIBILITY {
            let reason =
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
            return Err(invalid(timeout / 1000, "VisibilityTimeout", reason));
        }
        if timeout == 0 {
            one.make_ready(handle.message, shuffle);
        } else {
            one.hide(handle.message, now + timeout, received);
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
        let one = self.queue(queue)?;
        let latest = one.get(handle.message).is_some_and(|m| m.receive_count == handle.receive);
        if latest && !lost {
            one.remove(handle.message);
            self.tally.deleted += 1;
        } else if !latest {
            self.tally.stale_deletes += 1;
        }
        Ok(())
    }

    /// Runs `each` on every entry of a batch, after the checks that refuse the whole call.
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
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !entries.iter().all(|(id, _)| (1..=80).contains(&id.len()) && id.chars().all(letter)) {
            return Err(QueueError::InvalidBatchEntryId);
        }
        if entries.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len() != entries.len() {
            return Err(QueueError::BatchEntryIdsNotDistinct);
        }
        let answer = |(id, entry)| {
            let failed = self.chance(self.faults.entry_failure);
            (id, if failed { Err(QueueError::InternalError) } else { each(self, entry) })
        };
        Ok(entries.into_iter().map(answer).collect())
    }

    /// Takes every message out.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn purge(&mut self, queue: &str) -> Result<(), QueueError> {
        let one = self.queue(queue)?;
        *one = OneQueue::new(one.tag, one.created, one.settings.clone());
        Ok(())
    }

    /// How many messages are where, at `now`.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn counts(&mut self, queue: &str, now: Millis) -> Result<Counts, QueueError> {
        self.pass_time(queue, now)?;
        Ok(self.queue(queue)?.counts())
    }

    /// Every message of a queue, in the order of sending, without receiving any: for assertions.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn peek(&mut self, queue: &str) -> Result<Vec<Stored>, QueueError> {
        Ok(self.queue(queue)?.iter().cloned().collect())
    }

    /// When the next hidden message of `queue` becomes visible: a long poll need not look before.
    pub fn next_visible(&self, queue: &str) -> Option<Millis> {
        self.queues.get(queue)?.next_visible()
    }
}

fn visibility_range(timeout: Millis) -> QueueError {
    invalid(timeout / 1000, "VisibilityTimeout", "Must be between 0 and 43200.")
}

/// AWS's sentence for a bad parameter.
fn invalid(value: impl std::fmt::Display, parameter: &str, reason: &str) -> QueueError {
    let text = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
    QueueError::InvalidParameterValue(text)
}
