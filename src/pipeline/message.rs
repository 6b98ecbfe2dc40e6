//! One message, from its body to its settlement: the whole story on one screen.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::error::{Code, Disposition, Error, Settlement};
use crate::pipeline::context::{Bodies, RunningSource, Wire};
use crate::pipeline::dead_letter;
use crate::pipeline::dedup::Watch;
use crate::pipeline::dispatch::{self, Carrier};
use crate::pipeline::eventbridge;
use crate::pipeline::limits::{Reservation, Slot};
use crate::pipeline::object;
use crate::pipeline::replayed;
use crate::queue::Message;
use crate::store::notification::{self, Notification};
use crate::store::{Location, ObjectRef};
use crate::telemetry::{ByReason, escape};

/// How a message ended: each is a metric label and a line of the runbook in `docs/delivery.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Everything in it is final, and the queue was told.
    Deleted,
    /// Given back for a later attempt.
    Released,
    /// The lease ran out or was lost; the queue offers the message to somebody again.
    LeaseLost,
    /// The queue did not take the settlement; it offers the message again.
    Unsettled,
}

impl Fate {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Released => "released",
            Self::LeaseLost => "lease_lost",
            Self::Unsettled => "unsettled",
        }
    }
}

/// A message's place in the gates.
pub(super) struct Place {
    seat: Option<OwnedSemaphorePermit>,
    work: Option<OwnedSemaphorePermit>,
    unacknowledged: Arc<OwnedSemaphorePermit>,
    /// What it asked of the ledger, which forgets none of it until the message is settled.
    asked: Vec<Watch>,
    /// Until then sinks may answer: `[delivery] patience` is for a message, whatever it announces.
    deadline: Instant,
}

/// What keeps an object's share of memory, and its message's place, while any sink has its events.
#[derive(Clone)]
pub(super) struct Keep {
    _reservation: Arc<Reservation>,
    _unacknowledged: Arc<OwnedSemaphorePermit>,
}

impl Place {
    fn new(slot: Slot, deadline: Instant) -> Self {
        Self {
            deadline,
            seat: Some(slot.seat),
            work: None,
            unacknowledged: slot.unacknowledged,
            asked: Vec::new(),
        }
    }

