//! The dead letter: where what can never be processed is kept, so that nothing is lost and `replay`
//! can offer it again.
//!
//! Names are deterministic: the same poison, met twice, is one letter. A letter that cannot be
//! written keeps its message.

mod directory;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cloudtrail::{BadRecord, Origin};
use crate::config::OutputFormat;
use crate::event::{self, Event};
use crate::outcome::Why;
use crate::store::Location;

pub use directory::DirectoryDeadLetter;

/// Version of the letters' layout; readers refuse a greater one.
const SCHEMA_VERSION: u32 = 1;

/// One thing that can never be processed.
#[derive(Debug, Clone)]
pub struct Letter {
    /// `message`, `object`, `record` or `event`.
    pub kind: &'static str,
    /// Deterministic, from what is dead and nothing else: `kind-<32 hex digits>`.
    pub name: String,
    /// The reason's stable code.
    pub code: &'static str,
    /// The letter: one JSON object.
    pub body: Value,
}

/// Keeps letters.
pub trait DeadLetter: Send + Sync + 'static {
    /// Durable when it answers `Ok`.
    ///
    /// # Errors
    /// It could not be kept; its message is released, not deleted.
    fn put(&self, letter: Letter) -> BoxFuture<'_, Result<(), Why>>;
}

/// What the pipeline does with poison.
#[derive(Clone)]
pub enum Graveyard {
    /// Write a letter, then go on.
    Letters(Arc<dyn DeadLetter>, KeepBytes),
    /// Release until the queue's own redrive policy moves the message.
    Redrive,
}

/// Whether letters hold the bytes of what is dead, besides the reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepBytes(pub bool);

/// A body that is no notification. Its text is kept: there is nothing else to find it by.
pub(super) fn message(queue: &str, id: &str, body: &str, why: &Why, now: OffsetDateTime) -> Letter {
    let about = json!({"queue": queue, "message_id": id, "body": body});
    letter("message", &[queue, id], about, why, now)
}

/// An object that can never be read.
pub(super) fn object(location: &Location, why: &Why, now: OffsetDateTime) -> Letter {
    let place = location.to_string();
    letter("object", &[&place], json!({"object": place}), why, now)
}

/// One bad record of an otherwise sound file: by reference, unless its bytes are to be kept.
pub(super) fn record(
    origin: &Origin,
    bad: &BadRecord,
    keep: KeepBytes,
    now: OffsetDateTime,
) -> Letter {
    let place = origin.to_string();
    let mut about = json!({"origin": place, "offset": bad.offset, "sha256": bad.sha256});
    if keep.0 {
        about["bytes"] = String::from_utf8_lossy(&bad.bytes).into();
    }
    let why = Why::new("bad_record", bad.reason.clone());
    letter("record", &[&place, &bad.sha256], about, &why, now)
}

/// An event that a sink refused for good: the record, redacted as every output is.
pub(super) fn event(event: &Event, sink: &str, why: &Why, now: OffsetDateTime) -> Letter {
    let mut raw = Vec::new();
    event::render(event, OutputFormat::Raw, &mut raw);
    let about = json!({
        "event_id": event.id,
        "event_name": event.fields.name,
        "origin": event.origin.to_string(),
        "sinks": [sink],
        "record": String::from_utf8_lossy(&raw),
    });
    letter("event", &[&event.key.to_string(), sink], about, why, now)
}

fn letter(
    kind: &'static str,
    identity: &[&str],
    about: Value,
    why: &Why,
    now: OffsetDateTime,
) -> Letter {
    let mut hash = Sha256::new();
    for part in identity {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut body = json!({
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "reason": {"code": why.code, "text": why.text},
        "time": now.format(&Rfc3339).unwrap_or_default(),
    });
    if let (Value::Object(body), Value::Object(about)) = (&mut body, about) {
        body.extend(about);
    }
    Letter { kind, name: format!("{kind}-{digest}"), code: why.code, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_poison_met_twice_is_one_letter() {
        let location = Location::File("/x/a.json.gz".into());
        let why = |text: &str| Why::new("corrupt_gzip", text);
        let first = object(&location, &why("at 3"), OffsetDateTime::UNIX_EPOCH);
        let second = object(&location, &why("at 4"), OffsetDateTime::now_utc());
        assert_eq!(first.name, second.name);
        assert_eq!(first.body["reason"]["code"], "corrupt_gzip");
        let other = object(
            &Location::File("/x/b.json.gz".into()),
            &why("at 3"),
            OffsetDateTime::UNIX_EPOCH,
        );
        assert_ne!(first.name, other.name);
    }
}
