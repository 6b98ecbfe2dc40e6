//! Notifications as S3 writes them into a queue.
//!
//! Source: Amazon S3 User Guide, "Event message structure" (version 2.1) and "Test event".

use std::time::SystemTime;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Object;
use crate::support::queue_core::{ACCOUNT, REGION};

/// Where a bucket's notifications go, and for which keys and events.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The queue's name: the last part of its ARN.
    pub queue: String,
    /// `Id` of the configuration, which the notification repeats.
    pub id: String,
    /// Events such as `s3:ObjectCreated:*` or `s3:ObjectCreated:Put`.
    pub events: Vec<String>,
    /// Only keys that start with this.
    pub prefix: String,
    /// Only keys that end with this.
    pub suffix: String,
}

impl Destination {
    /// All created objects to `queue`.
    pub fn to_queue(queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            id: "all-objects".to_owned(),
            events: vec!["s3:ObjectCreated:*".to_owned()],
            prefix: String::new(),
            suffix: String::new(),
        }
    }

    fn wants(&self, key: &str) -> bool {
        let wanted =
            |event: &String| event == "s3:ObjectCreated:*" || event == "s3:ObjectCreated:Put";
        self.events.iter().any(wanted)
            && key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
    }
}

/// The (queue, body) pairs that one put causes.
pub fn created(
    destinations: &[Destination],
    bucket: &str,
    key: &str,
    object: &Object,
    sequencer: u64,
) -> Vec<(String, String)> {
    let wanting = destinations.iter().filter(|destination| destination.wants(key));
    let body = |to: &Destination| {
        json!({ "Records": [record(to, bucket, key, object, sequencer)] }).to_string()
    };
    wanting.map(|destination| (destination.queue.clone(), body(destination))).collect()
}

/// The (queue, body) pairs that a new configuration causes.
pub fn test_event(destinations: &[Destination], bucket: &str) -> Vec<(String, String)> {
    let body = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": timestamp(SystemTime::now()),
        "Bucket": bucket,
        "RequestId": "STANDIN0TESTEVENT",
        "HostId": "standin",
    });
    destinations.iter().map(|to| (to.queue.clone(), body.to_string())).collect()
}

fn record(to: &Destination, bucket: &str, key: &str, object: &Object, sequencer: u64) -> Value {
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": timestamp(object.modified),
        "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "AWS:AIDAEXAMPLE" },
        "requestParameters": { "sourceIPAddress": "203.0.113.10" },
        "responseElements": {
            "x-amz-request-id": format!("STANDIN{sequencer:09}"),
            "x-amz-id-2": "standin",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": to.id,
            "bucket": {
                "name": bucket,
                "ownerIdentity": { "principalId": format!("A{ACCOUNT}") },
                "arn": format!("arn:aws:s3:::{bucket}"),
            },
            "object": {
                "key": encode_key(key),
                "size": object.bytes.len(),
                "eTag": object.etag,
                "sequencer": format!("{:018X}", 0x0060_0000_0000_0000_u64 + sequencer),
            },
        },
    })
}

/// A key as a notification carries it: form-urlencoded, but `/` stays, as AWS does it.
fn encode_key(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// `2026-01-01T00:00:00.000Z`.
fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let millis = at.millisecond();
    let whole = at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok());
    whole.unwrap_or_default().replace('Z', &format!(".{millis:03}Z"))
}
