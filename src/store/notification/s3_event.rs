//! S3's own event notification: `{"Records":[{"eventName":…,"s3":{…}}]}`, direct or through SNS.
//! Source: Amazon S3 User Guide, "Event message structure".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Entity, IgnoredReason, Notification, objects_or, position, string, unreadable};
use crate::error::Error;
use crate::store::{Location, ObjectRef};

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, rename = "eventVersion")]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "eventName")]
    name: Option<&'a RawValue>,
    #[serde(borrow, rename = "eventID")]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "awsRegion")]
    region: Option<&'a RawValue>,
    #[serde(borrow)]
    s3: Option<&'a RawValue>,
}

/// Parses all of `Records`. One unreadable record makes the whole body unreadable: it is
/// dead-lettered unchanged, so that no part of it is lost.
pub(super) fn parse(records: &RawValue) -> Result<Notification, Error> {
    let records: Vec<&RawValue> =
        serde_json::from_str(records.get()).map_err(|_| unreadable("Records is not a list"))?;
    if records.is_empty() {
        return Ok(Notification::Ignored(IgnoredReason::NoRecords));
    }
    let mut objects = Vec::with_capacity(records.len());
    for (index, record) in records.into_iter().enumerate() {
        if let Some(object) =
            parse_record(record).map_err(|found| unreadable(format!("Records[{index}] {found}")))?
        {
            objects.push(object);
        }
    }
    Ok(objects_or(objects, IgnoredReason::NotCreated))
}

/// Parses one record: an object, `None` for an event that creates none, or what is wrong with it.
fn parse_record(record: &RawValue) -> Result<Option<ObjectRef>, String> {
    let record: Record<'_> = serde_json::from_str(record.get())
        .map_err(|e| format!("is not an event record {}", position(&e)))?;
    let Some(s3) = record.s3.filter(|raw| raw.get().starts_with('{')) else {
        return Err(match record.event_id {
            Some(_) => {
                "has no s3 but an eventID: this looks like a CloudTrail log file, not like a \
                        notification about one"
                    .to_owned()
            }
            None => "has no s3".to_owned(),
        });
    };
    let Some(name) = string(record.name) else { return Err("has no eventName".to_owned()) };
    if !name.strip_prefix("s3:").unwrap_or(&name).starts_with("ObjectCreated:") {
        return Ok(None);
    }
    check_version(string(record.version).as_deref())?;
    let entity: Entity<'_> = serde_json::from_str(s3.get())
        .map_err(|_| "has an s3 without bucket and object".to_owned())?;
    let Some((bucket, key)) = entity.bucket_and_key() else {
        return Err("has no bucket name or no key".to_owned());
    };
    Ok(Some(entity.to_object(bucket, decode_key(&key)?, string(record.region))))
}

/// Checks the major version only: a minor one adds members (2.1, 2.2 and 2.3 are all in use). A
/// missing version is accepted, as some forwarders omit it.
fn check_version(version: Option<&str>) -> Result<(), String> {
    match version.map(|version| version.split('.').next().unwrap_or(version)) {
        None | Some("2") => Ok(()),
        Some(_) => Err("has an eventVersion whose major is not 2".to_owned()),
    }
}

/// Decodes `application/x-www-form-urlencoded` exactly once: `+` is a space and `%xx` a byte.
fn decode_key(key: &str) -> Result<String, String> {
    let is_byte = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !key.split('%').skip(1).all(is_byte) {
        return Err("has a key with a % not followed by two hexadecimal digits".to_owned());
    }
    let decoded = percent_decode_str(&key.replace('+', " ")).decode_utf8().map(Into::into);
    decoded.map_err(|_| "has a key that does not decode to UTF-8".to_owned())
}

/// The inverse of [`parse`], for one object.
pub(super) fn write(object: &ObjectRef) -> Option<String> {
    let Location::S3 { bucket, key, version } = &object.location else { return None };
    let mut entity = json!({"key": encode_key(key)});
    for (name, value) in [("versionId", version), ("eTag", &object.etag)] {
        if let Some(value) = value {
            entity[name] = value.as_str().into();
        }
    }
    if let Some(size) = object.size {
        entity["size"] = size.into();
    }
    let mut record = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "certrelay",
            "bucket": {"name": bucket}, "object": entity},
    });
    if let Some(region) = &object.region {
        record["awsRegion"] = region.as_str().into();
    }
    Some(json!({"Records": [record]}).to_string())
}

/// Characters that are encoded in a key; S3 leaves the slash.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b' ').remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*');

/// The inverse of [`decode_key`].
fn encode_key(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string().replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_notifications_parse_to_the_same_object() {
        for key in ["AWSLogs/a.json.gz", "a b+c/é%2B=&\u{1}.gz", "?versionId=x#3"] {
            let location = Location::S3 {
                bucket: "audit-logs".into(),
                key: key.into(),
                version: Some("v1".into()),
            };
            let object = ObjectRef {
                location,
                region: Some("eu-west-1".into()),
                size: Some(7),
                etag: Some("tag".into()),
            };
            let parsed = super::super::parse(&write(&object).unwrap());
            let Ok(Notification::Objects(objects)) = parsed else { panic!("{parsed:?}") };
            assert_eq!(objects, [object], "{key}");
        }
    }
}
