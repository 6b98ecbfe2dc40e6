//! Which call of `deliver` waits for which outcomes. A call is answered once, when all of its events are.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::handle::Job;
use crate::event::Event;
use crate::outcome::{Outcome, Why};
use crate::telemetry::{BySink, Metrics};

/// One event, and where its outcome goes.
pub(super) struct Item {
    pub(super) event: Arc<Event>,
    call: u64,
    slot: usize,
}

/// A call whose answer is not complete.
struct Open {
    outcomes: Vec<Outcome>,
    left: usize,
    reply: oneshot::Sender<Vec<Outcome>>,
    _room: OwnedSemaphorePermit,
}

/// The calls that wait.
pub(super) struct Answers {
    sink: BySink,
    metrics: Arc<Metrics>,
    open: BTreeMap<u64, Open>,
    calls: u64,
}

impl Answers {
    pub(super) fn new(sink: &str, metrics: &Arc<Metrics>) -> Self {
        let sink = BySink { sink: sink.to_owned() };
        Self { sink, metrics: metrics.clone(), open: BTreeMap::new(), calls: 0 }
    }

    /// The sink's name.
    pub(super) fn sink(&self) -> &str {
        &self.sink.sink
    }

    /// Takes a call in; its events come back, each knowing where it belongs.
    pub(super) fn open(&mut self, job: Job) -> impl Iterator<Item = Item> + use<> {
        let Job { events, reply, room } = job;
        let call = self.calls;
        self.calls += 1;
        let left = events.len();
        self.metrics.sink_pending.get_or_create(&self.sink).inc_by(count(left));
        self.open.insert(call, Open { outcomes: vec![stopped(); left], left, reply, _room: room });
        let items = events.into_iter().enumerate();
        items.map(move |(slot, event)| Item { event, call, slot })
    }

    /// Notes the outcome of an event, and answers its call if it was the last one.
    pub(super) fn close(&mut self, item: &Item, outcome: Outcome) {
        self.metrics.sink_pending.get_or_create(&self.sink).dec_by(1);
        let Some(open) = self.open.get_mut(&item.call) else { return };
        if let Some(slot) = open.outcomes.get_mut(item.slot) {
            *slot = outcome;
        }
        open.left = open.left.saturating_sub(1);
        if open.left == 0
            && let Some(open) = self.open.remove(&item.call)
        {
            // Nobody listens where the caller was dropped: the events were sent all the same.
            let _ = open.reply.send(open.outcomes);
        }
    }
}

impl Drop for Answers {
    /// A sink that ends without an answer hands its events back.
    fn drop(&mut self) {
        let left: usize = self.open.values().map(|open| open.left).sum();
        self.metrics.sink_pending.get_or_create(&self.sink).dec_by(count(left));
    }
}

fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

/// What a caller reads whose events a sink will not answer any more.
pub(super) fn stopped() -> Outcome {
    Outcome::Retry(Why::new("sink_stopped", "the sink stopped before the event was answered"))
}
