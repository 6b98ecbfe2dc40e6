//! The handle and the driver that every sink shares: a bounded hand-over, group commit, retries,
//! answers by event.
//!
//! `deliver` moves events into the [`Driver`], which alone talks to the destination through
//! [`Transmit`]. What waits when a request ends goes out together with the next one. A failure that
//! time may heal is never an answer: the driver keeps the events, backs off and tries again, so
//! that an outage shows as backpressure. Only a sink that stops answers `Retry`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::answers::{Answers, stopped};
use super::driver::Driver;
use super::status::Status;
use super::{Built, Sink, SinkState, Stop};
use crate::config::SinkConfig;
use crate::error::Outcome;
use crate::event::Event;
use crate::telemetry::Metrics;

/// One try at the destination. Implementations do not wait and do not repeat: the driver does.
pub(super) trait Transmit: Send + Sync + 'static {
    /// Sends `events` once and answers one outcome for each, in order. Never dropped half-way but at
    /// the end of the process: its deadline has come.
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent>;
}

/// What became of one try.
pub(super) struct Sent {
    /// One for each event; a missing one reads as `Retry`.
    pub(super) outcomes: Vec<Outcome>,
    /// Events whose outcome comes later, while other requests go on; what `outcomes` says of them is ignored.
    pub(super) late: Vec<Late>,
    /// The destination asked for this much time before the next request.
    pub(super) wait: Option<Duration>,
    /// The `Retry`s among the outcomes need an operator, not time.
    pub(super) paused: bool,
}

/// Some events of a try, by their places, that share an outcome which is not known yet.
pub(super) struct Late {
    /// Places in the list that was sent.
    pub(super) places: Vec<usize>,
    /// The outcome of them all.
    pub(super) outcome: BoxFuture<'static, Outcome>,
}

impl Sent {
    /// These outcomes, and nothing else to say.
    pub(super) fn new(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes, late: Vec::new(), wait: None, paused: false }
    }
}

/// The limits of a hand-over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most events of one [`Transmit::send`].
    pub(super) batch: usize,
    /// Most sends at once; while the destination fails it is one.
    pub(super) parallel: usize,
    /// Least events for a send to begin beside another one.
    pub(super) beside: usize,
    /// Most events handed over and not answered. A call that brings more waits for an empty sink.
    pub(super) pending: u32,
}

/// Makes a sink of a way to transmit.
pub(super) fn start(
    config: &SinkConfig,
    transmit: impl Transmit,
    bounds: Bounds,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Built {
    let room = Arc::new(Semaphore::new(bounds.pending as usize));
    let (jobs, queue) = mpsc::channel(bounds.pending as usize);
    let status = Arc::new(Status::new(&config.name));
    let handle = Handle { room: room.clone(), most: bounds.pending, jobs, status: status.clone() };
    let answers = Answers::new(&config.name, metrics);
    let driver = Driver::new(transmit, bounds, queue, room, status, answers, metrics, stop);
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
pub(super) struct Job {
    pub(super) events: Vec<Arc<Event>>,
    pub(super) reply: oneshot::Sender<Vec<Outcome>>,
    pub(super) room: OwnedSemaphorePermit,
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

#[cfg(test)]
mod tests;
