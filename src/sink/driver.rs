//! The handle and the driver that every sink shares: a bounded queue, group commit, retries with
//! backoff, one outcome for each event.
//!
//! `deliver` moves events into the [`Driver`], which alone talks to the destination, through a
//! [`Transport`]. Events that are queued when a request ends go out together with the next one. A
//! temporary failure is never an outcome: the driver keeps the events, backs off and retries, so
//! that an outage shows as backpressure. Only a sink that stops returns `Retry`.
//!
//! A destination that rejects every event is at fault itself: see [`Rejections`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::types::{BuildContext, Built, Sink, SinkState, Stop};
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::telemetry::{BySink, BySinkAndReason, Metrics};

/// One attempt at the destination. Implementations neither wait nor retry: the driver does.
pub(super) trait Transport: Send + Sync + 'static {
    /// Sends `events` once and returns one outcome for each, in order. The future is dropped before
    /// its end only at the deadline of a stop.
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent>;
}

/// The result of one attempt.
pub(super) struct Sent {
    /// One for each event; a missing one counts as `Retry`.
    pub(super) outcomes: Vec<Outcome>,
    /// Events whose outcome is known later, while other requests continue; their `outcomes` are
    /// ignored.
    pub(super) pending: Vec<PendingAck>,
    /// The delay before the next request that the destination asked for.
    pub(super) retry_after: Option<Duration>,
}

/// Events of an attempt that wait for one outcome.
pub(super) struct PendingAck {
    /// Indexes in the list that was sent.
    pub(super) indexes: Vec<usize>,
    /// The outcome of them all.
    pub(super) outcome: BoxFuture<'static, Outcome>,
}

impl Sent {
    /// A result with these outcomes only.
    pub(super) fn new(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes, pending: Vec::new(), retry_after: None }
    }
}

/// Returns whether an outcome is a `Retry` that needs an operator.
pub(super) fn needs_operator(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry(error) if error.code.needs_operator())
}

/// The limits of a driver.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    /// Maximum events of one [`Transport::send`].
    pub(super) batch: usize,
    /// Maximum requests in flight; one while the destination fails.
    pub(super) requests: usize,
    /// Minimum events for a request to start while another one is in flight.
    pub(super) min_batch: usize,
    /// Maximum events without an outcome. A larger call waits until the sink is empty.
    pub(super) pending: u32,
}

/// Creates a sink over a transport.
pub(super) fn start(
    BuildContext { config, metrics, stop, .. }: BuildContext<'_>,
    transport: impl Transport,
    limits: BatchLimits,
) -> Built {
    let permits = Arc::new(Semaphore::new(limits.pending as usize));
    let (sender, calls) = mpsc::channel(limits.pending as usize);
    let state = Arc::new(Mutex::new(SinkState::Unverified));
    let max = limits.pending;
    let pending = PendingCalls::new(&config.name, metrics);
    let handle = Handle {
        permits: permits.clone(),
        max,
        calls: sender,
        state: state.clone(),
        undelivered: pending.undelivered.clone(),
    };
    let driver = Driver {
        sink: config.name.clone(),
        transport: Arc::new(transport),
        limits,
        calls,
        permits,
        state,
        pending,
        metrics: metrics.clone(),
        stop,
        queued: VecDeque::new(),
        in_flight: FuturesUnordered::new(),
        requests: 0,
        backoff: Backoff::default(),
        retry_at: None,
        rejections: Rejections::default(),
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

/// The pipeline's side of a sink.
struct Handle {
    permits: Arc<Semaphore>,
    max: u32,
    calls: mpsc::Sender<Call>,
    state: Arc<Mutex<SinkState>>,
    undelivered: Arc<Mutex<Option<Instant>>>,
}

/// One call of `deliver` on its way to the driver.
struct Call {
    events: Vec<Arc<Event>>,
    reply: oneshot::Sender<Vec<Outcome>>,
    permit: OwnedSemaphorePermit,
}

impl Handle {
    /// Queues `events`. `None`: the sink has stopped, nothing was queued.
    async fn enqueue(&self, events: Vec<Arc<Event>>) -> Option<oneshot::Receiver<Vec<Outcome>>> {
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX).min(self.max);
        let permit = self.permits.clone().acquire_many_owned(count).await.ok()?;
        let (reply, outcomes) = oneshot::channel();
        self.calls.send(Call { events, reply, permit }).await.ok()?;
        Some(outcomes)
    }
}

impl Sink for Handle {
    fn deliver(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let count = events.len();
            if count == 0 {
                return Vec::new();
            }
            let outcomes = match self.enqueue(events).await {
                Some(outcomes) => outcomes.await.ok(),
                None => None,
            };
            outcomes.unwrap_or_else(|| vec![stopped(); count])
        })
    }

    fn state(&self) -> SinkState {
        self.state.lock().clone()
    }

    fn undelivered_since(&self) -> Option<Instant> {
        *self.undelivered.lock()
    }
}

