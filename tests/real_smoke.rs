//! The harness of the real servers works, so that a failure of other tests is certrelay's own.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::{clients, real};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_to_motos_s3_reaches_motos_sqs_by_every_route() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let (s3, sqs) = clients::of(&moto.url, &moto.url);
    let markers =
        [("s3", r#""key": "AWSLogs%2Fk.gz""#), ("sns", "TopicArn"), ("eventbridge", "detail-type")];
    for (route, marker) in markers {
        let wired = tokio::task::block_in_place(|| moto.create_bucket(route, 30));
        let put = s3.put_object().bucket(&wired.bucket).key("AWSLogs/k.gz");
        put.body(ByteStream::from_static(b"abc")).send().await.expect("put");
        let call = sqs.receive_message().queue_url(&wired.queue_url).max_number_of_messages(10);
        let received = call.wait_time_seconds(5).send().await.expect("received");
        let bodies: Vec<&str> = received.messages().iter().filter_map(|m| m.body()).collect();
        assert!(bodies.iter().any(|body| body.contains(marker)), "{route}: {bodies:?}");
        let attributes = sqs.get_queue_attributes().queue_url(&wired.dead_letter_url);
        attributes.send().await.expect("its dead-letter queue is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_written_by_librdkafka_are_read_by_kafkas_own_consumer() {
    let Some(kafka) = tokio::task::block_in_place(real::kafka) else { return };
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.bootstrap)
        .set("enable.idempotence", "true")
        .set("compression.type", "zstd")
        .create()
        .expect("a producer");
    for n in 0..3 {
        let (key, value) = (format!("key {n}"), format!(r#"{{"n": {n}}}"#));
        let headers = OwnedHeaders::new().insert(Header { key: "kind", value: Some("test") });
        let record = FutureRecord::to("smoke").key(&key).payload(&value).headers(headers);
        producer.send(record, Duration::from_secs(30)).await.expect("acknowledged");
    }
    let mut read = tokio::task::block_in_place(|| kafka.consume("smoke", 3));
    read.sort();
    let expected = (0..3).map(|n| real::Consumed {
        headers: "kind:test".to_owned(),
        key: format!("key {n}"),
        value: format!(r#"{{"n": {n}}}"#),
    });
    assert_eq!(read, expected.collect::<Vec<_>>());
}
