//! Proof that the real servers' harness works, so that a failure above it is certrelay's own.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::{clients, real};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_to_motos_s3_is_announced_in_motos_sqs() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let (s3, sqs) = clients::of(&moto.url, &moto.url);
    let queue = sqs.create_queue().queue_name("smoke").send().await.expect("a queue");
    let url = queue.queue_url().expect("its URL");
    let to_queue = QueueConfiguration::builder()
        .queue_arn("arn:aws:sqs:us-east-1:123456789012:smoke")
        .events(Event::S3ObjectCreated)
        .build()
        .expect("complete");
    let configuration = NotificationConfiguration::builder().queue_configurations(to_queue).build();
    s3.create_bucket().bucket("smoke").send().await.expect("a bucket");
    let call = s3.put_bucket_notification_configuration().bucket("smoke");
    call.notification_configuration(configuration).send().await.expect("configured");
    let body = ByteStream::from_static(b"abc");
    s3.put_object().bucket("smoke").key("AWSLogs/k.gz").body(body).send().await.expect("put");
    let received =
        sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await.expect("read");
    let bodies: Vec<&str> = received.messages().iter().filter_map(|m| m.body()).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert!(bodies.iter().any(|body| body.contains("s3:TestEvent")));
    assert!(bodies.iter().any(|body| body.contains("AWSLogs%2Fk.gz")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_our_client_library_writes_to_apache_kafka_its_own_consumer_reads() {
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
