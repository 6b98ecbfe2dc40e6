//! The main path on real servers: every notification route, into Kafka, Splunk and a file.

use serde_json::{Value, json};

use super::arrivals::{Arrivals, expected};
use super::aws::Aws;
use super::service::Service;
use super::setup::{self, SINKS, Setup};
use crate::support::hec::{HecStandIn, Options};
use crate::support::real::{self, Moto, NotifiedBucket};
use crate::support::samples::{self, Samples};
use crate::support::wait;

/// The notification routes from a bucket to a queue, by their names in `tests/real/moto_wiring.py`.
const ROUTES: [&str; 5] = ["s3", "sns", "sns-raw", "eventbridge", "cloudtrail"];

/// CloudTrail's own messages: the validation, then lists of keys.
fn of_cloudtrail(bucket: &str, samples: &Samples) -> String {
    let mut messages = "CloudTrail validation message.\n".to_owned();
    for pair in samples.objects.chunks(2) {
        let keys: Vec<&str> = pair.iter().map(|object| object.key.as_str()).collect();
        messages += &format!("{}\n", json!({"s3Bucket": bucket, "s3ObjectKey": keys}));
    }
    messages
}

async fn fill(moto: &Moto, route: &str, seed: u64) -> (NotifiedBucket, Samples) {
    let wired = tokio::task::block_in_place(|| moto.create_bucket(route, 30));
    let samples = samples::generate(seed, 6, 20);
    Aws::of_moto(moto).put_all(&wired.bucket, &samples.objects).await;
    if route == "cloudtrail" {
        let messages = of_cloudtrail(&wired.bucket, &samples);
        let topic = wired.topic_arn.as_deref().expect("a topic");
        tokio::task::block_in_place(|| moto.publish(topic, &messages));
    }
    (wired, samples)
}

/// Checks the probes of a service that has delivered everything.
async fn check_probes(service: &Service, records: usize, events: usize) {
    let (status, ready) = service.get("/readyz").await;
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!((status, &ready["ready"]), (200, &json!(true)), "{ready}");
    assert_eq!(ready["sources"].as_array().map(Vec::len), Some(ROUTES.len()), "{ready}");
    assert_eq!(service.get("/livez").await.0, 200);
    let metrics = service.metrics().await;
    metrics.assert_reconciled(&SINKS);
    assert_eq!(metrics.count("records_read"), records as u64);
    assert_eq!(metrics.count("events_routed"), events as u64);
    for sink in SINKS {
        assert_eq!(metrics.labelled("sink_delivered", "sink", sink), events as u64, "{sink}");
    }
    let ignored = metrics.labelled("messages_ignored", "reason", "validation_message");
    assert_eq!(ignored, 1, "CloudTrail's validation message");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_every_route_each_event_arrives_once_in_kafka_splunk_and_a_file() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let Some(kafka) = tokio::task::block_in_place(real::kafka) else { return };
    kafka.create_topic("every-route").await;
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let (mut wired, mut samples) = (Vec::new(), Vec::new());
    for (seed, route) in (100..).zip(ROUTES) {
        let (one, made) = fill(moto, route, seed).await;
        wired.push(one);
        samples.push(made);
    }
    let expected = expected(&samples.iter().collect::<Vec<_>>());
    let records = samples.iter().map(|samples| samples.records).sum();
    let folder = setup::folder();
    let setup = Setup {
        s3: moto.url.clone(),
        sqs: &moto.url,
        sources: wired.iter().map(|one| (one.queue_url.clone(), one.bucket.clone())).collect(),
        kafka: Some((&kafka.bootstrap, "every-route")),
        splunk: splunk.url(),
        more: "",
    };

    let service = Service::start(folder.path(), &setup.text()).await;
    wait::until("every event in Splunk", async || (splunk.count() >= expected.len()).then_some(()))
        .await;
    for wired in &wired {
        Aws::of_moto(moto).await_empty(wired).await;
    }
    check_probes(&service, records, expected.len()).await;
    let ended = service.terminate().await;

    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let arrivals = [
        Arrivals::at_splunk(&splunk),
        tokio::task::block_in_place(|| Arrivals::at_kafka(kafka, "every-route")),
        Arrivals::in_file(&folder.path().join("events.ndjson")),
    ];
    for arrivals in arrivals {
        assert_eq!(arrivals.ids(), expected);
        assert_eq!(arrivals.duplicates(), 0, "no fault, no duplicate");
    }
    assert_eq!(setup::dead_letters(folder.path()), [Value::Null; 0], "no dead letters");
    // A broker that has just started makes librdkafka log; its lines have a facility.
    let unexpected = |line: &&Value| line["level"] != "INFO" && line["facility"].is_null();
    let unexpected: Vec<_> = ended.log.iter().filter(unexpected).collect();
    assert!(unexpected.is_empty(), "no fault, no warning: {unexpected:#?}");
}
