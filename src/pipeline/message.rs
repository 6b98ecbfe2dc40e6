//! One message, from its body to its settlement.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::error::{Code, Disposition, Error, Settlement};
use crate::pipeline::crash_guard::CrashGuard;
use crate::pipeline::dead_letter;
use crate::pipeline::dispatch::{self, MessageDeliveries};
use crate::pipeline::limits::{Limits, MessagePermits, ReceivePermit};
use crate::pipeline::object::ObjectProcessor;
use crate::pipeline::records::{RecordSelection, RecordSource};
use crate::pipeline::replayed;
use crate::pipeline::single_record::{self, SingleRecord};
use crate::pipeline::source::{Bodies, RunningSource};
use crate::queue::Message;
use crate::store::notification::{self, Notification};
use crate::store::{Location, ObjectRef};
use crate::telemetry::ByReason;

crate::error::labels! {
    /// How a message was completed: each is a metric label and a line of the runbook in
    /// `docs/delivery.md`.
    pub(super) enum MessageResult {
        /// Everything in it is final, and the queue deleted it.
        Deleted = "deleted",
        /// Released for a later attempt.
        Released = "released",
        /// The lease ran out or was lost; the queue redelivers the message.
        LeaseLost = "lease_lost",
        /// The queue did not accept the settlement; it redelivers the message.
        AckFailed = "ack_failed",
    }
}

/// Processes and settles messages of every source.
pub(super) struct MessageHandler {
    pub(super) limits: Arc<Limits>,
    pub(super) objects: ObjectProcessor,
    pub(super) delivery_timeout: Duration,
    pub(super) crash_guard: CrashGuard,
    pub(super) jitter: Mutex<fastrand::Rng>,
    /// Cancelled at the end of the shutdown grace period: every message that is left is released.
    pub(super) grace_period_over: CancellationToken,
}

impl MessageHandler {
    /// Draws a number in `0.0..1.0` from the seeded generator.
    pub(super) fn jitter(&self) -> f64 {
        self.jitter.lock().f64()
    }

    /// Processes `message` to its settlement. Dropped at any point it settles nothing, and the
    /// queue redelivers the message: doing nothing is the safe path.
    pub(super) async fn handle(
        self: Arc<Self>,
        source: Arc<RunningSource>,
        message: Message,
        permit: ReceivePermit,
    ) -> MessageResult {
        // At the level of errors, so that no `[log] level` drops the fields of their lines.
        let span =
            tracing::error_span!("message", queue = source.queue.name(), message_id = message.id);
        self.process(&source, message, permit).instrument(span).await
    }

    async fn process(
        &self,
        source: &RunningSource,
        message: Message,
        permit: ReceivePermit,
    ) -> MessageResult {
        let lease = source.extender.lease(message.receipt.handle(), message.received_at);
        let mut permits = MessagePermits::new(Arc::clone(&self.limits), permit);
        if self.crash_guard.suspects(&message) {
            tracing::warn!(
                attempt = message.receive_count,
                "message received repeatedly and not released, processed alone"
            );
            permits.process_alone();
        }
        let mut deliveries = MessageDeliveries::until(Instant::now() + self.delivery_timeout);
        let in_flight = &self.objects.observers.in_flight;
        let _in_flight = message.sent.map(|sent| in_flight.add(sent));
        let settlement = tokio::select! {
            biased;
            disposition = self.forward(source, &message, &mut permits, &mut deliveries) => {
                self.note_retry(&message, &disposition);
                disposition.settlement(message.receive_count, self.jitter())
            }
            () = lease.lost() => return lease_lost(),
            () = self.grace_period_over.cancelled() => {
                tracing::warn!("shutdown grace period over, message released");
                Settlement::Release { after: Duration::ZERO }
            }
        };
        permits.stop_processing();
        // Deleting what is final is right even late; releasing what another consumer has is not.
        if settlement != Settlement::Delete && !lease.end().await {
            return lease_lost();
        }
        match source.acknowledger.settle(message.receipt, settlement).await {
            Ok(()) if settlement == Settlement::Delete => MessageResult::Deleted,
            Ok(()) => {
                self.crash_guard.released(&message.id);
                MessageResult::Released
            }
            Err(error) => {
                let (code, error) = (error.code.as_str(), error.text);
                tracing::warn!(code, error, "acknowledgement failed, message will be redelivered");
                MessageResult::AckFailed
            }
        }
    }

