//! The sink against librdkafka's own mock cluster: a broker's behaviour in this process, on real sockets.

use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;
use crate::config::SinkKind;
use crate::error::Code;
use crate::sink::SinkState;
use crate::sink::testing::{HOUR, Running, config, event, event_with, render_record};

mod answers;
mod ending;
mod secrets;
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
    Running::start(|metrics, stop| {
        let kafka = Kafka::new(&config, own, None, metrics, render_record).unwrap();
        lanes::start(&config, kafka, metrics, stop)
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

/// Delivers while watching, until the state is no longer `Up`; then `mend`s.
async fn deliver_through_trouble(
    running: &Running,
    events: Vec<Arc<Event>>,
    mend: impl FnOnce(),
) -> (Vec<Outcome>, Error) {
    let watch = async {
        let error = running.trouble().await;
        mend();
        error
    };
    futures_util::future::join(running.built.deliver(events), watch).await
}

#[tokio::test]
async fn records_arrive_as_they_were_with_key_and_headers() {
    let cluster = cluster();
    let running = run(&settings(&cluster));
    let hashed = |n| {
        let mut event = Event::clone(&event(n));
        event.file_sha256 = Some("00ff".to_owned());
        Arc::new(event)
    };
    let outcomes = running.built.deliver((0..300).map(hashed).collect()).await;
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
    running.built.deliver((0..50).map(event).collect()).await;
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
async fn one_certificate_s_events_stay_together_and_without_one_it_is_the_account_s() {
    let cluster = cluster();
    let running = run(&KafkaConfig { key: KafkaKey::TargetArn, ..settings(&cluster) });
    let www = "arn:aws:iam::111122223333:server-certificate/www";
    let events = vec![about(0, Some(www)), about(1, Some(www)), about(2, None)];
    running.built.deliver(events).await;
    assert_eq!(keys(&consume(&cluster, 3)), ["111122223333", www, www]);
    running.finish().await;
}

#[tokio::test]
async fn the_statistics_of_librdkafka_are_metrics() {
    let cluster = cluster();
    let running = run(&settings(&cluster));
    running.built.deliver((0..10).map(event).collect()).await;
    let lines = [
        r#"certrelay_kafka_broker_connects_total{sink="lake",broker="1"}"#,
        r#"certrelay_kafka_broker_rtt_seconds{sink="lake",broker="1"}"#,
        r#"certrelay_kafka_queue_records{sink="lake"}"#,
        r#"certrelay_kafka_queue_bytes{sink="lake"}"#,
    ];
    // They come from another thread, every 200 ms.
    let mut rounds = 0;
    while !lines.iter().all(|line| running.metrics.encode().contains(line)) {
        assert!(rounds < 600, "{}", running.metrics.encode());
        rounds += 1;
        running.built.deliver(vec![event(10 + rounds)]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.finish().await;
}

#[tokio::test]
async fn a_record_too_large_for_us_is_refused_and_its_neighbours_are_delivered() {
    let cluster = cluster();
    let own = with_options(settings(&cluster), &[("message.max.bytes", "2000")]);
    let running = run(&own);
    let events = vec![event(0), event_with("huge", &"x".repeat(5000)), event(2)];
    let outcomes = running.built.deliver(events).await;
    assert!(
        matches!(&outcomes[1], Outcome::Rejected(error) if error.code == Code::KafkaTooLarge && error.text.contains("MessageSizeTooLarge")),
        "{outcomes:?}"
    );
    assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Delivered, &Outcome::Delivered));
    assert_eq!(keys(&consume(&cluster, 2)), ["event-0", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn a_batch_too_large_for_the_broker_is_sent_again_one_by_one() {
    let cluster = cluster();
    // One answer for the batch, one for the first record alone: that one is to blame.
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
    let outcomes = running.built.deliver((0..3).map(event).collect()).await;
    assert!(matches!(&outcomes[0], Outcome::Rejected(error) if error.code == Code::KafkaTooLarge));
    assert_eq!(outcomes[1..], [Outcome::Delivered, Outcome::Delivered]);
    let ids: Vec<_> = consume(&cluster, 2).iter().map(|r| header(r, "event_id").unwrap()).collect();
    assert_eq!(ids, ["event-1", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn brokers_that_are_down_are_waited_for() {
    let cluster = cluster();
    cluster.broker_down(-1).unwrap();
    let running = run(&KafkaConfig { timeout: Duration::from_secs(2), ..settings(&cluster) });
    let mend = || cluster.broker_up(-1).unwrap();
    let events = (0..5).map(event).collect();
    let (outcomes, error) = deliver_through_trouble(&running, events, mend).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(error.code, Code::KafkaTimeout);
    assert!(error.text.contains("because of"), "{error}");
    assert_eq!(consume(&cluster, 5).len(), 5);
    assert_eq!(running.built.state(), SinkState::Up);
    running.finish().await;
}

#[tokio::test]
async fn a_topic_that_may_not_be_written_to_is_waited_for() {
    let cluster = cluster();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error(TOPIC, denied).unwrap();
    let running = run(&KafkaConfig { timeout: Duration::from_secs(2), ..settings(&cluster) });
    let no_error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    let mend = || cluster.topic_error(TOPIC, no_error).unwrap();
    let (outcomes, error) = deliver_through_trouble(&running, vec![event(0)], mend).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    assert_eq!(error.code, Code::KafkaAuth);
    assert!(error.text.contains("sink.lake: Kafka topic iam-certificate-events"), "{error}");
    running.finish().await;
}

#[tokio::test]
async fn a_fatal_error_replaces_the_producer_and_loses_nothing() {
    let cluster = cluster();
    // What a missing IdempotentWrite permission is answered with: librdkafka gives up for good.
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &[denied]);
    let running = run(&settings(&cluster));
    let events = (0..5).map(event).collect();
    let (outcomes, error) = deliver_through_trouble(&running, events, || {}).await;
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
    let outcomes = running.built.deliver((0..200).map(event).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 200]);
    assert_eq!(consume(&cluster, 200).len(), 200);
    assert!(!running.metrics.encode().contains("sink_errors_total{"));
    running.finish().await;
}

#[test]
fn settings_that_librdkafka_refuses_are_named_and_their_values_are_not() {
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
    super::probe(&config("lake", SinkKind::Kafka(own.clone())), own, None).await
}

#[tokio::test]
async fn a_probe_finds_the_topic_or_says_what_is_wrong_and_creates_nothing() {
    let cluster = cluster();
    assert_eq!(probe(&settings(&cluster)).await, Ok(()));
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error(TOPIC, denied).unwrap();
    let error = probe(&settings(&cluster)).await.unwrap_err();
    assert_eq!(error.code, Code::KafkaAuth, "{error}");
    cluster.broker_down(-1).unwrap();
    let hasty = KafkaConfig { timeout: Duration::from_millis(500), ..settings(&cluster) };
    let error = probe(&hasty).await.unwrap_err();
    assert_eq!(error.code, Code::KafkaTransport, "{error}");
    assert!(error.text.contains("sink.lake: Kafka topic iam-certificate-events"), "{error}");
}
