//! The settler: one driver per queue that deletes and releases in batches of ten and retries the entries that failed.
//!
//! A batch call answers 200 with some of its entries failed, and a message whose delete was forgotten
//! comes back as a duplicate. So every entry's answer is read, and each caller hears of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::desk::{Desk, Job};
use super::{Entry, EntryError, Queue, Receipt};
use crate::error::{Code, Error, Settlement};

mod desk;

/// Calls under way at once: ten messages each, so that a round trip of 20 ms lets 4,000/s settle.
const CALLS: usize = 8;

/// A settlement waits this long for nine others while no call is under way. The message is done
/// either way, and calls cost money.
const GATHER: Duration = Duration::from_millis(20);

/// A call without an answer after this long counts as failed.
const CALL_TIME: Duration = Duration::from_secs(10);

/// How often a settlement is tried before its caller is told that it failed.
const ATTEMPTS: u32 = 5;

/// No settlement is tried again after this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first wait between two tries; it doubles.
const RETRY_GAP: Duration = Duration::from_millis(200);

/// A cheap handle to the settler.
#[derive(Clone)]
pub struct Acknowledger {
    shared: Arc<Shared>,
}

/// What was handed over, and the bell that wakes the driver.
///
/// A list, not a channel: handing over must not wait, or a caller dropped while it waits would take
/// its settlement along. It is bounded all the same: one entry per receipt, and receipts by the gates.
struct Shared {
    desk: Mutex<Desk>,
    changed: Notify,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Acknowledger {
    /// The settler's handle, and its driver, which runs until `stop` is cancelled and every
    /// settlement handed over has been answered.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, stop: CancellationToken) -> (Self, BoxFuture<'static, ()>) {
        let shared = Arc::new(Shared { desk: Mutex::new(Desk::default()), changed: Notify::new() });
        let closing = Closing(Arc::clone(&shared));
        let driver = async move { drive(queue, &closing.0, stop).await };
        (Self { shared }, Box::pin(driver))
    }

    /// Spends `receipt`. Dropping the future does not take the settlement back.
    ///
    /// # Errors
    /// The queue refused it for good, or did not take it in several tries: the message will come again.
    pub async fn settle(&self, receipt: Receipt, settlement: Settlement) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let job = Job::new(receipt.handle, settlement, answer, Instant::now());
        if self.shared.desk().hand_over(job) {
            self.shared.changed.notify_one();
        }
        answered.await.unwrap_or_else(|_| {
            Err(Error::new(
                Code::AcknowledgerStopped,
                "the settler ended before it settled the message",
            ))
        })
    }
}

/// Closes the desk when the driver is gone, however it went: nobody waits for an answer in vain.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.desk().close();
    }
}

async fn drive(queue: Arc<dyn Queue>, shared: &Shared, stop: CancellationToken) {
    let mut calls = FuturesUnordered::new();
    loop {
        let next = loop {
            let now = Instant::now();
            let gather = if stop.is_cancelled() || !calls.is_empty() { None } else { Some(GATHER) };
            let mut desk = shared.desk();
            let batch = if calls.len() < CALLS {
                // While calls are under way only a full batch starts another; the rest goes with the next.
                desk.take(now, gather, calls.is_empty())
            } else {
                Vec::new()
            };
            if batch.is_empty() {
                if calls.is_empty() && stop.is_cancelled() && desk.close_if_empty() {
                    return;
                }
                break desk.next_date(now, gather);
            }
            drop(desk);
            calls.push(ask(Arc::clone(&queue), batch));
        };
        tokio::select! {
            biased;
            Some((batch, answer)) = calls.next() => answer_all(&mut shared.desk(), batch, answer),
            () = shared.changed.notified() => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// One batch, all of one kind: the desk never mixes deletes and releases.
async fn ask(queue: Arc<dyn Queue>, batch: Vec<Job>) -> (Vec<Job>, Result<Vec<Entry>, Error>) {
    let releases: Vec<_> = batch.iter().filter_map(Job::as_release).collect();
    let call = if releases.is_empty() {
        queue.delete(batch.iter().map(Job::handle).collect())
    } else {
        queue.change_visibility(releases)
    };
    let answer = tokio::time::timeout(CALL_TIME, call)
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::QueueTimeout, "the settlement was not answered")));
    (batch, answer)
}

/// Tells each caller its own entry's answer, or puts the job back for another try.
fn answer_all(desk: &mut Desk, batch: Vec<Job>, answer: Result<Vec<Entry>, Error>) {
    let now = Instant::now();
    let (entries, otherwise) = match answer {
        Ok(entries) => (entries, Error::new(Code::QueueNoAnswer, "the queue left the entry out")),
        Err(error) => (Vec::new(), error),
    };
    let mut entries = entries.into_iter();
    for job in batch {
        let entry = entries.next();
        match entry.unwrap_or_else(|| Err(EntryError::Transient(otherwise.clone()))) {
            Ok(()) => job.answer(Ok(())),
            Err(EntryError::Lost(error)) => job.answer(Err(error)),
            Err(EntryError::Transient(error)) => desk.try_again(job, error, now),
        }
    }
}

#[cfg(test)]
mod tests;
