//! The dead letter: where what can never be processed is kept, so that nothing is lost and `replay`
//! can offer it again.
//!
//! Names are deterministic: the same poison, met twice, is one letter. A letter that cannot be
//! written keeps its message.

mod directory;
pub(crate) mod parse;
mod s3;
mod sqs;

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

pub use directory::DeadLetterDirectory;
pub use s3::DeadLetterBucket;
pub use sqs::DeadLetterQueue;

/// Version of the letters' layout; readers refuse a greater one.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// One thing that can never be processed.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// `message`, `object`, `record` or `event`.
    pub kind: &'static str,
    /// Deterministic, from what is dead and nothing else: `kind-<32 hex digits>`.
    pub name: String,
    /// The reason's stable code.
    pub code: Code,
    /// The day it belongs to, in UTC: that of the event, or of the object's key; where neither is
    /// known, that of the letter.
    pub day: Date,
    /// The letter: one JSON object.
    pub body: Value,
}

/// Keeps letters.
pub trait DeadLetterWriter: Send + Sync + 'static {
    /// Durable when it answers `Ok`.
    ///
    /// # Errors
    /// It could not be kept; its message is released, not deleted.
    fn put(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>>;
}

/// What the pipeline does with poison.
#[derive(Clone)]
pub enum DeadLetterPolicy {
    /// Write a letter, then go on.
    Write(Arc<dyn DeadLetterWriter>, KeepBytes),
    /// Release until the queue's own redrive policy moves the message.
    Redrive,
}

/// Whether letters hold the bytes of what is dead, besides the reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepBytes(pub bool);

/// A body that is no notification. Its text is kept, because there is nothing else to find it by, but for private keys
/// in it; where they cannot be cut out, only its hash and length are.
pub(crate) fn message(
    queue: &str,
    id: &str,
    body: &str,
    error: &Error,
    now: OffsetDateTime,
) -> DeadLetter {
    let mut about = json!({"queue": queue, "message_id": id});
    let kept = event::without_private_keys(body);
    if kept.as_deref() != Some(body) {
        about["sha256"] = HEXLOWER.encode(&Sha256::digest(body)).into();
        about["length"] = body.len().into();
    }
    match kept {
        Some(kept) => about["body"] = kept.into(),
        None => about["withheld"] = "its body may hold a private key".into(),
    }
    letter("message", &[queue, id], about, error, now, None)
}

/// An object that can never be read.
pub(crate) fn object(location: &Location, error: &Error, now: OffsetDateTime) -> DeadLetter {
    let place = location.to_string();
    let about = json!({"object": place, "at": at(location)});
    letter("object", &[&place], about, error, now, day_of(location))
}

/// One bad record of an otherwise sound file: by reference, unless its bytes are to be kept. What cannot be read
/// cannot be redacted either, so bytes that may hold a key are never kept.
pub(crate) fn record(
    origin: &Origin,
    file_sha256: Option<&str>,
    bad: &InvalidRecord,
    keep: KeepBytes,
    now: OffsetDateTime,
) -> DeadLetter {
    let place = origin.to_string();
    let mut about = json!({"origin": place, "at": at_origin(origin), "index": bad.index,
        "offset": bad.offset, "sha256": bad.sha256});
    if let Some(file_sha256) = file_sha256 {
        about["file_sha256"] = file_sha256.into();
    }
    match keep.0 {
        true if event::may_hold_key(&bad.bytes) => {
            about["withheld"] = "its bytes may hold a private key or a certificate".into();
        }
        true => about["bytes"] = String::from_utf8_lossy(&bad.bytes).into(),
        false => {}
    }
    let error = Error::new(Code::InvalidRecord, bad.reason.clone());
    let day = location(origin).as_ref().and_then(day_of);
    letter("record", &[&place, &bad.sha256], about, &error, now, day)
}