/// Work of the driver that has completed: a request, or the pending outcome of some of its events.
enum Completed {
    Request(Vec<QueuedEvent>, Sent),
    Ack(Vec<QueuedEvent>, Outcome),
}

/// Owns every event from `deliver` to its outcome.
struct Driver<T> {
    sink: String,
    transport: Arc<T>,
    limits: BatchLimits,
    calls: mpsc::Receiver<Call>,
    permits: Arc<Semaphore>,
    state: Arc<Mutex<SinkState>>,
    pending: PendingCalls,
    metrics: Arc<Metrics>,
    stop: Stop,
    queued: VecDeque<QueuedEvent>,
    in_flight: FuturesUnordered<BoxFuture<'static, Completed>>,
    /// Requests among `in_flight`; the rest are pending outcomes.
    requests: usize,
    backoff: Backoff,
    retry_at: Option<Instant>,
    rejections: Rejections,
    failing: bool,
    stopping: bool,
    closed: bool,
}

impl<T: Transport> Driver<T> {
    /// Runs until a stop is requested and every event has an outcome, or until the stop's deadline.
    /// Events without an outcome are then returned as the driver is dropped.
    async fn run(mut self) {
        loop {
            self.receive_queued();
            self.start_requests();
            if self.closed && self.queued.is_empty() && self.in_flight.is_empty() {
                break;
            }
            let accepts = !self.closed && self.queued.len() < self.limits.batch;
            tokio::select! {
                biased;
                Some(done) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.complete(done);
                }
                () = self.stop.requested(), if !self.stopping => self.begin_stop(),
                () = self.stop.deadline(), if self.stopping => break,
                call = self.calls.recv(), if accepts => {
                    match call {
                        Some(call) => self.queued.extend(self.pending.open(call)),
                        None => self.closed = true,
                    }
                }
                () = tokio::time::sleep_until(self.retry_at.unwrap_or_else(Instant::now)),
                    if self.retry_at.is_some() => self.retry_at = None,
            }
        }
    }

    /// Moves every call that has arrived into the next batch (group commit).
    fn receive_queued(&mut self) {
        while self.queued.len() < self.limits.batch
            && let Ok(call) = self.calls.try_recv()
        {
            self.queued.extend(self.pending.open(call));
        }
    }

    /// Starts as many requests as the limits allow.
    fn start_requests(&mut self) {
        if self.stopping && self.failing {
            for event in std::mem::take(&mut self.queued) {
                self.pending.close(&event, stopped());
            }
        }
        let max_requests = if self.failing { 1 } else { self.limits.requests };
        while self.retry_at.is_none()
            && self.requests < max_requests
            && self.queued.len() >= if self.requests == 0 { 1 } else { self.limits.min_batch }
        {
            // To find that every event is bad may take two requests for each.
            let max = if self.rejections.are_too_many() { MAX_REJECTED } else { usize::MAX };
            let count = self.queued.len().min(self.limits.batch).min(max);
            let batch: Vec<QueuedEvent> = self.queued.drain(..count).collect();
            let transport = self.transport.clone();
            self.requests += 1;
            self.in_flight.push(Box::pin(async move {
                let events = batch.iter().map(|queued| queued.event.clone()).collect();
                let sent = transport.send(events).await;
                Completed::Request(batch, sent)
            }));
        }
    }

    /// Returns final outcomes to their calls and queues the other events again.
    fn complete(&mut self, done: Completed) {
        match done {
            Completed::Request(batch, Sent { outcomes, pending, retry_after }) => {
                self.requests -= 1;
                let accepted = !pending.is_empty();
                let mut batch: Vec<Option<QueuedEvent>> = batch.into_iter().map(Some).collect();
                for PendingAck { indexes, outcome } in pending {
                    let events = indexes.iter().filter_map(|at| batch.get_mut(*at)?.take());
                    let events: Vec<QueuedEvent> = events.collect();
                    self.in_flight
                        .push(Box::pin(async move { Completed::Ack(events, outcome.await) }));
                }
                let mut outcomes = outcomes.into_iter();
                let known = batch.into_iter().map(|event| {
                    let outcome = outcomes.next().unwrap_or_else(missing);
                    event.map(|event| (event, outcome))
                });
                let mut known: Vec<(QueuedEvent, Outcome)> = known.flatten().collect();
                self.rejections.count(&self.sink, accepted, &mut known);
                let cause = self.close(known);
                self.update_state(cause, retry_after);
            }
            Completed::Ack(events, outcome) => {
                let known = events.into_iter().map(|event| (event, outcome.clone())).collect();
                match self.close(known) {
                    None => {}
                    // An indexer restart loses many acknowledgements at once: together they are one
                    // failure.
                    Some(cause) if self.retry_at.is_some() => self.count(cause.code),
                    Some(cause) => self.update_state(Some(cause), None),
                }
            }
        }
    }

    /// Returns final outcomes; events to retry go to the front of the queue, in order, or to its
    /// end if they are rejected: another one may be accepted. The result is the error to report if
    /// any event failed: one that needs an operator, else the first.
    fn close(&mut self, known: Vec<(QueuedEvent, Outcome)>) -> Option<Error> {
        let mut retried = Vec::new();
        let mut cause: Option<Error> = None;
        for (event, outcome) in known {
            if let Outcome::Retry(error) = &outcome {
                let outranks =
                    |cause: &Error| error.code.needs_operator() && !cause.code.needs_operator();
                if cause.as_ref().is_none_or(outranks) {
                    cause = Some(error.clone());
                }
                if !self.stopping {
                    retried.push(event);
                    continue;
                }
            }
            self.pending.close(&event, outcome);
        }
        if self.rejections.are_too_many() {
            self.queued.extend(retried);
        } else {
            for event in retried.into_iter().rev() {
                self.queued.push_front(event);
            }
        }
        cause
    }

    /// Sets the state and the time of the next request.
    fn update_state(&mut self, cause: Option<Error>, retry_after: Option<Duration>) {
        self.failing = cause.is_some();
        let delay = match cause {
            None => {
                self.backoff.reset();
                self.set_state(SinkState::Up);
                retry_after
            }
            Some(error) => {
                self.count(error.code);
                self.set_state(match error.code.needs_operator() {
                    true => SinkState::Paused(error),
                    false => SinkState::Degraded(error),
                });
                let backoff = self.backoff.after_failure(fastrand::f64());
                Some(backoff.max(retry_after.unwrap_or_default()))
            }
        };
        // A stopping sink ignores the delay that the destination asked for: it has a deadline.
        self.retry_at = delay.filter(|_| !self.stopping).map(|delay| Instant::now() + delay);
    }

    /// Sets the state and logs a change: an outage of an hour is two lines, not thousands.
    fn set_state(&self, next: SinkState) {
        let mut state = self.state.lock();
        let unchanged = match (&*state, &next) {
            // The first delivered event is no news.
            (SinkState::Unverified, SinkState::Up) => true,
            (SinkState::Degraded(before), SinkState::Degraded(now))
            | (SinkState::Paused(before), SinkState::Paused(now)) => before.code == now.code,
            (before, now) => before == now,
        };
        if !unchanged {
            let sink = self.sink.as_str();
            match &next {
                SinkState::Unverified => {}
                SinkState::Up => tracing::info!(sink, "sink recovered"),
                SinkState::Degraded(Error { code, text: error, .. }) => {
                    tracing::warn!(
                        sink,
                        code = code.as_str(),
                        error,
                        "sink request failed, retrying"
                    );
                }
                SinkState::Paused(Error { code, text: error, .. }) => {
                    let code = code.as_str();
                    tracing::error!(sink, code, error, "sink paused, operator action required");
                }
            }
        }
        *state = next;
    }

    fn count(&self, code: Code) {
        let reason = code.as_str().to_owned();
        let labels = BySinkAndReason { sink: self.sink.clone(), reason };
        self.metrics.sink_errors.get_or_create(&labels).inc();
    }

    /// Accepts no more calls and ends the current delay.
    fn begin_stop(&mut self) {
        self.stopping = true;
        self.retry_at = None;
        self.permits.close();
        self.calls.close();
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.permits.close();
    }
}

