//! Parses message bodies, in any of the formats AWS uses. Pure.
//!
//! A queue between S3 and us may be fed by S3 itself, by SNS (wrapped or raw), by EventBridge, by
//! CloudTrail's own topic or by Security Lake, and a queue in migration by several at once; so the
//! format is detected in each body and never configured. Unknown members are tolerated everywhere:
//! AWS adds some without notice.

mod s3_event;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Location, ObjectRef};
use crate::error::{Code, Error};

/// A parsed body.
#[derive(Debug, Clone)]
pub enum Notification {
    /// Objects were created: every record of the body, in order.
    Objects(Vec<ObjectRef>),
    /// An EventBridge event with the CloudTrail record itself: the unchanged bytes of `detail`.
    /// Whether it is accepted is the source's setting.
    EventBridge(Box<RawValue>),
    /// A known format that announces no object.
    Ignored(IgnoredReason),
}

crate::error::labels! {
    /// Why a message is ignored. Counted under [`IgnoredReason::as_str`], never dead-lettered.
    pub enum IgnoredReason {
        /// `s3:TestEvent`: the notification was just configured.
        TestEvent = "test_event",
        /// CloudTrail's plain-text `CloudTrail validation message.`
        Validation = "validation_message",
        /// Only records of other kinds (`ObjectRemoved:*` …).
        NotCreated = "not_created",
        /// SNS subscription confirmation.
        Subscription = "subscription",
        /// An empty list of records or of keys.
        NoRecords = "no_records",
    }
}

/// The members by which the formats differ. They are not parsed until the format is known, so that
/// a member of an unexpected type in one format cannot break another.
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

/// An object in its bucket, in the events of S3 and EventBridge, which spell two members
/// differently.
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
    /// Returns the bucket, and the key as it is written, if both exist.
    fn bucket_and_key(&self) -> Option<(String, String)> {
        let bucket = string(self.bucket.name).filter(|name| !name.is_empty())?;
        Some((bucket, string(self.object.key).filter(|key| !key.is_empty())?))
    }

    /// Returns the object at `bucket` and the decoded `key`.
    fn to_object(&self, bucket: String, key: String, region: Option<String>) -> ObjectRef {
        let version = string(self.object.version).filter(|version| !version.is_empty());
        ObjectRef {
            location: Location::S3 { bucket, key, version },
            region: region.filter(|region| !region.is_empty()),
            size: size(self.object.size),
            etag: etag(self.object.etag),
        }
    }
}

/// Parses a body.
///
/// # Errors
/// [`Code::UnreadableMessage`]: not JSON, or JSON of no known kind. The text does not quote the
/// body.
pub fn parse(body: &str) -> Result<Notification, Error> {
    parse_at(body, Depth::Outer)
}

/// Returns the notification that S3 would send about `object`, so that `backfill` and `replay` use
/// the same path as every other message. `None` for a local file.
#[must_use]
pub(crate) fn created(object: &ObjectRef) -> Option<String> {
    s3_event::write(object)
}

/// SNS wraps exactly once; no service sends an envelope within an envelope.
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
        return Ok(Notification::Ignored(IgnoredReason::Validation));
    }
    if !text.starts_with('{') {
        return Err(unreadable(format!("{} bytes that are not a JSON object", body.len())));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| {
        unreadable(format!("{} bytes of invalid JSON {}", body.len(), position(&e)))
    })?;

    match string(envelope.kind).as_deref() {
        Some("Notification") => {
            if let Some(message) = string(envelope.message) {
                return match depth {
                    Depth::Outer => parse_at(&message, Depth::WithinSns),
                    Depth::WithinSns => Err(unreadable("an SNS envelope within an SNS envelope")),
                };
            }
        }
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => {
            return Ok(Notification::Ignored(IgnoredReason::Subscription));
        }
        _ => {}
    }
    parse_formats(&envelope)
}

/// Parses the formats themselves, without SNS's envelope.
fn parse_formats(envelope: &Envelope<'_>) -> Result<Notification, Error> {
    if let Some(records) = envelope.records {
        return s3_event::parse(records);
    }
    if string(envelope.event).as_deref() == Some("s3:TestEvent") {
        return Ok(Notification::Ignored(IgnoredReason::TestEvent));
    }
    if let (Some(bucket), Some(keys)) = (envelope.bucket, envelope.keys) {
        return cloudtrail_topic(bucket, keys);
    }
    if let Some(detail) = envelope.detail {
        return eventbridge(envelope, detail);
    }
    if envelope.event_id.is_some() {
        return Err(unreadable(
            "a bare CloudTrail record; only EventBridge's envelope around one is a notification",
        ));
    }
    Err(unreadable(
        "a JSON object of no known kind: neither Records, nor Type and Message, nor s3Bucket and \
         s3ObjectKey, nor detail",
    ))
}

