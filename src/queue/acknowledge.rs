//! Acknowledgement: deletes and releases messages in batches, and retries the entries that failed.
//!
//! A message whose delete was forgotten is redelivered as a duplicate, so every entry's result is
//! read, and each caller gets its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batcher::{Batcher, IDLE, Next, Request, Schedule};
use super::{Entry, EntryError, Handle, MAX_BATCH, Queue, Receipt};
use crate::error::{Code, Error, Settlement};

/// Calls in flight at once: ten messages each, so that a round trip of 20 ms acknowledges 4,000/s.
const MAX_CALLS: usize = 8;

/// How long an entry waits for nine others while no call is in flight. Nothing waits for the
/// message any more, and calls cost money.
const GATHER: Duration = Duration::from_millis(20);

/// Attempts before the caller gets the error.
const ATTEMPTS: u32 = 5;

/// No entry is retried after this long.
const RETRY_LIMIT: Duration = Duration::from_secs(30);

/// The first pause between two attempts; it doubles.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A cheap handle to the driver that acknowledges one queue's messages.
#[derive(Clone)]
pub(crate) struct Acknowledger {
    batcher: Arc<Batcher<Pending>>,
}

impl Acknowledger {
    /// Returns the handle, and its driver, which runs until `stop` is cancelled and everything
    /// handed over has been answered.
    #[must_use]
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        stop: CancellationToken,
    ) -> (Self, BoxFuture<'static, ()>) {
        let batcher = Batcher::new(Pending::default());
        let close = Close(Arc::clone(&batcher));
        let driver = async move { Arc::clone(&close.0).drive(queue, stop).await };
        (Self { batcher }, Box::pin(driver))
    }

    /// Deletes or releases the message, and spends `receipt`. Dropping the future does not cancel
    /// it.
    ///
    /// # Errors
    /// The receipt handle is no longer valid, or several attempts failed: the message is
    /// redelivered.
    pub(crate) async fn settle(
        &self,
        receipt: Receipt,
        settlement: Settlement,
    ) -> Result<(), Error> {
        let (caller, answer) = oneshot::channel();
        let now = Instant::now();
        let acknowledgement = Acknowledgement {
            handle: receipt.handle,
            settlement,
            caller,
            since: now,
            ready: now,
            attempts: 0,
        };
        if self.batcher.lock().add(acknowledgement) {
            self.batcher.wake();
        }
        answer.await.unwrap_or_else(|_| {
            let text = "the process stopped before the message was acknowledged";
            Err(Error::new(Code::AcknowledgerStopped, text))
        })
    }
}

/// Drops everything pending when the driver ends, however it ends: no caller waits for ever.
struct Close(Arc<Batcher<Pending>>);

impl Drop for Close {
    fn drop(&mut self) {
        *self.0.lock() = Pending { closed: true, ..Pending::default() };
    }
}

/// One delete or release.
struct Acknowledgement {
    handle: Handle,
    settlement: Settlement,
    /// Dropped if the driver ends; the receiver may be gone.
    caller: oneshot::Sender<Result<(), Error>>,
    since: Instant,
    /// Not sent before this; later than `since` only for another attempt.
    ready: Instant,
    attempts: u32,
}

/// Deletes and releases that wait to be sent, oldest first. A call is all of one kind.
#[derive(Default)]
struct Pending {
    deletes: Vec<Acknowledgement>,
    releases: Vec<Acknowledgement>,
    closed: bool,
}

impl Pending {
    /// Adds one; returns whether the driver should be woken: for the first of a batch, which starts
    /// the wait for others, and for the last, which ends it. After closing it is dropped.
    fn add(&mut self, acknowledgement: Acknowledgement) -> bool {
        if self.closed {
            return false;
        }
        let now = acknowledgement.ready;
        let list = self.list(acknowledgement.settlement);
        list.push(acknowledgement);
        // One that waits for another attempt does not fill the batch.
        let ready = list.iter().filter(|one| one.ready <= now).take(MAX_BATCH).count();
        ready == 1 || ready == MAX_BATCH
    }

    fn list(&mut self, settlement: Settlement) -> &mut Vec<Acknowledgement> {
        match settlement {
            Settlement::Delete => &mut self.deletes,
            Settlement::Release { .. } => &mut self.releases,
        }
    }
}

impl Schedule for Pending {
    type Item = Acknowledgement;

    fn next(&mut self, now: Instant, in_flight: usize, stopping: bool) -> Next<Self::Item> {
        let idle = in_flight == 0;
        let gather = if idle && !stopping { GATHER } else { Duration::ZERO };
        for list in [&mut self.releases, &mut self.deletes] {
            let mut ready = list.iter().filter(|one| one.ready <= now);
            let oldest = ready.clone().next();
            let waited = oldest.is_some_and(|oldest| oldest.ready + gather <= now);
            // While calls are in flight only a full batch starts another; the rest joins the next
            // one.
            let due = ready.nth(MAX_BATCH - 1).is_some() || (idle && waited);
            if due && in_flight < MAX_CALLS {
                let ready = list.extract_if(.., |one| one.ready <= now);
                let batch: Vec<_> = ready.take(MAX_BATCH).collect();
                return Next::Call(request(&batch), batch);
            }
        }
        let mut all = self.deletes.iter().chain(&self.releases).peekable();
        if idle && stopping && all.peek().is_none() {
            // Under the lock of the check, so that nothing is added in between.
            self.closed = true;
            return Next::End;
        }
        // A time that has passed waits for a call in flight, whose response wakes the driver.
        let times = all.map(|one| one.ready + gather).filter(|time| *time > now);
        Next::Wait(times.min().unwrap_or(now + IDLE))
    }

    fn complete(&mut self, mut one: Self::Item, result: Entry, now: Instant) {
        let result = match result {
            Ok(()) => Ok(()),
            Err(EntryError::Lost(error)) => Err(error),
            Err(EntryError::Transient(error)) => {
                one.ready = now + RETRY_PAUSE * 2_u32.pow(one.attempts.min(5));
                one.attempts += 1;
                if one.attempts < ATTEMPTS && one.ready < one.since + RETRY_LIMIT {
                    self.list(one.settlement).push(one);
                    return;
                }
                Err(error)
            }
        };
        let _ = one.caller.send(result);
    }
}

/// The call for a batch of one kind.
fn request(batch: &[Acknowledgement]) -> Request {
    let release = |one: &Acknowledgement| match one.settlement {
        Settlement::Delete => None,
        Settlement::Release { after } => Some((Handle::clone(&one.handle), after)),
    };
    let releases: Vec<_> = batch.iter().filter_map(release).collect();
    if releases.is_empty() {
        Request::Delete(batch.iter().map(|one| Handle::clone(&one.handle)).collect())
    } else {
        Request::ChangeVisibility(releases)
    }
}

#[cfg(test)]
mod tests;
