//! Dead letters: the durable form of what can never be processed, so that nothing is lost and
//! `replay` can reprocess it.
//!
//! Names are deterministic: the same poison, met twice, is one dead letter. A dead letter that
//! cannot be written keeps its message in the queue.

pub(crate) mod parse;
mod writers;

use std::sync::Arc;

use data_encoding::HEXLOWER;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};

use crate::cloudtrail::{InvalidRecord, Origin};
use crate::config::OutputFormat;
use crate::error::{Code, Error};
use crate::event::{self, Event};
use crate::store::Location;

pub use writers::{DeadLetterBucket, DeadLetterDirectory, DeadLetterQueue};

/// Version of the dead letters' layout; readers reject a greater one.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// One thing that can never be processed.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// `message`, `object`, `record` or `event`.
    pub kind: &'static str,
    /// Deterministic, from the identity of what is dead-lettered: `kind-<32 hex digits>`.
    pub name: String,
    /// The reason's stable code.
    pub code: Code,
    /// The day it belongs to, in UTC: that of the event, or of the object's key; where neither is
    /// known, the day of writing.
    pub day: Date,
    /// The content: one JSON object.
    pub body: Value,
}

/// Stores dead letters.
pub trait DeadLetterWriter: Send + Sync + 'static {
    /// Writes a dead letter. It is durable when this returns `Ok`.
    ///
    /// # Errors
    /// It could not be written; its message is released, not deleted.
    fn put(&self, dead_letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>>;
}

/// What the pipeline does with poison.
#[derive(Clone)]
pub enum DeadLetterPolicy {
    /// Write a dead letter, then continue.
    Write(Arc<dyn DeadLetterWriter>, KeepBytes),
    /// Release until the queue's own redrive policy moves the message.
    Redrive,
}

/// Whether dead letters contain the bytes of an invalid record, besides the reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepBytes(pub bool);

/// Returns the dead letter of a body that is no notification. Its text is included, because there
/// is nothing else to find it by, except for private keys in it; where they cannot be removed, only
/// its hash and length are.
pub(super) fn message(
    queue: &str,
    id: &str,
    body: &str,
    error: &Error,
    now: OffsetDateTime,
) -> DeadLetter {
    let mut members = json!({"queue": queue, "message_id": id});
    let safe = event::without_private_keys(body);
    if safe.as_deref() != Some(body) {
        members["sha256"] = HEXLOWER.encode(&Sha256::digest(body)).into();
        members["length"] = body.len().into();
    }
    match safe {
        Some(safe) => members["body"] = safe.into(),
        None => members["withheld"] = "the body may hold a private key".into(),
    }
    dead_letter("message", &[queue, id], members, error, now, None)
}

/// Returns the dead letter of an object that can never be read.
pub(super) fn object(location: &Location, error: &Error, now: OffsetDateTime) -> DeadLetter {
    let uri = location.to_string();
    let members = json!({"object": uri, "at": at(location)});
    dead_letter("object", &[&uri], members, error, now, day_of(location))
}

/// Returns the dead letter of an invalid record in an otherwise sound file: a reference, and its
/// bytes if they are to be kept. What cannot be parsed cannot be redacted either, so bytes that may
/// contain a key are never kept.
pub(super) fn record(
    origin: &Origin,
    file_sha256: Option<&str>,
    invalid: &InvalidRecord,
    keep: KeepBytes,
    now: OffsetDateTime,
) -> DeadLetter {
    let uri = origin.to_string();
    let mut members = json!({"origin": uri, "at": at_origin(origin), "index": invalid.index,
        "offset": invalid.offset, "sha256": invalid.sha256});
    if let Some(file_sha256) = file_sha256 {
        members["file_sha256"] = file_sha256.into();
    }
    match keep.0 {
        true if event::may_hold_key(&invalid.bytes) => {
            members["withheld"] = "the bytes may hold a private key or a certificate".into();
        }
        true => members["bytes"] = String::from_utf8_lossy(&invalid.bytes).into(),
        false => {}
    }
    let error = Error::new(Code::InvalidRecord, invalid.reason.clone());
    let day = location(origin).as_ref().and_then(day_of);
    dead_letter("record", &[&uri, &invalid.sha256], members, &error, now, day)
}

/// Returns the dead letter of an event that a sink rejected: the record, redacted as every output
/// is.
pub(super) fn event(event: &Event, sink: &str, error: &Error, now: OffsetDateTime) -> DeadLetter {
    let mut raw = Vec::new();
    crate::format::render(event, OutputFormat::Raw, &mut raw);
    let mut members = json!({
        "event_id": event.id,
        "event_name": event.fields.name,
        "origin": event.origin.to_string(),
        "at": at_origin(&event.origin),
        "index": event.record().index,
        "channel": event.channel.as_str(),
        "delivered": event.delivered.and_then(|time| time.format(&Rfc3339).ok()),
        "sinks": [sink],
        "record": String::from_utf8_lossy(&raw),
    });
    if let Some(file_sha256) = &event.file_sha256 {
        members["file_sha256"] = file_sha256.as_str().into();
    }
    let identity = [&event.key.to_string(), sink];
    dead_letter("event", &identity, members, error, now, event.fields.time.map(day))
}

/// Returns a location in parts: a key may contain anything, so no text could be split again.
fn at(location: &Location) -> Value {
    match location {
        Location::S3 { bucket, key, version } => {
            json!({"bucket": bucket, "key": key, "version_id": version})
        }
        Location::File(path) => json!({"path": path.to_string_lossy()}),
    }
}

