//! Events → their sinks → one verdict.
//!
//! A delivery belongs to the pipeline, not to the message that asked for it: when the message is gone
//! (its lease lost, its patience spent) the sink's answer still reaches the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::cloudtrail::{Decoded, InvalidRecord, Origin};
use crate::error::{Code, Disposition, Error, Outcome};
use crate::event::{Arrival, Channel, Event};
use crate::pipeline::context::Wire;
use crate::pipeline::dead_letter::{self, DeadLetterPolicy};
use crate::pipeline::dedup::{Claim, SinkIndex, Ticket, Watch};
use crate::pipeline::message::{Keep, Place};
use crate::pipeline::record_counts::Account;
use crate::store::{Location, ObjectRef};
use crate::telemetry::{ByRoute, BySink, escape};

/// Matches of one verified object, or the record of one message.
pub(super) struct Batch<'o> {
    pub(super) found: Vec<Decoded>,
    pub(super) delivered: Option<OffsetDateTime>,
    /// Of the object, where `[decode] hash` asks for it.
    pub(super) file_sha256: Option<String>,
    pub(super) carrier: Carrier<'o>,
}

/// What brought a record: says where it comes from, and is what a bad one is found by.
#[derive(Clone, Copy)]
pub(super) enum Carrier<'o> {
    /// A file, which stays where it is, and the store's id of the request that brought its bytes.
    Object(&'o ObjectRef, &'o str),
    /// A message, which is gone once it is settled.
    Message { queue: &'o str, id: &'o str, body: &'o str },
}

impl<'o> Carrier<'o> {
    pub(super) fn lane(self) -> Channel {
        match self {
            Self::Object(..) => Channel::S3,
            Self::Message { .. } => Channel::EventBridge,
        }
    }

    fn request_id(self) -> Option<&'o str> {
        match self {
            Self::Object(_, request_id) => Some(request_id),
            Self::Message { .. } => None,
        }
    }

    fn origin(self, index: u64) -> Origin {
        match self {
            Self::Message { id, .. } => Origin::Inline { message_id: id.to_owned() },
            Self::Object(object, _) => match &object.location {
                Location::S3 { bucket, key, version } => Origin::Object {
                    bucket: bucket.clone(),
                    key: key.clone(),
                    version: version.clone(),
                    index,
                },
                Location::File(path) => Origin::File { path: path.clone(), index },
            },
        }
    }
}

/// What was handed over and must become final before the message may be deleted.
pub(super) struct HandedOver {
    pairs: Vec<Pair>,
    disposition: Disposition,
    keep: Keep,
}

struct Pair {
    event: Arc<Event>,
    sink: SinkIndex,
    watch: Watch,
    mine: bool,
}

/// Claimed pairs on their way to each sink.
type Claimed = BTreeMap<SinkIndex, Vec<(Arc<Event>, Ticket)>>;

/// Reads, routes and claims the matches and starts their deliveries; bad records are dead-lettered.
pub(super) async fn hand_over(
    wire: &Arc<Wire>,
    batch: Batch<'_>,
    keep: Keep,
    account: &mut Account,
) -> HandedOver {
    let mut handed = HandedOver { pairs: Vec::new(), disposition: Disposition::Done, keep };
    let mut claimed = Claimed::new();
    let seen = (wire.now)();
    for found in batch.found {
        let read = match found {
            Decoded::Invalid(bad) => Err(bad),
            Decoded::Record(record) => {
                let (origin, channel) = (batch.carrier.origin(record.index), batch.carrier.lane());
                let arrival = Arrival { origin, channel, seen, delivered: batch.delivered };
                wire.read(record, arrival)
            }
        };
        match read {
            Ok(mut event) => {
                event.file_sha256.clone_from(&batch.file_sha256);
                handed.route(wire, Arc::new(event), &mut claimed, account);
            }
            Err(bad) => {
                account.bad += 1;
                let file_sha256 = batch.file_sha256.as_deref();
                let disposition = bury_record(wire, batch.carrier, file_sha256, &bad).await;
                handed.disposition = handed.disposition.and(disposition);
            }
        }
    }
    start(wire, claimed, &handed.keep);
    handed
}

