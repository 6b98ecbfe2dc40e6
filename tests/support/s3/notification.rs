//! Notifications in S3's format.
//!
//! Source: Amazon S3 User Guide, "Event message structure" (version 2.1) and "Test event".

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Object;
use crate::support::queue_core::{ACCOUNT, REGION};

/// The queue of a bucket's notifications, and for which keys and events.
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
    /// Notifies `queue` of all created objects.
    pub fn to_queue(queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            id: "all-objects".to_owned(),
            events: vec!["s3:ObjectCreated:*".to_owned()],
            prefix: String::new(),
            suffix: String::new(),
        }
    }

    fn matches(&self, key: &str) -> bool {
        let is_put =
            |event: &String| event == "s3:ObjectCreated:*" || event == "s3:ObjectCreated:Put";
        self.events.iter().any(is_put)
            && key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
    }
}

/// Returns the (queue, body) pairs of one put.
pub fn created(
    destinations: &[Destination],
    bucket: &str,
    key: &str,
    object: &Object,
    sequencer: u64,
) -> Vec<(String, String)> {
    let matching = destinations.iter().filter(|destination| destination.matches(key));
    let body = |to: &Destination| {
        json!({ "Records": [record(to, bucket, key, object, sequencer)] }).to_string()
    };
    matching.map(|destination| (destination.queue.clone(), body(destination))).collect()
}

/// Returns the (queue, body) pairs of a new configuration.
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

/// A key in a notification: form-urlencoded, but for the slash, as AWS does.
fn encode_key(key: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b' ')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'*')
        .remove(b'/');
    utf8_percent_encode(key, ENCODED).to_string().replace(' ', "+")
}

/// `2026-01-01T00:00:00.000Z`.
fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let millis = at.millisecond();
    let whole = at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok());
    whole.unwrap_or_default().replace('Z', &format!(".{millis:03}Z"))
}