fn at_origin(origin: &Origin) -> Value {
    match origin {
        Origin::Message { message_id } => json!({"message_id": message_id}),
        _ => location(origin).as_ref().map(at).unwrap_or_default(),
    }
}

/// Returns the object of a record; `None` for the EventBridge channel.
fn location(origin: &Origin) -> Option<Location> {
    match origin {
        Origin::Object { bucket, key, version, .. } => Some(Location::S3 {
            bucket: bucket.clone(),
            key: key.clone(),
            version: version.clone(),
        }),
        Origin::File { path, .. } => Some(Location::File(path.clone())),
        Origin::Message { .. } => None,
    }
}

/// Returns the day in an object's key: `…/YYYY/MM/DD/file`, as CloudTrail writes it.
fn day_of(location: &Location) -> Option<Date> {
    let Location::S3 { key, .. } = location else { return None };
    let mut parts = key.rsplit('/').skip(1).map(str::parse::<u16>);
    let (day, month, year) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

fn day(time: OffsetDateTime) -> Date {
    time.to_offset(UtcOffset::UTC).date()
}

fn dead_letter(
    kind: &'static str,
    identity: &[&str],
    members: Value,
    error: &Error,
    now: OffsetDateTime,
    known: Option<Date>,
) -> DeadLetter {
    let mut hash = Sha256::new();
    for part in identity {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let name = format!("{kind}-{}", HEXLOWER.encode(&hash.finalize()[..16]));
    let mut body = json!({
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "name": name,
        "reason": {"code": error.code, "text": error.text},
        "time": now.format(&Rfc3339).unwrap_or_default(),
    });
    if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
        body.extend(members);
    }
    DeadLetter { kind, name, code: error.code, day: known.unwrap_or_else(|| day(now)), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_in_a_message_never_reaches_its_dead_letter() {
        let body_of = |body: &str| {
            let error = Error::new(Code::UnreadableMessage, "no notification");
            message("q", "m", body, &error, OffsetDateTime::UNIX_EPOCH).body
        };
        let plain = body_of("no notification");
        assert_eq!((&plain["body"], plain.get("sha256")), (&"no notification".into(), None));
        // A body that can be parsed can also be replayed.
        let sound = body_of(r#"{"detail":{"eventID":"e","privateKey":"canary"}}"#);
        let body: Value = serde_json::from_str(sound["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["detail"]["eventID"], "e");
        assert!(!sound.to_string().contains("canary") && sound["sha256"].is_string(), "{sound}");
        // SNS wraps EventBridge's message: only the key is removed, the rest identifies the
        // message.
        let inner = r#"{"detail":{"bucket":"audit-logs","PrivateKeyBody":"-----BEGIN PRIVATE KEY-----\ncanary"}}"#;
        let wrapped = body_of(&json!({"Type": "Notification", "Message": inner}).to_string());
        let body: Value = serde_json::from_str(wrapped["body"].as_str().unwrap()).unwrap();
        let inner: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
        assert_eq!(inner["detail"]["bucket"], "audit-logs");
        assert!(!wrapped.to_string().contains("canary"), "{wrapped}");
        let broken = body_of(r#"{"detail":{"eventID":"e","privateKey":"canary"#);
        assert!(!broken.to_string().contains("canary") && broken.get("body").is_none(), "{broken}");
        assert_eq!((&broken["length"], broken["withheld"].is_string()), (&45.into(), true));
    }

    #[test]
    fn the_same_poison_met_twice_is_one_dead_letter() {
        let location = Location::File("/x/a.json.gz".into());
        let error = |text: &str| Error::new(Code::CorruptGzip, text);
        let first = object(&location, &error("at 3"), OffsetDateTime::UNIX_EPOCH);
        let second = object(&location, &error("at 4"), OffsetDateTime::now_utc());
        assert_eq!(first.name, second.name);
        assert_eq!(first.body["reason"]["code"], "corrupt_gzip");
        let other = object(
            &Location::File("/x/b.json.gz".into()),
            &error("at 3"),
            OffsetDateTime::UNIX_EPOCH,
        );
        assert_ne!(first.name, other.name);
    }

    #[test]
    fn bytes_of_an_invalid_record_are_kept_but_never_a_key() {
        let origin = Origin::Message { message_id: "m".to_owned() };
        let body_of = |text: &'static str, keep| {
            let invalid = InvalidRecord {
                index: 0,
                offset: 0,
                sha256: "00".to_owned(),
                reason: "no JSON".to_owned(),
                bytes: text.into(),
            };
            record(&origin, None, &invalid, KeepBytes(keep), OffsetDateTime::UNIX_EPOCH).body
        };
        let plain = r#"{"eventName":"#;
        assert_eq!(body_of(plain, true)["bytes"], plain);
        assert_eq!(body_of(plain, false).get("bytes"), None);
        let canary = r#"{"requestParameters":{"privateKey":"canary"#;
        let body = body_of(canary, true);
        assert!(!body.to_string().contains("canary"), "{body}");
        assert!(body["withheld"].is_string() && body["sha256"].is_string(), "{body}");
    }

    #[test]
    fn a_dead_letter_belongs_to_the_day_in_its_object_s_key_whenever_it_is_written() {
        let of = |key: &str| {
            let location =
                Location::S3 { bucket: "audit-logs".into(), key: key.into(), version: None };
            let error = Error::new(Code::CorruptGzip, "x");
            object(&location, &error, OffsetDateTime::UNIX_EPOCH).day.to_string()
        };
        let dated = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/a.json.gz";
        assert_eq!(of(dated), "2026-03-01");
        assert_eq!(of("copy/2026/13/01/a.json.gz"), "1970-01-01");
        assert_eq!(of("a.json.gz"), "1970-01-01");
    }
}
