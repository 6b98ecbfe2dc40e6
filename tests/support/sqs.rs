//! The SQS model behind a lock, with a clock and long polls, for HTTP and the simulation.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::clock::{Clock, Millis};
use super::queue_core::{QueueError, Queues, Received, Settings};

/// An account's queues in this process.
pub struct Sqs {
    core: Mutex<Queues>,
    changed: Notify,
    clock: Clock,
}

/// A receive request.
#[derive(Debug, Clone, Copy)]
pub struct Receive {
    /// At most so many messages, 1 to 10.
    pub max: usize,
    /// How long to hide them; the queue's own setting if `None`.
    pub visibility: Option<Millis>,
    /// The long poll; the queue's own setting if `None`.
    pub wait: Option<Duration>,
}

impl Sqs {
    /// Creates an account without queues; `seed` determines all randomness.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { core: Mutex::new(Queues::new(seed)), changed: Notify::new(), clock }
    }

    /// Runs `act` on the model at the present time, and wakes every long poll.
    pub fn with<T>(&self, act: impl FnOnce(&mut Queues, Millis) -> T) -> T {
        let result = act(&mut self.lock(), self.clock.now());
        self.changed.notify_waiters();
        result
    }

    /// Creates a queue.
    pub fn create(&self, name: &str, settings: Settings) {
        self.with(|core, now| core.create(name, settings, now));
    }

    /// Sends a message and returns its id.
    ///
    /// # Errors
    /// As [`Queues::send`].
    pub fn send(&self, queue: &str, body: &str) -> Result<String, QueueError> {
        self.with(|core, now| core.send(queue, body, None, None, now))
    }

    /// Receives; a long poll returns as soon as a message is visible, and checks again whenever one
    /// was sent or a visibility timeout ended.
    ///
    /// # Errors
    /// As [`Queues::receive`]; a long poll over the in-flight limit returns nothing instead.
    pub async fn receive(
        &self,
        queue: &str,
        request: Receive,
    ) -> Result<Vec<Received>, QueueError> {
        let configured = self.lock().settings(queue)?.receive_wait;
        let wait = request.wait.unwrap_or(Duration::from_millis(configured));
        let deadline = Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let now = self.clock.now();
            let (result, next) = {
                let mut core = self.lock();
                let result = core.receive(queue, request.max, request.visibility, now);
                (result, core.next_visible(queue))
            };
            match result {
                Ok(messages) if messages.is_empty() => {}
                Err(QueueError::OverLimit) if !wait.is_zero() => {}
                result => return result,
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            // The clock counts whole milliseconds: check no sooner than the next one.
            let check = next.map_or(deadline, |at| self.clock.instant_of(at.max(now + 1)));
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(check.min(deadline)) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.core.lock()
    }
}
