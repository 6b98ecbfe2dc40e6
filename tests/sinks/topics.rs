//! Topic errors of Apache Kafka, and the events meanwhile.

use std::sync::Arc;

use certrelay::error::{Code, Outcome};
use certrelay::event::Event;

use super::broker::{Broker, ids, shared};
use super::running::{Running, all_ids, event, events, run};
use crate::support::wait;

/// A sink that writes to `topic` without a login.
fn write_to(broker: &Broker, topic: &str, more: &str) -> Running {
    run(&format!(
        r#"brokers = ["{}"]
        topic = "{topic}"
        key = "event_id"
        format = "raw"
        {more}"#,
        broker.open
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_retried_until_a_missing_topic_exists() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    let running = write_to(broker, "late", "");
    let fix = async {
        let error = running.failure().await;
        broker.create_topic("late", 1, &[]).await;
        error
    };
    let (outcomes, error) = running.deliver_while(events(3), fix).await;
    assert_eq!((outcomes, error.code), (vec![Outcome::Delivered; 3], Code::KafkaTopic), "{error}");
    assert_eq!(ids(&broker.consume("late", 3)), all_ids(3));
    running.finish().await;
}

/// Returns events of another account.
fn of_lab(count: usize) -> Vec<Arc<Event>> {
    let move_to_lab = |event: Arc<Event>| {
        let mut event = Event::clone(&event);
        event.fields.account = Some("444455556666".to_owned());
        Arc::new(event)
    };
    events(count).into_iter().map(move_to_lab).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_topic_delays_no_other_and_replaces_no_producer() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("mapped", 1, &[]).await;
    let running = run(&format!(
        r#"brokers = ["{}"]
        topic = {{ by = "account", values = {{ "444455556666" = "mapped-lab" }}, default = "mapped" }}
        key = "event_id"
        format = "raw""#,
        broker.open
    ));
    let others = async {
        for round in 1..=3 {
            running.failures(1).await;
            let error = running.failure().await;
            assert!(error.code == Code::KafkaTopic && error.text.contains("mapped-lab"), "{error}");
            let outcomes =
                running.sink.deliver(events(10 * round).split_off(10 * (round - 1))).await;
            assert_eq!(outcomes, vec![Outcome::Delivered; 10]);
        }
        broker.create_topic("mapped-lab", 1, &[]).await;
    };
    let (delayed, ()) = running.deliver_while(of_lab(20), others).await;
    assert_eq!(delayed, vec![Outcome::Delivered; 20]);
    assert_eq!(ids(&broker.consume("mapped", 30)), all_ids(30));
    assert_eq!(ids(&broker.consume("mapped-lab", 20)), all_ids(20));
    assert_eq!(running.producers(), 1);
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_deleted_and_created_again_gets_the_unwritten_records() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("again", 1, &[]).await;
    let running = write_to(broker, "again", "");
    let (before, after) = (events(30), events(60).split_off(30));
    assert_eq!(running.sink.deliver(before).await, vec![Outcome::Delivered; 30]);
    broker.delete_topic("again").await;
    let fix = async {
        let error = running.failure().await;
        broker.create_topic("again", 1, &[]).await;
        error
    };
    let (outcomes, error) = running.deliver_while(after, fix).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 30], "{error}");
    assert_eq!(running.producers(), 1);
    let mut read = ids(&broker.consume("again", 30));
    read.dedup();
    assert_eq!(read, all_ids(60)[30..]);
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_record_is_rejected_alone() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    let ours = r#"options."message.max.bytes" = 3000"#;
    for (topic, settings, more) in
        [("small", &[("max.message.bytes", "3000")][..], ""), ("strict", &[][..], ours)]
    {
        broker.create_topic(topic, 1, settings).await;
        let running = write_to(broker, topic, more);
        let mut mixed = events(12);
        mixed[5] = event("huge", 6000);
        let outcomes = running.sink.deliver(mixed).await;
        assert!(
            matches!(&outcomes[5], Outcome::Rejected(error) if error.code == Code::KafkaTooLarge),
            "{outcomes:?}"
        );
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Delivered).count(), 11);
        let mut expected = all_ids(12);
        expected.remove(5);
        assert_eq!(ids(&broker.consume(topic, 11)), expected, "{topic}");
        running.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_retried_until_a_missing_acl_is_added() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("rights", 1, &[]).await;
    let tool = |class: &str, arguments: &str| {
        let arguments = format!("--bootstrap-server {} {arguments}", broker.open);
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        tokio::task::block_in_place(|| broker.tool(class, &arguments));
    };
    tool(
        "kafka.admin.ConfigCommand",
        "--alter --entity-type users --entity-name guest --add-config SCRAM-SHA-512=[password=guest-secret]",
    );
    let running = run(&format!(
        r#"brokers = ["{}"]
        topic = "rights"
        key = "event_id"
        format = "raw"
        auth = {{ mechanism = "SCRAM-SHA-512", username = "guest", password = "guest-secret" }}
        tls = {{ ca_file = "tests/support/tls/ca.pem" }}"#,
        broker.secured
    ));
    let fix = async {
        let error = wait::until("the missing ACL", async || {
            let error = running.failure().await;
            (error.code == Code::KafkaAuth).then_some(error)
        })
        .await;
        tool(
            "org.apache.kafka.tools.AclCommand",
            "--add --allow-principal User:guest --operation Write --topic rights",
        );
        error
    };
    let (outcomes, error) = running.deliver_while(events(3), fix).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 3], "{error}");
    assert!(!error.text.contains("guest-secret"), "{error}");
    assert_eq!(ids(&broker.consume("rights", 3)), all_ids(3));
    running.finish().await;
}
