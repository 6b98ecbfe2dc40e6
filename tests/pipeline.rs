//! Every kind of input × every kind of outcome → the settlement.

use std::collections::BTreeSet;
use std::time::Duration;

use certrelay::config::Delivery;
use certrelay::error::Code;
use tokio::time::Instant;

use crate::sim::world::{BUCKET, DEAD, QUEUE, events_in, notification};
use crate::sim::{SinkFaults, World, WorldSettings};
use crate::support::samples::{self, SampleObject, gzip};

const HOUR: Duration = Duration::from_secs(3600);

fn world() -> World {
    World::new(WorldSettings::default())
}

fn object(key: &str, bytes: &[u8]) -> SampleObject {
    let key = format!("AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/{key}.json.gz");
    SampleObject { key, gzip: bytes.to_vec() }
}

#[tokio::test(start_paused = true)]
async fn without_faults_every_event_arrives_once_and_the_counts_reconcile() {
    let (world, samples) = (world(), samples::generate(7, 30, 20));
    world.deliver_all(&samples);
    let metrics = world.run_until_empty(HOUR).await.expect("the queue is emptied");
    let expected: BTreeSet<_> = samples.expected.keys().cloned().collect();
    assert!(expected.len() > 100);
    for sink in &world.sinks {
        assert_eq!(sink.ids(), expected);
        assert_eq!(sink.duplicates(), 0);
    }
    let routed = expected.len() as u64;
    assert_eq!(metrics.records_read.get(), samples.records as u64);
    assert_eq!(metrics.events_routed.get(), routed);
    assert_eq!(metrics.records_filtered.get(), samples.records as u64 - routed);
    assert_eq!(world.early.lock().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_notification_delivers_nothing_twice() {
    let (world, samples) = (world(), samples::generate(8, 3, 20));
    for object in &samples.objects {
        world.deliver(object, events_in(object, &samples), 3);
    }
    let metrics = world.run_until_empty(HOUR).await.expect("the queue is emptied");
    assert!(world.sinks.iter().all(|sink| sink.duplicates() == 0));
    assert_eq!(metrics.events_duplicate.get(), 2 * samples.expected.len() as u64);
}

/// Asserts that a damaged object becomes a dead letter with this reason, and its message is
/// deleted.
async fn assert_dead_lettered(bytes: &[u8], reason: Code) {
    let world = world();
    world.deliver(&object("bad", bytes), BTreeSet::new(), 1);
    world.run_until_empty(HOUR).await.expect("poison is settled");
    let written = world.dead_letters.of("object");
    assert_eq!(written.len(), 1, "{reason}");
    assert_eq!(written[0].code, reason);
    assert!(world.sinks.iter().all(|sink| sink.ids().is_empty()));
}

#[tokio::test(start_paused = true)]
async fn damaged_objects_are_dead_lettered_and_deliver_nothing() {
    let sample = &samples::generate(9, 1, 50).objects[0];
    assert_dead_lettered(&sample.gzip[..sample.gzip.len() - 9], Code::CorruptGzip).await;
    assert_dead_lettered(b"neither gzip nor JSON", Code::NotCloudtrail).await;
    assert_dead_lettered(&gzip(b"{\"Records\":[{\"eventName\":"), Code::CorruptJson).await;
    assert_dead_lettered(
        &gzip(b"{\"awsAccountId\":\"111122223333\",\"digestS3Bucket\":\"x\"}"),
        Code::NotCloudtrail,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn files_of_other_tools_are_dead_lettered_and_none_of_their_records_is_filtered() {
    let wrapped = crate::cli::containers::wrapped();
    assert!(wrapped.len() > 20);
    for (name, document) in wrapped {
        eprintln!("{name}");
        assert_dead_lettered(&gzip(document.as_bytes()), Code::NotCloudtrail).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_line_of_a_rejected_object_names_its_message_and_the_object() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let writer = std::sync::Arc::new(log.reopen().expect("a file"));
    let json = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
    let subscriber = json.with_max_level(tracing::Level::ERROR).with_writer(writer).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = world();
    let bad = object("bad", b"neither gzip nor JSON");
    world.deliver(&bad, BTreeSet::new(), 1);
    world.run_until_empty(HOUR).await.expect("settled");
    let text = std::fs::read_to_string(log.path()).expect("the log");
    let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one line of JSON");
    assert_eq!(
        (&line["message"], &line["code"]),
        (&"object rejected".into(), &"not_cloudtrail".into())
    );
    let [message, object] = [&line["spans"][0], &line["spans"][1]];
    assert_eq!(
        (&message["queue"], message["message_id"].is_string()),
        (&QUEUE.into(), true),
        "{line}"
    );
    assert_eq!(
        (&object["bucket"], &object["key"]),
        (&BUCKET.into(), &bad.key.as_str().into()),
        "{line}"
    );
    assert_eq!(object["request_id"], "SIMULATED");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_object_is_read_again_before_it_counts_as_poison() {
    let (world, samples) = (world(), samples::generate(9, 1, 50));
    let bad = object("bad", &samples.objects[0].gzip[..100]);
    world.deliver(&bad, BTreeSet::new(), 1);
    world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!(world.store.opens.lock().unwrap()[&bad.key], 2);
}

#[tokio::test(start_paused = true)]
async fn objects_without_events_are_done_without_a_request() {
    let world = world();
    for key in [
        "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/03/01/x.json.gz",
        "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/03/01/x.json.gz",
        "AWSLogs/111122223333/CloudTrail/us-east-1/",
    ] {
        world.announce(&[key], BTreeSet::new());
    }
    world.announce(&[], BTreeSet::new());
    world
        .sqs
        .send(QUEUE, r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"audit-logs"}"#)
        .unwrap();
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    assert!(world.store.opens.lock().unwrap().is_empty());
    assert_eq!(metrics.messages_received.get(), 5);
}

/// A forwarder of notifications may fill in a size that it does not know.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_announced_as_empty_is_still_read() {
    let (world, samples) = (world(), samples::generate(10, 1, 20));
    let object = &samples.objects[0];
    world.store.put(&object.key, object.gzip.clone());
    let body = notification(&[&object.key]);
    let key = format!("{:?}", object.key);
    let body = body.replace(&key, &format!("{key},\"size\":0"));
    assert!(body.contains("\"size\":0"), "{body}");
    world.send(&body, events_in(object, &samples));
    world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!(world.sinks[0].ids().len(), samples.expected.len());
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_body_and_a_foreign_bucket_are_dead_lettered() {
    let world = world();
    world.sqs.send(QUEUE, "no notification at all").unwrap();
    let foreign = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put",
        "s3":{"bucket":{"name":"evil"},"object":{"key":"AWSLogs/x.json.gz"}}}]}"#;
    world.sqs.send(QUEUE, foreign).unwrap();
    world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!(world.dead_letters.of("message").len(), 1);
    assert_eq!(world.dead_letters.of("object")[0].code, Code::BucketNotAllowed);
    assert!(world.store.opens.lock().unwrap().is_empty(), "nothing of a foreign bucket is fetched");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_written_keeps_its_message() {
    let world = world();
    *world.dead_letters.fail.lock().unwrap() = 2;
    world.sqs.send(QUEUE, "no notification at all").unwrap();
    let metrics = world.run_until_empty(HOUR).await.expect("settled in the end");
    assert_eq!(metrics.dead_letter_errors.get(), 2);
    assert_eq!(world.dead_letters.of("message").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn under_redrive_poison_is_released_until_the_queue_moves_it() {
    let settings =
        WorldSettings { redrive: true, max_receive_count: 3, ..WorldSettings::default() };
    let world = World::new(settings);
    world.sqs.send(QUEUE, "no notification at all").unwrap();
    world.run_until_empty(HOUR).await.expect("moved");
    let dead = world.sqs.with(|core, _| core.peek(DEAD)).unwrap();
    assert_eq!(dead.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_invalid_record_is_one_dead_letter_and_the_rest_of_its_file_is_delivered() {
    let world = world();
    let good = r#"{"eventVersion":"1.11","userIdentity":{"type":"Root","accountId":"111122223333"},"eventTime":"2026-03-01T09:00:00Z","eventSource":"iam.amazonaws.com","eventName":"ListSigningCertificates","awsRegion":"us-east-1","eventID":"good","recipientAccountId":"111122223333"}"#;
    let text = format!(r#"{{"Records":[{good},"UploadSigningCertificate"]}}"#);
    world.deliver(&object("mixed", &gzip(text.as_bytes())), BTreeSet::from(["good".to_owned()]), 1);
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!(world.sinks[0].ids(), BTreeSet::from(["good".to_owned()]));
    assert_eq!(world.dead_letters.of("record").len(), 1);
    assert_eq!((metrics.records_read.get(), metrics.records_invalid.get()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_event_is_dead_lettered_for_that_sink_alone() {
    let (world, samples) = (world(), samples::generate(11, 2, 20));
    let bad = samples.expected.keys().next().unwrap().clone();
    world.sinks[0].faults.lock().unwrap().reject.insert(bad.clone());
    world.deliver_all(&samples);
    world.run_until_empty(HOUR).await.expect("settled");
    let written = world.dead_letters.of("event");
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].body["event_id"], bad.as_str());
    assert_eq!(written[0].body["sinks"][0], "soc");
    assert!(!world.sinks[0].ids().contains(&bad));
    assert!(world.sinks[1].ids().contains(&bad));
}

#[tokio::test(start_paused = true)]
async fn a_best_effort_sink_never_blocks_a_message() {
    let sinks = vec![("soc", true), ("spare", false)];
    let delivery = Delivery { max_in_flight_messages: 4, ..Delivery::default() };
    let world = World::new(WorldSettings { sinks, delivery, ..WorldSettings::default() });
    let never = Instant::now() + 1000 * HOUR;
    world.sinks[1].faults.lock().unwrap().down_until = Some(never);
    let samples = samples::generate(12, 25, 20);
    world.deliver_all(&samples);
    world.run_until_empty(HOUR).await.expect("more messages than the in-flight limit are settled");
    assert_eq!(world.sinks[0].ids().len(), samples.expected.len());
}

/// The queue is the buffer: messages in flight wait, none is received and released in a loop.
#[tokio::test(start_paused = true)]
async fn a_four_hour_outage_costs_no_second_receive_and_no_dead_letter() {
    let delivery = Delivery {
        max_in_flight_messages: 20,
        visibility_timeout: Duration::from_secs(300),
        ..Delivery::default()
    };
    let world =
        World::new(WorldSettings { delivery, max_receive_count: 3, ..WorldSettings::default() });
    let back = Instant::now() + 4 * HOUR;
    world.sinks[0].faults.lock().unwrap().down_until = Some(back);
    let samples = samples::generate(13, 60, 10);
    world.deliver_all(&samples);
    world.run_until_empty(6 * HOUR).await.expect("all is delivered once the sink is back");
    assert!(Instant::now() >= back, "nothing was settled before");
    assert_eq!(world.sinks[0].ids().len(), samples.expected.len());
    let tally = world.sqs.with(|core, _| core.tally);
    assert_eq!((tally.received_again, tally.redriven), (0, 0));
    assert_eq!(world.sinks[1].duplicates(), 0, "the healthy sink is not sent twice");
}

/// Otherwise the second object would wait until the message's lease is lost.
#[tokio::test(start_paused = true)]
async fn the_delivery_timeout_is_for_a_message_whatever_it_announces() {
    let delivery = Delivery { delivery_timeout: HOUR, ..Delivery::default() };
    let world = World::new(WorldSettings { delivery, ..WorldSettings::default() });
    world.sinks[0].faults.lock().unwrap().down_until = Some(Instant::now() + 1000 * HOUR);
    let samples = samples::generate(17, 8, 20);
    let ours = samples.objects.iter().filter(|object| !events_in(object, &samples).is_empty());
    let keys: Vec<&str> = ours.map(|object| object.key.as_str()).take(2).collect();
    assert_eq!(keys.len(), 2);
    samples.objects.iter().for_each(|object| world.store.put(&object.key, object.gzip.clone()));
    world.announce(&keys, BTreeSet::new());
    assert!(world.run_until_empty(3 * HOUR / 2).await.is_none(), "nothing is final");
    let opens = world.store.opens.lock().unwrap();
    assert_eq!(
        (opens.get(keys[0]), opens.get(keys[1])),
        (Some(&2), None),
        "released after an hour"
    );
}

/// For a whole day, longer than SQS allows a message in flight: messages are released and received
/// again.
#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_for_a_whole_run_does_not_affect_the_others() {
    let sinks = vec![("soc", true), ("lake", true), ("disk", true)];
    let world = World::new(WorldSettings { sinks, max_receive_count: 10, ..Default::default() });
    world.sinks[0].faults.lock().unwrap().down_until = Some(Instant::now() + 1000 * HOUR);
    let samples = samples::generate(16, 60, 2);
    let expected: BTreeSet<_> = samples.expected.keys().cloned().collect();
    let ours = samples.objects.iter().filter(|object| !events_in(object, &samples).is_empty());
    let ours = ours.count();
    assert!(ours > 20 && ours < samples.objects.len(), "{ours} objects have events of ours");
    world.deliver_all(&samples);
    assert!(world.run_until_empty(24 * HOUR).await.is_none(), "its messages stay in the queue");
    assert_eq!(world.left(), ours, "only messages without events are settled");
    for healthy in &world.sinks[1..] {
        assert_eq!((healthy.ids(), healthy.duplicates()), (expected.clone(), 0));
    }
    let tally = world.sqs.with(|core, _| core.tally);
    assert_eq!(tally.redriven, 0);
    assert!(tally.received_again <= 3 * ours as u64, "{} received again", tally.received_again);
    assert!(world.early.lock().unwrap().is_empty());
    world.sinks[0].faults.lock().unwrap().down_until = None;
    world.run_until_empty(24 * HOUR).await.expect("delivered once the sink is back");
    assert_eq!(world.sinks[0].ids(), expected);
}

/// Message A's sink fails while message B, with the same event, waits for A's outcome.
#[tokio::test(start_paused = true)]
async fn the_same_event_in_two_messages_survives_the_failure_of_the_first() {
    let world = world();
    let samples = samples::generate(14, 1, 5);
    let faults = SinkFaults { retry: 0.9, slow_seconds: 30, ..SinkFaults::default() };
    *world.sinks[0].faults.lock().unwrap() = faults;
    world.deliver(&samples.objects[0], events_in(&samples.objects[0], &samples), 2);
    world.run_until_empty(1000 * HOUR).await.expect("delivered in the end");
    assert_eq!(world.sinks[0].ids().len(), samples.expected.len());
    assert!(world.early.lock().unwrap().is_empty());
}

/// Matches above the buffer's cap are delivered in several passes, each after a whole verified
/// read.
#[tokio::test(start_paused = true)]
async fn an_object_with_more_matches_than_the_buffer_cap_is_read_again_for_the_rest() {
    let delivery = Delivery { memory_limit: 64 << 10, ..Delivery::default() };
    let world = World::new(WorldSettings { delivery, ..WorldSettings::default() });
    let samples = samples::generate(15, 1, 200);
    let object = &samples.objects[0];
    world.deliver(object, events_in(object, &samples), 1);
    let metrics = world.run_until_empty(HOUR).await.expect("delivered");
    assert_eq!(world.sinks[0].ids().len(), samples.expected.len());
    assert_eq!(world.sinks[0].duplicates(), 0);
    assert!(world.store.opens.lock().unwrap()[&object.key] > 2);
    assert_eq!(metrics.records_read.get(), 200, "an object is counted once");
}
