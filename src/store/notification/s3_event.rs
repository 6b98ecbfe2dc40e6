//! S3's own event notification: `{"Records":[{"eventName":…,"s3":{…}}]}`, direct or through SNS.
//! Source: Amazon S3 User Guide, "Event message structure".

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Entity, Nothing, Notification, announced, place, poison, string};
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

/// Reads `Records`, all of them. One unreadable record makes the whole body poison: it goes to the
/// dead letter as it came, and nothing of it is lost between two fates.
pub(super) fn parse(records: &RawValue) -> Result<Notification, Error> {
    let records: Vec<&RawValue> =
        serde_json::from_str(records.get()).map_err(|_| poison("Records is not a list"))?;
    if records.is_empty() {
        return Ok(Notification::Nothing(Nothing::NoRecords));
    }
    let mut objects = Vec::with_capacity(records.len());
    for (index, record) in records.into_iter().enumerate() {
        if let Some(object) =
            read(record).map_err(|seen| poison(format!("Records[{index}] {seen}")))?
        {
            objects.push(object);
        }
    }
    Ok(announced(objects, Nothing::NotCreated))
}

/// One record: an object, or nothing if it announces something else; or what is wrong with it.
fn read(record: &RawValue) -> Result<Option<ObjectRef>, String> {
    let record: Record<'_> = serde_json::from_str(record.get())
        .map_err(|e| format!("is not an event record {}", place(&e)))?;
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
    let Some((bucket, key)) = entity.place() else {
        return Err("has no bucket name or no key".to_owned());
    };
    Ok(Some(entity.at(bucket, decode_key(&key)?, string(record.region))))
}

/// Only the major version decides: a minor one only adds members (2.1, 2.2 and 2.3 are all live).
/// A forwarder that leaves it out is taken at its word.
fn check_version(version: Option<&str>) -> Result<(), String> {
    match version.map(|version| version.split('.').next().unwrap_or(version)) {
        None | Some("2") => Ok(()),
        Some(_) => Err("has an eventVersion of another major than 2".to_owned()),
    }
}

/// `application/x-www-form-urlencoded`, exactly once: `+` is a space and `%xx` a byte.
fn decode_key(key: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next())
                .zip(hex(rest.next()))
                .map(|(high, low)| high << 4 | low)
                .ok_or("has a key with a % that no two hexadecimal digits follow")?,
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| "has a key that does not decode to UTF-8".to_owned())
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

/// The inverse of [`decode_key`].
fn encode_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'*' => {
                out.push(char::from(byte));
            }
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

fn hex(byte: Option<u8>) -> Option<u8> {
    char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_whatever_the_key() {
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
            let read = super::super::parse(&write(&object).unwrap());
            assert_eq!(read, Ok(Notification::Objects(vec![object])), "{key}");
        }
    }
}
