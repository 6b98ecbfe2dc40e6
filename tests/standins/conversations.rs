//! The stand-ins over HTTP, called by the AWS SDK, as certrelay calls them.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName};

use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::{clients, s3, sqs_http};

struct Clients {
    aws: AwsStandIns,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
}

async fn start(settings: AwsSettings) -> Clients {
    let aws = AwsStandIns::start(settings).await.expect("loopback is there");
    let (s3, sqs) = clients::of(&aws.s3.url(), aws.sqs_http.url());
    Clients { aws, s3, sqs }
}

impl Clients {
    async fn receive(&self, seconds: i32) -> Vec<aws_sdk_sqs::types::Message> {
        let call = self.sqs.receive_message().queue_url(self.aws.queue_url());
        let call = call.max_number_of_messages(10).wait_time_seconds(seconds);
        let call = call.message_system_attribute_names(MessageSystemAttributeName::All);
        call.send().await.expect("received").messages.unwrap_or_default()
    }

    /// Removes the `s3:TestEvent` from the queue.
    async fn purge(&self) {
        let queue = self.aws.settings.queue.clone();
        self.aws.sqs.with(|core, _| core.purge(&queue)).expect("the queue exists");
    }

    async fn put(&self, key: &str, body: &'static [u8]) {
        let call = self.s3.put_object().bucket("audit-logs").key(key);
        call.body(ByteStream::from_static(body)).send().await.expect("put");
    }
}

