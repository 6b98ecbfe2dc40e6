//! The lease keeper: one driver per queue that renews every held message's visibility, in batches of ten.
//!
//! A message stays hidden from other consumers only while its lease runs, and delivery may take far
//! longer than one visibility timeout: a sink's outage, a huge object. Renewal belongs to a task of
//! its own, because a message's own future may be busy elsewhere for any length of time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::book::{Book, Call};
use super::{Entry, Handle, Queue};
use crate::error::{Code, Error};

mod book;

/// The keeper's margins, named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisibilitySettings {
    /// Visibility asked for at each renewal.
    pub visibility: Duration,
    /// A lease is renewed when this much of it is left.
    pub renew_before: Duration,
    /// SQS's absolute cap on one receive's visibility, counted from the receive: 12 h.
    pub cap: Duration,
}

/// Renewal calls under way at once: one slow call must not starve the others' leases.
const CALLS: usize = 4;

/// A renewal without an answer after this long counts as failed; its leases are asked for again.
const CALL_TIME: Duration = Duration::from_secs(10);

/// So long a release waits for a renewal under way: at the drain deadline there is not much more.
const LAST_RENEWAL: Duration = Duration::from_secs(1);

/// A cheap handle to the keeper.
#[derive(Clone)]
pub struct VisibilityExtender {
    shared: Arc<Shared>,
}

/// Held from receive to settlement. Dropping it stops the renewal; losing it resolves [`Lease::lost`].
pub struct Lease {
    id: u64,
    lost: CancellationToken,
    shared: Arc<Shared>,
}

/// The book of leases, and the bell that wakes the driver when the book's next date moved forward.
///
/// It holds one entry per message in hand, so the gates that bound those bound it.
struct Shared {
    book: Mutex<Book>,
    changed: Notify,
}

impl Shared {
    /// The book stays whole over a panic: no method of it leaves it half-written.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VisibilityExtender {
    /// The keeper's handle, and its driver, which runs until `stop` is cancelled and every lease is
    /// dropped or lost.
    #[must_use]
    pub fn new(
        queue: Arc<dyn Queue>,
        settings: VisibilitySettings,
        stop: CancellationToken,
    ) -> (Self, BoxFuture<'static, ()>) {
        let shared =
            Arc::new(Shared { book: Mutex::new(Book::new(settings)), changed: Notify::new() });
        let driver = drive(queue, Arc::clone(&shared), stop);
        (Self { shared }, Box::pin(driver))
    }

    /// Starts renewing the message that `handle` names, received by a call made at `received_at`.
    ///
    /// The queue's clock started between that moment (a long poll may last) and now. Renewal counts
    /// from the earlier one, to be in time; loss from the later one, because nobody may declare a
    /// lease lost that still runs. Asking too late is harmless: the queue says that it is lost.
    #[must_use]
    pub fn hold(&self, handle: Handle, received_at: Instant) -> Lease {
        let lost = CancellationToken::new();
        let (id, sooner) =
            self.shared.book().hold(handle, received_at, Instant::now(), lost.clone());
        if sooner {
            self.shared.changed.notify_one();
        }
        Lease { id, lost, shared: Arc::clone(&self.shared) }
    }
}

impl Lease {
    /// Resolves when the lease is lost: someone else may have the message now. Cancel-safe.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Whether it is lost already.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        // The driver may be late; the clock is not.
        self.lost.is_cancelled() || self.shared.book().has_run_out(self.id, Instant::now())
    }

    /// Ends the renewal, and waits for one that is under way: behind the message's release it would put
    /// its own time in the place of the release's. `false` if the lease is lost.
    pub async fn end(&self) -> bool {
        let quiet = async {
            while !self.is_lost() {
                let under_way = self.shared.book().end(self.id);
                let Some(call) = under_way else { return };
                call.cancelled().await;
            }
        };
        // One without an answer by then has hardly reached the queue.
        let _ = tokio::time::timeout(LAST_RENEWAL, quiet).await;
        let is_ours = !self.is_lost();
        // It is not to be asked for again behind the release.
        self.shared.book().release(self.id);
        is_ours
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let empty = self.shared.book().release(self.id);
        if empty {
            self.shared.changed.notify_one();
        }
    }
}

/// One renewal as it was asked: which leases, and from when their new time counts.
struct Asked {
    leases: Vec<(u64, Duration)>,
    at: Instant,
    _under_way: DropGuard,
}

async fn drive(queue: Arc<dyn Queue>, shared: Arc<Shared>, stop: CancellationToken) {
    let mut calls = FuturesUnordered::new();
    loop {
        let next = loop {
            let now = Instant::now();
            let mut book = shared.book();
            let call = if calls.len() < CALLS { book.due(now) } else { None };
            let Some(call) = call else { break book.next_date(now) };
            drop(book);
            calls.push(renew(Arc::clone(&queue), call, now));
        };
        if stop.is_cancelled() && shared.book().is_empty() {
            return;
        }
        tokio::select! {
            biased;
            Some((asked, answer)) = calls.next() => settle(&mut shared.book(), &asked, answer),
            () = shared.changed.notified() => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

async fn renew(
    queue: Arc<dyn Queue>,
    Call { renewals, under_way }: Call,
    at: Instant,
) -> (Asked, Result<Vec<Entry>, Error>) {
    let leases = renewals.iter().map(|renewal| (renewal.id, renewal.time)).collect();
    let entries = renewals.into_iter().map(|renewal| (renewal.handle, renewal.time)).collect();
    let answer = tokio::time::timeout(CALL_TIME, queue.change_visibility(entries))
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::QueueTimeout, "the renewal was not answered")));
    (Asked { leases, at, _under_way: under_way }, answer)
}

/// Writes a call's answers into the book. A call that failed as a whole, an entry that failed for
/// now and an entry without an answer are all the same: asked for again while the lease may live.
fn settle(book: &mut Book, asked: &Asked, answer: Result<Vec<Entry>, Error>) {
    let now = Instant::now();
    let mut answers = answer.unwrap_or_default().into_iter();
    for &(id, time) in &asked.leases {
        match answers.next() {
            Some(Ok(())) => book.renewed(id, asked.at, time, now),
            Some(Err(super::EntryError::Lost(_))) => book.lost(id),
            Some(Err(super::EntryError::Transient(_))) | None => book.failed(id, now),
        }
    }
}

#[cfg(test)]
mod tests;
