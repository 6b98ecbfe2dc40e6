//! Invalid input over the whole path: each kind ends as the design's table says, is logged once
//! with its location and the request id, and is counted. moto and our stand-ins must agree.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::arrivals::Arrivals;
use super::aws::Aws;
use super::service::Service;
use super::setup::{self, Setup};
use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::hec::{HecStandIn, Options};
use crate::support::s3::Fault;
use crate::support::samples::{self, gzip};
use crate::support::{real, wait};

const DAY: &str = "us-east-1/2026/03/01";

/// The expected result of an invalid input. In every case the message is deleted.
#[derive(Debug, Clone, Copy)]
enum End {
    /// A dead letter of this kind and reason; whether S3 was requested.
    DeadLetter(&'static str, &'static str, Requested),
    /// `messages_ignored`, by this reason.
    Ignored(&'static str),
    /// `objects_skipped`, by this reason.
    Skipped(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Requested {
    S3,
    Nothing,
}

/// One invalid input: an object that is put, or a message that is sent.
struct Case {
    key: String,
    object: Option<Vec<u8>>,
    message: Option<String>,
    end: End,
}

fn log_key(name: &str) -> String {
    format!("AWSLogs/111122223333/CloudTrail/{DAY}/{name}.json.gz")
}

fn put(key: String, bytes: Vec<u8>, end: End) -> Case {
    Case { key, object: Some(bytes), message: None, end }
}

fn send(key: &str, message: String, end: End) -> Case {
    Case { key: key.to_owned(), object: None, message: Some(message), end }
}

/// The notification of S3 for a put.
fn notification(bucket: &str, key: &str) -> String {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1000}},
    }]})
    .to_string()
}

/// A file of 64 MiB of white space in 64 KiB.
fn bomb() -> Vec<u8> {
    let mut document = b"{\"Records\":[".to_vec();
    document.resize(64 << 20, b' ');
    gzip(&document)
}

/// A valid file, one of whose records is a number.
fn with_a_number(document: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(document.to_vec()).expect("JSON is UTF-8");
    gzip(text.replacen("{\"Records\":[", "{\"Records\":[42,", 1).as_bytes())
}

fn cases(bucket: &str, document: &[u8]) -> Vec<Case> {
    use Requested::{Nothing, S3};
    let gz = gzip(document);
    let digest = b"{\"awsAccountId\":\"111122223333\",\"digestS3Bucket\":\"x\"}";
    let other_key = |service: &str| format!("AWSLogs/111122223333/{service}/{DAY}/other.json.gz");
    let unreadable = End::DeadLetter("message", "unreadable_message", Nothing);
    let object = |code| End::DeadLetter("object", code, S3);
    let foreign = End::DeadLetter("object", "bucket_not_allowed", Nothing);
    let test =
        format!("{{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"{bucket}\"}}");
    vec![
        send("", "not JSON at all".to_owned(), unreadable),
        send("", "{\"hello\":\"world\"}".to_owned(), unreadable),
        send("", test, End::Ignored("test_event")),
        send(
            &log_key("missing"),
            notification(bucket, &log_key("missing")),
            object("object_missing"),
        ),
        send(&log_key("foreign"), notification("somebody-elses", &log_key("foreign")), foreign),
        put(log_key("empty"), Vec::new(), End::Skipped("empty")),
        put(log_key("not-gzip"), b"neither gzip nor JSON".to_vec(), object("not_cloudtrail")),
        put(log_key("truncated"), gz[..gz.len() / 2].to_vec(), object("corrupt_gzip")),
        put(log_key("bomb"), bomb(), object("over_limit")),
        put(log_key("not-a-log"), gzip(digest), object("not_cloudtrail")),
        put(other_key("CloudTrail-Digest"), gzip(digest), End::Skipped("digest")),
        put(other_key("CloudTrail-Insight"), gzip(b"{}"), End::Skipped("insight")),
        put(
            log_key("number"),
            with_a_number(document),
            End::DeadLetter("record", "invalid_record", S3),
        ),
    ]
}

/// A valid file, uncompressed, and the eventIDs of its certificate events.
fn valid() -> (Vec<u8>, Vec<String>) {
    let samples = samples::generate(5, 1, 30);
    let document = samples::document(&samples.objects[0]);
    (document, samples.expected.into_keys().collect())
}

/// The expected count of each reason in a metric.
fn counts<'c>(
    cases: &'c [Case],
    of: impl Fn(&'c End) -> Option<&'static str>,
) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for reason in cases.iter().filter_map(|case| of(&case.end)) {
        *counts.entry(reason).or_insert(0) += 1;
    }
    counts
}

