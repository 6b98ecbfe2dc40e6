//! What must hold for any bytes that come from outside. Plain functions: proptest runs them on
//! stable, and a fuzzer where there is a nightly compiler.

use std::path::Path;
use std::time::Duration;

use certrelay::cloudtrail::{Origin, Record};
use certrelay::config::{self, OutputFormat};
use certrelay::error::Code;
use certrelay::event::{self, Arrival, Channel, Event};
use certrelay::format;
use certrelay::store::notification;
use time::OffsetDateTime;

use super::response::{Accepted, Reply, classify, retry_after};

/// A message of the queue: what it announces, or why it is none. Answers whether it was one.
pub(crate) fn notification(data: &[u8]) -> bool {
    match notification::parse(&String::from_utf8_lossy(data)) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code, Code::UnreadableMessage);
            false
        }
    }
}

/// A response of Splunk: only HTTP 2xx with a body of HEC is success. Returns whether it was.
pub(crate) fn hec_response(data: &[u8]) -> bool {
    let (head, body) = data.split_at(data.len().min(2));
    let status = match *head {
        [low, high] => u16::from_le_bytes([low, high]) % 600,
        _ => 200,
    };
    let retry_after = retry_after(&String::from_utf8_lossy(body), 1_700_000_000);
    assert!(retry_after.is_none_or(|wait| wait <= Duration::from_secs(180)));
    let reply = Reply { status, retry_after, cookies: Vec::new(), body: body.to_vec() };
    let result = classify(&reply);
    match &result {
        Ok(Accepted { .. }) => assert!((200..300).contains(&status)),
        Err(failure) => {
            assert!(failure.text.contains(&status.to_string()));
            assert!(!failure.text.chars().any(char::is_control), "{:?}", failure.text);
        }
    }
    assert!(reply.cookies.is_empty() && reply.retry_after == retry_after);
    result.is_ok()
}

/// A configuration: checked, or refused with words. Answers whether it was one.
pub(crate) fn configuration(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    match config::parse_with("fuzz.toml", &text, Path::new("."), &|_| None) {
        Ok(_) => true,
        Err(errors) => {
            assert!(!errors.to_string().is_empty());
            false
        }
    }
}

/// Bytes where an uploaded certificate belongs. Answers whether an event came of it.
pub(crate) fn certificate(data: &[u8]) -> bool {
    let body = data_encoding::BASE64.encode(data);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
    let pem =
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    let record = serde_json::json!({
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "accountId": "111122223333", "userName": "alice"},
        "eventTime": "2026-03-01T00:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "UploadServerCertificate",
        "awsRegion": "us-east-1",
        "requestParameters": {"serverCertificateName": "web", "certificateBody": pem},
        "eventID": "8c5b0a3e-0000-4000-8000-000000000000",
        "recipientAccountId": "111122223333",
    });
    normaliser(record.to_string().as_bytes())
}

/// Any bytes as a record: refused, or an event that every format can render, as JSON. Answers
/// which.
pub(crate) fn normaliser(data: &[u8]) -> bool {
    let record = Record { bytes: data.to_vec().into(), index: 0, offset: 0 };
    let origin = Origin::Message { message_id: "m".to_owned() };
    let arrival = Arrival {
        origin,
        channel: Channel::EventBridge,
        seen: OffsetDateTime::UNIX_EPOCH,
        delivered: None,
    };
    let Ok(event) = Event::read(record, arrival) else { return false };
    let formats = [OutputFormat::Ocsf, OutputFormat::Ecs, OutputFormat::Cim, OutputFormat::Raw];
    for format in formats {
        let mut out = Vec::new();
        format::render(&event, format, &mut out);
        let sound = serde_json::from_slice::<serde::de::IgnoredAny>(&out);
        assert!(sound.is_ok(), "{format:?}: {}", String::from_utf8_lossy(&out));
    }
    assert!(!event::explain(&event).is_empty());
    true
}