    /// Processes everything that the body announces, one object at a time; the worst disposition
    /// counts.
    async fn forward(
        &self,
        source: &RunningSource,
        message: &Message,
        permits: &mut MessagePermits,
        deliveries: &mut MessageDeliveries,
    ) -> Disposition {
        permits.start_processing().await;
        let notification = match source.policy.bodies {
            Bodies::DeadLetters => {
                let body = &message.body;
                return replayed::process(&self.objects, source, body, permits, deliveries).await;
            }
            Bodies::Notifications => notification::parse(&message.body),
            Bodies::Paths => Ok(Notification::Objects(vec![local_file(&message.body)])),
        };
        let processed = match notification {
            Ok(Notification::Objects(objects)) => {
                return self.objects(source, &objects, permits, deliveries).await;
            }
            Ok(Notification::Ignored(reason)) => {
                let ignored = &self.objects.observers.metrics.messages_ignored;
                ignored.get_or_create(&ByReason::new(reason.as_str())).inc();
                return Disposition::Done;
            }
            Ok(Notification::EventBridge(record)) if source.policy.eventbridge_records => {
                let (id, body) = (message.id.as_str(), message.body.as_str());
                let source = RecordSource::Message { queue: source.queue.name(), id, body };
                let record = SingleRecord::new(record.get(), source);
                single_record::process(&self.objects, record, permits, deliveries).await
            }
            Ok(Notification::EventBridge(_)) => {
                let text = "the body contains a CloudTrail record (EventBridge); set \
                            `eventbridge_records = true` for this [[source]], or remove the queue \
                            from the rule's targets";
                Err(Error::new(Code::EventbridgeNotEnabled, text))
            }
            Err(error) => Err(error),
        };
        match processed {
            Ok(disposition) => disposition,
            Err(error) => self.reject_message(source, message, error).await,
        }
    }

    async fn objects(
        &self,
        source: &RunningSource,
        objects: &[ObjectRef],
        permits: &mut MessagePermits,
        deliveries: &mut MessageDeliveries,
    ) -> Disposition {
        let mut disposition = Disposition::Done;
        for object in objects {
            if deliveries.is_overdue() {
                return disposition.and(dispatch::timed_out());
            }
            let all = RecordSelection::All;
            let processed = self.objects.process(source, object, all, permits, deliveries).await;
            disposition = disposition.and(processed);
        }
        disposition
    }

    /// Logs and dead-letters a body that can never be processed.
    async fn reject_message(
        &self,
        source: &RunningSource,
        message: &Message,
        error: Error,
    ) -> Disposition {
        tracing::error!(code = error.code.as_str(), error = error.text, "message rejected");
        let (queue, Message { id, body, .. }) = (source.queue.name(), message);
        let dead_lettered = self
            .objects
            .dispatcher
            .dead_letter(error, |_, error, now| dead_letter::message(queue, id, body, error, now));
        dead_lettered.await
    }

    /// Logs and counts a message that is released for a later attempt.
    fn note_retry(&self, message: &Message, disposition: &Disposition) {
        let (Disposition::Poison(error) | Disposition::Retry(error)) = disposition else { return };
        let observers = &self.objects.observers;
        let code = error.code.as_str();
        observers.metrics.messages_retried.get_or_create(&ByReason::new(code)).inc();
        let now = SystemTime::from((observers.now)());
        let tried = message.first_received.and_then(|since| now.duration_since(since).ok());
        tracing::warn!(
            attempt = message.receive_count,
            tried_for_seconds = tried.map(|time| time.as_secs()),
            code,
            error = error.text,
            "message released for retry"
        );
    }
}

/// Returns a folder queue's file, of which only the path is known.
fn local_file(path: &str) -> ObjectRef {
    let location = Location::File(PathBuf::from(path));
    ObjectRef { location, region: None, size: None, etag: None }
}

fn lease_lost() -> MessageResult {
    tracing::warn!("visibility timeout expired, message will be redelivered");
    MessageResult::LeaseLost
}
