//! The handle and the driver that every sink shares: a bounded hand-over, group commit, retries,
//! answers by event.
//!
//! [`Handle::deliver`] moves events into the [`Driver`], which alone talks to the destination through
//! [`Transmit`]. What waits when a request ends goes out together with the next one. A failure that
//! time may heal is never an answer: the driver keeps the events, backs off and tries again, so
//! that an outage shows as backpressure. Only a sink that stops answers `Retry`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::status::Status;
use super::{Built, Sink, SinkState};
use crate::config::SinkConfig;
use crate::event::Event;
use crate::outcome::{Outcome, Why};
use crate::telemetry::{BySink, BySinkAndReason, Metrics};

/// One try at the destination. Implementations do not wait and do not repeat: the driver does.
pub(super) trait Transmit: Send + Sync + 'static {
    /// Sends `events` once and answers one outcome for each, in order. Never dropped half-way but by
    /// the end of the process.
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent>;

    /// Everything was answered and nothing will follow: flush and let go.
    fn finish(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// What became of one try.
#[derive(Debug)]
pub(super) struct Sent {
    /// One for each event; a missing one reads as `Retry`.
    pub(super) outcomes: Vec<Outcome>,
    /// The destination asked for this much time before the next request.
    pub(super) wait: Option<Duration>,
    /// The `Retry`s among the outcomes need an operator, not time.
    pub(super) paused: bool,
}

impl Sent {
    /// These outcomes, and nothing else to say.
    pub(super) fn new(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes, wait: None, paused: false }
    }
}

/// The limits of a hand-over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most events of one [`Transmit::send`].
    pub(super) batch: usize,
    /// Most sends at once; while the destination fails it is one.
    pub(super) parallel: usize,
    /// Most events handed over and not answered. A call that brings more waits for an empty sink.
    pub(super) pending: u32,
}

/// Makes a sink of a way to transmit.
pub(super) fn start(
    config: &SinkConfig,
    transmit: impl Transmit,
    bounds: Bounds,
    metrics: &Arc<Metrics>,
    stop: CancellationToken,
) -> Built {
    let room = Arc::new(Semaphore::new(bounds.pending as usize));
    let (jobs, queue) = mpsc::channel(bounds.pending as usize);
    let status = Arc::new(Status::new(&config.name));
    let handle = Handle { room: room.clone(), most: bounds.pending, jobs, status: status.clone() };
    let driver = Driver {
        name: config.name.clone(),
        transmit: Arc::new(transmit),
        bounds,
        queue,
        room,
        status,
        metrics: metrics.clone(),
        stop,
        waiting: VecDeque::new(),
        open: BTreeMap::new(),
        jobs: 0,
        backoff: Backoff::default(),
        not_before: None,
        failing: false,
        stopping: false,
        closed: false,
    };
    Built {
        name: config.name.clone(),
        required: config.required,
        sink: Arc::new(handle),
        driver: Box::pin(driver.run()),
    }
}

/// The pipeline's end.
struct Handle {
    room: Arc<Semaphore>,
    most: u32,
    jobs: mpsc::Sender<Job>,
    status: Arc<Status>,
}

/// One call of `deliver`, on its way to the driver.
struct Job {
    events: Vec<Arc<Event>>,
    reply: oneshot::Sender<Vec<Outcome>>,
    room: OwnedSemaphorePermit,
}

impl Handle {
    /// `None`: the sink has stopped, nothing was handed over.
    async fn hand_over(&self, events: Vec<Arc<Event>>) -> Option<oneshot::Receiver<Vec<Outcome>>> {
        let wanted = u32::try_from(events.len()).unwrap_or(u32::MAX).min(self.most);
        let room = self.room.clone().acquire_many_owned(wanted).await.ok()?;
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { events, reply, room }).await.ok()?;
        Some(answer)
    }
}

impl Sink for Handle {
    fn deliver(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let count = events.len();
            if count == 0 {
                return Vec::new();
            }
            let answered = match self.hand_over(events).await {
                Some(answer) => answer.await.ok(),
                None => None,
            };
            answered.unwrap_or_else(|| vec![stopped(); count])
        })
    }

    fn state(&self) -> SinkState {
        self.status.get()
    }
}

fn stopped() -> Outcome {
    Outcome::Retry(Why::new("sink_stopped", "the sink stopped before the event was answered"))
}

/// One event, and where its answer goes.
struct Item {
    event: Arc<Event>,
    job: u64,
    slot: usize,
}

/// A call whose answer is not complete.
struct Open {
    outcomes: Vec<Outcome>,
    left: usize,
    reply: oneshot::Sender<Vec<Outcome>>,
    _room: OwnedSemaphorePermit,
}

type InFlight = FuturesUnordered<BoxFuture<'static, (Vec<Item>, Sent)>>;

/// The sink's end: owns every event from hand-over to answer.
struct Driver<T> {
    name: String,
    transmit: Arc<T>,
    bounds: Bounds,
    queue: mpsc::Receiver<Job>,
    room: Arc<Semaphore>,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    waiting: VecDeque<Item>,
    open: BTreeMap<u64, Open>,
    jobs: u64,
    backoff: Backoff,
    not_before: Option<Instant>,
    failing: bool,
    stopping: bool,
    closed: bool,
}

