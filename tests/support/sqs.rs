//! The queue core behind a lock, with a clock and long polls: what HTTP and the simulation share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

/// What a receive asks for.
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
    /// No queues yet; `seed` is where all randomness comes from.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { core: Mutex::new(Queues::new(seed)), changed: Notify::new(), clock }
    }

    /// Does something to the core at the present time, and wakes whoever waits for a message.
    pub fn with<T>(&self, act: impl FnOnce(&mut Queues, Millis) -> T) -> T {
        let answer = act(&mut self.lock(), self.clock.now());
        self.changed.notify_waiters();
        answer
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

    /// Receives; a long poll answers as soon as one message is there, and looks again whenever
    /// something was sent or a visibility time ended.
    ///
    /// # Errors
    /// As [`Queues::receive`]; a long poll over the in-flight limit waits in vain instead.
    pub async fn receive(&self, queue: &str, ask: Receive) -> Result<Vec<Received>, QueueError> {
        let configured = self.lock().settings(queue)?.receive_wait;
        let wait = ask.wait.unwrap_or(Duration::from_millis(configured));
        let deadline = Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let now = self.clock.now();
            let (answer, next) = {
                let mut core = self.lock();
                let answer = core.receive(queue, ask.max, ask.visibility, now);
                (answer, core.next_visible(queue))
            };
            match answer {
                Ok(messages) if messages.is_empty() => {}
                Err(QueueError::OverLimit) if !wait.is_zero() => {}
                settled => return settled,
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            // The clock counts whole milliseconds: look no sooner than the next one.
            let look = next.map_or(deadline, |at| self.clock.instant_of(at.max(now + 1)));
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(look.min(deadline)) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
