//! A letter about a record or an event, from its body to a verdict.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::dead_letter::parse::{Members, reference, unreadable};
use crate::cloudtrail::{Decoded, Record};
use crate::error::{Code, Disposition, Error};
use crate::event::{Arrival, Channel, instant};
use crate::pipeline::context::{RunningSource, Wire};
use crate::pipeline::decode::Hold;
use crate::pipeline::dispatch::{self, Batch, Carrier};
use crate::pipeline::message::Place;
use crate::pipeline::object;
use crate::pipeline::record_counts::Account;
use crate::store::Body;

/// Takes the letter to its end. Whatever is not final keeps it.
pub(crate) async fn forward(
    wire: &Arc<Wire>,
    source: &RunningSource,
    body: &str,
    place: &mut Place,
) -> Disposition {
    let members = match Members::read(body) {
        Ok(members) => members,
        Err(error) => return Disposition::Retry(error),
    };
    if let Some(record) = &members.record {
        return owed(wire, &members, record.clone(), place).await;
    }
    if let Some(kept) = kept_bytes(&members) {
        return kept_record(wire, &members, kept, place).await;
    }
    match members.location() {
        Some(location) => {
            let object = reference(location);
            object::process_only(wire, source, &object, Some(members.index), place).await
        }
        None => Disposition::Retry(unreadable("it holds no record and names no object")),
    }
}

/// The bytes of a bad record, if the letter has all of them as they were.
fn kept_bytes(members: &Members) -> Option<Bytes> {
    let bytes = members.bytes.as_ref()?;
    let hash = HEXLOWER.encode(&Sha256::digest(bytes.as_bytes()));
    (members.sha256.as_ref() == Some(&hash)).then(|| Bytes::from(bytes.clone()))
}

/// An event and the sinks that it is still owed to; routes were asked when it was read first.
async fn owed(
    wire: &Arc<Wire>,
    members: &Members,
    record: String,
    place: &mut Place,
) -> Disposition {
    let Some(origin) = members.origin() else {
        return Disposition::Retry(unreadable("it does not say where its event is from"));
    };
    if members.sinks.is_empty() {
        return Disposition::Retry(unreadable("it names no sink that is owed its event"));
    }
    let channel = match members.channel.as_deref() {
        Some("eventbridge") => Channel::EventBridge,
        _ => Channel::S3,
    };
    let delivered = members.delivered.as_deref();
    let delivered = delivered.and_then(instant);
    let Some(mut reservation) = wire.gates.reserve(None, false).await else {
        return Disposition::Retry(Error::new(Code::Stopping, "the memory gate is closed"));
    };
    reservation.shrink(record.len());
    let record = Record { bytes: record.into(), index: members.index, offset: members.offset };
    let arrival = Arrival { origin, channel, seen: (wire.now)(), delivered };
    let event = match wire.read(record, arrival) {
        Ok(mut event) => {
            event.file_sha256.clone_from(&members.file_sha256);
            event
        }
        Err(bad) => return Disposition::Retry(unreadable(&bad.reason)),
    };
    let event = match &members.event_id {
        Some(id) if *id != event.id => event.with_id(id.clone()),
        _ => event,
    };
    place.leave_work();
    match dispatch::hand_over_to(wire, event, &members.sinks, place.keep(reservation)) {
        Ok(handed) => handed.outcomes(wire, place).await,
        Err(sink) => Disposition::Retry(unreadable(&format!("there is no [sink.{sink}] any more"))),
    }
}

/// A record whose bytes the letter kept: through the decoder, as if it were alone in its file.
async fn kept_record(
    wire: &Arc<Wire>,
    members: &Members,
    bytes: Bytes,
    place: &mut Place,
) -> Disposition {
    let Some(location) = members.location() else {
        return Disposition::Retry(unreadable("it does not say where its record is from"));
    };
    let Some(reservation) = wire.gates.reserve(Some(bytes.len() as u64), false).await else {
        return Disposition::Retry(Error::new(Code::Stopping, "the memory gate is closed"));
    };
    let chunks = [Bytes::from_static(b"{\"Records\":["), bytes, Bytes::from_static(b"]}")];
    let body = Body {
        etag: None,
        length: None,
        last_modified: None,
        request_id: None,
        chunks: stream::iter(chunks.map(Ok)).boxed(),
    };
    let verified = match wire.stage.read(body, Hold::new(usize::MAX, 0)).await {
        Ok(verified) => verified,
        Err(fault) => {
            return Disposition::Retry(Error::new(Code::StillRejected, format!("{fault:?}")));
        }
    };
    place.leave_work();
    let mut account = Account::default();
    account.read(&verified.tally);
    let object = reference(location);
    let found = verified.found.into_iter().map(|found| in_place(found, members)).collect();
    let carrier = Carrier::Object(&object, "");
    let batch = Batch { found, delivered: None, file_sha256: members.file_sha256.clone(), carrier };
    let handed = dispatch::hand_over(wire, batch, place.keep(reservation), &mut account).await;
    account.commit(wire, Channel::S3);
    handed.outcomes(wire, place).await
}

/// The record as it was in its own file, so that it is known by the same name.
fn in_place(found: Decoded, members: &Members) -> Decoded {
    let (index, offset) = (members.index, members.offset);
    match found {
        Decoded::Record(record) => Decoded::Record(Record { index, offset, ..record }),
        Decoded::Invalid(mut bad) => {
            (bad.index, bad.offset) = (index, offset);
            Decoded::Invalid(bad)
        }
    }
}