/// Different events rejected in a row, with none accepted in between, from which on the destination
/// is at fault and not the events.
const MAX_REJECTED: usize = 20;

/// The ids of the events that were rejected since the start or since an event was accepted, up to
/// [`MAX_REJECTED`]. From then on rejected events are retried until any event is accepted; with
/// that one, and until then fewer, bad events are rejected at once. An event counts once, so that a
/// few bad ones never wait for a good one, however often they are redelivered.
#[derive(Default)]
struct Rejections(BTreeSet<String>);

impl Rejections {
    fn are_too_many(&self) -> bool {
        self.0.len() >= MAX_REJECTED
    }

    /// Counts the outcomes of an attempt, of which some events may have been `accepted` and have
    /// their outcome later; and turns `Rejected` into `Retry` if there are too many.
    fn count(&mut self, sink: &str, accepted: bool, known: &mut [(QueuedEvent, Outcome)]) {
        if accepted || known.iter().any(|(_, outcome)| *outcome == Outcome::Delivered) {
            return self.0.clear();
        }
        for (queued, outcome) in known.iter() {
            if matches!(outcome, Outcome::Rejected(_)) && !self.are_too_many() {
                self.0.insert(queued.event.id.clone());
            }
        }
        for (_, outcome) in known.iter_mut().filter(|_| self.are_too_many()) {
            if let Outcome::Rejected(error) = outcome {
                let text = format!(
                    "sink.{sink}: the last {MAX_REJECTED} events or more were all rejected, so that \
                     the destination or its settings are at fault; the last one: {}",
                    error.text
                );
                *outcome = Outcome::Retry(Error::new(Code::SinkRejectsAll, text));
            }
        }
    }
}

