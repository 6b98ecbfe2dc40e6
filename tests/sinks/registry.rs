//! Values with schema ids, written with a stand-in schema registry and read back.

use std::time::Duration;

use certrelay::config::OutputFormat;
use certrelay::error::{Code, Outcome};
use certrelay::format::schema;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::running::{Running, event, events, run};
use crate::support::registry::Registry;

type Cluster = MockCluster<'static, DefaultProducerContext>;

const OTHER: &str = r#"{ "type": "string" }"#;

fn cluster(topics: &[&str]) -> Cluster {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    for topic in topics {
        cluster.create_topic(topic, 1, 1).expect("a topic");
    }
    cluster
}

fn write_to(cluster: &Cluster, registry: &Registry, more: &str) -> Running {
    run(&format!(
        r#"brokers = ["{}"]
        topic = {{ by = "event", values = {{ DeleteServerCertificate = "deletions" }}, default = "events" }}
        schema_registry = {{ url = "{}"{more} }}"#,
        cluster.bootstrap_servers(),
        registry.url()
    ))
}

/// Reads the first value of a topic.
fn value(cluster: &Cluster, topic: &str) -> Vec<u8> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .expect("a client");
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).expect("assigned");
    consumer.assign(&partitions).expect("assigned");
    let message = consumer.poll(Duration::from_secs(30)).expect("a record").expect("no error");
    message.payload().expect("a value").to_vec()
}

/// Parses the id that a value begins with, as Confluent's clients do, and the event.
fn read(value: &[u8]) -> (usize, serde_json::Value) {
    let (head, json) = value.split_at(5);
    assert_eq!(head[0], 0, "the magic byte");
    let id = u32::from_be_bytes(head[1..].try_into().expect("four bytes"));
    (usize::try_from(id).expect("small"), serde_json::from_slice(json).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_registered_once_and_every_value_begins_with_its_id() {
    let (cluster, registry) = (cluster(&["events"]), Registry::start().await.expect("loopback"));
    registry.put("somebody-elses", OTHER);
    let running = write_to(&cluster, &registry, "");
    for _ in 0..3 {
        assert_eq!(running.sink.deliver(events(4)).await, vec![Outcome::Delivered; 4]);
    }
    let (id, event) = tokio::task::block_in_place(|| read(&value(&cluster, "events")));
    assert_eq!((id, event["class_uid"].as_u64()), (2, Some(6003)));
    assert_eq!(registry.schema(id).as_deref(), Some(schema(OutputFormat::Ocsf)));
    assert_eq!(registry.requests(), ["POST /subjects/events-value/versions"], "once");
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_are_named_as_confluent_names_them() {
    for (strategy, subject) in [
        ("topic", "events-value"),
        ("record", "certrelay.ocsf"),
        ("topic_record", "events-certrelay.ocsf"),
    ] {
        let (cluster, registry) =
            (cluster(&["events"]), Registry::start().await.expect("loopback"));
        let running = write_to(&cluster, &registry, &format!(r#", subject = "{strategy}""#));
        assert_eq!(running.sink.deliver(events(1)).await, [Outcome::Delivered]);
        assert_eq!(registry.subjects(), [subject]);
        running.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_retried_while_the_registry_fails() {
    let internal = r#"{"error_code":50001,"message":"Error in the backend data store"}"#;
    let html = "<html>503 Service Temporarily Unavailable</html>";
    let invalid = r#"{"error_code":42201,"message":"Invalid schema"}"#;
    for (status, body, code) in [
        (500, internal, Code::KafkaRegistry),
        (503, html, Code::KafkaRegistry),
        (429, "", Code::KafkaRegistry),
        (422, invalid, Code::KafkaSchema),
        (403, "Forbidden", Code::KafkaRegistryAuth),
    ] {
        let (cluster, registry) =
            (cluster(&["events"]), Registry::start().await.expect("loopback"));
        registry.fail_next(status, body);
        let running = write_to(&cluster, &registry, "");
        let (outcomes, error) = running.deliver_while(events(2), running.failure()).await;
        assert_eq!((outcomes, error.code), (vec![Outcome::Delivered; 2], code), "{error}");
        assert!(error.text.contains("sink.lake.schema_registry"), "{error}");
        running.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incompatible_schema_delays_only_its_own_topic() {
    let topics = ["events", "deletions"];
    let (cluster, registry) = (cluster(&topics), Registry::start().await.expect("loopback"));
    registry.put("deletions-value", OTHER);
    let running = write_to(&cluster, &registry, "");
    let mut deletion = certrelay::event::Event::clone(&event("deleted", 10));
    deletion.fields.name = "DeleteServerCertificate".to_owned();
    let delayed = running.sink.deliver(vec![deletion.into()]);
    let meanwhile = async {
        let error = running.failure().await;
        // Events for other topics are delivered.
        let outcomes = running.sink.deliver(events(2)).await;
        registry.set_compatibility_none("deletions-value");
        (error, outcomes)
    };
    let (deleted, (error, outcomes)) = futures_util::future::join(delayed, meanwhile).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 2]);
    assert_eq!(deleted, [Outcome::Delivered]);
    assert_eq!(error.code, Code::KafkaSchema);
    assert!(error.text.contains("409") && error.text.contains("deletions-value"), "{error}");
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_register_false_the_schema_must_exist() {
    let (cluster, registry) = (cluster(&["events"]), Registry::start().await.expect("loopback"));
    let running = write_to(&cluster, &registry, ", register = false");
    let fix = async {
        let error = running.failure().await;
        registry.put("events-value", schema(OutputFormat::Ocsf));
        error
    };
    let (outcomes, error) = running.deliver_while(events(1), fix).await;
    assert_eq!(
        (outcomes, error.code),
        (vec![Outcome::Delivered], Code::KafkaSchemaAbsent),
        "{error}"
    );
    assert!(error.text.contains("40401") && error.text.contains("certrelay schema"), "{error}");
    assert!(registry.requests().iter().all(|request| request == "POST /subjects/events-value"));
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_password_is_sent_and_never_shown() {
    let (cluster, registry) = (cluster(&["events"]), Registry::start().await.expect("loopback"));
    registry.require_login("certrelay", "another-word");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "canary-word").expect("written");
    let path = password.display();
    let login = format!(r#", username = "certrelay", password = {{ file = "{path}" }}"#);
    let running = write_to(&cluster, &registry, &login);
    let fix = async {
        let error = running.failure().await;
        std::fs::write(&password, "another-word").expect("written");
        error
    };
    let (outcomes, error) = running.deliver_while(events(1), fix).await;
    assert_eq!(
        (outcomes, error.code),
        (vec![Outcome::Delivered], Code::KafkaRegistryAuth),
        "{error}"
    );
    assert!(!error.text.contains("canary-word"), "{error}");
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_registry_is_retried() {
    let cluster = cluster(&["events"]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = closed.local_addr().expect("it is bound");
    drop(closed);
    let running = run(&format!(
        r#"brokers = ["{}"]
        topic = "events"
        schema_registry = {{ url = "http://{address}" }}"#,
        cluster.bootstrap_servers()
    ));
    let error = tokio::select! {
        error = running.failure() => error,
        outcomes = running.sink.deliver(events(1)) => panic!("{outcomes:?}"),
    };
    assert_eq!(error.code, Code::KafkaRegistry, "{error}");
    running.finish().await;
}
