//! The sink against librdkafka's mock cluster: brokers in this process, on real sockets.

use std::sync::Arc;

use futures_util::FutureExt as _;
use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr::*;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::Instant;

use super::client::Client;
use super::reports::Report;
use super::*;
use crate::config::{KafkaKey, Mapping, MappingKey, MappingTable, SinkKind};
use crate::error::{Code, Outcome};
use crate::event::Event;
use crate::sink::SinkState;
use crate::sink::testing::{HOUR, Running, config, event, event_with, render_record};

mod topics;

type Cluster = MockCluster<'static, DefaultProducerContext>;

const TOPIC: &str = "iam-certificate-events";
const PARTITIONS: i32 = 4;

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
    cluster
}

fn settings(cluster: &Cluster) -> KafkaConfig {
    KafkaConfig {
        brokers: vec![cluster.bootstrap_servers()],
        topic: TOPIC.into(),
        auth: KafkaAuth::None,
        tls: None,
        key: KafkaKey::EventId,
        registry: None,
        options: Vec::new(),
        timeout: Duration::from_secs(10),
        queue: 16 << 20,
    }
}

fn with_options(own: KafkaConfig, options: &[(&str, &str)]) -> KafkaConfig {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    KafkaConfig { options: options.collect(), ..own }
}

fn run(own: &KafkaConfig) -> Running {
    let config = config("lake", SinkKind::Kafka(own.clone()));
    Running::start(&config, |context| {
        let kafka = KafkaSink::new(&context, own, render_record).unwrap();
        topic_queues::start(context, kafka)
    })
}

/// All records of the topic, read by a consumer of its own.
fn consume(cluster: &Cluster, count: usize) -> Vec<OwnedMessage> {
    consume_from(cluster, TOPIC, count)
}

fn consume_from(cluster: &Cluster, topic: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let mut read = Vec::new();
    while read.len() < count {
        let message = consumer.poll(Duration::from_secs(10)).expect("a record within ten seconds");
        read.push(message.unwrap().detach());
    }
    assert!(consumer.poll(Duration::from_millis(300)).is_none(), "more than {count} records");
    read
}

fn keys(records: &[OwnedMessage]) -> Vec<String> {
    let key = |record: &OwnedMessage| String::from_utf8(record.key().unwrap().to_vec()).unwrap();
    let mut keys: Vec<String> = records.iter().map(key).collect();
    keys.sort();
    keys
}

fn header(record: &OwnedMessage, name: &str) -> Option<String> {
    let headers = record.headers()?;
    let found = headers.iter().find(|header| header.key == name)?;
    Some(String::from_utf8(found.value?.to_vec()).unwrap())
}

/// Delivers, and calls `fix` when the sink fails.
async fn deliver_through_failure(
    running: &Running,
    events: Vec<Arc<Event>>,
    fix: impl FnOnce(),
) -> (Vec<Outcome>, Error) {
    let fixed = async {
        let error = running.failure().await;
        fix();
        error
    };
    running.deliver_while(events, fixed).await
}

/// The topic of the laboratory account's events; all others go to [`TOPIC`].
const LAB: &str = "lab";

fn by_account() -> Mapping {
    let exact = [("444455556666".to_owned(), LAB.to_owned())].into();
    let (by, globs) = (MappingKey::Account, Vec::new());
    Mapping::Table(MappingTable { by, exact, globs, default: TOPIC.to_owned() })
}

fn of_lab(n: usize) -> Arc<Event> {
    let mut event = Event::clone(&event(n));
    event.fields.account = Some("444455556666".to_owned());
    Arc::new(event)
}

#[tokio::test]
async fn records_are_written_unchanged_with_key_and_headers() {
    let cluster = cluster();
    let running = run(&settings(&cluster));
    let hashed = |n| {
        let mut event = Event::clone(&event(n));
        event.file_sha256 = Some("00ff".to_owned());
        Arc::new(event)
    };
    let outcomes = running.deliver((0..300).map(hashed).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 300]);
    let records = consume(&cluster, 300);
    let mut expected: Vec<String> = (0..300).map(|n| format!("event-{n}")).collect();
    expected.sort();
    assert_eq!(keys(&records), expected);
    let record = records.iter().find(|record| record.key() == Some(b"event-7")).unwrap();
    assert_eq!(record.payload(), Some(event(7).record().bytes.as_ref()));
    for (name, value) in [
        ("event_id", Some("event-7")),
        ("event_name", Some("UploadServerCertificate")),
        ("format", Some("raw")),
        ("content_type", Some("application/json")),
        ("schema_version", None),
        ("channel", Some("s3")),
        ("file_sha256", Some("00ff")),
    ] {
        assert_eq!(header(record, name).as_deref(), value, "{name}");
    }
    running.finish().await;
}

