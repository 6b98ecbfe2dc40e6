//! The loop behind every sink: it batches, tries, backs off, tries again, and answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::answers::{Answers, Item, stopped};
use super::backoff::Backoff;
use super::handle::{Bounds, Job, Sent, Transmit};
use super::status::Status;
use super::{SinkState, Stop};
use crate::error::{Code, Error, Outcome};
use crate::telemetry::{BySinkAndReason, Metrics};

/// Work that the driver waits for: a request, or the late outcome of some of its events.
enum Done {
    Sent(Vec<Item>, Sent),
    Late(Vec<Item>, Outcome),
}

type Work = FuturesUnordered<BoxFuture<'static, Done>>;

/// Owns every event from hand-over to answer.
pub(super) struct Driver<T> {
    transmit: Arc<T>,
    bounds: Bounds,
    queue: mpsc::Receiver<Job>,
    room: Arc<Semaphore>,
    status: Arc<Status>,
    answers: Answers,
    metrics: Arc<Metrics>,
    stop: Stop,
    waiting: VecDeque<Item>,
    work: Work,
    /// Requests among `work`; the rest are late outcomes.
    requests: usize,
    backoff: Backoff,
    not_before: Option<Instant>,
    failing: bool,
    stopping: bool,
    closed: bool,
}

impl<T: Transmit> Driver<T> {
    #[expect(clippy::too_many_arguments, reason = "one caller, which has each of them by name")]
    pub(super) fn new(
        transmit: T,
        bounds: Bounds,
        queue: mpsc::Receiver<Job>,
        room: Arc<Semaphore>,
        status: Arc<Status>,
        answers: Answers,
        metrics: &Arc<Metrics>,
        stop: Stop,
    ) -> Self {
        Self {
            transmit: Arc::new(transmit),
            bounds,
            queue,
            room,
            status,
            answers,
            metrics: metrics.clone(),
            stop,
            waiting: VecDeque::new(),
            work: Work::new(),
            requests: 0,
            backoff: Backoff::default(),
            not_before: None,
            failing: false,
            stopping: false,
            closed: false,
        }
    }

    /// Runs until `stop` is said and everything handed over is answered, or until its deadline. What is not answered
    /// then is handed back as the driver is dropped.
    pub(super) async fn run(mut self) {
        loop {
            self.take_what_waits();
            self.start();
            if self.closed && self.waiting.is_empty() && self.work.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some(done) = self.work.next(), if !self.work.is_empty() => self.settle(done),
                () = self.stop.said(), if !self.stopping => self.begin_stop(),
                () = self.stop.over(), if self.stopping => break,
                job = self.queue.recv(), if !self.closed && self.waiting.len() < self.bounds.batch => {
                    match job {
                        Some(job) => self.waiting.extend(self.answers.open(job)),
                        None => self.closed = true,
                    }
                }
                () = until(self.not_before), if self.not_before.is_some() => self.not_before = None,
            }
        }
    }

    /// Group commit: everything that has arrived joins the next batch.
    fn take_what_waits(&mut self) {
        while self.waiting.len() < self.bounds.batch
            && let Ok(job) = self.queue.try_recv()
        {
            self.waiting.extend(self.answers.open(job));
        }
    }

    /// Starts as many requests as may run now.
    fn start(&mut self) {
        if self.stopping && self.failing {
            for item in std::mem::take(&mut self.waiting) {
                self.answers.close(&item, stopped());
            }
        }
        let parallel = if self.failing { 1 } else { self.bounds.parallel };
        while self.not_before.is_none()
            && self.requests < parallel
            && self.waiting.len() >= if self.requests == 0 { 1 } else { self.bounds.beside }
        {
            let count = self.waiting.len().min(self.bounds.batch);
            let items: Vec<Item> = self.waiting.drain(..count).collect();
            let transmit = self.transmit.clone();
            self.requests += 1;
            self.work.push(Box::pin(async move {
                let events = items.iter().map(|item| item.event.clone()).collect();
                let sent = transmit.send(events).await;
                Done::Sent(items, sent)
            }));
        }
    }

    /// Answers what is final and keeps the rest for another try.
    fn settle(&mut self, done: Done) {
        match done {
            Done::Sent(items, Sent { outcomes, late, wait, paused }) => {
                self.requests -= 1;
                let mut slots: Vec<Option<Item>> = items.into_iter().map(Some).collect();
                for late in late {
                    let taken = late.places.iter().filter_map(|at| slots.get_mut(*at)?.take());
                    let items: Vec<Item> = taken.collect();
                    let outcome = late.outcome;
                    self.work.push(Box::pin(async move { Done::Late(items, outcome.await) }));
                }
                let mut outcomes = outcomes.into_iter();
                let known = slots.into_iter().map(|item| {
                    let outcome = outcomes.next().unwrap_or_else(unanswered);
                    item.map(|item| (item, outcome))
                });
                let known: Vec<(Item, Outcome)> = known.flatten().collect();
                let cause = self.close(known);
                self.judge(cause, wait, paused);
            }
            Done::Late(items, outcome) => {
                let known = items.into_iter().map(|item| (item, outcome.clone())).collect();
                match self.close(known) {
                    None => {}
                    // Receipts are lost many at once, when an indexer starts anew: together they are one failure.
                    Some(cause) if self.not_before.is_some() => self.count(cause.code),
                    Some(cause) => self.judge(Some(cause), None, false),
                }
            }
        }
    }

    /// Answers final outcomes; events to be tried again go to the front, in order. Error, if there are any.
    fn close(&mut self, known: Vec<(Item, Outcome)>) -> Option<Error> {
        let mut again = Vec::new();
        let mut cause = None;
        for (item, outcome) in known {
            if let Outcome::Retry(error) = &outcome {
                cause.get_or_insert_with(|| error.clone());
                if !self.stopping {
                    again.push(item);
                    continue;
                }
            }
            self.answers.close(&item, outcome);
        }
        for item in again.into_iter().rev() {
            self.waiting.push_front(item);
        }
        cause
    }

    /// Sets the state, and when the next request may go out.
    fn judge(&mut self, cause: Option<Error>, wait: Option<Duration>, paused: bool) {
        self.failing = cause.is_some();
        let wait = match cause {
            None => {
                self.backoff.reset();
                self.status.set(SinkState::Up);
                wait
            }
            Some(error) => {
                self.count(error.code);
                let state =
                    if paused { SinkState::Paused(error) } else { SinkState::Degraded(error) };
                self.status.set(state);
                Some(self.backoff.after_failure(fastrand::f64()).max(wait.unwrap_or_default()))
            }
        };
        // A stopping sink does not sit out what the destination asked for: it has a deadline.
        self.not_before = wait.filter(|_| !self.stopping).map(|wait| Instant::now() + wait);
    }

    fn count(&self, code: Code) {
        let sink = self.answers.sink().to_owned();
        let labels = BySinkAndReason { sink, reason: code.as_str().to_owned() };
        self.metrics.sink_errors.get_or_create(&labels).inc();
    }

    /// Takes no more; a wait for better times is over.
    fn begin_stop(&mut self) {
        self.stopping = true;
        self.not_before = None;
        self.room.close();
        self.queue.close();
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.room.close();
    }
}

fn unanswered() -> Outcome {
    Outcome::Retry(Error::new(Code::SinkInternal, "the sink answered fewer outcomes than events"))
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
