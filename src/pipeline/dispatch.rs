//! Records → events → their sinks → one disposition.
//!
//! A delivery belongs to the pipeline, not to the message that started it: when the message is gone
//! (its lease lost, its delivery timeout over) the sink's outcome still reaches the dedup cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::cloudtrail::{Decoded, InvalidRecord, Record};
use crate::config::EventOptions;
use crate::error::{Code, Disposition, Error, Outcome};
use crate::event::{Arrival, Channel, Event};
use crate::pipeline::dead_letter::{self, DeadLetter, DeadLetterPolicy, KeepBytes};
use crate::pipeline::dedup::{Claim, DeliveryGuard, DeliveryWatch};
use crate::pipeline::limits::DeliveryPermits;
use crate::pipeline::observers::Now;
use crate::pipeline::records::{EnrichmentSnapshot, RecordCounts, RecordSource};
use crate::pipeline::sinks::Sinks;
use crate::route::SinkIndex;
use crate::telemetry::{ByReason, ByRoute, BySink, Metrics};

/// Matches of one verified object, or the record of one EventBridge event.
pub(super) struct Batch<'o> {
    pub(super) records: Vec<Decoded>,
    pub(super) delivered: Option<OffsetDateTime>,
    /// Of the object, where `[decode] hash` is set.
    pub(super) file_sha256: Option<String>,
    pub(super) source: RecordSource<'o>,
}

/// Reads records into events and delivers them.
pub(super) struct Dispatcher {
    pub(super) options: Arc<EventOptions>,
    pub(super) enrichment: EnrichmentSnapshot,
    pub(super) sinks: Sinks,
    pub(super) dead_letters: DeadLetterPolicy,
    pub(super) metrics: Arc<Metrics>,
    pub(super) now: Now,
    /// One permit: large records are parsed one at a time.
    pub(super) large_record: Semaphore,
}

/// Bytes of a record from which it is large: its parsed form may take more memory than was reserved
/// for its object.
const LARGE_RECORD: usize = 64 * 1024;

/// The deliveries that one message waits for.
pub(super) struct MessageDeliveries {
    /// The end of `[delivery] delivery_timeout`, which is for a message, whatever it announces.
    deadline: Instant,
    /// Keep the message's pairs in the dedup cache until the message is settled.
    watches: Vec<DeliveryWatch>,
}