#[tokio::test]
async fn one_account_stays_in_one_partition() {
    let cluster = cluster();
    let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
    running.deliver((0..50).map(event).collect()).await;
    let records = consume(&cluster, 50);
    assert!(records.iter().all(|record| record.key() == Some(b"111122223333")));
    let first = records[0].partition();
    assert!(records.iter().all(|record| record.partition() == first));
    running.finish().await;
}

/// An event about this certificate.
fn about(n: usize, target: Option<&str>) -> Arc<Event> {
    let mut event = Event::clone(&event(n));
    event.fields.target = target.map(str::to_owned);
    Arc::new(event)
}

#[tokio::test]
async fn target_arn_key_falls_back_to_the_account() {
    let cluster = cluster();
    let running = run(&KafkaConfig { key: KafkaKey::TargetArn, ..settings(&cluster) });
    let www = "arn:aws:iam::111122223333:server-certificate/www";
    let events = vec![about(0, Some(www)), about(1, Some(www)), about(2, None)];
    running.deliver(events).await;
    assert_eq!(keys(&consume(&cluster, 3)), ["111122223333", www, www]);
    running.finish().await;
}

#[tokio::test]
async fn librdkafka_statistics_are_exported_as_metrics() {
    let cluster = cluster();
    let running = run(&settings(&cluster));
    running.deliver((0..10).map(event).collect()).await;
    let lines = [
        r#"certrelay_kafka_broker_connects_total{sink="lake",broker="1"}"#,
        r#"certrelay_kafka_broker_rtt_seconds{sink="lake",broker="1"}"#,
        r#"certrelay_kafka_queue_records{sink="lake"}"#,
        r#"certrelay_kafka_queue_bytes{sink="lake"}"#,
    ];
    // Reported by another thread, every 200 ms.
    let mut rounds = 0;
    while !lines.iter().all(|line| running.metrics.encode().contains(line)) {
        assert!(rounds < 600, "{}", running.metrics.encode());
        rounds += 1;
        running.deliver(vec![event(10 + rounds)]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.finish().await;
}

#[tokio::test]
async fn a_record_over_message_max_bytes_is_rejected_alone() {
    let cluster = cluster();
    let own = with_options(settings(&cluster), &[("message.max.bytes", "2000")]);
    let running = run(&own);
    let events = vec![event(0), event_with("huge", &"x".repeat(5000)), event(2)];
    let outcomes = running.deliver(events).await;
    assert!(
        matches!(&outcomes[1], Outcome::Rejected(error) if error.code == Code::KafkaTooLarge && error.text.contains("MessageSizeTooLarge")),
        "{outcomes:?}"
    );
    assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Delivered, &Outcome::Delivered));
    assert_eq!(keys(&consume(&cluster, 2)), ["event-0", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn a_batch_too_large_for_the_broker_is_retried_one_by_one() {
    let cluster = cluster();
    // One error for the batch, one for the first record alone: that record is at fault.
    let too_large = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
    let outcomes = running.deliver((0..3).map(event).collect()).await;
    assert!(matches!(&outcomes[0], Outcome::Rejected(error) if error.code == Code::KafkaTooLarge));
    assert_eq!(outcomes[1..], [Outcome::Delivered, Outcome::Delivered]);
    let ids: Vec<_> = consume(&cluster, 2).iter().map(|r| header(r, "event_id").unwrap()).collect();
    assert_eq!(ids, ["event-1", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn records_are_retried_while_brokers_are_down() {
    let cluster = cluster();
    cluster.broker_down(-1).unwrap();
    let running = run(&KafkaConfig { timeout: Duration::from_secs(2), ..settings(&cluster) });
    let fix = || cluster.broker_up(-1).unwrap();
    let events = (0..5).map(event).collect();
    let (outcomes, error) = deliver_through_failure(&running, events, fix).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(error.code, Code::KafkaTimeout);
    assert!(error.text.contains("because of"), "{error}");
    assert_eq!(consume(&cluster, 5).len(), 5);
    assert_eq!(running.sink.state(), SinkState::Up);
    running.finish().await;
}

#[tokio::test]
async fn records_are_retried_while_the_topic_denies_them() {
    let cluster = cluster();
    let denied = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error(TOPIC, denied).unwrap();
    let running = run(&KafkaConfig { timeout: Duration::from_secs(2), ..settings(&cluster) });
    let no_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    let fix = || cluster.topic_error(TOPIC, no_error).unwrap();
    let (outcomes, error) = deliver_through_failure(&running, vec![event(0)], fix).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    assert_eq!(error.code, Code::KafkaAuth);
    assert!(error.text.contains("sink.lake: Kafka topic iam-certificate-events"), "{error}");
    running.finish().await;
}

#[tokio::test]
async fn a_fatal_error_replaces_the_producer_and_loses_nothing() {
    let cluster = cluster();
    // The error of a missing IdempotentWrite permission, which is fatal to librdkafka.
    let denied = RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &[denied]);
    let running = run(&settings(&cluster));
    let events = (0..5).map(event).collect();
    let (outcomes, error) = deliver_through_failure(&running, events, || {}).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(error.code, Code::KafkaAuth, "{error}");
    assert_eq!(consume(&cluster, 5).len(), 5);
    running.finish().await;
}

#[tokio::test]
async fn a_full_queue_is_backpressure_and_not_a_failure() {
    let cluster = cluster();
    let own = with_options(settings(&cluster), &[("queue.buffering.max.messages", "10")]);
    let running = run(&own);
    let outcomes = running.deliver((0..200).map(event).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 200]);
    assert_eq!(consume(&cluster, 200).len(), 200);
    assert!(!running.metrics.encode().contains("sink_errors_total{"));
    running.finish().await;
}

#[test]
fn rejected_settings_are_named_without_their_values() {
    let cluster = cluster();
    for (key, value) in [("no.such.option", "canary"), ("linger.ms", "canary")] {
        let own = with_options(settings(&cluster), &[(key, value)]);
        let error = Client::new("lake", &own, None, &Arc::default()).err().unwrap();
        assert!(error.text.contains(key) && !error.text.contains("canary"), "{error}");
    }
    let conflict = with_options(settings(&cluster), &[("max.in.flight", "100")]);
    let error = Client::new("lake", &conflict, None, &Arc::default()).err().unwrap();
    assert!(error.text.contains("sink.lake") && error.text.contains("max.in.flight"), "{error}");
}

async fn probe(own: &KafkaConfig) -> Result<(), Error> {
    let config = config("lake", SinkKind::Kafka(own.clone()));
    own.probe(&config, None, ProbeScope::AllEndpoints).await
}

#[tokio::test]
async fn a_probe_reports_the_topic_error_and_creates_nothing() {
    let cluster = cluster();
    assert_eq!(probe(&settings(&cluster)).await, Ok(()));
    let denied = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error(TOPIC, denied).unwrap();
    let error = probe(&settings(&cluster)).await.unwrap_err();
    assert_eq!(error.code, Code::KafkaAuth, "{error}");
    cluster.broker_down(-1).unwrap();
    let impatient = KafkaConfig { timeout: Duration::from_millis(500), ..settings(&cluster) };
    let error = probe(&impatient).await.unwrap_err();
    assert_eq!(error.code, Code::KafkaTransport, "{error}");
    assert!(error.text.contains("sink.lake: Kafka topic iam-certificate-events"), "{error}");
}

/// Errors of a produce request after which the same record is accepted.
const TEMPORARY: [RDKafkaRespErr; 12] = [
    RD_KAFKA_RESP_ERR__TRANSPORT,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_INVALID_MSG,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
];

#[tokio::test]
async fn after_any_temporary_broker_error_each_record_is_written_once() {
    for code in TEMPORARY {
        let cluster = cluster();
        cluster.request_errors(RDKafkaApiKey::Produce, &[code]);
        let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
        let outcomes = running.deliver((0..3).map(event).collect()).await;
        assert_eq!(outcomes, vec![Outcome::Delivered; 3], "{code:?}");
        let mut ids: Vec<_> =
            consume(&cluster, 3).iter().map(|record| header(record, "event_id").unwrap()).collect();
        ids.sort();
        assert_eq!(ids, ["event-0", "event-1", "event-2"], "{code:?}");
        running.finish().await;
    }
}

#[tokio::test]
async fn after_a_fatal_error_unacknowledged_records_are_sent_by_a_new_producer() {
    let cluster = cluster();
    let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
    assert_eq!(running.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    // For the oldest request in flight this error is fatal to librdkafka.
    cluster
        .request_errors(RDKafkaApiKey::Produce, &[RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
    let events = (1..6).map(event).collect();
    let (outcomes, error) = deliver_through_failure(&running, events, || {}).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(error.code, Code::KafkaFatal, "{error}");
    assert_eq!(consume(&cluster, 6).len(), 6);
    running.finish().await;
}

#[tokio::test]
async fn a_topic_mapping_sends_each_event_to_its_topic() {
    let cluster = cluster();
    cluster.create_topic(LAB, PARTITIONS, 1).unwrap();
    let running = run(&KafkaConfig { topic: by_account(), ..settings(&cluster) });
    let events = vec![event(0), of_lab(1), event(2)];
    assert_eq!(running.deliver(events).await, vec![Outcome::Delivered; 3]);
    assert_eq!(keys(&consume(&cluster, 2)), ["event-0", "event-2"]);
    assert_eq!(keys(&consume_from(&cluster, LAB, 1)), ["event-1"]);
    running.finish().await;
}

#[tokio::test]
async fn only_a_record_that_is_invalid_alone_is_rejected() {
    let cluster = cluster();
    // The batch fails, then the first record alone; the second record alone succeeds.
    let invalid = RD_KAFKA_RESP_ERR_INVALID_RECORD;
    cluster.request_errors(RDKafkaApiKey::Produce, &[invalid, invalid]);
    let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
    let outcomes = running.deliver((0..2).map(event).collect()).await;
    assert!(
        matches!(&outcomes[0], Outcome::Rejected(error) if error.code == Code::KafkaInvalidRecord)
    );
    assert_eq!(outcomes[1], Outcome::Delivered);
    assert_eq!(consume(&cluster, 1).len(), 1);
    running.finish().await;
}

#[tokio::test]
async fn records_follow_a_partition_to_another_leader() {
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 2).unwrap();
    let running = run(&settings(&cluster));
    for (broker, first) in [(1, 0), (2, 20), (1, 40)] {
        for partition in 0..PARTITIONS {
            cluster.partition_leader(TOPIC, partition, Some(broker)).unwrap();
        }
        let outcomes = running.deliver((first..first + 20).map(event).collect()).await;
        assert_eq!(outcomes, vec![Outcome::Delivered; 20]);
    }
    assert_eq!(consume(&cluster, 60).len(), 60);
    running.finish().await;
}

/// Longer than the tests about a record without a delivery report.
const SLOW: Duration = Duration::from_secs(8);

#[tokio::test]
async fn dropping_the_caller_does_not_cancel_its_records() {
    let cluster = cluster();
    cluster.broker_round_trip_time(-1, Duration::from_millis(200)).unwrap();
    let running = run(&settings(&cluster));
    let deliver = running.sink.deliver(vec![event(0)]);
    assert!(tokio::time::timeout(Duration::from_millis(50), deliver).await.is_err());
    running.finish().await;
    assert_eq!(keys(&consume(&cluster, 1)), ["event-0"]);
}

#[tokio::test]
async fn stop_during_an_outage_returns_retry() {
    let cluster = cluster();
    cluster.broker_down(-1).unwrap();
    let running = run(&KafkaConfig { timeout: Duration::from_millis(300), ..settings(&cluster) });
    let events = (0..5).map(event).collect();
    let stop = || running.stop.by(Instant::now() + HOUR);
    let (outcomes, _) = deliver_through_failure(&running, events, stop).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Retry(_))), "{outcomes:?}");
    running.finish().await;
}

#[tokio::test]
async fn a_record_without_a_report_at_the_deadline_returns_retry() {
    let cluster = cluster();
    let running = run(&settings(&cluster));
    assert_eq!(running.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    cluster.broker_round_trip_time(-1, SLOW).unwrap();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        running.stop.by(Instant::now() + Duration::from_millis(200));
    };
    let (outcomes, ()) = running.deliver_while(vec![event(1)], stop).await;
    assert!(
        matches!(&outcomes[..], [Outcome::Retry(error)] if error.code == Code::SinkStopped),
        "{outcomes:?}"
    );
    running.finish().await;
}

/// Returns the report of a record in flight when the client is closed with so much time left.
async fn report_after_close(left: Duration) -> Report {
    let cluster = cluster();
    let client = Client::new("lake", &settings(&cluster), None, &Arc::default()).unwrap();
    let producer = client.active().await.unwrap();
    cluster.broker_round_trip_time(-1, Duration::from_millis(300)).unwrap();
    let batch = producer.callbacks.reports.open(1);
    let record = BaseRecord::<str, [u8], _>::with_opaque_to(TOPIC, batch.opaque(0)).payload(b"x");
    producer.inner.send(record).map_err(drop).unwrap();
    drop(producer);
    client.close(left).await;
    batch.all().now_or_never().expect("reports arrive before the producer is destroyed")[0]
}

#[tokio::test]
async fn close_flushes_until_the_deadline_only() {
    assert_eq!(report_after_close(HOUR).await, Ok(()));
    let report = report_after_close(Duration::ZERO).await;
    assert!(
        matches!(report, Err(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)),
        "{report:?}"
    );
}
