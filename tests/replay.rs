//! Dead letters in S3 and SQS and their replay: each kind, through the real clients.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use certrelay::config::Config;
use certrelay::jobs::{self, Replayed};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::service::{DEAD_LETTER_BUCKET, DEAD_LETTER_QUEUE, Service};
use crate::support::hec::{HecStandIn, Options};
use crate::support::samples::{self, gzip};
use crate::support::sqs_http::Fault;

const IN_S3: &str = "[dead_letter]\ns3 = \"s3://audit-dead-letters/certrelay/\"";

const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/x.json.gz";

fn dead_letters_in_s3(service: &Service) -> Vec<(String, Value)> {
    let keys = service.world.s3.keys(DEAD_LETTER_BUCKET);
    let read = |key: String| {
        let object = service.world.s3.object(DEAD_LETTER_BUCKET, &key).expect("it is there");
        let dead_letter = serde_json::from_slice(&object.bytes).expect("JSON");
        (key, dead_letter)
    };
    keys.into_iter().map(read).collect()
}

async fn replay(config: Config, source: &str) -> Replayed {
    let sources = [source.to_owned()];
    let stop = CancellationToken::new();
    let replay = jobs::replay(config, Some(Service::aws()), &sources, stop);
    let replayed = tokio::time::timeout(Duration::from_secs(60), replay);
    replayed.await.expect("it ends").expect("it can be run")
}

const ALL: &str = "s3://audit-dead-letters/certrelay/";