/// Checks that each input was counted in its metric.
async fn check_metrics(service: &Service, cases: &[Case]) {
    // The queue is empty a moment before certrelay has the response to its delete.
    let metrics = wait::until("every message completed", async || {
        let metrics = service.metrics().await;
        let deleted = metrics.labelled("messages_completed", "result", "deleted");
        (deleted == metrics.count("messages_received")).then_some(metrics)
    })
    .await;
    metrics.assert_reconciled(&["soc", "archive"]);
    let expected = [
        (
            "dead_letters",
            counts(cases, |end| match end {
                End::DeadLetter(_, code, _) => Some(*code),
                _ => None,
            }),
        ),
        (
            "objects_failed",
            counts(cases, |end| match end {
                End::DeadLetter("object", code, _) => Some(*code),
                _ => None,
            }),
        ),
        (
            "objects_skipped",
            counts(cases, |end| match end {
                End::Skipped(reason) => Some(*reason),
                _ => None,
            }),
        ),
    ];
    for (metric, counts) in expected {
        for (reason, count) in counts {
            assert_eq!(metrics.labelled(metric, "reason", reason), count, "{metric} {reason}");
        }
    }
    assert_eq!(metrics.count("records_invalid"), 1);
    for case in cases {
        let End::Ignored(reason) = case.end else { continue };
        // The stand-in's bucket has sent a test event too.
        let counted = metrics.labelled("messages_ignored", "reason", reason);
        assert!(counted >= 1, "{reason} was counted {counted} times");
    }
}

/// Checks that each dead letter exists once, and its log line with location and request id too.
fn check_dead_letters(dead_letters: &[Value], log: &[Value], bucket: &str, cases: &[Case]) {
    let is_expected = |case: &&Case| matches!(case.end, End::DeadLetter(..));
    let expected = cases.iter().filter(is_expected).count();
    assert_eq!(dead_letters.len(), expected, "{dead_letters:#?}");
    for case in cases {
        let End::DeadLetter(kind, code, requested) = case.end else { continue };
        let about = |value: &Value| {
            let text = value.to_string();
            value["kind"] == kind
                && value["reason"]["code"] == code
                && match &case.message {
                    Some(body) if kind == "message" => value["body"] == body.as_str(),
                    _ => text.contains(&case.key),
                }
        };
        let found: Vec<&Value> = dead_letters.iter().filter(|one| about(one)).collect();
        assert_eq!(found.len(), 1, "{kind} {code} {}: {dead_letters:#?}", case.key);
        let is_about = |line: &&Value| match kind {
            "message" => line.to_string().contains(found[0]["message_id"].as_str().expect("an id")),
            _ if code == "bucket_not_allowed" => names(line, "somebody-elses", &case.key),
            _ => names(line, bucket, &case.key),
        };
        let lines: Vec<&Value> = log.iter().filter(is_about).collect();
        assert_eq!(lines.len(), 1, "{code} {} in {} lines: {log:#?}", case.key, lines.len());
        assert_eq!((&lines[0]["level"], &lines[0]["code"]), (&json!("ERROR"), &json!(code)));
        if requested == Requested::S3 {
            assert!(request_id(lines[0]).is_some_and(|id| id.len() > 4), "{:#}", lines[0]);
        }
    }
}

/// Whether a log line names an object: by URL, or by its fields `bucket` and `key`.
fn names(line: &Value, bucket: &str, key: &str) -> bool {
    line.to_string().contains(&format!("s3://{bucket}/{key}"))
        || (line["bucket"] == bucket && line["key"] == key)
}

/// The request id of a log line: its own field, or in a text.
fn request_id(line: &Value) -> Option<&str> {
    let of_text =
        |field: &str| line[field].as_str()?.split("request id ").nth(1)?.split(')').next();
    let own = line["spans"][1]["request_id"].as_str();
    own.or_else(|| of_text("error")).or_else(|| of_text("message"))
}