/// Hands `event` to the sinks of these names, whatever the routes say: `replay` of what they are owed.
///
/// # Errors
/// The first name that is no sink's; nothing was handed over.
pub(super) fn hand_over_to(
    wire: &Arc<Wire>,
    event: Event,
    sinks: &[String],
    keep: Keep,
) -> Result<HandedOver, String> {
    let index = |name: &String| wire.posts.iter().position(|post| post.name == *name);
    let mut handed = HandedOver { pairs: Vec::new(), disposition: Disposition::Done, keep };
    let (event, mut claimed) = (Arc::new(event), Claimed::new());
    let found: Vec<Option<usize>> = sinks.iter().map(index).collect();
    if let Some(absent) = found.iter().position(Option::is_none) {
        return Err(sinks[absent].clone());
    }
    for sink in found.into_iter().flatten() {
        let sink = SinkIndex::try_from(sink).unwrap_or(SinkIndex::MAX);
        handed.claim(wire, &event, sink, &mut claimed);
    }
    start(wire, claimed, &handed.keep);
    Ok(handed)
}

impl HandedOver {
    fn route(
        &mut self,
        wire: &Wire,
        event: Arc<Event>,
        claimed: &mut Claimed,
        account: &mut Account,
    ) {
        let decision = wire.router.decide(&event);
        for route in &decision.routes {
            wire.metrics.route_matched.get_or_create(&ByRoute { route: (*route).to_owned() }).inc();
        }
        if decision.targets.is_empty() {
            account.discarded += 1;
            return;
        }
        let mut claimed_any = false;
        for target in decision.targets {
            let Some(sink) = wire.posts.iter().position(|post| post.name == target.sink) else {
                continue; // The checked configuration has no such route.
            };
            let sink = SinkIndex::try_from(sink).unwrap_or(SinkIndex::MAX);
            claimed_any |= self.claim(wire, &event, sink, claimed);
        }
        if claimed_any {
            account.routed += 1;
        } else {
            account.duplicate += 1;
        }
        confirm(wire, &event);
    }

    /// Claims one pair; answers whether the delivery is ours to make.
    fn claim(
        &mut self,
        wire: &Wire,
        event: &Arc<Event>,
        sink: SinkIndex,
        claimed: &mut Claimed,
    ) -> bool {
        let (watch, mine) =
            match wire.ledger.claim((event.key, sink), event.channel, Instant::now()) {
                Claim::Final(watch) | Claim::Theirs(watch) => (watch, false),
                Claim::Mine(ticket, watch) => {
                    if ticket.first {
                        wire.posts[usize::from(sink)].count(&wire.metrics.sink_routed);
                    }
                    claimed.entry(sink).or_default().push((Arc::clone(event), ticket));
                    (watch, true)
                }
            };
        if wire.posts[usize::from(sink)].required {
            self.pairs.push(Pair { event: Arc::clone(event), sink, watch, mine });
        }
        mine
    }

    /// Waits until every required pair is final, taking over once those that another message gave up.
    /// The message, whose `place` this is, remembers them to its end.
    pub(super) async fn outcomes(mut self, wire: &Arc<Wire>, place: &mut Place) -> Disposition {
        let patience = tokio::time::sleep_until(place.deadline());
        let waited = tokio::select! {
            biased;
            disposition = self.all_final(wire) => disposition,
            () = patience => out_of_patience(),
        };
        place.remember(self.pairs.into_iter().map(|pair| pair.watch));
        self.disposition.and(waited)
    }

    async fn all_final(&mut self, wire: &Arc<Wire>) -> Disposition {
        let mut given_up = Vec::new();
        let mut disposition = Disposition::Done;
        for pair in &mut self.pairs {
            match pair.watch.outcome().await {
                Ok(()) => {}
                Err(error) if pair.mine => disposition = disposition.and(Disposition::Retry(error)),
                Err(_) => given_up.push((Arc::clone(&pair.event), pair.sink)),
            }
        }
        let (mut claimed, before) = (Claimed::new(), self.pairs.len());
        for (event, sink) in given_up {
            self.claim(wire, &event, sink, &mut claimed);
        }
        start(wire, claimed, &self.keep);
        for pair in &mut self.pairs[before..] {
            if let Err(error) = pair.watch.outcome().await {
                disposition = disposition.and(Disposition::Retry(error));
            }
        }
        disposition
    }
}

/// The verdict on a message that has waited for as long as it may.
pub(super) fn out_of_patience() -> Disposition {
    Disposition::Retry(Error::new(
        Code::DeliveryTimeout,
        "a sink did not answer within [delivery] patience",
    ))
}