#[tokio::test]
async fn a_put_sends_its_notification_in_the_format_of_s3() {
    let clients = start(AwsSettings::default()).await;
    let test_event = clients.receive(0).await;
    assert!(test_event[0].body().is_some_and(|body| body.contains(r#""Event":"s3:TestEvent""#)));
    clients.put("AWSLogs/111122223333/Cloud Trail/a+b=é.json.gz", b"abc").await;
    let messages = clients.receive(5).await;
    let body: serde_json::Value =
        serde_json::from_str(messages[0].body().unwrap_or_default()).expect("JSON");
    let object = &body["Records"][0]["s3"]["object"];
    assert_eq!(object["key"], "AWSLogs/111122223333/Cloud+Trail/a%2Bb%3D%C3%A9.json.gz");
    assert_eq!(object["size"], 3);
    assert_eq!(object["eTag"], "900150983cd24fb0d6963f7d28e17f72");
    let stored =
        clients.aws.s3.object("audit-logs", "AWSLogs/111122223333/Cloud Trail/a+b=é.json.gz");
    assert_eq!(stored.expect("put").bytes, "abc");
    assert_eq!(body["Records"][0]["eventName"], "ObjectCreated:Put");
    let attributes = messages[0].attributes().expect("requested");
    assert_eq!(attributes[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
}

#[tokio::test]
async fn errors_have_the_types_of_the_sdk_with_code_and_request_id() {
    let clients = start(AwsSettings::default()).await;
    let url = clients.aws.queue_url();
    let garbage = clients.sqs.delete_message().queue_url(&url).receipt_handle("garbage").send();
    let error = garbage.await.expect_err("an error").into_service_error();
    assert!(error.is_receipt_handle_is_invalid(), "{error:?}");
    let missing = clients.sqs.receive_message().queue_url(url + "-not").send().await;
    let error = missing.expect_err("an error");
    assert!(error.request_id().is_some());
    let error = error.into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    let missing = clients.s3.get_object().bucket("audit-logs").key("not/there").send().await;
    let error = missing.expect_err("an error");
    assert!(error.request_id().is_some());
    assert!(error.into_service_error().is_no_such_key());
}

#[tokio::test]
async fn a_batch_delete_reports_the_failed_entry_and_deletes_the_other() {
    let clients = start(AwsSettings::default()).await;
    let message = clients.receive(0).await.remove(0);
    let entry = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle);
        entry.build().expect("complete")
    };
    let good = message.receipt_handle().unwrap_or_default();
    let call = clients.sqs.delete_message_batch().queue_url(clients.aws.queue_url());
    let response = call.entries(entry("0", "garbage")).entries(entry("1", good)).send().await;
    let response = response.expect("a partial failure is a success");
    assert_eq!(response.successful()[0].id(), "1");
    assert_eq!((response.failed()[0].id(), response.failed()[0].sender_fault()), ("0", true));
    assert_eq!(response.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(clients.aws.sqs.with(|core, _| core.tally.deleted), 1);
}

#[tokio::test]
async fn scripted_faults_reach_the_client_and_are_counted() {
    let clients = start(AwsSettings::default()).await;
    let http = &clients.aws.sqs_http;
    http.script(Some("ReceiveMessage"), sqs_http::Fault::Unavailable, 1);
    http.script(Some("ReceiveMessage"), sqs_http::Fault::Throttled, 1);
    http.script(Some("ReceiveMessage"), sqs_http::Fault::Denied, 1);
    http.script(Some("ReceiveMessage"), sqs_http::Fault::ResponseLost, 1);
    http.script(Some("ReceiveMessage"), sqs_http::Fault::Delayed(Duration::from_millis(1)), 1);
    let url = clients.aws.queue_url();
    let mut codes = Vec::new();
    for _ in 0..4 {
        let error = clients.sqs.receive_message().queue_url(&url).send().await;
        codes.push(error.expect_err("scripted").code().unwrap_or_default().to_owned());
    }
    assert_eq!(
        codes,
        ["ServiceUnavailable", "RequestThrottled", "AccessDenied", "ServiceUnavailable"]
    );
    assert!(
        clients.receive(0).await.is_empty(),
        "the call whose response was lost had received the message"
    );
    assert_eq!(http.calls()["ReceiveMessage"], 5);
}

#[tokio::test]
async fn objects_can_be_read_in_ranges_if_unchanged() {
    let clients = start(AwsSettings::default()).await;
    clients.put("k", b"0123456789").await;
    let get = || clients.s3.get_object().bucket("audit-logs").key("k");
    let whole = get().send().await.expect("an object");
    let etag = whole.e_tag().expect("an etag").to_owned();
    assert_eq!(etag, r#""781e5e245d69b566979b86e28d23f2c7""#);
    let part = get().range("bytes=4-").if_match(&etag).send().await.expect("an object");
    assert_eq!(part.content_range(), Some("bytes 4-9/10"));
    assert_eq!(part.body.collect().await.expect("read").into_bytes(), "456789");
    clients.aws.s3.put("audit-logs", "log.json.gz", &b"\x1f\x8b"[..]);
    let log = clients.s3.get_object().bucket("audit-logs").key("log.json.gz").send().await;
    assert_eq!(log.expect("an object").content_encoding(), Some("gzip"), "as CloudTrail does");
    clients.put("k", b"other").await;
    let changed = get().if_match(&etag).send().await.expect_err("changed");
    assert_eq!(changed.raw_response().map(|raw| raw.status().as_u16()), Some(412));
    assert_eq!(changed.code(), Some("PreconditionFailed"));
}

#[tokio::test]
async fn a_body_can_break_off_and_reads_can_fail() {
    let clients = start(AwsSettings::default()).await;
    clients.put("k", b"0123456789").await;
    let get = || clients.s3.get_object().bucket("audit-logs").key("k").send();
    clients.aws.s3.script("k", s3::Fault::CutAfter(4), 1);
    let broken = get().await.expect("a response");
    assert_eq!(broken.content_length(), Some(10));
    assert!(broken.body.collect().await.is_err(), "the body broke");
    let scripted = [
        (s3::Fault::SlowDown, 503, "SlowDown"),
        (s3::Fault::AccessDenied, 403, "AccessDenied"),
        (s3::Fault::KmsDenied, 403, "AccessDenied"),
        (s3::Fault::InvalidObjectState, 403, "InvalidObjectState"),
        (s3::Fault::InternalError, 500, "InternalError"),
        (s3::Fault::NoSuchKey, 404, "NoSuchKey"),
    ];
    for (fault, status, code) in scripted {
        clients.aws.s3.script("k", fault, 1);
        let error = get().await.expect_err("scripted");
        let got = error.raw_response().map(|raw| raw.status().as_u16());
        assert_eq!((got, error.code()), (Some(status), Some(code)));
    }
    let latency = s3::Latency::new(Duration::from_millis(1), Duration::from_millis(2), 1);
    clients.aws.s3.set_latency(Some(latency));
    clients.aws.s3.script("k", s3::Fault::Delayed(Duration::from_millis(1)), 1);
    get().await.expect("success after the faults");
    assert_eq!(clients.aws.s3.calls()["GetObject"], 8);
}

#[tokio::test]
async fn listing_pages_by_prefix_and_delimiter() {
    let clients = start(AwsSettings::default()).await;
    for key in ["a/1/x", "a/1/y", "a/2/x", "a/3", "a/4", "b"] {
        clients.aws.s3.put_silently("audit-logs", key, &b"x"[..]);
    }
    let list = clients.s3.list_objects_v2().bucket("audit-logs").prefix("a/").delimiter("/");
    let mut pages = list.max_keys(2).into_paginator().send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("listed");
        let keys = page.contents().iter().filter_map(|object| object.key());
        let common = page.common_prefixes().iter().filter_map(|common| common.prefix());
        seen.push(common.chain(keys).map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(seen, [["a/1/", "a/2/"], ["a/3", "a/4"]]);
}

#[tokio::test]
async fn a_thousand_objects_are_notified_once_each_and_the_queue_is_empty() {
    let clients = start(AwsSettings::default()).await;
    clients.purge().await;
    for n in 0..1000 {
        clients.aws.s3.put("audit-logs", &format!("AWSLogs/{n:04}.json.gz"), &b"x"[..]);
    }
    let mut keys = std::collections::BTreeSet::new();
    loop {
        let messages = clients.receive(0).await;
        if messages.is_empty() {
            break;
        }
        let mut call = clients.sqs.delete_message_batch().queue_url(clients.aws.queue_url());
        for (n, message) in messages.iter().enumerate() {
            keys.insert(message.body().unwrap_or_default().to_owned());
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
            let handle = message.receipt_handle().unwrap_or_default();
            call = call.entries(entry.receipt_handle(handle).build().expect("complete"));
        }
        assert!(call.send().await.expect("deleted").failed().is_empty());
    }
    assert_eq!(keys.len(), 1000);
    let counts = clients.aws.sqs.with(|core, now| core.counts("cloudtrail-objects", now));
    assert_eq!(counts, Ok(Default::default()));
    let dead = clients.aws.dead_letter_queue();
    assert!(clients.aws.sqs.with(|core, _| core.peek(&dead)).expect("it exists").is_empty());
}