/// One event, and the call that its outcome belongs to.
struct QueuedEvent {
    event: Arc<Event>,
    call: u64,
    index: usize,
}

/// A call of `deliver` some of whose outcomes are not known yet. It returns once, when all are.
struct PendingCall {
    /// `None`: not known yet.
    outcomes: Vec<Option<Outcome>>,
    left: usize,
    reply: oneshot::Sender<Vec<Outcome>>,
    _permit: OwnedSemaphorePermit,
}

impl PendingCall {
    fn finish(self) {
        let outcomes = self.outcomes.into_iter().map(|known| known.unwrap_or_else(stopped));
        // Fails if the caller was dropped: the events were sent all the same.
        let _ = self.reply.send(outcomes.collect());
    }
}

/// The calls of `deliver` that wait for outcomes.
struct PendingCalls {
    gauge: Gauge,
    open: BTreeMap<u64, PendingCall>,
    calls: u64,
    /// While calls are open: when the first of them began, or the last final outcome came.
    undelivered: Arc<Mutex<Option<Instant>>>,
}

impl PendingCalls {
    fn new(sink: &str, metrics: &Arc<Metrics>) -> Self {
        let gauge = metrics.sink_pending.get_or_create(&BySink::new(sink)).clone();
        Self { gauge, open: BTreeMap::new(), calls: 0, undelivered: Arc::default() }
    }

    /// Registers a call and returns its events.
    fn open(&mut self, call: Call) -> impl Iterator<Item = QueuedEvent> + use<> {
        let Call { events, reply, permit } = call;
        let call = self.calls;
        self.calls += 1;
        let left = events.len();
        self.gauge.inc_by(left as i64);
        self.undelivered.lock().get_or_insert_with(Instant::now);
        let outcomes = vec![None; left];
        self.open.insert(call, PendingCall { outcomes, left, reply, _permit: permit });
        let events = events.into_iter().enumerate();
        events.map(move |(index, event)| QueuedEvent { event, call, index })
    }

    /// Records the outcome of an event, and finishes its call if it was the last one.
    fn close(&mut self, event: &QueuedEvent, outcome: Outcome) {
        self.gauge.dec();
        let is_final = !matches!(outcome, Outcome::Retry(_));
        let Some(open) = self.open.get_mut(&event.call) else { return };
        if let Some(known) = open.outcomes.get_mut(event.index) {
            *known = Some(outcome);
        }
        open.left = open.left.saturating_sub(1);
        if open.left == 0
            && let Some(open) = self.open.remove(&event.call)
        {
            open.finish();
        }
        if is_final {
            *self.undelivered.lock() = (!self.open.is_empty()).then(Instant::now);
        }
    }
}

impl Drop for PendingCalls {
    /// Finishes every call with the outcomes that are known.
    fn drop(&mut self) {
        *self.undelivered.lock() = None;
        for open in std::mem::take(&mut self.open).into_values() {
            self.gauge.dec_by(open.left as i64);
            open.finish();
        }
    }
}

/// The outcome of an event that a stopped sink did not send.
fn stopped() -> Outcome {
    Outcome::Retry(Error::new(Code::SinkStopped, "the sink stopped before the event was delivered"))
}

fn missing() -> Outcome {
    Outcome::Retry(Error::new(Code::SinkInternal, "the sink returned fewer outcomes than events"))
}

#[cfg(test)]
mod tests;
