//! Which call of `deliver` waits for which outcomes. A call is answered once, when all of its events are.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::handle::Job;
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::telemetry::{BySink, Metrics};

/// One event, and where its outcome goes.
pub(super) struct Item {
    pub(super) event: Arc<Event>,
    call: u64,
    slot: usize,
}

/// A call whose answer is not complete.
struct Open {
    /// `None`: not known yet.
    outcomes: Vec<Option<Outcome>>,
    left: usize,
    reply: oneshot::Sender<Vec<Outcome>>,
    _room: OwnedSemaphorePermit,
}

impl Open {
    fn answer(self) {
        let outcomes = self.outcomes.into_iter().map(|known| known.unwrap_or_else(stopped));
        // Nobody listens where the caller was dropped: the events were sent all the same.
        let _ = self.reply.send(outcomes.collect());
    }
}

/// The calls that wait.
pub(super) struct Answers {
    sink: String,
    pending: Gauge,
    open: BTreeMap<u64, Open>,
    calls: u64,
}

impl Answers {
    pub(super) fn new(sink: &str, metrics: &Arc<Metrics>) -> Self {
        let pending = metrics.sink_pending.get_or_create(&BySink::new(sink)).clone();
        Self { sink: sink.to_owned(), pending, open: BTreeMap::new(), calls: 0 }
    }

    /// The sink's name.
    pub(super) fn sink(&self) -> &str {
        &self.sink
    }

    /// Takes a call in; its events come back, each knowing where it belongs.
    pub(super) fn open(&mut self, job: Job) -> impl Iterator<Item = Item> + use<> {
        let Job { events, reply, room } = job;
        let call = self.calls;
        self.calls += 1;
        let left = events.len();
        self.pending.inc_by(count(left));
        self.open.insert(call, Open { outcomes: vec![None; left], left, reply, _room: room });
        let items = events.into_iter().enumerate();
        items.map(move |(slot, event)| Item { event, call, slot })
    }

    /// Notes the outcome of an event, and answers its call if it was the last one.
    pub(super) fn close(&mut self, item: &Item, outcome: Outcome) {
        self.pending.dec();
        let Some(open) = self.open.get_mut(&item.call) else { return };
        if let Some(slot) = open.outcomes.get_mut(item.slot) {
            *slot = Some(outcome);
        }
        open.left = open.left.saturating_sub(1);
        if open.left == 0
            && let Some(open) = self.open.remove(&item.call)
        {
            open.answer();
        }
    }
}

impl Drop for Answers {
    /// The sink ends: every call is answered as far as its outcomes are known.
    fn drop(&mut self) {
        for open in std::mem::take(&mut self.open).into_values() {
            self.pending.dec_by(count(open.left));
            open.answer();
        }
    }
}

fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

/// What a caller reads whose events a sink will not answer any more.
pub(super) fn stopped() -> Outcome {
    Outcome::Retry(Error::new(Code::SinkStopped, "the sink stopped before the event was answered"))
}