/// Parses the `detail` of an EventBridge event by its `detail-type`: S3's and Security Lake's
/// `Object Created`, whose key is not encoded, and CloudTrail's own events.
/// Source: Amazon S3 User Guide, "EventBridge event message structure"; Security Lake User Guide,
/// "Sample notification message format" (which shows the envelope without `detail-type`).
fn eventbridge(envelope: &Envelope<'_>, detail: &RawValue) -> Result<Notification, Error> {
    if !detail.get().starts_with('{') {
        return Err(unreadable("an EventBridge event whose detail is not an object"));
    }
    let from_s3 = matches!(string(envelope.source).as_deref(), Some("aws.s3" | "aws.securitylake"));
    match string(envelope.detail_type).as_deref() {
        Some(
            "AWS API Call via CloudTrail"
            | "AWS Service Event via CloudTrail"
            | "AWS Console Sign In via CloudTrail",
        ) => return Ok(Notification::EventBridge(detail.to_owned())),
        // The source is not checked: a forwarder of events must set a source of its own.
        Some(kind) if kind.to_ascii_lowercase().ends_with("object created") => {}
        None if from_s3 => {}
        Some(_) if from_s3 => return Ok(Notification::Ignored(IgnoredReason::NotCreated)),
        _ => return Err(unreadable("an EventBridge event neither of S3 nor of CloudTrail")),
    }
    let entity: Entity<'_> = serde_json::from_str(detail.get())
        .map_err(|_| unreadable("an Object Created event without bucket and object"))?;
    let Some((bucket, key)) = entity.bucket_and_key() else {
        return Err(unreadable("an Object Created event without a bucket name or a key"));
    };
    Ok(Notification::Objects(vec![entity.to_object(bucket, key, string(envelope.region))]))
}

/// Parses CloudTrail's own SNS message: one bucket, many keys, not URL-encoded, no sizes, no
/// region.
/// Source: AWS CloudTrail User Guide, "Configuring Amazon SNS notifications".
fn cloudtrail_topic(bucket: &RawValue, keys: &RawValue) -> Result<Notification, Error> {
    let Some(bucket) = string(Some(bucket)).filter(|bucket| !bucket.is_empty()) else {
        return Err(unreadable("a CloudTrail notification without a bucket"));
    };
    let keys = match string(Some(keys)) {
        Some(key) => vec![key],
        None => serde_json::from_str::<Vec<String>>(keys.get()).map_err(|_| {
            unreadable("a CloudTrail notification whose s3ObjectKey is no list of strings")
        })?,
    };
    if keys.iter().any(String::is_empty) {
        return Err(unreadable("a CloudTrail notification with an empty key"));
    }
    let objects = keys.into_iter().map(|key| ObjectRef {
        location: Location::S3 { bucket: bucket.clone(), key, version: None },
        region: None,
        size: None,
        etag: None,
    });
    Ok(objects_or(objects.collect(), IgnoredReason::NoRecords))
}

/// Returns the objects, or why there are none.
fn objects_or(objects: Vec<ObjectRef>, otherwise: IgnoredReason) -> Notification {
    if objects.is_empty() {
        Notification::Ignored(otherwise)
    } else {
        Notification::Objects(objects)
    }
}

/// Parses a member that is a string.
fn string(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// Parses a member that is a size: a hint, so anything but a plain number is ignored. Sizes beyond
/// 2^31 occur.
fn size(raw: Option<&RawValue>) -> Option<u64> {
    serde_json::from_str(raw?.get()).ok()
}

/// Parses a member that is an `ETag`, and removes its quotes.
fn etag(raw: Option<&RawValue>) -> Option<String> {
    string(raw).map(|tag| tag.trim_matches('"').to_owned()).filter(|tag| !tag.is_empty())
}

/// Where parsing failed, without serde's message, which may quote the body.
fn position(error: &serde_json::Error) -> String {
    format!("(line {}, column {})", error.line(), error.column())
}

fn unreadable(found: impl std::fmt::Display) -> Error {
    Error::new(Code::UnreadableMessage, format!("the message is not a notification: {found}"))
}

#[cfg(test)]
mod tests;