    /// Holds on to these pairs of the ledger.
    pub(super) fn remember(&mut self, pairs: impl Iterator<Item = Watch>) {
        self.asked.extend(pairs);
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn is_overdue(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Waits for a place in the work gate, unless there is one already.
    pub(super) async fn enter_work(&mut self, wire: &Wire) {
        if self.work.is_none() {
            self.work = wire.gates.work().await;
        }
    }

    /// From here on the message only waits for sinks.
    pub(super) fn leave_work(&mut self) {
        self.work = None;
        self.seat = None;
    }

    pub(super) fn keep(&self, reservation: Reservation) -> Keep {
        Keep {
            _reservation: Arc::new(reservation),
            _unacknowledged: Arc::clone(&self.unacknowledged),
        }
    }
}

/// Takes `message` to its end. Dropped at any point it settles nothing, and the queue redelivers:
/// doing nothing is the safe path.
pub(super) async fn handle(
    wire: Arc<Wire>,
    source: Arc<RunningSource>,
    message: Message,
    slot: Slot,
) -> Fate {
    let lease = source.keeper.lease(message.receipt.handle(), message.received_at);
    let mut place = Place::new(slot, Instant::now() + wire.patience);
    let _in_hand = message.sent.map(|sent| wire.in_hand.hold(sent));
    let (id, attempt, receipt) = (message.id, message.receive_count, message.receipt);
    let first_received = message.first_received;
    let settlement = tokio::select! {
        biased;
        disposition = forward(&wire, &source, &id, &message.body, &mut place) => {
            note(&wire, &source, &id, (attempt, first_received), &disposition);
            disposition.settlement(attempt, wire.jitter())
        }
        () = lease.lost() => return lost(&source, &id),
        () = wire.expire.cancelled() => {
            tracing::warn!(queue = source.queue.name(), message_id = id, "not finished at the drain deadline; released");
            Settlement::Release { after: Duration::ZERO }
        }
    };
    place.leave_work();
    // Deleting what is final is right even late; releasing what somebody else has now is not.
    if settlement != Settlement::Delete && !lease.end().await {
        return lost(&source, &id);
    }
    match source.settler.settle(receipt, settlement).await {
        Ok(()) if settlement == Settlement::Delete => Fate::Deleted,
        Ok(()) => Fate::Released,
        Err(error) => {
            tracing::warn!(
                queue = source.queue.name(),
                message_id = id,
                code = error.code.as_str(),
                "{error}"
            );
            Fate::Unsettled
        }
    }
}

/// Every object of the body, one at a time; the worst verdict counts.
async fn forward(
    wire: &Arc<Wire>,
    source: &RunningSource,
    id: &str,
    body: &str,
    place: &mut Place,
) -> Disposition {
    place.enter_work(wire).await;
    if source.policy.bodies == Bodies::Letters {
        return replayed::forward(wire, source, body, place).await;
    }
    let objects = match announced(source.policy.bodies, body) {
        Ok(Notification::Objects(objects)) => objects,
        Ok(Notification::EventBridge(record)) if source.policy.inline_records => {
            let carrier = Carrier::Message { queue: source.queue.name(), id, body };
            return match eventbridge::process(wire, &record, carrier, place).await {
                Ok(disposition) => disposition,
                Err(error) => unreadable(wire, source, id, body, error).await,
            };
        }
        Ok(Notification::EventBridge(_)) => {
            let text = "the body holds a CloudTrail record itself (EventBridge); set \
                        `inline_records = true` for this [[source]], or point the rule elsewhere";
            return unreadable(
                wire,
                source,
                id,
                body,
                Error::new(Code::EventbridgeNotEnabled, text),
            )
            .await;
        }
        Ok(Notification::Ignored(reason)) => {
            wire.metrics.messages_ignored.get_or_create(&ByReason::new(reason.as_str())).inc();
            return Disposition::Done;
        }
        Err(error) => return unreadable(wire, source, id, body, error).await,
    };
    let mut disposition = Disposition::Done;
    for object in &objects {
        if place.is_overdue() {
            return disposition.and(dispatch::out_of_patience());
        }
        disposition = disposition.and(object::process(wire, source, object, place).await);
    }
    disposition
}

/// A body that can never be processed: logged once and dead-lettered whole.
async fn unreadable(
    wire: &Wire,
    source: &RunningSource,
    id: &str,
    body: &str,
    error: Error,
) -> Disposition {
    let queue = source.queue.name();
    tracing::error!(
        queue,
        message_id = id,
        code = error.code.as_str(),
        "{}",
        escape(&error.to_string())
    );
    let now = (wire.now)();
    wire.bury(error, |_, error| dead_letter::message(queue, id, body, error, now)).await
}

fn announced(bodies: Bodies, body: &str) -> Result<Notification, Error> {
    match bodies {
        Bodies::Notifications | Bodies::Letters => notification::parse(body),
        Bodies::Paths => Ok(Notification::Objects(vec![ObjectRef {
            location: Location::File(PathBuf::from(body)),
            region: None,
            size: None,
            etag: None,
        }])),
    }
}

/// Logs and counts a message that is not done, once.
fn note(
    wire: &Wire,
    source: &RunningSource,
    id: &str,
    (attempt, since): (u32, Option<SystemTime>),
    disposition: &Disposition,
) {
    if let Disposition::Poison(error) | Disposition::Retry(error) = disposition {
        wire.metrics.messages_retried.get_or_create(&ByReason::new(error.code.as_str())).inc();
        let queue = source.queue.name();
        let tried =
            since.and_then(|since| SystemTime::from((wire.now)()).duration_since(since).ok());
        tracing::warn!(
            queue,
            message_id = id,
            attempt,
            tried_for_seconds = tried.map(|time| time.as_secs()),
            code = error.code.as_str(),
            "released for a later attempt: {}",
            escape(&error.to_string())
        );
    }
}

fn lost(source: &RunningSource, id: &str) -> Fate {
    tracing::warn!(
        queue = source.queue.name(),
        message_id = id,
        "the lease was lost; the queue offers the message again"
    );
    Fate::LeaseLost
}