/// Says, once, where the evidence of an event lies that the fast lane brought first.
fn confirm(wire: &Wire, event: &Event) {
    if event.channel == Channel::S3 && wire.ledger.confirm(event.key) {
        wire.metrics.events_confirmed.inc();
        tracing::info!(
            event_id = event.id,
            origin = escape(&event.origin.to_string()),
            "its log file has arrived"
        );
    }
}

/// Hands each sink its events, in a task that no message can cancel. A best-effort sink holds no
/// place in the gates: what does not fit in its own room is dropped, and counted.
fn start(wire: &Arc<Wire>, claimed: Claimed, keep: &Keep) {
    for (sink, pairs) in claimed {
        let post = &wire.posts[usize::from(sink)];
        let sizes = pairs.iter().map(|(event, _)| event.record().bytes.len());
        let hold = match post.admit(sizes, keep) {
            Some(hold) => hold,
            None => {
                tracing::warn!(sink = post.name, events = pairs.len(), "dropped: its room is full");
                for (_, ticket) in pairs {
                    post.count(&wire.metrics.sink_dropped);
                    ticket.settle();
                }
                continue;
            }
        };
        let (wire, tracker) = (Arc::clone(wire), wire.deliveries.clone());
        tracker.spawn(async move {
            let (events, tickets): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let post = &wire.posts[usize::from(sink)];
            let outcomes = post.sink.deliver(events.clone()).await;
            for ((event, ticket), outcome) in events.iter().zip(tickets).zip(outcomes) {
                conclude(&wire, sink, event, ticket, outcome).await;
            }
            drop(hold);
        });
    }
}

/// Makes a sink's answer about one event final, or gives the pair back.
async fn conclude(wire: &Wire, sink: SinkIndex, event: &Event, ticket: Ticket, outcome: Outcome) {
    let post = &wire.posts[usize::from(sink)];
    match outcome {
        Outcome::Delivered => {
            post.count(&wire.metrics.sink_delivered);
            if let Some(time) = event.fields.time {
                let lag = ((wire.now)() - time).as_seconds_f64();
                wire.metrics.delivery_lag.get_or_create(&BySink::new(&post.name)).observe(lag);
            }
            ticket.settle();
        }
        Outcome::Rejected(error) | Outcome::Retry(error) if !post.required => {
            post.count(&wire.metrics.sink_dropped);
            tracing::warn!(
                sink = post.name,
                code = error.code.as_str(),
                event_id = event.id,
                "dropped: {error}"
            );
            ticket.settle();
        }
        Outcome::Rejected(error) => {
            tracing::error!(
                sink = post.name,
                code = error.code.as_str(),
                event_id = event.id,
                "refused: {error}"
            );
            let now = (wire.now)();
            let name = &post.name;
            let buried =
                wire.bury(error, |_, error| dead_letter::event(event, name, error, now)).await;
            match buried {
                Disposition::Done => {
                    post.count(&wire.metrics.sink_dead_lettered);
                    ticket.settle();
                }
                Disposition::Poison(error) | Disposition::Retry(error) => {
                    post.count(&wire.metrics.sink_retried);
                    ticket.fail(error);
                }
            }
        }
        Outcome::Retry(error) => {
            post.count(&wire.metrics.sink_retried);
            ticket.fail(error);
        }
    }
}

/// One bad record: a letter by reference where its file keeps it, else with the message that was all
/// there is of it.
async fn bury_record(
    wire: &Wire,
    carrier: Carrier<'_>,
    file_sha256: Option<&str>,
    bad: &InvalidRecord,
) -> Disposition {
    let origin = carrier.origin(bad.index);
    tracing::error!(
        code = "invalid_record",
        origin = escape(&origin.to_string()),
        request_id = carrier.request_id(),
        offset = bad.offset,
        sha256 = bad.sha256,
        "{}",
        bad.reason
    );
    if matches!(wire.graveyard, DeadLetterPolicy::Redrive) {
        return Disposition::Poison(Error::new(
            Code::InvalidRecord,
            format!("{origin}: {}", bad.reason),
        ));
    }
    let error = Error::new(Code::InvalidRecord, bad.reason.clone());
    let now = (wire.now)();
    wire.bury(error, |keep, error| match carrier {
        Carrier::Object(..) => dead_letter::record(&origin, file_sha256, bad, keep, now),
        Carrier::Message { queue, id, body } => dead_letter::message(queue, id, body, error, now),
    })
    .await
}
