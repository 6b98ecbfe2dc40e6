//! Pure: a message body → what it announces, auto-detected among the formats AWS uses.
//!
//! A queue between S3 and us may be fed by S3 itself, by SNS (wrapped or raw), by EventBridge, by
//! CloudTrail's own topic or by Security Lake, and a queue in migration by several at once; so the
//! format is read from each body and never configured. Unknown members are tolerated everywhere:
//! AWS adds some without notice.

mod eventbridge;
mod s3_event;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Location, ObjectRef};
use crate::error::{Code, Error};

/// What a body says.
#[derive(Debug, Clone)]
pub enum Notification {
    /// These objects arrived: every record of the body, in order.
    Objects(Vec<ObjectRef>),
    /// The fast lane: EventBridge carried the CloudTrail record itself. These are the bytes of
    /// `detail`, untouched; whether they may be used is the source's setting.
    Inline(Box<RawValue>),
    /// Understood, and there is nothing to fetch.
    Nothing(Nothing),
}

impl PartialEq for Notification {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Objects(a), Self::Objects(b)) => a == b,
            (Self::Inline(a), Self::Inline(b)) => a.get() == b.get(),
            (Self::Nothing(a), Self::Nothing(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Notification {}

/// Why there is nothing to fetch. Counted under [`Nothing::code`], never dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nothing {
    /// `s3:TestEvent`: the notification was just configured.
    TestEvent,
    /// CloudTrail's plain-text `CloudTrail validation message.`
    Validation,
    /// Only records of other kinds (`ObjectRemoved:*` …).
    NotCreated,
    /// SNS subscription confirmation.
    Subscription,
    /// A list of records, or of keys, that is empty.
    NoRecords,
}

impl Nothing {
    /// The stable label.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TestEvent => "test_event",
            Self::Validation => "validation_message",
            Self::NotCreated => "not_created",
            Self::Subscription => "subscription",
            Self::NoRecords => "no_records",
        }
    }
}

/// The members that tell the formats apart. Everything stays raw until the format is known, so that
/// a member of an unexpected type in one format cannot spoil another.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "Message")]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "Event")]
    event: Option<&'a RawValue>,
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
    #[serde(borrow, rename = "s3Bucket")]
    bucket: Option<&'a RawValue>,
    #[serde(borrow, rename = "s3ObjectKey")]
    keys: Option<&'a RawValue>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    region: Option<&'a RawValue>,
    #[serde(borrow, rename = "eventID")]
    event_id: Option<&'a RawValue>,
}

/// An object in its bucket, as S3 itself and EventBridge name it; they spell two members differently.
#[derive(Deserialize)]
struct Entity<'a> {
    #[serde(borrow)]
    bucket: Bucket<'a>,
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    size: Option<&'a RawValue>,
    #[serde(borrow, rename = "eTag", alias = "etag")]
    etag: Option<&'a RawValue>,
    #[serde(borrow, rename = "versionId", alias = "version-id")]
    version: Option<&'a RawValue>,
}

impl Entity<'_> {
    /// The bucket and the key as it is written, if both are there.
    fn place(&self) -> Option<(String, String)> {
        let bucket = string(self.bucket.name).filter(|name| !name.is_empty())?;
        Some((bucket, string(self.object.key).filter(|key| !key.is_empty())?))
    }

    /// The object at `bucket` and the decoded `key`, with what else is said of it.
    fn at(&self, bucket: String, key: String, region: Option<String>) -> ObjectRef {
        let version = string(self.object.version).filter(|version| !version.is_empty());
        ObjectRef {
            location: Location::S3 { bucket, key, version },
            region: region.filter(|region| !region.is_empty()),
            size: size(self.object.size),
            etag: etag(self.object.etag),
        }
    }
}

/// Understands a body.
///
/// # Errors
/// Poison: not JSON, or JSON of no known kind. The text says what was seen, without the body.
pub fn parse(body: &str) -> Result<Notification, Error> {
    parse_at(body, Depth::Outer)
}

/// What S3 would send about `object`: so that `backfill` and `replay` come in by the door that
/// everything else comes in by. `None` for a local file.
#[must_use]
pub fn created(object: &ObjectRef) -> Option<String> {
    s3_event::write(object)
}

/// SNS wraps exactly once; an envelope within an envelope is nobody's format.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    WithinSns,
}