impl MessageDeliveries {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, watches: Vec::new() }
    }

    pub(super) fn is_overdue(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

/// What was dispatched and must become final before the message may be deleted.
pub(super) struct Dispatched {
    deliveries: Vec<Delivery>,
    disposition: Disposition,
    permits: DeliveryPermits,
}

struct Delivery {
    event: Arc<Event>,
    sink: SinkIndex,
    watch: DeliveryWatch,
    /// Whether this message claimed the delivery; otherwise it waits for another's.
    claimed: bool,
}

/// Claimed deliveries, by sink.
type Claimed = BTreeMap<SinkIndex, Vec<(Arc<Event>, DeliveryGuard)>>;

impl Dispatcher {
    /// Returns the time at which a record is seen.
    pub(super) fn now(&self) -> OffsetDateTime {
        (self.now)()
    }

    /// Reads a record as configured, with the enrichment data of now.
    ///
    /// # Errors
    /// The record is no CloudTrail record.
    pub(super) async fn read(
        &self,
        record: Record,
        arrival: Arrival,
    ) -> Result<Event, InvalidRecord> {
        let _permit = match record.bytes.len() {
            0..LARGE_RECORD => None,
            _ => self.large_record.acquire().await.ok(),
        };
        Event::read_in(record, arrival, &self.options, &self.enrichment.get())
    }

    /// Reads, routes and claims the records and starts their deliveries; invalid ones are
    /// dead-lettered.
    pub(super) async fn dispatch(
        self: &Arc<Self>,
        batch: Batch<'_>,
        permits: DeliveryPermits,
        counts: &mut RecordCounts,
    ) -> Dispatched {
        let mut dispatched = Dispatched::new(permits);
        let mut claimed = Claimed::new();
        let (seen, file_sha256) = (self.now(), batch.file_sha256.as_deref());
        for decoded in batch.records {
            let read = match decoded {
                Decoded::Invalid(invalid) => Err(invalid),
                Decoded::Record(record) => {
                    let origin = batch.source.origin(record.index);
                    let (channel, delivered) = (batch.source.channel(), batch.delivered);
                    self.read(record, Arrival { origin, channel, seen, delivered }).await
                }
            };
            match read {
                Ok(mut event) => {
                    event.file_sha256.clone_from(&batch.file_sha256);
                    dispatched.route(self, Arc::new(event), &mut claimed, counts);
                }
                Err(invalid) => {
                    counts.invalid += 1;
                    let rejected = self.reject_record(batch.source, file_sha256, &invalid).await;
                    dispatched.disposition = dispatched.disposition.and(rejected);
                }
            }
        }
        self.deliver(claimed, &dispatched.permits);
        dispatched
    }

    /// Delivers `event` to the sinks of these names, whatever the routes: `replay` of a rejected
    /// event.
    ///
    /// # Errors
    /// The first name without a sink; nothing was dispatched.
    pub(super) fn dispatch_to(
        self: &Arc<Self>,
        event: Event,
        sinks: &[String],
        permits: DeliveryPermits,
    ) -> Result<Dispatched, String> {
        let position = |name: &String| self.sinks.position(name).ok_or_else(|| name.clone());
        let sinks = sinks.iter().map(position).collect::<Result<Vec<_>, _>>()?;
        let mut dispatched = Dispatched::new(permits);
        let (event, mut claimed) = (Arc::new(event), Claimed::new());
        for sink in sinks {
            dispatched.claim(self, &event, sink, &mut claimed);
        }
        self.deliver(claimed, &dispatched.permits);
        Ok(dispatched)
    }

    /// Logs the first log file that confirms an EventBridge event: where its evidence is.
    fn confirm(&self, event: &Event) {
        if event.channel == Channel::S3 && self.sinks.dedup.confirm(event.key) {
            self.metrics.events_confirmed.inc();
            tracing::info!(
                event_id = event.id,
                origin = event.origin.to_string(),
                "EventBridge event confirmed by its log file"
            );
        }
    }

    /// Hands each sink its events, in a task that no message can cancel. A best-effort sink holds
    /// no permit of the message: what exceeds its own limit is dropped, and counted.
    fn deliver(self: &Arc<Self>, claimed: Claimed, permits: &DeliveryPermits) {
        for (sink, deliveries) in claimed {
            let entry = self.sinks.entry(sink);
            let sizes = deliveries.iter().map(|(event, _)| event.record().bytes.len());
            let Some(permit) = entry.admit(sizes, permits) else {
                let events = deliveries.len();
                tracing::warn!(
                    sink = entry.name,
                    events,
                    "best-effort sink is full, events dropped"
                );
                for (_, guard) in deliveries {
                    entry.count(&self.metrics.sink_dropped);
                    guard.settle();
                }
                continue;
            };
            let dispatcher = Arc::clone(self);
            let task = async move {
                let (events, guards): (Vec<_>, Vec<_>) = deliveries.into_iter().unzip();
                let outcomes = dispatcher.sinks.entry(sink).sink.deliver(events.clone()).await;
                for ((event, guard), outcome) in events.iter().zip(guards).zip(outcomes) {
                    dispatcher.conclude(sink, event, guard, outcome).await;
                }
                drop(permit);
            };
            self.sinks.deliveries.spawn(task.in_current_span());
        }
    }

    /// Makes the outcome of one event final, or releases the pair for another attempt.
    async fn conclude(
        &self,
        sink: SinkIndex,
        event: &Event,
        guard: DeliveryGuard,
        outcome: Outcome,
    ) {
        let (entry, metrics) = (self.sinks.entry(sink), &self.metrics);
        let sink = entry.name.as_str();
        match outcome {
            Outcome::Delivered => {
                tracing::debug!(sink, event_id = event.id, "event delivered");
                entry.count(&metrics.sink_delivered);
                if let Some(time) = event.fields.time {
                    // A clock that is behind AWS's must not make the sum fall.
                    let lag = (self.now() - time).as_seconds_f64().max(0.0);
                    metrics.delivery_lag.get_or_create(&BySink::new(sink)).observe(lag);
                }
                guard.settle();
            }
            Outcome::Rejected(error) | Outcome::Retry(error) if !entry.required => {
                entry.count(&metrics.sink_dropped);
                let (code, error) = (error.code.as_str(), error.text);
                tracing::warn!(sink, event_id = event.id, code, error, "event dropped");
                guard.settle();
            }
            Outcome::Rejected(error) => {
                let (code, text) = (error.code.as_str(), &error.text);
                tracing::error!(sink, event_id = event.id, code, error = text, "event rejected");
                let dead_lettered = self.dead_letter(error, |_, error, now| {
                    dead_letter::event(event, sink, error, now)
                });
                match dead_lettered.await {
                    Disposition::Done => {
                        entry.count(&metrics.sink_dead_lettered);
                        guard.settle();
                    }
                    Disposition::Poison(error) | Disposition::Retry(error) => {
                        entry.count(&metrics.sink_retried);
                        guard.fail(error);
                    }
                }
            }
            Outcome::Retry(error) => {
                entry.count(&metrics.sink_retried);
                guard.fail(error);
            }
        }
    }

    /// Dead-letters poison: `Done` once the dead letter is confirmed, `Retry` if it cannot be
    /// written; `Poison` under `redrive`, for the queue to move the message.
    pub(super) async fn dead_letter(
        &self,
        error: Error,
        make: impl FnOnce(KeepBytes, &Error, OffsetDateTime) -> DeadLetter,
    ) -> Disposition {
        let DeadLetterPolicy::Write(writer, keep) = &self.dead_letters else {
            return Disposition::Poison(error);
        };
        let dead_letter = make(*keep, &error, self.now());
        let code = dead_letter.code.as_str();
        match writer.put(dead_letter).await {
            Ok(()) => {
                self.metrics.dead_letters.get_or_create(&ByReason::new(code)).inc();
                Disposition::Done
            }
            Err(error) => {
                self.metrics.dead_letter_errors.inc();
                let (code, text) = (error.code.as_str(), &error.text);
                tracing::error!(code, error = text, "dead letter not written, message kept");
                Disposition::Retry(error)
            }
        }
    }

    /// Dead-letters one invalid record: by reference if its file still has it, else with the
    /// message that is its only copy.
    async fn reject_record(
        &self,
        source: RecordSource<'_>,
        file_sha256: Option<&str>,
        invalid: &InvalidRecord,
    ) -> Disposition {
        let origin = source.origin(invalid.index);
        tracing::error!(
            code = Code::InvalidRecord.as_str(),
            origin = origin.to_string(),
            offset = invalid.offset,
            sha256 = invalid.sha256,
            error = invalid.reason,
            "record rejected"
        );
        let error = |text| Error::new(Code::InvalidRecord, text);
        let rejected = error(format!("{origin}: {}", invalid.reason));
        let dead_lettered = self.dead_letter(rejected, |keep, _, now| match source {
            RecordSource::Object(_) => {
                dead_letter::record(&origin, file_sha256, invalid, keep, now)
            }
            RecordSource::Message { queue, id, body } => {
                dead_letter::message(queue, id, body, &error(invalid.reason.clone()), now)
            }
        });
        dead_lettered.await
    }
}

impl Dispatched {
    fn new(permits: DeliveryPermits) -> Self {
        Self { deliveries: Vec::new(), disposition: Disposition::Done, permits }
    }

    fn route(
        &mut self,
        dispatcher: &Dispatcher,
        event: Arc<Event>,
        claimed: &mut Claimed,
        counts: &mut RecordCounts,
    ) {
        let decision = dispatcher.sinks.router.decide(&event);
        for route in &decision.routes {
            let route = ByRoute { route: (*route).to_owned() };
            dispatcher.metrics.route_matched.get_or_create(&route).inc();
        }
        if decision.targets.is_empty() {
            counts.discarded += 1;
            return;
        }
        let mut claimed_any = false;
        for target in decision.targets {
            claimed_any |= self.claim(dispatcher, &event, target.sink, claimed);
        }
        if claimed_any {
            counts.routed += 1;
        } else {
            counts.duplicate += 1;
        }
        dispatcher.confirm(&event);
    }

    /// Claims one delivery; returns whether it is this message's to make.
    fn claim(
        &mut self,
        dispatcher: &Dispatcher,
        event: &Arc<Event>,
        sink: SinkIndex,
        claimed: &mut Claimed,
    ) -> bool {
        let entry = dispatcher.sinks.entry(sink);
        let claim = dispatcher.sinks.dedup.claim((event.key, sink), event.channel, Instant::now());
        let (watch, is_claimed) = match claim {
            Claim::Final(watch) | Claim::Pending(watch) => (watch, false),
            Claim::Deliver(guard, watch) => {
                if guard.first {
                    entry.count(&dispatcher.metrics.sink_routed);
                }
                claimed.entry(sink).or_default().push((Arc::clone(event), guard));
                (watch, true)
            }
        };
        if entry.required {
            let event = Arc::clone(event);
            self.deliveries.push(Delivery { event, sink, watch, claimed: is_claimed });
        }
        is_claimed
    }

    /// Waits until every required delivery is final, or the message's deadline, and takes over once
    /// those that another message failed to make.
    pub(super) async fn outcomes(
        mut self,
        dispatcher: &Arc<Dispatcher>,
        message: &mut MessageDeliveries,
    ) -> Disposition {
        let waited = tokio::select! {
            biased;
            disposition = self.all_final(dispatcher) => disposition,
            () = tokio::time::sleep_until(message.deadline) => timed_out(),
        };
        message.watches.extend(self.deliveries.into_iter().map(|delivery| delivery.watch));
        self.disposition.and(waited)
    }

    async fn all_final(&mut self, dispatcher: &Arc<Dispatcher>) -> Disposition {
        let mut to_take_over = Vec::new();
        let mut disposition = Disposition::Done;
        for delivery in &mut self.deliveries {
            match delivery.watch.outcome().await {
                Ok(()) => {}
                Err(error) if delivery.claimed => {
                    disposition = disposition.and(Disposition::Retry(error));
                }
                Err(_) => to_take_over.push((Arc::clone(&delivery.event), delivery.sink)),
            }
        }
        let (mut claimed, before) = (Claimed::new(), self.deliveries.len());
        for (event, sink) in to_take_over {
            self.claim(dispatcher, &event, sink, &mut claimed);
        }
        dispatcher.deliver(claimed, &self.permits);
        for delivery in &mut self.deliveries[before..] {
            if let Err(error) = delivery.watch.outcome().await {
                disposition = disposition.and(Disposition::Retry(error));
            }
        }
        disposition
    }
}

/// Returns the disposition of a message that has reached its delivery timeout.
pub(super) fn timed_out() -> Disposition {
    let text = "no outcome of every sink within [delivery] delivery_timeout";
    Disposition::Retry(Error::new(Code::DeliveryTimeout, text))
}
