//! Dead letters of records and events, which `replay` feeds as messages: each is reprocessed from
//! what it contains or refers to. Whatever is not final is a `Retry`, which keeps the dead letter.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::cloudtrail::Record;
use crate::error::{Code, Disposition, Error};
use crate::event::{Arrival, Channel, instant};
use crate::pipeline::dead_letter::parse::{Members, reference, unreadable};
use crate::pipeline::dispatch::MessageDeliveries;
use crate::pipeline::limits::MessagePermits;
use crate::pipeline::object::ObjectProcessor;
use crate::pipeline::records::{RecordSelection, RecordSource};
use crate::pipeline::single_record::{self, SingleRecord};
use crate::pipeline::source::RunningSource;

/// Processes the dead letter `body` until every required sink has an outcome.
pub(super) async fn process(
    objects: &ObjectProcessor,
    source: &RunningSource,
    body: &str,
    permits: &mut MessagePermits,
    deliveries: &mut MessageDeliveries,
) -> Disposition {
    let members = match Members::read(body) {
        Ok(members) => members,
        Err(error) => return Disposition::Retry(error),
    };
    if let Some(record) = &members.record {
        let event = rejected_event(objects, &members, record.clone(), permits, deliveries).await;
        return event.unwrap_or_else(Disposition::Retry);
    }
    let Some(location) = members.location() else {
        return Disposition::Retry(unreadable("it has no record and names no object"));
    };
    let object = reference(location);
    let Some(text) = kept_bytes(&members) else {
        let only = RecordSelection::Only(members.index);
        return objects.process(source, &object, only, permits, deliveries).await;
    };
    let (index, offset, file_sha256) = (members.index, members.offset, members.file_sha256.clone());
    let source = RecordSource::Object(&object);
    let record = SingleRecord { text, source, index, offset, file_sha256 };
    match single_record::process(objects, record, permits, deliveries).await {
        Ok(disposition) => disposition,
        Err(error) => Disposition::Retry(Error::new(Code::StillRejected, error.text)),
    }
}

/// Returns the bytes of an invalid record, if the dead letter has all of them unchanged.
fn kept_bytes(members: &Members) -> Option<&str> {
    let bytes = members.bytes.as_deref()?;
    let hash = HEXLOWER.encode(&Sha256::digest(bytes));
    (members.sha256.as_ref() == Some(&hash)).then_some(bytes)
}

/// Processes an event for the sinks that rejected it; it was routed when it was first read.
async fn rejected_event(
    objects: &ObjectProcessor,
    members: &Members,
    record: String,
    permits: &mut MessagePermits,
    deliveries: &mut MessageDeliveries,
) -> Result<Disposition, Error> {
    let dispatcher = &objects.dispatcher;
    let origin = members.origin().ok_or_else(|| unreadable("it lacks the event's origin"))?;
    if members.sinks.is_empty() {
        return Err(unreadable("it names no sink"));
    }
    let channel = match members.channel.as_deref() {
        Some("eventbridge") => Channel::EventBridge,
        _ => Channel::S3,
    };
    let delivered = members.delivered.as_deref().and_then(instant);
    let mut memory = permits.reserve(None, false).await?;
    memory.shrink_to_records(record.len());
    let record = Record { bytes: record.into(), index: members.index, offset: members.offset };
    let arrival = Arrival { origin, channel, seen: dispatcher.now(), delivered };
    let read = dispatcher.read(record, arrival).await;
    let mut event = read.map_err(|invalid| unreadable(&invalid.reason))?;
    event.file_sha256.clone_from(&members.file_sha256);
    let event = match &members.event_id {
        Some(id) if *id != event.id => event.with_id(id.clone()),
        _ => event,
    };
    permits.stop_processing();
    let dispatched = dispatcher.dispatch_to(event, &members.sinks, permits.for_delivery(memory));
    let dispatched = dispatched
        .map_err(|sink| unreadable(&format!("the configuration has no [sink.{sink}]")))?;
    Ok(dispatched.outcomes(dispatcher, deliveries).await)
}
