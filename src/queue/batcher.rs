//! Batched queue calls: a driver that sends up to ten entries per call, several calls at once.
//!
//! A batch call returns 200 with some of its entries failed, so every entry has a result of its
//! own. When and what is sent is decided by a [`Schedule`]: a plain value that is given the time,
//! so that late, lost and retried entries can be tested without a queue.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Entry, EntryError, Handle, Queue};
use crate::error::{Code, Error};

/// A call without a response after this long counts as failed.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the driver sleeps when nothing is scheduled.
pub(super) const IDLE: Duration = Duration::from_secs(3600);

/// The entries of one call, in the order of its items.
pub(super) enum Request {
    Delete(Vec<Handle>),
    ChangeVisibility(Vec<(Handle, Duration)>),
}

/// What the driver does next.
pub(super) enum Next<T> {
    /// Send a call; each item is completed with its entry's result.
    Call(Request, Vec<T>),
    /// Wait until this time, a response or [`Batcher::wake`].
    Wait(Instant),
    /// Stop driving.
    End,
}

/// Entries that wait to be sent.
pub(super) trait Schedule: Send + 'static {
    /// What is known of an entry while its call is in flight.
    type Item: Send;

    /// Returns what to do at `now`, with `in_flight` calls unanswered; `stopping` after the stop
    /// signal.
    fn next(&mut self, now: Instant, in_flight: usize, stopping: bool) -> Next<Self::Item>;

    /// Handles the result of one entry. A call that failed as a whole and a response that omits the
    /// entry are [`EntryError::Transient`].
    fn complete(&mut self, item: Self::Item, result: Entry, now: Instant);
}

/// A schedule shared by its driver and those who add to it.
///
/// A lock, not a channel: adding must not wait, or a caller that is dropped while waiting would
/// take its entry along. It is bounded all the same: one entry per message in flight.
pub(super) struct Batcher<S> {
    schedule: Mutex<S>,
    changed: Notify,
}

impl<S: Schedule> Batcher<S> {
    pub(super) fn new(schedule: S) -> Arc<Self> {
        Arc::new(Self { schedule: Mutex::new(schedule), changed: Notify::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, S> {
        self.schedule.lock()
    }

    /// Wakes the driver: something is due before it would wake by itself.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Sends the calls of the schedule until [`Next::End`].
    pub(super) async fn drive(self: Arc<Self>, queue: Arc<dyn Queue>, stop: CancellationToken) {
        let mut calls = FuturesUnordered::new();
        loop {
            let next = self.lock().next(Instant::now(), calls.len(), stop.is_cancelled());
            let until = match next {
                Next::Call(request, items) => {
                    calls.push(send(queue.as_ref(), request, items));
                    continue;
                }
                Next::Wait(until) => until,
                Next::End => return,
            };
            tokio::select! {
                biased;
                Some((items, results)) = calls.next() => {
                    let (now, mut schedule) = (Instant::now(), self.lock());
                    for (item, result) in std::iter::zip(items, results) {
                        schedule.complete(item, result, now);
                    }
                }
                () = self.changed.notified() => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
}

/// Sends one call and returns a result for each item.
async fn send<T>(queue: &dyn Queue, request: Request, items: Vec<T>) -> (Vec<T>, Vec<Entry>) {
    let call = match request {
        Request::Delete(entries) => queue.delete(entries),
        Request::ChangeVisibility(entries) => queue.change_visibility(entries),
    };
    let response = tokio::time::timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| {
        let text = format!("no response from {} in {} s", queue.name(), CALL_TIMEOUT.as_secs());
        Err(Error::new(Code::QueueTimeout, text))
    });
    let (mut results, missing) = match response {
        Ok(results) => {
            let text = format!("the response of {} omits the entry", queue.name());
            (results, Error::new(Code::QueueNoAnswer, text))
        }
        Err(error) => (Vec::new(), error),
    };
    results.resize(items.len(), Err(EntryError::Transient(missing)));
    (items, results)
}

/// A queue for tests of the schedules.
#[cfg(test)]
pub(super) mod scripted {
    use std::collections::VecDeque;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::queue::Message;

    /// The response to one call.
    #[derive(Clone)]
    pub(in crate::queue) enum Response {
        Results(Vec<Entry>),
        Fails(Code),
        Hangs,
    }

    /// Responds from a script, with success after its end; records each call.
    #[derive(Default)]
    pub(in crate::queue) struct ScriptedQueue {
        script: Mutex<VecDeque<Response>>,
        calls: Mutex<Vec<Call>>,
        pub(in crate::queue) slow: Duration,
    }

    /// When a call was made, and for which handles and seconds (`None`: deletes).
    pub(in crate::queue) type Call = (Instant, Vec<(String, Option<u64>)>);

    impl ScriptedQueue {
        pub(in crate::queue) fn new(
            script: impl IntoIterator<Item = Response>,
            slow: Duration,
        ) -> Arc<Self> {
            let script = Mutex::new(script.into_iter().collect());
            Arc::new(Self { script, calls: Mutex::default(), slow })
        }

        pub(in crate::queue) fn calls(&self) -> Vec<Call> {
            self.calls.lock().clone()
        }

        fn respond(
            &self,
            entries: Vec<(String, Option<u64>)>,
        ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
            let count = entries.len();
            self.calls.lock().push((Instant::now(), entries));
            let response = self.script.lock().pop_front();
            Box::pin(async move {
                tokio::time::sleep(self.slow).await;
                match response.unwrap_or(Response::Results(vec![Ok(()); count])) {
                    Response::Results(results) => Ok(results),
                    Response::Fails(code) => Err(Error::new(code, "scripted")),
                    Response::Hangs => std::future::pending().await,
                }
            })
        }
    }

    impl Queue for ScriptedQueue {
        fn receive(&self, _max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }
        fn change_visibility(
            &self,
            batch: Vec<(Handle, Duration)>,
        ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
            let entry =
                |(handle, time): &(Handle, Duration)| (handle.to_string(), Some(time.as_secs()));
            self.respond(batch.iter().map(entry).collect())
        }
        fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
            self.respond(batch.iter().map(|handle| (handle.to_string(), None)).collect())
        }
        fn name(&self) -> &str {
            "scripted"
        }
    }

    pub(in crate::queue) fn busy() -> Entry {
        Err(EntryError::Transient(Error::new(Code::SqsThrottled, "slow down")))
    }

    pub(in crate::queue) fn gone() -> Entry {
        Err(EntryError::Lost(Error::new(Code::LeaseLost, "ReceiptHandleIsInvalid")))
    }
}