/// An event that a sink refused for good: the record, redacted as every output is.
pub(crate) fn event(event: &Event, sink: &str, error: &Error, now: OffsetDateTime) -> DeadLetter {
    let mut raw = Vec::new();
    crate::format::render(event, OutputFormat::Raw, &mut raw);
    let mut about = json!({
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
        about["file_sha256"] = file_sha256.as_str().into();
    }
    letter("event", &[&event.key.to_string(), sink], about, error, now, event.fields.time.map(day))
}

/// Where something lies, in parts: a key may hold anything, so that no text could be taken apart.
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
        Origin::Inline { message_id } => json!({"message_id": message_id}),
        _ => location(origin).as_ref().map(at).unwrap_or_default(),
    }
}

/// The object that a record is of; none for the fast lane.
fn location(origin: &Origin) -> Option<Location> {
    match origin {
        Origin::Object { bucket, key, version, .. } => Some(Location::S3 {
            bucket: bucket.clone(),
            key: key.clone(),
            version: version.clone(),
        }),
        Origin::File { path, .. } => Some(Location::File(path.clone())),
        Origin::Inline { .. } => None,
    }
}

/// The day in an object's key: `…/YYYY/MM/DD/file`, as CloudTrail writes it.
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

fn letter(
    kind: &'static str,
    identity: &[&str],
    about: Value,
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
    if let (Value::Object(body), Value::Object(about)) = (&mut body, about) {
        body.extend(about);
    }
    DeadLetter { kind, name, code: error.code, day: known.unwrap_or_else(|| day(now)), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_in_a_message_never_reaches_its_letter() {
        let letter = |body: &str| {
            let error = Error::new(Code::UnreadableMessage, "no notification");
            message("q", "m", body, &error, OffsetDateTime::UNIX_EPOCH).body
        };
        let plain = letter("no notification");
        assert_eq!((&plain["body"], plain.get("sha256")), (&"no notification".into(), None));
        // One that can be read can also be replayed.
        let sound = letter(r#"{"detail":{"eventID":"e","privateKey":"canary"}}"#);
        let body: Value = serde_json::from_str(sound["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["detail"]["eventID"], "e");
        assert!(!sound.to_string().contains("canary") && sound["sha256"].is_string(), "{sound}");
        // SNS wraps EventBridge's message: only the key goes, and the rest still tells what it was about.
        let inner = r#"{"detail":{"bucket":"audit-logs","PrivateKeyBody":"-----BEGIN PRIVATE KEY-----\ncanary"}}"#;
        let wrapped = letter(&json!({"Type": "Notification", "Message": inner}).to_string());
        let body: Value = serde_json::from_str(wrapped["body"].as_str().unwrap()).unwrap();
        let inner: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
        assert_eq!(inner["detail"]["bucket"], "audit-logs");
        assert!(!wrapped.to_string().contains("canary"), "{wrapped}");
        let broken = letter(r#"{"detail":{"eventID":"e","privateKey":"canary"#);
        assert!(!broken.to_string().contains("canary") && broken.get("body").is_none(), "{broken}");
        assert_eq!((&broken["length"], broken["withheld"].is_string()), (&45.into(), true));
    }

    #[test]
    fn the_same_poison_met_twice_is_one_letter() {
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
    fn bytes_of_a_bad_record_are_kept_but_never_a_key() {
        let origin = Origin::Inline { message_id: "m".to_owned() };
        let letter = |text: &'static str, keep| {
            let bad = InvalidRecord {
                index: 0,
                offset: 0,
                sha256: "00".to_owned(),
                reason: "no JSON".to_owned(),
                bytes: text.into(),
            };
            record(&origin, None, &bad, KeepBytes(keep), OffsetDateTime::UNIX_EPOCH).body
        };
        let plain = r#"{"eventName":"#;
        assert_eq!(letter(plain, true)["bytes"], plain);
        assert_eq!(letter(plain, false).get("bytes"), None);
        let canary = r#"{"requestParameters":{"privateKey":"canary"#;
        let body = letter(canary, true);
        assert!(!body.to_string().contains("canary"), "{body}");
        assert!(body["withheld"].is_string() && body["sha256"].is_string(), "{body}");
    }

    #[test]
    fn a_letter_belongs_to_the_day_in_its_object_s_key_whenever_it_is_written() {
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