impl<T: Transmit> Driver<T> {
    async fn run(mut self) {
        let mut in_flight = InFlight::new();
        loop {
            self.take_what_waits();
            self.start(&mut in_flight);
            if self.closed && self.waiting.is_empty() && in_flight.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some((items, sent)) = in_flight.next(), if !in_flight.is_empty() => {
                    self.settle(items, sent);
                }
                () = self.stop.cancelled(), if !self.stopping => self.begin_stop(),
                job = self.queue.recv(), if !self.closed && self.has_room() => match job {
                    Some(job) => self.enqueue(job),
                    None => self.closed = true,
                },
                () = until(self.not_before), if self.not_before.is_some() => self.not_before = None,
            }
        }
        self.transmit.finish().await;
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < self.bounds.batch
    }

    /// Group commit: everything that has arrived joins the next batch.
    fn take_what_waits(&mut self) {
        while self.has_room() {
            match self.queue.try_recv() {
                Ok(job) => self.enqueue(job),
                Err(_) => break,
            }
        }
    }

    fn enqueue(&mut self, job: Job) {
        let id = self.jobs;
        self.jobs += 1;
        let Job { events, reply, room } = job;
        let left = events.len();
        self.pending(left, true);
        self.open.insert(id, Open { outcomes: vec![stopped(); left], left, reply, _room: room });
        let items = events.into_iter().enumerate();
        self.waiting.extend(items.map(|(slot, event)| Item { event, job: id, slot }));
    }

    /// Starts as many sends as may run now.
    fn start(&mut self, in_flight: &mut InFlight) {
        if self.stopping && self.failing {
            let left: Vec<Item> = self.waiting.drain(..).collect();
            for item in left {
                self.answer(&item, stopped());
            }
        }
        let parallel = if self.failing { 1 } else { self.bounds.parallel };
        while self.not_before.is_none() && in_flight.len() < parallel && !self.waiting.is_empty() {
            let count = self.waiting.len().min(self.bounds.batch);
            let items: Vec<Item> = self.waiting.drain(..count).collect();
            let transmit = self.transmit.clone();
            in_flight.push(Box::pin(async move {
                let events = items.iter().map(|item| item.event.clone()).collect();
                let sent = transmit.send(events).await;
                (items, sent)
            }));
        }
    }

    /// Answers what is final and keeps the rest for another try.
    fn settle(&mut self, items: Vec<Item>, sent: Sent) {
        let Sent { outcomes, wait, paused } = sent;
        let mut outcomes = outcomes.into_iter();
        let mut kept = Vec::new();
        let mut cause = None;
        for item in items {
            match outcomes.next().unwrap_or_else(unanswered) {
                Outcome::Retry(why) => {
                    if self.stopping {
                        self.answer(&item, Outcome::Retry(why.clone()));
                    } else {
                        kept.push(item);
                    }
                    cause.get_or_insert(why);
                }
                last => self.answer(&item, last),
            }
        }
        for item in kept.into_iter().rev() {
            self.waiting.push_front(item);
        }
        self.judge(cause, wait, paused);
    }

    /// Sets the state, and when the next request may go out.
    fn judge(&mut self, cause: Option<Why>, wait: Option<Duration>, paused: bool) {
        self.failing = cause.is_some();
        let wait = match cause {
            None => {
                self.backoff.reset();
                self.status.set(SinkState::Up);
                wait
            }
            Some(why) => {
                let reason = why.code.to_owned();
                let labels = BySinkAndReason { sink: self.name.clone(), reason };
                self.metrics.sink_errors.get_or_create(&labels).inc();
                self.status.set(if paused {
                    SinkState::Paused(why)
                } else {
                    SinkState::Degraded(why)
                });
                Some(self.backoff.after_failure(fastrand::f64()).max(wait.unwrap_or_default()))
            }
        };
        // A stopping sink does not sit out what the destination asked for: it has a deadline.
        self.not_before = wait.filter(|_| !self.stopping).map(|wait| Instant::now() + wait);
    }

    fn answer(&mut self, item: &Item, outcome: Outcome) {
        self.pending(1, false);
        let Some(open) = self.open.get_mut(&item.job) else { return };
        if let Some(slot) = open.outcomes.get_mut(item.slot) {
            *slot = outcome;
        }
        open.left -= 1;
        if open.left == 0
            && let Some(open) = self.open.remove(&item.job)
        {
            // Nobody listens where the caller was dropped: the events were sent all the same.
            let _ = open.reply.send(open.outcomes);
        }
    }

    /// Takes no more; a wait for better times is over.
    fn begin_stop(&mut self) {
        self.stopping = true;
        self.not_before = None;
        self.room.close();
        self.queue.close();
    }

    fn pending(&self, events: usize, more: bool) {
        let gauge = self.metrics.sink_pending.get_or_create(&BySink { sink: self.name.clone() });
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        if more {
            gauge.inc_by(events)
        } else {
            gauge.dec_by(events)
        };
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.room.close();
    }
}

fn unanswered() -> Outcome {
    Outcome::Retry(Why::new("sink_fault", "the sink answered fewer outcomes than events"))
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
