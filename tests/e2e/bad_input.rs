//! Bad input over the whole path: each kind ends as the design's table says, is logged once with its
//! place and the request id, and is counted. moto and our stand-ins must agree.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::arrivals::Arrivals;
use super::aws::Aws;
use super::service::Service;
use super::setup::{self, Setup};
use crate::support::hec::{HecStandIn, Options};
use crate::support::s3::Fault;
use crate::support::samples::{self, gzip};
use crate::support::world::{Plan, World};
use crate::support::{real, wait};

const DAY: &str = "us-east-1/2026/03/01";

/// How a bad input must end. Each ends in a deleted message.
#[derive(Debug, Clone, Copy)]
enum End {
    /// A dead letter of this kind and reason; whether S3 had been asked.
    Letter(&'static str, &'static str, Asked),
    /// `messages_without_objects`, by this reason.
    Nothing(&'static str),
    /// `objects_skipped`, by this reason.
    Skipped(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Asked {
    S3,
    Nobody,
}

/// One bad input: an object that is put, or a message that is sent.
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

/// What S3 says when an object was put.
fn announcement(bucket: &str, key: &str) -> String {
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

/// A sound file, one of whose records is a number.
fn with_a_number(sound: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(sound.to_vec()).expect("JSON is UTF-8");
    gzip(text.replacen("{\"Records\":[", "{\"Records\":[42,", 1).as_bytes())
}

fn cases(bucket: &str, sound: &[u8]) -> Vec<Case> {
    use Asked::{Nobody, S3};
    let gz = gzip(sound);
    let digest = b"{\"awsAccountId\":\"111122223333\",\"digestS3Bucket\":\"x\"}";
    let beside = |service: &str| format!("AWSLogs/111122223333/{service}/{DAY}/beside.json.gz");
    let unreadable = End::Letter("message", "unreadable_message", Nobody);
    let object = |code| End::Letter("object", code, S3);
    let foreign = End::Letter("object", "bucket_not_allowed", Nobody);
    let test =
        format!("{{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"{bucket}\"}}");
    vec![
        send("", "not JSON at all".to_owned(), unreadable),
        send("", "{\"hello\":\"world\"}".to_owned(), unreadable),
        send("", test, End::Nothing("test_event")),
        send(
            &log_key("missing"),
            announcement(bucket, &log_key("missing")),
            object("object_missing"),
        ),
        send(&log_key("foreign"), announcement("somebody-elses", &log_key("foreign")), foreign),
        put(log_key("empty"), Vec::new(), End::Skipped("empty")),
        put(log_key("not-gzip"), b"neither gzip nor JSON".to_vec(), object("not_cloudtrail")),
        put(log_key("truncated"), gz[..gz.len() / 2].to_vec(), object("corrupt_gzip")),
        put(log_key("bomb"), bomb(), object("over_limit")),
        put(log_key("not-a-log"), gzip(digest), object("not_cloudtrail")),
        put(beside("CloudTrail-Digest"), gzip(digest), End::Skipped("digest")),
        put(beside("CloudTrail-Insight"), gzip(b"{}"), End::Skipped("insight")),
        put(log_key("number"), with_a_number(sound), End::Letter("record", "invalid_record", S3)),
    ]
}

/// A file with nothing wrong, uncompressed, and the eventIDs in it that are ours.
fn sound() -> (Vec<u8>, Vec<String>) {
    let samples = samples::generate(5, 1, 30);
    let document = samples::document(&samples.objects[0]);
    (document, samples.expected.into_keys().collect())
}

/// How often each reason is expected in a metric.
fn tally<'c>(
    cases: &'c [Case],
    of: impl Fn(&'c End) -> Option<&'static str>,
) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for reason in cases.iter().filter_map(|case| of(&case.end)) {
        *counts.entry(reason).or_insert(0) += 1;
    }
    counts
}

/// Each kind has been counted where the table says.
async fn must_be_counted(service: &Service, cases: &[Case]) {
    // The queue is empty a moment before certrelay has the answer that says so.
    let metrics = wait::until("every message settled", async || {
        let metrics = service.metrics().await;
        let settled = metrics.labelled("messages_completed", "result", "deleted");
        (settled == metrics.count("messages_received")).then_some(metrics)
    })
    .await;
    metrics.must_balance(&["soc", "archive"]);
    let expected = [
        (
            "dead_letters",
            tally(cases, |end| match end {
                End::Letter(_, code, _) => Some(*code),
                _ => None,
            }),
        ),
        (
            "objects_failed",
            tally(cases, |end| match end {
                End::Letter("object", code, _) => Some(*code),
                _ => None,
            }),
        ),
        (
            "objects_skipped",
            tally(cases, |end| match end {
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
    assert_eq!(metrics.count("records_bad"), 1);
    for case in cases {
        let End::Nothing(reason) = case.end else { continue };
        // The stand-in's bucket has sent one of its own.
        let counted = metrics.labelled("messages_without_objects", "reason", reason);
        assert!(counted >= 1, "{reason} was counted {counted} times");
    }
}

/// Each dead letter is there once, and so is its line in the log: with place and request id.
fn must_be_told(letters: &[Value], log: &[Value], bucket: &str, cases: &[Case]) {
    let told = |case: &&Case| matches!(case.end, End::Letter(..));
    assert_eq!(letters.len(), cases.iter().filter(told).count(), "{letters:#?}");
    for case in cases {
        let End::Letter(kind, code, asked) = case.end else { continue };
        let about = |value: &Value| {
            let text = value.to_string();
            value["kind"] == kind
                && value["reason"]["code"] == code
                && match &case.message {
                    Some(body) if kind == "message" => value["body"] == body.as_str(),
                    _ => text.contains(&case.key),
                }
        };
        let found: Vec<&Value> = letters.iter().filter(|letter| about(letter)).collect();
        assert_eq!(found.len(), 1, "{kind} {code} {}: {letters:#?}", case.key);
        let place = match kind {
            "message" => found[0]["message_id"].as_str().expect("an id").to_owned(),
            _ if code == "bucket_not_allowed" => format!("s3://somebody-elses/{}", case.key),
            _ => format!("s3://{bucket}/{}", case.key),
        };
        let lines: Vec<&Value> =
            log.iter().filter(|line| line.to_string().contains(&place)).collect();
        assert_eq!(lines.len(), 1, "{place} stands in {} lines: {log:#?}", lines.len());
        assert_eq!((&lines[0]["level"], &lines[0]["code"]), (&json!("ERROR"), &json!(code)));
        if asked == Asked::S3 {
            assert!(request_id(lines[0]).is_some_and(|id| id.len() > 4), "{:#}", lines[0]);
        }
    }
}

/// Returns the request id of a line: a member of the object's span, or in the error.
fn request_id(line: &Value) -> Option<&str> {
    let of_text = || line["error"].as_str()?.split("request id ").nth(1)?.split(')').next();
    line["spans"][1]["request_id"].as_str().or_else(of_text)
}

/// Sends everything, runs the binary until the queue is empty, and holds it to the table.
async fn all_end_as_the_table_says(aws: &Aws, setup: &Setup<'_>, splunk: &HecStandIn, dead: &str) {
    let (queue, bucket) = setup.sources[0].clone();
    let (sound, ours) = sound();
    let cases = cases(&bucket, &sound);
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
    must_be_counted(&service, &cases).await;
    let ended = service.terminate().await;
    assert_eq!(ended.code, Some(0));
    assert_eq!(aws.counts(dead).await, (0, 0), "the queue's own dead letters");
    must_be_told(&setup::letters(folder.path()), &ended.log, &bucket, &cases);
    let arrived = Arrivals::at_splunk(splunk);
    assert_eq!(arrived.ids(), ours.into_iter().collect(), "the file with the number goes on");
    assert_eq!(arrived.duplicates(), 0);
}

const LIMITS: &str = "[decode]\nmax_decompressed = \"1 MiB\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_motos_services_every_bad_input_ends_as_the_table_says() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let wired = tokio::task::block_in_place(|| moto.wire("s3", 30));
    let setup = Setup {
        s3: moto.url.clone(),
        sqs: &moto.url,
        sources: vec![(wired.queue_url.clone(), wired.bucket.clone())],
        kafka: None,
        splunk: splunk.url(),
        more: LIMITS,
    };
    all_end_as_the_table_says(&Aws::of_moto(moto), &setup, &splunk, &wired.dead_letter_url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_our_stand_ins_every_bad_input_ends_as_the_table_says() {
    let world = World::start(Plan::default()).await.expect("loopback is there");
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let setup = setup_of(&world, &splunk, LIMITS);
    let dead = world.sqs_http.queue_url(&world.dead_letter_queue());
    all_end_as_the_table_says(&Aws::of_world(&world), &setup, &splunk, &dead).await;
}

fn setup_of<'a>(world: &'a World, splunk: &HecStandIn, more: &'a str) -> Setup<'a> {
    Setup {
        s3: world.s3.url(),
        sqs: world.sqs_http.url(),
        sources: vec![(world.queue_url(), world.plan.bucket.clone())],
        kafka: None,
        splunk: splunk.url(),
        more,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forbidden_object_keeps_its_message_until_it_may_be_read() {
    let world = World::start(Plan::default()).await.expect("loopback is there");
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let samples = samples::generate(6, 1, 60);
    let object = &samples.objects[0];
    world.s3.script(&object.key, Fault::AccessDenied, 1);
    world.s3.put(&world.plan.bucket, &object.key, object.gzip.clone());
    let folder = setup::folder();
    let service = Service::start(folder.path(), &setup_of(&world, &splunk, "").text()).await;

    let refused = |line: &&Value| line["code"] == "object_forbidden";
    let line =
        wait::until("the refusal in the log", async || service.log().iter().find(refused).cloned())
            .await;
    let text = line["error"].as_str().expect("a sentence");
    assert!(text.contains(&format!("s3://{}/{}", world.plan.bucket, object.key)), "{text}");
    assert!(request_id(&line).is_some_and(|id| id.len() > 4), "{text}");
    let aws = Aws::of_world(&world);
    aws.await_counts(&world.queue_url(), (0, 0)).await;
    let metrics = service.metrics().await;
    assert_eq!(metrics.labelled("objects_failed", "reason", "object_forbidden"), 1);
    assert_eq!(metrics.labelled("messages_retried", "reason", "object_forbidden"), 1);
    assert_eq!(metrics.labelled("messages_completed", "result", "released"), 1);
    let ended = service.terminate().await;
    let mut levels: Vec<_> = ended.log.iter().filter(refused).map(|line| &line["level"]).collect();
    levels.sort_by_key(|level| level.to_string());
    assert_eq!(levels, ["ERROR", "WARN"], "{:#?}", ended.log);
    assert_eq!(Arrivals::at_splunk(&splunk).ids(), samples.expected.into_keys().collect());
    assert!(setup::letters(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redrive_motos_queue_moves_what_can_never_be_read() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let wired = tokio::task::block_in_place(|| moto.wire_with("s3", 30, 1));
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