#[tokio::test]
async fn the_same_dead_letter_written_twice_is_one_object_in_the_folder_of_its_day() {
    let service = Service::start().await;
    for _ in 0..2 {
        service.world.s3.put("audit-logs", KEY, &b"neither gzip nor JSON"[..]);
    }
    service.run_until_empty(service.config(IN_S3)).await;
    let dead_letters = dead_letters_in_s3(&service);
    assert_eq!(dead_letters.len(), 1, "{dead_letters:?}");
    let (key, dead_letter) = &dead_letters[0];
    assert!(key.starts_with("certrelay/2026/03/01/object-"), "{key}");
    assert_eq!(
        key.rsplit('/').next(),
        dead_letter["name"].as_str().map(|n| format!("{n}.json")).as_deref()
    );
    assert_eq!(dead_letter["reason"]["code"], "not_cloudtrail");
    assert_eq!(dead_letter["at"], json!({"bucket": "audit-logs", "key": KEY, "version_id": null}));
    assert!(service.world.s3.calls()["PutObject"] >= 2, "both were written, under one name");
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_releases_its_message() {
    let service = Service::start().await;
    service.world.sqs.send(&service.world.settings.queue, "no notification").expect("sent");
    let nowhere = service.config("[dead_letter]\ns3 = \"s3://no-such-bucket/letters/\"");
    // The test event of the set-up is deleted; the unreadable message is left.
    let puts = || service.world.s3.calls().get("PutObject").copied().unwrap_or(0);
    service.run_until(nowhere, || puts() > 0 && service.left() == 1).await;
    assert_eq!(service.left(), 1, "released, not deleted");
    assert!(dead_letters_in_s3(&service).is_empty());
}

#[tokio::test]
async fn dead_letters_go_to_a_queue_and_a_denied_send_releases_the_message() {
    let service = Service::start().await;
    service.world.sqs.send(&service.world.settings.queue, "no notification").expect("sent");
    let url = service.world.sqs_http.queue_url(DEAD_LETTER_QUEUE);
    let config = || service.config(&format!("[dead_letter]\nsqs = {url:?}"));
    service.world.sqs_http.script(Some("SendMessage"), Fault::Denied, 1);
    let dead_letters =
        || service.world.sqs.with(|core, _| core.peek(DEAD_LETTER_QUEUE)).expect("a queue");
    let denied = || service.world.sqs_http.calls().get("SendMessage").copied().unwrap_or(0) > 0;
    service.run_until(config(), || denied() && service.left() == 1).await;
    assert_eq!((dead_letters().len(), service.left()), (0, 1));

    // Sent again, instead of waiting for the redelivery.
    service.world.sqs.with(|core, _| core.purge(&service.world.settings.queue)).expect("a queue");
    service.world.sqs.send(&service.world.settings.queue, "no notification").expect("sent");
    service.run_until_empty(config()).await;
    let dead_letters = dead_letters();
    assert_eq!(dead_letters.len(), 1);
    let dead_letter: Value = serde_json::from_str(&dead_letters[0].body).expect("JSON");
    assert_eq!(
        (&dead_letter["kind"], &dead_letter["body"]),
        (&json!("message"), &json!("no notification"))
    );
}

#[tokio::test]
async fn replay_delivers_a_fixed_object_and_deletes_its_dead_letter() {
    let service = Service::start().await;
    let samples = samples::generate(31, 1, 40);
    let object = &samples.objects[0];
    service.world.s3.put("audit-logs", &object.key, object.gzip[..100].to_vec());
    service.world.sqs.send(&service.world.settings.queue, "no notification").expect("sent");
    service.run_until_empty(service.config(IN_S3)).await;
    assert_eq!(dead_letters_in_s3(&service).len(), 2);
    assert!(service.delivered().0.is_empty());

    service.world.s3.put_silently("audit-logs", &object.key, object.gzip.clone());
    let replayed = replay(service.config(IN_S3), ALL).await;
    assert_eq!(replayed, Replayed { found: 2, deleted: 1 });
    assert_eq!(service.delivered().0, samples.expected.keys().cloned().collect());
    let left = dead_letters_in_s3(&service);
    assert_eq!(left.len(), 1, "a dead letter that is rejected again is kept");
    assert_eq!(left[0].1["kind"], "message");
}

#[tokio::test]
async fn an_invalid_record_is_replayed_from_its_object_or_from_its_kept_bytes() {
    for keep in [false, true] {
        let service = Service::start().await;
        let rest = format!("{IN_S3}\nkeep_bytes = {keep}");
        let good = |id: &str| {
            format!(
                r#"{{"eventVersion":"1.11","userIdentity":{{"type":"Root","accountId":"111122223333"}},"eventTime":"2026-03-01T09:00:00Z","eventSource":"iam.amazonaws.com","eventName":"ListSigningCertificates","awsRegion":"us-east-1","eventID":"{id}","recipientAccountId":"111122223333"}}"#
            )
        };
        let file = |second: &str| {
            gzip(format!(r#"{{"Records":[{},{second}]}}"#, good("first")).as_bytes())
        };
        service.world.s3.put("audit-logs", KEY, file("\"UploadSigningCertificate\""));
        service.run_until_empty(service.config(&rest)).await;
        assert_eq!(service.delivered().1, 1);
        let dead_letters = dead_letters_in_s3(&service);
        assert_eq!((dead_letters.len(), &dead_letters[0].1["kind"]), (1, &json!("record")));
        assert_eq!(dead_letters[0].1.get("bytes").is_some(), keep);

        let again = replay(service.config(&rest), ALL).await;
        assert_eq!((again.deleted, dead_letters_in_s3(&service).len()), (0, 1), "still invalid");

        service.world.s3.put_silently("audit-logs", KEY, file(&good("second")));
        let after = replay(service.config(&rest), ALL).await;
        // The kept bytes are still invalid; the object is read again only if none were kept.
        assert_eq!(after.deleted, u64::from(!keep));
        assert_eq!(service.delivered().1, if keep { 1 } else { 2 }, "the first is not sent again");
    }
}

#[tokio::test]
async fn a_rejected_event_is_replayed_to_that_sink_only_and_keeps_its_id() {
    let service = Service::start().await;
    let tiny = Options { max_content_length: 300, ..Options::default() };
    let (small, large) =
        (HecStandIn::start(tiny).await, HecStandIn::start(Options::default()).await);
    let (small, large) = (small.expect("Splunk"), large.expect("Splunk"));
    std::fs::write(service.folder().join("token"), "stand-in-token").expect("written");
    let config = |hec: &HecStandIn| {
        let sink = format!(
            "type = \"splunk_hec\"\nendpoints = [{:?}]\ntoken = {{ file = \"token\" }}",
            hec.url()
        );
        service.config_with_sink(&sink, &format!("{IN_S3}\n[decode]\nhash = true"))
    };
    let samples = samples::generate(32, 1, 20);
    service.world.s3.put("audit-logs", &samples.objects[0].key, samples.objects[0].gzip.clone());
    service.run_until_empty(config(&small)).await;
    let dead_letters = dead_letters_in_s3(&service);
    assert_eq!(dead_letters.len(), samples.expected.len());
    assert!(dead_letters.iter().all(|(_, dead_letter)| dead_letter["sinks"] == json!(["soc"])));

    let kept = replay(config(&small), ALL).await;
    assert_eq!(kept.deleted, 0, "rejected again, kept");
    assert_eq!(dead_letters_in_s3(&service).len(), dead_letters.len());

    let folder = service.folder().join("letters");
    std::fs::create_dir(&folder).expect("a folder");
    for (key, dead_letter) in &dead_letters {
        let name: PathBuf = folder.join(key.rsplit('/').next().unwrap_or(key));
        std::fs::write(name, dead_letter.to_string()).expect("written");
    }
    let source = folder.display().to_string();
    let replayed = replay(config(&large), &source).await;
    assert_eq!(replayed.deleted, dead_letters.len() as u64);
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
    let indexed = large.indexed();
    let ids = indexed.iter().filter_map(|event| event.field("event_id")).map(str::to_owned);
    assert_eq!(ids.collect::<BTreeSet<_>>(), samples.expected.keys().cloned().collect());
    let of_file = dead_letters[0].1["file_sha256"].as_str();
    assert!(of_file.is_some());
    assert!(indexed.iter().all(|event| event.field("file_sha256") == of_file));
}