/// Source: AWS CloudTrail User Guide, "Configuring Amazon SNS notifications for CloudTrail"; sent
/// once when the topic is configured, in place of JSON.
const VALIDATION: &str = "CloudTrail validation message.";

fn parse_at(body: &str, depth: Depth) -> Result<Notification, Error> {
    let text = body.trim();
    if text == VALIDATION {
        return Ok(Notification::Nothing(Nothing::Validation));
    }
    if !text.starts_with('{') {
        return Err(poison(format!("{} bytes that are not a JSON object", body.len())));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text)
        .map_err(|e| poison(format!("{} bytes of damaged JSON {}", body.len(), place(&e))))?;

    match string(envelope.kind).as_deref() {
        Some("Notification") => {
            if let Some(message) = string(envelope.message) {
                return match depth {
                    Depth::Outer => parse_at(&message, Depth::WithinSns),
                    Depth::WithinSns => Err(poison("an SNS envelope within an SNS envelope")),
                };
            }
        }
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => {
            return Ok(Notification::Nothing(Nothing::Subscription));
        }
        _ => {}
    }
    known(&envelope)
}

/// The formats themselves, once SNS's envelope is off.
fn known(envelope: &Envelope<'_>) -> Result<Notification, Error> {
    if let Some(records) = envelope.records {
        return s3_event::parse(records);
    }
    if string(envelope.event).as_deref() == Some("s3:TestEvent") {
        return Ok(Notification::Nothing(Nothing::TestEvent));
    }
    if let (Some(bucket), Some(keys)) = (envelope.bucket, envelope.keys) {
        return cloudtrail_topic(bucket, keys);
    }
    if let Some(detail) = envelope.detail {
        return eventbridge::parse(
            string(envelope.detail_type).as_deref(),
            string(envelope.source).as_deref(),
            string(envelope.region),
            detail,
        );
    }
    if envelope.event_id.is_some() {
        return Err(poison(
            "a bare CloudTrail record; only EventBridge's envelope around one is a notification",
        ));
    }
    Err(poison(
        "a JSON object of no known kind: neither Records, nor Type and Message, nor s3Bucket and \
         s3ObjectKey, nor detail",
    ))
}

/// CloudTrail's own SNS message: one bucket, many keys, written plainly (not URL-encoded), no sizes,
/// no region. Source: AWS CloudTrail User Guide, "Configuring Amazon SNS notifications".
fn cloudtrail_topic(bucket: &RawValue, keys: &RawValue) -> Result<Notification, Error> {
    let bucket = string(Some(bucket)).filter(|bucket| !bucket.is_empty());
    let Some(bucket) = bucket else { return Err(poison("a CloudTrail notice without a bucket")) };
    let keys = match string(Some(keys)) {
        Some(one) => vec![one],
        None => serde_json::from_str::<Vec<String>>(keys.get())
            .map_err(|_| poison("a CloudTrail notice whose s3ObjectKey is no list of strings"))?,
    };
    if keys.iter().any(String::is_empty) {
        return Err(poison("a CloudTrail notice with an empty key"));
    }
    let objects = keys.into_iter().map(|key| ObjectRef {
        location: Location::S3 { bucket: bucket.clone(), key, version: None },
        region: None,
        size: None,
        etag: None,
    });
    Ok(announced(objects.collect(), Nothing::NoRecords))
}

/// The objects, or why there are none.
fn announced(objects: Vec<ObjectRef>, otherwise: Nothing) -> Notification {
    if objects.is_empty() {
        Notification::Nothing(otherwise)
    } else {
        Notification::Objects(objects)
    }
}

/// A raw member as a string, if it is one.
fn string(raw: Option<&RawValue>) -> Option<String> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// A raw member as a size. A hint: what is no plain number is no hint. Sizes beyond 2^31 occur.
fn size(raw: Option<&RawValue>) -> Option<u64> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// A raw member as an `ETag` without its quotes.
fn etag(raw: Option<&RawValue>) -> Option<String> {
    string(raw).map(|tag| tag.trim_matches('"').to_owned()).filter(|tag| !tag.is_empty())
}

/// Where the parser stopped; never its message, which may quote the body.
fn place(error: &serde_json::Error) -> String {
    format!("(line {}, column {})", error.line(), error.column())
}

fn poison(seen: impl AsRef<str>) -> Error {
    Error::new(
        Code::UnreadableMessage,
        format!("the message is not a notification: {}", seen.as_ref()),
    )
}

#[cfg(test)]
mod tests;
