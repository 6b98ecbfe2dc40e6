//! What an operator sees from start-up on: a queue that does not respond, denied objects, counters
//! before their first event, the hash of an event's file.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use certrelay::error::{Code, Error};
use certrelay::queue::{Entry, Handle, Message, Queue};
use certrelay::store::StoreErrorKind;
use data_encoding::HEXLOWER;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use crate::sim::world::events_in;
use crate::sim::{World, WorldSettings};
use crate::support::samples;

const HOUR: Duration = Duration::from_secs(3600);

fn world() -> World {
    World::new(WorldSettings::default())
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_objects_are_denied_is_not_ready_until_one_is_read() {
    let (world, samples) = (world(), samples::generate(21, 1, 20));
    let object = &samples.objects[0];
    world.store.answers.lock().unwrap().insert(object.key.clone(), StoreErrorKind::KmsDenied);
    world.deliver(object, events_in(object, &samples), 1);
    let process = world.process(u64::MAX);
    let (health, stop) = (process.parts.health.clone(), process.stop.clone());
    let watch = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let denied = health.ready();
        world.store.answers.lock().unwrap().clear();
        tokio::time::sleep(HOUR).await;
        let recovered = health.ready();
        stop.cancel();
        (denied, recovered)
    };
    let (((ready, body), (recovered, after)), _) = tokio::join!(watch, process.run());
    assert!(!ready, "{body}");
    assert_eq!(body["sources"][0]["state"], "denied", "{body}");
    assert_eq!(body["sources"][0]["code"], "kms_denied", "{body}");
    assert!(recovered, "{after}");
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn counters_exist_before_their_first_event() {
    let metrics = world().run_until_empty(HOUR).await.expect("nothing is in the queue");
    let text = metrics.encode();
    for counter in [
        r#"sink_dropped_total{sink="soc"} 0"#,
        r#"sink_dead_lettered_total{sink="lake"} 0"#,
        r#"sink_retried_total{sink="lake"} 0"#,
        r#"route_matched_total{route="default"} 0"#,
        r#"dead_letters_total{reason="corrupt_gzip"} 0"#,
        r#"dead_letters_total{reason="unreadable_message"} 0"#,
        r#"objects_failed_total{reason="object_forbidden"} 0"#,
        r#"objects_failed_total{reason="s3_credentials"} 0"#,
        r#"objects_failed_total{reason="s3_throttled"} 0"#,
        r#"objects_failed_total{reason="s3_server_error"} 0"#,
        r#"objects_failed_total{reason="s3_timeout"} 0"#,
        r#"objects_failed_total{reason="short_body"} 0"#,
        r#"objects_failed_total{reason="s3_other"} 0"#,
        r#"objects_skipped_total{reason="digest"} 0"#,
        r#"messages_completed_total{result="lease_lost"} 0"#,
    ] {
        assert!(text.contains(counter), "{counter} is not in {text}");
    }
    assert!(!text.contains(r#"dead_letters_total{reason="s3_throttled"}"#), "never a dead letter");
}

#[tokio::test(start_paused = true)]
async fn with_hash_each_event_and_dead_letter_has_the_hash_of_its_file() {
    let (world, samples) = (world(), samples::generate(22, 1, 40));
    let object = &samples.objects[0];
    let rejected = samples.expected.keys().next().expect("a certificate event").clone();
    for sink in &world.sinks {
        sink.faults.lock().unwrap().reject = BTreeSet::from([rejected.clone()]);
    }
    world.deliver_all(&samples);
    world.run_until_empty(HOUR).await.expect("the queue is emptied");
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(&object.gzip[..]).read_to_end(&mut text).expect("gzip");
    let expected = HEXLOWER.encode(&Sha256::digest(&text));
    let files = world.sinks[0].files.lock().unwrap().clone();
    assert_eq!(files, BTreeSet::from([Some(expected.clone())]));
    let dead_letters = world.dead_letters.of("event");
    assert!(!dead_letters.is_empty());
    assert!(dead_letters.iter().all(|one| one.body["file_sha256"] == expected.as_str()));
}

/// A queue whose receives fail with this code.
struct FailingQueue(Code);

impl Queue for FailingQueue {
    fn receive(&self, _: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(async { Err(Error::new(self.0, "no answer\u{1b}[2J")) })
    }
    fn change_visibility(
        &self,
        _: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn delete(&self, _: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn name(&self) -> &str {
        "q"
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_respond_is_a_warning_and_then_an_error_and_not_ready() {
    for (code, levels) in
        [(Code::SqsTimeout, ["WARN", "ERROR"]), (Code::SqsAccessDenied, ["ERROR", "ERROR"])]
    {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let log = Arc::new(file.reopen().expect("the file"));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let mut process = world().process(u64::MAX);
        process.parts.sources[0].queue = Arc::new(FailingQueue(code));
        let (health, stop) = (process.parts.health.clone(), process.stop.clone());
        let watch = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            stop.cancel();
            health.ready()
        };
        let ((ready, body), _) = tokio::join!(watch, process.run());
        assert!(!ready && body["sources"][0]["state"] == "failing", "{body}");
        assert_eq!(body["sources"][0]["code"], code.as_str());
        assert_eq!(body["sources"][0]["error"], r"no answer\u{1b}[2J");
        let text = std::fs::read_to_string(file.path()).expect("text");
        let lines = text.lines().filter(|line| line.contains("receive failed, retrying"));
        for (line, level) in lines.zip(levels) {
            assert!(line.contains(level), "{line}");
        }
        assert!(text.contains("attempt=2"), "{text}");
    }
}

/// In this world it is January, and the events are of March.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_behind_lets_no_sum_fall() {
    let (world, samples) = (world(), samples::generate(23, 1, 20));
    world.deliver_all(&samples);
    let metrics = world.run_until_empty(HOUR).await.expect("the queue is emptied").encode();
    let sum = r#"certrelay_delivery_lag_seconds_sum{sink="soc"} 0.0"#;
    assert!(metrics.lines().any(|line| line == sum), "{metrics}");
}