/// Sends all inputs, runs the binary until the queue is empty, and checks every result.
async fn check_all(aws: &Aws, setup: &Setup<'_>, splunk: &HecStandIn, dead: &str) {
    let (queue, bucket) = setup.sources[0].clone();
    let (document, expected) = valid();
    let cases = cases(&bucket, &document);
    for case in &cases {
        match (&case.object, &case.message) {
            (Some(bytes), _) => aws.put(&bucket, &case.key, bytes.clone()).await,
            (_, Some(body)) => aws.send(&queue, body).await,
            (None, None) => {}
        }
    }
    let folder = setup::folder();
    let service = Service::start(folder.path(), &setup.text()).await;
    aws.await_counts(&queue, (0, 0)).await;
    check_metrics(&service, &cases).await;
    let ended = service.terminate().await;
    assert_eq!(ended.code, Some(0));
    assert_eq!(aws.counts(dead).await, (0, 0), "the dead-letter queue");
    check_dead_letters(&setup::dead_letters(folder.path()), &ended.log, &bucket, &cases);
    let arrived = Arrivals::at_splunk(splunk);
    assert_eq!(
        arrived.ids(),
        expected.into_iter().collect(),
        "the rest of the file with the number"
    );
    assert_eq!(arrived.duplicates(), 0);
}

const LIMITS: &str = "[decode]\nmax_decompressed = \"1 MiB\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_invalid_input_at_moto_has_its_result() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let wired = tokio::task::block_in_place(|| moto.create_bucket("s3", 30));
    let setup = Setup {
        s3: moto.url.clone(),
        sqs: &moto.url,
        sources: vec![(wired.queue_url.clone(), wired.bucket.clone())],
        kafka: None,
        splunk: splunk.url(),
        more: LIMITS,
    };
    check_all(&Aws::of_moto(moto), &setup, &splunk, &wired.dead_letter_url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_invalid_input_at_our_stand_ins_has_its_result() {
    let world = AwsStandIns::start(AwsSettings::default()).await.expect("loopback is there");
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let setup = setup_of(&world, &splunk, LIMITS);
    let dead = world.sqs_http.queue_url(&world.dead_letter_queue());
    check_all(&Aws::of_world(&world), &setup, &splunk, &dead).await;
}

fn setup_of<'a>(world: &'a AwsStandIns, splunk: &HecStandIn, more: &'a str) -> Setup<'a> {
    Setup {
        s3: world.s3.url(),
        sqs: world.sqs_http.url(),
        sources: vec![(world.queue_url(), world.settings.bucket.clone())],
        kafka: None,
        splunk: splunk.url(),
        more,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_object_releases_its_message_until_access_is_allowed() {
    let world = AwsStandIns::start(AwsSettings::default()).await.expect("loopback is there");
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let samples = samples::generate(6, 1, 60);
    let object = &samples.objects[0];
    world.s3.script(&object.key, Fault::AccessDenied, 1);
    world.s3.put(&world.settings.bucket, &object.key, object.gzip.clone());
    let folder = setup::folder();
    let service = Service::start(folder.path(), &setup_of(&world, &splunk, "").text()).await;

    let denied = |line: &&Value| line["code"] == "object_forbidden";
    let line = wait::until("the denied object in the log", async || {
        service.log().iter().find(denied).cloned()
    })
    .await;
    assert!(names(&line, &world.settings.bucket, &object.key), "{line}");
    assert!(request_id(&line).is_some_and(|id| id.len() > 4), "{line}");
    let aws = Aws::of_world(&world);
    aws.await_counts(&world.queue_url(), (0, 0)).await;
    let metrics = service.metrics().await;
    assert_eq!(metrics.labelled("objects_failed", "reason", "object_forbidden"), 1);
    assert_eq!(metrics.labelled("messages_retried", "reason", "object_forbidden"), 1);
    assert_eq!(metrics.labelled("messages_completed", "result", "released"), 1);
    let ended = service.terminate().await;
    let mut levels: Vec<_> = ended.log.iter().filter(denied).map(|line| &line["level"]).collect();
    levels.sort_by_key(|level| level.to_string());
    assert_eq!(levels, ["ERROR", "WARN"], "{:#?}", ended.log);
    assert_eq!(Arrivals::at_splunk(&splunk).ids(), samples.expected.into_keys().collect());
    assert!(setup::dead_letters(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redrive_motos_queue_moves_unreadable_messages() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let wired = tokio::task::block_in_place(|| moto.create_bucket_with("s3", 30, 1));
    let setup = Setup {
        s3: moto.url.clone(),
        sqs: &moto.url,
        sources: vec![(wired.queue_url.clone(), wired.bucket.clone())],
        kafka: None,
        splunk: splunk.url(),
        more: "[dead_letter]\nredrive = true\n",
    };
    let aws = Aws::of_moto(moto);
    aws.send(&wired.queue_url, "not JSON at all").await;
    let folder = setup::folder();
    let service = Service::start(folder.path(), &setup.text()).await;
    aws.await_counts(&wired.dead_letter_url, (1, 0)).await;
    assert_eq!(aws.counts(&wired.queue_url).await, (0, 0));
    assert_eq!(service.terminate().await.code, Some(0));
}
